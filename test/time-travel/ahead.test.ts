/**
 * Fetching ahead: what short jobs gain by it, and how what was fetched goes back when a job is not short.
 */
import { assert, describe, it } from "@effect/vitest"
import { Queue } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as keys from "../../src/wire/keys.js"
import { consistent, enqueueNamed, range, record } from "../life/support.js"
import { clocks, Task, travelling, type World } from "./support/world.js"

const names = (prefix: string, count: number): ReadonlyArray<string> => range(count).map((index) => `${prefix}${index}`)

const waiting = (world: World, queue = "q") => world.queue.jobIds(queue)

/** Jobs that come in one push: each with the time that it takes, and the options of all. */
const push = (
  world: World,
  jobs: ReadonlyArray<readonly [name: string, millis: number]>,
  options: Queue.EnqueueOptions = {}
) =>
  world.queue.enqueueMany(
    jobs.map(([name, millis]) => Queue.request(Task, { name, millis }, { jobId: name, ...options }))
  )

const short = (count: number, millis = 0) => names("n", count).map((name) => [name, millis] as const)

/** A worker that has run so many short jobs, one at a time, that it fetches ahead. */
const warm = (world: World, options: Parameters<World["worker"]>[1] = {}) =>
  Effect.gen(function*() {
    const turns: Array<number> = []
    const worker = yield* world.worker("worker", {
      concurrency: 1,
      around: (script, call) =>
        Effect.suspend(() => {
          if (script === "turn") turns.push(world.ran.length)
          return call
        }),
      ...options
    })
    yield* enqueueNamed(world, names("warm", 60))
    yield* world.settle
    assert.deepStrictEqual(world.names(), names("warm", 60))
    world.ran.length = 0
    turns.length = 0
    return { ...worker, turns }
  })

describe("fetching ahead", () => {
  for (const [clock, run] of clocks) {
    it.effect(`short jobs come many a call and run in order (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const worker = yield* warm(world)
          yield* push(world, short(300))
          yield* world.settle
          assert.deepStrictEqual(world.names(), names("n", 300))
          assert.isBelow(worker.turns.length, 30)
          assert.strictEqual((yield* worker.service.status).successful, 360)
          yield* consistent(world)
        })
      ))

    it.effect(`what waits behind a long job goes back to the front within milliseconds (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          yield* warm(world)
          yield* push(world, [["long", 60_000], ...short(10)])
          yield* world.settle
          assert.deepStrictEqual(yield* waiting(world), [])
          assert.strictEqual(yield* world.status("n9"), "started")
          yield* consistent(world)
          yield* enqueueNamed(world, ["later"])
          yield* world.adjust("10 millis")
          assert.deepStrictEqual(yield* waiting(world), [...names("n", 10), "later"])
          assert.strictEqual(yield* world.status("n0"), "queued")
          yield* consistent(world)
          const other = yield* world.worker("other")
          yield* world.settle
          assert.deepStrictEqual(
            world.ran.map(({ host, name }) => [host, name]),
            [["worker", "long"], ...[...names("n", 10), "later"].map((name) => ["other", name])]
          )
          yield* world.adjust("1 minute")
          assert.strictEqual(yield* world.status("long"), "finished")
          assert.strictEqual((yield* other.service.status).successful, 11)
          assert.strictEqual((yield* record(world, "n3")).abandoned, 0)
          yield* consistent(world)
        })
      ))
  }

  it.effect("does not begin before jobs were short, and ends when they are not", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { concurrency: 1 })
        yield* push(world, [["first", 1000], ...short(100)])
        yield* world.settle
        assert.deepStrictEqual(yield* waiting(world), names("n", 100))
        yield* world.adjust("1 second")
        assert.lengthOf(world.ran, 101)
        world.ran.length = 0
        yield* push(world, names("m", 30).map((name) => [name, 200] as const))
        yield* world.adjust("3100 millis")
        // by now the mean says so
        assert.lengthOf(yield* waiting(world), 14)
        assert.strictEqual(yield* world.status("m15"), "started")
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(world.names(), names("m", 30))
        yield* consistent(world)
      })
    ))

  it.effect("a fetched job can be stopped: it never runs", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world)
        yield* push(world, [["a", 4], ...short(5)])
        yield* world.adjust("1 millis")
        yield* world.queue.stop("n2")
        yield* world.adjust("10 millis")
        assert.deepStrictEqual(world.names(), ["a", "n0", "n1", "n3", "n4"])
        assert.strictEqual(yield* world.status("n2"), "stopped")
        yield* consistent(world)
      })
    ))

  it.effect("a timeout counts from when the job begins", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world)
        yield* push(world, [["a", 3], ["b", 998], ["c", 2000]], { timeout: "1 second" })
        yield* world.settle
        assert.strictEqual(yield* world.status("c"), "started")
        yield* world.adjust("3 seconds")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["a", 0], ["b", 3], ["c", 1001]])
        assert.strictEqual(yield* world.status("b"), "finished")
        assert.strictEqual(yield* world.status("c"), "failed")
      })
    ))

  it.effect("nothing more begins once the fleet is suspended, and nothing is lost", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world)
        yield* push(world, [["a", 4], ...short(10, 1)])
        yield* world.adjust("1 millis")
        yield* world.redis.send("SET", keys.suspended, "1")
        yield* world.adjust("100 millis")
        assert.deepStrictEqual(world.names(), ["a", "n0"])
        assert.deepStrictEqual(yield* waiting(world), names("n", 10).slice(1))
        yield* consistent(world)
        yield* world.redis.send("DEL", keys.suspended)
        yield* world.adjust("2 seconds")
        assert.deepStrictEqual(world.names(), ["a", ...names("n", 10)])
      })
    ))

  it.effect("a worker that stops puts back what has not begun at once, and does not count it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* warm(world)
        yield* push(world, [["a", 4000], ...short(10)])
        yield* world.adjust("1 millis")
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.settle
        assert.deepStrictEqual(yield* waiting(world), names("n", 10))
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.adjust("5 seconds")
        yield* Fiber.join(stopped)
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.deepStrictEqual(world.names(), ["a"])
        assert.deepStrictEqual(
          worker.events.filter(({ _tag, jobId }) => jobId.startsWith("n") || _tag === "Released"),
          []
        )
        yield* consistent(world)
      })
    ))

  it.effect("when the worker dies, what had not begun is not counted as abandoned", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* warm(world)
        yield* push(world, [["a", 60_000], ...short(10)])
        yield* world.adjust("1 millis")
        yield* worker.kill
        yield* world.worker("other", { concurrency: 20 })
        yield* world.adjust("3 minutes")
        const attempts = Effect.forEach(["a", "n0", "n9"], (id) =>
          Effect.map(record(world, id), ({ abandoned, status }) => [id, status, abandoned]))
        assert.deepStrictEqual(yield* attempts, [["a", "finished", 1], ["n0", "finished", 0], ["n9", "finished", 0]])
        assert.lengthOf(world.ran, 12)
        assert.lengthOf(
          world.texts("other").filter((text) =>
            /died with job n\d fetched ahead: back to the front/.test(text)
          ),
          10
        )
        yield* consistent(world)
      })
    ))

  it.effect("a heartbeat keeps what is fetched, and what is gone by then is not run", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world)
        yield* world.adjust("4998 millis")
        yield* push(world, [["a", 4], ...short(3)])
        yield* world.adjust("1 millis")
        // as Python deletes a job, which knows nothing of what was fetched
        yield* world.redis.send("DEL", keys.job("n1"))
        yield* world.adjust("10 millis")
        assert.deepStrictEqual(world.names(), ["a", "n0", "n2"])
        assert.isNotNull(yield* world.redis.send("HGET", keys.job("n0"), "last_heartbeat"))
        assert.deepStrictEqual(yield* world.redis.send("ZRANGE", keys.started("q"), 0, -1), [])
      })
    ))

  it.effect("no more than maxJobs are fetched and run", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* warm(world, { maxJobs: 100 })
        yield* push(world, [...short(39), ["long", 1000], ["a", 0], ["b", 0]])
        yield* world.settle
        assert.deepStrictEqual(yield* waiting(world), ["a", "b"])
        yield* world.adjust("1 second")
        assert.strictEqual((yield* worker.service.finished).successful, 100)
        assert.deepStrictEqual(yield* waiting(world), ["a", "b"])
      })
    ))

  it.effect("nothing is fetched by a worker that never runs a job again whose worker died", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world, { maxAbandons: 0 })
        yield* push(world, [["a", 1000], ...short(10)])
        yield* world.settle
        assert.deepStrictEqual(yield* waiting(world), names("n", 10))
      })
    ))

  it.effect("what comes in an earlier queue meanwhile runs before what was fetched of a later one", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* warm(world, { queues: ["high", "q"] })
        yield* push(world, [["a", 4], ...short(5, 1)])
        yield* world.adjust("2 millis")
        yield* push(world, [["urgent", 0]], { queue: "high" })
        yield* world.adjust("20 millis")
        assert.deepStrictEqual(world.names(), ["a", "n0", "urgent", "n1", "n2", "n3", "n4"])
      })
    ))
})
