/**
 * Wakes one waiting fiber. Signals that come while nobody waits count as one.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

export interface Signal {
  readonly notify: () => void
  readonly wait: Effect.Effect<void>
}

export const make = (): Signal => {
  const latch = Effect.unsafeMakeLatch(false)
  return {
    notify: () => {
      latch.unsafeOpen()
    },
    wait: Effect.zipRight(
      latch.await,
      Effect.sync(() => {
        latch.unsafeClose()
      })
    )
  }
}
