/**
 * A worker whose old connection is dead here and alive for the server: Redis still hands jobs over to it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisLive, Worker } from "effect-rq"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as RedisServer from "../support/redis-server.js"
import * as Proxy from "./proxy.js"

const Ping = Job.make("faults.ping", { queue: "faults" })

describe("a worker that was cut off half-open", () => {
  it.scopedLive("runs a job soon that Redis hands over to the connection that is dead", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.start()
      const proxy = yield* Proxy.start(server.port)
      const direct = yield* RedisLive.make({ url: server.url })
      const ran = yield* Deferred.make<number>()
      yield* Worker.make(JobGroup.make(Ping), { heartbeat: "1 second" }).pipe(
        Effect.provide(
          JobGroup.make(Ping).toLayer({
            "faults.ping": () => Deferred.succeed(ran, performance.now()).pipe(Effect.asVoid)
          })
        ),
        Effect.provide(
          yield* Layer.build(
            RedisLive.layer({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeout: "400 millis" })
          )
        )
      )
      const waiters = Effect.map(
        direct.send<string>("INFO", "clients"),
        (info) => Number(/blocked_clients:(\d+)/.exec(info)?.[1])
      )
      const blocked = (count: number) =>
        Effect.repeat(waiters, { until: (now) => now === count, schedule: Schedule.spaced("10 millis") })
      yield* blocked(1)
      yield* proxy.cut(["up", "down"])
      yield* Effect.sleep("200 millis")
      yield* proxy.heal
      // The heartbeat finds out. The server knows two now, and the first of them is the one that is dead.
      yield* blocked(2)
      const queue = yield* Queue.make.pipe(Effect.provide(
        yield* Layer.build(RedisLive.layer({ url: server.url }))
      ))
      const before = performance.now()
      yield* queue.enqueue(Ping)
      assert.isBelow((yield* Deferred.await(ran)) - before, 2000)
    }), 20_000)
})
