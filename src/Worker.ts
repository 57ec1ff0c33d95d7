/**
 * The worker: takes jobs from queues and runs their handlers.
 *
 * **Taking.** Queues are served in strict order. One script hands in what has ended and claims for the free slots. An
 * idle worker waits on the server, in a list of its own into which Redis moves the next job, so that a push wakes one
 * worker within a millisecond or two and a crash loses nothing.
 *
 * **Running.** Each job runs in a fiber of its own, interrupted at its timeout. How it ended is written as RQ writes it:
 * the result through the Schema of the definition, a failure with the text of its cause. A payload that can't be read,
 * an unknown job and a defect are the failure of that job and of nothing else.
 *
 * **Dying.** One heartbeat keeps all that runs. Jobs of a worker that sent none for 20 seconds are run again by another
 * worker, at the front of their queue; a job that has taken its worker with it three times fails instead. Jobs run at
 * least once: a handler whose effects must not happen twice has to make them idempotent.
 *
 * **Stopping.** When its scope is closed the worker takes no more, gives what runs ten seconds to end, puts the rest
 * back at the front of its queue, and leaves.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as EffectQueue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Ids from "./Ids.js"
import { detached } from "./internal/detached.js"
import * as Check from "./internal/options.js"
import * as outside from "./internal/outside.js"
import * as Signal from "./internal/signal.js"
import { forkSupervised } from "./internal/supervised.js"
import type * as Job from "./Job.js"
import type * as JobGroup from "./JobGroup.js"
import { abandon as abandonScript } from "./lifecycle/abandon.js"
import type { Claimed } from "./lifecycle/claim.js"
import { heartbeat as heartbeatScript } from "./lifecycle/heartbeat.js"
import { type Ended, turn as turnScript } from "./lifecycle/turn.js"
import * as Redis from "./Redis.js"
import * as Scheduler from "./Scheduler.js"
import * as Command from "./wire/command.js"
import * as Date from "./wire/date.js"
import * as keys from "./wire/keys.js"
import * as Result from "./wire/result.js"
import * as WorkerHash from "./wire/worker.js"
import { makeCurrentJob } from "./worker/currentJob.js"
import * as Deadlines from "./worker/deadlines.js"
import { recover as recoverScript } from "./worker/recover.js"
import { register as registerScript, unregister as unregisterScript } from "./worker/registration.js"
import * as RunJob from "./worker/runJob.js"

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
 * @since 0.1.0
 * @category models
 */
export interface WorkerOptions {
  /** The queues to serve, in strict order. Default: those that the jobs of the group name. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** How many jobs run at a time. Default: 10. */
  readonly concurrency?: number | undefined
  /** Ends when the queues are empty. Default: false. */
  readonly burst?: boolean | undefined
  /** Ends after so many jobs. Default: never. */
  readonly maxJobs?: number | undefined
  /** The name in RQ's set of workers, unlike any other worker's. Default: 32 random hex digits. */
  readonly name?: string | undefined
  /** Runs a scheduler for the same queues beside it. Default: false. */
  readonly withScheduler?: boolean | undefined
  /** Options of that scheduler. */
  readonly scheduler?: Omit<Scheduler.SchedulerOptions, "queues"> | undefined
  /** How long running jobs may go on after the worker was told to stop. Default: 10 seconds. */
  readonly gracePeriod?: Duration.DurationInput | undefined
  /**
   * How often the worker tells that it and its jobs are alive, and looks for jobs of workers that are not. A job is
   * taken from a worker that has missed four. Default: 5 seconds.
   */
  readonly heartbeat?: Duration.DurationInput | undefined
  /** How often a job may be taken from a dead worker before it fails. Default: 3. */
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
 * @since 0.1.0
 * @category models
 */
export interface WorkerService {
  readonly name: string
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
 */
export class Worker extends Context.Tag("effect-rq/Worker")<Worker, WorkerService>() {}

interface Running {
  readonly job: Claimed
  readonly startedAt: number
  readonly deadline: number
  fiber: Fiber.RuntimeFiber<RunJob.Outcome> | undefined
  /** Why the worker interrupts it, and since when. */
  interruptedFor: "timeout" | "release" | "stop" | "lost" | undefined
  interruptedAt: number
  /** Whether it was said that it does not let itself be interrupted. */
  reported: boolean
}

/** How many jobs one call claims, and how many it hands in, at most: it blocks Redis for a few milliseconds. */
const callSize = 250
/** Calls in flight. While one is under way the other hands in what has ended meanwhile. */
const callsInFlight = 2
/** Changes that others can see are told at most this often. */
const betweenBeats = 1000
const firstBackOff = 100
/** How often a suspended worker looks whether it still is. */
const pausedMillis = 1000
const longestBackOff = 5000
/** How connecting is tried again; that Redis is away is told by the heartbeat. */
const untilItWorks = Schedule.union(Schedule.exponential(firstBackOff), Schedule.spaced(longestBackOff))
/** Interrupted handlers get this long to clean up before their jobs are put back. */
const cleanUpMillis = 1000
/** How long a worker that stops tries to tell Redis so. */
const farewellMillis = 5000

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
    const queues = yield* Check.queues(
      options.queues ?? [...new Set([...group.jobs.values()].map((job: Job.Any) => job.queue))]
    )
    const concurrency = yield* Check.count("concurrency", options.concurrency, 10, { least: 1, most: 10_000 })
    const maxJobs = options.maxJobs === undefined
      ? Infinity
      : yield* Check.count("maxJobs", options.maxJobs, 1, { least: 1, most: Number.MAX_SAFE_INTEGER })
    const maxAbandons = yield* Check.count("maxAbandons", options.maxAbandons, 3, { least: 0, most: 1000 })
    const graceMillis = yield* Check.millis("gracePeriod", options.gracePeriod, "10 seconds", 0)
    const heartbeatMillis = yield* Check.millis("heartbeat", options.heartbeat, "5 seconds", 1000)
    const burst = options.burst === true
    const aliveSeconds = Math.ceil(heartbeatMillis / 250)
    const workerTtl = Math.max(60, Math.ceil(heartbeatMillis * 12 / 1000))
    const blockSeconds = Math.ceil(heartbeatMillis * 6 / 1000)

    const ids = yield* Ids.Ids
    const name = options.name ?? (yield* ids.name)
    if (!/^[^\s:,][^\s,]*$/.test(name)) {
      return yield* new Check.InvalidOptions({
        field: "name",
        message: `name: expected a text without spaces and commas, got ${JSON.stringify(name)}`
      })
    }
    const executionPrefix = yield* ids.executionPrefix
    const bornAt = yield* Clock.currentTimeMillis
    const birth = [
      "incarnation",
      executionPrefix,
      ...WorkerHash.encodeBirth({
        birth: bornAt,
        queues,
        pid: outside.pid(),
        hostname: outside.hostname(),
        ipAddress: "unknown",
        version: outside.version,
        runtime: `node ${outside.nodeVersion()}`
      })
    ]

    const redis = yield* Redis.Redis
    const turn = redis.eval(turnScript)
    const heartbeat = redis.eval(heartbeatScript)
    const abandon = redis.eval(abandonScript)
    const recover = redis.eval(recoverScript)
    const register = redis.eval(registerScript)
    const unregister = redis.eval(unregisterScript)
    const runtime = yield* Effect.runtime()
    const runJob = RunJob.make(group, yield* Effect.context<never>(), (job, jobName) =>
      makeCurrentJob(redis, job, {
        name: jobName,
        worker: name,
        startedAt: running.get(job.execution)?.startedAt ?? 0,
        deadline: running.get(job.execution)?.deadline ?? Infinity,
        stop: Effect.suspend(() => {
          const self = running.get(job.execution)
          return self === undefined ? Effect.void : interrupt(self, "stop")
        })
      }))

    const running = new Map<string, Running>()
    /** Executions that Redis still counts as ours: they run, or how they ended is not handed in yet. */
    const ours = new Set<string>()
    let ended: Array<Ended> = []
    let counter = 0
    let claimed = 0
    /** Slots for which a call in flight claims. */
    let reserved = 0
    /** Calls in flight: what they hand in is not handed in before they have returned. */
    let underWay = 0
    /** Whether a queue may hold something to claim. */
    let hungry = true
    /** Whether our handover lists may hold something; an earlier worker of this name may have left it there. */
    let handedOver = true
    /** Counts what was handed over, so that a call notices what came while it was under way. */
    let handovers = 0
    /**
     * What was to be stopped that is not known here yet: the call that claimed it may be under way. For each such call,
     * and for those whose reply was lost.
     */
    const stopsMeanwhile = new Set<Set<string>>()
    const stopsMissed = new Set<string>()
    /** A call failed whose effects are not known: Redis is asked what it holds for us. */
    let unsure = false
    let connected = true
    let stopping = false
    /** Whether the fleet is suspended, and which of our queues nothing may be taken of. */
    let suspended = false
    let pausedQueues: ReadonlySet<string> = new Set()
    let successful = 0
    let failed = 0
    let released = 0
    let workingMillis = 0
    const blocked = new Map<string, Redis.Connection>()
    /** When a wait on the server ended with its connection: the server may not have seen its end yet. */
    let lostWaitAt = -Infinity

    const pumpSignal = Signal.make()
    const quietSignal = Signal.make()
    const fullSignal = Signal.make()
    const changedSignal = Signal.make()
    const pausedSignal = Signal.make()
    const mayWait = Effect.unsafeMakeLatch(false)
    /** Open while Redis answers: who waits to try again goes on at once when it does. */
    const answering = Effect.unsafeMakeLatch(true)
    const finished = yield* Deferred.make<Summary>()
    const listeners = new Set<(event: WorkerEvent) => void>()

    /** Before the next try. When Redis answers somebody else the wait is over soon. */
    const pause = (millis: number) =>
      Effect.raceFirst(Effect.sleep(millis), Effect.zipRight(answering.await, Effect.sleep(firstBackOff)))
    const free = () => Math.min(concurrency - running.size - reserved, maxJobs - claimed - reserved)
    const emit = (event: WorkerEvent) => {
      for (const listener of listeners) listener(event)
    }
    const summary = (): Summary => ({ name, successful, failed, released })
    const log = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.annotateLogs(effect, { worker: name })

    /** Waiting on the server is for when there is nothing to claim and somewhere to run it. */
    const updateWaiting = () => {
      if (!stopping && !burst && !hungry && free() > 0) {
        mayWait.unsafeOpen()
      } else {
        mayWait.unsafeClose()
        if (blocked.size > 0 && free() <= 0) fullSignal.notify()
      }
    }

    /** Redis being away is a state that is logged when it changes, not once for each try. */
    const onConnection = (error: Redis.RedisError | undefined): Effect.Effect<void> => {
      const before = connected
      connected = error === undefined
      if (before === connected) return Effect.void
      if (connected) answering.unsafeOpen()
      else answering.unsafeClose()
      return log(
        error === undefined
          ? Effect.logInfo("Redis can be used again")
          : Effect.logWarning("Redis can't be used, going on when it can", error)
      )
    }

    /** Has said farewell: nothing may bring it back to the sets of workers. */
    let gone = false
    let saidSuspended = false
    let problem: string | undefined
    const onProblem = (now: string | undefined) =>
      Effect.suspend(() => {
        if (now === problem) return Effect.void
        problem = now
        return now === undefined ? Effect.void : log(Effect.logError(`a key in Redis holds something foreign: ${now}`))
      })

    const onEnded = (self: Running, exit: Exit.Exit<RunJob.Outcome>, now: number) => {
      const { execution, id, queue } = self.job
      if (!running.delete(execution)) return // it was given up while it still ran
      workingMillis += now - self.startedAt
      const event = { jobId: id, queue, at: DateTime.unsafeMake(now) }
      const common = { queue, id, execution, startedAt: Date.seconds(self.startedAt) }
      if (self.interruptedFor === "lost") {
        ours.delete(execution)
        emit({ ...event, _tag: "Lost" })
      } else if (exit._tag === "Failure" && self.interruptedFor === "release") {
        released++
        ended.push({ ...common, _tag: "Released" })
        emit({ ...event, _tag: "Released" })
      } else if (exit._tag === "Failure" && self.interruptedFor === "stop") {
        failed++
        ended.push({ ...common, _tag: "Stopped", exception: Result.encodeException(stoppedMessage) })
        emit({ ...event, _tag: "Stopped" })
      } else {
        const outcome = exit._tag === "Success"
          ? exit.value
          : RunJob.failed(`the job was interrupted: ${String(exit.cause)}`, "")
        if (outcome._tag === "Completed") {
          successful++
          ended.push({ ...common, _tag: "Completed", returnValue: outcome.returnValue })
          emit({ ...event, _tag: "Completed" })
        } else {
          const { error, exception, message, retry } = outcome
          failed++
          ended.push({ ...common, _tag: "Failed", exception, error, retry })
          emit({ ...event, _tag: "Failed", message })
        }
      }
      // What has ended may have brought work for a worker that leaves when there is none.
      if (burst) hungry = true
      pumpSignal.notify()
      changedSignal.notify()
      if (running.size === 0) quietSignal.notify()
    }

    const start = Effect.fnUntraced(function*(job: Claimed, stops?: ReadonlySet<string>) {
      // A lost reply and `recover` may both bring the same execution.
      if (ours.has(job.execution)) return
      if (stopping) {
        // It came too late to be run here.
        ours.add(job.execution)
        ended.push({ _tag: "Released", queue: job.queue, id: job.id, execution: job.execution, startedAt: "" })
        return
      }
      ours.add(job.execution)
      claimed++
      const now = yield* Clock.currentTimeMillis
      const clock = yield* Effect.clock
      const timeout = job.timeout ?? defaultTimeout
      const self: Running = {
        job,
        startedAt: now,
        deadline: timeout < 0 ? Infinity : now + timeout * 1000,
        fiber: undefined,
        interruptedFor: undefined,
        interruptedAt: 0,
        reported: false
      }
      running.set(job.execution, self)
      emit({
        _tag: "Started",
        jobId: job.id,
        queue: job.queue,
        at: DateTime.unsafeMake(now),
        dueAt: job.dueAt === undefined ? Option.none() : Option.some(DateTime.unsafeMake(Math.round(job.dueAt * 1000)))
      })
      const fiber = yield* runJob.run(job).pipe(
        Effect.annotateLogs({ worker: name, queue: job.queue, jobId: job.id }),
        Effect.interruptible,
        Effect.forkDaemon
      )
      self.fiber = fiber
      if (self.interruptedFor !== undefined) yield* interrupt(self, self.interruptedFor)
      else if (stops?.has(job.id) || stops?.has(job.execution)) yield* interrupt(self, "stop")
      if (self.deadline < Infinity) deadlines.add(self.deadline)
      fiber.addObserver((exit) => {
        if (exit._tag === "Failure" && self.interruptedFor === "timeout") {
          // Whether it is tried again is for its definition to say, which takes an Effect.
          const timedOut = runJob.timedOut(job, timeoutMessage(self))
          Runtime.runFork(runtime)(timedOut).addObserver((outcome) =>
            onEnded(self, outcome, clock.unsafeCurrentTimeMillis())
          )
        } else {
          onEnded(self, exit, clock.unsafeCurrentTimeMillis())
        }
      })
    })

    const interrupt = (self: Running, reason: NonNullable<Running["interruptedFor"]>): Effect.Effect<void> =>
      Effect.withFiberRuntime((current) => {
        if (self.interruptedFor === undefined) {
          self.interruptedFor = reason
          self.interruptedAt = current.currentDefaultServices.pipe(Context.get(Clock.Clock)).unsafeCurrentTimeMillis()
        }
        self.fiber?.unsafeInterruptAsFork(current.id())
        return Effect.void
      })

    const deadlines = Deadlines.make(
      () => {
        let earliest = Infinity
        for (const self of running.values()) {
          if (self.interruptedFor === undefined && self.deadline < earliest) earliest = self.deadline
        }
        return earliest
      },
      (now) =>
        Effect.forEach(
          [...running.values()].filter((self) => self.deadline <= now && self.interruptedFor === undefined),
          (self) => interrupt(self, "timeout"),
          { discard: true }
        )
    )

    /** Hands in, and claims for at most `want` slots. */
    const call = (want: number): Effect.Effect<void, Redis.RedisError> =>
      Effect.suspend(() => {
        const handingIn = ended.slice(0, callSize)
        ended = ended.slice(callSize)
        const handoversBefore = handovers
        const withHandovers = handedOver && !stopping
        const repeated = unsure
        const stops = new Set<string>()
        if (want > 0 || withHandovers) stopsMeanwhile.add(stops)
        const from = counter
        counter += want
        reserved += want
        underWay++
        updateWaiting()
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          turn({
            worker: name,
            now: Date.seconds(now),
            nowDate: Date.encode(now),
            abandonedAt: Date.seconds(now + aliveSeconds * 1000),
            executionPrefix,
            counter: from,
            want,
            handedOver: withHandovers,
            queues: want > 0 || withHandovers ? queues : [],
            ended: handingIn
          })).pipe(
            Effect.matchCauseEffect({
              onFailure: (cause) => {
                // Also after a defect: the pump is started again, and nothing may be missing then.
                reserved -= want
                ended = [...handingIn, ...ended]
                unsure = true
                const error = Cause.failureOption(cause)
                return Effect.zipRight(
                  Option.isSome(error) ? onConnection(error.value) : Effect.void,
                  Effect.failCause(cause)
                )
              },
              onSuccess: Effect.fnUntraced(function*(result) {
                reserved -= want
                yield* onConnection(undefined)
                yield* onProblem(result.problem)
                if (want > 0 || withHandovers) yield* onPaused(result.suspended, result.paused)
                for (const one of handingIn) ours.delete(one.execution)
                if (handovers === handoversBefore) {
                  if (want > 0) hungry = result.more
                  if (withHandovers) handedOver = false
                }
                const at = DateTime.unsafeMake(yield* Clock.currentTimeMillis)
                for (const [index, { id, queue }] of handingIn.entries()) {
                  const due = result.retriedAt[index]
                  if (due === undefined) continue
                  emit({ _tag: "Retried", jobId: id, queue, at, dueAt: DateTime.unsafeMake(due) })
                }
                // The newest first when they go back, so that the oldest is the one at the front.
                for (const job of stopping ? [...result.claimed].reverse() : result.claimed) {
                  yield* start(job, stops)
                }
                updateWaiting()
                const refused = handingIn.filter((_, index) => result.handedIn[index] !== true)
                if (refused.length > 0 && !repeated) {
                  yield* log(Effect.logWarning(
                    "ended without effect, because the execution was taken away meanwhile",
                    refused.map((one) => one.id)
                  ))
                }
              })
            }),
            // What was claimed and not started is asked for again.
            Effect.tapDefect(() =>
              Effect.sync(() => {
                unsure = true
              })
            ),
            Effect.ensuring(Effect.sync(() => {
              underWay--
              stopsMeanwhile.delete(stops)
              if (unsure) { for (const one of stops) stopsMissed.add(one) }
            }))
          )
      })

    /** Takes up what Redis holds for this worker and this worker doesn't know of. */
    const takeUp: Effect.Effect<void, Redis.RedisError> = Effect.gen(function*() {
      const held = yield* Effect.tapBoth(recover({ executionPrefix, queues }), {
        onFailure: onConnection,
        onSuccess: () => onConnection(undefined)
      })
      unsure = false
      hungry = true
      handedOver = true
      for (const job of held) yield* start(job, stopsMissed)
      stopsMissed.clear()
      updateWaiting()
    })

    const pumpOnce = Effect.suspend((): Effect.Effect<void, Redis.RedisError> => {
      if (unsure && reserved === 0) return takeUp
      const slots = free()
      const wants = !stopping && !suspended && !unsure && (hungry || handedOver) && slots > 0
      const want = wants ? Math.min(callSize, callsInFlight > 1 ? Math.ceil(slots / 2) : slots) : 0
      const givesBack = handedOver && !stopping && (slots <= 0 || suspended) && reserved === 0
      if (want > 0 || ended.length > 0 || givesBack) return call(want)
      if (reserved === 0 && running.size === 0 && !unsure) {
        if ((burst && !hungry && !handedOver) || claimed >= maxJobs) {
          Deferred.unsafeDone(finished, Effect.sync(summary))
        }
      }
      return pumpSignal.wait
    })

    const pump = Effect.gen(function*() {
      let backOff = firstBackOff
      while (true) {
        const worked = yield* Effect.isSuccess(pumpOnce)
        if (worked) {
          backOff = firstBackOff
        } else {
          yield* pause(backOff)
          backOff = Math.min(longestBackOff, backOff * 2)
        }
      }
    })

    /** Waits on the server for the next job of one queue. */
    const waitFor = (queue: string) =>
      Effect.scoped(Effect.gen(function*() {
        const connection = yield* Effect.retry(redis.connection, {
          schedule: untilItWorks,
          while: (error) => error.isTransient
        })
        const move = connection.send<string | null>(
          "BLMOVE",
          keys.queue(queue),
          keys.handover(queue, name),
          "LEFT",
          "RIGHT",
          blockSeconds
        )
        let backOff = firstBackOff
        while (true) {
          yield* mayWait.await
          if (pausedQueues.has(queue)) {
            yield* Effect.sleep(pausedMillis)
            continue
          }
          blocked.set(queue, connection)
          const moved = yield* Effect.either(Effect.ensuring(move, Effect.sync(() => blocked.delete(queue))))
          // Something may have been moved without our knowing: by a command whose reply was lost, or whose connection
          // was lost so that the server has not seen its end yet.
          handovers++
          handedOver = true
          hungry = true
          updateWaiting()
          pumpSignal.notify()
          if (moved._tag === "Right") {
            backOff = firstBackOff
          } else {
            if (moved.left.code === "WRONGTYPE") {
              // The key of the queue holds something else, which the calls that claim tell of. Redis is there.
              yield* Effect.sleep(backOff)
            } else {
              lostWaitAt = yield* Clock.currentTimeMillis
              yield* onConnection(moved.left)
              yield* pause(backOff)
            }
            backOff = Math.min(longestBackOff, backOff * 2)
          }
        }
      }))

    /** When all slots are taken nothing may be handed over any more. */
    const unblock = Effect.forever(Effect.gen(function*() {
      yield* fullSignal.wait
      // The command that blocks may still be on its way to the server, so once is not always enough.
      for (let wait = 10; blocked.size > 0 && free() <= 0; wait = Math.min(1000, wait * 2)) {
        yield* Effect.forEach(blocked.values(), (connection) => Effect.ignore(connection.unblock), { discard: true })
        yield* Effect.yieldNow()
        if (blocked.size > 0 && free() <= 0) yield* Effect.sleep(wait)
      }
    }))

    /** When a heartbeat last told that what runs here is alive, and since when it has done so without a gap. */
    let confirmedAt = -Infinity
    let steadySince = bornAt
    const beat = (withExecutions: boolean) =>
      Effect.gen(function*() {
        if (gone) return
        const now = yield* Clock.currentTimeMillis
        const alive = withExecutions ? [...running.values()] : []
        // What has ended stays ours until it is handed in.
        const unreported = withExecutions ? ended : []
        const [oldest] = running.values()
        const isCurrent = yield* heartbeat({
          worker: name,
          queues,
          now: Date.seconds(now),
          nowDate: Date.encode(now),
          aliveSeconds,
          workerTtl,
          birth,
          state: [
            "state",
            running.size > 0 ? "busy" : saidSuspended ? "suspended" : "idle",
            "successful_job_count",
            String(successful),
            "failed_job_count",
            String(failed),
            "total_working_time",
            String(workingMillis / 1000),
            "current_job_working_time",
            oldest === undefined ? "0" : String((now - oldest.startedAt) / 1000)
          ],
          currentJob: oldest === undefined ? "" : oldest.job.id,
          executions: [
            ...alive.map(({ job, startedAt }) => ({
              queue: job.queue,
              id: job.id,
              execution: job.execution,
              startedAt: Date.seconds(startedAt)
            })),
            ...unreported
          ]
        })
        if (withExecutions) {
          if (now - confirmedAt >= 3 * heartbeatMillis) steadySince = now
          confirmedAt = now
        }
        yield* onConnection(undefined)
        for (const [index, self] of alive.entries()) {
          if (self.interruptedFor !== undefined && !self.reported && now - self.interruptedAt >= heartbeatMillis) {
            self.reported = true
            yield* log(Effect.logWarning(
              `job ${self.job.id} does not let itself be interrupted (${self.interruptedFor}) and holds its slot`
            ))
          }
          if (isCurrent[index] !== true && running.get(self.job.execution) === self) {
            yield* log(Effect.logWarning(`job ${self.job.id} was taken away from this worker, interrupting it`))
            yield* interrupt(self, "lost")
          }
        }
      }).pipe(Effect.catchAll(onConnection))

    /** Beats on time, and as soon as something has changed that others can see, but not more than once a second. */
    const beating = Effect.gen(function*() {
      let last = yield* Clock.currentTimeMillis
      while (true) {
        // The clock may have been set back meanwhile.
        const left = Math.min(heartbeatMillis, last + heartbeatMillis - (yield* Clock.currentTimeMillis))
        if (left > 0) yield* Effect.raceFirst(Effect.sleep(left), changedSignal.wait)
        const now = yield* Clock.currentTimeMillis
        const full = now - last >= heartbeatMillis || now < last
        if (full) last = now
        yield* beat(full)
        if (!full) yield* Effect.sleep(betweenBeats)
      }
    })

    /**
     * Looks for jobs whose worker is dead. After an absence of Redis everything looks abandoned until its worker has told
     * that it is alive, so this worker waits until all others have had the time to.
     */
    const maintenance = Effect.gen(function*() {
      let more = true
      while (more) {
        const now = yield* Clock.currentTimeMillis
        if (now - confirmedAt >= 2 * heartbeatMillis || now - steadySince < aliveSeconds * 1000) return
        const found = yield* abandon({
          worker: name,
          queues,
          now: Date.seconds(now),
          nowDate: Date.encode(now),
          intervalMillis: Math.max(1, Math.floor(heartbeatMillis * 0.9)),
          maxAbandons,
          limit: 100,
          forgetSeconds: blockSeconds + 600
        })
        for (const one of found.abandoned) {
          yield* log(Effect.logWarning(
            `worker ${one.worker} died while it ran job ${one.id} (${one.times} times by now): ${
              one.outcome === "queued" ? `back to the front of queue ${one.queue}` : "failed"
            }`
          ))
        }
        more = found.more
      }
    }).pipe(Effect.catchAll(onConnection))

    const onPaused = (all: boolean, names: ReadonlyArray<string>) =>
      Effect.suspend(() => {
        suspended = all
        pausedQueues = new Set(names)
        if (names.length > 0) pausedSignal.notify()
        if (saidSuspended === all) return Effect.void
        saidSuspended = all
        changedSignal.notify()
        return log(all ? Effect.logInfo("suspended, taking no jobs") : Effect.logInfo("resumed"))
      })

    /** While the fleet or a queue of ours is suspended, looks now and then whether it still is. */
    const resuming = Effect.forever(Effect.gen(function*() {
      yield* pausedSignal.wait
      yield* Effect.sleep(pausedMillis)
      suspended = false
      hungry = true
      updateWaiting()
      pumpSignal.notify()
    }))

    /** What others tell this worker, as RQ's tools do. Nothing is stored: what is sent while nobody listens is lost. */
    const obeying = Effect.scoped(Effect.gen(function*() {
      const messages = yield* Effect.retry(redis.subscribe(keys.workerChannel(name)), {
        schedule: untilItWorks,
        while: (error) => error.isTransient
      })
      while (true) {
        const { message } = yield* EffectQueue.take(messages)
        const command = Command.decode(message)
        switch (command?.command) {
          case "stop-job":
          case "stop-execution": {
            let isKnown = false
            for (const self of running.values()) {
              const isMeant = self.job.id === command.jobId &&
                (command.executionId === undefined || command.executionId === self.job.execution)
              if (isMeant) {
                isKnown = true
                yield* interrupt(self, "stop")
              }
            }
            if (!isKnown) {
              const meant = command.executionId ?? command.jobId
              for (const stops of stopsMeanwhile) stops.add(meant)
              if (unsure) stopsMissed.add(meant)
            }
            break
          }
          case "shutdown": {
            yield* log(Effect.logInfo("told to shut down"))
            yield* Effect.forkDaemon(Effect.zipRight(stopOnce, Deferred.sync(finished, summary)))
            break
          }
          case undefined:
            yield* log(Effect.logWarning(`can't obey ${JSON.stringify(message)}`))
        }
      }
    }))

    const awaitQuiet = Effect.gen(function*() {
      while (running.size > 0) yield* quietSignal.wait
    })

    /** Takes no more, and waits for what was on its way when it said so. */
    const takeNoMore = Effect.gen(function*() {
      stopping = true
      updateWaiting()
      const isOnItsWay = () => reserved > 0
      while (isOnItsWay()) yield* Effect.sleep(10)
    })

    /** Stops as the head of this module describes. The pumps still run and hand in what ends meanwhile. */
    const stop = Effect.gen(function*() {
      yield* Effect.timeoutOption(takeNoMore, farewellMillis)
      if (running.size > 0) {
        yield* log(Effect.logInfo(`stopping, ${running.size} running jobs may go on for ${graceMillis} ms`))
        yield* Effect.raceFirst(awaitQuiet, Effect.sleep(graceMillis))
      }
      // The newest first, so that the oldest is the one at the front.
      const rest = [...running.values()].reverse()
      for (const self of rest) yield* interrupt(self, "release")
      yield* Effect.raceFirst(awaitQuiet, Effect.sleep(cleanUpMillis))
      for (const self of [...running.values()].reverse()) {
        const { execution, id, queue } = self.job
        released++
        running.delete(execution)
        ended.push({ _tag: "Released", queue, id, execution, startedAt: Date.seconds(self.startedAt) })
        emit({ _tag: "Released", jobId: id, queue, at: DateTime.unsafeMake(yield* Clock.currentTimeMillis) })
        yield* log(
          Effect.logWarning(`job ${id} does not let itself be interrupted, its execution is void now`)
        )
      }
      const farewell = Effect.gen(function*() {
        const toHandIn = () => ended.length > 0 || underWay > 0
        while (toHandIn()) {
          if (ended.length > 0) yield* call(0)
          else yield* Effect.sleep(10)
        }
        // What a call claimed whose reply never came goes back as well.
        for (const job of (yield* recover({ executionPrefix, queues })).reverse()) yield* start(job)
        while (ended.length > 0) yield* call(0)
        const now = yield* Clock.currentTimeMillis
        gone = true
        yield* unregister({
          worker: name,
          queues,
          now: Date.seconds(now),
          nowDate: Date.encode(now),
          mayStillCome: now - lostWaitAt <= blockSeconds * 1000
        })
      })
      const said = yield* farewell.pipe(
        Effect.retry(Schedule.spaced(firstBackOff)),
        Effect.timeout(farewellMillis),
        Effect.isSuccess
      )
      if (!said) {
        yield* log(Effect.logWarning("could not say farewell, others take over when the heartbeat is missed"))
      }
    })

    const registered = yield* Effect.either(register({
      worker: name,
      queues,
      now: Date.seconds(bornAt),
      aliveSeconds,
      ttl: workerTtl,
      incarnation: executionPrefix,
      birth: birth.slice(2)
    }))
    if (registered._tag === "Left") yield* onConnection(registered.left) // the heartbeat registers it later
    else if (!registered.right) return yield* new WorkerNameTaken({ name })

    // Finalizers run in reverse: the scheduler resigns first, then those who wait are stopped, then the worker stops
    // with its pumps still at work.
    yield* Effect.forEach(Array.from({ length: callsInFlight }), () => forkSupervised("the worker's pump", pump), {
      discard: true
    })
    yield* forkSupervised("the worker's deadlines", deadlines.sweep)
    yield* forkSupervised("the worker's heartbeat", beating)
    yield* forkSupervised("the worker's commands", obeying)
    yield* forkSupervised("the worker's resuming", resuming)
    const stopOnce = yield* Effect.cached(detached(stop))
    yield* Effect.addFinalizer(() => stopOnce)
    yield* forkSupervised("the worker's maintenance", Effect.repeat(maintenance, Schedule.spaced(heartbeatMillis)))
    if (!burst) {
      yield* forkSupervised("the worker's unblocking", unblock)
      for (const queue of queues) yield* forkSupervised(`waiting for queue ${queue}`, waitFor(queue))
    }
    const scheduler = options.withScheduler === true
      ? Option.some(yield* Scheduler.make({ ...options.scheduler, queues }))
      : Option.none()

    const service: WorkerService = {
      name,
      status: Effect.sync(() => ({
        name,
        queues,
        state: stopping ? "stopping" : running.size > 0 ? "busy" : "idle",
        connected,
        running: [...running.values()].map(({ deadline, interruptedFor, job, startedAt }) => ({
          id: job.id,
          queue: job.queue,
          executionId: job.execution,
          startedAt: DateTime.unsafeMake(startedAt),
          deadline: deadline === Infinity ? Option.none() : Option.some(DateTime.unsafeMake(deadline)),
          attempt: job.attempt,
          overrunning: interruptedFor !== undefined
        })),
        successful,
        failed
      })),
      events: Stream.asyncPush<WorkerEvent>((emitter) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const listener = (event: WorkerEvent) => {
              emitter.single(event)
            }
            listeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => listeners.delete(listener))
        ), { bufferSize: 4096, strategy: "sliding" }),
      finished: Deferred.await(finished),
      scheduler
    }
    return service
  })

/** RQ's default, in seconds. */
const defaultTimeout = 180

/** RQ's text. */
const stoppedMessage = "Job stopped by user, work-horse terminated."

const timeoutMessage = (self: Running): string =>
  `JobTimeoutException: Task exceeded maximum timeout value (${(self.deadline - self.startedAt) / 1000} seconds)`

/**
 * Runs a worker until it is done (with `burst` or `maxJobs`) or interrupted, and tells what it did.
 *
 * @since 0.1.0
 * @category running
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
