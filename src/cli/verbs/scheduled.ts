/**
 * `scheduled`: what is due next.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "../../Queue.js"
import * as Registry from "../../Registry.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant } from "../duration.js"
import { type Failure, misused, passedOn } from "../failure.js"
import { columns, isTerminal, print, printable, printJson, style } from "../terminal.js"
import { warnOfUnknownQueues } from "../unknown.js"
import type { Values } from "../verbs.js"

interface Row {
  readonly id: string
  readonly queue: string
  readonly dueAt: number
  readonly description: string
}

/** How many replies are awaited at a time. */
const concurrency = 16

/** The next ones of each queue are enough to find the next ones of all. */
const read = (named: ReadonlyArray<string>, limit: number) =>
  Effect.gen(function*() {
    const queue = yield* Queue.make
    const registry = yield* Registry.make
    yield* warnOfUnknownQueues(named)
    const queues = named.length > 0 ? [...new Set(named)] : yield* queue.names
    const perQueue = yield* Effect.forEach(queues, (name) => {
      const scheduled = registry.scheduled(name)
      return Effect.all([scheduled.count, scheduled.list({ limit })], { concurrency: 2 })
    }, { concurrency })
    const next = perQueue.flatMap(([, entries], i) =>
      entries.flatMap(({ at, id }) =>
        Option.isSome(at) ? [{ id, queue: queues[i]!, dueAt: DateTime.toEpochMillis(at.value) }] : []
      )
    ).sort((a, b) => a.dueAt - b.dueAt).slice(0, limit)
    const rows = yield* Effect.forEach(next, (entry) =>
      queue.fetch(entry.id).pipe(
        Effect.map(Option.match({ onNone: () => "(the job is gone)", onSome: ({ description }) => description })),
        Effect.catchTag("WireError", (error) => Effect.succeed(`(can't be read: ${error.message})`)),
        Effect.map((description): Row => ({ ...entry, description }))
      ), { concurrency })
    return { rows, total: perQueue.reduce((sum, [count]) => sum + count, 0) }
  })

export const run = (
  options: Values<"scheduled">,
  named: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const { limit = 50 } = options
    if (limit < 1) return yield* misused("scheduled", `--limit: expected a whole number from 1, got ${limit}`)
    const { rows, total } = yield* withRedis(options.url)(read(named, limit)).pipe(
      Effect.catchTag("InvalidOptions", passedOn("scheduled"))
    )
    const now = yield* Clock.currentTimeMillis
    if (options.json) {
      return yield* printJson({
        jobs: rows.map(({ dueAt, ...row }) => ({
          ...row,
          dueAt: new Date(dueAt).toISOString(),
          lateMillis: Math.max(0, now - dueAt)
        })),
        total
      })
    }
    if (rows.length === 0) {
      return yield* print(
        named.length === 0 ? "no scheduled jobs" : `no scheduled jobs in ${printable(named.join(", "))}`
      )
    }
    const lines = columns([
      [["DUE", style.bold], ["WHEN", style.bold], ["ID", style.bold], ["QUEUE", style.bold], ["JOB", style.bold]],
      ...rows.map(({ description, dueAt, id, queue }) => [
        showInstant(dueAt),
        dueAt > now
          ? `in ${showDuration(dueAt - now)}`
          : [`late by ${showDuration(now - dueAt)}`, style.yellow] as const,
        id,
        printable(queue),
        printable(description)
      ])
    ])
    for (const line of lines) yield* print(line)
    if (isTerminal && total > rows.length) {
      yield* print(style.dim(`${total - rows.length} more, --limit shows more`))
    }
  }))
