/**
 * Edge `abandon`: started, worker dead -> queued again at the front, or failed when it has happened too often.
 *
 * An execution whose worker has not sent a heartbeat in time is taken out. So is what had been handed over to a worker
 * that is dead: it goes back to the front. The entries of jobs that have expired go as well. One caller at a time looks after a
 * queue, once per interval, in slices.
 *
 * One that was fetched ahead (see `claim`) may not have begun: it goes back without being counted, and counts as tried, so
 * that it is not fetched ahead again.
 *
 * Executions of Python's workers, which are told from ours by the version digit of their id (see `Ids`), are treated by
 * RQ's rules: a job runs again when a retry is left, after the pause that it asks for, and fails otherwise. Nothing is done
 * with them while RQ's own clean-up holds its lock: it reads what it writes later, and would queue the same job once more.
 * It has no need of the reverse, since nothing comes between the steps of a script. And a job with a callback or a webhook,
 * which only Python can call, is left to Python's clean-up for as long as one may be expected.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAgain } from "./again.js"
import { luaIsAhead } from "./claim.js"
import { luaDependents } from "./dependents.js"
import { executionKeys, luaExecution } from "./execution.js"
import { luaExpire } from "./expire.js"
import { defaultFailureTtl, luaFail } from "./fail.js"
import { luaGiveBack, luaHandoverOf, luaIsQueued } from "./handover.js"
import { luaTakesMark } from "./mark.js"
import { luaRelease } from "./release.js"
import { luaResult } from "./result.js"

export interface AbandonParams {
  /** Who looks. */
  readonly worker: string
  readonly queues: ReadonlyArray<string>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
  /** Nobody looks after the same queue again before this has passed. */
  readonly intervalMillis: number
  /** How often a job may be abandoned before it fails. */
  readonly maxAbandons: number
  /** How many executions of a queue to take out in one call at most. */
  readonly limit: number
  /** Whether executions of Python's workers are looked at as well. */
  readonly python: boolean
  /** For how many seconds after its last sign of life a worker's handover lists are looked at. */
  readonly forgetSeconds: number
}

export interface Abandoned {
  readonly queue: string
  readonly id: string
  /** The worker that died; empty when Redis does not tell. */
  readonly worker: string
  /** Whether it was one of RQ's. */
  readonly python: boolean
  /** How often the job has been abandoned by now; 0 when this time does not count, because it had not, or may not have begun. */
  readonly times: number
  readonly outcome: "queued" | "scheduled" | "failed"
  /** Whether it has a callback or webhooks of Python's for its failure, which were not called. */
  readonly uncalled: boolean
}

/** How many executions that are left to Python a call looks at, so that it stays short. */
const mostPassedOver = 10_000

/**
 * For how many seconds a job with a callback is left to Python: each of its workers cleans up every ten minutes, and 1.13
 * keeps the lock for a quarter of an hour.
 */
export const callbackSeconds = 1800

/** How many ids are looked through at either end of a queue for one that waits in it. */
const mostSearched = 10_000

type AbandonedRow = readonly [
  queue: string,
  id: string,
  worker: string,
  python: number,
  times: number,
  outcome: Abandoned["outcome"],
  uncalled: number
]

/** In the lists of how many dead workers one call looks. An empty one, as nearly all are, costs one command. */
const mostDead = 1000

export const abandon = Redis.script(
  (params: AbandonParams) => [
    ...executionKeys,
    keys.ownFamily.maintenance,
    keys.ownFamily.handovers,
    keys.family.cleaning,
    params.worker,
    params.now,
    params.nowDate,
    params.intervalMillis,
    params.maxAbandons,
    params.limit,
    params.forgetSeconds,
    params.python ? 1 : 0,
    ...params.queues
  ],
  {
    name: "abandon",
    numberOfKeys: executionKeys.length + 3,
    lua: `
local WORKER, NOW_TEXT, NOW, NOW_DATE = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3]
local interval, maxAbandons, limit, forget = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local python = ARGV[8] == "1"
local MAINTENANCE, HANDOVERS, CLEANING =
  KEYS[${executionKeys.length + 1}], KEYS[${executionKeys.length + 2}], KEYS[${executionKeys.length + 3}]
${luaExecution}${luaResult}${luaAgain}${luaDependents}${luaFail}${luaRelease}${luaExpire}${luaIsAhead}${luaIsQueued}${luaHandoverOf}${luaGiveBack}${luaTakesMark}
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = string.byte(bytes, i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for shift = 1, 4 do
      local digit = math.floor(n / 64 ^ (4 - shift)) % 64
      out[#out + 1] = string.sub(alphabet, digit + 1, digit + 1)
    end
    if not b then out[#out - 1] = "=" end
    if not c then out[#out] = "=" end
  end
  return table.concat(out)
end

-- A text as RQ's exc_string holds it: base64 of a zlib stream, here of one stored block (RFC 1950, 1951).
local function exceptionString(text)
  text = string.sub(text, 1, 65535)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + string.byte(text, i)) % 65521
    b = (b + a) % 65521
  end
  local size = #text
  local low, high = size % 256, math.floor(size / 256)
  return base64("\\120\\1\\1" .. string.char(low, high, 255 - low, 255 - high) .. text ..
    string.char(math.floor(b / 256), b % 256, math.floor(a / 256), a % 256))
end

local abandoned = {}

local function abandonedText(who, times)
  return "AbandonedJobError, at " .. NOW_DATE .. ": " .. who .. " died while it ran this job, which has happened " ..
    times .. " times"
end

-- Whether another run of the job is known than the one that has expired: what was left of that one only goes away then.
-- \`current\` is an execution of ours. Those of RQ 2 are listed with the job, RQ 1 has the id of the job alone.
local function runsOtherwise(queue, id, execution, current)
  local started = STARTED .. queue
  if current and redis.call("ZSCORE", started, id .. ":" .. current) then return true end
  local alone = execution ~= "" and redis.call("ZSCORE", started, id)
  if alone and tonumber(alone) >= NOW then return true end
  local others = attempt("ZRANGE", EXECUTIONS .. id, 0, 99) or {}
  for i = 1, #others do
    local score = others[i] ~= execution and redis.call("ZSCORE", started, id .. ":" .. others[i])
    if score and tonumber(score) >= NOW then return true end
  end
  return false
end

local function abandonOurs(queue, id, execution)
  if runsOtherwise(queue, id, execution) then
    redis.call("ZREM", STARTED .. queue, id .. ":" .. execution)
    attempt("ZREM", EXECUTIONS .. id, execution)
    redis.call("DEL", EXECUTION .. id .. ":" .. execution)
    return
  end
  local job = takeOut(nil, queue, id, execution, "abandon_count", "failure_ttl", "retries_left", "ttl")
  if not job then return end
  if isAhead(execution) then
    redis.call("HSET", JOB .. id, "abandon_count", job[3] or 0)
    toQueued(queue, id, job[6])
    abandoned[#abandoned + 1] = { queue, id, job[2] or "", 0, 0, "queued", 0 }
    return
  end
  local dead, times = job[2] or "", (tonumber(job[3] or "") or 0) + 1
  redis.call("HSET", JOB .. id, "abandon_count", times)
  local outcome = "queued"
  local ttl, left = lifetime(job[4], ${defaultFailureTtl}), tonumber(job[5] or "")
  local text = abandonedText("worker " .. dead, times)
  WORKER = dead
  -- A job with retries spends one of them, any other runs again as often as the worker's options say.
  if left and left > 0 or not left and times <= maxAbandons then
    if left then redis.call("HSET", JOB .. id, "retries_left", left - 1) end
    addResult(id, "4", execution, "", ttl == 0 and 60 or ttl, "exc_string", exceptionString(text), "")
    toQueued(queue, id, job[6])
  else
    outcome = "failed"
    toFailed(queue, id, execution, "", ttl, exceptionString("Moved to FailedJobRegistry, due to " .. text), "", "failed")
  end
  WORKER = ARGV[1]
  abandoned[#abandoned + 1] = { queue, id, dead, 0, times, outcome, 0 }
end

-- Whether the id waits in the queue; nil when the queue is too long to tell.
local function waitsIn(queue, id)
  local list = QUEUE .. queue
  if redis.call("LPOS", list, id, "MAXLEN", ${mostSearched}) then return true end
  if redis.call("LPOS", list, id, "RANK", -1, "MAXLEN", ${mostSearched}) then return true end
  if redis.call("LLEN", list) > ${2 * mostSearched} then return nil end
  return false
end

local function isSet(text)
  return text and text ~= "" and text ~= "[]"
end

-- \`execution\` is empty for a worker of RQ 1, whose registry holds ids alone. Whether the member is out of it now.
local function abandonPythons(queue, member, id, execution)
  local key = JOB .. id
  local job = redis.pcall("HMGET", key, "status", "worker_name", "abandon_count", "failure_ttl", "retries_left",
    "retry_intervals", "enqueue_at_front_on_retry", "execution", "failure_callback_name", "webhooks", "ttl")
  local status = not job.err and job[1]
  local uncalled = not job.err and (isSet(job[9]) or isSet(job[10]))
  local neverStarted = false
  if status == "queued" then
    local waits = waitsIn(queue, id)
    if waits == nil then return false end
    neverStarted = not waits
  elseif status == "started" and uncalled and
    NOW - tonumber(redis.call("ZSCORE", STARTED .. queue, member)) <= ${callbackSeconds} then
    return false
  end

  redis.call("ZREM", STARTED .. queue, member)
  local dead = job[2]
  if execution ~= "" then
    local hash = EXECUTION .. id .. ":" .. execution
    dead = attempt("HGET", hash, "worker_name") or dead -- since RQ 3
    redis.call("DEL", hash)
  end
  local isOver = not (status == "started" or neverStarted) or runsOtherwise(queue, id, execution, job[8])
  attempt("ZREM", EXECUTIONS .. id, execution)
  if isOver then return true end
  dead = dead or ""
  attempt("LREM", QUEUE .. queue .. ":intermediate", 1, id)
  if neverStarted then
    -- The worker died between taking it and starting it. RQ fails it; nothing of it has run.
    toQueued(queue, id, job[11])
    abandoned[#abandoned + 1] = { queue, id, dead, 1, 0, "queued", 0 }
    return true
  end

  local times = (tonumber(job[3] or "") or 0) + 1
  redis.call("HSET", key, "abandon_count", times)
  local ttl, left = lifetime(job[4], ${defaultFailureTtl}), tonumber(job[5] or "")
  local text = abandonedText(dead == "" and "a worker of RQ" or "worker " .. dead .. " of RQ", times)
  if uncalled then text = text .. "; the callback of its failure is Python's and was not called" end
  WORKER = dead
  local outcome = "failed"
  if left and left > 0 then
    redis.call("HSET", key, "retries_left", left - 1)
    -- RQ 1 does not know results of this kind
    if execution ~= "" then
      addResult(id, "4", execution, "", ttl == 0 and 60 or ttl, "exc_string", exceptionString(text), "")
    end
    local intervals = readIntervals(job[6])
    local delay = intervalAt(intervals, #intervals - left + 1)
    if runAgain(queue, id, NOW + delay, job[7] == "1") then
      outcome = delay > 0 and "scheduled" or "queued"
    else
      releaseDependents(id, "failed")
    end
  else
    toFailed(queue, id, execution, "", ttl, exceptionString("Moved to FailedJobRegistry, due to " .. text), "", "failed")
  end
  WORKER = ARGV[1]
  abandoned[#abandoned + 1] = { queue, id, dead, 1, times, outcome, uncalled and 1 or 0 }
  return true
end

-- Whether the member is out of the registry now. \`isPythons\`: what is Python's is left to Python.
local function abandonOne(queue, member, isPythons)
  local id, execution = string.match(member, "^(.*):(%x+)$")
  if not id or #execution ~= 32 then id, execution = member, "" end
  if string.sub(execution, 13, 13) == "8" then
    abandonOurs(queue, id, execution)
    return true
  end
  return not isPythons and abandonPythons(queue, member, id, execution)
end

-- Takes out at most \`limit\` executions, passing over those that are left to Python, of which any number may be in front.
-- True when there may be more that a call can take.
local function abandonExpired(queue)
  local offset, taken = 0, 0
  -- RQ's mark lapses by itself: one that does not is nobody's, and nothing of RQ would look after the queue again
  local isPythons = not python or redis.call("PTTL", CLEANING .. queue) >= 0
  while taken < limit and offset < ${mostPassedOver} do
    local expired = attempt("ZRANGEBYSCORE", STARTED .. queue, "-inf", "(" .. NOW_TEXT, "LIMIT", offset, limit)
    if not expired then return false end
    for j = 1, #expired do
      if taken < limit and abandonOne(queue, expired[j], isPythons) then taken = taken + 1 else offset = offset + 1 end
    end
    if #expired < limit then return false end
  end
  return taken >= limit
end

local more, looked = 0, 0
for i = 9, #ARGV do
  local queue = ARGV[i]
  local usable = holdsListOrNothing(QUEUE .. queue)
  if usable and takesMark(MAINTENANCE .. queue, WORKER, interval) then
    looked = 1
    if abandonExpired(queue) then
      more = 1
      redis.call("DEL", MAINTENANCE .. queue)
    end
    expire(FINISHED .. queue)
    expire(FAILED .. queue)
    local dead = attempt("ZRANGEBYSCORE", HANDOVERS .. queue, "-inf", "(" .. NOW_TEXT, "WITHSCORES", "LIMIT", 0, ${mostDead})
      or {}
    for j = 1, #dead, 2 do
      local list = handoverOf(queue, dead[j])
      giveBack(attempt, list, QUEUE .. queue, JOB)
      if NOW - tonumber(dead[j + 1]) > forget then redis.call("ZREM", HANDOVERS .. queue, dead[j]) end
    end
  end
end
return { abandoned, more, looked, PROBLEM }
`,
    result: (
      [rows, more, looked, problem]: readonly [ReadonlyArray<AbandonedRow>, number, number, string]
    ): {
      readonly abandoned: ReadonlyArray<Abandoned>
      readonly more: boolean
      readonly looked: boolean
      readonly problem: string | undefined
    } => ({
      abandoned: rows.map(([queue, id, worker, python, times, outcome, uncalled]) => ({
        queue,
        id,
        worker,
        python: python === 1,
        times,
        outcome,
        uncalled: uncalled === 1
      })),
      /** Whether a slice was full: the caller goes on at once. */
      more: more === 1,
      /** Whether it was the turn of this caller for any of the queues. */
      looked: looked === 1,
      /** What could not be read or written because a key holds something foreign, in words. */
      problem: problem === "" ? undefined : problem
    })
  }
)
