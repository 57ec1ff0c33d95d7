/**
 * A job as Redis holds it, whoever wrote it: effect-rq or Python.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { RawJob } from "./queue/read.js"
import * as Date from "./wire/date.js"
import type { WireError } from "./wire/error.js"
import * as JobHash from "./wire/jobHash.js"
import * as Payload from "./wire/payload.js"
import * as Result from "./wire/result.js"
import type { JobStatus } from "./wire/status.js"

export {
  /**
   * A job or a result in Redis that can't be read; `field` says which field.
   *
   * @since 0.1.0
   * @category errors
   */
  WireError
} from "./wire/error.js"

export {
  /**
   * The payload of a job can't be read. `reason` is `Pickled` where Python wrote it with its default serializer.
   *
   * @since 0.1.0
   * @category errors
   */
  PayloadError
} from "./wire/payload.js"

export {
  /**
   * The states of a job, as RQ names them.
   *
   * @since 0.1.0
   * @category models
   */
  JobStatus as Status
} from "./wire/status.js"

/**
 * How one run of a job ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  readonly type: Result.ResultType
  readonly at: DateTime.Utc
  readonly worker: Option.Option<string>
  readonly executionId: Option.Option<string>
  readonly startedAt: Option.Option<DateTime.Utc>
  readonly endedAt: Option.Option<DateTime.Utc>
  /** What the handler succeeded with, encoded; undefined for nothing. */
  readonly returnValue: unknown
  /** Text of the failure: a cause, or a Python traceback. */
  readonly exception: Option.Option<string>
  /** The typed error of a handler of effect-rq, encoded. */
  readonly error: Option.Option<unknown>
}

/**
 * A job as it was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobRecord {
  readonly id: string
  readonly queue: string
  readonly description: string
  readonly status: JobStatus
  /** Name and arguments; a `PayloadError` where they can't be read. */
  readonly payload: Either.Either<Payload.Payload, Payload.PayloadError>
  readonly createdAt: Option.Option<DateTime.Utc>
  /** When it is due (while scheduled), or was due (once promoted). */
  readonly dueAt: Option.Option<DateTime.Utc>
  readonly enqueuedAt: Option.Option<DateTime.Utc>
  readonly startedAt: Option.Option<DateTime.Utc>
  readonly endedAt: Option.Option<DateTime.Utc>
  readonly lastHeartbeat: Option.Option<DateTime.Utc>
  /** The worker that runs it, or ran it last. */
  readonly worker: Option.Option<string>
  /** `Duration.infinity` is for ever. */
  readonly timeout: Option.Option<Duration.Duration>
  readonly ttl: Option.Option<Duration.Duration>
  readonly resultTtl: Option.Option<Duration.Duration>
  readonly failureTtl: Option.Option<Duration.Duration>
  readonly meta: Readonly<Record<string, unknown>>
  readonly atFront: boolean
  /** How often a worker died while it ran this job. */
  readonly abandoned: number
  /** How the last run ended, while that is kept. A run without a result leaves no outcome. */
  readonly outcome: Option.Option<Outcome>
}

const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined || !Number.isFinite(millis) ? Option.none() : Option.some(DateTime.unsafeMake(millis))

const lifetime = (seconds: number | undefined): Option.Option<Duration.Duration> =>
  seconds === undefined
    ? Option.none()
    : Option.some(seconds < 0 ? Duration.infinity : Duration.seconds(seconds))

/**
 * @internal
 */
export const fromRaw = (id: string, raw: RawJob): Either.Either<Option.Option<JobRecord>, WireError> =>
  raw.hash.length === 0 ? Either.right(Option.none()) : Either.gen(function*() {
    const hash = yield* JobHash.decode(id, raw.hash)
    const result = raw.result === undefined
      ? undefined
      : yield* Result.decodeEntry(raw.result.id, raw.result.fields)
    const due = raw.due ?? hash.other.get("due_at")
    return Option.some<JobRecord>({
      id,
      queue: hash.origin,
      description: hash.description,
      status: hash.status,
      payload: Payload.decode(hash.data),
      createdAt: instant(hash.createdAt),
      dueAt: instant(due === undefined ? undefined : Date.millis(due)),
      enqueuedAt: instant(hash.enqueuedAt),
      startedAt: instant(hash.startedAt),
      endedAt: instant(hash.endedAt),
      lastHeartbeat: instant(hash.lastHeartbeat),
      worker: Option.fromNullable(hash.workerName),
      timeout: lifetime(hash.timeout),
      ttl: lifetime(hash.ttl),
      resultTtl: lifetime(hash.resultTtl),
      failureTtl: lifetime(hash.failureTtl),
      meta: hash.meta ?? {},
      atFront: hash.enqueueAtFront,
      abandoned: Number(hash.other.get("abandon_count") ?? 0),
      outcome: result === undefined ? Option.none() : Option.some<Outcome>({
        type: result.type,
        at: DateTime.unsafeMake(result.createdAt),
        worker: Option.fromNullable(result.workerName),
        executionId: Option.fromNullable(result.executionId),
        startedAt: instant(result.startedAt),
        endedAt: instant(result.endedAt),
        returnValue: result.returnValue,
        exception: Option.fromNullable(result.excString),
        error: Option.fromNullable(result.error)
      })
    })
  })
