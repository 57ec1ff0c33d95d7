/**
 * The report: a line for each fault and system.
 */
import type { Report } from "./run.js"

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const millis = (value: number): string => value < 1000 ? `${value} ms` : seconds(value)

const head = [
  "fault",
  "system",
  "scheduled",
  "promoted",
  "run",
  "late p50",
  "late max",
  "early",
  "twice",
  "again",
  "lost",
  "stuck",
  "calls repeated",
  "recovered in"
]

const cells = (report: Report): ReadonlyArray<string> => [
  report.fault,
  report.system,
  `${report.scheduled} of ${report.acknowledged}`,
  String(report.promoted),
  String(report.run),
  millis(report.late.p50),
  millis(report.late.max),
  String(report.early),
  String(report.twice),
  String(report.again),
  report.lostByNature > 0 ? `${report.lost} (${report.lostByNature} by nature)` : String(report.lost),
  String(report.stuck),
  String(report.repeatedCalls),
  report.stuck > 0 ? "not in time" : millis(report.recoveredMillis)
]

export const table = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const [first, ...rest] = lines.map((line) =>
    `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`
  )
  return [first, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest].join("\n")
}

/** A line of the report as it is printed while the others still run. */
export const line = (report: Report): string =>
  `${report.violations.length > 0 ? "VIOLATED" : report.system === "RQ" ? "measured" : "held"} ${
    cells(report).map((cell, at) => at < 2 ? cell : `${head[at]} ${cell}`).join(", ")
  } (${report.seconds} s)`

export const markdown = (reports: ReadonlyArray<Report>): string => table([head, ...reports.map(cells)])

export const violationsOf = (reports: ReadonlyArray<Report>): ReadonlyArray<string> =>
  reports.flatMap(({ fault, system, violations }) => violations.map((text) => `${fault} (${system}): ${text}`))
