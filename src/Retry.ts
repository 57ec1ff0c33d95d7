/**
 * Retries: how often a job that failed runs again, and when.
 *
 * As a default for work that talks to others take {@link standard}: ten retries, the pause doubling from a second up to an
 * hour, with jitter, so that those who failed together don't come back together.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { InvalidOptions } from "./internal/options.js"
import { show } from "./internal/show.js"

/**
 * How often a job runs again, and after which pauses, as Redis keeps it: a Python worker that runs the job does the same.
 * It is what one call may say of its job; a {@link RetryPolicy} belongs into the definition.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryOptions {
  /** How often the job may run again, from 0 to 1,000,000. */
  readonly max: number
  /**
   * The pause before each retry, one for all or one for each. As in RQ the list is counted from its end: the first of too
   * few stands for those before it. Whole seconds; parts are rounded up. Default: no pause.
   */
  readonly intervals?: Duration.DurationInput | ReadonlyArray<Duration.DurationInput> | undefined
  /** Whether a retry goes before all others of its queue. Default: false. */
  readonly atFront?: boolean | undefined
  /** Only in the `retry` of `Job.make`: it is the worker that asks it, and Redis can't carry it there. */
  readonly schedule?: undefined
  /** Only in the `retry` of `Job.make`, as `schedule`. */
  readonly while?: undefined
  /** Only in the `retry` of `Job.make`, as `schedule`. */
  readonly until?: undefined
}

/**
 * What a definition says of retries. `schedule`, `while` and `until` are asked by the worker, so they may be anything that
 * Effect can express; a Python worker knows `max` only. Where one of them throws, the job fails without a retry, and both
 * the error and what was thrown are kept with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy<in E> extends Pick<RetryOptions, "max" | "intervals" | "atFront"> {
  /**
   * The pause before each retry; when it is done there is none. It is stepped with the errors of this job, which may take
   * five seconds: after that the job fails without a retry.
   */
  readonly schedule?: Schedule.Schedule<unknown, E> | undefined
  /** Retries only typed errors for which this holds. Defects and timeouts are retried all the same. */
  readonly while?: Predicate.Predicate<E> | undefined
  /** Does not retry typed errors for which this holds. */
  readonly until?: Predicate.Predicate<E> | undefined
}

/**
 * An error together with what shall be done about it; made by {@link never} and {@link after}. It is the error inside that
 * is kept with the job.
 *
 * @since 0.1.0
 * @category errors
 */
export class Verdict<out E> extends Data.TaggedError("effect-rq/Retry/Verdict")<{
  readonly error: E
  /** The pause before the retry; undefined: no retry. */
  readonly delay: Duration.Duration | undefined
}> {}

/**
 * Fails, and says that trying again is of no use.
 *
 * @since 0.1.0
 * @category verdicts
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Job, JobGroup, Retry } from "effect-rq"
 *
 * class Refused extends Schema.TaggedError<Refused>()("Refused", { status: Schema.Number }) {}
 *
 * const Fetch = Job.make("app.fetch", { payload: { url: Schema.String }, error: Refused, retry: Retry.standard })
 *
 * export const Handlers = JobGroup.make(Fetch).toLayer({
 *   "app.fetch": ({ url }) =>
 *     url.startsWith("https:")
 *       ? Retry.after("30 seconds", new Refused({ status: 503 }))
 *       : Retry.never(new Refused({ status: 400 }))
 * })
 * ```
 */
export const never = <E>(error: E): Effect.Effect<never, Verdict<E>> =>
  Effect.fail(new Verdict({ error, delay: undefined }))

/**
 * Fails, and says after which pause the job shall run again. It counts as a retry: a job that has none left fails. A job
 * without retries of its own runs again as often as this is said.
 *
 * A pause below zero is none, one without end is {@link never}. What is no length of time (a `Retry-After` that could not
 * be read as a number is NaN) is a defect with `InvalidOptions`, which ends the run as any defect does.
 *
 * @since 0.1.0
 * @category verdicts
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Retry } from "effect-rq"
 *
 * class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
 *
 * export const busyFor = (seconds: number) => Retry.after(`${seconds} seconds`, new Busy())
 * ```
 */
export const after = <E>(delay: Duration.DurationInput, error: E): Effect.Effect<never, Verdict<E>> =>
  Effect.suspend(() => {
    const decoded = isNotANumber(delay) ? Option.none() : Duration.decodeUnknown(delay)
    return Option.isSome(decoded)
      ? Effect.fail(new Verdict({ error, delay: decoded.value }))
      : Effect.die(
        new InvalidOptions({
          field: "delay",
          message: `delay: expected a duration such as "30 seconds", got ${show(delay)}`
        })
      )
  })

/** `Duration` takes it for zero: a job would run again at once, for ever. */
const isNotANumber = (delay: unknown): boolean => Array.isArray(delay) ? delay.some(Number.isNaN) : Number.isNaN(delay)

/**
 * Ten retries, after pauses that double from a second up to an hour, each a fifth shorter or longer by chance.
 *
 * @since 0.1.0
 * @category policies
 * @example
 * ```ts
 * import { Job, Retry } from "effect-rq"
 *
 * const Import = Job.make("app.import", { retry: Retry.standard })
 *
 * const Careful = Job.make("app.careful", { retry: { ...Retry.standard, max: 3 } })
 * ```
 */
export const standard: RetryPolicy<unknown> = {
  max: 10,
  schedule: Schedule.exponential("1 second").pipe(
    Schedule.union(Schedule.spaced("1 hour")),
    Schedule.jittered
  )
}
