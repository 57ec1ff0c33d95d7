/**
 * Edge `heartbeat`: started -> started, for all that one worker runs, and the beat of the worker itself.
 *
 * An execution that is not the current one any more is refused: its worker interrupts it. RQ's keys of an execution are
 * written here and not at the start, so that short jobs are spared them.
 *
 * The counters are totals, not increments, so that a beat may be repeated. A worker that Redis has forgotten (it was
 * away for longer than its lifetime) is registered anew.
 *
 * A key that holds something foreign is passed over: what the worker tells of itself must not cost its jobs their beat.
 *
 * A beat that was sent before the worker left and comes after it (a script that the server does not know is sent twice)
 * does not bring the worker back.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAttemptForeign } from "./attempt.js"
import { type Execution, luaIsOwner } from "./execution.js"

export interface HeartbeatParams {
  readonly worker: string
  readonly queues: ReadonlyArray<string>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
  /** For how many seconds from now an execution and the worker's handover lists count as alive. */
  readonly aliveSeconds: number
  /** For how many seconds from now the worker itself is remembered. */
  readonly workerTtl: number
  /** Field, value, ... of the worker's hash at its birth. */
  readonly birth: ReadonlyArray<string>
  /** Field, value, ... of the worker's hash that change. */
  readonly state: ReadonlyArray<string>
  /** The id of the job that is shown as the current one, or empty for none. */
  readonly currentJob: string
  /** Whether `executions` are all that the worker runs: it is listed anew then. */
  readonly full: boolean
  readonly executions: ReadonlyArray<Execution & { readonly startedAt: string }>
}

export interface HeartbeatResult {
  /** Whether each execution is the current one of its job still. */
  readonly isCurrent: ReadonlyArray<boolean>
  /** What could not be written because a key holds something foreign, in words. */
  readonly problem: string | undefined
  /** The queues of which nobody would look for what is handed over to this worker: it could not be noted. */
  readonly unguarded: ReadonlyArray<string>
}

export const heartbeat = Redis.script(
  (params: HeartbeatParams) => [
    keys.worker(params.worker),
    keys.workers,
    keys.family.workers,
    keys.ownFamily.handovers,
    keys.family.job,
    keys.family.started,
    keys.family.executions,
    keys.family.execution,
    keys.workerExecutions(params.worker),
    params.worker,
    params.now,
    params.nowDate,
    params.aliveSeconds,
    params.workerTtl,
    params.currentJob,
    params.full ? 1 : 0,
    keys.worker(params.worker),
    params.birth.length,
    ...params.birth,
    params.state.length,
    ...params.state,
    params.queues.length,
    ...params.queues,
    ...params.executions.flatMap((execution) => [
      execution.queue,
      execution.id,
      execution.execution,
      execution.startedAt
    ])
  ],
  {
    name: "heartbeat",
    numberOfKeys: 9,
    lua: `${luaAttemptForeign}${luaIsOwner}
local key, JOB, STARTED, EXECUTIONS, EXECUTION, RUNNING = KEYS[1], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local worker, now, nowDate, alive, ttl, current, full = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local member, at = ARGV[8], 9
local function rest()
  local count = tonumber(ARGV[at])
  local items = {}
  for i = 1, count do items[i] = ARGV[at + i] end
  at = at + 1 + count
  return items
end
local birth, state, queues = rest(), rest(), rest()

if redis.call("EXISTS", key) == 0 then
  redis.call("HSET", key, unpack(birth))
  attempt("SADD", KEYS[2], member)
  for i = 1, #queues do attempt("SADD", KEYS[3] .. queues[i], member) end
end
-- A death before this beat is not of the worker that beats.
local death = attempt("HGET", key, "death")
local left = death and nowDate <= death
if not left and attempt("HSET", key, "last_heartbeat", nowDate, unpack(state)) then
  if current == "" then redis.call("HDEL", key, "current_job") else redis.call("HSET", key, "current_job", current) end
  redis.call("EXPIRE", key, ttl)
end

local aliveUntil, unguarded = string.format("%.3f", tonumber(now) + alive), {}
for i = 1, left and 0 or #queues do
  if not attempt("ZADD", KEYS[4] .. queues[i], aliveUntil, worker) then unguarded[#unguarded + 1] = queues[i] end
end

-- A set that is listed anew has nothing of what ended meanwhile.
if full == "1" or current == "" then redis.call("DEL", RUNNING) end

local isCurrent = {}
for i = at, #ARGV, 4 do
  local queue, id, execution, startedAt = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local started, job = STARTED .. queue, JOB .. id
  -- pcall: a foreign key under the name of one job or registry must not cost the others their beat
  local score = redis.pcall("ZSCORE", started, id .. ":" .. execution)
  local fields = type(score) == "string" and redis.pcall("HMGET", job, "status", "worker_name", "execution")
  if fields and fields[1] == "started" and isOwner(worker, fields[2]) and
    (not fields[3] or fields[3] == execution) then
    redis.call("ZADD", started, "XX", aliveUntil, id .. ":" .. execution)
    redis.call("HSET", job, "last_heartbeat", nowDate)
    local hash, all = EXECUTION .. id .. ":" .. execution, EXECUTIONS .. id
    redis.pcall("HSET", hash, "id", execution, "job_id", id, "worker_name", worker, "created_at", startedAt, "last_heartbeat", now)
    redis.pcall("SADD", RUNNING, id .. ":" .. execution)
    redis.pcall("ZADD", all, string.format("%.3f", tonumber(now) + alive + 60), execution)
    -- both for as long: Python's delete and cancel end on an execution that is listed and has no hash
    redis.pcall("EXPIRE", hash, alive + 60)
    redis.pcall("EXPIRE", all, alive + 60)
    isCurrent[#isCurrent + 1] = 1
  else
    -- Python's cancel and delete leave our member and the keys of the execution behind
    redis.pcall("ZREM", started, id .. ":" .. execution)
    redis.pcall("ZREM", EXECUTIONS .. id, execution)
    redis.pcall("DEL", EXECUTION .. id .. ":" .. execution)
    isCurrent[#isCurrent + 1] = 0
  end
end
redis.call("EXPIRE", RUNNING, ttl)
return { isCurrent, PROBLEM, unguarded }
`,
    result: (
      [isCurrent, problem, unguarded]: readonly [ReadonlyArray<number>, string, ReadonlyArray<string>]
    ): HeartbeatResult => ({
      isCurrent: isCurrent.map((one) => one === 1),
      problem: problem === "" ? undefined : problem,
      unguarded
    })
  }
)
