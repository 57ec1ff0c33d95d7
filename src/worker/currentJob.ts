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
import { show } from "../internal/show.js"
import * as Job from "../Job.js"
import type * as Redis from "../Redis.js"
import * as Bytes from "../wire/bytes.js"
import * as Date from "../wire/date.js"
import * as Json from "../wire/json.js"
import * as keys from "../wire/keys.js"
import { setMeta as setMetaScript } from "./meta.js"
import type { Settings } from "./settings.js"
import type { Running } from "./state.js"
import { touch as touchScript } from "./touch.js"

const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined ? Option.none() : DateTime.make(millis) // none of one beyond all dates as well

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const noBytes = new Uint8Array()

const readMeta = (bytes: Uint8Array): Readonly<Record<string, unknown>> => {
  const parsed = bytes.length === 0 ? Either.right({}) : Json.parse(Bytes.text(bytes), "meta")
  return Either.isRight(parsed) && isRecord(parsed.right) ? parsed.right : {}
}

/** What the runs of one worker have in common. */
export interface Runs {
  readonly redis: Redis.RedisService
  readonly worker: string
  /** For how long from a sign of life a run counts as alive. */
  readonly aliveSeconds: number
  readonly setMeta: ReturnType<typeof setMetaOf>
  readonly touch: ReturnType<typeof touchOf>
  readonly stop: (self: Running) => Effect.Effect<void>
}

const setMetaOf = (redis: Redis.RedisService) => redis.eval(setMetaScript)
const touchOf = (redis: Redis.RedisService) => redis.eval(touchScript)

export const makeRuns = (
  redis: Redis.RedisService,
  { aliveSeconds, name }: Settings,
  stop: Runs["stop"]
): Runs => ({ redis, worker: name, aliveSeconds, setMeta: setMetaOf(redis), touch: touchOf(redis), stop })

/** Each job has one and few look at it, so what takes work is made when it is asked for. */
export class CurrentRun implements CurrentJobService {
  readonly id: string
  readonly queue: string
  readonly executionId: string
  readonly worker: string
  readonly attempt: number
  readonly #runs: Runs
  readonly #self: Running

  constructor(runs: Runs, self: Running, readonly name: string) {
    const { job } = self
    this.id = job.id
    this.queue = job.queue
    this.executionId = job.execution
    this.worker = runs.worker
    this.attempt = job.attempt
    this.#runs = runs
    this.#self = self
  }

  get enqueuedAt() {
    const { enqueuedAt } = this.#self.job
    return instant(enqueuedAt === undefined ? undefined : Date.decode(enqueuedAt))
  }

  get dueAt() {
    const { dueAt } = this.#self.job
    return instant(dueAt === undefined ? undefined : Math.round(dueAt * 1000))
  }

  get startedAt() {
    return DateTime.unsafeMake(this.#self.startedAt)
  }

  get deadline() {
    return instant(this.#self.deadline)
  }

  get #meta() {
    // as bytes: what is no UTF-8 would not be found again when it is compared with what was read
    return Effect.map(
      this.#runs.redis.sendBytes<Uint8Array | null>("HGET", keys.job(this.id), "meta"),
      (bytes) => bytes ?? noBytes
    )
  }

  get meta() {
    return Effect.map(this.#meta, readMeta)
  }

  get updateMeta(): CurrentJobService["updateMeta"] {
    const read = this.#meta
    const { executionId: execution, id, name, queue, worker } = this
    const { setMeta } = this.#runs
    return (fields) =>
      Effect.gen(function*() {
        if (!isRecord(fields)) {
          const message = `meta: expected an object, got ${show(fields)}`
          return yield* new Job.InvalidJobError({ job: name, field: "meta", message })
        }
        while (true) {
          const before = yield* read
          const after = yield* Effect.mapError(
            Json.stringify({ ...readMeta(before), ...fields }, "meta"),
            ({ field, message }) => new Job.InvalidJobError({ job: name, field, message })
          )
          const done = yield* setMeta({ queue, id, execution, worker }, before, after)
          if (done !== "changed") return done === "written"
        }
      })
  }

  get progress(): CurrentJobService["progress"] {
    const { name, updateMeta } = this
    return (part) =>
      typeof part === "number" && part >= 0 && part <= 1
        ? updateMeta({ progress: part })
        : Effect.fail(
          new Job.InvalidJobError({
            job: name,
            field: "progress",
            message: `progress: expected a number from 0 to 1, got ${show(part)}`
          })
        )
  }

  get heartbeat() {
    const { aliveSeconds, touch } = this.#runs
    const { job } = this.#self
    return Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => touch(job, { aliveUntil: Date.seconds(now + aliveSeconds * 1000), nowDate: Date.encode(now) })
    )
  }

  get stop() {
    const self = this.#self
    return Effect.zipRight(Effect.suspend(() => this.#runs.stop(self)), Effect.never)
  }
}
