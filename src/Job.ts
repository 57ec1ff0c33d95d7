/**
 * Job definitions: a name, the Schemas of what goes in and what comes out, and defaults. No I/O.
 *
 * A definition is shared by whoever enqueues and whoever runs. On the wire it is what Python RQ calls a function: the
 * name is the dotted path, a payload that encodes to an object becomes keyword arguments, one that encodes to an array
 * becomes positional arguments.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { namesOf, noSuchOption, unknownName } from "./internal/known.js"
import { isFlag, notAFlag } from "./internal/options.js"
import { queueNameProblem } from "./internal/queueName.js"
import { show } from "./internal/show.js"
import { lifetimeFields, toSeconds } from "./job/lifetime.js"
import type { RetryPolicy } from "./Retry.js"

/**
 * Marks job definitions, see {@link isJob}.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-rq/Job")

/**
 * The type of the mark.
 *
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
  /**
   * How long the job may wait in its queue before it is dropped. Counted from when it is queued, and anew when it comes back
   * to its queue. Default: forever.
   */
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
  /** What is done when a run fails. */
  readonly retry: RetryPolicy<Schema.Schema.Type<Failure>> | undefined
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
  readonly retry: RetryPolicy<never> | undefined
}

/**
 * The payload that a handler receives.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Payload<J extends Any> = Schema.Schema.Type<J["payloadSchema"]>

/**
 * The payload that `enqueue` takes: fields with a constructor default may be left out. A job without fields takes an empty
 * object and nothing else, so that options can't stand in the place of the payload.
 *
 * @since 0.1.0
 * @category type-level
 */
export type PayloadInput<J extends Any> = J["payloadSchema"] extends { readonly fields: infer Fields } ?
  Fields extends Schema.Struct.Fields
    ? [keyof Fields, J["payloadSchema"]] extends [never, Schema.Struct<Fields>] ? Record<string, never>
    : string extends keyof Payload<J> ? Payload<J>
    : Schema.Simplify<Schema.Struct.Constructor<Fields>>
  : Payload<J>
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
 * @example
 * ```ts
 * import { Job } from "effect-rq"
 *
 * const namesOf = (module: Record<string, unknown>) =>
 *   Object.values(module).flatMap((one) => Job.isJob(one) ? [one.name] : [])
 * ```
 */
export const isJob = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const optionNames = namesOf<Exclude<Parameters<typeof make>[1], undefined>>({
  payload: true,
  success: true,
  error: true,
  queue: true,
  retry: true,
  timeout: true,
  ttl: true,
  resultTtl: true,
  failureTtl: true
})
const retryNames = namesOf<RetryPolicy<never>>({
  max: true,
  intervals: true,
  atFront: true,
  schedule: true,
  while: true,
  until: true
})

/**
 * Defines a job.
 *
 * - `payload`: fields, a Schema that encodes to an object (keyword arguments) or a Schema that encodes to an array
 *   (positional arguments). Default: no arguments.
 * - `success`: default `Schema.Void`; nothing is stored for a void result.
 * - `error`: default `Schema.Never`.
 * - `queue`: default `"default"`.
 * - `retry`: what is done when a run fails, see `Retry`. Default: no retry.
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
  Payload extends Schema.Struct.Fields | Schema.Schema.Any = {},
  Success extends Schema.Schema.Any = typeof Schema.Void,
  Failure extends Schema.Schema.All = typeof Schema.Never
>(
  name: Name,
  options: Defaults & {
    // Not `| undefined`: a Schema that may not be there would be typed as any Schema.
    readonly payload?: Payload & CheckPayload<Payload>
    readonly success?: Success
    readonly error?: Failure
    readonly queue?: string | undefined
    readonly retry?: RetryPolicy<Schema.Schema.Type<Failure>> | undefined
  } = {}
): Job<
  Name,
  Payload extends Schema.Struct.Fields ? Schema.Struct<Payload> : Payload extends Schema.Schema.Any ? Payload : never,
  Success,
  Failure
> => {
  if (typeof options !== "object" || options === null) {
    // as JavaScript may call it
    throw new InvalidJobError({
      job: typeof name === "string" ? name : show(name),
      field: "options",
      message: `options: expected an object, got ${show(options)}`
    })
  }
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
  self.retry = options.retry
  self.defaults = {
    timeout: options.timeout,
    ttl: options.ttl,
    resultTtl: options.resultTtl,
    failureTtl: options.failureTtl
  }
  const invalid = (field: string, message: string) =>
    new InvalidJobError({ job: typeof name === "string" ? name : show(name), field, message })
  if (typeof name !== "string" || name.trim() === "") {
    throw invalid("name", "name: a job needs a name such as \"app.mail.send\"")
  }
  const queueProblem = queueNameProblem(self.queue)
  if (queueProblem !== undefined) throw invalid("queue", `queue: ${queueProblem}`)
  const unknown = unknownName(options, optionNames)
  if (unknown !== undefined) throw invalid(unknown, noSuchOption(unknown, optionNames))
  const retry: RetryPolicy<never> | undefined = options.retry
  const unknownOfRetry = unknownName(retry, retryNames)
  if (unknownOfRetry !== undefined) {
    throw invalid(`retry.${unknownOfRetry}`, `retry: ${noSuchOption(unknownOfRetry, retryNames)}`)
  }
  if (!isFlag(retry?.atFront)) throw invalid("retry.atFront", notAFlag("retry.atFront", retry?.atFront))
  for (const field of lifetimeFields) {
    const value = options[field]
    const seconds = value === undefined ? Either.right(0) : toSeconds(field, value)
    if (Either.isLeft(seconds)) throw invalid(field, seconds.left)
  }
  return self
}

/**
 * Refuses a Schema of a payload that encodes to neither an object nor an array.
 *
 * @since 0.1.0
 * @category type-level
 */
export type CheckPayload<Payload> = Payload extends Schema.Schema.Any
  ? Schema.Schema.Encoded<Payload> extends object ? unknown : "a payload must encode to an object or an array"
  : unknown
