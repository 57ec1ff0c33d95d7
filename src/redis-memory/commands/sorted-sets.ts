/**
 * Commands on sorted sets.
 */
import type { Args, Command } from "../command.js"
import { command, firstKey } from "../command.js"
import type { Keyspace } from "../keyspace.js"
import { float, formatDouble, integer, readFloat, readInteger } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ReplyError, syntaxError } from "../replies.js"
import { SortedSet } from "../sorted-set.js"
import { readCursor, scanOptions } from "./keys.js"
import { readRange } from "./lists.js"

const notANumber = new ReplyError("ERR resulting score is not a number (NaN)")

interface AddFlags {
  readonly nx: boolean
  readonly xx: boolean
  readonly gt: boolean
  readonly lt: boolean
  readonly ch: boolean
  readonly incr: boolean
}

const addFlags = new Set(["NX", "XX", "GT", "LT", "CH", "INCR"])

const add = (args: Args, db: Keyspace): Reply => {
  const given = new Set<string>()
  let at = 2
  while (at < args.length && addFlags.has(args[at]!.toUpperCase())) given.add(args[at++]!.toUpperCase())
  const flags: AddFlags = {
    nx: given.has("NX"),
    xx: given.has("XX"),
    gt: given.has("GT"),
    lt: given.has("LT"),
    ch: given.has("CH"),
    incr: given.has("INCR")
  }
  const rest = args.length - at
  if (rest === 0 || rest % 2 !== 0) throw syntaxError
  if (flags.nx && flags.xx) throw new ReplyError("ERR XX and NX options at the same time are not compatible")
  if ((flags.gt && flags.nx) || (flags.lt && flags.nx) || (flags.gt && flags.lt)) {
    throw new ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible")
  }
  if (flags.incr && rest > 2) throw new ReplyError("ERR INCR option supports a single increment-element pair")
  return addAll(db, args, at, flags)
}

const addAll = (db: Keyspace, args: Args, at: number, flags: AddFlags): Reply => {
  const scores: Array<number> = []
  for (let i = at; i < args.length; i += 2) scores.push(float(args[i]!))
  const key = args[1]!
  const present = db.value(key, "zset")
  if (present === undefined && flags.xx) return flags.incr ? null : 0
  const zset = present ?? new SortedSet()
  let [added, updated] = [0, 0]
  let result: number | undefined
  for (let i = 0; i < scores.length; i++) {
    const member = args[at + 2 * i + 1]!
    const old = zset.score(member)
    if (old === undefined) {
      if (flags.xx) continue
      zset.set(member, scores[i]!)
      added++
      result = scores[i]!
      continue
    }
    if (flags.nx) continue
    const score = flags.incr ? old + scores[i]! : scores[i]!
    if (Number.isNaN(score)) throw notANumber
    if ((flags.lt && score >= old) || (flags.gt && score <= old)) continue
    result = score
    if (score === old) continue
    zset.set(member, score)
    updated++
  }
  if (present === undefined && zset.size > 0) db.put(key, "zset", zset)
  if (flags.incr) return result === undefined ? null : formatDouble(result)
  return flags.ch ? added + updated : added
}

interface Bounds {
  readonly min: number
  readonly minOpen: boolean
  readonly max: number
  readonly maxOpen: boolean
}

const readBounds = (min: string, max: string): Bounds => {
  const [low, high] = [readBound(min), readBound(max)]
  return { min: low.score, minOpen: low.open, max: high.score, maxOpen: high.open }
}

const readBound = (text: string): { readonly score: number; readonly open: boolean } => {
  const open = text.startsWith("(")
  // Redis is less strict here than with scores: nothing stands for 0, and spaces may come first
  const number = (open ? text.slice(1) : text).trimStart()
  const score = number === "" ? 0 : readFloat(number)
  if (score === undefined) throw new ReplyError("ERR min or max is not a float")
  return { score, open }
}

/** The ranks that are within the bounds: `start` up to and without `end`. */
const ranksWithin = (zset: SortedSet, bounds: Bounds): readonly [start: number, end: number] => {
  const start = zset.countBelow(bounds.min, bounds.minOpen)
  return [start, Math.max(start, zset.countBelow(bounds.max, !bounds.maxOpen))]
}

const list = (zset: SortedSet, start: number, end: number, reverse: boolean, withScores: boolean): Array<string> => {
  const entries = zset.slice(start, end)
  if (reverse) entries.reverse()
  const out: Array<string> = []
  for (const [member, score] of entries) {
    out.push(member)
    if (withScores) out.push(formatDouble(score))
  }
  return out
}

const byRank = (
  db: Keyspace,
  key: string,
  from: string,
  to: string,
  reverse: boolean,
  withScores: boolean
): Array<string> => {
  const [first, last] = [integer(from), integer(to)]
  const zset = db.value(key, "zset")
  if (zset === undefined) return []
  const [start, end] = readRange(first, last, zset.size)
  return reverse
    ? list(zset, zset.size - end, zset.size - start, true, withScores)
    : list(zset, start, end, false, withScores)
}

interface Limit {
  readonly offset: number
  /** Negative: no limit. */
  readonly count: number
}

const byScore = (
  db: Keyspace,
  key: string,
  bounds: Bounds,
  limit: Limit,
  reverse: boolean,
  withScores: boolean
): Array<string> => {
  const zset = db.value(key, "zset")
  if (zset === undefined || limit.offset < 0) return []
  const [start, end] = ranksWithin(zset, bounds)
  const count = limit.count < 0 ? Infinity : limit.count
  return reverse
    ? list(zset, Math.max(start, end - limit.offset - count), end - limit.offset, true, withScores)
    : list(zset, start + limit.offset, Math.min(end, start + limit.offset + count), false, withScores)
}

const noLimit: Limit = { offset: 0, count: -1 }

const unsupported = (option: string) =>
  new ReplyError(`ERR option ${option} of 'zrange' is not known to the in-memory Redis`)

const range = (args: Args, db: Keyspace): Reply => {
  let [scores, reverse, withScores] = [false, false, false]
  let limit: Limit | undefined
  for (let i = 4; i < args.length; i++) {
    const option = args[i]!.toUpperCase()
    if (option === "BYSCORE" && !scores) scores = true
    else if (option === "BYLEX") throw unsupported("BYLEX")
    else if (option === "REV" && !reverse) reverse = true
    else if (option === "WITHSCORES") withScores = true
    else if (option === "LIMIT" && i + 2 < args.length) {
      limit = { offset: integer(args[i + 1]!), count: integer(args[i + 2]!) }
      i += 2
    } else throw syntaxError
  }
  if (limit !== undefined && limit.count !== -1 && !scores) {
    throw new ReplyError(
      "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
    )
  }
  if (!scores) return byRank(db, args[1]!, args[2]!, args[3]!, reverse, withScores)
  const bounds = reverse ? readBounds(args[3]!, args[2]!) : readBounds(args[2]!, args[3]!)
  return byScore(db, args[1]!, bounds, limit ?? noLimit, reverse, withScores)
}

const rangeByScore = (name: string, reverse: boolean): Command =>
  command(name, -4, firstKey, (args, { db }) => {
    let withScores = false
    let limit = noLimit
    for (let i = 4; i < args.length; i++) {
      const option = args[i]!.toUpperCase()
      if (option === "WITHSCORES") withScores = true
      else if (option === "LIMIT" && i + 2 < args.length) {
        limit = { offset: integer(args[i + 1]!), count: integer(args[i + 2]!) }
        i += 2
      } else throw syntaxError
    }
    const bounds = reverse ? readBounds(args[3]!, args[2]!) : readBounds(args[2]!, args[3]!)
    return byScore(db, args[1]!, bounds, limit, reverse, withScores)
  })

const rank = (name: string, reverse: boolean): Command =>
  command(name, 3, firstKey, (args, { db }) => {
    const zset = db.value(args[1]!, "zset")
    const score = zset?.score(args[2]!)
    if (zset === undefined || score === undefined) return null
    const below = zset.rank(score, args[2]!)
    return reverse ? zset.size - 1 - below : below
  })

const removeRanks = (db: Keyspace, key: string, zset: SortedSet, start: number, end: number): number => {
  const entries = zset.slice(start, end)
  for (const [member] of entries) zset.delete(member)
  if (zset.size === 0) db.delete(key)
  return entries.length
}

const pop = (name: string, greatest: boolean): Command =>
  command(name, -2, firstKey, (args, { db }) => {
    if (args.length > 3) throw syntaxError
    const count = args[2] === undefined ? 1 : readInteger(args[2])
    if (count === undefined || count < 0) throw new ReplyError("ERR value is out of range, must be positive")
    const zset = db.value(args[1]!, "zset")
    if (zset === undefined || count === 0) return []
    const [start, end] = greatest
      ? [Math.max(0, zset.size - count), zset.size]
      : [0, Math.min(count, zset.size)]
    const out = list(zset, start, end, greatest, true)
    removeRanks(db, args[1]!, zset, start, end)
    return out
  })

export const sortedSetCommands: ReadonlyArray<Command> = [
  command("zadd", -4, firstKey, (args, { db }) => add(args, db)),
  command(
    "zincrby",
    4,
    firstKey,
    (args, { db }) => addAll(db, args, 2, { nx: false, xx: false, gt: false, lt: false, ch: false, incr: true })
  ),
  command("zrem", -3, firstKey, (args, { db }) => {
    const zset = db.value(args[1]!, "zset")
    if (zset === undefined) return 0
    let count = 0
    for (let i = 2; i < args.length; i++) if (zset.delete(args[i]!)) count++
    if (zset.size === 0) db.delete(args[1]!)
    return count
  }),
  command("zscore", 3, firstKey, (args, { db }) => {
    const score = db.value(args[1]!, "zset")?.score(args[2]!)
    return score === undefined ? null : formatDouble(score)
  }),
  command("zmscore", -3, firstKey, (args, { db }) => {
    const zset = db.value(args[1]!, "zset")
    return args.slice(2).map((member) => {
      const score = zset?.score(member)
      return score === undefined ? null : formatDouble(score)
    })
  }),
  command("zcard", 2, firstKey, (args, { db }) => db.value(args[1]!, "zset")?.size ?? 0),
  command("zcount", 4, firstKey, (args, { db }) => {
    const bounds = readBounds(args[2]!, args[3]!)
    const zset = db.value(args[1]!, "zset")
    if (zset === undefined) return 0
    const [start, end] = ranksWithin(zset, bounds)
    return end - start
  }),
  command("zrange", -4, firstKey, (args, { db }) => range(args, db)),
  command("zrevrange", -4, firstKey, (args, { db }) => {
    const withScores = args.length === 5 && args[4]!.toUpperCase() === "WITHSCORES"
    if (args.length > 4 && !withScores) throw syntaxError
    return byRank(db, args[1]!, args[2]!, args[3]!, true, withScores)
  }),
  rangeByScore("zrangebyscore", false),
  rangeByScore("zrevrangebyscore", true),
  rank("zrank", false),
  rank("zrevrank", true),
  command("zremrangebyscore", 4, firstKey, (args, { db }) => {
    const bounds = readBounds(args[2]!, args[3]!)
    const zset = db.value(args[1]!, "zset")
    return zset === undefined ? 0 : removeRanks(db, args[1]!, zset, ...ranksWithin(zset, bounds))
  }),
  command("zremrangebyrank", 4, firstKey, (args, { db }) => {
    const [from, to] = [integer(args[2]!), integer(args[3]!)]
    const zset = db.value(args[1]!, "zset")
    return zset === undefined ? 0 : removeRanks(db, args[1]!, zset, ...readRange(from, to, zset.size))
  }),
  pop("zpopmin", false),
  pop("zpopmax", true),
  command("zscan", -3, firstKey, (args, { db }) => {
    readCursor(args[2]!)
    const { matches } = scanOptions(args, 3, false)
    const zset = db.value(args[1]!, "zset")
    const out: Array<string> = []
    zset?.forRange(0, zset.size, (member, score) => {
      if (matches(member)) out.push(member, formatDouble(score))
    })
    return ["0", out]
  })
]
