/**
 * What the simulation has found, each as the smallest story that shows it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import { type Around, Task, travelling } from "../time-travel/support/world.js"

const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "", message: "lost" })

describe("found by simulation", () => {
  it.effect("what is handed in while Redis is asked what a worker holds is not run again", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let asking = false
        let asked = 0
        let meanwhile = 0
        let cut = false
        // A hand-in is lost. One pump asks what Redis holds, and its answer comes when the other has handed in.
        const around: Around = (script, call, [params]) => {
          if (script === "recover" && ++asked === 1) {
            asking = true
            return Effect.ensuring(Effect.zipLeft(call, Effect.sleep(300)), Effect.sync(() => asking = false))
          }
          const handsIn = script === "turn" && JSON.stringify(params).includes("Completed")
          if (handsIn && asking) meanwhile++
          if (!handsIn || cut) return call
          cut = true
          return Effect.fail(lost)
        }
        yield* world.worker("w", { around })
        yield* world.adjust(100)
        yield* world.queue.enqueue(Task, { name: "first", millis: 1000 })
        yield* world.queue.enqueue(Task, { name: "second", millis: 1120 })
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual([asked, meanwhile], [1, 2])
        assert.deepStrictEqual(world.names(), ["first", "second"])
      })
    ))

  it.effect("a worker that Redis does not know yet is handed over nothing, which nobody would look for", () =>
    travelling((world) =>
      Effect.gen(function*() {
        // Its registration is lost, and it dies before it has said that it is there.
        let cut = false
        const around: Around = (script, call) =>
          cut || script === "register-worker" || script === "heartbeat" ? Effect.fail(lost) : call
        const worker = yield* world.worker("unknown", { around })
        yield* world.adjust(100)
        cut = true
        yield* world.queue.enqueue(Task, { name: "job" })
        yield* world.adjust(100)
        yield* worker.kill
        yield* world.worker("other")
        yield* world.adjust("5 minutes")
        assert.deepStrictEqual(world.ran.map(({ host, name }) => `${name} on ${host}`), ["job on other"])
      })
    ))
})
