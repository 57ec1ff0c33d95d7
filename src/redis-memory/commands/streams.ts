/**
 * Commands on streams, without consumer groups.
 */
import type { Args, Command } from "../command.js"
import { command, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { integer, readInteger } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ReplyError, syntaxError } from "../replies.js"
import type { Store } from "../store.js"
import type { Id, StreamEntry } from "../stream.js"
import { compareIds, formatId, maxId, maxSeq, minId, Stream } from "../stream.js"
import { Blocked } from "../waiters.js"

const invalidId = new ReplyError("ERR Invalid stream ID specified as stream command argument")

const idText = /^([0-9]{1,20})(?:-([0-9]{1,20}))?$/

const readPart = (text: string): number => {
  if (BigInt(text) > 18446744073709551615n) throw invalidId
  return Number(text)
}

/** An id; where it has no sequence, `seq` takes its place. */
const readId = (text: string, seq: number): Id => {
  const match = idText.exec(text)
  if (match === null) throw invalidId
  return { ms: readPart(match[1]!), seq: match[2] === undefined ? seq : readPart(match[2]) }
}

const next = (id: Id): Id | undefined => {
  if (id.seq < maxSeq) return { ms: id.ms, seq: id.seq + 1 }
  return id.ms < maxSeq ? { ms: id.ms + 1, seq: 0 } : undefined
}

const previous = (id: Id): Id | undefined => {
  if (id.seq > 0) return { ms: id.ms, seq: id.seq - 1 }
  return id.ms > 0 ? { ms: id.ms - 1, seq: maxSeq } : undefined
}

const readStart = (text: string): Id => {
  if (text === "-") return minId
  if (text === "+") return maxId
  if (!text.startsWith("(")) return readId(text, 0)
  const id = next(readId(text.slice(1), 0))
  if (id === undefined) throw new ReplyError("ERR invalid start ID for the interval")
  return id
}

const readEnd = (text: string): Id => {
  if (text === "-") return minId
  if (text === "+") return maxId
  if (!text.startsWith("(")) return readId(text, maxSeq)
  const id = previous(readId(text.slice(1), maxSeq))
  if (id === undefined) throw new ReplyError("ERR invalid end ID for the interval")
  return id
}

const toReply = (entry: StreamEntry): Reply => [formatId(entry.id), entry.fields]

interface Trim {
  readonly until: { readonly maxLength: number } | { readonly minId: Id }
  readonly approximate: boolean
  readonly limit: number
}

/** Reads the options of XADD and XTRIM; `at` is the first argument that is none of them. */
const readTrim = (
  args: Args,
  from: number,
  forAdd: boolean
): { readonly at: number; readonly trim: Trim | undefined; readonly make: boolean } => {
  let at = from
  let make = true
  let until: Trim["until"] | undefined
  let approximate = false
  let limit: number | undefined
  for (; at < args.length; at++) {
    const option = args[at]!.toUpperCase()
    const more = args.length - 1 - at
    if (forAdd && option === "*") break
    if ((option === "MAXLEN" || option === "MINID") && more > 0) {
      if (until !== undefined) throw syntaxError
      approximate = false
      const sign = args[at + 1]!
      if (more >= 2 && (sign === "~" || sign === "=")) {
        approximate = sign === "~"
        at++
      }
      at++
      if (option === "MAXLEN") {
        const maxLength = integer(args[at]!)
        if (maxLength < 0) throw new ReplyError("ERR The MAXLEN argument must be >= 0.")
        until = { maxLength }
      } else until = { minId: readId(args[at]!, 0) }
    } else if (option === "LIMIT" && more > 0) {
      at++
      limit = integer(args[at]!)
      if (limit < 0) throw new ReplyError("ERR The LIMIT argument must be >= 0.")
    } else if (forAdd && option === "NOMKSTREAM") make = false
    else if (forAdd) break
    else throw syntaxError
  }
  if (limit !== undefined && limit > 0 && (until === undefined || !approximate)) {
    throw new ReplyError("ERR syntax error, LIMIT cannot be used without the special ~ option")
  }
  if (!forAdd && until === undefined) {
    throw new ReplyError("ERR syntax error, XTRIM must be called with a trimming strategy")
  }
  // without LIMIT, `~` looks at no more than 100 nodes of 100 entries
  const trim = until === undefined
    ? undefined
    : { until, approximate, limit: approximate ? limit ?? 10_000 : 0 }
  return { at, trim, make }
}

const small = new ReplyError("ERR The ID specified in XADD is equal or smaller than the target stream top item")

/** The id of a new entry: `*`, `ms-*` or a whole one. */
const newId = (text: string, last: Id, now: number): Id => {
  if (text === "*") {
    const id = now > last.ms ? { ms: now, seq: 0 } : next(last)
    if (id === undefined) throw small
    return id
  }
  if (!text.endsWith("-*")) {
    const id = readId(text, 0)
    if (compareIds(id, last) <= 0) throw small
    return id
  }
  const ms = readId(text.slice(0, -2), 0).ms
  if (ms < last.ms) throw small
  if (ms > last.ms) return { ms, seq: 0 }
  if (last.seq === maxSeq) throw small
  return { ms, seq: last.seq + 1 }
}

const add = (args: Args, store: Store): Reply => {
  const { db } = store
  const { at, make, trim } = readTrim(args, 2, true)
  const fields = args.slice(at + 1)
  const text = args[at] ?? ""
  // Redis reads the id before it counts the fields
  if (text !== "*" && at < args.length) {
    const id = text.endsWith("-*") ? readId(text.slice(0, -2), 0) : readId(text, 0)
    if (fields.length >= 2 && fields.length % 2 === 0 && !text.endsWith("*") && id.ms === 0 && id.seq === 0) {
      throw new ReplyError("ERR The ID specified in XADD must be greater than 0-0")
    }
  }
  if (fields.length < 2 || fields.length % 2 !== 0) {
    throw new ReplyError("ERR wrong number of arguments for 'xadd' command")
  }
  const present = db.value(args[1]!, "stream")
  if (present === undefined && !make) return null
  const stream = present ?? new Stream()
  if (compareIds(stream.lastId, maxId) === 0) {
    throw new ReplyError("ERR The stream has exhausted the last possible ID, unable to add more items")
  }
  const id = newId(text, stream.lastId, db.now)
  stream.add(id, fields)
  if (present === undefined) db.put(args[1]!, "stream", stream)
  else db.onReady?.(args[1]!)
  if (trim !== undefined) stream.trim(trim.until, trim.approximate, trim.limit)
  return formatId(id)
}

const range = (name: string, reverse: boolean): Command =>
  command(name, -4, firstKey, (args, { db }) => {
    const from = readStart(args[reverse ? 3 : 2]!)
    const to = readEnd(args[reverse ? 2 : 3]!)
    let limit = Infinity
    for (let i = 4; i < args.length; i += 2) {
      if (args[i]!.toUpperCase() !== "COUNT" || args[i + 1] === undefined) throw syntaxError
      limit = Math.max(0, integer(args[i + 1]!))
    }
    const stream = db.value(args[1]!, "stream")
    if (stream === undefined) return []
    if (limit === 0) return null
    return (reverse ? stream.rangeBackwards(from, to, limit) : stream.range(from, to, limit)).map(toReply)
  })

interface ReadOptions {
  readonly count: number
  readonly block: number | undefined
  readonly keys: ReadonlyArray<string>
  readonly ids: ReadonlyArray<string>
}

const readOptions = (args: Args): ReadOptions => {
  let count = Infinity
  let block: number | undefined
  for (let i = 1; i < args.length; i += 2) {
    const option = args[i]!.toUpperCase()
    const value = args[i + 1]
    if (value === undefined) throw syntaxError
    if (option === "BLOCK") {
      block = readInteger(value)
      if (block === undefined) throw new ReplyError("ERR timeout is not an integer or out of range")
      if (block < 0) throw new ReplyError("ERR timeout is negative")
    } else if (option === "COUNT") {
      const given = integer(value)
      count = given <= 0 ? Infinity : given
    } else if (option === "STREAMS") {
      const rest = args.slice(i + 1)
      if (rest.length % 2 !== 0) {
        throw new ReplyError(
          "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
        )
      }
      return { count, block, keys: rest.slice(0, rest.length / 2), ids: rest.slice(rest.length / 2) }
    } else throw syntaxError
  }
  throw syntaxError
}

/** The keys of an XREAD: half of what follows STREAMS. */
const readKeys = (args: Args): ReadonlyArray<string> => {
  const at = args.findIndex((arg) => arg.toUpperCase() === "STREAMS")
  return at < 0 ? [] : args.slice(at + 1, at + 1 + Math.floor((args.length - at - 1) / 2))
}

const read = (args: Args, { db }: Store): Reply | Blocked => {
  const { block, count, ids, keys } = readOptions(args)
  const after = new Map<string, Id>()
  keys.forEach((key, i) => {
    const text = ids[i]!
    const stream = db.value(key, "stream")
    if (text === ">") {
      throw new ReplyError(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
      )
    }
    after.set(key, text === "$" ? stream?.lastId ?? minId : readId(text, 0))
  })
  const take = (key: string): Reply | undefined => {
    const entry = db.get(key)
    const from = next(after.get(key)!)
    if (entry?.kind !== "stream" || from === undefined) return undefined
    const found = entry.value.range(from, maxId, count)
    return found.length === 0 ? undefined : [key, found.map(toReply)]
  }
  const out = keys.flatMap((key) => {
    const found = take(key)
    return found === undefined ? [] : [found]
  })
  if (out.length > 0 || block === undefined) return out.length > 0 ? out : null
  return new Blocked("stream", keys, block, (key) => {
    const found = take(key)
    return found === undefined ? undefined : [found]
  })
}

const trimTo = (db: Keyspace, args: Args): Reply => {
  const { trim } = readTrim(args, 2, false)
  const stream = db.value(args[1]!, "stream")
  return stream === undefined || trim === undefined ? 0 : stream.trim(trim.until, trim.approximate, trim.limit)
}

export const streamCommands: ReadonlyArray<Command> = [
  command("xadd", -5, firstKey, add),
  command("xlen", 2, firstKey, (args, { db }) => db.value(args[1]!, "stream")?.length ?? 0),
  range("xrange", false),
  range("xrevrange", true),
  command("xread", -4, readKeys, read, { blocks: true }),
  command("xdel", -3, firstKey, (args, { db }) => {
    const stream = db.value(args[1]!, "stream")
    if (stream === undefined) return 0
    let count = 0
    for (const id of args.slice(2).map((text) => readId(text, 0))) if (stream.delete(id)) count++
    return count
  }),
  command("xtrim", -4, firstKey, (args, { db }) => trimTo(db, args))
]
