/**
 * Waits for the ends of jobs, all over one connection: Redis wakes it when a result is written, by whoever ran the job.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** Marks a job as awaited, so that its end is written even when it has no result. */
const mark = Redis.script((id: string) => [keys.job(id), keys.results(id), id], {
  name: "await",
  numberOfKeys: 2,
  lua: `
local job = redis.call("TYPE", KEYS[1])["ok"] == "hash" and redis.call("HMGET", KEYS[1], "status", "last_heartbeat") or {}
local status = job[1]
if not status then return { "missing", "" } end
if status == "finished" or status == "failed" or status == "stopped" or status == "canceled" then
  return { "ended", status }
end
redis.call("HSET", KEYS[1], "awaited", "1", "last_heartbeat", job[2] or "") -- see askedRarely in wire/jobHash
local last = redis.call("XREVRANGE", KEYS[2], "+", "-", "COUNT", 1)
return { "waiting", last[1] and last[1][1] or "0-0" }
`,
  result: ([state, detail]: readonly ["missing" | "ended" | "waiting", string]) => ({ state, detail })
})

/** An entry of a results stream: its id, and its fields as bytes. */
export interface ResultEntry {
  readonly id: string
  readonly fields: ReadonlyArray<Uint8Array>
}

export interface Awaiting {
  /** What is known now, and marks the job; `detail` is the id of its last result where it has not ended. */
  readonly mark: (
    jobId: string
  ) => Effect.Effect<
    { readonly state: "missing" | "ended" | "waiting"; readonly detail: string },
    Redis.RedisError
  >
  /** The next result after the given one. Never completes when none comes. */
  readonly next: (jobId: string, after: string) => Effect.Effect<ResultEntry>
}

interface Waiter {
  readonly key: string
  readonly after: string
  readonly deferred: Deferred.Deferred<ResultEntry>
  /** Whether the call that blocks now asks for it. */
  asked: boolean
}

/** For how long one call waits; the reader asks again after that. */
const blockMillis = 30_000

const untilItWorks = Schedule.union(Schedule.exponential("100 millis"), Schedule.spaced("5 seconds"))

const encoder = new TextEncoder()

type Entry = readonly [id: string, fields: ReadonlyArray<string>]

/** Whether a stream's id is later than another: both are `milliseconds-sequence`. */
const isAfter = (id: string, other: string): boolean => {
  const [time, sequence] = id.split("-").map(Number)
  const [otherTime, otherSequence] = other.split("-").map(Number)
  return time! > otherTime! || (time === otherTime && sequence! > otherSequence!)
}

/** The connection, and the fiber that reads from it, are there only while somebody waits. */
export const make = (redis: Redis.RedisService): Awaiting => {
  const waiters = new Set<Waiter>()
  let connection: Redis.Connection | undefined
  let reading = false

  const deliver = (key: string, entries: ReadonlyArray<Entry>) =>
    Effect.forEach(
      [...waiters].filter((waiter) => waiter.key === key),
      (waiter) => {
        const entry = entries.find(([id]) => isAfter(id, waiter.after))
        if (entry === undefined) return Effect.void
        waiters.delete(waiter)
        const [id, fields] = entry
        return Deferred.succeed(waiter.deferred, { id, fields: fields.map((field) => encoder.encode(field)) })
      },
      { discard: true }
    )

  const readUntilAllHave = Effect.scoped(Effect.gen(function*() {
    const own = yield* redis.connection
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        connection = own
      }),
      () =>
        Effect.sync(() => {
          connection = undefined
        })
    )
    while (waiters.size > 0) {
      const asked = [...waiters]
      for (const waiter of asked) waiter.asked = true
      const reply = yield* own.send<ReadonlyArray<readonly [string, ReadonlyArray<Entry>]> | null>(
        "XREAD",
        "BLOCK",
        blockMillis,
        "STREAMS",
        ...asked.map((waiter) => waiter.key),
        ...asked.map((waiter) => waiter.after)
      )
      for (const [key, entries] of reply ?? []) yield* deliver(key, entries)
    }
  }))

  const startReading = Effect.suspend(() => {
    if (reading) return Effect.void
    reading = true
    const whileSomebodyWaits = Effect.gen(function*() {
      while (waiters.size > 0) {
        const retried = Effect.retry(readUntilAllHave, { schedule: untilItWorks, while: (error) => error.isTransient })
        // What can't be mended by trying again is found out by those who wait: they look again by themselves.
        if (!(yield* Effect.isSuccess(retried))) yield* Effect.sleep(blockMillis)
      }
    })
    return Effect.forkDaemon(Effect.ensuring(
      whileSomebodyWaits,
      Effect.sync(() => {
        reading = false
      })
    ))
  })

  /** Ends the call that blocks, so that the next one asks for all who wait now, or none is made. */
  const unblock = Effect.suspend(() => connection === undefined ? Effect.void : Effect.ignore(connection.unblock))

  return {
    mark: redis.eval(mark),
    next: (jobId, after) =>
      Effect.gen(function*() {
        const waiter: Waiter = {
          key: keys.results(jobId),
          after,
          deferred: yield* Deferred.make<ResultEntry>(),
          asked: false
        }
        waiters.add(waiter)
        yield* startReading
        // The call that blocks may be on its way to the server yet, so once is not always enough.
        const untilAsked = Effect.gen(function*() {
          for (let wait = 5; !waiter.asked; wait = Math.min(1000, wait * 2)) {
            yield* unblock
            yield* Effect.sleep(wait)
          }
        })
        return yield* Effect.zipRight(
          Effect.raceFirst(untilAsked, Deferred.await(waiter.deferred)),
          Deferred.await(waiter.deferred)
        ).pipe(Effect.ensuring(Effect.suspend(() => {
          waiters.delete(waiter)
          return waiters.size === 0 ? unblock : Effect.void
        })))
      })
  }
}
