/**
 * What Python could not read, or would end on, is refused before anything is sent.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, RedisMemory } from "effect-rq"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Any = Job.make("app.any", { payload: Schema.Array(Schema.Unknown) })

const App = Queue.layer.pipe(Layer.provideMerge(RedisMemory.layer))

const refused = (payload: ReadonlyArray<unknown>, options: Queue.EnqueueOptions, field: string) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const error = yield* Effect.flip(queue.enqueue(Any, payload, { ...options, jobId: "one" }))
    assert.instanceOf(error, Job.InvalidJobError)
    assert.strictEqual((error as Job.InvalidJobError).field, field)
    assert.deepStrictEqual(yield* queue.fetch("one"), Option.none())
    return error.message
  })

const accepted = (payload: ReadonlyArray<unknown>, options: Queue.EnqueueOptions) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const { id } = yield* queue.enqueue(Any, payload, options)
    return Option.getOrThrow(yield* queue.fetch(id))
  })

const nested = (levels: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

describe("limits", () => {
  it.effect("a lifetime is 68 years at most, or for ever", () =>
    Effect.gen(function*() {
      const most = 2 ** 31 - 1
      for (const field of ["timeout", "ttl", "resultTtl", "failureTtl"] as const) {
        assert.include(yield* refused([], { [field]: Duration.seconds(most + 1) }, field), `${most} seconds`)
        assert.deepStrictEqual(
          (yield* accepted([], { [field]: Duration.seconds(most) }))[field],
          Option.some(Duration.seconds(most))
        )
      }
      assert.include(yield* refused([], { resultTtl: "100000000 weeks" }, "resultTtl"), "\"forever\"")
      assert.throws(() => Job.make("app.long", { timeout: "100000000 weeks" }), Job.InvalidJobError)
    }).pipe(Effect.provide(App)))

  it.effect("meta nests 100 levels deep at most", () =>
    Effect.gen(function*() {
      assert.include(yield* refused([], { meta: { a: nested(100) } }, "meta"), "100 levels")
      assert.deepStrictEqual((yield* accepted([nested(500)], { meta: { a: nested(99) } })).meta, { a: nested(99) })
    }).pipe(Effect.provide(App)))

  it.effect("an integer has 4300 digits at most", () =>
    Effect.gen(function*() {
      for (const value of [10n ** 4300n, -(10n ** 4300n)]) {
        assert.include(yield* refused([{ value }], {}, "payload.value"), "4300 digits")
        assert.include(yield* refused([], { meta: { value } }, "meta"), "4300 digits")
      }
      const values = [10n ** 4300n - 1n, -(10n ** 4300n) + 1n]
      assert.deepStrictEqual((yield* accepted(values, { meta: { values } })).meta, { values })
    }).pipe(Effect.provide(App)))
})
