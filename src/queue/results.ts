/**
 * How jobs ended: read, and awaited.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { namesOf } from "../internal/known.js"
import type { InvalidOptions } from "../internal/options.js"
import * as Check from "../internal/options.js"
import { show } from "../internal/show.js"
import type * as Job from "../Job.js"
import type { JobRecord, Outcome } from "../JobRecord.js"
import type { AwaitOptions } from "../Queue.js"
import type * as Redis from "../Redis.js"
import * as Wire from "../wire/error.js"
import type { WireError } from "../wire/error.js"
import * as keys from "../wire/keys.js"
import * as Result from "../wire/result.js"
import type { Awaiting } from "./awaiting.js"
import { AwaitTimeout, JobFailed, JobMissing } from "./errors.js"
import { toOutcome } from "./record.js"

type JobExit<J extends Job.Any> = Exit.Exit<Job.Success<J>, Job.Failure<J> | JobFailed>

/** How a job ended whose last outcome is known; a job that keeps no outcome ended with nothing. */
const readExit = <J extends Job.Any>(
  job: J,
  jobId: string,
  ended: "finished" | "failed",
  outcome: Option.Option<Outcome>
): Effect.Effect<JobExit<J>, ParseResult.ParseError | WireError, Job.OutcomeContext<J>> => {
  const problem = Option.flatMap(outcome, (one) => one.problem)
  if (Option.isSome(problem)) return Effect.fail(problem.value)
  // `Job.Any` hides the types of the Schemas; the signature states them again.
  const success = job.successSchema as Schema.Schema<Job.Success<J>, unknown, Job.OutcomeContext<J>>
  const failure = job.errorSchema as Schema.Schema<Job.Failure<J>, unknown, Job.OutcomeContext<J>>
  if (ended === "finished") {
    const value = Option.match(outcome, { onNone: () => undefined, onSome: (one) => one.returnValue })
    const decode = Schema.decodeUnknown(success)
    // Python's None is stored as nothing at all; a Schema may want it as undefined or as null.
    return Effect.map(
      value === undefined ? Effect.orElse(decode(undefined), () => decode(null)) : decode(value),
      (decoded) => Exit.succeed(decoded)
    )
  }
  const error = Option.flatMap(outcome, (one) => one.error)
  if (Option.isSome(error)) {
    return Effect.map(Schema.decodeUnknown(failure)(error.value), (decoded) => Exit.fail(decoded))
  }
  const message = Option.flatMap(outcome, (one) => one.exception).pipe(
    Option.getOrElse(() => "the text of the failure is not kept any more")
  )
  return Effect.succeed(Exit.fail(new JobFailed({ jobId, message })))
}

/** None while the job has not ended. */
export const readResult = <J extends Job.Any>(
  job: J,
  record: JobRecord
): Effect.Effect<Option.Option<JobExit<J>>, ParseResult.ParseError | WireError, Job.OutcomeContext<J>> => {
  switch (record.status) {
    case "finished":
      return Effect.asSome(readExit(job, record.id, "finished", record.outcome))
    case "failed":
    case "stopped":
      return Effect.asSome(readExit(job, record.id, "failed", record.outcome))
    case "canceled":
      return Effect.succeedSome(Exit.fail(new JobFailed({ jobId: record.id, message: "the job was canceled" })))
    default:
      return Effect.succeedNone
  }
}

/** A job that is gone without a result is found out at the latest after this. */
const lookAgain = Duration.seconds(30)

const awaitNames = namesOf<AwaitOptions>({ timeout: true })

export const awaitResult = <J extends Job.Any>(
  awaiting: Awaiting,
  fetch: (jobId: string) => Effect.Effect<Option.Option<JobRecord>, Redis.RedisError | WireError>,
  job: J,
  jobId: string,
  options: AwaitOptions
): Effect.Effect<
  Job.Success<J>,
  | Job.Failure<J>
  | JobFailed
  | JobMissing
  | AwaitTimeout
  | InvalidOptions
  | Redis.RedisError
  | WireError
  | ParseResult.ParseError,
  Job.OutcomeContext<J>
> => {
  const id = typeof jobId === "string" ? jobId : show(jobId)
  const missing = Effect.suspend(() => Effect.fail(new JobMissing({ jobId: id })))
  const untilItEnds = Effect.gen(function*() {
    while (true) {
      const { detail, state } = yield* awaiting.mark(jobId)
      if (state === "missing") return yield* missing
      if (state === "ended") {
        const record = yield* fetch(jobId)
        if (Option.isNone(record)) return yield* missing
        const exit = yield* readResult(job, record.value)
        if (Option.isSome(exit)) return exit.value
        continue
      }
      let after = detail
      while (true) {
        const entry = yield* Effect.timeoutOption(awaiting.next(jobId, after), lookAgain)
        if (Option.isNone(entry)) break
        const { fields, id } = entry.value
        const outcome = toOutcome(Result.readEntry(id, fields))
        after = id
        // A failure that is tried again is not the end.
        if (outcome.type === "retried") continue
        if (outcome.type === "stopped") return Exit.fail(new JobFailed({ jobId, message: "the job was canceled" }))
        return yield* readExit(job, jobId, outcome.type === "successful" ? "finished" : "failed", Option.some(outcome))
      }
    }
  })
  return Effect.gen(function*() {
    yield* Check.names(options, awaitNames)
    const duration = yield* Check.wait("timeout", options.timeout)
    const exit = yield* Effect.timeoutFail(untilItEnds, {
      duration,
      onTimeout: () => new AwaitTimeout({ jobId: id })
    })
    return yield* exit
  })
}

/** How many outcomes are given. Redis keeps about as many: it trims whole parts of a stream, so there may be more. */
const historySize = 10

/** The last outcomes, the latest first. What can't be read of one is told with it. */
export const history = (
  redis: Redis.RedisService,
  jobId: string
): Effect.Effect<ReadonlyArray<Outcome>, Redis.RedisError | WireError> =>
  redis.sendBytes<ReadonlyArray<readonly [Uint8Array, ReadonlyArray<Uint8Array>]>>(
    "XREVRANGE",
    keys.results(jobId),
    "+",
    "-",
    "COUNT",
    historySize
  ).pipe(
    Effect.map((entries) => entries.map(([id, fields]) => toOutcome(Result.readEntry(decoder.decode(id), fields)))),
    Effect.catchIf(
      ({ code }) => code === "WRONGTYPE",
      () =>
        Effect.flatMap(
          redis.send<string>("TYPE", keys.results(jobId)),
          (found) => Effect.fail(Wire.make(keys.results(jobId), `holds a ${found}, expected the stream of its results`))
        )
    )
  )

const decoder = new TextDecoder()
