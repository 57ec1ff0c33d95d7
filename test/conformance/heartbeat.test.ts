import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { heartbeat as script, type HeartbeatParams } from "../../src/lifecycle/heartbeat.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { unregister } from "../../src/worker/registration.js"
import { assertTtl, assertUnchanged, at, hash, job, now, state, status, suite, zset } from "./support.js"
import { execution, putStarted } from "./turn.js"

const beat = (redis: RedisService, params: Partial<HeartbeatParams> & { readonly time?: number } = {}) => {
  const { time = now, ...rest } = params
  return Effect.map(told(redis, { time, ...rest }), ({ isCurrent }) => isCurrent)
}

const told = (redis: RedisService, params: Partial<HeartbeatParams> & { readonly time?: number } = {}) => {
  const { time = now, ...rest } = params
  return redis.eval(script)({
    worker: "w1",
    queues: ["default", "low"],
    aliveSeconds: 20,
    workerTtl: 60,
    birth: ["birth", Wire.encode(now - 1000), "queues", "default,low"],
    state: ["state", "busy", "successful_job_count", "3"],
    currentJob: "a",
    full: true,
    executions: [],
    ...at(time),
    ...rest
  })
}

const running = (id: string, n = 0) => ({
  queue: "default",
  id,
  execution: execution(n),
  startedAt: "1795499999.5"
})

suite("heartbeat: started -> started", (it) => {
  it("prolongs the executions and writes RQ's keys of them", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { abandonedAt: now + 1 })
      const before = yield* job(redis, "a")
      assert.deepStrictEqual(yield* beat(redis, { executions: [running("a")] }), [true])
      assert.deepStrictEqual(yield* zset(redis, keys.started("default")), [
        [`a:${execution(0)}`, String((now + 20_000) / 1000)]
      ])
      assert.deepStrictEqual(yield* job(redis, "a"), { ...before, last_heartbeat: Wire.encode(now) })
      assert.deepStrictEqual(yield* hash(redis, keys.execution("a", execution(0))), {
        id: execution(0),
        job_id: "a",
        worker_name: "w1",
        created_at: "1795499999.5",
        last_heartbeat: Wire.seconds(now)
      })
      yield* assertTtl(redis, keys.execution("a", execution(0)), 80)
      assert.deepStrictEqual(yield* zset(redis, keys.executions("a")), [
        [execution(0), String((now + 80_000) / 1000)]
      ])
      yield* assertTtl(redis, keys.executions("a"), 80)
    }))

  it("that was sent before the worker left and comes after it does not bring the worker back", ({ redis }) =>
    Effect.gen(function*() {
      yield* beat(redis, { time: now - 1000 })
      const queues = ["default", "low"]
      yield* redis.eval(unregister)({ worker: "w1", queues, mayStillCome: false, totals: [], ...at(now) })
      for (const time of [now - 1, now]) {
        const { problem, unguarded } = yield* assertUnchanged(redis, told(redis, { time }))
        assert.deepStrictEqual([problem, unguarded], [undefined, []])
      }
      // a worker that lives is not the one that died
      yield* beat(redis, { time: now + 1 })
      assert.deepStrictEqual(yield* zset(redis, keys.handovers("low")), [["w1", String((now + 20_001) / 1000)]])
      assert.strictEqual((yield* hash(redis, keys.worker("w1")))["state"], "busy")
    }))

  it("is refused for an execution that is not the current one; what is left of it in the registry goes", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "taken", { execution: execution(9), abandonedAt: now + 1 })
      yield* putStarted(redis, "others", { fields: { worker_name: "w2" }, abandonedAt: now + 1 })
      yield* putStarted(redis, "canceled", { fields: { status: "canceled" }, abandonedAt: now + 1 })
      yield* putStarted(redis, "deleted", { abandonedAt: now + 1 })
      yield* redis.send("DEL", keys.job("deleted"))
      yield* putStarted(redis, "good")
      const before = yield* job(redis, "others")
      const executions = ["taken", "others", "canceled", "deleted", "never", "good"].map((id) => running(id))
      assert.deepStrictEqual(yield* beat(redis, { executions }), [false, false, false, false, false, true])
      assert.deepStrictEqual(yield* zset(redis, keys.started("default")), [
        [`taken:${execution(9)}`, String((now + 1) / 1000)],
        [`good:${execution(0)}`, String((now + 20_000) / 1000)]
      ])
      assert.deepStrictEqual(yield* job(redis, "others"), before)
      assert.strictEqual(
        yield* redis.send("EXISTS", keys.job("deleted"), keys.executions("canceled"), keys.executions("others")),
        0
      )
    }))

  it("for one job under whose name something foreign is costs the others nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "foreign")
      yield* redis.send("DEL", keys.job("foreign"))
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* putStarted(redis, "good", { abandonedAt: now + 1 })
      assert.deepStrictEqual(yield* beat(redis, { executions: [running("foreign"), running("good")] }), [false, true])
      assert.strictEqual(
        new Map(yield* zset(redis, keys.started("default"))).get(`good:${execution(0)}`),
        String((now + 20_000) / 1000)
      )
    }))

  it("for one registry in whose place something foreign is costs the others nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.started("bad"), "a text")
      yield* putStarted(redis, "good", { abandonedAt: now + 1 })
      const executions = [{ ...running("lost"), queue: "bad" }, running("good")]
      assert.deepStrictEqual(yield* beat(redis, { executions }), [false, true])
      assert.deepStrictEqual(yield* zset(redis, keys.started("default")), [
        [`good:${execution(0)}`, String((now + 20_000) / 1000)]
      ])
      assert.strictEqual(yield* redis.send("GET", keys.started("bad")), "a text")
    }))

  it("for what the worker tells of itself in a foreign place costs its jobs nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "good", { abandonedAt: now + 1 })
      for (const key of [keys.worker("w1"), keys.workers, keys.workersOf("default"), keys.handovers("default")]) {
        yield* redis.send("DEL", keys.worker("w1"))
        yield* redis.send("SET", key, "a text")
        const { isCurrent, problem, unguarded } = yield* told(redis, { executions: [running("good")] })
        assert.deepStrictEqual(isCurrent, [true], key)
        assert.isTrue(problem?.startsWith(`${key}: WRONGTYPE`), problem)
        assert.deepStrictEqual(unguarded, key === keys.handovers("default") ? ["default"] : [])
        assert.strictEqual(yield* redis.send("GET", key), "a text")
        assert.strictEqual(yield* redis.send("TTL", key), -1)
        assert.isNotNull(yield* redis.send("ZSCORE", keys.handovers("low"), "w1"))
        yield* redis.send("DEL", key)
      }
    }))

  it("may be repeated: counters are totals", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* beat(redis, { executions: [running("a")] })
      const before = yield* state(redis)
      assert.deepStrictEqual(yield* beat(redis, { executions: [running("a")] }), [true])
      assert.deepStrictEqual(yield* state(redis), before)
    }))

  it("lists what the worker runs, as RQ 3 reads it: all that a full beat keeps, nothing once it is idle", ({ redis }) =>
    Effect.gen(function*() {
      const listed = redis.send<ReadonlyArray<string>>("SMEMBERS", keys.workerExecutions("w1"))
      yield* putStarted(redis, "a")
      yield* putStarted(redis, "b", { execution: execution(1) })
      yield* beat(redis, { executions: [running("a"), running("b", 1), running("never", 2)] })
      assert.deepStrictEqual([...(yield* listed)].sort(), [`a:${execution(0)}`, `b:${execution(1)}`])
      yield* assertTtl(redis, keys.workerExecutions("w1"), 60)
      // one that tells of a change only leaves it as it is
      yield* beat(redis, { full: false })
      assert.lengthOf(yield* listed, 2)
      yield* beat(redis, { executions: [running("b", 1)] })
      assert.deepStrictEqual(yield* listed, [`b:${execution(1)}`])
      yield* beat(redis, { currentJob: "", full: false })
      assert.deepStrictEqual(yield* listed, [])
    }))

  it("shows what the worker does, keeps it for its lifetime, and its handover lists alive", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("HSET", keys.worker("w1"), "birth", "long ago", "state", "idle", "current_job", "old")
      yield* beat(redis)
      assert.deepStrictEqual(yield* hash(redis, keys.worker("w1")), {
        birth: "long ago",
        state: "busy",
        successful_job_count: "3",
        current_job: "a",
        last_heartbeat: Wire.encode(now)
      })
      yield* assertTtl(redis, keys.worker("w1"), 60)
      for (const queue of ["default", "low"]) {
        assert.deepStrictEqual(yield* zset(redis, keys.handovers(queue)), [["w1", String((now + 20_000) / 1000)]])
      }
      yield* beat(redis, { currentJob: "" })
      assert.notProperty(yield* hash(redis, keys.worker("w1")), "current_job")
    }))

  it("registers anew a worker that Redis has forgotten", ({ redis }) =>
    Effect.gen(function*() {
      yield* beat(redis)
      yield* redis.send("FLUSHALL")
      yield* beat(redis, { time: now + 5000 })
      assert.deepInclude(yield* hash(redis, keys.worker("w1")), {
        birth: Wire.encode(now - 1000),
        queues: "default,low",
        state: "busy",
        last_heartbeat: Wire.encode(now + 5000)
      })
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workers), ["rq:worker:w1"])
      for (const queue of ["default", "low"]) {
        assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workersOf(queue)), ["rq:worker:w1"])
      }
    }))

  it("prolongs 300 executions in one call", ({ redis }) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 300 }, (_, i) => `j${i}`)
      yield* Effect.forEach(ids, (id, i) => putStarted(redis, id, { execution: execution(i), abandonedAt: now + 1 }), {
        discard: true,
        concurrency: 50
      })
      const isCurrent = yield* beat(redis, { executions: ids.map((id, i) => running(id, i)) })
      assert.deepStrictEqual(isCurrent, ids.map(() => true))
      const scores = new Set((yield* zset(redis, keys.started("default"))).map(([, score]) => score))
      assert.deepStrictEqual([...scores], [String((now + 20_000) / 1000)])
      assert.strictEqual(yield* status(redis, "j299"), "started")
    }))
})
