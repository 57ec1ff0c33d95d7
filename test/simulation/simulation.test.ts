/**
 * A cluster under faults: nothing happens that must not happen, the same seed gives the same run, and mistakes are found.
 *
 * `SIM_SEED` runs one seed again, or the smallest run that a failure has printed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Simulation } from "effect-rq/testing"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { randomInt } from "node:crypto"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { firstFailing, mutation, rewrite } from "./support/mutations.js"
import { scenario } from "./support/scenario.js"
import { describeSummary } from "./support/summary.js"

const command = "npx vitest run test/simulation/simulation.test.ts -t holds"

const check = (seeds: ReadonlyArray<number>) =>
  Effect.tap(
    Simulation.check({ ...scenario, seeds, command }),
    (summary) => Effect.sync(() => console.log(`seeds ${seeds.join(", ")}\n${describeSummary(summary)}`))
  )

describe("the invariants", () => {
  it.effect("holds for the seeds that are always run", () =>
    Effect.gen(function*() {
      const summary = yield* check([1, 2, 3])
      // Something has happened, and a lot of it has gone wrong.
      assert.isAbove(summary.accepted, 50)
      assert.isAbove(Object.values(summary.faults).reduce((a, b) => a + b, 0), 20)
    }), 60_000)

  it.effect("holds for seeds that nobody has chosen", () => check([randomInt(2 ** 40), randomInt(2 ** 40)]), 60_000)

  it.effect("holds when nothing goes wrong", () =>
    Effect.gen(function*() {
      const report = yield* Simulation.run({ ...scenario, faults: Simulation.none })
      assert.deepStrictEqual(report.violations, [])
      assert.deepStrictEqual(report.faults, Simulation.none)
      assert.strictEqual(report.abandoned, 0)
      assert.strictEqual(report.lost, 0)
      assert.isAbove(report.ended, 30)
    }), 60_000)
})

describe("the faults", () => {
  it("are those that the page tells of", () => {
    const page = readFileSync(new URL("../../docs/simulation.md", import.meta.url), "utf8")
    const table = page.slice(page.indexOf("## What breaks"), page.indexOf("## What is checked"))
    const names = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
    assert.deepStrictEqual(names, Object.keys(Simulation.none))
    assert.deepStrictEqual(names, Object.keys(Simulation.someOfEach))
  })
})

describe("a seed", () => {
  it.effect("gives the same trace to the byte, in this process and in another", () =>
    Effect.gen(function*() {
      const one = yield* Simulation.run({ ...scenario, seed: 7 })
      const same = yield* Simulation.run({ ...scenario, seed: 7 })
      assert.isAbove(one.trace.length, 100)
      assert.deepStrictEqual(same.trace, one.trace)
      const script = fileURLToPath(new URL("run.mjs", import.meta.url))
      const other = yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, [script, "simulate", "--from", "7", "--trace"])
      )
      assert.strictEqual(other.stdout, one.trace.join("\n") + "\n")

      const another = yield* Simulation.run({ ...scenario, seed: 8 })
      assert.notDeepEqual(another.trace, one.trace)
    }), 60_000)
})

/** By which rule a mistake is found, and what it takes to show, more often than usual. */
const mistakes: ReadonlyArray<readonly [name: string, rule: string, faults: Partial<Simulation.Faults>]> = [
  ["promote-token", "one scheduler", { pause: 0.05 }],
  ["promote-early", "never early", {}],
  ["promote-once", "one place", {}],
  ["lease-take", "one scheduler", {}],
  ["enqueue-once", "edges", { lostAfter: 0.05 }],
  ["abandon-alive", "dead workers", {}],
  ["claim-paused", "paused", {}],
  ["claim-suspended", "suspended", {}],
  ["unique-window", "unique", {}]
]

describe("a mistake", () => {
  for (const [name, rule, faults] of mistakes) {
    it.effect(`is found: ${mutation(name).what}`, () =>
      Effect.gen(function*() {
        const found = yield* firstFailing(mutation(name), 30, faults)
        assert.strictEqual(found?.violations[0]?.rule, rule)
      }), 60_000)
  }

  it.effect("is told as the smallest run that shows it, which one command runs again", () =>
    Effect.gen(function*() {
      const options = {
        ...scenario,
        faults: { ...Simulation.someOfEach, pause: 0.05 },
        rewrite: rewrite(mutation("promote-token"))
      }
      const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
      const error = yield* Effect.flip(Simulation.check({ ...options, seeds, maxRuns: 25 }))
      assert.include(error.message, "Run it again:")
      assert.include(error.message, `SIM_SEED='${error.replay}'`)
      const once = yield* Simulation.replay(options, error.replay)
      const twice = yield* Simulation.replay(options, error.replay)
      assert.strictEqual(once.violations[0]?.rule, error.rule)
      assert.deepStrictEqual(twice, once)
      assert.include(error.message, once.trace.slice(-20).join("\n"))
      const whole = yield* Simulation.run({ ...options, seed: error.seed })
      assert.isBelow(once.steps, whole.steps / 2)
      assert.isBelow(once.trace.length, whole.trace.length / 2)
    }), 60_000)
})
