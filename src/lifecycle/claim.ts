/**
 * Edge `claim`: queued -> started. The id leaves the list and enters the started registry in the same step.
 *
 * Ids that were handed over to this worker come first (see `handover` in `wire/keys`). What of them doesn't fit in the
 * free slots goes back to the front of its queue.
 *
 * A queue whose key holds something else is passed over.
 *
 * An id whose job is gone, or is not queued any more, is dropped: it was canceled, has expired, or stands in the list
 * twice.
 *
 * @internal
 */

/** The started job's row as the script returns it. */
export type ClaimedRow = readonly [
  queue: Uint8Array,
  id: Uint8Array,
  execution: Uint8Array,
  data: Uint8Array | null,
  timeout: Uint8Array | null,
  enqueuedAt: Uint8Array | null,
  dueAt: Uint8Array | null,
  failedAttempts: Uint8Array | null,
  abandonCount: Uint8Array | null
]

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
}

const text = (bytes: Uint8Array | null): string | undefined =>
  bytes === null || bytes.length === 0 ? undefined : decoder.decode(bytes)

const decoder = new TextDecoder()

/** The latest instant that JavaScript has, in seconds since 1970. */
const latestInstant = 8_640_000_000_000

export const readClaimed = (row: ClaimedRow): Claimed => {
  const timeout = Number(text(row[4]))
  const dueAt = Number(text(row[6]))
  return {
    queue: decoder.decode(row[0]),
    id: decoder.decode(row[1]),
    execution: decoder.decode(row[2]),
    data: row[3] ?? new Uint8Array(),
    timeout: Number.isFinite(timeout) ? timeout : undefined,
    enqueuedAt: text(row[5]),
    dueAt: Math.abs(dueAt) <= latestInstant ? dueAt : undefined,
    attempt: 1 + (Number(text(row[7])) || 0) + (Number(text(row[8])) || 0)
  }
}

/** The fields of a job's hash that a worker needs, in the order of {@link ClaimedRow}. */
export const luaClaimedFields = `"data", "timeout", "enqueued_at", "due_at", "failed_attempts", "abandon_count"`

export const luaClaim = `
local claimed = {}
-- How many ids of jobs that are gone may be dropped in one call: it must stay short whatever the list holds.
local drops = 1000

-- False when the job can't be started and has to stay where it is; true when it was started, or dropped.
local function start(queue, id)
  local key = JOB .. id
  local job = redis.pcall("HMGET", key, "status", ${luaClaimedFields})
  if job.err or not (job[1] or job[2]) then return true end
  if job[1] and job[1] ~= "queued" then return true end
  local execution = EXECUTION_PREFIX .. string.format("%08x", COUNTER)
  if not attempt("ZADD", STARTED .. queue, ABANDONED_AT, id .. ":" .. execution) then return false end
  COUNTER = COUNTER + 1
  redis.call("HSET", key, "status", "started", "started_at", NOW_DATE, "worker_name", WORKER,
    "execution", execution)
  redis.call("PERSIST", key)
  claimed[#claimed + 1] = { queue, id, execution, job[2], job[3], job[4], job[5], job[6], job[7] }
  return true
end

-- Starts at most \`want\` jobs of one list. False when the list has no more to give.
local function claimFrom(list, queue, want)
  while #claimed < want and drops > 0 do
    local before = #claimed
    local ids = attempt("LPOP", list, want - before)
    if not ids then return false end
    for i = 1, #ids do
      if not start(queue, ids[i]) then
        -- the key of the registry holds something foreign: what was taken goes back to where it was
        for j = #ids, i, -1 do redis.call("LPUSH", list, ids[j]) end
        return false
      end
    end
    drops = drops - (#ids - (#claimed - before))
  end
  return true
end

local suspended, paused = 0, {}

-- Returns whether a queue may hold more. While the fleet or a queue is suspended nothing of it is claimed.
local function claim(queues, want, handedOver)
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
  if handedOver then
    for i = 1, #queues do
      local list = HANDOVER .. queues[i] .. ":" .. WORKER
      if not isPaused[queues[i]] then claimFrom(list, queues[i], want) end
      while attempt("LMOVE", list, QUEUE .. queues[i], "RIGHT", "LEFT") do end
    end
  end
  for i = 1, #queues do
    if #claimed >= want then return true end
    if not isPaused[queues[i]] and claimFrom(QUEUE .. queues[i], queues[i], want) then return true end
  end
  return false
end
`
