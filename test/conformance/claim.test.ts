import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Claimed } from "../../src/lifecycle/claim.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { recover } from "../../src/worker/recover.js"
import {
  assertNoTtl,
  assertTtl,
  job,
  list,
  members,
  now,
  put,
  putJob,
  status,
  suite,
  waiting,
  zset
} from "./support.js"
import { completed, execution, prefix, putStarted, turn } from "./turn.js"

const ids = (result: { readonly claimed: ReadonlyArray<{ readonly id: string }> }) => result.claimed.map(({ id }) => id)

suite("claim: queued -> started", (it) => {
  it("takes the job out of the list and into the started registry in one step", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a")
      yield* redis.send("HSET", keys.job("a"), "due_at", "1795499998.125", "timeout", "30")
      const before = yield* job(redis, "a")
      const result = yield* turn(redis, { want: 3, counter: 255 })
      assert.deepStrictEqual(
        result.claimed.map((one) => ({ ...one, data: new TextDecoder().decode(one.data) })),
        [{
          queue: "default",
          id: "a",
          execution: execution(255),
          data: before["data"]!,
          timeout: 30,
          enqueuedAt: Wire.encode(now - 1000),
          dueAt: 1795499998.125,
          attempt: 1,
          isSuspect: false
        }]
      )
      assert.isFalse(result.more)
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.deepStrictEqual(yield* zset(redis, keys.started("default")), [
        [`a:${execution(255)}`, String((now + 20_000) / 1000)]
      ])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "started",
        started_at: Wire.encode(now),
        worker_name: "w1",
        execution: execution(255)
      })
    }))

  it("tells of each job what is its own, whatever it has in common with the one before", ({ redis }) =>
    Effect.gen(function*() {
      const first = { timeout: "180", enqueued_at: Wire.encode(now - 9), due_at: "5" }
      const later = { ...first, timeout: "60", enqueued_at: Wire.encode(now - 8) }
      const { due_at: _, ...unscheduled } = later
      const jobs: ReadonlyArray<Readonly<Record<string, string>>> = [
        first,
        first,
        { ...first, timeout: "60" },
        later,
        { ...later, due_at: "6" },
        unscheduled,
        { ...unscheduled, started_at: "", failed_attempts: "2" }
      ]
      for (const [index, fields] of jobs.entries()) {
        yield* putJob(redis, `j${index}`, fields)
        yield* redis.send("RPUSH", keys.queue("default"), `j${index}`)
      }
      const expected = jobs.map((fields, index) => [
        `j${index}`,
        execution(index),
        Number(fields["timeout"]),
        fields["enqueued_at"],
        fields["due_at"] === undefined ? undefined : Number(fields["due_at"]),
        fields["failed_attempts"] === undefined ? 1 : 3
      ])
      const told = (claimed: ReadonlyArray<Claimed>) =>
        claimed.map((one) => [one.id, one.execution, one.timeout, one.enqueuedAt, one.dueAt, one.attempt])
      assert.deepStrictEqual(told((yield* turn(redis, { want: 10 })).claimed), expected)
      assert.deepStrictEqual(
        told(yield* redis.eval(recover)({ executionPrefix: prefix, queues: ["default"] })),
        expected
      )
    }))

  it("ends the lifetime in the queue: a started job does not expire", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c")
      // as it was enqueued with a lifetime; as Python queues again what has ended, and was to be forgotten some day
      yield* redis.send("HSET", keys.job("a"), "ttl", "5")
      yield* redis.send("HSET", keys.job("b"), "started_at", "", "ended_at", "")
      yield* redis.send(
        "HSET",
        keys.job("c"),
        "started_at",
        Wire.encode(now - 2000),
        "ended_at",
        Wire.encode(now - 1000)
      )
      for (const id of ["a", "b", "c"]) yield* redis.send("EXPIRE", keys.job(id), 5)
      yield* turn(redis, { want: 3 })
      for (const id of ["a", "b", "c"]) yield* assertNoTtl(redis, keys.job(id))
    }))

  it.memory("finds nothing of a job that has waited for longer than its ttl", ({ redis, setTime }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b")
      yield* redis.send("EXPIRE", keys.job("a"), 5)
      yield* redis.send("EXPIRE", keys.job("b"), 6)
      setTime(now + 5001)
      assert.deepStrictEqual(ids(yield* turn(redis, { want: 2, time: now + 5001 })), ["b"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("a")), 0)
    }))

  it("takes the oldest first, not more than it wants, and tells whether there may be more", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c", "d", "e")
      const first = yield* turn(redis, { want: 2 })
      assert.deepStrictEqual([ids(first), first.more], [["a", "b"], true])
      const second = yield* turn(redis, { want: 3, counter: 2 })
      assert.deepStrictEqual([ids(second), second.more], [["c", "d", "e"], true])
      const third = yield* turn(redis, { want: 1, counter: 5 })
      assert.deepStrictEqual([ids(third), third.more], [[], false])
      assert.deepStrictEqual(second.claimed.map((one) => one.execution), [execution(2), execution(3), execution(4)])
    }))

  it("claims nothing when it wants nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a")
      assert.deepStrictEqual(ids(yield* turn(redis, { want: 0 })), [])
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
    }))

  it("serves queues in strict order", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "low", "l1", "l2")
      yield* put(redis, "high", "h1", "h2", "h3")
      const queues = ["high", "low"]
      assert.deepStrictEqual(ids(yield* turn(redis, { queues, want: 2 })), ["h1", "h2"])
      yield* put(redis, "high", "h4")
      const result = yield* turn(redis, { queues, want: 4, counter: 2 })
      assert.deepStrictEqual(ids(result), ["h3", "h4", "l1", "l2"])
      assert.deepStrictEqual(result.claimed.map((one) => one.queue), ["high", "high", "low", "low"])
      assert.strictEqual((yield* members(redis, keys.started("low"))).length, 2)
    }))

  it("drops ids whose job is gone, expired, canceled, or stands in the list twice", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "canceled", "a", "foreign", "b")
      yield* redis.send("HSET", keys.job("canceled"), "status", "canceled")
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* redis.send("LPUSH", keys.queue("default"), "gone")
      yield* redis.send("RPUSH", keys.queue("default"), "a", "c")
      yield* putJob(redis, "c")
      const result = yield* turn(redis, { want: 8 })
      assert.deepStrictEqual(ids(result), ["a", "b", "c"])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.strictEqual(yield* status(redis, "canceled"), "canceled")
      assert.strictEqual(yield* redis.send("EXISTS", keys.job("gone")), 0)
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [
        `a:${execution(0)}`,
        `b:${execution(1)}`,
        `c:${execution(2)}`
      ])
    }))

  it("starts a job of a foreign writer without a status", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("HSET", keys.job("a"), "data", "[]")
      yield* redis.send("RPUSH", keys.queue("default"), "a")
      const [claimed] = (yield* turn(redis, { want: 1 })).claimed
      assert.deepInclude(claimed, { id: "a", timeout: undefined, enqueuedAt: undefined, dueAt: undefined })
      assert.strictEqual(yield* status(redis, "a"), "started")
    }))

  it("claims 600 of two queues in one call", ({ redis }) =>
    Effect.gen(function*() {
      const of = (name: string) => Array.from({ length: 300 }, (_, i) => `${name}${i}`)
      yield* put(redis, "x", ...of("x"))
      yield* put(redis, "y", ...of("y"))
      const result = yield* turn(redis, { queues: ["x", "y"], want: 1000 })
      assert.deepStrictEqual(ids(result), [...of("x"), ...of("y")])
      assert.strictEqual(new Set(result.claimed.map((one) => one.execution)).size, 600)
    }))

  it("what a lost turn has claimed is not claimed again", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b")
      yield* turn(redis, { want: 1 })
      assert.deepStrictEqual(ids(yield* turn(redis, { want: 1 })), ["b"])
    }))

  it("takes what was handed over to this worker first, and only this worker's", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b")
      yield* put(redis, "low", "l")
      for (const id of ["mine1", "mine2", "others"]) yield* putJob(redis, id)
      yield* putJob(redis, "mineLow", { origin: "low" })
      yield* redis.send("RPUSH", keys.handover("default", "w1"), "mine1", "mine2")
      yield* redis.send("RPUSH", keys.handover("low", "w1"), "mineLow")
      yield* redis.send("RPUSH", keys.handover("default", "w2"), "others")
      const queues = ["default", "low"]
      assert.deepStrictEqual(ids(yield* turn(redis, { queues, want: 1 })), ["a"]) // not told of handovers
      const result = yield* turn(redis, { queues, want: 5, counter: 1, handedOver: true })
      assert.deepStrictEqual(ids(result), ["mine1", "mine2", "mineLow", "b", "l"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "w2")), ["others"])
    }))

  it("gives back to the front what was handed over and does not fit, in order", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a")
      for (const id of ["h1", "h2", "h3"]) yield* putJob(redis, id)
      yield* redis.send("RPUSH", keys.handover("default", "w1"), "h1", "h2", "h3")
      assert.deepStrictEqual(ids(yield* turn(redis, { want: 1, handedOver: true })), ["h1"])
      assert.deepStrictEqual(yield* waiting(redis), ["h2", "h3", "a"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.handover("default", "w1")), 0)
      yield* redis.send("RPUSH", keys.handover("default", "w1"), "h1")
      yield* redis.send("HSET", keys.job("h1"), "status", "queued")
      assert.deepStrictEqual(ids(yield* turn(redis, { want: 0, handedOver: true })), [])
      assert.deepStrictEqual(yield* waiting(redis), ["h1", "h2", "h3", "a"])
    }))

  it("drops, and does not give back, what is not queued any more", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a")
      yield* putJob(redis, "h1")
      yield* putJob(redis, "canceled", { status: "canceled" })
      yield* putJob(redis, "h2")
      yield* redis.send("RPUSH", keys.handover("default", "w1"), "h1", "canceled", "h2", "gone")
      yield* turn(redis, { want: 0, handedOver: true })
      assert.deepStrictEqual(yield* waiting(redis), ["h1", "h2", "a"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.handover("default", "w1")), 0)
    }))

  it("passes over a queue whose key is something else, says so, and does the rest", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a")
      yield* put(redis, "low", "b")
      yield* putStarted(redis, "ended", { queue: "high", execution: execution(9) })
      yield* redis.send("SET", keys.queue("bad"), "a text")
      yield* redis.send("RPUSH", keys.handover("bad", "w1"), "handed over")
      const result = yield* turn(redis, {
        queues: ["high", "bad", "low"],
        want: 3,
        handedOver: true,
        ended: [completed("ended", { queue: "high", execution: execution(9) })]
      })
      assert.deepStrictEqual(result.handedIn, [true])
      assert.deepStrictEqual(ids(result), ["a", "b"])
      assert.match(result.problem ?? "", /^rq:.*bad.*WRONGTYPE/)
      assert.strictEqual(yield* status(redis, "ended"), "finished")
      assert.strictEqual(yield* redis.send("GET", keys.queue("bad")), "a text")
      assert.isUndefined((yield* turn(redis, { queues: ["high", "low"], want: 3, counter: 2 })).problem)
    }))

  it("makes an execution of its own for each job, in all digits of its number", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "high", "a", "b", "c")
      yield* put(redis, "low", "d", "e")
      yield* redis.send("HSET", keys.job("b"), "status", "canceled")
      const { claimed } = yield* turn(redis, { queues: ["high", "low"], want: 5, counter: 0x7fffe })
      assert.deepStrictEqual(claimed.map((one) => [one.id, one.execution]), [
        ["a", `${prefix}0007fffe`],
        ["c", `${prefix}0007ffff`],
        ["d", `${prefix}00080000`],
        ["e", `${prefix}00080001`]
      ])
    }))

  it("leaves in the queue, in order, what it can't start because the key of the registry is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "bad", "a", "b", "c")
      yield* put(redis, "low", "l")
      yield* redis.send("SET", keys.started("bad"), "a text")
      const result = yield* turn(redis, { queues: ["bad", "low"], want: 5 })
      assert.deepStrictEqual(ids(result), ["l"])
      assert.include(result.problem, keys.started("bad"))
      assert.deepStrictEqual(yield* list(redis, keys.queue("bad")), ["a", "b", "c"])
      for (const id of ["a", "b", "c"]) assert.strictEqual(yield* status(redis, id), "queued")
    }))

  it("keeps in the handover list what can't be given back", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.queue("bad"), "a text")
      yield* redis.send("RPUSH", keys.handover("bad", "w1"), "a", "b")
      yield* putJob(redis, "a", { origin: "bad" })
      yield* putJob(redis, "b", { origin: "bad" })
      const result = yield* turn(redis, { queues: ["bad"], want: 1, handedOver: true })
      assert.deepStrictEqual(ids(result), ["a"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("bad", "w1")), ["b"])
      assert.include(result.problem, "WRONGTYPE")
    }))

  it("leaves other keys of the job alone", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a")
      yield* redis.send("SET", keys.executions("a"), "foreign", "EX", 100)
      yield* turn(redis, { want: 1 })
      yield* assertTtl(redis, keys.executions("a"), 100)
    }))
})
