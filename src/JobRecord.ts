/**
 * A job as Redis holds it, whoever wrote it: effect-rq or Python.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type { WireError } from "./wire/error.js"
import type * as Payload from "./wire/payload.js"
import type * as Result from "./wire/result.js"
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
  /** `"unreadable"` where that is what can't be read, see `problem`. */
  readonly type: Result.ResultType | "unreadable"
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
  /**
   * Why something of it can't be read, such as a result that Python has pickled; what that would have told is none or
   * undefined here.
   */
  readonly problem: Option.Option<WireError>
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
  /** How often it failed and was tried again. */
  readonly failedAttempts: number
  /** How often it may be tried again; none: no retries were asked for. */
  readonly retriesLeft: Option.Option<number>
  /** How often it will run again after success; none: no repetitions were asked for. */
  readonly repeatsLeft: Option.Option<number>
  /** Ids of the jobs that it waits, or waited, for. */
  readonly dependsOn: ReadonlyArray<string>
  /** How the last run ended, while that is kept. A run without a result leaves no outcome. */
  readonly outcome: Option.Option<Outcome>
}
