/**
 * `job show`: all that is known of one job.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { JobRecord, Outcome, Status } from "../../JobRecord.js"
import * as Queue from "../../Queue.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant, showRelative } from "../duration.js"
import { failed, type Failure } from "../failure.js"
import { print, printable, printJson, style } from "../terminal.js"
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
  error: Option.getOrNull(outcome.error)
})

const toJson = (job: JobRecord) => ({
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

const describe = (job: JobRecord, now: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const row = (name: string, value: string) => lines.push(`${style.dim(name.padEnd(12))}${value}`)
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
  row("id", style.bold(job.id))
  row("status", paintOf(job.status)(job.status))
  row("queue", printable(job.queue))
  row("job", printable(job.description))
  if (Either.isLeft(job.payload)) {
    row("payload", style.red(printable(job.payload.left.message)))
  } else {
    const { args, kwargs, name } = job.payload.right
    row("name", printable(name))
    if (args.length > 0) row("arguments", JSON.stringify(args))
    if (Object.keys(kwargs).length > 0) row("arguments", JSON.stringify(kwargs))
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
  if (job.abandoned > 0) row("abandoned", `${job.abandoned} times by a worker that died`)
  if (Object.keys(job.meta).length > 0) row("meta", JSON.stringify(job.meta))
  if (Option.isSome(job.outcome)) {
    const { error, exception, returnValue } = job.outcome.value
    if (returnValue !== undefined && returnValue !== null) block("result", JSON.stringify(returnValue, null, 2))
    if (Option.isSome(error)) block("error", JSON.stringify(error.value, null, 2))
    if (Option.isSome(exception)) block("exception", exception.value)
  }
  return lines
}

export const run = (
  options: Values<"jobShow">,
  [id = ""]: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const found = yield* Effect.flatMap(Queue.make, (queue) => queue.fetch(id)).pipe(
      Effect.catchTag("WireError", (error) => failed(`job ${printable(id)} can't be read: ${error.message}`)),
      withRedis(options.url)
    )
    if (Option.isNone(found)) return yield* failed(`there is no job ${printable(id)}`)
    if (options.json) return yield* printJson(toJson(found.value))
    const now = yield* Clock.currentTimeMillis
    for (const line of describe(found.value, now)) yield* print(line)
  }))
