/**
 * Looks at every course that the model can take, to a depth. A state that was met before, with as many steps left or more,
 * is not looked at again.
 */
import * as Crypto from "node:crypto"
import { Model, type State } from "./model.js"

export interface Exploration {
  readonly states: number
  readonly steps: number
  /** Whether every state to the depth was looked at. */
  readonly isComplete: boolean
  /** The way to the first violation, and what was violated. */
  readonly violation: { readonly path: ReadonlyArray<string>; readonly rule: string; readonly text: string } | undefined
}

/** Where to begin: with nothing, or in the middle of a life, so that a few steps more reach what comes late in it. */
export const stories: Readonly<Record<string, ReadonlyArray<string>>> = {
  "an empty Redis": [],
  "a job is due, and a scheduler leads": ["schedule job-a", "s1: elect", "time passes: 1000 ms"],
  "a job was promoted and is started": [
    "schedule job-a",
    "s1: elect",
    "time passes: 1000 ms",
    "s1: promote",
    "w1: claim"
  ],
  "a worker and a scheduler are dead, a job is started": [
    "schedule job-a",
    "enqueue job-b, and the reply is lost",
    "s1: elect",
    "s1 sends promote",
    "s1 crashes",
    "w1: claim",
    "w1 sends heartbeat",
    "w1 crashes"
  ]
}

export const explore = (options: {
  readonly depth: number
  /** The steps to the state to begin with, by their labels. */
  readonly story?: ReadonlyArray<string> | undefined
  readonly mostStates?: number | undefined
  readonly rewrite?: ((script: { readonly name: string; readonly lua: string }) => string) | undefined
  readonly onProgress?: ((states: number) => void) | undefined
}): Exploration => {
  const { depth, mostStates = Infinity, onProgress, story = [] } = options
  const model = new Model(options.rewrite ?? (({ lua }) => lua))
  /** How many steps were left when the state was met. */
  const met = new Map<string, number>()
  const path: Array<string> = []
  let steps = 0
  let violation: Exploration["violation"]

  /** False when there is no need to go on. */
  const visit = (state: State, left: number): boolean => {
    if (left === 0) return true
    for (const step of model.next(state)) {
      steps++
      const [found] = step.found
      if (found !== undefined) {
        violation = { path: [...path, step.label], ...found }
        return false
      }
      const key = Crypto.createHash("sha1").update(model.key(step.state)).digest("base64")
      const before = met.get(key)
      if (before !== undefined && before >= left - 1) continue
      if (before === undefined) {
        if (met.size >= mostStates) return false
        if (onProgress !== undefined && met.size % 10_000 === 9_999) onProgress(met.size + 1)
      }
      met.set(key, left - 1)
      path.push(step.label)
      if (!visit(step.state, left - 1)) return false
      path.pop()
    }
    return true
  }

  let start = model.initial
  for (const label of story) {
    const step = Array.from(model.next(start)).find((one) => one.label === label)
    if (step === undefined) throw new Error(`there is no step "${label}" after ${path.join(", ")}`)
    start = step.state
    path.push(label)
  }
  const isComplete = visit(start, depth)
  return { states: met.size, steps, isComplete, violation }
}
