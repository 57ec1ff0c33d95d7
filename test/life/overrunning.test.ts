/**
 * Handlers that don't let themselves be interrupted.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as keys from "../../src/wire/keys.js"
import { consistent, enqueueNamed, outcomes, Task, travelling } from "./support.js"

describe("a handler that is not interruptible", () => {
  for (const reason of ["timeout", "stop"] as const) {
    it.effect(`is reported once as overrunning after its ${reason}, holds its slot, and the heartbeat goes on`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const worker = yield* world.worker("worker", {
            concurrency: 2,
            handler: ({ millis, name }) =>
              name === "stubborn"
                ? Effect.uninterruptible(Effect.as(Effect.sleep(millis), name))
                : Effect.as(Effect.sleep(millis), name)
          })
          // somebody who would take the job were it taken for abandoned
          yield* world.worker("other", { queues: ["other"] })
          yield* enqueueNamed(world, ["stubborn"], 120_000, { timeout: reason === "timeout" ? "10 seconds" : "1 hour" })
          yield* world.adjust("10 seconds")
          if (reason === "stop") yield* world.queue.stop("stubborn")
          yield* world.settle
          const overrunning = Effect.map(
            worker.service.status,
            ({ running }) => running.map((one) => [one.id, one.overrunning])
          )
          const reports = () => world.texts("worker").filter((text) => /does not let itself be interrupted/.test(text))
          assert.deepStrictEqual(yield* overrunning, [["stubborn", true]])
          yield* world.adjust("10 seconds")
          assert.lengthOf(reports(), 1)
          assert.include(reports()[0], "job stubborn")
          assert.include(reports()[0], `(${reason})`)
          // others run beside it
          yield* enqueueNamed(world, ["a", "b"], 1000)
          yield* world.adjust("3 seconds")
          assert.strictEqual(yield* world.status("b"), "finished")
          assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [
            ["stubborn", 0],
            ["a", 20_000],
            ["b", 21_000]
          ])
          yield* world.adjust("90 seconds")
          assert.lengthOf(reports(), 1, "not again and again")
          assert.strictEqual(yield* world.status("stubborn"), "started")
          const beat = yield* world.redis.send<string>("HGET", keys.job("stubborn"), "last_heartbeat")
          assert.isAtLeast(Date.parse(beat), 113_000 - 6000)
          yield* world.adjust("10 seconds")
          assert.strictEqual(yield* world.status("stubborn"), reason === "stop" ? "stopped" : "failed")
          assert.deepStrictEqual(yield* outcomes(world, "stubborn"), ["failed"])
          assert.strictEqual(world.names().filter((name) => name === "stubborn").length, 1)
          assert.deepStrictEqual(yield* overrunning, [])
          yield* consistent(world)
        })
      ))
  }

  it.effect("is not reported when it ends soon after it was told to", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: ({ millis, name }) => Effect.uninterruptible(Effect.as(Effect.sleep(millis), name))
        })
        yield* enqueueNamed(world, ["a"], 12_000, { timeout: "10 seconds" })
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.deepStrictEqual(world.texts("worker"), [
          "job a failed after 12 s: JobTimeoutException: Task exceeded maximum timeout value (10 seconds)"
        ])
      })
    ))

  it.effect("does not keep the scheduler beside it from being punctual", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          withScheduler: true,
          handler: ({ millis, name }) => Effect.uninterruptible(Effect.as(Effect.sleep(millis), name))
        })
        yield* enqueueNamed(world, ["a"], 60_000, { timeout: "1 second" })
        yield* world.queue.enqueueIn("30500 millis", Task, { name: "due" })
        yield* world.adjust("31 seconds")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["a", 0], ["due", 30_500]])
      })
    ))
})
