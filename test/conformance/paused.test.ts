import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RedisService } from "../../src/Redis.js"
import * as keys from "../../src/wire/keys.js"
import { list, members, putJob, status, suite, waiting } from "./support.js"
import { completed, execution, putStarted, turn } from "./turn.js"

const put = (redis: RedisService, queue: string, ...ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    for (const id of ids) {
      yield* putJob(redis, id, { origin: queue })
      yield* redis.send("RPUSH", keys.queue(queue), id)
    }
  })

const ids = (result: { readonly claimed: ReadonlyArray<{ readonly id: string }> }) => result.claimed.map(({ id }) => id)

const queues = ["high", "low"]

suite("claim while the fleet is suspended or a queue is paused", (it) => {
  it("of a suspended fleet claims nothing at all, and says so", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a", "b")
      yield* put(redis, "low", "c")
      yield* redis.send("SET", keys.suspended, "1")
      const result = yield* turn(redis, { queues, want: 5 })
      assert.deepStrictEqual([ids(result), result.more, result.suspended, result.paused], [[], false, true, queues])
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b"])
      assert.deepStrictEqual(yield* waiting(redis, "low"), ["c"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.started("high"), keys.started("low")), 0)
      yield* redis.send("DEL", keys.suspended)
      const resumed = yield* turn(redis, { queues, want: 5 })
      assert.deepStrictEqual([ids(resumed), resumed.suspended, resumed.paused], [["a", "b", "c"], false, []])
    }))

  it("of a paused queue claims nothing, and goes on with the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a", "b")
      yield* put(redis, "low", "c", "d")
      yield* redis.send("SADD", keys.paused, "high", "elsewhere")
      const result = yield* turn(redis, { queues, want: 1 })
      assert.deepStrictEqual([ids(result), result.more, result.suspended, result.paused], [["c"], true, false, [
        "high"
      ]])
      const rest = yield* turn(redis, { queues, want: 5, counter: 1 })
      assert.deepStrictEqual([ids(rest), rest.more, rest.paused], [["d"], false, ["high"]])
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b"])
      yield* redis.send("SREM", keys.paused, "high")
      const resumed = yield* turn(redis, { queues, want: 5, counter: 2 })
      assert.deepStrictEqual([ids(resumed), resumed.paused], [["a", "b"], []])
    }))

  it("gives back in order what was handed over, and starts none of it", ({ redis }) =>
    Effect.gen(function*() {
      for (const isSuspended of [true, false]) {
        yield* put(redis, "high", "c")
        for (const id of ["a", "b", "l"]) yield* putJob(redis, id)
        yield* redis.send("RPUSH", keys.handover("high", "w1"), "a", "b")
        yield* redis.send("RPUSH", keys.handover("low", "w1"), "l")
        yield* isSuspended ? redis.send("SET", keys.suspended, "1") : redis.send("SADD", keys.paused, "high")
        const result = yield* turn(redis, { queues, want: 5, handedOver: true })
        assert.deepStrictEqual(ids(result), isSuspended ? [] : ["l"])
        assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b", "c"])
        assert.deepStrictEqual(yield* waiting(redis, "low"), isSuspended ? ["l"] : [])
        for (const queue of queues) assert.deepStrictEqual(yield* list(redis, keys.handover(queue, "w1")), [])
        for (const id of ["a", "b", "c"]) assert.strictEqual(yield* status(redis, id), "queued")
        yield* redis.send("FLUSHALL")
      }
    }))

  it("takes in what has ended all the same", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.suspended, "1")
      yield* redis.send("SADD", keys.paused, "default")
      yield* putStarted(redis, "a")
      const result = yield* turn(redis, { ended: [completed("a")], want: 1 })
      assert.deepStrictEqual([result.handedIn, result.suspended, result.paused], [[true], true, ["default"]])
      assert.strictEqual(yield* status(redis, "a"), "finished")
    }))

  it("is suspended by whatever the key holds; a foreign set of paused queues pauses none", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a", "b")
      yield* redis.send("HSET", keys.suspended, "since", "1")
      assert.deepStrictEqual(ids(yield* turn(redis, { queues, want: 1 })), [])
      yield* redis.send("DEL", keys.suspended)
      yield* redis.send("SET", keys.paused, "high")
      const result = yield* turn(redis, { queues, want: 1 })
      assert.deepStrictEqual([ids(result), result.paused], [["a"], []])
      assert.include(result.problem, keys.paused)
    }))

  it("while everything goes on tells of no pause", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a")
      const result = yield* turn(redis, { queues, want: 1 })
      assert.deepStrictEqual([ids(result), result.suspended, result.paused, result.problem], [
        ["a"],
        false,
        [],
        undefined
      ])
    }))
})

suite("claim where the key of the started registry holds something foreign", (it) => {
  it("leaves the jobs in their queue, in order, says so, and goes on with the other queues", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a", "b", "c")
      yield* put(redis, "low", "d", "e")
      yield* redis.send("SET", keys.started("high"), "a text")
      const result = yield* turn(redis, { queues, want: 4 })
      assert.deepStrictEqual(result.claimed.map((one) => [one.id, one.execution]), [
        ["d", execution(0)],
        ["e", execution(1)]
      ])
      // it may not be called again at once: there is nothing that it could do
      assert.isFalse(result.more)
      assert.include(result.problem, keys.started("high"))
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b", "c"])
      for (const id of ["a", "b", "c"]) assert.strictEqual(yield* status(redis, id), "queued")
      yield* redis.send("DEL", keys.started("high"))
      assert.deepStrictEqual(ids(yield* turn(redis, { queues, want: 4, counter: 2 })), ["a", "b", "c"])
      assert.strictEqual((yield* members(redis, keys.started("high"))).length, 3)
    }))

  it("gives back what was handed over, in order", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "c")
      for (const id of ["a", "b"]) yield* putJob(redis, id)
      yield* redis.send("RPUSH", keys.handover("high", "w1"), "a", "b")
      yield* redis.send("SET", keys.started("high"), "a text")
      assert.deepStrictEqual(ids(yield* turn(redis, { queues, want: 4, handedOver: true })), [])
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b", "c"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("high", "w1")), [])
    }))
})
