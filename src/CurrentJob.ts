/**
 * The job that a handler is running, as a service in the handler's context.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Job from "./Job.js"
import type * as Redis from "./Redis.js"

/**
 * What a handler knows of the run that it is, and can do about it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CurrentJobService {
  readonly id: string
  readonly name: string
  readonly queue: string
  /** The id of this run. */
  readonly executionId: string
  /** The worker that runs it. */
  readonly worker: string
  /** 1 for the first run; each failure that was retried and each worker that died counts. */
  readonly attempt: number
  readonly enqueuedAt: Option.Option<DateTime.Utc>
  /** When it was due, of a job that was scheduled. */
  readonly dueAt: Option.Option<DateTime.Utc>
  readonly startedAt: DateTime.Utc
  /** When the timeout interrupts it; none: never. */
  readonly deadline: Option.Option<DateTime.Utc>
  /** What is kept with the job. */
  readonly meta: Effect.Effect<Readonly<Record<string, unknown>>, Redis.RedisError>
  /**
   * Sets fields of what is kept with the job; others stay. False when this run is not the current one any more, in which
   * case nothing is written. Fails with `InvalidJobError` for what JSON can't hold.
   */
  readonly updateMeta: (
    fields: Readonly<Record<string, unknown>>
  ) => Effect.Effect<boolean, Job.InvalidJobError | Redis.RedisError>
  /** Tells how far it is, from 0 to 1, as the field `progress` of what is kept with the job. */
  readonly progress: (part: number) => Effect.Effect<boolean, Job.InvalidJobError | Redis.RedisError>
  /**
   * Tells at once that this run is alive, as the worker does by itself every few seconds: before something that blocks the
   * event loop it gives the most time. False when this run is not the current one any more: what it does from now on is
   * void.
   */
  readonly heartbeat: Effect.Effect<boolean, Redis.RedisError>
  /** Stops this job for good, as `Queue.stop` from outside does: it ends as stopped, without a retry. */
  readonly stop: Effect.Effect<never>
}

/**
 * The service. A worker provides it to each handler, so a handler may use it without asking for it from outside.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CurrentJob, Job, JobGroup } from "effect-rq"
 *
 * const Import = Job.make("app.import")
 *
 * export const Handlers = JobGroup.make(Import).toLayer({
 *   "app.import": () =>
 *     Effect.gen(function*() {
 *       const job = yield* CurrentJob.CurrentJob
 *       yield* Effect.log(`run ${job.attempt} of ${job.id}`)
 *       yield* Effect.ignore(job.progress(0.5))
 *     })
 * })
 * ```
 */
export class CurrentJob extends Context.Tag("effect-rq/CurrentJob")<CurrentJob, CurrentJobService>() {}
