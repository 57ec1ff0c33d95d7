/**
 * `npm run faults` and `npm run soak`: bundles the programs into a folder of their own, and runs.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundle } from "./bundle.mjs"

const here = path.dirname(fileURLToPath(import.meta.url))
const [program, ...args] = process.argv.slice(2)
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-rq-programs-"))
process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }))
await bundle(["process", program], folder)
process.env["EFFECT_RQ_FAULTS"] = JSON.stringify({ process: path.join(folder, "process.mjs"), python: here })
const { main } = await import(pathToFileURL(path.join(folder, `${program}.mjs`)).href)
process.exitCode = await main(args)
