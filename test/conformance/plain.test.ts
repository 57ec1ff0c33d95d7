/**
 * A hash without `last_heartbeat` is that of a plain job: what it may have beyond that is not looked for (see `askedRarely`
 * in wire/jobHash). So whoever adds to it says so.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Job from "../../src/Job.js"
import * as Queue from "../../src/Queue.js"
import * as awaiting from "../../src/queue/awaiting.js"
import * as Redis from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertTtl, job, now, putJob, suite, zset } from "./support.js"
import { completed, execution, prefix, putExecution, putStarted, resultsOf, turn } from "./turn.js"

const Task = Job.make("app.task", { payload: Schema.Struct({}) })

const mark = (redis: Redis.RedisService, id: string) => Effect.map(awaiting.make(redis).mark(id), ({ state }) => state)

suite("plain jobs", (it) => {
  it("one has the field that says otherwise where it has an option that is looked for rarely, and only there", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      yield* queue.enqueue(Task, {}, {
        jobId: "plain",
        resultTtl: "60 seconds",
        failureTtl: "60 seconds",
        retry: { max: 3 },
        meta: { a: 1 },
        description: "d"
      })
      yield* queue.enqueueIn("5 seconds", Task, {}, { jobId: "later" })
      assert.notProperty(yield* job(redis, "plain"), "last_heartbeat")
      assert.notProperty(yield* job(redis, "later"), "last_heartbeat")

      yield* queue.enqueue(Task, {}, { jobId: "short", ttl: "60 seconds" })
      yield* queue.enqueue(Task, {}, { jobId: "often", repeat: { times: 2, intervals: "5 seconds" } })
      yield* queue.enqueue(Task, {}, { jobId: "unique", uniqueFor: "60 seconds", ttl: "60 seconds" })
      yield* queue.enqueueIn("5 seconds", Task, {}, { jobId: "front", atFront: true })
      yield* queue.enqueue(Task, {}, { jobId: "again", retry: { max: 2, atFront: true } })
      for (const id of ["short", "often", "unique", "front", "again"]) {
        assert.propertyVal(yield* job(redis, id), "last_heartbeat", "", id)
      }
    }).pipe(Effect.provide(Queue.layer), Effect.provideService(Redis.Redis, redis)))

  it("one that a worker of RQ has started since does not end with the run before", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a")
      yield* redis.send("RPUSH", keys.queue("default"), "a")
      yield* turn(redis, { want: 1 })
      assert.notProperty(yield* job(redis, "a"), "last_heartbeat")
      // requeued and started by RQ, which leaves alone what it does not know: our execution and our member
      const date = Wire.encode(now + 1)
      yield* redis.send("HSET", keys.job("a"), "worker_name", "theirs", "last_heartbeat", date, "started_at", date)
      const before = yield* job(redis, "a")
      assert.strictEqual(before["execution"], `${prefix}00000000`)
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a")] })).handedIn, [false])
      assert.deepStrictEqual(yield* job(redis, "a"), before)
      assert.deepStrictEqual(yield* zset(redis, keys.finished("default")), [])
    }))

  it("one that ends well is finished, keeps its execution and is kept for RQ's time", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      const before = yield* job(redis, "a")
      assert.notProperty(before, "last_heartbeat")
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a", { returnValue: "" })] })).handedIn, [true])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, status: "finished", ended_at: Wire.encode(now) })
      yield* assertTtl(redis, keys.job("a"), 500)
      assert.deepStrictEqual(yield* resultsOf(redis, "a"), [])
    }))

  it("what says that it has options does not say that there are keys of its execution", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { last_heartbeat: "" } })
      yield* putStarted(redis, "beaten", { execution: execution(1) })
      yield* putExecution(redis, "beaten", execution(1))
      yield* redis.send("HSET", keys.execution("a", execution(0)), "id", execution(0))
      const ended = [completed("a"), completed("beaten", { execution: execution(1) })]
      assert.deepStrictEqual((yield* turn(redis, { ended })).handedIn, [true, true])
      // which would be looked for in vain after each run; where they are after all they expire by themselves
      assert.strictEqual(yield* redis.send("EXISTS", keys.execution("a", execution(0))), 1)
      assert.strictEqual(
        yield* redis.send("EXISTS", keys.execution("beaten", execution(1)), keys.executions("beaten")),
        0
      )
    }))

  it("one that is awaited says so, and its end is written", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putStarted(redis, "beaten", { execution: execution(1) })
      yield* redis.send("HSET", keys.job("beaten"), "last_heartbeat", Wire.encode(now))
      for (const id of ["a", "beaten"]) assert.strictEqual(yield* mark(redis, id), "waiting")
      assert.deepInclude(yield* job(redis, "a"), { awaited: "1", last_heartbeat: "" })
      // what a heartbeat wrote stays
      assert.deepInclude(yield* job(redis, "beaten"), { awaited: "1", last_heartbeat: Wire.encode(now) })
      const ended = [
        completed("a", { returnValue: "" }),
        completed("beaten", { returnValue: "", execution: execution(1) })
      ]
      assert.deepStrictEqual((yield* turn(redis, { ended })).handedIn, [true, true])
      for (const id of ["a", "beaten"]) assert.lengthOf(yield* resultsOf(redis, id), 1, id)
    }))
})
