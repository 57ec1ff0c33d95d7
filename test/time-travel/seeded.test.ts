/**
 * The same seed gives the same run, to the byte.
 */
import { assert, describe, it } from "@effect/vitest"
import { Queue } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Task, TaskFailed, travelling } from "./support/world.js"

/** Two hosts, jobs that succeed and fail at random, one host that dies: with ids, jitter and dice from the seed. */
const story = (seed: number) =>
  travelling((world) =>
    Effect.gen(function*() {
      const handler = ({ millis, name }: { readonly millis: number; readonly name: string }) =>
        Effect.gen(function*() {
          yield* Effect.sleep(millis)
          return (yield* Random.next) < 0.3 ? yield* new TaskFailed({ code: yield* Random.nextInt }) : name
        })
      const first = yield* world.worker("first", { withScheduler: true, concurrency: 3, handler })
      yield* world.worker("second", { withScheduler: true, concurrency: 2, handler })
      const ids: Array<string> = []
      for (let round = 0; round < 30; round++) {
        const millis = yield* Random.nextIntBetween(0, 4000)
        const delay = yield* Random.nextIntBetween(0, 10_000)
        const refs = yield* world.queue.enqueueMany([
          Queue.request(Task, { name: `now ${round}`, millis }),
          Queue.request(Task, { name: `later ${round}`, millis }, { in: delay })
        ])
        ids.push(...refs.map(({ id }) => id))
        yield* world.adjust(yield* Random.nextIntBetween(100, 1500))
      }
      yield* first.kill
      yield* world.adjust("5 minutes")
      return { ids, ran: world.ran, logs: world.logs, dump: yield* world.dump }
    }), { seed })

describe("a seeded run", () => {
  it.effect("gives the same ids, the same course and the same state when it is repeated", () =>
    Effect.gen(function*() {
      const random = yield* Effect.random
      const one = yield* story(42)
      assert.strictEqual(yield* Effect.random, random, "what was seeded ends with the layer")
      const same = yield* story(42)
      assert.isAbove(one.ran.length, 60, "some were run again")
      assert.isAbove(Object.keys(one.dump).length, 100)
      assert.deepStrictEqual(same.ids, one.ids)
      assert.deepStrictEqual(same.ran, one.ran)
      assert.deepStrictEqual(same.logs, one.logs)
      assert.deepStrictEqual(same.dump, one.dump)

      const other = yield* story(43)
      assert.deepStrictEqual(other.ids.filter((id) => one.ids.includes(id)), [])
      assert.notDeepEqual(other.ran, one.ran)
    }))
})
