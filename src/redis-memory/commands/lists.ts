/**
 * Commands on lists.
 */
import type { Args, Command } from "../command.js"
import { allButLast, command, firstKey, twoKeys } from "../command.js"
import { Deque } from "../deque.js"
import type { Keyspace } from "../keyspace.js"
import { integer, maxInteger64, readFloat, readInteger } from "../numbers.js"
import type { Reply } from "../replies.js"
import { indexOutOfRange, noSuchKey, ok, ReplyError, syntaxError } from "../replies.js"
import { Blocked } from "../waiters.js"

type End = "left" | "right"

const obtain = (db: Keyspace, key: string): Deque => db.obtain(key, "list", () => new Deque())

const pushTo = (list: Deque, end: End, item: string): void => end === "left" ? list.unshift(item) : list.push(item)

const popFrom = (db: Keyspace, key: string, list: Deque, end: End): string => {
  const item = end === "left" ? list.shift() : list.pop()
  if (list.length === 0) db.delete(key)
  return item! // a list that exists holds something
}

const push = (name: string, end: End, mustExist: boolean): Command =>
  command(name, -3, firstKey, (args, { db }) => {
    const list = mustExist ? db.value(args[1]!, "list") : obtain(db, args[1]!)
    if (list === undefined) return 0
    for (let i = 2; i < args.length; i++) pushTo(list, end, args[i]!)
    return list.length
  })

const pop = (name: string, end: End): Command =>
  command(name, -2, firstKey, (args, { db }) => {
    if (args.length > 3) throw new ReplyError(`ERR wrong number of arguments for '${name}' command`)
    const count = args[2] === undefined ? undefined : readCount(args[2])
    const list = db.value(args[1]!, "list")
    if (list === undefined) return null
    if (count === undefined) return popFrom(db, args[1]!, list, end)
    const out: Array<string> = []
    for (let i = Math.min(count, list.length); i > 0; i--) out.push(popFrom(db, args[1]!, list, end))
    return out
  })

const readCount = (text: string): number => {
  const count = readInteger(text)
  if (count === undefined || count < 0) throw new ReplyError("ERR value is out of range, must be positive")
  return count
}

/** The bounds of a range as indexes from 0: `start` up to and without `end`. */
export const readRange = (from: number, to: number, length: number): readonly [start: number, end: number] => [
  Math.max(0, from < 0 ? length + from : from),
  Math.min(length, (to < 0 ? length + to : to) + 1)
]

const readEnd = (text: string): End => {
  const end = text.toLowerCase()
  if (end !== "left" && end !== "right") throw syntaxError
  return end
}

const move = (db: Keyspace, source: string, target: string, from: End, to: End): string | undefined => {
  const list = db.value(source, "list")
  if (list === undefined) return undefined
  db.find(target, "list") // refuses another type before anything is moved
  const item = from === "left" ? list.shift()! : list.pop()!
  pushTo(source === target ? list : obtain(db, target), to, item)
  if (list.length === 0) db.delete(source)
  return item
}

const isList = (db: Keyspace, key: string): boolean => db.get(key)?.kind === "list"

/** A timeout in seconds as milliseconds, rounded up. */
const readTimeout = (text: string): number => {
  const seconds = readFloat(text)
  if (seconds === undefined) throw new ReplyError("ERR timeout is not a float or out of range")
  const millis = seconds * 1000
  if (millis > maxInteger64) throw new ReplyError("ERR timeout is out of range")
  if (millis < 0) throw new ReplyError("ERR timeout is negative")
  return Math.ceil(millis)
}

const blockingPop = (name: string, end: End): Command =>
  command(name, -3, allButLast, (args, { db }) => {
    const timeout = readTimeout(args[args.length - 1]!)
    const keys = args.slice(1, -1)
    const take = (key: string): Reply | undefined => {
      const list = db.value(key, "list")
      return list === undefined ? undefined : [key, popFrom(db, key, list, end)]
    }
    for (const key of keys) {
      const reply = take(key)
      if (reply !== undefined) return reply
    }
    return new Blocked("list", keys, timeout, (key) => isList(db, key) ? take(key) : undefined)
  }, { blocks: true })

const blockingMove = (db: Keyspace, args: Args, from: End, to: End): Reply | Blocked => {
  const timeout = readTimeout(args[args.length - 1]!)
  const attempt = () => move(db, args[1]!, args[2]!, from, to)
  return attempt() ??
    new Blocked("list", [args[1]!], timeout, (key) => isList(db, key) ? attempt() : undefined)
}

const positions = (args: Args, db: Keyspace): Reply => {
  let [rank, count, maxLength] = [1, undefined as number | undefined, 0]
  for (let i = 3; i < args.length; i += 2) {
    const option = args[i]!.toUpperCase()
    const text = args[i + 1]
    if (text === undefined) throw syntaxError
    if (option === "RANK") {
      rank = integer(text)
      if (rank === 0) {
        throw new ReplyError(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
            "or use negative to start from the end of the list"
        )
      }
    } else if (option === "COUNT") {
      const value = readInteger(text)
      if (value === undefined || value < 0) throw new ReplyError("ERR COUNT can't be negative")
      count = value
    } else if (option === "MAXLEN") {
      const value = readInteger(text)
      if (value === undefined || value < 0) throw new ReplyError("ERR MAXLEN can't be negative")
      maxLength = value
    } else throw syntaxError
  }
  const list = db.value(args[1]!, "list")
  const found: Array<number> = []
  const wanted = count === undefined ? 1 : count === 0 ? Infinity : count
  const length = list?.length ?? 0
  const compared = maxLength === 0 ? length : Math.min(length, maxLength)
  let skip = Math.abs(rank) - 1
  for (let i = 0; i < compared && found.length < wanted; i++) {
    const index = rank > 0 ? i : length - 1 - i
    if (list?.at(index) !== args[2]) continue
    if (skip > 0) skip--
    else found.push(index)
  }
  return count === undefined ? found[0] ?? null : found
}

const removeItems = (list: Deque, count: number, item: string): number => {
  const items = list.slice(0, list.length)
  const most = count === 0 ? Infinity : Math.abs(count)
  let removed = 0
  const keep = (candidate: string): boolean => {
    if (candidate !== item || removed >= most) return true
    removed++
    return false
  }
  const kept = count < 0 ? items.reverse().filter(keep).reverse() : items.filter(keep)
  if (removed > 0) list.replace(kept)
  return removed
}

export const listCommands: ReadonlyArray<Command> = [
  push("lpush", "left", false),
  push("rpush", "right", false),
  push("lpushx", "left", true),
  push("rpushx", "right", true),
  pop("lpop", "left"),
  pop("rpop", "right"),
  command("llen", 2, firstKey, (args, { db }) => db.value(args[1]!, "list")?.length ?? 0),
  command("lrange", 4, firstKey, (args, { db }) => {
    const [from, to] = [integer(args[2]!), integer(args[3]!)]
    const list = db.value(args[1]!, "list")
    return list === undefined ? [] : list.slice(...readRange(from, to, list.length))
  }),
  command("lindex", 3, firstKey, (args, { db }) => {
    const list = db.value(args[1]!, "list")
    if (list === undefined) return null
    const index = integer(args[2]!)
    return list.at(index < 0 ? list.length + index : index) ?? null
  }),
  command("lset", 4, firstKey, (args, { db }) => {
    const list = db.value(args[1]!, "list")
    if (list === undefined) throw noSuchKey
    const given = integer(args[2]!)
    const index = given < 0 ? list.length + given : given
    if (index < 0 || index >= list.length) throw indexOutOfRange
    list.set(index, args[3]!)
    return ok
  }),
  command("lrem", 4, firstKey, (args, { db }) => {
    const count = integer(args[2]!)
    const list = db.value(args[1]!, "list")
    if (list === undefined) return 0
    const removed = removeItems(list, count, args[3]!)
    if (list.length === 0) db.delete(args[1]!)
    return removed
  }),
  command("ltrim", 4, firstKey, (args, { db }) => {
    const [from, to] = [integer(args[2]!), integer(args[3]!)]
    const list = db.value(args[1]!, "list")
    if (list === undefined) return ok
    const [start, end] = readRange(from, to, list.length)
    if (start >= end) db.delete(args[1]!)
    else {
      for (let i = list.length - end; i > 0; i--) list.pop()
      for (let i = start; i > 0; i--) list.shift()
    }
    return ok
  }),
  command("linsert", 5, firstKey, (args, { db }) => {
    const where = args[2]!.toLowerCase()
    if (where !== "before" && where !== "after") throw syntaxError
    const list = db.value(args[1]!, "list")
    if (list === undefined) return 0
    const items = list.slice(0, list.length)
    const index = items.indexOf(args[3]!)
    if (index < 0) return -1
    items.splice(where === "before" ? index : index + 1, 0, args[4]!)
    list.replace(items)
    return items.length
  }),
  command("lpos", -3, firstKey, (args, { db }) => positions(args, db)),
  command("lmove", 5, twoKeys, (args, { db }) => {
    const [from, to] = [readEnd(args[3]!), readEnd(args[4]!)]
    return move(db, args[1]!, args[2]!, from, to) ?? null
  }),
  command("rpoplpush", 3, twoKeys, (args, { db }) => move(db, args[1]!, args[2]!, "right", "left") ?? null),
  command("blmove", 6, twoKeys, (args, { db }) => {
    const [from, to] = [readEnd(args[3]!), readEnd(args[4]!)]
    return blockingMove(db, args, from, to)
  }, { blocks: true }),
  command("brpoplpush", 4, twoKeys, (args, { db }) => blockingMove(db, args, "right", "left"), { blocks: true }),
  blockingPop("blpop", "left"),
  blockingPop("brpop", "right")
]
