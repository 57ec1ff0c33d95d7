/**
 * Notices when somebody else promotes in a queue that this scheduler leads, which RQ's schedulers may do.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { foreign as foreignScript } from "../lifecycle/foreign.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Settings } from "./settings.js"
import { chunksOf, queuesPerCall, type QueueState, type State } from "./state.js"

/** Foreign promotions are warned of once for as long as there is less than this between them. */
const burstMillis = 60_000

/** How many ticks before it is due a job is watched. */
const soonTicks = 3

/** For how long it is watched whether a job is promoted a second time. */
const promotedMillis = 10_000

export const make = (
  { leaseMillis, name, tickMillis }: Settings,
  shared: State,
  redis: Redis.RedisService
): Effect.Effect<void, Redis.RedisError> => {
  const findForeign = redis.eval(foreignScript)

  const onForeign = (state: QueueState, ids: ReadonlyArray<string>, now: number) =>
    Effect.suspend(() => {
      const isNew = now - state.lastForeignAt > burstMillis
      state.foreignPromotions += ids.length
      state.lastForeignAt = now
      return isNew
        ? shared.log(Effect.logWarning(
          `job ${ids[0]} of queue ${state.queue} was promoted by another scheduler although this one leads: ` +
            `RQ up to 2.10 does not check its lock there`
        ))
        : Effect.void
    })

  /** Looks whether somebody else promotes. Asks nothing while nothing was promoted, and nothing is due soon. */
  return Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    for (const state of shared.leading()) {
      state.promotedLast = state.promotedLast.filter(({ at }) => Math.abs(now - at) < promotedMillis)
      // Who has not looked for so long may have lost the lead meanwhile, and has it again.
      if (Math.abs(now - state.watchedAt) > leaseMillis) state.watched.clear()
    }
    const some = shared.leading().filter(({ nextDue, promotedLast, watched }) =>
      promotedLast.length > 0 || watched.size > 0 || nextDue !== undefined && nextDue <= now + soonTicks * tickMillis
    )
    for (const part of chunksOf(some, queuesPerCall)) {
      const params = {
        scheduler: name,
        queues: part.map(({ promotedLast, queue, watched }) => ({
          queue,
          watched: [...watched].map(([id, due]) => ({ id, due })),
          promoted: promotedLast
        }))
      }
      const rows = yield* findForeign(params)
      for (const { ids, next, queue } of rows(params)) {
        const state = shared.of(queue)
        const soon = next.filter(({ due }) => Date.millis(due) <= now + soonTicks * tickMillis)
        state.watched = new Map(soon.map(({ due, id }) => [id, due]))
        state.watchedAt = now
        if (ids.length === 0) continue
        state.promotedLast = state.promotedLast.filter(({ id }) => !ids.includes(id))
        yield* onForeign(state, ids, now)
      }
    }
  })
}
