/**
 * A process of the fleet: a worker with a scheduler, or a producer. It is told what to do by `FAULTS_CONFIG`, appends
 * what happens to its journal, and its log goes to stderr.
 */
import { CurrentJob, JobGroup, Worker } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { appendTo, type Journal } from "./journal.js"
import { produce, redisLayer, Run } from "./produce.js"
import type { ProcessConfig } from "./protocol.js"
import { soakProducer, soakWorker } from "./soak-process.js"
import { tell } from "./tell.js"

const handlers = (journal: Journal) =>
  JobGroup.make(Run).toLayer({
    "faults.run": ({ due, millis }) =>
      Effect.gen(function*() {
        const { attempt, executionId, id } = yield* CurrentJob.CurrentJob
        journal.write({ what: "start", id, execution: executionId, attempt, due, at: Date.now() })
        yield* Effect.sleep(millis)
        journal.write({ what: "end", id, execution: executionId, at: Date.now() })
      })
  })

const work = (config: ProcessConfig, journal: Journal) => {
  const { concurrency, heartbeatMillis, leaseMillis, tickMillis } = config.worker
  return Effect.gen(function*() {
    const worker = yield* Worker.make(JobGroup.make(Run), {
      name: config.name,
      queues: [config.queue],
      concurrency,
      heartbeat: heartbeatMillis,
      withScheduler: true,
      scheduler: { lease: leaseMillis, tick: tickMillis }
    })
    yield* tell(journal, worker)
    yield* worker.finished
    // The worker's scope is closed first, while Redis is still there to say farewell to.
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(handlers(journal), redisLayer(config.redis))))
}

const main = (config: ProcessConfig): Effect.Effect<void, unknown> => {
  const journal = appendTo(config.journal)
  switch (config.role) {
    case "worker":
      return work(config, journal)
    case "producer":
      return produce(config, journal)
    case "soak-worker":
      return soakWorker(config, journal)
    case "soak-producer":
      return soakProducer(config, journal)
  }
}

// What the harness has written.
const config = JSON.parse(process.env["FAULTS_CONFIG"] ?? "{}") as ProcessConfig
const fiber = Effect.runFork(
  main(config).pipe(
    Effect.tapErrorCause((cause) => Effect.logFatal("ended", cause)),
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)).pipe(Layer.orDie))
  )
)
fiber.addObserver((exit) => {
  const interrupted = stopping && exit._tag === "Failure"
  process.exit(exit._tag === "Success" || interrupted ? 0 : 1)
})
let stopping = false
process.once("SIGTERM", () => {
  stopping = true
  Effect.runFork(Fiber.interruptFork(fiber))
})
