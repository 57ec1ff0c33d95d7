import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Common, enqueue as script, type NewJob } from "../../src/lifecycle/enqueue.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertRefusedUnchanged, assertTtl, assertUnchanged, job, suite, waiting } from "./support.js"

const newJob = (id: string, { data = `data of ${id}`, ...rest }: Partial<Common> & { data?: string } = {}): NewJob => ({
  id,
  data,
  description: "",
  common: {
    queue: "default",
    atFront: false,
    ttl: undefined,
    timeout: "180",
    date: "2026-10-10T09:15:00.000Z",
    more: [],
    ...rest
  }
})

/** What every job of these has, in the queue. */
const usual = (queue = "default") => ({
  origin: queue,
  status: "queued",
  timeout: "180",
  created_at: "2026-10-10T09:15:00.000Z",
  enqueued_at: "2026-10-10T09:15:00.000Z"
})

suite("enqueue: (new) -> queued", (it) => {
  it("writes the hash, the list and the set of queues", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* redis.eval(script)([newJob("a")]), [true])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        data: "data of a",
        description: "",
        ...usual()
      })
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.queues), ["rq:queue:default"])
      yield* assertNoTtl(redis, keys.job("a"))
    }))

  it("changes nothing when it is repeated with the same id, whatever else it says", ({ redis }) =>
    Effect.gen(function*() {
      const enqueue = redis.eval(script)
      yield* enqueue([newJob("a"), newJob("b")])
      const again = newJob("a", { atFront: true, ttl: 9, data: "other", more: ["meta", "{}"] })
      assert.deepStrictEqual(yield* assertUnchanged(redis, enqueue([again, newJob("b")])), [false, false])
    }))

  it("does not bring back a job that has left its queue", ({ redis }) =>
    Effect.gen(function*() {
      const enqueue = redis.eval(script)
      yield* enqueue([newJob("a")])
      yield* redis.send("LPOP", keys.queue("default"))
      yield* redis.send("HSET", keys.job("a"), "status", "finished")
      assert.deepStrictEqual(yield* enqueue([newJob("a")]), [false])
      assert.deepStrictEqual(yield* waiting(redis), [])
    }))

  it("takes an id once when a call names it twice", ({ redis }) =>
    Effect.gen(function*() {
      const answers = yield* redis.eval(script)([newJob("a"), newJob("b"), newJob("a", { atFront: true })])
      assert.deepStrictEqual(answers, [true, true, false])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b"])
    }))

  it("keeps the order of arrival, and puts the last one at front first", ({ redis }) =>
    Effect.gen(function*() {
      const enqueue = redis.eval(script)
      yield* enqueue([newJob("a"), newJob("front1", { atFront: true }), newJob("b")])
      yield* enqueue([newJob("c"), newJob("front2", { atFront: true }), newJob("front3", { atFront: true })])
      assert.deepStrictEqual(yield* waiting(redis), ["front3", "front2", "front1", "a", "b", "c"])
    }))

  it("lets a job with a ttl expire, and only that one", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.eval(script)([newJob("a", { ttl: 30 }), newJob("b")])
      yield* assertTtl(redis, keys.job("a"), 30)
      yield* assertNoTtl(redis, keys.job("b"))
    }))

  it("of one job by itself heeds its place and its ttl as well", ({ redis }) =>
    Effect.gen(function*() {
      const enqueue = redis.eval(script)
      yield* enqueue([newJob("a")])
      yield* enqueue([newJob("front", { atFront: true, ttl: 30 })])
      assert.deepStrictEqual(yield* waiting(redis), ["front", "a"])
      yield* assertTtl(redis, keys.job("front"), 30)
      yield* assertNoTtl(redis, keys.job("a"))
    }))

  it("takes many jobs of several queues at once, each queue in order", ({ redis }) =>
    Effect.gen(function*() {
      const queues = ["red", "green", "blue"]
      const jobs = Array.from(
        { length: 600 },
        (_, i) => newJob(`j${i}`, { queue: queues[i % 3]!, atFront: i >= 597 })
      )
      const answers = yield* redis.eval(script)(jobs)
      assert.deepStrictEqual(answers, jobs.map(() => true))
      for (const [index, queue] of queues.entries()) {
        const ids = jobs.slice(0, 597).filter((one) => one.common.queue === queue).map((one) => one.id)
        assert.deepStrictEqual(yield* waiting(redis, queue), [`j${597 + index}`, ...ids])
      }
      assert.sameMembers(
        [...(yield* redis.send<ReadonlyArray<string>>("SMEMBERS", keys.queues))],
        queues.map(keys.queue)
      )
    }))

  it("writes what jobs share once for each, and what they don't for its own", ({ redis }) =>
    Effect.gen(function*() {
      const one = newJob("", { queue: "q1", more: ["meta", "{}"] }).common
      const other = newJob("", { queue: "q2", ttl: 30 }).common
      const job1 = (id: string, common: Common): NewJob => ({
        id,
        data: `data of ${id}`,
        description: `${id}()`,
        common
      })
      const jobs = [job1("a", one), job1("b", other), job1("c", one), job1("d", { ...one, queue: "q2" })]
      assert.deepStrictEqual(yield* redis.eval(script)(jobs), [true, true, true, true])
      for (const { common, data, description, id } of jobs) {
        const expected = {
          data,
          description,
          ...usual(common.queue),
          ...(common.more.includes("meta") ? { meta: "{}" } : {})
        }
        assert.deepStrictEqual<unknown>(yield* job(redis, id), expected)
      }
      assert.deepStrictEqual(yield* waiting(redis, "q1"), ["a", "c"])
      assert.deepStrictEqual(yield* waiting(redis, "q2"), ["b", "d"])
      yield* assertTtl(redis, keys.job("b"), 30)
      yield* assertNoTtl(redis, keys.job("d"))
    }))

  it("keeps bytes and any text of fields as they are", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.eval(script)([
        newJob("a", { data: "grüße 🎉\r\n\0'\"", more: ["empty", "", "meta", "ü\0"] })
      ])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        data: "grüße 🎉\r\n\0'\"",
        description: "",
        ...usual(),
        empty: "",
        meta: "ü\0"
      })
    }))

  it("writes nothing where the key of any queue holds something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.queue("bad"), "a text")
      const call = redis.eval(script)([newJob("a", { queue: "good" }), newJob("b", { queue: "bad" })])
      yield* assertRefusedUnchanged(redis, call)
      const alone = redis.eval(script)([newJob("b", { queue: "bad" })])
      yield* assertRefusedUnchanged(redis, alone)
      yield* redis.send("SADD", keys.queues, keys.queue("bad"))
      yield* assertRefusedUnchanged(redis, alone)
    }))

  it("writes nothing where the set of queues is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.queues, "a text")
      yield* assertRefusedUnchanged(redis, redis.eval(script)([newJob("a")]))
    }))

  it("leaves a foreign key in the place of the job as it is", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.job("a"), "foreign")
      assert.deepStrictEqual(yield* redis.eval(script)([newJob("a")]), [false])
      assert.deepStrictEqual(yield* redis.eval(script)([newJob("a"), newJob("b")]), [false, true])
      assert.strictEqual(yield* redis.send("GET", keys.job("a")), "foreign")
      assert.deepStrictEqual(yield* waiting(redis), ["b"])
    }))
})
