/**
 * Generates the Python module, starts a worker, and lets a Python program enqueue and read the result. It needs a Redis
 * server (REDIS_URL) and a Python with RQ (RQ_PYTHON, default: python3), since the two are different processes.
 */
import { Command, FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"
import { Contract, RedisLive, Worker } from "effect-rq"
import { fileURLToPath } from "node:url"
import { Handlers, Jobs } from "./jobs.js"

/** Where this file is; its sources are bundled when it is run as an example. */
declare const EXAMPLE_FOLDER: string | undefined
const here = typeof EXAMPLE_FOLDER === "string" ? EXAMPLE_FOLDER : fileURLToPath(new URL(".", import.meta.url))

const program = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const python = yield* Config.string("RQ_PYTHON").pipe(Config.withDefault("python3"))
  const url = yield* Config.string("REDIS_URL")

  const folder = yield* files.makeTempDirectoryScoped()
  yield* files.writeFileString(path.join(folder, "billing_jobs.py"), yield* Contract.toPython(Jobs))

  const producer = Command.make(python, path.join(here, "producer.py")).pipe(
    Command.env({ PYTHONPATH: folder, REDIS_URL: url }),
    Command.stdout("inherit"),
    Command.stderr("inherit")
  )
  const code = yield* Command.exitCode(producer)
  if (code !== 0) return yield* Effect.fail(`the Python program ended with code ${code}`)
})

const WorkerLive = Worker.layer(Jobs).pipe(
  Layer.provide(Handlers),
  Layer.provide(RedisLive.layerConfig(RedisLive.config))
)

// Without a server the worker would wait for one; that none was named is better said at once.
const main = Effect.zipRight(Config.string("REDIS_URL"), Effect.provide(program, WorkerLive))

NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(NodeContext.layer)))
