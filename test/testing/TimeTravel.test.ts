import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Ids } from "../../src/Ids.js"
import { TimeTravel } from "../../src/testing/index.js"

/** Under `it.effect`, whose TestClock ours replaces. */
const virtual = <A, E>(
  name: string,
  test: (travel: TimeTravel.TimeTravelService) => Effect.Effect<A, E, never>,
  layer = TimeTravel.layer
) => it.effect(name, () => Effect.flatMap(TimeTravel.TimeTravel, test).pipe(Effect.provide(layer)))

const iso = (travel: TimeTravel.TimeTravelService) => Effect.map(travel.now, DateTime.formatIso)

/** Whatever still travelled would be far away after it. */
const turnOfTheEventLoop = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const second = 1000
const day = 24 * 60 * 60 * second

describe("TimeTravel", () => {
  describe("travelling", () => {
    virtual("time stands still until somebody travels", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.sleep("1 second"))
        yield* travel.settle
        assert.isNull(fiber.unsafePoll())
        assert.strictEqual(yield* iso(travel), "1970-01-01T00:00:00.000Z")
        yield* travel.adjust("1 second")
        assert.isNotNull(fiber.unsafePoll())
        assert.strictEqual(yield* iso(travel), "1970-01-01T00:00:01.000Z")
      }))

    virtual("wakes at the instant, not a millisecond before", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.zipRight(Effect.sleep("5 seconds"), Clock.currentTimeMillis))
        yield* travel.adjust(4999)
        assert.isNull(fiber.unsafePoll())
        yield* travel.adjust(1)
        assert.deepStrictEqual(fiber.unsafePoll(), Exit.succeed(5000))
      }))

    virtual("sees the sleeper's own instant, however far the travel goes", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.zipRight(Effect.sleep("5 seconds"), Clock.currentTimeMillis))
        yield* travel.adjust("1 day")
        assert.strictEqual(yield* Fiber.join(fiber), 5000)
        assert.strictEqual(yield* Clock.currentTimeMillis, day)
      }))

    virtual("wakes in order of instants, and of arrival within an instant", (travel) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const sleeper = (name: string, millis: number) =>
          Effect.sleep(millis).pipe(Effect.zipRight(Effect.sync(() => seen.push(name))), Effect.fork)
        yield* sleeper("c", 30)
        for (let i = 0; i < 20; i++) yield* sleeper(`b${i}`, 20)
        yield* sleeper("a", 10)
        yield* travel.adjust(30)
        assert.deepStrictEqual(seen, ["a", ...Array.from({ length: 20 }, (_, i) => `b${i}`), "c"])
      }))

    virtual(
      "lets one sleeper come to rest before it wakes the next of the same instant",
      (travel) =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const sleeper = (name: string) =>
            Effect.gen(function*() {
              yield* Effect.sleep(10)
              for (let i = 0; i < 5; i++) {
                seen.push(name)
                yield* Effect.yieldNow()
                yield* Effect.promise(() => Promise.resolve())
              }
            })
          yield* Effect.fork(sleeper("a"))
          yield* Effect.fork(sleeper("b"))
          yield* travel.adjust(10)
          assert.deepStrictEqual(seen.join(""), "aaaaabbbbb")
        })
    )

    virtual("keeps thousands of random sleepers and cancellations in order", (travel) =>
      Effect.gen(function*() {
        const seen: Array<number> = []
        const random = Random.make(7)
        const fibers: Array<readonly [number, Fiber.RuntimeFiber<void>]> = []
        for (let i = 0; i < 3000; i++) {
          const millis = yield* random.nextIntBetween(1, 500)
          const fiber = yield* Effect.fork(
            Effect.andThen(Effect.sleep(millis), Effect.sync(() => void seen.push(millis)))
          )
          fibers.push([millis, fiber])
        }
        yield* travel.settle
        const kept: Array<number> = []
        for (const [millis, fiber] of fibers) {
          if (yield* random.nextBoolean) yield* Fiber.interrupt(fiber)
          else kept.push(millis)
        }
        const asleep = yield* travel.sleepers
        const expected = kept.sort((a, b) => a - b)
        assert.deepStrictEqual(asleep.map(({ at }) => DateTime.toEpochMillis(at)), expected)
        yield* travel.adjust(500)
        assert.deepStrictEqual(seen, expected)
        assert.strictEqual(yield* travel.wakes, expected.length)
      }))

    virtual("a part of a millisecond counts as a whole one", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.sleep("100 micros"))
        assert.deepStrictEqual(yield* travel.next, Option.some(DateTime.unsafeMake(1)))
        yield* travel.adjust("1 micros")
        assert.isNotNull(fiber.unsafePoll())
        assert.strictEqual(yield* Clock.currentTimeMillis, 1)
      }))

    virtual("a sleep of zero takes no time, an infinite one never ends", (travel) =>
      Effect.gen(function*() {
        const zero = yield* Effect.fork(Effect.sleep(0))
        const infinite = yield* Effect.fork(Effect.sleep(Duration.infinity))
        yield* travel.settle
        assert.isNotNull(zero.unsafePoll())
        assert.deepStrictEqual(yield* travel.sleepers, [])
        yield* travel.adjust("36500 days")
        assert.isNull(infinite.unsafePoll())
      }))

    virtual("an infinite travel is a defect", (travel) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(travel.adjust(Duration.infinity))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }))

    virtual("a year of daily wake-ups", (travel) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* DateTime.now.pipe(
          Effect.map((now) => seen.push(DateTime.formatIsoDateUtc(now))),
          Effect.repeat(Schedule.cron("0 6 * * *", "UTC")),
          Effect.fork
        )
        yield* travel.adjust("365 days")
        assert.strictEqual(seen.length, 366)
        assert.deepStrictEqual(seen.slice(0, 3), ["2024-02-27", "2024-02-27", "2024-02-28"])
        assert.strictEqual(seen.at(-1), "2025-02-25")
        assert.deepStrictEqual(seen.filter((date) => date === "2024-02-29"), ["2024-02-29"])
      }), TimeTravel.layerAt(new Date("2024-02-27T00:00:00Z")))
  })

  describe("instants", () => {
    for (
      const [name, instant] of [
        ["a Date", new Date("2030-05-06T07:08:09.010Z")],
        ["a DateTime", DateTime.unsafeMakeZoned("2030-05-06T07:08:09.010Z", { timeZone: "Asia/Tokyo" })],
        ["milliseconds", Date.parse("2030-05-06T07:08:09.010Z")]
      ] as const
    ) {
      virtual(`starts at ${name}`, (travel) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* iso(travel), "2030-05-06T07:08:09.010Z")
          assert.strictEqual(DateTime.formatIso(yield* DateTime.now), "2030-05-06T07:08:09.010Z")
          assert.strictEqual(
            yield* Clock.currentTimeNanos,
            BigInt(Date.parse("2030-05-06T07:08:09.010Z")) * 1_000_000n
          )
        }), TimeTravel.layerAt(instant))

      virtual(`travels to ${name}`, (travel) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.sleep("100 days"))
          yield* travel.setTime(instant)
          assert.strictEqual(yield* iso(travel), "2030-05-06T07:08:09.010Z")
          assert.isNotNull(fiber.unsafePoll())
        }))
    }

    virtual(
      "set back, the clock shows the past, and those who sleep sleep as long as they asked",
      (travel) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.sleep("10 seconds"))
          yield* travel.adjust("4 seconds")
          const nanos = yield* Clock.currentTimeNanos
          yield* travel.setTime(DateTime.unsafeMake("2029-12-31T00:00:00Z"))
          assert.strictEqual(yield* iso(travel), "2029-12-31T00:00:00.000Z")
          assert.strictEqual(yield* Clock.currentTimeNanos, nanos)
          assert.deepStrictEqual(yield* travel.next, Option.some(DateTime.unsafeMake("2029-12-31T00:00:06Z")))
          yield* travel.adjust(5999)
          assert.isNull(fiber.unsafePoll())
          yield* travel.adjust(1)
          assert.isNotNull(fiber.unsafePoll())
          yield* travel.setTime(DateTime.unsafeMake("2030-01-01T00:00:00Z"))
          assert.strictEqual(yield* iso(travel), "2030-01-01T00:00:00.000Z")
        }),
      TimeTravel.layerAt(DateTime.unsafeMake("2030-01-01T00:00:00Z"))
    )

    virtual("next and sleepers see who falls asleep without time passing", (travel) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* travel.next, Option.none())
        yield* Effect.fork(Effect.sleep(20))
        yield* Effect.fork(Effect.sleep(10))
        yield* Effect.fork(Effect.sleep(20))
        assert.deepStrictEqual(yield* travel.next, Option.some(DateTime.unsafeMake(10)))
        assert.deepStrictEqual(
          (yield* travel.sleepers).map(({ at }) => DateTime.toEpochMillis(at)),
          [10, 20, 20]
        )
        yield* travel.adjust(10)
        assert.deepStrictEqual(yield* travel.next, Option.some(DateTime.unsafeMake(20)))
        assert.strictEqual(yield* travel.wakes, 1)
      }))
  })

  describe("runUntil", () => {
    virtual("stops at the wake-up that makes the condition hold", (travel) =>
      Effect.gen(function*() {
        const ticks = yield* Ref.make(0)
        yield* Effect.fork(Effect.repeat(Ref.update(ticks, (n) => n + 1), Schedule.spaced("1 minute")))
        yield* travel.runUntil(Effect.map(Ref.get(ticks), (n) => n >= 10), { limit: "1 hour" })
        assert.strictEqual(yield* Ref.get(ticks), 10)
        assert.strictEqual(yield* iso(travel), "1970-01-01T00:09:00.000Z")
      }))

    virtual("stops between two sleepers of one instant", (travel) =>
      Effect.gen(function*() {
        const ref = yield* Ref.make(0)
        const add = Effect.andThen(Effect.sleep(10), Ref.update(ref, (n) => n + 1))
        yield* Effect.fork(add)
        yield* Effect.fork(add)
        yield* travel.runUntil(Effect.map(Ref.get(ref), (n) => n === 1), { limit: "1 second" })
        assert.strictEqual(yield* Ref.get(ref), 1)
        yield* travel.settle
        assert.strictEqual(yield* Ref.get(ref), 2)
        assert.strictEqual(yield* Clock.currentTimeMillis, 10)
      }))

    virtual(
      "lets what can run do so first, and takes no time when the condition holds",
      (travel) =>
        Effect.gen(function*() {
          const ref = yield* Ref.make(false)
          yield* Effect.fork(Effect.andThen(Effect.yieldNow(), Ref.set(ref, true)))
          yield* Effect.fork(Effect.sleep(1))
          yield* travel.runUntil(Ref.get(ref), { limit: "1 second" })
          assert.strictEqual(yield* Clock.currentTimeMillis, 0)
        })
    )

    virtual("fails at the limit, typed", (travel) =>
      Effect.gen(function*() {
        yield* Effect.fork(Effect.sleep("1 hour"))
        const error = yield* Effect.flip(travel.runUntil(Effect.succeed(false), { limit: "1 minute" }))
        assert.instanceOf(error, TimeTravel.TimeTravelTimeout)
        assert.strictEqual(error.asleep, 1)
        assert.strictEqual(
          error.message,
          "The condition did not hold within 1m of virtual time, until 1970-01-01T00:01:00.000Z (1 still asleep)"
        )
        assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
        const alone = yield* Effect.flip(travel.runUntil(Effect.succeed(false), { limit: "1 day" }))
        assert.strictEqual(alone.asleep, 0)
      }))

    virtual("asks once more at the limit, after all sleepers of that instant", (travel) =>
      Effect.gen(function*() {
        const ref = yield* Ref.make(false)
        yield* Effect.fork(Effect.sleep("1 minute"))
        yield* Effect.fork(Effect.andThen(Effect.sleep("1 minute"), Ref.set(ref, true)))
        yield* travel.runUntil(Ref.get(ref), { limit: "1 minute" })
        yield* travel.runUntil(Effect.map(Clock.currentTimeMillis, (now) => now === 90_000), { limit: "30 seconds" })
        assert.strictEqual(yield* Clock.currentTimeMillis, 90_000)
      }))

    virtual("hands on the condition's failure", (travel) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(travel.runUntil(Effect.fail("no" as const), { limit: "1 minute" }))
        assert.strictEqual(error, "no")
      }))
  })

  describe("interruption", () => {
    virtual("an interrupted sleep is removed", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.sleep("1 second"))
        yield* travel.settle
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* travel.sleepers, [])
        yield* travel.adjust("1 second")
        assert.strictEqual(yield* travel.wakes, 0)
      }))

    virtual("timeouts that do not fire leave nothing behind", (travel) =>
      Effect.gen(function*() {
        yield* Effect.repeatN(Effect.timeout(Effect.yieldNow(), "1 hour"), 999)
        assert.deepStrictEqual(yield* travel.sleepers, [])
      }))

    virtual("an interrupted travel stops at the instant reached", (travel) =>
      Effect.gen(function*() {
        const ticks = yield* Ref.make(0)
        yield* Effect.fork(Effect.repeat(Ref.update(ticks, (n) => n + 1), Schedule.spaced("1 second")))
        const result = yield* travel.adjust("1 hour").pipe(Effect.timeoutOption("10 seconds"))
        assert.deepStrictEqual(result, Option.none())
        assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
        const reached = yield* Ref.get(ticks)
        yield* travel.settle
        assert.isTrue(reached === 10 || reached === 11)
        assert.strictEqual(yield* Ref.get(ticks), 11)
        assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      }))

    virtual("a travel that is interrupted from within the program stops there", (travel) =>
      Effect.gen(function*() {
        const traveller = yield* Effect.fork(travel.adjust("1 hour"))
        yield* Effect.sleep("7 seconds").pipe(Effect.zipRight(Fiber.interrupt(traveller)), Effect.fork)
        const exit = yield* Fiber.await(traveller)
        assert.isTrue(Exit.isInterrupted(exit))
        yield* Effect.fork(Effect.sleep("1 second"))
        yield* turnOfTheEventLoop
        assert.strictEqual(yield* Clock.currentTimeMillis, 7000)
      }))

    virtual("several fibers travel at once, and each arrives at its own time", (travel) =>
      Effect.gen(function*() {
        const seen: Array<readonly [string, number]> = []
        const go = (name: string, span: Duration.DurationInput) =>
          travel.adjust(span).pipe(
            Effect.zipRight(Clock.currentTimeMillis),
            Effect.map((now) => seen.push([name, now]))
          )
        yield* Effect.fork(Effect.repeat(Effect.void, Schedule.spaced("300 millis")))
        yield* Effect.all([go("b", "2 seconds"), go("a", "1 second"), go("c", "3 seconds")], { concurrency: 3 })
        assert.deepStrictEqual(seen, [["a", 1000], ["b", 2000], ["c", 3000]])
      }))
  })

  describe("programs", () => {
    virtual("trees of forks", (travel) =>
      Effect.gen(function*() {
        const leaves = yield* Ref.make(0)
        const tree = (depth: number): Effect.Effect<void> =>
          depth === 0
            ? Ref.update(leaves, (n) => n + 1)
            : Effect.gen(function*() {
              const left = yield* Effect.fork(Effect.delay(tree(depth - 1), "1 second"))
              const right = yield* Effect.fork(Effect.delay(tree(depth - 1), "2 seconds"))
              yield* Fiber.joinAll([left, right])
            })
        const root = yield* Effect.fork(tree(8))
        yield* travel.adjust(16 * second - 1)
        assert.strictEqual(yield* Ref.get(leaves), 255)
        assert.isNull(root.unsafePoll())
        yield* travel.adjust(1)
        assert.strictEqual(yield* Ref.get(leaves), 256)
        assert.isNotNull(root.unsafePoll())
      }))

    virtual("schedules: spaced, fixed and cron", (travel) =>
      Effect.gen(function*() {
        const instants = (schedule: Schedule.Schedule<unknown>, work: Duration.DurationInput) =>
          Effect.gen(function*() {
            const seen: Array<number> = []
            yield* Clock.currentTimeMillis.pipe(
              Effect.map((now) => void seen.push(now / second)),
              Effect.zipLeft(Effect.sleep(work)),
              Effect.repeat(schedule),
              Effect.fork
            )
            return seen
          })
        const spaced = yield* instants(Schedule.spaced("10 seconds"), "3 seconds")
        const fixed = yield* instants(Schedule.fixed("10 seconds"), "3 seconds")
        const cron = yield* instants(Schedule.cron(Cron.unsafeParse("*/5 * * * *", "UTC")), 0)
        yield* travel.adjust("40 seconds")
        assert.deepStrictEqual(spaced, [0, 13, 26, 39])
        // Effect's `fixed` counts from the end of the first run
        assert.deepStrictEqual(fixed, [0, 13, 23, 33])
        yield* travel.adjust("15 minutes")
        assert.deepStrictEqual(cron, [0, 300, 600, 900])
      }))

    virtual("timeout and race", (travel) =>
      Effect.gen(function*() {
        const timed = yield* Effect.fork(Effect.either(Effect.timeout(Effect.never, "3 seconds")))
        const raced = yield* Effect.fork(Effect.race(
          Effect.as(Effect.sleep("2 seconds"), "slow"),
          Effect.as(Effect.sleep("1 second"), "fast")
        ))
        yield* travel.adjust("1 second")
        assert.deepStrictEqual(raced.unsafePoll(), Exit.succeed("fast"))
        yield* travel.adjust(1999)
        assert.isNull(timed.unsafePoll())
        yield* travel.adjust(1)
        assert.isTrue(Either.isLeft(yield* Fiber.join(timed)))
        assert.deepStrictEqual(yield* travel.sleepers, [])
      }))

    virtual("hand-offs come to rest without time passing", (travel) =>
      Effect.gen(function*() {
        const queues = yield* Effect.all(Array.from({ length: 100 }, () => Queue.bounded<number>(1)))
        for (let i = 0; i + 1 < queues.length; i++) {
          yield* Effect.fork(Effect.forever(Effect.flatMap(Queue.take(queues[i]!), (n) => queues[i + 1]!.offer(n + 1))))
        }
        const deferred = yield* Deferred.make<number>()
        yield* Effect.fork(Effect.flatMap(Queue.take(queues[99]!), (n) => Deferred.succeed(deferred, n)))

        const semaphore = yield* Effect.makeSemaphore(1)
        const inside = yield* Ref.make(0)
        for (let i = 0; i < 50; i++) {
          yield* Effect.fork(
            semaphore.withPermits(1)(Effect.andThen(Effect.yieldNow(), Ref.update(inside, (n) => n + 1)))
          )
        }

        const pubsub = yield* PubSub.unbounded<number>()
        const received: Array<number> = []
        for (let i = 0; i < 10; i++) {
          yield* Effect.fork(Stream.runForEach(Stream.fromPubSub(pubsub), (n) => Effect.sync(() => received.push(n))))
        }
        yield* travel.settle
        yield* queues[0]!.offer(0)
        yield* pubsub.publish(7)
        yield* travel.settle

        assert.isTrue(yield* Deferred.isDone(deferred))
        assert.strictEqual(yield* Deferred.await(deferred), 99)
        assert.strictEqual(yield* Ref.get(inside), 50)
        assert.deepStrictEqual(received, Array.from({ length: 10 }, () => 7))
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
        assert.strictEqual(yield* travel.wakes, 0)
      }))

    virtual("streams that tick", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Stream.tick("1 second").pipe(
          Stream.mapEffect(() => Clock.currentTimeMillis),
          Stream.take(5),
          Stream.runCollect,
          Effect.fork
        )
        yield* travel.adjust("4 seconds")
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(fiber)), [0, 1000, 2000, 3000, 4000])
      }))

    virtual("a fiber that computes for long is waited for", (travel) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(
          Effect.iterate(0, { while: (n) => n < 100_000, body: (n) => Effect.succeed(n + 1) })
        )
        yield* travel.settle
        assert.deepStrictEqual(fiber.unsafePoll(), Exit.succeed(100_000))
      }))
  })

  describe("promises", () => {
    virtual("waits for promises that settle, however long the chain", (travel) =>
      Effect.gen(function*() {
        const chain = async () => {
          for (let i = 0; i < 1000; i++) await Promise.resolve()
          await new Promise<void>((resolve) => process.nextTick(resolve))
          for (let i = 0; i < 10; i++) await Promise.resolve()
          return "done"
        }
        const fiber = yield* Effect.fork(Effect.andThen(Effect.sleep("1 second"), Effect.promise(chain)))
        const other = yield* Effect.fork(Effect.andThen(
          Effect.sleep(1001),
          Effect.sync(() => fiber.unsafePoll())
        ))
        yield* travel.adjust("1 hour")
        assert.deepStrictEqual(yield* Fiber.join(other), Exit.succeed("done"))
      }))

    virtual("waits for the outside where it is told to", (travel) =>
      Effect.gen(function*() {
        const digest = Effect.promise(() => crypto.subtle.digest("SHA-256", new Uint8Array(100_000)))
        const seen: Array<number> = []
        yield* travel.awaitExternal(digest).pipe(
          Effect.zipRight(Clock.currentTimeMillis),
          Effect.map((now) => seen.push(now)),
          Effect.repeat(Schedule.spaced("1 second")),
          Effect.fork
        )
        yield* travel.adjust("3 seconds")
        assert.deepStrictEqual(seen, [0, 1000, 2000, 3000])
      }))

    virtual("within awaitExternal the live clock rules, and interruption ends it", (travel) =>
      Effect.gen(function*() {
        yield* travel.awaitExternal(Effect.sleep(5))
        const now = yield* travel.awaitExternal(Clock.currentTimeMillis)
        assert.isAbove(now, Date.parse("2020-01-01"))
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
        const fiber = yield* Effect.fork(travel.awaitExternal(Effect.never))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        yield* travel.adjust("1 second")
        assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      }))

    it("a fiber of another scheduler hands over and is waited for", () =>
      Effect.runPromise(
        Effect.gen(function*() {
          const travel = yield* TimeTravel.TimeTravel
          const queue = yield* Queue.unbounded<string>()
          const outside = yield* Effect.fork(Queue.take(queue)).pipe(
            Effect.locally(FiberRef.currentScheduler, Scheduler.defaultScheduler)
          )
          yield* queue.offer("hello")
          yield* travel.settle
          assert.deepStrictEqual(outside.unsafePoll(), Exit.succeed("hello"))
        }).pipe(Effect.provide(TimeTravel.layer))
      ))
  })

  describe("programs that do not come to rest", () => {
    const loops: ReadonlyArray<readonly [string, Effect.Effect<void>]> = [
      ["yields", Effect.forever(Effect.yieldNow())],
      ["sleeps for zero", Effect.forever(Effect.sleep(0))],
      ["computes", Effect.iterate(undefined, { while: () => true, body: () => Effect.void })],
      ["hands itself promises", Effect.forever(Effect.promise(() => Promise.resolve()))]
    ]
    for (const [name, loop] of loops) {
      virtual(`a loop that ${name} is a defect that says so`, (travel) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.andThen(Effect.sleep("1 second"), loop))
          const exit = yield* Effect.exit(travel.adjust("1 hour"))
          const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
          assert.instanceOf(defect, TimeTravel.TimeTravelStuck)
          assert.match(
            defect.message,
            /^No rest after \d+ steps at 1970-01-01T00:00:01.000Z: a fiber seems to loop without sleeping/
          )
          yield* Fiber.interrupt(fiber)
          yield* travel.adjust("1 hour")
          assert.strictEqual(yield* Clock.currentTimeMillis, 3601 * second)
        }), TimeTravel.layerWith({ maxSteps: 20_000 }))
    }

    virtual("steps that compute for long count for more", (travel) =>
      Effect.gen(function*() {
        let operations = 0
        const endless = Effect.iterate(0, { while: () => true, body: (n) => Effect.sync(() => ++operations + n) })
        const fiber = yield* Effect.fork(endless)
        const exit = yield* Effect.exit(travel.settle)
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        yield* Fiber.interrupt(fiber)
        // 20,000 steps of 2,048 operations each would be 40 million
        assert.isBelow(operations, 1_000_000)
      }), TimeTravel.layerWith({ maxSteps: 20_000 }))

    virtual("many steps are no defect when time passes between them", (travel) =>
      Effect.gen(function*() {
        yield* Effect.fork(Effect.repeat(Effect.void, Schedule.spaced("1 second")))
        yield* travel.adjust("1 hour")
        assert.strictEqual(yield* travel.wakes, 3600)
      }), TimeTravel.layerWith({ maxSteps: 100 }))

    virtual("the event loop gets its turns meanwhile", (travel) =>
      Effect.gen(function*() {
        let fired = 0
        const timer = setInterval(() => fired++, 1)
        yield* Effect.fork(Effect.repeat(Effect.void, Schedule.spaced("1 second")))
        yield* travel.adjust("12 hours")
        clearInterval(timer)
        assert.isAbove(fired, 0)
      }))
  })

  it.effect("100,000 wake-ups", () =>
    Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      const count = yield* Ref.make(0)
      yield* Clock.currentTimeMillis.pipe(
        Effect.zipRight(Ref.update(count, (n) => n + 1)),
        Effect.repeat(Schedule.spaced("1 second")),
        Effect.fork
      )
      const started = performance.now()
      yield* travel.adjust("100000 seconds")
      const millis = performance.now() - started
      assert.strictEqual(yield* Ref.get(count), 100_001)
      assert.strictEqual(yield* travel.wakes, 100_000)
      yield* Effect.sync(() =>
        console.log(`100,000 wake-ups in ${millis.toFixed(0)} ms: ${(1e8 / millis).toFixed(0)} a second`)
      )
      // a guard against the wrong order of growth, far from what it takes, for machines under load
      assert.isBelow(millis, 15_000)
    }).pipe(Effect.provide(TimeTravel.layer)))
})

describe("TimeTravel.layer", () => {
  class Ticks extends Context.Tag("test/Ticks")<Ticks, Array<number>>() {}

  /** An application's background loop, knowing nothing of virtual time. */
  const loop = Effect.gen(function*() {
    const seen: Array<number> = []
    yield* Clock.currentTimeMillis.pipe(
      Effect.map((now) => seen.push(now / second)),
      Effect.repeat(Schedule.spaced("1 second")),
      Effect.forkScoped
    )
    return seen
  })
  const Loop = Layer.scoped(Ticks, loop)

  const three = Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    const seen = yield* Ticks
    yield* travel.adjust("3 seconds")
    return seen
  })

  it.effect("rules the fibers of a layer built on top of it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* three, [0, 1, 2, 3])
    }).pipe(Effect.provide(Loop.pipe(Layer.provideMerge(TimeTravel.layer)))))

  it("also under Effect.runPromise", async () => {
    const seen = await Effect.runPromise(
      three.pipe(Effect.provide(Loop.pipe(Layer.provideMerge(TimeTravel.layer))))
    )
    assert.deepStrictEqual(seen, [0, 1, 2, 3])
  })

  it.effect("rules layers deep down and side by side on top of it", () => {
    const scoped = (seen: Array<number>) =>
      Layer.scopedDiscard(
        Effect.flatMap(loop, (mine) => Effect.addFinalizer(() => Effect.sync(() => void seen.push(...mine))))
      )
    const deep: Array<number> = []
    const beside: Array<number> = []
    const Main = Layer.merge(Loop.pipe(Layer.provide(scoped(deep))), scoped(beside))
    return Effect.gen(function*() {
      const seen = yield* three.pipe(Effect.provide(Main.pipe(Layer.provideMerge(TimeTravel.layer))))
      assert.deepStrictEqual(seen, [0, 1, 2, 3])
      assert.deepStrictEqual(deep, [0, 1, 2, 3])
      assert.deepStrictEqual(beside, [0, 1, 2, 3])
    })
  })

  it.effect("does not rule a layer that stands beside it, unless that has it provided too", () =>
    Effect.gen(function*() {
      const apart = yield* three.pipe(Effect.provide(Layer.merge(Loop, TimeTravel.layer)))
      assert.deepStrictEqual(apart, [0])
      const joined = yield* three.pipe(
        Effect.provide(Layer.merge(Loop.pipe(Layer.provide(TimeTravel.layer)), TimeTravel.layer))
      )
      assert.deepStrictEqual(joined, [0, 1, 2, 3])
      const swapped = yield* three.pipe(
        Effect.provide(Layer.merge(TimeTravel.layer, Loop.pipe(Layer.provide(TimeTravel.layer))))
      )
      assert.deepStrictEqual(swapped, [0, 1, 2, 3])
    }))

  it.effect("rules what a runtime captured on top of it starts", () => {
    class Emitter extends Context.Tag("test/Emitter")<Emitter, { readonly emit: () => void }>() {}
    const seen: Array<number> = []
    const Emitting = Layer.effect(
      Emitter,
      Effect.map(Effect.runtime<never>(), (runtime) => ({
        emit: () =>
          void Runtime.runFork(runtime)(
            Effect.sleep("2 seconds").pipe(
              Effect.zipRight(Clock.currentTimeMillis),
              Effect.map((now) => seen.push(now))
            )
          )
      }))
    )
    return Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      const emitter = yield* Emitter
      yield* travel.adjust("1 second")
      emitter.emit()
      yield* travel.adjust(1999)
      assert.deepStrictEqual(seen, [])
      yield* travel.adjust(1)
      assert.deepStrictEqual(seen, [3000])
    }).pipe(Effect.provide(Emitting.pipe(Layer.provideMerge(TimeTravel.layer))))
  })

  it("works in a ManagedRuntime", async () => {
    const runtime = ManagedRuntime.make(Loop.pipe(Layer.provideMerge(TimeTravel.layer)))
    assert.deepStrictEqual(await runtime.runPromise(three), [0, 1, 2, 3])
    assert.deepStrictEqual(await runtime.runPromise(three), [0, 1, 2, 3, 4, 5, 6])
    await runtime.dispose()
  })

  it.effect("ends with its scope: the TestClock is back, and finalizers had virtual time", () =>
    Effect.gen(function*() {
      const closed = yield* Ref.make(-1)
      const Closing = Layer.scopedDiscard(
        Effect.addFinalizer(() => Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(closed, now)))
      )
      yield* TestClock.adjust("5 seconds")
      yield* Effect.flatMap(TimeTravel.TimeTravel, (travel) => travel.adjust("1 hour")).pipe(
        Effect.provide(Closing.pipe(Layer.provideMerge(TimeTravel.layer)))
      )
      assert.strictEqual(yield* Ref.get(closed), 3600 * second)
      assert.strictEqual(yield* Clock.currentTimeMillis, 5000)
      assert.strictEqual(yield* FiberRef.get(FiberRef.currentScheduler), Scheduler.defaultScheduler)
      const fiber = yield* Effect.fork(Effect.sleep("1 second"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
    }))

  it.effect("two tests do not share a clock", () =>
    Effect.gen(function*() {
      const hour = Effect.gen(function*() {
        const travel = yield* TimeTravel.TimeTravel
        yield* travel.adjust("1 hour")
        return yield* Clock.currentTimeMillis
      }).pipe(Effect.provide(TimeTravel.layer))
      assert.deepStrictEqual(yield* Effect.all([hour, hour], { concurrency: 2 }), [3_600_000, 3_600_000])
    }))

  it.effect("the same program runs under Effect's TestClock", () =>
    Effect.gen(function*() {
      const seen = yield* Ticks
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(seen, [0, 1, 2, 3])
    }).pipe(Effect.provide(Loop)))

  it.effect("leaves Effect.runFork outside of it alone", () =>
    Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      const outside = Effect.runFork(Effect.zipRight(Effect.sleep(5), Clock.currentTimeMillis))
      yield* travel.adjust("1 hour")
      const exit = yield* Fiber.await(outside)
      assert.isTrue(Exit.isSuccess(exit) && exit.value > Date.parse("2020-01-01"))
      const inside = Effect.runSync(Clock.currentTimeMillis)
      assert.isAbove(inside, Date.parse("2020-01-01"))
      assert.strictEqual(yield* travel.wakes, 0)
    }).pipe(Effect.provide(TimeTravel.layer)))

  it("an observer that throws does not stop the others", async () => {
    const errors: Array<unknown> = []
    const listeners = process.listeners("uncaughtException")
    process.removeAllListeners("uncaughtException")
    process.on("uncaughtException", (error) => errors.push(error))
    try {
      const now = await Effect.runPromise(
        Effect.gen(function*() {
          const travel = yield* TimeTravel.TimeTravel
          const fiber = yield* Effect.fork(Effect.sleep("1 second"))
          fiber.addObserver(() => {
            throw new Error("observer")
          })
          const other = yield* Effect.fork(Effect.sleep("1 second"))
          yield* travel.adjust("2 seconds")
          yield* Fiber.join(other)
          return yield* Clock.currentTimeMillis
        }).pipe(Effect.provide(TimeTravel.layer))
      )
      assert.strictEqual(now, 2000)
      assert.deepStrictEqual(errors.map(String), ["Error: observer"])
    } finally {
      process.removeAllListeners("uncaughtException")
      for (const listener of listeners) process.on("uncaughtException", listener)
    }
  })
})

describe("TimeTravel.seeded", () => {
  const draw = Effect.gen(function*() {
    const ids = yield* Ids
    const forked = yield* Effect.fork(Effect.all([Random.next, ids.job]))
    return yield* Effect.all([
      ids.job,
      ids.name,
      ids.executionPrefix,
      Random.nextInt,
      Random.shuffle([1, 2, 3, 4, 5, 6, 7, 8]),
      Fiber.join(forked)
    ])
  })
  const drawn = (seed: number) => draw.pipe(Effect.provide(TimeTravel.seeded(seed)))

  it.effect("the same seed replays, another does not", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* drawn(1), yield* drawn(1))
      assert.notDeepEqual(yield* drawn(1), yield* drawn(2))
    }))

  it.effect("seeds the layers on top of it, and goes with virtual time", () =>
    Effect.gen(function*() {
      const run = Effect.gen(function*() {
        const log: Array<string> = []
        const Jobs = Layer.scopedDiscard(Effect.gen(function*() {
          const ids = yield* Ids
          yield* Effect.all([ids.job, Random.next, Clock.currentTimeMillis]).pipe(
            Effect.map((line) => log.push(line.join(" "))),
            Effect.repeat(Schedule.jittered(Schedule.spaced("1 second"))),
            Effect.forkScoped
          )
        }))
        yield* Effect.flatMap(TimeTravel.TimeTravel, (travel) => travel.adjust("1 minute")).pipe(
          Effect.provide(Jobs.pipe(Layer.provideMerge(Layer.merge(TimeTravel.layer, TimeTravel.seeded(3)))))
        )
        return log
      })
      const first = yield* run
      assert.isAbove(first.length, 50)
      assert.deepStrictEqual(yield* run, first)
    }))
})
