import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Gate from "../../src/internal/gate.js"
import * as Signal from "../../src/internal/signal.js"

/** Fibers that wait, each of which says when it is through. */
const waitAll = (wait: Effect.Effect<void>, names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const through: Array<string> = []
    const fibers = yield* Effect.forEach(
      names,
      (name) => Effect.fork(Effect.zipRight(wait, Effect.sync(() => through.push(name))))
    )
    yield* Effect.yieldNow()
    return { fibers, through }
  })

const settle = Effect.repeatN(Effect.yieldNow(), 10)

describe("a gate", () => {
  it.effect("lets all through that wait when it opens, in their order, and who comes while it is open", () =>
    Effect.gen(function*() {
      const gate = Gate.make(false)
      const { fibers, through } = yield* waitAll(gate.await, ["a", "b", "c"])
      assert.deepStrictEqual(through, [])
      gate.open()
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(through, ["a", "b", "c"])
      yield* gate.await
      gate.close()
      const closed = yield* waitAll(gate.await, ["d"])
      yield* settle
      assert.deepStrictEqual(closed.through, [])
      yield* Effect.forEach(closed.fibers, Fiber.interrupt)
    }))

  it.effect("forgets who was interrupted, and lets the others through", () =>
    Effect.gen(function*() {
      const gate = Gate.make(false)
      const { fibers: [first, second, third], through } = yield* waitAll(gate.await, ["a", "b", "c"])
      const exit = yield* Fiber.interrupt(second!)
      assert.strictEqual(exit._tag, "Failure")
      gate.open()
      yield* Fiber.join(first!)
      yield* Fiber.join(third!)
      assert.deepStrictEqual(through, ["a", "c"])
    }))
})

describe("a signal", () => {
  it.effect("counts as one while nobody waits, and is over when somebody has waited", () =>
    Effect.gen(function*() {
      const signal = Signal.make()
      signal.notify()
      signal.notify()
      yield* signal.wait
      const { fibers, through } = yield* waitAll(signal.wait, ["a"])
      yield* settle
      assert.deepStrictEqual(through, [])
      signal.notify()
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(through, ["a"])
    }))
})
