/**
 * A worker's turn with defaults, for the edges that it walks.
 */
import * as Effect from "effect/Effect"
import { type Ended, turn as script, type TurnParams } from "../../src/lifecycle/turn.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { at, now, putJob } from "./support.js"

/** A uuid of version 8, as the prefixes of effect-rq's executions are. */
export const prefix = "0123456789ab8def8000aaaa"

export const execution = (n: number): string => prefix + n.toString(16).padStart(8, "0")

export const turn = (redis: RedisService, params: Partial<TurnParams> & { readonly time?: number } = {}) => {
  const { time = now, ...rest } = params
  return redis.eval(script)({
    worker: "w1",
    abandonedAt: Wire.seconds(time + 20_000),
    executionPrefix: prefix,
    counter: 0,
    want: 0,
    slots: rest.want ?? 0,
    handedOver: false,
    queues: ["default"],
    ended: [],
    ...at(time),
    ...rest
  })
}

/** A job that is started, as `claim` leaves it. */
export const putStarted = (
  redis: RedisService,
  id: string,
  options: {
    readonly queue?: string
    readonly execution?: string
    readonly abandonedAt?: number
    readonly fields?: Readonly<Record<string, string>>
  } = {}
) =>
  Effect.gen(function*() {
    const queue = options.queue ?? "default"
    const executionId = options.execution ?? execution(0)
    yield* putJob(redis, id, {
      status: "started",
      origin: queue,
      started_at: Wire.encode(now),
      worker_name: "w1",
      execution: executionId,
      ...options.fields
    })
    yield* redis.send(
      "ZADD",
      keys.started(queue),
      Wire.seconds(options.abandonedAt ?? now + 20_000),
      `${id}:${executionId}`
    )
  })

/** RQ's keys of an execution and its date, as a heartbeat writes them. */
export const putExecution = (redis: RedisService, id: string, executionId = execution(0)) =>
  Effect.all([
    redis.send("HSET", keys.execution(id, executionId), "id", executionId),
    redis.send("ZADD", keys.executions(id), 1, executionId),
    redis.send("HSET", keys.job(id), "last_heartbeat", Wire.encode(now))
  ])

export const completed = (id: string, rest: Partial<Ended> = {}): Ended => ({
  _tag: "Completed",
  queue: "default",
  id,
  execution: execution(0),
  startedAt: "1795499999.5",
  returnValue: "Mw==",
  ...rest
} as Ended) // the parts of one kind

export const failed = (id: string, rest: Partial<Ended> = {}): Ended => ({
  _tag: "Failed",
  queue: "default",
  id,
  execution: execution(0),
  startedAt: "1795499999.5",
  exception: "ZXhj",
  error: "",
  retry: "",
  ...rest
} as Ended) // the parts of one kind

export const stopped = (id: string, rest: Partial<Ended> = {}): Ended => ({
  _tag: "Stopped",
  queue: "default",
  id,
  execution: execution(0),
  startedAt: "1795499999.5",
  exception: "c3RvcA==",
  ...rest
} as Ended) // the parts of one kind

export const released = (id: string, rest: Partial<Ended> = {}): Ended => ({
  _tag: "Released",
  queue: "default",
  id,
  execution: execution(0),
  startedAt: "1795499999.5",
  ...rest
} as Ended) // the parts of one kind

/** What a job's results hold, the oldest first; each as field -> text. */
export const resultsOf = (redis: RedisService, id: string) =>
  Effect.map(
    redis.send<ReadonlyArray<readonly [string, ReadonlyArray<string>]>>("XRANGE", keys.results(id), "-", "+"),
    (entries) =>
      entries.map(([, flat]) => {
        const out: Record<string, string> = {}
        for (let i = 0; i < flat.length; i += 2) out[flat[i]!] = flat[i + 1]!
        return out
      })
  )
