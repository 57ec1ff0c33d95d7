/**
 * Where texts go, and how they may look there.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
  readonly magenta: Paint
}

const paint = (open: number, close: number): Paint => (text) => `\u001b[${open}m${text}\u001b[${close}m`

const colourful: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  cyan: paint(36, 39),
  magenta: paint(35, 39)
}

const same: Paint = (text) => text
const plain: Style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same, magenta: same }

const { NO_COLOR, TERM } = process.env

/** Colours are for people who look at a terminal and did not ask for none. */
const isColourful = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb"

/** How texts on stdout may look. */
export const style: Style = isColourful(process.stdout) ? colourful : plain

/** How texts on stderr may look. */
export const errorStyle: Style = isColourful(process.stderr) ? colourful : plain

export const isTerminal: boolean = process.stdout.isTTY === true && TERM !== "dumb"

/** Letters in a line; endless where nobody would break it. */
export const width = (): number => isTerminal && process.stdout.columns > 0 ? process.stdout.columns : Infinity

/** One or more lines on stdout. */
export const print = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stdout.write(`${text}\n`)
  })

/** One line of JSON on stdout. */
export const printJson = (value: unknown): Effect.Effect<void> => print(JSON.stringify(value))

/** A text that came from outside, on one line and without what would move the cursor. */
export const printable = (text: string): string =>
  // eslint-disable-next-line no-control-regex -- these are what is taken out
  text.replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f]/g, "?")

export const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, Math.max(1, length - 1))}…`

/** Columns side by side. A cell is what is shown and how; the last column takes what is left of the line. */
export const columns = (
  rows: ReadonlyArray<ReadonlyArray<string | readonly [text: string, paint: Paint]>>,
  options: { readonly right?: ReadonlyArray<number>; readonly indent?: string } = {}
): ReadonlyArray<string> => {
  const textOf = (cell: string | readonly [string, Paint] | undefined) =>
    cell === undefined ? "" : typeof cell === "string" ? cell : cell[0]
  const count = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: count }, (_, i) => Math.max(0, ...rows.map((row) => textOf(row[i]).length)))
  const indent = options.indent ?? ""
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, indent.length)
  const room = Math.max(12, width() - before)
  return rows.map((row) =>
    indent + row.map((cell, i) => {
      const isLast = i === count - 1
      const text = isLast ? cut(textOf(cell), room) : textOf(cell)
      const padding = " ".repeat(Math.max(0, widths[i]! - text.length))
      const painted = typeof cell === "string" || cell === undefined ? text : cell[1](text)
      return options.right?.includes(i) === true ? padding + painted : isLast ? painted : painted + padding
    }).join("  ").trimEnd()
  )
}
