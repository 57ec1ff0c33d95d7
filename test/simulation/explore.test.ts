/**
 * Every course of a small deployment, to a small depth. `npm run explore -- --depth 10` goes further.
 */
import { assert, describe, it } from "@effect/vitest"
import { explore, stories } from "./explore/explore.js"
import { mutation, rewrite } from "./support/mutations.js"

const depth = 4

describe("every course", () => {
  for (const [name, story] of Object.entries(stories)) {
    it(`of two schedulers, a worker and a producer breaks nothing: ${name}`, { timeout: 60_000 }, () => {
      const { isComplete, states, steps, violation } = explore({ depth, story })
      assert.isUndefined(violation)
      assert.isTrue(isComplete)
      assert.isAbove(states, 500)
      console.log(`${name}: ${states} states to depth ${depth}, ${steps} steps between them`)
    })
  }

  const mistakes = [
    ["promote-token", "a job is due, and a scheduler leads", "one scheduler"],
    ["promote-once", "a job is due, and a scheduler leads", "one place"],
    ["abandon-alive", "a job was promoted and is started", "dead workers"],
    ["complete-fence", "a job was promoted and is started", "edges"]
  ] as const
  for (const [name, story, rule] of mistakes) {
    it(`finds a mistake: ${mutation(name).what}`, { timeout: 60_000 }, () => {
      const { violation } = explore({ depth, story: stories[story], rewrite: rewrite(mutation(name)) })
      assert.strictEqual(violation?.rule, rule)
      assert.isNotEmpty(violation?.path)
    })
  }
})
