/**
 * Runs what was claimed: a fiber for each job, its deadline, its interruption, and how it ended.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import { span } from "../internal/times.js"
import type * as JobGroup from "../JobGroup.js"
import type { Claimed } from "../lifecycle/claim.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as Result from "../wire/result.js"
import type { WorkerEvent } from "../Worker.js"
import type { Ahead } from "./ahead.js"
import { CurrentRun, makeRuns } from "./currentJob.js"
import * as Deadlines from "./deadlines.js"
import * as LogFailures from "./logFailures.js"
import * as RunJob from "./runJob.js"
import type { Settings } from "./settings.js"
import type { Running, State } from "./state.js"

export interface Executions {
  /** Takes over what was claimed; `stops` holds the ids of jobs and executions that were to be stopped meanwhile. */
  readonly take: (job: Claimed, stops: ReadonlySet<string>) => void
  /** Begins what was taken over, as far as there are slots. */
  readonly begin: () => void
  /** Puts back what has not begun. */
  readonly giveBack: () => void
  /** Stops what is fetched and has not begun; false when there is no such thing. */
  readonly stopFetched: (isMeant: (job: Claimed) => boolean) => Effect.Effect<boolean>
  /** Forgets what is fetched, has not begun, and was taken away. */
  readonly loseFetched: (execution: string) => void
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

/** Seconds as Redis is told them: those of a burst of jobs are the same. */
const secondsOf = () => {
  let last = NaN
  let text = ""
  return (millis: number): string => {
    if (millis !== last) {
      text = Date.seconds(millis)
      last = millis
    }
    return text
  }
}

/** The handlers of the group, and what its Schemas require, are taken from the context. */
export const make = Effect.fnUntraced(function*(
  group: JobGroup.Any,
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  ahead: Ahead
) {
  const { burst, concurrency, name, queues } = settings
  const { running } = state
  const runtime = yield* Effect.runtime()
  const logs = yield* FiberRef.get(LogFailures.logsFailures)
  const runJob = RunJob.make(group, yield* Effect.context<never>())
  const runs = makeRuns(redis, settings, (self) => interrupt(self, "stop"))
  const seconds = secondsOf()
  const order = new Map(queues.map((queue, index) => [queue, index]))

  // A fiber for each job, with what this one has in its FiberRefs. It is made by hand, since a change of a FiberRef in an
  // Effect costs as much as all the rest of a short job.
  const bare = Runtime.make({
    context: Context.empty(),
    runtimeFlags: RuntimeFlags.enable(runtime.runtimeFlags, RuntimeFlags.Interruption),
    fiberRefs: FiberRefs.empty()
  })
  const inherited = FiberRefs.forkAs(runtime.fiberRefs, yield* Effect.fiberIdWith(Effect.succeed)).locals
  const annotations = HashMap.set(
    FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentLogAnnotations),
    "worker",
    name as unknown
  )
  const annotationsOf = new Map<string, HashMap.HashMap<string, unknown>>()
  const fork = <A>({ id, queue }: Claimed, context: Context.Context<never>, effect: Effect.Effect<A, unknown>) => {
    let withQueue = annotationsOf.get(queue)
    if (withQueue === undefined) {
      withQueue = HashMap.set(annotations, "queue", queue as unknown)
      annotationsOf.set(queue, withQueue)
    }
    const withJob = HashMap.set(withQueue, "jobId", id as unknown)
    return Runtime.runFork(bare)(effect, {
      updateRefs: (_, fiberId) => {
        const locals = new Map(inherited)
        locals.set(FiberRef.currentContext, [[fiberId, context]])
        locals.set(FiberRef.currentLogAnnotations, [[fiberId, withJob]])
        return FiberRefs.unsafeMake(locals)
      }
    })
  }

  const forget = ({ execution, isSuspect }: Claimed) => {
    state.ours.delete(execution)
    if (isSuspect) state.suspects--
  }

  const onEnded = (self: Running, exit: Exit.Exit<RunJob.Outcome, unknown>, now: number) => {
    const { execution, id, isSuspect, queue } = self.job
    if (!state.leave(self)) return // it was given up while it still ran
    if (isSuspect) state.suspects--
    ahead.onEnded(now - self.startedAt)
    state.workingMillis += now - self.startedAt
    if (
      self.interruptedFor === undefined && now - self.deadline >= overrunMillis &&
      state.monotonic() - self.endsAt >= overrunMillis
    ) {
      // The sweeper did not come to interrupt it: its handler held the event loop.
      Runtime.runFork(runtime)(state.log(Effect.logWarning(
        `job ${id} ended ${span(now - self.deadline)} after its timeout: it blocked the event loop`
      )))
    }
    const startedAt = self.startedText
    if (self.interruptedFor === "lost") {
      state.ours.delete(execution)
      tell(self.job, now, { _tag: "Lost" })
    } else if (exit._tag === "Failure" && self.interruptedFor === "release") {
      state.released++
      state.ended.push({ _tag: "Released", queue, id, execution, startedAt })
      tell(self.job, now, { _tag: "Released" })
    } else if (exit._tag === "Failure" && self.interruptedFor === "stop") {
      onStopped(self.job, startedAt, now)
    } else {
      const outcome = exit._tag === "Success"
        ? exit.value
        : RunJob.failed(`the job was interrupted: ${String(exit.cause)}`, "")
      if (outcome._tag === "Completed") {
        state.successful++
        state.ended.push({ _tag: "Completed", queue, id, execution, startedAt, returnValue: outcome.returnValue })
        tell(self.job, now, { _tag: "Completed" })
      } else {
        const { error, exception, message, retry } = outcome
        state.failed++
        state.ended.push({ _tag: "Failed", queue, id, execution, startedAt, exception, error, retry })
        tell(self.job, now, { _tag: "Failed", message })
        if (logs) {
          Runtime.runFork(runtime)(state.log(LogFailures.failure(id, queue, now - self.startedAt, message)))
        }
      }
    }
    // What has ended may have brought work for a worker that leaves when there is none.
    if (burst) state.hungry = true
    begin()
    state.pumpSignal.notify()
    state.changedSignal.notify()
    if (running.length === 0) state.quietSignal.notify()
  }

  const onStopped = (job: Claimed, startedAt: string, now: number) => {
    const { execution, id, queue } = job
    state.failed++
    state.ended.push({
      _tag: "Stopped",
      queue,
      id,
      execution,
      startedAt,
      exception: Result.encodeException(stoppedMessage)
    })
    tell(job, now, { _tag: "Stopped" })
  }

  /** Without listeners nothing is made for them. */
  const tell = ({ id, queue }: Claimed, now: number, event: Told) => {
    if (state.listeners.size > 0) state.emit({ ...event, jobId: id, queue, at: DateTime.unsafeMake(now) })
  }

  const interrupt: Executions["interrupt"] = (self, reason) =>
    Effect.withFiberRuntime((current) => {
      if (self.interruptedFor === undefined) {
        self.interruptedFor = reason
        self.interruptedAt = state.now()
      }
      self.fiber?.unsafeInterruptAsFork(current.id())
      return Effect.void
    })

  const deadlines = Deadlines.make(
    state.monotonic,
    () => {
      let earliest = Infinity
      for (const self of running) {
        if (self.interruptedFor === undefined && self.endsAt < earliest) earliest = self.endsAt
      }
      return earliest
    },
    (now) =>
      Effect.forEach(
        running.filter((self) => self.endsAt <= now && self.interruptedFor === undefined),
        (self) => interrupt(self, "timeout"),
        { discard: true }
      )
  )

  const take: Executions["take"] = (job, stops) => {
    // `recover` brings the same execution twice when it stands in the registries of two queues.
    if (state.ours.has(job.execution)) return
    state.ours.add(job.execution)
    if (state.stopping) {
      // It came too late to be run here.
      state.ended.push({ _tag: "Released", queue: job.queue, id: job.id, execution: job.execution, startedAt: "" })
      return
    }
    state.claimed++
    if (stops.has(job.id) || stops.has(job.execution)) {
      const now = state.now()
      return onStopped(job, seconds(now), now)
    }
    if (job.isSuspect) state.suspects++
    const { fetched } = state
    // What comes of an earlier queue comes first.
    const rank = order.get(job.queue) ?? 0
    let at = fetched.length
    while (at > 0 && (order.get(fetched[at - 1]!.job.queue) ?? 0) > rank) at--
    const one = { job, at: state.now() }
    if (at === fetched.length) fetched.push(one)
    else fetched.splice(at, 0, one)
  }

  let isBeginning = false
  /** Both clocks as the last job begun found them. To ask the one that nobody sets costs as much as a part of a job. */
  let begunAt = NaN
  let begunMonotonic = 0
  const begin: Executions["begin"] = () => {
    // A job that ends at once comes back here while it is begun.
    if (isBeginning) return
    isBeginning = true
    begunAt = NaN
    while (state.fetched.length > 0 && running.length < concurrency && ahead.mayBegin()) {
      beginOne(state.fetched.shift()!.job)
    }
    isBeginning = false
    if (state.fetched.length > 0) state.fetchedSignal.notify()
  }

  const beginOne = (job: Claimed) => {
    const now = state.now()
    if (now !== begunAt) {
      begunAt = now
      begunMonotonic = state.monotonic()
    }
    const timeout = job.timeout ?? defaultTimeout
    // beyond what a date can say it never comes
    const isEndless = timeout < 0 || now + timeout * 1000 > Date.latest
    const self: Running = {
      job,
      startedAt: now,
      startedText: seconds(now),
      deadline: isEndless ? Infinity : now + timeout * 1000,
      endsAt: isEndless ? Infinity : begunMonotonic + timeout * 1000,
      fiber: undefined,
      interruptedFor: undefined,
      interruptedAt: 0,
      reported: false,
      over: false
    }
    state.begun++
    running.push(self)
    if (state.listeners.size > 0) {
      const dueAt = job.dueAt === undefined
        ? Option.none()
        : Option.some(DateTime.unsafeMake(Math.round(job.dueAt * 1000)))
      tell(job, now, { _tag: "Started", dueAt })
    }
    const { context, effect, onFailure } = runJob.begin(job, (jobName) => new CurrentRun(runs, self, jobName))
    const run = (effect: Effect.Effect<RunJob.Outcome, unknown>, isLast: boolean) => {
      const fiber = fork(job, context, effect)
      self.fiber = fiber
      // It may have asked for that itself, before its fiber was known here.
      if (self.interruptedFor !== undefined && !isLast) fiber.unsafeInterruptAsFork(FiberId.none)
      fiber.addObserver((exit) => {
        const { interruptedFor } = self
        if (isLast || exit._tag === "Success" || interruptedFor !== undefined && interruptedFor !== "timeout") {
          onEnded(self, exit, state.now())
        } else if (interruptedFor === "timeout") {
          // Whether it is tried again is for its definition to say, which takes an Effect.
          run(runJob.timedOut(job, timeoutMessage(self)), true)
        } else {
          run(onFailure(exit.cause), false)
        }
      })
    }
    run(effect, false)
    if (!isEndless && !self.over) deadlines.add(self.endsAt)
  }

  const giveBack: Executions["giveBack"] = () => {
    if (state.fetched.length > 0) state.hungry = true
    // The newest first, so that the oldest is the one at the front.
    for (const { job } of state.fetched.splice(0).reverse()) {
      if (job.isSuspect) state.suspects--
      state.claimed--
      state.ended.push({ _tag: "Released", queue: job.queue, id: job.id, execution: job.execution, startedAt: "" })
    }
    ahead.onGivenBack()
  }

  const executions: Executions = {
    take,
    begin,
    giveBack,
    interrupt,
    stopFetched: (isMeant) =>
      Effect.sync(() => {
        const meant = state.fetched.filter(({ job }) => isMeant(job))
        if (meant.length === 0) return false
        const now = state.now()
        state.fetched = state.fetched.filter((one) => !meant.includes(one))
        for (const { job } of meant) {
          if (job.isSuspect) state.suspects--
          onStopped(job, seconds(now), now)
        }
        state.pumpSignal.notify()
        return true
      }),
    loseFetched: (execution) => {
      const lost = state.fetched.find(({ job }) => job.execution === execution)
      if (lost === undefined) return
      state.fetched = state.fetched.filter((one) => one !== lost)
      state.claimed--
      forget(lost.job)
    },
    sweep: deadlines.sweep
  }
  return executions
})

/** The part of an event that is its own. */
type Told = WorkerEvent extends infer Event ? Event extends WorkerEvent ? Omit<Event, "jobId" | "queue" | "at"> : never
  : never
