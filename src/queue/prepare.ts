/**
 * Turns a request for a job into what the edges `enqueue` and `schedule` take. All checks are made here, before
 * anything is sent.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as Ids from "../Ids.js"
import { decode as decodeDuration } from "../internal/duration.js"
import { queueNameProblem } from "../internal/queueName.js"
import { inCalendar, toDue, type When } from "../internal/when.js"
import * as Job from "../Job.js"
import { type LifetimeField, toSeconds } from "../job/lifetime.js"
import type { Admission } from "../lifecycle/admit.js"
import type { NewJob } from "../lifecycle/enqueue.js"
import type { NewScheduledJob } from "../lifecycle/schedule.js"
import type { EnqueueOptions } from "../Queue.js"
import type { RetryOptions } from "../Retry.js"
import * as Date from "../wire/date.js"
import * as Description from "../wire/description.js"
import * as JobHash from "../wire/jobHash.js"
import * as Json from "../wire/json.js"
import * as Payload from "../wire/payload.js"

/** When a job shall run: at once, at a time, or after a delay. */
export type Due =
  | { readonly _tag: "Now" }
  | { readonly _tag: "At"; readonly when: When }
  | { readonly _tag: "In"; readonly delay: Duration.DurationInput }

export interface Request {
  readonly job: Job.Any
  readonly payload: unknown
  readonly options: EnqueueOptions
  readonly due: Due
}

export interface Prepared {
  readonly id: string
  readonly name: string
  readonly queue: string
  /** Whether it is an error when there is such a job already. */
  readonly refuses: boolean
  /** Ids of the jobs that it waits for. */
  readonly parents: ReadonlyArray<string>
  readonly new:
    | { readonly _tag: "Enqueue"; readonly job: NewJob }
    | { readonly _tag: "Schedule"; readonly job: NewScheduledJob; readonly due: DateTime.Utc }
    | { readonly _tag: "Admit"; readonly job: Admission; readonly due: DateTime.Utc | undefined }
}

/** Checks and encodes a request; `now` is in milliseconds since 1970. */
export const prepare = Effect.fnUntraced(function*(request: Request, now: number) {
  const { job, options } = request
  const invalid = (field: string, message: string, cause?: unknown) =>
    new Job.InvalidJobError({ job: job.name, field, message, ...(cause === undefined ? {} : { cause }) })

  const queue = options.queue ?? job.queue
  const queueProblem = queueNameProblem(queue)
  if (queueProblem !== undefined) return yield* invalid("queue", `queue: ${queueProblem}`)

  const id = options.jobId ?? (yield* (yield* Ids.Ids).job)
  if (!JobHash.isJobId(id)) {
    return yield* invalid("jobId", `jobId: may hold letters, digits, "_" and "-", got ${JSON.stringify(id)}`)
  }

  const times = (field: string, value: number | undefined) =>
    value === undefined || (Number.isInteger(value) && value >= 0 && value <= 1_000_000)
      ? Effect.succeed(value)
      : Effect.fail(invalid(field, `${field}: expected a whole number from 0 to 1,000,000, got ${String(value)}`))
  const intervals = (field: string, value: RetryOptions["intervals"]) =>
    value === undefined
      ? Effect.succeed(undefined)
      : Effect.forEach(asList(value), (interval) =>
        Effect.filterOrFail(
          Effect.mapError(
            toSeconds("resultTtl", interval),
            (message) => invalid(field, message.replace(/^resultTtl/, field))
          ),
          (seconds) => seconds >= 0,
          () => invalid(field, `${field}: a pause that never ends would never be followed by a run`)
        ))

  const { args, kwargs } = yield* encodePayload(job, request.payload)
  const data = Payload.encode({ name: job.name, args, kwargs })
  if (Either.isLeft(data)) {
    // what RQ calls args and kwargs is the payload to the caller
    const asPayload = (text: string) => text.replace(/^(?:kwargs|args)\b/, "payload")
    return yield* invalid(asPayload(data.left.field), asPayload(data.left.message), data.left)
  }

  const meta = options.meta === undefined ? undefined : Json.stringify(options.meta, "meta")
  if (meta !== undefined && Either.isLeft(meta)) return yield* invalid("meta", meta.left.message, meta.left)
  if (meta !== undefined && Json.nestsDeeper(meta.right, maxMetaDepth)) {
    return yield* invalid("meta", `meta: nested deeper than ${maxMetaDepth} levels. Flatten it, or make it the payload`)
  }

  const seconds = (field: LifetimeField): Effect.Effect<number | undefined, Job.InvalidJobError> => {
    const value = options[field] ?? job.defaults[field]
    return value === undefined
      ? Effect.succeed(undefined)
      : Effect.mapError(toSeconds(field, value), (message) => invalid(field, message))
  }
  const timeout = yield* seconds("timeout")
  const ttl = yield* seconds("ttl")
  const resultTtl = yield* seconds("resultTtl")
  const failureTtl = yield* seconds("failureTtl")

  const due = yield* dueMillis(request.due, now).pipe(
    Effect.mapError((message) => invalid(request.due._tag === "In" ? "in" : "at", message))
  )
  const atFront = options.atFront === true
  const retry = options.retry ?? job.retry
  const retriesLeft = yield* times("retry.max", retry?.max)
  const retryIntervals = yield* intervals("retry.intervals", retry?.intervals)
  const repeatsLeft = yield* times("repeat.times", options.repeat?.times)
  const repeatIntervals = yield* intervals("repeat.intervals", options.repeat?.intervals)
  const parents = (options.dependsOn === undefined ? [] : [options.dependsOn].flat())
    .map((parent) => typeof parent === "string" ? parent : parent.id)
  const strange = parents.find((parent) => !JobHash.isJobId(parent) || parent === id)
  if (strange !== undefined) {
    return yield* invalid(
      "dependsOn",
      strange === id ? "dependsOn: a job can't wait for itself" : `dependsOn: ${JSON.stringify(strange)} is no job id`
    )
  }
  if (parents.length > 0 && due !== undefined) {
    return yield* invalid("dependsOn", "dependsOn: a job waits for other jobs or for a time, not for both")
  }
  if ((options.unique !== undefined || options.uniqueFor !== undefined) && options.jobId === undefined) {
    return yield* invalid("jobId", "jobId: a job that shall be unique needs an id of your own")
  }
  const window = options.uniqueFor === undefined
    ? undefined
    : yield* Effect.mapError(
      toSeconds("ttl", options.uniqueFor),
      (message) => invalid("uniqueFor", message.replace(/^ttl/, "uniqueFor"))
    )

  const lifetime = ttl === -1 ? undefined : ttl
  const fields = JobHash.encodeNew({
    data: data.right,
    origin: queue,
    description: options.description ?? Description.describe(job.name, args, kwargs),
    status: due === undefined ? "queued" : "scheduled",
    timeout: timeout ?? defaultTimeout,
    createdAt: now,
    enqueuedAt: due === undefined ? now : undefined,
    resultTtl,
    failureTtl,
    ttl: lifetime,
    meta: meta?.right,
    // a job that is queued at once needs no mark: it is pushed to the front now
    enqueueAtFront: (due !== undefined || parents.length > 0) && atFront,
    retriesLeft,
    retryIntervals,
    enqueueAtFrontOnRetry: retry?.atFront,
    repeatsLeft,
    repeatIntervals,
    dependencyIds: parents,
    allowDependencyFailures: options.allowFailure
  })
  const dueAt = due === undefined ? undefined : DateTime.unsafeMake(due)
  const asksMore = parents.length > 0 || options.unique !== undefined || window !== undefined
  const prepared: Prepared = {
    id,
    name: job.name,
    queue,
    refuses: options.unique === "refuse",
    parents,
    new: asksMore
      ? {
        _tag: "Admit",
        job: {
          id,
          queue,
          unique: options.unique === "refuse" ? "keep" : options.unique ?? (window === undefined ? "" : "keep"),
          window: window === -1 ? undefined : window,
          due: due === undefined ? undefined : Date.seconds(due),
          atFront,
          ttl: lifetime,
          parents,
          allowFailure: options.allowFailure === true,
          now: Date.seconds(now),
          fields
        },
        due: dueAt
      }
      : due === undefined || dueAt === undefined
      ? { _tag: "Enqueue", job: { id, queue, atFront, ttl: lifetime, fields } }
      : { _tag: "Schedule", job: { id, queue, due: Date.seconds(due), fields }, due: dueAt }
  }
  return prepared
})

/** A duration may itself be a pair of numbers (seconds, nanoseconds). */
const asList = (
  value: Duration.DurationInput | ReadonlyArray<Duration.DurationInput>
): ReadonlyArray<Duration.DurationInput> => Array.isArray(value) ? value : [value as Duration.DurationInput] // not an array, so it is one duration

/** RQ's default, in seconds. */
const defaultTimeout = 180

/**
 * Python reads meta whenever it looks at a job, one call for each level, on top of whatever stack it has then; a worker
 * of RQ 1 ends when they become too many. A payload is read when it is run and fails that job alone.
 */
const maxMetaDepth = 100

const dueMillis = (due: Due, now: number): Effect.Effect<number | undefined, string> => {
  switch (due._tag) {
    case "Now":
      return Effect.succeed(undefined)
    case "At":
      return toDue(due.when)
    case "In": {
      const delay = decodeDuration(due.delay)
      return Option.isSome(delay) && Duration.isFinite(delay.value)
        ? inCalendar(now + Duration.toMillis(delay.value))
        : Effect.fail(`expected a delay such as "10 seconds", got ${String(due.delay)}`)
    }
  }
}

interface Arguments {
  readonly args: ReadonlyArray<unknown>
  readonly kwargs: Readonly<Record<string, unknown>>
}

type Encode = (payload: unknown) => Effect.Effect<unknown, ParseResult.ParseIssue, never>

/** One encoder for a definition: building one costs more than using it. */
const encoders = new WeakMap<Job.Any, Encode>()

const encoderOf = (job: Job.Any): Encode => {
  let encode = encoders.get(job)
  if (encode === undefined) {
    // The services of the Schema are in the requirements of `enqueue`, where the type is known.
    encode = ParseResult.encodeUnknown(job.payloadSchema as Schema.Schema<unknown, unknown>) as Encode
    encoders.set(job, encode)
  }
  return encode
}

const encodePayload = (job: Job.Any, payload: unknown): Effect.Effect<Arguments, Job.InvalidJobError> => {
  const invalid = (message: string, cause?: unknown) =>
    new Job.InvalidJobError({
      job: job.name,
      field: "payload",
      message: `payload of ${job.name}: ${message}`,
      ...(cause === undefined ? {} : { cause })
    })
  return withConstructorDefaults(job.payloadSchema, payload ?? {}).pipe(
    Effect.flatMap(encoderOf(job)),
    Effect.mapError((issue) => invalid(ParseResult.TreeFormatter.formatIssueSync(issue))),
    Effect.flatMap((encoded): Effect.Effect<Arguments, Job.InvalidJobError> => {
      if (Array.isArray(encoded)) return Effect.succeed({ args: encoded, kwargs: {} })
      if (typeof encoded === "object" && encoded !== null) {
        return Effect.succeed({ args: [], kwargs: { ...encoded } })
      }
      return Effect.fail(invalid("must encode to an object (keyword arguments) or an array (positional arguments)"))
    })
  )
}

/** Fills in what a constructor of the Schema would, so that fields with a default may be left out. */
const withConstructorDefaults = (
  schema: Schema.Schema.Any,
  payload: unknown
): Effect.Effect<unknown, ParseResult.ParseIssue> => {
  if (!hasConstructor(schema) || payload instanceof Object && payload.constructor !== Object) {
    return Effect.succeed(payload)
  }
  // A constructor may throw for a payload that is no object at all; the encoder says better what is wrong with it.
  return Effect.orElseSucceed(Effect.try(() => schema.make(payload, { disableValidation: true })), () => payload)
}

const hasConstructor = (
  schema: Schema.Schema.Any
): schema is Schema.Schema.Any & { make: (props: unknown, options: { disableValidation: boolean }) => unknown } =>
  "fields" in schema && "make" in schema && typeof schema.make === "function"
