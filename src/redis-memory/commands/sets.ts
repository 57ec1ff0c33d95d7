/**
 * Commands on sets.
 */
import type { Args, Command } from "../command.js"
import { allKeys, command, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { readCursor, scanOptions } from "./keys.js"

const membersOf = (db: Keyspace, keys: Args): Array<ReadonlySet<string>> =>
  keys.map((key) => db.value(key, "set") ?? new Set<string>())

export const setCommands: ReadonlyArray<Command> = [
  command("sadd", -3, firstKey, (args, { db }) => {
    const set = db.obtain(args[1]!, "set", () => new Set())
    const before = set.size
    for (let i = 2; i < args.length; i++) set.add(args[i]!)
    return set.size - before
  }),
  command("srem", -3, firstKey, (args, { db }) => {
    const set = db.value(args[1]!, "set")
    if (set === undefined) return 0
    const before = set.size
    for (let i = 2; i < args.length; i++) set.delete(args[i]!)
    if (set.size === 0) db.delete(args[1]!)
    return before - set.size
  }),
  command("smembers", 2, firstKey, (args, { db }) => [...db.value(args[1]!, "set") ?? []]),
  command("sismember", 3, firstKey, (args, { db }) => db.value(args[1]!, "set")?.has(args[2]!) === true ? 1 : 0),
  command("smismember", -3, firstKey, (args, { db }) => {
    const set = db.value(args[1]!, "set")
    return args.slice(2).map((member) => set?.has(member) === true ? 1 : 0)
  }),
  command("scard", 2, firstKey, (args, { db }) => db.value(args[1]!, "set")?.size ?? 0),
  command("sscan", -3, firstKey, (args, { db }) => {
    readCursor(args[2]!)
    const { matches } = scanOptions(args, 3, false)
    return ["0", [...db.value(args[1]!, "set") ?? []].filter(matches)]
  }),
  command("sunion", -2, allKeys, (args, { db }) => {
    const out = new Set<string>()
    for (const set of membersOf(db, args.slice(1))) for (const member of set) out.add(member)
    return [...out]
  }),
  command("sinter", -2, allKeys, (args, { db }) => {
    const [first, ...rest] = membersOf(db, args.slice(1))
    return [...first!].filter((member) => rest.every((set) => set.has(member)))
  }),
  command("sdiff", -2, allKeys, (args, { db }) => {
    const [first, ...rest] = membersOf(db, args.slice(1))
    return [...first!].filter((member) => !rest.some((set) => set.has(member)))
  })
]
