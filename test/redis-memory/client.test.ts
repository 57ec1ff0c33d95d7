/**
 * Clients of one store, connections that are cut, and what isn't like a server.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Redis from "../../src/Redis.js"
import * as RedisMemory from "../../src/RedisMemory.js"

/** What SCAN answers. */
type Page = readonly [cursor: string, keys: ReadonlyArray<string>]

const settle = Effect.repeatN(Effect.yieldNow(), 20)

const twoHosts = Effect.gen(function*() {
  const store = yield* RedisMemory.makeStore
  return { store, a: yield* RedisMemory.makeClient(store), b: yield* RedisMemory.makeClient(store) }
})

describe("clients", () => {
  it.effect("share a store, its scripts and its channels", () =>
    Effect.scoped(Effect.gen(function*() {
      const { a, b, store } = yield* twoHosts
      yield* a.service.send("SET", "k", "v")
      assert.strictEqual(yield* b.service.send("GET", "k"), "v")
      const sha = yield* a.service.send<string>("SCRIPT", "LOAD", "return 7")
      assert.strictEqual(yield* b.service.send("EVALSHA", sha, 0), 7)
      const messages = yield* a.service.subscribe("c")
      assert.deepStrictEqual(yield* b.service.send("PUBSUB", "CHANNELS"), ["c"])
      assert.deepStrictEqual(yield* b.service.send("PUBSUB", "NUMSUB", "c", "d"), ["c", 1, "d", 0])
      assert.strictEqual(yield* b.service.send("PUBLISH", "c", "hello"), 1)
      assert.deepStrictEqual(yield* Queue.take(messages), { channel: "c", message: "hello" })
      yield* RedisMemory.flush(store)
      assert.deepStrictEqual(yield* RedisMemory.dump(store), {})
      assert.strictEqual(yield* a.service.send("EVALSHA", sha, 0), 7)
    })))

  it.effect("layers of one store share it, others don't", () =>
    Effect.gen(function*() {
      const store = yield* RedisMemory.makeStore
      const set = Effect.flatMap(Redis.Redis, (redis) => redis.send("INCR", "n"))
      assert.strictEqual(yield* Effect.provide(set, RedisMemory.layerStore(store)), 1)
      assert.strictEqual(yield* Effect.provide(set, RedisMemory.layerStore(store)), 2)
      assert.strictEqual(yield* Effect.provide(set, RedisMemory.layer), 1)
      assert.strictEqual(yield* Effect.provide(set, RedisMemory.layer), 1)
    }))

  it.effect("while it is disconnected every call fails, and nothing reaches the store", () =>
    Effect.scoped(Effect.gen(function*() {
      const { a, b } = yield* twoHosts
      const script = Redis.script((key: string) => [key], {
        name: "incr",
        numberOfKeys: 1,
        lua: `return redis.call("INCR", KEYS[1])`,
        result: (reply: number) => reply
      })
      const connection = yield* a.service.connection
      yield* a.disconnect
      const calls: ReadonlyArray<Effect.Effect<unknown, Redis.RedisError>> = [
        a.service.send("INCR", "n"),
        a.service.sendBytes("INCR", "n"),
        a.service.eval(script)("n"),
        connection.send("INCR", "n"),
        connection.unblock,
        Effect.scoped(a.service.connection),
        Effect.scoped(a.service.subscribe("c"))
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error.reason, "connection")
        assert.isTrue(error.isTransient)
      }
      assert.strictEqual(yield* b.service.send("EXISTS", "n"), 0)
      yield* a.reconnect
      assert.strictEqual(yield* a.service.eval(script)("n"), 1)
      assert.strictEqual(yield* connection.send("INCR", "n"), 2)
    })))

  it.effect("what was blocked fails at once, and takes nothing any more", () =>
    Effect.scoped(Effect.gen(function*() {
      const { a, b } = yield* twoHosts
      const connection = yield* a.service.connection
      const fiber = yield* Effect.fork(connection.send("BLPOP", "l", 100))
      const behind = yield* Effect.fork(connection.send("PING"))
      yield* settle
      yield* a.disconnect
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).reason, "connection")
      assert.strictEqual((yield* Effect.flip(Fiber.join(behind))).reason, "connection")
      yield* b.service.send("RPUSH", "l", "x")
      assert.strictEqual(yield* b.service.send("LLEN", "l"), 1)
      yield* a.reconnect
      assert.deepStrictEqual(yield* connection.send("BLPOP", "l", 100), ["l", "x"])
    })))

  it.effect("subscriptions get nothing meanwhile, and go on afterwards", () =>
    Effect.scoped(Effect.gen(function*() {
      const { a, b } = yield* twoHosts
      const messages = yield* a.service.subscribe("c")
      yield* a.disconnect
      assert.strictEqual(yield* b.service.send("PUBLISH", "c", "lost"), 0)
      yield* a.reconnect
      assert.strictEqual(yield* b.service.send("PUBLISH", "c", "found"), 1)
      assert.strictEqual((yield* Queue.take(messages)).message, "found")
    })))

  it.effect("a subscription that ends while it is disconnected stays ended", () =>
    Effect.gen(function*() {
      const { a, b } = yield* twoHosts
      yield* Effect.scoped(Effect.zipRight(a.service.subscribe("c"), a.disconnect))
      yield* a.reconnect
      assert.strictEqual(yield* b.service.send("PUBLISH", "c", "x"), 0)
    }))
})

describe("what isn't like a server", () => {
  const test = (name: string, body: (redis: Redis.RedisService) => Effect.Effect<void, unknown>) =>
    it.effect(name, () => Effect.flatMap(Redis.Redis, body).pipe(Effect.provide(RedisMemory.layer)))

  test("a command that isn't known is named", (redis) =>
    Effect.gen(function*() {
      for (const command of ["GEOADD", "MULTI", "SUBSCRIBE", "XGROUP"]) {
        const error = yield* Effect.flip(redis.send(command, "x", "y"))
        assert.deepInclude(error, { reason: "reply", code: "ERR" })
        assert.include(error.message, `'${command}'`)
        assert.include(error.message, "in-memory")
      }
      const inside = yield* Effect.flip(redis.send("EVAL", `return redis.call("GEOADD", KEYS[1])`, 1, "k"))
      assert.include(inside.message, "'GEOADD'")
      const refused = yield* Effect.flip(redis.send("EVAL", `return redis.call("SUBSCRIBE", KEYS[1])`, 1, "k"))
      assert.include(refused.message, "not allowed from script")
    }))

  test("a script may touch only keys that it declares", (redis) =>
    Effect.gen(function*() {
      const get = (key: string, ...declared: ReadonlyArray<string>) =>
        redis.send("EVAL", `return redis.call("EXISTS", ARGV[1])`, declared.length, ...declared, key)
      assert.strictEqual(yield* get("a", "a"), 0)
      assert.strictEqual(yield* get("a:b:c", "x", "a:"), 0)
      assert.strictEqual(yield* get("a:", "a:"), 0)
      for (const [key, declared] of [["b", "a"], ["a:b", "a"], ["ab", "a:"], ["b:a:", "a:"], ["a", "a:"]] as const) {
        const error = yield* Effect.flip(get(key, declared))
        assert.strictEqual(error.code, "ERR")
        assert.include(error.message, `undeclared key: '${key}'`)
      }
      // every key of the command counts, also where there are several
      const all = yield* Effect.flip(redis.send("EVAL", `return redis.call("DEL", KEYS[1], "other")`, 1, "k"))
      assert.include(all.message, "'other'")
      const half = yield* Effect.flip(redis.send("EVAL", `return redis.call("MSET", KEYS[1], 1, "o", 2)`, 1, "k"))
      assert.include(half.message, "'o'")
      const stream = `return redis.call("XREAD", "STREAMS", KEYS[1], "other", 0, 0)`
      assert.include((yield* Effect.flip(redis.send("EVAL", stream, 1, "k"))).message, "'other'")
      assert.strictEqual(yield* redis.send("EXISTS", "k", "o"), 0)
    }))

  test("a script without end is ended, however it catches errors", (redis) =>
    Effect.gen(function*() {
      for (const lua of ["while true do end", "while true do pcall(function() while true do end end) end"]) {
        const error = yield* Effect.flip(redis.send("EVAL", lua, 0))
        assert.include(error.message, "instructions")
      }
      assert.strictEqual(yield* redis.send("EVAL", "return 1", 0), 1)
    }))

  test("a script that runs out of memory fails, and the machine goes on", (redis) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(redis.send("EVAL", `local s = "x" while true do s = s .. s end`, 0))
      assert.include(error.message, "not enough memory")
      assert.strictEqual(yield* redis.send("EVAL", "return 1", 0), 1)
      const big = "y".repeat(5_000_000)
      assert.strictEqual((yield* redis.send<string>("EVAL", "return ARGV[1] .. ARGV[1]", 0, big)).length, 10_000_000)
    }))

  test("a table raised without a text is an error, where it would end a server", (redis) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(redis.send("EVAL", "error({})", 0))
      assert.strictEqual(error.code, "ERR")
      assert.include(error.message, "raised a table")
    }))

  test("more scripts than are kept compiled", (redis) =>
    Effect.gen(function*() {
      const first = yield* redis.send<string>("SCRIPT", "LOAD", "return 'first'")
      for (let i = 0; i < 2_500; i++) assert.strictEqual(yield* redis.send("EVAL", `return ${i}`, 0), i)
      assert.strictEqual(yield* redis.send("EVALSHA", first, 0), "first")
      assert.deepStrictEqual(yield* redis.send("SCRIPT", "EXISTS", first, "0".repeat(40)), [1, 0])
    }))

  test("SCAN meets every key that stays, once, whatever comes and goes", (redis) =>
    Effect.gen(function*() {
      for (let i = 0; i < 500; i++) yield* redis.send("SET", `k${i}`, "v")
      const seen: Array<string> = []
      let cursor = "0"
      let calls = 0
      do {
        const reply: Page = yield* redis.send<Page>("SCAN", cursor, "COUNT", 20)
        // a cursor may be asked for again, and by several at a time
        if (calls % 5 === 0) assert.deepStrictEqual(yield* redis.send("SCAN", cursor, "COUNT", 20), reply)
        seen.push(...reply[1])
        cursor = reply[0]
        yield* redis.send("DEL", `k${calls}`, `k${499 - calls}`)
        yield* redis.send("SET", `new${calls}`, "v")
        calls++
      } while (cursor !== "0")
      assert.isAbove(calls, 20)
      assert.strictEqual(new Set(seen).size, seen.length)
      const missed = Array.from({ length: 500 - 2 * calls }, (_, i) => `k${calls + i}`).filter((k) => !seen.includes(k))
      assert.deepStrictEqual(missed, [])
      const [, hashes] = yield* redis.send<Page>("SCAN", "0", "COUNT", "10000", "TYPE", "hash")
      assert.deepStrictEqual(hashes, [])
      const [, matching] = yield* redis.send<Page>("SCAN", "0", "COUNT", "10000", "MATCH", "k25?")
      assert.sameMembers([...matching], Array.from({ length: 10 }, (_, i) => `k25${i}`))
    }))

  test("HSCAN, SSCAN and ZSCAN give everything in one go", (redis) =>
    Effect.gen(function*() {
      yield* redis.send("HSET", "h", "a", 1, "b", 2)
      yield* redis.send("SADD", "s", "a", "b")
      yield* redis.send("ZADD", "z", 1, "a", 2.5, "b")
      assert.deepStrictEqual(yield* redis.send("HSCAN", "h", 0), ["0", ["a", "1", "b", "2"]])
      assert.deepStrictEqual(yield* redis.send("HSCAN", "h", 0, "MATCH", "b"), ["0", ["b", "2"]])
      assert.deepStrictEqual(yield* redis.send("SSCAN", "s", 0), ["0", ["a", "b"]])
      assert.deepStrictEqual(yield* redis.send("ZSCAN", "z", 0), ["0", ["a", "1", "b", "2.5"]])
    }))

  test("INFO tells the version", (redis) =>
    Effect.gen(function*() {
      assert.include(yield* redis.send<string>("INFO"), "redis_version:7.0.15\r\n")
      assert.notInclude(yield* redis.send<string>("INFO", "memory"), "redis_version")
    }))
})
