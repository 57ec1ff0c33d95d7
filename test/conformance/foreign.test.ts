import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { foreign as script, type PromotedOnce, type Watched } from "../../src/lifecycle/foreign.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { assertUnchanged, now, putJob, suite } from "./support.js"

const due = Wire.seconds(now)

const look = (
  redis: RedisService,
  watched: ReadonlyArray<Watched>,
  promoted: ReadonlyArray<PromotedOnce> = [],
  scheduler = "me"
) => {
  const params = { scheduler, queues: [{ queue: "default", watched, promoted }] }
  return Effect.map(assertUnchanged(redis, redis.eval(script)(params)), (rows) => rows(params)[0]!)
}

const lead = (redis: RedisService) => redis.send("SET", keys.schedulerLock("default"), "me")

/** A job as Python's promotion leaves it. */
const theirs = { enqueued_at: Wire.encode(now + 300), started_at: "", ended_at: "", worker_name: "" }

suite("foreign: who else promotes", (it) => {
  it("sees what has left the registry without the leader, wherever it is by now", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis)
      const ids = ["queued", "started", "finished", "failed"]
      for (const status of ids) yield* putJob(redis, status, { ...theirs, status })
      // a time of its own from when it was scheduled before
      yield* putJob(redis, "before", { ...theirs, due_at: "1700000000.000" })
      const found = yield* look(redis, [...ids, "before"].map((id) => ({ id, due })))
      assert.deepStrictEqual(found.ids, [...ids, "before"])
    }))

  it("sees nothing in what waits, was promoted here, canceled, deleted, or queued before it was due", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis)
      yield* putJob(redis, "waits", { ...theirs, status: "scheduled" })
      yield* redis.send("ZADD", keys.scheduled("default"), due, "waits")
      // Python writes the hash and takes the id out in one transaction: this one is half way
      yield* putJob(redis, "listed", theirs)
      yield* redis.send("ZADD", keys.scheduled("default"), due, "listed")
      yield* putJob(redis, "ours", { ...theirs, due_at: due })
      yield* putJob(redis, "canceled", { ...theirs, status: "canceled" })
      yield* putJob(redis, "again", { ...theirs, status: "scheduled" })
      yield* putJob(redis, "replaced", { ...theirs, enqueued_at: Wire.encode(now - 5000) })
      yield* putJob(redis, "odd", { ...theirs, enqueued_at: "no date" })
      yield* redis.send("SET", keys.job("foreign"), "a text")
      const ids = ["waits", "listed", "ours", "canceled", "again", "replaced", "odd", "foreign", "gone"]
      const found = yield* look(redis, ids.map((id) => ({ id, due })))
      assert.deepStrictEqual(found.ids, [])
      assert.sameDeepMembers([...found.next], [{ id: "listed", due: due }, { id: "waits", due: due }])
    }))

  it("sees a second promotion of what was promoted here", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis)
      const enqueuedAt = Wire.encode(now)
      const ids = ["queued", "started"]
      for (const status of ids) yield* putJob(redis, status, { ...theirs, status, due_at: due })
      assert.deepStrictEqual((yield* look(redis, [], ids.map((id) => ({ id, enqueuedAt })))).ids, ids)
    }))

  it("sees none in what was promoted once, has ended, runs again or was queued anew", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis)
      const enqueuedAt = Wire.encode(now)
      yield* putJob(redis, "once", { due_at: due, enqueued_at: enqueuedAt })
      yield* putJob(redis, "running", { due_at: due, enqueued_at: enqueuedAt, status: "started", ended_at: "" })
      yield* putJob(redis, "ended", { ...theirs, due_at: due, status: "finished", ended_at: enqueuedAt })
      yield* putJob(redis, "retried", { ...theirs, due_at: due, ended_at: enqueuedAt })
      yield* putJob(redis, "requeued", theirs)
      yield* putJob(redis, "requeued-by-python", { ...theirs, due_at: due, exc_info: "x" })
      yield* putJob(redis, "scheduled", { ...theirs, due_at: due, status: "scheduled" })
      const ids = ["once", "running", "ended", "retried", "requeued", "requeued-by-python", "scheduled", "gone"]
      assert.deepStrictEqual((yield* look(redis, [], ids.map((id) => ({ id, enqueuedAt })))).ids, [])
    }))

  it("sees nothing for one that does not lead", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", theirs)
      yield* redis.send("ZADD", keys.scheduled("default"), due, "b")
      assert.deepStrictEqual(yield* look(redis, [{ id: "a", due }]), { queue: "default", ids: [], next: [] })
      yield* lead(redis)
      assert.deepStrictEqual(yield* look(redis, [{ id: "a", due }], [], "other"), {
        queue: "default",
        ids: [],
        next: []
      })
    }))

  it("tells each queue its own, and what is due next, ten at most", ({ redis }) =>
    Effect.gen(function*() {
      yield* lead(redis)
      yield* redis.send("SET", keys.schedulerLock("other"), "me")
      yield* redis.send("SET", keys.scheduled("other"), "a text")
      for (let i = 0; i < 12; i++) yield* redis.send("ZADD", keys.scheduled("default"), now / 1000 + i, `j${i}`)
      yield* putJob(redis, "a", theirs)
      yield* putJob(redis, "b", { ...theirs, due_at: due })
      const params = {
        scheduler: "me",
        queues: [
          { queue: "default", watched: [{ id: "a", due }], promoted: [] },
          { queue: "not-led", watched: [{ id: "a", due }], promoted: [{ id: "b", enqueuedAt: Wire.encode(now) }] },
          { queue: "other", watched: [], promoted: [{ id: "b", enqueuedAt: Wire.encode(now) }] }
        ]
      }
      const rows = (yield* redis.eval(script)(params))(params)
      assert.deepStrictEqual(rows.map(({ ids, queue }) => [queue, ids]), [["default", ["a"]], ["not-led", []], [
        "other",
        ["b"]
      ]])
      assert.deepStrictEqual(rows[0]!.next.map(({ id }) => id), Array.from({ length: 10 }, (_, i) => `j${i}`))
      assert.deepStrictEqual(rows[2]!.next, [])
    }))
})
