/**
 * The options of a worker, checked, and what follows from them.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ids from "../Ids.js"
import { namesOf } from "../internal/known.js"
import * as Check from "../internal/options.js"
import * as outside from "../internal/outside.js"
import { show } from "../internal/show.js"
import type * as Job from "../Job.js"
import type * as JobGroup from "../JobGroup.js"
import * as WorkerHash from "../wire/worker.js"
import type { WorkerOptions } from "../Worker.js"

export interface Settings {
  readonly name: string
  readonly queues: ReadonlyArray<string>
  readonly concurrency: number
  readonly maxJobs: number
  readonly burst: boolean
  readonly withScheduler: boolean
  readonly graceMillis: number
  readonly heartbeatMillis: number
  readonly maxAbandons: number
  /** For how long after a heartbeat what runs here counts as alive. */
  readonly aliveSeconds: number
  /** For how long the worker itself is remembered. */
  readonly workerTtl: number
  /** For how long one wait on the server lasts. */
  readonly blockSeconds: number
  /** The first part of the ids of all executions of this worker. */
  readonly executionPrefix: string
  readonly bornAt: number
  /** Field, value, ... of the worker's hash at its birth. */
  readonly birth: ReadonlyArray<string>
}

const known = namesOf<WorkerOptions>({
  queues: true,
  concurrency: true,
  burst: true,
  maxJobs: true,
  name: true,
  withScheduler: true,
  scheduler: true,
  gracePeriod: true,
  heartbeat: true,
  maxAbandons: true
})

export const check = Effect.fnUntraced(function*(group: JobGroup.Any, options: WorkerOptions) {
  yield* Check.names(options, known)
  const queues = yield* Check.queues(
    options.queues ?? [...new Set([...group.jobs.values()].map((job: Job.Any) => job.queue))]
  )
  const heartbeatMillis = yield* Check.millis("heartbeat", options.heartbeat, "5 seconds", 1000)
  const ids = yield* Ids.Ids
  const name = options.name ?? (yield* ids.name)
  if (typeof name !== "string" || !/^[^\s:,][^\s,]*$/.test(name)) {
    return yield* new Check.InvalidOptions({
      field: "name",
      message: `name: expected a text without spaces and commas, got ${show(name)}`
    })
  }
  const executionPrefix = yield* ids.executionPrefix
  const bornAt = yield* Clock.currentTimeMillis
  const settings: Settings = {
    name,
    queues,
    concurrency: yield* Check.count("concurrency", options.concurrency, 10, { least: 1, most: 10_000 }),
    maxJobs: options.maxJobs === undefined
      ? Infinity
      : yield* Check.count("maxJobs", options.maxJobs, 1, { least: 1, most: Number.MAX_SAFE_INTEGER }),
    burst: yield* Check.flag("burst", options.burst),
    withScheduler: yield* Check.flag("withScheduler", options.withScheduler),
    graceMillis: yield* Check.millis("gracePeriod", options.gracePeriod, "10 seconds", 0),
    heartbeatMillis,
    maxAbandons: yield* Check.count("maxAbandons", options.maxAbandons, 3, { least: 0, most: 1000 }),
    aliveSeconds: Math.ceil(heartbeatMillis / 250),
    workerTtl: Math.max(60, Math.ceil(heartbeatMillis * 12 / 1000)),
    blockSeconds: Math.ceil(heartbeatMillis * 6 / 1000),
    executionPrefix,
    bornAt,
    birth: [
      "incarnation",
      executionPrefix,
      ...WorkerHash.encodeBirth({
        birth: bornAt,
        queues,
        pid: outside.pid(),
        hostname: outside.hostname(),
        ipAddress: "unknown",
        version: outside.version,
        runtime: `node ${outside.nodeVersion()}`
      }),
      "state",
      "idle"
    ]
  }
  return settings
})
