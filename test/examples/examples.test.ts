/**
 * `npm run example NAME`, for each of the programs. (Those that are tests run as tests.)
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "../package/sources.js"
import { python } from "../support/python.js"
import * as RedisServer from "../support/redis-server.js"

interface Finished {
  readonly code: number | null
  readonly output: string
}

/** Runs an example; it is told to stop when its output matches. */
const run = (name: string, env: NodeJS.ProcessEnv, until?: RegExp): Effect.Effect<Finished> =>
  Effect.async((resume) => {
    const child = spawn(process.execPath, [Path.join(root, "examples", "run.mjs"), name], {
      env: { ...process.env, NO_COLOR: "1", RQ_PYTHON: python, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    let told = false
    const onData = (data: Buffer) => {
      output += data.toString("utf8")
      if (until !== undefined && !told && until.test(output)) {
        told = true
        child.kill("SIGTERM")
      }
    }
    child.stdout.on("data", onData)
    child.stderr.on("data", onData)
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => {
      child.kill("SIGKILL")
    })
  })

describe("npm run example", () => {
  it("lists what there is", () => {
    const listed = Array.from(
      Fs.readFileSync(Path.join(root, "examples", "README.md"), "utf8").matchAll(/^\| \[([\w-]+)\]/gm),
      (match) => match[1]!
    )
    const there = Fs.readdirSync(Path.join(root, "examples"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
    assert.sameMembers(listed, there)
  })

  it.scopedLive("web listens, leads its queue and leaves when told to", () =>
    Effect.gen(function*() {
      const { code, output } = yield* run(
        "web",
        { PORT: "0", REDIS_URL: undefined },
        /Listening on[^]*leads queue images/
      )
      assert.match(output, /Listening on http:\/\/127\.0\.0\.1:\d+/)
      assert.include([0, 130, 143], code, output)
    }), 60_000)

  it.scopedLive(
    "python-fleet enqueues in Python, runs here, and Python reads the result",
    () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const { code, output } = yield* run("python-fleet", { REDIS_URL: server.url })
        assert.strictEqual(code, 0, output)
        assert.match(output, /invoice over 1250 cents for ada/)
        assert.match(output, /the result is \{'number': 'ada-1'\}/)
      }),
    60_000
  )
})
