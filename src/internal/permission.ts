/**
 * What a server says of a user who may not run a command of a script: which one it was is told by the servers from 7.2
 * on. The others tell the line only.
 *
 * @internal
 */

/** How servers before 7.2 begin what they say of a command in a script. */
const olderRefusal = /The user executing the script can't (run this command|access at least one of the keys|publish)/

/** Where in the script it was. */
const place = /@?user_script:(\d+)/

const commandsOf = (line: string): ReadonlyArray<string> => [
  ...new Set([...line.matchAll(/redis\.p?call\(\s*"(\w+)"/g)].map(([, command]) => command!.toLowerCase()))
]

/** The text after the script's name when a command was refused, in the words of a refusal outside scripts, else undefined. */
export const refusedInScript = (message: string, lua: string): string | undefined => {
  // What a script has noticed and passes on, or what a newer server says, names the command.
  const told = /NOPERM (?:ACL failure in script: )?([^]*?)(?: script: [0-9a-f]{40}.*)?$/.exec(message)?.[1]
  if (told !== undefined) return `NOPERM ${told}`
  const what = olderRefusal.exec(message)?.[1]
  if (what === undefined) return undefined
  const line = Number(place.exec(message)?.[1] ?? NaN)
  const commands = commandsOf(lua.split("\n")[line - 1] ?? "")
  const named = commands.length === 0
    ? "a command"
    : `the ${commands.map((command) => `'${command}'`).join(" or ")} command`
  return what === "run this command"
    ? `NOPERM this user has no permissions to run ${named}`
    : what === "publish"
    ? `NOPERM this user has no permissions to access the channel of ${named}`
    : `NOPERM this user has no permissions to access one of the keys of ${named}`
}

/** A Lua function: what a server said of a command that the user may not run, in the words of a refusal outside scripts. */
export const luaRefusedCommand = `
-- nil for any other error
local function refusedCommand(command, why)
  if string.find(why, "user executing the script can't", 1, true) then
    local what = string.find(why, "run this command", 1, true) and "run" or "access one of the keys of"
    return "NOPERM this user has no permissions to " .. what .. " the '" .. string.lower(command) .. "' command"
  end
  return string.find(why, "NOPERM", 1, true) and why or nil
end
`
