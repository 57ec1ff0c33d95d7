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
-- Beyond so many jobs of one queue all leave the started registry in one call. Where some of them were not in there any
-- more, what their hashes say decides for each.
local atOnce = 3

-- Of a job that has just been taken out of the started registry: whether this was its current run, how long it and its result
-- are kept (nil: not said), whether somebody waits for it, and how often it repeats.
local function readEnded(key, id, execution)
  local job = redis.pcall("HMGET", key, "status", "execution", "last_heartbeat", "result_ttl")
  -- what is plain has nothing else to tell, and nobody but this worker has started it (see \`askedRarely\` in wire/jobHash)
  if job[1] == "started" and job[2] == execution and not job[3] then
    return true, job[4] and lifetime(job[4], ${defaultResultTtl}), false, 0
  end
  job = redis.pcall("HMGET", key, "status", "worker_name", "execution", "last_heartbeat", "result_ttl", "awaited",
    "repeats_left")
  forgetExecution(id, execution, job[1], job[4])
  return isCurrent(WORKER, execution, job[1], job[2], job[3]),
    job[5] and lifetime(job[5], ${defaultResultTtl}), job[6] == "1", tonumber(job[7] or "") or 0
end

-- Jobs of one queue that began at one time: in ARGV so many from one position on, \`each\` as id, execution, and of 3 the
-- value. \`refuse\` is told the position of each that is not the current execution.
local function completeAll(queue, startedAt, from, count, each, refuse)
  local taken, at = false, from
  if count > atOnce then
    local members = {}
    for i = 1, count do
      members[i] = ARGV[at] .. ":" .. ARGV[at + 1]
      at = at + each
    end
    taken, at = attempt("ZREM", STARTED .. queue, unpack(members)), from
  end
  local finished, inFinished, ended, inEnded, sets, ttls = {}, 0, {}, 0, {}, {}
  for i = 1, count do
    local id, execution, value = ARGV[at], ARGV[at + 1], each == 3 and ARGV[at + 2] or ""
    local key, isOurs, said, awaited, repeats = JOB .. id, false, nil, false, 0
    at = at + each
    if count > atOnce and taken or count <= atOnce and attempt("ZREM", STARTED .. queue, id .. ":" .. execution) == 1 then
      isOurs, said, awaited, repeats = readEnded(key, id, execution)
    end
    if isOurs then
      local ttl = said or ${defaultResultTtl}
      if value ~= "" or awaited then
        if ttl ~= 0 then
          addResult(id, "1", execution, startedAt, repeats > 0 and -1 or ttl, "return_value", value, "")
        elseif awaited then
          addResult(id, "1", execution, startedAt, ${awaitedTtl}, "return_value", value, "")
        end
      end
      if repeats > 0 then
        local again = redis.call("HMGET", key, "repeat_intervals", "repeat_count")
        local nth = (tonumber(again[2] or "") or 0) + 1
        redis.call("HSET", key, "ended_at", NOW_DATE, "repeats_left", repeats - 1, "repeat_count", nth)
        runAgain(queue, id, NOW + intervalAt(readIntervals(again[1]), nth), false)
      elseif ttl == 0 then
        redis.call("DEL", key)
        if not awaited then redis.call("DEL", RESULTS .. id) end
      else
        redis.call("HSET", key, "status", "finished", "ended_at", NOW_DATE)
        -- its result names the execution
        if value ~= "" then redis.call("HDEL", key, "execution") end
        local expiry = "+inf"
        if ttl > 0 then
          local text, over = lifetimeText(ttl)
          redis.call("EXPIRE", key, text)
          expiry = over
        end
        finished[inFinished + 1], finished[inFinished + 2] = expiry, id
        inFinished = inFinished + 2
      end
      inEnded = inEnded + 1
      ended[inEnded], sets[inEnded] = id, key .. OF_DEPENDENTS
      if said or repeats > 0 then ttls[inEnded] = repeats > 0 and -1 or ttl end
    else
      refuse(i)
    end
  end
  if inFinished > 0 then attempt("ZADD", FINISHED .. queue, unpack(finished, 1, inFinished)) end
  if inEnded > 0 and redis.call("EXISTS", unpack(sets, 1, inEnded)) > 0 then
    for i = 1, inEnded do releaseDependents(ended[i], "finished", ttls[i] or ${defaultResultTtl}) end
  end
end
`
