/**
 * The curves of growth as an SVG: one small diagram for each figure, logarithmic to the right.
 */
import { type Grown, number } from "./report.js"

const width = 300
const height = 180
const left = 62
const right = 14
const top = 40
const bottom = 36
const columns = 3

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const short = (x: number): string => x >= 1e6 ? `${x / 1e6}M` : x >= 1e3 ? `${x / 1e3}k` : String(x)

/** A round number that is not below. */
const ceiling = (value: number): number => {
  const unit = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= value) ?? 10) * unit
}

const diagram = ({ allowed, curve, met, metric, points }: Grown): string => {
  const greatest = ceiling(Math.max(...points.map(([, y]) => y)) * 1.05)
  const [least, most] = [Math.log10(points[0]?.[0] ?? 1), Math.log10(points.at(-1)?.[0] ?? 10)]
  const x = (value: number) => left + (Math.log10(value) - least) / (most - least) * (width - left - right)
  const y = (value: number) => height - bottom - value / greatest * (height - top - bottom)
  const at = (value: number) => value.toFixed(1)
  const first = points[0]?.[1] ?? 0
  const end = points.at(-1)?.[0] ?? 1
  const log = Array.from({ length: 21 }, (_, index) => {
    const value = 10 ** (least + (most - least) * index / 20)
    const grown = first * (1 + (allowed - 1) * (Math.log10(value) - least) / (most - least))
    return [value, grown] as const
  }).filter(([, grown]) => grown <= greatest)
  return [
    `<text x="8" y="18" class="title">${escape(metric.title)}</text>`,
    `<text x="8" y="32" class="unit">${escape(metric.unit)}, ${escape(curve.title)}</text>`,
    ...[0, 0.5, 1].map((share) => {
      const value = greatest * share
      return `<line x1="${left}" x2="${width - right}" y1="${at(y(value))}" y2="${at(y(value))}" class="grid"/>` +
        `<text x="${left - 6}" y="${at(y(value) + 4)}" class="axis" text-anchor="end">${number(value)}</text>`
    }),
    ...points.map(([value]) =>
      `<text x="${at(x(value))}" y="${height - bottom + 16}" class="axis" text-anchor="middle">${short(value)}</text>`
    ),
    `<text x="${at((left + width - right) / 2)}" y="${height - 4}" class="axis" text-anchor="middle">${
      escape(curve.of)
    }</text>`,
    met === undefined || end <= 1
      ? ""
      : `<polyline points="${log.map(([a, b]) => `${at(x(a))},${at(y(b))}`).join(" ")}" class="log"/>`,
    `<polyline points="${points.map(([a, b]) => `${at(x(a))},${at(y(b))}`).join(" ")}" class="line"/>`,
    ...points.map(([a, b]) => `<circle cx="${at(x(a))}" cy="${at(y(b))}" r="3" class="dot"/>`)
  ].join("\n")
}

export const picture = (all: ReadonlyArray<Grown>, caption: string): string => {
  // each curve begins a row
  const rows: Array<Array<Grown>> = []
  for (const one of all) {
    const row = rows.at(-1)
    if (row === undefined || row[0]?.curve !== one.curve || row.length === columns) rows.push([one])
    else row.push(one)
  }
  const total = rows.length * height + 28
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columns * width} ${total}" font-family="sans-serif">
<style>
.title { font-size: 13px; font-weight: bold; fill: #222 }
.unit, .axis { font-size: 10px; fill: #666 }
.grid { stroke: #ddd }
.line { fill: none; stroke: #2457c5; stroke-width: 2 }
.dot { fill: #2457c5 }
.log { fill: none; stroke: #bbb; stroke-dasharray: 4 3 }
</style>
<rect width="100%" height="100%" fill="#fff"/>
${
    rows.flatMap((row, down) =>
      row.map((one, across) => `<g transform="translate(${across * width} ${down * height})">\n${diagram(one)}\n</g>`)
    ).join("\n")
  }
<text x="8" y="${total - 10}" class="unit">${escape(caption)}; dashed: as the logarithm grows</text>
</svg>
`
}
