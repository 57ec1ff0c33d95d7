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
  /** Whether a url was given, so that it is not the environment that says it. */
  readonly isGiven: boolean
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
    Effect.map((options) => ({ options, shown: describe(options), isGiven: url !== undefined })),
    Effect.mapError((error) => explainConfig(error, url !== undefined))
  )

/** The variables behind the options that `RedisLive` refuses. */
const variables: Readonly<Record<string, string>> = {
  url: "REDIS_URL",
  username: "REDIS_USERNAME",
  password: "REDIS_PASSWORD",
  db: "REDIS_DB",
  tls: "REDIS_TLS",
  sentinels: "REDIS_SENTINELS",
  "sentinels.hosts": "REDIS_SENTINELS",
  "sentinels.name": "REDIS_SENTINEL_NAME",
  "sentinels.username": "REDIS_SENTINEL_USERNAME",
  "sentinels.password": "REDIS_SENTINEL_PASSWORD",
  cluster: "REDIS_CLUSTER_NODES",
  "cluster.nodes": "REDIS_CLUSTER_NODES",
  keyPrefix: "REDIS_KEY_PREFIX",
  clientName: "REDIS_CLIENT_NAME",
  connectTimeout: "REDIS_CONNECT_TIMEOUT",
  commandTimeout: "REDIS_COMMAND_TIMEOUT"
}

/** What the user has written that is named by an option of ours: `sentinels.hosts[1]` is the second of a variable. */
const whatWasWritten = (path: string, isGiven: boolean): string => {
  const [, option = path, index] = /^RedisLive\.(.+?)(?:\[(\d+)\])?$/.exec(path) ?? []
  if (option === "url" && isGiven) return "--url"
  const name = variables[option] ?? option
  return index === undefined ? name : `${name}, entry ${Number(index) + 1}`
}

/** What is wrong with where Redis is; `isGiven` says that the url is not from the environment. */
export const explainConfig = (error: ConfigError.ConfigError, isGiven: boolean): Problem => {
  if (!ConfigError.isConfigError(error) || !("message" in error && "path" in error)) {
    return { isMistake: true, message: String(error) }
  }
  const { message } = error
  const help = message.startsWith("Expected a duration") ? ", write it as \"5 seconds\"" : ""
  return { isMistake: true, message: `${whatWasWritten(error.path.join("."), isGiven)}: ${message}${help}` }
}

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
export const connect = ({ isGiven, options }: Target): Effect.Effect<RedisService, Problem, Scope.Scope> =>
  RedisLive.make({ ...options, connectTimeout: patience, commandTimeout: patience }).pipe(
    Effect.mapError((error) => explainConfig(error, isGiven)),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

/** Whether Redis answers, asked once before something long begins. */
export const check = (target: Target): Effect.Effect<void, Problem> =>
  Effect.scoped(Effect.gen(function*() {
    const redis = yield* connect(target)
    yield* Effect.mapError(redis.send("PING"), (error) => explain(error, target.shown))
  }))
