/**
 * Names of queues and workers may hold colons, as the keys do that are made of them: worker `b:c` of queue `a` is not
 * worker `c` of queue `a:b`.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abandon } from "../../src/lifecycle/abandon.js"
import { cancel } from "../../src/lifecycle/cancel.js"
import type { RedisService } from "../../src/Redis.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { unregister } from "../../src/worker/registration.js"
import { at, list, now, putJob, suite, waiting } from "./support.js"
import { turn } from "./turn.js"

/** `h` waits in queue `a`, and was handed over to its worker `b:c`. */
const put = (redis: RedisService) =>
  Effect.gen(function*() {
    yield* putJob(redis, "h", { origin: "a" })
    yield* redis.send("RPUSH", keys.handover("a", "b:c"), "h")
  })

const handedOver = (redis: RedisService) => list(redis, keys.handover("a", "b:c"))

const claim = (redis: RedisService, worker: string, queue: string) =>
  Effect.map(
    turn(redis, { worker, queues: [queue], handedOver: true, want: 1 }),
    ({ claimed }) => claimed.map(({ id }) => id)
  )

const leave = (redis: RedisService, worker: string, queue: string) =>
  redis.eval(unregister)({
    worker,
    queues: [queue],
    mayStillCome: false,
    totals: ["failed_job_count", "0"],
    ...at(now)
  })

const maintain = (redis: RedisService, worker: string, queue: string) =>
  Effect.gen(function*() {
    yield* redis.send("ZADD", keys.handovers(queue), Wire.seconds(now - 1), worker)
    yield* redis.eval(abandon)({
      worker: "another",
      queues: [queue],
      intervalMillis: 1,
      maxAbandons: 3,
      limit: 10,
      python: true,
      forgetSeconds: 600,
      ...at(now)
    })
  })

suite("names with colons", (it) => {
  it("what was handed over to a worker is started by no other", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis)
      assert.deepStrictEqual(yield* claim(redis, "c", "a:b"), [])
      assert.deepStrictEqual(yield* handedOver(redis), ["h"])
      assert.deepStrictEqual(yield* claim(redis, "b:c", "a"), ["h"])
    }))

  it("a worker that leaves gives back its own", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis)
      yield* leave(redis, "c", "a:b")
      assert.deepStrictEqual(yield* handedOver(redis), ["h"])
      yield* leave(redis, "b:c", "a")
      assert.deepStrictEqual(yield* waiting(redis, "a"), ["h"])
    }))

  it("maintenance gives back what belongs to the dead worker", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis)
      yield* maintain(redis, "c", "a:b")
      assert.deepStrictEqual(yield* handedOver(redis), ["h"])
      yield* maintain(redis, "b:c", "a")
      assert.deepStrictEqual(yield* waiting(redis, "a"), ["h"])
      assert.deepStrictEqual(yield* waiting(redis, "a:b"), [])
    }))

  it("what is canceled leaves the list of its worker", ({ redis }) =>
    Effect.gen(function*() {
      yield* put(redis)
      yield* redis.send("ZADD", keys.handovers("a"), 1, "b:c")
      yield* redis.eval(cancel)({ ids: ["h"], ...at(now) })
      assert.deepStrictEqual(yield* handedOver(redis), [])
    }))
})
