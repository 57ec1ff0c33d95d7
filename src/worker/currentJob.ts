/**
 * Makes the `CurrentJob` of one execution.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { CurrentJobService } from "../CurrentJob.js"
import * as Job from "../Job.js"
import type { Claimed } from "../lifecycle/claim.js"
import type * as Redis from "../Redis.js"
import * as Bytes from "../wire/bytes.js"
import * as Date from "../wire/date.js"
import * as Json from "../wire/json.js"
import * as keys from "../wire/keys.js"
import { setMeta as setMetaScript } from "./meta.js"
import { touch as touchScript } from "./touch.js"

const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined || !Number.isFinite(millis) ? Option.none() : Option.some(DateTime.unsafeMake(millis))

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const noBytes = new Uint8Array()

const readMeta = (bytes: Uint8Array): Readonly<Record<string, unknown>> => {
  const parsed = bytes.length === 0 ? Either.right({}) : Json.parse(Bytes.text(bytes), "meta")
  return Either.isRight(parsed) && isRecord(parsed.right) ? parsed.right : {}
}

export const makeCurrentJob = (
  redis: Redis.RedisService,
  job: Claimed,
  run: {
    readonly name: string
    readonly worker: string
    readonly startedAt: number
    readonly deadline: number
    /** For how long from a sign of life the run counts as alive. */
    readonly aliveSeconds: number
    readonly stop: Effect.Effect<void>
  }
): CurrentJobService => {
  const setMeta = redis.eval(setMetaScript)
  const touch = redis.eval(touchScript)
  // as bytes: what is no UTF-8 would not be found again when it is compared with what was read
  const read = Effect.map(
    redis.sendBytes<Uint8Array | null>("HGET", keys.job(job.id), "meta"),
    (bytes) => bytes ?? noBytes
  )
  const own = { queue: job.queue, id: job.id, execution: job.execution, worker: run.worker }

  const updateMeta: CurrentJobService["updateMeta"] = (fields) =>
    Effect.gen(function*() {
      while (true) {
        const before = yield* read
        const after = yield* Effect.mapError(
          Json.stringify({ ...readMeta(before), ...fields }, "meta"),
          ({ field, message }) => new Job.InvalidJobError({ job: run.name, field, message })
        )
        const done = yield* setMeta(own, before, after)
        if (done !== "changed") return done === "written"
      }
    })

  return {
    id: job.id,
    name: run.name,
    queue: job.queue,
    executionId: job.execution,
    worker: run.worker,
    attempt: job.attempt,
    enqueuedAt: instant(job.enqueuedAt === undefined ? undefined : Date.decode(job.enqueuedAt)),
    dueAt: instant(job.dueAt === undefined ? undefined : Math.round(job.dueAt * 1000)),
    startedAt: DateTime.unsafeMake(run.startedAt),
    deadline: instant(run.deadline),
    meta: Effect.map(read, readMeta),
    updateMeta,
    progress: (part) =>
      part >= 0 && part <= 1
        ? updateMeta({ progress: part })
        : Effect.fail(
          new Job.InvalidJobError({
            job: run.name,
            field: "progress",
            message: `progress: expected a number from 0 to 1, got ${part}`
          })
        ),
    heartbeat: Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => touch(job, { aliveUntil: Date.seconds(now + run.aliveSeconds * 1000), nowDate: Date.encode(now) })
    ),
    stop: Effect.zipRight(run.stop, Effect.never)
  }
}
