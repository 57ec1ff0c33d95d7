/**
 * Nothing evaluates what comes from outside: no code is made from data, neither JavaScript nor Lua, and no module is
 * loaded but the one that its user names on the command line.
 */
import { assert, describe, it } from "@effect/vitest"
import { matches, sourcesIn, withoutComments } from "../package/sources.js"

const sources = sourcesIn("src").map((source) => ({ ...source, code: withoutComments(source.text) }))

const found = (pattern: RegExp) => sources.flatMap((source) => matches(source, source.code, pattern))

describe("src", () => {
  it("makes no code from texts, and starts no process", () => {
    const pattern =
      /(?<![.\w])eval\s*\(|\bnew\s+Function\b|(?<![.\w])Function\s*\(|["'](?:node:)?(?:vm|child_process|worker_threads|v8)["']|(?<![.\w])require\s*\(/g
    // which sets how much memory the process takes
    assert.deepStrictEqual(found(pattern).map((one) => one.split(":")[0]), ["src/cli/memory.ts"])
    assert.deepStrictEqual(found(/\bV8\.\w+/g).map((one) => one.split(" ")[1]), ["V8.setFlagsFromString"])
    const samples = ["eval(x)", "new Function(x)", "Function(x)", "from \"node:vm\"", "require(x)"]
    for (const sample of samples) assert.match(sample, new RegExp(pattern.source))
    for (const sample of ["redis.eval(x)", "isFunction(x)"]) assert.notMatch(sample, new RegExp(pattern.source))
  })

  it("loads modules by constant names, but for the one that the user names", () => {
    const imports = found(/\bimport\s*\((?!\s*["'][^"']+["']\s*\))[^)]*\)/g)
    assert.deepStrictEqual(imports.map((one) => one.split(":")[0]), ["src/cli/host.ts"])
    // to find the module that the user names, and the Lua of the in-memory Redis
    assert.deepStrictEqual(found(/\bcreateRequire\(/g).map((one) => one.split(":")[0]), [
      "src/cli/host.ts",
      "src/redis-memory/vm/wasm.ts"
    ])
  })

  it("makes scripts of constants: what is put into their text are parts of Lua, and numbers that the sources hold", () => {
    const names = new Set<string>()
    const keys = sources.find(({ path }) => path === "src/wire/keys.ts")!.code
    for (const { code, path } of sources) {
      // A Lua text is a template that begins with a line break or with a part of Lua.
      for (const [, lua] of code.matchAll(/(?:lua: |const lua\w+ = )`((?:[^`\\]|\\[^])*)`/g)) {
        assert.notMatch(lua!, /\b(?:loadstring|dofile|load)\s*\(/, path)
        for (const [, inside] of lua!.matchAll(/\$\{([^}]*)\}/g)) {
          const family = /^keys\.family\.(\w+)$/.exec(inside!)
          if (family !== null) {
            assert.match(keys, new RegExp(`^  ${family[1]}: "[a-z:_-]+",?$`, "m"), `${path}: ${inside}`)
            continue
          }
          assert.match(inside!, /^(?:\d+ \* )?[A-Za-z]+(?:\.length)?(?: [-+] \d+)?$/, `${path}: ${inside}`)
          names.add(/[A-Za-z]+/.exec(inside!)![0])
        }
      }
    }
    assert.isAbove(names.size, 10)
    const declared = sources.map(({ code }) => code).join("\n")
    // the repairs of doctor have their common part around them, by a function that is called with constants
    assert.isTrue(names.delete("lua"))
    assert.deepStrictEqual(
      matches(
        sources.find(({ path }) => path === "src/doctor/repairs.ts")!,
        declared,
        /(?<!const )\bforJob\((?!\s*"[\w-]+",\s*`)/g
      ),
      []
    )
    for (const name of names) {
      // at the top of its module, and by something that no caller has a part in
      assert.match(
        declared,
        new RegExp(`^(?:export )?const ${name}(?:: ReadonlyArray<Redis\\.Arg>)? = (?:\`|"|\\[|[\\d_* ]+$)`, "m"),
        name
      )
    }
  })

  it("sends a script in one place, by its constant text", () => {
    assert.deepStrictEqual(
      found(/"(?:EVAL|EVALSHA|SCRIPT|FUNCTION|FCALL)"(?=, )/g).map((one) => one.replace(/:\d+/, "")).filter((one) =>
        !one.startsWith("src/redis-memory/") && !one.startsWith("src/redis-live/")
      ),
      ["src/Redis.ts \"EVALSHA\"", "src/Redis.ts \"EVAL\""]
    )
  })
})
