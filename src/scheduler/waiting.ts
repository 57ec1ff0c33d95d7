/**
 * What a scheduler waits for between its ticks and elections: the next due time, and the next lease that lapses.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { longestSleep } from "../internal/duration.js"
import type { Settings } from "./settings.js"
import { longestBackOff, type State } from "./state.js"

/** Ticks as soon as the next job is due. */
export const punctual = ({ tickMillis }: Settings, shared: State, tick: Effect.Effect<void>): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    const next = Math.min(...shared.leading().map((state) => state.nextDue ?? Infinity))
    const now = yield* Clock.currentTimeMillis
    // However long a tick is, Redis is not asked less often than this whether it is there again.
    if (!shared.connected) return yield* Effect.zipRight(Effect.sleep(Math.min(tickMillis, longestBackOff)), tick)
    if (next === Infinity) return yield* shared.nextDueChanged.wait
    if (next <= now) return yield* tick
    yield* Effect.raceFirst(Effect.sleep(Math.min(next - now, longestSleep)), shared.nextDueChanged.wait)
  }))

/** Holds an election when a lease has lapsed that was not renewed. */
export const watching = (
  { tickMillis }: Settings,
  shared: State,
  election: Effect.Effect<void>
): Effect.Effect<never> =>
  Effect.suspend(() => {
    // How long the next lease that lapses is still to be waited for, whatever is done to the clock meanwhile.
    let next = Infinity
    let left = Infinity
    return Effect.forever(Effect.gen(function*() {
      const lapse = Math.min(...shared.following().map((state) => state.lapsesAt ?? Infinity))
      if (lapse === Infinity) return yield* shared.followingChanged.wait
      const now = yield* Clock.currentTimeMillis
      if (lapse !== next) {
        next = lapse
        left = lapse + 1 - now
      }
      // A key lives through the millisecond in which it lapses. While Redis is away each try waits for a tick.
      const until = Math.min(lapse + 1 - now, left)
      const wait = Math.min(
        Math.max(until, shared.connected ? 0 : Math.min(tickMillis, longestBackOff)),
        longestSleep
      )
      const passed = yield* Effect.raceFirst(
        Effect.as(Effect.sleep(wait), wait),
        Effect.as(shared.followingChanged.wait, 0)
      )
      left -= passed
      if ((yield* Clock.currentTimeMillis) > lapse || left <= 0) {
        next = Infinity
        yield* election
      }
    }))
  })
