/**
 * What the types of options would refuse is refused at run time too, by its name and before anything is sent.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, RedisMemory, Retry } from "effect-rq"
import type { Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Fields = Job.make("app.fields", { payload: { n: Schema.Int } })

const App = Queue.layer.pipe(Layer.provideMerge(RedisMemory.layer))

/** As JavaScript may pass them. */
const untyped = (options: object) => options as Queue.EnqueueOptions

const refused = (options: object, field: string, text: RegExp) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const calls: ReadonlyArray<Effect.Effect<unknown, Job.InvalidJobError | Queue.JobExists | Redis.RedisError>> = [
      queue.enqueue(Fields, { n: 1 }, untyped({ jobId: "one", ...options })),
      queue.enqueueIn("1 minute", Fields, { n: 1 }, untyped({ jobId: "one", ...options })),
      queue.enqueueMany([Queue.request(Fields, { n: 1 }, untyped({ jobId: "one", ...options }))])
    ]
    for (const call of calls) {
      const error = yield* Effect.flip(call)
      assert(error._tag === "InvalidJobError")
      assert.strictEqual(error.field, field)
      assert.match(error.message, text)
    }
    assert.deepStrictEqual(yield* queue.fetch("one"), Option.none())
  })

describe("options that no type has looked at", () => {
  it.effect("a retry policy belongs into the definition", () =>
    Effect.gen(function*() {
      const text = /^retry\.\w+: belongs into the retry of Job\.make, .* a call takes max and intervals$/
      yield* refused({ retry: Retry.standard }, "retry.schedule", text)
      yield* refused({ retry: { max: 3, while: () => true } }, "retry.while", text)
      yield* refused({ retry: { max: 3, until: () => true } }, "retry.until", text)
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Fields, { n: 1 }, untyped({ retry: { max: 3, while: undefined } }))
      assert.isTrue(Option.isSome(yield* queue.fetch(id)))
    }).pipe(Effect.provide(App)))
})
