/**
 * When a job that failed runs again, as far as its worker decides that.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type * as Job from "../Job.js"
import { type RetryPolicy, Verdict } from "../Retry.js"

/** Empty: as Redis says of the job. Else there is no retry, or one after so many seconds. */
export type RetryDelay = "" | "never" | number

/** What a policy has to say; `problem` is what went wrong while it was asked, and then nothing is tried again. */
export interface Said {
  readonly retry: RetryDelay
  readonly problem?: string
}

/**
 * `error` is the typed error, where there is one. A policy is the user's own code: whatever it does is the trouble of its
 * job, and nobody else's.
 */
export const retryDelay = (
  job: Job.Any,
  error: Option.Option<unknown>,
  cause: Cause.Cause<unknown>,
  attempt: number
): Effect.Effect<Said> =>
  Effect.matchCause(Effect.suspend(() => ask(job, error, cause, attempt)), {
    onSuccess: (retry) => ({ retry }),
    onFailure: (thrown) => ({
      retry: "never",
      problem: `There is no retry, because the retry policy of ${job.name} has failed: ${Cause.pretty(thrown)}`
    })
  })

const ask = (
  job: Job.Any,
  error: Option.Option<unknown>,
  cause: Cause.Cause<unknown>,
  attempt: number
): Effect.Effect<RetryDelay> => {
  // The definition's types are those of its handlers' errors; here the errors have lost theirs.
  const policy = job.retry as RetryPolicy<unknown> | undefined
  if (Option.isSome(error)) {
    if (error.value instanceof Verdict) {
      const { delay } = error.value
      return Effect.succeed(delay === undefined || !Duration.isFinite(delay) ? "never" : Duration.toSeconds(delay))
    }
    if (policy?.while !== undefined && !policy.while(error.value)) return Effect.succeed("never")
    if (policy?.until !== undefined && policy.until(error.value)) return Effect.succeed("never")
  }
  if (policy?.schedule === undefined) return Effect.succeed("")
  // The job holds its slot meanwhile. A step that can't be interrupted is left to itself.
  return stepTo(policy.schedule, Option.getOrElse(error, () => Cause.squash(cause)), attempt).pipe(
    Effect.disconnect,
    Effect.timeoutTo({ duration: answerMillis, onSuccess: Effect.succeed, onTimeout: () => silent }),
    Effect.flatten
  )
}

/** How long the steps of a schedule may take, all together. */
const answerMillis = 5000

const silent = Effect.die(new Error(`its schedule gave no answer within ${answerMillis / 1000} seconds`))

/**
 * The pause after the given attempt. A schedule keeps its state between steps, but the attempts of a job are runs of
 * different processes: so it is stepped from the start, as if each pause had just passed.
 */
const stepTo = (
  schedule: Schedule.Schedule<unknown, unknown>,
  input: unknown,
  attempt: number
): Effect.Effect<RetryDelay> =>
  Effect.gen(function*() {
    let now = yield* Clock.currentTimeMillis
    let state: unknown = schedule.initial
    let delay = 0
    for (let step = 0; step < attempt; step++) {
      const [next, , decision] = yield* schedule.step(now, input, state)
      if (ScheduleDecision.isDone(decision)) return "never"
      delay = Math.max(0, ScheduleIntervals.start(decision.intervals) - now)
      now += delay
      state = next
    }
    return delay / 1000
  })
