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

/** What is probably a mistake, as one line on stderr. */
export const warn = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stderr.write(`effect-rq: ${errorStyle.yellow("warning")}: ${printable(text)}\n`)
  })

/** A value as JSON on stdout, on one line unless told otherwise. */
export const printJson = (value: unknown, indent?: number): Effect.Effect<void> => print(json(value, indent))

/**
 * What a terminal obeys instead of showing it: control characters, C1 as well, and what turns the direction of a line
 * around. Names, ids and messages come from Redis, and anyone may have written them.
 */
const obeyed = "\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"
const allObeyed = new RegExp(`[${obeyed}]`, "g")
const allButLines = new RegExp(`(?![\\n\\t])[${obeyed}]`, "g")

const inUnicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

const escaped = (character: string): string => {
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : inUnicode(character)
}

/** JSON that a terminal shows as it is: what it would obey is escaped, which reads back as the same. */
export const json = (value: unknown, indent?: number): string =>
  (JSON.stringify(value, undefined, indent) ?? "null").replace(allButLines, inUnicode)

/** A text that came from outside, on one line; what would move the cursor is shown as an escape. */
export const printable = (text: string): string => text.replace(/\s+/g, " ").replace(allObeyed, escaped)

/** As {@link printable}, with its lines. */
export const printableLines = (text: string): string => text.replace(/\r\n/g, "\n").replace(allButLines, escaped)

/** `1 job`, `2 jobs`. */
export const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

export const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, Math.max(1, length - 1))}…`

/** Columns side by side. A cell is what is shown and how; the last column takes what is left of the line. */
export const columns = (
  rows: ReadonlyArray<ReadonlyArray<string | readonly [text: string, paint: Paint]>>,
  options: { readonly right?: ReadonlyArray<number>; readonly indent?: string } = {}
): ReadonlyArray<string> => {
  // whatever forgot to: no cell moves the cursor
  const textOf = (cell: string | readonly [string, Paint] | undefined) =>
    (cell === undefined ? "" : typeof cell === "string" ? cell : cell[0]).replace(allObeyed, escaped)
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
