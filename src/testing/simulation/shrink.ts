/**
 * Makes a failing run small: fewer faults, fewer steps, fewer nodes, while it still breaks the same rule.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Outcome, Setup } from "./cluster.js"

export interface Failing {
  readonly setup: Setup
  readonly outcome: Outcome
}

/** How long a smaller run may go on after the instant at which the larger one failed, in milliseconds. */
const marginMillis = 120_000

export const shrink = (
  run: (setup: Setup) => Effect.Effect<Outcome>,
  first: Failing,
  maxRuns: number
): Effect.Effect<Failing> =>
  Effect.gen(function*() {
    let best = first
    const budget = { left: maxRuns }
    const rule = first.outcome.violations[0]?.rule

    /** Whether the change leaves a run that fails the same way. */
    const attempt = Effect.fnUntraced(function*(change: Partial<Setup>) {
      if (budget.left <= 0) return false
      budget.left--
      const untilMillis = Math.min(best.setup.untilMillis, best.outcome.endMillis + marginMillis)
      const setup = { ...best.setup, untilMillis, ...change }
      const outcome = yield* run(setup)
      if (outcome.violations[0]?.rule !== rule) return false
      best = { setup, outcome }
      return true
    })

    const happened = () => best.outcome.happened

    // What has not happened by the time of the failure plays no part.
    yield* attempt({ only: new Set(happened()) })

    const fewer = Effect.fnUntraced(function*(field: "producers" | "workers" | "schedulers") {
      while (best.setup[field] > (field === "schedulers" ? 0 : 1)) {
        if (!(yield* attempt({ [field]: best.setup[field] - 1 }))) return
      }
    })

    let before = Infinity
    while (budget.left > 0 && happened().length < before) {
      before = happened().length
      yield* fewer("producers")
      yield* fewer("schedulers")
      yield* fewer("workers")
      // halves, quarters, and so on down to one by one
      for (let size = Math.ceil(happened().length / 2); size >= 1 && budget.left > 0; size = Math.floor(size / 2)) {
        for (let at = 0; at < happened().length && budget.left > 0;) {
          const names = happened()
          const rest = names.filter((_, index) => index < at || index >= at + size)
          if (!(yield* attempt({ only: new Set(rest) }))) at += size
        }
      }
    }
    return best
  })
