/**
 * Instants and lengths of time in sentences that people read.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** An instant in milliseconds since 1970 as ISO 8601 in UTC. */
export const iso = (millis: number): string =>
  Option.match(DateTime.make(millis), { onNone: () => "an unknown time", onSome: DateTime.formatIso })

const parts = (first: number, unit: string, second: number, smaller: string): string =>
  second === 0 ? `${first} ${unit}` : `${first} ${unit} ${second} ${smaller}`

/** `420 ms`, `3.2 s`, `3 min 12 s`, `2 h 5 min`, `4 d 3 h`: two units at most. */
export const span = (millis: number): string => {
  if (millis < 0) return `-${span(-millis)}`
  if (Math.round(millis) < 1000) return `${Math.round(millis)} ms`
  if (millis < 59_950) return `${(millis / 1000).toFixed(1).replace(/\.0$/, "")} s`
  const seconds = Math.round(millis / 1000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours === 0) return parts(minutes, "min", seconds % 60, "s")
  return hours < 24 ? parts(hours, "h", minutes % 60, "min") : parts(Math.floor(hours / 24), "d", hours % 24, "h")
}
