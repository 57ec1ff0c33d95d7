/**
 * Reads what a user gives as a point in time.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { namesOf, noSuchOption, unknownName } from "./known.js"
import { show } from "./show.js"

/** What a wall clock shows, without a zone. Parts that are left out are zero. */
export interface WallClock {
  readonly year: number
  /** 1 to 12 */
  readonly month: number
  readonly day: number
  readonly hours?: number | undefined
  readonly minutes?: number | undefined
  readonly seconds?: number | undefined
  readonly millis?: number | undefined
}

export type When = DateTime.DateTime | Date | WallClock | string

/** The years that RQ has dates for, as milliseconds: a due time beyond them can't be shown by anyone. */
const earliest = -62_135_596_800_000
const latest = 253_402_300_799_999

/**
 * Whole milliseconds, so that nothing is due before its time; or what is wrong with them. What was due before 1970 is
 * due since its first second: Python's schedulers don't look further back, and RQ 1 takes zero for no time at all.
 */
export const inCalendar = (millis: number): Either.Either<number, string> =>
  millis >= earliest && millis <= latest
    ? Either.right(Math.max(1000, Math.ceil(millis)))
    : Either.left("the time is not between the years 1 and 9999")

/** When something is due, in milliseconds since 1970, or what is wrong with the input. An instant needs no zone. */
export const toDue = (when: When): Either.Either<number, string> | Effect.Effect<number, string> => {
  const millis = toMillis(when)
  return Either.isEither(millis) ? Either.flatMap(millis, inCalendar) : Effect.flatMap(millis, inCalendar)
}

/** Milliseconds since 1970, or what is wrong with the input. */
export const toMillis = (when: When): Either.Either<number, string> | Effect.Effect<number, string> => {
  if (DateTime.isDateTime(when)) return Either.right(DateTime.toEpochMillis(when))
  if (when instanceof Date) {
    const millis = when.getTime()
    return Number.isNaN(millis) ? Either.left("the Date is invalid") : Either.right(millis)
  }
  if (typeof when === "object" && when !== null) return fromWallClock(when)
  if (typeof when !== "string") return Effect.fail(`expected a date and time such as ${example}`)
  const match = pattern.exec(when.trim())
  if (match === null || (match[8] !== undefined && !isOffset(match[8]))) {
    return Effect.fail(`expected a date and time such as ${example}, got ${show(when)}`)
  }
  const [, year, month, day, hours, minutes, seconds, fraction, zone] = match
  const wall = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hours: Number(hours ?? 0),
    minutes: Number(minutes ?? 0),
    seconds: Number(seconds ?? 0),
    millis: fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, "0"))
  }
  return zone === undefined
    ? fromWallClock(wall)
    : Effect.map(checked(wall), (utc) => utc - offsetMillis(zone))
}

const example = "\"2026-12-24 09:15\""

const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s?(Z|[+-]\d\d:?\d\d)?$/i

/** As ISO 8601 has them: hours up to 23, minutes up to 59. */
const isOffset = (zone: string): boolean => /^(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)$/i.test(zone)

const offsetMillis = (zone: string): number => {
  if (zone.toUpperCase() === "Z") return 0
  const digits = zone.slice(1).replace(":", "")
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return (zone.startsWith("-") ? -1 : 1) * minutes * 60_000
}

const limits = [
  ["hours", 23],
  ["minutes", 59],
  ["seconds", 59],
  ["millis", 999]
] as const

const parts = namesOf<WallClock>({
  year: true,
  month: true,
  day: true,
  hours: true,
  minutes: true,
  seconds: true,
  millis: true
})

/** The wall clock read as if it were UTC. Refuses what no calendar has, instead of rolling over. */
const checked = (wall: WallClock): Effect.Effect<number, string> => {
  const unknown = unknownName(wall, parts)
  if (unknown !== undefined) return Effect.fail(noSuchOption(unknown, parts, "part of a wall clock"))
  const { day, month, year } = wall
  const utc = Date.UTC(year, month - 1, day, wall.hours ?? 0, wall.minutes ?? 0, wall.seconds ?? 0, wall.millis ?? 0)
  for (const [name, most] of limits) {
    const value = wall[name] ?? 0
    if (!Number.isInteger(value) || value < 0 || value > most) {
      return Effect.fail(`${name} must be a whole number from 0 to ${most}, got ${show(value)}`)
    }
  }
  if (!Number.isInteger(year) || year < 1000 || year > 9999) {
    return Effect.fail(`year must be a whole number from 1000 to 9999, got ${show(year)}`)
  }
  const midnight = new Date(Date.UTC(year, month - 1, day))
  return midnight.getUTCMonth() === month - 1 && midnight.getUTCDate() === day
    ? Effect.succeed(utc)
    : Effect.fail(`there is no day ${day} in month ${month} of ${year}`)
}

/**
 * In the zone of `DateTime.CurrentTimeZone` when the app provides one, else in the local one. A time that the clocks
 * skip is moved on by the gap; of a time that they show twice the first is taken ("compatible", as Temporal calls it).
 */
const fromWallClock = (wall: WallClock): Effect.Effect<number, string> =>
  Effect.gen(function*() {
    const utc = yield* checked(wall)
    const provided = yield* Effect.serviceOption(DateTime.CurrentTimeZone)
    const timeZone = Option.getOrElse(provided, DateTime.zoneMakeLocal)
    const zoned = DateTime.makeZoned(new Date(utc), {
      timeZone,
      adjustForTimeZone: true,
      disambiguation: "compatible"
    })
    return yield* Option.match(zoned, {
      onNone: () => Effect.fail(`the time can't be read in zone ${DateTime.zoneToString(timeZone)}`),
      onSome: (instant) => Effect.succeed(DateTime.toEpochMillis(instant))
    })
  })
