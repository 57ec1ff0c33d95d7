/**
 * A whole deployment in one process: producers, workers and schedulers around one in-memory Redis, in virtual time, with
 * faults, all of it driven by one seed. Minutes of a cluster's life pass in a fraction of a second, production's scripts
 * run, and after every step of the server it is checked that nothing happened that must not happen.
 *
 * ## What is checked
 *
 * After every command that changes something: each job is in exactly one place, the one that its status names; its status
 * changed along an edge that the script which ran may walk; it was promoted not before it was due, and by the scheduler
 * that held the lock of the queue; what a worker handed in was the current execution, claimed by it; a job was taken
 * from a worker only when that had missed its heartbeats; a handler runs once for each claim, and a job is finished only
 * when its handler has succeeded. A call that was repeated counts once, since its job is there already. Nothing is claimed of a
 * queue that is paused, or while the fleet is suspended; and an id whose window of uniqueness is open is not accepted again.
 *
 * Twice a second of virtual time: no job is gone before its time; while a scheduler leads and is well nothing due waits
 * longer than a tick; while a scheduler is well somebody leads; what a dead worker ran is run again or has failed within
 * the heartbeat window. At the end, when faults have ceased: every job that was accepted comes to its end, and a clean
 * stop leaves nothing started.
 *
 * ## Determinism
 *
 * The same seed and options give the same run, to the byte of its trace, in any process: as long as the handlers and
 * producers take time and chance from Effect (`Clock`, `Random`), and the outside from nowhere.
 *
 * Each fault has a name, and chance depends on the seed and that name alone. So a fault can be left out without a change
 * of the others: a run that fails is run again with fewer and fewer of them until only those are left that it takes.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Job from "../Job.js"
import type * as JobGroup from "../JobGroup.js"
import type * as Queue from "../Queue.js"
import type * as Redis from "../Redis.js"
import type * as Scheduler from "../Scheduler.js"
import type * as Worker from "../Worker.js"
import * as Cluster from "./simulation/cluster.js"
import { shrink } from "./simulation/shrink.js"

/**
 * What may go wrong, each with its probability from 0 to 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Faults {
  /**
   * A process is gone between any two steps of its fibers: no finalizer runs. Its connections are cut, or linger for a
   * while on the server; what it had sent arrives or doesn't. It is back within 25 seconds. Per host and second.
   */
  readonly crash: number
  /** A process is told to stop in peace, and started again within ten seconds. Per host and second. */
  readonly stop: number
  /** A process is suspended for up to 45 seconds, past every lease, and goes on. Per host and second. */
  readonly pause: number
  /** The event loop is held for up to nine seconds: no timer fires, no reply is read. Per host and second. */
  readonly block: number
  /** The clock of a process is off by up to two seconds. Per start of a host. */
  readonly skew: number
  /** The clock of a host is set forth or back by up to three seconds. Per host and second. */
  readonly jump: number
  /** A connection is lost before the server has carried out the command. Per command. */
  readonly lostBefore: number
  /** A connection is lost after the server has carried out the command, before the reply came. Per command. */
  readonly lostAfter: number
  /** A command or its reply takes up to nine seconds: longer than the client waits. Per command. */
  readonly delay: number
  /** Of several fibers that could run, or timers of the same instant, another one goes first. Per step. */
  readonly reorder: number
  /**
   * Redis is away for up to eight seconds and back with all its keys, and without its connections, subscriptions and
   * scripts. Per second.
   */
  readonly restart: number
  /**
   * As `restart`, and what came within the last seconds is lost, as with `appendfsync everysec`. Jobs that were accepted
   * in that time may be lost then, and only those. Per second.
   */
  readonly lostTail: number
  /** The fleet is suspended for up to fifteen seconds. Per second. */
  readonly suspended: number
  /** A queue is paused for up to fifteen seconds. Per queue and second. */
  readonly paused: number
}

/**
 * Everything, about as often as a run of a few minutes bears and still gets something done.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Charge = Job.make("app.charge")
 * const Jobs = JobGroup.make(Charge)
 *
 * const options: Simulation.Options<typeof Charge> = {
 *   jobs: Jobs,
 *   handlers: Jobs.toLayer({ "app.charge": () => Effect.sleep("300 millis") }),
 *   produce: ({ jobId }) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Charge, {}, { jobId })),
 *   faults: { ...Simulation.someOfEach, restart: 0, lostTail: 0 }
 * }
 *
 * const program = Simulation.run(options)
 * ```
 */
export const someOfEach: Faults = {
  crash: 0.01,
  stop: 0.01,
  pause: 0.008,
  block: 0.01,
  skew: 0.3,
  jump: 0.004,
  lostBefore: 0.003,
  lostAfter: 0.003,
  delay: 0.004,
  reorder: 0.2,
  restart: 0.004,
  lostTail: 0.002,
  suspended: 0.02,
  paused: 0.02
}

/**
 * Nothing goes wrong.
 *
 * @since 0.1.0
 * @category faults
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Charge = Job.make("app.charge")
 * const Jobs = JobGroup.make(Charge)
 *
 * const options: Simulation.Options<typeof Charge> = {
 *   jobs: Jobs,
 *   handlers: Jobs.toLayer({ "app.charge": () => Effect.sleep("300 millis") }),
 *   produce: ({ jobId }) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Charge, {}, { jobId })),
 *   faults: { ...Simulation.none, crash: 0.05 }
 * }
 *
 * const program = Simulation.run(options)
 * ```
 */
export const none: Faults = {
  crash: 0,
  stop: 0,
  pause: 0,
  block: 0,
  skew: 0,
  jump: 0,
  lostBefore: 0,
  lostAfter: 0,
  delay: 0,
  reorder: 0,
  restart: 0,
  lostTail: 0,
  suspended: 0,
  paused: 0
}

/**
 * A step of a producer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  /** Its name, such as `producer-1`. */
  readonly producer: string
  /** 1 for the first. */
  readonly step: number
  /**
   * An id that belongs to this step. The step is run again when a call failed, or when its process died: with this as
   * the `jobId` it counts once.
   */
  readonly jobId: string
}

/**
 * What is deployed, what its producers do, and what goes wrong.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Jobs extends Job.Any> {
  /** The jobs that the workers run. */
  readonly jobs: JobGroup.JobGroup<Jobs>
  /** Their handlers, built anew for each worker that starts, with what the Schemas require. */
  readonly handlers: Layer.Layer<JobGroup.ToHandlers<Jobs> | Job.Context<Jobs>, unknown, Redis.Redis>
  /**
   * What a producer does at each of its steps. It is run again while it fails with a transient `RedisError`; any other
   * failure ends the step and shows in the trace.
   */
  readonly produce: (step: Step) => Effect.Effect<unknown, unknown, Queue.Queue>
  /** Whole number. Default: 1. */
  readonly seed?: number | undefined
  /** For how long there are steps and faults. Default: 2 minutes. After that the run goes on until all jobs have ended. */
  readonly duration?: Duration.DurationInput | undefined
  /** The mean time between two steps of a producer. Default: 2 seconds. */
  readonly every?: Duration.DurationInput | undefined
  /** How many producers there are. Default: 2. */
  readonly producers?: number | undefined
  /** How many workers there are. Default: 2. */
  readonly workers?: number | undefined
  /** How many schedulers there are. Default: 2. */
  readonly schedulers?: number | undefined
  /** The queues. Default: those that the jobs name. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** Options of the workers. */
  readonly worker?: Omit<Worker.WorkerOptions, "name" | "queues" | "burst" | "maxJobs"> | undefined
  /** Options of the schedulers. */
  readonly scheduler?: Omit<Scheduler.SchedulerOptions, "name" | "queues"> | undefined
  /** What goes wrong; what isn't named doesn't. Default: {@link someOfEach}. */
  readonly faults?: Partial<Faults> | undefined
  /**
   * Gives another text for a script, or the same one: to see that a run finds the mistake which that makes.
   */
  readonly rewrite?: ((script: { readonly name: string; readonly lua: string }) => string) | undefined
}

/**
 * Something that must not have happened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Violation {
  /** What was broken, in a word or three. */
  readonly rule: string
  readonly text: string
  /** When, since the start of the run. */
  readonly at: Duration.Duration
}

/**
 * What came of a run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly seed: number
  /** In the order in which they were found. A run ends with the first step that breaks something. */
  readonly violations: ReadonlyArray<Violation>
  /** How often each fault has happened. */
  readonly faults: Faults
  /** How many steps the producers took. */
  readonly steps: number
  /** Jobs that Redis has accepted. */
  readonly accepted: number
  readonly promoted: number
  readonly started: number
  /** How often a worker handed in how a job ended. */
  readonly ended: number
  /** How often a job was taken from a dead worker. */
  readonly abandoned: number
  /** Jobs that were accepted and lost with the tail of a Redis that came back as it was before. */
  readonly lost: number
  /** Commands and scripts that Redis carried out: after each of them it was checked that all is well. */
  readonly commands: number
  /** The virtual time that has passed. */
  readonly elapsed: Duration.Duration
  /** What happened, line by line, with the seconds since the start. */
  readonly trace: ReadonlyArray<string>
  /** Gives the same run when it is handed to {@link replay}, or set as `SIM_SEED` for {@link check}. */
  readonly replay: string
}

/**
 * A seed has broken something. The message holds the trace of the smallest run that was found which breaks the same, and
 * the command that runs it again.
 *
 * @since 0.1.0
 * @category errors
 */
export class SimulationFailed
  extends Schema.TaggedError<SimulationFailed>("effect-rq/testing/Simulation/SimulationFailed")("SimulationFailed", {
    seed: Schema.Number,
    rule: Schema.String,
    message: Schema.String,
    /** Runs the smallest failing run again, see {@link Report}. */
    replay: Schema.String
  })
{}

/**
 * What came of several runs, added up.
 *
 * @since 0.1.0
 * @category models
 */
export type Summary =
  & Omit<Report, "seed" | "violations" | "trace" | "replay">
  & {
    readonly runs: number
  }

const kinds = Object.keys(none) as ReadonlyArray<keyof Faults> // the keys of a literal

const toSetup = <Jobs extends Job.Any>(options: Options<Jobs>): Cluster.Setup => {
  const millis = (duration: Duration.DurationInput) => Math.ceil(Duration.toMillis(duration))
  const group: JobGroup.Any = options.jobs
  return {
    seed: options.seed ?? 1,
    jobs: group,
    // A Layer of more services than are asked for; they are looked up by the jobs of the group.
    handlers: options.handlers as Layer.Layer<never, unknown, Redis.Redis>,
    produce: options.produce,
    durationMillis: millis(options.duration ?? "2 minutes"),
    everyMillis: millis(options.every ?? "2 seconds"),
    producers: options.producers ?? 2,
    workers: options.workers ?? 2,
    schedulers: options.schedulers ?? 2,
    worker: options.worker ?? {},
    scheduler: options.scheduler ?? {},
    queues: options.queues ?? [...new Set([...group.jobs.values()].map((job) => job.queue))],
    faults: options.faults === undefined ? someOfEach : { ...none, ...options.faults },
    rewrite: options.rewrite,
    only: undefined,
    untilMillis: Infinity,
    tickMillis: millis(options.scheduler?.tick ?? "1 second"),
    leaseMillis: millis(options.scheduler?.lease ?? "15 seconds"),
    heartbeatMillis: millis(options.worker?.heartbeat ?? "5 seconds")
  }
}

/*
 * `seed`, or `seed:producers,workers,schedulers,until:what may happen`.
 */
const toReplay = (setup: Cluster.Setup, happened: ReadonlyArray<string>): string =>
  setup.only === undefined
    ? String(setup.seed)
    : `${setup.seed}:${setup.producers},${setup.workers},${setup.schedulers},${
      setup.untilMillis === Infinity ? "" : setup.untilMillis
    }:${happened.join("+")}`

const fromReplay = (setup: Cluster.Setup, text: string): Cluster.Setup => {
  const [seed, nodes, happened] = text.split(":")
  if (nodes === undefined || happened === undefined) return { ...setup, seed: Number(seed) }
  const [producers, workers, schedulers, until] = nodes.split(",")
  return {
    ...setup,
    seed: Number(seed),
    producers: Number(producers),
    workers: Number(workers),
    schedulers: Number(schedulers),
    untilMillis: until === undefined || until === "" ? Infinity : Number(until),
    only: new Set(happened.split("+"))
  }
}

const toReport = (setup: Cluster.Setup, outcome: Cluster.Outcome): Report => {
  const of = (kind: string) => outcome.happened.filter((name) => name === kind || name.startsWith(`${kind}.`)).length
  return {
    seed: setup.seed,
    violations: outcome.violations.map(({ atMillis, rule, text }) => ({ rule, text, at: Duration.millis(atMillis) })),
    faults: Object.fromEntries(kinds.map((kind) => [kind, of(kind)])) as unknown as Faults, // all kinds are there
    steps: of("step"),
    ...outcome.counts,
    commands: outcome.commands,
    elapsed: Duration.millis(outcome.endMillis),
    trace: outcome.trace,
    replay: toReplay(setup, outcome.happened)
  }
}

/**
 * Runs one seed, and tells what happened. Violations are no errors here: they are in the report.
 *
 * A defect of a handler is the failure of its job; one of the options (`InvalidOptions` of a worker) ends the run as a
 * defect.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Charge = Job.make("app.charge", { payload: { order: Schema.String } })
 * const Jobs = JobGroup.make(Charge)
 *
 * const program = Effect.gen(function*() {
 *   const report = yield* Simulation.run({
 *     jobs: Jobs,
 *     handlers: Jobs.toLayer({ "app.charge": () => Effect.sleep("300 millis") }),
 *     produce: ({ jobId }) =>
 *       Effect.flatMap(Queue.Queue, (queue) => queue.enqueueIn("3 seconds", Charge, { order: jobId }, { jobId })),
 *     seed: 42,
 *     duration: "5 minutes",
 *     faults: { crash: 0.02, lostAfter: 0.01 }
 *   })
 *   console.log(report.accepted, report.faults.crash, report.violations)
 * })
 * ```
 */
export const run = <Jobs extends Job.Any>(options: Options<Jobs>): Effect.Effect<Report> =>
  Effect.suspend(() => {
    const setup = toSetup(options)
    return Effect.map(Cluster.run(setup), (outcome) => toReport(setup, outcome))
  })

/**
 * Runs again what {@link Report}`.replay` names, with the same options.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Charge = Job.make("app.charge")
 * const Jobs = JobGroup.make(Charge)
 *
 * const options: Simulation.Options<typeof Charge> = {
 *   jobs: Jobs,
 *   handlers: Jobs.toLayer({ "app.charge": () => Effect.sleep("300 millis") }),
 *   produce: ({ jobId }) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Charge, {}, { jobId }))
 * }
 *
 * const program = Effect.gen(function*() {
 *   const report = yield* Simulation.run(options)
 *   return yield* Simulation.replay(options, report.replay) // the same once more
 * })
 * ```
 */
export const replay = <Jobs extends Job.Any>(options: Options<Jobs>, text: string): Effect.Effect<Report> =>
  Effect.suspend(() => {
    const setup = fromReplay(toSetup(options), text)
    return Effect.map(Cluster.run(setup), (outcome) => toReport(setup, outcome))
  })

/**
 * Runs a failing run with fewer faults, fewer steps and fewer nodes, for as long as it still breaks the same rule, and
 * tells of the smallest one. A report without violations is given back as it is.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Charge = Job.make("app.charge")
 * const Jobs = JobGroup.make(Charge)
 *
 * const options: Simulation.Options<typeof Charge> = {
 *   jobs: Jobs,
 *   handlers: Jobs.toLayer({ "app.charge": () => Effect.sleep("300 millis") }),
 *   produce: ({ jobId }) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Charge, {}, { jobId }))
 * }
 *
 * const program = Effect.gen(function*() {
 *   const report = yield* Simulation.run(options)
 *   const least = yield* Simulation.minimize(options, report, { maxRuns: 50 })
 *   return [least.steps, least.replay]
 * })
 * ```
 */
export const minimize = <Jobs extends Job.Any>(
  options: Options<Jobs>,
  report: Report,
  settings: {
    /** How many runs may be tried. Default: 200. */
    readonly maxRuns?: number | undefined
  } = {}
): Effect.Effect<Report> =>
  Effect.gen(function*() {
    if (report.violations.length === 0) return report
    const setup = fromReplay(toSetup(options), report.replay)
    const outcome = yield* Cluster.run(setup)
    const least = yield* shrink(Cluster.run, { setup, outcome }, settings.maxRuns ?? 200)
    return toReport(least.setup, least.outcome)
  })

const addUp = (reports: ReadonlyArray<Report>): Summary => {
  const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0)
  return {
    runs: reports.length,
    faults: Object.fromEntries(
      kinds.map((kind) => [kind, sum(({ faults }) => faults[kind])])
    ) as unknown as Faults, // all kinds are there
    steps: sum(({ steps }) => steps),
    accepted: sum(({ accepted }) => accepted),
    promoted: sum(({ promoted }) => promoted),
    started: sum(({ started }) => started),
    ended: sum(({ ended }) => ended),
    abandoned: sum(({ abandoned }) => abandoned),
    lost: sum(({ lost }) => lost),
    commands: sum(({ commands }) => commands),
    elapsed: Duration.millis(sum(({ elapsed }) => Duration.toMillis(elapsed)))
  }
}

/**
 * Runs many seeds. Fails with {@link SimulationFailed} at the first that breaks something, after it has looked for the
 * smallest run that breaks the same.
 *
 * When `SIM_SEED` is set (read by Effect's `Config`) only that run is made: a seed, or the `replay` of a report. So what
 * a test has printed is run again by one command.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Effect, Schema } from "effect"
 * import { Job, JobGroup, Queue } from "effect-rq"
 * import { Simulation } from "effect-rq/testing"
 *
 * const Greet = Job.make("app.greet", { payload: { name: Schema.String } })
 * const Jobs = JobGroup.make(Greet)
 *
 * it.effect("greets, whatever happens", () =>
 *   Simulation.check({
 *     jobs: Jobs,
 *     handlers: Jobs.toLayer({ "app.greet": () => Effect.void }),
 *     produce: ({ jobId }) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Greet, { name: "Ada" }, { jobId })),
 *     seeds: [1, 2, 3],
 *     command: "npx vitest run test/greet.test.ts"
 *   }))
 * ```
 */
export const check = <Jobs extends Job.Any>(
  options: Omit<Options<Jobs>, "seed"> & {
    /** Whole numbers. */
    readonly seeds: Iterable<number>
    /** What the message says to run. Default: `npx vitest run`. */
    readonly command?: string | undefined
    /** How many runs may be tried to find a smaller one. Default: 200. */
    readonly maxRuns?: number | undefined
    /** Called with the report of each run that has broken nothing. */
    readonly onReport?: ((report: Report) => Effect.Effect<void>) | undefined
  }
): Effect.Effect<Summary, SimulationFailed> =>
  Effect.gen(function*() {
    const asked = yield* Effect.orDie(Effect.option(Config.string("SIM_SEED")))
    const reports: Array<Report> = []
    for (const text of Option.isSome(asked) ? [asked.value] : Array.from(options.seeds, String)) {
      const report = yield* replay(options, text)
      if (report.violations.length > 0) return yield* failed(options, report)
      if (options.onReport !== undefined) yield* options.onReport(report)
      reports.push({ ...report, trace: [] })
    }
    return addUp(reports)
  })

/** How many lines of a trace a message shows at its end. */
const mostLines = 200

const failed = <Jobs extends Job.Any>(
  options: Options<Jobs> & { readonly command?: string | undefined; readonly maxRuns?: number | undefined },
  report: Report
): Effect.Effect<never, SimulationFailed> =>
  Effect.flatMap(minimize(options, report, { maxRuns: options.maxRuns }), (least) => {
    const [first] = least.violations
    const rule = first?.rule ?? ""
    const happened = Object.entries(least.faults).flatMap(([kind, count]) => count > 0 ? [`${count} ${kind}`] : [])
    const left = Math.max(0, least.trace.length - mostLines)
    return Effect.fail(
      new SimulationFailed({
        seed: report.seed,
        rule,
        replay: least.replay,
        message: [
          `seed ${report.seed} breaks "${rule}": ${first?.text ?? ""}`,
          `The smallest run that was found has ${least.steps} steps and ${happened.join(", ") || "no faults"}:`,
          ...(left > 0 ? [`  (${left} lines before)`] : []),
          ...least.trace.slice(left),
          "Run it again:",
          `  SIM_SEED='${least.replay}' ${options.command ?? "npx vitest run"}`
        ].join("\n")
      })
    )
  })
