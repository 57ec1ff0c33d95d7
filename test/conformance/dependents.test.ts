import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abandon } from "../../src/lifecycle/abandon.js"
import { admit } from "../../src/lifecycle/admit.js"
import { remove } from "../../src/lifecycle/remove.js"
import { requeue } from "../../src/lifecycle/requeue.js"
import type { Ended } from "../../src/lifecycle/turn.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, at, job, members, now, putJob, status, suite, waiting } from "./support.js"
import { completed, execution, failed, putStarted, stopped, turn } from "./turn.js"

const dependentsOf = (id: string) => `${keys.job(id)}:dependents`
const dependenciesOf = (id: string) => `${keys.family.job}:${id}:dependencies`

/** A job that waits for others, as RQ leaves it. */
const putDeferred = (
  redis: RedisService,
  id: string,
  parents: ReadonlyArray<string>,
  options: { readonly queue?: string; readonly fields?: Readonly<Record<string, string>> } = {}
) =>
  Effect.gen(function*() {
    const queue = options.queue ?? "default"
    yield* putJob(redis, id, {
      status: "deferred",
      origin: queue,
      dependency_id: parents[0]!,
      dependency_ids: JSON.stringify(parents),
      ...options.fields
    })
    yield* redis.send("ZADD", keys.deferred(queue), Math.floor(now / 1000), id)
    for (const parent of parents) {
      yield* redis.send("SADD", dependentsOf(parent), id)
      yield* redis.send("SADD", dependenciesOf(id), parent)
    }
  })

/** Started jobs, each with an execution of its own. */
const putParents = (redis: RedisService, ...ids: ReadonlyArray<string>) =>
  Effect.forEach(ids, (id, i) => putStarted(redis, id, { execution: execution(i) }), { discard: true })

const end = (redis: RedisService, ...ended: ReadonlyArray<Ended>) =>
  Effect.map(turn(redis, { ended }), (result) => {
    assert.deepStrictEqual(result.handedIn, ended.map(() => true))
    assert.isUndefined(result.problem)
  })

const allow = { allow_dependency_failures: "1" } as const

const endings = {
  finished: completed,
  failed,
  stopped
} as const

suite("release of dependents: deferred -> queued", (it) => {
  it("queues the job when the one it waited for is taken out of its registry and deleted", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "p", { status: "failed" })
      yield* redis.send("ZADD", keys.failed("default"), 1, "p")
      yield* putDeferred(redis, "a", ["p"])
      const removed = redis.eval(remove)({
        registry: keys.failed("default"),
        id: "p",
        statuses: ["failed"],
        byExecution: false,
        nowDate: Wire.encode(now)
      })
      assert.isTrue(yield* removed)
      assert.strictEqual(yield* status(redis, "a"), "queued")
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      assert.strictEqual(yield* redis.send("EXISTS", dependentsOf("p"), dependenciesOf("a")), 0)
      assert.isFalse(yield* removed)
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
    }))

  it("queues the job when a claim finds that the one it waited for has expired in its queue", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "p")
      yield* putDeferred(redis, "a", ["p"], { fields: { enqueue_at_front: "1" } })
      const { claimed, more } = yield* turn(redis, { want: 1 })
      assert.deepStrictEqual(claimed, [])
      assert.isTrue(more)
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      assert.strictEqual(yield* redis.send("EXISTS", dependentsOf("p"), dependenciesOf("a")), 0)
      assert.deepStrictEqual((yield* turn(redis, { want: 1 })).claimed.map(({ id }) => id), ["a"])
    }))

  it("queues the job when the one it waited for has finished, as RQ would", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "d", ["p"])
      const before = yield* job(redis, "d")
      yield* end(redis, completed("p"))
      assert.deepStrictEqual(yield* job(redis, "d"), {
        ...before,
        status: "queued",
        enqueued_at: Wire.encode(now)
      })
      assert.deepStrictEqual(yield* waiting(redis), ["waiting", "d"])
      assert.deepStrictEqual(yield* members(redis, keys.deferred("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", dependentsOf("p"), dependenciesOf("d")), 0)
      assert.strictEqual(yield* status(redis, "p"), "finished")
      yield* assertNoTtl(redis, keys.job("d"))
    }))

  it("may be claimed in the very call that releases it", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "d", ["p"])
      const { claimed } = yield* turn(redis, { ended: [completed("p")], want: 1, counter: 7 })
      assert.deepStrictEqual(claimed.map((one) => [one.id, one.execution]), [["d", execution(7)]])
    }))

  it("waits for all that it depends on, in whichever order they end", ({ redis }) =>
    Effect.gen(function*() {
      const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const
      for (const order of orders) {
        yield* putParents(redis, "p0", "p1", "p2")
        yield* putDeferred(redis, "d", ["p0", "p1", "p2"])
        for (const [nth, n] of order.entries()) {
          assert.strictEqual(yield* status(redis, "d"), "deferred", `${order} ${nth}`)
          assert.deepStrictEqual(yield* waiting(redis), [])
          yield* end(redis, completed(`p${n}`, { execution: execution(n) }))
        }
        assert.strictEqual(yield* status(redis, "d"), "queued", `${order}`)
        assert.deepStrictEqual(yield* waiting(redis), ["d"])
        yield* redis.send("FLUSHALL")
      }
    }))

  it("is released once when all that it waited for end in one call", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p0", "p1", "p2")
      yield* putDeferred(redis, "d", ["p0", "p1", "p2"])
      yield* end(
        redis,
        completed("p1", { execution: execution(1) }),
        completed("p0"),
        completed("p2", { execution: execution(2) })
      )
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
      assert.deepStrictEqual(yield* members(redis, keys.deferred("default")), [])
    }))

  it("is released once when it is handed in twice, or when what it waited for runs again", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "d", ["p"])
      yield* turn(redis, { ended: [completed("p"), completed("p")] })
      yield* turn(redis, { ended: [completed("p")] })
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
      yield* putParents(redis, "p")
      yield* end(redis, completed("p"))
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
    }))

  it("crosses queues: each goes to its own", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "high", ["p"], { queue: "high" })
      yield* putDeferred(redis, "low", ["p"], { queue: "low" })
      yield* putDeferred(redis, "default", ["p"])
      yield* end(redis, completed("p"))
      for (const id of ["high", "low", "default"]) {
        assert.deepStrictEqual(yield* waiting(redis, id), [id])
        assert.deepStrictEqual(yield* members(redis, keys.deferred(id)), [])
        assert.strictEqual(yield* status(redis, id), "queued")
      }
    }))

  it("releases a chain one by one", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "a")
      yield* putDeferred(redis, "b", ["a"])
      yield* putDeferred(redis, "c", ["b"])
      yield* end(redis, completed("a"))
      assert.deepStrictEqual([yield* status(redis, "b"), yield* status(redis, "c")], ["queued", "deferred"])
      yield* turn(redis, { want: 1, counter: 1 })
      yield* end(redis, completed("b", { execution: execution(1) }))
      assert.strictEqual(yield* status(redis, "c"), "queued")
      assert.deepStrictEqual(yield* waiting(redis), ["c"])
    }))

  it("goes to the front where the job says so, and lives in the queue as long as its ttl says", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "front", ["p"], { fields: { enqueue_at_front: "1", ttl: "60" } })
      yield* end(redis, completed("p"))
      assert.deepStrictEqual(yield* waiting(redis), ["front", "waiting"])
      yield* assertTtl(redis, keys.job("front"), 60)
      for (const ttl of ["", "-1", "0", "1e300", "nonsense"]) {
        yield* putParents(redis, "q")
        yield* putDeferred(redis, "d", ["q"], { fields: { ttl } })
        yield* end(redis, completed("q"))
        yield* assertNoTtl(redis, keys.job("d"))
      }
    }))

  it("after another ending than a good one is released only where the job allows it", ({ redis }) =>
    Effect.gen(function*() {
      for (const [name, ended] of Object.entries(endings)) {
        yield* putParents(redis, "p")
        yield* putDeferred(redis, "strict", ["p"])
        yield* putDeferred(redis, "zero", ["p"], { fields: { allow_dependency_failures: "0" } })
        yield* putDeferred(redis, "lenient", ["p"], { fields: allow })
        yield* end(redis, ended("p"))
        assert.strictEqual(yield* status(redis, "p"), name)
        const expected = name === "finished" ? "queued" : "deferred"
        assert.strictEqual(yield* status(redis, "strict"), expected, name)
        assert.strictEqual(yield* status(redis, "zero"), expected, name)
        assert.strictEqual(yield* status(redis, "lenient"), "queued", name)
        if (name !== "finished") assert.deepStrictEqual(yield* waiting(redis), ["lenient"])
        yield* redis.send("FLUSHALL")
      }
    }))

  it("counts how the others ended: a canceled, failed or stopped one is met where the job allows it", ({ redis }) =>
    Effect.gen(function*() {
      for (const other of ["canceled", "failed", "stopped", "finished"]) {
        yield* putParents(redis, "p")
        yield* putJob(redis, "other", { status: other })
        yield* putDeferred(redis, "strict", ["other", "p"])
        yield* putDeferred(redis, "lenient", ["other", "p"], { fields: allow })
        yield* end(redis, completed("p"))
        assert.strictEqual(yield* status(redis, "strict"), other === "finished" ? "queued" : "deferred", other)
        assert.strictEqual(yield* status(redis, "lenient"), "queued", other)
        yield* redis.send("FLUSHALL")
      }
    }))

  it("is not released while another is anywhere on its way", ({ redis }) =>
    Effect.gen(function*() {
      for (const other of ["queued", "scheduled", "started", "deferred", "created", "whatever"]) {
        yield* putParents(redis, "p")
        yield* putJob(redis, "other", { status: other })
        yield* putDeferred(redis, "d", ["other", "p"], { fields: allow })
        yield* end(redis, failed("p"))
        assert.strictEqual(yield* status(redis, "d"), "deferred", other)
        yield* redis.send("FLUSHALL")
      }
    }))

  it("counts one that is gone as met", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "d", ["gone", "p"])
      yield* end(redis, completed("p"))
      assert.strictEqual(yield* status(redis, "d"), "queued")
    }))

  it("is released by a job that keeps no result", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "p", { fields: { result_ttl: "0", failure_ttl: "0" } })
      yield* putDeferred(redis, "d", ["p"])
      yield* end(redis, completed("p"))
      assert.strictEqual(yield* status(redis, "d"), "queued")
      yield* putStarted(redis, "p", { fields: { result_ttl: "0", failure_ttl: "0" } })
      yield* putDeferred(redis, "e", ["p"], { fields: allow })
      yield* end(redis, failed("p"))
      assert.strictEqual(yield* status(redis, "e"), "queued")
    }))

  it("waits while a failed run is retried, and is released when the last one has ended", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "p", { fields: { retries_left: "1" } })
      yield* putDeferred(redis, "d", ["p"], { fields: allow })
      yield* end(redis, failed("p"))
      assert.strictEqual(yield* status(redis, "d"), "deferred")
      yield* turn(redis, { want: 1, counter: 1 })
      yield* end(redis, failed("p", { execution: execution(1) }))
      assert.strictEqual(yield* status(redis, "d"), "queued")
    }))

  it("is released by the first run of one that repeats", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "p", { fields: { repeats_left: "2", repeat_intervals: "[5]" } })
      yield* putDeferred(redis, "d", ["p"])
      yield* end(redis, completed("p"))
      assert.strictEqual(yield* status(redis, "p"), "scheduled")
      assert.strictEqual(yield* status(redis, "d"), "queued")
    }))

  it("is released by a job that has failed because its workers died", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "p", { abandonedAt: now - 1 })
      yield* putDeferred(redis, "strict", ["p"])
      yield* putDeferred(redis, "lenient", ["p"], { fields: allow })
      const round = (maxAbandons: number) =>
        redis.eval(abandon)({
          worker: "reaper",
          queues: ["default"],
          intervalMillis: 1000,
          maxAbandons,
          limit: 100,
          python: true,
          forgetSeconds: 600,
          ...at(now)
        })
      yield* round(1)
      assert.strictEqual(yield* status(redis, "lenient"), "deferred")
      yield* turn(redis, { want: 1, counter: 1, abandonedAt: Wire.seconds(now - 1) })
      yield* redis.send("DEL", keys.maintenance("default"))
      yield* round(1)
      assert.deepStrictEqual([yield* status(redis, "p"), yield* status(redis, "strict")], ["failed", "deferred"])
      assert.strictEqual(yield* status(redis, "lenient"), "queued")
      assert.deepStrictEqual(yield* waiting(redis), ["lenient"])
    }))

  it("leaves alone one that was canceled meanwhile, is gone, or is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      for (const id of ["canceled", "gone", "foreign", "finished", "good"]) yield* putDeferred(redis, id, ["p"])
      yield* redis.send("HSET", keys.job("canceled"), "status", "canceled")
      yield* redis.send("HSET", keys.job("finished"), "status", "finished")
      yield* redis.send("DEL", keys.job("gone"), keys.job("foreign"))
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* end(redis, completed("p"))
      assert.deepStrictEqual(yield* waiting(redis), ["good"])
      assert.strictEqual(yield* status(redis, "canceled"), "canceled")
      assert.strictEqual(yield* status(redis, "finished"), "finished")
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("gone"), dependentsOf("p")), 0)
    }))

  it("one that can't be queued stays deferred, and the others are released", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      yield* putDeferred(redis, "bad", ["p"], { queue: "bad" })
      yield* putDeferred(redis, "good", ["p"])
      yield* redis.send("SET", keys.queue("bad"), "a text")
      const result = yield* turn(redis, { ended: [completed("p")] })
      assert.deepStrictEqual(result.handedIn, [true])
      assert.include(result.problem, keys.queue("bad"))
      assert.strictEqual(yield* status(redis, "bad"), "deferred")
      assert.deepStrictEqual(yield* members(redis, keys.deferred("bad")), ["bad"])
      assert.deepStrictEqual(yield* waiting(redis), ["good"])
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", dependentsOf("p")), ["bad"])
    }))

  it("foreign keys and hashes in its place cost nobody else anything", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p", "q", "r")
      yield* putDeferred(redis, "homeless", ["p"])
      yield* redis.send("HDEL", keys.job("homeless"), "origin")
      yield* putDeferred(redis, "odd", ["p"])
      yield* redis.send("DEL", dependenciesOf("odd"))
      yield* redis.send("SET", dependenciesOf("odd"), "a text")
      yield* putDeferred(redis, "good", ["p"])
      yield* redis.send("SET", dependentsOf("q"), "a text")
      yield* putDeferred(redis, "last", ["r"])
      const ended = [
        completed("p"),
        completed("q", { execution: execution(1) }),
        completed("r", { execution: execution(2) })
      ]
      const result = yield* turn(redis, { ended })
      assert.deepStrictEqual(result.handedIn, [true, true, true])
      assert.include(result.problem, "WRONGTYPE")
      for (const id of ["p", "q", "r"]) assert.strictEqual(yield* status(redis, id), "finished")
      assert.deepStrictEqual(yield* waiting(redis), ["good", "last"])
    }))

  it("a job that is replaced is none of those who wait for its parents any more: Python would queue it again", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p", "q")
      yield* putDeferred(redis, "d", ["p", "q"])
      yield* putDeferred(redis, "other", ["p"])
      const admitted = yield* redis.eval(admit)({
        id: "d",
        queue: "default",
        unique: "replace",
        window: undefined,
        due: undefined,
        atFront: false,
        ttl: undefined,
        parents: [],
        allowFailure: false,
        now: Wire.seconds(now),
        fields: ["data", "x", "origin", "default", "status", "queued"]
      })
      assert.deepStrictEqual(admitted, { outcome: "enqueued", replaced: true })
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", dependentsOf("p")), ["other"])
      assert.strictEqual(yield* redis.send("EXISTS", dependentsOf("q"), dependenciesOf("d")), 0)
    }))

  it("a foreign key in the place of a job's parents does not lose the job when it is replaced", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "d")
      yield* redis.send("RPUSH", keys.queue("default"), "d")
      yield* redis.send("SET", dependenciesOf("d"), "a text")
      const admitted = yield* redis.eval(admit)({
        id: "d",
        queue: "default",
        unique: "replace",
        window: undefined,
        due: undefined,
        atFront: false,
        ttl: undefined,
        parents: [],
        allowFailure: false,
        now: at(now).now,
        fields: ["status", "queued", "data", "new"]
      })
      assert.deepStrictEqual(admitted, { outcome: "enqueued", replaced: true })
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
      assert.strictEqual((yield* job(redis, "d"))["data"], "new")
    }))

  it("what is left of the sets ends with the job they belong to", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p0", "p1", "p2", "p3")
      yield* redis.send("HSET", keys.job("p1"), "failure_ttl", "60")
      yield* redis.send("HSET", keys.job("p2"), "result_ttl", "0")
      yield* putDeferred(redis, "d", ["p0", "p1", "p2", "p3"])
      yield* end(
        redis,
        completed("p0"),
        failed("p1", { execution: execution(1) }),
        completed("p2", { execution: execution(2) })
      )
      assert.strictEqual(yield* status(redis, "d"), "deferred")
      yield* assertTtl(redis, dependentsOf("p0"), 500)
      yield* assertTtl(redis, dependentsOf("p1"), 60)
      assert.strictEqual(yield* redis.send("EXISTS", dependentsOf("p2")), 0)
    }))

  it("are remembered without an end while a job that has failed is tried again", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "p", { fields: { failure_ttl: "60" } })
      yield* putDeferred(redis, "d", ["p"])
      yield* end(redis, failed("p"))
      yield* assertTtl(redis, dependentsOf("p"), 60)
      yield* redis.eval(requeue)({ ids: ["p"], nowDate: at(now).nowDate, atFront: false })
      yield* assertNoTtl(redis, dependentsOf("p"))
      yield* turn(redis, { want: 1, counter: 1 })
      yield* end(redis, completed("p", { execution: execution(1) }))
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
    }))

  it("releases 300 in one call, each into its place", ({ redis }) =>
    Effect.gen(function*() {
      yield* putParents(redis, "p")
      const ids = Array.from({ length: 300 }, (_, i) => `d${i}`)
      yield* Effect.forEach(ids, (id) => putDeferred(redis, id, ["p"]), { discard: true, concurrency: 50 })
      yield* end(redis, completed("p"))
      // in an order of its own: the one of a set is each server's
      assert.deepStrictEqual(yield* waiting(redis), [...ids].sort())
      assert.strictEqual(yield* redis.send("EXISTS", keys.deferred("default"), dependentsOf("p")), 0)
    }))
})
