/**
 * `npm run example NAME`: runs `NAME/main.ts` from the sources.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const examples = path.dirname(fileURLToPath(import.meta.url))
const root = path.dirname(examples)
const name = process.argv[2] ?? ""
const names = fs.readdirSync(examples).filter((one) => fs.existsSync(path.join(examples, one, "main.ts")))

if (!names.includes(name)) {
  console.error(`npm run example NAME, where NAME is one of ${names.join(", ")}`)
  process.exit(2)
}

const outfile = path.join(root, "node_modules", ".cache", "effect-rq-examples", `${name}-${process.pid}.mjs`)
await build({
  entryPoints: [path.join(examples, name, "main.ts")],
  outfile,
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
  // The package's own name means the sources.
  alias: { "effect-rq": path.join(root, "src", "index.ts") },
  define: { EXAMPLE_FOLDER: JSON.stringify(path.join(examples, name)) }
})
process.on("exit", () => fs.rmSync(outfile, { force: true }))
await import(pathToFileURL(outfile).href)
