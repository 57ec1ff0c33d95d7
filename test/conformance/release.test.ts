import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertUnchanged, job, members, status, suite, waiting } from "./support.js"
import { completed, execution, putExecution, putStarted, released, turn } from "./turn.js"

suite("release: started -> queued, at the front", (it) => {
  it("puts the job back before all others, as if it had not been started", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "a")
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      assert.deepStrictEqual((yield* turn(redis, { ended: [released("a")] })).handedIn, [true])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "waiting"])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, status: "queued", worker_name: "", started_at: "" })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0))), 0)
      yield* assertNoTtl(redis, keys.job("a"))
    }))

  it("has no effect when it is repeated, nor after another has started the job again", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* turn(redis, { ended: [released("a")] })
      assert.deepStrictEqual(
        (yield* assertUnchanged(redis, turn(redis, { ended: [released("a")] }))).handedIn,
        [false]
      )
      yield* turn(redis, { worker: "w2", want: 1, counter: 5 })
      assert.deepStrictEqual(
        (yield* assertUnchanged(redis, turn(redis, { ended: [released("a")] }))).handedIn,
        [false]
      )
      const ended = [completed("a", { execution: execution(5) })]
      assert.deepStrictEqual((yield* turn(redis, { worker: "w2", ended })).handedIn, [true])
    }))

  it("is refused for a job that is not started any more", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { status: "canceled" } })
      assert.deepStrictEqual((yield* turn(redis, { ended: [released("a")] })).handedIn, [false])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.strictEqual(yield* status(redis, "a"), "canceled")
    }))

  it("of several, the last one handed in is the first in the queue", ({ redis }) =>
    Effect.gen(function*() {
      for (const [index, id] of ["a", "b", "c"].entries()) {
        yield* putStarted(redis, id, { execution: execution(index) })
      }
      yield* turn(redis, {
        ended: ["c", "b", "a"].map((id, index) => released(id, { execution: execution(2 - index) }))
      })
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b", "c"])
    }))

  it("can be claimed again in the same call", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      const result = yield* turn(redis, { ended: [released("a")], want: 1, counter: 1 })
      assert.deepStrictEqual(result.claimed.map((one) => [one.id, one.execution]), [["a", execution(1)]])
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`a:${execution(1)}`])
    }))

  it("remembers how often the job has failed and has seen its worker die", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { failed_attempts: "2", abandon_count: "1" } })
      const { claimed } = yield* turn(redis, { ended: [released("a")], want: 1, counter: 1 })
      assert.deepStrictEqual(claimed.map(({ attempt, isSuspect }) => [attempt, isSuspect]), [[4, true]])
    }))

  it("changes nothing while the key of the queue holds something else: maintenance finds the job later", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* redis.send("SET", keys.queue("default"), "a text")
      const result = yield* assertUnchanged(redis, turn(redis, { ended: [released("a")] }))
      assert.deepStrictEqual(result.handedIn, [false])
      assert.include(result.problem, "holds a string")
    }))
})
