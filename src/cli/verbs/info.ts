/**
 * `info`: queues with who leads them, and workers.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Control from "../../Control.js"
import * as Inspector from "../../Inspector.js"
import type * as Redis from "../../Redis.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant, showRelative } from "../duration.js"
import { type Failure, misused } from "../failure.js"
import { columns, counted, cut, isTerminal, print, printable, printJson, style } from "../terminal.js"
import { didYouMean, unknownQueues } from "../unknown.js"
import type { Values } from "../verbs.js"

type Options = Values<"info">

interface Told {
  readonly what: "paused" | "queues" | "workers"
  readonly message: string
}

interface Snapshot {
  readonly now: number
  readonly queues: ReadonlyArray<Inspector.QueueInfo>
  readonly workers: ReadonlyArray<Inspector.WorkerInfo>
  /** Whether no worker takes anything, and the queues that none of ours takes anything of. */
  readonly suspended: Option.Option<Control.Suspension>
  readonly paused: ReadonlySet<string>
  /** Queues that were named and that nobody uses, with what may have been meant. */
  readonly unknown: ReadonlyMap<string, string | undefined>
  /** What goes for all, and can't be read. */
  readonly problems: ReadonlyArray<Told>
}

const read = (
  options: Options,
  named: ReadonlyArray<string>
): Effect.Effect<Snapshot, Redis.RedisError, Redis.Redis> =>
  Effect.gen(function*() {
    const inspector = yield* Inspector.make
    const control = yield* Control.make
    const asked = named.length > 0 ? [...new Set(named)] : undefined
    const problems: Array<Told> = []
    /** One key that holds something foreign must not hide the rest. */
    const orTold = <A>(what: Told["what"], read: Effect.Effect<ReadonlyArray<A>, Redis.RedisError>) =>
      Effect.catchIf(read, ({ code }) => code === "WRONGTYPE", ({ message }) =>
        Effect.sync((): ReadonlyArray<A> => {
          problems.push({ what, message: `${what}: ${message} (effect-rq doctor names the key)` })
          return []
        }))
    const suspended = yield* control.suspension
    const paused = new Set(yield* orTold("paused", control.paused))
    const queues = options.onlyWorkers && !options.byQueue
      ? []
      : [...(yield* orTold("queues", inspector.queues(asked)))]
    // One that is paused before it is used is not known as a queue yet.
    const others = asked === undefined && !options.onlyWorkers
      ? [...paused].filter((name) => !queues.some((queue) => queue.name === name))
      : []
    if (others.length > 0) {
      queues.push(...(yield* inspector.queues(others)))
      queues.sort((a, b) => a.name < b.name ? -1 : 1)
    }
    const workers = options.onlyQueues ? [] : yield* orTold("workers", inspector.workers(asked))
    const unknown = yield* unknownQueues(named)
    return { now: yield* Clock.currentTimeMillis, queues, workers, suspended, paused, unknown, problems }
  })

const millisSince = (instant: Option.Option<DateTime.Utc>, now: number): number | null =>
  Option.match(instant, { onNone: () => null, onSome: (at) => Math.max(0, now - DateTime.toEpochMillis(at)) })

const iso = (instant: Option.Option<DateTime.Utc>): string | null =>
  Option.match(instant, { onNone: () => null, onSome: DateTime.formatIso })

const waiting = (queue: Inspector.QueueInfo, now: number): number | null =>
  millisSince(Option.flatMap(queue.oldestWaiting, ({ enqueuedAt }) => enqueuedAt), now)

type Problem = Inspector.QueueInfo["problem"]

const problemOf = ({ problem }: { readonly problem: Problem }): string | null =>
  Option.getOrNull(Option.map(problem, ({ message }) => message))

const unreadable = (text: string): string => style.red(`can't be read: ${printable(text)}`)

/** What can't be read, below the table that has no room for it. */
const problemLines = (
  all: ReadonlyArray<{ readonly name: string; readonly problem: Problem }>
): ReadonlyArray<string> =>
  all.flatMap((one) => {
    const problem = problemOf(one)
    return problem === null ? [] : [style.red(`${printable(one.name)} can't be read: ${printable(problem)}`)]
  })

/** What can't be read, in a line of its own kind. */
const rawProblem = ({ problem }: { readonly problem: Problem }): ReadonlyArray<string> =>
  Option.match(problem, { onNone: () => [], onSome: ({ field }) => [`unreadable=${printable(field)}`] })

const queueJson = (queue: Inspector.QueueInfo, { now, paused, unknown }: Snapshot) => ({
  name: queue.name,
  known: !unknown.has(queue.name),
  paused: paused.has(queue.name),
  queued: queue.queued,
  scheduled: queue.scheduled,
  started: queue.started,
  finished: queue.finished,
  failed: queue.failed,
  deferred: queue.deferred,
  canceled: queue.canceled,
  oldestWaiting: Option.getOrNull(Option.map(queue.oldestWaiting, ({ enqueuedAt, id }) => ({
    id,
    enqueuedAt: iso(enqueuedAt),
    ageMillis: waiting(queue, now)
  }))),
  nextDue: iso(queue.nextDue),
  overdue: queue.overdue,
  lagMillis: Duration.toMillis(queue.lag),
  leader: Option.getOrNull(Option.map(queue.leader, ({ lapsesAt, name }) => ({ name, lapsesAt: iso(lapsesAt) }))),
  problem: problemOf(queue)
})

const workerJson = (worker: Inspector.WorkerInfo, now: number) => ({
  name: worker.name,
  state: Option.getOrNull(worker.state),
  queues: worker.queues,
  currentJob: Option.getOrNull(worker.currentJob),
  completed: worker.successful,
  failed: worker.failed,
  workingSeconds: Duration.toSeconds(worker.workingTime),
  hostname: Option.getOrNull(worker.hostname),
  pid: Option.getOrNull(worker.pid),
  version: Option.getOrNull(worker.version),
  born: iso(worker.born),
  lastHeartbeat: iso(worker.lastHeartbeat),
  heartbeatAgeMillis: millisSince(worker.lastHeartbeat, now),
  problem: problemOf(worker)
})

/** When the suspension ends by itself. */
const endOf = ({ suspended }: Snapshot): Option.Option<DateTime.Utc> => Option.flatMap(suspended, ({ until }) => until)

const suspensionLine = (snapshot: Snapshot): string =>
  Option.match(endOf(snapshot), {
    onNone: () => "suspended: workers take no jobs until effect-rq resume",
    onSome: (until) => {
      const millis = DateTime.toEpochMillis(until)
      const left = showRelative(millis, snapshot.now)
      return `suspended until ${
        showInstant(millis)
      } (${left}): workers take no jobs till then, or until effect-rq resume`
    }
  })

const toJson = (snapshot: Snapshot, { onlyQueues, onlyWorkers }: Options) => ({
  problems: snapshot.problems.map(({ message }) => message),
  time: new Date(snapshot.now).toISOString(),
  suspended: Option.isSome(snapshot.suspended),
  suspendedUntil: iso(endOf(snapshot)),
  ...(onlyWorkers ? {} : { queues: snapshot.queues.map((queue) => queueJson(queue, snapshot)) }),
  ...(onlyQueues ? {} : { workers: snapshot.workers.map((worker) => workerJson(worker, snapshot.now)) })
})

/** Letters of the longest bar. */
const chartWidth = 20

/** The least round number that all lengths fit below, as RQ scales its bars. */
const scaleOf = (most: number): number => [20, 50, 100, 200, 400, 600, 800, 1000].find((scale) => most <= scale) ?? most

const queueLines = ({ now, paused, queues }: Snapshot): ReadonlyArray<string> => {
  const scale = scaleOf(Math.max(0, ...queues.map(({ queued }) => queued)))
  const head = [
    "QUEUE",
    "QUEUED",
    "",
    "SCHEDULED",
    "STARTED",
    "FINISHED",
    "FAILED",
    "DEFERRED",
    "OLDEST",
    "NEXT DUE",
    "LEADER"
  ]
  const rows = queues.map((queue) => {
    const age = waiting(queue, now)
    const next = Option.map(queue.nextDue, (at) => DateTime.toEpochMillis(at) - now)
    const lag = Duration.toMillis(queue.lag)
    const { leader } = queue
    return [
      paused.has(queue.name) ? [`${printable(queue.name)} (paused)`, style.yellow] as const : printable(queue.name),
      String(queue.queued),
      [`|${"█".repeat(Math.floor(queue.queued * chartWidth / scale))}`, style.green] as const,
      String(queue.scheduled),
      String(queue.started),
      String(queue.finished),
      queue.failed > 0 ? [String(queue.failed), style.red] as const : "0",
      String(queue.deferred),
      age === null ? "-" : showDuration(age),
      queue.overdue > 0
        ? [`${queue.overdue} late by ${showDuration(lag)}`, style.yellow] as const
        : Option.match(next, { onNone: () => "-", onSome: (left) => `in ${showDuration(left)}` }),
      Option.match(leader, {
        onNone: () => queue.scheduled > 0 ? ["nobody", style.red] as const : "-",
        onSome: ({ lapsesAt, name }) =>
          `${printable(name)}${
            Option.match(lapsesAt, {
              onNone: () => "",
              onSome: (at) => ` (lease ${showDuration(Math.max(0, DateTime.toEpochMillis(at) - now))})`
            })
          }`
      })
    ]
  })
  const total = queues.reduce((sum, { queued }) => sum + queued, 0)
  return [
    ...(rows.length === 0 ? [] : columns([head.map((name) => [name, style.bold] as const), ...rows], {
      right: [1, 3, 4, 5, 6, 7]
    })),
    ...problemLines(queues),
    `${counted(queues.length, "queue")}, ${counted(total, "job")} total`
  ]
}

const stateOf = ({ state }: Inspector.WorkerInfo) => {
  const text = Option.getOrElse(state, () => "?")
  const paint = text === "busy" ? style.red : text === "idle" ? style.green : style.yellow
  return [printable(text), paint] as const
}

const workerLines = ({ now, queues, workers }: Snapshot, options: Options): ReadonlyArray<string> => {
  const summary = `${counted(workers.length, "worker")}${
    options.onlyWorkers && !options.byQueue ? "" : `, ${counted(queues.length, "queue")}`
  }`
  if (options.byQueue) {
    const rows = queues.map((queue) => {
      const own = workers.filter((worker) => worker.queues.includes(queue.name))
      return [
        `${printable(queue.name)}:`,
        own.length === 0 ? "-" : own.map((worker) => `${printable(worker.name)} (${stateOf(worker)[0]})`).join(", ")
      ]
    })
    return [...columns(rows), ...problemLines(workers), summary]
  }
  const head = ["WORKER", "HOST", "STATE", "COMPLETED", "FAILED", "HEARTBEAT", "QUEUES", "JOB"]
  const rows = workers.map((worker) => {
    const beat = millisSince(worker.lastHeartbeat, now)
    return [
      printable(worker.name),
      `${Option.getOrElse(worker.hostname, () => "?")} ${Option.getOrElse(worker.pid, () => "?")}`,
      stateOf(worker),
      String(worker.successful),
      String(worker.failed),
      beat === null ? "?" : `${showDuration(beat)} ago`,
      printable(worker.queues.join(", ")),
      Option.getOrElse(worker.currentJob, () => "-")
    ]
  })
  return [
    ...(rows.length === 0
      ? []
      : columns([head.map((name) => [name, style.bold] as const), ...rows], { right: [3, 4] })),
    ...problemLines(workers),
    summary
  ]
}

/** RQ's own words first, then what it doesn't show. */
const rawLines = (
  { now, paused, problems, queues, suspended, unknown, workers }: Snapshot,
  options: Options
): ReadonlyArray<string> => [
  ...(Option.isNone(suspended)
    ? []
    : [
      Option.match(suspended.value.until, {
        onNone: () => "suspended",
        onSome: (until) => `suspended until=${DateTime.formatIso(until)}`
      })
    ]),
  ...(options.onlyWorkers ? [] : queues.map((queue) =>
    [
      `queue ${printable(queue.name)} ${queue.queued}`,
      `scheduled=${queue.scheduled}`,
      `started=${queue.started}`,
      `finished=${queue.finished}`,
      `failed=${queue.failed}`,
      `deferred=${queue.deferred}`,
      `canceled=${queue.canceled}`,
      `paused=${paused.has(queue.name) ? 1 : 0}`,
      `oldest_ms=${waiting(queue, now) ?? "-"}`,
      `overdue=${queue.overdue}`,
      `lag_ms=${Duration.toMillis(queue.lag)}`,
      `next_due=${iso(queue.nextDue) ?? "-"}`,
      `leader=${Option.match(queue.leader, { onNone: () => "-", onSome: ({ name }) => printable(name) })}`,
      ...(unknown.has(queue.name) ? ["unknown=1"] : []),
      ...rawProblem(queue)
    ].join(" ")
  )),
  ...(options.onlyQueues ? [] : workers.map((worker) =>
    [
      `worker ${printable(worker.name)} ${stateOf(worker)[0]} ${printable(worker.queues.join(","))}`,
      `completed=${worker.successful}`,
      `failed=${worker.failed}`,
      `job=${printable(Option.getOrElse(worker.currentJob, () => "-"))}`,
      `heartbeat_ms=${millisSince(worker.lastHeartbeat, now) ?? "-"}`,
      ...rawProblem(worker)
    ].join(" ")
  )),
  ...problems.map(({ what }) => `unreadable ${what}`)
]

const show = (snapshot: Snapshot, options: Options): Effect.Effect<void> => {
  if (options.json) return printJson(toJson(snapshot, options))
  const lines = options.raw ? rawLines(snapshot, options) : [
    ...(Option.isSome(snapshot.suspended) ? [style.yellow(suspensionLine(snapshot)), ""] : []),
    ...(options.onlyWorkers ? [] : queueLines(snapshot)),
    ...(options.onlyWorkers || options.onlyQueues ? [] : [""]),
    ...(options.onlyQueues ? [] : workerLines(snapshot, options)),
    ...[...snapshot.unknown].map(([name, meant]) =>
      style.yellow(`nobody has used a queue called ${printable(name)} yet${printable(didYouMean(meant))}`)
    ),
    ...snapshot.problems.map(({ message }) => unreadable(message)),
    ...(options.interval === undefined ? [] : ["", style.dim(`Updated: ${showInstant(snapshot.now)}`)])
  ]
  return lines.length === 0 ? Effect.void : print(lines.join("\n"))
}

/** Empties the screen, where there is one. */
const clear = (options: Options): Effect.Effect<void> =>
  Effect.sync(() => {
    if (isTerminal && !options.json) process.stdout.write("\u001b[2J\u001b[3J\u001b[H")
  })

export const run = (options: Options, named: ReadonlyArray<string>): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    if (options.onlyQueues && options.onlyWorkers) {
      return yield* misused("info", "either --only-queues or --only-workers, not both")
    }
    const { interval } = options
    if (interval !== undefined && !(interval >= 100 && Number.isFinite(interval))) {
      return yield* misused("info", `--interval: expected at least 100ms, got ${showDuration(interval)}`)
    }
    const once = Effect.flatMap(read(options, named), (snapshot) => show(snapshot, options))
    if (interval === undefined) return yield* withRedis(options.url)(once)
    return yield* withRedis(options.url)(
      clear(options).pipe(
        Effect.zipRight(once),
        Effect.zipRight(Effect.forever(
          Effect.sleep(interval).pipe(
            Effect.zipRight(read(options, named)),
            Effect.tap(() => clear(options)),
            Effect.flatMap((snapshot) => show(snapshot, options)),
            // Whoever watches wants to see it come back.
            Effect.catchAll((error) =>
              Effect.sync(() => {
                process.stderr.write(`effect-rq: ${cut(printable(error.message), 200)}\n`)
              })
            )
          )
        ))
      )
    )
  }))
