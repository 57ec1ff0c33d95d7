import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { tidy as script, type TidyParams } from "../../src/lifecycle/tidy.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import { assertTtl, assertUnchanged, job, list, members, now, putJob, status, suite, waiting } from "./support.js"
import { putStarted, turn } from "./turn.js"

const tidy = (redis: RedisService, params: Partial<TidyParams> & { readonly time?: number } = {}) => {
  const { time = now, ...rest } = params
  return redis.eval(script)({
    worker: "w1",
    queues: ["default"],
    now: Wire.seconds(time),
    intervalMillis: 27_000,
    limit: 100,
    ...rest
  })
}

const again = (redis: RedisService, queue = "default") => redis.send("DEL", keys.tidied(queue))

const stuck = keys.intermediate("default")
const seen = (id: string) => keys.intermediateSeen("default", id)

/** When a job was queued that is stuck since. */
const before = { enqueued_at: Wire.encode(now - 100_000) }

suite("tidy: what dead workers leave behind", (it) => {
  it("takes workers out of the sets whose hash is gone, and no others", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("HSET", keys.worker("alive"), "birth", "b")
      for (const set of [keys.workers, keys.workersOf("default"), keys.workersOf("other")]) {
        yield* redis.send("SADD", set, keys.worker("alive"), keys.worker("dead"), "something else")
      }
      assert.deepStrictEqual(yield* tidy(redis), { recovered: [], forgotten: 2 })
      for (const set of [keys.workers, keys.workersOf("default")]) {
        assert.sameMembers([...(yield* redis.send<ReadonlyArray<string>>("SMEMBERS", set))], [
          keys.worker("alive"),
          "something else"
        ])
      }
      assert.strictEqual(yield* redis.send("SCARD", keys.workersOf("other")), 3)
      assert.deepStrictEqual(yield* tidy(redis, { queues: ["other"] }), { recovered: [], forgotten: 1 })
    }))

  it("lets one caller at a time look after a queue, and nobody again within the interval", ({ redis }) =>
    Effect.gen(function*() {
      yield* tidy(redis, { worker: "first" })
      assert.strictEqual(yield* redis.send("GET", keys.tidied("default")), "first")
      assert.isAtMost(yield* redis.send<number>("PTTL", keys.tidied("default")), 27_000)
      yield* redis.send("SADD", keys.workers, keys.worker("dead"))
      assert.deepStrictEqual(yield* assertUnchanged(redis, tidy(redis, { worker: "second" })), {
        recovered: [],
        forgotten: 0
      })
    }))

  it("puts what is stuck for a minute back to the front, in order, and remembers as RQ does", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b", "c"]) yield* putJob(redis, id, before)
      yield* redis.send("RPUSH", stuck, "a", "b")
      yield* redis.send("RPUSH", keys.queue("default"), "c")
      assert.deepStrictEqual((yield* tidy(redis)).recovered, [])
      assert.strictEqual(yield* redis.send("GET", seen("a")), Wire.seconds(now))
      yield* assertTtl(redis, seen("a"), 86_400)
      yield* again(redis)
      assert.deepStrictEqual((yield* tidy(redis, { time: now + 60_000 })).recovered, [])
      assert.deepStrictEqual(yield* list(redis, stuck), ["a", "b"])
      yield* again(redis)
      assert.sameDeepMembers([...(yield* tidy(redis, { time: now + 60_001 })).recovered], [
        { queue: "default", id: "a" },
        { queue: "default", id: "b" }
      ])
      assert.deepStrictEqual(yield* waiting(redis), ["a", "b", "c"])
      assert.strictEqual(yield* redis.send("EXISTS", stuck, seen("a"), seen("b")), 0)
      assert.strictEqual(yield* status(redis, "a"), "queued")
      const { claimed } = yield* turn(redis, { want: 3 })
      assert.deepStrictEqual(claimed.map(({ id }) => id), ["a", "b", "c"])
    }))

  it("goes by what Python has seen, but not by what it saw before the job was queued again", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", before)
      yield* putJob(redis, "b", { enqueued_at: Wire.encode(now - 5000) })
      yield* putJob(redis, "c", { enqueued_at: "no date" })
      for (const id of ["a", "b", "c"]) yield* redis.send("SET", seen(id), Wire.seconds(now - 90_000))
      yield* redis.send("RPUSH", stuck, "a", "b", "c")
      assert.sameMembers((yield* tidy(redis)).recovered.map(({ id }) => id), ["a", "c"])
      assert.deepStrictEqual(yield* list(redis, stuck), ["b"])
      assert.strictEqual(yield* redis.send("GET", seen("b")), Wire.seconds(now))
    }))

  it("puts back what RQ 2.10 left and has seen once; RQ itself fails it", ({ redis }) =>
    Effect.gen(function*() {
      const states = new Map(Golden.states(Golden.load("intermediate_cleanup")))
      yield* Golden.restore(redis, states.get("first_seen")!)
      const key = seen("g-1")
      const since = Number(yield* redis.send<string>("GET", key)) * 1000
      const left = yield* job(redis, "g-1")
      assert.deepStrictEqual((yield* tidy(redis, { time: Math.ceil(since) + 59_000 })).recovered, [])
      yield* again(redis)
      assert.deepStrictEqual((yield* tidy(redis, { time: Math.ceil(since) + 60_001 })).recovered, [
        { queue: "default", id: "g-1" }
      ])
      assert.deepStrictEqual(yield* waiting(redis), ["g-1"])
      assert.deepStrictEqual(yield* job(redis, "g-1"), left)
      assert.strictEqual(yield* redis.send("EXISTS", stuck, key), 0)
    }))

  it("reads dates to the second, whatever the year and the month", ({ redis }) =>
    Effect.gen(function*() {
      for (
        const date of [
          "1970-01-01T00:00:00Z",
          "2000-02-29T23:59:59.999Z",
          "2024-03-01T00:00:00Z",
          "2026-12-31T12:30:15Z"
        ]
      ) {
        const millis = Date.parse(date)
        for (const [queuedAt, isStuck] of [[millis, true], [millis + 1001, false]] as const) {
          yield* putJob(redis, "a", { enqueued_at: Wire.encode(queuedAt) })
          yield* redis.send("DEL", stuck, keys.queue("default"), keys.tidied("default"))
          yield* redis.send("RPUSH", stuck, "a")
          yield* redis.send("SET", seen("a"), Wire.seconds(millis + 1000))
          const { recovered } = yield* tidy(redis, { time: millis + 100_000 })
          assert.strictEqual(recovered.length, isStuck ? 1 : 0, date)
        }
      }
    }))

  it("leaves alone what an execution holds, and what is started", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "rq2", before)
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 1), "rq2:0123456789ab4def8000000000000000")
      yield* putJob(redis, "rq1", before)
      yield* redis.send("ZADD", keys.started("default"), Wire.seconds(now - 1), "rq1")
      yield* putJob(redis, "elsewhere", before)
      yield* redis.send("ZADD", keys.executions("elsewhere"), 1, "e")
      yield* putStarted(redis, "ours", { fields: before })
      yield* putJob(redis, "started", { ...before, status: "started" })
      const ids = ["rq2", "rq1", "elsewhere", "ours", "started"]
      yield* redis.send("RPUSH", stuck, ...ids)
      for (const id of ids) yield* redis.send("SET", seen(id), Wire.seconds(now - 61_000))
      assert.deepStrictEqual((yield* tidy(redis)).recovered, [])
      assert.deepStrictEqual(yield* list(redis, stuck), ids)
      assert.deepStrictEqual(yield* waiting(redis), [])
    }))

  it("lets go what has no job at once, and what rests elsewhere after a minute", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "canceled", { ...before, status: "canceled" })
      yield* putJob(redis, "finished", { ...before, status: "finished" })
      yield* redis.send("RPUSH", stuck, "gone", "canceled", "finished")
      yield* tidy(redis)
      assert.deepStrictEqual(yield* list(redis, stuck), ["canceled", "finished"])
      yield* again(redis)
      assert.deepStrictEqual((yield* tidy(redis, { time: now + 61_000 })).recovered, [])
      assert.deepStrictEqual(yield* list(redis, stuck), [])
      assert.deepStrictEqual(yield* waiting(redis), [])
      assert.strictEqual(yield* status(redis, "canceled"), "canceled")
      assert.strictEqual(yield* status(redis, "finished"), "finished")
    }))

  it("does not put an id into a queue in which it waits already", ({ redis }) =>
    Effect.gen(function*() {
      for (const id of ["a", "b"]) yield* putJob(redis, id, before)
      yield* redis.send("RPUSH", keys.queue("default"), "b", "a")
      yield* redis.send("RPUSH", stuck, "a")
      yield* redis.send("SET", seen("a"), Wire.seconds(now - 61_000))
      assert.lengthOf((yield* tidy(redis)).recovered, 1)
      assert.deepStrictEqual(yield* waiting(redis), ["b", "a"])
      assert.deepStrictEqual(yield* list(redis, stuck), [])
    }))

  it("looks at a bounded number of ids, the longest stuck first", ({ redis }) =>
    Effect.gen(function*() {
      for (let i = 0; i < 5; i++) {
        yield* putJob(redis, `j${i}`, before)
        yield* redis.send("RPUSH", stuck, `j${i}`)
        yield* redis.send("SET", seen(`j${i}`), Wire.seconds(now - 61_000))
      }
      assert.lengthOf((yield* tidy(redis, { limit: 3 })).recovered, 3)
      assert.deepStrictEqual(yield* waiting(redis), ["j0", "j1", "j2"])
      assert.deepStrictEqual(yield* list(redis, stuck), ["j3", "j4"])
    }))

  it("leaves a queue alone that has the name of another one's intermediate list", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", before)
      yield* redis.send("SADD", keys.queues, keys.queue("default:intermediate"))
      yield* redis.send("RPUSH", keys.queue("default:intermediate"), "a")
      yield* redis.send("SET", seen("a"), Wire.seconds(now - 61_000))
      assert.deepStrictEqual((yield* tidy(redis)).recovered, [])
      assert.deepStrictEqual(yield* waiting(redis, "default:intermediate"), ["a"])
    }))

  it("gets on with the others where a key holds something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.workersOf("default"), "a text")
      yield* redis.send("SET", stuck, "a text")
      yield* redis.send("SET", keys.queue("list"), "a text")
      yield* redis.send("RPUSH", keys.intermediate("list"), "b")
      yield* redis.send("SET", keys.job("foreign"), "a text")
      yield* putJob(redis, "a", { ...before, origin: "good" })
      yield* redis.send("RPUSH", keys.intermediate("good"), "foreign", "a")
      yield* redis.send("SET", keys.intermediateSeen("good", "a"), Wire.seconds(now - 61_000))
      yield* redis.send("SADD", keys.workers, keys.worker("dead"))
      assert.deepStrictEqual(yield* tidy(redis, { queues: ["default", "list", "good"] }), {
        recovered: [{ queue: "good", id: "a" }],
        forgotten: 1
      })
      assert.deepStrictEqual(yield* list(redis, keys.intermediate("list")), ["b"])
      assert.deepStrictEqual(yield* members(redis, keys.started("good")), [])
    }))
})
