import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, assertUnchanged, at, job, members, now, suite, waiting, zset } from "./support.js"
import { completed, execution, putExecution, putStarted, resultsOf, stopped, turn } from "./turn.js"

const whole = Math.floor(now / 1000)
const year = 31_536_000

suite("stop: started -> stopped", (it) => {
  it("takes the execution out, keeps the text, and lets the job expire as a failed one does", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      assert.deepStrictEqual((yield* turn(redis, { ended: [stopped("a")] })).handedIn, [true])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, status: "stopped", ended_at: Wire.encode(now) })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0))), 0)
      // RQ has no registry of stopped jobs, and gives their results the type of a failure
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [["a", String(whole + year)]])
      assert.deepStrictEqual(yield* resultsOf(redis, "a"), [{
        type: "2",
        worker_name: "w1",
        exc_string: "c3RvcA==",
        execution_id: execution(0),
        execution_started_at: "1795499999.5",
        execution_ended_at: at(now).now
      }])
      yield* assertTtl(redis, keys.job("a"), year)
      yield* assertTtl(redis, keys.results("a"), year)
    }))

  it("makes no retry, and spends none", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "3", retry_intervals: "[1]", repeats_left: "2" } })
      yield* turn(redis, { ended: [stopped("a")] })
      assert.deepInclude(yield* job(redis, "a"), { status: "stopped", retries_left: "3", repeats_left: "2" })
      assert.notProperty(yield* job(redis, "a"), "failed_attempts")
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduled("default")), 0)
    }))

  it("has no effect when it is repeated, nor for a job that has another state", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* turn(redis, { ended: [stopped("a")] })
      const again = yield* assertUnchanged(redis, turn(redis, { ended: [stopped("a"), completed("a")] }))
      assert.deepStrictEqual(again.handedIn, [false, false])
      yield* putStarted(redis, "canceled", { fields: { status: "canceled" } })
      assert.deepStrictEqual((yield* turn(redis, { ended: [stopped("canceled")] })).handedIn, [false])
      assert.strictEqual((yield* job(redis, "canceled"))["status"], "canceled")
    }))

  it("keeps the job as long as its failures: not at all, for a time, or for ever", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "gone", { fields: { failure_ttl: "0" } })
      yield* putStarted(redis, "a", { fields: { failure_ttl: "60" } })
      yield* putStarted(redis, "forever", { fields: { failure_ttl: "-1" } })
      yield* turn(redis, { ended: [stopped("gone"), stopped("a"), stopped("forever")] })
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("gone")), 0)
      yield* assertTtl(redis, keys.results("gone"), 60)
      yield* assertTtl(redis, keys.job("a"), 60)
      yield* assertNoTtl(redis, keys.job("forever"))
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [
        ["forever", "-1"],
        ["a", String(whole + 60)]
      ])
    }))
})
