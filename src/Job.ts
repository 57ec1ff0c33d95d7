/**
 * Job definitions: a name, the Schemas of what goes in and what comes out, and defaults. No I/O.
 *
 * A definition is shared by whoever enqueues and whoever runs. On the wire it is what Python RQ calls a function: the
 * name is the dotted path, a payload that encodes to an object becomes keyword arguments, one that encodes to an array
 * becomes positional arguments.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-rq/Job")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A length of time after which something ends. RQ keeps whole seconds, so parts of a second are rounded up.
 * `"forever"` never ends (RQ's `-1`).
 *
 * @since 0.1.0
 * @category models
 */
export type Lifetime = Duration.DurationInput | "forever"

/**
 * What a definition says of all its jobs, and a call may say otherwise of one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Defaults {
  /** How long a handler may run before it is interrupted and the job fails. Default: 180 seconds, as in RQ. */
  readonly timeout?: Lifetime | undefined
  /** How long the job may wait in its queue before it is dropped. Counted from when it is queued. Default: forever. */
  readonly ttl?: Duration.DurationInput | undefined
  /** How long the job and its result are kept after success; zero deletes the job at once. Default: 500 seconds. */
  readonly resultTtl?: Lifetime | undefined
  /** How long the job and its error are kept after a failure. Default: one year. */
  readonly failureTtl?: Lifetime | undefined
}

/**
 * A job definition.
 *
 * @since 0.1.0
 * @category models
 */
export interface Job<
  in out Name extends string,
  in out Payload extends Schema.Schema.Any,
  in out Success extends Schema.Schema.Any,
  in out Failure extends Schema.Schema.All
> extends Pipeable {
  readonly [TypeId]: TypeId
  readonly name: Name
  readonly payloadSchema: Payload
  readonly successSchema: Success
  readonly errorSchema: Failure
  /** The queue that jobs of this definition go to unless a call names another. */
  readonly queue: string
  readonly defaults: Defaults
}

/**
 * Any job definition.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any extends Pipeable {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly payloadSchema: Schema.Schema.Any
  readonly successSchema: Schema.Schema.Any
  readonly errorSchema: Schema.Schema.All
  readonly queue: string
  readonly defaults: Defaults
}

/**
 * The payload that a handler receives.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Payload<J extends Any> = Schema.Schema.Type<J["payloadSchema"]>

/**
 * The payload that `enqueue` takes: fields with a constructor default may be left out.
 *
 * @since 0.1.0
 * @category type-level
 */
export type PayloadInput<J extends Any> = J["payloadSchema"] extends { readonly fields: infer Fields } ?
  Fields extends Schema.Struct.Fields ? Schema.Simplify<Schema.Struct.Constructor<Fields>> : Payload<J>
  : Payload<J>

/**
 * What a job's handler succeeds with.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Success<J extends Any> = Schema.Schema.Type<J["successSchema"]>

/**
 * What a job's handler may fail with.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Failure<J extends Any> = Schema.Schema.Type<J["errorSchema"]>

/**
 * What the Schema of the payload requires.
 *
 * @since 0.1.0
 * @category type-level
 */
export type PayloadContext<J extends Any> = Schema.Schema.Context<J["payloadSchema"]>

/**
 * What the Schemas of success and error require.
 *
 * @since 0.1.0
 * @category type-level
 */
export type OutcomeContext<J extends Any> = Schema.Schema.Context<J["successSchema"] | J["errorSchema"]>

/**
 * What the Schemas of a definition require.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Context<J extends Any> = PayloadContext<J> | OutcomeContext<J>

/**
 * A payload or an option that can't be accepted. `field` names what to change (`payload`, `timeout`, `jobId`, ...), the
 * message says how.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidJobError extends Schema.TaggedError<InvalidJobError>("effect-rq/Job/InvalidJobError")(
  "InvalidJobError",
  { job: Schema.String, field: Schema.String, message: Schema.String, cause: Schema.optional(Schema.Defect) }
) {}

/**
 * Whether something is a job definition.
 *
 * @since 0.1.0
 * @category guards
 */
export const isJob = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/**
 * Defines a job.
 *
 * - `payload`: fields, a Schema that encodes to an object (keyword arguments) or a Schema that encodes to an array
 *   (positional arguments). Default: no arguments.
 * - `success`: default `Schema.Void`; nothing is stored for a void result.
 * - `error`: default `Schema.Never`.
 * - `queue`: default `"default"`.
 * - `timeout`, `ttl`, `resultTtl`, `failureTtl`: see {@link Defaults}.
 *
 * Throws an `InvalidJobError` at once for a name that is empty or a default that can't be stored, since both are
 * mistakes in the program.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Job } from "effect-rq"
 *
 * class MailRejected extends Schema.TaggedError<MailRejected>()("MailRejected", { reason: Schema.String }) {}
 *
 * export const SendWelcome = Job.make("app.mail.send_welcome", {
 *   payload: { to: Schema.String, name: Schema.String },
 *   success: Schema.Struct({ messageId: Schema.String }),
 *   error: MailRejected,
 *   queue: "mail",
 *   timeout: "30 seconds",
 *   resultTtl: "10 minutes"
 * })
 *
 * // called from Python as `add(1, 2)`
 * export const Add = Job.make("app.math.add", {
 *   payload: Schema.Tuple(Schema.Number, Schema.Number),
 *   success: Schema.Number
 * })
 * ```
 */
export const make = <
  const Name extends string,
  Payload extends Schema.Struct.Fields | PayloadSchema = Schema.Struct<{}>,
  Success extends Schema.Schema.Any = typeof Schema.Void,
  Failure extends Schema.Schema.All = typeof Schema.Never
>(
  name: Name,
  options: Defaults & {
    readonly payload?: Payload
    readonly success?: Success
    readonly error?: Failure
    readonly queue?: string
  } = {}
): Job<
  Name,
  Payload extends Schema.Struct.Fields ? Schema.Struct<Payload> : Payload extends Schema.Schema.Any ? Payload : never,
  Success,
  Failure
> => {
  const self = Object.create(Proto)
  self.name = name
  self.payloadSchema = options.payload === undefined
    ? Schema.Struct({})
    : Schema.isSchema(options.payload)
    ? options.payload
    : Schema.Struct(options.payload as Schema.Struct.Fields) // not a Schema, so it is fields
  self.successSchema = options.success ?? Schema.Void
  self.errorSchema = options.error ?? Schema.Never
  self.queue = options.queue ?? "default"
  self.defaults = {
    timeout: options.timeout,
    ttl: options.ttl,
    resultTtl: options.resultTtl,
    failureTtl: options.failureTtl
  }
  if (name.trim() === "") {
    throw new InvalidJobError({ job: name, field: "name", message: "a job needs a name such as \"app.mail.send\"" })
  }
  for (const invalid of [queueProblem(self.queue), lifetimesProblem(self.defaults)]) {
    if (Option.isSome(invalid)) throw new InvalidJobError({ job: name, ...invalid.value })
  }
  return self
}

/**
 * A Schema that encodes to an object or to an array.
 *
 * @since 0.1.0
 * @category type-level
 */
export type PayloadSchema = Schema.Schema<any, object, any> | Schema.Schema<any, object, never>

interface Problem {
  readonly field: string
  readonly message: string
}

/**
 * @internal
 */
export const queueProblem = (queue: string): Option.Option<Problem> =>
  queue.trim() === queue && queue.length > 0 && !/[,\p{Cc}]/u.test(queue)
    ? Option.none()
    : Option.some({
      field: "queue",
      message: `a queue's name is a text without commas, control characters and spaces around it, got ${
        JSON.stringify(queue)
      }`
    })

const lifetimesProblem = (defaults: Defaults): Option.Option<Problem> => {
  for (const field of ["timeout", "ttl", "resultTtl", "failureTtl"] as const) {
    const problem = lifetimeProblem(field, defaults[field])
    if (Option.isSome(problem)) return problem
  }
  return Option.none()
}

const minimum = { timeout: 1, ttl: 1, resultTtl: 0, failureTtl: 0 } as const

/**
 * @internal
 */
export type LifetimeField = keyof typeof minimum

const lifetimeProblem = (field: LifetimeField, value: Lifetime | undefined): Option.Option<Problem> => {
  if (value === undefined || value === "forever") return Option.none()
  const seconds = Option.map(Duration.decodeUnknown(value), Duration.toSeconds)
  const example = field === "ttl" ? "\"30 seconds\"" : "\"30 seconds\" or \"forever\""
  if (Option.isNone(seconds) || Number.isNaN(seconds.value)) {
    return Option.some({ field, message: `${field} is a duration such as ${example}` })
  }
  if (typeof value === "number" && value < 0) {
    return Option.some({ field, message: `${field} can't be negative, use "forever" for no end` })
  }
  return Math.ceil(seconds.value) < minimum[field]
    ? Option.some({ field, message: `${field} must be at least ${minimum[field]} second` })
    : Option.none()
}

/**
 * A lifetime in whole seconds as RQ stores it: rounded up, -1 for ever.
 *
 * @internal
 */
export const lifetimeSeconds = (
  job: string,
  field: LifetimeField,
  value: Lifetime
): Effect.Effect<number, InvalidJobError> => {
  const problem = lifetimeProblem(field, value)
  if (Option.isSome(problem)) return Effect.fail(new InvalidJobError({ job, ...problem.value }))
  if (value === "forever") return Effect.succeed(-1)
  const seconds = Duration.toSeconds(value)
  return Effect.succeed(Number.isFinite(seconds) ? Math.ceil(seconds) : -1)
}
