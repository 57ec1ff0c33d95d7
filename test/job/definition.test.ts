/**
 * What a definition may say of its payload; the types are half of the test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, RedisMemory } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Greet = Job.make("app.greet", {
  payload: {
    name: Schema.String,
    excited: Schema.optionalWith(Schema.Boolean, { default: () => false }),
    times: Schema.Int.pipe(Schema.propertySignature, Schema.withConstructorDefault(() => 1)),
    note: Schema.optional(Schema.String)
  }
})
const Ping = Job.make("app.ping")

/** Whether the types are the same. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false

const App = Queue.layer.pipe(Layer.provideMerge(RedisMemory.layer))

describe("a definition", () => {
  for (const options of [null, "mail", 1]) {
    it(`of which the options are ${JSON.stringify(options)} is refused`, () => {
      try {
        Job.make("app.mail", options as never)
        assert.fail("it was made")
      } catch (error) {
        assert.instanceOf(error, Job.InvalidJobError)
        assert.deepInclude(error, { job: "app.mail", field: "options" })
      }
    })
  }

  it.effect("takes fields with defaults where they are written", () =>
    Effect.gen(function*() {
      const typed: Same<
        Job.Payload<typeof Greet>,
        {
          readonly name: string
          readonly excited: boolean
          readonly times: number
          readonly note?: string | undefined
        }
      > = true
      assert.isTrue(typed)
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Greet, { name: "Ada" })
      const record = Option.getOrThrow(yield* queue.fetch(id))
      assert.deepStrictEqual(
        record.payload,
        Either.right({ name: "app.greet", args: [], kwargs: { name: "Ada", excited: false, times: 1 } })
      )
    }).pipe(Effect.provide(App)))

  it.effect("takes no payload by default", () =>
    Effect.gen(function*() {
      const typed: Same<Job.Payload<typeof Ping>, {}> = true
      assert.isTrue(typed)
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Ping)
      const record = Option.getOrThrow(yield* queue.fetch(id))
      assert.deepStrictEqual(record.payload, Either.right({ name: "app.ping", args: [], kwargs: {} }))
    }).pipe(Effect.provide(App)))
})
