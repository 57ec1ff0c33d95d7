/**
 * Builds the package into `dist`, or into the folder that is given: the modules one by one with their declarations, and
 * the command line as a bundle.
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
const out = path.resolve(root, process.argv[2] ?? "dist")
const cli = path.join(out, "cli")

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
