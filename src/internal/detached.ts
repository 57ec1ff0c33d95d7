import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs an effect of a finalizer in a fiber of its own, where timeouts and races can interrupt. A finalizer itself can't
 * be interrupted, and neither could what it races.
 *
 * @internal
 */
export const detached = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), Fiber.join)
