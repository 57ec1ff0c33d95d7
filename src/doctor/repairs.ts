/**
 * What mends a finding where that is safe: one script each, that looks again before it does anything. Each answers with
 * nothing when it is done, else with the reason why it was left.
 *
 * @internal
 */
import { luaAttempt, luaHoldsListOrNothing } from "../lifecycle/attempt.js"
import { luaHandoverOf, luaIsQueued } from "../lifecycle/handover.js"
import { graceSeconds } from "../lifecycle/promote.js"
import { luaSecondsOf } from "../lifecycle/seconds.js"
import { luaBeginsWaiting } from "../lifecycle/waits.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** None of the lists and registries that have to be searched in full may be longer: Redis must not be held up. */
const longest = 100_000

/** For how many seconds a job must have been as it is, so that it is not merely on its way. */
const settledSeconds = 60

/** RQ's own lease of a scheduler's lock, in milliseconds. */
const rqLease = 61_000

const families: ReadonlyArray<Redis.Arg> = [
  keys.family.job,
  keys.family.queue,
  keys.family.scheduled,
  keys.family.started,
  keys.family.deferred,
  keys.family.finished,
  keys.family.failed,
  keys.family.canceled,
  keys.family.worker,
  keys.ownFamily.handovers,
  keys.ownFamily.handover,
  keys.ownFamily.firstSeen
]

const luaCommon = `
local JOB, QUEUE, SCHEDULED, STARTED, DEFERRED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local FINISHED, FAILED, CANCELED, WORKER, HANDOVERS, HANDOVER = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local REGISTRY = { scheduled = SCHEDULED, deferred = DEFERRED, finished = FINISHED, failed = FAILED, stopped = FAILED,
  canceled = CANCELED }
${luaSecondsOf}
${luaAttempt}${luaHoldsListOrNothing}${luaBeginsWaiting}${luaHandoverOf}
-- nil when the list is too long to be looked through
local function isIn(list, id)
  if (attempt("LLEN", list) or 0) > ${longest} then return nil end
  return attempt("LPOS", list, id) ~= false
end

-- Where the job is, but for registries of what has ended; "" for nowhere, nil when that can't be said.
local function whereIs(queue, id)
  local inQueue, inIntermediate = isIn(QUEUE .. queue, id), isIn(QUEUE .. queue .. ":intermediate", id)
  if inQueue == nil or inIntermediate == nil then return nil end
  if inQueue or inIntermediate then return "a list" end
  if attempt("ZSCORE", SCHEDULED .. queue, id) then return "the scheduled registry" end
  if attempt("ZSCORE", DEFERRED .. queue, id) then return "the deferred registry" end
  if (attempt("ZCARD", STARTED .. queue) or 0) > ${longest} or (attempt("ZCARD", HANDOVERS .. queue) or 0) > 1000 then
    return nil
  end
  local members = attempt("ZRANGE", STARTED .. queue, 0, -1) or {}
  for i = 1, #members do
    if (string.match(members[i], "^(.*):[^:]*$") or members[i]) == id then return "the started registry" end
  end
  local workers = attempt("ZRANGE", HANDOVERS .. queue, 0, -1) or {}
  for i = 1, #workers do
    if attempt("LPOS", handoverOf(queue, workers[i]), id) then return "a list" end
  end
  return ""
end

local function why(where)
  if where == nil then return "there is too much to look through" end
  return where ~= "" and "it is in " .. where .. " by now"
end
`

/** One job in one queue. `now` is in seconds since 1970. */
export interface JobParams {
  readonly job: string
  readonly queue: string
  readonly now: string
  readonly nowDate: string
}

/** What came of a repair: nothing is left when it is done. */
export interface Outcome {
  readonly left: string | undefined
  /** What was passed over, and why. */
  readonly skipped: ReadonlyArray<string>
}

const result = (left: string | null): string | undefined => left === null || left === "" ? undefined : left

const forJob = (name: string, lua: string) =>
  Redis.script((params: JobParams) => [...families, params.job, params.queue, params.now, params.nowDate], {
    name,
    numberOfKeys: families.length,
    lua: `${luaCommon}
local id, queue, NOW, NOW_DATE = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local key = JOB .. id
${lua}`,
    result
  })

/** Queued, in no list: to the front of its queue, where it would be by now. */
export const requeueLost = forJob(
  "requeue-lost",
  `
local job = attempt("HMGET", key, "status", "origin", "enqueued_at") or {}
if job[1] ~= "queued" or job[2] ~= queue then return "it is not queued there any more" end
local since = secondsOf(job[3])
if since and NOW - since < ${settledSeconds} then return "it may be on its way: look again in a minute" end
local left = why(whereIs(queue, id))
if left then return left end
if not holdsListOrNothing(QUEUE .. queue) then return "the key of the queue holds something else" end
redis.call("LPUSH", QUEUE .. queue, id)
return ""
`
)

/** Started, in no registry, and nobody who beats for it: to the front of its queue. */
export const restartLost = forJob(
  "restart-lost",
  `
local job = attempt("HMGET", key, "status", "origin", "started_at", "last_heartbeat", "worker_name", "execution",
  "abandon_count", "ttl") or {}
if job[1] ~= "started" or job[2] ~= queue then return "it is not started there any more" end
local last = math.max(secondsOf(job[3]) or 0, secondsOf(job[4]) or 0)
if NOW - last < 2 * ${settledSeconds} then return "its worker may be alive: look again in two minutes" end
-- a worker of Python beats for what is in no registry as well, some never while they run a job
local ours = string.sub(job[6] or "", 13, 13) == "8"
if not ours and (job[5] or "") ~= "" and redis.call("EXISTS", WORKER .. job[5]) == 1 then return "its worker is alive" end
local left = why(whereIs(queue, id))
if left then return left end
if not holdsListOrNothing(QUEUE .. queue) then return "the key of the queue holds something else" end
redis.call("HSET", key, "status", "queued", "worker_name", "", "started_at", "", "abandon_count",
  (tonumber(job[7] or "") or 0) + 1)
redis.call("HDEL", key, "execution")
beginsWaiting(key, job[8])
redis.call("LPUSH", QUEUE .. queue, id)
return ""
`
)

/** Ended, and not in the registry that its status names. */
export const listEnded = forJob(
  "list-ended",
  `
local job = attempt("HMGET", key, "status", "origin") or {}
local status = job[1]
if status ~= "finished" and status ~= "failed" and status ~= "stopped" and status ~= "canceled" or job[2] ~= queue then
  return "it has not ended there"
end
local registry = REGISTRY[status] .. queue
local kind = redis.call("TYPE", registry)["ok"]
if kind ~= "zset" and kind ~= "none" then return "the key of the registry holds something else" end
local ttl = redis.call("PTTL", key)
local at = ttl > 0 and math.floor(NOW + ttl / 1000) or status == "finished" and "+inf" or -1
if status == "canceled" then at = math.floor(NOW) end
for _, other in ipairs({ FINISHED, FAILED, CANCELED }) do
  if other .. queue ~= registry then attempt("ZREM", other .. queue, id) end
end
redis.call("ZADD", registry, "NX", at, id)
return ""
`
)

/** Deferred: released when all that it waits for has ended, else made known to what it waits for. */
export const settleDependent = forJob(
  "settle-dependent",
  `
local job = attempt("HMGET", key, "status", "origin", "allow_dependency_failures", "enqueue_at_front", "ttl") or {}
if job[1] ~= "deferred" or job[2] ~= queue then return "it does not wait any more" end
local set = JOB .. ":" .. id .. ":dependencies"
local parents, met = attempt("SMEMBERS", set) or {}, true
for i = 1, #parents do
  local status = attempt("HGET", JOB .. parents[i], "status")
  met = met and (not status or status == "finished" or
    job[3] == "1" and (status == "failed" or status == "stopped" or status == "canceled"))
end
if not met then
  for i = 1, #parents do
    if redis.call("EXISTS", JOB .. parents[i]) == 1 then attempt("SADD", JOB .. parents[i] .. ":dependents", id) end
  end
  attempt("ZADD", DEFERRED .. queue, "NX", math.floor(NOW), id)
  return ""
end
if not holdsListOrNothing(QUEUE .. queue) then return "the key of the queue holds something else" end
attempt("ZREM", DEFERRED .. queue, id)
redis.call("HSET", key, "status", "queued", "enqueued_at", NOW_DATE)
beginsWaiting(key, job[5])
redis.call(job[4] == "1" and "LPUSH" or "RPUSH", QUEUE .. queue, id)
for i = 1, #parents do attempt("SREM", JOB .. parents[i] .. ":dependents", id) end
redis.call("DEL", set)
return ""
`
)

export interface EntryParams {
  readonly job: string
  /** The key of the list or registry. */
  readonly key: string
  readonly member: string
  readonly now: string
}

/** Takes out an entry whose job is gone, or is elsewhere, where its status says. */
export const dropEntry = Redis.script(
  (params: EntryParams) => [...families, params.key, params.job, params.member, params.now],
  {
    name: "drop-entry",
    numberOfKeys: families.length + 1,
    lua: `${luaCommon}
local FIRST_SEEN, entry, id, member, NOW = KEYS[12], KEYS[13], ARGV[1], ARGV[2], tonumber(ARGV[3])
local key = JOB .. id
local kind = redis.call("TYPE", key)["ok"]
if kind == "hash" then
  local job = redis.call("HMGET", key, "status", "origin", "execution")
  local status, queue = job[1], job[2] or ""
  local right = status == "queued" and QUEUE .. queue or status == "started" and STARTED .. queue or
    REGISTRY[status] and REGISTRY[status] .. queue
  if not right then return "its status is not known" end
  if right == entry and (status ~= "started" or member == id .. ":" .. (job[3] or "")) then return "it belongs there now" end
  local isRight
  if status == "queued" then
    isRight = isIn(right, id)
  elseif status == "started" then
    isRight = job[3] and attempt("ZSCORE", right, id .. ":" .. job[3])
  else
    isRight = attempt("ZSCORE", right, id)
  end
  if isRight == nil then return "there is too much to look through" end
  if not isRight then return "it is not where its status says" end
elseif kind ~= "none" then
  return "the key of the job holds something else"
elseif string.sub(entry, 1, #SCHEDULED) == SCHEDULED then
  -- Python writes the registry before the job
  -- the hash is the queue's, and schedulers keep it as well
  local seen = FIRST_SEEN .. string.sub(entry, #SCHEDULED + 1)
  local since = tonumber(attempt("HGET", seen, id) or "")
  if not since or NOW - since > ${10 * graceSeconds} then
    attempt("HSET", seen, id, ARGV[3])
    attempt("EXPIRE", seen, ${10 * graceSeconds})
    since = NOW
  end
  if NOW - since <= ${graceSeconds} then return "its job may be about to come: look again in a minute" end
  attempt("HDEL", seen, id)
end
local found = redis.call("TYPE", entry)["ok"]
if found == "list" then
  if redis.call("LLEN", entry) > ${longest} then return "there is too much to look through" end
  if redis.call("LREM", entry, 1, member) == 0 then return "it is not there any more" end
elseif found == "zset" then
  if redis.call("ZREM", entry, member) == 0 then return "it is not there any more" end
else
  return "it is not there any more"
end
return ""
`,
    result
  }
)

/** Takes the last of several entries out of a list. */
export const dropDuplicate = Redis.script((params: { readonly job: string; readonly key: string }) => [
  params.key,
  params.job
], {
  name: "drop-duplicate",
  numberOfKeys: 1,
  lua: `
if redis.call("TYPE", KEYS[1])["ok"] ~= "list" then return "it is not there any more" end
if redis.call("LLEN", KEYS[1]) > ${longest} then return "there is too much to look through" end
if #redis.call("LPOS", KEYS[1], ARGV[1], "COUNT", 2) < 2 then return "it is there once" end
redis.call("LREM", KEYS[1], -1, ARGV[1])
return ""
`,
  result
})

/** Results that are kept for ever although their job is gone get a day more. */
export const expireResults = Redis.script((job: string) => [keys.results(job), keys.job(job)], {
  name: "expire-results",
  numberOfKeys: 2,
  lua: `
if redis.call("EXISTS", KEYS[2]) == 1 then return "there is such a job" end
if redis.call("PTTL", KEYS[1]) ~= -1 then return "they expire already" end
redis.call("EXPIRE", KEYS[1], 86400)
return ""
`,
  result
})

/** A job whose options may be overlooked gets the field that tells of them. */
export const showOptions = Redis.script((job: string) => [keys.job(job)], {
  name: "show-options",
  numberOfKeys: 1,
  lua: `
if redis.call("TYPE", KEYS[1])["ok"] ~= "hash" then return "there is no such job any more" end
if redis.call("HEXISTS", KEYS[1], "last_heartbeat") == 1 then return "they are seen now" end
redis.call("HSET", KEYS[1], "last_heartbeat", "")
return ""
`,
  result
})

/** A lock that never lapses gets a lease, which its holder renews when it is alive. */
export const endLock = Redis.script(
  (params: { readonly queue: string; readonly holder: string }) => [keys.schedulerLock(params.queue), params.holder],
  {
    name: "end-lock",
    numberOfKeys: 1,
    lua: `${luaAttempt}
if attempt("GET", KEYS[1]) ~= ARGV[1] then return "somebody else holds it by now" end
if redis.call("PTTL", KEYS[1]) ~= -1 then return "it lapses already" end
redis.call("PEXPIRE", KEYS[1], ${rqLease})
return ""
`,
    result
  }
)

/** How many ids of a list are given back in one call. */
const mostGivenBack = 1000

/**
 * What was handed over to a dead worker goes back to the front of the queue, as long as it is queued. An id whose job is
 * gone, or stands where its status says, leaves the list; one of which that can't be said stays.
 */
export const returnHandover = Redis.script(
  (params: { readonly queue: string; readonly worker: string; readonly now: string }) => [
    ...families,
    params.queue,
    params.worker,
    params.now
  ],
  {
    name: "return-handover",
    numberOfKeys: families.length,
    lua: `${luaCommon}${luaIsQueued}
local queue, worker, NOW = ARGV[1], ARGV[2], tonumber(ARGV[3])
local list, target, handovers = handoverOf(queue, worker), QUEUE .. queue, HANDOVERS .. queue
local hash = WORKER .. worker
if redis.call("EXISTS", hash) == 1 and attempt("HEXISTS", hash, "death") ~= 1 then return { "its worker is alive" } end
local until_ = attempt("ZSCORE", handovers, worker)
if until_ and tonumber(until_) >= NOW then return { "its worker may be alive" } end
if not holdsListOrNothing(list) then return { "the key of the list holds something else" } end
if not holdsListOrNothing(target) then return { "the key of the queue holds something else" } end

local given = {}

-- Why an id does not go back, and whether it may leave the list; nil when it goes back.
local function whyNot(id)
  if given[id] then return "it stands there twice", true end
  local kind = redis.call("TYPE", JOB .. id)["ok"]
  if kind == "none" then return "there is no such job", true end
  if kind ~= "hash" then return "the key of the job holds something else", false end
  local job = redis.call("HMGET", JOB .. id, "status", "origin", "execution", "data")
  local status, origin = job[1], job[2] or ""
  if isQueued(status, job[4]) then return nil end
  local isThere
  if status == "started" then
    isThere = job[3] and attempt("ZSCORE", STARTED .. origin, id .. ":" .. job[3])
  else
    isThere = REGISTRY[status] and attempt("ZSCORE", REGISTRY[status] .. origin, id)
  end
  if isThere then return "it is " .. status, true end
  return status and "it is " .. status .. ", and not where that belongs" or "it has no status", false
end

-- The last one first, so that the order stays.
local out, stays, length = { "" }, 0, redis.call("LLEN", list)
for i = 1, math.min(length, ${mostGivenBack}) do
  local id = redis.call("LINDEX", list, -1 - stays)
  local why, mayLeave = whyNot(id)
  if why then
    out[#out + 1] = id
    out[#out + 1] = why
  else
    redis.call("LPUSH", target, id)
    given[id] = true
  end
  if why and not mayLeave then
    stays = stays + 1
  else
    redis.call("LREM", list, -1, id)
  end
end
if length > ${mostGivenBack} then
  out[1] = "there are more: again"
elseif stays > 0 then
  out[1] = "what its list still holds is for people to look at"
elseif until_ then
  redis.call("ZREM", handovers, worker)
end
return out
`,
    result: ([left, ...rest]: readonly [string, ...ReadonlyArray<string>]): Outcome => ({
      left: result(left),
      skipped: Array.from({ length: rest.length / 2 }, (_, index) => `${rest[2 * index]}: ${rest[2 * index + 1]}`)
    })
  }
)

/** Takes a worker that is gone out of a set. */
export const forgetWorker = Redis.script(
  (params: { readonly worker: string; readonly key: string }) => [
    params.key,
    keys.worker(params.worker),
    keys.worker(params.worker)
  ],
  {
    name: "forget-worker",
    numberOfKeys: 2,
    lua: `
if redis.call("EXISTS", KEYS[2]) == 1 then return "it is there" end
if redis.call("TYPE", KEYS[1])["ok"] ~= "set" then return "the key holds something else" end
redis.call("SREM", KEYS[1], ARGV[1])
return ""
`,
    result
  }
)

/** Lists a queue that holds something. */
export const listQueue = Redis.script(
  (queue: string) => [keys.queues, keys.queue(queue), keys.scheduled(queue), keys.started(queue), keys.queue(queue)],
  {
    name: "list-queue",
    numberOfKeys: 4,
    lua: `
local kind = redis.call("TYPE", KEYS[1])["ok"]
if kind ~= "set" and kind ~= "none" then return "the key holds something else" end
if redis.call("EXISTS", KEYS[2], KEYS[3], KEYS[4]) == 0 then return "it holds nothing any more" end
redis.call("SADD", KEYS[1], ARGV[1])
return ""
`,
    result
  }
)
