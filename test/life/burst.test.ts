/**
 * The end of a burst: what a job leaves behind for the same queue as it ends (its repetition, its retry, what depended on
 * it) is run as well, however the calls of the two pumps and their replies overlap.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisLive, Worker } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as RedisServer from "../support/redis-server.js"
import { consistent, enqueueNamed, range, Task, TaskFailed, travelling, type World } from "./support.js"

/** How a queue comes by more work while a worker empties it, and how many executions that makes. */
const kinds: ReadonlyArray<
  readonly [kind: string, executions: number, enqueue: (world: World) => Effect.Effect<unknown, unknown>]
> = [
  ["repeat", 4, (world) => enqueueNamed(world, ["more"], 0, { repeat: { times: 3 } })],
  ["retry", 4, (world) => enqueueNamed(world, ["bad"], 0, { retry: { max: 3 } })],
  [
    "dependsOn",
    2,
    (world) =>
      Effect.zipRight(enqueueNamed(world, ["first"]), enqueueNamed(world, ["second"], 0, { dependsOn: "first" }))
  ]
]

const handler = ({ millis, name }: typeof Task.payloadSchema.Type) =>
  Effect.zipRight(
    millis > 0 ? Effect.sleep(millis) : Effect.void,
    name === "bad" ? new TaskFailed({ code: 1 }) : Effect.succeed(name)
  )

/** Runs a burst over what was queued. */
const burst = (world: World, options: Parameters<World["worker"]>[1], executions: number) =>
  Effect.gen(function*() {
    const worker = yield* world.worker("worker", { burst: true, handler, ...options })
    // As it says so, and not only when it has stopped: it still runs what comes meanwhile.
    const left = yield* Effect.fork(
      Effect.zipRight(worker.service.finished, Effect.zip(world.queue.jobIds("q"), Effect.sync(() => world.ran.length)))
    )
    yield* world.adjust("1 minute")
    assert.deepStrictEqual(yield* Fiber.join(left), [[], executions])
    yield* consistent(world)
    yield* worker.stop
    assert.deepStrictEqual(yield* world.queue.jobIds("q"), [])
  })

describe("a burst ends when nothing is left", () => {
  for (const [kind, executions, enqueue] of kinds) {
    it.effect(`although the call that hands in is slower than the one that finds nothing: ${kind}`, () =>
      Effect.forEach(range(12), (others) =>
        travelling((world) =>
          Effect.gen(function*() {
            yield* enqueueNamed(world, range(others).map((index) => `n${index}`))
            yield* enqueue(world)
            yield* burst(world, {
              around: (script, call, [params]) => {
                if (script !== "turn") return call
                const { ended, want } = params as { readonly ended: ReadonlyArray<unknown>; readonly want: number }
                return ended.length > 0 && want === 0
                  ? Effect.zipRight(Effect.sleep(50), call)
                  : Effect.delay(call, 1)
              }
            }, others + executions)
          })
        ), { discard: true }))

    it.effect(`whatever a call and its reply take: ${kind}`, () =>
      Effect.forEach(range(150), (seed) =>
        travelling((world) =>
          Effect.gen(function*() {
            const others = yield* Random.nextIntBetween(0, 16)
            const concurrency = yield* Random.nextIntBetween(1, 12)
            const longest = yield* Random.nextIntBetween(0, 4)
            for (const index of range(others)) {
              yield* enqueueNamed(world, [`n${index}`], yield* Random.nextIntBetween(0, longest + 1))
            }
            yield* enqueue(world)
            const some = Effect.flatMap(Random.nextIntBetween(0, 6), (millis) => Effect.sleep(millis))
            yield* burst(world, {
              concurrency,
              around: (script, call) => script === "turn" ? Effect.zipLeft(Effect.zipRight(some, call), some) : call
            }, others + executions)
          }), { seed }), { discard: true }))
  }
})

describe("a burst with a scheduler", () => {
  const scheduled = (world: World) =>
    Effect.gen(function*() {
      for (const name of ["due", "too", "later"]) {
        yield* world.queue.enqueueIn(name === "later" ? "1 hour" : "1 second", Task, { name }, { jobId: name })
      }
      yield* world.adjust("10 seconds")
    })
  const runBurst = (world: World, options: Parameters<World["worker"]>[1] = {}) =>
    Effect.gen(function*() {
      const worker = yield* world.worker("worker", { burst: true, withScheduler: true, handler, ...options })
      const done = yield* Effect.fork(worker.service.finished)
      yield* world.adjust("10 seconds")
      const { successful } = yield* Fiber.join(done)
      yield* worker.stop
      return successful
    })

  it.effect("runs what is due when it begins, as RQ's does", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* scheduled(world)
        assert.strictEqual(yield* runBurst(world), 2)
        assert.strictEqual(yield* world.status("later"), "scheduled")
        yield* consistent(world)
      })
    ))

  it.effect("does not wait for a queue that another leads, nor for one that nobody can", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.scheduler("other")
        yield* scheduled(world)
        assert.strictEqual(yield* runBurst(world, { queues: ["q"] }), 2)
        yield* consistent(world)
        yield* world.redis.send("HSET", "rq:scheduler-lock:foreign", "a", "b")
        assert.strictEqual(yield* runBurst(world, { queues: ["foreign"] }), 0)
      })
    ))
})

it.effect("maxJobs is reached when what ran is handed in", () =>
  travelling((world) =>
    Effect.gen(function*() {
      yield* enqueueNamed(world, ["a", "b", "c"])
      const worker = yield* world.worker("worker", {
        maxJobs: 3,
        around: (script, call, [params]) =>
          script === "turn" && (params as { readonly ended: ReadonlyArray<unknown> }).ended.length > 0
            ? Effect.zipRight(Effect.sleep(50), call)
            : call
      })
      const left = yield* Effect.fork(
        Effect.zipRight(worker.service.finished, Effect.forEach(["a", "b", "c"], world.status))
      )
      yield* world.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(left), ["finished", "finished", "finished"])
    })
  ))

const Void = Job.make("burst.void")
const Bad = Job.make("burst.bad", { error: Schema.String })
const Jobs = JobGroup.make(Void, Bad)
const Handlers = Jobs.toLayer({ "burst.void": () => Effect.void, "burst.bad": () => Effect.fail("bad") })

it.scopedLive("a burst on a server leaves nothing behind", () =>
  Effect.gen(function*() {
    const server = yield* RedisServer.start()
    yield* Effect.gen(function*() {
      const queue = yield* Queue.make
      for (const round of range(5)) {
        for (const kind of ["repeat", "retry", "dependsOn"]) {
          const options = { queue: `${kind}${round}` }
          yield* queue.enqueueMany(range(6).map(() => Queue.request(Void, {}, options)))
          if (kind === "repeat") yield* queue.enqueue(Void, {}, { ...options, repeat: { times: 3 } })
          if (kind === "retry") yield* queue.enqueue(Bad, {}, { ...options, retry: { max: 3 } })
          if (kind === "dependsOn") {
            const first = yield* queue.enqueue(Void, {}, options)
            yield* queue.enqueue(Void, {}, { ...options, dependsOn: first })
          }
          const done = yield* Worker.run(Jobs, { queues: [options.queue], burst: true }).pipe(Effect.provide(Handlers))
          assert.deepStrictEqual(
            { left: yield* queue.length(options.queue), successful: done.successful, failed: done.failed },
            {
              left: 0,
              successful: { repeat: 10, retry: 6, dependsOn: 8 }[kind],
              failed: kind === "retry" ? 4 : 0
            }
          )
        }
      }
    }).pipe(Effect.provide(RedisLive.layer({ url: server.url })))
  }))
