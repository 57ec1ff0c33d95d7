import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Execution } from "../../src/lifecycle/execution.js"
import { heartbeat } from "../../src/lifecycle/heartbeat.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { setMeta } from "../../src/worker/meta.js"
import { touch } from "../../src/worker/touch.js"
import { assertUnchanged, at, job, members, now, putJob, suite, waiting, zset } from "./support.js"
import { completed, execution, failed, putStarted, released, stopped, turn } from "./turn.js"

/**
 * The job runs at w2; the execution that w1 had of it before is still in the registry, as Python's requeue leaves it. Its hash
 * names the worker alone.
 */
const putStale = (redis: RedisService) =>
  Effect.gen(function*() {
    yield* putStarted(redis, "a", { execution: execution(9), fields: { worker_name: "w2", retries_left: "3" } })
    yield* redis.send("HDEL", keys.job("a"), "execution")
    yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 10_000), `a:${execution(0)}`)
  })

/** The same worker runs the job again; its execution before is still in the registry. */
const putAgain = (redis: RedisService) =>
  Effect.gen(function*() {
    yield* putStarted(redis, "a", { execution: execution(9), fields: { execution: execution(9) } })
    yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 10_000), `a:${execution(0)}`)
  })

const beats = (redis: RedisService, executions: ReadonlyArray<Execution>) =>
  Effect.map(
    redis.eval(heartbeat)({
      worker: "w1",
      queues: ["default"],
      aliveSeconds: 20,
      workerTtl: 60,
      birth: ["birth", "b"],
      state: ["state", "busy"],
      currentJob: "a",
      full: true,
      executions: executions.map((one) => ({ ...one, startedAt: "1" })),
      ...at(now)
    }),
    ({ isCurrent }) => isCurrent
  )

suite("the fence of an execution: its worker", (it) => {
  for (const ended of [completed, failed, stopped, released]) {
    it(`a job that another worker runs is not taken by a stale execution: ${ended("a")._tag}`, ({ redis }) =>
      Effect.gen(function*() {
        yield* putStale(redis)
        const before = yield* job(redis, "a")
        assert.deepStrictEqual((yield* turn(redis, { ended: [ended("a")] })).handedIn, [false])
        assert.deepStrictEqual(yield* job(redis, "a"), before)
        // what was left of it is gone, the other's is as it was
        assert.deepStrictEqual(yield* zset(redis, keys.started("default")), [
          [`a:${execution(9)}`, String((now + 20_000) / 1000)]
        ])
        assert.deepStrictEqual(yield* waiting(redis), [])
        assert.strictEqual(
          yield* redis.send("EXISTS", keys.results("a"), keys.finished("default"), keys.failed("default")),
          0
        )
        const theirs = yield* turn(redis, { worker: "w2", ended: [completed("a", { execution: execution(9) })] })
        assert.deepStrictEqual(theirs.handedIn, [true])
      }))
  }

  for (const ended of [completed, failed, stopped, released]) {
    it(`a job that the same worker runs again is not taken by the execution before: ${ended("a")._tag}`, ({ redis }) =>
      Effect.gen(function*() {
        yield* putAgain(redis)
        const before = yield* job(redis, "a")
        assert.deepStrictEqual((yield* turn(redis, { ended: [ended("a")] })).handedIn, [false])
        assert.deepStrictEqual(yield* job(redis, "a"), before)
        assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`a:${execution(9)}`])
        assert.deepStrictEqual(yield* waiting(redis), [])
        const again = yield* turn(redis, { ended: [completed("a", { execution: execution(9) })] })
        assert.deepStrictEqual(again.handedIn, [true])
      }))
  }

  it("nor is it kept alive by the execution before", ({ redis }) =>
    Effect.gen(function*() {
      yield* putAgain(redis)
      const before = yield* job(redis, "a")
      const of = { queue: "default", id: "a", execution: execution(0) }
      const later = { aliveUntil: Wire.seconds(now + 60_000), nowDate: Wire.encode(now) }
      assert.isFalse(yield* assertUnchanged(redis, redis.eval(touch)(of, later)))
      assert.deepStrictEqual(yield* beats(redis, [of]), [false])
      assert.deepStrictEqual(yield* job(redis, "a"), before)
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`a:${execution(9)}`])
      yield* redis.send("HSET", keys.job("a"), "status", "canceled", "execution", execution(0))
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 10_000), `a:${execution(0)}`)
      assert.isFalse(yield* assertUnchanged(redis, redis.eval(touch)(of, later)))
    }))

  it("one that is not in the registry any more changes nothing at all", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStale(redis)
      yield* redis.send("ZREM", keys.started("default"), `a:${execution(0)}`)
      const late = turn(redis, { ended: [completed("a"), failed("a"), stopped("a"), released("a")] })
      assert.deepStrictEqual((yield* assertUnchanged(redis, late)).handedIn, [false, false, false, false])
    }))

  it("nor one that was taken out while its job still counts as started by it", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { execution: execution(0), retries_left: "3" } })
      yield* redis.send("ZREM", keys.started("default"), `a:${execution(0)}`)
      for (const ended of [completed, failed, stopped, released]) {
        const late = turn(redis, { ended: [ended("a")] })
        assert.deepStrictEqual((yield* assertUnchanged(redis, late)).handedIn, [false], ended("a")._tag)
      }
    }))

  it("a job whose worker's name Python has emptied is still its worker's", ({ redis }) =>
    Effect.gen(function*() {
      // Python's job.save() of a copy that was read before the start writes all fields but the status
      yield* putStarted(redis, "a", { fields: { worker_name: "" } })
      yield* putStarted(redis, "b")
      yield* redis.send("HDEL", keys.job("b"), "worker_name")
      const executions = ["a", "b"].map((id) => ({ queue: "default", id, execution: execution(0) }))
      assert.deepStrictEqual(yield* beats(redis, executions), [true, true])
      assert.deepStrictEqual((yield* turn(redis, { ended: [completed("a"), failed("b")] })).handedIn, [true, true])
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), ["a"])
      assert.deepStrictEqual(yield* members(redis, keys.failed("default")), ["b"])
    }))

  it("a foreign registry costs the others nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { queue: "bad" })
      yield* redis.send("DEL", keys.started("bad"))
      yield* redis.send("SET", keys.started("bad"), "a text")
      yield* putStarted(redis, "b")
      const result = yield* turn(redis, { ended: [completed("a", { queue: "bad" }), completed("b")] })
      assert.deepStrictEqual(result.handedIn, [false, true])
      assert.include(result.problem, keys.started("bad"))
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), ["b"])
    }))
})

suite("setMeta", (it) => {
  const of = { worker: "w1", queue: "default", id: "a", execution: execution(0) }

  it("writes what is kept with the job, compared with what was read", ({ redis }) =>
    Effect.gen(function*() {
      const set = redis.eval(setMeta)
      yield* putStarted(redis, "a")
      const before = yield* job(redis, "a")
      assert.strictEqual(yield* set(of, "", "{\"n\":1}"), "written")
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, meta: "{\"n\":1}" })
      assert.strictEqual(yield* assertUnchanged(redis, set(of, "", "{\"n\":2}")), "changed")
      assert.strictEqual(yield* assertUnchanged(redis, set(of, "{\"n\": 1}", "{\"n\":2}")), "changed")
      assert.strictEqual(yield* set(of, "{\"n\":1}", "{\"t\":\"grüße 🎉\"}"), "written")
      assert.strictEqual((yield* job(redis, "a"))["meta"], "{\"t\":\"grüße 🎉\"}")
    }))

  it("takes a meta that is empty for none", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { fields: { meta: "" } })
      assert.strictEqual(yield* redis.eval(setMeta)(of, "", "{}"), "written")
    }))

  it("of an execution that is not the current one writes nothing", ({ redis }) =>
    Effect.gen(function*() {
      const set = assertUnchanged(redis, redis.eval(setMeta)(of, "", "{}"))
      assert.strictEqual(yield* set, "lost")
      yield* putStarted(redis, "a", { execution: execution(1) })
      assert.strictEqual(yield* set, "lost")
      yield* putStarted(redis, "a", { fields: { status: "canceled" } })
      assert.strictEqual(yield* set, "lost")
      yield* putStale(redis)
      assert.strictEqual(yield* set, "lost")
      yield* putAgain(redis)
      assert.strictEqual(yield* set, "lost")
      yield* redis.send("DEL", keys.job("a"))
      assert.strictEqual(yield* set, "lost")
      yield* putJob(redis, "a")
      yield* turn(redis, { ended: [completed("a")] })
      assert.strictEqual(yield* set, "lost")
    }))
})
