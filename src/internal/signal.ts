/**
 * Wakes who waits. Signals that come while nobody waits count as one.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Gate from "./gate.js"

export interface Signal {
  readonly notify: () => void
  readonly wait: Effect.Effect<void>
}

/** A gate that closes behind who has waited. */
export const make = (): Signal => {
  const gate = Gate.make(false)
  return { notify: gate.open, wait: Effect.zipRight(gate.await, Effect.sync(gate.close)) }
}
