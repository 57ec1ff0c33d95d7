/**
 * Edges `enqueue`, `schedule` and `defer` ((new) -> deferred) for a job that is unique among those of its id, or that
 * waits for other jobs: what `enqueue` and `schedule` do for many jobs in one call, with the further questions asked in
 * the same step.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAttempt } from "./attempt.js"
import { luaDependents } from "./dependents.js"
import { luaRequireType } from "./enqueue.js"
import { luaTakeQueued } from "./resting.js"
import { luaAnnounceNext } from "./schedule.js"
import { luaBeginsWaiting } from "./waits.js"

export interface Admission {
  readonly id: string
  readonly queue: string
  /**
   * What is done when there is a job of this id: it is left as it is whatever its state (`""`), it is left while it has
   * not ended (`"keep"`), or it is replaced while it has not been started (`"replace"`).
   */
  readonly unique: "" | "keep" | "replace"
  /** For how many seconds from now no other job of this id is accepted, whatever becomes of this one. */
  readonly window: number | undefined
  /** Due time in Unix seconds as text; undefined for now. */
  readonly due: string | undefined
  readonly atFront: boolean
  readonly ttl: number | undefined
  /** Ids of the jobs that it waits for. */
  readonly parents: ReadonlyArray<string>
  readonly allowFailure: boolean
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Field, value, ... of the job's hash, as of a job that waits for none. */
  readonly fields: ReadonlyArray<string>
}

/** "circle": a job that it would wait for waits for a job of this id itself, so nothing was done. */
export type Admitted = "enqueued" | "scheduled" | "deferred" | "exists" | "circle"

const outcomes: ReadonlyArray<Admitted> = ["exists", "enqueued", "scheduled", "deferred", "circle"]

export const admit = Redis.script(
  (job: Admission) => [
    keys.queues,
    keys.family.job,
    keys.family.queue,
    keys.family.scheduled,
    keys.family.deferred,
    keys.family.finished,
    keys.family.failed,
    keys.family.canceled,
    keys.family.results,
    keys.unique(job.id),
    keys.schedulerChannel(job.queue),
    // what is replaced may just have been handed over to a worker
    ...(job.unique === "replace" ? [keys.ownFamily.handovers, keys.ownFamily.handover] : []),
    job.id,
    job.queue,
    keys.queue(job.queue),
    job.unique,
    job.window ?? "",
    job.due ?? "",
    job.atFront ? 1 : 0,
    job.ttl ?? "",
    job.allowFailure ? 1 : 0,
    job.now,
    job.parents.length,
    ...job.parents,
    ...job.fields
  ],
  {
    name: "admit",
    numberOfKeys: (job) => job.unique === "replace" ? 13 : 11,
    lua: `
local JOB, QUEUE, SCHEDULED, DEFERRED, FINISHED, FAILED = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local CANCELED, RESULTS, UNIQUE, HANDOVERS, HANDOVER = KEYS[8], KEYS[9], KEYS[10], KEYS[12], KEYS[13]
local id, queue, mode, window, due = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local front, ttl, allowFailure, now, parents = ARGV[7] == "1", ARGV[8], ARGV[9] == "1", ARGV[10], tonumber(ARGV[11])
local key = JOB .. id
${luaAttempt}
local function holdsListOrNothing() return true end
${luaRequireType}${luaAnnounceNext}${luaBeginsWaiting}${luaTakeQueued}${luaDependents}
local wrong = requireType(KEYS[1], "set") or requireType(QUEUE .. queue, "list") or
  requireType(SCHEDULED .. queue, "zset") or requireType(DEFERRED .. queue, "zset")
if wrong then return wrong end

local where = { queued = QUEUE, scheduled = SCHEDULED, deferred = DEFERRED, finished = FINISHED, failed = FAILED,
  stopped = FAILED, canceled = CANCELED }

-- Whether one of the parents waits for a job of this id, itself or through others.
local function closesCircle()
  if parents == 0 or redis.call("EXISTS", key .. ":dependents") == 0 then return false end
  local seen, toVisit = {}, {}
  for i = 1, parents do toVisit[i] = ARGV[11 + i] end
  while #toVisit > 0 do
    local one = table.remove(toVisit)
    if one == id then return true end
    if not seen[one] and attempt("HGET", JOB .. one, "status") == "deferred" then
      local before = attempt("SMEMBERS", JOB .. ":" .. one .. ":dependencies") or {}
      for i = 1, #before do toVisit[#toVisit + 1] = before[i] end
    end
    seen[one] = true
  end
  return false
end

-- Whether the id is free, or has been freed; nil when the new job would close a circle.
local function isFree()
  local type = redis.call("TYPE", key)["ok"]
  if type == "none" then return window == "" or redis.call("EXISTS", UNIQUE) == 0, 0 end
  if type ~= "hash" or mode == "" then return false, 0 end
  local job = redis.call("HMGET", key, "status", "origin")
  local status, origin = job[1], job[2] or ""
  local waits = status == "queued" or status == "scheduled" or status == "deferred"
  if not where[status] or waits and mode ~= "replace" then return false, 0 end
  if not waits and redis.call("EXISTS", UNIQUE) == 1 then return false, 0 end
  if closesCircle() then return nil, 0 end
  if status == "queued" then
    takeQueued(origin, id)
  else
    attempt("ZREM", where[status] .. origin, id)
  end
  local before = attempt("SMEMBERS", JOB .. ":" .. id .. ":dependencies") or {}
  for i = 1, #before do attempt("SREM", JOB .. before[i] .. ":dependents", id) end
  redis.call("DEL", key, RESULTS .. id, JOB .. ":" .. id .. ":dependencies")
  return true, waits and 1 or 0
end

local free, replaced = isFree()
if free == nil then return { 4, 0 } end
if not free then return { 0, 0 } end
if window == "-1" then
  redis.call("SET", UNIQUE, "1")
elseif window ~= "" then
  redis.call("SET", UNIQUE, "1", "EX", window)
end
redis.call("SADD", KEYS[1], ARGV[3])
redis.call("HSET", key, unpack(ARGV, 12 + parents))

local unmet = false
for i = 1, parents do
  unmet = unmet or not isMet(attempt("HGET", JOB .. ARGV[11 + i], "status"), allowFailure)
end
if unmet then
  redis.call("HSET", key, "status", "deferred")
  redis.call("HDEL", key, "enqueued_at")
  redis.call("ZADD", DEFERRED .. queue, math.floor(tonumber(now)), id)
  for i = 1, parents do
    attempt("SADD", JOB .. ARGV[11 + i] .. ":dependents", id)
    attempt("SADD", JOB .. ":" .. id .. ":dependencies", ARGV[11 + i])
  end
  return { 3, replaced }
end
if due ~= "" then
  redis.call("ZADD", SCHEDULED .. queue, due, id)
  announceNext(SCHEDULED .. queue, KEYS[11], id)
  return { 2, replaced }
end
if ttl ~= "" then redis.call("EXPIRE", key, ttl) end
redis.call(front and "LPUSH" or "RPUSH", QUEUE .. queue, id)
return { 1, replaced }
`,
    result: ([outcome, replaced]: readonly [number, number]) => ({
      outcome: outcomes[outcome]!,
      /** Whether a job of this id was there and has been replaced. */
      replaced: replaced === 1
    })
  }
)
