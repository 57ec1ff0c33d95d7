/**
 * Connections that wait. What every implementation does is in `test/redis/conformance.ts`; here is what a clock that
 * stands still lets be said exactly.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Redis from "../../src/Redis.js"
import * as RedisMemory from "../../src/RedisMemory.js"

const test = (
  name: string,
  body: (redis: Redis.RedisService) => Effect.Effect<void, unknown, Redis.Redis | Scope.Scope>
) => it.scoped(name, () => Effect.flatMap(Redis.Redis, body).pipe(Effect.provide(RedisMemory.layer)))

/** Lets all other fibers run. */
const settle = Effect.repeatN(Effect.yieldNow(), 20)

/** Starts a blocking command on a connection of its own and lets it block. */
const waiting = (redis: Redis.RedisService, command: string, ...args: ReadonlyArray<Redis.Arg>) =>
  Effect.gen(function*() {
    const connection = yield* redis.connection
    const fiber = yield* Effect.fork(connection.send(command, ...args))
    yield* settle
    return { connection, fiber }
  })

const isWaiting = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isNone)

describe("blocking", () => {
  test("a timeout ends to the millisecond", (redis) =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting(redis, "BLPOP", "l", "1.5")
      yield* TestClock.adjust("1499 millis")
      yield* settle
      assert.isTrue(yield* isWaiting(fiber))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), null)
      yield* redis.send("RPUSH", "l", "a")
      assert.strictEqual(yield* redis.send("LLEN", "l"), 1)
    }))

  test("without a timeout it waits for ever", (redis) =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting(redis, "BLMOVE", "l", "m", "LEFT", "RIGHT", 0)
      yield* TestClock.adjust("400 days")
      assert.isTrue(yield* isWaiting(fiber))
      yield* redis.send("RPUSH", "l", "a")
      assert.strictEqual(yield* Fiber.join(fiber), "a")
    }))

  test("a timeout beyond what timers take", (redis) =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting(redis, "BLPOP", "l", 60 * 86_400)
      yield* TestClock.adjust("59 days")
      yield* settle
      assert.isTrue(yield* isWaiting(fiber))
      yield* TestClock.adjust("1 days")
      assert.strictEqual(yield* Fiber.join(fiber), null)
    }))

  test("those who wait are served in order, each by one element", (redis) =>
    Effect.gen(function*() {
      const first = yield* waiting(redis, "BLPOP", "a", "l", 0)
      const second = yield* waiting(redis, "BRPOP", "l", 0)
      const third = yield* waiting(redis, "BLMOVE", "l", "m", "RIGHT", "LEFT", 0)
      const fourth = yield* waiting(redis, "BRPOPLPUSH", "l", "m", 0)
      yield* redis.send("RPUSH", "l", "1", "2", "3")
      assert.deepStrictEqual(yield* Fiber.join(first.fiber), ["l", "1"])
      assert.deepStrictEqual(yield* Fiber.join(second.fiber), ["l", "3"])
      assert.strictEqual(yield* Fiber.join(third.fiber), "2")
      assert.isTrue(yield* isWaiting(fourth.fiber))
      assert.strictEqual(yield* redis.send("EXISTS", "l"), 0)
      assert.deepStrictEqual(yield* redis.send("LRANGE", "m", 0, -1), ["2"])
    }))

  test("serving one may serve the next: what is moved wakes who waits for it", (redis) =>
    Effect.gen(function*() {
      const last = yield* waiting(redis, "BLPOP", "c", 0)
      const middle = yield* waiting(redis, "BLMOVE", "b", "c", "LEFT", "LEFT", 0)
      const start = yield* waiting(redis, "BLMOVE", "a", "b", "LEFT", "LEFT", 0)
      yield* redis.send("RPUSH", "a", "x")
      assert.strictEqual(yield* Fiber.join(start.fiber), "x")
      assert.strictEqual(yield* Fiber.join(middle.fiber), "x")
      assert.deepStrictEqual(yield* Fiber.join(last.fiber), ["c", "x"])
      assert.strictEqual(yield* redis.send("DBSIZE"), 0)
    }))

  test("a script's pushes are served after it has ended", (redis) =>
    Effect.gen(function*() {
      const first = yield* waiting(redis, "BLPOP", "l", 0)
      const second = yield* waiting(redis, "BLPOP", "l", 0)
      const lua = `redis.call("RPUSH", KEYS[1], "a", "b")
local n = redis.call("LLEN", KEYS[1])
redis.call("LPOP", KEYS[1])
return n`
      assert.strictEqual(yield* redis.send("EVAL", lua, 1, "l"), 2)
      assert.deepStrictEqual(yield* Fiber.join(first.fiber), ["l", "b"])
      assert.isTrue(yield* isWaiting(second.fiber))
    }))

  test("a list that is gone again before anybody was served leaves all waiting", (redis) =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting(redis, "BLPOP", "l", 0)
      yield* redis.send("EVAL", `redis.call("RPUSH", KEYS[1], "a") redis.call("DEL", KEYS[1]) return 1`, 1, "l")
      yield* settle
      assert.isTrue(yield* isWaiting(fiber))
      // a key of another type wakes nobody either
      yield* redis.send("SADD", "l", "x")
      yield* redis.send("DEL", "l")
      yield* redis.send("SADD", "other", "x")
      yield* settle
      assert.isTrue(yield* isWaiting(fiber))
      yield* redis.send("RPUSH", "m", "y")
      yield* redis.send("RENAME", "m", "l")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["l", "y"])
    }))

  test("a target of the wrong type is the waiter's error, and the element stays", (redis) =>
    Effect.gen(function*() {
      const { fiber } = yield* waiting(redis, "BLMOVE", "l", "m", "LEFT", "LEFT", 0)
      yield* redis.send("SET", "m", "text")
      yield* redis.send("RPUSH", "l", "a")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error.code, "WRONGTYPE")
      assert.deepStrictEqual(yield* redis.send("LRANGE", "l", 0, -1), ["a"])
    }))

  test("interruption takes the waiter off, and the next one is served", (redis) =>
    Effect.gen(function*() {
      const first = yield* waiting(redis, "BLPOP", "l", 10)
      const second = yield* waiting(redis, "BLPOP", "l", 10)
      yield* Fiber.interrupt(first.fiber)
      yield* redis.send("RPUSH", "l", "a")
      assert.deepStrictEqual(yield* Fiber.join(second.fiber), ["l", "a"])
      // the connection of the one that was interrupted goes on
      assert.strictEqual(yield* first.connection.send("PING"), "PONG")
    }))

  test("served and out of time at one instant: what was popped is delivered", (redis) =>
    Effect.gen(function*() {
      const { connection, fiber } = yield* waiting(redis, "BLPOP", "l", 1)
      yield* Effect.fork(Effect.zipRight(Effect.sleep("1 seconds"), redis.send("RPUSH", "l", "a")))
      yield* settle
      yield* TestClock.adjust("1 seconds")
      const popped = yield* Fiber.join(fiber)
      const left = yield* redis.send<number>("LLEN", "l")
      assert.deepStrictEqual(left === 0 ? popped : [popped, left], left === 0 ? ["l", "a"] : [null, 1])
      yield* connection.unblock
      assert.strictEqual(yield* connection.send("PING"), "PONG")
    }))

  test("unblock right after the push still delivers", (redis) =>
    Effect.gen(function*() {
      const { connection, fiber } = yield* waiting(redis, "BLPOP", "l", 0)
      yield* redis.send("RPUSH", "l", "a")
      yield* connection.unblock
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["l", "a"])
    }))

  test("CLIENT UNBLOCK by id, as a timeout and as an error", (redis) =>
    Effect.gen(function*() {
      const connection = yield* redis.connection
      const id = yield* connection.send<number>("CLIENT", "ID")
      assert.strictEqual(yield* redis.send("CLIENT", "UNBLOCK", id), 0)
      const one = yield* Effect.fork(connection.send("BLPOP", "l", 0))
      yield* settle
      assert.strictEqual(yield* redis.send("CLIENT", "UNBLOCK", id), 1)
      assert.strictEqual(yield* Fiber.join(one), null)
      const two = yield* Effect.fork(connection.send("BLPOP", "l", 0))
      yield* settle
      assert.strictEqual(yield* redis.send("CLIENT", "UNBLOCK", id, "ERROR"), 1)
      assert.strictEqual((yield* Effect.flip(Fiber.join(two))).code, "UNBLOCKED")
      yield* connection.send("CLIENT", "SETNAME", "me")
      assert.strictEqual(yield* connection.send("CLIENT", "GETNAME"), "me")
      assert.strictEqual(yield* redis.send("CLIENT", "GETNAME"), null)
    }))

  test("what comes after a blocking command on its connection waits for it", (redis) =>
    Effect.gen(function*() {
      const { connection, fiber } = yield* waiting(redis, "BLPOP", "l", 0)
      const after = yield* Effect.fork(connection.send("PING"))
      yield* settle
      assert.isTrue(yield* isWaiting(after))
      assert.strictEqual(yield* redis.send("PING"), "PONG")
      yield* redis.send("RPUSH", "l", "a")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["l", "a"])
      assert.strictEqual(yield* Fiber.join(after), "PONG")
    }))

  test("XREAD wakes everybody with what came after their id", (redis) =>
    Effect.gen(function*() {
      yield* redis.send("XADD", "x", "1-1", "f", "old")
      const all = yield* waiting(redis, "XREAD", "BLOCK", 0, "STREAMS", "x", "$")
      const later = yield* waiting(redis, "XREAD", "BLOCK", 5_000, "STREAMS", "y", "x", "$", "3-0")
      yield* redis.send("XADD", "x", "2-1", "f", "new")
      assert.deepStrictEqual(yield* Fiber.join(all.fiber), [["x", [["2-1", ["f", "new"]]]]])
      assert.isTrue(yield* isWaiting(later.fiber))
      yield* redis.send("XADD", "x", "3-1", "f", "newer")
      assert.deepStrictEqual(yield* Fiber.join(later.fiber), [["x", [["3-1", ["f", "newer"]]]]])
      const none = yield* waiting(redis, "XREAD", "BLOCK", 5_000, "STREAMS", "x", "$")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(none.fiber), null)
    }))

  test("the shared connection refuses what would hold everybody", (redis) =>
    Effect.gen(function*() {
      for (
        const [command, ...args] of [
          ["BLPOP", "l", 0],
          ["blmove", "l", "m", "LEFT", "LEFT", 1],
          ["XREAD", "BLOCK", 10, "STREAMS", "x", "$"]
        ] as const
      ) {
        const error = yield* Effect.flip(redis.send(command, ...args))
        assert.strictEqual(error.reason, "reply")
        assert.strictEqual(error.code, "ERR")
        assert.include(error.message, command.toLowerCase())
      }
      yield* redis.send("XADD", "x", "1-1", "f", "v")
      assert.deepStrictEqual(yield* redis.send("XREAD", "STREAMS", "x", "0"), [["x", [["1-1", ["f", "v"]]]]])
    }))

  test("a thousand waiters cost a push next to nothing", (redis) =>
    Effect.gen(function*() {
      const fibers: Array<Fiber.RuntimeFiber<Redis.Reply, Redis.RedisError>> = []
      for (let i = 0; i < 1_000; i++) {
        const connection = yield* redis.connection
        fibers.push(yield* Effect.fork(connection.send("BLMOVE", "l", `mine ${i}`, "LEFT", "RIGHT", 0)))
      }
      yield* settle
      for (let i = 0; i < 999; i++) yield* redis.send("RPUSH", "l", `job ${i}`)
      const served = yield* Effect.forEach(fibers.slice(0, 999), Fiber.join)
      assert.deepStrictEqual(served, Array.from({ length: 999 }, (_, i) => `job ${i}`))
      assert.isTrue(yield* isWaiting(fibers[999]!))
    }))
})
