/**
 * Bundles the programs of this folder with the sources of the package as they are now, so that nothing has to be built
 * and processes start quickly.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, "../..")
const require = createRequire(import.meta.url)

/** Bundles `NAME.ts` of this folder to a file `NAME.mjs` in another. */
export const bundle = async (names, folder) => {
  fs.mkdirSync(folder, { recursive: true })
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => path.join(here, `${name}.ts`)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
    plugins: [{
      name: "the package as its sources are now",
      setup: ({ onResolve }) => {
        onResolve({ filter: /^effect-rq(\/|$)/ }, ({ path: name }) => ({
          path: path.join(root, "src", `${name.split("/")[1] ?? "index"}.ts`)
        }))
        // What is installed and is no ES module stays where it is, wherever the bundle is.
        onResolve({ filter: /^(ioredis|wasmoon-lua5\.1|esbuild)$/ }, ({ path: name }) => ({
          path: pathToFileURL(require.resolve(name)).href,
          external: true
        }))
      }
    }],
    banner: {
      js:
        "import { createRequire as $createRequire } from \"node:module\"; const require = $createRequire(import.meta.url);"
    }
  })
}
