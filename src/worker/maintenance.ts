/**
 * Looks for jobs whose worker is dead. After an absence of Redis everything looks abandoned until its worker has told that
 * it is alive, so this worker waits until all others have had the time to.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { abandon as abandonScript, type Abandoned } from "../lifecycle/abandon.js"
import { tidy as tidyScript } from "../lifecycle/tidy.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Settings } from "./settings.js"
import type { State } from "./state.js"

/**
 * Nobody looks after a queue again before this has passed, or most of this worker's heartbeat when that is shorter: one
 * that beats rarely must not keep the others from it.
 */
const longestInterval = 4500

/**
 * After an absence of Redis a worker of RQ tells up to half a minute later that it is alive. One that was not noticed from
 * here counts for as little as for RQ, whose workers clean up as they start.
 */
const pythonMillis = 45_000

/** How often it is cleared up after dead workers, which nothing waits for. */
const tidyMillis = 30_000

const describe = ({ id, outcome, python, queue, times, uncalled, worker }: Abandoned): string => {
  const who = worker === "" ? "a worker" : `worker ${worker}`
  const where = outcome === "queued"
    ? `back to ${python && times > 0 ? "" : "the front of "}queue ${queue}`
    : outcome === "scheduled"
    ? `queue ${queue} has it again later`
    : "failed"
  const what = times > 0
    ? `while it ran job ${id} (${times} times by now)`
    : python
    ? `before it started job ${id}`
    : `with job ${id} fetched ahead`
  return `${who}${python ? " of RQ" : ""} died ${what}: ${where}${
    uncalled ? "; the callback of its failure is Python's and was not called" : ""
  }`
}

/** One look at all queues, in as many slices as it takes. */
export const make = (settings: Settings, state: State, redis: Redis.RedisService): Effect.Effect<void> => {
  const { aliveSeconds, blockSeconds, heartbeatMillis, maxAbandons, name, queues } = settings
  const abandon = redis.eval(abandonScript)
  const tidy = redis.eval(tidyScript)
  let tidiedAt = -Infinity

  const tidyUp = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    if (Math.abs(now - tidiedAt) < tidyMillis) return
    tidiedAt = now
    const { recovered } = yield* tidy({
      worker: name,
      queues,
      now: Date.seconds(now),
      intervalMillis: Math.floor(tidyMillis * 0.9),
      limit: 500
    })
    yield* state.onProblem(undefined, "tidying")
    for (const { id, queue } of recovered) {
      yield* state.log(Effect.logWarning(
        `a worker of RQ died before it started job ${id}: back to the front of queue ${queue}`
      ))
    }
  })

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
        intervalMillis: Math.max(1, Math.min(longestInterval, Math.floor(heartbeatMillis * 0.9))),
        maxAbandons,
        limit: 100,
        python: !state.wasAway || now - state.steadySince >= pythonMillis,
        forgetSeconds: blockSeconds + 600
      })
      for (const one of found.abandoned) {
        yield* state.log(Effect.logWarning(describe(one)))
      }
      if (found.looked) yield* state.onProblem(found.problem, "maintenance")
      more = found.more
    }
    yield* tidyUp
  }).pipe(Effect.catchAll((error) =>
    // Redis is there, and will say so again of this alone.
    error.code === "NOPERM" ? state.onProblem(error.message, "tidying") : state.onConnection(error)
  ))
}
