/**
 * Durations: what a user gives, and how long timers can wait.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** Node's timers can't wait longer than 24.8 days: what is longer is waited for in parts, in milliseconds. */
export const longestSleep = Duration.toMillis("1 day")

/** The longest time that a timer of Node's can be set to at once, in whole days: beyond 24.8 days it never ends. */
export const longestTimer = Duration.toMillis("24 days")

/** None for what is no duration, and for what is less than zero or NaN, of which `Duration` silently makes zero. */
export const decode = (input: unknown): Option.Option<Duration.Duration> =>
  isBelowZero(input) ? Option.none() : Duration.decodeUnknown(input)

const isBelowZero = (input: unknown): boolean => {
  switch (typeof input) {
    case "number":
      return !(input >= 0)
    case "bigint":
      return input < 0n
    case "string":
      return input.trim().startsWith("-")
    default:
      // a pair of numbers, seconds and nanoseconds; what is deeper is no duration
      return Array.isArray(input) && input.some((part) => !(part >= 0))
  }
}
