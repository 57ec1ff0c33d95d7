/**
 * What the options of `RedisLive` come to: checked, with defaults, in milliseconds.
 *
 * @internal
 */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { decode as decodeDuration } from "../internal/duration.js"
import { kindOf } from "../internal/kindOf.js"
import { namesOf, noSuchOption, unknownName } from "../internal/known.js"
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

/** What JavaScript may pass for an option of another type: of what kind it is, never what it is. */
const mistyped = (option: string, expected: string, value: unknown) =>
  Effect.fail(invalid(option, `expected ${expected}, got ${kindOf(value)}`))

const urlHelp = "expected redis://host:port/db, rediss://host:port/db or unix:///path?db=0"

const parseUrl = (text: string): Effect.Effect<FromUrl, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    // the reader of urls refuses ports beyond 65535, and takes 0
    if (!URL.canParse(text) || new URL(text).port === "0") {
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
        return path === undefined || path.includes("\0")
          ? yield* Effect.fail(invalid("url", "a unix:// url needs the path of the socket"))
          : { target: { _tag: "Socket", path }, username, password, db, tls: false }
      }
      default:
        return yield* Effect.fail(invalid("url", urlHelp))
    }
  })

/** A host, or an IPv6 address in brackets, and perhaps a port. */
const addressForm = /^(?:\[([^\]\s]+)\]|([^:[\]@/\s\p{Cc}]+))(?::(\d{1,5}))?$/u

const parseAddress = (option: string, text: unknown, defaultPort: number) => {
  const match = typeof text === "string" ? addressForm.exec(text.trim()) : null
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  return match === null || port < 1 || port > 65_535
    ? Effect.fail(invalid(option, "expected \"host:port\", with a port from 1 to 65535"))
    : Effect.succeed<Address>({ host: (match[1] ?? match[2])!, port })
}

const parseAddresses = (option: string, texts: unknown, defaultPort: number) =>
  !Array.isArray(texts)
    ? mistyped(option, "a list of \"host:port\"", texts)
    : texts.length === 0
    ? Effect.fail(invalid(option, "at least one host:port is needed"))
    : Effect.forEach(texts, (text, index) => parseAddress(`${option}[${index}]`, text, defaultPort))

const textOf = (option: string, value: unknown): Effect.Effect<string | undefined, ConfigError.ConfigError> =>
  value === undefined || typeof value === "string" ? Effect.succeed(value) : mistyped(option, "a text", value)

/** Of what may be a secret. */
const secretOf = (option: string, value: unknown): Effect.Effect<string | undefined, ConfigError.ConfigError> =>
  textOf(option, Redacted.isRedacted(value) ? Redacted.value(value) : value)

/** Parts of an option, each of which is still to be looked at. */
const partsOf = <A extends object>(
  option: string,
  value: A
): Effect.Effect<{ readonly [K in keyof A]?: unknown }, ConfigError.ConfigError> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Effect.succeed(value)
    : mistyped(option, "an object", value)

/** Refuses what has a name that nothing reads. */
const names = (
  option: string,
  given: object,
  known: ReadonlySet<string>
): Effect.Effect<void, ConfigError.ConfigError> => {
  const name = unknownName(given, known)
  return name === undefined
    ? Effect.void
    : Effect.fail(invalid(option === "options" ? name : `${option}.${name}`, noSuchOption(name, known)))
}

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
  const duration = value === undefined ? Option.some(Duration.seconds(5)) : decodeDuration(value)
  const millis = Option.isSome(duration) ? Duration.toMillis(duration.value) : NaN
  return millis >= 1 && millis <= 2 ** 31 - 1
    ? Effect.succeed(Math.ceil(millis))
    : Effect.fail(invalid(option, "expected a duration of at least a millisecond and at most 24 days"))
}

const targetOf = (options: { readonly [K in keyof Options]?: unknown }, otherwise: Target) =>
  Effect.gen(function*() {
    const { cluster, sentinels } = options
    if (sentinels !== undefined && cluster !== undefined) {
      return yield* Effect.fail(invalid("sentinels", "a server is found through Sentinels or as a cluster, not both"))
    }
    if (sentinels !== undefined) {
      const parts = yield* partsOf("sentinels", sentinels as Sentinels)
      yield* names("sentinels", parts, ofSentinels)
      const { hosts, name, password, username } = parts
      const watched = yield* textOf("sentinels.name", name)
      if (watched === undefined || watched === "") {
        return yield* Effect.fail(invalid("sentinels.name", "expected the name of the master, such as mymaster"))
      }
      const target: Target = {
        _tag: "Sentinel",
        hosts: yield* parseAddresses("sentinels.hosts", hosts, 26379),
        name: watched,
        username: yield* textOf("sentinels.username", username),
        password: yield* secretOf("sentinels.password", password)
      }
      return target
    }
    if (cluster !== undefined) {
      const parts = yield* partsOf("cluster", cluster as Cluster)
      yield* names("cluster", parts, ofCluster)
      const { nodes } = parts
      const target: Target = { _tag: "Cluster", nodes: yield* parseAddresses("cluster.nodes", nodes, 6379) }
      return target
    }
    return otherwise
  })

type Sentinels = NonNullable<Options["sentinels"]>
type Cluster = NonNullable<Options["cluster"]>

const known = namesOf<Options>({
  url: true,
  username: true,
  password: true,
  db: true,
  tls: true,
  sentinels: true,
  cluster: true,
  keyPrefix: true,
  connectTimeout: true,
  commandTimeout: true,
  clientName: true
})
const ofSentinels = namesOf<Sentinels>({ hosts: true, name: true, username: true, password: true })
const ofCluster = namesOf<Cluster>({ nodes: true })

const tlsOf = (tls: unknown, byUrl: boolean): Effect.Effect<Settings["tls"], ConfigError.ConfigError> => {
  if (tls === undefined || typeof tls === "boolean") return Effect.succeed(tls ?? byUrl ? {} : undefined)
  // Node looks at what is in it when it connects.
  return Effect.map(partsOf("tls", tls as NonNullable<Settings["tls"]>), (found) => found as Settings["tls"])
}

export const fromOptions = (given: Options): Effect.Effect<Settings, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const options = yield* partsOf("options", given)
    yield* names("options", options, known)
    const url = yield* parseUrl((yield* secretOf("url", options.url)) ?? "redis://localhost:6379")
    const target = yield* targetOf(options, url.target)
    const db = options.db ?? (url.db === undefined ? 0 : /^\d*$/.test(url.db) ? Number(url.db) : NaN)
    if (typeof db !== "number" || !Number.isSafeInteger(db) || db < 0) {
      return yield* Effect.fail(
        invalid(options.db === undefined ? "url" : "db", "the database must be a number from 0")
      )
    }
    const keyPrefix = (yield* textOf("keyPrefix", options.keyPrefix)) ?? (target._tag === "Cluster" ? "{rq}:" : "")
    if (target._tag === "Cluster") {
      if (hashTag(keyPrefix) === undefined) {
        return yield* Effect.fail(
          invalid("keyPrefix", "on Redis Cluster all keys must live in one slot: the prefix needs a hash tag, as {rq}:")
        )
      }
      if (db !== 0) {
        return yield* Effect.fail(
          invalid(options.db === undefined ? "url" : "db", "Redis Cluster has no databases but 0")
        )
      }
    }
    const clientName = (yield* textOf("clientName", options.clientName)) ?? ""
    if (!/^[!-~]*$/.test(clientName)) {
      return yield* Effect.fail(
        invalid("clientName", "Redis takes the printable characters of ASCII without spaces, such as billing-1")
      )
    }
    return {
      target,
      server: describe(target),
      username: (yield* textOf("username", options.username)) ?? url.username,
      password: (yield* secretOf("password", options.password)) ?? url.password,
      db,
      tls: yield* tlsOf(options.tls, url.tls),
      keyPrefix,
      connectTimeout: yield* positive("connectTimeout", given.connectTimeout),
      commandTimeout: yield* positive("commandTimeout", given.commandTimeout),
      clientName
    }
  })
