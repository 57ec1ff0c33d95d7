import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as keys from "../../src/wire/keys.js"
import { recover as script } from "../../src/worker/recover.js"
import { assertUnchanged, putJob, suite } from "./support.js"
import { execution, prefix, putStarted, turn } from "./turn.js"

suite("recover: what Redis holds for a worker", (it) => {
  it("finds what a turn has claimed whose reply was lost, as the turn would have told it", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b"]) {
        yield* putJob(redis, id, { due_at: "1795499998.125", enqueued_at: "2026-11-24T06:00:00.000000Z" })
        yield* redis.send("RPUSH", keys.queue("default"), id)
      }
      const { claimed } = yield* turn(redis, { want: 2 })
      assert.strictEqual(claimed.length, 2)
      const recover = redis.eval(script)({ executionPrefix: prefix, queues: ["low", "default"] })
      assert.deepStrictEqual(yield* assertUnchanged(redis, recover), claimed)
    }))

  it("finds nothing of others, nor in queues that were not asked for", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "mine")
      yield* putStarted(redis, "others", { execution: `ffffffffffff8fff8000bbbb${"0".repeat(8)}` })
      yield* putStarted(redis, "elsewhere", { queue: "elsewhere", execution: execution(1) })
      yield* redis.send("ZADD", keys.started("default"), 1, "rq1.13")
      const found = yield* redis.eval(script)({ executionPrefix: prefix, queues: ["default"] })
      assert.deepStrictEqual(found.map((one) => [one.queue, one.id, one.execution]), [
        ["default", "mine", execution(0)]
      ])
    }))

  it("tells the attempt", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { failed_attempts: "2", abandon_count: "1" } })
      const [found] = yield* redis.eval(script)({ executionPrefix: prefix, queues: ["default"] })
      assert.strictEqual(found?.attempt, 4)
    }))

  it("passes over what is not started any more, is gone, or is something foreign", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "foreign")
      yield* putStarted(redis, "gone", { execution: execution(1) })
      yield* redis.send("DEL", keys.job("foreign"), keys.job("gone"))
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* putStarted(redis, "canceled", { execution: execution(2), fields: { status: "canceled" } })
      yield* putStarted(redis, "good", { execution: execution(3) })
      yield* redis.send("SET", keys.started("bad"), "a text")
      const found = yield* redis.eval(script)({ executionPrefix: prefix, queues: ["bad", "default"] })
      assert.deepStrictEqual(found.map(({ id }) => id), ["good"])
    }))
})
