/**
 * The journal of a queue, and that of the fleet: who led when, and when it was paused. Written where that changes, which is
 * rare; kept so that one can be told later why a job was late.
 *
 * @internal
 */

/** How many entries a journal keeps, and for how many seconds after the last. */
const mostKept = 200
const keptSeconds = 2_592_000

export const luaJournal = `
-- pcall: a journal that can't be written must not be in the way of what it tells of
local function note(journal, entry)
  if type(redis.pcall("LPUSH", journal, entry)) == "table" then return end
  redis.call("LTRIM", journal, 0, ${mostKept - 1})
  redis.call("EXPIRE", journal, ${keptSeconds})
end
`
