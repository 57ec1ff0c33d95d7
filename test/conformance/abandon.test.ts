import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Zlib from "node:zlib"
import { abandon as script, type AbandonParams } from "../../src/lifecycle/abandon.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import {
  assertNoTtl,
  assertTtl,
  assertUnchanged,
  at,
  job,
  list,
  members,
  now,
  putJob,
  status,
  suite,
  waiting,
  zset
} from "./support.js"
import { completed, execution, prefix, putExecution, putStarted, resultsOf, turn } from "./turn.js"

const slice = (redis: RedisService, params: Partial<AbandonParams> & { readonly time?: number } = {}) => {
  const { time = now, ...rest } = params
  return redis.eval(script)({
    worker: "reaper",
    queues: ["default"],
    intervalMillis: 4500,
    maxAbandons: 3,
    limit: 100,
    python: true,
    forgetSeconds: 600,
    ...at(time),
    ...rest
  })
}

/** One call that is not too much for a slice. */
const abandon = (redis: RedisService, params: Partial<AbandonParams> & { readonly time?: number } = {}) =>
  Effect.map(slice(redis, params), ({ abandoned, more }) => {
    assert.isFalse(more)
    return abandoned
  })

/** Lets the same queue be looked after again. */
const nextInterval = (redis: RedisService, queue = "default") => redis.send("DEL", keys.maintenance(queue))

/** Ids of executions as Python's workers make them: uuids of version 4. */
const pythons = (n: number) => `0123456789ab4def8000${n.toString(16).padStart(12, "0")}`

/** A job that a worker of RQ has started, as it leaves it when it dies. */
const putPythons = (
  redis: RedisService,
  id: string,
  fields: Readonly<Record<string, string>> = {},
  execution = pythons(0)
) =>
  Effect.gen(function*() {
    yield* putStarted(redis, id, {
      abandonedAt: now - 1000,
      execution,
      fields: { worker_name: "theirs", last_heartbeat: "", ...fields }
    })
    yield* putExecution(redis, id, execution)
  })

const dead = { abandonedAt: now - 1, fields: { worker_name: "dead" } } as const

suite("abandon: started, worker dead -> queued or failed", (it) => {
  it("puts the job back at the front and says which worker died", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "a", dead)
      yield* putExecution(redis, "a")
      const before = yield* job(redis, "a")
      assert.deepStrictEqual(yield* abandon(redis), [
        { queue: "default", id: "a", worker: "dead", python: false, times: 1, outcome: "queued", uncalled: false }
      ])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "waiting"])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "queued",
        worker_name: "",
        started_at: "",
        abandon_count: "1"
      })
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.strictEqual(yield* redis.send("EXISTS", keys.executions("a"), keys.execution("a", execution(0))), 0)
    }))

  it("ends the execution: what its worker hands in after that has no effect", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", dead)
      yield* abandon(redis)
      const late = yield* assertUnchanged(redis, turn(redis, { ended: [completed("a")] }))
      assert.deepStrictEqual(late.handedIn, [false])
    }))

  it("leaves alone what is alive, at the very instant of its end as well", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { abandonedAt: now })
      yield* putStarted(redis, "b", { abandonedAt: now + 1 })
      assert.deepStrictEqual(yield* abandon(redis), [])
      yield* nextInterval(redis)
      assert.deepStrictEqual((yield* abandon(redis, { time: now + 1 })).map(({ id }) => id), ["a"])
    }))

  it("lets one caller at a time look after a queue, and nobody again within the interval", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* abandon(redis, { worker: "first" }), [])
      assert.strictEqual(yield* redis.send("GET", keys.maintenance("default")), "first")
      assert.isAtMost(yield* redis.send<number>("PTTL", keys.maintenance("default")), 4500)
      yield* putStarted(redis, "a", dead)
      assert.deepStrictEqual(yield* assertUnchanged(redis, abandon(redis, { worker: "second" })), [])
      yield* nextInterval(redis)
      assert.strictEqual((yield* abandon(redis, { worker: "second" })).length, 1)
    }))

  it("fails a job that has taken too many workers with it, with a text that RQ can read", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { ...dead, fields: { worker_name: "grüße 🎉", abandon_count: "2" } })
      yield* putStarted(redis, "b", { ...dead, fields: { worker_name: "w9", failure_ttl: "60" } })
      assert.deepStrictEqual(yield* abandon(redis, { maxAbandons: 2, queues: ["default"] }), [
        { queue: "default", id: "a", worker: "grüße 🎉", python: false, times: 3, outcome: "failed", uncalled: false },
        { queue: "default", id: "b", worker: "w9", python: false, times: 1, outcome: "queued", uncalled: false }
      ])
      const hash = yield* job(redis, "a")
      assert.deepInclude(hash, { status: "failed", abandon_count: "3", ended_at: Wire.encode(now) })
      assert.deepStrictEqual(yield* waiting(redis), ["b"])
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [
        ["a", String(Math.floor(now / 1000) + 31_536_000)]
      ])
      yield* assertTtl(redis, keys.job("a"), 31_536_000)
      const results = (yield* Golden.dump(redis))[keys.results("a")]
      assert(results?.type === "stream")
      const fields = results.value[0]![1]
      assert.strictEqual(Golden.text(fields["worker_name"]!), "grüße 🎉")
      assert.strictEqual(Golden.text(fields["type"]!), "2")
      assert.strictEqual(
        Zlib.inflateSync(Buffer.from(Golden.text(fields["exc_string"]!), "base64")).toString(),
        `Moved to FailedJobRegistry, due to AbandonedJobError, at ${Wire.encode(now)}: worker grüße 🎉 died while it ` +
          "ran this job, which has happened 3 times"
      )
      assert.deepInclude((yield* resultsOf(redis, "b"))[0], {
        type: "4",
        worker_name: "w9",
        execution_id: execution(0)
      })
    }))

  it("spends a retry of a job that has some: at once, at the front, whatever its intervals", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putStarted(redis, "a", {
        ...dead,
        fields: { worker_name: "dead", retries_left: "2", retry_intervals: "[60]", failure_ttl: "100" }
      })
      const outcomes: Array<string> = []
      for (let i = 0; i < 3; i++) {
        const [one] = yield* abandon(redis, { maxAbandons: 0 }) // which is for jobs that know of no retries
        const { retries_left } = yield* job(redis, "a")
        outcomes.push(`${one!.outcome}, ${retries_left} left`)
        if (one!.outcome === "queued") assert.deepStrictEqual(yield* waiting(redis), ["a", "waiting"])
        yield* nextInterval(redis)
        const { claimed } = yield* turn(redis, { want: 1, counter: i + 1, abandonedAt: Wire.seconds(now - 1) })
        if (i < 2) assert.deepStrictEqual(claimed.map((one) => [one.id, one.attempt]), [["a", i + 2]])
      }
      assert.deepStrictEqual(outcomes, ["queued, 1 left", "queued, 0 left", "failed, 0 left"])
      const entries = yield* resultsOf(redis, "a")
      assert.deepStrictEqual(entries.map((one) => [one["type"], one["worker_name"], one["execution_id"]]), [
        ["4", "dead", execution(0)],
        ["4", "w1", execution(1)],
        ["2", "w1", execution(2)]
      ])
      assert.include(
        Zlib.inflateSync(Buffer.from(entries[0]!["exc_string"]!, "base64")).toString(),
        `AbandonedJobError, at ${Wire.encode(now)}: worker dead died while it ran this job`
      )
      assert.notProperty(entries[0], "execution_started_at")
      yield* assertTtl(redis, keys.results("a"), 100)
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduled("default")), 0)
    }))

  it("fails at once a job that has spent its retries; one without a number of them has the worker's options", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "spent", { ...dead, fields: { retries_left: "0" } })
      yield* putStarted(redis, "empty", { ...dead, execution: execution(1), fields: { retries_left: "" } })
      yield* putStarted(redis, "none", { ...dead, execution: execution(2), fields: { failure_ttl: "0" } })
      const outcomes = new Map((yield* abandon(redis)).map(({ id, outcome }) => [id, outcome]))
      assert.deepStrictEqual([...outcomes].sort(), [["empty", "queued"], ["none", "queued"], ["spent", "failed"]])
      assert.strictEqual(yield* status(redis, "spent"), "failed")
      assert.strictEqual((yield* job(redis, "empty"))["retries_left"], "")
      // a job that keeps no failures keeps this one for a moment
      yield* assertTtl(redis, keys.results("none"), 60)
    }))

  it("writes a readable text whatever its length", ({ redis }) =>
    Effect.gen(function*() {
      for (let length = 1; length <= 40; length++) {
        const name = "w".repeat(length)
        yield* putStarted(redis, "a", { ...dead, fields: { worker_name: name } })
        yield* nextInterval(redis)
        yield* abandon(redis, { maxAbandons: 0 })
        const [[, fields]] = yield* redis.send<[readonly [string, ReadonlyArray<string>]]>(
          "XREVRANGE",
          keys.results("a"),
          "+",
          "-",
          "COUNT",
          1
        )
        const text = fields[fields.indexOf("exc_string") + 1]!
        const stored = Buffer.from(text, "base64")
        assert.strictEqual(stored.toString("base64"), text, "Python reads no other base64")
        const inflated = Zlib.inflateSync(stored)
        assert.include(inflated.toString(), `worker ${name} died`)
        // header, one stored block and the checksum, and not a byte more
        assert.strictEqual(stored.length, 2 + 5 + inflated.length + 4)
        yield* redis.send("DEL", keys.job("a"))
      }
    }))

  it("counts every time, also over a success between", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", dead)
      const outcomes: Array<string> = []
      for (let i = 0; i < 4; i++) {
        const [one] = yield* abandon(redis)
        outcomes.push(`${one!.times} ${one!.outcome}`)
        yield* nextInterval(redis)
        yield* turn(redis, { want: 1, counter: i + 1, abandonedAt: Wire.seconds(now - 1) })
      }
      assert.deepStrictEqual(outcomes, ["1 queued", "2 queued", "3 queued", "4 failed"])
    }))

  it("passes over what is left to Python, and is not kept by any number of it from its own", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.cleaning("default"), "1", "EX", "899")
      for (let i = 0; i < 250; i++) {
        yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 100_000 + i), `py${i}:${pythons(i)}`)
      }
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 100_000), "rq1.13")
      yield* putStarted(redis, "a", dead)
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id }) => id), ["a"])
      assert.strictEqual(yield* redis.send("ZCARD", keys.started("default")), 251)
    }))

  it("drops the execution of a job that is gone or has another state", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "canceled", { ...dead, fields: { status: "canceled" } })
      yield* putStarted(redis, "gone", dead)
      yield* redis.send("DEL", keys.job("gone"))
      assert.deepStrictEqual(yield* abandon(redis), [])
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.strictEqual(yield* status(redis, "canceled"), "canceled")
    }))

  it("of a job that Python runs by now only clears away what the dead worker left", ({ redis }) =>
    Effect.gen(function*() {
      // Python has queued it again and started it, and knows nothing of the field that names the execution
      const started = { abandonedAt: now - 1, fields: { worker_name: "theirs", execution: execution(0) } }
      yield* putStarted(redis, "rq2", started)
      yield* putExecution(redis, "rq2")
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now), `rq2:${pythons(0)}`)
      yield* putExecution(redis, "rq2", pythons(0))
      yield* putStarted(redis, "rq1", started)
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 1), "rq1")
      const before = { rq1: yield* job(redis, "rq1"), rq2: yield* job(redis, "rq2") }
      assert.deepStrictEqual(yield* abandon(redis), [])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.deepStrictEqual({ rq1: yield* job(redis, "rq1"), rq2: yield* job(redis, "rq2") }, before)
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`rq2:${pythons(0)}`, "rq1"])
      assert.deepStrictEqual(yield* members(redis, keys.executions("rq2")), [pythons(0)])
      assert.strictEqual(yield* redis.send("EXISTS", keys.execution("rq2", execution(0))), 0)
      assert.strictEqual(yield* redis.send("EXISTS", keys.execution("rq2", pythons(0))), 1)
    }))

  it("runs a job again whose other run is as dead", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { ...dead, fields: { worker_name: "theirs", execution: execution(0) } })
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 1), `a:${pythons(0)}`)
      yield* putExecution(redis, "a", pythons(0))
      const abandoned = yield* abandon(redis)
      assert.deepStrictEqual(abandoned.map(({ id, outcome }) => [id, outcome]), [["a", "queued"]])
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
    }))

  it("begins the lifetime in the queue anew, as whatever comes back to it", ({ redis }) =>
    Effect.gen(function*() {
      const fields = { worker_name: "dead", ttl: "30" }
      yield* putStarted(redis, "ran", { ...dead, fields })
      yield* putStarted(redis, "ahead", { ...dead, execution: `${prefix}80000001`, fields })
      yield* putStarted(redis, "none", { ...dead, execution: execution(2), fields: { ...fields, ttl: "" } })
      yield* putPythons(redis, "theirs", { ...fields, retries_left: "1" })
      assert.deepStrictEqual((yield* abandon(redis)).map(({ outcome }) => outcome), Array(4).fill("queued"))
      for (const id of ["ran", "ahead", "theirs"]) yield* assertTtl(redis, keys.job(id), 30)
      yield* assertNoTtl(redis, keys.job("none"))
      yield* turn(redis, { want: 4, counter: 5 })
      for (const id of ["ran", "ahead", "theirs", "none"]) yield* assertNoTtl(redis, keys.job(id))
    }))

  it("does bounded work, the longest dead first; a full slice lets the next call go on at once", ({ redis }) =>
    Effect.gen(function*() {
      for (let i = 0; i < 7; i++) {
        yield* putStarted(redis, `j${i}`, { abandonedAt: now - 1000 + i, execution: execution(i) })
      }
      const rounds: Array<readonly [ids: ReadonlyArray<string>, more: boolean]> = []
      for (let i = 0; i < 3; i++) {
        const { abandoned, more } = yield* slice(redis, { limit: 3 })
        rounds.push([abandoned.map(({ id }) => id), more])
      }
      assert.deepStrictEqual(rounds, [[["j0", "j1", "j2"], true], [["j3", "j4", "j5"], true], [["j6"], false]])
      // nobody goes on within the interval when the last slice was not full
      assert.strictEqual(yield* redis.send("EXISTS", keys.maintenance("default")), 1)
    }))

  it("takes out 250 dead executions in three slices, each once", ({ redis }) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 250 }, (_, i) => `j${i}`)
      yield* Effect.forEach(
        ids,
        (id, i) => putStarted(redis, id, { abandonedAt: now - 1000 + i, execution: execution(i) }),
        { discard: true, concurrency: 50 }
      )
      yield* putStarted(redis, "alive", { execution: execution(999) })
      const found: Array<string> = []
      const rounds: Array<readonly [number, boolean]> = []
      for (let more = true; more;) {
        const one = yield* slice(redis)
        more = one.more
        rounds.push([one.abandoned.length, more])
        for (const { id } of one.abandoned) found.push(id)
      }
      assert.deepStrictEqual(rounds, [[100, true], [100, true], [50, false]])
      assert.deepStrictEqual(found, ids)
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`alive:${execution(999)}`])
      assert.deepStrictEqual(yield* waiting(redis), [...ids].reverse())
    }))

  it("does not ask for another call for the sake of executions that are left to Python, however many", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.cleaning("default"), "1", "EX", "899")
      for (let page = 0; page < 10_100; page += 1000) {
        const some = Array.from({ length: 1000 }, (_, i) => {
          const n = page + i
          return [n, `py${n}:${pythons(n)}`] as const
        })
        yield* redis.send("ZADD", keys.started("default"), ...some.flat())
      }
      assert.deepInclude(yield* slice(redis), { abandoned: [], more: false })
      assert.strictEqual(yield* redis.send("EXISTS", keys.maintenance("default")), 1)
    }))

  it("goes on where a list or registry of what was handed over is foreign, and tells of it", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.handovers("default"), "a text")
      yield* putStarted(redis, "a", { abandonedAt: now - 1 })
      const first = yield* slice(redis)
      assert.deepStrictEqual(first.abandoned.map(({ id }) => id), ["a"])
      assert.match(first.problem ?? "", /^rq:effect:handovers:default: WRONGTYPE/)
      yield* redis.send("DEL", keys.handovers("default"), keys.maintenance("default"))
      yield* redis.send("ZADD", keys.handovers("default"), "1", "dead")
      yield* redis.send("SET", keys.handover("default", "dead"), "a text")
      assert.match((yield* slice(redis)).problem ?? "", /^rq:effect:handover:default:dead: WRONGTYPE/)
    }))

  it("a mark that never lapses is nobody's: the queue is looked after all the same", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.maintenance("default"), "foreign")
      yield* redis.send("SET", keys.cleaning("default"), "1")
      yield* putStarted(redis, "a", { abandonedAt: now - 1 })
      assert.deepStrictEqual((yield* slice(redis)).abandoned.map(({ id }) => id), ["a"])
      assert.isAbove(yield* redis.send<number>("PTTL", keys.maintenance("default")), 0)
    }))

  it("gives back what was handed over to a dead worker, in order, before all others", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b", "c", "d"]) yield* putJob(redis, id)
      yield* redis.send("RPUSH", keys.queue("default"), "d")
      yield* redis.send("RPUSH", keys.handover("default", "dead"), "a", "b")
      yield* redis.send("RPUSH", keys.handover("default", "alive"), "c")
      yield* redis.send(
        "ZADD",
        keys.handovers("default"),
        Wire.seconds(now - 1),
        "dead",
        Wire.seconds(now),
        "alive",
        Wire.seconds(now - 601_000),
        "forgotten"
      )
      yield* abandon(redis)
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b", "d"])
      assert.deepStrictEqual(yield* list(redis, keys.handover("default", "alive")), ["c"])
      // a dead one is looked at for a while yet: what blocks on the server may still be moved to it
      assert.deepStrictEqual(yield* members(redis, keys.handovers("default")), ["dead", "alive"])
    }))

  it("drops, and does not give back, what is not queued any more", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b", "c"]) yield* putJob(redis, id)
      yield* putJob(redis, "canceled", { status: "canceled" })
      yield* redis.send("RPUSH", keys.queue("default"), "c")
      yield* redis.send("RPUSH", keys.handover("default", "dead"), "gone", "a", "canceled", "b")
      yield* redis.send("ZADD", keys.handovers("default"), Wire.seconds(now - 1), "dead")
      yield* abandon(redis)
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b", "c"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.handover("default", "dead")), 0)
    }))

  it("looks after each queue by itself", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { ...dead, queue: "x" })
      yield* putStarted(redis, "b", { ...dead, queue: "y" })
      yield* redis.send("SET", keys.maintenance("x"), "another", "PX", 4500)
      assert.deepStrictEqual((yield* abandon(redis, { queues: ["x", "y"] })).map(({ id }) => id), ["b"])
      assert.deepStrictEqual(yield* waiting(redis, "y"), ["b"])
      assert.strictEqual(yield* status(redis, "a"), "started")
    }))

  it("leaves a queue alone whose key holds something else, and looks after the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a", { ...dead, queue: "bad" })
      yield* redis.send("SET", keys.queue("bad"), "a text")
      yield* redis.send("SET", keys.started("worse"), "a text")
      yield* putStarted(redis, "b", { ...dead, queue: "good" })
      const outcome = yield* abandon(redis, { queues: ["bad", "worse", "good"] })
      assert.deepStrictEqual(outcome.map(({ id }) => id), ["b"])
      assert.strictEqual(yield* status(redis, "a"), "started")
      assert.strictEqual((yield* members(redis, keys.started("bad"))).length, 1)
      yield* redis.send("DEL", keys.queue("bad"))
      assert.deepStrictEqual((yield* abandon(redis, { queues: ["bad"] })).map(({ id }) => id), ["a"])
    }))
})

const textOf = (entry: Readonly<Record<string, string>> | undefined) =>
  Zlib.inflateSync(Buffer.from(entry!["exc_string"]!, "base64")).toString()

suite("abandon: started by Python, worker dead -> as RQ's rules are", (it) => {
  it("fails a job without a retry, with RQ's words and who died", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "a")
      yield* putJob(redis, "waits", { status: "deferred" })
      yield* putJob(redis, "minds", { status: "deferred" })
      yield* redis.send("HSET", keys.job("waits"), "allow_dependency_failures", "1")
      for (const id of ["waits", "minds"]) {
        yield* redis.send("ZADD", keys.deferred("default"), 1, id)
        yield* redis.send("SADD", `${keys.job("a")}:dependents`, id)
        yield* redis.send("SADD", `${keys.job(`:${id}`)}:dependencies`, "a")
      }
      const before = yield* job(redis, "a")
      // the options for our own jobs are not for Python's: what it runs was not made to be run twice
      assert.deepStrictEqual(yield* abandon(redis, { maxAbandons: 3, queues: ["default", "next"] }), [
        { queue: "default", id: "a", worker: "theirs", python: true, times: 1, outcome: "failed", uncalled: false }
      ])
      assert.strictEqual(yield* redis.send("GET", keys.maintenance("next")), "reaper")
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "failed",
        ended_at: Wire.encode(now),
        abandon_count: "1"
      })
      assert.deepStrictEqual(yield* zset(redis, keys.failed("default")), [
        ["a", String(Math.floor(now / 1000) + 31_536_000)]
      ])
      const [entry] = yield* resultsOf(redis, "a")
      assert.deepInclude(entry, { type: "2", worker_name: "theirs", execution_id: pythons(0) })
      assert.strictEqual(
        textOf(entry),
        `Moved to FailedJobRegistry, due to AbandonedJobError, at ${
          Wire.encode(now)
        }: worker theirs of RQ died while it ` +
          "ran this job, which has happened 1 times"
      )
      assert.deepStrictEqual(yield* waiting(redis), ["waits"])
      assert.strictEqual(yield* status(redis, "minds"), "deferred")
      assert.strictEqual(
        yield* redis.send("EXISTS", keys.started("default"), keys.executions("a"), keys.execution("a", pythons(0))),
        0
      )
    }))

  it("spends a retry that is left: at the end of the queue, or at its front, or after its pause", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putPythons(redis, "last", { retries_left: "2" }, pythons(1))
      yield* putPythons(redis, "first", { retries_left: "1", enqueue_at_front_on_retry: "1" }, pythons(2))
      yield* putPythons(redis, "later", { retries_left: "2", retry_intervals: "[10, 30, 60]" }, pythons(3))
      yield* putPythons(redis, "none", { retries_left: "0" }, pythons(4))
      const found = yield* abandon(redis)
      assert.deepStrictEqual(
        new Map(found.map(({ id, outcome }) => [id, outcome])),
        new Map([
          ["last", "queued"],
          ["first", "queued"],
          ["later", "scheduled"],
          ["none", "failed"]
        ])
      )
      assert.deepStrictEqual(yield* waiting(redis), ["first", "waiting", "last"])
      assert.deepInclude(yield* job(redis, "last"), {
        status: "queued",
        retries_left: "1",
        enqueued_at: Wire.encode(now),
        abandon_count: "1"
      })
      // the second of three pauses: one of three retries has been spent before
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("default")), [["later", String(now / 1000 + 30)]])
      assert.deepInclude(yield* job(redis, "later"), { status: "scheduled", retries_left: "1" })
      const [entry] = yield* resultsOf(redis, "last")
      assert.deepInclude(entry, { type: "4", worker_name: "theirs", execution_id: pythons(1) })
      assert.match(textOf(entry), /^AbandonedJobError, at \S+: worker theirs of RQ died/)
      // ours runs one of them, as its second run
      const { claimed } = yield* turn(redis, { want: 1 })
      assert.deepStrictEqual(claimed.map((one) => [one.id, one.attempt]), [["first", 2]])
    }))

  it("leaves alone what is alive: until the very end, and a job without a timeout of an old RQ for ever", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "now", {}, pythons(1))
      yield* putPythons(redis, "ever", { timeout: "-1" }, pythons(2))
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now), `now:${pythons(1)}`)
      yield* redis.send("ZADD", keys.started("default"), "+inf", `ever:${pythons(2)}`)
      assert.deepStrictEqual(yield* abandon(redis), [])
      yield* nextInterval(redis)
      assert.deepStrictEqual((yield* abandon(redis, { time: now + 1 })).map(({ id }) => id), ["now"])
      yield* nextInterval(redis)
      assert.deepStrictEqual(yield* abandon(redis, { time: now + 1e12 }), [])
      assert.strictEqual(yield* status(redis, "ever"), "started")
    }))

  it("does nothing while RQ's clean-up holds its lock, or when it is told so", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "a", { retries_left: "1" })
      yield* putStarted(redis, "ours", dead)
      yield* redis.send("SET", keys.cleaning("default"), "1", "EX", "899")
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id }) => id), ["ours"])
      yield* nextInterval(redis)
      assert.deepStrictEqual(yield* abandon(redis), [])
      yield* redis.send("DEL", keys.cleaning("default"))
      yield* nextInterval(redis)
      assert.deepStrictEqual(yield* abandon(redis, { python: false }), [])
      assert.strictEqual(yield* status(redis, "a"), "started")
      yield* nextInterval(redis)
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id }) => id), ["a"])
      // another queue's lock is another queue's
      yield* redis.send("SET", keys.cleaning("other"), "1", "EX", "899")
      yield* putPythons(redis, "b")
      yield* nextInterval(redis)
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id }) => id), ["b"])
    }))

  it("leaves a job with a callback to Python for half an hour, then says that it was not called", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "callback", { failure_callback_name: "mod.report", webhooks: "[]" }, pythons(1))
      yield* putPythons(redis, "webhook", { webhooks: "[{\"url\": \"http://x\"}]" }, pythons(2))
      yield* putPythons(redis, "neither", { failure_callback_name: "", webhooks: "[]" }, pythons(3))
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id }) => id), ["neither"])
      yield* nextInterval(redis)
      assert.deepStrictEqual(yield* abandon(redis, { time: now - 1000 + 1_800_000 }), [])
      yield* nextInterval(redis)
      const found = yield* abandon(redis, { time: now - 1000 + 1_800_001 })
      assert.deepStrictEqual(found.map(({ id, outcome, uncalled }) => [id, outcome, uncalled]), [
        ["callback", "failed", true],
        ["webhook", "failed", true]
      ])
      for (const id of ["callback", "webhook"]) {
        assert.include(textOf((yield* resultsOf(redis, id))[0]), "is Python's and was not called")
      }
      assert.notInclude(textOf((yield* resultsOf(redis, "neither"))[0]), "callback")
    }))

  it("treats the plain ids of RQ 1 alike, whatever is in them, and writes no result that RQ 1 can't read", ({ redis }) =>
    Effect.gen(function*() {
      const ids = ["failing", "a:b", "retried:abcdef"]
      for (const id of ids) {
        yield* putJob(redis, id, {
          status: "started",
          worker_name: "old",
          ...(id === "retried:abcdef" ? { retries_left: "1" } : {})
        })
        yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 1000), id)
      }
      const found = yield* abandon(redis)
      assert.sameDeepMembers(found.map(({ id, outcome, worker }) => [id, outcome, worker]), [
        ["failing", "failed", "old"],
        ["a:b", "failed", "old"],
        ["retried:abcdef", "queued", "old"]
      ])
      assert.deepStrictEqual(yield* waiting(redis), ["retried:abcdef"])
      assert.deepStrictEqual(yield* resultsOf(redis, "retried:abcdef"), [])
      const [entry] = yield* resultsOf(redis, "failing")
      assert.deepInclude(entry, { type: "2", worker_name: "old" })
      assert.notProperty(entry, "execution_id")
      assert.strictEqual(yield* redis.send("EXISTS", keys.started("default")), 0)
    }))

  it("puts back what its worker had taken and not started, which spends no retry", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putPythons(redis, "a", { status: "queued", worker_name: "", retries_left: "1" })
      yield* redis.send("HSET", keys.execution("a", pythons(0)), "worker_name", "theirs")
      yield* redis.send("RPUSH", keys.intermediate("default"), "a")
      assert.deepStrictEqual(yield* abandon(redis), [
        { queue: "default", id: "a", worker: "theirs", python: true, times: 0, outcome: "queued", uncalled: false }
      ])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "waiting"])
      assert.deepInclude(yield* job(redis, "a"), { status: "queued", retries_left: "1" })
      assert.strictEqual(
        yield* redis.send("EXISTS", keys.intermediate("default"), keys.results("a"), keys.executions("a")),
        0
      )
    }))

  it("lets be what it can't find in a very long queue until it can", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "a", { status: "queued" })
      const others = Array.from({ length: 1000 }, (_, i) => `other${i}`)
      for (let i = 0; i < 10; i++) yield* redis.send("RPUSH", keys.queue("default"), ...others)
      yield* redis.send("RPUSH", keys.queue("default"), "a")
      for (let i = 0; i < 10; i++) yield* redis.send("RPUSH", keys.queue("default"), ...others)
      assert.deepStrictEqual(yield* abandon(redis), [])
      assert.strictEqual(yield* redis.send("ZCARD", keys.started("default")), 1)
      yield* redis.send("LPOP", keys.queue("default"), 500)
      yield* nextInterval(redis)
      assert.deepStrictEqual(yield* abandon(redis), [])
      assert.strictEqual(yield* redis.send("ZCARD", keys.started("default")), 0)
      assert.strictEqual(yield* redis.send("LLEN", keys.queue("default")), 19_501)
    }))

  it("only clears up after a run whose job waits, has ended, is gone or runs elsewhere by now", ({ redis }) =>
    Effect.gen(function*() {
      yield* putPythons(redis, "waits", { status: "queued" }, pythons(1))
      yield* redis.send("RPUSH", keys.queue("default"), "waits")
      for (const [i, is] of ["finished", "failed", "canceled", "stopped", "scheduled", "deferred"].entries()) {
        yield* putPythons(redis, is, { status: is, retries_left: "1" }, pythons(10 + i))
      }
      yield* putPythons(redis, "gone", {}, pythons(3))
      yield* redis.send("DEL", keys.job("gone"))
      // ours runs it
      yield* putPythons(redis, "ours", { execution: execution(7), retries_left: "1" }, pythons(4))
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 1), `ours:${execution(7)}`)
      // another one of theirs runs it
      yield* putPythons(redis, "theirs", { retries_left: "1" }, pythons(5))
      yield* putExecution(redis, "theirs", pythons(6))
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now + 1), `theirs:${pythons(6)}`)
      // a run of ours that is over does not hide the one of theirs
      yield* putPythons(redis, "was-ours", { execution: execution(8) }, pythons(9))
      const before = yield* Effect.forEach(["waits", "finished", "scheduled", "ours", "theirs"], (id) => job(redis, id))
      assert.deepStrictEqual((yield* abandon(redis)).map(({ id, outcome }) => [id, outcome]), [["was-ours", "failed"]])
      assert.deepStrictEqual(
        yield* Effect.forEach(["waits", "finished", "scheduled", "ours", "theirs"], (id) => job(redis, id)),
        before
      )
      assert.deepStrictEqual(yield* waiting(redis), ["waits"])
      assert.sameMembers([...(yield* members(redis, keys.started("default")))], [
        `ours:${execution(7)}`,
        `theirs:${pythons(6)}`
      ])
      assert.deepStrictEqual(yield* members(redis, keys.executions("theirs")), [pythons(6)])
    }))

  it("refuses what a worker of ours hands in for a run that Python has ended meanwhile, and the reverse is fenced", ({ redis }) =>
    Effect.gen(function*() {
      // their worker was only paused: ours has taken its job over and runs it when theirs ends it
      yield* putPythons(redis, "a", { retries_left: "1" })
      yield* abandon(redis)
      const { claimed } = yield* turn(redis, { want: 1 })
      assert.deepStrictEqual(claimed.map(({ id }) => id), ["a"])
      yield* redis.send("HSET", keys.job("a"), "status", "finished")
      yield* redis.send("ZADD", keys.finished("default"), Wire.seconds(now + 500_000), "a")
      const late = yield* turn(redis, { ended: [completed("a")] })
      assert.deepStrictEqual(late.handedIn, [false])
      assert.strictEqual(yield* status(redis, "a"), "finished")
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [])
    }))

  it("takes out 250 of them in three slices, each once, and leaves no key of an execution", ({ redis }) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 250 }, (_, i) => `j${i}`)
      yield* Effect.forEach(
        ids,
        (id, i) => putPythons(redis, id, i % 2 === 0 ? { retries_left: "1" } : {}, pythons(i)),
        { discard: true, concurrency: 50 }
      )
      const found: Array<string> = []
      const rounds: Array<number> = []
      for (let more = true; more;) {
        const one = yield* slice(redis)
        more = one.more
        rounds.push(one.abandoned.length)
        for (const { id } of one.abandoned) found.push(id)
      }
      assert.deepStrictEqual(rounds, [100, 100, 50])
      assert.sameMembers(found, ids)
      assert.strictEqual((yield* waiting(redis)).length, 125)
      assert.strictEqual(yield* redis.send("ZCARD", keys.failed("default")), 125)
      assert.deepStrictEqual(yield* redis.send("KEYS", "rq:exec*"), [])
      assert.deepStrictEqual(yield* redis.send("KEYS", "rq:wip*"), [])
    }))
})
