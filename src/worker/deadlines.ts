/**
 * One sweeper for the deadlines of all running jobs, instead of a timer for each. They go by the clock that nobody sets.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { longestSleep } from "../internal/duration.js"
import * as Signal from "../internal/signal.js"

export interface Deadlines {
  /** Says that something runs until this instant. */
  readonly add: (deadline: number) => void
  /** Runs for ever: calls `expire` whenever the earliest deadline has passed. */
  readonly sweep: Effect.Effect<never>
}

/**
 * `monotonic` gives the time in milliseconds, `earliest` the earliest deadline of what runs now, `expire` ends what has
 * passed its deadline.
 */
export const make = (
  monotonic: () => number,
  earliest: () => number,
  expire: (now: number) => Effect.Effect<void>
): Deadlines => {
  const sooner = Signal.make()
  let sleepsUntil = Infinity
  return {
    add: (deadline) => {
      if (deadline < sleepsUntil) sooner.notify()
    },
    sweep: Effect.forever(Effect.gen(function*() {
      const now = monotonic()
      yield* expire(now)
      sleepsUntil = earliest()
      if (sleepsUntil === Infinity) return yield* sooner.wait
      yield* Effect.raceFirst(Effect.sleep(Math.min(Math.max(sleepsUntil - now, 0), longestSleep)), sooner.wait)
    }))
  }
}
