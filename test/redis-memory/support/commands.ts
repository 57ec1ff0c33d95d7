/**
 * Random commands over a few keys: mostly sensible, some with the wrong type, options or number of arguments.
 */
import * as FastCheck from "effect/FastCheck"
import type { Step } from "./both.js"
import { command, script } from "./both.js"

type Part = string | FastCheck.Arbitrary<string | ReadonlyArray<string>>
type Words = FastCheck.Arbitrary<ReadonlyArray<string>>

const asWords = (part: Part): Words =>
  typeof part === "string"
    ? FastCheck.constant([part])
    : part.map((text) => typeof text === "string" ? [text] : text)

/** The parts one after the other. */
const seq = (...parts: ReadonlyArray<Part>): Words =>
  FastCheck.tuple(...parts.map(asWords)).map((lists) => lists.flat())

const one = (...texts: ReadonlyArray<string>) => FastCheck.constantFrom(...texts)
const maybe = (...parts: ReadonlyArray<Part>): Words => FastCheck.oneof(FastCheck.constant([]), seq(...parts))
const any = (...parts: ReadonlyArray<Part>): Words => FastCheck.oneof(...parts.map(asWords))
const many = (part: Part, min: number, max: number): Words =>
  FastCheck.array(asWords(part), { minLength: min, maxLength: max }).map((lists) => lists.flat())

const kinds = ["s", "h", "l", "e", "z", "x"]
export const keys = kinds.flatMap((kind) => [`${kind}1`, `${kind}2`, `${kind}:3`])
const anyKey = one(...keys)
const keyOf = (kind: string) =>
  FastCheck.oneof({ weight: 14, arbitrary: one(`${kind}1`, `${kind}2`, `${kind}:3`) }, { weight: 1, arbitrary: anyKey })

const text = one("", "a", "b", "c", "aa", "B", "10", "-3", "3.5", "hello world", "\xff\x00\r\n", "x".repeat(70), "é")
const integerText = FastCheck.oneof(
  { weight: 6, arbitrary: FastCheck.integer({ min: -6, max: 8 }).map(String) },
  {
    weight: 1,
    arbitrary: one(
      "9223372036854775807",
      "-9223372036854775808",
      "9223372036854775808",
      "01",
      "-0",
      "1.5",
      "x",
      "",
      " 1"
    )
  }
)
const small = FastCheck.integer({ min: -4, max: 5 }).map(String)
const count = FastCheck.oneof({ weight: 5, arbitrary: FastCheck.integer({ min: 0, max: 4 }).map(String) }, {
  weight: 1,
  arbitrary: one("-1", "x", "1.5")
})
const floatText = FastCheck.oneof(
  { weight: 6, arbitrary: FastCheck.integer({ min: -40, max: 80 }).map((n) => String(n / 8)) },
  {
    weight: 2,
    arbitrary: one(
      "1e3",
      "0.1",
      "1700000000.123456",
      "-2.5e-7",
      "1e21",
      "3.0",
      "12345678901234567",
      "0.30000000000000004"
    )
  },
  { weight: 1, arbitrary: one("inf", "-inf", "+inf", "nan", "x", "", "1x", " 1") }
)
const field = one("f1", "f2", "f3", "f4", "\xfe")
const member = one("a", "b", "c", "d", "e", "f", "\x80")

const later = FastCheck.oneof(
  { weight: 5, arbitrary: one("1000", "5000", "100000") },
  { weight: 1, arbitrary: one("0", "-1", "x", "9223372036854775807", "9223372036854775") }
)
const laterMillis = later.map((seconds) => /^[1-9][0-9]{0,6}$/.test(seconds) ? `${seconds}000` : seconds)
const instant = FastCheck.oneof({ weight: 5, arbitrary: one("4102444800", "4200000000") }, {
  weight: 1,
  arbitrary: one("0", "-5", "1", "1000000000", "x")
})
const instantMillis = instant.map((seconds) => /^[0-9]{9,}$/.test(seconds) ? `${seconds}123` : seconds)
/** With SET a key may be made that has expired already: whether it is still counted depends on when a server looks. */
const future = instant.filter((text) => !/^1(?:0{9})?$/.test(text))
const expiry = any(
  seq("EX", later),
  seq("PX", laterMillis),
  seq("EXAT", future),
  seq("PXAT", future.map((seconds) => /^[0-9]{9,}$/.test(seconds) ? `${seconds}123` : seconds)),
  "EX"
)

const strings = [
  seq("SET", keyOf("s"), text),
  seq("SET", keyOf("s"), integerText),
  seq("SET", keyOf("s"), text, many(any("NX", "XX", "GET", "KEEPTTL", expiry, "BOGUS"), 0, 3)),
  seq("GET", keyOf("s")),
  seq("SETNX", keyOf("s"), text),
  seq("SETEX", keyOf("s"), later, text),
  seq("PSETEX", keyOf("s"), laterMillis, text),
  seq("GETDEL", keyOf("s")),
  seq("GETEX", keyOf("s"), maybe(any("PERSIST", expiry, "BOGUS"))),
  seq(one("INCR", "DECR"), keyOf("s")),
  seq(one("INCRBY", "DECRBY"), keyOf("s"), integerText),
  seq("INCRBYFLOAT", keyOf("s"), floatText),
  seq("APPEND", keyOf("s"), text),
  seq("STRLEN", keyOf("s")),
  seq("GETRANGE", keyOf("s"), small, small),
  seq("MGET", many(anyKey, 1, 4)),
  seq("MSET", many(seq(keyOf("s"), text), 1, 3), maybe("s1"))
]

/**
 * GT and LT compare instants: the same time from now may or may not be the same instant, for the two clocks go on. So
 * here they come only where they are refused, and in earnest with the absolute commands.
 */
const relativeFlags = any(
  FastCheck.constant([]),
  FastCheck.constant([]),
  "NX",
  "XX",
  "nx",
  "BOGUS",
  seq("NX", "GT"),
  seq("LT", "GT"),
  seq("XX", "NX")
)

const generic = [
  seq(one("DEL", "UNLINK", "EXISTS"), many(anyKey, 1, 3)),
  seq("EXPIRE", anyKey, later, relativeFlags),
  seq("PEXPIRE", anyKey, laterMillis, relativeFlags),
  seq("EXPIREAT", anyKey, instant, many(one("NX", "XX", "GT", "LT"), 0, 1)),
  seq("PEXPIREAT", anyKey, instantMillis, many(one("NX", "XX", "GT", "LT"), 0, 2)),
  seq(one("PERSIST", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "TYPE"), anyKey),
  seq("RENAME", anyKey, anyKey),
  seq("KEYS", one("*", "?1", "[hs]*", "*:3", "[^l]?", "\\s1", "[a-h]1")),
  seq("DBSIZE"),
  seq("PING", maybe("hi")),
  seq("ECHO", text)
]

const hashes = [
  seq(one("HSET", "HMSET"), keyOf("h"), many(seq(field, text), 1, 3), maybe("f1")),
  seq("HSETNX", keyOf("h"), field, text),
  seq(one("HGET", "HEXISTS", "HSTRLEN"), keyOf("h"), field),
  seq(one("HMGET", "HDEL"), keyOf("h"), many(field, 1, 4)),
  seq(one("HGETALL", "HKEYS", "HVALS", "HLEN"), keyOf("h")),
  seq("HINCRBY", keyOf("h"), field, integerText),
  seq("HINCRBYFLOAT", keyOf("h"), field, floatText)
]

const end = one("LEFT", "RIGHT", "left", "BOGUS")
const lists = [
  seq(one("LPUSH", "RPUSH", "LPUSHX", "RPUSHX"), keyOf("l"), many(text, 1, 4)),
  seq(one("LPUSH", "RPUSH"), keyOf("l"), many(one("a", "b", "c"), 1, 6)),
  seq(one("LPOP", "RPOP"), keyOf("l"), maybe(count)),
  seq("LLEN", keyOf("l")),
  seq(one("LRANGE", "LTRIM"), keyOf("l"), integerText, integerText),
  seq("LINDEX", keyOf("l"), integerText),
  seq("LSET", keyOf("l"), integerText, text),
  seq("LREM", keyOf("l"), integerText, one("a", "b", "c")),
  seq("LINSERT", keyOf("l"), one("BEFORE", "AFTER", "before", "BOGUS"), one("a", "b", "c"), text),
  seq(
    "LPOS",
    keyOf("l"),
    one("a", "b", "c"),
    many(any(seq("RANK", small), seq("COUNT", count), seq("MAXLEN", count), "BOGUS"), 0, 2)
  ),
  seq("LMOVE", keyOf("l"), keyOf("l"), end, end),
  seq("RPOPLPUSH", keyOf("l"), keyOf("l"))
]

const sets = [
  seq(one("SADD", "SREM", "SMISMEMBER"), keyOf("e"), many(member, 1, 4)),
  seq("SISMEMBER", keyOf("e"), member),
  seq(one("SMEMBERS", "SCARD"), keyOf("e")),
  seq(one("SUNION", "SINTER", "SDIFF"), many(keyOf("e"), 1, 3))
]

const bound = FastCheck.oneof(
  { weight: 3, arbitrary: floatText },
  { weight: 2, arbitrary: floatText.map((score) => `(${score}`) },
  { weight: 3, arbitrary: one("-inf", "+inf") }
)
const limit = maybe("LIMIT", small, small)
const withScores = maybe("WITHSCORES")
const sortedSets = [
  seq("ZADD", keyOf("z"), many(seq(floatText, member), 1, 4)),
  seq(
    "ZADD",
    keyOf("z"),
    many(one("NX", "XX", "GT", "LT", "CH", "INCR"), 0, 2),
    many(seq(floatText, member), 1, 2),
    maybe("1")
  ),
  seq(one("ZREM", "ZMSCORE"), keyOf("z"), many(member, 1, 3)),
  seq(one("ZSCORE", "ZRANK", "ZREVRANK"), keyOf("z"), member),
  seq("ZCARD", keyOf("z")),
  seq("ZCOUNT", keyOf("z"), bound, bound),
  seq(one("ZRANGE", "ZREVRANGE"), keyOf("z"), integerText, integerText, withScores),
  seq("ZRANGE", keyOf("z"), bound, bound, "BYSCORE", maybe("REV"), limit, withScores, maybe("BOGUS")),
  seq("ZRANGE", keyOf("z"), small, small, many(any("REV", "WITHSCORES", limit, "BOGUS"), 0, 2)),
  seq(one("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), keyOf("z"), bound, bound, withScores, limit),
  seq("ZINCRBY", keyOf("z"), floatText, member),
  seq("ZREMRANGEBYSCORE", keyOf("z"), bound, bound),
  seq("ZREMRANGEBYRANK", keyOf("z"), integerText, integerText),
  seq(one("ZPOPMIN", "ZPOPMAX"), keyOf("z"), maybe(count))
]

const id = FastCheck.oneof(
  {
    weight: 8,
    arbitrary: FastCheck.tuple(FastCheck.integer({ min: 0, max: 60 }), FastCheck.integer({ min: 0, max: 3 })).map(
      ([ms, seq]) => `${ms}-${seq}`
    )
  },
  { weight: 2, arbitrary: FastCheck.integer({ min: 0, max: 60 }).map(String) },
  { weight: 1, arbitrary: one("0", "0-0", "x", "1-x", "18446744073709551615-18446744073709551615", "-", "+", "") }
)
const newId = FastCheck.oneof(id, FastCheck.integer({ min: 0, max: 60 }).map((ms) => `${ms}-*`))
const trim = any(
  seq("MAXLEN", maybe(one("~", "=")), small),
  seq("MINID", maybe(one("~", "=")), id),
  seq("MAXLEN", "~", small, "LIMIT", small)
)
const streams = [
  seq("XADD", keyOf("x"), maybe("NOMKSTREAM"), maybe(trim), newId, many(seq(field, text), 1, 2), maybe("f1")),
  seq("XADD", keyOf("x"), newId, field, text),
  seq("XLEN", keyOf("x")),
  seq("XRANGE", keyOf("x"), any(id, "-", id.map((text) => `(${text}`)), any(id, "+"), maybe("COUNT", small)),
  seq("XREVRANGE", keyOf("x"), any(id, "+"), any(id, "-", id.map((text) => `(${text}`)), maybe("COUNT", small)),
  seq("XREAD", maybe("COUNT", small), "STREAMS", keyOf("x"), any(id, "$")),
  seq("XREAD", "STREAMS", "x1", "x2", id, id),
  seq("XDEL", keyOf("x"), many(id, 1, 3)),
  seq("XTRIM", keyOf("x"), any(trim, trim, trim, "BOGUS"))
]

export const families = { strings, generic, hashes, lists, sets, sortedSets, streams }

const mangled = (words: Words): Words =>
  FastCheck.oneof(
    { weight: 40, arbitrary: words },
    { weight: 1, arbitrary: words.map((list) => list.slice(0, -1)).filter((list) => list.length > 0) },
    { weight: 1, arbitrary: words.map((list) => [...list, "more"]) }
  )

/** A command of these families. */
export const commandOf = (...chosen: ReadonlyArray<ReadonlyArray<Words>>): FastCheck.Arbitrary<ReadonlyArray<string>> =>
  FastCheck.oneof(...chosen.map((family) => mangled(FastCheck.oneof(...family))))

/** Those whose replies come in no order: a script must not depend on it, so they aren't run through one. */
const inNoOrder = /^(?:SMEMBERS|SUNION|SINTER|SDIFF|KEYS|HKEYS|HVALS|HGETALL|P?TTL|P?EXPIRETIME)$/

/** Ways in which a script may hand a command on, each with what a reply becomes in Lua. */
const scripts = [
  "return redis.call(unpack(ARGV))",
  "return redis.pcall(unpack(ARGV))",
  "local ok, r = pcall(redis.call, unpack(ARGV)) return {tostring(ok), type(r), type(r) ~= 'table' and tostring(r) or ''}",
  "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return cjson.encode(r.err or r) end return tostring(r)",
  "local r = redis.call(unpack(ARGV)) redis.call('SET', 's1', type(r)) return {r, 'after'}"
]

export const commandStep = (words: Words): FastCheck.Arbitrary<Step> => words.map((args) => command(args))

/** The same commands, from scripts. */
export const scriptStep = (words: Words): FastCheck.Arbitrary<Step> =>
  FastCheck.tuple(one(...scripts), words.filter(([name]) => !inNoOrder.test(name!)))
    .map(([lua, args]) => script(lua, [...keys, "more"], args))
