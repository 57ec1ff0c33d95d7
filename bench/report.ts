/**
 * From figures to values, ratios and verdicts, and how they are shown.
 */
import type { Bar, Curve, Row, Side } from "./rows.js"
import { type Figures, percentile } from "./task.js"

export interface Value {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

const valueOf = (all: ReadonlyArray<number>): Value => {
  const sorted = all.filter((one) => !Number.isNaN(one)).sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const at = (index: number) => sorted[index] ?? NaN
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    lowest: percentile(sorted, 0),
    highest: percentile(sorted, 1)
  }
}

/** What the rounds of a row gave on each side; what failed has no figures. */
export type Measured = Partial<Record<Side, Array<Figures>>>

const valuesOf = (measured: Measured, side: Side, metric: string): ReadonlyArray<number> =>
  (measured[side] ?? []).flatMap((figures) => figures[metric] ?? [])

/** Round by round: what disturbs the machine for a while disturbs both. */
const ratiosTo = (measured: Measured, peer: Side, metric: string): ReadonlyArray<number> => {
  const theirs = valuesOf(measured, peer, metric)
  return valuesOf(measured, "ours", metric).flatMap((ours, round) => {
    const their = theirs[round]
    return their === undefined || their === 0 ? [] : [ours / their]
  })
}

export interface Verdict {
  readonly bar: string
  /** Undefined when it could not be measured. */
  readonly met: boolean | undefined
}

const judge = (measured: Measured, { atLeast, atMost, metric, peer }: Bar): Verdict => {
  const values = peer === undefined ? valuesOf(measured, "ours", metric) : ratiosTo(measured, peer, metric)
  const { highest, lowest, median } = valueOf(values)
  const of = peer === undefined ? "" : `x ${names[peer]}`
  return {
    bar: atLeast !== undefined
      ? `>= ${number(atLeast)}${of}`
      : atMost === undefined
      ? ""
      : `<= ${number(atMost)}${of}`,
    met: values.length === 0
      ? undefined
      // A bound on the figure itself holds for each round.
      : peer === undefined
      ? lowest >= (atLeast ?? -Infinity) && highest <= (atMost ?? Infinity)
      : median >= (atLeast ?? -Infinity) && median <= (atMost ?? Infinity)
  }
}

const names: Record<Side, string> = { ours: "effect-rq", bullmq: "BullMQ", rq: "RQ", bare: "bare" }

export const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)))

const text = (all: ReadonlyArray<number>): string => {
  if (all.length === 0) return ""
  const { highest, lowest, median } = valueOf(all)
  return all.length === 1 ? number(median) : `${number(median)} (${number(lowest)}-${number(highest)})`
}

export interface Result {
  readonly row: string
  readonly title: string
  readonly metric: string
  readonly unit: string
  readonly sides: Partial<Record<Side, Value>>
  readonly ratios: Partial<Record<Side, Value>>
  readonly bars: ReadonlyArray<Verdict>
  /** Why a bar is missed that nothing here could meet. */
  readonly limit: string | undefined
  readonly cells: ReadonlyArray<string>
}

const peersOf = ["bullmq", "rq"] as const

export const report = (row: Row, measured: Measured): ReadonlyArray<Result> =>
  row.metrics.map((metric): Result => {
    const has = (side: Side) => valuesOf(measured, side, metric.key).length > 0
    const bars = row.bars.filter((bar) => bar.metric === metric.key).map((bar) => judge(measured, bar))
    const ratios = peersOf.filter((side) => has(side) && ratiosTo(measured, side, metric.key).length > 0)
    return {
      row: row.name,
      title: row.title,
      metric: metric.key,
      unit: metric.unit,
      sides: Object.fromEntries(
        (["ours", "bullmq", "rq", "bare"] as const).filter(has).map((side) => [
          side,
          valueOf(valuesOf(measured, side, metric.key))
        ])
      ),
      ratios: Object.fromEntries(ratios.map((peer) => [peer, valueOf(ratiosTo(measured, peer, metric.key))])),
      bars,
      limit: row.limit?.metric === metric.key && bars.some(({ met }) => met === false) ? row.limit.text : undefined,
      cells: [
        metric.unit,
        ...(["ours", "bullmq", "rq"] as const).map((side) => text(valuesOf(measured, side, metric.key))),
        ratios.map((peer) => `${names[peer]} ${text(ratiosTo(measured, peer, metric.key))}`).join("; "),
        text(valuesOf(measured, "bare", metric.key)),
        bars.map(({ bar, met }) => `${bar} ${met === undefined ? "not measured" : met ? "met" : "MISSED"}`).join("; ")
      ]
    }
  })

export const table = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const [head, ...body] = lines.map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`)
  return [head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body].join("\n")
}

const head = ["unit", "effect-rq", "BullMQ", "RQ", "ratio", "bare", "bar"]

const nameOf = ({ metric, row }: Result): string => metric === "rate" ? row : `${row} ${metric}`

export const asTable = (results: ReadonlyArray<Result>): string =>
  table([["row", ...head], ...results.map((result) => [nameOf(result), ...result.cells])])

/** Costs may differ by this much from one run to the next. */
const tolerance = 1.25

export interface Grown {
  readonly curve: Curve
  readonly metric: Curve["metrics"][number]
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** Of the greatest to the least, and how much more the logarithm allows. */
  readonly ratio: number
  readonly allowed: number
  readonly met: boolean | undefined
}

const bits = (x: number): number => 1 + Math.log2(x)

export const grown = (curves: ReadonlyArray<Curve>, results: ReadonlyArray<Result>): ReadonlyArray<Grown> =>
  curves.flatMap((curve) =>
    curve.metrics.flatMap((metric) => {
      const points = curve.points.flatMap(({ row, x }) => {
        const y = results.find((one) => one.row === row && one.metric === metric.key)?.sides.ours?.median
        return y === undefined ? [] : [[x, y] as const]
      })
      const [first, last] = [points[0], points[points.length - 1]]
      if (points.length < 2 || first === undefined || last === undefined) return []
      const ratio = last[1] / first[1]
      const allowed = bits(last[0]) / bits(first[0])
      return [{
        curve,
        metric,
        points,
        ratio,
        allowed,
        met: metric.logarithmic === true ? ratio <= allowed * tolerance : undefined
      }]
    })
  )

export const asGrowth = (all: ReadonlyArray<Grown>): string =>
  table([
    ["growth", "unit", "from", "to", "ratio", "O(log n) allows"],
    ...all.map(({ allowed, curve, met, metric, points, ratio }) => [
      `${metric.title}, ${curve.title}`,
      metric.unit,
      `${number(points[0]?.[1] ?? NaN)} at ${number(points[0]?.[0] ?? NaN)}`,
      `${number(points.at(-1)?.[1] ?? NaN)} at ${number(points.at(-1)?.[0] ?? NaN)}`,
      number(ratio),
      met === undefined ? "" : `${number(allowed)} ${met ? "met" : "MISSED"}`
    ])
  ])

/** The table of the README: what has a bar, and what has none in few words. */
export const asMarkdown = (
  results: ReadonlyArray<Result>,
  growth: ReadonlyArray<Grown>,
  machine: string,
  command: string
): string => {
  const notes: Array<string> = []
  const note = (limit: string | undefined): string => {
    if (limit === undefined) return ""
    if (!notes.includes(limit)) notes.push(limit)
    return ` [${notes.indexOf(limit) + 1}]`
  }
  const shown = results.filter(({ row }) => !row.startsWith("growth-"))
  const lines = shown.map((result) => {
    const bars = result.bars.map(({ bar, met }) =>
      `${bar}: ${met === undefined ? "not measured" : met ? "met" : "**missed**"}`
    )
    return [
      result.metric === "rate" ? result.title : `${result.title}: ${result.metric}`,
      ...result.cells.slice(0, 6),
      bars.join("; ") + note(result.limit)
    ]
  })
  return [
    `${machine}. \`${command}\`. Medians with the lowest and the highest of the rounds; ratios are of rounds.`,
    "",
    table([["", ...head], ...lines]),
    "",
    ...notes.map((text, index) => `[${index + 1}] ${text}.\n`),
    ...(growth.length === 0 ? [] : [asGrowth(growth), ""])
  ].join("\n")
}
