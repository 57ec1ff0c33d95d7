/**
 * EXPIRE and its kin, and what commands share that take an expiry.
 */
import type { Args, Command } from "../command.js"
import { command, firstKey } from "../command.js"
import { integer, maxInteger64 as maxMillis } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ReplyError } from "../replies.js"
import type { Store } from "../store.js"

const invalid = (name: string) => new ReplyError(`ERR invalid expire time in '${name}' command`)

/** The instant that an option EX, PX, EXAT or PXAT (or a command of that kind) means; it must be positive. */
export const expiryInstant = (
  name: string,
  text: string,
  unit: "seconds" | "millis",
  from: number
): number => {
  const value = integer(text)
  if (value <= 0 || (unit === "seconds" && value > maxMillis / 1000)) throw invalid(name)
  const millis = unit === "seconds" ? value * 1000 : value
  if (millis > maxMillis - from) throw invalid(name)
  return millis + from
}

const expire = (name: string, unit: "seconds" | "millis", absolute: boolean): Command =>
  command(name, -3, firstKey, (args: Args, store: Store): Reply => {
    const { db } = store
    const flags = readFlags(args)
    const value = integer(args[2]!)
    const from = absolute ? 0 : db.now
    if (unit === "seconds" && Math.abs(value) > maxMillis / 1000) throw invalid(name)
    const millis = unit === "seconds" ? value * 1000 : value
    if (millis > maxMillis - from) throw invalid(name)
    const at = millis + from
    const entry = db.get(args[1]!)
    if (entry === undefined) return 0
    const current = entry.expireAt
    if (flags.has("NX") && current !== Infinity) return 0
    if (flags.has("XX") && current === Infinity) return 0
    if (flags.has("GT") && at <= current) return 0
    if (flags.has("LT") && at >= current) return 0
    if (at <= db.now) db.delete(args[1]!)
    else db.expire(args[1]!, entry, at)
    return 1
  })

const readFlags = (args: Args): ReadonlySet<string> => {
  const flags = new Set<string>()
  for (let i = 3; i < args.length; i++) {
    const flag = args[i]!.toUpperCase()
    if (flag !== "NX" && flag !== "XX" && flag !== "GT" && flag !== "LT") {
      throw new ReplyError(`ERR Unsupported option ${args[i]!}`)
    }
    flags.add(flag)
  }
  if (flags.has("NX") && flags.size > 1) {
    throw new ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible")
  }
  if (flags.has("GT") && flags.has("LT")) {
    throw new ReplyError("ERR GT and LT options at the same time are not compatible")
  }
  return flags
}

const readExpiry = (name: string, read: (at: number, now: number) => number): Command =>
  command(name, 2, firstKey, (args, { db }) => {
    const entry = db.get(args[1]!)
    if (entry === undefined) return -2
    return entry.expireAt === Infinity ? -1 : read(entry.expireAt, db.now)
  })

const toSeconds = (millis: number): number => Math.floor((millis + 500) / 1000)

export const expiryCommands: ReadonlyArray<Command> = [
  expire("expire", "seconds", false),
  expire("pexpire", "millis", false),
  expire("expireat", "seconds", true),
  expire("pexpireat", "millis", true),
  readExpiry("ttl", (at, now) => toSeconds(Math.max(0, at - now))),
  readExpiry("pttl", (at, now) => Math.max(0, at - now)),
  readExpiry("expiretime", toSeconds),
  readExpiry("pexpiretime", (at) => at),
  command("persist", 2, firstKey, (args, { db }) => {
    const entry = db.get(args[1]!)
    if (entry === undefined || entry.expireAt === Infinity) return 0
    db.expire(args[1]!, entry, Infinity)
    return 1
  })
]
