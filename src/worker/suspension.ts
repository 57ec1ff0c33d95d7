/**
 * Takes nothing while the fleet, or a queue, is suspended.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Settings } from "./settings.js"
import type { State } from "./state.js"

/** How often a suspended worker looks whether it still is. */
export const pausedMillis = 1000

export interface Suspension {
  /** What a call said of the fleet, and of which queues nothing was claimed: holds at once, the Effect tells of it. */
  readonly onReply: (suspended: boolean, paused: ReadonlyArray<string>) => Effect.Effect<void>
  /** Runs for ever: looks now and then whether what is suspended still is. */
  readonly resume: Effect.Effect<never>
}

/** A burst that ends leaves behind what it may not take, which looks like the work being done. */
const burstEnds = "; the burst ends, whatever waits"

const tell = (state: State, { burst }: Settings, text: string): Effect.Effect<void> =>
  state.log(burst ? Effect.logWarning(text + burstEnds) : Effect.logInfo(text))

/** Says which queues have become paused, or are so no more. While all is suspended nothing is known of single ones. */
const tellPaused = (state: State, settings: Settings, paused: ReadonlySet<string>): Effect.Effect<void> => {
  const before = state.saidPaused
  const begun = [...paused].filter((queue) => !before.has(queue))
  const over = [...before].filter((queue) => !paused.has(queue))
  if (begun.length + over.length === 0) return Effect.void
  state.saidPaused = paused
  return Effect.zipRight(
    Effect.forEach(begun, (queue) => tell(state, settings, `queue ${queue} is paused, taking none of its jobs`), {
      discard: true
    }),
    Effect.forEach(over, (queue) => state.log(Effect.logInfo(`queue ${queue} is paused no more`)), { discard: true })
  )
}

export const make = (settings: Settings, state: State): Suspension => ({
  onReply: (suspended, paused) => {
    state.suspended = suspended
    if (paused.length > 0 || state.pausedQueues.size > 0) state.pausedQueues = new Set(paused)
    if (paused.length > 0) state.pausedSignal.notify()
    const said = suspended || paused.length + state.saidPaused.size === 0
      ? Effect.void
      : tellPaused(state, settings, state.pausedQueues)
    if (state.saidSuspended === suspended) return said
    state.saidSuspended = suspended
    state.changedSignal.notify()
    return Effect.zipRight(
      suspended ? tell(state, settings, "suspended, taking no jobs") : state.log(Effect.logInfo("resumed")),
      said
    )
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
