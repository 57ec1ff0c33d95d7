/**
 * Reads what there is to know of queues, in one call for some of them.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** Scores and dates as Redis holds them. */
export interface RawQueue {
  readonly queued: number
  readonly scheduled: number
  readonly overdue: number
  readonly started: number
  readonly finished: number
  readonly failed: number
  readonly deferred: number
  readonly canceled: number
  readonly firstDue: string
  readonly nextDue: string
  readonly headId: string
  readonly headEnqueuedAt: string
  readonly leader: string
  readonly leaseMillis: number
  /** The first key that could not be read, and why; empty when all could. */
  readonly problemKey: string
  readonly problem: string
}

/** Keys of one queue, in the order in which the script takes them. */
const keysOf = (queue: string): ReadonlyArray<string> => [
  keys.queue(queue),
  keys.scheduled(queue),
  keys.started(queue),
  keys.finished(queue),
  keys.failed(queue),
  keys.deferred(queue),
  keys.canceled(queue),
  keys.schedulerLock(queue),
  keys.workersOf(queue)
]

/** `now` is in seconds since 1970. */
export const readQueues = Redis.script(
  (queues: ReadonlyArray<string>, now: string) => [keys.family.job, ...queues.flatMap(keysOf), now],
  {
    name: "inspect-queues",
    numberOfKeys: (queues) => 1 + 9 * queues.length,
    // What finished or failed stays in its registry past its time until somebody cleans it.
    lua: `
local jobs, now = KEYS[1], ARGV[1]
local key, problem = "", ""
-- What one key that holds something foreign would have told is 0, and the rest is told.
local function ask(otherwise, ...)
  local reply = redis.pcall(...)
  if type(reply) == "table" and reply.err then
    if key == "" then key, problem = select(2, ...), reply.err end
    return otherwise
  end
  return reply or otherwise
end
local function count(key) return ask(0, "ZCARD", key) end
local function kept(key) return count(key) - ask(0, "ZCOUNT", key, "0", "(" .. now) end
local out = {}
for i = 2, #KEYS, 9 do
  key, problem = "", ""
  local scheduled = KEYS[i + 1]
  local length = ask(0, "LLEN", KEYS[i])
  local first = ask({}, "ZRANGE", scheduled, 0, 0, "WITHSCORES")
  local later = ask({}, "ZRANGEBYSCORE", scheduled, "(" .. now, "+inf", "WITHSCORES", "LIMIT", 0, 1)
  local head = ask("", "LINDEX", KEYS[i], 0)
  local since = ""
  if head ~= "" and redis.call("TYPE", jobs .. head)["ok"] == "hash" then
    since = redis.call("HGET", jobs .. head, "enqueued_at") or ""
  end
  local row = {
    length,
    count(scheduled),
    ask(0, "ZCOUNT", scheduled, "-inf", now),
    count(KEYS[i + 2]),
    kept(KEYS[i + 3]),
    kept(KEYS[i + 4]),
    count(KEYS[i + 5]),
    count(KEYS[i + 6]),
    first[2] or "",
    later[2] or "",
    head,
    since,
    ask("", "GET", KEYS[i + 7]),
    redis.call("PTTL", KEYS[i + 7])
  }
  ask(0, "SISMEMBER", KEYS[i + 8], "")
  row[15], row[16] = key, problem
  out[#out + 1] = row
end
return out
`,
    result: (rows: ReadonlyArray<Row>): ReadonlyArray<RawQueue> =>
      rows.map((row) => ({
        queued: row[0],
        scheduled: row[1],
        overdue: row[2],
        started: row[3],
        finished: row[4],
        failed: row[5],
        deferred: row[6],
        canceled: row[7],
        firstDue: row[8],
        nextDue: row[9],
        headId: row[10],
        headEnqueuedAt: row[11],
        leader: row[12],
        leaseMillis: row[13],
        problemKey: row[14],
        problem: row[15]
      }))
  }
)

type Row = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  string,
  string,
  string,
  string,
  string,
  number,
  string,
  string
]
