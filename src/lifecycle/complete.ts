/**
 * Edge `complete`: started -> finished. Without effect for an execution that is not the current one.
 *
 * A void result leaves no entry in the results stream (RQ writes one, which costs four kilobytes).
 *
 * @internal
 */

/** RQ's lifetime of a result, in seconds. */
export const defaultResultTtl = 500

export const luaComplete = `
local function complete(queue, id, execution, startedAt, value)
  local job = takeOut(queue, id, execution, "result_ttl")
  if not job then return 0 end
  local key, ttl = JOB .. id, lifetime(job[2], ${defaultResultTtl})
  if ttl == 0 then
    redis.call("DEL", key, RESULTS .. id)
    return 1
  end
  redis.call("HSET", key, "status", "finished", "ended_at", NOW_DATE)
  if ttl > 0 then redis.call("EXPIRE", key, ttl) end
  attempt("ZADD", FINISHED .. queue, ttl > 0 and math.floor(NOW) + ttl or "+inf", id)
  if value ~= "" then
    local results = RESULTS .. id
    local kept = attempt("XADD", results, "MAXLEN", "~", 10, "*", "type", 1, "worker_name", WORKER, "return_value", value,
      "execution_id", execution, "execution_started_at", startedAt, "execution_ended_at", NOW_TEXT)
    if kept then
      if ttl > 0 then redis.call("EXPIRE", results, ttl) else redis.call("PERSIST", results) end
    end
  end
  return 1
end
`
