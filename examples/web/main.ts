/**
 * Serves the API and runs its jobs in one process. Ctrl-C ends it cleanly: no request is cut off, what runs gets its grace
 * period, and the lock is handed over.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer, Option } from "effect"
import { Queue, RedisLive, RedisMemory, Worker } from "effect-rq"
import { createServer } from "node:http"
import { Handlers, Jobs, router } from "./api.js"

const Redis = Layer.unwrapEffect(
  Effect.map(
    Config.option(Config.string("REDIS_URL")),
    Option.match({ onNone: () => RedisMemory.layer, onSome: () => RedisLive.layerConfig(RedisLive.config) })
  )
)

const Main = Layer.mergeAll(
  router.pipe(HttpServer.serve(), HttpServer.withLogAddress),
  Worker.layer(Jobs, { withScheduler: true })
).pipe(
  Layer.provide(Handlers),
  Layer.provide(Queue.layer),
  Layer.provide(Redis),
  Layer.provide(NodeHttpServer.layerConfig(createServer, {
    host: Config.string("HOST").pipe(Config.withDefault("127.0.0.1")),
    port: Config.integer("PORT").pipe(Config.withDefault(3000))
  }))
)

NodeRuntime.runMain(Layer.launch(Main))
