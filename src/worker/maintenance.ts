/**
 * Looks for jobs whose worker is dead. After an absence of Redis everything looks abandoned until its worker has told that
 * it is alive, so this worker waits until all others have had the time to.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { abandon as abandonScript } from "../lifecycle/abandon.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Settings } from "./settings.js"
import type { State } from "./state.js"

/** One look at all queues, in as many slices as it takes. */
export const make = (settings: Settings, state: State, redis: Redis.RedisService): Effect.Effect<void> => {
  const { aliveSeconds, blockSeconds, heartbeatMillis, maxAbandons, name, queues } = settings
  const abandon = redis.eval(abandonScript)
  return Effect.gen(function*() {
    let more = true
    while (more) {
      const now = yield* Clock.currentTimeMillis
      if (now - state.confirmedAt >= 2 * heartbeatMillis || now - state.steadySince < aliveSeconds * 1000) return
      const found = yield* abandon({
        worker: name,
        queues,
        now: Date.seconds(now),
        nowDate: Date.encode(now),
        intervalMillis: Math.max(1, Math.floor(heartbeatMillis * 0.9)),
        maxAbandons,
        limit: 100,
        forgetSeconds: blockSeconds + 600
      })
      for (const one of found.abandoned) {
        yield* state.log(Effect.logWarning(
          `worker ${one.worker} died while it ran job ${one.id} (${one.times} times by now): ${
            one.outcome === "queued" ? `back to the front of queue ${one.queue}` : "failed"
          }`
        ))
      }
      more = found.more
    }
  }).pipe(Effect.catchAll(state.onConnection))
}
