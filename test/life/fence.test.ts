/**
 * Somebody who does not know of executions has queued a job again that runs, and another runs it by now: Python's requeue
 * and its workers do so. What the first worker does has no effect any more.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as keys from "../../src/wire/keys.js"
import { enqueueNamed, hget, TaskFailed, travelling, type World } from "./support.js"

/** As a worker of RQ leaves the hash of a job that it has started: it leaves fields alone that it does not know. */
const startElsewhere = (world: World, id: string) =>
  world.redis.send("HSET", keys.job(id), "status", "started", "worker_name", "python", "last_heartbeat", "now")

describe("a job that another worker runs by now", () => {
  for (const ends of ["well", "badly", "with its worker"] as const) {
    it.effect(`does not end when the run before ends ${ends}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const worker = yield* world.worker("first", {
            gracePeriod: "10 millis",
            handler: ({ name }) =>
              ends === "with its worker"
                ? Effect.never
                : Effect.delay(ends === "well" ? Effect.succeed(name) : new TaskFailed({ code: 1 }), 2000)
          })
          yield* enqueueNamed(world, ["a"])
          yield* world.adjust("1 second")
          yield* startElsewhere(world, "a")
          if (ends === "with its worker") yield* Effect.fork(worker.stop)
          yield* world.adjust("2 seconds")
          assert.deepStrictEqual([yield* world.status("a"), yield* hget(world, "a", "worker_name")], [
            "started",
            "python"
          ])
          const left = [keys.queue("q"), keys.results("a"), keys.finished("q"), keys.failed("q")]
          assert.strictEqual(yield* world.redis.send("EXISTS", ...left), 0)
        })
      ))
  }
})
