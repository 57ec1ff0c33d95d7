/**
 * Edge `release dependents`: deferred -> queued, when the last job that one waited for has ended.
 *
 * A job that has ended well counts as met, one that has failed, was stopped or canceled only for a job that allows it, and
 * one that is gone always, as in RQ.
 *
 * @internal
 */

export const luaDependents = `
-- What follows the key of a job in that of the set of those which wait for it.
local OF_DEPENDENTS = ":dependents"

local function dependentsOf(id)
  return JOB .. id .. OF_DEPENDENTS
end

local function isMet(status, allowFailure)
  if not status or status == "finished" then return true end
  return allowFailure and (status == "failed" or status == "stopped" or status == "canceled")
end

-- Whether all that a job waits for is met; \`ended\` is the status of the job \`id\`, which may not be written yet.
local function isReleased(dependent, allowFailure, id, ended)
  local parents = attempt("SMEMBERS", JOB .. ":" .. dependent .. ":dependencies")
  if not parents then return false end
  for i = 1, #parents do
    local status = ended
    if parents[i] ~= id then status = attempt("HGET", JOB .. parents[i], "status") end
    if not isMet(status, allowFailure) then return false end
  end
  return true
end

-- Who is not released yet is remembered for as long as the job, of which \`ttl\` is the lifetime: like its own it may be
-- 0, or -1 for ever.
local function releaseDependents(id, ended, ttl)
  local set = dependentsOf(id)
  local waiting = attempt("SMEMBERS", set)
  if not waiting then return end
  table.sort(waiting) -- the order of a set is each server's own
  for i = 1, #waiting do
    local dependent = waiting[i]
    local key = JOB .. dependent
    local job = redis.pcall("HMGET", key, "status", "origin", "allow_dependency_failures", "enqueue_at_front", "ttl")
    if job.err or job[1] ~= "deferred" or not job[2] then
      redis.call("SREM", set, dependent)
    elseif isReleased(dependent, job[3] == "1", id, ended) and holdsListOrNothing(QUEUE .. job[2]) then
      attempt("ZREM", DEFERRED .. job[2], dependent)
      redis.call("HSET", key, "status", "queued", "enqueued_at", NOW_DATE)
      beginsWaiting(key, job[5])
      redis.call(job[4] == "1" and "LPUSH" or "RPUSH", QUEUE .. job[2], dependent)
      redis.call("SREM", set, dependent)
      redis.call("DEL", JOB .. ":" .. dependent .. ":dependencies")
    end
  end
  if #waiting > 0 and ttl and ttl >= 0 then redis.call("EXPIRE", set, ttl) end
end
`
