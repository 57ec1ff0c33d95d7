/**
 * Queues: handing jobs over to be run now, at a time, or after a delay, and looking at them.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as DefaultServices from "effect/DefaultServices"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Ids from "./Ids.js"
import type { InvalidOptions } from "./internal/options.js"
import { toRange } from "./internal/page.js"
import type { WallClock, When } from "./internal/when.js"
import type * as Job from "./Job.js"
import type * as JobRecord from "./JobRecord.js"
import * as Awaiting from "./queue/awaiting.js"
import type { AwaitTimeout, JobExists, JobFailed, JobMissing } from "./queue/errors.js"
import * as Manage from "./queue/manage.js"
import { type Due, prepare, type Request as AnyRequest } from "./queue/prepare.js"
import { read as readScript } from "./queue/read.js"
import { fromRaw } from "./queue/record.js"
import * as Reschedule from "./queue/reschedule.js"
import { awaitResult, history, readResult } from "./queue/results.js"
import * as Submit from "./queue/submit.js"
import * as Redis from "./Redis.js"
import type { RetryOptions } from "./Retry.js"
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
 * How often a job runs again after it succeeded.
 *
 * @since 0.1.0
 * @category models
 */
export interface RepeatOptions {
  /** How many times after the first, from 0 to 1,000,000. */
  readonly times: number
  /** The pause before each repetition, one for all or one for each; the last stands for those that follow. Default: none. */
  readonly intervals?: Duration.DurationInput | ReadonlyArray<Duration.DurationInput> | undefined
}

/**
 * A job to wait for: its id, or what enqueueing it answered.
 *
 * @since 0.1.0
 * @category models
 */
export type Dependency = string | { readonly id: string }

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
  /**
   * How often the job runs again when it fails, and after which pauses. Default: what the definition says. A policy with a
   * `schedule`, `while` or `until`, as `Retry.standard`, belongs into the definition, since its worker asks it.
   */
  readonly retry?: RetryOptions | undefined
  /**
   * How often the job runs again after it succeeded, and after which pauses, in the order given; the last one stands for
   * all that follow. One run never overlaps the next. Default: not at all.
   */
  readonly repeat?: RepeatOptions | undefined
  /**
   * Jobs that must have finished before this one is queued. A job that is gone counts as finished. Can't be combined with
   * a time.
   */
  readonly dependsOn?: Dependency | ReadonlyArray<Dependency> | undefined
  /** Whether a job that it waits for may also have failed, or have been stopped or canceled. Default: false. */
  readonly allowFailure?: boolean | undefined
  /**
   * What to do when there is a job of this `jobId` that has not ended: fail with `JobExists` (`"refuse"`), leave it and
   * answer `"exists"` (`"keep"`), or replace its payload, options and time while it has not been started (`"replace"`,
   * which makes a debounce together with `enqueueIn`). A job that has ended makes way for the new one. Default: any job
   * of this id is left as it is for as long as it is kept, also after its end.
   */
  readonly unique?: "refuse" | "keep" | "replace" | undefined
  /** For how long from now no other job of this `jobId` is accepted once this one has ended. */
  readonly uniqueFor?: Duration.DurationInput | undefined
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
   * What the call did: queued it, scheduled it, left it to wait for other jobs (`"deferred"`), or replaced one that had
   * not been started. `"exists"` says that there was a job of this id already, which was left as it is: so a call with a
   * `jobId` can be repeated and counts once.
   */
  readonly outcome: "enqueued" | "scheduled" | "deferred" | "replaced" | "exists"
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

export {
  /**
   * A job has not ended in the time given.
   *
   * @since 0.1.0
   * @category errors
   */
  AwaitTimeout,
  /**
   * There is a job of this id that has not ended, and `unique: "refuse"` was asked for.
   *
   * @since 0.1.0
   * @category errors
   */
  JobExists,
  /**
   * A job failed in a way that its definition has no typed error for: a defect, a timeout, a dead worker, a stop, or
   * anything that a Python handler raised. `message` is the text that is kept with the job.
   *
   * @since 0.1.0
   * @category errors
   */
  JobFailed,
  /**
   * There is no job of this id, or it is not kept any more.
   *
   * @since 0.1.0
   * @category errors
   */
  JobMissing
} from "./queue/errors.js"

/**
 * What became of a job that was to be canceled or stopped.
 *
 * - `"canceled"`: it had not been started, and never will be.
 * - `"stopping"`: it runs, and its worker was told to interrupt it.
 * - `"stopped"`: its worker has interrupted it (only when asked to wait).
 * - `"ended"`: it had ended already, or ended meanwhile by itself.
 * - `"waiting"`: it was to be stopped, but has not been started.
 * - `"missing"`: there is no such job.
 *
 * @since 0.1.0
 * @category models
 */
export interface CancelOutcome {
  readonly id: string
  readonly outcome: "canceled" | "stopping" | "stopped" | "ended" | "waiting" | "missing"
}

/**
 * Whether a job was changed, and what its status was before; no status when there is no such job.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changed {
  readonly id: string
  readonly changed: boolean
  readonly status: Option.Option<JobRecord.Status>
}

/**
 * Whether to wait for what was told to stop.
 *
 * @since 0.1.0
 * @category models
 */
export interface StopOptions {
  /**
   * For how long to wait until the worker of a started job has interrupted it; what is longer than 24 days waits without
   * end. Default: not at all. `InvalidOptions` for what is no length of time, before anything is done.
   */
  readonly wait?: Duration.DurationInput | undefined
}

/**
 * How to queue a job again.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequeueOptions {
  /** Puts the job before all others of its queue. Default: false. */
  readonly atFront?: boolean | undefined
}

/**
 * For how long to wait for the end of a job.
 *
 * @since 0.1.0
 * @category models
 */
export interface AwaitOptions {
  /** After which `AwaitTimeout` comes. What is longer than 24 days waits without end. */
  readonly timeout: Duration.DurationInput
}

export {
  /**
   * An option that can't be used: `field` names it, the message says what would be right.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidOptions
} from "./internal/options.js"

type PayloadAndOptions<J extends Job.Any, O> = {} extends Job.PayloadInput<J> ?
  [payload?: Job.PayloadInput<J>, options?: O]
  : [payload: Job.PayloadInput<J>, options?: O]

/**
 * A request for {@link QueueService.enqueueMany}. With `at` or `in` it is scheduled, else it is queued at once.
 *
 * It checks nothing: what can't be accepted is told by `enqueueMany`. With both, `at` counts.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Job, Queue } from "effect-rq"
 *
 * const Greet = Job.make("app.greet", { payload: { name: Schema.String } })
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* Queue.Queue
 *   return yield* queue.enqueueMany([
 *     Queue.request(Greet, { name: "Ada" }),
 *     Queue.request(Greet, { name: "Grace" }, { in: "1 hour", queue: "low" }),
 *     Queue.request(Greet, { name: "Alan" }, { at: "2030-10-10 09:15", jobId: "greet-alan" })
 *   ])
 * })
 * ```
 */
export const request = <J extends Job.Any>(
  job: J,
  ...[payload, options = {}]: PayloadAndOptions<
    J,
    EnqueueOptions & { readonly at?: When | undefined; readonly in?: Duration.DurationInput | undefined }
  >
): Request<Job.PayloadContext<J>> => {
  // What is no object is refused, with the request, by whoever takes it.
  if (typeof options !== "object" || options === null) return { job, payload, options, due: { _tag: "Now" } }
  const { at, in: delay, ...rest } = options
  return {
    job,
    payload,
    options: rest,
    due: at !== undefined ? { _tag: "At", when: at } : delay !== undefined ? { _tag: "In", delay } : { _tag: "Now" }
  }
}

/**
 * Hands jobs over, looks at them, and moves those that are there. Each call that fails with `RedisError` of reason
 * `connection` or `timeout` may have been carried out; with a `jobId` of your own, and by ids, it can be repeated and
 * counts once.
 *
 * @since 0.1.0
 * @category models
 */
export interface QueueService {
  /**
   * Queues a job to be run as soon as a worker is free.
   *
   * Jobs that are handed over at the same time, one by one or scheduled, leave together in one call, in their order. Each
   * caller has its own outcome, and an interruption takes back only its own job, while it was not sent.
   *
   * Fails with `InvalidJobError` when the payload or an option can't be accepted, before anything is sent, and with
   * `JobExists` when `unique: "refuse"` was asked for and there is such a job.
   */
  readonly enqueue: <J extends Job.Any>(
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | JobExists | Redis.RedisError, Job.PayloadContext<J>>
  /**
   * Schedules a job for a point in time, kept to the millisecond. A time in the past is due at once. The job waits in
   * the scheduled registry, not in the queue, until a scheduler promotes it.
   *
   * Fails with `InvalidJobError` as `enqueue` does, and for a time that can't be read or is not between the years 1 and
   * 9999 (`field` is `at`).
   */
  readonly enqueueAt: <J extends Job.Any>(
    when: When,
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | JobExists | Redis.RedisError, Job.PayloadContext<J>>
  /**
   * Schedules a job for after a delay, as `enqueueAt` does. A number is milliseconds. Fails with `InvalidJobError` as
   * `enqueue` does, and for what is no length of time, below zero or without end (`field` is `in`).
   */
  readonly enqueueIn: <J extends Job.Any>(
    delay: Duration.DurationInput,
    job: J,
    ...rest: PayloadAndOptions<J, EnqueueOptions>
  ) => Effect.Effect<JobRef, Job.InvalidJobError | JobExists | Redis.RedisError, Job.PayloadContext<J>>
  /**
   * Queues and schedules many jobs, of any definitions and queues, in calls of 250, two at a time. All of them are checked
   * before the first is sent. Each call is atomic; when one fails, those before it have been accepted, and the one that
   * was on its way beside it may have been, so give the jobs ids of your own if you mean to repeat it. The answers are in
   * the order of the requests.
   *
   * Fails with `InvalidJobError` for the first request that can't be accepted, and for jobs that wait for one another in a
   * circle: before anything is sent, unless the circle goes through jobs that are there already. Fails with `JobExists` at
   * the first job of `unique: "refuse"` that is there. Jobs that are `unique` or wait for others are sent last, one by one,
   * each after those that it waits for.
   */
  readonly enqueueMany: <R = never>(
    requests: Iterable<Request<R>>
  ) => Effect.Effect<ReadonlyArray<JobRef>, Job.InvalidJobError | JobExists | Redis.RedisError, R>
  /** Whether a job waits in its queue. Looks at the queue that the job belongs to unless another is named. */
  readonly contains: (jobId: string, queue?: string) => Effect.Effect<boolean, Redis.RedisError>
  /** How many jobs wait in a queue. */
  readonly length: (queue: string) => Effect.Effect<number, Redis.RedisError>
  /**
   * The ids of the jobs that wait in a queue, the next to run first. Fails with `InvalidOptions` for what is no page.
   */
  readonly jobIds: (
    queue: string,
    page?: Page
  ) => Effect.Effect<ReadonlyArray<string>, InvalidOptions | Redis.RedisError>
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
  /**
   * Waits for the end of a job, whoever runs it: succeeds with what it succeeds with, fails with its typed error or with
   * `JobFailed`. Of a job that repeats it is the next run. Woken by Redis, over one connection for all that are awaited.
   *
   * Fails with `AwaitTimeout` when it has not ended in time, and with `JobMissing` when there is no such job.
   */
  readonly await: <J extends Job.Any>(
    job: J,
    jobId: string,
    options: AwaitOptions
  ) => Effect.Effect<
    Job.Success<J>,
    | Job.Failure<J>
    | JobFailed
    | JobMissing
    | AwaitTimeout
    | InvalidOptions
    | Redis.RedisError
    | WireError
    | ParseResult.ParseError,
    Job.OutcomeContext<J>
  >
  /** How the last runs of a job ended, the latest first, ten at most. A void success leaves no trace. */
  readonly history: (
    jobId: string
  ) => Effect.Effect<ReadonlyArray<JobRecord.Outcome>, Redis.RedisError | WireError>
  /**
   * Cancels a job that has not been started; one that runs is stopped: its worker is told to interrupt it, finalizers run.
   * What Python's workers run is stopped as well.
   */
  readonly cancel: (
    jobId: string,
    options?: StopOptions
  ) => Effect.Effect<CancelOutcome, InvalidOptions | Redis.RedisError>
  /** Cancels many, in calls of 250. With `wait` ten of those that run are waited for at a time. */
  readonly cancelMany: (
    jobIds: Iterable<string>,
    options?: StopOptions
  ) => Effect.Effect<ReadonlyArray<CancelOutcome>, InvalidOptions | Redis.RedisError>
  /** Stops a job that runs, and leaves one that waits. A stopped job is not tried again. */
  readonly stop: (
    jobId: string,
    options?: StopOptions
  ) => Effect.Effect<CancelOutcome, InvalidOptions | Redis.RedisError>
  /** Queues a job again that has failed, finished, or was canceled or stopped; leaves one that waits or runs. */
  readonly requeue: (
    jobId: string,
    options?: RequeueOptions
  ) => Effect.Effect<Changed, InvalidOptions | Redis.RedisError>
  /** Queues many again, in calls of 250. */
  readonly requeueMany: (
    jobIds: Iterable<string>,
    options?: RequeueOptions
  ) => Effect.Effect<ReadonlyArray<Changed>, InvalidOptions | Redis.RedisError>
  /**
   * Gives a job that is scheduled another time, kept to the millisecond, whichever queue it is of; leaves one that waits in
   * its queue, runs or has ended. A time in the past is due at once.
   *
   * Fails with `InvalidJobError` when the time can't be read.
   */
  readonly reschedule: (
    jobId: string,
    when: When
  ) => Effect.Effect<Changed, Job.InvalidJobError | Redis.RedisError>
  /** Deletes a job with its results, wherever it rests. One that runs is left: stop it first. */
  readonly delete: (jobId: string) => Effect.Effect<Changed, Redis.RedisError>
  /** Deletes many, in calls of 250. */
  readonly deleteMany: (jobIds: Iterable<string>) => Effect.Effect<ReadonlyArray<Changed>, Redis.RedisError>
  /** Deletes all jobs that wait in a queue, in slices, and tells how many. What is queued meanwhile stays. */
  readonly empty: (queue: string) => Effect.Effect<number, Redis.RedisError>
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

/** What a job gets from outside: the time, in milliseconds since 1970, and its id. */
const withOutside = <A, E, R>(
  f: (now: number, ids: Ids.IdsService) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const clock = Context.get(fiber.getFiberRef(DefaultServices.currentServices), Clock.Clock)
    return f(clock.unsafeCurrentTimeMillis(), Context.get(fiber.currentContext, Ids.Ids))
  })

/** How many jobs are prepared before other fibers have their turn. */
const sliceSize = 500

/** As `Effect.forEach`, but what is there at once costs no more than a function. */
const inSlices = <A, B, E, R>(
  items: Iterable<A>,
  f: (item: A) => Effect.Effect<B, E, R> | Either.Either<B, E>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.gen(function*() {
    const out: Array<B> = []
    for (const item of items) {
      const made = f(item)
      out.push(Either.isEither(made) && Either.isRight(made) ? made.right : yield* made)
      if (out.length % sliceSize === 0) yield* Effect.yieldNow()
    }
    return out
  })

/** What is no list is one request that nobody can use. */
const iterable = <A>(items: Iterable<A>): Iterable<A> =>
  typeof items === "object" && items !== null && Symbol.iterator in items ? items : [items]

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Queue, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* Queue.make
 *   return yield* queue.length("mail")
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<QueueService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const read = redis.eval(readScript)
  const submit = Submit.make(redis)
  const awaiting = Awaiting.make(redis)
  const manage = Manage.make(redis, awaiting)

  const enqueueOne = <J extends Job.Any>(
    due: Due,
    job: J,
    payload: unknown,
    options: EnqueueOptions = {}
  ): Effect.Effect<JobRef, Job.InvalidJobError | JobExists | Redis.RedisError, Job.PayloadContext<J>> =>
    withOutside((now, ids) => {
      const prepared = prepare({ job, payload, options, due }, now, ids)
      return Either.isEither(prepared) && Either.isRight(prepared)
        ? submit.one(prepared.right)
        : Effect.flatMap(prepared, submit.one)
    })

  const fetch = (jobId: string) => Effect.flatMap(read([jobId]), ([raw]) => fromRaw(jobId, raw!)) // one row for each id

  return {
    enqueue: (job, ...[payload, options]) => enqueueOne({ _tag: "Now" }, job, payload, options),
    enqueueAt: (when, job, ...[payload, options]) => enqueueOne({ _tag: "At", when }, job, payload, options),
    enqueueIn: (delay, job, ...[payload, options]) => enqueueOne({ _tag: "In", delay }, job, payload, options),
    enqueueMany: (requests) =>
      withOutside((now, ids) =>
        Effect.flatMap(inSlices(iterable(requests), (request) => prepare(request, now, ids)), submit.many)
      ),
    contains: Effect.fnUntraced(function*(jobId, queue) {
      const name = queue ?? (yield* redis.send<string | null>("HGET", keys.job(jobId), "origin"))
      if (name === null) return false
      return (yield* redis.send<number | null>("LPOS", keys.queue(name), jobId)) !== null
    }),
    length: (queue) => redis.send<number>("LLEN", keys.queue(queue)),
    jobIds: (queue, page) =>
      Effect.flatMap(
        toRange(page),
        (range) =>
          range === undefined
            ? Effect.succeed([])
            : redis.send<ReadonlyArray<string>>("LRANGE", keys.queue(queue), ...range)
      ),
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
      ),
    await: (job, jobId, options) => awaitResult(awaiting, fetch, job, jobId, options),
    history: (jobId) => history(redis, jobId),
    cancel: (jobId, options) => Effect.map(manage.cancelMany([jobId], options), ([outcome]) => outcome!), // one id
    cancelMany: manage.cancelMany,
    stop: manage.stop,
    requeue: (jobId, options) => Effect.map(manage.requeueMany([jobId], options), ([changed]) => changed!), // one id
    requeueMany: manage.requeueMany,
    reschedule: Reschedule.make(redis).byId,
    delete: (jobId) => Effect.map(manage.deleteMany([jobId]), ([changed]) => changed!), // one id
    deleteMany: manage.deleteMany,
    empty: manage.empty
  }
})

/**
 * The service on the `Redis` that the Layer is given. It asks the server for nothing until it is used.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Queue, RedisLive } from "effect-rq"
 *
 * const Live = Queue.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* Queue.Queue
 *   return yield* queue.length("mail")
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Queue, never, Redis.Redis> = Layer.effect(Queue, make)
