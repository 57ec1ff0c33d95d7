/**
 * The command line as users have it: built, in a package of its own, run as a process.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import { cache, root, sourcesIn } from "../package/sources.js"
import { type Server, start } from "../support/redis-server.js"

const fixtures = Path.join(root, "test/cli/fixtures")

/** Builds once for each state of the sources and the fixtures, however many test files ask. */
const build = (): string => {
  const hash = Crypto.createHash("sha1")
  for (const { path, text } of sourcesIn("src")) hash.update(path).update(text)
  for (const name of ["build.mjs", "package.json"]) hash.update(Fs.readFileSync(Path.join(root, name)))
  for (const name of Fs.readdirSync(fixtures, { recursive: true, encoding: "utf8" }).sort()) {
    const path = Path.join(fixtures, name)
    if (Fs.statSync(path).isFile()) hash.update(name).update(Fs.readFileSync(path))
  }
  const folder = Path.join(cache, `cli-${hash.digest("hex").slice(0, 16)}`)
  if (Fs.existsSync(folder)) return folder
  for (const name of Fs.existsSync(cache) ? Fs.readdirSync(cache) : []) {
    // Builds of other sources; a young one may be in use by another run.
    const other = Path.join(cache, name)
    const { mtimeMs } = Fs.statSync(other, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity }
    if (name.startsWith("cli-") && Date.now() - mtimeMs > 3_600_000) Fs.rmSync(other, { recursive: true, force: true })
  }
  const draft = `${folder}.${process.pid}`
  Fs.mkdirSync(draft, { recursive: true })
  Fs.copyFileSync(Path.join(root, "package.json"), Path.join(draft, "package.json"))
  Fs.cpSync(fixtures, draft, { recursive: true })
  const built = ChildProcess.spawnSync(process.execPath, [Path.join(root, "build.mjs"), Path.join(draft, "dist")], {
    encoding: "utf8"
  })
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`)
  try {
    Fs.renameSync(draft, folder)
  } catch {
    // another test file was faster
    Fs.rmSync(draft, { recursive: true, force: true })
  }
  return folder
}

export interface Done {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly millis: number
}

export interface Running {
  readonly kill: (signal: NodeJS.Signals) => void
  /** Waits until the output so far, of both streams, matches. Fails when the process ends before. */
  readonly until: (pattern: RegExp) => Promise<string>
  readonly done: Promise<Done>
}

export interface Options {
  readonly env?: Readonly<Record<string, string>>
}

/** What a shell of this machine happens to set must not matter. */
const cleanEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^(?:REDIS_|NO_COLOR$|FORCE_COLOR$|TERM$|NODE_OPTIONS$|VITEST)/.test(name)
        ? []
        : [[name, value]]
    )
  )

export interface Cli {
  /** The folder in which it runs; fixtures are there. */
  readonly folder: string
  readonly server: Server
  readonly spawn: (args: ReadonlyArray<string>, options?: Options) => Running
  readonly run: (args: ReadonlyArray<string>, options?: Options) => Promise<Done>
  /** Runs a verb that prints JSON, and reads it. Fails when it doesn't exit with 0. */
  readonly json: (args: ReadonlyArray<string>) => Promise<any>
}

const spawnIn =
  (folder: string, url: string, alive: Set<ChildProcess.ChildProcess>): Cli["spawn"] => (args, options = {}) => {
    const before = performance.now()
    const child = ChildProcess.spawn(process.execPath, ["dist/cli/bin.js", ...args], {
      cwd: folder,
      env: { ...cleanEnvironment(), REDIS_URL: url, TZ: "UTC", ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    alive.add(child)
    let stdout = ""
    let stderr = ""
    const waiting = new Set<() => void>()
    const look = () => {
      for (const check of waiting) check()
    }
    child.stdout.on("data", (data) => {
      stdout += String(data)
      look()
    })
    child.stderr.on("data", (data) => {
      stderr += String(data)
      look()
    })
    let ended = false
    const done = new Promise<Done>((resolve) => {
      child.once("close", (code, signal) => {
        ended = true
        alive.delete(child)
        look()
        resolve({ code, signal, stdout, stderr, millis: performance.now() - before })
      })
    })
    return {
      kill: (signal) => child.kill(signal),
      until: (pattern) =>
        new Promise((resolve, reject) => {
          const check = () => {
            const output = stdout + stderr
            if (pattern.test(output)) resolve(output)
            else if (ended) reject(new Error(`ended without ${pattern}:\n${output}`))
            else return
            waiting.delete(check)
          }
          waiting.add(check)
          check()
        }),
      done
    }
  }

/** The command line, with a server of its own for the tests of this file. */
export const useCli = (): Cli => {
  const scope = Effect.runSync(Scope.make())
  const alive = new Set<ChildProcess.ChildProcess>()
  let folder = ""
  let server: Server | undefined
  beforeAll(async () => {
    folder = build()
    server = await Effect.runPromise(Scope.extend(start(), scope))
  }, 120_000)
  afterAll(async () => {
    for (const child of alive) child.kill("SIGKILL")
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })
  const ready = () => {
    if (server === undefined) throw new Error("the tests have not begun")
    return server
  }
  const spawn: Cli["spawn"] = (args, options) => spawnIn(folder, ready().url, alive)(args, options)
  const run: Cli["run"] = (args, options) => spawn(args, options).done
  return {
    get folder() {
      return folder
    },
    get server() {
      return ready()
    },
    spawn,
    run,
    json: async (args) => {
      const { code, stderr, stdout } = await run([...args, "--json"])
      if (code !== 0) throw new Error(`exit ${code}: ${stderr}`)
      return JSON.parse(stdout)
    }
  }
}
