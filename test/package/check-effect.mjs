/**
 * Effect's own diagnostics on all of the sources.
 *
 * The tool recognizes generators of `Effect.gen` and `Effect.fn` only where `Effect` was imported from "effect" itself,
 * and we import module by module. So it is shown a copy whose imports are rewritten; lines stay where they are.
 *
 * With paths as arguments, only these are checked (the test of this script does so).
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folders = process.argv.length > 2 ? process.argv.slice(2) : ["src", "test", "bench", "examples"]
// one name for each file, also where `node_modules` is a link
const copy = path.join(
  fs.realpathSync(path.join(root, "node_modules")),
  ".cache",
  "effect-rq",
  `effect-diagnostics-${process.pid}`
)

const rewritten = (text) =>
  text.replace(
    /^import (type )?\* as (\w+) from "effect\/(\w+)"$/gm,
    (_, type = "", name, module) => `import ${type}{ ${module === name ? name : `${module} as ${name}`} } from "effect"`
  )

const files = folders
  .filter((folder) => fs.existsSync(path.join(root, folder)))
  .flatMap((folder) =>
    fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      path.join(folder, name)
    )
  )
  .filter((file) => file.endsWith(".ts"))

process.on("exit", () => fs.rmSync(copy, { recursive: true, force: true }))
for (const file of files) {
  fs.mkdirSync(path.dirname(path.join(copy, file)), { recursive: true })
  fs.writeFileSync(path.join(copy, file), rewritten(fs.readFileSync(path.join(root, file), "utf8")))
}
fs.copyFileSync(path.join(root, "package.json"), path.join(copy, "package.json"))
fs.copyFileSync(path.join(root, "tsconfig.json"), path.join(copy, "tsconfig.json"))
// `include` leaves out what lies in `node_modules`, as this copy does; what is listed is checked anyway.
fs.writeFileSync(
  path.join(copy, "tsconfig.copy.json"),
  JSON.stringify({ extends: "./tsconfig.json", include: [], files })
)

const { status, stderr, stdout } = spawnSync(
  path.join(root, "node_modules", ".bin", "effect-tsgo"),
  ["diagnostics", "--strict", "--format", "text", "--project", path.join(copy, "tsconfig.copy.json")],
  { encoding: "utf8" }
)
process.stdout.write(stdout.replaceAll(`${copy}${path.sep}`, ""))
process.stderr.write(stderr ?? "")

// Without its plugin in `tsconfig.json` the tool checks nothing and is content.
const checked = Number(/^Checked (\d+) files/m.exec(stdout)?.[1] ?? 0)
if (status === 0 && (checked === 0 || checked < files.length)) {
  process.stderr.write(`${checked} of ${files.length} files were checked\n`)
  process.exitCode = 1
} else {
  process.exitCode = status ?? 1
}
