/**
 * Edge `release`: started -> queued, at the front. Without effect for an execution that is not the current one, and
 * while the key of the queue holds something else: the job then stays where maintenance looks for it.
 *
 * @internal
 */

export const luaRelease = `
local function toQueued(queue, id)
  redis.call("HSET", JOB .. id, "status", "queued", "worker_name", "")
  redis.call("HDEL", JOB .. id, "started_at")
  redis.call("LPUSH", QUEUE .. queue, id)
end

-- Its lifetime in the queue begins anew.
local function release(queue, id, execution)
  local job = holdsListOrNothing(QUEUE .. queue) and takeOut(WORKER, queue, id, execution, "ttl")
  if not job then return 0 end
  toQueued(queue, id)
  local ttl = tonumber(job[3] or "")
  if ttl and ttl >= 1 and ttl < 1e11 then redis.call("EXPIRE", JOB .. id, math.floor(ttl)) end
  return 1
end
`
