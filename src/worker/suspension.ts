/**
 * Takes nothing while the fleet, or a queue, is suspended.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { State } from "./state.js"

/** How often a suspended worker looks whether it still is. */
export const pausedMillis = 1000

export interface Suspension {
  /** What a call said of the fleet, and of which queues nothing was claimed: holds at once, the Effect tells of it. */
  readonly onReply: (suspended: boolean, paused: ReadonlyArray<string>) => Effect.Effect<void>
  /** Runs for ever: looks now and then whether what is suspended still is. */
  readonly resume: Effect.Effect<never>
}

export const make = (state: State): Suspension => ({
  onReply: (suspended, paused) => {
    state.suspended = suspended
    if (paused.length > 0 || state.pausedQueues.size > 0) state.pausedQueues = new Set(paused)
    if (paused.length > 0) state.pausedSignal.notify()
    if (state.saidSuspended === suspended) return Effect.void
    state.saidSuspended = suspended
    state.changedSignal.notify()
    return state.log(suspended ? Effect.logInfo("suspended, taking no jobs") : Effect.logInfo("resumed"))
  },
  resume: Effect.forever(Effect.gen(function*() {
    yield* state.pausedSignal.wait
    yield* Effect.sleep(pausedMillis)
    state.suspended = false
    state.hungry = true
    state.updateWaiting()
    state.pumpSignal.notify()
  }))
})
