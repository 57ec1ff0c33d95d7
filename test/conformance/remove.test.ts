import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { remove as script } from "../../src/lifecycle/remove.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import { assertRefusedUnchanged, assertUnchanged, members, putJob, status, suite } from "./support.js"
import { completed, execution, putExecution, putStarted, turn } from "./turn.js"

const nowDate = "2026-01-01T00:00:00.000000Z"

const finished = (id: string) => ({
  registry: keys.finished("default"),
  id,
  statuses: ["finished"],
  byExecution: false,
  nowDate
})
const started = (id: string) => ({
  registry: keys.started("default"),
  id,
  statuses: ["started"],
  byExecution: true,
  nowDate
})

suite("delete: any resting state -> (gone)", (it) => {
  it("takes the entry out and deletes the job with all that belongs to it", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "finished" })
      yield* redis.send("ZADD", keys.finished("default"), 1, "a")
      yield* redis.send("XADD", keys.results("a"), "1-1", "type", "1")
      yield* redis.send("SADD", "rq:job:a:dependents", "other")
      yield* redis.send("SADD", "rq:job::a:dependencies", "other")
      assert.isTrue(yield* redis.eval(script)(finished("a")))
      assert.deepStrictEqual(yield* Golden.dump(redis), {})
    }))

  it("leaves no id of the job in the registry, and may be repeated", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "finished" })
      yield* redis.send("ZADD", keys.finished("default"), 1, "a", 2, "b")
      yield* redis.eval(script)(finished("a"))
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), ["b"])
      assert.isFalse(yield* assertUnchanged(redis, redis.eval(script)(finished("a"))))
    }))

  it("does nothing for a job that is not in the registry", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "finished" })
      assert.isFalse(yield* assertUnchanged(redis, redis.eval(script)(finished("a"))))
      assert.isFalse(yield* assertUnchanged(redis, redis.eval(script)(started("a"))))
    }))

  it("only takes out the entry of a job that is somewhere else by now", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "queued" })
      yield* redis.send("ZADD", keys.finished("default"), 1, "a")
      assert.isTrue(yield* redis.eval(script)(finished("a")))
      assert.strictEqual(yield* status(redis, "a"), "queued")
      assert.deepStrictEqual(yield* members(redis, keys.finished("default")), [])
    }))

  it("takes out an entry whose job is gone, or is something foreign, which stays", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("ZADD", keys.finished("default"), 1, "gone", 1, "foreign")
      yield* redis.send("SET", keys.job("foreign"), "a text")
      assert.isTrue(yield* redis.eval(script)(finished("gone")))
      assert.isTrue(yield* redis.eval(script)(finished("foreign")))
      assert.strictEqual(yield* redis.send("GET", keys.job("foreign")), "a text")
    }))

  it("of a started job ends its executions, so that what its worker hands in has no effect", ({ redis }) =>
    Effect.gen(function*() {
      yield* putStarted(redis, "a")
      yield* putExecution(redis, "a")
      yield* redis.send("ZADD", keys.started("default"), 5, `a:${execution(1)}`)
      yield* putExecution(redis, "a", execution(1))
      yield* putStarted(redis, "b", { execution: execution(2) })
      assert.isTrue(yield* redis.eval(script)(started("a")))
      assert.deepStrictEqual(yield* members(redis, keys.started("default")), [`b:${execution(2)}`])
      assert.strictEqual(
        yield* redis.send(
          "EXISTS",
          keys.job("a"),
          keys.executions("a"),
          keys.execution("a", execution(0)),
          keys.execution("a", execution(1))
        ),
        0
      )
      assert.deepStrictEqual((yield* assertUnchanged(redis, turn(redis, { ended: [completed("a")] }))).handedIn, [
        false
      ])
    }))

  it("of a started job of RQ 1.13, whose members are plain ids", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "started" })
      yield* redis.send("ZADD", keys.started("default"), 5, "a")
      assert.isTrue(yield* redis.eval(script)(started("a")))
      assert.deepStrictEqual(yield* Golden.dump(redis), {})
    }))

  it("writes nothing where the registry is something else", ({ redis }) =>
    Effect.gen(function*() {
      yield* putJob(redis, "a", { status: "finished" })
      yield* redis.send("SET", keys.finished("default"), "a text")
      yield* redis.send("SET", keys.started("default"), "a text")
      yield* assertRefusedUnchanged(redis, redis.eval(script)(finished("a")))
      yield* assertRefusedUnchanged(redis, redis.eval(script)(started("a")))
    }))
})
