/**
 * How a worker enters and leaves RQ's sets of workers. In between, the edge `heartbeat` keeps it there.
 *
 * @internal
 */
import { luaAttemptForeign } from "../lifecycle/attempt.js"
import { luaGiveBack, luaHandoverOf, luaIsQueued } from "../lifecycle/handover.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** For how many seconds a worker's hash is kept after its death, as RQ does. */
const deathTtl = 60

export interface Registered {
  /** False when another one of this name is alive: nothing was done. */
  readonly registered: boolean
  /** As the edge `heartbeat` tells. */
  readonly problem: string | undefined
  readonly unguarded: ReadonlyArray<string>
}

/** May be repeated. A key that holds something foreign is passed over, see the edge `heartbeat`. */
export const register = Redis.script(
  (params: {
    readonly worker: string
    readonly queues: ReadonlyArray<string>
    readonly now: string
    readonly aliveSeconds: number
    readonly ttl: number
    /** A mark of this very process, so that a repeated call finds itself. */
    readonly incarnation: string
    readonly birth: ReadonlyArray<string>
  }) => [
    keys.worker(params.worker),
    keys.workers,
    keys.family.workers,
    keys.ownFamily.handovers,
    keys.workerExecutions(params.worker),
    keys.worker(params.worker),
    params.worker,
    params.now,
    params.aliveSeconds,
    params.ttl,
    params.incarnation,
    params.queues.length,
    ...params.queues,
    ...params.birth
  ],
  {
    name: "register-worker",
    numberOfKeys: 5,
    lua: `${luaAttemptForeign}
local member, worker, now, alive, ttl, incarnation = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local count = tonumber(ARGV[7])
local known = attempt("HMGET", KEYS[1], "birth", "death", "incarnation")
if known and known[1] and not known[2] and known[3] ~= incarnation then return { 0, "", {} } end
redis.call("DEL", KEYS[5])
if known then
  redis.call("DEL", KEYS[1])
  redis.call("HSET", KEYS[1], "incarnation", incarnation, unpack(ARGV, 8 + count))
  redis.call("EXPIRE", KEYS[1], ttl)
end
attempt("SADD", KEYS[2], member)
local unguarded = {}
for i = 1, count do
  local queue = ARGV[7 + i]
  attempt("SADD", KEYS[3] .. queue, member)
  if not attempt("ZADD", KEYS[4] .. queue, string.format("%.3f", now + alive), worker) then
    unguarded[#unguarded + 1] = queue
  end
end
return { 1, PROBLEM, unguarded }
`,
    result: (
      [registered, problem, unguarded]: readonly [number, string, ReadonlyArray<string>]
    ): Registered => ({ registered: registered === 1, problem: problem === "" ? undefined : problem, unguarded })
  }
)

/** Leaves the sets, gives back what was handed over and not started, and keeps the hash for a minute. */
export const unregister = Redis.script(
  (params: {
    readonly worker: string
    readonly queues: ReadonlyArray<string>
    readonly now: string
    readonly nowDate: string
    /** Whether the server may still move something into the handover lists. */
    readonly mayStillCome: boolean
    /** Field, value, ... of the worker's hash: what it did, which the last heartbeat may not have told. */
    readonly totals: ReadonlyArray<string>
  }) => [
    keys.worker(params.worker),
    keys.workers,
    keys.family.workers,
    keys.ownFamily.handovers,
    keys.ownFamily.handover,
    keys.family.queue,
    keys.workerExecutions(params.worker),
    keys.family.job,
    keys.worker(params.worker),
    params.worker,
    params.now,
    params.nowDate,
    params.mayStillCome ? 1 : 0,
    params.totals.length,
    ...params.totals,
    ...params.queues
  ],
  {
    name: "unregister-worker",
    numberOfKeys: 8,
    lua: `${luaAttemptForeign}${luaIsQueued}
local HANDOVER = KEYS[5]
${luaHandoverOf}${luaGiveBack}
local key, member, worker, now, nowDate = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
attempt("SREM", KEYS[2], member)
redis.call("DEL", KEYS[7])
local last = 6 + tonumber(ARGV[6])
for i = last + 1, #ARGV do
  local queue = ARGV[i]
  attempt("SREM", KEYS[3] .. queue, member)
  local problem = giveBack(redis.pcall, handoverOf(queue, worker), KEYS[6] .. queue, KEYS[8])
  -- What can't be given back, because the key of the queue holds something else, and what may still come, is left to
  -- maintenance.
  if problem or ARGV[5] == "1" then
    attempt("ZADD", KEYS[4] .. queue, now, worker)
  else
    attempt("ZREM", KEYS[4] .. queue, worker)
  end
end
if redis.call("TYPE", key)["ok"] == "hash" then
  redis.call("HSET", key, "death", nowDate, "state", "idle", unpack(ARGV, 7, last))
  redis.call("HDEL", key, "current_job")
  redis.call("EXPIRE", key, ${deathTtl})
end
return 1
`,
    result: () => undefined
  }
)
