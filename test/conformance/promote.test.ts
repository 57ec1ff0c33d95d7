import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { promote as script, type PromoteParams } from "../../src/lifecycle/promote.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import {
  assertNoTtl,
  assertTtl,
  assertUnchanged,
  at,
  hash,
  job,
  members,
  now,
  putJob,
  suite,
  waiting,
  zset
} from "./support.js"

const token = "12345678901234567890"
const lease = 15_000

const lead = (redis: RedisService, ...queues: ReadonlyArray<string>) =>
  Effect.forEach(queues, (queue) => redis.send("SET", keys.schedulerLock(queue), token, "PX", lease), { discard: true })

const promote = (
  redis: RedisService,
  params: Partial<PromoteParams> & { readonly time?: number; readonly skip?: number } = {}
) => {
  const queues = params.queues ?? [{ queue: "default", skip: params.skip ?? 0 }]
  return Effect.map(
    redis.eval(script)({
      scheduler: token,
      leaseMillis: lease,
      limit: 500,
      heartbeat: ["name", params.scheduler ?? token, "pid", "1"],
      ...at(params.time ?? now),
      ...params,
      queues
    }),
    (rows) => rows(queues)
  )
}

/** A scheduled job, due so many milliseconds from now. */
const putScheduled = (
  redis: RedisService,
  id: string,
  dueIn: number,
  fields: Readonly<Record<string, string>> = {},
  queue = "default"
) =>
  Effect.zipRight(
    putJob(redis, id, { status: "scheduled", origin: queue, ...fields }),
    redis.send("ZADD", keys.scheduled(queue), Wire.seconds(now + dueIn), id)
  )

const nothing = { ids: [], firstDue: undefined, dropped: 0, heldBack: 0, nextDue: undefined, more: false }

suite("promote: scheduled -> queued", (it) => {
  it("moves what is due to the queue and says what it did", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* putScheduled(redis, "b", -500)
      yield* putScheduled(redis, "a", -1250)
      yield* putScheduled(redis, "later", 125)
      const before = yield* job(redis, "a")
      assert.deepStrictEqual(yield* promote(redis), [{
        ...nothing,
        _tag: "Promoted",
        queue: "default",
        ids: ["a", "b"],
        firstDue: (now - 1250) / 1000,
        nextDue: (now + 125) / 1000
      }])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b"])
      assert.deepStrictEqual(yield* members(redis, keys.scheduled("default")), ["later"])
      assert.deepStrictEqual(yield* job(redis, "a"), {
        ...before,
        status: "queued",
        enqueued_at: Wire.encode(now),
        due_at: (yield* job(redis, "a"))["due_at"]!
      })
      assert.strictEqual(Number((yield* job(redis, "a"))["due_at"]), (now - 1250) / 1000)
    }))

  it("never before it is due, not by a millisecond", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* putScheduled(redis, "a", 0)
      const [early] = yield* promote(redis, { time: now - 1 })
      assert.deepStrictEqual(early, { ...nothing, _tag: "Promoted", queue: "default", nextDue: now / 1000 })
      assert.deepStrictEqual(yield* waiting(redis), [])
      yield* promote(redis)
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
    }))

  it("once, however often it is called", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* putScheduled(redis, "a", -1)
      yield* promote(redis)
      assert.deepStrictEqual(yield* assertUnchanged(redis, promote(redis)), [
        { ...nothing, _tag: "Promoted", queue: "default" }
      ])
    }))

  it("only under the caller's own token, and then prolongs nothing", ({ redis }) =>
    Effect.gen(function*() {
      yield* putScheduled(redis, "a", -1)
      assert.deepStrictEqual(yield* assertUnchanged(redis, promote(redis)), [{ _tag: "NotHeld", queue: "default" }])
      yield* redis.send("SET", keys.schedulerLock("default"), "python", "PX", 5000)
      assert.deepStrictEqual(yield* assertUnchanged(redis, promote(redis)), [{ _tag: "NotHeld", queue: "default" }])
      yield* assertTtl(redis, keys.schedulerLock("default"), 5)
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduler(token)), 0)
    }))

  it("prolongs the lease of what it leads, and its own hash, which it writes where there is none", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.schedulerLock("default"), token, "PX", 3000)
      yield* promote(redis, { leaseMillis: 60_000 })
      yield* assertTtl(redis, keys.schedulerLock("default"), 60)
      assert.deepStrictEqual(yield* hash(redis, keys.scheduler(token)), {
        name: token,
        pid: "1",
        last_heartbeat: Wire.encode(now)
      })
      yield* redis.send("HSET", keys.scheduler(token), "pid", "2")
      yield* promote(redis, { time: now + 5000 })
      assert.deepInclude(yield* hash(redis, keys.scheduler(token)), {
        pid: "2",
        last_heartbeat: Wire.encode(now + 5000)
      })
      yield* assertTtl(redis, keys.scheduler(token), 61)
      yield* redis.send("DEL", keys.scheduler(token))
      yield* promote(redis, { heartbeat: undefined })
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduler(token)), 0)
    }))

  it("keeps the order of due times, equal ones by id; at front the latest is first", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* redis.send("RPUSH", keys.queue("default"), "waiting")
      yield* putScheduled(redis, "front1", -40, { enqueue_at_front: "1" })
      yield* putScheduled(redis, "y", -30)
      yield* putScheduled(redis, "x", -30)
      yield* putScheduled(redis, "front2", -20, { enqueue_at_front: "1" })
      yield* putScheduled(redis, "w", -35)
      yield* promote(redis)
      assert.deepStrictEqual(yield* waiting(redis), ["front2", "front1", "waiting", "w", "x", "y"])
    }))

  it("a retry of Python's goes to the front where it asked for that and has run", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* putScheduled(redis, "first", -30, { enqueue_at_front_on_retry: "1", ended_at: "" })
      yield* putScheduled(redis, "retry", -20, { enqueue_at_front_on_retry: "1", ended_at: Wire.encode(now) })
      yield* promote(redis)
      assert.deepStrictEqual(yield* waiting(redis), ["retry", "first"])
    }))

  it("starts the ttl of a job, which has not passed while it waited for its time", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* putScheduled(redis, "a", -1, { ttl: "20" })
      yield* putScheduled(redis, "b", -1)
      yield* putScheduled(redis, "forever", -1, { ttl: "-1" })
      yield* putScheduled(redis, "empty", -1, { ttl: "" })
      // which Redis would refuse, half way
      for (const ttl of ["1e11", "1e300", "9".repeat(30), "nonsense"]) yield* putScheduled(redis, ttl, -1, { ttl })
      const [promoted] = yield* promote(redis)
      assert(promoted?._tag === "Promoted")
      assert.strictEqual(promoted.ids.length, 8)
      yield* assertTtl(redis, keys.job("a"), 20)
      for (const id of promoted.ids.filter((id) => id !== "a")) yield* assertNoTtl(redis, keys.job(id))
    }))

  it("does bounded work: no more than the limit, the queues sharing it in order", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "a", "b", "c")
      for (let i = 0; i < 4; i++) {
        for (const queue of ["a", "b", "c"]) yield* putScheduled(redis, `${queue}${i}`, i - 100, {}, queue)
      }
      const queues = ["a", "b", "c"].map((queue) => ({ queue, skip: 0 }))
      const rows = yield* promote(redis, { queues, limit: 6 })
      assert.deepStrictEqual(
        rows.map((row) => row._tag === "Promoted" && [row.ids, row.more]),
        [[["a0", "a1", "a2", "a3"], false], [["b0", "b1"], true], [[], true]]
      )
      const again = yield* promote(redis, { queues, limit: 600 })
      assert.deepStrictEqual(
        again.map((row) => row._tag === "Promoted" && [row.ids, row.more]),
        [[[], false], [["b2", "b3"], false], [["c0", "c1", "c2", "c3"], false]]
      )
      assert.deepStrictEqual(yield* waiting(redis, "b"), ["b0", "b1", "b2", "b3"])
    }))

  it("knows of each when it was due, be it at one instant with all of a call, with some, or alone", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default", "other")
      yield* redis.send("ZADD", keys.scheduled("default"), 1, "missing")
      const dueIn = { a: -900, b: -900, c: -900, d: -900, e: -800, f: -700 }
      for (const [id, millis] of Object.entries(dueIn)) yield* putScheduled(redis, id, millis)
      yield* putScheduled(redis, "z", -100, {}, "other")
      const first = yield* promote(redis, {
        queues: [{ queue: "default", skip: 1 }, { queue: "other", skip: 0 }],
        limit: 3
      })
      assert.deepInclude(first[0], { ids: ["a", "b", "c"], more: true })
      assert.deepInclude(first[1], { ids: [], more: true })
      assert.deepStrictEqual((yield* zset(redis, keys.scheduled("default"))).map(([id]) => id), [
        "missing",
        "d",
        "e",
        "f"
      ])
      const [second] = yield* promote(redis, { queues: [{ queue: "default", skip: 1 }], limit: 2 })
      assert.deepInclude(second, { ids: ["d", "e"], more: true })
      const [third] = yield* promote(redis, { queues: [{ queue: "default", skip: 1 }], limit: 2 })
      assert.deepInclude(third, { ids: ["f"], more: false })
      for (const [id, millis] of Object.entries(dueIn)) {
        const fields = yield* job(redis, id)
        assert.strictEqual(fields["status"], "queued")
        assert.closeTo(Number(fields["due_at"]), (now + millis) / 1000, 0.000_01, id)
      }
      assert.deepStrictEqual((yield* zset(redis, keys.scheduled("default"))).map(([id]) => id), ["missing"])
    }))

  it("drains 2,000 in slices, none lost, none twice", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      const ids = Array.from({ length: 2000 }, (_, i) => `j${String(i).padStart(4, "0")}`)
      yield* Effect.forEach(ids, (id, i) => putScheduled(redis, id, i - 5000), { discard: true, concurrency: 100 })
      const slices: Array<number> = []
      for (let more = true; more;) {
        const [row] = yield* promote(redis, { limit: 700 })
        assert(row?._tag === "Promoted")
        slices.push(row.ids.length)
        more = row.more
      }
      assert.deepStrictEqual(slices, [700, 700, 600])
      assert.deepStrictEqual(yield* waiting(redis), ids)
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduled("default")), 0)
    }))

  it("serves each queue by its own lock", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "mine")
      yield* redis.send("SET", keys.schedulerLock("others"), "python", "PX", lease)
      for (const queue of ["others", "mine", "nobodys"]) yield* putScheduled(redis, queue, -1, {}, queue)
      const queues = ["others", "mine", "nobodys"].map((queue) => ({ queue, skip: 0 }))
      const rows = yield* promote(redis, { queues })
      assert.deepStrictEqual(rows.map((row) => row._tag), ["NotHeld", "Promoted", "NotHeld"])
      assert.deepStrictEqual(yield* waiting(redis, "mine"), ["mine"])
      assert.deepStrictEqual(yield* waiting(redis, "others"), [])
      assert.deepStrictEqual(yield* members(redis, keys.scheduled("nobodys")), ["nobodys"])
    }))

  it("holds back an entry whose job is missing or says otherwise, and drops it after the grace", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* redis.send("ZADD", keys.scheduled("default"), Wire.seconds(now - 10), "missing", "1", "queued")
      yield* redis.send("ZADD", keys.scheduled("default"), "2", "foreign")
      yield* putJob(redis, "queued", { status: "queued" })
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* putScheduled(redis, "good", -1)
      const [first] = yield* promote(redis)
      assert.deepInclude(first, { ids: ["good"], dropped: 0, heldBack: 3 })
      const [stillHeld] = yield* promote(redis, { time: now + 60_000 })
      assert.deepInclude(stillHeld, { ids: [], dropped: 0, heldBack: 3, more: false })
      const [over] = yield* promote(redis, { time: now + 60_001 })
      assert.deepInclude(over, { ids: [], dropped: 3, heldBack: 0 })
      assert.deepStrictEqual(yield* members(redis, keys.scheduled("default")), [])
      assert.deepStrictEqual(yield* waiting(redis), ["good"])
      assert.strictEqual((yield* job(redis, "queued"))["status"], "queued")
      assert.strictEqual(yield* redis.send("GET", keys.job("foreign")), "a text")
    }))

  it("promotes a job that appears within the grace: Python writes the registry before the hash", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      yield* redis.send("ZADD", keys.scheduled("default"), Wire.seconds(now - 10), "a")
      yield* promote(redis)
      yield* putJob(redis, "a", { status: "scheduled" })
      const [row] = yield* promote(redis, { time: now + 1000 })
      assert.deepInclude(row, { ids: ["a"], heldBack: 0 })
    }))

  it("gives each time that an id is scheduled a grace of its own", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      const entry = redis.send("ZADD", keys.scheduled("default"), Wire.seconds(now - 10), "a", "1", "dropped")
      yield* entry
      yield* promote(redis)
      yield* putJob(redis, "a", { status: "scheduled" })
      yield* promote(redis, { time: now + 61_000 })
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      // Python schedules both again, and their hashes are not there yet
      yield* redis.send("DEL", keys.job("a"))
      yield* entry
      const [row] = yield* promote(redis, { time: now + 62_000 })
      assert.deepInclude(row, { dropped: 0, heldBack: 2 })
    }))

  it("counts the grace anew for an id that was last seen long ago", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      const entry = redis.send("ZADD", keys.scheduled("default"), Wire.seconds(now - 10), "a")
      yield* entry
      yield* promote(redis)
      // Python takes it out, and schedules it again eleven minutes later
      yield* redis.send("ZREM", keys.scheduled("default"), "a")
      yield* entry
      for (const [seconds, dropped] of [[660, 0], [720, 0], [721, 1]] as const) {
        const [row] = yield* promote(redis, { time: now + seconds * 1000 })
        assert.deepInclude(row, { dropped, heldBack: 1 - dropped })
      }
    }))

  it("passes over what is held back at the head, so that it blocks nobody", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "default")
      for (let i = 0; i < 5; i++) yield* redis.send("ZADD", keys.scheduled("default"), i + 1, `missing${i}`)
      yield* putScheduled(redis, "good", -1)
      const [first] = yield* promote(redis, { limit: 3 })
      assert.deepInclude(first, { ids: [], heldBack: 3, more: true })
      const [second] = yield* promote(redis, { limit: 3, skip: 3 })
      assert.deepInclude(second, { ids: ["good"], heldBack: 2 })
      const [third] = yield* promote(redis, { limit: 9, skip: 0 })
      assert.deepInclude(third, { ids: [], heldBack: 5, more: false })
    }))

  it("promotes nothing of a queue whose keys are something else, keeps the lease, and serves the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis, "badlist", "badzset", "good")
      yield* putScheduled(redis, "a", -1, {}, "badlist")
      yield* redis.send("SET", keys.queue("badlist"), "a text")
      yield* redis.send("SET", keys.scheduled("badzset"), "a text")
      yield* putScheduled(redis, "b", -1, {}, "good")
      const queues = ["badlist", "badzset", "good"].map((queue) => ({ queue, skip: 0 }))
      const rows = yield* promote(redis, { queues, leaseMillis: 60_000 })
      assert.deepStrictEqual(rows.map((row) => row._tag), ["WrongType", "WrongType", "Promoted"])
      assert.deepInclude(rows[0], { message: "rq:queue:badlist holds a string, expected a list" })
      assert.deepInclude(rows[1], { message: "rq:scheduled:badzset holds a string, expected a zset" })
      yield* assertTtl(redis, keys.schedulerLock("badlist"), 60)
      assert.strictEqual((yield* job(redis, "a"))["status"], "scheduled")
      assert.deepStrictEqual(yield* zset(redis, keys.scheduled("badlist")), [["a", String((now - 1) / 1000)]])
      assert.deepStrictEqual(yield* waiting(redis, "good"), ["b"])
    }))
})
