/**
 * Edge `fail`: started -> failed, or -> queued or scheduled when a retry is left. Without effect for an execution that is
 * not the current one.
 *
 * Every failure leaves an entry in the results stream, one that is retried as well (type 4). They end with the job (RQ
 * keeps them for ever when the job has no failure TTL of its own).
 *
 * @internal
 */

/** RQ's lifetime of a failed job, in seconds: one year. */
export const defaultFailureTtl = 31_536_000

export const luaFail = `
-- Puts a job that is out of the started registry into the failed one.
local function toFailed(queue, id, execution, startedAt, ttl, exception, typedError, status)
  local key = JOB .. id
  addResult(id, "2", execution, startedAt, ttl, "exc_string", exception, typedError)
  if ttl == 0 then
    redis.call("DEL", key)
    redis.call("EXPIRE", RESULTS .. id, 60)
  else
    redis.call("HSET", key, "status", status, "ended_at", NOW_DATE)
    if ttl > 0 then redis.call("EXPIRE", key, ttl) end
    attempt("ZADD", FAILED .. queue, ttl > 0 and math.floor(NOW) + ttl or -1, id)
  end
  releaseDependents(id, status, ttl)
end

-- \`retry\` is what the worker says: empty for what the job says, "never", or the delay in seconds.
-- Returns 0 without effect, 1, or when the job runs again, in seconds.
local function fail(queue, id, execution, startedAt, exception, typedError, retry)
  local job = takeOut(WORKER, queue, id, execution, "failure_ttl", "retries_left", "retry_intervals",
    "enqueue_at_front_on_retry", "failed_attempts")
  if not job then return 0 end
  local ttl, left = lifetime(job[3], ${defaultFailureTtl}), tonumber(job[4] or "")
  local again = retry ~= "never" and (left and left > 0 or not left and retry ~= "")
  if not again then
    toFailed(queue, id, execution, startedAt, ttl, exception, typedError, "failed")
    return 1
  end
  local key, failures = JOB .. id, (tonumber(job[7] or "") or 0) + 1
  addResult(id, "4", execution, startedAt, ttl == 0 and 60 or ttl, "exc_string", exception, typedError)
  redis.call("HSET", key, "ended_at", NOW_DATE, "failed_attempts", failures)
  local delay = tonumber(retry)
  if left then
    redis.call("HSET", key, "retries_left", left - 1)
    -- counted from the end, as RQ does: the first of fewer intervals than retries stands for those before it
    local intervals = readIntervals(job[5])
    delay = delay or intervalAt(intervals, #intervals - left + 1)
  end
  local due = NOW + (delay or 0)
  if runAgain(queue, id, due, job[6] == "1") then
    return string.format("%.3f", math.max(NOW, math.min(due, 1e11)))
  end
  releaseDependents(id, "failed")
  return 1
end
`
