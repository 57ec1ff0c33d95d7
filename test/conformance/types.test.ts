/**
 * What the compiler has to accept and to refuse. The file is checked by `tsc`; running it only shows that the values
 * exist.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Clock from "../../src/Clock.js"
import * as Job from "../../src/Job.js"
import * as JobGroup from "../../src/JobGroup.js"
import * as Queue from "../../src/Queue.js"
import type * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as Retry from "../../src/Retry.js"
import * as Scheduler from "../../src/Scheduler.js"
import * as Worker from "../../src/Worker.js"

class Database extends Context.Tag("test/Database")<Database, { readonly name: string }>() {}
class Cipher extends Context.Tag("test/Cipher")<Cipher, { readonly key: string }>() {}
class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}

/** A text that can only be read and written with a service. */
const Secret: Schema.Schema<string, string, Cipher> = Schema.transformOrFail(Schema.String, Schema.String, {
  decode: (text) => Effect.as(Cipher, text),
  encode: (text) => Effect.as(Cipher, text)
})

const Greet = Job.make("app.greet", {
  payload: { name: Schema.String, times: Schema.optionalWith(Schema.Number, { default: () => 1 }) },
  success: Schema.Struct({ text: Schema.String }),
  error: Rejected
})
const Add = Job.make("app.add", { payload: Schema.Tuple(Schema.Number, Schema.Number), success: Schema.Number })
const Cleanup = Job.make("app.cleanup")
const Hide = Job.make("app.hide", { payload: { secret: Secret } })
const Optional = Job.make("app.optional", { payload: { n: Schema.optional(Schema.Number) } })
const Keyed = Job.make("app.keyed", {
  payload: Schema.Struct({}, Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})
const Loose = Job.make("app.loose", { payload: Schema.Object })
const Jobs = JobGroup.make(Greet, Add, Cleanup)

/** Only its type counts. */
declare const queue: Queue.QueueService

/** Never run: what the compiler says of it is all. */
const unrun: (...calls: ReadonlyArray<() => unknown>) => void = () => {}

describe("types", () => {
  it("of a definition", () => {
    expectTypeOf<Job.Payload<typeof Greet>>().toEqualTypeOf<{ readonly name: string; readonly times: number }>()
    expectTypeOf<Job.Success<typeof Greet>>().toEqualTypeOf<{ readonly text: string }>()
    expectTypeOf<Job.Failure<typeof Greet>>().toEqualTypeOf<Rejected>()
    expectTypeOf<Job.Payload<typeof Add>>().toEqualTypeOf<readonly [number, number]>()
    expectTypeOf<Job.Success<typeof Cleanup>>().toEqualTypeOf<void>()
    expectTypeOf<Job.Failure<typeof Cleanup>>().toEqualTypeOf<never>()
    expectTypeOf<Job.PayloadInput<typeof Cleanup>>().toEqualTypeOf<Record<string, never>>()
    expectTypeOf<Job.PayloadInput<typeof Keyed>>().toEqualTypeOf<Job.Payload<typeof Keyed>>()
    expectTypeOf<(typeof Greet)["name"]>().toEqualTypeOf<"app.greet">()
    expectTypeOf<Job.Context<typeof Hide>>().toEqualTypeOf<Cipher>()
    unrun(
      // @ts-expect-error a payload must encode to an object or an array
      () => Job.make("app.text", { payload: Schema.String }),
      // @ts-expect-error no such option
      () => Job.make("app.option", { retries: 3 })
    )
  })

  it("of options: what is undefined is left out", () => {
    const url: string | undefined = process.env["NO_SUCH_URL"]
    unrun(
      () =>
        RedisLive.layer({ url, password: url, sentinels: undefined, cluster: undefined, connectTimeout: undefined }),
      () => RedisLive.layer({ url, sentinels: { hosts: ["a:26379"], name: "mymaster", username: url, password: url } }),
      () => Clock.layerRedis({ every: undefined, samples: undefined }),
      () => Worker.layer(Jobs, { name: url, concurrency: undefined, scheduler: undefined }),
      () => Scheduler.layer({ queues: ["mail"], name: url, tick: undefined }),
      () => queue.enqueue(Greet, { name: "Ada" }, { jobId: url, retry: undefined, dependsOn: undefined })
    )
    const Plain = Job.make("app.plain", { queue: undefined, retry: undefined, timeout: undefined })
    expectTypeOf<Job.Success<typeof Plain>>().toEqualTypeOf<void>()
    expectTypeOf<Job.Failure<typeof Plain>>().toEqualTypeOf<never>()
  })

  it("of enqueue", () => {
    unrun(
      () => queue.enqueue(Greet, { name: "Ada" }),
      () => queue.enqueue(Greet, { name: "Ada", times: 2 }, { timeout: "1 second" }),
      () => queue.enqueue(Add, [1, 2]),
      () => queue.enqueue(Cleanup),
      () => queue.enqueue(Cleanup, {}),
      () => queue.enqueueAt("2026-12-24 09:15", Cleanup),
      () => queue.enqueueIn("1 minute", Greet, { name: "Ada" }),
      // @ts-expect-error the payload is missing
      () => queue.enqueue(Greet),
      // @ts-expect-error a field is missing
      () => queue.enqueue(Greet, {}),
      // @ts-expect-error a field of the wrong type
      () => queue.enqueue(Greet, { name: 1 }),
      // @ts-expect-error a field that is unknown
      () => queue.enqueue(Greet, { name: "Ada", nmae: "Ada" }),
      // @ts-expect-error an argument is missing
      () => queue.enqueue(Add, [1]),
      // @ts-expect-error an argument of the wrong type
      () => queue.enqueueIn("1 minute", Add, [1, "2"]),
      // @ts-expect-error an option that is unknown
      () => queue.enqueue(Cleanup, {}, { retries: 3 }),
      () => queue.enqueue(Cleanup, {}, { retry: { max: 3, intervals: ["1 second", "10 seconds"], atFront: true } }),
      // @ts-expect-error a schedule belongs into the definition
      () => queue.enqueue(Cleanup, {}, { retry: Retry.standard }),
      // @ts-expect-error as does what is retried
      () => queue.enqueueIn("1 minute", Greet, { name: "Ada" }, { retry: { max: 3, while: () => true } }),
      // @ts-expect-error in a request too
      () => Queue.request(Cleanup, {}, { retry: Retry.standard }),
      () => queue.enqueue(Cleanup, undefined, { jobId: "once" }),
      // @ts-expect-error options in the place of the payload
      () => queue.enqueue(Cleanup, { jobId: "once", queue: "low" }),
      // @ts-expect-error as of a job for later
      () => queue.enqueueIn("1 minute", Cleanup, { jobId: "once" }),
      // @ts-expect-error and of a request
      () => Queue.request(Cleanup, { in: "1 minute" }),
      // @ts-expect-error options of a job whose fields may all be left out
      () => queue.enqueue(Optional, { jobId: "once" }),
      () => queue.enqueue(Optional, {}, { jobId: "once" }),
      () => queue.enqueue(Keyed, { anything: 1 }),
      () => queue.enqueue(Loose, { anything: 1 }),
      // @ts-expect-error the time is missing
      () => queue.enqueueAt(Greet, { name: "Ada" }),
      // @ts-expect-error a delay is no time
      () => queue.enqueueAt(60, Cleanup),
      // @ts-expect-error enqueue has no time, enqueueAt has
      () => queue.enqueue(Cleanup, {}, { at: new Date(0) })
    )
    expectTypeOf<ReturnType<typeof queue.enqueue<typeof Greet>>>().toEqualTypeOf<
      Effect.Effect<Queue.JobRef, Job.InvalidJobError | Queue.JobExists | Redis.RedisError>
    >()
    expectTypeOf<ReturnType<typeof queue.enqueue<typeof Hide>>>().toEqualTypeOf<
      Effect.Effect<Queue.JobRef, Job.InvalidJobError | Queue.JobExists | Redis.RedisError, Cipher>
    >()
  })

  it("of enqueueMany", () => {
    unrun(
      () =>
        queue.enqueueMany([Queue.request(Greet, { name: "Ada" }), Queue.request(Cleanup), Queue.request(Add, [1, 2])]),
      () => Queue.request(Cleanup, {}, { at: new Date(0) }),
      () => Queue.request(Cleanup, {}, { in: "1 minute" }),
      // @ts-expect-error a field of the wrong type
      () => Queue.request(Greet, { name: 1 }),
      // @ts-expect-error the payload is missing
      () => Queue.request(Greet)
    )
    expectTypeOf(Queue.request<typeof Cleanup>).returns.toEqualTypeOf<Queue.Request<never>>()
    expectTypeOf(Queue.request<typeof Hide>).returns.toEqualTypeOf<Queue.Request<Cipher>>()
    const many = () => queue.enqueueMany([Queue.request(Hide, { secret: "x" }), Queue.request(Cleanup)])
    expectTypeOf(many).returns.toEqualTypeOf<
      Effect.Effect<ReadonlyArray<Queue.JobRef>, Job.InvalidJobError | Queue.JobExists | Redis.RedisError, Cipher>
    >()
  })

  it("of a result", () => {
    const result = () => queue.result(Greet, "id")
    expectTypeOf<Effect.Effect.Success<ReturnType<typeof result>>>().toEqualTypeOf<
      Option.Option<Exit.Exit<{ readonly text: string }, Rejected | Queue.JobFailed>>
    >()
  })

  it("of handlers", () => {
    const handlers = {
      "app.greet": ({ name, times }: { readonly name: string; readonly times: number }) =>
        Effect.map(Database, (database) => ({ text: `${database.name} ${name} ${times}` })),
      "app.add": ([a, b]: readonly [number, number]) => Effect.succeed(a + b),
      "app.cleanup": () => Effect.void
    }
    expectTypeOf(Jobs.toLayer(handlers)).toEqualTypeOf<
      Layer.Layer<JobGroup.ToHandlers<typeof Greet | typeof Add | typeof Cleanup>, never, Database>
    >()
    const built = Jobs.toLayer(Effect.map(Cipher, () => handlers))
    expectTypeOf<Layer.Layer.Context<typeof built>>().toEqualTypeOf<Cipher | Database>()
    unrun(
      // @ts-expect-error a handler is missing
      () => Jobs.toLayer({ "app.greet": handlers["app.greet"], "app.add": handlers["app.add"] }),
      // @ts-expect-error a payload of the wrong type
      () => Jobs.toLayer({ ...handlers, "app.add": ([a]: readonly [string, string]) => Effect.succeed(a.length) }),
      // @ts-expect-error a success of the wrong type
      () => Jobs.toLayer({ ...handlers, "app.add": () => Effect.succeed("3") }),
      () => Jobs.toLayer({ ...handlers, "app.greet": () => Effect.fail(new Rejected({ reason: "no" })) })
    )
    // a failure that the definition doesn't have
    expectTypeOf<() => Effect.Effect<void, string>>().not.toMatchTypeOf<JobGroup.HandlerFn<typeof Cleanup>>()
    expectTypeOf<() => Effect.Effect<void>>().toMatchTypeOf<JobGroup.HandlerFn<typeof Cleanup>>()
    expectTypeOf<() => Effect.Effect<{ readonly text: string }, Rejected>>().toMatchTypeOf<
      JobGroup.HandlerFn<typeof Greet>
    >()
  })

  it("of a worker: it requires the handlers, and what the Schemas require", () => {
    const worker = () => Worker.layer(Jobs)
    expectTypeOf<Layer.Layer.Context<ReturnType<typeof worker>>>().toEqualTypeOf<
      Redis.Redis | JobGroup.Handler<"app.greet"> | JobGroup.Handler<"app.add"> | JobGroup.Handler<"app.cleanup">
    >()
    const hiding = () => Worker.run(JobGroup.make(Hide))
    expectTypeOf<Effect.Effect.Context<ReturnType<typeof hiding>>>().toEqualTypeOf<
      Redis.Redis | JobGroup.Handler<"app.hide"> | Cipher
    >()
    const grown = Jobs.add(Hide)
    expectTypeOf<JobGroup.JobsOf<typeof grown>>().toEqualTypeOf<
      typeof Greet | typeof Add | typeof Cleanup | typeof Hide
    >()
    unrun(
      // @ts-expect-error an option that is unknown
      () => Worker.layer(Jobs, { queue: "mail" }),
      // @ts-expect-error the scheduler beside a worker has the worker's queues
      () => Worker.layer(Jobs, { withScheduler: true, scheduler: { queues: ["mail"] } })
    )
  })
})
