/**
 * Lifetimes as RQ stores them: whole seconds, -1 for ever.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { decode } from "../internal/duration.js"
import { show } from "../internal/show.js"

export type Lifetime = Duration.DurationInput | "forever"

/** The least that makes sense, in seconds: a job needs time to run, but a result may be dropped at once. */
const least = { timeout: 1, ttl: 1, resultTtl: 0, failureTtl: 0 } as const

/** 68 years: more does not fit where Python keeps a timeout, and "forever" says it better. */
const most = 2_147_483_647

export type LifetimeField = keyof typeof least

export const lifetimeFields = ["timeout", "ttl", "resultTtl", "failureTtl"] as const

/** The lifetime in seconds, rounded up; or what is wrong with it. */
export const toSeconds = (field: LifetimeField, value: Lifetime): Either.Either<number, string> => {
  if (value === "forever") return Either.right(-1)
  if (typeof value === "number" && value < 0) {
    return Either.left(`${field}: can't be negative, use "forever" for no end`)
  }
  const seconds = Option.map(decode(value), Duration.toSeconds)
  if (Option.isNone(seconds)) {
    const example = field === "ttl" ? "\"30 seconds\"" : "\"30 seconds\" or \"forever\""
    return Either.left(`${field}: expected a duration such as ${example}, got ${show(value)}`)
  }
  if (!Number.isFinite(seconds.value)) return Either.right(-1)
  const whole = Math.ceil(seconds.value)
  if (whole < least[field]) return Either.left(`${field}: must be at least ${least[field]} second`)
  if (whole > most) {
    return Either.left(
      `${field}: can't be more than ${most} seconds, ${field === "ttl" ? "leave it out" : "use \"forever\""} for no end`
    )
  }
  return Either.right(whole)
}
