/**
 * Python's RQ for tests: snippets in a Python that stays, and RQ's own commands as processes, all of them ended with
 * the scope by their pids. What they print is shown when the test fails.
 */
import { describe, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Readline from "node:readline"
import * as Queue from "../../src/Queue.js"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as Registry from "../../src/Registry.js"
import { environment, python, type Version, versions } from "./python.js"
import * as RedisServer from "./redis-server.js"

/** A snippet raised, or a process did not do what it was waited for. `type` is the class of Python's exception. */
export class PythonError extends Data.TaggedError("PythonError")<
  { readonly type: string; readonly message: string }
> {}

/** A command of RQ that runs. */
export interface Process {
  readonly pid: number
  /** What it has printed so far. */
  readonly output: Effect.Effect<string>
  /** Waits until it prints a text. */
  readonly prints: (text: string) => Effect.Effect<void, PythonError>
  /** Waits until it has ended. */
  readonly exit: Effect.Effect<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }, PythonError>
  /** To the process alone. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

export interface ProcessOptions {
  /** Gives it a terminal of its own. */
  readonly terminal?: boolean
}

export interface PythonRqService {
  readonly version: Version
  readonly url: string
  /**
   * Runs a snippet, see `test/rq/python/server.py`, and returns what it returned. The arguments are names in it.
   */
  readonly run: <A = unknown>(code: string, args?: Readonly<Record<string, unknown>>) => Effect.Effect<A, PythonError>
  /** Runs `rq` with these arguments on the server of the test. */
  readonly rq: (args: ReadonlyArray<string>, options?: ProcessOptions) => Effect.Effect<Process, never, Scope.Scope>
  /** Runs `rq` until it ends by itself and returns what it has printed; fails when it ends with anything but 0. */
  readonly rqOutput: (args: ReadonlyArray<string>) => Effect.Effect<string, PythonError>
}

export class PythonRq extends Context.Tag("test/PythonRq")<PythonRq, PythonRqService>() {}

/** How long a snippet, or something that is waited for, may take. */
const patience = 15_000

const live = Clock.make()

/** Ends the process with all that it has started and has not let go. */
const killGroup = (child: ChildProcess.ChildProcess) => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    // they are gone
  }
}

const isRunning = (child: ChildProcess.ChildProcess) => child.exitCode === null && child.signalCode === null

const ended = (child: ChildProcess.ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (!isRunning(child)) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

interface Spawned {
  readonly child: ChildProcess.ChildProcess
  output: string
}

const spawn = (
  version: Version,
  args: ReadonlyArray<string>,
  stdio: ReadonlyArray<"ignore" | "pipe">,
  asksToEnd: boolean
): Effect.Effect<Spawned, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      // A group of its own: a worker's scheduler and work horses end with it.
      const child = ChildProcess.spawn(python, args, {
        stdio: [...stdio],
        env: environment(version.path),
        detached: true
      })
      const spawned: Spawned = { child, output: "" }
      child.stdout?.on("data", (data) => (spawned.output += String(data)))
      child.stderr?.on("data", (data) => (spawned.output += String(data)))
      child.on("error", (error) => (spawned.output += String(error)))
      RedisServer.watch(child, () => killGroup(child))
      return spawned
    }),
    ({ child, output }, exit) =>
      Effect.gen(function*() {
        if (Exit.isFailure(exit) && output !== "") {
          process.stderr.write(`--- ${version.label}: ${args.join(" ")}\n${output}\n---\n`)
        }
        if (asksToEnd) {
          // A worker that is asked again, a second later, ends its work horse, which is in a group of its own.
          for (let asked = 0; asked < 30 && isRunning(child); asked++) {
            child.kill("SIGTERM")
            yield* ended(child).pipe(Effect.interruptible, Effect.timeoutOption("100 millis"))
          }
        }
        killGroup(child)
        yield* ended(child)
      }).pipe(Effect.withClock(live))
  )

/** Asks again and again until it is so. */
export const eventually = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>,
  isSo: (a: A) => boolean
): Effect.Effect<A, E | PythonError, R> =>
  Effect.gen(function*() {
    const start = performance.now()
    while (true) {
      const found = yield* effect
      if (isSo(found)) return found
      if (performance.now() - start > patience) {
        return yield* new PythonError({
          type: "Timeout",
          message: `waited ${patience} ms: ${what}; at last ${JSON.stringify(found)}`
        })
      }
      yield* Effect.sleep("10 millis")
    }
  }).pipe(Effect.withClock(live))

const interpreter = (version: Version, url: string): Effect.Effect<PythonRqService["run"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = new URL("../rq/python/server.py", import.meta.url).pathname
    const spawned = yield* spawn(version, [server, url], ["pipe", "pipe", "pipe", "pipe"], false)
    const { child } = spawned
    const waiting: Array<(line: string | undefined) => void> = []
    const replies = child.stdio[3] as NodeJS.ReadableStream // asked for as a pipe
    Readline.createInterface({ input: replies }).on("line", (line) => waiting.shift()?.(line))
    child.once("exit", () => waiting.splice(0).forEach((resume) => resume(undefined)))
    child.stdin?.on("error", () => undefined) // its exit says it

    return <A>(code: string, args: Readonly<Record<string, unknown>> = {}) =>
      Effect.async<string | undefined>((resume) => {
        if (!isRunning(child)) return resume(Effect.succeed(undefined))
        waiting.push((line) => resume(Effect.succeed(line)))
        child.stdin?.write(`${JSON.stringify({ code, args })}\n`)
      }).pipe(
        Effect.timeoutTo({ duration: patience, onSuccess: (line) => line, onTimeout: () => undefined }),
        Effect.withClock(live),
        Effect.flatMap((line): Effect.Effect<A, PythonError> => {
          const last = spawned.output.slice(-3000)
          if (line === undefined) {
            return Effect.fail(new PythonError({ type: "Exit", message: `no answer to\n${code}\n${last}` }))
          }
          const reply = JSON.parse(line) as { value: A } | { error: string; type: string } // see server.py
          return "error" in reply
            ? Effect.fail(new PythonError({ type: reply.type, message: `${reply.error}\nin\n${code}\n${last}` }))
            : Effect.succeed(reply.value)
        })
      )
  })

const make = (version: Version, url: string): Effect.Effect<PythonRqService, never, Scope.Scope> =>
  Effect.gen(function*() {
    const run = yield* interpreter(version, url)

    const rq: PythonRqService["rq"] = ([command, ...args], options = {}) =>
      Effect.map(
        spawn(
          version,
          [
            ...(options.terminal === true
              ? ["-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))", python]
              : []),
            "-m",
            "rq.cli",
            command!, // a command is always given
            "--url",
            url,
            ...args
          ],
          ["ignore", "pipe", "pipe"],
          true
        ),
        (spawned): Process => {
          const { child } = spawned
          return {
            pid: child.pid!, // Python was found by the set-up
            output: Effect.sync(() => spawned.output),
            prints: (text) =>
              Effect.asVoid(
                eventually(
                  `rq ${command} prints ${text}`,
                  Effect.sync(() => spawned.output),
                  (output) => output.includes(text)
                )
              ),
            exit: Effect.flatMap(
              Effect.timeoutOption(ended(child), patience).pipe(Effect.withClock(live)),
              (done) =>
                done._tag === "Some"
                  ? Effect.succeed({ code: child.exitCode, signal: child.signalCode })
                  : Effect.fail(
                    new PythonError({ type: "Timeout", message: `rq ${command} goes on\n${spawned.output}` })
                  )
            ),
            kill: (signal) => Effect.sync(() => void child.kill(signal))
          }
        }
      )

    return {
      version,
      url,
      run,
      rq,
      rqOutput: (args) =>
        Effect.scoped(Effect.gen(function*() {
          const process = yield* rq(args)
          const { code } = yield* process.exit
          const output = yield* process.output
          if (code !== 0) {
            return yield* new PythonError({
              type: "Exit",
              message: `rq ${args.join(" ")} ended with ${code}\n${output}`
            })
          }
          return output
        }))
    }
  })

/** RQ of one version on a server of its own, and effect-rq on the same. */
const layerOf = (version: Version) =>
  Layer.scoped(PythonRq, Effect.flatMap(RedisServer.RedisServer, ({ url }) => make(version, url))).pipe(
    Layer.provideMerge(Layer.mergeAll(Queue.layer, Registry.layer)),
    Layer.provideMerge(
      Layer.unwrapEffect(Effect.map(RedisServer.RedisServer, ({ url }) => RedisLive.layer({ url })))
    ),
    Layer.provideMerge(RedisServer.layer),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Warning)),
    Layer.orDie
  )

export type Services =
  | PythonRq
  | Queue.Queue
  | Registry.Registry
  | Redis.Redis
  | RedisServer.RedisServer
  | Scope.Scope

/** Declares a test that begins with an empty Redis. */
export type Test = (name: string, body: () => Effect.Effect<void, unknown, Services>, timeout?: number) => void

const empty = Effect.flatMap(Redis.Redis, (redis) => redis.send("FLUSHALL"))

/** Declares a group of tests for each version of RQ. */
export const suite = (name: string, body: (test: Test, version: Version) => void): void => {
  describe(name, () => {
    for (const version of versions()) {
      layer(layerOf(version), { excludeTestServices: true })(version.label, (it) => {
        body((name, test, timeout = 30_000) => it.scoped(name, () => Effect.zipRight(empty, test()), timeout), version)
      })
    }
  })
}
