/**
 * Registries: where the jobs of a queue are while they don't wait in it.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { InvalidOptions } from "./internal/options.js"
import { toRange } from "./internal/page.js"
import type * as Job from "./Job.js"
import { remove as removeScript } from "./lifecycle/remove.js"
import type * as Queue from "./Queue.js"
import * as Reschedule from "./queue/reschedule.js"
import * as Redis from "./Redis.js"
import * as Date from "./wire/date.js"
import * as keys from "./wire/keys.js"

export {
  /**
   * An option that can't be used.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidOptions
} from "./internal/options.js"

/**
 * A job in a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly id: string
  /**
   * The score as a time: when a scheduled job is due, when a started one counts as abandoned, when a finished or failed
   * one expires (none: never), since when a deferred or canceled one is there.
   */
  readonly at: Option.Option<DateTime.Utc>
  /** The run, of a started job. */
  readonly executionId: Option.Option<string>
}

/**
 * A registry of one queue.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRegistry {
  readonly queue: string
  /** Whether a job is in the registry. */
  readonly contains: (jobId: string) => Effect.Effect<boolean, Redis.RedisError>
  /** How many jobs are in the registry. It cleans up nothing, unlike RQ's. */
  readonly count: Effect.Effect<number, Redis.RedisError>
  /**
   * A part of the entries, in the order of their times, the earliest first. Fails with `InvalidOptions` for what is no
   * page.
   */
  readonly list: (page?: Queue.Page) => Effect.Effect<ReadonlyArray<Entry>, InvalidOptions | Redis.RedisError>
  /** All entries, read in pages. An entry that moves meanwhile may be missed or seen twice. */
  readonly stream: Stream.Stream<Entry, Redis.RedisError>
  /**
   * Takes a job out of the registry and deletes it with its results; false when it was not there. A started job is
   * interrupted by its worker at the next heartbeat. It is what RQ calls `remove` with `delete_job=True`; without that
   * RQ leaves a job that is in no place.
   */
  readonly delete: (jobId: string) => Effect.Effect<boolean, Redis.RedisError>
}

/**
 * The registry of jobs that wait for their time.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScheduledRegistry extends JobRegistry {
  /** When a job is due; none when it is not scheduled. */
  readonly dueTime: (jobId: string) => Effect.Effect<Option.Option<DateTime.Utc>, Redis.RedisError>
  /**
   * Gives a job another time, kept to the millisecond; false when it is not scheduled in this queue. `Queue.reschedule`
   * finds the queue by itself. Fails with `InvalidJobError` when the time can't be read.
   */
  readonly reschedule: (
    jobId: string,
    when: Queue.When
  ) => Effect.Effect<boolean, Job.InvalidJobError | Redis.RedisError>
}

/**
 * The registries of a queue, by its name.
 *
 * @since 0.1.0
 * @category models
 */
export interface RegistryService {
  /** Jobs that wait for their time. */
  readonly scheduled: (queue: string) => ScheduledRegistry
  /** Jobs that run. */
  readonly started: (queue: string) => JobRegistry
  /** Jobs that have succeeded, for as long as they are kept. */
  readonly finished: (queue: string) => JobRegistry
  /** Jobs that have failed or were stopped, for as long as they are kept. */
  readonly failed: (queue: string) => JobRegistry
  /** Jobs that wait for other jobs. */
  readonly deferred: (queue: string) => JobRegistry
  /** Jobs that were canceled before they were started. */
  readonly canceled: (queue: string) => JobRegistry
}

/**
 * The registry service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Registry } from "effect-rq"
 *
 * const postpone = (jobId: string) =>
 *   Effect.gen(function*() {
 *     const registry = yield* Registry.Registry
 *     const scheduled = registry.scheduled("mail")
 *     if (yield* scheduled.contains(jobId)) {
 *       yield* scheduled.reschedule(jobId, "2026-12-24 09:15")
 *     }
 *     return yield* scheduled.dueTime(jobId)
 *   })
 * ```
 */
export class Registry extends Context.Tag("effect-rq/Registry")<Registry, RegistryService>() {}

const pageSize = 500

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Registry, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry.make
 *   return yield* registry.failed("mail").count
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<RegistryService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const remove = redis.eval(removeScript)
  const { inQueue: reschedule } = Reschedule.make(redis)
  const findExecution = redis.eval(findExecutionScript)

  const list = (key: string, byExecution: boolean, start: number, stop: number) =>
    Effect.map(
      redis.send<ReadonlyArray<string>>("ZRANGE", key, start, stop, "WITHSCORES"),
      (flat) => {
        const entries: Array<Entry> = []
        for (let i = 0; i < flat.length; i += 2) entries.push(toEntry(flat[i]!, flat[i + 1]!, byExecution))
        return entries
      }
    )

  const registry = (key: string, queue: string, statuses: ReadonlyArray<string>, byExecution = false): JobRegistry => ({
    queue,
    contains: (jobId) =>
      byExecution
        ? findExecution(key, jobId)
        : Effect.map(redis.send<string | null>("ZSCORE", key, jobId), (score) => score !== null),
    count: redis.send<number>("ZCARD", key),
    list: (page) =>
      Effect.flatMap(
        toRange(page),
        (range) => range === undefined ? Effect.succeed([]) : list(key, byExecution, ...range)
      ),
    stream: Stream.paginateChunkEffect(
      0,
      (offset) =>
        Effect.map(list(key, byExecution, offset, offset + pageSize - 1), (entries) => [
          Chunk.unsafeFromArray(entries),
          entries.length < pageSize ? Option.none() : Option.some(offset + pageSize)
        ])
    ),
    delete: (id) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => remove({ registry: key, id, statuses, byExecution, nowDate: Date.encode(now) })
      )
  })

  const scheduled = (queue: string): ScheduledRegistry => ({
    ...registry(keys.scheduled(queue), queue, ["scheduled"]),
    dueTime: (jobId) =>
      Effect.map(
        redis.send<string | null>("ZSCORE", keys.scheduled(queue), jobId),
        (score) => score === null ? Option.none() : instant(score)
      ),
    reschedule: (jobId, when) => reschedule(queue, jobId, when)
  })

  return {
    scheduled,
    started: (queue) => registry(keys.started(queue), queue, ["started"], true),
    finished: (queue) => registry(keys.finished(queue), queue, ["finished"]),
    failed: (queue) => registry(keys.failed(queue), queue, ["failed", "stopped"]),
    deferred: (queue) => registry(keys.deferred(queue), queue, ["deferred"]),
    canceled: (queue) => registry(keys.canceled(queue), queue, ["canceled"])
  }
})

/** Whether a job is started: the members are `job id:execution id`, and the id of the execution is not known. */
const findExecutionScript = Redis.script((key: string, jobId: string) => [key, jobId], {
  name: "find-execution",
  numberOfKeys: 1,
  lua: `
local members = redis.call("ZRANGE", KEYS[1], 0, -1)
for i = 1, #members do
  if (string.match(members[i], "^(.*):[^:]*$") or members[i]) == ARGV[1] then return 1 end
end
return 0
`,
  result: (found: number): boolean => found === 1
})

const toEntry = (member: string, score: string, byExecution: boolean): Entry => {
  const colon = byExecution ? member.lastIndexOf(":") : -1
  return {
    id: colon < 0 ? member : member.slice(0, colon),
    at: instant(score),
    executionId: colon < 0 ? Option.none() : Option.some(member.slice(colon + 1))
  }
}

/** RQ's marks for "never" are +inf and -1. A score may also be beyond what JavaScript has dates for. */
const instant = (score: string): Option.Option<DateTime.Utc> =>
  score === "-1" ? Option.none() : DateTime.make(Date.millis(score))

/**
 * The service on the `Redis` that the Layer is given. It asks the server for nothing until it is used.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Registry, RedisLive } from "effect-rq"
 *
 * const Live = Registry.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry.Registry
 *   return yield* registry.failed("mail").count
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Registry, never, Redis.Redis> = Layer.effect(Registry, make)
