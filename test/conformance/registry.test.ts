import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Messages from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Job from "../../src/Job.js"
import * as Queue from "../../src/Queue.js"
import * as Registry from "../../src/Registry.js"
import * as keys from "../../src/wire/keys.js"
import { assertUnchanged, type Body, now, putJob, status, suite } from "./support.js"
import { completed, execution, failed, putStarted, turn } from "./turn.js"

const Greet = Job.make("app.greet", { payload: { name: Schema.String } })

const withRegistry = (
  body: (
    services: { readonly queue: Queue.QueueService; readonly registry: Registry.RegistryService },
    hands: Parameters<Body>[0]
  ) => Effect.Effect<void, unknown, never>
): Body =>
(hands) =>
  Effect.gen(function*() {
    const queue = yield* Queue.make
    const registry = yield* Registry.make
    yield* body({ queue, registry }, hands)
  })

const utc = DateTime.unsafeMake

suite("Registry: all of them", (it) => {
  it(
    "know their queue's entries, in the order of their times",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        const all = [
          ["scheduled", keys.scheduled("q")],
          ["finished", keys.finished("q")],
          ["failed", keys.failed("q")],
          ["deferred", keys.deferred("q")],
          ["canceled", keys.canceled("q")]
        ] as const
        for (const [name, key] of all) {
          const one = registry[name]("q")
          assert.strictEqual(one.queue, "q")
          assert.deepStrictEqual([yield* one.count, yield* one.list(), yield* one.contains("a")], [0, [], false])
          yield* redis.send("ZADD", key, "1795500009.125", "b", "1795500001", "a")
          assert.strictEqual(yield* one.count, 2)
          assert.deepStrictEqual(yield* one.list(), [
            { id: "a", at: Option.some(utc(1795500001000)), executionId: Option.none() },
            { id: "b", at: Option.some(utc(1795500009125)), executionId: Option.none() }
          ])
          assert.isTrue(yield* one.contains("a"))
          assert.isFalse(yield* one.contains("c"))
          assert.isFalse(yield* registry[name]("other").contains("a"))
        }
      })
    )
  )

  it(
    "list in pages, and stream all of 1,203",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        const ids = Array.from({ length: 1203 }, (_, i) => `j${String(i).padStart(4, "0")}`)
        yield* redis.send("ZADD", keys.finished("q"), ...ids.flatMap((id, i) => [i + 1, id]))
        const finished = registry.finished("q")
        const page = (options?: Queue.Page) => Effect.map(finished.list(options), (page) => page.map(({ id }) => id))
        assert.deepStrictEqual(yield* page(), ids.slice(0, 100))
        assert.deepStrictEqual(yield* page({ offset: 1200 }), ids.slice(1200))
        assert.deepStrictEqual(yield* page({ offset: 10, limit: 3 }), ids.slice(10, 13))
        assert.deepStrictEqual(yield* page({ limit: 0 }), [])
        assert.deepStrictEqual(yield* page({ offset: 5000 }), [])
        const streamed = yield* Stream.runCollect(finished.stream)
        assert.deepStrictEqual([...streamed].map(({ id }) => id), ids)
        assert.deepStrictEqual([...(yield* Stream.runCollect(registry.finished("empty").stream))], [])
        const exact = yield* Stream.runCount(Stream.take(finished.stream, 501))
        assert.strictEqual(exact, 501)
      })
    )
  )

  it(
    "have no time for what never expires: RQ's marks are +inf and -1",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        yield* redis.send("ZADD", keys.finished("q"), "+inf", "forever", "1795500000", "a")
        yield* redis.send("ZADD", keys.failed("q"), "-1", "forever", "1795500000", "a")
        const times = (entries: ReadonlyArray<Registry.Entry>) => entries.map(({ at, id }) => [id, Option.isSome(at)])
        assert.deepStrictEqual(times(yield* registry.finished("q").list()), [["a", true], ["forever", false]])
        assert.deepStrictEqual(times(yield* registry.failed("q").list()), [["forever", false], ["a", true]])
        assert.isTrue(yield* registry.failed("q").contains("forever"))
      })
    )
  )

  it(
    "remove a job, once, and only where it is",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        const cases = [
          ["scheduled", keys.scheduled("q"), "scheduled"],
          ["finished", keys.finished("q"), "finished"],
          ["failed", keys.failed("q"), "failed"],
          ["failed", keys.failed("q"), "stopped"],
          ["deferred", keys.deferred("q"), "deferred"],
          ["canceled", keys.canceled("q"), "canceled"]
        ] as const
        for (const [name, key, state] of cases) {
          const one = registry[name]("q")
          yield* putJob(redis, "a", { status: state })
          yield* redis.send("ZADD", key, 1, "a")
          assert.isFalse(yield* assertUnchanged(redis, one.delete("b")))
          assert.isFalse(yield* assertUnchanged(redis, registry[name]("other").delete("a")))
          assert.isTrue(yield* one.delete("a"), state)
          assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [], state)
          assert.isFalse(yield* one.delete("a"))
          // an entry whose job is somewhere else by now
          yield* putJob(redis, "a", { status: "started" })
          yield* redis.send("ZADD", key, 1, "a")
          assert.isTrue(yield* one.delete("a"))
          assert.strictEqual(yield* status(redis, "a"), "started")
          yield* redis.send("FLUSHALL")
        }
      })
    )
  )

  it(
    "show what became of a job",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        yield* putStarted(redis, "a")
        yield* putStarted(redis, "b", { execution: execution(1) })
        yield* turn(redis, { ended: [completed("a"), failed("b", { execution: execution(1) })] })
        const whole = Math.floor(now / 1000) * 1000
        assert.deepStrictEqual(yield* registry.finished("default").list(), [
          { id: "a", at: Option.some(utc(now + 500_000)), executionId: Option.none() }
        ])
        assert.deepStrictEqual(yield* registry.failed("default").list(), [
          { id: "b", at: Option.some(utc(whole + 31_536_000_000)), executionId: Option.none() }
        ])
      })
    )
  )
})

suite("Registry: started", (it) => {
  it(
    "has members with the run, of RQ 1.13 without",
    withRegistry(({ registry }, { redis }) =>
      Effect.gen(function*() {
        yield* putStarted(redis, "a")
        yield* redis.send("ZADD", keys.started("default"), "1795500000", "old")
        const started = registry.started("default")
        assert.deepStrictEqual(yield* started.list(), [
          { id: "old", at: Option.some(utc(1795500000000)), executionId: Option.none() },
          { id: "a", at: Option.some(utc(now + 20_000)), executionId: Option.some(execution(0)) }
        ])
        for (const id of ["a", "old"]) assert.isTrue(yield* started.contains(id))
        assert.isFalse(yield* started.contains(`a:${execution(0)}`))
        assert.isTrue(yield* started.delete("a"))
        assert.isFalse(yield* started.contains("a"))
        assert.strictEqual(yield* redis.send("EXISTS", keys.job("a")), 0)
      })
    )
  )
})

suite("Registry: scheduled", (it) => {
  it(
    "tells when a job is due, to the millisecond",
    withRegistry(({ queue, registry }) =>
      Effect.gen(function*() {
        yield* queue.enqueueIn("1750 millis", Greet, { name: "Ada" }, { jobId: "a" })
        const scheduled = registry.scheduled("default")
        assert.deepStrictEqual(yield* scheduled.dueTime("a"), Option.some(utc(now + 1750)))
        assert.deepStrictEqual(yield* scheduled.dueTime("b"), Option.none())
      })
    )
  )

  it(
    "gives a job another time, and tells the scheduler when it is sooner",
    withRegistry((
      { queue, registry },
      { redis }
    ) =>
      Effect.scoped(Effect.gen(function*() {
        yield* queue.enqueueIn("1 hour", Greet, { name: "Ada" }, { jobId: "a" })
        yield* queue.enqueueIn("2 hours", Greet, { name: "Bob" }, { jobId: "b" })
        const scheduled = registry.scheduled("default")
        const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
        assert.isTrue(yield* scheduled.reschedule("b", new Date(now + 5_400_125)))
        assert.deepStrictEqual(yield* scheduled.dueTime("b"), Option.some(utc(now + 5_400_125)))
        assert.isTrue(
          yield* scheduled.reschedule("b", "2026-11-24 08:00:00.5").pipe(DateTime.withCurrentZoneNamed("Europe/Paris"))
        )
        assert.deepStrictEqual((yield* scheduled.list()).map(({ id }) => id), ["a", "b"])
        assert.isTrue(yield* scheduled.reschedule("b", "2026-11-24T06:00:01.5Z"))
        assert.strictEqual((yield* Messages.take(messages)).message, "due 1795500001.5")
        assert.strictEqual(yield* Messages.size(messages), 0)
        assert.deepStrictEqual((yield* scheduled.list()).map(({ id }) => id), ["b", "a"])
      }))
    )
  )

  it(
    "refuses a job that is not scheduled, and a time that can't be read",
    withRegistry(({ queue, registry }, { redis }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Greet, { name: "Ada" }, { jobId: "a" })
        yield* queue.enqueueIn("1 hour", Greet, { name: "Bob" }, { jobId: "b" })
        const scheduled = registry.scheduled("default")
        assert.isFalse(yield* assertUnchanged(redis, scheduled.reschedule("a", new Date(now))))
        assert.isFalse(yield* assertUnchanged(redis, scheduled.reschedule("never", new Date(now))))
        const beyond = new Date(8.64e15)
        for (const when of ["tomorrow", new Date(Number.NaN), { year: 2026, month: 2, day: 30 }, beyond]) {
          const error = yield* Effect.flip(assertUnchanged(redis, scheduled.reschedule("b", when)))
          assert.deepInclude(error, { _tag: "InvalidJobError", job: "b", field: "when" })
        }
      })
    )
  )
})
