/**
 * What a scheduler was told, with defaults, and what it tells Redis of itself.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ids from "../Ids.js"
import { longestTimer } from "../internal/duration.js"
import { namesOf } from "../internal/known.js"
import * as Check from "../internal/options.js"
import * as outside from "../internal/outside.js"
import { show } from "../internal/show.js"
import type { SchedulerOptions } from "../Scheduler.js"
import * as SchedulerHash from "../wire/scheduler.js"

export type Settings = Effect.Effect.Success<ReturnType<typeof make>>

const known = namesOf<SchedulerOptions>({
  queues: true,
  name: true,
  tick: true,
  election: true,
  lease: true,
  batchSize: true
})

export const make = Effect.fnUntraced(function*(options: SchedulerOptions) {
  yield* Check.names(options, known)
  const queues = yield* Check.queues(options.queues)
  const tickMillis = yield* Check.millis("tick", options.tick, "1 second", 1, longestTimer / 2)
  const electionMillis = yield* Check.millis("election", options.election, "15 minutes", 1)
  const leaseMillis = Math.ceil(yield* Check.millis("lease", options.lease, "15 seconds", 2 * tickMillis))
  const batchSize = yield* Check.count("batchSize", options.batchSize, 500, { least: 1, most: 5000 })
  const ids = yield* Ids.Ids
  const name = options.name ?? (yield* ids.scheduler)
  if (typeof name !== "string" || name === "") {
    return yield* new Check.InvalidOptions({
      field: "name",
      message: `name: expected a text that is not empty, got ${show(name)}`
    })
  }
  const now = yield* Clock.currentTimeMillis
  const birth = SchedulerHash.encode({
    name,
    hostname: outside.hostname(),
    pid: outside.pid(),
    queues,
    createdAt: now,
    lastHeartbeat: now
  })
  return { name, queues, tickMillis, electionMillis, leaseMillis, batchSize, birth }
})
