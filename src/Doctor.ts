/**
 * The doctor: looks whether a live Redis is as it should be, says what is wrong and what would mend it, and mends what
 * can be mended without a doubt.
 *
 * What it checks are the invariants of effect-rq, the same code that its own tests check: every job in exactly one
 * place, due jobs promoted, dead workers' jobs taken over. To that come what endangers them: nobody who schedules or
 * works, a server that deletes keys, clocks that differ.
 *
 * It looks at a sample of bounded size, in short calls that never hold up Redis, and says whether that was everything. What
 * is said of one job is of one instant, and what seems to be wrong is looked at once more after a moment, so a busy system
 * is not called broken.
 *
 * Mending is one atomic script for each finding, which looks again before it does anything. It never drops a job that
 * exists; where it can't be known which of two things is right it leaves both.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Examine from "./doctor/examine.js"
import { check as checkFindings, identityOf } from "./doctor/finding.js"
import * as Mend from "./doctor/mend.js"
import { namesOf } from "./internal/known.js"
import * as Check from "./internal/options.js"
import type * as Violation from "./invariants/violation.js"
import * as Redis from "./Redis.js"

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
 * What is wrong, for programs. Codes may be added.
 *
 * @since 0.1.0
 * @category models
 */
export type Code = Violation.Code

/**
 * `"error"`: jobs are lost, late, or stand still. `"warning"`: they may come to. `"info"`: somebody may have forgotten
 * something, or it passes by itself.
 *
 * @since 0.1.0
 * @category models
 */
export type Severity = Violation.Severity

/**
 * How a finding is mended. Made by `examine`, for `mend`.
 *
 * @since 0.1.0
 * @category models
 */
export type Repair = Violation.Repair

/**
 * Something that is not as it should be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly code: Code
  readonly severity: Severity
  /** The invariant that is broken (1 to 10, as docs/cli.md lists them); none for what only may come to that. */
  readonly invariant: Option.Option<number>
  readonly job: Option.Option<string>
  readonly queue: Option.Option<string>
  readonly worker: Option.Option<string>
  /** The key in Redis that shows it. */
  readonly key: Option.Option<string>
  /** What is wrong, in one sentence. */
  readonly message: string
  /** What mends it. */
  readonly remedy: string
  /** How `mend` does it; none where that would not be safe. */
  readonly repair: Option.Option<Repair>
}

/**
 * What an examination has found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly at: DateTime.Utc
  /** Errors first, then warnings. */
  readonly findings: ReadonlyArray<Finding>
  /** Whether no finding is an error. */
  readonly healthy: boolean
  /** How many jobs, and how many queues, were looked at. */
  readonly jobs: number
  readonly queues: number
  /** Of how many of these jobs it can't be told whether they are in their queue, because that is too long. */
  readonly unverified: number
  /** Whether these were all: false when there was more than the sample may hold. */
  readonly complete: boolean
}

/**
 * What came of mending a finding.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mended {
  readonly finding: Finding
  /** None when it is mended now, else why it was left. */
  readonly left: Option.Option<string>
  /**
   * What was passed over on the way, and why: ids in the list of a dead worker whose jobs are not queued any more, as
   * `"id: why"`. Mostly empty.
   */
  readonly skipped: ReadonlyArray<string>
}

/**
 * What to look at, and how closely. What can't be used fails with `InvalidOptions` before anything is looked at.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExamineOptions {
  /** Only these queues and their jobs. Default: all. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** About how many jobs to look at, from 1 to 10,000,000. Default: 10,000. */
  readonly sample?: number | undefined
  /**
   * How long to wait before what seems to be wrong is looked at again, 24 days at most; zero: not at all. Default: 2
   * seconds.
   */
  readonly pause?: Duration.DurationInput | undefined
}

/**
 * Looks, and mends what was found.
 *
 * @since 0.1.0
 * @category models
 */
export interface DoctorService {
  /** Looks, and changes nothing. */
  readonly examine: (options?: ExamineOptions) => Effect.Effect<Report, Check.InvalidOptions | Redis.RedisError>
  /**
   * Mends those findings of which the doctor knows how, and tells of each of these what came of it: what has changed since it
   * was found is left. Fails with `InvalidOptions` for what is no finding of `examine`, before anything is done.
   */
  readonly mend: (
    findings: Iterable<Finding>
  ) => Effect.Effect<ReadonlyArray<Mended>, Check.InvalidOptions | Redis.RedisError>
}

/**
 * The doctor service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Doctor, RedisLive } from "effect-rq"
 *
 * const checkUp = Effect.gen(function*() {
 *   const doctor = yield* Doctor.Doctor
 *   const { findings, healthy } = yield* doctor.examine({ queues: ["mail"] })
 *   for (const { message, remedy, severity } of findings) yield* Effect.log(severity, message, remedy)
 *   if (!healthy) yield* doctor.mend(findings)
 * }).pipe(Effect.provide(Doctor.layer), Effect.provide(RedisLive.layer()))
 * ```
 */
export class Doctor extends Context.Tag("effect-rq/Doctor")<Doctor, DoctorService>() {}

const toFinding = (one: Violation.Violation): Finding => ({
  code: one.code,
  severity: one.severity,
  invariant: Option.fromNullable(one.invariant),
  job: Option.fromNullable(one.job),
  queue: Option.fromNullable(one.queue),
  worker: Option.fromNullable(one.worker),
  key: Option.fromNullable(one.key),
  message: one.message,
  remedy: one.remedy,
  repair: Option.fromNullable(one.repair)
})

const examineNames = namesOf<ExamineOptions>({ queues: true, sample: true, pause: true })

const ranks: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 }

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Doctor, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const doctor = yield* Doctor.make
 *   return (yield* doctor.examine()).healthy
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<DoctorService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const examine = Examine.make(redis)
  const mendOne = Mend.make(redis)
  return {
    examine: Effect.fnUntraced(function*(options = {}) {
      yield* Check.names(options, examineNames)
      const { pause, queues, sample } = options
      const found = yield* examine({
        queues: queues === undefined ? undefined : yield* Check.queues(queues),
        sample: yield* Check.count("sample", sample, 10_000, { least: 1, most: 10_000_000 }),
        pauseMillis: yield* Check.millis("pause", pause, "2 seconds", 0)
      })
      const findings = found.violations.map(toFinding).sort((a, b) => ranks[a.severity] - ranks[b.severity])
      return {
        at: DateTime.unsafeMake(yield* Clock.currentTimeMillis),
        findings,
        healthy: findings.every(({ severity }) => severity !== "error"),
        jobs: found.jobs,
        queues: found.queues,
        unverified: found.unverified,
        complete: found.sawAll && found.unverified === 0
      }
    }),
    mend: Effect.fnUntraced(function*(findings) {
      // What mends one thing may mend several: all that a dead worker has left.
      const done = new Map<string, Omit<Mended, "finding">>()
      const out: Array<Mended> = []
      for (const finding of yield* checkFindings(findings)) {
        if (Option.isNone(finding.repair)) continue
        const repair = finding.repair.value
        const key = identityOf(repair)
        let outcome = done.get(key)
        if (outcome === undefined) {
          const { left, skipped } = yield* mendOne(repair)
          outcome = { left: Option.fromNullable(left), skipped }
          done.set(key, outcome)
        }
        out.push({ finding, ...outcome })
      }
      return out
    })
  }
})

/**
 * The service on the `Redis` that the Layer is given. It asks the server for nothing until it is used.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Doctor, RedisLive } from "effect-rq"
 *
 * const Live = Doctor.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const doctor = yield* Doctor.Doctor
 *   return (yield* doctor.examine()).healthy
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Doctor, never, Redis.Redis> = Layer.effect(Doctor, make)
