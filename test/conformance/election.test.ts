import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { RedisService } from "../../src/Redis.js"
import { elect as electScript, resign as resignScript } from "../../src/scheduler/election.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, assertUnchanged, hash, now, suite } from "./support.js"

const elect = (redis: RedisService, scheduler: string, queues: ReadonlyArray<string>, time = now) =>
  Effect.map(
    redis.eval(electScript)({
      scheduler,
      queues,
      leaseMillis: 15_000,
      birth: ["name", scheduler, "created_at", Wire.encode(now)],
      now: Wire.seconds(time),
      nowDate: Wire.encode(time)
    }),
    (rows) => rows(queues)
  )

const resign = (redis: RedisService, scheduler: string, queues: ReadonlyArray<string>, time = now) =>
  redis.eval(resignScript)({ scheduler, queues, now: Wire.seconds(time) })

suite("election of schedulers", (it) => {
  it("tells of a lock whose key holds something foreign, and leads the others", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SADD", keys.schedulerLock("a"), "x")
      yield* redis.send("RPUSH", keys.scheduler("1"), "x")
      assert.deepStrictEqual(yield* elect(redis, "1", ["a", "b"]), [
        {
          _tag: "Foreign",
          queue: "a",
          message: "rq:scheduler-lock:a holds a foreign set, expected the name of a scheduler"
        },
        { _tag: "Leading", queue: "b" }
      ])
      yield* resign(redis, "1", ["a", "b"])
      assert.strictEqual(yield* redis.send("EXISTS", keys.schedulerLock("b")), 0)
      for (const key of [keys.schedulerLock("a"), keys.scheduler("1")]) {
        assert.strictEqual(yield* redis.send("EXISTS", key), 1)
        yield* assertNoTtl(redis, key)
      }
    }))

  it("gives each queue to one, which tells that it is there", ({ redis }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* elect(redis, "1", ["a", "b"]), [
        { _tag: "Leading", queue: "a" },
        { _tag: "Leading", queue: "b" }
      ])
      for (const queue of ["a", "b"]) {
        assert.strictEqual(yield* redis.send("GET", keys.schedulerLock(queue)), "1")
        yield* assertTtl(redis, keys.schedulerLock(queue), 15)
      }
      const [a, c] = yield* elect(redis, "2", ["a", "c"])
      assert.deepInclude(a, { _tag: "Led", queue: "a", by: "1" })
      assert(a?._tag === "Led" && a.lapsesIn !== undefined && a.lapsesIn <= 15_000 && a.lapsesIn > 5000)
      assert.deepStrictEqual(c, { _tag: "Leading", queue: "c" })
      assert.deepStrictEqual(yield* hash(redis, keys.scheduler("1")), {
        name: "1",
        created_at: Wire.encode(now),
        last_heartbeat: Wire.encode(now)
      })
      yield* assertTtl(redis, keys.scheduler("2"), 61)
    }))

  it("may be repeated: what is ours is renewed, and the birth stays", ({ redis }) =>
    Effect.gen(function*() {
      yield* elect(redis, "1", ["a"])
      yield* redis.send("PEXPIRE", keys.schedulerLock("a"), 2000)
      yield* redis.send("HSET", keys.scheduler("1"), "created_at", "before")
      assert.deepStrictEqual(yield* elect(redis, "1", ["a"], now + 1000), [{ _tag: "Leading", queue: "a" }])
      yield* assertTtl(redis, keys.schedulerLock("a"), 15)
      assert.deepStrictEqual(yield* hash(redis, keys.scheduler("1")), {
        name: "1",
        created_at: "before",
        last_heartbeat: Wire.encode(now + 1000)
      })
    }))

  it("respects the lock of a Python scheduler, whose lease runs or never ends", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", keys.schedulerLock("a"), "16629", "EX", 61)
      yield* redis.send("SET", keys.schedulerLock("b"), "python-2.10")
      const [a, b] = yield* elect(redis, "1", ["a", "b"])
      assert.deepInclude(a, { _tag: "Led", by: "16629" })
      assert(a?._tag === "Led" && a.lapsesIn !== undefined && a.lapsesIn > 50_000)
      assert.deepStrictEqual(b, { _tag: "Led", queue: "b", by: "python-2.10", lapsesIn: undefined })
      assert.strictEqual(yield* redis.send("GET", keys.schedulerLock("a")), "16629")
      yield* assertTtl(redis, keys.schedulerLock("a"), 61)
      yield* assertNoTtl(redis, keys.schedulerLock("b"))
    }))

  it("resigning gives up only what is ours, tells who waits for it, and may be repeated", ({ redis }) =>
    Effect.gen(function*() {
      yield* elect(redis, "1", ["a", "b"])
      yield* redis.send("SET", keys.schedulerLock("c"), "2")
      const messages = yield* redis.subscribe(...["a", "b", "c", "d"].map(keys.schedulerChannel))
      assert.strictEqual(yield* resign(redis, "1", ["a", "b", "c", "d"]), 2)
      assert.strictEqual(yield* redis.send("EXISTS", keys.schedulerLock("a"), keys.schedulerLock("b")), 0)
      assert.strictEqual(yield* redis.send("GET", keys.schedulerLock("c")), "2")
      assert.strictEqual(yield* redis.send("EXISTS", keys.scheduler("1")), 0)
      assert.strictEqual(yield* assertUnchanged(redis, resign(redis, "1", ["a", "b", "c", "d"])), 0)
      yield* redis.send("PUBLISH", keys.schedulerChannel("d"), "last")
      const three = yield* Effect.all([Queue.take(messages), Queue.take(messages), Queue.take(messages)])
      assert.deepStrictEqual(three, [
        { channel: keys.schedulerChannel("a"), message: "released" },
        { channel: keys.schedulerChannel("b"), message: "released" },
        { channel: keys.schedulerChannel("d"), message: "last" }
      ])
    }))

  it("serves 100 queues in one call", ({ redis }) =>
    Effect.gen(function*() {
      const queues = Array.from({ length: 100 }, (_, i) => `q${i}`)
      yield* redis.send("SET", keys.schedulerLock("q50"), "2")
      const rows = yield* elect(redis, "1", queues)
      assert.deepStrictEqual(rows.map((row) => row.queue), queues)
      assert.deepStrictEqual(rows.filter((row) => row._tag === "Led").map((row) => row.queue), ["q50"])
      assert.strictEqual(yield* resign(redis, "1", queues), 99)
    }))

  it("writes a journal of who led, also of those who write none", ({ redis }) =>
    Effect.gen(function*() {
      const journal = redis.send<ReadonlyArray<string>>("LRANGE", keys.journal("a"), 0, -1)
      const t = Wire.seconds(now)
      yield* elect(redis, "1", ["a"])
      yield* elect(redis, "1", ["a"])
      yield* elect(redis, "2", ["a"])
      assert.deepStrictEqual(yield* journal, [`${t} elected 15000 1`])
      yield* resign(redis, "1", ["a"])
      yield* redis.send("SET", keys.schedulerLock("a"), "a python", "PX", 60_000)
      yield* elect(redis, "2", ["a"])
      yield* elect(redis, "3", ["a"])
      yield* redis.send("DEL", keys.schedulerLock("a"))
      yield* elect(redis, "2 words", ["a"], now + 1000)
      assert.deepStrictEqual(yield* journal, [
        `${Wire.seconds(now + 1000)} elected 15000 2 words`,
        `${t} seen a python`,
        `${t} resigned 1`,
        `${t} elected 15000 1`
      ])
      // one who finds nothing to write there leads all the same
      yield* redis.send("SET", keys.journal("b"), "x")
      assert.deepStrictEqual(yield* elect(redis, "1", ["b"]), [{ _tag: "Leading", queue: "b" }])
      assert.strictEqual(yield* resign(redis, "1", ["b"]), 1)
    }))
})
