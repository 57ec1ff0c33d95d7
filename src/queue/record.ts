/**
 * From what Redis holds of a job to what users see.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { JobRecord, Outcome } from "../JobRecord.js"
import * as Date from "../wire/date.js"
import type { WireError } from "../wire/error.js"
import * as JobHash from "../wire/jobHash.js"
import * as Payload from "../wire/payload.js"
import * as Result from "../wire/result.js"
import type { RawJob } from "./read.js"

const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined ? Option.none() : DateTime.make(millis)

const lifetime = (seconds: number | undefined): Option.Option<Duration.Duration> =>
  seconds === undefined
    ? Option.none()
    : Option.some(seconds < 0 ? Duration.infinity : Duration.seconds(seconds))

export const toOutcome = (result: Result.ResultEntry): Outcome => ({
  type: result.type ?? "unreadable",
  at: DateTime.unsafeMake(result.createdAt),
  worker: Option.fromNullable(result.workerName),
  executionId: Option.fromNullable(result.executionId),
  startedAt: instant(result.startedAt),
  endedAt: instant(result.endedAt),
  returnValue: result.returnValue,
  exception: Option.fromNullable(result.excString),
  error: Option.fromNullable(result.error),
  problem: Option.fromNullable(result.problem)
})

/** None when there is no such job. */
export const fromRaw = (id: string, raw: RawJob): Either.Either<Option.Option<JobRecord>, WireError> =>
  raw.hash.length === 0 ? Either.right(Option.none()) : Either.gen(function*() {
    const hash = yield* JobHash.decode(id, raw.hash)
    const result = raw.result === undefined
      ? undefined
      : Result.readEntry(raw.result.id, raw.result.fields)
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
      abandoned: Number(hash.other.get("abandon_count") ?? 0) || 0, // what is no number counts nothing
      failedAttempts: Number(hash.other.get("failed_attempts") ?? 0) || 0,
      retriesLeft: Option.fromNullable(hash.retriesLeft),
      repeatsLeft: Option.fromNullable(hash.repeatsLeft),
      dependsOn: hash.dependencyIds,
      outcome: result === undefined ? Option.none() : Option.some(toOutcome(result))
    })
  })
