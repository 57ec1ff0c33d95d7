/**
 * What verbs say that do something to each of many: one line for each, or one array.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { failed, type Failure } from "./failure.js"
import { columns, print, printable, printJson, style } from "./terminal.js"

export interface Row {
  /** What it is about, and its name in JSON. */
  readonly key: "id" | "queue" | "worker"
  readonly name: string
  readonly outcome: string
  /** Whether it is as it was asked for; none of those makes the verb fail. */
  readonly isDone: boolean
  /** For people. */
  readonly note?: string
  /** For programs, beside name and outcome. */
  readonly more?: Readonly<Record<string, unknown>>
}

/** `done` is what was to be done to each, as in "1 of 3 not requeued". */
export const report = (
  rows: ReadonlyArray<Row>,
  { done, json, nothing }: { readonly done: string; readonly json: boolean; readonly nothing: string }
): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    if (json) {
      yield* printJson(rows.map(({ key, more, name, outcome }) => ({ [key]: name, outcome, ...more })))
    } else if (rows.length === 0) {
      yield* print(nothing)
    } else {
      const lines = columns(rows.map(({ isDone, name, note, outcome }) => [
        [printable(name), style.bold],
        [outcome, isDone ? style.green : style.yellow],
        note ?? ""
      ]))
      yield* print(lines.join("\n"))
    }
    const left = rows.filter(({ isDone }) => !isDone).length
    if (left > 0) return yield* failed(`${left} of ${rows.length} not ${done}`)
  })
