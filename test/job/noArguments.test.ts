/**
 * A call without arguments says neither that they would be positional nor that they would have names.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisMemory, Worker } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Fields = Job.make("fields", { payload: { a: Schema.optional(Schema.Int) }, success: Schema.Unknown })
const List = Job.make("list", { payload: Schema.Array(Schema.Int), success: Schema.Unknown })
const Rest = Job.make("rest", {
  payload: Schema.Tuple([Schema.optionalElement(Schema.Int)], Schema.Int),
  success: Schema.Unknown
})
const Either = Job.make("either", {
  payload: Schema.Union(Schema.Struct({ a: Schema.Int }), Schema.Array(Schema.Int)),
  success: Schema.Unknown
})
const Needed = Job.make("needed", { payload: { a: Schema.Int }, success: Schema.Unknown })
const Some = Job.make("some", { payload: Schema.NonEmptyArray(Schema.Int), success: Schema.Unknown })

const Jobs = JobGroup.make(Fields, List, Rest, Either, Needed, Some)
const echo = (payload: unknown) => Effect.succeed(payload)
const Handlers = Jobs.toLayer({ fields: echo, list: echo, rest: echo, either: echo, needed: echo, some: echo })

const run = Effect.gen(function*() {
  const worker = yield* Worker.make(Jobs, { burst: true })
  return yield* worker.finished
}).pipe(Effect.scoped, Effect.provide(Handlers))

const provide = Effect.provide(Queue.layer.pipe(Layer.provideMerge(RedisMemory.layer)))

/** As RQ writes it, whatever the job takes. */
const callWithout = (name: string) => Effect.flatMap(Queue.Queue, (queue) => queue.enqueue(Job.make(name), {}))

describe("without arguments", () => {
  it.live("a payload is empty in the way that its Schema has", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const cases = [
        [Fields, yield* queue.enqueue(Fields, {}), {}],
        [List, yield* queue.enqueue(List, []), []],
        [Rest, yield* queue.enqueue(Rest, []), []],
        [Either, yield* queue.enqueue(Either, []), []],
        [List, yield* callWithout("list"), []]
      ] as const
      assert.deepInclude(yield* run, { successful: 5, failed: 0 })
      for (const [job, { id }, expected] of cases) {
        const result = yield* queue.result(job as Job.Any, id) as Effect.Effect<unknown> // of any of them
        assert.deepStrictEqual(result, Option.some(Exit.succeed(expected)), job.name)
      }
    }).pipe(provide))

  it.live("what is missing is said of the Schema's own kind", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const needed = yield* callWithout("needed")
      const some = yield* callWithout("some")
      assert.deepInclude(yield* run, { successful: 0, failed: 2 })
      const text = (result: Option.Option<Exit.Exit<unknown, unknown>>) => {
        assert(Option.isSome(result) && Exit.isFailure(result.value))
        return String(result.value.cause)
      }
      assert.match(text(yield* queue.result(Needed, needed.id)), /\na: is missing/)
      assert.match(text(yield* queue.result(Some, some.id)), /\[0\][^]*is missing/)
    }).pipe(provide))
})
