import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abandon } from "../../src/lifecycle/abandon.js"
import type { RedisService } from "../../src/Redis.js"
import * as keys from "../../src/wire/keys.js"
import { at, job, now, put, suite, waiting } from "./support.js"
import { execution, failed, released, turn } from "./turn.js"

/** The execution of this number when it was fetched ahead. */
const ahead = (n: number): string => execution(0x80000000 + n)

const claimedIn = (result: { readonly claimed: ReadonlyArray<{ readonly id: string; readonly execution: string }> }) =>
  result.claimed.map((one) => [one.id, one.execution])

const maintain = (redis: RedisService, time: number) =>
  redis.eval(abandon)({
    worker: "w2",
    queues: ["default"],
    intervalMillis: 1,
    maxAbandons: 3,
    limit: 10,
    python: true,
    forgetSeconds: 600,
    ...at(time)
  })

suite("claim: fetched ahead", (it) => {
  it("what has no slot is started as well, and its execution tells that it may not have begun", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c", "d")
      const result = yield* turn(redis, { want: 3, slots: 1, counter: 7 })
      assert.deepStrictEqual(claimedIn(result), [["a", execution(7)], ["b", ahead(8)], ["c", ahead(9)]])
      assert.isTrue(result.more)
      assert.isFalse(result.held)
      assert.deepStrictEqual(yield* waiting(redis), ["d"])
      for (const id of ["a", "b", "c"]) assert.strictEqual((yield* job(redis, id))["status"], "started")
    }))

  it("the counter begins anew where its numbers end", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c")
      const result = yield* turn(redis, { want: 3, slots: 2, counter: 2 ** 31 - 1 })
      assert.deepStrictEqual(claimedIn(result), [["a", execution(2 ** 31 - 1)], ["b", execution(0)], ["c", ahead(1)]])
    }))

  for (const field of ["failed_attempts", "abandon_count"]) {
    it(`not one that was tried before, and nothing behind it (${field})`, ({ redis }) =>
      Effect.gen(function*() {
        yield* put(redis, "high", "a", "b", "c")
        yield* put(redis, "default", "d")
        yield* redis.send("HSET", keys.job("b"), "started_at", "", field, "1")
        const queues = ["high", "default"]
        const first = yield* turn(redis, { want: 4, slots: 1, queues })
        assert.deepStrictEqual(claimedIn(first), [["a", execution(0)]])
        assert.deepStrictEqual([first.more, first.held], [true, true])
        assert.deepStrictEqual(yield* waiting(redis, "high"), ["b", "c"])
        assert.deepStrictEqual(yield* waiting(redis, "default"), ["d"])
        const none = yield* turn(redis, { want: 4, slots: 0, counter: 1, queues })
        assert.deepStrictEqual([none.claimed, none.more, none.held], [[], true, true])
        // with a slot it is claimed, and what is behind it is fetched ahead
        const second = yield* turn(redis, { want: 4, slots: 1, counter: 1, queues })
        assert.deepStrictEqual(claimedIn(second), [["b", execution(1)], ["c", ahead(2)], ["d", ahead(3)]])
        assert.deepStrictEqual([second.more, second.held], [false, false])
        assert.deepStrictEqual(second.claimed.map((one) => one.isSuspect), [field === "abandon_count", false, false])
      }))
  }

  it("goes back when its worker dies, without that being counted, and is not fetched ahead again", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c")
      yield* redis.send("HSET", keys.job("b"), "retries_left", "1")
      yield* turn(redis, { want: 3, slots: 1 })
      const found = yield* maintain(redis, now + 30_000)
      assert.sameDeepMembers([...found.abandoned], [
        { queue: "default", id: "a", worker: "w1", python: false, times: 1, outcome: "queued", uncalled: false },
        { queue: "default", id: "b", worker: "w1", python: false, times: 0, outcome: "queued", uncalled: false },
        { queue: "default", id: "c", worker: "w1", python: false, times: 0, outcome: "queued", uncalled: false }
      ])
      const { abandon_count: counted, retries_left: left, status } = yield* job(redis, "b")
      assert.deepStrictEqual([status, counted, left], ["queued", "0", "1"])
      // all were tried now: one at a time
      const next = yield* turn(redis, { worker: "w2", want: 3, slots: 1, counter: 3, time: now + 30_000 })
      assert.lengthOf(next.claimed, 1)
      assert.isTrue(next.held)
    }))

  it("one that has begun, and died twice, is counted the second time", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b")
      yield* turn(redis, { want: 2, slots: 1, ended: [] })
      yield* turn(redis, { ended: [failed("a", { retry: "never" })] })
      yield* maintain(redis, now + 30_000)
      yield* turn(redis, { worker: "w2", want: 2, slots: 1, counter: 2, time: now + 30_000 })
      yield* redis.send("DEL", keys.maintenance("default"))
      const found = yield* maintain(redis, now + 60_000)
      assert.deepStrictEqual(found.abandoned.map((one) => [one.id, one.times]), [["b", 1]])
    }))

  it("goes back to the front with its lifetime in the queue", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis, "default", "a", "b", "c")
      yield* redis.send("HSET", keys.job("b"), "ttl", "30")
      yield* redis.send("EXPIRE", keys.job("b"), 30)
      yield* turn(redis, { want: 2, slots: 1 })
      const back = yield* turn(redis, { ended: [released("b", { execution: ahead(1) })] })
      assert.deepStrictEqual(back.handedIn, [true])
      assert.deepStrictEqual(yield* waiting(redis), ["b", "c"])
      const left = yield* redis.send<number>("TTL", keys.job("b"))
      assert.isTrue(left >= 29 && left <= 30, String(left))
      // it was not tried: it may be fetched ahead again
      const again = yield* turn(redis, { want: 2, slots: 0, counter: 2 })
      assert.deepStrictEqual(claimedIn(again), [["b", ahead(2)], ["c", ahead(3)]])
    }))
})
