/**
 * How schedulers become and stop being the leader of a queue. The edge `promote` prolongs the lease in between.
 *
 * @internal
 */
import { luaJournal } from "../lifecycle/journal.js"
import { luaLease } from "../lifecycle/lease.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** What a scheduler's hash lives for without a beat, in seconds, as RQ 2.10 has it. */
export const schedulerTtl = 61

export interface ElectParams {
  readonly scheduler: string
  readonly queues: ReadonlyArray<string>
  readonly leaseMillis: number
  /** Field, value, ... of the scheduler's hash. */
  readonly birth: ReadonlyArray<string>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
}

export type Elected =
  | { readonly _tag: "Leading"; readonly queue: string }
  | {
    readonly _tag: "Led"
    readonly queue: string
    readonly by: string
    /** When the leader's lease lapses unless it is renewed, in milliseconds from now; undefined when it never does. */
    readonly lapsesIn: number | undefined
  }
  /** The key of the lock holds something foreign: nobody can lead. */
  | { readonly _tag: "Foreign"; readonly queue: string; readonly message: string }

/** Tries to take the lock of each queue. May be repeated: a lock that is ours already is renewed. */
export const elect = Redis.script(
  (params: ElectParams) => [
    keys.scheduler(params.scheduler),
    ...params.queues.flatMap((queue) => [keys.schedulerLock(queue), keys.journal(queue)]),
    params.scheduler,
    params.leaseMillis,
    params.nowDate,
    params.now,
    ...params.birth
  ],
  {
    name: "elect",
    numberOfKeys: (params) => 1 + 2 * params.queues.length,
    lua: `${luaLease}${luaJournal}
local token, lease, now = ARGV[1], ARGV[2], ARGV[4]
if redis.call("EXISTS", KEYS[1]) == 0 then redis.call("HSET", KEYS[1], unpack(ARGV, 5)) end
-- what it tells of itself must not be in the way of what it is for
if redis.call("TYPE", KEYS[1])["ok"] == "hash" then
  redis.call("HSET", KEYS[1], "last_heartbeat", ARGV[3])
  redis.call("EXPIRE", KEYS[1], ${schedulerTtl})
end

-- Who leads as far as the journal knows: a leader of Python's does not write there.
local function lastNoted(journal)
  local last = redis.pcall("LRANGE", journal, 0, 19)
  for i = 1, #last do
    local kind, rest = string.match(last[i], "^%S+ (%S+) (.*)$")
    if kind == "elected" then return (string.match(rest, "^%S+ (.*)$")) end
    if kind == "seen" then return rest end
    if kind == "resigned" then return nil end
  end
end

local out = {}
for i = 2, #KEYS, 2 do
  local found = redis.call("TYPE", KEYS[i])["ok"]
  local isFree, isForeign = found == "none", found ~= "none" and found ~= "string"
  local taken, holder, lapses = takeLease(KEYS[i], token, lease)
  if isFree then
    note(KEYS[i + 1], now .. " elected " .. lease .. " " .. token)
  elseif not taken and not isForeign and lastNoted(KEYS[i + 1]) ~= holder then
    note(KEYS[i + 1], now .. " seen " .. holder)
  end
  out[#out + 1] = taken and { 1 } or isForeign and { 2, KEYS[i] .. " holds " .. holder } or { 0, holder, lapses }
end
return out
`,
    result:
      (rows: ReadonlyArray<readonly [1] | readonly [2, string] | readonly [0, string, number]>) =>
      (queues: ReadonlyArray<string>): ReadonlyArray<Elected> =>
        rows.map((row, index) =>
          row[0] === 1
            ? { _tag: "Leading", queue: queues[index]! }
            : row[0] === 2
            ? { _tag: "Foreign", queue: queues[index]!, message: `${row[1]}, expected the name of a scheduler` }
            : { _tag: "Led", queue: queues[index]!, by: row[1], lapsesIn: row[2] < 0 ? undefined : row[2] }
        )
  }
)

/** Gives up the locks that are ours, tells the others so, and removes the scheduler's hash. May be repeated. */
export const resign = Redis.script(
  (params: { readonly scheduler: string; readonly queues: ReadonlyArray<string>; readonly now: string }) => [
    keys.scheduler(params.scheduler),
    ...params.queues.flatMap((queue) => [
      keys.schedulerLock(queue),
      keys.schedulerChannel(queue),
      keys.journal(queue)
    ]),
    params.scheduler,
    params.now
  ],
  {
    name: "resign",
    numberOfKeys: (params) => 1 + 3 * params.queues.length,
    lua: `${luaLease}${luaJournal}
local released = 0
for i = 2, #KEYS, 3 do
  if endLease(KEYS[i], ARGV[1], KEYS[i + 1]) then
    released = released + 1
    note(KEYS[i + 2], ARGV[2] .. " resigned " .. ARGV[1])
  end
end
if redis.call("TYPE", KEYS[1])["ok"] == "hash" then redis.call("DEL", KEYS[1]) end
return released
`,
    result: (released: number): number => released
  }
)
