import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { reschedule as script } from "../../src/lifecycle/reschedule.js"
import * as Reschedule from "../../src/queue/reschedule.js"
import type { Arg, RedisService } from "../../src/Redis.js"
import * as keys from "../../src/wire/keys.js"
import { assertRefusedUnchanged, assertUnchanged, putJob, suite, zset } from "./support.js"

suite("reschedule: scheduled -> scheduled", (it) => {
  it("changes the due time and nothing else", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "scheduled" })
      yield* redis.send("ZADD", keys.scheduled("default"), "1795500010.5", "a", "1795500020", "b")
      assert.isTrue(yield* redis.eval(script)("default", "a", "1795500030.125"))
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [
        ["b", "1795500020"],
        ["a", "1795500030.125"]
      ])
      assert.isTrue(yield* assertUnchanged(redis, redis.eval(script)("default", "a", "1795500030.125")))
    }))

  it("is refused for a job that is not scheduled any more, is gone, or is in another queue", ({ redis }) =>
    Effect.gen(function*() {
      const reschedule = redis.eval(script)
      yield* redis.send("ZADD", keys.scheduled("default"), "1795500010", "queued", "1795500010", "gone")
      yield* putJob(redis, "queued", { status: "queued" })
      yield* putJob(redis, "elsewhere", { status: "scheduled" })
      for (const id of ["queued", "gone", "elsewhere", "never"]) {
        assert.isFalse(yield* assertUnchanged(redis, reschedule("default", id, "1795500099")), id)
      }
    }))

  it("tells the schedulers when the job has become the next one", ({ redis }) =>
    Effect.gen(function*() {
      const reschedule = redis.eval(script)
      yield* putJob(redis, "a", { status: "scheduled" })
      yield* putJob(redis, "b", { status: "scheduled" })
      yield* redis.send("ZADD", keys.scheduled("default"), "1795500010", "a", "1795500020", "b")
      const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
      yield* reschedule("default", "b", "1795500015") // not the next one
      yield* reschedule("default", "b", "1795500005")
      assert.strictEqual((yield* Queue.take(messages)).message, "due 1795500005")
      assert.strictEqual(yield* Queue.size(messages), 0)
    }))

  it("writes nothing where a key is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "scheduled" })
      yield* redis.send("SET", keys.scheduled("default"), "a text")
      yield* assertRefusedUnchanged(redis, redis.eval(script)("default", "a", "1"))
      yield* redis.send("SET", keys.job("b"), "a text")
      yield* assertRefusedUnchanged(redis, redis.eval(script)("default", "b", "1"))
    }))

  it("of a job that moves while it is asked for says what it is then", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "scheduled", origin: "default" })
      yield* redis.send("ZADD", keys.scheduled("default"), "1795500010", "a")
      const promote = Effect.zipRight(
        redis.send("ZREM", keys.scheduled("default"), "a"),
        redis.send("HSET", keys.job("a"), "status", "queued")
      )
      // somebody promotes it as soon as its status has been read
      const send: RedisService["send"] = <A>(command: string, ...args: ReadonlyArray<Arg>) =>
        Effect.zipLeft(redis.send<A>(command, ...args), promote)
      const { byId } = Reschedule.make({ ...redis, send })
      const told = yield* byId("a", "2030-01-01 10:00Z")
      assert.deepStrictEqual(told, { id: "a", changed: false, status: Option.some("queued") })
      assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [keys.job("a")])
    }))
})
