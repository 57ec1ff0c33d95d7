/**
 * Mistakes that somebody could make in a script: the same that `npm run mutate` makes in the sources.
 */
import { Simulation } from "effect-rq/testing"
import * as Effect from "effect/Effect"
import { mutations as all } from "../../mutations/mutations.mjs"
import { scenario } from "./scenario.js"

export type Mutation = (typeof all)[number]

export const mutations: ReadonlyArray<Mutation> = all

export const mutation = (name: string): Mutation => {
  const found = all.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no mutation ${name}`)
  return found
}

/** The text of a script with the mistake in it, where it holds what the mistake is made of. */
export const rewrite = ({ find, replace }: Mutation) => ({ lua }: { readonly lua: string }): string =>
  lua.split(find).join(replace)

/** Runs seeds from 1 until one breaks something; undefined when none does. */
export const firstFailing = (
  mutation: Mutation,
  mostSeeds: number,
  faults: Partial<Simulation.Faults> = {}
): Effect.Effect<Simulation.Report | undefined> =>
  Effect.gen(function*() {
    for (let seed = 1; seed <= mostSeeds; seed++) {
      const report = yield* Simulation.run({
        ...scenario,
        seed,
        faults: { ...Simulation.someOfEach, ...faults },
        rewrite: rewrite(mutation)
      })
      if (report.violations.length > 0) return report
    }
    return undefined
  })
