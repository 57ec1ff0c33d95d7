import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import {
  assertNoTtl,
  assertTtl,
  assertUnchanged,
  at,
  job,
  members,
  now,
  putJob,
  status,
  suite,
  waiting,
  zset
} from "./support.js"
import { completed, execution, failed, putExecution, putStarted, resultsOf, turn } from "./turn.js"

suite("complete: started -> finished", (it) => {
  it("takes the execution out, keeps the result, and lets both expire with the default of RQ", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putExecution(redis, "a")
      const { execution: _, ...before } = yield* job(redis, "a") // its result names it
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a")] })).handedIn, [true])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, status: "finished", ended_at: Wire.encode(now) })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0))), 0)
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [["a", String(now / 1000 + 500)]])
      yield* assertTtl(redis, keys.job("a"), 500)
      yield* assertTtl(redis, keys.results("a"), 500)
      const results = (yield* Golden.dump(redis))[keys.results("a")]
      assert(results?.type === "stream")
      assert.deepStrictEqual(results.value.map(([, fields]) => fields), [{
        type: { s: "1" },
        worker_name: { s: "w1" },
        return_value: { s: "Mw==" },
        execution_id: { s: execution(0) },
        execution_started_at: { s: "1795499999.5" },
        execution_ended_at: { s: at(now).now }
      }])
    }))

  it("has no effect when it is repeated", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* turn(redis, { ended: [completed("a")] })
      const again = yield* assertUnchanged(redis, turn(redis, { ended: [completed("a"), completed("a")] }))
      assert.deepStrictEqual(again.handedIn, [false, false])
    }))

  it("takes many in one call, of several queues, begun at several times, with values and without", ({ redis }) =>
    Effect.gen(function*() {
      // id, queue, when it was started, value; of those that are not put none is the current execution
      const all = [
        ["a", "default", "1.5", ""],
        ["b", "default", "1.5", "Mg=="],
        ["c", "default", "1.5", "Mw=="],
        ["d", "default", "2.5", "NA=="],
        ["gone-1", "default", "2.5", "NQ=="],
        ["e", "default", "2.5", ""],
        ["f", "other", "2.5", ""],
        ["gone-2", "other", "2.5", ""],
        ["g", "other", "2.5", ""],
        ["h", "other", "2.5", ""],
        ["i", "other", "2.5", ""],
        ["j", "default", "2.5", "MTA="]
      ] as const
      const isCurrent = (id: string) => !id.startsWith("gone")
      for (const [id, queue] of all) if (isCurrent(id)) yield* putStarted(redis, id, { queue })
      const ended = all.map(([id, queue, startedAt, returnValue]) => completed(id, { queue, startedAt, returnValue }))
      assert.deepStrictEqual((yield* turn(redis, { ended })).handedIn, all.map(([id]) => isCurrent(id)))
      for (const [id, queue, startedAt, value] of all.filter(([id]) => isCurrent(id))) {
        assert.strictEqual(yield* status(redis, id), "finished")
        assert.include(yield* members(redis, keys.finished(queue)), id)
        const results = (yield* resultsOf(redis, id)).map((
          entry
        ) => [entry["execution_started_at"], entry["return_value"]])
        assert.deepStrictEqual(results, value === "" ? [] : [[startedAt, value]], id)
      }
      for (const queue of ["default", "other"]) assert.deepStrictEqual(yield* members(redis, keys.started(queue)), [])
    }))

  it("is refused for an execution that was taken away", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { execution: execution(7) })
      const result = yield* assertUnchanged(redis, turn(redis, { ended: [completed("a")] }))
      assert.deepStrictEqual(result.handedIn, [false])
    }))

  it("is refused for a job that Python has canceled, deleted or given another state; the member goes", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "canceled", { fields: { status: "canceled" } })
      yield* putStarted(redis, "deleted")
      yield* putStarted(redis, "foreign")
      yield* redis.send("DEL", keys.job("deleted"), keys.job("foreign"))
      yield* redis.send("SET", keys.job("foreign"), "a text")
      const ended = [completed("canceled"), completed("deleted"), completed("foreign")]
      assert.deepStrictEqual((yield* turn(redis, { ended })).handedIn, [false, false, false])
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* status(redis, "canceled"), "canceled")
      assert.strictEqual(yield* redis.send("EXISTS", keys.finished("default"), keys.job("deleted")), 0)
      assert.strictEqual(yield* redis.send("EXISTS", keys.results("canceled"), keys.results("deleted")), 0)
    }))

  it("of a void result keeps no entry", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a", { returnValue: "" })] })).handedIn, [true])
      assert.strictEqual(yield* redis.send("EXISTS", keys.results("a")), 0)
      assert.strictEqual(yield* status(redis, "a"), "finished")
    }))

  it("with a result ttl of zero deletes the job", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "0" } })
      yield* putExecution(redis, "a")
      yield* turn(redis, { ended: [completed("a")] })
      assert.deepStrictEqual(Object.keys(yield* Golden.dump(redis)), [])
    }))

  it("keeps the job as long as it says: for a time, or for ever", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "60" } })
      yield* putStarted(redis, "forever", { fields: { result_ttl: "-1" } })
      yield* putStarted(redis, "empty", { fields: { result_ttl: "" } })
      yield* turn(redis, { ended: [completed("a"), completed("forever"), completed("empty")] })
      yield* assertTtl(redis, keys.job("a"), 60)
      yield* assertTtl(redis, keys.results("a"), 60)
      yield* assertTtl(redis, keys.job("empty"), 500)
      yield* assertNoTtl(redis, keys.job("forever"))
      yield* assertNoTtl(redis, keys.results("forever"))
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [
        ["a", String(now / 1000 + 60)],
        ["empty", String(now / 1000 + 500)],
        ["forever", "inf"]
      ])
    }))

  it("takes a lifetime that Redis can't count for one without end", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { result_ttl: "99999999999999" } })
      yield* turn(redis, { ended: [completed("a")] })
      yield* assertNoTtl(redis, keys.job("a"))
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [["a", "inf"]])
    }))

  it("hands in 300 of two queues in one call, each by itself", ({ redis }) =>
    Effect.gen(function*() {
      const all = Array.from({ length: 300 }, (_, i) => ({ id: `j${i}`, queue: `q${i % 2}`, execution: execution(i) }))
      yield* Effect.forEach(all, ({ id, ...rest }) => putStarted(redis, id, rest), { discard: true, concurrency: 50 })
      yield* redis.send("ZREM", keys.started("q1"), `j7:${execution(7)}`)
      const ended = all.map(({ id, ...rest }) => completed(id, rest))
      const { handedIn } = yield* turn(redis, { ended, queues: ["q0", "q1"] })
      assert.deepStrictEqual(handedIn, all.map(({ id }) => id !== "j7"))
      assert.strictEqual(yield* redis.send("ZCARD", keys.finished("q0")), 150)
      assert.strictEqual(yield* redis.send("ZCARD", keys.finished("q1")), 149)
      assert.strictEqual(yield* status(redis, "j7"), "started")
    }))

  it("of many in one call, each ends by its own state, and is answered in its place", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b", "c", "d", "e"]) yield* putStarted(redis, id)
      yield* putStarted(redis, "kept", { fields: { result_ttl: "-1" } })
      yield* putStarted(redis, "gone", { fields: { result_ttl: "0" } })
      yield* putExecution(redis, "d")
      // b was finished by somebody, c runs again elsewhere, e was deleted
      yield* redis.send("HSET", keys.job("b"), "status", "finished")
      yield* redis.send("HSET", keys.job("c"), "execution", execution(5))
      yield* redis.send("ZREM", keys.started("default"), `c:${execution(0)}`)
      yield* redis.send("DEL", keys.job("e"))
      yield* putJob(redis, "next", { status: "deferred", origin: "default" })
      yield* redis.send("SADD", `${keys.job("d")}:dependents`, "next")
      yield* redis.send("SADD", `${keys.job("next")}:dependencies`, "d")
      const ended = ["a", "b", "c", "d", "e", "kept", "gone"].map((id) => completed(id, { returnValue: "" }))
      const result = yield* turn(redis, { ended: [...ended.slice(0, 5), failed("x"), ...ended.slice(5)] })
      assert.deepStrictEqual(result.handedIn, [true, false, false, true, false, false, true, true])
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [
        ["a", String(now / 1000 + 500)],
        ["d", String(now / 1000 + 500)],
        ["kept", "inf"]
      ])
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.deepStrictEqual(yield* waiting(redis), ["next"])
      yield* assertTtl(redis, keys.job("d"), 500)
      yield* assertNoTtl(redis, keys.job("kept"))
      assert.strictEqual(
        yield* redis.send(
          "EXISTS",
          keys.job("gone"),
          keys.job("e"),
          keys.executions("d"),
          keys.execution("d", execution(0))
        ),
        0
      )
    }))

  it("does what it can where a key holds something foreign, says so, and goes on with the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putStarted(redis, "b", { queue: "bad" })
      yield* putStarted(redis, "c")
      yield* redis.send("SET", keys.results("a"), "a text")
      yield* redis.send("SET", keys.finished("bad"), "a text")
      const result = yield* turn(redis, {
        ended: [completed("a"), completed("b", { queue: "bad" }), completed("c")]
      })
      assert.deepStrictEqual(result.handedIn, [true, true, true])
      assert.match(result.problem ?? "", /^rq:results:a: .*WRONGTYPE/)
      for (const id of ["a", "b", "c"]) {
        assert.strictEqual(yield* status(redis, id), "finished")
        yield* assertTtl(redis, keys.job(id), 500)
      }
      yield* assertNoTtl(redis, keys.results("a"))
      assert.strictEqual(yield* redis.send("GET", keys.finished("bad")), "a text")
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), ["a", "c"])
      assert.strictEqual(yield* redis.send("XLEN", keys.results("b")), 1)
    }))
})
