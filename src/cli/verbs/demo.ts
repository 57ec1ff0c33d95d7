/**
 * `demo`: jobs now, in some seconds and at a wall-clock time, on two hosts, one of which leads and goes away half way.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Ids from "../../Ids.js"
import { toMillis } from "../../internal/when.js"
import * as Job from "../../Job.js"
import * as JobGroup from "../../JobGroup.js"
import * as Queue from "../../Queue.js"
import { forget } from "../../queue/forget.js"
import * as Probe from "../../redis-live/probe.js"
import * as Redis from "../../Redis.js"
import * as RedisLive from "../../RedisLive.js"
import * as RedisMemory from "../../RedisMemory.js"
import * as Worker from "../../Worker.js"
import { fromProblem } from "../connection.js"
import { showTime } from "../duration.js"
import { failed, type Failure } from "../failure.js"
import { print, printJson, style } from "../terminal.js"
import type { Values } from "../verbs.js"

const Greet = Job.make("effect-rq.demo", { payload: { label: Schema.String }, queue: "effect-rq-demo" })
const Jobs = JobGroup.make(Greet)

/** A little work, so that there is something to see. */
const Handlers = Jobs.toLayer({ "effect-rq.demo": () => Effect.sleep(20) })

type HostName = "A" | "B"

/** When the leader goes away, counted from the start of the plan. */
const stopAfter = 5000

/** What is called late. */
const lateMillis = 1000

/** How long all of it may take before something is surely wrong. */
const patience = "18 seconds"

/** A job of the demo, by the label that people see. */
interface Planned {
  readonly label: string
  readonly id: string
  readonly kind: "now" | "delay" | "wall clock"
  /** Milliseconds since 1970; of a job that runs now, when it was queued. */
  dueAt: number
  readonly promotedBy: Array<HostName>
  readonly startedAt: Array<number>
  readonly completedBy: Array<HostName>
}

interface Summary {
  readonly ok: boolean
  readonly redis: string
  readonly jobs: number
  readonly ranOnce: number
  readonly scheduled: number
  readonly onTime: number
  readonly early: number
  /** Of scheduled jobs, from when they were due to when they started. */
  readonly latenessMillis: { readonly p50: number; readonly max: number }
  readonly promotedBy: Readonly<Record<HostName, number>>
  /** From when the leader was told to stop to when the other led. */
  readonly takeoverMillis: number | null
  readonly seconds: number
}

interface Host {
  readonly name: HostName
  readonly worker: Worker.WorkerService
  readonly stop: Effect.Effect<void>
}

type Connect = Effect.Effect<Redis.RedisService, Failure, Scope.Scope>

/** Two clients of one store, as two hosts are two clients of one server. */
const connectInMemory: Effect.Effect<Connect> = Effect.map(
  RedisMemory.makeStore,
  (store) => Effect.map(RedisMemory.makeClient(store), ({ service }) => service)
)

const connectTo = (target: Probe.Target): Effect.Effect<Connect, Failure> =>
  Effect.as(
    Effect.mapError(Probe.check(target), fromProblem),
    Effect.mapError(RedisLive.make(target.options), (error) => fromProblem(Probe.explainConfig(error, target.isGiven)))
  )

const hostColour = { A: style.cyan, B: style.magenta } as const

interface Timeline {
  readonly say: (
    host: HostName | undefined,
    what: string,
    label: string,
    details: string,
    at?: number
  ) => Effect.Effect<void>
  readonly elapsed: Effect.Effect<number>
}

const makeTimeline = (quiet: boolean): Effect.Effect<Timeline> =>
  Effect.map(Clock.currentTimeMillis, (start) => ({
    say: (host, what, label, details, at) =>
      quiet ? Effect.void : Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const stamp = `+${(((at ?? now) - start) / 1000).toFixed(3)}`.padStart(8)
        const who = host === undefined ? " " : style.bold(hostColour[host](host))
        const paint = host === undefined ? style.bold : hostColour[host]
        return print(
          `${style.dim(stamp)}  ${who}  ${paint(what.padEnd(9))}  ${label.padEnd(11)}  ${style.dim(details)}`.trimEnd()
        )
      }),
    elapsed: Effect.map(Clock.currentTimeMillis, (now) => now - start)
  }))

const startHost = (
  name: HostName,
  queue: string,
  redis: Redis.RedisService,
  handlers: Context.Context<Layer.Layer.Success<typeof Handlers>>
): Effect.Effect<Host, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const worker = yield* Worker.make(Jobs, {
      queues: [queue],
      name: `${queue}-${name}`,
      withScheduler: true
    }).pipe(
      Scope.extend(scope),
      Effect.provide(Context.add(handlers, Redis.Redis, redis)),
      Effect.mapError((error) => failed(error.message))
    )
    return { name, worker, stop: Scope.close(scope, Exit.void) }
  })

/** Shows what a host does from now on, and notes it in the plan. */
const watch = (
  { name, worker }: Host,
  plan: ReadonlyMap<string, Planned>,
  timeline: Timeline,
  onElected: (at: number) => Effect.Effect<void>,
  onCompleted: Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> => {
  const scheduler = Option.getOrThrow(worker.scheduler) // each host has one
  const promotions = Stream.runForEach(scheduler.events, (event) =>
    Effect.gen(function*() {
      const at = DateTime.toEpochMillis(event.at)
      if (event._tag === "Elected") yield* onElected(at)
      if (event._tag !== "Promoted") return
      for (const id of event.jobIds) {
        const job = plan.get(id)
        if (job === undefined) continue
        job.promotedBy.push(name)
        yield* timeline.say(name, "promotes", job.label, `${at - job.dueAt} ms after it was due`, at)
      }
    }))
  const runs = Stream.runForEach(worker.events, (event) =>
    Effect.gen(function*() {
      const job = plan.get(event.jobId)
      if (job === undefined) return
      const at = DateTime.toEpochMillis(event.at)
      if (event._tag === "Started") {
        job.startedAt.push(at)
        const since = job.kind === "now" ? "it was queued" : "it was due"
        yield* timeline.say(name, "runs", job.label, `${at - job.dueAt} ms after ${since}`, at)
      } else if (event._tag === "Completed") {
        job.completedBy.push(name)
        yield* onCompleted
      } else {
        yield* timeline.say(name, event._tag.toLowerCase(), job.label, "", at)
      }
    }))
  return Effect.asVoid(Effect.zipRight(Effect.forkScoped(promotions), Effect.forkScoped(runs)))
}

const wallClock = (millis: number): Queue.WallClock => {
  const date = new Date(millis)
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hours: date.getHours(),
    minutes: date.getMinutes(),
    seconds: date.getSeconds()
  }
}

/** Waits until a scheduler leads the queue. */
const awaitLeading = (host: Host): Effect.Effect<void> =>
  Effect.flatMap(Option.getOrThrow(host.worker.scheduler).status, ({ queues }) =>
    // each host has one
    queues.every(({ leadingSince }) => Option.isSome(leadingSince))
      ? Effect.void
      : Effect.zipRight(Effect.sleep(5), awaitLeading(host)))

const median = (sorted: ReadonlyArray<number>): number => sorted[Math.floor((sorted.length - 1) / 2)] ?? 0

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`

const play = (connect: Connect, shown: string, json: boolean) =>
  Effect.gen(function*() {
    const suffix = (yield* (yield* Ids.Ids).name).slice(0, 6)
    const queueName = `effect-rq-demo-${suffix}`
    const plan = new Map<string, Planned>()

    // Built first, so that it is closed last: it cleans up when all others have stopped.
    const client = yield* connect
    // The first use of a time zone takes a while, which would look like jobs being late.
    yield* Effect.ignore(toMillis(wallClock(yield* Clock.currentTimeMillis)))
    yield* Effect.addFinalizer(() =>
      client.eval(forget)({
        queue: queueName,
        jobs: [...plan.keys()],
        workers: [`${queueName}-A`, `${queueName}-B`]
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning(`the queue ${queueName} could not be removed: ${error.message}`))
      )
    )
    const queue = yield* Effect.provideService(Queue.make, Redis.Redis, client)
    const handlers = yield* Layer.build(Handlers)

    if (!json) {
      yield* print(
        `${style.bold("effect-rq demo")}: jobs for now, for later and for a time of the wall clock, `
          + "on two hosts A and B, each a worker with a scheduler.\n"
          + `On ${shown}, in real time, for about 9 seconds; the clock says ${
            showTime(Math.floor((yield* Clock.currentTimeMillis) / 1000) * 1000)
          }.\n`
      )
    }
    const timeline = yield* makeTimeline(json)
    const tookOver = yield* Deferred.make<number>()
    const allDone = yield* Deferred.make<void>()
    const onCompleted = Effect.suspend(() =>
      [...plan.values()].every(({ completedBy }) => completedBy.length > 0)
        ? Effect.asVoid(Deferred.succeed(allDone, undefined))
        : Effect.void
    )

    const a = yield* startHost("A", queueName, yield* connect, handlers)
    yield* watch(a, plan, timeline, () => Effect.void, onCompleted)
    yield* awaitLeading(a)
    yield* timeline.say("A", "leads", "", "its scheduler promotes what becomes due")
    const b = yield* startHost("B", queueName, yield* connect, handlers)
    yield* watch(b, plan, timeline, (at) => Effect.asVoid(Deferred.succeed(tookOver, at)), onCompleted)
    yield* timeline.say("B", "stands by", "", "its scheduler waits, its worker takes jobs as A's does")

    // Events of before somebody listens are not told.
    yield* Effect.sleep(50)
    const start = yield* Clock.currentTimeMillis
    const add = (kind: Planned["kind"], label: string, dueAt: number): Planned => {
      const planned: Planned = {
        kind,
        label,
        id: `${queueName}-${label.replace(/[^a-z0-9]+/g, "-")}`,
        dueAt,
        promotedBy: [],
        startedAt: [],
        completedBy: []
      }
      plan.set(planned.id, planned)
      return planned
    }
    const options = ({ id }: Planned) => ({ queue: queueName, jobId: id })
    // Before it is queued it must be in the plan, since it may be run before the call returns.
    const later = (seconds: number) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const planned = add("delay", `in ${seconds} s`, now + seconds * 1000)
        const { dueAt } = yield* queue.enqueueIn(
          Duration.seconds(seconds),
          Greet,
          { label: planned.label },
          options(planned)
        )
        planned.dueAt = Option.match(dueAt, { onNone: () => planned.dueAt, onSome: DateTime.toEpochMillis })
        yield* timeline.say(undefined, "schedules", planned.label, `due at ${showTime(planned.dueAt)}`)
      })
    const at = (offset: number) =>
      Effect.gen(function*() {
        const millis = Math.ceil((start + offset) / 1000) * 1000
        const planned = add("wall clock", `at ${showTime(millis)}`, millis)
        yield* queue.enqueueAt(wallClock(millis), Greet, { label: planned.label }, options(planned))
        yield* timeline.say(undefined, "schedules", planned.label, `in ${((millis - start) / 1000).toFixed(1)} s`)
      })
    const submit = Effect.gen(function*() {
      for (const label of ["now 1", "now 2", "now 3"]) {
        const planned = add("now", label, yield* Clock.currentTimeMillis)
        yield* timeline.say(undefined, "enqueues", label, "")
        yield* queue.enqueue(Greet, { label: planned.label }, options(planned))
      }
      for (const seconds of [1.5, 3]) yield* later(seconds)
      yield* at(3300)
      for (const seconds of [5.2, 6.5]) yield* later(seconds)
      yield* at(6800)
      yield* later(8.5)
    })
    yield* submit

    const left = start + stopAfter - (yield* Clock.currentTimeMillis)
    yield* Effect.sleep(Math.max(0, left))
    const stoppedAt = yield* Clock.currentTimeMillis
    yield* timeline.say("A", "stops", "", "the leader goes away, worker and all")
    const stopping = yield* Effect.fork(a.stop)
    const electedAt = yield* Deferred.await(tookOver)
    yield* timeline.say("B", "leads", "", `took over ${electedAt - stoppedAt} ms after A was told to stop`, electedAt)
    yield* stopping.await
    yield* Deferred.await(allDone)

    const all = [...plan.values()]
    const scheduled = all.filter(({ kind }) => kind !== "now")
    const lateness = scheduled.flatMap(({ dueAt, startedAt }) => startedAt.map((at) => at - dueAt)).sort((x, y) =>
      x - y
    )
    const promotedBy = (host: HostName) => scheduled.filter((job) => job.promotedBy.includes(host)).length
    const ranOnce = all.filter(({ completedBy, startedAt }) =>
      completedBy.length === 1 && startedAt.length === 1
    ).length
    const onTime = lateness.filter((millis) => millis >= 0 && millis <= lateMillis).length
    const summary: Summary = {
      ok: ranOnce === all.length && onTime === scheduled.length && promotedBy("A") > 0 && promotedBy("B") > 0,
      redis: shown,
      jobs: all.length,
      ranOnce,
      scheduled: scheduled.length,
      onTime,
      early: lateness.filter((millis) => millis < 0).length,
      latenessMillis: { p50: median(lateness), max: lateness.at(-1) ?? 0 },
      promotedBy: { A: promotedBy("A"), B: promotedBy("B") },
      takeoverMillis: electedAt - stoppedAt,
      seconds: (yield* timeline.elapsed) / 1000
    }
    return summary
  })

const conclude = (summary: Summary, kinds: string): ReadonlyArray<string> => {
  const mark = (good: boolean, text: string) => good ? style.green(text) : style.red(text)
  const row = (name: string, text: string) => `  ${style.dim(name.padEnd(10))}  ${text}`
  const { latenessMillis, promotedBy } = summary
  return [
    "",
    style.bold("Summary"),
    row("jobs", `${mark(summary.ranOnce === summary.jobs, `${summary.ranOnce} of ${summary.jobs} ran once`)} ${kinds}`),
    row(
      "on time",
      mark(summary.onTime === summary.scheduled, `${summary.onTime} of ${plural(summary.scheduled, "scheduled job")}`)
    ),
    row("lateness", `p50 ${latenessMillis.p50} ms, at most ${latenessMillis.max} ms, from due to running`),
    row("promoted", `${promotedBy.A} by A, ${promotedBy.B} by B`),
    row("takeover", `${summary.takeoverMillis} ms after the leader was told to stop`),
    "",
    `Next: ${style.bold("effect-rq worker --jobs ./jobs.js --with-scheduler")} runs your own jobs, ${
      style.bold("effect-rq --help")
    } lists the rest.`
  ]
}

export const run = (options: Values<"demo">): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const target = options.url === undefined
      ? undefined
      : yield* Effect.mapError(Probe.target(options.url), fromProblem)
    const connect = yield* target === undefined ? connectInMemory : connectTo(target)
    const shown = target === undefined ? "the in-memory Redis of this process" : target.shown
    const summary = yield* Effect.scoped(play(connect, shown, options.json)).pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () => failed(`the demo was not done after ${patience}`)
      }),
      Effect.mapError((error) =>
        error._tag === "RedisError"
          ? fromProblem(Probe.explain(error, shown))
          : error._tag === "InvalidJobError" || error._tag === "JobExists"
          ? failed(error.message)
          : error
      )
    )
    if (options.json) {
      yield* printJson(summary)
    } else {
      const now = summary.jobs - summary.scheduled
      for (const line of conclude(summary, `(${now} at once, ${summary.scheduled} for later)`)) yield* print(line)
    }
    if (!summary.ok) return yield* failed("the demo did not go as it should")
  }).pipe(
    Effect.provide(Layer.merge(
      Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)),
      Logger.minimumLogLevel(LogLevel.Warning)
    ))
  )
