/**
 * Commands on strings.
 */
import type { Args, Command } from "../command.js"
import { allKeys, command, everySecond, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { addTexts, isNumber } from "../long-double.js"
import { bigInteger, integer, isInteger64 } from "../numbers.js"
import { infinite, notAFloat, ok, overflow, ReplyError, syntaxError } from "../replies.js"
import { expiryInstant } from "./expiry.js"

const maxLength = 512 * 1024 * 1024

interface Expiry {
  readonly option: string
  readonly text: string
}

const instantOf = (name: string, { option, text }: Expiry, now: number): number =>
  expiryInstant(name, text, option.startsWith("EX") ? "seconds" : "millis", option.endsWith("AT") ? 0 : now)

/** The option EX, PX, EXAT or PXAT at `i`: the same one may come again and takes the place of the one before. */
const readExpiry = (args: Args, i: number, before: Expiry | undefined): Expiry | undefined => {
  const option = args[i]!.toUpperCase()
  const text = args[i + 1]
  if (text === undefined || !/^(?:EX|PX|EXAT|PXAT)$/.test(option)) return undefined
  return before === undefined || before.option === option ? { option, text } : undefined
}

const set = (args: Args, db: Keyspace) => {
  const key = args[1]!
  let expiry: Expiry | undefined
  let [nx, xx, keepTtl, get] = [false, false, false, false]
  for (let i = 3; i < args.length; i++) {
    const option = args[i]!.toUpperCase()
    if (option === "NX" && !xx) nx = true
    else if (option === "XX" && !nx) xx = true
    else if (option === "GET") get = true
    else if (option === "KEEPTTL" && expiry === undefined) keepTtl = true
    else {
      const given = keepTtl ? undefined : readExpiry(args, i, expiry)
      if (given === undefined) throw syntaxError
      expiry = given
      i++
    }
  }
  const expireAt = expiry === undefined ? Infinity : instantOf("set", expiry, db.now)
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
    let expiry: Expiry | undefined
    let persist = false
    for (let i = 2; i < args.length; i++) {
      if (args[i]!.toUpperCase() === "PERSIST" && expiry === undefined) {
        persist = true
        continue
      }
      const given = persist ? undefined : readExpiry(args, i, expiry)
      if (given === undefined) throw syntaxError
      expiry = given
      i++
    }
    const entry = db.find(args[1]!, "string")
    if (entry === undefined) return null
    const value = entry.value
    if (persist) db.expire(args[1]!, entry, Infinity)
    else if (expiry !== undefined) {
      const at = instantOf("getex", expiry, db.now)
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
    if (value === undefined) throw infinite
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
