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
import * as Schema from "effect/Schema"
import type * as Ids from "../Ids.js"
import { decode as decodeDuration } from "../internal/duration.js"
import { describe as describeIssue } from "../internal/issue.js"
import { namesOf, noSuchOption, unknownName } from "../internal/known.js"
import { isFlag, notAFlag } from "../internal/options.js"
import { queueNameProblem } from "../internal/queueName.js"
import { show } from "../internal/show.js"
import { inCalendar, toDue, type When } from "../internal/when.js"
import * as Job from "../Job.js"
import { type LifetimeField, toSeconds } from "../job/lifetime.js"
import type { Admission } from "../lifecycle/admit.js"
import { type Common, type CommonFields, commonFields, type NewJob } from "../lifecycle/enqueue.js"
import type { NewScheduledJob } from "../lifecycle/schedule.js"
import type { EnqueueOptions, RepeatOptions } from "../Queue.js"
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
  /** What becomes of it. */
  readonly edge:
    | { readonly _tag: "Enqueue"; readonly job: NewJob }
    | { readonly _tag: "Schedule"; readonly job: NewScheduledJob; readonly due: DateTime.Utc }
    | { readonly _tag: "Admit"; readonly job: Admission; readonly due: DateTime.Utc | undefined }
}

/** At once wherever no service is asked: an effect for each of many jobs would cost more than the job. */
type MaybeEffect<A, E> = Either.Either<A, E> | Effect.Effect<A, E>

/** Checks and encodes a request; `now` is in milliseconds since 1970. */
export const prepare = (
  request: Request,
  now: number,
  ids: Ids.IdsService
): MaybeEffect<Prepared, Job.InvalidJobError> => {
  // What JavaScript passes may be no request at all, and a Schema of the user's may throw.
  try {
    const definition = definitionOf(request.job)
    const due = dueMillis(request.due, now)
    const encoded = encodePayload(definition, request.payload)
    return Either.isEither(due) && Either.isEither(encoded)
      ? finish(definition, request, now, ids, encoded, due)
      : Effect.flatMap(
        Effect.all([Effect.either(encoded), Effect.either(due)]),
        ([encoded, due]) => {
          try {
            return finish(definition, request, now, ids, encoded, due)
          } catch (cause) {
            return unusable(request, cause)
          }
        }
      )
  } catch (cause) {
    return unusable(request, cause)
  }
}

const unusable = (request: Request | undefined, cause: unknown): Either.Either<never, Job.InvalidJobError> => {
  const job = request?.job
  return Job.isJob(job)
    ? invalid(
      job,
      "request",
      `request: can't be used as it is: ${cause instanceof Error ? cause.message : show(cause)}`,
      cause
    )
    : Either.left(
      new Job.InvalidJobError({
        job: "unknown",
        field: "job",
        message: "job: expected a definition that Job.make made"
      })
    )
}

const finish = (
  definition: Definition,
  { due: { _tag: when }, job, options }: Request,
  now: number,
  ids: Ids.IdsService,
  encoded: Either.Either<Arguments, Job.InvalidJobError>,
  dueMillis: Either.Either<number | undefined, string>
): Either.Either<Prepared, Job.InvalidJobError> => {
  const id = options.jobId ?? ids.unsafeJob()
  const made = frameOf(definition, options, id, when !== "Now", now)
  if (Either.isLeft(made)) return Either.left(made.left)
  const frame = made.right
  if (options.jobId !== undefined && !JobHash.isJobId(id)) {
    return invalid(job, "jobId", `jobId: may hold letters, digits, "_" and "-", got ${show(id)}`)
  }
  if (Either.isLeft(encoded)) return Either.left(encoded.left)
  const { args, kwargs } = encoded.right
  const payload = Payload.encode({ name: job.name, args, kwargs })
  if (Either.isLeft(payload)) {
    // what RQ calls args and kwargs is the payload to the caller
    const asPayload = (text: string) => text.replace(/^(?:kwargs|args)\b/, "payload")
    return invalid(job, asPayload(payload.left.field), asPayload(payload.left.message), payload.left)
  }
  const data = payload.right
  if (Either.isLeft(dueMillis)) return invalid(job, when === "In" ? "in" : "at", dueMillis.left)
  const due = dueMillis.right
  const description = JobHash.shownDescription(options.description ?? Description.describe(job.name, args, kwargs))
  const { common, parents } = frame
  const refuses = options.unique === "refuse"
  if (!frame.asksMore) {
    const edge = due === undefined
      ? new Enqueue(new OwnJob(id, data, description, common))
      : new Schedule(new OwnScheduledJob(id, Date.seconds(due), data, description, common), DateTime.unsafeMake(due))
    return Either.right(new PreparedJob(id, job.name, common.queue, refuses, parents, edge))
  }
  const admission: Admission = {
    id,
    queue: common.queue,
    unique: refuses ? "keep" : options.unique ?? (options.uniqueFor === undefined ? "" : "keep"),
    window: frame.window,
    due: due === undefined ? undefined : Date.seconds(due),
    atFront: common.atFront,
    ttl: common.ttl,
    parents,
    allowFailure: options.allowFailure === true,
    now: Date.seconds(now),
    fields: ["status", frame.status, "data", data, "description", description, ...commonFields(common, frame.status)]
  }
  const edge = { _tag: "Admit", job: admission, due: due === undefined ? undefined : DateTime.unsafeMake(due) } as const
  return Either.right(new PreparedJob(id, job.name, common.queue, refuses, parents, edge))
}

// Classes, and not literals: jobs are held until Redis has answered, by a hundred callers as it may be. V8 takes a literal
// of which most are still held when it looks for long-lived, and puts the next ones, and what they hold, where only a full
// collection finds them: a fifth of what a busy producer takes of its processor.

class PreparedJob implements Prepared {
  constructor(
    readonly id: string,
    readonly name: string,
    readonly queue: string,
    readonly refuses: boolean,
    readonly parents: ReadonlyArray<string>,
    readonly edge: Prepared["edge"]
  ) {}
}

class Enqueue {
  readonly _tag = "Enqueue"
  constructor(readonly job: NewJob) {}
}

class Schedule {
  readonly _tag = "Schedule"
  constructor(readonly job: NewScheduledJob, readonly due: DateTime.Utc) {}
}

class OwnJob implements NewJob {
  constructor(
    readonly id: string,
    readonly data: string,
    readonly description: string,
    readonly common: Common
  ) {}
}

class OwnScheduledJob implements NewScheduledJob {
  constructor(
    readonly id: string,
    readonly due: string,
    readonly data: string,
    readonly description: string,
    readonly common: CommonFields
  ) {}
}

/** What a job is beside its id, its payload and its due time. */
interface Frame {
  readonly common: Common
  /** What it is when it waits for no other job. */
  readonly status: "queued" | "scheduled"
  readonly parents: ReadonlyArray<string>
  /** Whether it is to be unique, or to wait for others. */
  readonly asksMore: boolean
  /** Seconds for which no other job of its id is accepted; undefined for none. */
  readonly window: number | undefined
}

/** What was found out about a definition. */
interface Definition {
  readonly job: Job.Any
  /** Building an encoder costs more than using it. */
  readonly encode: (payload: unknown) => MaybeEffect<unknown, ParseResult.ParseIssue>
  readonly hasDefaults: boolean
  readonly takesNothing: boolean
  /** The frames of jobs of which a call says little, by queue and place. */
  readonly frames: Map<string, Known>
}

/** A frame, and the millisecond that it is of. */
interface Known {
  readonly at: number
  readonly frame: Frame
}

const definitions = new WeakMap<Job.Any, Definition>()

const definitionOf = (job: Job.Any): Definition => {
  let definition = definitions.get(job)
  if (definition === undefined) {
    definition = {
      job,
      // The services of the Schema are in the requirements of `enqueue`, where the type is known. What it answers is an
      // Either unless the Schema does more than compute; its type doesn't say so.
      encode: ParseResult.encodeUnknown(job.payloadSchema as Schema.Schema<unknown, unknown>) as Definition["encode"],
      hasDefaults: mayHaveDefaults(job.payloadSchema),
      takesNothing: isEmptyStruct(job.payloadSchema),
      frames: new Map()
    }
    definitions.set(job, definition)
  }
  return definition
}

const invalid = (
  job: Job.Any,
  field: string,
  message: string,
  cause?: unknown
): Either.Either<never, Job.InvalidJobError> =>
  Either.left(new Job.InvalidJobError({ job: job.name, field, message, ...(cause === undefined ? {} : { cause }) }))

const optionNames = namesOf<EnqueueOptions>({
  queue: true,
  jobId: true,
  atFront: true,
  description: true,
  timeout: true,
  ttl: true,
  resultTtl: true,
  failureTtl: true,
  meta: true,
  retry: true,
  repeat: true,
  dependsOn: true,
  allowFailure: true,
  unique: true,
  uniqueFor: true
})
const retryNames = namesOf<Pick<RetryOptions, "max" | "intervals" | "atFront">>({
  max: true,
  intervals: true,
  atFront: true
})
const repeatNames = namesOf<RepeatOptions>({ times: true, intervals: true })

/** What others call by another name, and what the time of a job is not. */
const elsewhere: Readonly<Record<string, string>> = {
  job_timeout: "did you mean timeout?",
  ...Object.fromEntries(
    ["at", "in", "when", "delay"].map((name) => [name, "enqueueAt and enqueueIn take a time, and Queue.request does"])
  )
}

/** Refuses names that nothing reads, which no type may have looked at. */
const checkNames = (job: Job.Any, options: EnqueueOptions): Either.Either<void, Job.InvalidJobError> => {
  const name = unknownName(options, optionNames)
  if (name !== undefined) {
    const hint = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined
    return invalid(
      job,
      name,
      hint === undefined ? noSuchOption(name, optionNames) : `${show(name)} is no option: ${hint}`
    )
  }
  const inRetry = unknownName(options.retry, retryNames)
  if (inRetry !== undefined) return invalid(job, `retry.${inRetry}`, `retry: ${noSuchOption(inRetry, retryNames)}`)
  const inRepeat = unknownName(options.repeat, repeatNames)
  return inRepeat === undefined
    ? ok
    : invalid(job, `repeat.${inRepeat}`, `repeat: ${noSuchOption(inRepeat, repeatNames)}`)
}

const ok = Either.void

/** Options that change nothing but the place of a job, and what it is called. */
const ofPlace = new Set(["jobId", "queue", "atFront", "description"])

const isPlain = (options: EnqueueOptions): boolean => {
  for (const option in options) {
    if (!ofPlace.has(option) && options[option as keyof EnqueueOptions] !== undefined) return false // one of its keys
  }
  return true
}

/**
 * One for all jobs of a millisecond that ask for nothing of their own. From one millisecond to the next only its dates
 * change.
 */
const frameOf = (
  definition: Definition,
  options: EnqueueOptions,
  id: string,
  isScheduled: boolean,
  now: number
): Either.Either<Frame, Job.InvalidJobError> => {
  if (!isPlain(options) || !isFlag(options.atFront)) return makeFrame(definition.job, options, id, isScheduled, now)
  const { frames } = definition
  const queue = options.queue ?? definition.job.queue
  const place = `${isScheduled ? "later" : "now"} ${options.atFront === true} ${queue}`
  const known = frames.get(place)
  if (known?.at === now) return Either.right(known.frame)
  const made = known === undefined
    ? makeFrame(definition.job, options, id, isScheduled, now)
    : Either.right(renewed(known.frame, now))
  if (Either.isRight(made)) {
    if (known === undefined && frames.size >= mostFrames) frames.clear()
    frames.set(place, { at: now, frame: made.right })
  }
  return made
}

/** Queues may have names that are made up for each job. */
const mostFrames = 64

/** The same in another millisecond. */
const renewed = (frame: Frame, now: number): Frame => ({
  ...frame,
  common: { ...frame.common, date: Date.encode(now) }
})

const makeFrame = (
  job: Job.Any,
  options: EnqueueOptions,
  id: string,
  isScheduled: boolean,
  now: number
): Either.Either<Frame, Job.InvalidJobError> =>
  Either.gen(function*() {
    const queue = options.queue ?? job.queue
    const queueProblem = queueNameProblem(queue)
    if (queueProblem !== undefined) return yield* invalid(job, "queue", `queue: ${queueProblem}`)

    const times = <O>(field: string, options: O | undefined, of: (options: O) => number) => {
      if (options === undefined || options === null) return Either.right(undefined)
      const value = of(options)
      return Number.isInteger(value) && value >= 0 && value <= 1_000_000
        ? Either.right(value)
        : invalid(job, field, `${field}: expected a whole number from 0 to 1,000,000, got ${show(value)}`)
    }
    const intervals = (field: string, value: RetryOptions["intervals"]) =>
      value === undefined
        ? Either.right(undefined)
        : Either.all(
          asList(value).map((interval) => {
            const seconds = toSeconds("resultTtl", interval)
            return Either.isLeft(seconds)
              ? invalid(job, field, seconds.left.replace(/^resultTtl/, field))
              : seconds.right < 0
              ? invalid(job, field, `${field}: a pause that never ends would never be followed by a run`)
              : Either.right(seconds.right)
          })
        )
    const seconds = (field: LifetimeField): Either.Either<number | undefined, Job.InvalidJobError> => {
      const value = options[field] ?? job.defaults[field]
      if (value === undefined) return Either.right(undefined)
      const seconds = toSeconds(field, value)
      return Either.isLeft(seconds) ? invalid(job, field, seconds.left) : Either.right(seconds.right)
    }

    const meta = options.meta === undefined ? undefined : Json.stringify(options.meta, "meta")
    if (meta !== undefined && Either.isLeft(meta)) return yield* invalid(job, "meta", meta.left.message, meta.left)
    if (meta !== undefined && Json.nestsDeeper(meta.right, maxMetaDepth)) {
      return yield* invalid(
        job,
        "meta",
        `meta: nested deeper than ${maxMetaDepth} levels. Flatten it, or make it the payload`
      )
    }

    const timeout = yield* seconds("timeout")
    const ttl = yield* seconds("ttl")
    const resultTtl = yield* seconds("resultTtl")
    const failureTtl = yield* seconds("failureTtl")

    const ofWorkers = askedByWorkers.find((field) => options.retry?.[field] !== undefined)
    if (ofWorkers !== undefined) {
      return yield* invalid(
        job,
        `retry.${ofWorkers}`,
        `retry.${ofWorkers}: belongs into the retry of Job.make, since it is the worker that asks it; a call takes max and intervals`
      )
    }
    yield* checkNames(job, options)
    if (options.unique !== undefined && !uniqueWays.has(options.unique)) {
      return yield* invalid(
        job,
        "unique",
        `unique: expected "refuse", "keep" or "replace", got ${show(options.unique)}`
      )
    }
    const retry = options.retry ?? job.retry
    for (
      const [field, value] of [
        ["atFront", options.atFront],
        ["allowFailure", options.allowFailure],
        ["retry.atFront", retry?.atFront]
      ] as const
    ) {
      if (!isFlag(value)) return yield* invalid(job, field, notAFlag(field, value))
    }
    const atFront = options.atFront === true
    const retriesLeft = yield* times("retry.max", retry, ({ max }) => max)
    const retryIntervals = yield* intervals("retry.intervals", retry?.intervals)
    const repeatsLeft = yield* times("repeat.times", options.repeat, ({ times }) => times)
    const repeatIntervals = yield* intervals("repeat.intervals", options.repeat?.intervals)
    const parents = options.dependsOn === undefined
      ? none
      : [options.dependsOn].flat().map((parent) => typeof parent === "string" ? parent : parent.id)
    const strange = parents.find((parent) => !JobHash.isJobId(parent) || parent === id)
    if (strange !== undefined) {
      return yield* invalid(
        job,
        "dependsOn",
        strange === id
          ? "dependsOn: a job can't wait for itself"
          : `dependsOn: ${show(strange)} is no job id`
      )
    }
    if (parents.length > 0 && isScheduled) {
      return yield* invalid(job, "dependsOn", "dependsOn: a job waits for other jobs or for a time, not for both")
    }
    if ((options.unique !== undefined || options.uniqueFor !== undefined) && options.jobId === undefined) {
      return yield* invalid(job, "jobId", "jobId: a job that shall be unique needs an id of your own")
    }
    const window = options.uniqueFor === undefined ? undefined : yield* Either.match(
      toSeconds("ttl", options.uniqueFor),
      {
        onLeft: (message) => invalid(job, "uniqueFor", message.replace(/^ttl/, "uniqueFor")),
        onRight: Either.right
      }
    )

    const lifetime = ttl === -1 ? undefined : ttl
    const more = JobHash.encodeMore({
      resultTtl,
      failureTtl,
      ttl: lifetime,
      meta: meta?.right,
      // a job that is queued at once needs no mark: it is pushed to the front now
      enqueueAtFront: (isScheduled || parents.length > 0) && atFront,
      retriesLeft,
      retryIntervals,
      enqueueAtFrontOnRetry: retry?.atFront,
      repeatsLeft,
      repeatIntervals,
      dependencyIds: parents,
      allowDependencyFailures: options.allowFailure
    })
    return {
      common: {
        queue,
        timeout: JobHash.timeout(timeout ?? defaultTimeout),
        date: Date.encode(now),
        more,
        atFront,
        ttl: lifetime
      },
      status: isScheduled ? "scheduled" : "queued",
      parents,
      asksMore: parents.length > 0 || options.unique !== undefined || window !== undefined,
      window
    }
  })

/** Parts of a retry policy that no call can carry. Its type says so too, but not to JavaScript. */
const askedByWorkers = ["schedule", "while", "until"] as const

const uniqueWays: ReadonlySet<unknown> = new Set(["refuse", "keep", "replace"])

const none: ReadonlyArray<string> = []

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

const dueMillis = (due: Due, now: number): MaybeEffect<number | undefined, string> => {
  switch (due._tag) {
    case "Now":
      return notDue
    case "At":
      return toDue(due.when)
    case "In": {
      const delay = decodeDuration(due.delay)
      return Option.isSome(delay) && Duration.isFinite(delay.value)
        ? inCalendar(now + Duration.toMillis(delay.value))
        : Either.left(`expected a delay such as "10 seconds", got ${show(due.delay)}`)
    }
  }
}

const notDue = Either.right(undefined)

interface Arguments {
  readonly args: ReadonlyArray<unknown>
  readonly kwargs: Readonly<Record<string, unknown>>
}

const encodePayload = (
  { encode, hasDefaults, job, takesNothing }: Definition,
  payload: unknown
): MaybeEffect<Arguments, Job.InvalidJobError> => {
  const given = payload ?? {}
  if (takesNothing) {
    const keys = Object.keys(given)
    if (keys.length > 0) return misplaced(job, keys)
  }
  const encoded = encode(hasDefaults ? withConstructorDefaults(job.payloadSchema, given) : given)
  return Either.isEither(encoded)
    ? toArguments(job, encoded)
    : Effect.flatMap(Effect.either(encoded), (encoded) => toArguments(job, encoded))
}

/** What a job without fields was given for a payload: mostly its options. */
const misplaced = (job: Job.Any, keys: ReadonlyArray<string>) => {
  const option = keys.find((key) => optionNames.has(key))
  const shown = keys.slice(0, 3).join(", ") + (keys.length > 3 ? ", ..." : "")
  return invalid(
    job,
    "payload",
    `payload of ${job.name}: this job takes none, got ${shown}${
      option === undefined ? "" : `. Options are the argument after the payload: enqueue(job, {}, { ${option}: ... })`
    }`
  )
}

/** Whether a Schema is a struct without fields, which by itself would let anything pass. */
const isEmptyStruct = ({ ast }: Schema.Schema.Any): boolean =>
  ast._tag === "TypeLiteral" && ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0

const toArguments = (
  job: Job.Any,
  encoded: Either.Either<unknown, ParseResult.ParseIssue>
): Either.Either<Arguments, Job.InvalidJobError> => {
  const refuse = (message: string) => invalid(job, "payload", `payload of ${job.name}: ${message}`)
  if (Either.isLeft(encoded)) return refuse(describeIssue(encoded.left))
  const value = encoded.right
  return Array.isArray(value)
    ? Either.right({ args: value, kwargs: {} })
    : typeof value === "object" && value !== null
    ? Either.right({ args: none, kwargs: isPlainObject(value) ? value : { ...value } })
    : refuse("must encode to an object (keyword arguments) or an array (positional arguments)")
}

const isPlainObject = (value: object): value is Record<string, unknown> =>
  Object.getPrototypeOf(value) === Object.prototype

/** Fills in what a constructor of the Schema would, so that fields with a default may be left out. */
const withConstructorDefaults = (schema: Schema.Schema.Any, payload: unknown): unknown => {
  if (!hasConstructor(schema) || payload instanceof Object && payload.constructor !== Object) return payload
  // A constructor may throw for a payload that is no object at all; the encoder says better what is wrong with it.
  return Either.getOrElse(Either.try(() => schema.make(payload, { disableValidation: true })), () => payload)
}

/** Whether a constructor would add anything. A struct of bare Schemas has no defaults. */
const mayHaveDefaults = (schema: Schema.Schema.Any): boolean =>
  hasConstructor(schema) &&
  (schema.ast._tag !== "TypeLiteral" || Object.values(schema.fields).some((field) => !Schema.isSchema(field)))

const hasConstructor = (
  schema: Schema.Schema.Any
): schema is Schema.Schema.Any & {
  fields: object
  make: (props: unknown, options: { disableValidation: boolean }) => unknown
} =>
  "fields" in schema && typeof schema.fields === "object" && schema.fields !== null && "make" in schema &&
  typeof schema.make === "function"
