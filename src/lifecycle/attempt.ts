/**
 * Commands that may meet a key of a foreign type.
 *
 * @internal
 */

import { luaRefusedCommand } from "../internal/permission.js"

/** What a server that takes no writes for now says. It says so of the first write of a script only. */
export const luaIsRefusal = `
-- Whether the server takes no writes for now, which says nothing of the key.
local function isRefusal(message)
  local code = string.match(message, "^%-?(%u+)")
  return code == "READONLY" or code == "MISCONF" or code == "NOREPLICAS" or code == "OOM"
end
`

export const luaHoldsListOrNothing = `
local function holdsListOrNothing(key)
  local found = redis.call("TYPE", key)["ok"]
  return found == "list" or found == "none"
end
`

/** For what goes on without the key: everything but a foreign type is an error, and of those the first is told. */
export const luaAttemptForeign = `${luaRefusedCommand}
-- What could not be read or written, because a key holds something foreign: the first of it.
local PROBLEM = ""
-- The reply, or false where the key holds something foreign.
local function attempt(...)
  local reply = redis.pcall(...)
  if type(reply) ~= "table" or not reply.err then return reply end
  if not string.find(reply.err, "WRONGTYPE", 1, true) then
    local refused = refusedCommand(select(1, ...), reply.err)
    if refused then error(refused, 0) end
    return redis.call(...)
  end
  if PROBLEM == "" then PROBLEM = select(2, ...) .. ": " .. reply.err end
  return false
end
`

export const luaAttempt = `${luaIsRefusal}${luaRefusedCommand}
-- The reply, or false where the key holds something foreign. Where the server refuses to write nothing is written yet: the
-- script ends with the error, and whoever called it tries again. That the user may not run the command is an error as well:
-- what could not be seen is not foreign, and what could not be done is not done.
local function attempt(...)
  local reply = redis.pcall(...)
  if type(reply) ~= "table" or not reply.err then return reply end
  if isRefusal(reply.err) then return redis.call(...) end
  local refused = refusedCommand(select(1, ...), reply.err)
  if refused then error(refused, 0) end
  return false
end
`
