/**
 * When something shall happen: a point in time in some zone, or a delay, as two options say it.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { toMillis } from "../internal/when.js"
import { type Failure, misused } from "./failure.js"
import type { VerbName } from "./verbs.js"

export interface Given {
  readonly at: string | undefined
  /** Milliseconds. */
  readonly in: number | undefined
  readonly tz: string | undefined
}

/** In milliseconds: since 1970, or from now; neither when nothing was said. */
export interface DueMillis {
  readonly at: number | undefined
  readonly in: number | undefined
}

/** `names` are those of the two options. */
export const dueOf = (
  verb: VerbName,
  given: Given,
  names: { readonly at: string; readonly in: string }
): Effect.Effect<DueMillis, Failure> =>
  Effect.gen(function*() {
    if (given.at !== undefined && given.in !== undefined) {
      return yield* misused(verb, `either --${names.in} or --${names.at}, not both`)
    }
    if (given.tz !== undefined && given.at === undefined) {
      return yield* misused(verb, `--tz says how to read --${names.at}, which is not given`)
    }
    if (given.in === Infinity) return yield* misused(verb, `--${names.in} forever would never run`)
    if (given.at === undefined) return { at: undefined, in: given.in }
    const zone = given.tz === undefined
      ? DateTime.zoneMakeLocal()
      : Option.getOrUndefined(DateTime.zoneMakeNamed(given.tz))
    if (zone === undefined) {
      return yield* misused(verb, `--tz: there is no time zone ${JSON.stringify(given.tz)}, one is Europe/Paris`)
    }
    const at = yield* toMillis(given.at).pipe(
      Effect.provideService(DateTime.CurrentTimeZone, zone),
      Effect.mapError((message) => misused(verb, `--${names.at}: ${message}`))
    )
    return { at, in: undefined }
  })
