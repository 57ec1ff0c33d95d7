/**
 * Hands prepared jobs over, one or many.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Job from "../Job.js"
import { admit as admitScript } from "../lifecycle/admit.js"
import { enqueue as enqueueScript, type NewJob } from "../lifecycle/enqueue.js"
import { type NewScheduledJob, schedule as scheduleScript } from "../lifecycle/schedule.js"
import type { JobRef } from "../Queue.js"
import type * as Redis from "../Redis.js"
import { JobExists } from "./errors.js"
import * as Gather from "./gather.js"
import type { Prepared } from "./prepare.js"

/** How many jobs one call carries: it blocks Redis for a few milliseconds. */
const callSize = 250

/** How many calls of many jobs are on their way at a time. */
const callsInFlight = 2

const noAnswers: Effect.Effect<ReadonlyArray<boolean>> = Effect.succeed([])

type Submitted = Effect.Effect<JobRef, Job.InvalidJobError | JobExists | Redis.RedisError>

export interface Submit {
  readonly one: (prepared: Prepared) => Submitted
  readonly many: (
    prepared: ReadonlyArray<Prepared>
  ) => Effect.Effect<ReadonlyArray<JobRef>, Job.InvalidJobError | JobExists | Redis.RedisError>
}

const toRef = (prepared: Prepared, outcome: JobRef["outcome"]): JobRef => ({
  id: prepared.id,
  name: prepared.name,
  queue: prepared.queue,
  outcome,
  dueAt: prepared.edge._tag === "Enqueue" ? Option.none() : Option.fromNullable(prepared.edge.due)
})

export const make = (redis: Redis.RedisService): Submit => {
  const enqueue = redis.eval(enqueueScript)
  const schedule = redis.eval(scheduleScript)
  const admit = redis.eval(admitScript)

  const alone = (prepared: Prepared): Submitted => {
    switch (prepared.edge._tag) {
      case "Enqueue":
        return Effect.map(enqueue([prepared.edge.job]), ([added]) => toRef(prepared, added ? "enqueued" : "exists"))
      case "Schedule":
        return Effect.map(schedule([prepared.edge.job]), ([added]) => toRef(prepared, added ? "scheduled" : "exists"))
      case "Admit":
        return Effect.flatMap(
          admit(prepared.edge.job),
          ({ outcome, replaced }): Submitted =>
            outcome === "circle"
              ? Effect.fail(
                new Job.InvalidJobError({
                  job: prepared.name,
                  field: "dependsOn",
                  message:
                    `dependsOn: jobs would wait for one another in a circle: what ${prepared.id} is to wait for ` +
                    `waits for a job of this id`
                })
              )
              : outcome === "exists" && prepared.refuses
              ? Effect.fail(new JobExists({ jobId: prepared.id }))
              : Effect.succeed(toRef(prepared, replaced ? "replaced" : outcome))
        )
    }
  }

  /** What one call carries; a job that asks more has a call of its own. */
  const chunk = (prepared: ReadonlyArray<Prepared>): Effect.Effect<ReadonlyArray<JobRef>, Redis.RedisError> => {
    const queued: Array<NewJob> = []
    const scheduled: Array<NewScheduledJob> = []
    for (const job of prepared) {
      if (job.edge._tag === "Enqueue") queued.push(job.edge.job)
      else if (job.edge._tag === "Schedule") scheduled.push(job.edge.job)
    }
    // Sent one right after the other: what a later chunk says of the same id comes after both.
    return Effect.map(
      Effect.all([
        queued.length > 0 ? enqueue(queued) : noAnswers,
        scheduled.length > 0 ? schedule(scheduled) : noAnswers
      ], { concurrency: queued.length > 0 && scheduled.length > 0 ? 2 : 1 }),
      ([enqueued, later]) => {
        let nextQueued = 0
        let nextScheduled = 0
        return prepared.map((job) =>
          job.edge._tag === "Enqueue"
            ? toRef(job, enqueued[nextQueued++] === true ? "enqueued" : "exists")
            : toRef(job, later[nextScheduled++] === true ? "scheduled" : "exists")
        )
      }
    )
  }

  return {
    one: Gather.make({ alone, together: chunk }),
    many: Effect.fnUntraced(function*(all) {
      const others = yield* inOrder(all.filter((job) => job.edge._tag === "Admit"))
      const simple = others.length === 0 ? all : all.filter((job) => job.edge._tag !== "Admit")
      const slices: Array<ReadonlyArray<Prepared>> = []
      for (let at = 0; at < simple.length; at += callSize) slices.push(simple.slice(at, at + callSize))
      // While Redis works on one, the next is made.
      const made = (yield* Effect.forEach(slices, chunk, { concurrency: callsInFlight })).flat()
      if (others.length === 0) return made
      const refs = new Map(made.map((ref, index) => [simple[index]!, ref])) // one for each
      for (const job of others) refs.set(job, yield* alone(job))
      return all.map((job) => refs.get(job)!) // each was made above
    })
  }
}

/** Jobs after those that they wait for: a job that does not exist yet would count as met. */
const inOrder = (
  jobs: ReadonlyArray<Prepared>
): Effect.Effect<ReadonlyArray<Prepared>, Job.InvalidJobError> => {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const ordered: Array<Prepared> = []
  const state = new Map<Prepared, "visiting" | "done">()
  const stack = jobs.map((job) => ({ job, leaving: false })).reverse()
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { job, leaving } = top
    if (leaving) {
      state.set(job, "done")
      ordered.push(job)
    } else if (!state.has(job)) {
      state.set(job, "visiting")
      stack.push({ job, leaving: true })
      for (const id of job.parents) {
        const parent = byId.get(id)
        if (parent === undefined) continue
        if (state.get(parent) === "visiting") {
          return Effect.fail(
            new Job.InvalidJobError({
              job: job.name,
              field: "dependsOn",
              message: `dependsOn: jobs wait for one another in a circle: ${job.id} waits for ${id}, which waits for it`
            })
          )
        }
        stack.push({ job: parent, leaving: false })
      }
    }
  }
  return Effect.succeed(ordered)
}
