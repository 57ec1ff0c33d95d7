/**
 * What the options of `RedisLive` come to: checked, with defaults, in milliseconds.
 *
 * @internal
 */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Options } from "../RedisLive.js"

export interface Address {
  readonly host: string
  readonly port: number
}

export type Target =
  | { readonly _tag: "Tcp"; readonly address: Address }
  | { readonly _tag: "Socket"; readonly path: string }
  | {
    readonly _tag: "Sentinel"
    readonly hosts: ReadonlyArray<Address>
    readonly name: string
    readonly username: string | undefined
    readonly password: string | undefined
  }
  | { readonly _tag: "Cluster"; readonly nodes: ReadonlyArray<Address> }

export interface Settings {
  readonly target: Target
  /** The server as messages name it. Never holds credentials. */
  readonly server: string
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly tls: Exclude<Options["tls"], boolean | undefined> | undefined
  readonly keyPrefix: string
  readonly connectTimeout: number
  readonly commandTimeout: number
  readonly clientName: string
}

interface FromUrl {
  readonly target: Target
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: string | undefined
  readonly tls: boolean
}

/** Says what is wrong with an option. It never repeats the value, which may hold a password. */
const invalid = (option: string, message: string) => ConfigError.InvalidData(["RedisLive", option], message)

const urlHelp = "expected redis://host:port/db, rediss://host:port/db or unix:///path?db=0"

const parseUrl = (text: string): Effect.Effect<FromUrl, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    if (!URL.canParse(text)) {
      return yield* Effect.fail(invalid("url", `not a url: ${urlHelp}`))
    }
    const url = new URL(text)
    const part = (value: string) =>
      Effect.try({
        try: () => value === "" ? undefined : decodeURIComponent(value),
        catch: () => invalid("url", "malformed percent-encoding")
      })
    const username = yield* part(url.username)
    const password = (yield* part(url.password)) ?? url.searchParams.get("password") ?? undefined
    const db = url.searchParams.get("db") ?? undefined
    switch (url.protocol) {
      case "redis:":
      case "rediss:": {
        const path = url.pathname.replace(/^\/|\/$/g, "")
        return {
          target: {
            _tag: "Tcp",
            address: {
              host: url.hostname === "" ? "localhost" : url.hostname.replace(/^\[|\]$/g, ""),
              port: url.port === "" ? 6379 : Number(url.port)
            }
          },
          username,
          password,
          db: path === "" ? db : path,
          tls: url.protocol === "rediss:"
        }
      }
      case "unix:": {
        const path = yield* part(url.pathname)
        return path === undefined
          ? yield* Effect.fail(invalid("url", "a unix:// url needs the path of the socket"))
          : { target: { _tag: "Socket", path }, username, password, db, tls: false }
      }
      default:
        return yield* Effect.fail(invalid("url", urlHelp))
    }
  })

const parseAddress = (option: string, text: string, defaultPort: number) => {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.trim())
  return match === null
    ? Effect.fail(invalid(option, `expected "host:port" and found "${text}"`))
    : Effect.succeed<Address>({
      host: (match[1] ?? match[2])!,
      port: match[3] === undefined ? defaultPort : Number(match[3])
    })
}

const parseAddresses = (option: string, texts: ReadonlyArray<string>, defaultPort: number) =>
  texts.length === 0
    ? Effect.fail(invalid(option, "at least one host:port is needed"))
    : Effect.forEach(texts, (text) => parseAddress(option, text, defaultPort))

const text = (value: string | Redacted.Redacted | undefined): string | undefined =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const show = (address: Address) =>
  address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`

const describe = (target: Target): string => {
  switch (target._tag) {
    case "Tcp":
      return `Redis at ${show(target.address)}`
    case "Socket":
      return `Redis at ${target.path}`
    case "Sentinel":
      return `Redis master ${target.name} of the Sentinels ${target.hosts.map(show).join(", ")}`
    case "Cluster":
      return `Redis Cluster at ${target.nodes.map(show).join(", ")}`
  }
}

/** The part of a key that Redis Cluster hashes, or undefined where it would hash the whole key. */
const hashTag = (prefix: string): string | undefined => {
  const open = prefix.indexOf("{")
  const close = prefix.indexOf("}", open)
  return open === -1 || close <= open + 1 ? undefined : prefix.slice(open + 1, close)
}

const positive = (option: string, value: Duration.DurationInput | undefined) => {
  const millis = value === undefined ? 5000 : Duration.toMillis(value)
  return millis >= 1 && millis <= 2 ** 31 - 1
    ? Effect.succeed(Math.ceil(millis))
    : Effect.fail(invalid(option, "expected a duration of at least a millisecond and at most 24 days"))
}

export const fromOptions = (options: Options): Effect.Effect<Settings, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const url = yield* parseUrl(text(options.url) ?? "redis://localhost:6379")
    if (options.sentinels !== undefined && options.cluster !== undefined) {
      return yield* Effect.fail(invalid("sentinels", "a server is found through Sentinels or as a cluster, not both"))
    }
    const target: Target = options.sentinels !== undefined
      ? {
        _tag: "Sentinel",
        hosts: yield* parseAddresses("sentinels.hosts", options.sentinels.hosts, 26379),
        name: options.sentinels.name,
        username: options.sentinels.username,
        password: text(options.sentinels.password)
      }
      : options.cluster !== undefined
      ? { _tag: "Cluster", nodes: yield* parseAddresses("cluster.nodes", options.cluster.nodes, 6379) }
      : url.target
    const db = options.db ?? (url.db === undefined ? 0 : Number(url.db))
    if (!Number.isInteger(db) || db < 0) {
      return yield* Effect.fail(
        invalid(options.db === undefined ? "url" : "db", "the database must be a number from 0")
      )
    }
    const keyPrefix = options.keyPrefix ?? (target._tag === "Cluster" ? "{rq}:" : "")
    if (target._tag === "Cluster") {
      if (hashTag(keyPrefix) === undefined) {
        return yield* Effect.fail(
          invalid("keyPrefix", "on Redis Cluster all keys must live in one slot: the prefix needs a hash tag, as {rq}:")
        )
      }
      if (db !== 0) {
        return yield* Effect.fail(invalid("db", "Redis Cluster has no databases but 0"))
      }
    }
    return {
      target,
      server: describe(target),
      username: options.username ?? url.username,
      password: text(options.password) ?? url.password,
      db,
      tls: options.tls === false || (options.tls === undefined && !url.tls)
        ? undefined
        : typeof options.tls === "object"
        ? options.tls
        : {},
      keyPrefix,
      connectTimeout: yield* positive("connectTimeout", options.connectTimeout),
      commandTimeout: yield* positive("commandTimeout", options.commandTimeout),
      clientName: options.clientName ?? ""
    }
  })
