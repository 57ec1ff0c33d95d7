import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Ids from "../../src/Ids.js"
import * as Job from "../../src/Job.js"
import * as Queue from "../../src/Queue.js"
import type { RedisService } from "../../src/Redis.js"
import * as Date_ from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import * as Result from "../../src/wire/result.js"
import {
  assertNoTtl,
  assertTtl,
  assertUnchanged,
  type Body,
  job,
  now,
  putJob,
  state,
  suite,
  waiting,
  zset
} from "./support.js"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}

const Greet = Job.make("app.greet", {
  payload: { name: Schema.String, at: Schema.optional(Schema.DateFromString) },
  success: Schema.Struct({ text: Schema.String, when: Schema.DateFromString }),
  error: Rejected
})
const Add = Job.make("app.add", { payload: Schema.Tuple(Schema.Number, Schema.Number), success: Schema.Number })
const Cleanup = Job.make("app.cleanup", { queue: "low" })
const Thorough = Job.make("app.thorough", {
  payload: { n: Schema.Int },
  queue: "thorough",
  timeout: "10 seconds",
  ttl: "20 seconds",
  resultTtl: "30 seconds",
  failureTtl: "40 seconds"
})
const Loose = Job.make("app.loose", { payload: { value: Schema.Unknown } })

const withQueue =
  (body: (queue: Queue.QueueService, hands: Parameters<Body>[0]) => Effect.Effect<void, unknown, never>): Body =>
  (hands) => Effect.flatMap(Queue.Queue, (queue) => body(queue, hands)).pipe(Effect.provide(Queue.layer))

const dueOf = (redis: RedisService, id: string, queue = "default") =>
  Effect.map(redis.send<string | null>("ZSCORE", keys.scheduled(queue), id), Number)

suite("Queue: enqueue", (it) => {
  it(
    "writes the job as RQ has it",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const ref = yield* queue.enqueue(Greet, { name: "Ada", at: new Date(0) }, { jobId: "a" })
        assert.deepStrictEqual(ref, {
          id: "a",
          name: "app.greet",
          queue: "default",
          outcome: "enqueued",
          dueAt: Option.none()
        })
        assert.deepStrictEqual(yield* job(redis, "a"), {
          data: "[\"app.greet\",null,[],{\"name\":\"Ada\",\"at\":\"1970-01-01T00:00:00.000Z\"}]",
          origin: "default",
          description: "app.greet(at='1970-01-01T00:00:00.000Z', name='Ada')",
          status: "queued",
          timeout: "180",
          created_at: Date_.encode(now),
          enqueued_at: Date_.encode(now)
        })
        assert.deepStrictEqual(yield* waiting(redis), ["a"])
      })
    )
  )

  it(
    "takes positional arguments, and none",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Add, [1, 2], { jobId: "add" })
        yield* queue.enqueue(Cleanup, {}, { jobId: "c1" })
        yield* queue.enqueue(Cleanup, undefined, { jobId: "c2" })
        assert.deepInclude(yield* job(redis, "add"), {
          data: "[\"app.add\",null,[1,2],{}]",
          description: "app.add(1, 2)"
        })
        for (const id of ["c1", "c2"]) {
          assert.strictEqual((yield* job(redis, id))["data"], "[\"app.cleanup\",null,[],{}]")
        }
        assert.deepStrictEqual(yield* waiting(redis, "low"), ["c1", "c2"])
      })
    )
  )

  it(
    "takes the defaults of the definition, and what the call says instead",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Thorough, { n: 1 }, { jobId: "a" })
        assert.deepInclude(yield* job(redis, "a"), {
          origin: "thorough",
          timeout: "10",
          ttl: "20",
          result_ttl: "30",
          failure_ttl: "40"
        })
        yield* assertTtl(redis, keys.job("a"), 20)
        yield* queue.enqueue(Thorough, { n: 1 }, {
          jobId: "b",
          queue: "other",
          timeout: "forever",
          ttl: "1500 millis",
          resultTtl: 0,
          failureTtl: Duration.infinity,
          description: "what people see",
          meta: { tenant: "x", nested: [1, { a: null }] }
        })
        assert.deepInclude(yield* job(redis, "b"), {
          origin: "other",
          timeout: "-1",
          ttl: "2",
          result_ttl: "0",
          failure_ttl: "-1",
          description: "what people see",
          meta: "{\"tenant\":\"x\",\"nested\":[1,{\"a\":null}]}"
        })
        yield* assertTtl(redis, keys.job("b"), 2)
        yield* queue.enqueue(Thorough, { n: 1 }, { jobId: "c", ttl: Duration.infinity })
        assert.notProperty(yield* job(redis, "c"), "ttl")
        yield* assertNoTtl(redis, keys.job("c"))
      })
    )
  )

  it(
    "puts a job at the front, without a mark on it",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Cleanup, {}, { jobId: "a" })
        yield* queue.enqueue(Cleanup, {}, { jobId: "b", atFront: true })
        assert.deepStrictEqual(yield* waiting(redis, "low"), ["b", "a"])
        assert.notProperty(yield* job(redis, "b"), "enqueue_at_front")
      })
    )
  )

  it(
    "makes an id where none is given, a uuid",
    withQueue((queue) =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([queue.enqueue(Cleanup), queue.enqueue(Cleanup)])
        assert.match(a.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.notStrictEqual(a.id, b.id)
      })
    )
  )

  it(
    "makes the same ids from the same seed",
    withQueue((queue) =>
      Effect.gen(function*() {
        const id = Effect.map(queue.enqueue(Cleanup), (ref) => ref.id)
        const first = yield* Effect.provide(id, Ids.seeded(7))
        assert.deepStrictEqual(
          yield* Effect.provide(Effect.map(queue.enqueue(Cleanup), (ref) => [ref.id, ref.outcome]), Ids.seeded(7)),
          [first, "exists"]
        )
      })
    )
  )

  it(
    "repeated with the same id changes nothing and says so",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Greet, { name: "Ada" }, { jobId: "a" })
        const again = yield* assertUnchanged(
          redis,
          queue.enqueue(Greet, { name: "Bob" }, { jobId: "a", atFront: true })
        )
        assert.strictEqual(again.outcome, "exists")
        const later = yield* assertUnchanged(redis, queue.enqueueIn("1 second", Greet, { name: "Bob" }, { jobId: "a" }))
        assert.strictEqual(later.outcome, "exists")
      })
    )
  )

  const refused: ReadonlyArray<
    readonly [what: string, field: string, (queue: Queue.QueueService) => Effect.Effect<unknown, unknown>]
  > = [
    ["a payload of the wrong type", "payload", (q) => q.enqueue(Greet, { name: 1 } as never)],
    ["a payload with a field missing", "payload", (q) => q.enqueue(Greet, {} as never)],
    ["a payload that is none", "payload", (q) => q.enqueue(Greet, null as never)],
    ["a payload that is a text", "payload", (q) => q.enqueue(Greet, "Ada" as never)],
    ["a payload that breaks a filter", "payload", (q) => q.enqueue(Thorough, { n: 1.5 })],
    ["a payload that JSON can't hold", "payload", (q) => q.enqueue(Loose, { value: Number.NaN })],
    ["a payload with a function", "payload", (q) => q.enqueue(Loose, { value: () => 1 })],
    ["a payload with a cycle", "payload", (q) => {
      const value: { self?: unknown } = {}
      value.self = value
      return q.enqueue(Loose, { value })
    }],
    ["a job id with a space", "jobId", (q) => q.enqueue(Cleanup, {}, { jobId: "a b" })],
    ["a job id with a colon", "jobId", (q) => q.enqueue(Cleanup, {}, { jobId: "a:b" })],
    ["an empty job id", "jobId", (q) => q.enqueue(Cleanup, {}, { jobId: "" })],
    ["a job id of another alphabet", "jobId", (q) => q.enqueue(Cleanup, {}, { jobId: "ä" })],
    ["a job id that ends a line", "jobId", (q) => q.enqueue(Cleanup, {}, { jobId: "a\n" })],
    ["a queue with a comma", "queue", (q) => q.enqueue(Cleanup, {}, { queue: "a,b" })],
    ["an empty queue", "queue", (q) => q.enqueue(Cleanup, {}, { queue: "" })],
    ["a queue with a space around it", "queue", (q) => q.enqueue(Cleanup, {}, { queue: " a" })],
    ["a queue with a line in it", "queue", (q) => q.enqueue(Cleanup, {}, { queue: "a\nb" })],
    ["a timeout of zero", "timeout", (q) => q.enqueue(Cleanup, {}, { timeout: 0 })],
    ["a timeout below zero", "timeout", (q) => q.enqueue(Cleanup, {}, { timeout: -1 })],
    ["a timeout that is no number", "timeout", (q) => q.enqueue(Cleanup, {}, { timeout: Number.NaN })],
    ["a timeout that is no duration", "timeout", (q) => q.enqueue(Cleanup, {}, { timeout: "soon" as never })],
    ["a ttl of zero", "ttl", (q) => q.enqueue(Cleanup, {}, { ttl: "0 seconds" })],
    ["a ttl below zero", "ttl", (q) => q.enqueue(Cleanup, {}, { ttl: -5 })],
    ["a result ttl below zero", "resultTtl", (q) => q.enqueue(Cleanup, {}, { resultTtl: -1 })],
    ["a result ttl below zero in words", "resultTtl", (q) => q.enqueue(Cleanup, {}, { resultTtl: "-1 seconds" })],
    ["a result ttl that is no number", "resultTtl", (q) => q.enqueue(Cleanup, {}, { resultTtl: Number.NaN })],
    ["a failure ttl that is no number", "failureTtl", (q) => q.enqueue(Cleanup, {}, { failureTtl: Number.NaN })],
    ["meta with NaN", "meta", (q) => q.enqueue(Cleanup, {}, { meta: { a: Number.NaN } })],
    ["meta with a cycle", "meta", (q) => {
      const meta: Record<string, unknown> = {}
      meta["self"] = meta
      return q.enqueue(Cleanup, {}, { meta })
    }],
    ["a delay below zero", "in", (q) => q.enqueueIn(-1, Cleanup)],
    ["a delay below zero in words", "in", (q) => q.enqueueIn("-1 seconds", Cleanup)],
    ["a delay that is no number", "in", (q) => q.enqueueIn(Number.NaN, Cleanup)],
    ["a delay without end", "in", (q) => q.enqueueIn(Duration.infinity, Cleanup)],
    ["a delay that is a text", "in", (q) => q.enqueueIn("tomorrow" as never, Cleanup)],
    ["a delay beyond the calendar", "in", (q) => q.enqueueIn("3000000 days", Cleanup)],
    ...([
      "tomorrow",
      "",
      "2026-13-01 00:00",
      "2026-02-30",
      "2026-12-24 24:00",
      "2026-12-24 09:60",
      "24.12.2026 09:15",
      "1795500000",
      "2026-12-24T09:15:00+25:00",
      "2026-12-24T09:15:00+01:75",
      1_795_500_000,
      null,
      undefined,
      [],
      {},
      new Date(Number.NaN),
      { year: 2026, month: 2, day: 29 },
      { year: 2026, month: 1, day: 1, hours: 1.5 },
      { year: 2026, month: 1, day: 1, minutes: -1 },
      { year: 99_999, month: 1, day: 1 },
      new Date(8.64e15),
      DateTime.unsafeMake(-8e15)
    ] as ReadonlyArray<unknown>).map((when) =>
      [
        `the time ${when instanceof Date && Number.isNaN(when.getTime()) ? "Invalid Date" : JSON.stringify(when)}`,
        "at",
        (q: Queue.QueueService) => q.enqueueAt(when as Queue.When, Cleanup)
      ] as const
    )
  ]
  it(
    "refuses what can't be accepted with an error that names the field, and writes nothing",
    withQueue((
      queue,
      { redis }
    ) =>
      Effect.gen(function*() {
        const before = yield* state(redis)
        const wrong: Array<string> = []
        for (const [what, field, call] of refused) {
          const exit = yield* Effect.exit(call(queue))
          const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
          if (Exit.isSuccess(exit)) wrong.push(`${what}: was accepted`)
          else if (!(error instanceof Job.InvalidJobError)) wrong.push(`${what}: ${Cause.pretty(exit.cause)}`)
          else if (!/^\w+/.test(error.field) || /^\w+/.exec(error.field)![0] !== field) {
            wrong.push(`${what}: ${error.field}`)
          } else if (error.message.length < 10) wrong.push(`${what}: ${error.message}`)
        }
        assert.deepStrictEqual(wrong, [])
        assert.deepStrictEqual(yield* state(redis), before)
      })
    )
  )
})

suite("Queue: enqueueAt and enqueueIn", (it) => {
  it(
    "schedules, to the millisecond",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const ref = yield* queue.enqueueIn("1500 millis", Greet, { name: "Ada" }, { jobId: "a" })
        assert.deepStrictEqual(ref, {
          id: "a",
          name: "app.greet",
          queue: "default",
          outcome: "scheduled",
          dueAt: Option.some(DateTime.unsafeMake(now + 1500))
        })
        assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [["a", "1795500001.75"]])
        assert.deepStrictEqual(yield* waiting(redis), [])
        const hash = yield* job(redis, "a")
        assert.strictEqual(hash["status"], "scheduled")
        assert.notProperty(hash, "enqueued_at")
        yield* queue.enqueueAt(new Date(now + 1), Cleanup, {}, { jobId: "b", atFront: true, ttl: "9 seconds" })
        assert.strictEqual(yield* dueOf(redis, "b", "low"), 1795500000.251)
        assert.deepInclude(yield* job(redis, "b"), { enqueue_at_front: "1", ttl: "9" })
        yield* assertNoTtl(redis, keys.job("b"))
      })
    )
  )

  it(
    "takes no time at all, and times that are past",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueueIn(0, Cleanup, {}, { jobId: "now" })
        const ref = yield* queue.enqueueAt("1999-12-31T23:59:59.5Z", Cleanup, {}, { jobId: "past" })
        assert.strictEqual(ref.outcome, "scheduled")
        yield* queue.enqueueAt(new Date(-1), Cleanup, {}, { jobId: "before1970" })
        assert.deepStrictEqual(yield* zset(redis, keys.scheduled("low")), [
          ["before1970", "1"], // Python's schedulers don't look further back
          ["past", "946684799.5"],
          ["now", "1795500000.25"]
        ])
      })
    )
  )

  it(
    "takes every form of a time",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const expected = Date.UTC(2026, 11, 24, 8, 15, 30, 125)
        const forms: ReadonlyArray<Queue.When> = [
          new Date(expected),
          DateTime.unsafeMake(expected),
          DateTime.unsafeMakeZoned(expected, { timeZone: "America/New_York" }),
          "2026-12-24T08:15:30.125Z",
          "2026-12-24T09:15:30.125+01:00",
          "2026-12-24 03:15:30.125 -0500",
          " 2026-12-24 09:15:30.125 ",
          { year: 2026, month: 12, day: 24, hours: 9, minutes: 15, seconds: 30, millis: 125 }
        ]
        for (const [index, when] of forms.entries()) {
          const ref = yield* queue.enqueueAt(when, Cleanup, {}, { jobId: `j${index}` }).pipe(
            DateTime.withCurrentZoneNamed("Europe/Paris")
          )
          assert.strictEqual(DateTime.toEpochMillis(Option.getOrThrow(ref.dueAt)), expected, `form ${index}`)
          assert.strictEqual(yield* dueOf(redis, `j${index}`, "low"), expected / 1000, `form ${index}`)
        }
        const day = yield* queue.enqueueAt("2026-12-24", Cleanup).pipe(DateTime.withCurrentZoneNamed("Europe/Paris"))
        assert.strictEqual(DateTime.formatIso(Option.getOrThrow(day.dueAt)), "2026-12-23T23:00:00.000Z")
      })
    )
  )

  it(
    "reads a wall clock in the zone of the app, where the clocks skip an hour or show it twice",
    withQueue((queue) =>
      Effect.gen(function*() {
        const at = (zone: string, when: Queue.When) =>
          Effect.map(
            DateTime.withCurrentZoneNamed(queue.enqueueAt(when, Cleanup), zone),
            (ref) => DateTime.formatIso(Option.getOrThrow(ref.dueAt))
          )
        // 2027-03-28 02:00 -> 03:00 in Berlin
        assert.strictEqual(yield* at("Europe/Berlin", "2027-03-28 01:59"), "2027-03-28T00:59:00.000Z")
        assert.strictEqual(yield* at("Europe/Berlin", "2027-03-28 02:30"), "2027-03-28T01:30:00.000Z")
        assert.strictEqual(yield* at("Europe/Berlin", "2027-03-28 03:00"), "2027-03-28T01:00:00.000Z")
        // 2026-10-25 03:00 -> 02:00 in Berlin
        assert.strictEqual(yield* at("Europe/Berlin", "2026-10-25 02:30"), "2026-10-25T00:30:00.000Z")
        assert.strictEqual(yield* at("Europe/Berlin", "2026-10-25 03:00"), "2026-10-25T02:00:00.000Z")
        assert.strictEqual(yield* at("America/New_York", "2026-11-01 01:30"), "2026-11-01T05:30:00.000Z")
        assert.strictEqual(
          yield* at("Australia/Lord_Howe", { year: 2026, month: 10, day: 4, hours: 2, minutes: 15 }),
          "2026-10-03T15:45:00.000Z"
        )
        assert.strictEqual(yield* at("UTC", "2027-03-28 02:30"), "2027-03-28T02:30:00.000Z")
      })
    )
  )

  it(
    "reads a wall clock in the local zone where the app provides none",
    withQueue((queue) =>
      Effect.gen(function*() {
        const ref = yield* queue.enqueueAt("2026-12-24 09:15", Cleanup)
        const local = new Date(2026, 11, 24, 9, 15).getTime()
        assert.strictEqual(DateTime.toEpochMillis(Option.getOrThrow(ref.dueAt)), local)
      })
    )
  )

  it(
    "takes the first and the last instant of the calendar",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueueAt(new Date("9999-12-31T23:59:59.999Z"), Cleanup, {}, { jobId: "last" })
        yield* queue.enqueueAt(new Date("0001-01-01T00:00:00.000Z"), Cleanup, {}, { jobId: "first" })
        assert.strictEqual(yield* dueOf(redis, "last", "low"), 253402300799.999)
        assert.strictEqual(yield* dueOf(redis, "first", "low"), 1)
      })
    )
  )
})

suite("Queue: enqueueMany", (it) => {
  it(
    "takes 1,000 of any definitions, queues and times, and answers in their order",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const requests = Array.from({ length: 1000 }, (_, i) => {
          const options = { jobId: `j${i}` }
          switch (i % 4) {
            case 0:
              return Queue.request(Greet, { name: `n${i}` }, options)
            case 1:
              return Queue.request(Cleanup, {}, options)
            case 2:
              return Queue.request(Add, [i, 1], { ...options, in: i })
            default:
              return Queue.request(Add, [i, 1], { ...options, at: new Date(now - i), queue: "low" })
          }
        })
        const refs = yield* queue.enqueueMany(requests)
        assert.deepStrictEqual(refs.map((ref) => ref.id), requests.map((_, i) => `j${i}`))
        assert.deepStrictEqual(
          refs.map((ref) => ref.outcome),
          requests.map((_, i) => i % 4 < 2 ? "enqueued" : "scheduled")
        )
        const ids = (rest: number) => Array.from({ length: 250 }, (_, i) => `j${4 * i + rest}`)
        assert.deepStrictEqual(yield* waiting(redis), ids(0))
        assert.deepStrictEqual(yield* waiting(redis, "low"), ids(1))
        assert.deepStrictEqual((yield* zset(redis, keys.scheduled("default"))).map(([id]) => id), ids(2))
        assert.deepStrictEqual((yield* zset(redis, keys.scheduled("low"))).map(([id]) => id), ids(3).reverse())
        const again = yield* assertUnchanged(redis, queue.enqueueMany(requests))
        assert.deepStrictEqual([...new Set(again.map((ref) => ref.outcome))], ["exists"])
      })
    )
  )

  it(
    "takes none, and any iterable",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* queue.enqueueMany([]), [])
        const refs = yield* queue.enqueueMany(new Set([Queue.request(Cleanup, {}, { jobId: "a" })]))
        assert.deepStrictEqual(refs.map((ref) => ref.id), ["a"])
        assert.deepStrictEqual(yield* waiting(redis, "low"), ["a"])
      })
    )
  )

  it(
    "checks all before it sends the first",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const good = Array.from({ length: 600 }, () => Queue.request(Cleanup))
        const bad = Queue.request(Greet, { name: 1 } as never)
        const error = yield* Effect.flip(queue.enqueueMany([...good, bad]))
        assert.deepInclude(error, { _tag: "InvalidJobError", field: "payload" })
        assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [])
      })
    )
  )
})

suite("Queue: looking", (it) => {
  it(
    "says what waits, in pages",
    withQueue((queue) =>
      Effect.gen(function*() {
        yield* queue.enqueueMany(Array.from({ length: 150 }, (_, i) => Queue.request(Cleanup, {}, { jobId: `j${i}` })))
        yield* queue.enqueueIn("1 day", Cleanup, {}, { jobId: "later" })
        const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `j${from + i}`)
        assert.strictEqual(yield* queue.length("low"), 150)
        assert.strictEqual(yield* queue.length("nothing"), 0)
        assert.deepStrictEqual(yield* queue.jobIds("low"), ids(0, 100))
        assert.deepStrictEqual(yield* queue.jobIds("low", { offset: 100 }), ids(100, 150))
        assert.deepStrictEqual(yield* queue.jobIds("low", { offset: 5, limit: 2 }), ids(5, 7))
        assert.deepStrictEqual(yield* queue.jobIds("low", { limit: 0 }), [])
        assert.deepStrictEqual(yield* queue.jobIds("low", { offset: 150 }), [])
        assert.isTrue(yield* queue.contains("j149"))
        assert.isTrue(yield* queue.contains("j149", "low"))
        assert.isFalse(yield* queue.contains("j149", "default"))
        assert.isFalse(yield* queue.contains("later"))
        assert.isFalse(yield* queue.contains("never"))
      })
    )
  )

  it(
    "knows the names of all queues that were used",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* queue.names, [])
        yield* queue.enqueue(Cleanup, {}, { queue: "zebra" })
        yield* queue.enqueueIn("1 day", Cleanup, {}, { queue: "später: heute" })
        yield* redis.send("SADD", keys.queues, "no queue's key")
        assert.deepStrictEqual(yield* queue.names, ["später: heute", "zebra"])
      })
    )
  )

  it(
    "reads a job of every status",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const statuses = [
          "created",
          "queued",
          "started",
          "finished",
          "failed",
          "deferred",
          "scheduled",
          "stopped",
          "canceled"
        ] as const
        for (const status of statuses) {
          yield* putJob(redis, status, { status })
          assert.strictEqual(Option.getOrThrow(yield* queue.fetch(status)).status, status)
        }
        assert.isTrue(Option.isNone(yield* queue.fetch("never")))
      })
    )
  )

  it(
    "reads all that a job has",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueueIn("90 seconds", Greet, { name: "Ada" }, {
          jobId: "a",
          atFront: true,
          meta: { a: [1] },
          timeout: "forever",
          ttl: "1 minute",
          resultTtl: 0
        })
        const record = Option.getOrThrow(yield* queue.fetch("a"))
        assert.deepInclude(record, {
          id: "a",
          queue: "default",
          description: "app.greet(name='Ada')",
          status: "scheduled",
          createdAt: Option.some(DateTime.unsafeMake(now)),
          dueAt: Option.some(DateTime.unsafeMake(now + 90_000)),
          enqueuedAt: Option.none(),
          timeout: Option.some(Duration.infinity),
          ttl: Option.some(Duration.seconds(60)),
          resultTtl: Option.some(Duration.zero),
          failureTtl: Option.none(),
          meta: { a: [1] },
          atFront: true,
          abandoned: 0,
          outcome: Option.none()
        })
        assert(record.payload._tag === "Right")
        assert.deepStrictEqual(record.payload.right, { name: "app.greet", args: [], kwargs: { name: "Ada" } })
        yield* redis.send("HSET", keys.job("a"), "status", "nonsense")
        assert.deepInclude(yield* Effect.flip(queue.fetch("a")), { _tag: "WireError", field: "status" })
      })
    )
  )
})

suite("Queue: result", (it) => {
  const outcome = (redis: RedisService, id: string, status: string, fields: ReadonlyArray<string>) =>
    Effect.zipRight(
      putJob(redis, id, { status }),
      fields.length === 0 ? Effect.void : Effect.asVoid(redis.send("XADD", keys.results(id), "5-1", ...fields))
    )
  const returned = (value: unknown) => {
    const encoded = Result.encodeReturn(value)
    assert(encoded._tag === "Right")
    return ["type", "1", "return_value", encoded.right]
  }

  it(
    "is typed by the definition",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* outcome(redis, "a", "finished", returned({ text: "Hello", when: "1970-01-01T00:00:00.000Z" }))
        assert.deepStrictEqual(
          yield* queue.result(Greet, "a"),
          Option.some(Exit.succeed({ text: "Hello", when: new Date(0) }))
        )
        yield* outcome(redis, "b", "failed", [
          "type",
          "2",
          "exc_string",
          Result.encodeException("Rejected: no"),
          "error",
          "{\"_tag\":\"Rejected\",\"reason\":\"no\"}"
        ])
        const failure = Option.getOrThrow(yield* queue.result(Greet, "b"))
        assert(Exit.isFailure(failure))
        const error = Option.getOrThrow(Cause.failureOption(failure.cause))
        assert(error instanceof Rejected)
        assert.strictEqual(error.reason, "no")
      })
    )
  )

  it(
    "of a failure without a typed error is the text that is kept",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* outcome(redis, "a", "failed", ["type", "2", "exc_string", Result.encodeException("Traceback\nboom")])
        yield* outcome(redis, "b", "stopped", ["type", "2", "exc_string", Result.encodeException("stopped")])
        yield* outcome(redis, "c", "failed", [])
        for (
          const [id, message] of [["a", "Traceback\nboom"], ["b", "stopped"], [
            "c",
            "the text of the failure is not kept any more"
          ]] as const
        ) {
          assert.deepStrictEqual(
            yield* queue.result(Greet, id),
            Option.some(Exit.fail(new Queue.JobFailed({ jobId: id, message })))
          )
        }
      })
    )
  )

  it(
    "of nothing is void, undefined or null, as the Schema has it",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        const Null = Job.make("app.null", { success: Schema.Null })
        const Maybe = Job.make("app.maybe", { success: Schema.NullOr(Schema.Number) })
        yield* outcome(redis, "a", "finished", [])
        assert.deepStrictEqual(yield* queue.result(Cleanup, "a"), Option.some(Exit.succeed(undefined)))
        assert.deepStrictEqual(yield* queue.result(Null, "a"), Option.some(Exit.succeed(null)))
        yield* outcome(redis, "b", "finished", ["type", "1"]) // as Python keeps None
        assert.deepStrictEqual(yield* queue.result(Maybe, "b"), Option.some(Exit.succeed(null)))
      })
    )
  )

  it(
    "is none while the job has not ended, and when it is gone",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        for (const status of ["queued", "started", "scheduled", "deferred", "canceled"]) {
          yield* outcome(redis, status, status, [])
          assert.deepStrictEqual(yield* queue.result(Greet, status), Option.none())
        }
        assert.deepStrictEqual(yield* queue.result(Greet, "never"), Option.none())
      })
    )
  )

  it(
    "that does not fit the definition is a ParseError",
    withQueue((queue, { redis }) =>
      Effect.gen(function*() {
        yield* outcome(redis, "a", "finished", returned({ text: 1 }))
        assert.strictEqual((yield* Effect.flip(queue.result(Greet, "a")))._tag, "ParseError")
        yield* outcome(redis, "b", "finished", [])
        assert.strictEqual((yield* Effect.flip(queue.result(Add, "b")))._tag, "ParseError")
        yield* outcome(redis, "c", "failed", ["type", "2", "error", "{\"_tag\":\"Other\"}"])
        assert.strictEqual((yield* Effect.flip(queue.result(Greet, "c")))._tag, "ParseError")
      })
    )
  )
})

suite("Queue: without a server", (it) => {
  it("needs nothing but Redis", ({ redis }) =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Queue.layer)
      assert.strictEqual(context.unsafeMap.size, 1)
      assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [])
    }))
})
