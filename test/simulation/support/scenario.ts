/**
 * What the simulation runs here: jobs that end in every way, of two queues, put there in every way.
 */
import { Job, JobGroup, Queue } from "effect-rq"
import type { Simulation } from "effect-rq/testing"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Number }) {}

const payload = { millis: Schema.Number, ends: Schema.Literal("well", "refused", "defect") }

/** Is tried again. */
export const Careful = Job.make("sim.careful", {
  payload,
  success: Schema.String,
  error: Refused,
  queue: "high",
  retry: { max: 2, intervals: ["1 second", "4 seconds"] }
})

/** Is not, and leaves no result. */
export const Plain = Job.make("sim.plain", { payload, error: Refused, queue: "low" })

export const Jobs = JobGroup.make(Careful, Plain)

const work = ({ ends, millis }: { readonly millis: number; readonly ends: "well" | "refused" | "defect" }) =>
  Effect.zipRight(
    Effect.sleep(millis),
    ends === "well" ? Effect.void : ends === "refused" ? new Refused({ code: millis }) : Effect.die("no way")
  )

export const Handlers = Jobs.toLayer({
  "sim.careful": (task) => Effect.as(work(task), "done"),
  "sim.plain": work
})

const produce = ({ jobId, producer, step }: Simulation.Step) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const task = {
      millis: Math.floor((yield* Random.next) ** 3 * 30_000),
      ends: (["well", "well", "well", "refused", "defect"] as const)[yield* Random.nextIntBetween(0, 5)]!
    }
    const delay = yield* Random.nextIntBetween(0, 20_000)
    const before = `${producer}-${yield* Random.nextIntBetween(Math.max(1, step - 5), step + 1)}`
    switch (yield* Random.nextIntBetween(0, 13)) {
      case 11:
        return yield* queue.enqueueIn(delay / 10, Plain, task, {
          jobId: "debounced",
          unique: "replace",
          uniqueFor: "9 seconds"
        })
      case 12:
        // is gone as soon as it has ended
        return yield* queue.enqueue(Plain, { millis: delay / 100, ends: "well" }, {
          jobId: `unique-${step % 2}`,
          unique: "keep",
          uniqueFor: "20 seconds",
          resultTtl: 0
        })
      case 0:
      case 1:
        return yield* queue.enqueue(Careful, task, { jobId })
      case 2:
        return yield* queue.enqueue(Plain, task, { jobId, atFront: true })
      case 3:
      case 4:
        return yield* queue.enqueueIn(delay, Careful, task, { jobId })
      case 5:
        return yield* queue.enqueueIn(delay, Plain, task, { jobId })
      case 6:
        return yield* queue.enqueueMany([
          Queue.request(Careful, task, { jobId }),
          Queue.request(Plain, task, { jobId: `${jobId}-b` }),
          Queue.request(Plain, task, { jobId: `${jobId}-c`, in: delay })
        ])
      case 7:
        return yield* queue.enqueue(Careful, task, { jobId, dependsOn: before, allowFailure: true })
      case 8:
        return yield* queue.enqueue(Plain, { ...task, ends: "well" }, {
          jobId,
          repeat: { times: 2, intervals: "3 seconds" }
        })
      case 9:
        // so short that workers fetch ahead
        return yield* queue.enqueueMany(
          Array.from({ length: 8 }, (_, index) =>
            Queue.request(Plain, { millis: index % 4, ends: "well" }, { jobId: `${jobId}-${index}` }))
        )
      default:
        return delay < 10_000 ? yield* queue.cancel(before) : yield* queue.requeue(before)
    }
  })

export const scenario = {
  jobs: Jobs,
  handlers: Handlers,
  produce,
  duration: "1 minute",
  producers: 2,
  workers: 2,
  schedulers: 2,
  worker: { concurrency: 3 }
} satisfies Simulation.Options<typeof Careful | typeof Plain>
