/**
 * Real servers for tests: Redis or Valkey, on a free port of the loopback interface, in a directory of its own, stopped
 * with the scope.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Tls from "node:tls"

export class RedisServerError extends Data.TaggedError("RedisServerError")<{ readonly message: string }> {}

export interface Options {
  /** Further arguments of the server, such as `["--appendonly", "yes"]`. The last one of a name wins. */
  readonly args?: ReadonlyArray<string>
  /** Sets `requirepass`; the url then carries it. */
  readonly password?: string
  /** Starts a Sentinel: the lines of its configuration file. */
  readonly sentinel?: ReadonlyArray<string>
  /** Certificate and key files: the port then speaks TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
  /** Taken instead of a free port. */
  readonly port?: number
}

export interface Server {
  readonly host: string
  readonly port: number
  /** `redis://` (or `rediss://`) url, with the password where there is one. */
  readonly url: string
  /** Working directory: persistence files are written here. */
  readonly dir: string
  /** Unix socket on which the server listens as well. */
  readonly socket: string
  /** The pid of the process that runs now. */
  readonly pid: Effect.Effect<number>
  /** Asks the server to end (SIGTERM) and waits until it has. */
  readonly stop: Effect.Effect<void>
  /** Ends the process at once (SIGKILL) and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Stops the process, without any reaction to its clients, until `resume`. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Starts the server again on the same port and directory, ending it first where it still runs. */
  readonly restart: Effect.Effect<void, RedisServerError>
}

/** Where the executable of a name is, or undefined. */
export const which = (...names: ReadonlyArray<string>): string | undefined => {
  for (const name of names) {
    for (const dir of (process.env["PATH"] ?? "").split(Path.delimiter)) {
      const file = Path.join(dir, name)
      try {
        Fs.accessSync(file, Fs.constants.X_OK)
        return file
      } catch {
        // not in this directory
      }
    }
  }
  return undefined
}

export const findBinary = (): string | undefined => which("redis-server", "valkey-server")

/** A port that nobody listens on. */
export const freePort: Effect.Effect<number, RedisServerError> = Effect.async((resume) => {
  const server = Net.createServer()
  server.once("error", (error) => resume(Effect.fail(new RedisServerError({ message: error.message }))))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(
        typeof address === "object" && address !== null
          ? Effect.succeed(address.port)
          : Effect.fail(new RedisServerError({ message: "no address" }))
      )
    )
  })
})

/** One attempt to have PING answered. An error reply is an answer too, except while the server loads its data. */
const answers = (port: number, tls: boolean): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = tls
      ? Tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false })
      : Net.connect({ host: "127.0.0.1", port })
    const done = (ok: boolean) => {
      socket.destroy()
      resume(Effect.succeed(ok))
    }
    socket.once(tls ? "secureConnect" : "connect", () => socket.write("PING\r\n"))
    socket.once("data", (data) => done(!data.toString().startsWith("-LOADING")))
    socket.once("error", () => done(false))
    socket.once("close", () => done(false))
    socket.setTimeout(1000, () => done(false))
  })

const running = new Map<ChildProcess.ChildProcess, () => void>()
const killAll = () => running.forEach((kill) => kill())

/** A run that is cut short must not leave processes behind. */
export const watch = (
  child: ChildProcess.ChildProcess,
  kill: () => void = () => child.kill("SIGKILL")
) => {
  if (running.size === 0) {
    process.once("exit", killAll)
    for (const signal of signals) process.once(signal, onSignal)
  }
  running.set(child, kill)
  child.once("exit", () => {
    running.delete(child)
    if (running.size === 0) {
      process.removeListener("exit", killAll)
      for (const signal of signals) process.removeListener(signal, onSignal)
    }
  })
}

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const

/** Where the signal ends the process, ours go first. Where somebody else listens to it, it is theirs. */
const onSignal = (signal: NodeJS.Signals) => {
  if (process.listenerCount(signal) > 0) return
  killAll()
  process.kill(process.pid, signal)
}

/** Servers live in real time, also under a test clock. */
const live = Clock.make()

const defaults = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--protected-mode", "no"]

const make = (options: Options): Effect.Effect<Server & { readonly launch: Server["restart"] }, RedisServerError> =>
  Effect.gen(function*() {
    const found = findBinary()
    if (found === undefined) {
      return yield* new RedisServerError({ message: "neither redis-server nor valkey-server is on PATH" })
    }
    const dir = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-redis-"))
    const port = options.port ?? (yield* freePort)
    const socket = Path.join(dir, "redis.sock")
    const where = ["--bind", "127.0.0.1", "--dir", dir]
    const ports = options.tls === undefined
      ? ["--port", String(port), "--unixsocket", socket]
      : [
        "--port",
        "0",
        "--tls-port",
        String(port),
        "--tls-cert-file",
        options.tls.cert,
        "--tls-key-file",
        options.tls.key,
        "--tls-ca-cert-file",
        options.tls.ca,
        "--tls-auth-clients",
        "no"
      ]
    const config = Path.join(dir, "sentinel.conf")
    if (options.sentinel !== undefined) {
      Fs.writeFileSync(config, [`port ${port}`, "bind 127.0.0.1", `dir ${dir}`, ...options.sentinel, ""].join("\n"))
    }
    const args = options.sentinel !== undefined
      ? [config, "--sentinel"]
      : [
        ...defaults,
        ...where,
        ...ports,
        ...(options.password === undefined ? [] : ["--requirepass", options.password]),
        ...(options.args ?? [])
      ]

    let child: ChildProcess.ChildProcess | undefined
    let output = ""
    const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null

    const signal = (name: NodeJS.Signals) =>
      Effect.async<void>((resume) => {
        const current = child
        if (current === undefined || !isRunning()) {
          return resume(Effect.void)
        }
        current.once("exit", () => resume(Effect.void))
        current.kill(name)
      })
    const stop = signal("SIGTERM").pipe(
      Effect.timeoutTo({
        duration: "3 seconds",
        onSuccess: () => Effect.void,
        onTimeout: () => signal("SIGKILL")
      }),
      Effect.flatten
    )

    const launch = Effect.gen(function*() {
      output = ""
      const started = ChildProcess.spawn(found, args, { stdio: ["ignore", "pipe", "pipe"] })
      child = started
      started.stdout.on("data", (data) => (output += String(data)))
      started.stderr.on("data", (data) => (output += String(data)))
      started.on("error", (error) => (output += String(error)))
      watch(started)
      for (let attempt = 0; attempt < 1000; attempt++) {
        if (yield* answers(port, options.tls !== undefined)) return
        if (!isRunning()) break
        yield* Effect.sleep("5 millis")
      }
      return yield* new RedisServerError({
        message: `${found} did not start on port ${port}:\n${output.slice(-2000)}`
      })
    }).pipe(Effect.withClock(live))

    const url = options.tls !== undefined ? "rediss://" : "redis://"
    const credentials = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`
    return {
      host: "127.0.0.1",
      port,
      url: `${url}${credentials}127.0.0.1:${port}`,
      dir,
      socket,
      pid: Effect.sync(() => child?.pid ?? -1),
      stop,
      kill: signal("SIGKILL"),
      pause: Effect.sync(() => void child?.kill("SIGSTOP")),
      resume: Effect.sync(() => void child?.kill("SIGCONT")),
      restart: Effect.zipRight(stop, launch),
      launch
    }
  })

/** Starts a server (about 20 ms) and stops it with the scope. It keeps nothing on disk unless told to. */
export const start = (options: Options = {}): Effect.Effect<Server, RedisServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tap(make(options), (server) => Effect.tapError(server.launch, () => server.kill)),
    (server) =>
      Effect.zipRight(
        Effect.zipRight(server.resume, server.kill),
        Effect.sync(() => Fs.rmSync(server.dir, { recursive: true, force: true }))
      )
  )

export class RedisServer extends Context.Tag("test/RedisServer")<RedisServer, Server>() {}

/** A server of one's own, for as long as the layer lives. */
export const layerWith = (options: Options): Layer.Layer<RedisServer, RedisServerError> =>
  Layer.scoped(RedisServer, start(options))

export const layer: Layer.Layer<RedisServer, RedisServerError> = layerWith({})
