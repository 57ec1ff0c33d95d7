/**
 * The invariants, as far as a state shows them. They are the definition of correct: tests, the simulation and `Doctor`
 * check these.
 *
 * 1. An acknowledged job is in exactly one place: scheduled, queued, being handed over, started, deferred, or in one
 *    resting registry; or it was deleted or expired as its own options say.
 * 2. It is promoted once for each time it was scheduled, never before it is due.
 * 3. For one queue, at any instant, at most one scheduler's promotions take effect.
 * 4. While a scheduler is active, nothing due waits longer than a tick.
 * 5. When the active scheduler is gone, another is active: at once after a clean stop, within a lease after a crash.
 * 6. A job whose worker died is retried or failed within the heartbeat window. It is never lost, and never left started.
 * 7. What a worker does for an execution that is no longer current has no effect.
 * 8. A clean stop leaves no job started: it was finished in the grace period or put back at the front.
 * 9. A call whose reply was lost can be repeated, and counts once.
 * 10. Importing any module starts nothing: no fiber, no socket, no timer.
 *
 * Of 3 and 7 to 10 a state shows only what came of them: a job in two places, or in none.
 *
 * @internal
 */
import * as keys from "../wire/keys.js"
import { checkJob } from "./jobs.js"
import { checkQueue, deadWorker, suspension } from "./queues.js"
import type { State } from "./state.js"
import { type Violation, violation } from "./violation.js"

/** For how long something may be as it should not stay, in milliseconds. */
export interface Limits {
  /** How late a job may be while a scheduler leads. */
  readonly lateMillis: number
  /** For how long after the last sign of life of its worker a job may be started. */
  readonly lapsedMillis: number
}

/** What a busy system that is well never reaches. */
export const limits: Limits = { lateMillis: 10_000, lapsedMillis: 30_000 }

/** Everything that is not as it should be. */
export const check = (state: State, { lapsedMillis, lateMillis }: Limits = limits): ReadonlyArray<Violation> => [
  ...state.wrongTypes.map(({ expected, found, key }) =>
    violation({
      code: "wrong-type",
      invariant: 1,
      severity: "error",
      key,
      message: `${key} holds a ${found} where effect-rq and RQ keep a ${expected}: nothing that needs it works`,
      remedy: `find out who writes it, and rename it: RENAME ${key} foreign:${key}`
    })
  ),
  ...state.jobs.flatMap((job) => checkJob(job, state.now, lapsedMillis)),
  ...state.queues.flatMap((queue) => checkQueue(queue, state, lateMillis)),
  ...state.workers.flatMap(({ lives, name }) => lives ? [] : [deadWorker(name, keys.workers)]),
  ...suspension(state)
]
