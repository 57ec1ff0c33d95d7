/**
 * Fibers that don't end silently: whatever ends one but its scope is logged, and it is started again.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"

const firstDelay = 100
const longestDelay = 30_000
/** A run that lasted this long was healthy: the next failure starts from the first delay again. */
const quiet = 60_000

/**
 * Runs an effect again and again until its scope is closed. The pause before the next run doubles from 100 ms up to
 * 30 s, with a jitter of a fifth.
 */
export const supervised = (name: string, effect: Effect.Effect<unknown, unknown>): Effect.Effect<never> =>
  Effect.gen(function*() {
    let failures = 0
    while (true) {
      const started = yield* Clock.currentTimeMillis
      const exit = yield* Effect.exit(effect)
      if ((yield* Clock.currentTimeMillis) - started >= quiet) failures = 0
      const jitter = yield* Random.nextRange(0.8, 1.2)
      const delay = Math.min(longestDelay, firstDelay * 2 ** failures++) * jitter
      const message = `${name} ended and is started again in ${Duration.format(Duration.millis(Math.round(delay)))}`
      yield* exit._tag === "Failure" ? Effect.logError(message, exit.cause) : Effect.logError(message)
      yield* Effect.sleep(delay)
    }
  })

/** Forks {@link supervised} in the scope. */
export const forkSupervised = (
  name: string,
  effect: Effect.Effect<unknown, unknown>
): Effect.Effect<void, never, Scope.Scope> => Effect.asVoid(Effect.forkScoped(supervised(name, effect)))
