/**
 * That of many workers one looks after a queue, and nobody again before an interval is over: a mark that lapses by itself.
 *
 * @internal
 */

export const luaTakesMark = `
-- A mark that never lapses was not written by us, and is taken over: nobody would look again.
local function takesMark(mark, who, interval)
  if redis.call("SET", mark, who, "PX", interval, "NX") then return true end
  return redis.call("PTTL", mark) == -1 and redis.call("SET", mark, who, "PX", interval)
end
`
