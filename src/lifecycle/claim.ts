/**
 * Edge `claim`: queued -> started. The id leaves the list and enters the started registry in the same step.
 *
 * Ids that were handed over to this worker come first (see `handover` in `wire/keys`). What of them doesn't fit in the
 * free slots goes back to the front of its queue.
 *
 * A worker whose jobs are short may claim for more than its free slots. What it fetches ahead so is started like the rest,
 * but its execution id tells that it may not have begun: the first digit of its counter is 8 or above. When the worker
 * dies such a job goes back without that being counted against it, and is not fetched ahead again. Nor is one that was
 * tried before, and nothing behind it: a job that takes its worker with it shall not take others.
 *
 * A queue whose key holds something else is passed over.
 *
 * An id whose job is gone, or is not queued any more, is dropped: it was canceled, has expired, or stands in the list
 * twice.
 *
 * @internal
 */
import * as Bytes from "../wire/bytes.js"
import * as Date from "../wire/date.js"
import { luaGiveBack, luaHandoverOf, luaIsQueued } from "./handover.js"

/**
 * Jobs that were started one after the other and have in common: their queue, their timeout, when they were queued, when they
 * were due, how often they were tried. Then of each its id, its execution and its payload. Mostly many have all in common,
 * and what is told of each is what Redis writes, sends, and Node reads.
 */
export type ClaimedGroup = ReadonlyArray<Uint8Array | null>

const itemsInCommon = 5
const itemsPerJob = 3

export interface Claimed {
  readonly queue: string
  readonly id: string
  readonly execution: string
  readonly data: Uint8Array
  /** Seconds, -1 for ever. */
  readonly timeout: number | undefined
  readonly enqueuedAt: string | undefined
  /** When it was due, in Unix seconds, of a job that was scheduled. */
  readonly dueAt: number | undefined
  /** 1 for the first run; each failure that was retried and each dead worker counts. */
  readonly attempt: number
  /** Whether a worker has died while it ran. */
  readonly isSuspect: boolean
}

const text = (bytes: Uint8Array | null): string | undefined =>
  bytes === null || bytes.length === 0 ? undefined : Bytes.text(bytes)

const number = (bytes: Uint8Array | null): number =>
  bytes === null || bytes.length === 0 ? NaN : Number(Bytes.text(bytes))

const noBytes = new Uint8Array()

/** How often the job has failed, and how often its worker died; most jobs were never started before. */
const readTries = (bytes: Uint8Array | null): readonly [failed: number, abandoned: number] => {
  if (bytes === null) return noTries
  const [failed, abandoned] = Bytes.text(bytes).split(",")
  return [Number(failed) || 0, Number(abandoned) || 0]
}

const noTries = [0, 0] as const

export const readClaimed = (groups: ReadonlyArray<ClaimedGroup>): Array<Claimed> => {
  const claimed: Array<Claimed> = []
  for (const group of groups) {
    const queue = text(group[0]!) ?? ""
    const seconds = number(group[1]!)
    const timeout = Number.isFinite(seconds) ? seconds : undefined
    const enqueuedAt = text(group[2]!)
    const due = number(group[3]!)
    const dueAt = Math.abs(due) * 1000 <= Date.latest ? due : undefined
    const [failed, abandoned] = readTries(group[4]!)
    for (let at = itemsInCommon; at < group.length; at += itemsPerJob) {
      claimed.push({
        queue,
        id: text(group[at]!) ?? "",
        execution: text(group[at + 1]!) ?? "",
        data: group[at + 2] ?? noBytes,
        timeout,
        enqueuedAt,
        dueAt,
        attempt: 1 + failed + abandoned,
        isSuspect: abandoned > 0
      })
    }
  }
  return claimed
}

/** The fields of a job's hash that a worker needs, as `tellClaimed` takes them after its status. */
export const luaClaimedFields = `"data", "timeout", "enqueued_at", "due_at", "started_at"`

export const luaTellClaimed = `
-- How often a job was tried, as the worker is told it. What was never started has no such fields, and each that is absent
-- costs Redis a search through the whole hash.
local function tries(key)
  local job = redis.call("HMGET", key, "failed_attempts", "abandon_count")
  return (job[1] or job[2]) and (job[1] or "") .. "," .. (job[2] or "")
end

-- What is answered, as \`readClaimed\` reads it.
local groups, group, inGroup = {}, {}, 0
local function tellClaimed(queue, id, execution, job, tried)
  if queue ~= group[1] or job[3] ~= group[2] or job[4] ~= group[3] or job[5] ~= group[4] or tried ~= group[5] then
    group, inGroup = { queue, job[3], job[4], job[5], tried }, ${itemsInCommon}
    groups[#groups + 1] = group
  end
  group[inGroup + 1], group[inGroup + 2], group[inGroup + 3] = id, execution, job[2]
  inGroup = inGroup + ${itemsPerJob}
end
`

/** How many executions a worker makes before it counts from the start again. */
export const executionCounters = 2 ** 31

/** The two hexadecimal digits of each number below 256. */
const lastDigits = `\
000102030405060708090a0b0c0d0e0f\
101112131415161718191a1b1c1d1e1f\
202122232425262728292a2b2c2d2e2f\
303132333435363738393a3b3c3d3e3f\
404142434445464748494a4b4c4d4e4f\
505152535455565758595a5b5c5d5e5f\
606162636465666768696a6b6c6d6e6f\
707172737475767778797a7b7c7d7e7f\
808182838485868788898a8b8c8d8e8f\
909192939495969798999a9b9c9d9e9f\
a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\
b0b1b2b3b4b5b6b7b8b9babbbcbdbebf\
c0c1c2c3c4c5c6c7c8c9cacbcccdcecf\
d0d1d2d3d4d5d6d7d8d9dadbdcdddedf\
e0e1e2e3e4e5e6e7e8e9eaebecedeeef\
f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\
`

/** Whether the execution was fetched ahead, in Lua. */
export const luaIsAhead = `
local function isAhead(execution)
  return string.find(string.sub(execution, 25, 25), "[89a-f]") ~= nil
end
`

export const luaClaim = `${luaIsQueued}${luaHandoverOf}${luaGiveBack}${luaTellClaimed}
local claimed = 0
-- How many ids of jobs that are gone may be dropped in one call: it must stay short whatever the list holds.
local drops = 1000
-- Whether the next one is not to be fetched ahead.
local held = false

-- Jobs that have expired in their queue, or that somebody has deleted without taking their ids out.
local gone = {}

-- The ids of one call have all but their last digits in common, and making a text of a number takes long.
local DIGITS, before, head = "${lastDigits}", -1, ""
local function executionId(number)
  local last = number % 256
  if number - last ~= before then
    before = number - last
    head = EXECUTION_PREFIX .. string.format("%06x", before / 256)
  end
  return head .. string.sub(DIGITS, 2 * last + 1, 2 * last + 2)
end

-- Starts jobs of one list until there are as many as wanted. False when the list has no more to give.
local function claimFrom(list, queue)
  local started = STARTED .. queue
  while claimed < WANT and drops > 0 and not held do
    local ids = attempt("LRANGE", list, 0, WANT - claimed - 1)
    if not ids or #ids == 0 then break end
    local taken, members, count, m = #ids, {}, 0, 0
    for i = 1, #ids do
      local id = ids[i]
      local key = JOB .. id
      local job = redis.pcall("HMGET", key, "status", ${luaClaimedFields}, "ttl")
      if job.err or not isQueued(job[1], job[2]) then
        drops = drops - 1
        if not job.err and not job[1] and not job[2] then gone[#gone + 1] = id end
      else
        local ahead, tried = claimed + count >= SLOTS, job[6] and tries(key)
        if ahead and tried then
          taken, held = i - 1, true
          break
        end
        local execution = executionId(COUNTER % ${executionCounters} + (ahead and ${executionCounters} or 0))
        local member = id .. ":" .. execution
        -- The first one alone, before anything is written. The key of the registry may hold something foreign: all stays
        -- where it is then.
        if count == 0 then
          if not attempt("ZADD", started, ABANDONED_AT, member) then return false end
        else
          members[m + 1], members[m + 2] = ABANDONED_AT, member
          m = m + 2
        end
        redis.call("HSET", key, "status", "started", "started_at", NOW_DATE, "worker_name", WORKER,
          "execution", execution)
        -- What was never started and has no lifetime in the queue does not expire.
        if job[6] or job[7] then redis.call("PERSIST", key) end
        COUNTER, count = COUNTER + 1, count + 1
        tellClaimed(queue, id, execution, job, tried)
      end
    end
    if m > 0 then redis.call("ZADD", started, unpack(members, 1, m)) end
    if taken > 0 then redis.call("LTRIM", list, taken, -1) end
    claimed = claimed + count
  end
  return claimed >= WANT or drops <= 0 or held
end

local suspended, paused = 0, {}

-- Returns whether a queue that is not paused may hold more.
local function claimFromAll(queues, handedOver, isPaused)
  if handedOver then
    for i = 1, #queues do
      local list = handoverOf(queues[i], WORKER)
      if not isPaused[queues[i]] then claimFrom(list, queues[i]) end
      giveBack(attempt, list, QUEUE .. queues[i], JOB)
    end
  end
  for i = 1, #queues do
    if held or claimed >= WANT then return true end
    if not isPaused[queues[i]] and claimFrom(QUEUE .. queues[i], queues[i]) then return true end
  end
  return false
end

-- Returns whether there may be more. While the fleet or a queue is suspended nothing of it is claimed.
local function claim(queues, handedOver)
  local isPaused = {}
  if redis.call("EXISTS", SUSPENDED, PAUSED) > 0 then
    suspended = redis.call("EXISTS", SUSPENDED)
    local names = attempt("SMEMBERS", PAUSED) or {}
    for i = 1, #names do isPaused[names[i]] = true end
    for i = 1, #queues do
      if suspended == 1 or isPaused[queues[i]] then
        isPaused[queues[i]] = true
        paused[#paused + 1] = queues[i]
      end
    end
  end
  local isMore = claimFromAll(queues, handedOver, isPaused)
  -- A job that is gone counts as met. Only now, since this may push to the lists that were gone through.
  for i = 1, #gone do
    releaseDependents(gone[i], false)
    redis.call("DEL", dependentsOf(gone[i]))
  end
  return isMore or #gone > 0
end
`
