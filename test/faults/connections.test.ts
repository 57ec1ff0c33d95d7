/**
 * Connections that neither work nor end, so that what is sent vanishes and nobody is told; and connections that are
 * refused when they come back.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisServer from "../support/redis-server.js"
import * as Proxy from "./proxy.js"

const stage = Effect.gen(function*() {
  const server = yield* RedisServer.start()
  const proxy = yield* Proxy.start(server.port)
  const direct = yield* RedisLive.make({ url: server.url })
  const redis = yield* RedisLive.make({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeout: "400 millis" })
  return { direct, proxy, redis }
})

describe("half-open connections", () => {
  it.scopedLive(
    "those that wait, listen or rest are made anew when the connection beside is found dead",
    () =>
      Effect.gen(function*() {
        const { direct, proxy, redis } = yield* stage
        const connection = yield* redis.connection
        const resting = yield* redis.connection
        const messages = yield* redis.subscribe("news")
        const waiting = yield* Effect.fork(Effect.either(connection.send("BLPOP", "list", 60)))
        yield* Effect.repeat(direct.send<string>("INFO", "clients"), {
          until: (info) => info.includes("blocked_clients:1"),
          schedule: Schedule.spaced("10 millis")
        })
        yield* proxy.cut(["up", "down"])
        const error = yield* Effect.flip(redis.send("PING"))
        assert.strictEqual(error.reason, "timeout")
        yield* proxy.heal
        // The wait has 60 seconds to go: it is not waited for.
        const ended = yield* Fiber.join(waiting)
        assert.strictEqual(ended._tag, "Left")
        if (ended._tag === "Left") assert.strictEqual(ended.left.reason, "connection")
        assert.strictEqual(yield* Effect.retry(connection.send("PING"), { times: 20 }), "PONG")
        assert.strictEqual(yield* resting.send("BLPOP", "list", 0.1), null)
        // The channel has the dumb connection and the new one.
        yield* Effect.repeat(direct.send<number>("PUBLISH", "news", "back"), {
          until: (count) => count === 2,
          schedule: Schedule.spaced("10 millis")
        })
        assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "back" })
      }),
    10_000
  )
})

describe("a password that changes while a service is connected", () => {
  it.scopedLive(
    "is refused with a typed error, said once with the reason, and over when it is right again",
    () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const logged = Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ logLevel, message }) => {
            lines.push(`${logLevel.label} ${String(message)}`)
          })
        )
        const server = yield* RedisServer.start({ password: "first-secret" })
        const direct = yield* RedisLive.make({ url: server.url })
        const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "1 second" }).pipe(
          Effect.provide(logged)
        )
        yield* redis.send("PING")
        yield* direct.send("CONFIG", "SET", "requirepass", "second-secret")
        yield* direct.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        const error = yield* Effect.repeat(Effect.flip(redis.send("PING")), {
          until: ({ reason }) => reason === "reply"
        })
        assert.strictEqual(error.code, "WRONGPASS")
        assert.isFalse(error.isTransient)
        const second = yield* Effect.repeat(Effect.flip(redis.send("PING")), {
          until: ({ reason }) => reason === "reply"
        })
        assert.strictEqual(second.code, "WRONGPASS")
        yield* direct.send("CONFIG", "SET", "requirepass", "first-secret")
        assert.strictEqual(yield* Effect.retry(redis.send("PING"), { schedule: Schedule.spaced("20 millis") }), "PONG")
        const told = lines.filter((line) => line.startsWith("ERROR"))
        assert.lengthOf(told, 1)
        assert.match(told[0]!, /refuses the connection, trying again: WRONGPASS/)
        assert.notInclude(lines.join("\n"), "secret")
      }),
    10_000
  )
})
