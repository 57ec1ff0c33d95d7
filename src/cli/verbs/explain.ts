/**
 * `explain`: the life of one job, and the reason for each gap in it.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Inspector from "../../Inspector.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant } from "../duration.js"
import { failed, type Failure } from "../failure.js"
import { columns, print, printable, printJson, style } from "../terminal.js"
import type { Values } from "../verbs.js"

const toJson = (story: Inspector.Story) => ({
  id: story.id,
  status: Option.getOrNull(story.status),
  queue: Option.getOrNull(story.queue),
  description: Option.getOrNull(story.description),
  leader: Option.getOrNull(story.leader),
  moments: story.moments.map(({ after, at, by, detail, reasons, what }) => ({
    what,
    at: Option.getOrNull(Option.map(at, DateTime.formatIso)),
    afterMillis: Option.getOrNull(Option.map(after, Duration.toMillis)),
    by: Option.getOrNull(by),
    detail,
    reasons
  })),
  waitsFor: story.waitsFor,
  problem: Option.getOrNull(Option.map(story.problem, ({ message }) => message))
})

const paintOf = (what: Inspector.Moment["what"]) =>
  what === "succeeded"
    ? style.green
    : what === "unreadable" || what === "failed" || what === "abandoned" || what === "stopped"
    ? style.red
    : what === "retried"
    ? style.yellow
    : (text: string) => text

/** A table of the moments; the reasons stand below, since they are sentences. */
const describe = (story: Inspector.Story): ReadonlyArray<string> => {
  const lines: Array<string> = [
    Option.isSome(story.problem)
      ? `${style.bold(printable(story.id))} can't be read (${
        printable(story.problem.value.message)
      }); this is what its results still tell`
      : Option.isNone(story.status)
      ? `${style.bold(printable(story.id))} is gone; this is what its results still tell`
      : `${style.bold(printable(story.id))} is ${story.status.value} in ${
        printable(Option.getOrElse(story.queue, () => ""))
      }: ${printable(Option.getOrElse(story.description, () => ""))}`,
    ""
  ]
  const [head, ...rows] = columns([
    ["TIME", "AFTER", "BY", "WHAT"].map((name) => [name, style.bold] as const),
    ...story.moments.map(({ after, at, by, detail, what }) => [
      Option.match(at, { onNone: () => "unknown", onSome: (at) => showInstant(DateTime.toEpochMillis(at)) }),
      Option.match(after, { onNone: () => "", onSome: (after) => showDuration(Duration.toMillis(after)) }),
      printable(Option.getOrElse(by, () => "")),
      [printable(detail), paintOf(what)] as const
    ])
  ], { right: [1] })
  if (head !== undefined) lines.push(head)
  for (const [index, row] of rows.entries()) {
    lines.push(row)
    for (const { message } of story.moments[index]?.reasons ?? []) {
      lines.push(style.dim(`    why: ${printable(message)}`))
    }
  }
  if (story.waitsFor.length > 0) lines.push("", ...story.waitsFor.map(({ message }) => `now: ${printable(message)}`))
  return lines
}

export const run = (
  { json, url }: Values<"explain">,
  [id = ""]: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const found = yield* withRedis(url)(Effect.flatMap(Inspector.make, ({ explain }) => explain(id)))
    if (Option.isNone(found)) return yield* failed(`there is no job ${printable(id)}, and nothing is kept of its runs`)
    const { moments, problem } = found.value
    if (Option.isSome(problem) && moments.length === 0) {
      return yield* failed(`job ${printable(id)} can't be read: ${printable(problem.value.message)}`)
    }
    if (json) return yield* printJson(toJson(found.value))
    for (const line of describe(found.value)) yield* print(line)
  }))
