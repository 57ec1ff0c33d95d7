/**
 * How a worker stops: nothing new, time to end for what runs, the rest back at the front.
 */
import { assert, describe, it } from "@effect/vitest"
import { Queue, Worker } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { clocks, Task, type TaskHandler, travelling, type World } from "./support/world.js"

const enqueueNamed = (world: World, names: ReadonlyArray<string>, millis = 0, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueueMany(names.map((name) => Queue.request(Task, { name, millis }, { jobId: name, ...options })))

/** Notes the instants at which handlers ended, however they did. */
const noting = (world: World) => {
  const ended: Array<readonly [name: string, how: "done" | "interrupted", at: number]> = []
  const handler: TaskHandler = ({ millis, name }) =>
    Effect.onExit(
      Effect.as(Effect.sleep(millis), name),
      (exit) => Effect.map(world.elapsed, (at) => ended.push([name, Exit.isSuccess(exit) ? "done" : "interrupted", at]))
    )
  return { ended, handler }
}

const workers = (world: World) => world.redis.send<ReadonlyArray<string>>("SMEMBERS", keys.workers)

/** Whether anything is left of what only a living worker may hold. */
const leftovers = Effect.fnUntraced(function*(world: World) {
  const own = ["rq:wip:", "rq:effect:handover", "rq:execution"]
  return Object.keys(yield* world.dump).filter((key) => own.some((prefix) => key.startsWith(prefix)))
})

describe("a worker that is told to stop", () => {
  for (const [clock, run] of clocks) {
    it.effect(`takes nothing new, and ends when what runs has ended (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const { ended, handler } = noting(world)
          const worker = yield* world.worker("worker", { concurrency: 3, handler })
          yield* enqueueNamed(world, ["a"], 3000)
          yield* enqueueNamed(world, ["b"], 6000)
          yield* world.adjust("1 second")
          const stopped = yield* Effect.fork(worker.stop)
          yield* world.settle
          assert.strictEqual((yield* worker.service.status).state, "stopping")
          yield* enqueueNamed(world, ["c", "d"])
          yield* world.adjust("4999 millis")
          assert.isNull(stopped.unsafePoll())
          yield* world.adjust("1 millis")
          yield* Fiber.join(stopped)
          assert.deepStrictEqual(ended, [["a", "done", 3000], ["b", "done", 6000]])
          assert.deepStrictEqual(world.names(), ["a", "b"])
          assert.strictEqual(yield* world.status("a"), "finished")
          assert.strictEqual(yield* world.status("b"), "finished")
          assert.deepStrictEqual(yield* world.queue.result(Task, "b"), Option.some(Exit.succeed("b")))
          assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["c", "d"])
          assert.deepStrictEqual(yield* workers(world), [])
          assert.deepStrictEqual(yield* leftovers(world), [])
        })
      ))

    it.effect(`puts back what outlasts the grace period, at the front in the old order (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const { ended, handler } = noting(world)
          const worker = yield* world.worker("worker", { concurrency: 4, handler })
          yield* enqueueNamed(world, ["a", "b"], 60_000)
          yield* world.adjust("100 millis")
          yield* enqueueNamed(world, ["short"], 5000)
          yield* enqueueNamed(world, ["c"], 60_000)
          yield* world.adjust("100 millis")
          yield* enqueueNamed(world, ["d", "e"])
          yield* world.adjust("800 millis")
          const stopped = yield* Effect.fork(worker.stop)
          yield* world.adjust("9999 millis")
          assert.isNull(stopped.unsafePoll())
          assert.deepStrictEqual(ended.map(([name]) => name), ["short"])
          yield* world.adjust("1 millis")
          yield* Fiber.join(stopped)
          assert.sameDeepMembers(ended.slice(1), [
            ["a", "interrupted", 11_000],
            ["b", "interrupted", 11_000],
            ["c", "interrupted", 11_000]
          ])
          // d and e began and ended in the slot that short had left? No: nothing new is taken while stopping.
          assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a", "b", "c", "d", "e"])
          for (const id of ["a", "b", "c", "d", "e"]) assert.strictEqual(yield* world.status(id), "queued")
          assert.strictEqual(yield* world.redis.send("HGET", keys.job("a"), "started_at"), "")
          assert.deepStrictEqual(yield* leftovers(world), [])
          // It is no crash: nothing is counted against the jobs.
          assert.isNull(yield* world.redis.send("HGET", keys.job("a"), "abandon_count"))

          yield* world.worker("next", { concurrency: 1, handler: ({ name }) => Effect.succeed(name) })
          yield* world.settle
          assert.deepStrictEqual(world.ran.filter(({ host }) => host === "next").map(({ name }) => name), [
            "a",
            "b",
            "c",
            "d",
            "e"
          ])
        })
      ))
  }

  it.effect("tells what it did, by events and in its summary", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", { gracePeriod: "1 second" })
        yield* world.settle
        yield* enqueueNamed(world, ["a"], 1500)
        yield* enqueueNamed(world, ["b"], 60_000)
        yield* world.adjust("1 second")
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.adjust("1 second")
        yield* Fiber.join(stopped)
        assert.deepStrictEqual(worker.events.map((event) => [event._tag, event.jobId]), [
          ["Started", "a"],
          ["Started", "b"],
          ["Completed", "a"],
          ["Released", "b"]
        ])
        assert.include(world.texts("worker"), "stopping, 2 running jobs may go on for 1 s")
      })
    ))

  it.effect("stops at once when nothing runs, or without a grace period", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const idle = yield* world.worker("idle")
        yield* world.adjust("1 minute")
        yield* idle.stop
        assert.strictEqual(yield* world.elapsed, 60_000)
        const busy = yield* world.worker("busy", { gracePeriod: 0 })
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.settle
        assert.strictEqual(yield* world.status("a"), "started")
        const stopped = yield* Effect.fork(busy.stop)
        yield* world.settle
        yield* Fiber.join(stopped)
        assert.strictEqual(yield* world.elapsed, 60_000)
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a"])
      })
    ))

  it.effect("lets interrupted handlers clean up for a second before their jobs are put back", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const cleaned: Array<number> = []
        const worker = yield* world.worker("worker", {
          gracePeriod: "2 seconds",
          handler: () =>
            Effect.ensuring(
              Effect.never,
              Effect.flatMap(Effect.delay(world.elapsed, 900), (at) => Effect.sync(() => cleaned.push(at)))
            )
        })
        yield* enqueueNamed(world, ["a"])
        yield* world.settle
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.adjust("2899 millis")
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.adjust("1 millis")
        yield* Fiber.join(stopped)
        assert.deepStrictEqual(cleaned, [2900])
        assert.strictEqual(yield* world.status("a"), "queued")
      })
    ))

  it.effect("does not wait for a handler that can't be interrupted, whose end has no effect", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let completed = 0
        const worker = yield* world.worker("worker", {
          gracePeriod: "2 seconds",
          handler: ({ millis, name }) =>
            Effect.uninterruptible(Effect.as(Effect.sleep(millis), `${name} of the first`)).pipe(
              Effect.tap(() => Effect.sync(() => completed++))
            )
        })
        yield* enqueueNamed(world, ["a", "b"], 60_000)
        yield* world.adjust("1 second")
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.adjust("2999 millis")
        assert.isNull(stopped.unsafePoll())
        yield* world.adjust("1 millis")
        yield* Fiber.join(stopped)
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a", "b"])
        assert.lengthOf(world.texts("worker").filter((text) => /does not let itself be interrupted/.test(text)), 2)
        const ends = () =>
          worker.events.filter(({ _tag }) => _tag === "Released" || _tag === "Completed" || _tag === "Failed")
        assert.deepStrictEqual(ends().map(({ _tag }) => _tag), ["Released", "Released"])
        assert.deepStrictEqual(
          yield* world.redis.send("HMGET", keys.worker("worker"), "state", "current_job", "current_job_working_time"),
          ["idle", null, "0"]
        )

        yield* world.worker("next", { handler: ({ name }) => Effect.succeed(`${name} of the second`) })
        yield* world.adjust("2 minutes")
        assert.strictEqual(completed, 0, "the rest of the first handler is interrupted")
        assert.lengthOf(ends(), 2, "what was given up has ended")
        assert.deepStrictEqual(
          yield* world.queue.result(Task, "a"),
          Option.some(Exit.succeed("a of the second"))
        )
      })
    ))

  it.effect("gives back what was handed over to it and not started", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker")
        yield* world.adjust("1 second")
        // Redis hands a job over, and nothing of that has reached the worker yet
        yield* worker.pause
        yield* enqueueNamed(world, ["a", "b", "c"])
        yield* world.settle
        assert.property(yield* world.dump, keys.handover("q", "worker"))
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["b", "c"])
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.settle
        yield* worker.resume
        yield* world.settle
        yield* Fiber.join(stopped)
        assert.deepStrictEqual(world.ran, [])
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a", "b", "c"])
        assert.deepStrictEqual(yield* leftovers(world), [])
      })
    ))

  it.effect("loses nothing when it is pushed to in the instant in which it stops", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (let yields = -12; yields <= 12; yields++) {
          const ids = [`x${yields}`, `y${yields}`]
          const worker = yield* world.worker(`worker${yields}`, { gracePeriod: 0 })
          yield* world.adjust("1 second")
          if (yields < 0) yield* enqueueNamed(world, ids)
          for (let i = yields; i < 0; i++) yield* Effect.yieldNow()
          const stopped = yield* Effect.fork(worker.stop)
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
          if (yields >= 0) yield* enqueueNamed(world, ids)
          yield* world.settle
          yield* Fiber.join(stopped)
          for (const id of ids) {
            const status = yield* world.status(id)
            const waits = (yield* world.queue.jobIds("q")).includes(id)
            assert.isTrue(status === "finished" ? !waits : status === "queued" && waits, `${id} is ${status}`)
          }
          assert.deepStrictEqual(yield* leftovers(world), [])
          yield* world.redis.send("DEL", keys.queue("q"))
        }
        // the loop is worth something when it has seen both
        const statuses = yield* Effect.forEach(
          Array.from({ length: 25 }, (_, index) => `x${index - 12}`),
          (id) => world.status(id)
        )
        assert.include(statuses, "queued")
        assert.include(statuses, "finished")
      })
    ))

  for (const millis of [0, 1, 2, 3, 2000]) {
    it.effect(`by a command, while it waits for jobs, leaves what is pushed ${millis} ms later to others`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const told = yield* world.worker("told", {
            around: (name, call) =>
              name === "unregister-worker" ? Effect.delay(Effect.zipLeft(call, Effect.sleep(2)), 2) : call
          })
          yield* world.adjust("2 seconds")
          // nobody closes its scope, as where it is one of many Layers
          yield* world.redis.send("PUBLISH", keys.workerChannel("told"), `{"command": "shutdown"}`)
          yield* world.adjust(millis)
          yield* enqueueNamed(world, ["a"])
          yield* world.adjust("2 seconds")
          assert.deepStrictEqual(yield* told.service.finished, { name: "told", successful: 0, failed: 0, released: 0 })
          assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a"])
          assert.deepStrictEqual(yield* leftovers(world), [])
          yield* world.worker("other")
          yield* world.adjust("1 second")
          assert.deepStrictEqual(world.ran.map(({ host, name }) => [name, host]), [["a", "other"]])
        })
      ))
  }

  it.effect("with a scheduler beside it hands the lead over first", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", { withScheduler: true })
        const other = yield* world.scheduler("other")
        yield* enqueueNamed(world, ["a"], 8000)
        yield* world.adjust("5 seconds")
        const leads = Effect.map(other.service.status, ({ queues }) => Option.isSome(queues[0]!.leadingSince))
        assert.isFalse(yield* leads)
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.settle
        assert.isTrue(yield* leads)
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.adjust("3 seconds")
        yield* Fiber.join(stopped)
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))

  it.effect("while Redis is away gives up after a while, and others take over", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker")
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.adjust("1 second")
        yield* worker.disconnect
        const stopped = yield* Effect.fork(worker.stop)
        yield* world.adjust("16 seconds")
        yield* Fiber.join(stopped)
        assert.isTrue(world.texts("worker").some((text) => text.startsWith("could not say farewell")))
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.worker("next", { handler: ({ name }) => Effect.succeed(name) })
        yield* world.adjust("25 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))
})

it.effect("a worker without jobs does not wait long for a Redis that is away", () =>
  travelling((world) =>
    Effect.gen(function*() {
      yield* world.scheduler("leads")
      yield* world.adjust("1 second")
      const worker = yield* world.worker("worker", { withScheduler: true })
      yield* enqueueNamed(world, ["a"])
      yield* world.adjust("1 minute")
      yield* worker.disconnect
      yield* world.adjust("1 minute")
      const stopped = yield* Effect.fork(worker.stop)
      yield* world.adjust("3 seconds")
      yield* Fiber.join(stopped)
      const texts = world.logs.map(({ text }) => text)
      assert.include(texts, "could not say farewell, others take over when the heartbeat is missed")
      assert.isFalse(texts.some((text) => text.startsWith("could not resign")), "there is nothing to resign from")
    })
  ))

describe("the name of a worker", () => {
  it.effect("is taken while a worker of it is alive, and free after it has left or was forgotten", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("same")
        yield* world.adjust("5 minutes")
        const error = yield* Effect.flip(Effect.asVoid(world.worker("same")))
        assert.instanceOf(error, Worker.WorkerNameTaken)
        assert.match(error.message, /"same"/)
        yield* first.stop
        const second = yield* world.worker("same")
        yield* world.adjust("1 minute")
        yield* second.kill
        yield* world.adjust("30 seconds")
        assert.instanceOf(yield* Effect.flip(Effect.asVoid(world.worker("same"))), Worker.WorkerNameTaken)
        yield* world.adjust("31 seconds")
        yield* world.worker("same")
        yield* enqueueNamed(world, ["a"])
        yield* world.settle
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))
})
