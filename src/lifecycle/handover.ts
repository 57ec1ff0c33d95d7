/**
 * What was handed over to a worker and isn't started by it goes back to the front of its queue, as long as it is queued:
 * Python's cancel and delete don't look for it in the worker's list.
 *
 * @internal
 */

/** How many ids are looked at in one call: it must stay short. What is beyond that goes back as it is. */
const mostLooks = 1000

export const luaIsQueued = `
-- Whether a job is to be run, of which these are status and data: it may be gone, or not be queued any more.
local function isQueued(status, data)
  return status == "queued" or not status and data
end
`

/** Needs `HANDOVER`. */
export const luaHandoverOf = `
-- The list of what was handed over to a worker. A colon in the worker's name could make it the list of another worker and
-- another queue, so it is a comma, which no name holds.
local function handoverOf(queue, worker)
  return HANDOVER .. queue .. ":" .. string.gsub(worker, ":", ",")
end
`

export const luaGiveBack = `
local looks = ${mostLooks}
-- The last one first, so that the order stays. An empty list costs one call. Returns what the last call did: false when all
-- are given back, or what \`call\` makes of an error.
local function giveBack(call, list, queue, jobs)
  while true do
    local id = call("LMOVE", list, queue, "RIGHT", "LEFT")
    if type(id) ~= "string" then return id end
    if looks > 0 then
      looks = looks - 1
      local job = redis.pcall("HMGET", jobs .. id, "status", "data")
      if job.err or not isQueued(job[1], job[2]) then redis.call("LPOP", queue) end
    end
  end
end
`
