/**
 * Edge `fail`: started -> failed. Without effect for an execution that is not the current one.
 *
 * The entry in the results stream ends with the job (RQ keeps it for ever when the job has no failure TTL of its own).
 *
 * @internal
 */

/** RQ's lifetime of a failed job, in seconds: one year. */
export const defaultFailureTtl = 31_536_000

export const luaFail = `
-- Puts a job that is out of the started registry into the failed one.
local function toFailed(queue, id, execution, startedAt, ttl, exception, typedError)
  local key, results = JOB .. id, RESULTS .. id
  if ttl == 0 then
    redis.call("DEL", key, results)
    return
  end
  redis.call("HSET", key, "status", "failed", "ended_at", NOW_DATE)
  if ttl > 0 then redis.call("EXPIRE", key, ttl) end
  attempt("ZADD", FAILED .. queue, ttl > 0 and math.floor(NOW) + ttl or -1, id)
  local entry = { "type", 2, "worker_name", WORKER, "exc_string", exception,
    "execution_id", execution, "execution_ended_at", NOW_TEXT }
  if startedAt ~= "" then
    entry[#entry + 1] = "execution_started_at"
    entry[#entry + 1] = startedAt
  end
  if typedError ~= "" then
    entry[#entry + 1] = "error"
    entry[#entry + 1] = typedError
  end
  local kept = attempt("XADD", results, "MAXLEN", "~", 10, "*", unpack(entry))
  if kept then
    if ttl > 0 then redis.call("EXPIRE", results, ttl) else redis.call("PERSIST", results) end
  end
end

local function fail(queue, id, execution, startedAt, exception, typedError)
  local job = takeOut(queue, id, execution, "failure_ttl")
  if not job then return 0 end
  toFailed(queue, id, execution, startedAt, lifetime(job[2], ${defaultFailureTtl}), exception, typedError)
  return 1
end
`
