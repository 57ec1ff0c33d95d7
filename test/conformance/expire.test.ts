import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abandon as script } from "../../src/lifecycle/abandon.js"
import { mostExpired } from "../../src/lifecycle/expire.js"
import type { RedisService } from "../../src/Redis.js"
import * as keys from "../../src/wire/keys.js"
import { at, members, now, suite } from "./support.js"
import { completed, execution, failed, putStarted, turn } from "./turn.js"

/** Looks after the queue, which is when entries expire. */
const maintain = (redis: RedisService, time: number) =>
  Effect.zipRight(
    redis.send("DEL", keys.maintenance("default")),
    redis.eval(script)({
      worker: "reaper",
      queues: ["default"],
      intervalMillis: 4500,
      maxAbandons: 3,
      limit: 100,
      python: true,
      forgetSeconds: 600,
      ...at(time)
    })
  )

suite("expire: any resting state -> (gone)", (it) => {
  it("no registry keeps an id of a job that is gone", ({ redis, setTime }) =>
    Effect.gen(function*() {
      const ended = [
        ["a", {}, completed],
        ["short", { result_ttl: "10" }, completed],
        ["forever", { result_ttl: "-1" }, completed],
        ["failed", { failure_ttl: "10" }, failed],
        ["failedForever", { failure_ttl: "-1" }, failed]
      ] as const
      for (const [index, [id, fields]] of ended.entries()) {
        yield* putStarted(redis, id, { fields, execution: execution(index) })
      }
      yield* turn(redis, { ended: ended.map(([id, , how], index) => how(id, { execution: execution(index) })) })
      const all = Effect.all([members(redis, keys.finished("default")), members(redis, keys.failed("default"))])
      const before = yield* all
      yield* maintain(redis, now + 9_000)
      assert.deepStrictEqual(yield* all, before)
      setTime(now + 12_000)
      yield* maintain(redis, now + 12_000)
      assert.deepStrictEqual(yield* all, [["a", "forever"], ["failedForever"]])
      setTime(now + 502_000)
      yield* maintain(redis, now + 502_000)
      assert.deepStrictEqual(yield* all, [["forever"], ["failedForever"]])
    }))

  it.memory("an entry goes when its job has gone, and not before", ({ redis, setTime }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "10" } })
      yield* turn(redis, { ended: [completed("a")] })
      for (let time = now; time < now + 13_000; time += 125) {
        setTime(time)
        yield* maintain(redis, time)
        const [exists, listed] = [
          yield* redis.send("EXISTS", keys.job("a")),
          yield* members(redis, keys.finished("default"))
        ]
        if (exists === 1) assert.deepStrictEqual(listed, ["a"], `at ${time - now} ms`)
      }
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), [])
      assert.deepStrictEqual(yield* redis.send("EXISTS", keys.job("a"), keys.results("a")), 0)
    }))

  it("does bounded work: the earliest go first", ({ redis }) =>
    Effect.gen(function*() {
      const count = mostExpired + 5
      for (let from = 0; from < count; from += 5000) {
        const some = Array.from({ length: Math.min(5000, count - from) }, (_, i) => [from + i + 1, `j${from + i}`])
        yield* redis.send("ZADD", keys.finished("default"), ...some.flat())
      }
      yield* redis.send("ZADD", keys.finished("default"), -1, "foreign")
      yield* maintain(redis, now)
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), [
        "foreign",
        ...Array.from({ length: 5 }, (_, i) => `j${mostExpired + i}`)
      ])
    }))

  it("passes over a registry that is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.finished("default"), "a text")
      yield* redis.send("ZADD", keys.failed("default"), 1, "a")
      yield* maintain(redis, now)
      assert.deepStrictEqual(yield* members(redis, keys.failed("default")), [])
    }))
})
