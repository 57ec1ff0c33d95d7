/**
 * For how long a job may wait in a queue.
 *
 * As RQ has it, whatever puts a job into a queue begins its lifetime there anew: it expires unless it is started before. A job
 * that is scheduled has none yet, and one that is started has none any more.
 *
 * @internal
 */

export const luaBeginsWaiting = `
-- \`ttl\` is a job's lifetime in the queue as its hash holds it. Redis refuses more than its clock can count.
local function beginsWaiting(key, ttl)
  local seconds = tonumber(ttl or "")
  if seconds and seconds >= 1 and seconds < 1e11 then redis.call("EXPIRE", key, math.floor(seconds)) end
end
`
