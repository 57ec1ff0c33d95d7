/**
 * Reads what a user gives as a duration.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

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
