/**
 * Edge `expire`: any resting state -> (gone).
 *
 * A job that has ended expires by itself; its entry in the registry does not, so whoever looks after a queue takes out
 * what has expired. Without that a registry would grow for ever.
 *
 * @internal
 */

/** How many entries of a registry one call takes out at most: it blocks Redis for a few milliseconds. */
export const mostExpired = 20_000

export const luaExpire = `
-- Scores are times; below zero (-1) and +inf mean never. The second that is spared is what scores are rounded by.
local function expire(registry)
  local kept = attempt("ZCOUNT", registry, "-inf", "(0")
  if not kept then return end
  local expired = math.min(redis.call("ZCOUNT", registry, 0, NOW - 1), ${mostExpired})
  if expired > 0 then redis.call("ZREMRANGEBYRANK", registry, kept, kept + expired - 1) end
end
`
