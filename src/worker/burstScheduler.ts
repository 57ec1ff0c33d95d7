/**
 * What the scheduler of a burst has to have done before the burst may end: as in RQ, what is due when it begins is part
 * of the work.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SchedulerService } from "../Scheduler.js"
import type { State } from "./state.js"

/** How often it is asked, and for how long: who leads may be told by nobody, when a key holds something foreign. */
const betweenMillis = 10
const patienceMillis = 5000

/** Whether it has promoted what was due, or somebody else leads. */
const hasLooked = ({ name, status }: SchedulerService): Effect.Effect<boolean> =>
  Effect.map(
    status,
    ({ lastTick, queues }) =>
      queues.every(({ leader, leadingSince }) =>
        Option.isSome(leadingSince) ? Option.isSome(lastTick) : Option.isSome(leader) && leader.value !== name
      )
  )

/** Lets the burst end, and look once more for what was promoted. */
export const make = (state: State, scheduler: SchedulerService): Effect.Effect<void> =>
  hasLooked(scheduler).pipe(
    Effect.tap((done) => done ? Effect.void : Effect.sleep(betweenMillis)),
    Effect.repeat({ until: (done) => done }),
    Effect.timeoutOption(patienceMillis),
    Effect.zipRight(Effect.sync(() => {
      state.mayEnd = true
      state.hungry = true
      state.pumpSignal.notify()
    }))
  )
