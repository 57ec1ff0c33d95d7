/**
 * The fleet from outside: suspended, paused, shut down.
 */
import { assert, describe, it } from "@effect/vitest"
import { Control, Redis } from "effect-rq"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { client, consistent, enqueueNamed, hget, range, Task, travelling, type World } from "./support.js"

const control = (world: World) => Effect.provideService(Control.make, Redis.Redis, world.redis)

const workerState = (world: World, name: string) => world.redis.send<string | null>("HGET", keys.worker(name), "state")

const runsOf = (world: World) => world.ran.map(({ at, name }) => [name, at])

describe("suspend", () => {
  it.effect("lets what runs go on and nothing begin; resume is noticed within a second", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        const workers = yield* Effect.forEach(["busy", "idle"], (name) => world.worker(name, { queues: [name, "q"] }))
        yield* enqueueNamed(world, ["runs"], 5000, { queue: "busy" })
        yield* world.adjust("1 second")
        assert.isFalse(yield* fleet.isSuspended)
        yield* fleet.suspend()
        assert.isTrue(yield* fleet.isSuspended)
        assert.strictEqual(yield* world.redis.send("GET", "rq:suspended"), "1")
        assert.deepStrictEqual(yield* fleet.suspension, Option.some({ until: Option.none() }))
        // a push meets workers that wait on the server
        yield* enqueueNamed(world, range(20).map((index) => `n${index}`))
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(runsOf(world), [["runs", 0]])
        assert.strictEqual(yield* world.status("runs"), "finished")
        assert.strictEqual(yield* world.queue.length("q"), 20, "nothing is held by a worker")
        yield* consistent(world)
        for (const { name } of workers) assert.strictEqual(yield* workerState(world, name), "suspended", name)
        yield* fleet.resume
        yield* world.adjust("1 second")
        assert.lengthOf(world.ran, 21)
        yield* world.adjust("1 second")
        for (const { name } of workers) assert.strictEqual(yield* workerState(world, name), "idle", name)
        assert.strictEqual(yield* world.status("n19"), "finished")
        yield* consistent(world)
        for (const { name } of workers) {
          const said = world.texts(name).filter((text) => /suspended|resumed/.test(text))
          assert.deepStrictEqual(said, ["suspended, taking no jobs", "resumed"])
        }
        // and they wait on the server as before
        yield* world.adjust("1 minute")
        yield* enqueueNamed(world, ["after"])
        yield* world.settle
        assert.strictEqual(yield* world.status("after"), "finished")
      })
    ))

  it.effect("ends by itself after its duration, in whole seconds", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        yield* world.worker("worker")
        yield* world.adjust("1 second")
        assert.deepStrictEqual(yield* fleet.suspension, Option.none())
        yield* fleet.suspend({ duration: "9200 millis" })
        const { until } = Option.getOrThrow(yield* fleet.suspension)
        const now = yield* Clock.currentTimeMillis
        assert.deepStrictEqual(until, Option.some(DateTime.unsafeMake(now + 10_000)))
        yield* enqueueNamed(world, ["a"])
        yield* world.adjust("10 seconds")
        assert.isTrue(yield* fleet.isSuspended)
        assert.deepStrictEqual(Option.flatMap(yield* fleet.suspension, ({ until }) => until), until)
        assert.deepStrictEqual(world.ran, [])
        yield* world.adjust(1)
        assert.isFalse(yield* fleet.isSuspended)
        assert.deepStrictEqual(yield* fleet.suspension, Option.none())
        yield* world.adjust("1 second")
        assert.deepStrictEqual(world.names(), ["a"])
        const error = yield* Effect.flip(fleet.suspend({ duration: 0 }))
        assert.instanceOf(error, Control.InvalidOptions)
      })
    ))

  it.effect("does not stop the scheduler, nor a worker from handing in, retrying and being stopped", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        const worker = yield* world.worker("worker", { withScheduler: true })
        yield* enqueueNamed(world, ["a"], 10_000)
        yield* enqueueNamed(world, ["b"], 100_000)
        yield* world.queue.enqueueIn("5 seconds", Task, {
          name: "due"
        }, { jobId: "due" })
        yield* world.settle
        yield* fleet.suspend()
        yield* world.adjust("11 seconds")
        assert.strictEqual(yield* world.status("due"), "queued")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.strictEqual((yield* world.queue.stop("b", { wait: "1 second" })).outcome, "stopped")
        yield* worker.stop
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["due"])
        yield* consistent(world)
      })
    ))

  it.effect("loses nothing and starts nothing, at whatever moment it meets a push", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        const starting = yield* Effect.fork(
          world.worker("worker", { around: (_, call) => Effect.zipLeft(Effect.delay(call, 3), Effect.sleep(3)) })
        )
        yield* world.adjust("1 second")
        yield* Fiber.join(starting)
        for (const offset of range(20)) {
          const id = `n${offset}`
          yield* Effect.fork(Effect.delay(enqueueNamed(world, [id]), 10))
          yield* Effect.fork(Effect.delay(fleet.suspend(), offset))
          yield* world.adjust("5 seconds")
          const started = world.names().includes(id)
          assert.strictEqual(yield* world.status(id), started ? "finished" : "queued")
          if (!started) assert.deepStrictEqual(yield* world.queue.jobIds("q"), [id])
          yield* consistent(world)
          yield* fleet.resume
          yield* world.adjust("2 seconds")
          assert.strictEqual(yield* world.status(id), "finished", id)
        }
        assert.strictEqual(new Set(world.names()).size, 20)
        assert.lengthOf(world.ran, 20)
      })
    ))

  it.effect("ends a burst, as in RQ: it has nothing that it may do", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        yield* fleet.suspend()
        yield* enqueueNamed(world, ["a", "b"])
        const worker = yield* world.worker("worker", { burst: true })
        const { successful } = yield* worker.service.finished
        yield* worker.stop
        assert.strictEqual(successful, 0)
        assert.deepStrictEqual(world.texts("worker"), ["suspended, taking no jobs; the burst ends, whatever waits"])
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a", "b"])
        yield* consistent(world)
      })
    ))
})

describe("pause", () => {
  it.effect("holds one queue back, the others are served; unpause is noticed within a second", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        yield* world.worker("worker", { queues: ["high", "low"], concurrency: 2 })
        yield* world.adjust("1 second")
        yield* fleet.pause("high")
        yield* fleet.pause("another")
        assert.deepStrictEqual(yield* fleet.paused, ["another", "high"])
        yield* enqueueNamed(world, ["h1", "h2", "h3"], 0, { queue: "high" })
        yield* enqueueNamed(world, ["l1"], 0, { queue: "low" })
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(world.names(), ["l1"])
        assert.deepStrictEqual(yield* world.queue.jobIds("high"), ["h1", "h2", "h3"])
        yield* consistent(world)
        // an idle worker with a paused queue is woken by another one at once
        yield* enqueueNamed(world, ["l2"], 0, { queue: "low" })
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["l1", "l2"])
        assert.strictEqual(yield* workerState(world, "worker"), "idle")
        yield* fleet.unpause("high")
        yield* world.adjust("1 second")
        assert.deepStrictEqual(world.names().slice(2), ["h1", "h2", "h3"])
        yield* world.adjust("10 seconds")
        yield* enqueueNamed(world, ["h4"], 0, { queue: "high" })
        yield* world.settle
        assert.strictEqual(yield* world.status("h4"), "finished")
        assert.deepStrictEqual(yield* fleet.paused, ["another"])
        // what is suspended meanwhile changes nothing of a queue
        yield* fleet.pause("low")
        yield* world.adjust("2 seconds")
        yield* enqueueNamed(world, ["h5"], 0, { queue: "high" })
        yield* world.adjust("2 seconds")
        yield* fleet.suspend({ duration: "5 seconds" })
        yield* enqueueNamed(world, ["h6"], 0, { queue: "high" })
        yield* world.adjust("10 seconds")
        assert.strictEqual(yield* world.status("h6"), "finished")
        assert.deepStrictEqual(world.texts("worker"), [
          "queue high is paused, taking none of its jobs",
          "queue high is paused no more",
          "queue low is paused, taking none of its jobs",
          "suspended, taking no jobs",
          "resumed"
        ])
      })
    ))

  it.effect("ends a burst that has nothing else to do, and says so", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        yield* fleet.pause("high")
        yield* enqueueNamed(world, ["h1"], 0, { queue: "high" })
        yield* enqueueNamed(world, ["l1", "l2"], 0, { queue: "low" })
        const worker = yield* world.worker("worker", { queues: ["high", "low"], burst: true })
        const { successful } = yield* worker.service.finished
        yield* worker.stop
        assert.strictEqual(successful, 2)
        assert.deepStrictEqual(
          world.logs.map(({ level, text }) => [level, text]),
          [
            ["WARN", "queue high is paused, taking none of its jobs; the burst ends, whatever waits"]
          ]
        )
        assert.deepStrictEqual(yield* world.queue.jobIds("high"), ["h1"])
      })
    ))

  it.effect("costs an idle worker a look a second and no more", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const fleet = yield* control(world)
        let turns = 0
        yield* world.worker("worker", {
          queues: ["high", "low"],
          around: (name, call) =>
            Effect.suspend(() => {
              if (name === "turn") turns++
              return call
            })
        })
        yield* fleet.pause("high")
        yield* enqueueNamed(world, ["h1"], 0, { queue: "high" })
        yield* world.adjust("10 seconds")
        turns = 0
        yield* world.adjust("1 minute")
        assert.isAtMost(turns, 150)
        assert.isAtLeast(turns, 20)
      })
    ))
})

describe("shutdown", () => {
  it.effect("ends a worker in peace, from another process: what runs ends, it leaves the sets, finished resolves", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const other = yield* client(world)
        const fleet = yield* Effect.provideService(Control.make, Redis.Redis, other.redis)
        const worker = yield* world.worker("first", { concurrency: 2 })
        yield* enqueueNamed(world, ["short"], 4000)
        yield* enqueueNamed(world, ["long"], 60_000)
        yield* world.adjust("1 second")
        const finished = yield* Effect.fork(worker.service.finished)
        assert.isTrue(yield* fleet.shutdown("first"))
        assert.isFalse(yield* fleet.shutdown("nobody"))
        yield* enqueueNamed(world, ["later"])
        yield* world.adjust("9999 millis")
        assert.strictEqual((yield* worker.service.status).state, "stopping")
        assert.isNull(finished.unsafePoll())
        assert.isTrue(yield* fleet.shutdown("first"), "told twice")
        yield* world.adjust("2 seconds")
        assert.deepStrictEqual(yield* Fiber.join(finished), { name: "first", successful: 1, failed: 0, released: 1 })
        assert.strictEqual(yield* world.status("short"), "finished")
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["long", "later"])
        assert.deepStrictEqual(yield* world.redis.send("SMEMBERS", keys.workers), [])
        assert.deepStrictEqual(yield* world.redis.send("SMEMBERS", keys.workersOf("q")), [])
        assert.isNotNull(yield* world.redis.send("HGET", keys.worker("first"), "death"))
        assert.isNull(yield* hget(world, "long", "abandon_count"))
        yield* consistent(world)
        // its scope is closed later, and finds nothing to do; meanwhile it stays away
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(yield* world.redis.send("SMEMBERS", keys.workers), [])
        yield* worker.stop
        assert.isFalse(yield* fleet.shutdown("first"))
      })
    ))

  it.effect("by the message that RQ's tools send", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker")
        yield* world.adjust("1 second")
        yield* world.redis.send("PUBLISH", "rq:pubsub:worker", `{"command": "shutdown"}`)
        yield* world.settle
        assert.deepStrictEqual(yield* worker.service.finished, {
          name: "worker",
          successful: 0,
          failed: 0,
          released: 0
        })
      })
    ))
})
