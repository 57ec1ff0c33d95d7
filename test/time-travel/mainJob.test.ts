import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisMemory, Registry, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Greet = Job.make("app.greet", {
  payload: { name: Schema.String },
  success: Schema.Struct({ text: Schema.String }),
  queue: "mail"
})
const Jobs = JobGroup.make(Greet)

const ran: Array<readonly [string, number]> = []
const Handlers = Jobs.toLayer({
  "app.greet": ({ name }) =>
    Effect.map(DateTime.now, (now) => {
      ran.push([name, DateTime.toEpochMillis(now)])
      return { text: `Hello, ${name}` }
    })
})

const Services = Layer.mergeAll(Queue.layer, Registry.layer)

const App = Layer.mergeAll(Services, Worker.layer(Jobs, { withScheduler: true }).pipe(Layer.provide(Handlers))).pipe(
  Layer.provideMerge(RedisMemory.layer),
  Layer.provideMerge(TimeTravel.layer)
)

describe("the main job", () => {
  it.effect("runs a job now, later, and not before", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const travel = yield* TimeTravel.TimeTravel
      const now = yield* queue.enqueue(Greet, { name: "now" })
      const later = yield* queue.enqueueIn("10 seconds", Greet, { name: "later" })
      yield* travel.settle
      assert.isFalse(yield* queue.contains(later.id))
      assert.isTrue(yield* registry.scheduled("mail").contains(later.id))
      yield* travel.adjust("9999 millis")
      assert.deepStrictEqual(ran.map(([name]) => name), ["now"])
      yield* travel.adjust("1 millis")
      const result = yield* queue.result(Greet, later.id)
      assert.isTrue(Option.isSome(result))
    }).pipe(Effect.provide(App)))
})
