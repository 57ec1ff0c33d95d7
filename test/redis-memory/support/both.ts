/**
 * The in-memory Redis beside a real server: the same steps to both, and replies and whole states compared.
 *
 * How to add scripts: `Step`s are commands or calls of typed scripts; a test draws a list of them with FastCheck and
 * hands it to `sameHistory`. See `lifecycle.differential.test.ts`.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type * as Redis from "../../../src/Redis.js"
import * as RedisLive from "../../../src/RedisLive.js"
import * as RedisMemory from "../../../src/RedisMemory.js"
import * as RedisServer from "../../support/redis-server.js"

export interface Both {
  readonly memory: Redis.RedisService
  readonly store: RedisMemory.Store
  readonly real: Redis.RedisService
}

/** A server of its own, and a store. */
export const make: Effect.Effect<Both, unknown, Scope.Scope> = Effect.gen(function*() {
  const server = yield* RedisServer.start()
  const real = yield* RedisLive.make({ url: server.url })
  const store = yield* RedisMemory.makeStore
  const client = yield* RedisMemory.makeClient(store)
  return { real, store, memory: client.service }
})

/** A reply with its texts as strings of bytes, or an error. */
export type Outcome = { readonly reply: Redis.Reply } | { readonly error: string }

/** How the replies to a step are compared: as they are, in any order, or as numbers a little apart. */
export type Compare = "exact" | "unordered" | "pairs" | "roughly"

export interface Step {
  /** For the report of a failure. */
  readonly text: string
  readonly [FastCheck.toStringMethod]: () => string
  readonly run: (redis: Redis.RedisService) => Effect.Effect<Outcome>
  readonly compare: Compare
}

/** Beyond 2^53 the parser of ioredis is not exact in the last digits. */
const asInteger = (reply: number): number => Number.isSafeInteger(reply) ? reply : Number(reply.toPrecision(12))

/** An error inside an array arrives as an `Error` over the network, and as its text here: the port has no type for it. */
const asText = (reply: Redis.Reply<Uint8Array> | Error): Redis.Reply =>
  reply instanceof Error
    ? reply.message
    : typeof reply === "number"
    ? asInteger(reply)
    : reply instanceof Uint8Array
    ? Buffer.from(reply).toString("latin1")
    : reply === null
    ? reply
    : reply.map(asText)

/** Runs of what isn't printable ASCII are sent as bytes. */
const asArg = (text: string): Redis.Arg => /^[\x20-\x7e]*$/.test(text) ? text : Buffer.from(text, "latin1")

const outcome = (call: Effect.Effect<Redis.Reply<Uint8Array>, Redis.RedisError>): Effect.Effect<Outcome> =>
  Effect.match(call, {
    onFailure: (error): Outcome => ({ error: `${error.reason} ${error.message}` }),
    onSuccess: (reply): Outcome => ({ reply: asText(reply) })
  })

const unordered = new Set(["SMEMBERS", "SUNION", "SINTER", "SDIFF", "KEYS", "HKEYS", "HVALS"])
const pairs = new Set(["HGETALL"])
const timeLeft = new Set(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"])

const compareOf = (name: string): Compare =>
  unordered.has(name) ? "unordered" : pairs.has(name) ? "pairs" : timeLeft.has(name) ? "roughly" : "exact"

/** A command; every argument is a string of bytes. */
export const command = (args: ReadonlyArray<string>, compare?: Compare): Step => {
  const [name, ...rest] = args
  const text = rest.length > 3 && name === "EVAL" ? evalText(args) : JSON.stringify(args)
  return {
    text,
    [FastCheck.toStringMethod]: () => `\n  ${text}`,
    run: (redis) => outcome(redis.sendBytes(name!, ...rest.map(asArg))),
    compare: compare ?? compareOf(name!.toUpperCase())
  }
}

/** The keys are left out: they are the same in all scripts. */
const evalText = ([, lua, count, ...rest]: ReadonlyArray<string>): string =>
  `EVAL ${JSON.stringify(lua)} with ${JSON.stringify(rest.slice(Number(count)))}`

/** A script as text. */
export const script = (lua: string, keys: ReadonlyArray<string>, argv: ReadonlyArray<string>): Step =>
  command(["EVAL", lua, String(keys.length), ...keys, ...argv])

/** The same step, whose reply tells how much time is left. */
export const roughly = (step: Step): Step => ({ ...step, compare: "roughly" })

/** A call of a typed script. */
export const call = <Params extends ReadonlyArray<unknown>, Result>(
  typed: Redis.Script<Params, Result>,
  ...params: Params
): Step => ({
  text: `${typed.name}(${JSON.stringify(params)})`,
  [FastCheck.toStringMethod]: () => `\n  ${typed.name}(${JSON.stringify(params)})`,
  run: (redis) =>
    outcome(
      redis.sendBytes(
        "EVAL",
        typed.lua,
        typed.numberOfKeys(...params),
        ...typed.params(...params)
      )
    ),
  compare: "exact"
})

const sortPairs = (flat: ReadonlyArray<Redis.Reply>): ReadonlyArray<Redis.Reply> => {
  const out: Array<ReadonlyArray<Redis.Reply>> = []
  for (let i = 0; i < flat.length; i += 2) out.push(flat.slice(i, i + 2))
  return out.map((pair) => JSON.stringify(pair)).sort()
}

/** A second of real time may pass between the two; more would be a mistake. */
const tolerance = 1_500

/** Whether two instants or times left are the same, but for the time that passes between two calls. */
const isNear = (a: number, b: number): boolean =>
  Math.abs(a - b) <= (Number.isSafeInteger(b) ? tolerance : tolerance + 1e-10 * b)

export const normal = (given: Outcome, compare: Compare): unknown => {
  if ("error" in given || !Array.isArray(given.reply)) return given
  const reply = given.reply as ReadonlyArray<Redis.Reply> // an array, but for the readonly that isArray doesn't see
  if (compare === "unordered") return reply.map((item) => JSON.stringify(item)).sort()
  if (compare === "pairs") return sortPairs(reply)
  return given
}

/** As it is, with the numbers of `reply` where they are a little apart from those of `other`. */
const nearer = (reply: Redis.Reply | undefined, other: Redis.Reply | undefined): Redis.Reply | undefined => {
  if (typeof reply === "number" && typeof other === "number" && reply > 0 && other > 0) {
    return isNear(reply, other) ? other : reply
  }
  return Array.isArray(reply) && Array.isArray(other)
    ? reply.map((item: Redis.Reply, i) => nearer(item, other[i]) ?? null)
    : reply
}

const assertSame = (given: Outcome, real: Outcome, compare: Compare, where: string): void => {
  const memory = compare === "roughly" && "reply" in given && "reply" in real
    ? { reply: nearer(given.reply, real.reply) ?? null }
    : given
  const [ours, theirs] = [normal(memory, compare), normal(real, compare)]
  const different = `${where}: ${JSON.stringify(ours)} is not ${JSON.stringify(theirs)}`
  assert.deepStrictEqual(ours, theirs, different)
}

/** Reads the server's whole state in one script. */
const dumpLua = `
local out = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", key).ok
  local value
  local last = ""
  if kind == "string" then value = {redis.call("GET", key)}
  elseif kind == "hash" then value = redis.call("HGETALL", key)
  elseif kind == "list" then value = redis.call("LRANGE", key, 0, -1)
  elseif kind == "set" then value = redis.call("SMEMBERS", key)
  elseif kind == "zset" then value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  else
    value = redis.call("XRANGE", key, "-", "+")
    local info = redis.call("XINFO", "STREAM", key)
    for i = 1, #info, 2 do if info[i] == "last-generated-id" then last = info[i + 1] end end
  end
  out[#out + 1] = {key, kind, redis.call("PEXPIRETIME", key), value, last}
end
return out`

const inPairs = <A>(flat: ReadonlyArray<A>): Array<readonly [A, A]> =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])

type Dumped = readonly [key: string, kind: string, expiresAt: number, value: ReadonlyArray<string>, lastId: string]

const readValue = ([, kind, , value, lastId]: Dumped): RedisMemory.Value => {
  switch (kind) {
    case "string":
      return { type: "string", value: value[0]! }
    case "hash":
      return { type: "hash", value: Object.fromEntries(inPairs(value)) }
    case "list":
      return { type: "list", value }
    case "set":
      return { type: "set", value: [...value].sort() }
    case "zset":
      return {
        type: "zset",
        value: inPairs(value).map(([member, score]) => [
          member,
          score.includes("inf") ? (score.startsWith("-") ? -Infinity : Infinity) : Number(score)
        ])
      }
    default:
      // a stream's entries are nested one deeper
      return { type: "stream", value: value as unknown as ReadonlyArray<readonly [string, Array<string>]>, lastId }
  }
}

/** The state of a real server, in the form of `RedisMemory.dump`. */
export const dumpReal = (
  redis: Redis.RedisService
): Effect.Effect<Readonly<Record<string, RedisMemory.Entry>>, Redis.RedisError> =>
  Effect.map(redis.sendBytes("EVAL", dumpLua, 0), (reply) => {
    const keys = asText(reply) as unknown as ReadonlyArray<Dumped> // as the script lays it out
    return Object.fromEntries(
      keys.map((dumped) => [dumped[0], { ...readValue(dumped), expiresAt: dumped[2] < 0 ? null : dumped[2] }])
    )
  })

export interface Options {
  /** Whether streams have ids by the clock (`XADD *`): then only the order of their entries is compared. */
  readonly clockIds?: boolean
}

const comparable = (state: Readonly<Record<string, RedisMemory.Entry>>, options: Options) =>
  Object.fromEntries(
    Object.entries(state).map(([key, entry]) => {
      const shown = entry.type === "stream" && options.clockIds === true
        ? { ...entry, lastId: "", value: entry.value.map(([, fields]) => fields) }
        : entry
      return [key, { ...shown, expiresAt: entry.expiresAt !== null }]
    })
  )

export const sameState = (both: Both, where: string, options: Options): Effect.Effect<void, Redis.RedisError> =>
  Effect.gen(function*() {
    const real = yield* dumpReal(both.real)
    const memory = yield* RedisMemory.dump(both.store)
    assert.deepStrictEqual(comparable(memory, options), comparable(real, options), where)
    for (const [key, entry] of Object.entries(real)) {
      const expiresAt = memory[key]!.expiresAt
      if (entry.expiresAt !== null && expiresAt !== null) {
        assert.isTrue(
          isNear(expiresAt, entry.expiresAt),
          `${where}: ${key} expires at ${expiresAt}, not ${entry.expiresAt}`
        )
      }
    }
  })

/** From empty, the same steps to both: every reply and the state at the end are the same. */
export const sameHistory = (
  both: Both,
  steps: ReadonlyArray<Step>,
  options: Options = {}
): Effect.Effect<void, Redis.RedisError> =>
  Effect.gen(function*() {
    yield* both.real.send("FLUSHALL")
    yield* RedisMemory.flush(both.store)
    // the server gets all steps in one go
    const [memory, real] = yield* Effect.all([
      Effect.forEach(steps, (step) => step.run(both.memory)),
      Effect.forEach(steps, (step) => step.run(both.real), { concurrency: "unbounded" })
    ])
    steps.forEach((step, i) => assertSame(memory[i]!, real[i]!, step.compare, `step ${i}: ${step.text}`))
    yield* sameState(both, "state at the end", options)
  })

/**
 * Tries random histories. `REDIS_MEMORY_RUNS` multiplies how many (default 1), `REDIS_MEMORY_SEED` repeats a run; a
 * failure tells its seed and the shortest history found.
 */
export const sameHistories = (
  histories: FastCheck.Arbitrary<ReadonlyArray<Step>>,
  runs: number,
  options: Options = {}
): Effect.Effect<void, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const both = yield* make
    const runtime = yield* Effect.runtime()
    const seed = process.env["REDIS_MEMORY_SEED"]
    yield* Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          histories,
          (steps) => Runtime.runPromise(runtime)(sameHistory(both, steps, options))
        ),
        {
          numRuns: runs * Number(process.env["REDIS_MEMORY_RUNS"] ?? 1),
          ...(seed === undefined ? {} : { seed: Number(seed) })
        }
      )
    )
  }))
