/**
 * What is done to jobs that exist: cancel, stop, requeue, delete.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { namesOf } from "../internal/known.js"
import type { InvalidOptions } from "../internal/options.js"
import * as Check from "../internal/options.js"
import { cancel as cancelScript } from "../lifecycle/cancel.js"
import { deleteJobs as deleteScript } from "../lifecycle/delete.js"
import { empty as emptyScript } from "../lifecycle/empty.js"
import { requeue as requeueScript } from "../lifecycle/requeue.js"
import type { CancelOutcome, Changed, RequeueOptions, StopOptions } from "../Queue.js"
import * as Redis from "../Redis.js"
import * as Command from "../wire/command.js"
import * as Date from "../wire/date.js"
import * as keys from "../wire/keys.js"
import { decode as decodeStatus } from "../wire/status.js"
import type { Awaiting } from "./awaiting.js"

/** How many jobs one call changes, or takes out of a queue: it blocks Redis for a few milliseconds. */
const callSize = 250

const refused = (message: string) => new Redis.RedisError({ reason: "reply", command: "", code: "ERR", message })

const listOf = (ids: Iterable<string>): Effect.Effect<ReadonlyArray<string>, Redis.RedisError> =>
  Effect.try({ try: () => [...ids], catch: () => refused("expected a list of job ids") })

const stopNames = namesOf<StopOptions>({ wait: true })
const requeueNames = namesOf<RequeueOptions>({ atFront: true })

/** For how long to wait; checked before anything is done. */
const waitOf = (options: StopOptions): Effect.Effect<Duration.Duration, InvalidOptions> =>
  Effect.zipRight(Check.names(options, stopNames), Check.wait("wait", options.wait === undefined ? 0 : options.wait))

const isWaiting = (status: string | null): boolean =>
  status === "queued" || status === "scheduled" || status === "deferred"

export const make = (redis: Redis.RedisService, awaiting: Awaiting) => {
  const cancelSome = redis.eval(cancelScript)
  const requeueSome = redis.eval(requeueScript)
  const deleteSome = redis.eval(deleteScript)
  const emptySome = redis.eval(emptyScript)

  const inCalls = <A, E>(
    ids: Iterable<string>,
    call: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<A>, E>
  ): Effect.Effect<ReadonlyArray<A>, E | Redis.RedisError> =>
    Effect.gen(function*() {
      const all = yield* listOf(ids)
      const out: Array<A> = []
      for (let at = 0; at < all.length; at += callSize) out.push(...(yield* call(all.slice(at, at + callSize))))
      return out
    })

  /** Tells the worker, and waits for the end when asked to. */
  const stopStarted = (jobId: string, worker: string, wait: Duration.Duration) =>
    Effect.gen(function*() {
      const before = Duration.greaterThan(wait, Duration.zero) ? yield* awaiting.mark(jobId) : undefined
      yield* redis.send("PUBLISH", keys.workerChannel(worker), Command.stopJob(jobId))
      if (before === undefined) return "stopping" as const
      if (before.state === "waiting") yield* Effect.timeoutOption(awaiting.next(jobId, before.detail), wait)
      const status = yield* redis.send<string | null>("HGET", keys.job(jobId), "status")
      switch (status) {
        case "stopped":
          return "stopped" as const
        case "started":
          return "stopping" as const
        default:
          // It failed before it could be stopped, and waits to be tried again.
          return isWaiting(status) ? "waiting" as const : "ended" as const
      }
    })

  const cancelAll = (
    ids: Iterable<string>,
    wait: Duration.Duration
  ): Effect.Effect<ReadonlyArray<CancelOutcome>, Redis.RedisError> =>
    inCalls(ids, (some) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const rows = yield* cancelSome({ ids: some, now: Date.seconds(now), nowDate: Date.encode(now) })
        return yield* Effect.forEach(rows, (row, index): Effect.Effect<CancelOutcome, Redis.RedisError> => {
          const id = some[index]! // one row for each id
          switch (row._tag) {
            case "Canceled":
              return Effect.succeed({ id, outcome: "canceled" })
            case "Ended":
              return Effect.succeed({ id, outcome: "ended" })
            case "Missing":
              return Effect.succeed({ id, outcome: "missing" })
            case "Started":
              return Effect.flatMap(
                stopStarted(id, row.worker, wait),
                (outcome) =>
                  outcome === "waiting"
                    ? Effect.map(cancelAll([id], wait), ([canceled]) => canceled!) // one id
                    : Effect.succeed({ id, outcome })
              )
          }
        }, { concurrency: 10 })
      }))

  return {
    cancelMany: (
      ids: Iterable<string>,
      options?: StopOptions
    ): Effect.Effect<ReadonlyArray<CancelOutcome>, InvalidOptions | Redis.RedisError> =>
      Effect.flatMap(waitOf(options ?? {}), (wait) => cancelAll(ids, wait)),
    stop: (id: string, options?: StopOptions): Effect.Effect<CancelOutcome, InvalidOptions | Redis.RedisError> =>
      Effect.gen(function*() {
        const wait = yield* waitOf(options ?? {})
        const [status, worker] = yield* redis.send<readonly [string | null, string | null]>(
          "HMGET",
          keys.job(id),
          "status",
          "worker_name"
        )
        if (status === null) return { id, outcome: "missing" }
        if (status !== "started") {
          return {
            id,
            outcome: isWaiting(status) ? "waiting" : "ended"
          }
        }
        return { id, outcome: yield* stopStarted(id, worker ?? "", wait) }
      }),
    requeueMany: (
      ids: Iterable<string>,
      options?: RequeueOptions
    ): Effect.Effect<ReadonlyArray<Changed>, InvalidOptions | Redis.RedisError> =>
      Effect.gen(function*() {
        yield* Check.names(options ?? {}, requeueNames)
        const atFront = yield* Check.flag("atFront", options?.atFront)
        return yield* inCalls(ids, (some) =>
          Effect.gen(function*() {
            const nowDate = Date.encode(yield* Clock.currentTimeMillis)
            const rows = yield* requeueSome({ ids: some, atFront, nowDate })
            return rows.map(({ requeued, status }, index) => ({
              id: some[index]!, // one row for each id
              changed: requeued,
              status: Option.fromNullable(decodeStatus(status))
            }))
          }))
      }),
    deleteMany: (ids: Iterable<string>): Effect.Effect<ReadonlyArray<Changed>, Redis.RedisError> =>
      inCalls(ids, (some) =>
        Effect.gen(function*() {
          const nowDate = Date.encode(yield* Clock.currentTimeMillis)
          const rows = yield* deleteSome({ ids: some, nowDate })
          return rows.map(({ deleted, status }, index) => ({
            id: some[index]!, // one row for each id
            changed: deleted,
            status: Option.fromNullable(decodeStatus(status))
          }))
        })),
    /** What comes while it is at it stays. */
    empty: (queue: string): Effect.Effect<number, Redis.RedisError> =>
      Effect.gen(function*() {
        const length = yield* redis.send<number>("LLEN", keys.queue(queue))
        let emptied = 0
        while (emptied < length) {
          const nowDate = Date.encode(yield* Clock.currentTimeMillis)
          const limit = Math.min(callSize, length - emptied)
          const taken = yield* emptySome({ queue, limit, nowDate })
          emptied += taken
          if (taken < limit) break
        }
        return emptied
      })
  }
}
