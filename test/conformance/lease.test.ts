import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as lease from "../../src/lifecycle/lease.js"
import { assertNoTtl, assertTtl, assertUnchanged, suite } from "./support.js"

suite("lease", (it) => {
  it("is taken by one, and prolonged by the same one", ({ redis }) =>
    Effect.gen(function*() {
      const take = redis.eval(lease.take)
      assert.deepStrictEqual(yield* take("lock", "a", 5000), { _tag: "Taken" })
      assert.strictEqual(yield* redis.send("GET", "lock"), "a")
      yield* assertTtl(redis, "lock", 5)
      const other = yield* assertUnchanged(redis, take("lock", "b", 90_000))
      assert(other._tag === "Held")
      assert.strictEqual(other.by, "a")
      assert.isAtMost(other.lapsesIn!, 5000)
      assert.isAbove(other.lapsesIn!, 1000)
      assert.deepStrictEqual(yield* take("lock", "a", 60_000), { _tag: "Taken" })
      yield* assertTtl(redis, "lock", 60)
    }))

  it("that never lapses is told as such", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", "lock", "python")
      assert.deepStrictEqual(yield* redis.eval(lease.take)("lock", "a", 5000), {
        _tag: "Held",
        by: "python",
        lapsesIn: undefined
      })
    }))

  it("is prolonged and ended with its token only", ({ redis }) =>
    Effect.gen(function*() {
      const prolong = redis.eval(lease.prolong)
      const end = redis.eval(lease.end)
      assert.isFalse(yield* assertUnchanged(redis, prolong("lock", "a", 5000)))
      assert.isFalse(yield* assertUnchanged(redis, end("lock", "a", "channel")))
      yield* redis.send("SET", "lock", "b")
      assert.isFalse(yield* prolong("lock", "a", 5000))
      assert.isFalse(yield* end("lock", "a", "channel"))
      yield* assertNoTtl(redis, "lock")
      assert.isTrue(yield* prolong("lock", "b", 60_000))
      yield* assertTtl(redis, "lock", 60)
      assert.isTrue(yield* end("lock", "b", "channel"))
      assert.strictEqual(yield* redis.send("EXISTS", "lock"), 0)
      assert.isFalse(yield* end("lock", "b", "channel"))
    }))

  it("that is ended tells those who wait, once", ({ redis }) =>
    Effect.gen(function*() {
      const messages = yield* redis.subscribe("channel")
      const end = redis.eval(lease.end)
      yield* redis.send("SET", "lock", "a")
      yield* end("lock", "b", "channel")
      yield* end("lock", "a", "channel")
      yield* end("lock", "a", "channel")
      yield* redis.send("PUBLISH", "channel", "last")
      assert.strictEqual((yield* Queue.take(messages)).message, "released")
      assert.strictEqual((yield* Queue.take(messages)).message, "last")
    }))

  it("counts as held by somebody where the key is something else, and changes nothing there", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", "lock", "a")
      assert.deepStrictEqual(yield* assertUnchanged(redis, redis.eval(lease.take)("lock", "a", 5000)), {
        _tag: "Held",
        by: "a foreign list",
        lapsesIn: undefined
      })
      for (const token of ["a", "a foreign set"]) {
        assert.isFalse(yield* assertUnchanged(redis, redis.eval(lease.prolong)("lock", token, 5000)))
        assert.isFalse(yield* assertUnchanged(redis, redis.eval(lease.end)("lock", token, "channel")))
      }
    }))
})
