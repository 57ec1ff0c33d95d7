/**
 * What fibers wait for while it is closed.
 *
 * Effect's latch does the same. Here nothing is made for each wait that V8 takes for long-lived, see `interruptible.ts`.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Interruptible from "./interruptible.js"

export interface Gate {
  readonly open: () => void
  readonly close: () => void
  /** Waits until it is open. */
  readonly await: Effect.Effect<void>
}

export const make = (isOpenAtFirst: boolean): Gate => {
  const waiters: Array<(effect: Effect.Effect<void>) => void> = []
  let isOpen = isOpenAtFirst
  return {
    open: () => {
      isOpen = true
      // those that are here now: who is woken may come again
      for (let left = waiters.length; left > 0; left--) waiters.shift()?.(Effect.void)
    },
    close: () => {
      isOpen = false
    },
    await: Interruptible.async((resume) => {
      if (isOpen) {
        resume(Effect.void)
        return Effect.void
      }
      waiters.push(resume)
      return Effect.sync(() => {
        const index = waiters.indexOf(resume)
        if (index >= 0) waiters.splice(index, 1)
      })
    })
  }
}
