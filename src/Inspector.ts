/**
 * Looking at a whole deployment: queues and who leads them, workers, schedulers; and at the life of one job. It only
 * reads, in calls that never hold up Redis for long however much there is.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Facts from "./inspector/facts.js"
import { readHashes } from "./inspector/hashes.js"
import { type RawQueue, readQueues } from "./inspector/queues.js"
import * as Tell from "./inspector/story.js"
import type { Status } from "./JobRecord.js"
import * as Redis from "./Redis.js"
import * as Bytes from "./wire/bytes.js"
import * as Date from "./wire/date.js"
import * as Wire from "./wire/error.js"
import type { WireError } from "./wire/error.js"
import * as keys from "./wire/keys.js"
import * as SchedulerHash from "./wire/scheduler.js"
import * as WorkerHash from "./wire/worker.js"

/**
 * Who leads a queue: the scheduler that promotes its jobs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leader {
  /** The name of the scheduler, of effect-rq or of Python's RQ. */
  readonly name: string
  /** When its lease lapses unless it is renewed; none: never. */
  readonly lapsesAt: Option.Option<DateTime.Utc>
}

/**
 * A queue at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface QueueInfo {
  readonly name: string
  /** How many jobs wait to be run now. */
  readonly queued: number
  /** How many jobs wait for their time, those that are overdue included. */
  readonly scheduled: number
  readonly started: number
  readonly finished: number
  readonly failed: number
  readonly deferred: number
  readonly canceled: number
  /** The job at the head of the queue and since when it is queued; for how long is what a worker is behind. */
  readonly oldestWaiting: Option.Option<{
    readonly id: string
    readonly enqueuedAt: Option.Option<DateTime.Utc>
  }>
  /** When the next job is due that is not due yet. */
  readonly nextDue: Option.Option<DateTime.Utc>
  /** How many jobs are due and not promoted yet. */
  readonly overdue: number
  /** For how long the first of them is due: what the scheduler is behind. Zero when none is. */
  readonly lag: Duration.Duration
  /** None while no scheduler leads the queue: nothing is promoted then. */
  readonly leader: Option.Option<Leader>
  /** A key of the queue that holds something foreign; what it would have told is 0 or none here. */
  readonly problem: Option.Option<WireError>
}

/**
 * A worker as it last told of itself, of effect-rq or of Python's RQ.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerInfo {
  readonly name: string
  /** `"started"`, `"idle"`, `"busy"`, `"suspended"`, or what a later RQ calls it; none when it doesn't say. */
  readonly state: Option.Option<string>
  readonly queues: ReadonlyArray<string>
  /** The id of a job that it runs: the oldest one, where it says which that is (a worker of RQ 3 does not). */
  readonly currentJob: Option.Option<string>
  readonly successful: number
  readonly failed: number
  readonly workingTime: Duration.Duration
  readonly born: Option.Option<DateTime.Utc>
  readonly lastHeartbeat: Option.Option<DateTime.Utc>
  readonly hostname: Option.Option<string>
  readonly pid: Option.Option<number>
  /** Name and version of the library that runs it. */
  readonly version: Option.Option<string>
  /** Why what it has told of itself can't be read; then all but its name is none, empty or 0 here. */
  readonly problem: Option.Option<WireError>
}

/**
 * A scheduler that leads at least one queue.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchedulerInfo {
  readonly name: string
  /** The queues that it leads, of those that were asked for. */
  readonly leads: ReadonlyArray<string>
  /** The queues that it serves; empty when it doesn't say. */
  readonly queues: ReadonlyArray<string>
  readonly born: Option.Option<DateTime.Utc>
  readonly lastHeartbeat: Option.Option<DateTime.Utc>
  readonly hostname: Option.Option<string>
  readonly pid: Option.Option<number>
  /** Why what it has told of itself can't be read; then all but its name and what it leads is none or empty here. */
  readonly problem: Option.Option<WireError>
}

/**
 * Why something in the life of a job took its time. Kinds may be added.
 *
 * - `"scheduled"`, `"back-off"`, `"repeat"`, `"dependency"`: it was meant to: it was not due, paused before its next try or
 *   its next repetition, or waited for other jobs.
 * - `"past"`: it was scheduled for a time that had passed.
 * - `"tick"`: a scheduler looks once a second for what nothing tells it of.
 * - `"no-leader"`, `"takeover"`: no scheduler led its queue, since the last one had stopped or had crashed.
 * - `"paused"`, `"suspended"`: its queue, or the whole fleet.
 * - `"no-worker"`, `"busy"`, `"backlog"`: no worker was there, the workers ran other jobs, others were queued before it.
 * - `"requeue"`: somebody queued it again.
 * - `"clock"`: the clocks of two hosts differ.
 * - `"unknown"`: what would tell it is not kept. It is never guessed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reason {
  readonly kind: Tell.ReasonKind
  readonly message: string
}

/**
 * A moment in the life of a job.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment {
  readonly what: Tell.MomentKind
  /** None where it is not kept. */
  readonly at: Option.Option<DateTime.Utc>
  /** Since the moment before; none where one of the two is not kept. */
  readonly after: Option.Option<Duration.Duration>
  /** The scheduler that promoted it, or the worker that ran it. */
  readonly by: Option.Option<string>
  /** What happened, in words. */
  readonly detail: string
  /** Why it came that long after the moment before; none where that is a matter of course. */
  readonly reasons: ReadonlyArray<Reason>
}

/**
 * The life of one job, as far as Redis still tells.
 *
 * @since 0.1.0
 * @category models
 */
export interface Story {
  readonly id: string
  /** None when the job is gone, or can't be read: then only the runs are known that left a trace. */
  readonly status: Option.Option<Status>
  readonly queue: Option.Option<string>
  readonly description: Option.Option<string>
  /** Who leads its queue now. */
  readonly leader: Option.Option<string>
  /** In the order in which they came. */
  readonly moments: ReadonlyArray<Moment>
  /** What it waits for now. */
  readonly waitsFor: ReadonlyArray<Reason>
  /** Why the job can't be read. Of a run that can't be read its moment tells. */
  readonly problem: Option.Option<WireError>
}

/**
 * What all are doing, read from Redis and never changed. Names that are no list fail with `RedisError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface InspectorService {
  /** Queues in the order of their names, or those named in the order given. Default: all that were ever used. */
  readonly queues: (names?: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<QueueInfo>, Redis.RedisError>
  /**
   * Who leads a queue. Fails with `WireError` when something foreign stands where leaders write their name: nobody can
   * lead then.
   */
  readonly leader: (queue: string) => Effect.Effect<Option.Option<Leader>, Redis.RedisError | WireError>
  /**
   * Workers in the order of their names; of these queues, or all. One that can't be read is among them, with its
   * `problem`; a queue of which it can't be read who listens on it says so in its own, see `queues`.
   */
  readonly workers: (
    queues?: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<WorkerInfo>, Redis.RedisError>
  /**
   * The schedulers that lead these queues, or any. Those that stand by are not known to Redis. One that can't be read is
   * among them, with its `problem`; a queue of which it can't be read who leads it says so in its own, see `queues`.
   */
  readonly schedulers: (
    queues?: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<SchedulerInfo>, Redis.RedisError>
  /**
   * The life of a job with its times: when it was created, due, promoted and by whom, run and by which worker, how each run
   * ended, and why there is time in between. None when neither the job nor a run of it is kept. What is told is what the
   * job, its results, the jobs around it and the journals of who led and what was paused still hold.
   */
  readonly explain: (jobId: string) => Effect.Effect<Option.Option<Story>, Redis.RedisError>
}

/**
 * The inspector service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Duration, Effect, Option } from "effect"
 * import { Inspector, RedisLive } from "effect-rq"
 *
 * const report = Effect.gen(function*() {
 *   const inspector = yield* Inspector.Inspector
 *   for (const queue of yield* inspector.queues()) {
 *     if (Option.isNone(queue.leader)) yield* Effect.logWarning(`nobody promotes the jobs of ${queue.name}`)
 *     if (Duration.greaterThan(queue.lag, "5 seconds")) yield* Effect.logWarning(`${queue.name} is late`)
 *   }
 * }).pipe(Effect.provide(Inspector.layer), Effect.provide(RedisLive.layer()))
 * ```
 */
export class Inspector extends Context.Tag("effect-rq/Inspector")<Inspector, InspectorService>() {}

const checked = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, Redis.RedisError> =>
  Array.isArray(names) ? Effect.succeed(names) : Effect.fail(
    new Redis.RedisError({
      reason: "reply",
      command: "inspect",
      code: "ERR",
      message: "inspect: expected a list of names of queues"
    })
  )

const isWrongType = ({ code }: Redis.RedisError): boolean => code === "WRONGTYPE"

/** How many queues or workers one call reads. */
const callSize = 100

/** What stands in Redis may be beyond what there are dates for. */
const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined ? Option.none() : DateTime.make(millis)

const toLeader = (name: string, leaseMillis: number, now: number): Option.Option<Leader> =>
  name === ""
    ? Option.none()
    : Option.some({ name, lapsesAt: instant(leaseMillis < 0 ? undefined : now + leaseMillis) })

const toQueueInfo = (name: string, raw: RawQueue, now: number): QueueInfo => ({
  name,
  queued: raw.queued,
  scheduled: raw.scheduled,
  started: raw.started,
  finished: raw.finished,
  failed: raw.failed,
  deferred: raw.deferred,
  canceled: raw.canceled,
  oldestWaiting: raw.headId === ""
    ? Option.none()
    : Option.some({ id: raw.headId, enqueuedAt: instant(Date.decode(raw.headEnqueuedAt)) }),
  nextDue: raw.nextDue === "" ? Option.none() : instant(Date.millis(raw.nextDue)),
  overdue: raw.overdue,
  lag: Duration.millis(raw.overdue === 0 ? 0 : Math.max(0, now - Date.millis(raw.firstDue))),
  leader: toLeader(raw.leader, raw.leaseMillis, now),
  problem: raw.problemKey === "" ? Option.none() : Option.some(Wire.make(raw.problemKey, raw.problem))
})

const toWorkerInfo = (record: WorkerHash.WorkerRecord): WorkerInfo => ({
  name: record.name,
  state: Option.fromNullable(record.state),
  queues: record.queues,
  currentJob: Option.fromNullable(record.currentJob),
  successful: record.successfulJobCount,
  failed: record.failedJobCount,
  workingTime: Duration.seconds(record.totalWorkingTime),
  born: instant(record.birth),
  lastHeartbeat: instant(record.lastHeartbeat),
  hostname: Option.fromNullable(record.hostname),
  pid: Option.fromNullable(record.pid),
  version: Option.fromNullable(record.version),
  problem: Option.none()
})

const unreadable = (name: string, problem: WireError): WorkerInfo => ({
  name,
  state: Option.none(),
  queues: [],
  currentJob: Option.none(),
  successful: 0,
  failed: 0,
  workingTime: Duration.zero,
  born: Option.none(),
  lastHeartbeat: Option.none(),
  hostname: Option.none(),
  pid: Option.none(),
  version: Option.none(),
  problem: Option.some(problem)
})

const toStory = (facts: Facts.Facts): Option.Option<Story> => {
  const { id, job, leader, problem, runs } = facts
  if (job === undefined && runs.length === 0 && problem === undefined) return Option.none()
  const { moments, waitsFor } = Tell.tell(facts)
  return Option.some({
    id,
    status: Option.fromNullable(job?.status),
    queue: Option.fromNullable(job?.origin),
    description: Option.fromNullable(job?.description),
    leader: Option.fromNullable(leader),
    moments: moments.map((one, index): Moment => {
      const before = moments[index - 1]?.at
      return {
        what: one.what,
        at: instant(one.at),
        after: one.at === undefined || before === undefined
          ? Option.none()
          : Option.some(Duration.millis(Math.max(0, one.at - before))),
        by: Option.fromNullable(one.by),
        detail: one.detail,
        reasons: one.reasons
      }
    }),
    waitsFor,
    problem: Option.fromNullable(problem)
  })
}

/** In parts that one call can carry. */
const inParts = <A, B, E>(
  all: ReadonlyArray<A>,
  f: (part: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): Effect.Effect<ReadonlyArray<B>, E> => {
  const parts: Array<ReadonlyArray<A>> = []
  for (let i = 0; i < all.length; i += callSize) parts.push(all.slice(i, i + callSize))
  return Effect.map(Effect.forEach(parts, f), (rows) => rows.flat())
}

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Inspector, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const inspector = yield* Inspector.make
 *   return yield* inspector.workers(["mail"])
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<InspectorService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const readSome = redis.eval(readQueues)
  const readMany = redis.eval(readHashes)
  const factsOf = Facts.make(redis)

  const names = Effect.map(
    redis.send<ReadonlyArray<string>>("SMEMBERS", keys.queues),
    (members) => members.flatMap((member) => keys.queueName(member) ?? []).sort()
  )

  const queues: InspectorService["queues"] = Effect.fnUntraced(function*(asked) {
    const all = asked === undefined ? yield* names : yield* checked(asked)
    return yield* inParts(all, (part) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          readSome(part, Date.seconds(now)),
          (rows) => rows.map((row, i) => toQueueInfo(part[i]!, row, now)) // one row for each queue
        )))
  })

  /** Of those that are there, in the order of the names. */
  const hashes = <A>(
    names: ReadonlyArray<string>,
    key: (name: string) => string,
    decode: (name: string, flat: ReadonlyArray<Uint8Array>) => Either.Either<A, WireError>
  ): Effect.Effect<
    ReadonlyArray<{ readonly name: string; readonly read: Either.Either<A, WireError> }>,
    Redis.RedisError
  > =>
    inParts(
      names,
      (part) =>
        Effect.map(readMany(part.map(key)), (rows) =>
          rows.flatMap((flat, i) => {
            if (flat.length === 0) return []
            const name = part[i]! // a row for each name
            const read = flat.length === 1
              ? Either.left(Wire.make(key(name), `holds a ${Bytes.text(flat[0]!)}, expected a hash`))
              : decode(name, flat)
            return [{ name, read }]
          }))
    )

  /** The ids of what a worker runs, as RQ 3 lists them. */
  const running = (name: string): Effect.Effect<ReadonlyArray<string>, Redis.RedisError> =>
    redis.send<ReadonlyArray<string>>("SMEMBERS", keys.workerExecutions(name)).pipe(
      Effect.map((members) => members.map((member) => member.replace(/:[^:]*$/, "")).sort()),
      Effect.catchIf(isWrongType, () => Effect.succeed([]))
    )

  const workers: InspectorService["workers"] = Effect.fnUntraced(function*(asked) {
    const members = new Set<string>()
    if (asked === undefined) {
      for (const member of yield* redis.send<ReadonlyArray<string>>("SMEMBERS", keys.workers)) members.add(member)
    } else {
      for (const queue of yield* checked(asked)) {
        const found = redis.send<ReadonlyArray<string>>("SMEMBERS", keys.workersOf(queue))
        for (const member of yield* Effect.catchIf(found, isWrongType, () => Effect.succeed([]))) members.add(member)
      }
    }
    const names = [...members].flatMap((member) => keys.workerName(member) ?? []).sort()
    // A worker that died without a farewell is a member for a while after its hash is gone.
    return yield* Effect.forEach(
      yield* hashes(names, keys.worker, WorkerHash.decode),
      ({ name, read }) => {
        if (Either.isLeft(read)) return Effect.succeed(unreadable(name, read.left))
        const record = read.right
        return record.state !== "busy" || record.currentJob !== undefined
          ? Effect.succeed(toWorkerInfo(record))
          : Effect.map(running(record.name), ([currentJob]) => toWorkerInfo({ ...record, currentJob }))
      }
    )
  })

  const schedulers: InspectorService["schedulers"] = Effect.fnUntraced(function*(asked) {
    const leads = new Map<string, Array<string>>()
    for (const { leader, name } of yield* queues(asked)) {
      if (Option.isSome(leader)) leads.set(leader.value.name, [...leads.get(leader.value.name) ?? [], name])
    }
    const names = [...leads.keys()].sort()
    const known = new Map(
      (yield* hashes(names, keys.scheduler, SchedulerHash.decode)).map(({ name, read }) => [name, read])
    )
    return names.map((name): SchedulerInfo => {
      // An RQ before 2.10 keeps no hash of its schedulers.
      const read = known.get(name)
      const record = read === undefined ? undefined : Option.getOrUndefined(Either.getRight(read))
      return {
        name,
        leads: leads.get(name) ?? [],
        queues: record?.queues ?? [],
        born: instant(record?.createdAt),
        lastHeartbeat: instant(record?.lastHeartbeat),
        hostname: Option.fromNullable(record?.hostname),
        pid: Option.fromNullable(record?.pid),
        problem: read === undefined ? Option.none() : Either.getLeft(read)
      }
    })
  })

  const foreign = (key: string): Effect.Effect<never, Redis.RedisError | WireError> =>
    Effect.flatMap(redis.send<string>("TYPE", key), (found) =>
      Effect.fail(
        Wire.make(
          key,
          `holds a ${found}, expected the name of a scheduler. Delete it: nobody leads the queue till then`
        )
      ))

  return {
    queues,
    leader: Effect.fnUntraced(function*(queue) {
      const key = keys.schedulerLock(queue)
      const [name, leaseMillis, now] = yield* Effect.all([
        Effect.catchIf(redis.send<string | null>("GET", key), ({ code }) => code === "WRONGTYPE", () => foreign(key)),
        redis.send<number>("PTTL", key),
        Clock.currentTimeMillis
      ])
      return toLeader(name ?? "", leaseMillis, now)
    }),
    workers,
    schedulers,
    explain: (jobId) => Effect.map(factsOf(jobId), toStory)
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
 * import { Inspector, RedisLive } from "effect-rq"
 *
 * const Live = Inspector.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const inspector = yield* Inspector.Inspector
 *   return yield* inspector.workers(["mail"])
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Inspector, never, Redis.Redis> = Layer.effect(Inspector, make)
