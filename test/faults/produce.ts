/**
 * The producer of a run: enqueues what is planned, each job under an id of its own, again and again until Redis has
 * acknowledged it.
 */
import * as Job from "effect-rq/Job"
import * as Queue from "effect-rq/Queue"
import * as RedisLive from "effect-rq/RedisLive"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import type { Journal } from "./journal.js"
import { planned, type ProcessConfig, type RedisConfig } from "./protocol.js"

export const Run = Job.make("faults.run", {
  payload: { due: Schema.Number, millis: Schema.Number },
  resultTtl: "forever"
})

export const redisLayer = ({ caFile, ...redis }: RedisConfig) =>
  RedisLive.layer(caFile === undefined ? redis : { ...redis, tls: { ca: Fs.readFileSync(caFile) } })

/** How many may wait for their answer at once: more is no faster, and a Redis that is away is not flooded. */
const inFlight = 50

export const produce = (
  { plan, queue, redis }: Pick<ProcessConfig, "plan" | "queue" | "redis">,
  journal: Journal
): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const service = yield* Queue.Queue
    const begun = Date.now()
    const one = (at: number) =>
      Effect.gen(function*() {
        const { after, delay, id, millis } = planned(plan, at)
        yield* Effect.sleep(Math.max(0, begun + after - Date.now()))
        const due = Date.now() + delay
        for (let tries = 1;; tries++) {
          const options = { queue, jobId: id }
          const done = yield* Effect.either(
            delay === 0
              ? service.enqueue(Run, { due, millis }, options)
              : service.enqueueAt(new Date(due), Run, { due, millis }, options)
          )
          if (done._tag === "Right") {
            journal.write({ what: "acked", id, due, tries, outcome: done.right.outcome, at: Date.now() })
            return
          }
          const error = done.left
          const [reason, code] = error._tag === "RedisError" ? [error.reason, error.code] : [error._tag, ""]
          journal.write({ what: "refused", id, reason, code, at: Date.now() })
          yield* Effect.sleep(Math.min(1000, 50 * 2 ** tries))
        }
      })
    yield* Effect.forEach(Array.from({ length: plan.jobs }, (_, at) => at), one, {
      concurrency: inFlight,
      discard: true
    })
    journal.write({ what: "produced", at: Date.now() })
  }).pipe(Effect.provide(Queue.layer.pipe(Layer.provide(redisLayer(redis)))))
