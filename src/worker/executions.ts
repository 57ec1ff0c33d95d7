/**
 * Runs what was claimed: a fiber for each job, its deadline, its interruption, and how it ended.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as JobGroup from "../JobGroup.js"
import type { Claimed } from "../lifecycle/claim.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as Result from "../wire/result.js"
import { makeCurrentJob } from "./currentJob.js"
import * as Deadlines from "./deadlines.js"
import * as RunJob from "./runJob.js"
import type { Settings } from "./settings.js"
import type { Running, State } from "./state.js"

export interface Executions {
  /** Starts what was claimed; `stops` holds the ids of jobs and executions that were to be stopped meanwhile. */
  readonly start: (job: Claimed, stops?: ReadonlySet<string>) => Effect.Effect<void>
  readonly interrupt: (self: Running, reason: NonNullable<Running["interruptedFor"]>) => Effect.Effect<void>
  /** Runs for ever: interrupts what has passed its deadline. */
  readonly sweep: Effect.Effect<never>
}

/** RQ's default, in seconds. */
const defaultTimeout = 180

/** What a job may end late by before it is said that it blocked the event loop. */
const overrunMillis = 1000

/** RQ's text. */
const stoppedMessage = "Job stopped by user, work-horse terminated."

const timeoutMessage = (self: Running): string =>
  `JobTimeoutException: Task exceeded maximum timeout value (${(self.deadline - self.startedAt) / 1000} seconds)`

/** The handlers of the group, and what its Schemas require, are taken from the context. */
export const make = Effect.fnUntraced(function*(
  group: JobGroup.Any,
  { aliveSeconds, burst, name }: Settings,
  state: State,
  redis: Redis.RedisService
) {
  const { running } = state
  const runtime = yield* Effect.runtime()
  const runJob = RunJob.make(group, yield* Effect.context<never>(), (job, jobName) =>
    makeCurrentJob(redis, job, {
      name: jobName,
      worker: name,
      aliveSeconds,
      startedAt: running.get(job.execution)?.startedAt ?? 0,
      deadline: running.get(job.execution)?.deadline ?? Infinity,
      stop: Effect.suspend(() => {
        const self = running.get(job.execution)
        return self === undefined ? Effect.void : interrupt(self, "stop")
      })
    }))

  const onEnded = (self: Running, exit: Exit.Exit<RunJob.Outcome>, now: number) => {
    const { execution, id, queue } = self.job
    if (!running.delete(execution)) return // it was given up while it still ran
    state.workingMillis += now - self.startedAt
    if (self.interruptedFor === undefined && now - self.deadline >= overrunMillis) {
      // The sweeper did not come to interrupt it: its handler held the event loop.
      Runtime.runFork(runtime)(state.log(Effect.logWarning(
        `job ${id} ended ${now - self.deadline} ms after its timeout: it blocked the event loop`
      )))
    }
    const event = { jobId: id, queue, at: DateTime.unsafeMake(now) }
    const common = { queue, id, execution, startedAt: Date.seconds(self.startedAt) }
    if (self.interruptedFor === "lost") {
      state.ours.delete(execution)
      state.emit({ ...event, _tag: "Lost" })
    } else if (exit._tag === "Failure" && self.interruptedFor === "release") {
      state.released++
      state.ended.push({ ...common, _tag: "Released" })
      state.emit({ ...event, _tag: "Released" })
    } else if (exit._tag === "Failure" && self.interruptedFor === "stop") {
      state.failed++
      state.ended.push({ ...common, _tag: "Stopped", exception: Result.encodeException(stoppedMessage) })
      state.emit({ ...event, _tag: "Stopped" })
    } else {
      const outcome = exit._tag === "Success"
        ? exit.value
        : RunJob.failed(`the job was interrupted: ${String(exit.cause)}`, "")
      if (outcome._tag === "Completed") {
        state.successful++
        state.ended.push({ ...common, _tag: "Completed", returnValue: outcome.returnValue })
        state.emit({ ...event, _tag: "Completed" })
      } else {
        const { error, exception, message, retry } = outcome
        state.failed++
        state.ended.push({ ...common, _tag: "Failed", exception, error, retry })
        state.emit({ ...event, _tag: "Failed", message })
      }
    }
    // What has ended may have brought work for a worker that leaves when there is none.
    if (burst) state.hungry = true
    state.pumpSignal.notify()
    state.changedSignal.notify()
    if (running.size === 0) state.quietSignal.notify()
  }

  const interrupt: Executions["interrupt"] = (self, reason) =>
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

  const start: Executions["start"] = Effect.fnUntraced(function*(job, stops) {
    // A lost reply and `recover` may both bring the same execution.
    if (state.ours.has(job.execution)) return
    state.ours.add(job.execution)
    if (state.stopping) {
      // It came too late to be run here.
      state.ended.push({ _tag: "Released", queue: job.queue, id: job.id, execution: job.execution, startedAt: "" })
      return
    }
    state.claimed++
    const clock = yield* Effect.clock
    const now = clock.unsafeCurrentTimeMillis()
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
    state.emit({
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

  const executions: Executions = { start, interrupt, sweep: deadlines.sweep }
  return executions
})
