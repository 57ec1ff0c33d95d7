/**
 * When jobs are promoted and run: at their instant, in their order, and not before.
 */
import { assert, describe, it } from "@effect/vitest"
import { Queue } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NotHeld, Promoted, PromoteParams, WrongType } from "../../src/lifecycle/promote.js"
import * as keys from "../../src/wire/keys.js"
import { type Around, clocks, Task, travelling, type World } from "./support/world.js"

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Ids whose order is that of their numbers, as a sorted set orders members of one score. */
const numbered = (index: number) => `job-${String(index).padStart(6, "0")}`

/** A worker that runs one job after the other, so that the order of the runs is that of the queue. */
const oneByOne = (world: World) => world.worker("worker", { concurrency: 1 })

/** Notes how many jobs each call promoted, over all of its queues. */
const slices = () => {
  const sizes: Array<number> = []
  const around: Around = (script, call, params) =>
    script === "promote"
      ? Effect.tap(call, (reply) =>
        Effect.sync(() => {
          // what the script's reply is, see the edge `promote`
          const rows = reply as unknown as (
            queues: PromoteParams["queues"]
          ) => ReadonlyArray<Promoted | NotHeld | WrongType>
          const [{ queues }] = params as [PromoteParams]
          sizes.push(rows(queues).reduce((sum, row) => sum + (row._tag === "Promoted" ? row.ids.length : 0), 0))
        }))
      : call
  return { sizes, around }
}

const instant = (millis: number) => DateTime.unsafeMake(millis)

describe("a job that is due", () => {
  for (const [clock, run] of clocks) {
    it.effect(`runs at its millisecond and not before (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          yield* world.scheduler("scheduler")
          yield* oneByOne(world)
          yield* world.settle
          yield* world.queue.enqueueIn("2500 millis", Task, { name: "half" })
          yield* world.queue.enqueueIn("2001 millis", Task, { name: "a millisecond past the tick" })
          yield* world.queue.enqueueIn("1999 millis", Task, { name: "a millisecond before the tick" })
          yield* world.queue.enqueueIn("3 seconds", Task, { name: "on the tick" })
          yield* world.adjust("1998 millis")
          assert.deepStrictEqual(world.ran, [])
          yield* world.adjust("1502 millis")
          assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [
            ["a millisecond before the tick", 1999],
            ["a millisecond past the tick", 2001],
            ["half", 2500],
            ["on the tick", 3000]
          ])
        })
      ))

    it.effect(`wakes the leader when it is sooner than what the leader waits for (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          // A tick of an hour: whoever waits for the tick is an hour late.
          yield* world.scheduler("scheduler", { tick: "1 hour", lease: "3 hours" })
          yield* oneByOne(world)
          yield* world.settle
          yield* world.queue.enqueueIn("30 seconds", Task, { name: "later" })
          yield* world.adjust("1 second")
          yield* world.queue.enqueueIn("250 millis", Task, { name: "sooner" })
          yield* world.adjust("249 millis")
          assert.deepStrictEqual(world.ran, [])
          yield* world.adjust("1 millis")
          assert.deepStrictEqual(world.ran, [{ name: "sooner", host: "worker", at: 1250 }])
          yield* world.adjust("29 seconds")
          assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["sooner", 1250], ["later", 30_000]])
        })
      ))
  }

  it.effect("runs at once when its time is past, also with nobody waiting for a tick", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.scheduler("scheduler", { tick: "1 hour", lease: "3 hours" })
        yield* oneByOne(world)
        yield* world.adjust("90 seconds")
        const past = yield* world.queue.enqueueAt(instant(-5000), Task, { name: "before 1970" })
        assert.strictEqual(past.outcome, "scheduled")
        yield* world.settle
        yield* world.queue.enqueueAt(instant(10), Task, { name: "past" })
        yield* world.queue.enqueueIn(0, Task, { name: "now" })
        yield* world.settle
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [
          ["before 1970", 90_000],
          ["past", 90_000],
          ["now", 90_000]
        ])
      })
    ))

  it.effect("keeps parts of a second that a producer of Python wrote, and isn't early by a part of a millisecond", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const scheduler = yield* world.scheduler("scheduler")
        yield* oneByOne(world)
        const { id } = yield* world.queue.enqueueIn("1 minute", Task, { name: "fine" })
        yield* world.redis.send("ZADD", keys.scheduled("q"), "12.0000004", id)
        yield* world.adjust(12_000)
        assert.deepStrictEqual(world.ran, [])
        yield* world.adjust(1)
        assert.deepStrictEqual(world.names(), ["fine"])
        const [status] = (yield* scheduler.service.status).queues
        assert.strictEqual(Duration.toMillis(status!.lag), 1)
      })
    ))
})

describe("a score that is no usual time", () => {
  it.effect("that never comes neither spins nor keeps the others waiting", () =>
    travelling((world, travel) =>
      Effect.gen(function*() {
        const scheduler = yield* world.scheduler("scheduler")
        yield* oneByOne(world)
        const { id } = yield* world.queue.enqueueIn("1 minute", Task, { name: "parked" })
        const tooLate = yield* world.queue.enqueueIn("1 minute", Task, { name: "in milliseconds by mistake" })
        yield* world.redis.send("ZADD", keys.scheduled("q"), "+inf", id, "1e15", tooLate.id)
        const before = yield* travel.wakes
        yield* world.adjust("10 seconds")
        assert.isBelow((yield* travel.wakes) - before, 100)
        assert.deepStrictEqual((yield* scheduler.service.status).queues.map(({ nextDue }) => nextDue), [Option.none()])
        assert.deepStrictEqual(
          (yield* world.registry.scheduled("q").list()).map((entry) => [entry.id, entry.at]),
          [[tooLate.id, Option.none()], [id, Option.none()]]
        )
        assert.isTrue(Option.isSome(yield* world.queue.fetch(tooLate.id)))
        yield* world.queue.enqueueIn(1500, Task, { name: "usual" })
        yield* world.adjust(1500)
        assert.deepStrictEqual(world.names(), ["usual"])
      })
    ))

  it.effect("that was always due is promoted, and spoils no figure", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const scheduler = yield* world.scheduler("scheduler")
        yield* oneByOne(world)
        const { id } = yield* world.queue.enqueueIn("1 minute", Task, { name: "always" })
        yield* world.redis.send("ZADD", keys.scheduled("q"), "-inf", id)
        yield* world.adjust("1 second")
        assert.deepStrictEqual(world.names(), ["always"])
        const [status] = (yield* scheduler.service.status).queues
        assert.strictEqual(status!.promoted, 1)
        assert.isTrue(Duration.isFinite(status!.maxLag))
      })
    ))
})

describe("the order", () => {
  it.effect("of 1,200 jobs of one instant is that of their ids, over several batches, those at the front first", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const scheduler = yield* world.scheduler("scheduler")
        // shuffled by a step that has no factor with 1,200
        const shuffled = range(1200).map((index) => (index * 7) % 1200)
        yield* world.queue.enqueueMany(
          shuffled.map((index) =>
            Queue.request(Task, { name: numbered(index) }, { jobId: numbered(index), in: "5 seconds" })
          )
        )
        yield* world.adjust("4999 millis")
        assert.strictEqual(yield* world.queue.length("q"), 0)
        yield* world.adjust("1 millis")
        assert.strictEqual(yield* world.queue.length("q"), 1200)
        const promotions = scheduler.events.flatMap((event) => event._tag === "Promoted" ? [event.jobIds.length] : [])
        assert.deepStrictEqual(promotions, [500, 500, 200])
        yield* oneByOne(world)
        yield* world.settle
        assert.deepStrictEqual(world.names(), range(1200).map(numbered))
      })
    ))

  it.effect("of jobs at the front: before what waits already, the last one first", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.scheduler("scheduler")
        yield* world.queue.enqueue(Task, { name: "waits" })
        yield* world.queue.enqueueIn("3 seconds", Task, { name: "behind" })
        yield* world.queue.enqueueIn("4 seconds", Task, { name: "first to the front" }, { atFront: true })
        yield* world.queue.enqueueIn("5 seconds", Task, { name: "last to the front" }, { atFront: true })
        yield* world.adjust("5 seconds")
        yield* oneByOne(world)
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["last to the front", "first to the front", "waits", "behind"])
      })
    ))

  it.effect("of a backlog of 20,000 is that of the due times; it drains in slices and in one go", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const many = range(20_000)
        // due in the reverse of the order of their ids
        yield* world.queue.enqueueMany(
          many.map((index) =>
            Queue.request(Task, { name: numbered(index) }, { jobId: numbered(index), in: 30_000 - index })
          )
        )
        yield* world.adjust("1 hour")
        const { around, sizes } = slices()
        const scheduler = yield* world.scheduler("scheduler", { around })
        yield* world.settle
        assert.deepStrictEqual(sizes.filter((size) => size > 0), range(40).map(() => 500))
        const [status] = (yield* scheduler.service.status).queues
        assert.strictEqual(status!.promoted, 20_000)
        assert.strictEqual(Duration.toMillis(status!.maxLag), 3_600_000 - 10_001)
        assert.strictEqual(yield* world.elapsed, 3_600_000)
        assert.deepStrictEqual(
          yield* world.queue.jobIds("q", { limit: 20_000 }),
          many.map(numbered).reverse()
        )
      })
    ))
})

describe("another time", () => {
  it.effect("earlier: the leader is woken; later: it is not promoted at the first time", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.scheduler("scheduler", { tick: "1 hour", lease: "3 hours" })
        yield* oneByOne(world)
        const earlier = yield* world.queue.enqueueIn("50 minutes", Task, { name: "earlier" })
        const later = yield* world.queue.enqueueIn("5 seconds", Task, { name: "later" })
        yield* world.adjust("1 second")
        const scheduled = world.registry.scheduled("q")
        assert.isTrue(yield* scheduled.reschedule(earlier.id, instant(7500)))
        assert.isTrue(yield* scheduled.reschedule(later.id, instant(20_000)))
        assert.deepStrictEqual(yield* scheduled.dueTime(later.id), Option.some(instant(20_000)))
        yield* world.adjust("6499 millis")
        assert.deepStrictEqual(world.ran, [])
        yield* world.adjust("30 seconds")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["earlier", 7500], ["later", 20_000]])
        assert.isFalse(yield* scheduled.reschedule(later.id, instant(60_000)), "it is not scheduled any more")
        yield* world.adjust("1 hour")
        assert.lengthOf(world.ran, 2)
      })
    ))
})

describe("several queues", () => {
  it.effect("share the budget of a call, and none starves", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const queues = ["a", "b", "c"]
        const { around, sizes } = slices()
        const scheduler = yield* world.scheduler("scheduler", { queues, batchSize: 50, around })
        yield* world.queue.enqueueMany(
          queues.flatMap((queue) =>
            range(queue === "a" ? 1000 : 30).map((index) =>
              Queue.request(Task, { name: `${queue}${index}` }, { queue, in: "1 minute" })
            )
          )
        )
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.queue.length("a"), 1000)
        assert.strictEqual(yield* world.queue.length("b"), 30)
        assert.strictEqual(yield* world.queue.length("c"), 30)
        const order = scheduler.events.flatMap((event) => event._tag === "Promoted" ? [event.queue] : [])
        assert.strictEqual(Math.max(...sizes), 50)
        // a is far from empty when b and c have had their turn
        assert.include(order.slice(0, 5), "b")
        assert.include(order.slice(0, 5), "c")
        assert.isAbove(order.lastIndexOf("a"), 15)
      })
    ))
})

describe("an entry without a job", () => {
  it.effect("doesn't block the others, is promoted when its job appears, and dropped after the grace", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const scheduler = yield* world.scheduler("scheduler", { batchSize: 10 })
        const queueStatus = Effect.map(scheduler.service.status, ({ queues }) => queues[0]!)
        // more of them than one call looks at
        const ghosts = range(25).map((index) => `ghost-${String(index).padStart(2, "0")}`)
        yield* world.redis.send("ZADD", keys.scheduled("q"), ...ghosts.flatMap((id) => [1, id]))
        const { id } = yield* world.queue.enqueueIn("2 seconds", Task, { name: "behind" })
        yield* world.adjust("2 seconds")
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), [id])
        assert.strictEqual((yield* queueStatus).dropped, 0)

        // the hash of one comes, as Python's producers write it after the sorted set
        const template = yield* world.queue.enqueueIn("1 day", Task, { name: "template" })
        const hash = yield* world.redis.send<ReadonlyArray<string>>("HGETALL", keys.job(template.id))
        yield* world.redis.send("HSET", keys.job("ghost-13"), ...hash)
        yield* world.adjust("1 second")
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), [id, "ghost-13"])

        yield* world.adjust("57 seconds")
        assert.strictEqual(yield* world.registry.scheduled("q").count, 25)
        assert.strictEqual((yield* queueStatus).dropped, 0)
        yield* world.adjust("5 seconds")
        assert.strictEqual((yield* queueStatus).dropped, 24)
        assert.deepStrictEqual(
          (yield* world.registry.scheduled("q").list()).map((entry) => entry.id),
          [template.id]
        )
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), [id, "ghost-13"])
        assert.isTrue(
          world.texts("scheduler").some((text) => /^dropped \d+ entries of queue q without a job$/.test(text))
        )
      })
    ))
})
