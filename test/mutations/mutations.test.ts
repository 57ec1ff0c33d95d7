/**
 * The mutations can be made, and those that matter most are killed. `npm run mutate` shows it of all of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { readSource, root } from "../package/sources.js"
import { apply, mutations } from "./mutations.mjs"

describe("mutations", () => {
  it("each has a name of its own, and finds its text once and its tests", () => {
    assert.strictEqual(new Set(mutations.map(({ name }) => name)).size, mutations.length)
    for (const mutation of mutations) {
      const { text } = readSource(mutation.file)
      const mutated = apply(mutation, text)
      assert(mutated._tag === "Mutated", `${mutation.name}: ${mutation.file} ${"why" in mutated ? mutated.why : ""}`)
      assert.notStrictEqual(mutated.text, text, mutation.name)
      for (const file of mutation.tests) {
        assert.isTrue(Fs.existsSync(Path.join(root, file)), `${mutation.name}: ${file}`)
      }
    }
    assert.strictEqual(apply({ find: "q", replace: "" }, "no such text")._tag, "Missing")
    assert.strictEqual(apply({ find: "s", replace: "" }, "several times")._tag, "Missing")
  })

  it("without the checks that everything rests on tests fail", { timeout: 120_000 }, () => {
    const names = ["promote-token", "lease-release", "enqueue-once", "complete-fence"]
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        Path.join(root, "test", "mutations", "run.mjs"),
        "--no-baseline",
        "--jobs=2",
        ...names.map((name) => `--only=${name}`)
      ],
      { encoding: "utf8" }
    )
    for (const name of names) assert.match(stdout, new RegExp(`^killed +${name} +by: `, "m"))
    assert.include(stdout, "4 of 4 killed, 0 survived")
    assert.strictEqual(status, 0)
  })
})
