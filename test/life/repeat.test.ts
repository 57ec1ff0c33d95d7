/**
 * Jobs that run again after they have succeeded.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, type Queue } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { assertInvariants } from "../support/invariants.js"
import { consistent, outcomes, record, Task, TaskFailed, type TaskHandler, travelling, type World } from "./support.js"

const enqueue = (world: World, millis: number, options: Queue.EnqueueOptions) =>
  world.queue.enqueue(Task, { name: "a", millis }, { jobId: "a", ...options })

const starts = (world: World) => world.ran.map(({ at }) => at)

describe("times and intervals", () => {
  for (
    const [times, intervals, expected] of [
      [3, ["1 second", "2 seconds", "4 seconds"], [0, 1000, 3000, 7000]],
      [4, ["1 second", "5 seconds"], [0, 1000, 6000, 11_000, 16_000]],
      [2, "3 seconds", [0, 3000, 6000]],
      [2, undefined, [0, 0, 0]],
      [1, ["10 seconds", "20 seconds"], [0, 10_000]],
      [0, "1 second", [0]]
    ] as const
  ) {
    it.effect(`${times} times after ${JSON.stringify(intervals)}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* world.worker("worker", { withScheduler: true })
          yield* enqueue(world, 0, { repeat: { times, intervals } })
          yield* world.adjust("1 minute")
          assert.deepStrictEqual(starts(world), [...expected])
          assert.strictEqual(yield* world.status("a"), "finished")
          assert.deepStrictEqual(yield* outcomes(world, "a"), expected.map(() => "successful" as const))
          yield* consistent(world)
        })
      ))
  }

  it.effect("that can't be are refused", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const untyped = {} as Queue.RepeatOptions // what a caller without types may pass
        for (
          const [repeat, field] of [[{ times: -1 }, "repeat.times"], [untyped, "repeat.times"], [
            { times: 0.5 },
            "repeat.times"
          ], [
            { times: 1, intervals: [-3] },
            "repeat.intervals"
          ]] as const
        ) {
          const error = yield* Effect.flip(enqueue(world, 0, { repeat }))
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, field) // just checked
        }
      })
    ))
})

describe("one run", () => {
  it.effect("never overlaps the next: the pause begins when it has ended", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let active = 0
        let most = 0
        const handler: TaskHandler = ({ millis, name }) =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              most = Math.max(most, ++active)
            }),
            () => Effect.as(Effect.sleep(millis), name),
            () => Effect.sync(() => active--)
          )
        for (const host of ["one", "two"]) yield* world.worker(host, { withScheduler: true, handler })
        yield* enqueue(world, 7000, { repeat: { times: 3, intervals: "2 seconds" } })
        yield* world.adjust("1 hour")
        assert.deepStrictEqual(starts(world), [0, 9000, 18_000, 27_000])
        assert.strictEqual(most, 1)
      })
    ))

  it.effect("is told by the record: what is left, when it is due, the last result; it keeps its data meanwhile", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { withScheduler: true })
        yield* enqueue(world, 0, { repeat: { times: 2, intervals: "2 hours" }, resultTtl: "1 minute" })
        yield* world.adjust("1 hour")
        const between = yield* record(world, "a")
        assert.deepStrictEqual(
          [between.status, between.repeatsLeft, between.dueAt],
          ["scheduled", Option.some(1), Option.some(DateTime.unsafeMake(7_200_000))]
        )
        assert.strictEqual(Option.getOrThrow(between.outcome).returnValue, "a")
        // it has not ended, so there is no result yet
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.none())
        yield* consistent(world)
        yield* world.adjust("3 hours")
        assert.deepStrictEqual(starts(world), [0, 7_200_000, 14_400_000])
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a")))
        yield* world.adjust("61 seconds")
        // now that it is over its result TTL counts
        assert.deepStrictEqual(yield* world.queue.fetch("a"), Option.none())
        yield* world.adjust("10 seconds")
        yield* consistent(world)
        assert.deepStrictEqual(Object.keys(yield* world.dump).filter((key) => key.includes(":a")), [])
      })
    ))

  it.effect("that fails is retried, and is no repetition; one that fails for good ends them all", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const failures = new Set([2, 3, 6])
        const handler: TaskHandler = ({ name }) =>
          Effect.suspend(() =>
            failures.has(world.ran.length)
              ? Effect.fail(new TaskFailed({ code: world.ran.length }))
              : Effect.succeed(name)
          )
        yield* world.worker("worker", { withScheduler: true, handler })
        yield* enqueue(world, 0, {
          repeat: { times: 5, intervals: "10 seconds" },
          retry: { max: 2, intervals: "1 second" }
        })
        yield* world.adjust("10 minutes")
        assert.deepStrictEqual(starts(world), [0, 10_000, 11_000, 12_000, 22_000, 32_000])
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.deepStrictEqual(yield* outcomes(world, "a"), [
          "failed",
          "successful",
          "successful",
          "retried",
          "retried",
          "successful"
        ])
        assert.deepStrictEqual((yield* record(world, "a")).repeatsLeft, Option.some(2))
        yield* consistent(world)
      })
    ))

  it.effect("can be canceled while it waits for the next, after which there is none", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { withScheduler: true })
        yield* enqueue(world, 0, { repeat: { times: 100, intervals: "10 seconds" } })
        yield* world.adjust("25 seconds")
        assert.deepStrictEqual(yield* world.queue.cancel("a"), { id: "a", outcome: "canceled" })
        yield* world.adjust("10 minutes")
        assert.lengthOf(world.ran, 3)
        yield* consistent(world)
      })
    ))

  it.effect("whose worker dies is run again, and is no repetition", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* enqueue(world, 60_000, { repeat: { times: 1, intervals: "10 seconds" } })
        yield* world.adjust("7 seconds")
        yield* first.kill
        yield* world.worker("second", { withScheduler: true, handler: ({ name }) => Effect.succeed(name) })
        yield* world.adjust("5 minutes")
        assert.lengthOf(world.ran, 3)
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["successful", "successful", "retried"])
        yield* consistent(world)
      })
    ))
})

describe("the history", () => {
  it.effect("holds each run's own result, the latest first, ten at most", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          withScheduler: true,
          handler: () => Effect.sync(() => `run ${world.ran.length}`)
        })
        yield* enqueue(world, 0, { repeat: { times: 19, intervals: "1 minute" } })
        yield* world.adjust("5 minutes")
        assert.deepStrictEqual(
          (yield* world.queue.history("a")).map(({ returnValue }) => returnValue),
          ["run 6", "run 5", "run 4", "run 3", "run 2", "run 1"]
        )
        yield* world.adjust("14 minutes")
        const history = yield* world.queue.history("a")
        assert.lengthOf(world.ran, 20)
        assert.strictEqual(history[0]!.returnValue, "run 20")
        assert.strictEqual(history.length, 10)
        assert.deepStrictEqual(history[9]!.endedAt, Option.some(DateTime.unsafeMake(10 * 60_000)))
        assert.deepStrictEqual(history[9]!.worker, Option.some("worker"))
        assert.strictEqual(new Set(history.map(({ executionId }) => Option.getOrThrow(executionId))).size, 10)
      })
    ))

  it.effect("of a job that isn't there is empty", () =>
    travelling((world) => Effect.map(world.queue.history("nothing"), (all) => assert.deepStrictEqual(all, []))))
})

describe("the checker of these tests", () => {
  it.effect("finds a job in two places, in none, in the wrong one, and an id without a job", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (
          const spoil of [
            ["ZADD", "rq:scheduled:q", 1, "a"],
            ["RPUSH", "rq:queue:q", "a"],
            ["DEL", "rq:queue:q"],
            ["HSET", "rq:job:a", "status", "started"],
            ["HSET", "rq:job:a", "origin", "other"],
            ["DEL", "rq:job:a"],
            ["ZADD", "rq:failed:q", -1, "b"],
            ["RPUSH", "rq:effect:handover:q:w", "b"],
            ["HSET", "rq:execution:a:1", "id", "1"],
            ["SADD", "rq:job::a:dependencies", "b"]
          ] as const
        ) {
          yield* enqueue(world, 0, {})
          yield* consistent(world)
          const [command, ...args] = spoil
          yield* world.redis.send(command, ...args)
          const dump = yield* world.dump
          assert.throws(() => assertInvariants(dump, 0), /expected/, spoil.join(" "))
          yield* world.redis.send("FLUSHALL")
        }
      })
    ))
})
