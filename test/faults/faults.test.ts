/**
 * A share of `npm run faults`, hurried: short leases and heartbeats, few jobs, side by side.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { cache, root } from "../package/sources.js"
import { faults } from "./catalog.js"
import { execute, type Settings } from "./run.js"

const chosen = ["sigkill-leader", "sigstop-leader", "redis-killed-always", "client-kill-all"]
const folder = Path.join(cache, `faults-${process.pid}`)
const here = Path.join(root, "test/faults")

const settings: Settings = {
  system: "effect-rq",
  bundle: { process: Path.join(folder, "process.mjs"), python: here },
  folder,
  workers: 2,
  plan: { jobs: 80, millis: 3000 },
  heartbeatMillis: 1000,
  leaseMillis: 2000,
  tickMillis: 500,
  drainMillis: 15_000,
  pace: 0.3,
  producesHere: true
}

beforeAll(async () => {
  // A program in JavaScript, which is not checked.
  const { bundle } = await import(pathToFileURL(Path.join(here, "bundle.mjs")).href) as {
    readonly bundle: (names: ReadonlyArray<string>, folder: string) => Promise<void>
  }
  await bundle(["process"], folder)
})

describe.concurrent("real processes on a real Redis", () => {
  let failed = false
  for (const fault of faults.filter(({ name }) => chosen.includes(name))) {
    it.live(fault.title, ({ onTestFailed }) => {
      onTestFailed(() => {
        failed = true
        console.error(`journals and logs are in ${folder}`)
      })
      return Effect.map(execute(fault, settings), (report) => {
        assert.deepStrictEqual(report.violations, [])
        assert.strictEqual(report.acknowledged, settings.plan.jobs)
        assert.strictEqual(report.run, settings.plan.jobs)
        assert.strictEqual(report.promoted, settings.plan.jobs / 2)
        assert.deepStrictEqual([report.twice, report.lost, report.stuck, report.early], [0, 0, 0, 0])
      })
    }, 60_000)
  }
  afterAll(() => {
    if (!failed) Fs.rmSync(folder, { recursive: true, force: true })
  })
})
