/**
 * Redis over the network, by ioredis: a server, a master that Sentinels name, or a Redis Cluster.
 *
 * **Calls are bounded.** A call fails when its reply has not come within `commandTimeout` (5 seconds by default),
 * counted from the call: waiting for a connection is part of it. A call that could not be sent fails with reason
 * `connection`, one that was sent and not answered with `timeout`, one whose connection was lost before the reply
 * with `connection`. No call is ever sent twice by this layer; whether to repeat one is the caller's to decide. After
 * a `connection` or `timeout` error the command may have been carried out.
 *
 * A blocking command belongs on a dedicated connection, or it holds up everybody. There it may take its own block time in
 * addition. One that blocks without a limit has no bound while it is blocked. A peer that vanished is noticed as soon as
 * any call of the service has no reply within its time: all of its connections are then made anew. Where
 * nobody calls, by TCP keep-alive, within 40 seconds.
 *
 * **Connections** come back by themselves, for ever, after 50 ms doubling up to 2 seconds (half of it random). Loss and
 * return are logged once each. A connection is also made anew when the server answers `READONLY` (it was the master
 * before a failover), and when it was silent for the whole time allowed. A server that refuses the password or the
 * database makes calls fail at once with its own error.
 *
 * **The key prefix** is put before every key of every command, those of scripts (`KEYS`) included, before the channels
 * of `subscribe`, `PUBLISH` and `PUBSUB`, and into the patterns of `SCAN` and `KEYS`. It is taken off the keys and
 * channels that come back: messages, `SCAN`, `KEYS`, `RANDOMKEY`, `PUBSUB`, the popping commands that name a key
 * (`BLPOP`, `LMPOP`, `BZPOPMIN`, ...), `XREAD` and `XREADGROUP`. It is not put into what merely holds the name of a
 * key: members, values and `ARGV`. A script that publishes must therefore take the channel as one of its `KEYS`.
 * Python's RQ knows no prefix, so a deployment that shares its queues with it uses none.
 *
 * **On Redis Cluster** all keys live in one slot, because the prefix must carry a hash tag (`{rq}:` by default), and
 * this layer talks to the node that owns that slot. It follows the slot when it moves.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Tls from "node:tls"
import { withWaiter } from "./internal/waiter.js"
import { Call, Client } from "./redis-live/client.js"
import * as Dedicated from "./redis-live/dedicated.js"
import * as Monitor from "./redis-live/monitor.js"
import * as Settings from "./redis-live/settings.js"
import * as Subscriber from "./redis-live/subscriber.js"
import type { RedisService } from "./Redis.js"
import * as Redis from "./Redis.js"

/**
 * Where the server is and how to talk to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * `redis://user:password@host:port/db`, `rediss://...` for TLS, or `unix:///path/to/socket?db=0`. Default:
   * `redis://localhost:6379`. With `sentinels` or `cluster` its host is not used, but its credentials, database and TLS
   * are.
   */
  readonly url?: string | Redacted.Redacted | undefined
  /** Instead of the one in `url`. */
  readonly username?: string | undefined
  /** Instead of the one in `url`. */
  readonly password?: string | Redacted.Redacted | undefined
  /** Number of the database, instead of the one in `url`. */
  readonly db?: number | undefined
  /** `true` or Node's options: TLS. Default: as the url says. */
  readonly tls?: boolean | Tls.ConnectionOptions | undefined
  /** Asks Sentinels (`host:port`, default port 26379) for the master of this name. */
  readonly sentinels?: {
    readonly hosts: ReadonlyArray<string>
    readonly name: string
    /** Credentials of the Sentinels themselves. */
    readonly username?: string | undefined
    readonly password?: string | Redacted.Redacted | undefined
  } | undefined
  /** Some nodes of a Redis Cluster (`host:port`); it tells the others. */
  readonly cluster?: {
    readonly nodes: ReadonlyArray<string>
  } | undefined
  /** Put before every key and channel. Default: none, and `{rq}:` on a cluster. */
  readonly keyPrefix?: string | undefined
  /** How long one attempt to connect may take, from a millisecond to 24 days. Default: 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** How long a call may take, waiting for a connection included; from a millisecond to 24 days. Default: 5 seconds. */
  readonly commandTimeout?: Duration.DurationInput | undefined
  /** The name that `CLIENT LIST` shows. */
  readonly clientName?: string | undefined
}

/** What would change the connection for everybody else who sends on it. */
const notShared = new Set([
  "SUBSCRIBE",
  "PSUBSCRIBE",
  "SSUBSCRIBE",
  "UNSUBSCRIBE",
  "PUNSUBSCRIBE",
  "SUNSUBSCRIBE",
  "MONITOR",
  "SELECT",
  "MULTI",
  "EXEC",
  "DISCARD",
  "WATCH",
  "QUIT",
  "RESET",
  "HELLO",
  "AUTH"
])

/**
 * Connects, and keeps the connection until the scope is closed, which takes half a second at most.
 *
 * It does not wait for the server: calls do. Fails with a `ConfigError` that names the option, and never repeats its value,
 * for what can't be used, contradicts another, or has a name that nothing reads.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RedisLive } from "effect-rq"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const redis = yield* RedisLive.make({ url: "redis://localhost:6379", commandTimeout: "2 seconds" })
 *   return yield* redis.send<string>("PING")
 * }))
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<RedisService, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* Settings.fromOptions(options)
    const monitor = yield* Monitor.make(settings.server)
    const main = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(settings, monitor)),
      (client) => Effect.promise(() => client.close())
    )
    const subscriber = yield* Effect.acquireRelease(
      Effect.sync(() => Subscriber.make(settings, monitor)),
      (subscriber) => Effect.promise(() => subscriber.close())
    )
    const call = <A>(
      command: string,
      args: ReadonlyArray<Redis.Arg>,
      bytes: boolean
    ): Effect.Effect<A, Redis.RedisError> =>
      withWaiter((waiter) =>
        Effect.async((resume) => {
          const name = command.toUpperCase()
          const call = new Call(main, name, args, bytes, undefined, resume, waiter)
          if (notShared.has(name)) {
            return call.fail(
              new Redis.RedisError({
                reason: "reply",
                command: name,
                code: "ERR",
                message: `${name} changes the state of a connection that others share`
              })
            )
          }
          main.start(call)
        })
      )
    return Redis.make({
      send: (command, ...args) => call(command, args, false),
      sendBytes: (command, ...args) => call(command, args, true),
      call,
      subscribe: subscriber.subscribe,
      connection: Dedicated.make(settings, monitor, main)
    })
  })

/**
 * Redis as the options say.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Redis, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const redis = yield* Redis.Redis
 *   return yield* redis.send<string>("PING")
 * }).pipe(Effect.provide(RedisLive.layer({ url: "redis://localhost:6379/1" })))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Redis.Redis, ConfigError.ConfigError> =>
  Layer.scoped(Redis.Redis, make(options))

/**
 * Redis as configuration says, such as {@link config}.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { RedisLive } from "effect-rq"
 *
 * const fromEnvironment = RedisLive.layerConfig(RedisLive.config)
 *
 * const fromMyOwn = RedisLive.layerConfig({
 *   url: Config.redacted("MY_REDIS"),
 *   commandTimeout: Config.duration("MY_REDIS_TIMEOUT").pipe(Config.withDefault("2 seconds"))
 * })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Redis.Redis, ConfigError.ConfigError> =>
  Layer.scoped(Redis.Redis, Effect.flatMap(Effect.suspend(() => unwrap(options)), make))

/** As `Config.unwrap`, which throws for an object with nothing in it and for what is no Config. */
const unwrap = (options: Config.Config.Wrap<Options>): Effect.Effect<Options, ConfigError.ConfigError> => {
  try {
    return Config.isConfig(options) || Object.keys(options).length > 0 ? Config.unwrap(options) : Effect.succeed({})
  } catch {
    return Effect.fail(
      ConfigError.InvalidData(
        ["RedisLive", "options"],
        "expected a Config, or an object of Configs, one for each option"
      )
    )
  }
}

/** Leaves out what is not set: an absent option has its default. */
const present = <A extends object>(options: { readonly [K in keyof A]: Option.Option<A[K]> }): Partial<A> =>
  Object.fromEntries(
    Object.entries<Option.Option<unknown>>(options).flatMap(([key, value]) =>
      Option.isSome(value) ? [[key, value.value]] : []
    )
  ) as Partial<A> // the same keys, without those that are none

const sentinels: Config.Config<Option.Option<NonNullable<Options["sentinels"]>>> = Config.option(
  Config.all({
    hosts: Config.array(Config.string(), "REDIS_SENTINELS").pipe(
      Config.withDescription("Sentinels to ask for the master: host:port, separated by commas")
    ),
    name: Config.string("REDIS_SENTINEL_NAME").pipe(
      Config.withDefault("mymaster"),
      Config.withDescription("name of the master that the Sentinels watch")
    ),
    username: Config.option(Config.string("REDIS_SENTINEL_USERNAME")),
    password: Config.option(Config.redacted("REDIS_SENTINEL_PASSWORD"))
  })
).pipe(Config.map(Option.map(({ hosts, name, password, username }) => ({
  hosts,
  name,
  ...present<{ readonly username: string; readonly password: Redacted.Redacted }>({ username, password })
}))))

/**
 * Options from the usual variables, all of them optional:
 *
 * - `REDIS_URL` (taken as a secret, since it may hold a password), default `redis://localhost:6379`
 * - `REDIS_USERNAME`, `REDIS_PASSWORD`, `REDIS_DB`: instead of those in the url
 * - `REDIS_TLS`: `true` or `false`, instead of what the url says
 * - `REDIS_SENTINELS` (`host:port`, separated by commas), `REDIS_SENTINEL_NAME` (default `mymaster`),
 *   `REDIS_SENTINEL_USERNAME`, `REDIS_SENTINEL_PASSWORD`
 * - `REDIS_CLUSTER_NODES` (`host:port`, separated by commas)
 * - `REDIS_KEY_PREFIX`, `REDIS_CLIENT_NAME`
 * - `REDIS_CONNECT_TIMEOUT`, `REDIS_COMMAND_TIMEOUT`: durations such as `5 seconds`
 *
 * @since 0.1.0
 * @category config
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { RedisLive } from "effect-rq"
 *
 * // the usual variables, and a name for CLIENT LIST
 * const Live = RedisLive.layerConfig(Config.map(RedisLive.config, (options) => ({ ...options, clientName: "billing-1" })))
 * ```
 */
export const config: Config.Config<Options> = Config.all({
  url: Config.option(
    Config.redacted("REDIS_URL").pipe(Config.withDescription("redis://, rediss:// or unix:// url of the server"))
  ),
  username: Config.option(Config.string("REDIS_USERNAME")),
  password: Config.option(Config.redacted("REDIS_PASSWORD")),
  db: Config.option(Config.integer("REDIS_DB").pipe(Config.withDescription("number of the database"))),
  tls: Config.option(Config.boolean("REDIS_TLS")),
  sentinels,
  cluster: Config.option(
    Config.array(Config.string(), "REDIS_CLUSTER_NODES").pipe(
      Config.withDescription("nodes of a Redis Cluster: host:port, separated by commas"),
      Config.map((nodes) => ({ nodes }))
    )
  ),
  keyPrefix: Config.option(Config.string("REDIS_KEY_PREFIX")),
  clientName: Config.option(Config.string("REDIS_CLIENT_NAME")),
  connectTimeout: Config.option(Config.duration("REDIS_CONNECT_TIMEOUT")),
  commandTimeout: Config.option(Config.duration("REDIS_COMMAND_TIMEOUT"))
}).pipe(Config.map((all) => present<Required<Options>>(all)))
