/**
 * Commands on hashes.
 */
import type { Args, Command } from "../command.js"
import { command, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { addTexts, isInfinite, isNumber } from "../long-double.js"
import { bigInteger, isInteger64, readBigInteger } from "../numbers.js"
import { infinite, notAFloat, ok, overflow, ReplyError } from "../replies.js"
import { readCursor, scanOptions } from "./keys.js"

const obtain = (db: Keyspace, key: string): Map<string, string> => db.obtain(key, "hash", () => new Map())

const setFields = (args: Args, db: Keyspace): number => {
  if (args.length % 2 !== 0) {
    throw new ReplyError(`ERR wrong number of arguments for '${args[0]!.toLowerCase()}' command`)
  }
  const hash = obtain(db, args[1]!)
  const before = hash.size
  for (let i = 2; i < args.length; i += 2) hash.set(args[i]!, args[i + 1]!)
  return hash.size - before
}

export const hashCommands: ReadonlyArray<Command> = [
  command("hset", -4, firstKey, (args, { db }) => setFields(args, db)),
  command("hmset", -4, firstKey, (args, { db }) => {
    setFields(args, db)
    return ok
  }),
  command("hsetnx", 4, firstKey, (args, { db }) => {
    const hash = obtain(db, args[1]!)
    if (hash.has(args[2]!)) return 0
    hash.set(args[2]!, args[3]!)
    return 1
  }),
  command("hget", 3, firstKey, (args, { db }) => db.value(args[1]!, "hash")?.get(args[2]!) ?? null),
  command("hmget", -3, firstKey, (args, { db }) => {
    const hash = db.value(args[1]!, "hash")
    return args.slice(2).map((field) => hash?.get(field) ?? null)
  }),
  command("hgetall", 2, firstKey, (args, { db }) => {
    const out: Array<string> = []
    for (const [field, value] of db.value(args[1]!, "hash") ?? []) out.push(field, value)
    return out
  }),
  command("hdel", -3, firstKey, (args, { db }) => {
    const hash = db.value(args[1]!, "hash")
    if (hash === undefined) return 0
    const before = hash.size
    for (let i = 2; i < args.length; i++) hash.delete(args[i]!)
    if (hash.size === 0) db.delete(args[1]!)
    return before - hash.size
  }),
  command("hexists", 3, firstKey, (args, { db }) => db.value(args[1]!, "hash")?.has(args[2]!) === true ? 1 : 0),
  command("hincrby", 4, firstKey, (args, { db }) => {
    const by = bigInteger(args[3]!)
    const old = db.value(args[1]!, "hash")?.get(args[2]!) ?? "0"
    const current = readBigInteger(old)
    if (current === undefined) throw new ReplyError("ERR hash value is not an integer")
    const value = current + by
    if (!isInteger64(value)) throw overflow
    obtain(db, args[1]!).set(args[2]!, value.toString())
    return Number(value)
  }),
  command("hincrbyfloat", 4, firstKey, (args, { db }) => {
    if (!isNumber(args[3]!)) throw notAFloat
    if (isInfinite(args[3]!)) throw new ReplyError("ERR value is NaN or Infinity")
    const old = db.value(args[1]!, "hash")?.get(args[2]!) ?? "0"
    const value = addTexts(old, args[3]!)
    if (value === undefined) throw isInfinite(old) ? infinite : new ReplyError("ERR hash value is not a float")
    obtain(db, args[1]!).set(args[2]!, value)
    return value
  }),
  command("hkeys", 2, firstKey, (args, { db }) => [...db.value(args[1]!, "hash")?.keys() ?? []]),
  command("hvals", 2, firstKey, (args, { db }) => [...db.value(args[1]!, "hash")?.values() ?? []]),
  command("hlen", 2, firstKey, (args, { db }) => db.value(args[1]!, "hash")?.size ?? 0),
  command("hstrlen", 3, firstKey, (args, { db }) => db.value(args[1]!, "hash")?.get(args[2]!)?.length ?? 0),
  command("hscan", -3, firstKey, (args, { db }) => {
    readCursor(args[2]!)
    const { matches } = scanOptions(args, 3, false)
    const out: Array<string> = []
    for (const [field, value] of db.value(args[1]!, "hash") ?? []) if (matches(field)) out.push(field, value)
    return ["0", out]
  })
]
