/**
 * The worker: takes jobs from queues and runs their handlers.
 *
 * **Taking.** Queues are served in strict order. One script hands in what has ended and claims for the free slots. An
 * idle worker waits on the server, in a list of its own into which Redis moves the next job, so that a push wakes one
 * worker within a millisecond or two and a crash loses nothing.
 *
 * While its jobs take a few milliseconds at most, a worker fetches some more than it has slots for, which would stand empty
 * for the length of a call otherwise. They are `started` in Redis from then on, and their timeouts count from when they
 * begin. When nothing ends for five milliseconds they go back to the front of their queue. Jobs that were tried before are
 * not fetched ahead, nor is anything by a worker whose `maxAbandons` is 0.
 *
 * **Running.** Each job runs in a fiber of its own, interrupted at its timeout. How it ended is written as RQ writes it:
 * the result through the Schema of the definition, a failure with the text of its cause. A payload that can't be read,
 * an unknown job and a defect are the failure of that job and of nothing else. Each failure is a line in the log, a
 * warning with the annotations `worker`, `queue` and `jobId`; all else that happens is told by `events`.
 *
 * **Dying.** One heartbeat keeps all that runs. Jobs of a worker that sent none for 20 seconds are run again by another
 * worker, at the front of their queue; a job that takes its worker with it a fourth time fails instead. Jobs run at
 * least once: a handler whose effects must not happen twice has to make them idempotent.
 *
 * **Stopping.** When its scope is closed the worker takes no more, gives what runs ten seconds to end, puts the rest
 * back at the front of its queue, and leaves.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { detached } from "./internal/detached.js"
import type * as Check from "./internal/options.js"
import { forkSupervised } from "./internal/supervised.js"
import type * as Job from "./Job.js"
import type * as JobGroup from "./JobGroup.js"
import * as Redis from "./Redis.js"
import * as Scheduler from "./Scheduler.js"
import * as Date from "./wire/date.js"
import * as Ahead from "./worker/ahead.js"
import * as Beating from "./worker/beating.js"
import * as BurstScheduler from "./worker/burstScheduler.js"
import * as Commands from "./worker/commands.js"
import * as Executions from "./worker/executions.js"
import * as Maintenance from "./worker/maintenance.js"
import * as Pump from "./worker/pump.js"
import { register } from "./worker/registration.js"
import * as Settings from "./worker/settings.js"
import * as State from "./worker/state.js"
import * as Stopping from "./worker/stopping.js"
import * as Suspension from "./worker/suspension.js"
import * as Waiting from "./worker/waiting.js"

export {
  /**
   * An option that can't be used.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidOptions
} from "./internal/options.js"

/**
 * What a worker serves, and how. What can't be used fails with `InvalidOptions` before anything starts.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerOptions {
  /** The queues to serve, in strict order, each named once. Default: those that the jobs of the group name. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** How many jobs run at a time, from 1 to 10,000. Default: 10. */
  readonly concurrency?: number | undefined
  /** Ends when the queues are empty; with a scheduler, once what was due at the start is promoted and done. Default: false. */
  readonly burst?: boolean | undefined
  /** Ends after so many jobs, at least 1. Default: never. */
  readonly maxJobs?: number | undefined
  /** The name in RQ's set of workers, unlike any other worker's. Default: 32 random hex digits. */
  readonly name?: string | undefined
  /** Runs a scheduler for the same queues beside it. Default: false. */
  readonly withScheduler?: boolean | undefined
  /** Options of that scheduler. */
  readonly scheduler?: Omit<Scheduler.SchedulerOptions, "queues"> | undefined
  /** How long running jobs may go on after the worker was told to stop, 24 days at most. Default: 10 seconds. */
  readonly gracePeriod?: Duration.DurationInput | undefined
  /**
   * How often the worker tells that it and its jobs are alive, and looks for jobs of workers that are not. A job is
   * taken from a worker that has missed four. A second at least, 24 days at most. Default: 5 seconds.
   */
  readonly heartbeat?: Duration.DurationInput | undefined
  /**
   * How often a job may be taken from a dead worker before it fails. One that was fetched ahead and may not have begun is
   * not counted that time. From 0 to 1,000. Default: 3.
   */
  readonly maxAbandons?: number | undefined
}

/**
 * Another worker of this name is alive.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkerNameTaken extends Schema.TaggedError<WorkerNameTaken>("effect-rq/Worker/WorkerNameTaken")(
  "WorkerNameTaken",
  { name: Schema.String }
) {
  override get message(): string {
    return `there is an active worker named ${JSON.stringify(this.name)} already, choose another name`
  }
}

/**
 * A job that runs now.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningJob {
  readonly id: string
  readonly queue: string
  readonly executionId: string
  readonly startedAt: DateTime.Utc
  /** When its timeout interrupts it; none: never. */
  readonly deadline: Option.Option<DateTime.Utc>
  /** 1 for the first run; each failure that was retried and each worker that died counts. */
  readonly attempt: number
  /** Whether it was interrupted, and goes on all the same because it does not let itself be. */
  readonly overrunning: boolean
}

/**
 * What a worker is doing.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerStatus {
  readonly name: string
  readonly queues: ReadonlyArray<string>
  readonly state: "idle" | "busy" | "stopping"
  /** False while Redis can't be reached. */
  readonly connected: boolean
  readonly running: ReadonlyArray<RunningJob>
  readonly successful: number
  readonly failed: number
}

/**
 * Something that a worker did.
 *
 * @since 0.1.0
 * @category models
 */
export type WorkerEvent =
  & {
    readonly jobId: string
    readonly queue: string
    readonly at: DateTime.Utc
  }
  & (
    | {
      readonly _tag: "Started"
      /** When it was due, of a job that was scheduled. */
      readonly dueAt: Option.Option<DateTime.Utc>
    }
    | { readonly _tag: "Completed" }
    | { readonly _tag: "Failed"; readonly message: string }
    /** It failed and is tried again, follows `Failed`. Not told when Redis was away meanwhile. */
    | { readonly _tag: "Retried"; readonly dueAt: DateTime.Utc }
    /** Stopped on demand. */
    | { readonly _tag: "Stopped" }
    /** Put back at the front of its queue. */
    | { readonly _tag: "Released" }
    /** Interrupted, because the execution was taken away: the worker was thought dead, or the job was removed. */
    | { readonly _tag: "Lost" }
  )

/**
 * What a worker did in its life.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly name: string
  readonly successful: number
  readonly failed: number
  /** How many were put back because they did not end in the grace period. */
  readonly released: number
}

/**
 * What a running worker tells of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerService {
  readonly name: string
  /** What it runs and has done, as it knows it: nothing is asked. */
  readonly status: Effect.Effect<WorkerStatus>
  /** What happens from now on. */
  readonly events: Stream.Stream<WorkerEvent>
  /** Waits until a worker with `burst` or `maxJobs` has done its work; others never end by themselves. */
  readonly finished: Effect.Effect<Summary>
  /** The scheduler beside the worker, with `withScheduler`. */
  readonly scheduler: Option.Option<Scheduler.SchedulerService>
}

/**
 * The running worker.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Worker } from "effect-rq"
 *
 * const report = Effect.gen(function*() {
 *   const worker = yield* Worker.Worker
 *   const { failed, running, successful } = yield* worker.status
 *   yield* Effect.log(`${running.length} run, ${successful} were successful, ${failed} failed`)
 * })
 * ```
 */
export class Worker extends Context.Tag("effect-rq/Worker")<Worker, WorkerService>() {}

/** What running the jobs of a group requires: their handlers, and what their Schemas require. */
type Requirements<Jobs extends Job.Any> = JobGroup.ToHandlers<Jobs> | Job.Context<Jobs>

/**
 * Starts a worker in the scope. When the scope is closed it stops as the head of this module describes.
 *
 * Fails with `InvalidOptions` for an option that can't be used and with `WorkerNameTaken` when a worker of this name is
 * alive. When Redis can't be reached it starts all the same, says so once and goes on when it can.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Option } from "effect"
 * import { Job, JobGroup, RedisLive, Worker } from "effect-rq"
 *
 * const Jobs = JobGroup.make(Job.make("app.cleanup"))
 * const Handlers = Jobs.toLayer({ "app.cleanup": () => Effect.log("cleaning up") })
 *
 * const program = Effect.gen(function*() {
 *   const worker = yield* Worker.make(Jobs, { queues: ["default"], withScheduler: true })
 *   yield* Effect.sleep("1 hour")
 *   return Option.isSome(worker.scheduler)
 * }).pipe(Effect.scoped, Effect.provide(Handlers), Effect.provide(RedisLive.layer()))
 * ```
 */
export const make = <Jobs extends Job.Any>(
  group: JobGroup.JobGroup<Jobs>,
  options: WorkerOptions = {}
): Effect.Effect<
  WorkerService,
  Check.InvalidOptions | WorkerNameTaken,
  Redis.Redis | Scope.Scope | Requirements<Jobs>
> =>
  Effect.gen(function*() {
    const settings = yield* Settings.check(group, options)
    const { name, queues } = settings
    const redis = yield* Redis.Redis
    const state = State.make(settings, yield* Effect.clock)
    const finished = yield* Deferred.make<Summary>()

    const ahead = Ahead.make(settings, state)
    const executions = yield* Executions.make(group, settings, state, redis, ahead)
    const suspension = Suspension.make(settings, state)
    const pump = Pump.make(settings, state, redis, executions, ahead, suspension, finished)
    const waiting = Waiting.make(settings, state, redis)
    const stop = yield* Effect.cached(detached(Stopping.make(settings, state, redis, executions, pump)))
    const shutDown = Effect.zipRight(stop, Deferred.sync(finished, state.summary))

    const registered = yield* Effect.either(
      redis.eval(register)({
        worker: name,
        queues,
        now: Date.seconds(settings.bornAt),
        aliveSeconds: settings.aliveSeconds,
        ttl: settings.workerTtl,
        incarnation: settings.executionPrefix,
        birth: settings.birth.slice(2)
      })
    )
    if (registered._tag === "Left") {
      yield* state.onConnection(registered.left)
      state.changedSignal.notify() // a heartbeat registers it, as soon as one gets through
    } else if (!registered.right.registered) {
      return yield* new WorkerNameTaken({ name })
    } else {
      state.isRegistered = true
      state.unguarded = new Set(registered.right.unguarded)
      yield* state.onProblem(registered.right.problem, "heartbeat")
    }

    // Finalizers run in reverse: the scheduler resigns first, then those who wait are stopped, then the worker stops
    // with its pumps still at work.
    for (let i = 0; i < Pump.pumps; i++) yield* forkSupervised("the worker's pump", pump.run)
    yield* forkSupervised("the worker's deadlines", executions.sweep)
    yield* forkSupervised("the worker's fetching ahead", ahead.watch)
    yield* forkSupervised("the worker's heartbeat", Beating.make(settings, state, redis, executions))
    yield* forkSupervised("the worker's commands", Commands.make(settings, state, redis, executions, shutDown))
    yield* forkSupervised("the worker's resuming", suspension.resume)
    yield* Effect.addFinalizer(() => stop)
    yield* forkSupervised(
      "the worker's maintenance",
      Effect.repeat(Maintenance.make(settings, state, redis), Schedule.spaced(settings.heartbeatMillis))
    )
    if (!settings.burst) {
      yield* forkSupervised("the worker's unblocking", waiting.unblock)
      for (const queue of queues) yield* forkSupervised(`waiting for queue ${queue}`, waiting.waitFor(queue))
    }
    const scheduler = settings.withScheduler
      ? Option.some(yield* Scheduler.make({ ...options.scheduler, queues }))
      : Option.none()
    if (settings.burst && Option.isSome(scheduler)) {
      yield* Effect.forkScoped(BurstScheduler.make(state, scheduler.value))
    }

    const service: WorkerService = {
      name,
      status: Effect.sync(() => ({
        name,
        queues,
        state: state.stopping ? "stopping" : state.running.length > 0 ? "busy" : "idle",
        connected: state.isConnected(),
        running: state.running.map(({ deadline, interruptedFor, job, startedAt }) => ({
          id: job.id,
          queue: job.queue,
          executionId: job.execution,
          startedAt: DateTime.unsafeMake(startedAt),
          deadline: DateTime.make(deadline), // none of one beyond all dates as well
          attempt: job.attempt,
          overrunning: interruptedFor !== undefined
        })),
        successful: state.successful,
        failed: state.failed
      })),
      events: Stream.asyncPush<WorkerEvent>((emitter) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const listener = (event: WorkerEvent) => {
              emitter.single(event)
            }
            state.listeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => state.listeners.delete(listener))
        ), { bufferSize: 4096, strategy: "sliding" }),
      finished: Deferred.await(finished),
      scheduler
    }
    return service
  })

/**
 * Runs a worker until it is done (with `burst` or `maxJobs`) or interrupted, and tells what it did.
 *
 * Fails as {@link make} does. Without `burst` and `maxJobs` it never ends by itself.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, JobGroup, RedisLive, Worker } from "effect-rq"
 *
 * const Jobs = JobGroup.make(Job.make("app.cleanup"))
 * const Handlers = Jobs.toLayer({ "app.cleanup": () => Effect.log("cleaning up") })
 *
 * // what waits now is run, and then it ends
 * const program = Worker.run(Jobs, { burst: true }).pipe(
 *   Effect.flatMap(({ failed, successful }) => Effect.log(`${successful} successful, ${failed} failed`)),
 *   Effect.provide(Handlers),
 *   Effect.provide(RedisLive.layer())
 * )
 * ```
 */
export const run = <Jobs extends Job.Any>(
  group: JobGroup.JobGroup<Jobs>,
  options: WorkerOptions = {}
): Effect.Effect<
  Summary,
  Check.InvalidOptions | WorkerNameTaken,
  Redis.Redis | Exclude<Requirements<Jobs>, Scope.Scope>
> => Effect.scoped(Effect.flatMap(make(group, options), (worker) => worker.finished))

/**
 * A worker that runs for as long as the Layer is in use.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Job, JobGroup, RedisLive, Worker } from "effect-rq"
 *
 * const Greet = Job.make("app.greet", { payload: { name: Schema.String }, queue: "mail" })
 * const Jobs = JobGroup.make(Greet)
 * const Handlers = Jobs.toLayer({ "app.greet": ({ name }) => Effect.log(`Hello, ${name}`) })
 *
 * const Main = Worker.layer(Jobs, { queues: ["mail", "default"], concurrency: 50, withScheduler: true }).pipe(
 *   Layer.provide(Handlers),
 *   Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" }))
 * )
 *
 * const program = Layer.launch(Main)
 * ```
 */
export const layer = <Jobs extends Job.Any>(
  group: JobGroup.JobGroup<Jobs>,
  options: WorkerOptions = {}
): Layer.Layer<
  Worker,
  Check.InvalidOptions | WorkerNameTaken,
  Redis.Redis | Exclude<Requirements<Jobs>, Scope.Scope>
> => Layer.scoped(Worker, make(group, options))
