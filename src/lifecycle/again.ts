/**
 * What `complete` and `fail` do with a job that runs again: back to its queue, at once or at a time.
 *
 * @internal
 */

export const luaAgain = `
-- Seconds as RQ stores them, \`[1, 2, 3]\`. Empty when there are none.
local function readIntervals(json)
  if not json or json == "" then return {} end
  local ok, list = pcall(cjson.decode, json)
  return ok and type(list) == "table" and list or {}
end

-- Beyond the ends of the list the nearest one stands.
local function intervalAt(list, index)
  return tonumber(list[math.min(math.max(index, 1), #list)] or 0) or 0
end

-- \`due\` in seconds; what is due already is queued. False when it could not be, and has failed.
local function runAgain(queue, id, due, atFront)
  local key = JOB .. id
  due = math.min(due, 1e11)
  redis.call("PERSIST", key)
  if due > NOW then
    local text = string.format("%.3f", due)
    redis.call("HSET", key, "status", "scheduled")
    if attempt("ZADD", SCHEDULED .. queue, text, id) then
      local head = redis.call("ZRANGE", SCHEDULED .. queue, 0, 0, "WITHSCORES")
      if head[1] == id then redis.call("PUBLISH", SCHEDULER_CHANNEL .. queue, "due " .. head[2]) end
      return true
    end
  end
  redis.call("HSET", key, "status", "queued", "enqueued_at", NOW_DATE)
  redis.call("HDEL", key, "due_at") -- it is not late for what it was due for then
  if attempt(atFront and "LPUSH" or "RPUSH", QUEUE .. queue, id) then
    beginsWaiting(key, redis.call("HGET", key, "ttl"))
    return true
  end
  -- the key of the queue holds something foreign: the job rests where it is seen
  redis.call("HSET", key, "status", "failed")
  attempt("ZADD", FAILED .. queue, -1, id)
  return false
end
`
