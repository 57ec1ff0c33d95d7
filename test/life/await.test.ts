/**
 * Waiting for the end of a job, from wherever.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, Worker } from "effect-rq"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as keys from "../../src/wire/keys.js"
import {
  client,
  consistent,
  enqueueNamed,
  messageOf,
  outcomes,
  range,
  Task,
  TaskFailed,
  travelling,
  type World
} from "./support.js"

const awaiting = (
  queue: Queue.QueueService,
  id: string,
  timeout: Duration.DurationInput = "1 hour"
) => Effect.fork(Effect.exit(queue.await(Task, id, { timeout })))

/** A job that gives nothing back. */
const Quiet = Job.make("test.quiet", { payload: { millis: Schema.Number }, queue: "q" })

const quietWorker = (world: World, name: string) =>
  world.workerOf(
    name,
    Worker.make(JobGroup.make(Quiet), { name }).pipe(
      Effect.provide(JobGroup.make(Quiet).toLayer({ "test.quiet": ({ millis }) => Effect.sleep(millis) }))
    )
  )

describe("the end", () => {
  it.effect("is a success, a typed failure, or JobFailed, told in the instant in which it comes", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: ({ millis, name }) =>
            Effect.delay(
              name === "typed"
                ? Effect.fail(new TaskFailed({ code: 7 }))
                : name === "defect"
                ? Effect.die(new Error("a bug"))
                : Effect.succeed(`done: ${name}`),
              millis
            )
        })
        const ids = ["well", "typed", "defect"]
        yield* enqueueNamed(world, ids, 90_000)
        const other = yield* client(world)
        const fibers = yield* Effect.forEach(ids, (id) => awaiting(other.queue, id))
        yield* world.adjust("89999 millis")
        for (const fiber of fibers) assert.isNull(fiber.unsafePoll())
        yield* world.adjust("1 millis")
        const [well, typed, defect] = yield* Effect.forEach(fibers, Fiber.join)
        assert.deepStrictEqual(well, Exit.succeed("done: well"))
        assert.deepStrictEqual(typed, Exit.fail(new TaskFailed({ code: 7 })))
        assert.match(messageOf(yield* Effect.flip(defect!)), /a bug/)
        // and once more, when it is over already
        assert.strictEqual(yield* other.queue.await(Task, "well", { timeout: 0 }), "done: well")
        assert.deepStrictEqual(
          yield* Effect.flip(other.queue.await(Task, "typed", { timeout: "1 second" })),
          new TaskFailed({ code: 7 })
        )
        yield* consistent(world)
      })
    ))

  it.effect("of a void job wakes as well, although it leaves no result for who does not wait", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* quietWorker(world, "worker")
        for (const id of ["a", "b", "c"]) {
          yield* world.queue.enqueue(Quiet, { millis: 1000 }, { jobId: id, ...(id === "c" ? { resultTtl: 0 } : {}) })
        }
        const fibers = yield* Effect.forEach(["a", "c"], (id) =>
          Effect.fork(world.queue.await(Quiet, id, { timeout: "10 seconds" })))
        yield* world.adjust("1 second")
        for (const fiber of fibers) {
          assert.deepStrictEqual(yield* Fiber.join(fiber), undefined)
        }
        assert.property(yield* world.dump, keys.results("a"))
        assert.notProperty(yield* world.dump, keys.results("b"))
        assert.isUndefined(yield* world.queue.await(Quiet, "b", { timeout: "1 second" }))
        assert.isNull(yield* world.status("c"))
        yield* consistent(world)
      })
    ))

  it.effect("of a job whose result is not kept comes to who waits, and then is gone", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: ({ millis, name }) =>
            Effect.delay(name === "bad" ? Effect.fail(new TaskFailed({ code: 3 })) : Effect.succeed(name), millis)
        })
        yield* enqueueNamed(world, ["good", "bad"], 5000, { resultTtl: 0, failureTtl: 0 })
        const good = yield* awaiting(world.queue, "good")
        const bad = yield* awaiting(world.queue, "bad")
        yield* world.adjust("5 seconds")
        assert.deepStrictEqual(yield* Fiber.join(good), Exit.succeed("good"))
        assert.deepStrictEqual(yield* Fiber.join(bad), Exit.fail(new TaskFailed({ code: 3 })))
        assert.isNull(yield* world.status("good"))
        assert.isNull(yield* world.status("bad"))
        yield* world.adjust("2 minutes")
        const left = Object.keys(yield* world.dump).filter((key) => key.includes("good") || key.includes("bad"))
        assert.deepStrictEqual(left, [])
        yield* consistent(world)
      })
    ))

  it.effect("of a job that is retried is its last, not a failure on the way", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          withScheduler: true,
          handler: () =>
            Effect.suspend(() =>
              world.ran.length < 4 ? Effect.fail(new TaskFailed({ code: world.ran.length })) : Effect.succeed("at last")
            )
        })
        yield* enqueueNamed(world, ["a"], 0, { retry: { max: 5, intervals: "10 minutes" } })
        const fiber = yield* awaiting(world.queue, "a")
        yield* world.adjust("29 minutes")
        assert.isNull(fiber.unsafePoll())
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["retried", "retried", "retried"])
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.succeed("at last"))
      })
    ))

  it.effect("of a worker's death is not that of the job, which another runs", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* enqueueNamed(world, ["a"], 60_000)
        const fiber = yield* awaiting(world.queue, "a")
        yield* world.adjust("6 seconds")
        yield* first.kill
        yield* world.worker("second", { handler: ({ name }) => Effect.succeed(`${name} by second`) })
        yield* world.adjust("30 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.succeed("a by second"))
      })
    ))

  it.effect("of a job that repeats is that of the next run", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          withScheduler: true,
          handler: () => Effect.sync(() => `run ${world.ran.length}`)
        })
        yield* enqueueNamed(world, ["a"], 0, { repeat: { times: 5, intervals: "1 minute" } })
        yield* world.adjust("90 seconds")
        const fiber = yield* awaiting(world.queue, "a")
        yield* world.adjust("29 seconds")
        assert.isNull(fiber.unsafePoll())
        yield* world.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.succeed("run 3"))
      })
    ))

  for (const state of ["queued", "scheduled", "deferred", "started"] as const) {
    it.effect(`of a ${state} job that is canceled meanwhile is JobFailed, at once`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          if (state === "scheduled") yield* world.queue.enqueueIn("1 day", Task, { name: "a" }, { jobId: "a" })
          else if (state === "deferred") {
            yield* world.queue.enqueueIn("1 day", Task, { name: "p" }, { jobId: "p" })
            yield* world.queue.enqueue(Task, { name: "a" }, { jobId: "a", dependsOn: "p" })
          } else yield* enqueueNamed(world, ["a"], 600_000, { timeout: "1 hour" })
          if (state === "started") yield* world.worker("worker")
          yield* world.settle
          const fiber = yield* awaiting(world.queue, "a")
          yield* world.adjust("5 minutes")
          assert.isNull(fiber.unsafePoll())
          yield* world.queue.cancel("a")
          yield* world.settle
          const error = yield* Effect.flip(yield* Fiber.join(fiber))
          assert.match(messageOf(error), state === "started" ? /stopped/ : /canceled/)
          yield* consistent(world)
        })
      ))
  }
})

describe("no end", () => {
  it.effect("in the time given is AwaitTimeout, to the millisecond, and leaves the job alone", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        yield* enqueueNamed(world, ["a"], 60_000)
        const fiber = yield* awaiting(world.queue, "a", 12_345)
        yield* world.adjust(12_344)
        assert.isNull(fiber.unsafePoll())
        yield* world.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail(new Queue.AwaitTimeout({ jobId: "a" })))
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))

  it.effect("of a job that is not there is JobMissing, also when it is deleted meanwhile", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const missing = new Queue.JobMissing({ jobId: "a" })
        assert.deepStrictEqual(yield* Effect.flip(world.queue.await(Task, "a", { timeout: "1 hour" })), missing)
        yield* enqueueNamed(world, ["a"])
        const fiber = yield* awaiting(world.queue, "a")
        yield* world.adjust("10 seconds")
        yield* world.queue.delete("a")
        yield* world.adjust("30 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail(missing))
      })
    ))

  it.effect("that was kept (a void job that has expired) is JobMissing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* quietWorker(world, "worker")
        yield* world.queue.enqueue(Quiet, { millis: 0 }, { jobId: "a", resultTtl: "1 minute" })
        yield* world.adjust("61 seconds")
        assert.instanceOf(yield* Effect.flip(world.queue.await(Quiet, "a", { timeout: "1 hour" })), Queue.JobMissing)
      })
    ))

  it.effect("that is waited for leaves nothing open: neither after a timeout nor after an interruption", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const own = yield* client(world)
        yield* enqueueNamed(world, ["a"])
        const fiber = yield* awaiting(own.queue, "a", "10 seconds")
        const interrupted = yield* awaiting(own.queue, "a")
        yield* world.adjust("5 seconds")
        assert.strictEqual(own.counts.open, 1)
        yield* Fiber.interrupt(interrupted)
        yield* world.settle
        assert.strictEqual(own.counts.open, 1)
        yield* world.adjust("5 seconds")
        yield* Fiber.join(fiber)
        yield* world.settle
        assert.strictEqual(own.counts.open, 0)
        const { calls } = own.counts
        yield* world.adjust("1 hour")
        assert.strictEqual(own.counts.calls, calls)
      })
    ))
})

describe("many", () => {
  it.effect("share one connection, and each gets its own end", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { concurrency: 500 })
        const own = yield* client(world)
        const ids = range(300).map((index) => `n${index}`)
        yield* world.queue.enqueueMany(
          ids.map((name, index) => Queue.request(Task, { name, millis: 1000 + 100 * index }, { jobId: name }))
        )
        // several wait for one and the same as well
        const fibers = yield* Effect.forEach([...ids, ...ids.slice(0, 50)], (id) => awaiting(own.queue, id))
        yield* world.adjust("16 seconds")
        assert.strictEqual(own.counts.connections, 1)
        assert.strictEqual(fibers.filter((fiber) => fiber.unsafePoll() !== null).length, 151 + 50)
        yield* world.adjust("20 seconds")
        const exits = yield* Effect.forEach(fibers, Fiber.join)
        exits.forEach((exit, index) => assert.deepStrictEqual(exit, Exit.succeed(ids[index % 300]!)))
        assert.strictEqual(own.counts.connections, 1)
        yield* world.settle
        assert.strictEqual(own.counts.open, 0)
      })
    ))

  it.effect("of which one waits for long already: who joins is woken in the instant of its own end", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        const own = yield* client(world)
        yield* enqueueNamed(world, ["long"], 100_000)
        yield* enqueueNamed(world, ["short"], 9000)
        const long = yield* awaiting(own.queue, "long")
        yield* world.adjust("5 seconds")
        const short = yield* awaiting(own.queue, "short")
        yield* world.adjust("4 seconds")
        assert.isNotNull(short.unsafePoll())
        assert.deepStrictEqual(yield* Fiber.join(short), Exit.succeed("short"))
        assert.isNull(long.unsafePoll())
        assert.strictEqual(own.counts.connections, 1)
        yield* Fiber.interrupt(long)
      })
    ))

  it.effect("that come one after the other do too: the one that joins is heard at once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { concurrency: 50 })
        const own = yield* client(world)
        const fibers: Array<Fiber.Fiber<Exit.Exit<string, unknown>>> = []
        for (const index of range(20)) {
          yield* enqueueNamed(world, [`n${index}`], 10_000)
          fibers.push(yield* awaiting(own.queue, `n${index}`))
          yield* world.adjust(300)
        }
        yield* world.adjust(4000)
        // the first has just ended
        assert.deepStrictEqual(world.names().length, 20)
        yield* world.adjust(5700)
        for (const [index, fiber] of fibers.entries()) {
          assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.succeed(`n${index}`))
        }
        assert.strictEqual(own.counts.connections, 1)
      })
    ))
})

describe("while it waits", () => {
  it.effect("it does not poll: an hour costs a few calls that block", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const own = yield* client(world)
        yield* enqueueNamed(world, range(10).map((index) => `n${index}`))
        const fibers = yield* Effect.forEach(range(10), (index) => awaiting(own.queue, `n${index}`, "1 day"))
        yield* world.adjust("1 minute")
        const { calls } = own.counts
        yield* world.adjust("1 hour")
        const spent = own.counts.calls - calls
        // one call blocks for 30 s for all; each looks every 30 s whether its job is still there
        assert.isAtMost(spent / 120, 10 * 2 + 12, `${spent} calls`)
        assert.isAtMost(own.counts.sent.slice(calls).filter((command) => command === "XREAD").length, 120 * 11)
        yield* Fiber.interruptAll(fibers)
      })
    ))

  it.effect("the connection may be lost: it goes on when Redis is back, and misses nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        const own = yield* client(world)
        yield* enqueueNamed(world, ["meanwhile"], 20_000)
        yield* enqueueNamed(world, ["after"], 60_000)
        const fibers = yield* Effect.forEach(["meanwhile", "after"], (id) => awaiting(own.queue, id))
        yield* world.adjust("10 seconds")
        yield* own.disconnect
        yield* world.adjust("13 seconds")
        assert.isNull(fibers[0]!.unsafePoll())
        yield* own.reconnect
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fibers[0]!), Exit.succeed("meanwhile"))
        yield* world.adjust("31 seconds")
        assert.deepStrictEqual(yield* Fiber.join(fibers[1]!), Exit.succeed("after"))
      })
    ))
})
