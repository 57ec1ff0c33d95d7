/**
 * Time: keys expire by the clock of the fiber that asks.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Redis from "../../src/Redis.js"
import * as RedisMemory from "../../src/RedisMemory.js"

const test = (name: string, body: (redis: Redis.RedisService) => Effect.Effect<void, Redis.RedisError, Redis.Redis>) =>
  it.effect(name, () => Effect.flatMap(Redis.Redis, body).pipe(Effect.provide(RedisMemory.layer)))

describe("expiry", () => {
  test("a key is alive at the instant and gone one millisecond later", (redis) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000)
      yield* redis.send("SET", "k", "v", "PX", 500)
      assert.strictEqual(yield* redis.send("PEXPIRETIME", "k"), 1_000_500)
      yield* TestClock.setTime(1_000_500)
      assert.strictEqual(yield* redis.send("GET", "k"), "v")
      assert.strictEqual(yield* redis.send("PTTL", "k"), 0)
      yield* TestClock.setTime(1_000_501)
      assert.strictEqual(yield* redis.send("GET", "k"), null)
      assert.strictEqual(yield* redis.send("PTTL", "k"), -2)
      assert.strictEqual(yield* redis.send("TTL", "k"), -2)
    }))

  test("whatever the type, and whoever asks", (redis) =>
    Effect.gen(function*() {
      const make = [
        redis.send("SET", "k", "v"),
        redis.send("HSET", "k", "f", "v"),
        redis.send("RPUSH", "k", "v"),
        redis.send("SADD", "k", "v"),
        redis.send("ZADD", "k", 1, "v"),
        redis.send("XADD", "k", "1-1", "f", "v")
      ]
      const ask: ReadonlyArray<readonly [Effect.Effect<Redis.Reply, Redis.RedisError>, Redis.Reply]> = [
        [redis.send("EXISTS", "k"), 0],
        [redis.send("TYPE", "k"), "none"],
        [redis.send("KEYS", "*"), []],
        [redis.send("SCAN", 0), ["0", []]],
        [redis.send("DBSIZE"), 0],
        [redis.send("DEL", "k"), 0],
        [redis.send("EXPIRE", "k", 10), 0],
        [redis.send("PERSIST", "k"), 0],
        [redis.send("SET", "k", "new", "XX"), null],
        [redis.send("LPUSH", "k", "new"), 1]
      ]
      for (const made of make) {
        for (const [asked, expected] of ask) {
          yield* made
          yield* redis.send("EXPIRE", "k", 10)
          yield* TestClock.adjust("10001 millis")
          assert.deepStrictEqual(yield* asked, expected)
          yield* redis.send("FLUSHALL")
        }
      }
    }))

  test("TTL rounds to seconds, and a new value forgets the expiry", (redis) =>
    Effect.gen(function*() {
      yield* redis.send("SET", "k", "v", "PX", 1_499)
      assert.strictEqual(yield* redis.send("TTL", "k"), 1)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* redis.send("TTL", "k"), 0)
      assert.strictEqual(yield* redis.send("PTTL", "k"), 499)
      yield* redis.send("APPEND", "k", "w")
      assert.strictEqual(yield* redis.send("PTTL", "k"), 499)
      yield* redis.send("SET", "k", "x", "KEEPTTL")
      assert.strictEqual(yield* redis.send("PTTL", "k"), 499)
      yield* redis.send("SET", "k", "y")
      assert.strictEqual(yield* redis.send("PTTL", "k"), -1)
    }))

  test("GT and LT take a key without expiry for one that never expires", (redis) =>
    Effect.gen(function*() {
      yield* redis.send("SET", "k", "v")
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 100, "GT"), 0)
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 100, "XX"), 0)
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 100, "LT"), 1)
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 100, "NX"), 0)
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 200, "LT"), 0)
      assert.strictEqual(yield* redis.send("EXPIRE", "k", 200, "GT"), 1)
      assert.strictEqual(yield* redis.send("TTL", "k"), 200)
    }))

  test("RENAME takes the expiry along", (redis) =>
    Effect.gen(function*() {
      yield* redis.send("SET", "a", "v", "EX", 10)
      yield* redis.send("SET", "b", "old")
      yield* redis.send("RENAME", "a", "b")
      assert.strictEqual(yield* redis.send("TTL", "b"), 10)
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* redis.send("EXISTS", "a", "b"), 0)
    }))

  test("a script sees the time at which it was called", (redis) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(5_000)
      const lua = `redis.call("SET", KEYS[1], "v", "PX", 100)
return {redis.call("PEXPIRETIME", KEYS[1]), redis.call("TIME")}`
      assert.deepStrictEqual(yield* redis.send("EVAL", lua, 1, "k"), [5_100, ["5", "0"]])
      yield* TestClock.adjust("101 millis")
      assert.strictEqual(yield* redis.send("EVAL", `return redis.call("EXISTS", KEYS[1])`, 1, "k"), 0)
    }))

  test("TIME and the ids of streams follow the clock", (redis) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_123)
      assert.deepStrictEqual(yield* redis.send("TIME"), ["1700000000", "123000"])
      assert.strictEqual(yield* redis.send("XADD", "x", "*", "f", "v"), "1700000000123-0")
      assert.strictEqual(yield* redis.send("XADD", "x", "*", "f", "v"), "1700000000123-1")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* redis.send("XADD", "x", "*", "f", "v"), "1700000000124-0")
      // a clock that goes back gives no smaller ids
      yield* TestClock.setTime(1_600_000_000_000)
      assert.strictEqual(yield* redis.send("XADD", "x", "*", "f", "v"), "1700000000124-1")
    }))

  it.effect("keys that nobody asks for are dropped in time", () =>
    Effect.gen(function*() {
      const store = yield* RedisMemory.makeStore
      const { service: redis } = yield* RedisMemory.makeClient(store)
      for (let i = 0; i < 1_000; i++) yield* redis.send("SET", `k${i}`, "v", "EX", 10)
      yield* redis.send("SET", "stays", "v")
      yield* TestClock.adjust("11 seconds")
      const left = store[RedisMemory.TypeId].db.held
      assert.isAbove(left, 900)
      for (let i = 0; i < 4_000; i++) yield* redis.send("PING")
      assert.strictEqual(store[RedisMemory.TypeId].db.held, 1)
      assert.strictEqual(yield* redis.send("DBSIZE"), 1)
    }))

  it.effect("dump tells the instants, and leaves out what has expired", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000)
      const store = yield* RedisMemory.makeStore
      const { service: redis } = yield* RedisMemory.makeClient(store)
      yield* redis.send("SET", "a", "1", "EX", 10)
      yield* redis.send("SET", "b", "ü", "EX", 20)
      yield* redis.send("SADD", "c", "y", "x")
      yield* TestClock.setTime(11_001)
      assert.deepStrictEqual(yield* RedisMemory.dump(store), {
        b: { type: "string", value: "\xc3\xbc", expiresAt: 21_000 },
        c: { type: "set", value: ["x", "y"], expiresAt: null }
      })
    }))
})
