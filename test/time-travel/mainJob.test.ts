/**
 * The main job of the library, with the layers as an application puts them together: under TimeTravel, and under
 * Effect's own TestClock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisMemory, Registry, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"

const Greet = Job.make("app.greet", {
  payload: { name: Schema.String },
  success: Schema.Struct({ text: Schema.String }),
  queue: "mail"
})
const Jobs = JobGroup.make(Greet)

/** Whom was greeted, and when in milliseconds since 1970. */
class Greeted extends Context.Tag("Greeted")<Greeted, Array<readonly [name: string, at: number]>>() {}

const Handlers = Jobs.toLayer(Effect.map(Greeted, (greeted) => ({
  "app.greet": ({ name }) =>
    Effect.map(DateTime.now, (now) => {
      greeted.push([name, DateTime.toEpochMillis(now)])
      return { text: `Hello, ${name}` }
    })
})))

const App = Layer.mergeAll(
  Queue.layer,
  Registry.layer,
  Worker.layer(Jobs, { withScheduler: true }).pipe(Layer.provide(Handlers))
).pipe(
  Layer.provideMerge(RedisMemory.layer),
  Layer.provideMerge(Layer.sync(Greeted, () => []))
)

const scenario = (adjust: (span: Duration.DurationInput) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const registry = yield* Registry.Registry
    const greeted = yield* Greeted
    const start = yield* DateTime.now
    const at = (millis: number) => DateTime.toEpochMillis(start) + millis

    const now = yield* queue.enqueue(Greet, { name: "now" })
    const later = yield* queue.enqueueIn("10 seconds", Greet, { name: "later" })
    const between = yield* queue.enqueueAt(DateTime.add(start, { millis: 4321 }), Greet, { name: "between" })
    assert.strictEqual(now.outcome, "enqueued")
    assert.strictEqual(later.outcome, "scheduled")
    assert.deepStrictEqual(between.dueAt, Option.some(DateTime.add(start, { millis: 4321 })))
    assert.isFalse(yield* queue.contains(later.id))
    assert.isTrue(yield* registry.scheduled("mail").contains(later.id))

    yield* adjust(0)
    assert.deepStrictEqual(greeted, [["now", at(0)]])
    yield* adjust("4320 millis")
    assert.lengthOf(greeted, 1)
    yield* adjust("1 millis")
    assert.deepStrictEqual(greeted.slice(1), [["between", at(4321)]])
    yield* adjust("5678 millis")
    assert.lengthOf(greeted, 2)
    assert.isTrue(yield* registry.scheduled("mail").contains(later.id))
    yield* adjust("1 millis")
    assert.deepStrictEqual(greeted.slice(2), [["later", at(10_000)]])

    assert.isFalse(yield* registry.scheduled("mail").contains(later.id))
    assert.isTrue(yield* registry.finished("mail").contains(later.id))
    assert.deepStrictEqual(yield* queue.result(Greet, later.id), Option.some(Exit.succeed({ text: "Hello, later" })))
    return later
  })

describe("the main job: now, later, and not before", () => {
  it.effect("under TimeTravel", () =>
    Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      const queue = yield* Queue.Queue
      const later = yield* scenario(travel.adjust)
      // kept for 500 seconds, as in RQ
      yield* travel.adjust("500 seconds")
      assert.isTrue(Option.isSome(yield* queue.fetch(later.id)))
      yield* travel.adjust("1 millis")
      assert.isTrue(Option.isNone(yield* queue.fetch(later.id)))
    }).pipe(Effect.provide(App.pipe(Layer.provideMerge(TimeTravel.layer)))))

  it.effect("under TestClock", () => scenario(TestClock.adjust).pipe(Effect.provide(App)))
})
