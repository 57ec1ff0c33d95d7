/**
 * Edge `release`: started -> queued, at the front. Without effect for an execution that is not the current one, and
 * while the key of the queue holds something else: the job then stays where maintenance looks for it.
 *
 * @internal
 */

export const luaRelease = `
local function toQueued(queue, id, ttl)
  -- Empty, which is none to RQ, and not gone: it says to the claim that the job was started before.
  redis.call("HSET", JOB .. id, "status", "queued", "worker_name", "", "started_at", "")
  beginsWaiting(JOB .. id, ttl)
  redis.call("LPUSH", QUEUE .. queue, id)
end

local function release(queue, id, execution)
  local job = holdsListOrNothing(QUEUE .. queue) and takeOut(WORKER, queue, id, execution, "ttl")
  if not job then return 0 end
  toQueued(queue, id, job[3])
  return 1
end
`
