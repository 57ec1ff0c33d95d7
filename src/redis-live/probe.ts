/**
 * For programs that people start by hand: where Redis is, whether it can be reached, and why not, in one line.
 *
 * @internal
 */
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { RedisError, RedisService } from "../Redis.js"
import * as RedisLive from "../RedisLive.js"

/** Where Redis is, by a url that was given, else by the environment. */
export interface Target {
  readonly options: RedisLive.Options
  /** For people: without credentials. */
  readonly shown: string
}

/** Redis can't be used. `isMistake` says that what was asked for makes no sense, wherever Redis is. */
export interface Problem {
  readonly message: string
  readonly isMistake: boolean
}

/** A url without what must not be shown. */
export const withoutCredentials = (url: string): string => {
  if (!URL.canParse(url)) return "(not a url)"
  const parsed = new URL(url)
  parsed.username = ""
  parsed.password = ""
  parsed.searchParams.delete("password")
  return parsed.href.replace(/\/$/, "")
}

const describe = (options: RedisLive.Options): string => {
  if (options.sentinels !== undefined) {
    return `the master ${options.sentinels.name} of ${options.sentinels.hosts.join()}`
  }
  if (options.cluster !== undefined) return `the cluster of ${options.cluster.nodes.join(", ")}`
  const { url = "redis://localhost:6379" } = options
  return withoutCredentials(Redacted.isRedacted(url) ? Redacted.value(url) : url)
}

/**
 * A url that is given replaces all that the environment says of where the server is and who asks. What it says of
 * prefix, timeouts and the name stays.
 */
export const target = (url: string | undefined): Effect.Effect<Target, Problem> =>
  RedisLive.config.pipe(
    Effect.map(({ cluster, db, password, sentinels, tls, username, ...rest }) => {
      const place = { cluster, db, password, sentinels, tls, username }
      const present = Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined))
      return url === undefined ? { ...rest, ...present } : { ...rest, url }
    }),
    Effect.map((options) => ({ options, shown: describe(options) })),
    Effect.mapError(explainConfig)
  )

export const explainConfig = (error: ConfigError.ConfigError): Problem => ({
  isMistake: true,
  message: ConfigError.isConfigError(error) && "message" in error && "path" in error
    ? `${error.path.join(".").replace(/^RedisLive\./, "")}: ${error.message}`
    : String(error)
})

/** Why a call failed. */
export const explain = (error: RedisError, shown: string): Problem => ({
  isMistake: false,
  message: error.reason === "connection"
    ? `can't reach Redis at ${shown} (${error.code === "CLOSED" ? "no answer" : error.code})`
    : error.reason === "timeout"
    ? `can't reach Redis at ${shown} (no reply)`
    : `Redis at ${shown} says: ${error.message.replace(/^.*? refused the connection: /, "")}`
})

/** How long people wait for a server that isn't there. */
const patience = "3 seconds"

/** A connection that gives up soon and says nothing by itself, for looking at things. */
export const connect = ({ options }: Target): Effect.Effect<RedisService, Problem, Scope.Scope> =>
  RedisLive.make({ ...options, connectTimeout: patience, commandTimeout: patience }).pipe(
    Effect.mapError(explainConfig),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

/** Whether Redis answers, asked once before something long begins. */
export const check = (target: Target): Effect.Effect<void, Problem> =>
  Effect.scoped(Effect.gen(function*() {
    const redis = yield* connect(target)
    yield* Effect.mapError(redis.send("PING"), (error) => explain(error, target.shown))
  }))
