/**
 * Jobs that Python has a function for as well, and workers of effect-rq that run them.
 */
import { Job, JobGroup, Redis, Worker } from "effect-rq"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { eventually } from "../support/python-rq.js"

export const Add = Job.make("jobs_mod.add", {
  payload: Schema.Tuple(Schema.Number, Schema.Number),
  success: Schema.Number,
  queue: "q"
})

/** Says that it runs, and goes on until it is told to end. The same in Python: `jobs_mod.hold`. */
export const Hold = Job.make("jobs_mod.hold", {
  payload: Schema.Tuple(Schema.String),
  success: Schema.String,
  queue: "q",
  timeout: "1 minute"
})

const Jobs = JobGroup.make(Add, Hold)

/**
 * A worker of effect-rq in the scope, whose `Hold` jobs end when `release` is completed. It beats every second, so an
 * execution of its counts as abandoned after four.
 */
export const ourWorker = Effect.fnUntraced(function*(options: Worker.WorkerOptions = {}) {
  const release = yield* Deferred.make<void>()
  const handlers = Jobs.toLayer({
    "jobs_mod.add": ([a, b]) => Effect.succeed(a + b),
    "jobs_mod.hold": ([key]) => Effect.as(Deferred.await(release), key)
  })
  const worker = yield* Worker.make(Jobs, { queues: ["q"], heartbeat: "1 second", gracePeriod: 0, ...options }).pipe(
    Effect.provide(handlers)
  )
  return { worker, release: Deferred.succeed(release, undefined) }
})

/** Waits until a job of a Python worker runs. */
export const awaitPython = (key: string) =>
  Effect.flatMap(
    Redis.Redis,
    (redis) => eventually("Python's job runs", redis.send<number>("EXISTS", `running:${key}`), (exists) => exists === 1)
  )

/** Lets a job of a Python worker end. */
export const endPython = (key: string) => Effect.flatMap(Redis.Redis, (redis) => redis.send("RPUSH", `end:${key}`, "1"))

/** Waits until a job has a status. */
export const awaitStatus = (id: string, status: string) =>
  Effect.flatMap(
    Redis.Redis,
    (redis) =>
      eventually(
        `${id} is ${status}`,
        redis.send<string | null>("HGET", `rq:job:${id}`, "status"),
        (is) => is === status
      )
  )
