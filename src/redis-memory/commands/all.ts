/**
 * Every command that the in-memory Redis knows, by its name in lower case.
 */
import type { Command } from "../command.js"
import { expiryCommands } from "./expiry.js"
import { hashCommands } from "./hashes.js"
import { keyCommands } from "./keys.js"
import { listCommands } from "./lists.js"
import { scriptCommands } from "./scripting.js"
import { serverCommands } from "./server.js"
import { setCommands } from "./sets.js"
import { sortedSetCommands } from "./sorted-sets.js"
import { streamCommands } from "./streams.js"
import { stringCommands } from "./strings.js"

const byName: ReadonlyMap<string, Command> = new Map(
  [
    ...expiryCommands,
    ...hashCommands,
    ...keyCommands,
    ...listCommands,
    ...scriptCommands((name) => lookup(name)),
    ...serverCommands,
    ...setCommands,
    ...sortedSetCommands,
    ...streamCommands,
    ...stringCommands
  ].flatMap((command): ReadonlyArray<readonly [string, Command]> => [
    [command.name, command],
    [command.name.toUpperCase(), command]
  ])
)

/** The command of this name, in whatever case. */
export const lookup = (name: string): Command | undefined => byName.get(name) ?? byName.get(name.toLowerCase())
