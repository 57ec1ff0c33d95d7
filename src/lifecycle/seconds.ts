/**
 * Reads a date as RQ writes it, in Lua.
 *
 * @internal
 */

export const luaSecondsOf = `
-- Unix seconds of a date as RQ writes it; nil for anything else.
local function secondsOf(date)
  local y, mo, d, h, mi, s = string.match(date or "", "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):([%d.]+)Z$")
  if not y then return nil end
  y, mo = tonumber(y), tonumber(mo)
  -- a year that begins in March has the day that not every year has at its end
  if mo <= 2 then y, mo = y - 1, mo + 12 end
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) +
    math.floor((153 * (mo - 3) + 2) / 5) + tonumber(d) - 719469
  return days * 86400 + tonumber(h) * 3600 + tonumber(mi) * 60 + (tonumber(s) or 0)
end
`
