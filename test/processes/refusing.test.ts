/**
 * A server that takes no writes for a while: a replica after a failover, one without enough replicas, one whose disk is
 * full. How jobs have ended meanwhile is handed in when it does again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, RedisLive, Worker } from "effect-rq"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { eventually } from "../support/python-rq.js"
import * as RedisServer from "../support/redis-server.js"

const Double = Job.make("test.double", { payload: { n: Schema.Number }, success: Schema.Number, queue: "q" })
const Jobs = JobGroup.make(Double)
const numbers = [1, 2, 3, 4, 5]

interface Refusal {
  readonly code: string
  readonly begin: (server: RedisServer.Server) => Effect.Effect<unknown, unknown, Redis.Redis>
  readonly end: (server: RedisServer.Server) => Effect.Effect<unknown, unknown, Redis.Redis>
}

const send = (...command: ReadonlyArray<string>) =>
  Effect.flatMap(Redis.Redis, (redis) => redis.send(command[0]!, ...command.slice(1)))

const refusals: ReadonlyArray<Refusal> = [
  {
    code: "NOREPLICAS",
    begin: () => send("CONFIG", "SET", "min-replicas-to-write", "1"),
    end: () => send("CONFIG", "SET", "min-replicas-to-write", "0")
  },
  { code: "READONLY", begin: () => send("REPLICAOF", "127.0.0.1", "1"), end: () => send("REPLICAOF", "NO", "ONE") },
  {
    code: "MISCONF",
    begin: ({ dir }) =>
      Effect.gen(function*() {
        // where the snapshot would be renamed to is a folder with something in it
        yield* Effect.sync(() => Fs.mkdirSync(`${dir}/dump.rdb/in the way`, { recursive: true }))
        yield* send("CONFIG", "SET", "save", "1 1")
        yield* eventually(
          "a snapshot has failed",
          send("INFO", "persistence"),
          (info) => String(info).includes("rdb_last_bgsave_status:err")
        )
      }),
    end: ({ dir }) =>
      Effect.gen(function*() {
        yield* Effect.sync(() => Fs.rmSync(`${dir}/dump.rdb`, { recursive: true }))
        yield* send("CONFIG", "SET", "save", "")
        yield* send("BGSAVE")
        yield* eventually(
          "a snapshot has succeeded",
          send("INFO", "persistence"),
          (info) => String(info).includes("rdb_last_bgsave_status:ok")
        )
      })
  }
]

describe("a server that refuses to write", () => {
  for (const { begin, code, end } of refusals) {
    it.live(
      `for a while (${code}): what ended meanwhile has ended once, with its result`,
      () =>
        Effect.gen(function*() {
          const server = yield* RedisServer.start()
          const said: Array<string> = []
          const ran: Array<number> = []
          const release = yield* Deferred.make<void>()
          const Handlers = Jobs.toLayer({
            "test.double": ({ n }) =>
              Effect.zipRight(Effect.sync(() => ran.push(n)), Effect.as(Deferred.await(release), n * 2))
          })
          yield* Effect.gen(function*() {
            const redis = yield* Redis.Redis
            const queue = yield* Queue.Queue
            const worker = yield* Worker.make(Jobs, { name: "w", heartbeat: "1 second" })
            yield* queue.enqueueMany(numbers.map((n) => Queue.request(Double, { n }, { jobId: `j${n}` })))
            yield* eventually("all run", worker.status, ({ running }) => running.length === numbers.length)
            yield* begin(server)
            assert.strictEqual((yield* Effect.flip(redis.send("SET", "key", "value"))).code, code)
            yield* Deferred.succeed(release, undefined)
            yield* eventually("all handlers have ended", worker.status, ({ running }) => running.length === 0)
            yield* eventually(
              "it is told",
              Effect.sync(() => said),
              (all) => all.some((text) => text.includes("can't be used"))
            )
            assert.isTrue(Option.isNone(yield* queue.result(Double, "j1")))
            yield* end(server)
            yield* eventually(
              "all are handed in",
              redis.send<number>("ZCARD", "rq:finished:q"),
              (count) => count === numbers.length
            )
            const jobs = yield* Effect.forEach(numbers, (n) => queue.fetch(`j${n}`))
            assert.deepStrictEqual(jobs.map((job) => Option.getOrThrow(job).abandoned), [0, 0, 0, 0, 0])
            assert.deepStrictEqual([...ran].sort(), numbers)
            assert.strictEqual((yield* worker.status).successful, numbers.length)
            assert.deepStrictEqual(said.filter((text) => /taken away|foreign|died/.test(text)), [])
          }).pipe(
            Effect.scoped,
            Effect.provide(
              Layer.mergeAll(
                Handlers,
                Queue.layer,
                Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => said.push(String(message))))
              ).pipe(Layer.provideMerge(RedisLive.layer({ url: server.url })))
            )
          )
        }).pipe(Effect.scoped),
      60_000
    )
  }
})
