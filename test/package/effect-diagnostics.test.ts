/**
 * Effect's diagnostics are only worth something if they see the files, and generators as what they are.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { cache, root } from "./sources.js"

it("npm run check:effect finds what is wrong, and names file and line", { timeout: 60_000 }, () => {
  const folder = Path.join(cache, "effect-diagnostics-sample")
  Fs.rmSync(folder, { recursive: true, force: true })
  Fs.mkdirSync(folder, { recursive: true })
  Fs.writeFileSync(
    Path.join(folder, "sample.ts"),
    `import * as Effect from "effect/Effect"

Effect.log("never run")

export const swallows = Effect.fnUntraced(function*() {
  try {
    yield* Effect.fail("lost")
  } catch {
    return
  }
})
`
  )
  const { status, stdout } = spawnSync(
    process.execPath,
    [Path.join(root, "test", "package", "check-effect.mjs"), Path.relative(root, folder)],
    { encoding: "utf8" }
  )
  assert.match(stdout, /effect-diagnostics-sample.sample\.ts\(3,1\): error effect\(floatingEffect\)/)
  assert.match(stdout, /sample\.ts\(6,3\): error effect\(tryCatchInEffectGen\)/)
  assert.match(stdout, /sample\.ts\(7,5\): error effect\(missingReturnYieldStar\)/)
  assert.match(stdout, /Checked 1 files out of 1 files/)
  assert.strictEqual(status, 1)
})
