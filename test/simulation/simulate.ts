/**
 * `npm run simulate -- --seeds 1000 --from 1`: runs many seeds and prints what was counted, one after the other or, with
 * `SIM_SEED`, one alone. `--trace` prints what happened instead. `--mutations` makes one mistake after the other in the
 * scripts, and prints which of them how many seeds find.
 */
import { Simulation } from "effect-rq/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readArguments } from "./support/arguments.js"
import { firstFailing, mutations } from "./support/mutations.js"
import { scenario } from "./support/scenario.js"
import { describeSummary } from "./support/summary.js"

export const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const { numbers: { from = 1, seeds = 100 }, switches } = readArguments(args, ["from", "seeds"], [
    "trace",
    "mutations"
  ])
  if (switches.has("trace")) {
    const report = await Effect.runPromise(Simulation.run({ ...scenario, seed: from }))
    console.log(report.trace.join("\n"))
    return report.violations.length === 0 ? 0 : 1
  }
  if (switches.has("mutations")) {
    for (const mutation of mutations) {
      const found = await Effect.runPromise(firstFailing(mutation, seeds))
      const [first] = found?.violations ?? []
      console.log(`${mutation.name.padEnd(30)} ${first === undefined ? "-" : `seed ${found?.seed}: ${first.rule}`}`)
    }
    return 0
  }
  let done = 0
  const exit = await Effect.runPromise(Effect.either(Simulation.check({
    ...scenario,
    seeds: Array.from({ length: seeds }, (_, index) => from + index),
    command: "npm run simulate",
    onReport: ({ accepted, elapsed, faults, seed }) =>
      Effect.sync(() => {
        done++
        if (!process.stderr.isTTY && done % 100 !== 0) return
        const count = Object.values(faults).reduce((a, b) => a + b, 0)
        console.error(
          `${done} of ${seeds}: seed ${seed}, ${accepted} jobs, ${count} faults in ${
            Math.round(Duration.toSeconds(elapsed))
          } s`
        )
      })
  })))
  if (exit._tag === "Left") {
    console.error(exit.left.message)
    return 1
  }
  console.log(describeSummary(exit.right))
  return 0
}
