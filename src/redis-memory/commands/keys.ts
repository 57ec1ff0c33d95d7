/**
 * Commands on keys of any type.
 */
import type { Args, Command } from "../command.js"
import { allKeys, command, firstKey, noKeys, twoKeys } from "../command.js"
import { glob } from "../glob.js"
import type { Entry, Keyspace } from "../keyspace.js"
import { integer } from "../numbers.js"
import type { Reply } from "../replies.js"
import { noSuchKey, ok, ReplyError, Status, syntaxError } from "../replies.js"
import { deserialize, serialize } from "../serialized.js"
import type { Store } from "../store.js"

const remove = (name: string): Command =>
  command(name, -2, allKeys, (args, { db }) => {
    let count = 0
    for (let i = 1; i < args.length; i++) if (db.remove(args[i]!)) count++
    return count
  })

const flush = (name: string): Command =>
  command(name, -1, noKeys, (args, { db }) => {
    if (args.length > 2 || (args.length === 2 && !/^(?:a?sync)$/i.test(args[1]!))) throw syntaxError
    db.clear()
    return ok
  })

/** Iterators that stopped at a cursor, so that the next SCAN goes on without looking for its place. */
const scans = new WeakMap<Keyspace, Map<number, Iterator<readonly [string, Entry]>>>()
const maxScans = 16

const scanKeys = (
  db: Keyspace,
  cursor: number,
  count: number
): readonly [next: number, found: ReadonlyArray<readonly [string, Entry]>] => {
  const paused = scans.get(db) ?? new Map<number, Iterator<readonly [string, Entry]>>()
  scans.set(db, paused)
  const iterator = (cursor > 0 ? paused.get(cursor) : undefined) ?? db.alive()
  paused.delete(cursor)
  const found: Array<readonly [string, Entry]> = []
  for (;;) {
    const next = iterator.next()
    if (next.done === true) return [0, found]
    const serial = next.value[1].serial
    if (serial < cursor) continue
    found.push(next.value)
    if (found.length < count) continue
    const following = serial + 1
    paused.set(following, iterator)
    for (const oldest of paused.keys()) {
      if (paused.size <= maxScans) break
      paused.delete(oldest)
    }
    return [following, found]
  }
}

/** The cursor of a SCAN command. */
export const readCursor = (text: string): number => {
  if (!/^[0-9]{1,20}$/.test(text)) throw new ReplyError("ERR invalid cursor")
  return Number(text)
}

/** The options of SCAN and its kin. */
export const scanOptions = (args: ReadonlyArray<string>, from: number, type: boolean) => {
  const options: { count: number; matches: (text: string) => boolean; type: string | undefined } = {
    count: 10,
    matches: () => true,
    type: undefined
  }
  for (let i = from; i < args.length; i += 2) {
    const name = args[i]!.toUpperCase()
    const value = args[i + 1]
    if (value === undefined) throw syntaxError
    if (name === "COUNT") {
      options.count = integer(value)
      if (options.count < 1) throw syntaxError
    } else if (name === "MATCH") options.matches = glob(value)
    else if (name === "TYPE" && type) options.type = value.toLowerCase()
    else throw syntaxError
  }
  return options
}

const restore = (args: Args, { db }: Store): Reply => {
  const [, key, ttlText, dump] = args as readonly [string, string, string, string] // at least so many, by its arity
  let replace = false
  let absolute = false
  for (let i = 4; i < args.length; i++) {
    const option = args[i]!.toUpperCase()
    if (option === "REPLACE") replace = true
    else if (option === "ABSTTL") absolute = true
    else throw syntaxError
  }
  if (!replace && db.get(key) !== undefined) throw new ReplyError("BUSYKEY Target key name already exists.")
  const ttl = integer(ttlText)
  if (ttl < 0) throw new ReplyError("ERR Invalid TTL value, must be >= 0")
  const found = deserialize(dump)
  if (found === undefined) throw new ReplyError("ERR DUMP payload version or checksum are wrong")
  const expireAt = ttl === 0 ? Infinity : absolute ? ttl : ttl + db.now
  db.remove(key)
  if (expireAt > db.now) db.put(key, found.kind, found.value, expireAt)
  return ok
}

const copy = (args: Args, { db }: Store): Reply => {
  const [, from, to] = args as readonly [string, string, string] // at least so many, by its arity
  const options = args.slice(3)
  if (options.some((option) => option.toUpperCase() !== "REPLACE")) throw syntaxError
  if (from === to) throw new ReplyError("ERR source and destination objects are the same")
  const entry = db.get(from)
  const found = entry && deserialize(serialize(entry))
  if (entry === undefined || found === undefined) return 0
  if (options.length === 0 && db.get(to) !== undefined) return 0
  db.remove(to)
  db.put(to, found.kind, found.value, entry.expireAt)
  return 1
}

export const keyCommands: ReadonlyArray<Command> = [
  remove("del"),
  remove("unlink"),
  flush("flushdb"),
  flush("flushall"),
  command("exists", -2, allKeys, (args, { db }) => {
    let count = 0
    for (let i = 1; i < args.length; i++) if (db.get(args[i]!) !== undefined) count++
    return count
  }),
  command("type", 2, firstKey, (args, { db }) => new Status(db.get(args[1]!)?.kind ?? "none")),
  command("dump", 2, firstKey, (args, { db }) => {
    const entry = db.get(args[1]!)
    return entry === undefined ? null : serialize(entry)
  }),
  command("restore", -4, firstKey, restore),
  command("copy", -3, twoKeys, copy),
  command("dbsize", 1, noKeys, (_, { db }) => db.size),
  command("keys", 2, noKeys, (args, { db }) => {
    const matches = glob(args[1]!)
    const out: Array<string> = []
    for (const [key] of db.alive()) if (matches(key)) out.push(key)
    return out
  }),
  command("scan", -2, noKeys, (args, { db }) => {
    const cursor = readCursor(args[1]!)
    const { count, matches, type } = scanOptions(args, 2, true)
    const [next, found] = scanKeys(db, cursor, count)
    const keys = found.filter(([key, entry]) => matches(key) && (type === undefined || entry.kind === type))
    return [String(next), keys.map(([key]) => key)]
  }),
  command("rename", 3, twoKeys, (args, { db }) => {
    const entry = db.get(args[1]!)
    if (entry === undefined) throw noSuchKey
    if (args[1] === args[2]) return ok
    db.delete(args[1]!)
    db.delete(args[2]!)
    db.put(args[2]!, entry.kind, entry.value, entry.expireAt)
    return ok
  })
]
