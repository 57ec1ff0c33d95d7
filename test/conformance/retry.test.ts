import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, assertUnchanged, at, job, members, now, suite, waiting, zset } from "./support.js"
import { completed, execution, failed, putExecution, putStarted, resultsOf, turn } from "./turn.js"

const year = 31_536_000

/** When a job that is started with these fields and fails runs again: a delay in seconds, or where it is instead. */
const outcomeOf = (
  redis: RedisService,
  fields: Readonly<Record<string, string>>,
  retry: "" | "never" | number = ""
) =>
  Effect.gen(function*() {
    yield* putStarted(redis, "a", { fields })
    const { handedIn, retriedAt } = yield* turn(redis, { ended: [failed("a", { retry })] })
    assert.deepStrictEqual(handedIn, [true])
    const { status } = yield* job(redis, "a")
    const due = yield* redis.send<string | null>("ZSCORE", keys.scheduled("default"), "a")
    const queued = yield* waiting(redis)
    const inFailed = yield* members(redis, keys.failed("default"))
    const where = [due !== null, queued.length > 0, inFailed.length > 0]
    assert.deepStrictEqual(where, [status === "scheduled", status === "queued", status === "failed"])
    assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
    // The worker is told.
    assert.deepStrictEqual(retriedAt, [due !== null ? Wire.millis(due) : status === "queued" ? now : undefined])
    yield* redis.send("FLUSHALL")
    return due === null ? status! : Number((Number(due) - now / 1000).toFixed(3))
  })

suite("fail with retries: started -> queued or scheduled", (it) => {
  it("without an interval goes to the back of the queue at once, and spends a retry", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "a", { fields: { retries_left: "3" } })
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      const result = yield* turn(redis, { ended: [failed("a", { error: "{}" })] })
      assert.deepStrictEqual([result.handedIn, result.problem], [[true], undefined])
      assert.deepStrictEqual(yield* waiting(redis), ["waiting", "a"])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "queued",
        retries_left: "2",
        failed_attempts: "1",
        ended_at: Wire.encode(now),
        enqueued_at: Wire.encode(now)
      })
      yield* assertNoTtl(redis, keys.job("a"))
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(
        yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0)), keys.failed("default")),
        0
      )
    }))

  it("leaves an entry of type 4 for each failure that is retried, and one of type 2 for the last", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "2", failure_ttl: "60" } })
      yield* turn(redis, { ended: [failed("a", { error: "{\"n\":1}" })] })
      assert.deepStrictEqual(yield* resultsOf(redis, "a"), [{
        type: "4",
        worker_name: "w1",
        exc_string: "ZXhj",
        execution_id: execution(0),
        execution_started_at: "1795499999.5",
        execution_ended_at: at(now).now,
        error: "{\"n\":1}"
      }])
      yield* assertTtl(redis, keys.results("a"), 60)
      for (const n of [1, 2]) {
        const { claimed } = yield* turn(redis, { want: 1, counter: n })
        assert.deepStrictEqual(claimed.map((one) => [one.id, one.attempt]), [["a", n + 1]])
        yield* turn(redis, { ended: [failed("a", { execution: execution(n) })] })
      }
      assert.deepStrictEqual((yield* resultsOf(redis, "a")).map(({ type }) => type), ["4", "4", "2"])
      assert.deepInclude(yield* job(redis, "a"), { status: "failed", retries_left: "0", failed_attempts: "2" })
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [["a", String(Math.floor(now / 1000) + 60)]])
      yield* assertTtl(redis, keys.job("a"), 60)
    }))

  it("has no effect when it is repeated: no second retry is spent", ({ redis }) =>
    Effect.gen(function*() {
      for (const intervals of ["[0]", "[30]"]) {
        yield* putStarted(redis, "a", { fields: { retries_left: "3", retry_intervals: intervals } })
        yield* turn(redis, { ended: [failed("a")] })
        const again = yield* assertUnchanged(redis, turn(redis, { ended: [failed("a"), failed("a")] }))
        assert.deepStrictEqual(again.handedIn, [false, false])
        yield* redis.send("FLUSHALL")
      }
    }))

  it("begins the lifetime in the queue anew, which one that is scheduled has not yet", ({ redis }) =>
    Effect.gen(function*() {
      for (
        const [id, fields] of Object.entries({
          "at-once": { retries_left: "1", ttl: "30" },
          "later": { retries_left: "1", retry_intervals: "[10]", ttl: "30" },
          "endless": { retries_left: "1", ttl: "1e300" },
          "none": { retries_left: "1", ttl: "" }
        })
      ) {
        yield* putStarted(redis, id, { fields })
        yield* turn(redis, { ended: [failed(id)] })
      }
      yield* assertTtl(redis, keys.job("at-once"), 30)
      for (const id of ["later", "endless", "none"]) yield* assertNoTtl(redis, keys.job(id))
      yield* turn(redis, { want: 3, counter: 1 })
      yield* assertNoTtl(redis, keys.job("at-once"))
    }))

  it("with an interval is scheduled to the millisecond, and tells schedulers when it is due", ({ redis }) =>
    Effect.gen(function*() {
      const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
      yield* redis.send("ZADD", keys.scheduled("default"), Wire.seconds(now + 20_000), "later")
      yield* putStarted(redis, "a", { fields: { retries_left: "1", retry_intervals: "[10]" } })
      yield* turn(redis, { ended: [failed("a")] })
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [
        ["a", String((now + 10_000) / 1000)],
        ["later", String((now + 20_000) / 1000)]
      ])
      assert.deepInclude(yield* job(redis, "a"), { status: "scheduled", retries_left: "0", failed_attempts: "1" })
      assert.notProperty(yield* job(redis, "a"), "enqueued_at")
      assert.deepStrictEqual(yield* waiting(redis), [])
      yield* assertNoTtl(redis, keys.job("a"))
      // what is not the next one due needs no message
      yield* putStarted(redis, "b", { fields: { retries_left: "1", retry_intervals: "[30]" } })
      yield* turn(redis, { ended: [failed("b")] })
      yield* redis.send("PUBLISH", keys.schedulerChannel("default"), "last")
      const message = (yield* Queue.take(messages)).message
      assert.strictEqual(message.slice(0, 4), "due ")
      assert.strictEqual(Number(message.slice(4)), (now + 10_000) / 1000)
      assert.strictEqual((yield* Queue.take(messages)).message, "last")
    }))

  it("without an interval tells nobody", ({ redis }) =>
    Effect.gen(function*() {
      const messages = yield* redis.subscribe(keys.schedulerChannel("default"))
      yield* putStarted(redis, "a", { fields: { retries_left: "1" } })
      yield* turn(redis, { ended: [failed("a")] })
      yield* redis.send("PUBLISH", keys.schedulerChannel("default"), "last")
      assert.strictEqual((yield* Queue.take(messages)).message, "last")
    }))

  it("counts the intervals from the end as RQ does: the first of too few stands for those before it", ({ redis }) =>
    Effect.gen(function*() {
      const delays = (intervals: string, ...lefts: ReadonlyArray<number>) =>
        Effect.forEach(lefts, (left) => outcomeOf(redis, { retries_left: String(left), retry_intervals: intervals }))
      assert.deepStrictEqual(yield* delays("[1, 2, 3]", 3, 2, 1), [1, 2, 3])
      assert.deepStrictEqual(yield* delays("[10, 20]", 4, 3, 2, 1), [10, 10, 10, 20])
      assert.deepStrictEqual(yield* delays("[7]", 3, 2, 1), [7, 7, 7])
      // more intervals than retries: the last ones count
      assert.deepStrictEqual(yield* delays("[1,2,3,4,5]", 2, 1), [4, 5])
      assert.deepStrictEqual(yield* delays("[0, 60]", 2, 1), ["queued", 60])
    }))

  it("reads what is no list of seconds as no pause", ({ redis }) =>
    Effect.gen(function*() {
      const odd = [
        "",
        "[]",
        "{}",
        "{\"1\": 5}",
        "null",
        "5",
        "\"5\"",
        "[",
        "not json",
        "[null]",
        "[true]",
        "[[5]]",
        "[{}]",
        "[\"x\"]",
        "[-5]",
        "[1",
        "\xff"
      ]
      for (const intervals of odd) {
        assert.strictEqual(
          yield* outcomeOf(redis, { retries_left: "1", retry_intervals: intervals }),
          "queued",
          JSON.stringify(intervals)
        )
      }
      assert.strictEqual(yield* outcomeOf(redis, { retries_left: "1", retry_intervals: "[\"5\"]" }), 5)
      assert.strictEqual(yield* outcomeOf(redis, { retries_left: "1", retry_intervals: "[0.5]" }), 0.5)
    }))

  it("does not read what is no number of retries as one", ({ redis }) =>
    Effect.gen(function*() {
      for (const left of ["", "0", "-1", "many"]) {
        assert.strictEqual(yield* outcomeOf(redis, { retries_left: left, retry_intervals: "[1]" }), "failed", left)
      }
      assert.strictEqual(yield* outcomeOf(redis, { retry_intervals: "[1]" }), "failed")
    }))

  it("of the worker's word: never", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "3", retry_intervals: "[1]" } })
      yield* turn(redis, { ended: [failed("a", { retry: "never" })] })
      assert.deepInclude(yield* job(redis, "a"), { status: "failed", retries_left: "3" })
      assert.deepStrictEqual((yield* resultsOf(redis, "a")).map(({ type }) => type), ["2"])
      yield* assertTtl(redis, keys.job("a"), year)
      yield* redis.send("FLUSHALL")
      assert.strictEqual(yield* outcomeOf(redis, {}, "never"), "failed")
    }))

  it("of the worker's word: seconds, in place of the job's intervals", ({ redis }) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* outcomeOf(redis, { retries_left: "2", retry_intervals: "[50]" }, 1.25), 1.25)
      assert.strictEqual(yield* outcomeOf(redis, { retries_left: "2", retry_intervals: "[50]" }, 0), "queued")
      // a job that knows of no retries is retried as the worker says
      assert.strictEqual(yield* outcomeOf(redis, {}, 7), 7)
      assert.strictEqual(yield* outcomeOf(redis, {}, 0), "queued")
      // one that has spent them is not
      assert.strictEqual(yield* outcomeOf(redis, { retries_left: "0" }, 7), "failed")
      yield* putStarted(redis, "spends", { fields: { retries_left: "2" } })
      yield* putStarted(redis, "none", { execution: execution(1) })
      yield* turn(redis, {
        ended: [failed("spends", { retry: 7 }), failed("none", { retry: 7, execution: execution(1) })]
      })
      assert.deepInclude(yield* job(redis, "spends"), { retries_left: "1", failed_attempts: "1" })
      assert.notProperty(yield* job(redis, "none"), "retries_left")
      assert.strictEqual((yield* job(redis, "none"))["failed_attempts"], "1")
    }))

  it("goes to the front where the job says so, at once or when it is due", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "front", { fields: { retries_left: "1", enqueue_at_front_on_retry: "1" } })
      yield* putStarted(redis, "back", {
        execution: execution(1),
        fields: { retries_left: "1", enqueue_at_front_on_retry: "0", enqueue_at_front: "1" }
      })
      yield* turn(redis, { ended: [failed("front"), failed("back", { execution: execution(1) })] })
      assert.deepStrictEqual(yield* waiting(redis), ["front", "waiting", "back"])
      yield* putStarted(redis, "delayed", {
        execution: execution(2),
        fields: { retries_left: "1", retry_intervals: "[5]", enqueue_at_front_on_retry: "1" }
      })
      yield* turn(redis, { ended: [failed("delayed", { execution: execution(2) })] })
      // a scheduler tells it by these fields, Python's as well
      const fields = yield* job(redis, "delayed")
      assert.deepInclude(fields, { status: "scheduled", enqueue_at_front_on_retry: "1", ended_at: Wire.encode(now) })
    }))

  it("keeps the failures of a job that keeps none for a moment only", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "1", failure_ttl: "0" } })
      yield* putStarted(redis, "b", { fields: { retries_left: "1", failure_ttl: "-1" } })
      yield* turn(redis, { ended: [failed("a"), failed("b")] })
      yield* assertTtl(redis, keys.results("a"), 60)
      yield* assertNoTtl(redis, keys.results("b"))
      for (const id of ["a", "b"]) yield* assertNoTtl(redis, keys.job(id))
    }))

  it("rests as failed where the key of the queue holds something foreign, and says so", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { queue: "bad", fields: { retries_left: "2" } })
      yield* putStarted(redis, "b", { fields: { retries_left: "2" } })
      yield* redis.send("SET", keys.queue("bad"), "a text")
      const result = yield* turn(redis, { ended: [failed("a", { queue: "bad" }), failed("b")] })
      assert.deepStrictEqual(result.handedIn, [true, true])
      assert.match(result.problem ?? "", /^rq:queue:bad: .*WRONGTYPE/)
      assert.strictEqual((yield* job(redis, "a"))["status"], "failed")
      assert.deepStrictEqual(yield* zset(redis, keys.failed("bad")), [["a", "-1"]])
      yield* assertNoTtl(redis, keys.job("a"))
      assert.strictEqual(yield* redis.send("GET", keys.queue("bad")), "a text")
      assert.deepStrictEqual(yield* waiting(redis), ["b"])
    }))

  it("is queued at once where the key of the scheduled registry holds something foreign, and says so", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "2", retry_intervals: "[9]" } })
      yield* redis.send("SET", keys.scheduled("default"), "a text")
      const result = yield* turn(redis, { ended: [failed("a")] })
      assert.deepStrictEqual(result.handedIn, [true])
      assert.include(result.problem, keys.scheduled("default"))
      assert.deepInclude(yield* job(redis, "a"), { status: "queued", retries_left: "1" })
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
    }))

  it("can be claimed again in the same call, as the next attempt", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { retries_left: "2", abandon_count: "2", failed_attempts: "1" } })
      const { claimed } = yield* turn(redis, { ended: [failed("a")], want: 1, counter: 1 })
      assert.deepStrictEqual(claimed.map((one) => [one.id, one.execution, one.attempt]), [["a", execution(1), 5]])
      const late = yield* turn(redis, { ended: [completed("a")] })
      assert.deepStrictEqual(late.handedIn, [false])
    }))
})
