/**
 * How far ahead of its free slots a worker claims. A job that is over sooner than Redis answers would leave its slot empty
 * for most of the time; so while the jobs are that short, some more are fetched in the same call. They wait for a slot for a
 * few milliseconds at most: when nothing ends meanwhile, what has not begun goes back to the front of its queue, where
 * another worker can take it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Settings } from "./settings.js"
import type { State } from "./state.js"

/** How much work may lie ready, and how long nothing may begin before it goes back. */
const readyMillis = 5

/** No job lies ready for longer than this, whatever begins meanwhile. */
const longestMillis = 4 * readyMillis

/** How many jobs may lie ready. */
const most = 256

/** A job that took longer says no more of the next ones than one that took so long. */
const longestSample = 10 * readyMillis

/** The share of the last job in the mean. */
const weight = 0.1

export interface Ahead {
  /** How many jobs may lie ready now. */
  readonly depth: () => number
  /** A job ended after so many milliseconds. */
  readonly onEnded: (millis: number) => void
  /** What comes next in the queue is not to be fetched ahead. */
  readonly onHeld: () => void
  /** There is a slot for what comes next. */
  readonly onSlot: () => void
  /** Whether what lies ready may begin when there is a slot. */
  readonly mayBegin: () => boolean
  /** Whether what lies ready has to go back. */
  readonly givesBack: () => boolean
  readonly onGivenBack: () => void
  /** Runs for ever: sees that nothing lies ready for long. */
  readonly watch: Effect.Effect<never>
}

export const make = ({ concurrency, maxAbandons }: Settings, state: State): Ahead => {
  /** How many short jobs there were since something had to go back. */
  let credit = 0
  /** How long a job takes, in milliseconds. */
  let mean = 0
  let held = false
  let overdue = false

  const mayFetch = () => maxAbandons > 0 && !held && !overdue && !state.stopping && state.suspects === 0

  const ahead: Ahead = {
    depth: () => mayFetch() ? Math.min(most, credit, Math.floor(concurrency * readyMillis / Math.max(mean, 0.01))) : 0,
    onEnded: (millis) => {
      mean += (Math.min(millis, longestSample) - mean) * weight
      if (credit < most && millis <= readyMillis) credit++
    },
    onHeld: () => {
      held = true
    },
    onSlot: () => {
      held = false
    },
    mayBegin: () =>
      !state.stopping && !state.suspended &&
      (state.pausedQueues.size === 0 || !state.fetched.some(({ job }) => state.pausedQueues.has(job.queue))),
    givesBack: () => overdue || !ahead.mayBegin(),
    onGivenBack: () => {
      overdue = false
    },
    watch: Effect.forever(Effect.gen(function*() {
      if (state.fetched.length === 0) return yield* state.fetchedSignal.wait
      const begun = state.begun
      const since = yield* Clock.currentTimeMillis
      yield* Effect.sleep(readyMillis)
      const now = yield* Clock.currentTimeMillis
      // It was this process that stood still, and not a job that took long.
      if (now - since > 2 * readyMillis && begun === state.begun) yield* Effect.sleep(readyMillis)
      const oldest = state.fetched[0]
      if (oldest === undefined || state.begun !== begun && now - oldest.at < longestMillis) return
      overdue = true
      credit = 0
      state.pumpSignal.notify()
      // Until it is done: a call may be on its way, and what it brings goes back as well.
      yield* Effect.repeat(Effect.sleep(readyMillis), { until: () => !overdue })
    }))
  }
  return ahead
}
