import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { register as registerScript, unregister as unregisterScript } from "../../src/worker/registration.js"
import { assertTtl, assertUnchanged, at, hash, list, members, now, putJob, suite, waiting, zset } from "./support.js"

const told = (redis: RedisService, incarnation = "i1", birth: ReadonlyArray<string> = ["birth", "b1"]) =>
  redis.eval(registerScript)({
    worker: "w1",
    queues: ["high", "low"],
    now: Wire.seconds(now),
    aliveSeconds: 20,
    ttl: 60,
    incarnation,
    birth
  })

const register = (...params: Parameters<typeof told>) => Effect.map(told(...params), ({ registered }) => registered)

const unregister = (redis: RedisService, mayStillCome = false) =>
  redis.eval(unregisterScript)({
    worker: "w1",
    queues: ["high", "low"],
    mayStillCome,
    totals: ["successful_job_count", "7", "failed_job_count", "2"],
    ...at(now)
  })

suite("registration of workers", (it) => {
  it("passes over what is foreign, tells of it, and leaves it as it is", ({ redis }) =>
    Effect.gen(function*() {
      for (const key of [keys.worker("w1"), keys.workers, keys.workersOf("low"), keys.handovers("low")]) {
        yield* redis.send("SET", key, "a text")
        const { problem, registered, unguarded } = yield* told(redis)
        assert.isTrue(registered, key)
        assert.isTrue(problem?.startsWith(`${key}: WRONGTYPE`), problem)
        assert.deepStrictEqual(unguarded, key === keys.handovers("low") ? ["low"] : [])
        assert.isNotNull(yield* redis.send("ZSCORE", keys.handovers("high"), "w1"))
        yield* unregister(redis)
        assert.isNull(yield* redis.send("ZSCORE", keys.handovers("high"), "w1"))
        assert.strictEqual(yield* redis.send("GET", key), "a text")
        assert.strictEqual(yield* redis.send("TTL", key), -1)
        yield* redis.send("DEL", key, keys.worker("w1"))
      }
    }))

  it("enters RQ's sets, for as long as the worker is alive", ({ redis }) =>
    Effect.gen(function*() {
      assert.isTrue(yield* register(redis))
      assert.deepStrictEqual(yield* hash(redis, keys.worker("w1")), { incarnation: "i1", birth: "b1" })
      yield* assertTtl(redis, keys.worker("w1"), 60)
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workers), ["rq:worker:w1"])
      for (const queue of ["high", "low"]) {
        assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workersOf(queue)), ["rq:worker:w1"])
        assert.deepStrictEqual(yield* zset(redis, keys.handovers(queue)), [["w1", String((now + 20_000) / 1000)]])
      }
    }))

  it("may be repeated by the same process", ({ redis }) =>
    Effect.gen(function*() {
      yield* register(redis)
      assert.isTrue(yield* assertUnchanged(redis, register(redis)))
    }))

  it("is refused while another of this name is alive, of Python's as well", ({ redis }) =>
    Effect.gen(function*() {
      yield* register(redis)
      assert.isFalse(yield* assertUnchanged(redis, register(redis, "i2", ["birth", "b2"])))
      yield* redis.send("DEL", keys.worker("w1"))
      yield* redis.send("HSET", keys.worker("w1"), "birth", "python")
      assert.isFalse(yield* assertUnchanged(redis, register(redis)))
    }))

  it("takes the place of one that is dead, with nothing left of it", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("HSET", keys.worker("w1"), "birth", "old", "death", "d", "failed_job_count", "9")
      yield* redis.send("SADD", keys.workerExecutions("w1"), "old:1")
      assert.isTrue(yield* register(redis))
      assert.strictEqual(yield* redis.send("EXISTS", keys.workerExecutions("w1")), 0)
      assert.deepStrictEqual(yield* hash(redis, keys.worker("w1")), { incarnation: "i1", birth: "b1" })
    }))

  it("leaving gives back what was handed over and is queued, keeps the hash with its last totals for a minute, and may be repeated", ({ redis }) =>
    Effect.gen(function*() {
      yield* register(redis)
      yield* redis.send("HSET", keys.worker("w1"), "current_job", "a", "state", "busy")
      for (const id of ["a", "b"]) yield* putJob(redis, id, { origin: "high" })
      yield* putJob(redis, "canceled", { origin: "high", status: "canceled" })
      yield* redis.send("RPUSH", keys.handover("high", "w1"), "a", "canceled", "b", "gone")
      yield* redis.send("RPUSH", keys.queue("high"), "c")
      yield* redis.send("SADD", keys.workers, "rq:worker:w2")
      yield* redis.send("SADD", keys.workerExecutions("w1"), "a:1")
      yield* unregister(redis)
      assert.strictEqual(yield* redis.send("EXISTS", keys.workerExecutions("w1")), 0)
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a", "b", "c"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("high", "w1")), [])
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workers), ["rq:worker:w2"])
      for (const queue of ["high", "low"]) {
        assert.strictEqual(yield* redis.send("EXISTS", keys.workersOf(queue)), 0)
        assert.deepStrictEqual(yield* members(redis, keys.handovers(queue)), [])
      }
      assert.deepStrictEqual(yield* hash(redis, keys.worker("w1")), {
        incarnation: "i1",
        birth: "b1",
        death: Wire.encode(now),
        state: "idle",
        successful_job_count: "7",
        failed_job_count: "2"
      })
      yield* assertTtl(redis, keys.worker("w1"), 60)
      yield* assertUnchanged(redis, unregister(redis))
    }))

  it("leaving brings no hash back that Redis has forgotten", ({ redis }) =>
    Effect.gen(function*() {
      yield* unregister(redis)
      assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [])
    }))

  it("leaving while the server may still move something leaves the handover lists to maintenance", ({ redis }) =>
    Effect.gen(function*() {
      yield* register(redis)
      yield* putJob(redis, "a", { origin: "high" })
      yield* redis.send("RPUSH", keys.handover("high", "w1"), "a")
      yield* unregister(redis, true)
      assert.deepStrictEqual(yield* waiting(redis, "high"), ["a"])
      for (const queue of ["high", "low"]) {
        // from now on it counts as dead
        assert.deepStrictEqual(yield* zset(redis, keys.handovers(queue)), [["w1", String(now / 1000)]])
      }
      assert.strictEqual((yield* hash(redis, keys.worker("w1")))["death"], Wire.encode(now))
      yield* assertUnchanged(redis, unregister(redis, true))
    }))

  it("leaving gets on with the other queues where one is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* register(redis)
      yield* redis.send("RPUSH", keys.handover("high", "w1"), "a")
      yield* redis.send("SET", keys.queue("high"), "a text")
      yield* putJob(redis, "b", { origin: "low" })
      yield* redis.send("RPUSH", keys.handover("low", "w1"), "b")
      yield* unregister(redis)
      assert.deepStrictEqual(yield* waiting(redis, "low"), ["b"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("high", "w1")), ["a"])
      // maintenance goes on looking after what could not be given back
      assert.deepStrictEqual(yield* zset(redis, keys.handovers("high")), [["w1", String(now / 1000)]])
      assert.strictEqual((yield* hash(redis, keys.worker("w1")))["death"], Wire.encode(now))
    }))
})
