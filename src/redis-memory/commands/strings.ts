/**
 * Commands on strings.
 */
import type { Args, Command } from "../command.js"
import { allKeys, command, everySecond, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { addTexts, isNumber } from "../long-double.js"
import { bigInteger, integer, isInteger64 } from "../numbers.js"
import { notAFloat, ok, overflow, ReplyError, syntaxError } from "../replies.js"
import { expiryInstant } from "./expiry.js"

const maxLength = 512 * 1024 * 1024

/** The instant of the option at `i` of the arguments, or undefined when it is no option of this kind. */
const expiryOption = (name: string, args: Args, i: number, now: number): number | undefined => {
  const option = args[i]!.toUpperCase()
  const value = args[i + 1]
  const relative = option === "EX" || option === "PX"
  if (value === undefined || (!relative && option !== "EXAT" && option !== "PXAT")) return undefined
  return expiryInstant(name, value, option.startsWith("EX") ? "seconds" : "millis", relative ? now : 0)
}

const isExpiryOption = (args: Args, i: number): boolean =>
  i + 1 < args.length && /^(?:ex|px|exat|pxat)$/i.test(args[i]!)

const set = (args: Args, db: Keyspace) => {
  const key = args[1]!
  let expiry: number | undefined
  let [nx, xx, keepTtl, get] = [false, false, false, false]
  for (let i = 3; i < args.length; i++) {
    const option = args[i]!.toUpperCase()
    if (option === "NX" && !xx) nx = true
    else if (option === "XX" && !nx) xx = true
    else if (option === "GET") get = true
    else if (option === "KEEPTTL" && expiry === undefined) keepTtl = true
    else if (isExpiryOption(args, i) && expiry === undefined && !keepTtl) expiry = i++
    else throw syntaxError
  }
  const expireAt = expiry === undefined ? Infinity : expiryOption("set", args, expiry, db.now)!
  const old = get ? db.find(key, "string") : db.get(key)
  const reply = get ? (old?.kind === "string" ? old.value : null) : ok
  if ((nx && old !== undefined) || (xx && old === undefined)) return get ? reply : null
  db.put(key, "string", args[2]!, keepTtl ? old?.expireAt : expireAt)
  return reply
}

const setEx = (name: string, unit: "seconds" | "millis"): Command =>
  command(name, 4, firstKey, (args, { db }) => {
    const at = expiryInstant(name, args[2]!, unit, db.now)
    db.put(args[1]!, "string", args[3]!, at)
    return ok
  })

/** Replaces the text and keeps the expiry. */
const replace = (db: Keyspace, key: string, value: string) => {
  const entry = db.find(key, "string")
  if (entry === undefined) db.put(key, "string", value)
  else entry.value = value
}

const increment = (db: Keyspace, key: string, by: bigint): number => {
  const old = db.value(key, "string") ?? "0"
  const value = bigInteger(old) + by
  if (!isInteger64(value)) throw overflow
  replace(db, key, value.toString())
  return Number(value)
}

const append = (db: Keyspace, key: string, tail: string): number => {
  const value = (db.value(key, "string") ?? "") + tail
  if (value.length > maxLength) {
    throw new ReplyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
  }
  replace(db, key, value)
  return value.length
}

export const stringCommands: ReadonlyArray<Command> = [
  command("get", 2, firstKey, (args, { db }) => db.value(args[1]!, "string") ?? null),
  command("set", -3, firstKey, (args, { db }) => set(args, db)),
  command("setnx", 3, firstKey, (args, { db }) => {
    if (db.get(args[1]!) !== undefined) return 0
    db.put(args[1]!, "string", args[2]!)
    return 1
  }),
  setEx("setex", "seconds"),
  setEx("psetex", "millis"),
  command("getdel", 2, firstKey, (args, { db }) => {
    const value = db.value(args[1]!, "string")
    if (value === undefined) return null
    db.delete(args[1]!)
    return value
  }),
  command("getex", -2, firstKey, (args, { db }) => {
    const persist = args.length === 3 && args[2]!.toUpperCase() === "PERSIST"
    if (args.length > 2 && !persist && !(args.length === 4 && isExpiryOption(args, 2))) throw syntaxError
    const entry = db.find(args[1]!, "string")
    if (entry === undefined) return null
    const value = entry.value
    if (persist) db.expire(args[1]!, entry, Infinity)
    else if (args.length > 2) {
      const at = expiryOption("getex", args, 2, db.now)!
      if (at <= db.now) db.delete(args[1]!)
      else db.expire(args[1]!, entry, at)
    }
    return value
  }),
  command("incr", 2, firstKey, (args, { db }) => increment(db, args[1]!, 1n)),
  command("decr", 2, firstKey, (args, { db }) => increment(db, args[1]!, -1n)),
  command("incrby", 3, firstKey, (args, { db }) => increment(db, args[1]!, bigInteger(args[2]!))),
  command("decrby", 3, firstKey, (args, { db }) => {
    const by = bigInteger(args[2]!)
    if (!isInteger64(-by)) throw new ReplyError("ERR decrement would overflow")
    return increment(db, args[1]!, -by)
  }),
  command("incrbyfloat", 3, firstKey, (args, { db }) => {
    const old = db.value(args[1]!, "string") ?? "0"
    if (!isNumber(old) || !isNumber(args[2]!)) throw notAFloat
    const value = addTexts(old, args[2]!)
    if (value === undefined) throw notAFloat
    replace(db, args[1]!, value)
    return value
  }),
  command("append", 3, firstKey, (args, { db }) => append(db, args[1]!, args[2]!)),
  command("strlen", 2, firstKey, (args, { db }) => (db.value(args[1]!, "string") ?? "").length),
  command("mget", -2, allKeys, (args, { db }) =>
    args.slice(1).map((key) => {
      const entry = db.get(key)
      return entry?.kind === "string" ? entry.value : null
    })),
  command("mset", -3, everySecond, (args, { db }) => {
    if (args.length % 2 === 0) throw new ReplyError("ERR wrong number of arguments for 'mset' command")
    for (let i = 1; i < args.length; i += 2) db.put(args[i]!, "string", args[i + 1]!)
    return ok
  }),
  command("getrange", 4, firstKey, (args, { db }) => {
    const from = integer(args[2]!)
    const to = integer(args[3]!)
    const value = db.value(args[1]!, "string") ?? ""
    if (from < 0 && to < 0 && from > to) return ""
    const start = Math.max(0, from < 0 ? value.length + from : from)
    const end = Math.max(0, to < 0 ? value.length + to : to)
    return value.slice(start, end + 1)
  })
]
