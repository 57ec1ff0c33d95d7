/**
 * What the types of options would refuse is refused at run time too, by its name and before anything is sent.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisMemory, Retry, Scheduler, Worker } from "effect-rq"
import type { Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

const Fields = Job.make("app.fields", { payload: { n: Schema.Int } })

const Nothing = Job.make("app.nothing")
const Loose = Job.make("app.loose", { payload: Schema.Object })

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

  it.effect("are not taken for the payload of a job without one", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const none = (value: unknown) => value as Record<string, never> // as JavaScript may pass it
      const given: ReadonlyArray<readonly [unknown, RegExp]> = [
        [
          { jobId: "once", queue: "low" },
          /none, got jobId, queue\. Options are .*enqueue\(job, \{\}, \{ jobId: \.\.\. \}\)$/
        ],
        [{ zork: 1 }, /^payload of app\.nothing: this job takes none, got zork$/],
        [{ a: 1, b: 2, c: 3, d: 4 }, /none, got a, b, c, \.\.\.$/],
        [[5], /none, got 0$/]
      ]
      for (const [value, text] of given) {
        for (
          const call of [
            queue.enqueue(Nothing, none(value)),
            queue.enqueueIn("1 minute", Nothing, none(value)),
            Effect.map(queue.enqueueMany([Queue.request(Nothing, none(value))]), ([ref]) => ref!) // one request
          ]
        ) {
          const error = yield* Effect.flip(call)
          assert(error._tag === "InvalidJobError")
          assert.strictEqual(error.field, "payload")
          assert.match(error.message, text)
        }
      }
      assert.deepStrictEqual(yield* queue.names, [])
      const empty: ReadonlyArray<unknown> = [undefined, null, {}, []]
      for (const value of empty) {
        assert.strictEqual((yield* queue.enqueue(Nothing, none(value))).outcome, "enqueued")
      }
      assert.strictEqual((yield* queue.enqueue(Loose, { jobId: "x" })).outcome, "enqueued")
    }).pipe(Effect.provide(App)))

  it.effect("have names that something reads", () =>
    Effect.gen(function*() {
      yield* refused({ depends_on: "x" }, "depends_on", /^"depends_on" is no option, did you mean dependsOn\?$/)
      yield* refused({ job_timeout: 5 }, "job_timeout", /^"job_timeout" is no option: did you mean timeout\?$/)
      yield* refused({ delay: 5 }, "delay", /^"delay" is no option: enqueueAt and enqueueIn take a time/)
      yield* refused({ zork: 5 }, "zork", /^"zork" is no option, there are queue, jobId, .*, uniqueFor$/)
      yield* refused({ retry: { max: 3, interval: 5 } }, "retry.interval", /^retry: "interval" .* mean intervals\?$/)
      yield* refused({ repeat: { times: 3, interval: 5 } }, "repeat.interval", /^repeat: "interval" .* intervals\?$/)
      yield* refused({ unique: "skip" }, "unique", /^unique: expected "refuse", "keep" or "replace", got "skip"$/)
      const queue = yield* Queue.Queue
      const { outcome } = yield* queue.enqueue(Fields, { n: 1 }, untyped({ zork: undefined }))
      assert.strictEqual(outcome, "enqueued")
      const Jobs = JobGroup.make(Nothing)
      const handlers = Jobs.toLayer({ "app.nothing": () => Effect.void })
      const strange: ReadonlyArray<Effect.Effect<unknown, unknown, Redis.Redis | Scope.Scope>> = [
        Effect.provide(Worker.make(Jobs, { concurency: 3 } as Worker.WorkerOptions), handlers),
        Scheduler.make({ queues: ["mail"], tik: 1 } as Scheduler.SchedulerOptions)
      ]
      for (const make of strange) {
        const error = yield* Effect.flip(Effect.scoped(make))
        assert.instanceOf(error, Worker.InvalidOptions)
        assert.match(
          error.message,
          /^"(?:concurency" is no option, did you mean concurrency|tik" is no option, did you mean tick)\?$/
        )
      }
    }).pipe(Effect.provide(App)))
})
