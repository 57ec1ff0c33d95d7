/**
 * Queues: handing jobs over to be run now, at a time, or after a delay, and looking at them.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { WallClock, When } from "./internal/when.js"
import type * as Job from "./Job.js"
import type * as JobRecord from "./JobRecord.js"
import { enqueue as enqueueScript } from "./lifecycle/enqueue.js"
import { schedule as scheduleScript } from "./lifecycle/schedule.js"
import { type Due, type Options, prepare, type Prepared, type Request as AnyRequest } from "./queue/prepare.js"
import { read as readScript } from "./queue/read.js"
import { fromRaw } from "./queue/record.js"
import * as Redis from "./Redis.js"
import type { WireError } from "./wire/error.js"
import * as keys from "./wire/keys.js"

export type {
  /**
   * What a wall clock shows, without a zone.
   *
   * @since 0.1.0
   * @category models
   */
  WallClock,
  /**
   * A point in time: a `DateTime` (UTC or zoned), a `Date`, or what a wall clock shows, as text
   * (`"2026-12-24 09:15"`, with seconds and parts of a second if wanted) or as parts.
   *
   * A wall clock without a zone is read in `DateTime.CurrentTimeZone` when the app provides one, else in the local time
   * zone. A time that the clocks skip in spring is moved on by the gap (02:30 becomes 03:30); of a time that they show
   * twice in autumn the first is taken. A text may also end in `Z` or an offset such as `+02:00`.
   *
   * @since 0.1.0
   * @category models
   */
  When
}

/**
 * What one call says of its job; everything else comes from the definition, then from RQ's defaults.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnqueueOptions extends Job.Defaults {
  /** Default: the queue of the definition. */
  readonly queue?: string | undefined
  /** Letters, digits, `_` and `-`. Default: a new uuid. A job of this id that exists already is left as it is. */
  readonly jobId?: string | undefined
  /** Puts the job before all others of its queue, now or when it is due. Default: false. */
  readonly atFront?: boolean | undefined
  /** What people see of the job. Default: the call as Python would write it, `app.greet(name='Ada')`. */
  readonly description?: string | undefined
  /** Anything that JSON can hold, kept with the job. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined
}

/**
 * A job that Redis has acknowledged.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRef {
  readonly id: string
  /** The name of the definition. */
  readonly name: string
  readonly queue: string
  /**
   * What the call did: `"exists"` says that there was a job of this id already, which was left as it is. So a call with
   * a `jobId` can be repeated and counts once.
   */
  readonly outcome: "enqueued" | "scheduled" | "exists"
  /** When it is due, of a job for later. */
  readonly dueAt: Option.Option<DateTime.Utc>
}

/**
 * A job to be enqueued together with others, see {@link request}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request<out R = never> extends AnyRequest {
  readonly _R?: () => R
}

/**
 * A part of a list, in the order of the list.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page {
  /** How many to pass over. Default: 0. */
  readonly offset?: number | undefined
  /** How many to return at most. Default: 100. */
  readonly limit?: number | undefined
}

/**
 * A job failed in a way that its definition has no typed error for: a defect, a timeout, a dead worker, or anything
 * that a Python handler raised. `message` is the text that is kept with the job.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobFailed extends Schema.TaggedError<JobFailed>("effect-rq/Queue/JobFailed")("JobFailed", {
  jobId: Schema.String,
  message: Schema.String
}) {}

type PayloadAndOptions<J extends Job.Any, O> = {} extends Job.PayloadInput<J> ?
  [payload?: Job.PayloadInput<J>, options?: O]
  : [payload: Job.PayloadInput<J>, options?: O]

/**
 * A request for {@link QueueService.enqueueMany}. With `at` or `in` it is scheduled, else it is queued at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const request = <J extends Job.Any>(
  job: J,
  ...[payload, options = {}]: PayloadAndOptions<
    J,
    EnqueueOptions & { readonly at?: When | undefined; readonly in?: Duration.DurationInput | undefined }
  >
): Request<Job.PayloadContext<J>> => {
  const { at, in: delay, ...rest } = options
  return {
    job,
    payload,
    options: rest,
    due: at !== undefined ? { _tag: "At", when: at } : delay !== undefined ? { _tag: "In", delay } : { _tag: "Now" }
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface QueueService {
  /**
   * Queues a job to be run as soon as a worker is free.
   *
   * Fails with `InvalidJobError` when the payload or an option can't be accepted, before anything is sent.
   */
  readonly enqueue: <J extends Job.Any>(
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | Redis.RedisError, Job.PayloadContext<J>>
  /**
   * Schedules a job for a point in time, kept to the millisecond. A time in the past is due at once. The job waits in
   * the scheduled registry, not in the queue, until a scheduler promotes it.
   */
  readonly enqueueAt: <J extends Job.Any>(
    when: When,
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | Redis.RedisError, Job.PayloadContext<J>>
  /** Schedules a job for after a delay, as `enqueueAt` does. */
  readonly enqueueIn: <J extends Job.Any>(
    delay: Duration.DurationInput,
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | Redis.RedisError, Job.PayloadContext<J>>
  /**
   * Queues and schedules many jobs, of any definitions and queues, in calls of 250. All of them are checked before the
   * first is sent. Each call is atomic; when one fails, those before it have been accepted, so give the jobs ids of
   * your own if you mean to repeat it.
   */
  readonly enqueueMany: <R = never>(
    requests: Iterable<Request<R>>
  ) => Effect.Effect<ReadonlyArray<JobRef>, Job.InvalidJobError | Redis.RedisError, R>
  /** Whether a job waits in its queue. Looks at the queue that the job belongs to unless another is named. */
  readonly contains: (jobId: string, queue?: string) => Effect.Effect<boolean, Redis.RedisError>
  /** How many jobs wait in a queue. */
  readonly length: (queue: string) => Effect.Effect<number, Redis.RedisError>
  /** The ids of the jobs that wait in a queue, the next to run first. */
  readonly jobIds: (queue: string, page?: Page) => Effect.Effect<ReadonlyArray<string>, Redis.RedisError>
  /** The names of all queues that were ever used, in order of the alphabet. */
  readonly names: Effect.Effect<ReadonlyArray<string>, Redis.RedisError>
  /** A job as Redis holds it; none when there is no job of this id. Fails with `WireError` when it can't be read. */
  readonly fetch: (
    jobId: string
  ) => Effect.Effect<Option.Option<JobRecord.JobRecord>, Redis.RedisError | WireError>
  /**
   * How a job ended, typed by its definition; none while it has not, or when it is not kept any more.
   *
   * Fails with `ParseError` when what is kept doesn't fit the Schemas of the definition.
   */
  readonly result: <J extends Job.Any>(
    job: J,
    jobId: string
  ) => Effect.Effect<
    Option.Option<Exit.Exit<Job.Success<J>, Job.Failure<J> | JobFailed>>,
    Redis.RedisError | WireError | ParseResult.ParseError,
    Job.OutcomeContext<J>
  >
}

/**
 * The queue service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { DateTime, Effect, Schema } from "effect"
 * import { Job, Queue, RedisMemory } from "effect-rq"
 *
 * const Greet = Job.make("app.greet", { payload: { name: Schema.String } })
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* Queue.Queue
 *   yield* queue.enqueue(Greet, { name: "Ada" })
 *   yield* queue.enqueueIn("10 seconds", Greet, { name: "Grace" })
 *   const when = DateTime.unsafeMakeZoned("2026-10-10T09:15:00", { timeZone: "Europe/Paris", adjustForTimeZone: true })
 *   const job = yield* queue.enqueueAt(when, Greet, { name: "Alan" }, { jobId: "greet-alan" })
 *   return yield* queue.contains(job.id) // false: it waits in the scheduled registry
 * }).pipe(Effect.provide(Queue.layer), Effect.provide(RedisMemory.layer))
 * ```
 */
export class Queue extends Context.Tag("effect-rq/Queue")<Queue, QueueService>() {}

/** How many jobs one call carries: it blocks Redis for a few milliseconds. */
const callSize = 250

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<QueueService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const enqueue = redis.eval(enqueueScript)
  const schedule = redis.eval(scheduleScript)
  const read = redis.eval(readScript)

  const toRef = (prepared: Prepared, added: boolean): JobRef => ({
    id: prepared.id,
    name: prepared.name,
    queue: prepared.queue,
    outcome: !added ? "exists" : prepared.new._tag === "Enqueue" ? "enqueued" : "scheduled",
    dueAt: prepared.new._tag === "Schedule" ? Option.some(prepared.new.due) : Option.none()
  })

  const submit = (prepared: Prepared): Effect.Effect<JobRef, Redis.RedisError> =>
    Effect.map(
      prepared.new._tag === "Enqueue" ? enqueue([prepared.new.job]) : schedule([prepared.new.job]),
      ([added]) => toRef(prepared, added === true)
    )

  const enqueueOne = <J extends Job.Any>(
    due: Due,
    job: J,
    payload: unknown,
    options: Options = {}
  ): Effect.Effect<JobRef, Job.InvalidJobError | Redis.RedisError, Job.PayloadContext<J>> =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => Effect.flatMap(prepare({ job, payload, options, due }, now), submit)
    )

  const fetch = (jobId: string) => Effect.flatMap(read([jobId]), ([raw]) => fromRaw(jobId, raw!)) // one row for each id

  return {
    enqueue: (job, ...[payload, options]) => enqueueOne({ _tag: "Now" }, job, payload, options),
    enqueueAt: (when, job, ...[payload, options]) => enqueueOne({ _tag: "At", when }, job, payload, options),
    enqueueIn: (delay, job, ...[payload, options]) => enqueueOne({ _tag: "In", delay }, job, payload, options),
    enqueueMany: Effect.fnUntraced(function*(requests) {
      const now = yield* Clock.currentTimeMillis
      const all = yield* Effect.forEach(requests, (request) => prepare(request, now))
      const refs: Array<JobRef> = []
      for (const part of Chunk.chunksOf(Chunk.unsafeFromArray(all), callSize)) {
        const queued = [...part].flatMap((one) => one.new._tag === "Enqueue" ? [one.new.job] : [])
        const scheduled = [...part].flatMap((one) => one.new._tag === "Schedule" ? [one.new.job] : [])
        const [enqueued, later] = yield* Effect.all([
          queued.length > 0 ? enqueue(queued) : Effect.succeed([]),
          scheduled.length > 0 ? schedule(scheduled) : Effect.succeed([])
        ])
        let nextQueued = 0
        let nextScheduled = 0
        for (const one of part) {
          const added = one.new._tag === "Enqueue" ? enqueued[nextQueued++] : later[nextScheduled++]
          refs.push(toRef(one, added === true))
        }
      }
      return refs
    }),
    contains: Effect.fnUntraced(function*(jobId, queue) {
      const name = queue ?? (yield* redis.send<string | null>("HGET", keys.job(jobId), "origin"))
      if (name === null) return false
      return (yield* redis.send<number | null>("LPOS", keys.queue(name), jobId)) !== null
    }),
    length: (queue) => redis.send<number>("LLEN", keys.queue(queue)),
    jobIds: (queue, { limit = 100, offset = 0 } = {}) =>
      limit <= 0
        ? Effect.succeed([])
        : redis.send<ReadonlyArray<string>>("LRANGE", keys.queue(queue), offset, offset + limit - 1),
    names: Effect.map(
      redis.send<ReadonlyArray<string>>("SMEMBERS", keys.queues),
      (members) => members.flatMap((member) => keys.queueName(member) ?? []).sort()
    ),
    fetch,
    result: <J extends Job.Any>(job: J, jobId: string) =>
      Effect.flatMap(
        fetch(jobId),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (record) => readResult(job, record)
        })
      )
  }
})

const readResult = <J extends Job.Any>(
  job: J,
  record: JobRecord.JobRecord
): Effect.Effect<
  Option.Option<Exit.Exit<Job.Success<J>, Job.Failure<J> | JobFailed>>,
  ParseResult.ParseError,
  Job.OutcomeContext<J>
> => {
  // `Job.Any` hides the types of the Schemas; the signature states them again.
  const success = job.successSchema as Schema.Schema<Job.Success<J>, unknown, Job.OutcomeContext<J>>
  const failure = job.errorSchema as Schema.Schema<Job.Failure<J>, unknown, Job.OutcomeContext<J>>
  if (record.status === "finished") {
    const value = Option.match(record.outcome, { onNone: () => undefined, onSome: (outcome) => outcome.returnValue })
    const decode = Schema.decodeUnknown(success)
    // Python's None is stored as nothing at all; a Schema may want it as undefined or as null.
    return Effect.map(
      value === undefined ? Effect.orElse(decode(undefined), () => decode(null)) : decode(value),
      (decoded) => Option.some(Exit.succeed(decoded))
    )
  }
  if (record.status !== "failed" && record.status !== "stopped") return Effect.succeedNone
  const error = Option.flatMap(record.outcome, (outcome) => outcome.error)
  if (Option.isSome(error)) {
    return Effect.map(Schema.decodeUnknown(failure)(error.value), (decoded) => Option.some(Exit.fail(decoded)))
  }
  const message = Option.flatMap(record.outcome, (outcome) => outcome.exception).pipe(
    Option.getOrElse(() => "the text of the failure is not kept any more")
  )
  return Effect.succeedSome(Exit.fail(new JobFailed({ jobId: record.id, message })))
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Queue, never, Redis.Redis> = Layer.effect(Queue, make)
