import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cancel } from "../../src/lifecycle/cancel.js"
import { deleteJobs } from "../../src/lifecycle/delete.js"
import { requeue } from "../../src/lifecycle/requeue.js"
import type { RedisService } from "../../src/Redis.js"
import * as keys from "../../src/wire/keys.js"
import { at, list, now, putJob, suite, waiting } from "./support.js"

/** `a` and `b` wait, `h1` and `h2` were handed over to w2. */
const putAll = (redis: RedisService) =>
  Effect.gen(function*() {
    for (const id of ["a", "b", "h1", "h2"]) yield* putJob(redis, id)
    yield* redis.send("RPUSH", keys.queue("default"), "a", "b")
    yield* redis.send("RPUSH", keys.handover("default", "w2"), "h1", "h2")
    yield* redis.send("ZADD", keys.handovers("default"), 1, "w1", 2, "w2")
  })

suite("what is canceled or deleted while it is handed over", (it) => {
  it("leaves the list of the worker, and can be queued again in one place", ({ redis }) =>
    Effect.gen(function*() {
      yield* putAll(redis)
      yield* redis.eval(cancel)({ ids: ["b", "h1"], ...at(now) })
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "w2")), ["h2"])
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      yield* redis.eval(requeue)({ ids: ["h1"], atFront: false, ...at(now) })
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "w2")), ["h2"])
      assert.sameMembers([...(yield* waiting(redis))], ["a", "h1"])
    }))

  it("also when it is deleted", ({ redis }) =>
    Effect.gen(function*() {
      yield* putAll(redis)
      yield* redis.eval(deleteJobs)({ ids: ["a", "h2"], ...at(now) })
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "w2")), ["h1"])
      assert.deepStrictEqual(yield* waiting(redis), ["b"])
    }))

  it("is found although the list of another worker is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* putAll(redis)
      yield* redis.send("SET", keys.handover("default", "w1"), "a text")
      yield* redis.eval(cancel)({ ids: ["h1"], ...at(now) })
      assert.strictEqual(yield* redis.send("GET", keys.handover("default", "w1")), "a text")
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "w2")), ["h2"])
    }))
})
