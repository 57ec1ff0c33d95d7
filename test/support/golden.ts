/**
 * States that Python RQ left behind (`test/golden`), and states read from any Redis in the same form, so that both can
 * be compared.
 */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import * as Zlib from "node:zlib"
import type { RedisError, RedisService } from "../../src/Redis.js"

export type Leaf =
  | { readonly s: string }
  | { readonly b64: string; readonly zlib?: string }
  | { readonly traceback_left_out: true; readonly last_line: string }

export type Hash = Readonly<Record<string, Leaf>>

export type Entry =
  & { readonly ttl_ms: number }
  & (
    | { readonly type: "hash"; readonly value: Hash }
    | { readonly type: "string"; readonly value: Leaf }
    | { readonly type: "list"; readonly value: ReadonlyArray<Leaf> }
    | { readonly type: "set"; readonly value: ReadonlyArray<string> }
    | { readonly type: "zset"; readonly value: ReadonlyArray<readonly [member: string, score: number | string]> }
    | { readonly type: "stream"; readonly value: ReadonlyArray<readonly [id: string, fields: Hash]> }
  )

/** What a Redis holds, by key. */
export type State = Readonly<Record<string, Entry>>

export interface Golden {
  readonly scenario: string
  readonly rq: string
  /** Unix seconds at the end. */
  readonly captured_at: number
  /** Arguments as MONITOR escapes them, see {@link unescape}. */
  readonly commands: ReadonlyArray<readonly [connection: string, command: string, ...args: Array<string>]>
  readonly snapshots: Readonly<Record<string, State>>
  readonly state: State
  readonly notes: Readonly<Record<string, string>>
}

const folder = new URL("../golden/rq-2.10/", import.meta.url)

/** The names of all scenarios. */
export const names: ReadonlyArray<string> = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))
  .sort()

export const load = (name: string): Golden =>
  JSON.parse(
    // Python wrote the files; a score without bound becomes the text that Redis has for it
    readFileSync(new URL(`${name}.json`, folder), "utf8").replace(/(", )Infinity\]/g, "$1\"inf\"]")
  ) as Golden // the README describes the form

/** The state at the end as `state`, and the ones in between by their names. */
export const states = (golden: Golden): ReadonlyArray<readonly [name: string, state: State]> => [
  ...Object.entries(golden.snapshots),
  ["state", golden.state]
]

/** The bytes that were in Redis. Where a traceback was left out, its last line stands for it. */
export const bytes = (leaf: Leaf): Buffer =>
  "s" in leaf
    ? Buffer.from(leaf.s, "utf8")
    : "b64" in leaf
    ? Buffer.from(leaf.b64, "base64")
    : Buffer.from(Zlib.deflateSync(leaf.last_line).toString("base64"))

export const text = (leaf: Leaf): string => bytes(leaf).toString("utf8")

/** A hash as HGETALL answers it. */
export const flat = (hash: Hash): ReadonlyArray<Uint8Array> =>
  Object.entries(hash).flatMap(([field, leaf]) => [Buffer.from(field), bytes(leaf)])

/** The hash under a key; the test fails where there is none. */
export const hash = (state: State, key: string): Hash => {
  const entry = state[key]
  if (entry?.type !== "hash") throw new Error(`${key} is ${entry?.type ?? "missing"}, not a hash`)
  return entry.value
}

/** The bytes of an argument, from the escapes of MONITOR. */
export const unescape = (argument: string): Buffer => {
  const controls: Record<string, string> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b" }
  return Buffer.from(
    argument.replace(
      /\\(?:x([0-9a-f]{2})|(.))/g,
      (_, hex: string | undefined, character: string) =>
        hex === undefined ? controls[character] ?? character : String.fromCharCode(Number.parseInt(hex, 16))
    ),
    "latin1"
  )
}

/**
 * A state without what differs from run to run: dates become `<date>`, Unix seconds `<seconds>`, ids of 32 hex digits
 * `<id 1>`, `<id 2>` in their order, ids of stream entries are dropped, `data` is inflated and parsed, fields that were
 * cleared with an empty text are left out, sets are sorted. Times to live are whole seconds, rounded up. Scores within
 * two years of `now` (Unix seconds) become `now+500`, to the nearest ten seconds.
 */
export const comparable = (
  state: State,
  now: number
): Readonly<Record<string, { readonly type: string; readonly ttl: number | "none"; readonly value: unknown }>> => {
  const ids = new Map<string, string>()
  const plain = (value: string): string =>
    value
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<date>")
      .replace(/(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/g, (id) => {
        if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`)
        return ids.get(id)!
      })
      .replace(/^1[789]\d{8}(\.\d+)?$/, "<seconds>")
  const score = (value: number | string): string | number => {
    const distance = Math.round((Number(value) - now) / 10) * 10
    return Math.abs(distance) > 2 * 366 * 86400 || Number.isNaN(distance)
      ? value
      : `now${distance < 0 ? "" : "+"}${distance}`
  }
  const fields = (value: Hash): Record<string, unknown> => {
    const out: Record<string, unknown> = {}
    for (const field of Object.keys(value).sort()) {
      const leaf = value[field]!
      const content = bytes(leaf)
      if (content.length === 0) continue
      if (field === "data") out[field] = data(content)
      else if (field === "exc_string") out[field] = Zlib.inflateSync(Buffer.from(text(leaf), "base64")).toString("utf8")
      else if (field === "exc_info") out[field] = Zlib.inflateSync(content).toString("utf8")
      else out[field] = plain(text(leaf))
    }
    return out
  }
  const data = (content: Buffer): unknown => {
    const raw = content[0] === 0x78 ? Zlib.inflateSync(content) : content
    return raw[0] === 0x5b ? JSON.parse(raw.toString("utf8")) : raw.toString("base64")
  }
  const value = (entry: Entry): unknown => {
    switch (entry.type) {
      case "hash":
        return fields(entry.value)
      case "string":
        return plain(text(entry.value))
      case "list":
        return entry.value.map((leaf) => plain(text(leaf)))
      case "set":
        return entry.value.map(plain).sort()
      case "zset":
        return entry.value.map(([member, at]) => [plain(member), score(at)])
      case "stream":
        return entry.value.map(([, entryFields]) => fields(entryFields))
    }
  }
  const out: Record<string, { type: string; ttl: number | "none"; value: unknown }> = {}
  for (const key of Object.keys(state).sort()) {
    const entry = state[key]!
    out[plain(key)] = {
      type: entry.type,
      ttl: entry.ttl_ms < 0 ? "none" : Math.ceil(entry.ttl_ms / 1000),
      value: value(entry)
    }
  }
  return out
}

/** Reads all of a Redis in the form of the dumps. */
export const dump = (redis: RedisService): Effect.Effect<State, RedisError> =>
  Effect.gen(function*() {
    const out: Record<string, Entry> = {}
    for (const key of [...(yield* redis.send<ReadonlyArray<string>>("KEYS", "*"))].sort()) {
      const ttl_ms = yield* redis.send<number>("PTTL", key)
      const type = yield* redis.send<string>("TYPE", key)
      switch (type) {
        case "hash":
          out[key] = { type, ttl_ms, value: toHash(yield* redis.sendBytes<ReadonlyArray<Uint8Array>>("HGETALL", key)) }
          break
        case "string":
          out[key] = { type, ttl_ms, value: toLeaf(yield* redis.sendBytes<Uint8Array>("GET", key)) }
          break
        case "list": {
          const items = yield* redis.sendBytes<ReadonlyArray<Uint8Array>>("LRANGE", key, 0, -1)
          out[key] = { type, ttl_ms, value: items.map(toLeaf) }
          break
        }
        case "set":
          out[key] = { type, ttl_ms, value: yield* redis.send<ReadonlyArray<string>>("SMEMBERS", key) }
          break
        case "zset": {
          const pairs = yield* redis.send<ReadonlyArray<string>>("ZRANGE", key, 0, -1, "WITHSCORES")
          const value: Array<[string, number | string]> = []
          for (let i = 0; i < pairs.length; i += 2) {
            const score = Number(pairs[i + 1])
            value.push([pairs[i]!, Number.isNaN(score) ? pairs[i + 1]! : score]) // "inf" stays a text
          }
          out[key] = { type, ttl_ms, value }
          break
        }
        case "stream": {
          const entries = yield* redis.sendBytes<ReadonlyArray<readonly [Uint8Array, ReadonlyArray<Uint8Array>]>>(
            "XRANGE",
            key,
            "-",
            "+"
          )
          out[key] = { type, ttl_ms, value: entries.map(([id, fields]) => [utf8(id), toHash(fields)]) }
          break
        }
        default:
          return yield* Effect.dieMessage(`${key} is a ${type}, which dumps have no form for`)
      }
    }
    return out
  })

const utf8 = (value: Uint8Array): string => Buffer.from(value).toString("utf8")

const toLeaf = (value: Uint8Array): Leaf =>
  Buffer.compare(Buffer.from(utf8(value)), value) === 0
    ? { s: utf8(value) }
    : { b64: Buffer.from(value).toString("base64") }

const toHash = (pairs: ReadonlyArray<Uint8Array>): Hash => {
  const out: Record<string, Leaf> = {}
  for (let i = 0; i < pairs.length; i += 2) out[utf8(pairs[i]!)] = toLeaf(pairs[i + 1]!)
  return out
}

/** Writes a state into a Redis, so that a test can go on from where Python was. */
export const restore = (redis: RedisService, state: State): Effect.Effect<void, RedisError> =>
  Effect.gen(function*() {
    for (const [key, entry] of Object.entries(state)) {
      switch (entry.type) {
        case "hash":
          yield* redis.send("HSET", key, ...flat(entry.value))
          break
        case "string":
          yield* redis.send("SET", key, bytes(entry.value))
          break
        case "list":
          yield* redis.send("RPUSH", key, ...entry.value.map(bytes))
          break
        case "set":
          yield* redis.send("SADD", key, ...entry.value)
          break
        case "zset":
          yield* redis.send("ZADD", key, ...entry.value.flatMap(([member, score]) => [score, member]))
          break
        case "stream":
          for (const [id, fields] of entry.value) yield* redis.send("XADD", key, id, ...flat(fields))
          break
      }
      if (entry.ttl_ms >= 0) yield* redis.send("PEXPIRE", key, entry.ttl_ms)
    }
  })
