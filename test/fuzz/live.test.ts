/**
 * Whatever the options of RedisLive are, as JavaScript may pass them or as the environment gives them: they are refused with
 * an error that names the one to change and shows no secret, or they make a service whose calls end.
 */
import { assert, describe, it } from "@effect/vitest"
import type { RedisLive } from "effect-rq"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { inspect } from "node:util"
import { fromOptions } from "../../src/redis-live/settings.js"
import { anything, assertTyped, attempt, check, mostly, oddNumbers, oddTexts, seed, text } from "./support.js"
import { subject } from "./surface.js"

const make = subject("RedisLive", "make")
const layer = subject("RedisLive", "layer")
const layerConfig = subject("RedisLive", "layerConfig")
const config = subject("RedisLive", "config")

const secret = "hunter2"

const host = FastCheck.oneof(
  { weight: 3, arbitrary: FastCheck.constantFrom("127.0.0.1", "[::1]", "localhost") },
  { weight: 1, arbitrary: text }
)
const port = FastCheck.constantFrom("", ":1", ":0", ":65535", ":65536", ":99999", ":-1", ":x", ":", ":6379:1")
const path = FastCheck.oneof(
  FastCheck.constantFrom(
    "",
    "/",
    "//",
    "/0",
    "/15",
    "/-1",
    "/1.5",
    "/0x10",
    "/1e1",
    "/ 1",
    "/1/2",
    "/99999999999999999999"
  ),
  text.map((text) => `/${text}`)
)
const query = FastCheck.oneof(
  FastCheck.constantFrom("", "?", "?db=1", "?db=", "?db=x", `?password=${secret}`, "?db=1&db=2", "#db"),
  text.map((text) => `?${text}`)
)
const credentials = FastCheck.constantFrom(
  "",
  "@",
  ":@",
  `:${secret}@`,
  `ada:${secret}@`,
  `ada:${secret}%E0%A4@`,
  `ada:${secret}%00@`,
  `a:b@c:${secret}@`
)

/** A url of every shape. */
const url = FastCheck.oneof(
  {
    weight: 6,
    arbitrary: FastCheck.tuple(
      FastCheck.constantFrom("redis://", "rediss://", "unix://", "redis:", "http://", "REDIS://", "//", ""),
      credentials,
      host,
      port,
      path,
      query
    ).map((parts) => parts.join(""))
  },
  { weight: 1, arbitrary: text },
  {
    weight: 1,
    arbitrary: FastCheck.oneof(path, FastCheck.constantFrom("//", "///", "/\0", "/%00", `/${"x".repeat(300)}`))
      .chain((path) => query.map((query) => `unix://${path}${query}`))
  },
  { weight: 1, arbitrary: FastCheck.webUrl({ withQueryParameters: true, withFragments: true }) }
)

const address = FastCheck.oneof(
  FastCheck.constantFrom(
    "127.0.0.1:1",
    "[::1]:1",
    "a",
    "a:0",
    "a:65536",
    "[a",
    "[]",
    `redis://:${secret}@a:1`,
    `:${secret}@a`
  ),
  FastCheck.tuple(host, port).map((parts) => parts.join(""))
)
const addresses = mostly(FastCheck.array(mostly(address), { maxLength: 3 }))
const secretly = <A>(of: FastCheck.Arbitrary<A>) => mostly(FastCheck.oneof(of, of.map(Redacted.make)))
const duration = mostly(
  FastCheck.constantFrom<unknown>("50 millis", 50, "1 second", [0, 50_000_000], "30 days", -1, NaN, 0)
)

const options = FastCheck.record({
  url: secretly(url),
  username: mostly(text),
  password: secretly(FastCheck.oneof(FastCheck.constant(secret), text)),
  db: mostly(FastCheck.constantFrom(0, 1, ...oddNumbers)),
  tls: mostly(FastCheck.constantFrom<unknown>(false, true, {}, { rejectUnauthorized: false }, { ca: "x" })),
  keyPrefix: mostly(FastCheck.oneof(FastCheck.constantFrom("app:", "{rq}:", "{}", "{", "}{x}"), text)),
  connectTimeout: duration,
  commandTimeout: duration,
  clientName: mostly(FastCheck.oneof(FastCheck.constantFrom("billing", "bill ing"), text))
}, { requiredKeys: [] })

const topology = FastCheck.oneof(
  { weight: 3, arbitrary: FastCheck.constant({}) },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      sentinels: mostly(FastCheck.record({
        hosts: addresses,
        name: mostly(text),
        username: mostly(text),
        password: secretly(text)
      }, { requiredKeys: ["hosts", "name"] }))
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ cluster: mostly(FastCheck.record({ nodes: addresses })) }) }
)

const all = FastCheck.oneof(
  {
    weight: 12,
    arbitrary: FastCheck.tuple(options, topology).map(([options, topology]) => ({ ...options, ...topology }))
  },
  { weight: 1, arbitrary: anything }
)

const optionNames = [
  "options",
  "url",
  "username",
  "password",
  "db",
  "tls",
  "sentinels",
  "cluster",
  "keyPrefix",
  "connectTimeout",
  "commandTimeout",
  "clientName"
]

/** A refusal names an option, says what would be right, and holds nothing that may be a secret. */
const assertRefusal = (exit: Exit.Exit<unknown, unknown>, given: unknown, what: () => string) => {
  assert(Exit.isFailure(exit))
  const failure = Cause.failureOption(exit.cause)
  assert(failure._tag === "Some", `${what()}: ${Cause.pretty(exit.cause)}`)
  const error = failure.value
  assert(ConfigError.isConfigError(error) && ConfigError.isInvalidData(error), what())
  const [module, option = ""] = error.path
  assert.strictEqual(module, "RedisLive", what())
  // an option that there is, or the name of one that there isn't
  if (typeof given === "object" && given !== null && Object.hasOwn(given, option) && !optionNames.includes(option)) {
    assert.match(error.message, / is no option, /, what())
  } else assert.include(optionNames, option.replace(/[.[].*$/, ""), what())
  assert.isAbove(error.message.length, 10, what())
  assert.notInclude(inspect(error, { depth: 5 }) + Cause.pretty(exit.cause), secret, what())
}

const shown = (options: unknown) => inspect(options, { depth: 4, maxStringLength: 200, breakLength: Infinity })

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.runPromise(Effect.provide(Effect.scoped(effect), Logger.remove(Logger.defaultLogger)))

describe(`options of RedisLive (FUZZ_SEED=${seed})`, () => {
  it("are refused by name, or make sense", () =>
    check(all, 1500, async (options) => {
      const exit = await Effect.runPromise(attempt(() => fromOptions(options as RedisLive.Options)))
      if (Exit.isFailure(exit)) return assertRefusal(exit, options, () => shown(options))
      const { clientName, commandTimeout, connectTimeout, db, keyPrefix, password, target, username } = exit.value
      const ports = target._tag === "Tcp"
        ? [target.address.port]
        : target._tag === "Sentinel"
        ? target.hosts.map(({ port }) => port)
        : target._tag === "Cluster"
        ? target.nodes.map(({ port }) => port)
        : []
      for (const port of ports) assert.isTrue(Number.isInteger(port) && port > 0 && port < 65_536, shown(options))
      for (const value of [clientName, keyPrefix]) assert.isString(value, shown(options))
      for (const value of [username, password]) assert.include(["string", "undefined"], typeof value, shown(options))
      for (const value of [db, connectTimeout, commandTimeout]) {
        assert.isTrue(Number.isSafeInteger(value), shown(options))
      }
      assert.notInclude(exit.value.server, secret, shown(options))
    }))

  it("make and layer say the same, and calls end", () =>
    check(all, 25, (options) =>
      run(Effect.gen(function*() {
        const given = typeof options === "object" && options !== null && !Array.isArray(options)
          ? { ...options, commandTimeout: "20 millis", connectTimeout: "20 millis" }
          : options
        const made = yield* attempt(() => make(given as RedisLive.Options))
        const built = yield* attempt(() => Layer.build(layer(given as RedisLive.Options)))
        assert.strictEqual(Exit.isSuccess(built), Exit.isSuccess(made) || given === undefined, shown(given))
        if (Exit.isFailure(made)) return assertRefusal(made, given, () => shown(given))
        const exit = yield* attempt(() => made.value.send("PING"))
        assertTyped(exit, () => shown(given))
        if (Exit.isFailure(exit)) assert.notInclude(Cause.pretty(exit.cause), secret, shown(given))
      }))))

  const variables = [
    "REDIS_URL",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_DB",
    "REDIS_TLS",
    "REDIS_SENTINELS",
    "REDIS_SENTINEL_NAME",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_CLUSTER_NODES",
    "REDIS_KEY_PREFIX",
    "REDIS_CLIENT_NAME",
    "REDIS_CONNECT_TIMEOUT",
    "REDIS_COMMAND_TIMEOUT"
  ] as const

  /** Those that are taken as secrets, or are made of what may hold one. */
  const secretive = FastCheck.tuple(
    FastCheck.constantFrom(
      "REDIS_URL",
      "REDIS_PASSWORD",
      "REDIS_SENTINELS",
      "REDIS_SENTINEL_PASSWORD",
      "REDIS_CLUSTER_NODES"
    ),
    FastCheck.oneof(url, address)
  )
  const value = FastCheck.oneof(
    FastCheck.constantFrom("", "true", "0", "1", "5 seconds", "a:1,b:2", ",", "a:1,", "redis://localhost", "mymaster"),
    FastCheck.constantFrom(...oddTexts)
  )

  it("in the environment: a variable that can't be used is named", () =>
    check(
      FastCheck.array(
        FastCheck.oneof(secretive, FastCheck.tuple(FastCheck.constantFrom(...variables), value)),
        { minLength: 1, maxLength: 4 }
      ),
      300,
      (pairs) =>
        run(Effect.gen(function*() {
          const built = yield* attempt(() => Layer.build(layerConfig(config))).pipe(
            Effect.withConfigProvider(ConfigProvider.fromMap(new Map(pairs)))
          )
          if (Exit.isSuccess(built)) return
          const failure = Cause.failureOption(built.cause)
          assert(failure._tag === "Some", `${shown(pairs)}: ${Cause.pretty(built.cause)}`)
          assert(ConfigError.isConfigError(failure.value), shown(pairs))
          const text = String(failure.value)
          assert.isTrue([...variables, ...optionNames].some((name) => text.includes(name)), `${shown(pairs)}: ${text}`)
          assert.notInclude(text, secret, shown(pairs))
        }))
    ))

  it("as a Config of one's own", () =>
    check(
      FastCheck.dictionary(FastCheck.constantFrom(...optionNames), anything, { maxKeys: 3 }),
      100,
      (values) =>
        run(Effect.gen(function*() {
          const wrapped = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Config.succeed(value)]))
          const built = yield* attempt(() => Layer.build(layerConfig(wrapped as Config.Config.Wrap<RedisLive.Options>)))
          if (Exit.isFailure(built)) assertRefusal(built, undefined, () => shown(values))
        }))
    ))
})
