/**
 * What every implementation of the port must do. It is written against the port alone.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Redis from "../../src/Redis.js"

export interface Harness {
  readonly name: string
  /** An empty Redis, new for each test. */
  readonly layer: Layer.Layer<Redis.Redis, unknown>
  /** Waits until as many connections are blocked. */
  readonly blocked: (connections: number) => Effect.Effect<void, Redis.RedisError, Redis.Redis>
}

/** Every byte there is, twice, so that no encoding survives by luck. */
const allBytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256)

const setAndGet = Redis.script((key: string, value: string) => [key, value], {
  name: "set-and-get",
  numberOfKeys: 1,
  lua: `redis.call("SET", KEYS[1], ARGV[1]) return redis.call("GET", KEYS[1])`,
  result: (reply: string) => `got ${reply}`
})

const echoBytes = Redis.script((value: Uint8Array) => [value], {
  name: "echo-bytes",
  numberOfKeys: 0,
  bytes: true,
  lua: `return ARGV[1]`,
  result: (reply: Uint8Array) => Uint8Array.from(reply)
})

const countKeys = Redis.script((keys: ReadonlyArray<string>, args: ReadonlyArray<string>) => [...keys, ...args], {
  name: "count-keys",
  numberOfKeys: (keys) => keys.length,
  lua: `return {#KEYS, #ARGV}`,
  result: (reply: ReadonlyArray<number>) => reply
})

const types = Redis.script(() => [], {
  name: "types",
  numberOfKeys: 0,
  lua: `return {1, "a", {2, "b"}, false, true, 3.9}`,
  result: (reply: ReadonlyArray<Redis.Reply>) => reply
})

const refuse = Redis.script((text: string) => [text], {
  name: "refuse",
  numberOfKeys: 0,
  lua: `return redis.error_reply(ARGV[1])`,
  result: (reply: null) => reply
})

const wrongType = Redis.script((key: string) => [key], {
  name: "wrong-type",
  numberOfKeys: 1,
  lua: `return redis.call("LPUSH", KEYS[1], "x")`,
  result: (reply: number) => reply
})

const broken = Redis.script(() => [], {
  name: "broken",
  numberOfKeys: 0,
  lua: `return nosuchvariable.field`,
  result: (reply: null) => reply
})

export const conformance = (harness: Harness): void => {
  describe(`port: ${harness.name}`, () => {
    const test = (
      name: string,
      body: (redis: Redis.RedisService) => Effect.Effect<void, unknown, Redis.Redis>
    ) => it.effect(name, () => Effect.flatMap(Redis.Redis, body).pipe(Effect.provide(harness.layer)))

    describe("send", () => {
      test("answers text, numbers, null and nested lists", (redis) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* redis.send("SET", "text", "grüße 🎉"), "OK")
          assert.strictEqual(yield* redis.send("GET", "text"), "grüße 🎉")
          assert.strictEqual(yield* redis.send("GET", "nothing"), null)
          assert.strictEqual(yield* redis.send("INCRBY", "n", 41), 41)
          assert.strictEqual(yield* redis.send("RPUSH", "list", "a", "", "c"), 3)
          assert.deepStrictEqual(yield* redis.send("LRANGE", "list", 0, -1), ["a", "", "c"])
          assert.deepStrictEqual(yield* redis.send("LRANGE", "nothing", 0, -1), [])
          assert.deepStrictEqual(yield* redis.send("MGET", "text", "nothing"), ["grüße 🎉", null])
          const [cursor, keys] = yield* redis.send<readonly [string, ReadonlyArray<string>]>("SCAN", "0")
          assert.strictEqual(cursor, "0")
          assert.sameMembers([...keys], ["text", "n", "list"])
        }))

      test("keeps the flat shapes of RESP2", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("HSET", "hash", "a", "1", "b", "2")
          assert.deepStrictEqual(yield* redis.send("HGETALL", "hash"), ["a", "1", "b", "2"])
          assert.deepStrictEqual(yield* redis.send("HGETALL", "nothing"), [])
          yield* redis.send("ZADD", "zset", 1.5, "x", 2, "y")
          assert.deepStrictEqual(yield* redis.send("ZRANGE", "zset", 0, -1, "WITHSCORES"), ["x", "1.5", "y", "2"])
          assert.strictEqual(yield* redis.send("ZSCORE", "zset", "x"), "1.5")
          yield* redis.send("XADD", "stream", "1-1", "field", "value")
          assert.deepStrictEqual(yield* redis.send("XRANGE", "stream", "-", "+"), [["1-1", ["field", "value"]]])
          assert.deepStrictEqual(yield* redis.send("XREAD", "STREAMS", "stream", "0"), [
            ["stream", [["1-1", ["field", "value"]]]]
          ])
        }))

      test("takes names of commands in any case", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("hset", "hash", "a", "1")
          assert.deepStrictEqual(yield* redis.send("hgetall", "hash"), ["a", "1"])
          assert.deepStrictEqual(yield* redis.send("HGetAll", "hash"), ["a", "1"])
        }))

      test("sends numbers in their shortest decimal form", (redis) =>
        Effect.gen(function*() {
          for (const n of [0, -1, 0.1, 1e15, 1700000000.123456, Number.MAX_SAFE_INTEGER]) {
            yield* redis.send("SET", "n", n)
            assert.strictEqual(yield* redis.send("GET", "n"), String(n))
          }
        }))

      test("answers in the order of the calls of one fiber, and to each its own", (redis) =>
        Effect.gen(function*() {
          const replies = yield* Effect.forEach(
            Array.from({ length: 200 }, (_, i) => i),
            (i) => redis.send<string>("ECHO", `m${i}`),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(replies, Array.from({ length: 200 }, (_, i) => `m${i}`))
        }))

      test("an effect that is run twice is carried out twice", (redis) =>
        Effect.gen(function*() {
          const incr = redis.send<number>("INCR", "n")
          assert.strictEqual(yield* incr, 1)
          assert.strictEqual(yield* incr, 2)
        }))
    })

    describe("bytes", () => {
      test("pass unchanged in both directions", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("SET", "bytes", allBytes)
          const read = yield* redis.sendBytes<Uint8Array>("GET", "bytes")
          assert.instanceOf(read, Uint8Array)
          assert.deepStrictEqual(Uint8Array.from(read), allBytes)
          assert.strictEqual(yield* redis.send("STRLEN", "bytes"), 512)
        }))

      test("a view into a larger buffer sends its own part only", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("SET", "part", allBytes.subarray(250, 260))
          const read = yield* redis.sendBytes<Uint8Array>("GET", "part")
          assert.deepStrictEqual(Uint8Array.from(read), allBytes.slice(250, 260))
        }))

      test("are left as bytes in nested replies; numbers and null stay what they are", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("HSET", "hash", "field", allBytes)
          const [field, value] = yield* redis.sendBytes<ReadonlyArray<Uint8Array>>("HGETALL", "hash")
          assert.strictEqual(Buffer.from(field!).toString(), "field")
          assert.deepStrictEqual(Uint8Array.from(value!), allBytes)
          assert.strictEqual(yield* redis.sendBytes("HLEN", "hash"), 1)
          assert.strictEqual(yield* redis.sendBytes("GET", "nothing"), null)
        }))

      test("work as keys", (redis) =>
        Effect.gen(function*() {
          const key = Uint8Array.of(0xff, 0x00, 0x0d, 0x0a)
          yield* redis.send("SET", key, "value")
          assert.strictEqual(yield* redis.send("GET", key), "value")
          const [found] = yield* redis.sendBytes<ReadonlyArray<Uint8Array>>("KEYS", "*")
          assert.deepStrictEqual(Uint8Array.from(found!), key)
        }))

      test("text that is no UTF-8 is read with replacement characters", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("SET", "bad", Uint8Array.of(0x61, 0xff, 0x62))
          assert.strictEqual(yield* redis.send("GET", "bad"), "a\ufffdb")
        }))

      test("large values and many arguments", (redis) =>
        Effect.gen(function*() {
          const big = "x".repeat(3_000_000)
          yield* redis.send("SET", "big", big)
          assert.strictEqual((yield* redis.send<string>("GET", "big")).length, big.length)
          const members = Array.from({ length: 5000 }, (_, i) => `member ${i}`)
          assert.strictEqual(yield* redis.send("SADD", "set", ...members), 5000)
        }))
    })

    describe("errors", () => {
      test("a refused command fails with reason reply and the code of the server", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("SET", "text", "x")
          const error = yield* Effect.flip(redis.send("LPUSH", "text", "y"))
          assert.strictEqual(error._tag, "RedisError")
          assert.strictEqual(error.reason, "reply")
          assert.strictEqual(error.code, "WRONGTYPE")
          assert.strictEqual(error.command, "LPUSH")
          assert.include(error.message, "wrong kind of value")
          assert.isFalse(error.isTransient)
        }))

      test("an unknown command, a wrong number of arguments, a bad argument", (redis) =>
        Effect.gen(function*() {
          for (const args of [["NOSUCHCOMMAND"], ["GET"], ["EXPIRE", "key", "soon"]] as const) {
            const [command, ...rest] = args
            const error = yield* Effect.flip(redis.send(command, ...rest))
            assert.strictEqual(error.reason, "reply", command)
            assert.strictEqual(error.code, "ERR", command)
          }
        }))

      test("one failed call leaves its neighbours alone", (redis) =>
        Effect.gen(function*() {
          yield* redis.send("SET", "text", "x")
          const [a, b, c] = yield* Effect.all([
            Effect.exit(redis.send("GET", "text")),
            Effect.exit(redis.send("LPUSH", "text", "y")),
            Effect.exit(redis.send("GET", "text"))
          ], { concurrency: "unbounded" })
          assert.deepStrictEqual([Exit.isSuccess(a), Exit.isSuccess(b), Exit.isSuccess(c)], [true, false, true])
        }))
    })

    describe("eval", () => {
      test("runs a script, the first time and again", (redis) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* redis.eval(setAndGet)("key", "one"), "got one")
          assert.strictEqual(yield* redis.eval(setAndGet)("key", "two"), "got two")
          assert.strictEqual(yield* redis.send("GET", "key"), "two")
        }))

      test("a script that the server forgot is sent again", (redis) =>
        Effect.gen(function*() {
          yield* redis.eval(setAndGet)("key", "one")
          yield* redis.send("SCRIPT", "FLUSH")
          const error = yield* Effect.flip(redis.send("EVALSHA", setAndGet.sha, 1, "key", "x"))
          assert.strictEqual(error.code, "NOSCRIPT")
          assert.strictEqual(yield* redis.eval(setAndGet)("key", "two"), "got two")
          assert.strictEqual(yield* redis.send("EVALSHA", setAndGet.sha, 1, "key", "x"), "x")
        }))

      test("keys and arguments are told apart, also where their number depends on the parameters", (redis) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* redis.eval(countKeys)(["a", "b", "c"], ["x"]), [3, 1])
          assert.deepStrictEqual(yield* redis.eval(countKeys)([], ["x", "y"]), [0, 2])
        }))

      test("replies are converted as Redis does it", (redis) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* redis.eval(types)(), [1, "a", [2, "b"], null, 1, 3])
        }))

      test("bytes in, bytes out", (redis) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* redis.eval(echoBytes)(allBytes), allBytes)
        }))

      test("fails with reason script, the script's name and its code", (redis) =>
        Effect.gen(function*() {
          const refused = yield* Effect.flip(redis.eval(refuse)("FENCED the lock is another's"))
          assert.strictEqual(refused.reason, "script")
          assert.strictEqual(refused.code, "FENCED")
          assert.strictEqual(refused.command, "refuse")
          assert.include(refused.message, "the lock is another's")

          yield* redis.send("SET", "text", "x")
          const typed = yield* Effect.flip(redis.eval(wrongType)("text"))
          assert.strictEqual(typed.reason, "script")
          assert.strictEqual(typed.code, "WRONGTYPE")

          const failed = yield* Effect.flip(redis.eval(broken)())
          assert.strictEqual(failed.reason, "script")
          assert.strictEqual(failed.code, "ERR")
          assert.include(failed.message, "nosuchvariable")
        }))

      test("many at once, while the server doesn't know the script yet", (redis) =>
        Effect.gen(function*() {
          const replies = yield* Effect.forEach(
            Array.from({ length: 50 }, (_, i) => String(i)),
            (i) => redis.eval(setAndGet)(`key:${i}`, i),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(replies, Array.from({ length: 50 }, (_, i) => `got ${i}`))
        }))
    })

    describe("subscribe", () => {
      test("delivers the messages of its channels in order, and no others", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const messages = yield* redis.subscribe("news", "sport")
          assert.strictEqual(yield* redis.send("PUBLISH", "news", "one"), 1)
          assert.strictEqual(yield* redis.send("PUBLISH", "weather", "rain"), 0)
          yield* redis.send("PUBLISH", "sport", "grüße")
          yield* redis.send("PUBLISH", "news", "")
          assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Queue.takeN(messages, 3)), [
            { channel: "news", message: "one" },
            { channel: "sport", message: "grüße" },
            { channel: "news", message: "" }
          ])
        })))

      test("several subscriptions to one channel each get every message, until their scope ends", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const first = yield* redis.subscribe("news")
          const second = yield* Effect.scoped(Effect.gen(function*() {
            const second = yield* redis.subscribe("news", "other")
            yield* redis.send("PUBLISH", "news", "one")
            assert.strictEqual((yield* Queue.take(first)).message, "one")
            assert.strictEqual((yield* Queue.take(second)).message, "one")
            return second
          }))
          assert.isTrue(yield* Queue.isShutdown(second))
          assert.isFalse(yield* Queue.isShutdown(first))
          yield* redis.send("PUBLISH", "news", "two")
          assert.strictEqual((yield* Queue.take(first)).message, "two")
          const again = yield* redis.subscribe("other")
          assert.strictEqual(yield* redis.send("PUBLISH", "other", "three"), 1)
          assert.strictEqual((yield* Queue.take(again)).message, "three")
        })))

      test("a message that a script publishes arrives", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const publish = Redis.script((channel: string, message: string) => [channel, message], {
            name: "publish",
            numberOfKeys: 1,
            lua: `return redis.call("PUBLISH", KEYS[1], ARGV[1])`,
            result: (reply: number) => reply
          })
          const messages = yield* redis.subscribe("news")
          assert.strictEqual(yield* redis.eval(publish)("news", "from Lua"), 1)
          assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "from Lua" })
        })))
    })

    describe("connection", () => {
      test("answers ordinary commands", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          assert.strictEqual(yield* connection.send("SET", "key", "value"), "OK")
          assert.strictEqual(yield* redis.send("GET", "key"), "value")
          assert.strictEqual((yield* Effect.flip(connection.send("LPUSH", "key", "x"))).code, "WRONGTYPE")
        })))

      test("a blocked connection holds up nobody else", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
          yield* harness.blocked(1)
          assert.strictEqual(yield* redis.send("PING"), "PONG")
          yield* redis.send("RPUSH", "list", "job")
          assert.deepStrictEqual(yield* Fiber.join(waiting), ["list", "job"])
        })))

      test("what is there already is not waited for", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          yield* redis.send("RPUSH", "list", "a", "b")
          assert.deepStrictEqual(yield* connection.send("BLPOP", "list", 0), ["list", "a"])
          assert.strictEqual(yield* connection.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0), "b")
          assert.deepStrictEqual(yield* redis.send("LRANGE", "other", 0, -1), ["b"])
        })))

      test("a blocking command ends by its timeout", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          const pop = yield* Effect.fork(connection.send("BLPOP", "list", 0.1))
          yield* harness.blocked(1)
          yield* TestClock.adjust("300 millis")
          assert.strictEqual(yield* Fiber.join(pop), null)
          const move = yield* Effect.fork(connection.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0.1))
          yield* harness.blocked(1)
          yield* TestClock.adjust("300 millis")
          assert.strictEqual(yield* Fiber.join(move), null)
        })))

      test("one push wakes one waiter, the one that waited longest", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const order: Array<string> = []
          const wait = (name: string) =>
            Effect.gen(function*() {
              const connection = yield* redis.connection
              yield* Effect.fork(Effect.map(
                connection.send<string>("BLMOVE", "list", `of ${name}`, "LEFT", "RIGHT", 0),
                (job) => order.push(`${name} ${job}`)
              ))
            })
          yield* wait("first")
          yield* harness.blocked(1)
          yield* wait("second")
          yield* harness.blocked(2)
          yield* wait("third")
          yield* harness.blocked(3)
          yield* redis.send("RPUSH", "list", "a")
          yield* harness.blocked(2)
          yield* redis.send("RPUSH", "list", "b", "c")
          yield* harness.blocked(0)
          assert.deepStrictEqual(yield* redis.send("LRANGE", "of first", 0, -1), ["a"])
          assert.deepStrictEqual(yield* redis.send("LRANGE", "of second", 0, -1), ["b"])
          assert.deepStrictEqual(yield* redis.send("LRANGE", "of third", 0, -1), ["c"])
        })))

      test("a push by a script wakes a waiter", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const push = Redis.script((key: string, value: string) => [key, value], {
            name: "push",
            numberOfKeys: 1,
            lua: `return redis.call("RPUSH", KEYS[1], ARGV[1])`,
            result: (reply: number) => reply
          })
          const connection = yield* redis.connection
          const waiting = yield* Effect.fork(connection.send("BLPOP", "one", "two", 0))
          yield* harness.blocked(1)
          yield* redis.eval(push)("two", "job")
          assert.deepStrictEqual(yield* Fiber.join(waiting), ["two", "job"])
        })))

      test("unblock ends the wait as a timeout would, and the connection goes on", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          for (let round = 0; round < 5; round++) {
            const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
            yield* harness.blocked(1)
            yield* connection.unblock
            assert.strictEqual(yield* Fiber.join(waiting), null)
          }
          yield* redis.send("RPUSH", "list", "job")
          assert.deepStrictEqual(yield* connection.send("BLPOP", "list", 0), ["list", "job"])
        })))

      test("unblock right after the call, before it can have blocked", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          for (let round = 0; round < 20; round++) {
            const waiting = yield* Effect.fork(connection.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0))
            yield* Effect.yieldNow()
            yield* connection.unblock
            assert.strictEqual(yield* Fiber.join(waiting), null)
          }
        })))

      test("unblock without a blocking command does nothing", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          yield* connection.unblock
          yield* redis.send("RPUSH", "list", "job")
          assert.deepStrictEqual(yield* connection.send("BLPOP", "list", 0), ["list", "job"])
          yield* connection.unblock
          assert.strictEqual(yield* connection.send("PING"), "PONG")
        })))

      test("interrupting a waiting fiber ends its wait on the server: nothing is popped unseen", (redis) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* redis.connection
          for (let round = 0; round < 5; round++) {
            const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
            if (round > 0) yield* harness.blocked(1)
            yield* Effect.yieldNow()
            yield* Fiber.interrupt(waiting)
            yield* harness.blocked(0)
            yield* redis.send("RPUSH", "list", `job ${round}`)
            assert.deepStrictEqual(yield* redis.send("LRANGE", "list", 0, -1), [`job ${round}`])
            assert.deepStrictEqual(yield* connection.send("BLPOP", "list", 0), ["list", `job ${round}`])
          }
        })))

      test("the end of its scope ends its wait", (redis) =>
        Effect.gen(function*() {
          const waiting = yield* Effect.scoped(Effect.gen(function*() {
            const connection = yield* redis.connection
            const waiting = yield* Effect.forkDaemon(Effect.exit(connection.send("BLPOP", "list", 0)))
            yield* harness.blocked(1)
            return waiting
          }))
          yield* harness.blocked(0)
          yield* redis.send("RPUSH", "list", "job")
          assert.strictEqual(yield* redis.send("LLEN", "list"), 1)
          yield* Fiber.interrupt(waiting)
        }))
    })

    describe("interruption", () => {
      test("the caller stops waiting, the others get their own replies", (redis) =>
        Effect.gen(function*() {
          const fibers = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, i) => i),
            (i) => Effect.fork(redis.send<string>("ECHO", String(i)))
          )
          yield* Effect.yieldNow()
          yield* Effect.forEach(fibers, (fiber, i) => i % 2 === 0 ? Fiber.interruptFork(fiber) : Effect.void)
          for (let i = 1; i < 20; i += 2) assert.strictEqual(yield* Fiber.join(fibers[i]!), String(i))
          assert.strictEqual(yield* redis.send("ECHO", "after"), "after")
        }))
    })
  })
}
