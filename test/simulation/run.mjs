/**
 * Runs one of the commands beside this file, `node test/simulation/run.mjs simulate` or `explore`, over the sources as
 * they are.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.join(here, "..", "..")
const [name, ...args] = process.argv.slice(2)

if (name !== "simulate" && name !== "explore") {
  console.error("expected simulate or explore")
  process.exit(2)
}

const folder = path.join(root, "node_modules", ".cache", "effect-rq")
fs.mkdirSync(folder, { recursive: true })
const out = fs.mkdtempSync(path.join(folder, `${name}-`))
const file = path.join(out, "main.mjs")
try {
  await build({
    absWorkingDir: root,
    entryPoints: [path.join(here, `${name}.ts`)],
    outfile: file,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
    // The package's own name means the sources.
    alias: {
      "effect-rq/testing": path.join(root, "src/testing/index.ts"),
      "effect-rq": path.join(root, "src/index.ts")
    }
  })
  const { main } = await import(pathToFileURL(file).href)
  process.exitCode = await main(args)
} finally {
  fs.rmSync(out, { recursive: true, force: true })
}
