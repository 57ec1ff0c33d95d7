/**
 * Edge `complete`: started -> finished, or -> scheduled or queued when the job repeats. Without effect for an execution
 * that is not the current one.
 *
 * A void result leaves no entry in the results stream (RQ writes one, which costs four kilobytes), unless somebody waits
 * for it.
 *
 * @internal
 */

/** RQ's lifetime of a result, in seconds. */
export const defaultResultTtl = 500

/** How long the result of a job that keeps none is there for who waits for it, in seconds. */
const awaitedTtl = 60

export const luaComplete = `
local function complete(queue, id, execution, startedAt, value)
  local job = takeOut(WORKER, queue, id, execution, "result_ttl", "awaited", "repeats_left", "repeat_intervals", "repeat_count")
  if not job then return 0 end
  local key, ttl = JOB .. id, lifetime(job[3], ${defaultResultTtl})
  local repeats = tonumber(job[5] or "") or 0
  if value ~= "" or job[4] == "1" then
    if ttl ~= 0 then
      addResult(id, 1, execution, startedAt, repeats > 0 and -1 or ttl, "return_value", value)
    elseif job[4] == "1" then
      addResult(id, 1, execution, startedAt, ${awaitedTtl}, "return_value", value)
    end
  end
  if repeats > 0 then
    local count = (tonumber(job[7] or "") or 0) + 1
    redis.call("HSET", key, "ended_at", NOW_DATE, "repeats_left", repeats - 1, "repeat_count", count)
    runAgain(queue, id, NOW + intervalAt(readIntervals(job[6]), count), false)
  elseif ttl == 0 then
    redis.call("DEL", key)
    if job[4] ~= "1" then redis.call("DEL", RESULTS .. id) end
  else
    redis.call("HSET", key, "status", "finished", "ended_at", NOW_DATE)
    if ttl > 0 then redis.call("EXPIRE", key, ttl) end
    attempt("ZADD", FINISHED .. queue, ttl > 0 and math.floor(NOW) + ttl or "+inf", id)
  end
  releaseDependents(id, "finished", repeats > 0 and -1 or ttl)
  return 1
end
`
