/**
 * What fibers wait for: a gate that is open or closed, and a signal, which closes behind who has waited for it.
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

export const makeGate = (isOpenAtFirst: boolean): Gate => {
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

/** Wakes who waits. Signals that come while nobody waits count as one. */
export interface Signal {
  readonly notify: () => void
  readonly wait: Effect.Effect<void>
}

export const make = (): Signal => {
  const gate = makeGate(false)
  return { notify: gate.open, wait: Effect.zipRight(gate.await, Effect.sync(gate.close)) }
}
