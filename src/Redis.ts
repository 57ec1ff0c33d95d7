/**
 * The port to Redis: everything that effect-rq asks of a server.
 *
 * Two layers implement it: `RedisLive` (ioredis) and `RedisMemory` (in this process, time from Effect's `Clock`, the
 * same commands and the same Lua). It keeps the shape that Effect 4 gives its own Redis service: `send`, and `eval` of
 * a typed script.
 *
 * **Keys in scripts.** Every key that a script touches is declared in `KEYS`. Where the key is only known inside the
 * script (the hash of a job whose id was just popped), the family is declared by its prefix: a declared key that ends
 * in `:` declares all keys that begin with it. The in-memory Redis refuses everything else, so that the same scripts
 * run on Redis Cluster, where a deployment lives in one slot through a key prefix with a hash tag.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import { refusedInScript } from "./internal/permission.js"

/**
 * An argument of a command. Text is sent as UTF-8, a number in its shortest decimal form, bytes as they are.
 *
 * @since 0.1.0
 * @category models
 */
export type Arg = string | number | Uint8Array

/**
 * What Redis answers: `string` where the reply is read as text, `Uint8Array` where it is read as bytes.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply<S extends string | Uint8Array = string> = S | number | null | ReadonlyArray<Reply<S>>

/**
 * A message that came over a channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Message {
  readonly channel: string
  readonly message: string
}

/**
 * Why a call to Redis failed.
 *
 * - `connection`: the server can't be reached, or the connection was lost before the reply came. The command may have
 *   been carried out.
 * - `timeout`: no reply within the time allowed. The command may have been carried out.
 * - `reply`: the server answered with an error; `code` is its first word (`WRONGTYPE`, `READONLY`, `OOM`, ...).
 * - `script`: a script failed; `command` is the name of the script.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedisError extends Schema.TaggedError<RedisError>("effect-rq/Redis/RedisError")("RedisError", {
  reason: Schema.Literal("connection", "timeout", "reply", "script"),
  command: Schema.String,
  code: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /**
   * Whether the same call may succeed later: the server was away, still loading, or busy.
   */
  get isTransient(): boolean {
    return this.reason === "connection" || this.reason === "timeout" || transientCodes.has(this.code)
  }
}

const transientCodes = new Set([
  "LOADING",
  "BUSY",
  "TRYAGAIN",
  "CLUSTERDOWN",
  "MASTERDOWN",
  "READONLY",
  "MISCONF",
  "NOREPLICAS",
  "OOM",
  "MOVED",
  "ASK"
])

/**
 * A connection of one's own, for commands that block.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /** Sends a command on this connection. A blocking command holds it until it is answered. */
  readonly send: <A = Reply>(command: string, ...args: ReadonlyArray<Arg>) => Effect.Effect<A, RedisError>
  /**
   * Ends the blocking command that this connection waits in, as if its timeout had passed. What was already popped is
   * still delivered. Without a command that blocks nothing happens.
   */
  readonly unblock: Effect.Effect<void, RedisError>
}

/**
 * Every call that doesn't block on purpose ends within a bounded time, with a `RedisError` of reason `connection` or
 * `timeout` when the server does not answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedisService {
  /** Sends a command; texts in the reply are read as UTF-8. */
  readonly send: <A = Reply>(command: string, ...args: ReadonlyArray<Arg>) => Effect.Effect<A, RedisError>
  /** Sends a command; texts in the reply are left as bytes. */
  readonly sendBytes: <A = Reply<Uint8Array>>(
    command: string,
    ...args: ReadonlyArray<Arg>
  ) => Effect.Effect<A, RedisError>
  /** Runs a script by its hash, and sends its text where the server doesn't know it yet. */
  readonly eval: <Params extends ReadonlyArray<unknown>, Result>(
    script: Script<Params, Result>
  ) => (...params: Params) => Effect.Effect<Result, RedisError>
  /**
   * Subscribes to channels for as long as the scope is open. Messages sent while the connection was lost are lost: a
   * subscription speeds things up, it never carries the only copy of a fact.
   */
  readonly subscribe: (
    ...channels: ReadonlyArray<string>
  ) => Effect.Effect<Queue.Dequeue<Message>, RedisError, Scope.Scope>
  /** A dedicated connection, closed with the scope. After a lost connection it connects again by itself. */
  readonly connection: Effect.Effect<Connection, RedisError, Scope.Scope>
}

/**
 * The Redis service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Redis, RedisMemory } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const redis = yield* Redis.Redis
 *   yield* redis.send("SET", "greeting", "hello")
 *   return yield* redis.send<string | null>("GET", "greeting")
 * }).pipe(Effect.provide(RedisMemory.layer))
 * ```
 */
export class Redis extends Context.Tag("effect-rq/Redis")<Redis, RedisService>() {}

/**
 * A Lua script with typed parameters and a typed result.
 *
 * @since 0.1.0
 * @category scripting
 */
export interface Script<in Params extends ReadonlyArray<unknown>, out Result> {
  readonly name: string
  readonly lua: string
  /** SHA-1 of the text, as EVALSHA takes it. */
  readonly sha: string
  /** Keys first, then arguments. */
  readonly params: (...params: Params) => ReadonlyArray<Arg>
  /** How many of the parameters are keys. */
  readonly numberOfKeys: (...params: Params) => number
  readonly bytes: boolean
  /** Reads the reply. */
  readonly result: (reply: never) => Result
}

/**
 * Makes a script: `f` lays out the keys and then the arguments, `result` reads the reply.
 *
 * With `bytes: true` texts in the reply arrive as `Uint8Array`.
 *
 * @since 0.1.0
 * @category scripting
 * @example
 * ```ts
 * import { Redis } from "effect-rq"
 *
 * const compareAndDelete = Redis.script((key: string, value: string) => [key, value], {
 *   name: "compare-and-delete",
 *   numberOfKeys: 1,
 *   lua: `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`,
 *   result: (reply: number) => reply === 1
 * })
 * ```
 */
export const script = <Params extends ReadonlyArray<unknown>, R, Result>(
  f: (...params: Params) => ReadonlyArray<Arg>,
  options: {
    readonly name: string
    readonly lua: string
    readonly numberOfKeys: number | ((...params: Params) => number)
    readonly bytes?: boolean | undefined
    readonly result: (reply: R) => Result
  }
): Script<Params, Result> => {
  const count = options.numberOfKeys
  return {
    name: options.name,
    lua: options.lua,
    sha: Crypto.createHash("sha1").update(options.lua).digest("hex"),
    params: f,
    numberOfKeys: typeof count === "number" ? () => count : count,
    bytes: options.bytes === true,
    result: options.result
  }
}

const refusal = (command: string, message: string): RedisError =>
  new RedisError({ reason: "reply", command, code: "ERR", message: `${command}: ${message}` })

/** A command, or an argument, that is none, which the types forbid and JavaScript may pass. */
const problemWith = (command: string, args: ReadonlyArray<Arg>): RedisError | undefined => {
  if (typeof command !== "string") return refusal("send", `the command is of type ${typeof command}, expected a text`)
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg === "string" || typeof arg === "number" || arg instanceof Uint8Array) continue
    const kind = arg === null ? "null" : typeof arg
    return refusal(command, `argument ${i + 1} is of type ${kind}, expected a text, a number or bytes`)
  }
  return undefined
}

/**
 * Builds the service from the parts that differ between implementations.
 *
 * Each call of `eval` sends `EVALSHA`, and `EVAL` once where the server doesn't know the script. An argument that is no
 * text, number or bytes fails with a `RedisError` of code `ERR` and is not sent.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Redis } from "effect-rq"
 *
 * // counts what is sent
 * const counting = (inner: Redis.RedisService, count: (command: string) => void): Redis.RedisService =>
 *   Redis.make({
 *     ...inner,
 *     send: (command, ...args) => Effect.suspend(() => (count(command), inner.send(command, ...args))),
 *     sendBytes: (command, ...args) => Effect.suspend(() => (count(command), inner.sendBytes(command, ...args)))
 *   })
 * ```
 */
export const make = (
  options: Omit<RedisService, "eval"> & {
    /** As `send` and `sendBytes`, with the arguments in an array: a script may have thousands. Default: by these two. */
    readonly call?:
      | (<A>(
        command: string,
        args: ReadonlyArray<Arg>,
        bytes: boolean
      ) => Effect.Effect<A, RedisError>)
      | undefined
  }
): RedisService => {
  const { call: given, ...service } = options
  const call = given ??
    (<A>(command: string, args: ReadonlyArray<Arg>, bytes: boolean) =>
      (bytes ? service.sendBytes : service.send)<A>(command, ...args))
  const asScriptError = (name: string, lua: string, error: RedisError) => {
    if (error.reason !== "reply") return error
    const refused = refusedInScript(error.message, lua)
    return new RedisError({
      reason: "script",
      command: name,
      code: refused === undefined ? error.code : "NOPERM",
      message: `script ${name}: ${refused ?? error.message}`,
      cause: error.cause
    })
  }

  const subscribe: RedisService["subscribe"] = (...channels) => {
    const problem = channels.every((channel) => typeof channel === "string")
      ? undefined
      : refusal("SUBSCRIBE", "expected the names of channels")
    return problem === undefined ? service.subscribe(...channels) : Effect.fail(problem)
  }

  const checked = (send: RedisService["send"]): RedisService["send"] => (command, ...args) => {
    const problem = problemWith(command, args)
    return problem === undefined ? send(command, ...args) : Effect.fail(problem)
  }

  return {
    ...service,
    subscribe,
    connection: Effect.map(service.connection, (connection) => ({ ...connection, send: checked(connection.send) })),
    send: checked(service.send),
    sendBytes: checked(service.sendBytes as RedisService["send"]) as RedisService["sendBytes"], // they differ in what a reply is by default
    eval: <Params extends ReadonlyArray<unknown>, Result>(script: Script<Params, Result>) => {
      if (typeof script !== "object" || script === null || typeof script.params !== "function") {
        return () => Effect.fail(refusal("eval", "expected what Redis.script makes"))
      }
      const { bytes, lua, name, numberOfKeys, params, result, sha } = script
      const onSuccess = (reply: never) => Effect.succeed(result(reply)) // replies are typed by `result`
      const fail = (error: RedisError) => Effect.fail(asScriptError(name, lua, error))
      const head: ReadonlyArray<Arg> = [sha, 0]
      return (...given: Params): Effect.Effect<Result, RedisError> =>
        Effect.suspend(() => {
          let args: Array<Arg>
          try {
            // Not a literal with a spread: V8 takes what such a literal makes here for long-lived and puts it, and so all
            // that a job consists of, where only a full collection finds it.
            args = head.concat(params(...given))
            args[1] = numberOfKeys(...given)
          } catch (cause) {
            // what JavaScript passes may be nothing that the script can lay out
            const why = cause instanceof Error ? cause.message : "something was thrown"
            return Effect.fail(refusal(name, `arguments that can't be used: ${why}`))
          }
          const problem = problemWith(name, args)
          if (problem !== undefined) return Effect.fail(problem)
          return Effect.matchEffect(call<never>("EVALSHA", args, bytes), {
            onSuccess,
            onFailure: (error) => {
              if (error.code !== "NOSCRIPT") return fail(error)
              args[0] = lua
              return Effect.matchEffect(call<never>("EVAL", args, bytes), { onSuccess, onFailure: fail })
            }
          })
        })
    }
  }
}
