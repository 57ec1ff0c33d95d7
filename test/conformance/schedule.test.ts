import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { type NewScheduledJob, schedule as script } from "../../src/lifecycle/schedule.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertRefusedUnchanged, assertUnchanged, job, suite, waiting, zset } from "./support.js"

const newJob = (id: string, due: string, queue = "default", more: ReadonlyArray<string> = []): NewScheduledJob => ({
  id,
  due,
  data: `data of ${id}`,
  description: "",
  common: { queue, timeout: "180", date: "2026-10-10T09:15:00.000Z", more }
})

suite("schedule: (new) -> scheduled", (it) => {
  it("writes the hash, the registry with the due time, and the set of queues, but no queue", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* redis.eval(script)([newJob("a", "1795500010.123")]), [true])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        data: "data of a",
        description: "",
        origin: "default",
        status: "scheduled",
        timeout: "180",
        created_at: "2026-10-10T09:15:00.000Z"
      })
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [["a", "1795500010.123"]])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.queues), ["rq:queue:default"])
    }))

  it("changes nothing when it is repeated with the same id, even for another time", ({ redis }) =>
    Effect.gen(function*() {
      const schedule = redis.eval(script)
      yield* schedule([newJob("a", "1795500010")])
      assert.deepStrictEqual(
        yield* assertUnchanged(redis, schedule([newJob("a", "1795500010"), newJob("a", "5", "default", ["x", "y"])])),
        [false, false]
      )
    }))

  it("does not schedule again what was promoted meanwhile", ({ redis }) =>
    Effect.gen(function*() {
      const schedule = redis.eval(script)
      yield* schedule([newJob("a", "1795500010")])
      yield* redis.send("ZREM", keys.scheduled("default"), "a")
      yield* redis.send("HSET", keys.job("a"), "status", "queued")
      assert.deepStrictEqual(yield* schedule([newJob("a", "1795500010")]), [false])
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [])
    }))

  it("starts no ttl: a job may wait for its time for longer than it may wait in its queue", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.eval(script)([newJob("a", "1795500010", "default", ["ttl", "5"])])
      yield* assertNoTtl(redis, keys.job("a"))
    }))

  it("takes many jobs of several queues at once", ({ redis }) =>
    Effect.gen(function*() {
      const jobs = Array.from({ length: 600 }, (_, i) => newJob(`j${i}`, `${1795500600 - i}.5`, `q${i % 3}`))
      assert.deepStrictEqual(yield* redis.eval(script)(jobs), jobs.map(() => true))
      for (const queue of ["q0", "q1", "q2"]) {
        const expected = jobs.filter((one) => one.common.queue === queue).reverse().map((one) =>
          [one.id, one.due] as const
        )
        assert.deepStrictEqual(yield* zset(redis, keys.scheduled(queue)), expected)
      }
    }))

  it("tells the schedulers of a queue when its next due time has become sooner, and only then", ({ redis }) =>
    Effect.gen(function*() {
      const schedule = redis.eval(script)
      const channels = [keys.schedulerChannel("default"), keys.schedulerChannel("other")]
      const messages = yield* redis.subscribe(...channels)
      yield* schedule([newJob("a", "1795500010.5")])
      yield* schedule([newJob("later", "1795500011")]) // not the next one: nothing is said
      yield* schedule([newJob("a", "1795500001")]) // exists: nothing is said
      yield* schedule([newJob("c", "1795500009"), newJob("b", "1795500008.25")])
      yield* schedule([newJob("o", "1795500100", "other")])
      const [first, second, third] = yield* Effect.all([
        Queue.take(messages),
        Queue.take(messages),
        Queue.take(messages)
      ])
      assert.strictEqual(first.channel, channels[0])
      assert.strictEqual(Number(first.message.replace("due ", "")), 1795500010.5)
      assert.strictEqual(second.channel, channels[0])
      assert.strictEqual(Number(second.message.replace("due ", "")), 1795500008.25)
      assert.deepStrictEqual(third, { channel: channels[1]!, message: "due 1795500100" })
      assert.strictEqual(yield* Queue.size(messages), 0)
    }))

  it("tells of the sooner of equal times as well, whichever of them comes first by its name", ({ redis }) =>
    Effect.gen(function*() {
      const schedule = redis.eval(script)
      const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
      yield* schedule([newJob("b", "1795500010"), newJob("a", "1795500010")])
      assert.strictEqual((yield* Queue.take(messages)).message, "due 1795500010")
    }))

  it("writes nothing where the registry of any queue is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.scheduled("bad"), "a text")
      const call = redis.eval(script)([newJob("a", "1", "good"), newJob("b", "1", "bad")])
      yield* assertRefusedUnchanged(redis, call)
    }))

  it("writes nothing where the set of queues is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queues, "a text")
      yield* assertRefusedUnchanged(redis, redis.eval(script)([newJob("a", "1")]))
    }))

  it("leaves a foreign key in the place of the job as it is", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.job("a"), "foreign")
      assert.deepStrictEqual(yield* redis.eval(script)([newJob("a", "1"), newJob("b", "2")]), [false, true])
      assert.strictEqual(yield* redis.send("GET", keys.job("a")), "foreign")
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [["b", "2"]])
    }))
})
