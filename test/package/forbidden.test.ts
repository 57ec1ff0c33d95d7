/**
 * What may not be written, where the linter can't say so.
 */
import { assert, describe, it } from "@effect/vitest"
import { matches, type Source, sourcesIn, withoutComments } from "./sources.js"

const source = sourcesIn("src")
const tests = sourcesIn("test")

const found = (sources: ReadonlyArray<Source>, pattern: RegExp): ReadonlyArray<string> =>
  sources.flatMap((source) => matches(source, withoutComments(source.text), pattern))

/** These talk to the world outside: the rest is handed time and chance by services. */
const isOutside = (path: string) => path === "src/internal/outside.ts" || path.startsWith("src/redis-live/")

describe("src", () => {
  it("reads the time and rolls dice in one place only", () => {
    const pattern =
      /\bDate\.now\b|\bnew Date\(\s*\)|(?<!["\w.])Date\(\s*\)|\bset(?:Timeout|Interval)\b|\bMath\.random\b|\brandomUUID\b|\bperformance\.now\b|\bprocess\.hrtime\b/g
    assert.deepStrictEqual(found(source.filter((source) => !isOutside(source.path)), pattern), [])
    // The pattern is alive: the place where it is allowed has some.
    assert.isNotEmpty(found(source.filter((source) => isOutside(source.path)), /\brandomBytes\b|\brandom\w*\(/g))
    const sample = "Date.now() new Date() Date() setTimeout( setInterval( Math.random() randomUUID() performance.now()"
    assert.strictEqual(sample.match(pattern)?.length, 8)
    assert.isNull("new Date(0) DateTime.now [\"Date\"] candidate()".match(pattern))
  })

  it("imports Effect's modules one by one", () => {
    assert.deepStrictEqual(found(source, /\bfrom "(?:effect|@effect\/[\w-]+)"/g), [])
    assert.deepStrictEqual(found(source, /\bfrom "\.[^"]*(?<!\.js)"/g), [])
  })

  it("exports names only", () => {
    assert.deepStrictEqual(found(source, /^export default\b/gm), [])
  })
})

describe("test", () => {
  it("runs every test", () => {
    const pattern = /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo|fails)\(/
    assert.deepStrictEqual(found(tests, new RegExp(pattern, "g")), [])
    for (const way of ["only", "effect.skip", "live.todo"]) assert.match(`it.${way}("name")`, pattern)
  })
})
