/**
 * Lengths of time as people type them and as people read them.
 *
 * @internal
 */

const millisPerUnit: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1000,
  sec: 1000,
  secs: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000
}

/**
 * Milliseconds, or undefined when it is no length of time: `10s`, `1h30m`, `2d`, `1.5 seconds`, `forever`. A number
 * alone is seconds, as for RQ.
 */
export const parseDuration = (text: string): number | undefined => {
  const trimmed = text.trim().toLowerCase()
  if (trimmed === "forever" || trimmed === "infinity" || trimmed === "-1") return Infinity
  if (/^(?:\d+\.?\d*|\.\d+)$/.test(trimmed)) return Number(trimmed) * 1000
  const part = /(\d+\.?\d*|\.\d+)\s*([a-z]+)\s*/gy
  let total = 0
  let end = 0
  for (let match = part.exec(trimmed); match !== null; match = part.exec(trimmed)) {
    const unit = millisPerUnit[match[2]!]
    if (unit === undefined) return undefined
    total += Number(match[1]) * unit
    end = part.lastIndex
  }
  return end > 0 && end === trimmed.length ? total : undefined
}

/** `420 ms`, `3.2 s`, `3m 12s`, `2h 5m`, `4d 3h`: two units at most. */
export const showDuration = (millis: number): string => {
  if (!Number.isFinite(millis)) return "forever"
  const abs = Math.abs(millis)
  if (abs < 1000) return `${Math.round(abs)} ms`
  if (abs < 9950) return `${(abs / 1000).toFixed(1)} s`
  const seconds = Math.round(abs / 1000)
  const two = (a: number, unit: string, b: number, smaller: string) =>
    b === 0 ? `${a}${unit}` : `${a}${unit} ${b}${smaller}`
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return two(Math.floor(seconds / 60), "m", seconds % 60, "s")
  if (seconds < 86_400) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds % 3600 / 60), "m")
  return two(Math.floor(seconds / 86_400), "d", Math.floor(seconds % 86_400 / 3600), "h")
}

const pad = (value: number, length = 2) => String(value).padStart(length, "0")

/** `2026-12-24 09:15:00 +01:00` in the local zone, with milliseconds where there are some. */
export const showInstant = (millis: number): string => {
  const date = new Date(millis)
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${showTime(millis)} ${zone}`
}

/** The time of day in the local zone. */
export const showTime = (millis: number): string => {
  const date = new Date(millis)
  const fraction = date.getMilliseconds() === 0 ? "" : `.${pad(date.getMilliseconds(), 3)}`
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}${fraction}`
}

/** `in 3m 12s`, `4.0 s ago`. */
export const showRelative = (millis: number, now: number): string =>
  millis > now ? `in ${showDuration(millis - now)}` : `${showDuration(now - millis)} ago`
