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

  it("writes no function straight into a property, where each job passes", () => {
    // V8 takes it for a method, so for long-lived, and makes it among old objects. With it stays all that it refers to, until
    // a full collection of garbage. A function that has a name before is made as everything else is.
    const pattern = /(?<=[\w)\]])\.#?\w+ = (?:async )?(?:function\b|(?:\([^()\n]*\)(?:: [^=\n]+)?|\w+) =>)/g
    const passed = source.filter(({ path }) => /^src\/(?:internal|lifecycle|queue|wire|worker|\w+\.ts)/.test(path))
    assert.isAbove(passed.length, 100)
    assert.deepStrictEqual(found(passed, pattern), [])
    for (const sample of ["a.b = () => 1", "this.#f = async (x: A): B => x", "f().g = x => x", "a.b = function() {}"]) {
      assert.match(sample, new RegExp(pattern.source), sample)
    }
    for (const sample of ["const f = () => 1", "a.b = f", "a.b === c", "b = (x) => 1"]) {
      assert.notMatch(sample, new RegExp(pattern.source), sample)
    }
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
