import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, assertUnchanged, job, members, now, suite, waiting, zset } from "./support.js"
import { completed, execution, failed, putExecution, putStarted, resultsOf, turn } from "./turn.js"

/** Runs the job to its end; tells for each run when it runs again, in seconds, or its status at the end. */
const pauses = (redis: RedisService, fields: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    yield* putStarted(redis, "a", { fields })
    const out: Array<number | string> = []
    for (let run = 0; run < 20; run++) {
      yield* turn(redis, { ended: [completed("a", { execution: execution(run) })] })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      const due = yield* redis.send<string | null>("ZSCORE", keys.scheduled("default"), "a")
      const { status } = yield* job(redis, "a")
      if (due !== null) {
        assert.strictEqual(status, "scheduled")
        out.push(Number((Number(due) - now / 1000).toFixed(3)))
        yield* redis.send("ZREM", keys.scheduled("default"), "a")
        yield* redis.send("HSET", keys.job("a"), "status", "queued")
        yield* redis.send("RPUSH", keys.queue("default"), "a")
      } else if (status === "queued") {
        out.push(0)
        assert.deepStrictEqual(yield* waiting(redis), ["a"])
      } else {
        out.push(status ?? "gone")
        break
      }
      // between two runs it is in no registry of what has ended
      assert.strictEqual(yield* redis.send("EXISTS", keys.finished("default"), keys.failed("default")), 0)
      yield* assertNoTtl(redis, keys.job("a"))
      yield* turn(redis, { want: 1, counter: run + 1 })
    }
    yield* redis.send("FLUSHALL")
    return out
  })

suite("complete with repeats: started -> scheduled or queued", (it) => {
  it("is scheduled anew, keeps its result, and is not in the finished registry meanwhile", ({ redis }) =>
    Effect.gen(function*() {
      const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
      yield* putStarted(redis, "a", { fields: { repeats_left: "3", repeat_intervals: "[5, 10, 15]" } })
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a")] })).handedIn, [true])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "scheduled",
        ended_at: Wire.encode(now),
        repeats_left: "2",
        repeat_count: "1"
      })
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [["a", String((now + 5000) / 1000)]])
      const message = (yield* Queue.take(messages)).message
      assert.strictEqual(Number(message.replace(/^due /, "")), (now + 5000) / 1000)
      assert.strictEqual(yield* redis.send("EXISTS", keys.finished("default"), keys.executions("a")), 0)
      yield* assertNoTtl(redis, keys.job("a"))
      assert.deepInclude((yield* resultsOf(redis, "a"))[0], { type: "1", return_value: "Mw==" })
      yield* assertNoTtl(redis, keys.results("a"))
    }))

  it("that is queued at once begins its lifetime in the queue anew", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { repeats_left: "1", repeat_intervals: "[0]", ttl: "30" } })
      yield* turn(redis, { ended: [completed("a")] })
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      yield* assertTtl(redis, keys.job("a"), 30)
    }))

  it("takes the intervals in their order, the last one for all the rest, and then is finished", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* pauses(redis, { repeats_left: "3", repeat_intervals: "[5, 10, 15]" }),
        [5, 10, 15, "finished"]
      )
      assert.deepStrictEqual(
        yield* pauses(redis, { repeats_left: "4", repeat_intervals: "[5, 10]" }),
        [5, 10, 10, 10, "finished"]
      )
      assert.deepStrictEqual(yield* pauses(redis, { repeats_left: "2", repeat_intervals: "[3]" }), [3, 3, "finished"])
      assert.deepStrictEqual(
        yield* pauses(redis, { repeats_left: "1", repeat_intervals: "[1, 2, 3]" }),
        [1, "finished"]
      )
    }))

  it("without a pause is queued at the back at once", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pauses(redis, { repeats_left: "2", repeat_intervals: "[0]" }), [0, 0, "finished"])
      assert.deepStrictEqual(yield* pauses(redis, { repeats_left: "1" }), [0, "finished"])
      assert.deepStrictEqual(yield* pauses(redis, { repeats_left: "1", repeat_intervals: "garbage" }), [0, "finished"])
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "a", { fields: { repeats_left: "1", enqueue_at_front: "1" } })
      yield* turn(redis, { ended: [completed("a")] })
      assert.deepStrictEqual(yield* waiting(redis), ["waiting", "a"])
      assert.strictEqual((yield* job(redis, "a"))["enqueued_at"], Wire.encode(now))
    }))

  it("does not read what is no number of repeats as one", ({ redis }) =>
    Effect.gen(function*() {
      for (const left of ["", "0", "-1", "often"]) {
        assert.deepStrictEqual(yield* pauses(redis, { repeats_left: left, repeat_intervals: "[5]" }), ["finished"])
      }
    }))

  it("after the last run lets the job and all its results expire", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { repeats_left: "1", result_ttl: "60" } })
      yield* turn(redis, { ended: [completed("a")], want: 1, counter: 1 })
      yield* assertNoTtl(redis, keys.results("a"))
      yield* turn(redis, { ended: [completed("a", { execution: execution(1) })] })
      assert.strictEqual((yield* resultsOf(redis, "a")).length, 2)
      yield* assertTtl(redis, keys.results("a"), 60)
      yield* assertTtl(redis, keys.job("a"), 60)
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [["a", String(now / 1000 + 60)]])
    }))

  it("with a result ttl of zero repeats without results, and is gone after the last run", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* pauses(redis, { repeats_left: "2", repeat_intervals: "[1]", result_ttl: "0" }),
        [1, 1, "gone"]
      )
      yield* putStarted(redis, "a", { fields: { repeats_left: "1", result_ttl: "0" } })
      yield* turn(redis, { ended: [completed("a")], want: 1, counter: 1 })
      assert.strictEqual(yield* redis.send("EXISTS", keys.results("a")), 0)
      yield* turn(redis, { ended: [completed("a", { execution: execution(1) })] })
      assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [])
    }))

  it("spends no repeat when the run fails, nor twice when it is handed in twice", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { repeats_left: "2", repeat_intervals: "[5]", retries_left: "1" } })
      yield* turn(redis, { ended: [failed("a")] })
      assert.deepInclude(yield* job(redis, "a"), { status: "queued", repeats_left: "2", retries_left: "0" })
      yield* turn(redis, { want: 1, counter: 1 })
      const ended = [completed("a", { execution: execution(1) })]
      yield* turn(redis, { ended })
      assert.deepInclude(yield* job(redis, "a"), { status: "scheduled", repeats_left: "1" })
      assert.deepStrictEqual((yield* assertUnchanged(redis, turn(redis, { ended }))).handedIn, [false])
    }))
})

suite("complete: results that are awaited", (it) => {
  it("a void result leaves an entry without a value", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { awaited: "1" } })
      yield* turn(redis, { ended: [completed("a", { returnValue: "" })] })
      const [entry, ...more] = yield* resultsOf(redis, "a")
      assert.deepInclude(entry, { type: "1", execution_id: execution(0) })
      assert.notProperty(entry, "return_value")
      assert.deepStrictEqual(more, [])
      yield* assertTtl(redis, keys.results("a"), 500)
    }))

  it("is there for a minute although the job keeps none and is gone", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "void", { fields: { awaited: "1", result_ttl: "0" } })
      yield* putStarted(redis, "value", { fields: { awaited: "1", result_ttl: "0" } })
      yield* turn(redis, { ended: [completed("void", { returnValue: "" }), completed("value")] })
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("void"), keys.job("value"), keys.finished("default")), 0)
      for (const id of ["void", "value"]) yield* assertTtl(redis, keys.results(id), 60)
      assert.notProperty((yield* resultsOf(redis, "void"))[0], "return_value")
      assert.strictEqual((yield* resultsOf(redis, "value"))[0]!["return_value"], "Mw==")
    }))

  it("is not kept for anything but a 1 in the field", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { awaited: "0" } })
      yield* turn(redis, { ended: [completed("a", { returnValue: "" })] })
      assert.strictEqual(yield* redis.send("EXISTS", keys.results("a")), 0)
    }))
})
