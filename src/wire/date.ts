/**
 * Dates: text in hashes, Unix seconds in scores, executions and results. Here they are integer milliseconds.
 *
 * @internal
 */

/** The latest instant that JavaScript has, in milliseconds since 1970. */
export const latest = 8_640_000_000_000_000

/** The last second that was written and its text: a burst of jobs has the same one. */
let lastSecond = NaN
let lastText = ""

/**
 * `2026-11-23T17:08:22.532Z`, which every RQ reads: it writes six digits of a fraction and takes one to six, and each job
 * has several dates. Throws RangeError for what Python has no date for
 * (years outside 1 to 9999, NaN), since such a text ends a Python worker.
 */
export const encode = (millis: number): string => {
  const second = Math.floor(millis / 1000)
  if (second !== lastSecond) {
    // -62135596800 and 253402300800: the years 1 and 10000
    if (!(second >= -62135596800 && second < 253402300800)) {
      throw new RangeError(`${millis} ms since 1970 is no date between the years 1 and 9999`)
    }
    lastText = new Date(second * 1000).toISOString().slice(0, 20)
    lastSecond = second
  }
  const rest = Math.floor(millis - second * 1000)
  return rest < 10 ? `${lastText}00${rest}Z` : rest < 100 ? `${lastText}0${rest}Z` : `${lastText}${rest}Z`
}

/** Reads no or up to six digits of a fraction; what is below a millisecond is cut. Anything else is undefined. */
export const decode = (text: string): number | undefined => {
  const match = form.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match.map(Number)
  if (month! < 1 || month! > 12 || day! < 1 || day! > daysIn(year!, month!) || year! < 1) return undefined
  if (hour! > 23 || minute! > 59 || second! > 59) return undefined
  const rest = match[7] === undefined ? 0 : Number(match[7].padEnd(3, "0").slice(0, 3))
  return ((daysBefore(year!, month!) + day! - 1) * 86400 + hour! * 3600 + minute! * 60 + second!) * 1000 + rest
}

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$/

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)

const daysIn = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31

/** Days between 1970-01-01 and the first of the month, in the Gregorian calendar. */
const daysBefore = (year: number, month: number): number => {
  // years that begin in March, so that the leap day is the last
  const y = month > 2 ? year : year - 1
  const m = month > 2 ? month - 3 : month + 9
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + Math.floor((m * 153 + 2) / 5) -
    719468
}

/**
 * Unix seconds as the shortest decimal text: `1795453702.673`. Made from digits, since a division would leave the
 * noise of binary fractions. Less than a millisecond is rounded.
 */
export const seconds = (millis: number): string => {
  if (!Number.isFinite(millis)) throw new RangeError(`${millis} is no instant`)
  const total = Math.round(Math.abs(millis))
  const rest = total % 1000
  const sign = millis < 0 && total > 0 ? "-" : ""
  const whole = sign + (total - rest) / 1000
  if (rest === 0) return whole
  return rest % 100 === 0
    ? `${whole}.${rest / 100}`
    : rest % 10 === 0
    ? `${whole}.${String(rest / 10).padStart(2, "0")}`
    : `${whole}.${String(rest).padStart(3, "0")}`
}

/**
 * Unix seconds as milliseconds, rounded. Reads Redis's `inf` and `-inf`; what is no number is NaN.
 */
export const millis = (seconds: string | number): number => {
  if (typeof seconds === "number") return Math.round(seconds * 1000)
  if (decimal.test(seconds)) return Math.round(Number(seconds) * 1000)
  return seconds === "inf" || seconds === "+inf" ? Infinity : seconds === "-inf" ? -Infinity : NaN
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
