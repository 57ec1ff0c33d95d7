/**
 * Another time for a job that is scheduled: of a queue that is known, or of the one that the job says.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { show } from "../internal/show.js"
import { toDue, type When } from "../internal/when.js"
import * as Job from "../Job.js"
import { reschedule as script } from "../lifecycle/reschedule.js"
import type { Changed } from "../Queue.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as keys from "../wire/keys.js"
import { decode as decodeStatus } from "../wire/status.js"

/** In Unix seconds, as text. */
const dueOf = (jobId: string, when: When): Effect.Effect<string, Job.InvalidJobError> =>
  Effect.mapBoth(toDue(when), {
    onFailure: (message) =>
      new Job.InvalidJobError({ job: typeof jobId === "string" ? jobId : show(jobId), field: "when", message }),
    onSuccess: Date.seconds
  })

export const make = (redis: Redis.RedisService) => {
  const move = redis.eval(script)
  const read = (jobId: string) =>
    redis.send<readonly [status: string | null, queue: string | null]>("HMGET", keys.job(jobId), "status", "origin")
  return {
    /** False when it is not scheduled in this queue. */
    inQueue: (
      queue: string,
      jobId: string,
      when: When
    ): Effect.Effect<boolean, Job.InvalidJobError | Redis.RedisError> =>
      Effect.flatMap(dueOf(jobId, when), (due) => move(queue, jobId, due)),
    /** Whichever queue it is of. */
    byId: (jobId: string, when: When): Effect.Effect<Changed, Job.InvalidJobError | Redis.RedisError> =>
      Effect.gen(function*() {
        const due = yield* dueOf(jobId, when)
        const [before, queue] = yield* read(jobId)
        const changed = before === "scheduled" && (yield* move(queue ?? "", jobId, due))
        // One that was promoted or deleted meanwhile is told as it is.
        const [status] = changed || before !== "scheduled" ? [before] : yield* read(jobId)
        return { id: jobId, changed, status: Option.fromNullable(decodeStatus(status ?? undefined)) }
      })
  }
}
