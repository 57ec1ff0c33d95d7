/**
 * `job show`: all that is known of one job. `job history`: how its last runs ended.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { JobRecord, Outcome, Status, WireError } from "../../JobRecord.js"
import * as Queue from "../../Queue.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant, showRelative } from "../duration.js"
import { failed, type Failure } from "../failure.js"
import { columns, counted, json as showJson, print, printable, printJson, style } from "../terminal.js"
import type { Values } from "../verbs.js"

const iso = (instant: Option.Option<DateTime.Utc>): string | null =>
  Option.match(instant, { onNone: () => null, onSome: DateTime.formatIso })

const seconds = (duration: Option.Option<Duration.Duration>): number | null =>
  Option.match(duration, {
    onNone: () => null,
    // RQ's -1 is for ever
    onSome: (value) => Duration.isFinite(value) ? Duration.toSeconds(value) : -1
  })

const outcomeJson = (outcome: Outcome) => ({
  type: outcome.type,
  at: DateTime.formatIso(outcome.at),
  worker: Option.getOrNull(outcome.worker),
  startedAt: iso(outcome.startedAt),
  endedAt: iso(outcome.endedAt),
  returnValue: outcome.returnValue ?? null,
  exception: Option.getOrNull(outcome.exception),
  error: Option.getOrNull(outcome.error),
  problem: Option.getOrNull(Option.map(outcome.problem, ({ message }) => message))
})

/** How many runs are kept, or why that can't be read. */
type Kept = Either.Either<number, WireError>

const toJson = (job: JobRecord, runs: Kept) => ({
  id: job.id,
  status: job.status,
  queue: job.queue,
  description: job.description,
  ...Either.match(job.payload, {
    onLeft: (error) => ({ name: null, args: null, kwargs: null, payloadError: error.message }),
    onRight: ({ args, kwargs, name }) => ({ name, args, kwargs, payloadError: null })
  }),
  createdAt: iso(job.createdAt),
  dueAt: iso(job.dueAt),
  enqueuedAt: iso(job.enqueuedAt),
  startedAt: iso(job.startedAt),
  endedAt: iso(job.endedAt),
  lastHeartbeat: iso(job.lastHeartbeat),
  worker: Option.getOrNull(job.worker),
  timeoutSeconds: seconds(job.timeout),
  ttlSeconds: seconds(job.ttl),
  resultTtlSeconds: seconds(job.resultTtl),
  failureTtlSeconds: seconds(job.failureTtl),
  atFront: job.atFront,
  abandoned: job.abandoned,
  failedAttempts: job.failedAttempts,
  retriesLeft: Option.getOrNull(job.retriesLeft),
  repeatsLeft: Option.getOrNull(job.repeatsLeft),
  dependsOn: job.dependsOn,
  historyLength: Option.getOrNull(Either.getRight(runs)),
  meta: job.meta,
  outcome: Option.getOrNull(Option.map(job.outcome, outcomeJson))
})

const paintOf = (status: Status) =>
  status === "finished"
    ? style.green
    : status === "failed" || status === "stopped"
    ? style.red
    : status === "started"
    ? style.cyan
    : style.yellow

const times = (count: number): string => count === 1 ? "once" : `${count} times`

const describe = (job: JobRecord, runs: Kept, now: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const row = (name: string, value: string) => lines.push(`${style.dim(name.padEnd(14))}${value}`)
  /** Texts of several lines stand below their name. */
  const block = (name: string, text: string) => {
    const all = text.trimEnd().split("\n").map((line) => /^\s*/.exec(line)![0] + printable(line.trim())) // may match nothing
    if (all.length === 1) {
      row(name, all[0]!)
      return
    }
    row(name, "")
    lines.push(...all.map((line) => `  ${line}`))
  }
  const at = (name: string, instant: Option.Option<DateTime.Utc>) => {
    if (Option.isNone(instant)) return
    const millis = DateTime.toEpochMillis(instant.value)
    row(name, `${showInstant(millis)}  ${style.dim(showRelative(millis, now))}`)
  }
  const lasts = (name: string, duration: Option.Option<Duration.Duration>) => {
    if (Option.isSome(duration)) row(name, showDuration(Duration.toMillis(duration.value)))
  }
  row("id", style.bold(printable(job.id)))
  row("status", paintOf(job.status)(job.status))
  row("queue", printable(job.queue))
  row("job", printable(job.description))
  if (Either.isLeft(job.payload)) {
    row("payload", style.red(printable(job.payload.left.message)))
  } else {
    const { args, kwargs, name } = job.payload.right
    row("name", printable(name))
    if (args.length > 0) row("arguments", showJson(args))
    if (Object.keys(kwargs).length > 0) row("arguments", showJson(kwargs))
  }
  at("created", job.createdAt)
  at("due", job.dueAt)
  at("enqueued", job.enqueuedAt)
  at("started", job.startedAt)
  at("ended", job.endedAt)
  if (job.status === "started") at("heartbeat", job.lastHeartbeat)
  if (Option.isSome(job.worker)) row("worker", printable(job.worker.value))
  lasts("timeout", job.timeout)
  lasts("ttl", job.ttl)
  lasts("result ttl", job.resultTtl)
  lasts("failure ttl", job.failureTtl)
  if (job.atFront) row("at front", "yes")
  if (job.dependsOn.length > 0) row("depends on", job.dependsOn.map(printable).join(", "))
  if (job.failedAttempts > 0) row("retried", `${times(job.failedAttempts)} after a failure`)
  if (Option.isSome(job.retriesLeft)) row("retries left", String(job.retriesLeft.value))
  if (Option.isSome(job.repeatsLeft)) row("repeats left", String(job.repeatsLeft.value))
  if (job.abandoned > 0) row("abandoned", `${times(job.abandoned)} by a worker that died`)
  if (Either.isLeft(runs)) {
    row("history", style.red(printable(`can't be read: ${runs.left.message}`)))
  } else if (runs.right > 0) {
    row("history", `${counted(runs.right, "run")}, effect-rq job history shows ${runs.right === 1 ? "it" : "them"}`)
  }
  if (Object.keys(job.meta).length > 0) row("meta", showJson(job.meta))
  if (Option.isSome(job.outcome)) {
    const { error, exception, problem, returnValue } = job.outcome.value
    if (Option.isSome(problem)) row("unreadable", style.red(printable(problem.value.message)))
    if (returnValue !== undefined && returnValue !== null) block("result", showJson(returnValue, 2))
    if (Option.isSome(error)) block("error", showJson(error.value, 2))
    if (Option.isSome(exception)) block("exception", exception.value)
  }
  return lines
}

const unreadable = (id: string) => (error: WireError) =>
  failed(`job ${printable(id)} can't be read: ${printable(error.message)}`)

const read = (url: string | undefined, id: string) =>
  Effect.flatMap(Queue.make, (queue) =>
    Effect.all([
      Effect.catchTag(queue.fetch(id), "WireError", unreadable(id)),
      queue.history(id).pipe(
        Effect.map(Either.right),
        Effect.catchTag("WireError", (error) => Effect.succeed(Either.left(error)))
      )
    ], { concurrency: 2 })).pipe(withRedis(url))

export const run = (
  options: Values<"jobShow">,
  [id = ""]: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const [found, runs] = yield* read(options.url, id)
    if (Option.isNone(found)) return yield* failed(`there is no job ${printable(id)}`)
    const kept = Either.map(runs, (all) => all.length)
    if (options.json) return yield* printJson(toJson(found.value, kept))
    const now = yield* Clock.currentTimeMillis
    for (const line of describe(found.value, kept, now)) yield* print(line)
  }))

const paintOfType = (type: Outcome["type"]) =>
  type === "successful" ? style.green : type === "failed" || type === "unreadable" ? style.red : style.yellow

/** What is known of how it ended, on one line. */
const gist = ({ error, exception, problem, returnValue }: Outcome): string =>
  Option.isSome(problem)
    ? problem.value.message
    : Option.isSome(error)
    ? showJson(error.value)
    : Option.isSome(exception)
    ? lastOrFirstLine(exception.value)
    : returnValue === undefined || returnValue === null
    ? ""
    : showJson(returnValue)

/** A traceback of Python tells what happened in its last line, a cause of Effect in its first. */
const lastOrFirstLine = (text: string): string => {
  const lines = text.trim().split("\n")
  return (text.startsWith("Traceback ") ? lines.at(-1) : lines[0]) ?? ""
}

export const runHistory = (
  options: Values<"jobHistory">,
  [id = ""]: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const [found, kept] = yield* read(options.url, id)
    if (Either.isLeft(kept)) return yield* unreadable(id)(kept.left)
    const runs = kept.right
    if (Option.isNone(found) && runs.length === 0) return yield* failed(`there is no job ${printable(id)}`)
    if (options.json) return yield* printJson(runs.map(outcomeJson))
    if (runs.length === 0) return yield* print(`nothing is kept of runs of ${printable(id)}`)
    const lines = columns([
      ["ENDED", "HOW", "TOOK", "WORKER", "RESULT"].map((name) => [name, style.bold] as const),
      ...runs.map((run) => [
        showInstant(DateTime.toEpochMillis(run.at)),
        [run.type, paintOfType(run.type)] as const,
        Option.match(Option.all([run.startedAt, run.endedAt]), {
          onNone: () => "-",
          onSome: ([from, to]) => showDuration(Math.max(0, DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)))
        }),
        printable(Option.getOrElse(run.worker, () => "-")),
        printable(gist(run))
      ])
    ])
    yield* print(lines.join("\n"))
  }))
