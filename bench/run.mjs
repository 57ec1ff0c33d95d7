/**
 * `npm run bench`: builds the package and the benchmark into a cache folder, installs the peer there, and runs.
 */
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const bench = path.dirname(fileURLToPath(import.meta.url))
const root = path.dirname(bench)
const folder = path.join(root, "node_modules", ".cache", "effect-rq-bench")
// Two checkouts may share their node_modules.
const cache = path.join(folder, createHash("sha1").update(root).digest("hex").slice(0, 8))
const dist = path.join(cache, "dist")
const peer = path.join(folder, "peer")

const run = (command, args, cwd) => {
  const { status } = spawnSync(command, args, { cwd, stdio: ["ignore", 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}

if (!process.argv.includes("--help")) {
  run(process.execPath, [path.join(root, "build.mjs"), dist], root)
  const wanted = fs.readFileSync(path.join(bench, "package.json"), "utf8")
  const manifest = path.join(peer, "package.json")
  const installed = path.join(peer, "node_modules", ".package-lock.json")
  if (!fs.existsSync(installed) || fs.readFileSync(manifest, "utf8") !== wanted) {
    fs.mkdirSync(peer, { recursive: true })
    fs.writeFileSync(manifest, wanted)
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], peer)
  }
}

await build({
  absWorkingDir: bench,
  entryPoints: ["main.ts", "ours.ts", "bullmq.ts", "bare.ts"],
  outdir: path.join(cache, "bench"),
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
  plugins: [{
    name: "the package as it was just built",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^effect-rq(\/|$)/ }, ({ path: name }) => ({
        path: pathToFileURL(
          path.join(dist, name === "effect-rq/testing" ? "testing/index.js" : `${name.split("/")[1] ?? "index"}.js`)
        ).href,
        external: true
      }))
  }]
})

process.env["EFFECT_RQ_BENCH"] = JSON.stringify({ bench, cache, peer })
const { main } = await import(pathToFileURL(path.join(cache, "bench", "main.js")).href)
process.exitCode = await main(process.argv.slice(2))
