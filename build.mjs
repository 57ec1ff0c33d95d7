/**
 * Builds the package into `dist`, or into the folder that is given: the modules one by one with their declarations, and
 * the command line as a bundle. With `--if-changed` only where the sources are newer than the last build.
 *
 * The command line is bundled because it starts four times as fast that way. `src/cli/host.ts` stays out of the bundle:
 * it runs modules that users wrote, and these must share one copy of `effect` and of this library with what runs them.
 */
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.dirname(fileURLToPath(import.meta.url))
const args = process.argv.slice(2)
const out = path.resolve(root, args.find((arg) => !arg.startsWith("-")) ?? "dist")
const cli = path.join(out, "cli")

/** Whether nothing was changed, added or taken away since the last build was done. */
const isFresh = () => {
  const done = fs.statSync(path.join(cli, "bin.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = fs.readdirSync(path.join(root, "src"), { recursive: true }).map((name) => path.join("src", name))
  return ["build.mjs", "package.json", "src", ...sources].every((name) =>
    fs.statSync(path.join(root, name)).mtimeMs < done
  )
}

// `npm install` has just built what `npm start` runs.
if (args.includes("--if-changed") && isFresh()) process.exit(0)

// What an earlier build left must never be run in place of what the sources say now.
fs.rmSync(out, { recursive: true, force: true })

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc")
const compiled = spawnSync(process.execPath, [tsc, "-p", path.join(root, "src", "tsconfig.json"), "--outDir", out], {
  stdio: "inherit"
})
if (compiled.status !== 0) {
  fs.rmSync(out, { recursive: true, force: true })
  process.exit(compiled.status ?? 1)
}

for (const name of fs.readdirSync(cli)) {
  if (!name.startsWith("host.")) fs.rmSync(path.join(cli, name), { recursive: true })
}

await build({
  absWorkingDir: root,
  entryPoints: { bin: "src/cli/bin.ts" },
  outdir: cli,
  bundle: true,
  splitting: true,
  minify: true,
  keepNames: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["ioredis", "wasmoon-lua5.1", "./host.js"],
  legalComments: "eof",
  logLevel: "warning",
  chunkNames: "chunks/[hash]",
  // Some of the bundled packages are CommonJS and ask for Node's own modules at run time.
  banner: {
    js:
      "import { createRequire as $createRequire } from \"node:module\"; const require = $createRequire(import.meta.url);"
  }
})
fs.chmodSync(path.join(cli, "bin.js"), 0o755)
