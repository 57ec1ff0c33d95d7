/**
 * The five minutes of the README, done as a new user would: the files as they stand there, against the built package.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { transformSync } from "esbuild"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { cache, readSource, root } from "../package/sources.js"
import * as RedisServer from "../support/redis-server.js"
import { blocks, fileOf } from "./blocks.js"

const folder = Path.join(cache, "tour")
const installed = Path.join(folder, "node_modules", "effect-rq")
const { path, text } = readSource("README.md")
const files = blocks(path, text, 1, /^/).flatMap((example) => {
  const file = fileOf(example)
  return file === undefined ? [] : [{ file, code: example.code }]
})

beforeAll(() => {
  Fs.rmSync(folder, { recursive: true, force: true })
  Fs.mkdirSync(installed, { recursive: true })
  Fs.writeFileSync(Path.join(folder, "package.json"), JSON.stringify({ type: "module" }))
  Fs.copyFileSync(Path.join(root, "package.json"), Path.join(installed, "package.json"))
  const built = spawnSync(process.execPath, [Path.join(root, "build.mjs"), Path.join(installed, "dist")], {
    encoding: "utf8"
  })
  assert.strictEqual(built.status, 0, built.stderr)
  for (const { code, file } of files) {
    Fs.writeFileSync(
      Path.join(folder, file.replace(/\.ts$/, ".js")),
      transformSync(code, { loader: "ts", format: "esm", target: "node20" }).code
    )
  }
}, 120_000)

interface Finished {
  readonly code: number | null
  readonly output: string
}

/** Runs a program of the tour; it is told to stop when its output matches. */
const run = (args: ReadonlyArray<string>, redisUrl: string, until?: RegExp): Effect.Effect<Finished> =>
  Effect.async((resume) => {
    const child: ChildProcess = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, REDIS_URL: redisUrl, NO_COLOR: "1" },
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
    child.stdout!.on("data", onData)
    child.stderr!.on("data", onData)
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => {
      child.kill("SIGKILL")
    })
  })

/** A package as it is installed here, which package.json pins. */
const manifest = (
  name: string
): {
  readonly version: string
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
} => JSON.parse(Fs.readFileSync(Path.join(root, "node_modules", name, "package.json"), "utf8"))

describe("what is installed first", () => {
  const words = [...text.matchAll(/^npm install (.+@.+)$/gm)].flatMap(([, line]) =>
    line!.replace(/#.*/, "").split(/\s+/).filter((word) => word !== "" && word !== "-D" && word !== "effect-rq")
  )
  const asked = words.map((word) => /^(@?[^@]+)(?:@(.+))?$/.exec(word)!.slice(1) as [string, string | undefined])
  const ours = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))
  const pinned = asked.filter(([, version]) => version !== undefined)

  it("has all that the tour imports", () => {
    const imported = files.flatMap(({ code }) =>
      [...code.matchAll(/from "((?:@[\w-]+\/)?[\w-]+)/g)].map(([, name]) => name!).filter((name) =>
        name !== "effect-rq"
      )
    )
    assert.includeMembers(asked.map(([name]) => name), [...new Set(imported), "tsx", "typescript"])
  })

  it("has a version wherever another package binds it, and the one that is tried here", () => {
    const bound = new Set([
      ...Object.keys(ours.peerDependencies),
      ...pinned.flatMap(([name]) => {
        const { peerDependencies = {}, peerDependenciesMeta = {} } = manifest(name)
        return Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true)
      })
    ])
    for (const [name, version] of asked) {
      if (name.startsWith("@effect/") || bound.has(name)) {
        assert.isDefined(version, `${name}: the latest may not fit the others`)
      }
      if (version !== undefined) assert.isTrue(manifest(name).version.startsWith(`${version}.`), `${name}@${version}`)
    }
    assert.includeMembers(pinned.map(([name]) => name), ["effect", "@effect/vitest", "vitest"])
    assert.match(ours.peerDependencies.effect, new RegExp(`^\\^${new Map(asked).get("effect")}\\.`))
  })
})

describe("the tour", () => {
  it("consists of these files", () => {
    assert.deepStrictEqual(files.map(({ file }) => file), ["jobs.ts", "enqueue.ts", "worker.ts", "worker.test.ts"])
  })

  it.scopedLive("enqueues, and a worker runs what is due", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.start()
      const enqueued = yield* run(["enqueue.js"], server.url)
      assert.strictEqual(enqueued.code, 0, enqueued.output)
      assert.match(enqueued.output, /in the queue:.*false/)
      assert.match(enqueued.output, /scheduled:.*true/)
      const worked = yield* run(["worker.js"], server.url, /Welcome, Ada!/)
      assert.match(worked.output, /leads queue mail/)
      assert.match(worked.output, /Welcome, Ada!/)
      assert.notMatch(worked.output, /Grace/)
      assert.include([0, 130, 143], worked.code, worked.output)
    }), 60_000)

  it("tests without a server and without waiting", { timeout: 90_000 }, () => {
    const vitest = Path.join(root, "node_modules", "vitest", "vitest.mjs")
    const { status, stderr, stdout } = spawnSync(process.execPath, [
      vitest,
      "run",
      "--root",
      folder,
      "--config",
      "/dev/null",
      // a second or two, but for a machine that is busy with other tests
      "--testTimeout=60000"
    ], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1", VITEST: undefined }
    })
    assert.strictEqual(status, 0, stdout + stderr)
    assert.match(stdout, /Tests {2}1 passed/)
  })
})
