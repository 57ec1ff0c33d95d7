import { assert, describe, it as vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as keys from "../../src/wire/keys.js"
import * as RedisServer from "../support/redis-server.js"
import { assertNoTtl, assertTtl, suite } from "./support.js"
import { completed, execution, failed, putStarted, turn } from "./turn.js"

type Entry = readonly [id: string, fields: ReadonlyArray<string>]

const entries = (redis: Redis.RedisService, id: string) =>
  Effect.map(
    redis.send<ReadonlyArray<Entry>>("XRANGE", keys.results(id), "-", "+"),
    (all) => all.map(([, fields]) => fields[fields.indexOf("execution_id") + 1])
  )

const bytes = (redis: Redis.RedisService, id: string) => redis.send<number>("MEMORY", "USAGE", keys.results(id))

/** What Redis reserves for a stream that it makes. */
const reserved = 4096

suite("result: an entry of the results stream", (it) => {
  it("that is the first takes what it holds, and no four kilobytes", ({ kind, redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "short")
      yield* putStarted(redis, "failed")
      yield* putStarted(redis, "long")
      const value = "x".repeat(10_000)
      yield* turn(redis, { ended: [completed("short"), failed("failed"), completed("long", { returnValue: value })] })
      yield* assertTtl(redis, keys.results("short"), 500)
      yield* assertTtl(redis, keys.results("failed"), 31_536_000)
      yield* assertTtl(redis, keys.results("long"), 500)
      for (const id of ["short", "failed", "long"]) assert.deepStrictEqual(yield* entries(redis, id), [execution(0)])
      if (kind === "memory") return
      assert.isBelow(yield* bytes(redis, "short"), 1100)
      assert.isBelow(yield* bytes(redis, "failed"), 1100)
      assert.isBelow(yield* bytes(redis, "long"), value.length + 1100)
    }))

  it("comes after those that are there, and the lifetime is that of the last", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "77" } })
      const retried = failed("a", { retry: 0 })
      yield* turn(redis, { ended: [retried] })
      yield* assertTtl(redis, keys.results("a"), 31_536_000)
      yield* turn(redis, { ended: [], want: 1, counter: 1 })
      yield* turn(redis, { ended: [completed("a", { execution: execution(1) })] })
      assert.deepStrictEqual(yield* entries(redis, "a"), [execution(0), execution(1)])
      yield* assertTtl(redis, keys.results("a"), 77)
    }))

  it("of a job that is kept for ever stays for ever", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "-1" } })
      yield* turn(redis, { ended: [completed("a")] })
      yield* assertNoTtl(redis, keys.results("a"))
    }))

  it("is read by all who are blocked on the stream: from its beginning, from its end, and from its last entry", ({ redis }) =>
    Effect.gen(function*() {
      const blocked = (from: string) =>
        Effect.gen(function*() {
          const connection = yield* redis.connection
          const fiber = yield* Effect.fork(
            connection.send<ReadonlyArray<readonly [string, ReadonlyArray<Entry>]>>(
              "XREAD",
              "BLOCK",
              5000,
              "STREAMS",
              keys.results("a"),
              from
            )
          )
          return fiber
        })
      const areBlocked = (n: number) =>
        redis.send<string>("INFO", "clients").pipe(
          Effect.repeat({ until: (info) => info.includes(`blocked_clients:${n}`) }),
          Effect.timeout("5 seconds")
        )
      yield* putStarted(redis, "a")
      const both = [yield* blocked("0-0"), yield* blocked("$")]
      yield* areBlocked(2)
      yield* turn(redis, { ended: [failed("a", { retry: 0 })] })
      for (const reader of both) assert.strictEqual((yield* Fiber.join(reader))[0]?.[1].length, 1)
      const [first] = yield* redis.send<ReadonlyArray<Entry>>("XRANGE", keys.results("a"), "-", "+")
      const last = yield* blocked(first![0])
      yield* areBlocked(1)
      yield* turn(redis, { ended: [], want: 1, counter: 1 })
      yield* turn(redis, { ended: [completed("a", { execution: execution(1) })] })
      assert.strictEqual((yield* Fiber.join(last))[0]?.[1].length, 1)
    }))
})

describe("result, where streams can't be copied", () => {
  const isWhole = (redis: Redis.RedisService) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putStarted(redis, "b")
      const { handedIn, problem } = yield* turn(redis, { ended: [completed("a"), completed("b")] })
      assert.deepStrictEqual(handedIn, [true, true])
      assert.isUndefined(problem)
      for (const id of ["a", "b"]) {
        assert.deepStrictEqual(yield* entries(redis, id), [execution(0)])
        yield* assertTtl(redis, keys.results(id), 500)
        assert.isAbove(yield* bytes(redis, id), reserved)
      }
    })

  vitest.live(
    "because the user may not: nothing is refused, nothing is logged",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const admin = yield* RedisLive.make({ url: server.url })
        yield* admin.send("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-copy")
        yield* isWhole(yield* RedisLive.make({ url: `redis://app:secret@127.0.0.1:${server.port}` }))
        assert.deepStrictEqual(yield* admin.send("ACL", "LOG"), [])
      }))
  )

  vitest.live("because the command is not there", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* RedisServer.start({ args: ["--rename-command", "COPY", "NO-COPY"] })
      yield* isWhole(yield* RedisLive.make({ url: server.url }))
    })))
})
