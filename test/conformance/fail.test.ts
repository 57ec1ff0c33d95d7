import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import { assertNoTtl, assertTtl, assertUnchanged, at, job, members, now, status, suite, zset } from "./support.js"
import { execution, failed, putExecution, putStarted, turn } from "./turn.js"

const whole = Math.floor(now / 1000)
const year = 31_536_000

suite("fail: started -> failed", (it) => {
  it("takes the execution out and keeps the failure for a year", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      const result = yield* turn(redis, { ended: [failed("a", { error: "{\"_tag\":\"Rejected\"}" })] })
      assert.deepStrictEqual(result.handedIn, [true])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, status: "failed", ended_at: Wire.encode(now) })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0))), 0)
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [["a", String(whole + year)]])
      yield* assertTtl(redis, keys.job("a"), year)
      yield* assertTtl(redis, keys.results("a"), year)
      const results = (yield* Golden.dump(redis))[keys.results("a")]
      assert(results?.type === "stream")
      assert.deepStrictEqual(results.value.map(([, fields]) => fields), [{
        type: { s: "2" },
        worker_name: { s: "w1" },
        exc_string: { s: "ZXhj" },
        execution_id: { s: execution(0) },
        execution_started_at: { s: "1795499999.5" },
        execution_ended_at: { s: at(now).now },
        error: { s: "{\"_tag\":\"Rejected\"}" }
      }])
    }))

  it("without a typed error keeps none", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* turn(redis, { ended: [failed("a")] })
      const results = (yield* Golden.dump(redis))[keys.results("a")]
      assert(results?.type === "stream")
      assert.notProperty(results.value[0]![1], "error")
    }))

  it("has no effect when it is repeated", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* turn(redis, { ended: [failed("a")] })
      const again = yield* assertUnchanged(redis, turn(redis, { ended: [failed("a")] }))
      assert.deepStrictEqual(again.handedIn, [false])
    }))

  it("is refused for an execution that was taken away, and for a job that is not started any more", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { execution: execution(7) })
      assert.deepStrictEqual((yield* assertUnchanged(redis, turn(redis, { ended: [failed("a")] }))).handedIn, [false])
      yield* putStarted(redis, "stopped", { fields: { status: "stopped" } })
      assert.deepStrictEqual((yield* turn(redis, { ended: [failed("stopped")] })).handedIn, [false])
      assert.strictEqual(yield* status(redis, "stopped"), "stopped")
      assert.strictEqual(yield* redis.send("EXISTS", keys.failed("default"), keys.results("stopped")), 0)
    }))

  it("keeps the job as long as it says: not at all, for a time, or for ever", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "gone", { fields: { failure_ttl: "0" } })
      yield* putStarted(redis, "a", { fields: { failure_ttl: "60" } })
      yield* putStarted(redis, "forever", { fields: { failure_ttl: "-1" } })
      yield* turn(redis, { ended: [failed("gone"), failed("a"), failed("forever")] })
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("gone")), 0)
      // what became of it stays for a moment, for who waits for it
      yield* assertTtl(redis, keys.results("gone"), 60)
      yield* assertTtl(redis, keys.job("a"), 60)
      yield* assertTtl(redis, keys.results("a"), 60)
      yield* assertNoTtl(redis, keys.job("forever"))
      yield* assertNoTtl(redis, keys.results("forever"))
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [
        ["forever", "-1"],
        ["a", String(whole + 60)]
      ])
    }))

  it("adds to the outcomes of earlier runs", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* redis.send("XADD", keys.results("a"), "1-1", "type", "4")
      yield* turn(redis, { ended: [failed("a")] })
      assert.strictEqual(yield* redis.send("XLEN", keys.results("a")), 2)
    }))

  it("does what it can where a key holds something foreign, says so, and goes on with the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putStarted(redis, "b", { queue: "bad" })
      yield* redis.send("SET", keys.results("a"), "a text")
      yield* redis.send("SET", keys.failed("bad"), "a text")
      const result = yield* turn(redis, { ended: [failed("a"), failed("b", { queue: "bad" })] })
      assert.deepStrictEqual(result.handedIn, [true, true])
      assert.include(result.problem, "WRONGTYPE")
      for (const id of ["a", "b"]) {
        assert.strictEqual(yield* status(redis, id), "failed")
        yield* assertTtl(redis, keys.job(id), year)
      }
      yield* assertNoTtl(redis, keys.results("a"))
      assert.strictEqual(yield* redis.send("XLEN", keys.results("b")), 1)
    }))
})
