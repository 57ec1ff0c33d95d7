/**
 * A busy fleet that is well is not called broken.
 */
import { assert, describe, it } from "@effect/vitest"
import { Doctor, Job, JobGroup, Queue, Redis, RedisLive, Worker } from "effect-rq"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as RedisServer from "../support/redis-server.js"

const Work = Job.make("app.work", { payload: { millis: Schema.Number }, queue: "load", resultTtl: "1 second" })
const Flaky = Job.make("app.flaky", { queue: "load", retry: { max: 3, intervals: ["100 millis"] } })
const Jobs = JobGroup.make(Work, Flaky)

const Live = Layer.merge(Queue.layer, Doctor.layer).pipe(
  Layer.provideMerge(
    Layer.unwrapScoped(Effect.map(RedisServer.start(), ({ url }) => Layer.orDie(RedisLive.layer({ url }))))
  )
)

describe("the doctor", () => {
  it.live("finds nothing wrong with a fleet at full load", () =>
    Effect.gen(function*() {
      const doctor = yield* Doctor.Doctor
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      const handlers = Jobs.toLayer({
        "app.work": ({ millis }) => millis > 0 ? Effect.sleep(millis) : Effect.void,
        "app.flaky": () => Effect.dieMessage("on purpose")
      })
      for (const name of ["w1", "w2"]) {
        yield* Worker.make(Jobs, { queues: ["load"], name, concurrency: 10, withScheduler: true }).pipe(
          Effect.provide(handlers)
        )
      }
      let enqueued = 0
      const produce = Effect.gen(function*() {
        const refs = yield* queue.enqueueMany([
          ...Array.from({ length: 50 }, (_, index) => Queue.request(Work, { millis: index % 10 })),
          Queue.request(Flaky)
        ])
        yield* queue.enqueueIn("30 millis", Work, { millis: 0 })
        yield* queue.enqueue(Work, { millis: 0 }, { dependsOn: refs[0]! })
        yield* queue.enqueue(Work, { millis: 0 }, { repeat: { times: 2, intervals: ["50 millis"] } })
        yield* queue.cancel((yield* queue.enqueueIn("1 hour", Work, { millis: 0 })).id)
        yield* queue.requeue(refs[0]!.id)
        enqueued += refs.length + 4
        // as fast as they are run, so that there is always something on its way
        while ((yield* queue.length("load")) > 200) yield* Effect.sleep(5)
      })
      const stop = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.raceFirst(Effect.forever(produce), Deferred.await(stop)))
      for (let i = 0; i < 3; i++) {
        const before = enqueued
        const report = yield* doctor.examine({ pause: "100 millis", sample: 500 })
        const findings = report.findings.filter(({ code }) => code !== "server-persistence")
        assert.deepStrictEqual(findings, [])
        assert.isAbove(report.jobs, 0)
        assert.isAbove(enqueued, before, "it went on meanwhile")
      }
      assert.isAbove(enqueued, 200)
      yield* Deferred.succeed(stop, undefined)
      assert.isAbove(yield* redis.send<number>("DBSIZE"), 0)
    }).pipe(Effect.scoped, Effect.provide(Live), Effect.timeout("18 seconds")))

  it.live("knows its own keys behind a prefix", () =>
    Effect.gen(function*() {
      const { url } = yield* RedisServer.start()
      const bare = yield* RedisLive.make({ url })
      const redis = yield* RedisLive.make({ url, keyPrefix: "{app}:" })
      const doctor = yield* Effect.provideService(Doctor.make, Redis.Redis, redis)
      const old = "2026-01-01T00:00:00.000000Z"
      yield* redis.send("SADD", "rq:queues", "rq:queue:q")
      for (const id of ["lost", "twice", "handed"]) {
        yield* redis.send("HSET", `rq:job:${id}`, "data", "[]", "origin", "q", "status", "queued", "enqueued_at", old)
      }
      yield* redis.send("RPUSH", "rq:queue:q", "twice")
      yield* redis.send("ZADD", "rq:failed:q", -1, "twice")
      yield* redis.send("RPUSH", "rq:effect:handover:q:w", "handed")
      yield* redis.send("SADD", "rq:workers:q", "rq:worker:w")
      yield* bare.send("HSET", "rq:job:somebody-elses", "status", "queued", "data", "[]", "origin", "q")
      const report = yield* doctor.examine({ pause: 0 })
      const mended = yield* doctor.mend(report.findings)
      assert.deepStrictEqual(mended.map(({ finding, left }) => [finding.code, finding.key._tag, left._tag]).sort(), [
        ["dead-worker", "Some", "None"],
        ["lost-job", "None", "None"],
        ["stray-entry", "Some", "None"],
        ["stray-handover", "Some", "None"]
      ])
      assert.sameMembers([...(yield* redis.send<ReadonlyArray<string>>("LRANGE", "rq:queue:q", 0, -1))], [
        "lost",
        "twice",
        "handed"
      ])
      assert.deepStrictEqual(yield* redis.send("EXISTS", "rq:failed:q", "rq:workers:q"), 0)
    }).pipe(Effect.scoped))
})
