/**
 * Cancel, stop, requeue, delete and empty: one and many, and while schedulers and workers are at it.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Queue } from "effect-rq"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as EffectQueue from "effect/Queue"
import * as keys from "../../src/wire/keys.js"
import {
  type Around,
  client,
  consistent,
  enqueueNamed,
  hget,
  messageOf,
  outcomes,
  range,
  record,
  Task,
  TaskFailed,
  type TaskHandler,
  travelling,
  type World
} from "./support.js"

const names = (count: number) => range(count).map((index) => `n${String(index).padStart(4, "0")}`)

/** One job of each state, named after it. */
const oneOfEach = (world: World) =>
  Effect.gen(function*() {
    yield* enqueueNamed(world, ["finished", "fails"])
    const first = yield* world.worker("first", {
      handler: ({ name }) => name === "fails" ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name)
    })
    yield* world.settle
    yield* first.stop
    yield* enqueueNamed(world, ["stopped", "started"], 600_000, { timeout: "1 hour" })
    const worker = yield* world.worker("worker", { concurrency: 2 })
    yield* world.settle
    yield* world.queue.stop("stopped")
    yield* world.settle
    yield* world.redis.send("SADD", keys.paused, "q")
    yield* enqueueNamed(world, ["queued", "canceled"])
    yield* world.queue.cancel("canceled")
    yield* world.queue.enqueueIn("1 day", Task, { name: "scheduled" }, { jobId: "scheduled" })
    yield* world.queue.enqueue(Task, { name: "deferred" }, { jobId: "deferred", dependsOn: "scheduled" })
    return worker
  })

const all = [
  "queued",
  "scheduled",
  "deferred",
  "started",
  "finished",
  "fails",
  "stopped",
  "canceled",
  "missing"
] as const

describe("what is found", () => {
  it.effect("by cancel: what waits is canceled, what runs is stopped, what has ended stays", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* oneOfEach(world)
        yield* consistent(world)
        assert.deepStrictEqual(
          (yield* world.queue.cancelMany(all)).map(({ id, outcome }) => [id, outcome]),
          [
            ["queued", "canceled"],
            ["scheduled", "canceled"],
            ["deferred", "canceled"],
            ["started", "stopping"],
            ["finished", "ended"],
            ["fails", "ended"],
            ["stopped", "ended"],
            ["canceled", "ended"],
            ["missing", "missing"]
          ]
        )
        yield* world.settle
        yield* consistent(world)
        assert.strictEqual(yield* world.status("started"), "stopped")
        assert.strictEqual((yield* worker.service.status).running.length, 0)
        assert.isTrue(yield* world.registry.canceled("q").contains("scheduled"))
        for (const one of yield* world.queue.cancelMany(all)) {
          assert.strictEqual(one.outcome, one.id === "missing" ? "missing" : "ended", one.id)
        }
      })
    ))

  it.effect("by stop: only what runs, the rest stays as it is", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* oneOfEach(world)
        const before = yield* world.dump
        for (const id of all) {
          if (id === "started") continue
          const { outcome } = yield* world.queue.stop(id, { wait: "1 minute" })
          assert.strictEqual(
            outcome,
            id === "missing"
              ? "missing"
              : ["queued", "scheduled", "deferred"].includes(id)
              ? "waiting"
              : "ended",
            id
          )
        }
        assert.deepStrictEqual(yield* world.dump, before)
        assert.strictEqual((yield* world.queue.stop("started", { wait: "1 minute" })).outcome, "stopped")
        yield* consistent(world)
      })
    ))

  it.effect("by requeue: only what has ended, once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* oneOfEach(world)
        const ended = ["finished", "fails", "stopped", "canceled"]
        const first = yield* world.queue.requeueMany(all)
        for (const { changed, id, status } of first) {
          assert.strictEqual(changed, ended.includes(id), id)
          assert.strictEqual(
            Option.getOrElse(status, () => "missing"),
            id === "fails" ? "failed" : id,
            id
          )
        }
        yield* consistent(world)
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["queued", ...ended])
        assert.isTrue((yield* world.queue.requeueMany(all)).every(({ changed }) => !changed))
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["queued", ...ended])
        for (const id of ended) {
          assert.strictEqual(yield* world.redis.send("TTL", keys.job(id)), -1, id)
          assert.deepStrictEqual((yield* record(world, id)).endedAt, Option.none(), id)
        }
      })
    ))

  it.effect("by reschedule: what is scheduled gets another time, all else is left and told", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* oneOfEach(world)
        yield* consistent(world)
        const now = yield* Clock.currentTimeMillis
        const due = DateTime.unsafeMake(now + 7_200_125)
        const told = yield* Effect.forEach(all, (id) => world.queue.reschedule(id, due))
        assert.deepStrictEqual(
          told.map(({ changed, id, status }) => [id, changed, Option.getOrNull(status)]),
          all.map((id) => [id, id === "scheduled", id === "missing" ? null : id === "fails" ? "failed" : id])
        )
        assert.deepStrictEqual(yield* world.registry.scheduled("q").dueTime("scheduled"), Option.some(due))
        yield* consistent(world)
        const wrong = yield* Effect.flip(world.queue.reschedule("scheduled", "tomorrow"))
        assert(wrong._tag === "InvalidJobError")
        assert.deepStrictEqual([wrong.job, wrong.field], ["scheduled", "when"])
        assert.deepStrictEqual(yield* world.registry.scheduled("q").dueTime("scheduled"), Option.some(due))
        yield* world.redis.send("SREM", keys.paused, "q")
        yield* world.worker("second", { withScheduler: true })
        yield* world.adjust(7_200_124)
        assert.strictEqual(yield* world.status("scheduled"), "scheduled")
        yield* world.adjust(1)
        assert.strictEqual(yield* world.status("scheduled"), "finished")
      })
    ))

  it.effect("by delete: all but what runs, with what was kept of it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* oneOfEach(world)
        const first = yield* world.queue.deleteMany(all.filter((id) => id !== "scheduled"))
        for (const { changed, id } of first) assert.strictEqual(changed, id !== "started" && id !== "missing", id)
        yield* consistent(world)
        const left = Object.keys(yield* world.dump).filter((key) =>
          key.startsWith(keys.family.job) || key.startsWith(keys.family.results)
        )
        assert.sameMembers(left, [keys.job("started"), keys.job("scheduled")])
        assert.isTrue((yield* world.queue.deleteMany(["queued"])).every(({ changed }) => !changed))
      })
    ))
})

describe("many", () => {
  it.effect("thousand are canceled, requeued, deleted, in the order given and in calls of 250", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const ids = names(1000)
        yield* enqueueNamed(world, ids)
        const own = yield* client(world)
        const canceled = yield* own.queue.cancelMany(ids)
        assert.deepStrictEqual(canceled.map(({ id }) => id), [...ids])
        assert.isTrue(canceled.every(({ outcome }) => outcome === "canceled"))
        assert.isAtMost(own.counts.calls, 6)
        yield* consistent(world)
        assert.strictEqual(yield* world.registry.canceled("q").count, 1000)
        const requeued = yield* own.queue.requeueMany([...ids].reverse(), { atFront: true })
        assert.isTrue(requeued.every(({ changed }) => changed))
        assert.deepStrictEqual(yield* world.queue.jobIds("q", { limit: 1000 }), ids)
        yield* consistent(world)
        const deleted = yield* own.queue.deleteMany(ids)
        assert.isTrue(deleted.every(({ changed }) => changed))
        assert.isAtMost(own.counts.calls, 18)
        assert.deepStrictEqual(Object.keys(yield* world.dump), [keys.queues])
      })
    ))

  it.effect("thousand running ones are stopped, and waited for together", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const ids = names(1000)
        yield* enqueueNamed(world, ids, 600_000, { timeout: "1 hour" })
        const worker = yield* world.worker("worker", { concurrency: 1000 })
        yield* world.adjust("1 second")
        assert.strictEqual(yield* world.registry.started("q").count, 1000)
        const stopping = yield* Effect.fork(world.queue.cancelMany(ids, { wait: "1 minute" }))
        yield* world.adjust("30 seconds")
        assert.isTrue((yield* Fiber.join(stopping)).every(({ outcome }) => outcome === "stopped"))
        assert.lengthOf((yield* worker.service.status).running, 0)
        yield* consistent(world)
      })
    ))

  it.effect("of an id given twice the second finds what the first has done", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["a"])
        const of = (all: ReadonlyArray<{ readonly outcome: string }>) => all.map(({ outcome }) => outcome)
        assert.deepStrictEqual(of(yield* world.queue.cancelMany(["a", "a"])), ["canceled", "ended"])
        assert.deepStrictEqual((yield* world.queue.requeueMany(["a", "a"])).map(({ changed }) => changed), [
          true,
          false
        ])
        assert.deepStrictEqual((yield* world.queue.deleteMany(["a", "a"])).map(({ changed }) => changed), [true, false])
        assert.deepStrictEqual(yield* world.queue.cancelMany([]), [])
        yield* consistent(world)
      })
    ))
})

describe("requeue", () => {
  it.effect("at the front, to run before the others", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["a", "b", "c"])
        yield* world.queue.cancelMany(["c", "b"])
        assert.isTrue((yield* world.queue.requeue("c", { atFront: true })).changed)
        assert.isTrue((yield* world.queue.requeue("b")).changed)
        yield* world.worker("worker", { concurrency: 1 })
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["c", "a", "b"])
      })
    ))

  it.effect("wakes an idle worker, and the old results stay in the history", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let fail = true
        yield* world.worker("worker", {
          handler: ({ name }) =>
            Effect.suspend(() => fail ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name))
        })
        yield* enqueueNamed(world, ["a"])
        yield* world.adjust("10 minutes")
        fail = false
        yield* world.queue.requeue("a")
        yield* world.settle
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["successful", "failed"])
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a")))
        yield* world.adjust("499 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
        yield* world.adjust("20 seconds")
        assert.isNull(yield* world.status("a"))
        yield* consistent(world)
      })
    ))
})

describe("empty", () => {
  it.effect("deletes what waits and tells how many; what runs, is scheduled or has ended stays", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* oneOfEach(world)
        yield* enqueueNamed(world, names(999))
        assert.strictEqual(yield* world.queue.empty("q"), 1000)
        assert.strictEqual(yield* world.queue.length("q"), 0)
        assert.isNull(yield* world.status("queued"))
        for (const id of ["scheduled", "deferred", "started", "finished", "stopped", "canceled"]) {
          assert.strictEqual(yield* world.status(id), id)
        }
        yield* consistent(world)
        assert.strictEqual(yield* world.queue.empty("q"), 0)
        assert.strictEqual(yield* world.queue.empty("never used"), 0)
      })
    ))

  it.effect("leaves what is queued meanwhile", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, names(1000))
        const emptying = yield* Effect.fork(world.queue.empty("q"))
        for (const index of range(40)) {
          yield* enqueueNamed(world, [`late${index}`])
          yield* Effect.yieldNow()
        }
        const emptied = yield* Fiber.join(emptying)
        const left = yield* world.queue.jobIds("q")
        assert.strictEqual(emptied + left.length, 1040)
        assert.isAbove(left.length, 0)
        assert.isTrue(left.every((id) => id.startsWith("late")))
        yield* consistent(world)
      })
    ))

  it.effect("releases what waited for the jobs that are gone", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["parent"])
        yield* world.queue.enqueue(Task, { name: "child" }, { jobId: "child", dependsOn: "parent", queue: "other" })
        yield* world.queue.empty("q")
        assert.deepStrictEqual(yield* world.queue.jobIds("other"), ["child"])
        yield* consistent(world)
      })
    ))
})

describe("a job that runs and is stopped", () => {
  it.effect("is interrupted, its finalizers run, and wait waits for them", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const finalized: Array<number> = []
        const worker = yield* world.worker("worker", {
          handler: () =>
            Effect.ensuring(
              Effect.never,
              Effect.flatMap(Effect.delay(world.elapsed, "3 seconds"), (at) => Effect.sync(() => finalized.push(at)))
            )
        })
        yield* world.settle
        yield* enqueueNamed(world, ["a", "b"], 0, { retry: { max: 5 } })
        yield* world.adjust("10 seconds")
        const other = yield* client(world)
        const waiting = yield* Effect.fork(other.queue.cancel("a", { wait: "1 minute" }))
        const impatient = yield* Effect.fork(other.queue.stop("b", { wait: "1 second" }))
        yield* world.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(impatient), { id: "b", outcome: "stopping" })
        yield* world.adjust("1999 millis")
        assert.isNull(waiting.unsafePoll())
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(waiting), { id: "a", outcome: "stopped" })
        assert.deepStrictEqual(finalized, [13_000, 13_000])
        for (const id of ["a", "b"]) {
          assert.strictEqual(yield* world.status(id), "stopped")
          assert.isTrue(yield* world.registry.failed("q").contains(id))
          assert.deepStrictEqual(yield* outcomes(world, id), ["failed"], "it is not tried again")
        }
        const exit = Option.getOrThrow(yield* world.queue.result(Task, "a"))
        assert.match(messageOf(yield* Effect.flip(exit)), /^Job stopped by user/)
        assert.deepStrictEqual(worker.events.map(({ _tag }) => _tag), ["Started", "Started", "Stopped", "Stopped"])
        yield* world.adjust("10 seconds")
        assert.lengthOf(world.ran, 2)
        yield* consistent(world)
      })
    ))

  it.effect("is told in RQ's words, on the channel of its worker", () =>
    travelling((world) =>
      Effect.scoped(Effect.gen(function*() {
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.worker("worker")
        yield* world.settle
        const messages = yield* world.redis.subscribe("rq:pubsub:worker")
        yield* world.queue.stop("a")
        const { channel, message } = yield* EffectQueue.take(messages)
        assert.strictEqual(channel, "rq:pubsub:worker")
        assert.deepStrictEqual(JSON.parse(message), { command: "stop-job", job_id: "a" })
        yield* world.settle
        assert.strictEqual(yield* world.status("a"), "stopped")
      }))
    ))

  it.effect("by a message of RQ's tools, of one execution too; what is not known is left alone", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["a", "b", "c"], 60_000)
        const worker = yield* world.worker("worker")
        yield* world.settle
        const say = (message: string) => world.redis.send<number>("PUBLISH", "rq:pubsub:worker", message)
        const { running } = yield* worker.service.status
        const execution = (id: string) => running.find((one) => one.id === id)!.executionId
        assert.strictEqual(yield* say(`{"command": "stop-job", "job_id": "a"}`), 1)
        for (
          const strange of [
            "",
            "stop",
            "[]",
            "null",
            `{"command":"stop-job"}`,
            `{"command":"stop-job","job_id":7}`,
            `{"command":"stop-job","job_id":"elsewhere"}`,
            `{"command":"kill-horse"}`,
            `{"command":"stop-execution","job_id":"b","execution_id":"${execution("a")}"}`
          ]
        ) yield* say(strange)
        yield* world.settle
        assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c"], world.status), ["stopped", "started", "started"])
        yield* say(`{"command":"stop-execution","job_id":"b","execution_id":"${execution("b")}"}`)
        yield* world.settle
        assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c"], world.status), ["stopped", "stopped", "started"])
        assert.isTrue(
          world.texts("worker").some((text) => text.startsWith(`can't obey`) && text.includes("kill-horse"))
        )
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("c"), "finished")
        yield* consistent(world)
      })
    ))

  it.effect("and succeeds in the same instant has one end, and one only", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        const seen = new Set<string>()
        for (const yields of range(25)) {
          const id = `a${yields}`
          yield* enqueueNamed(world, [id], 1000)
          const stopping = yield* Effect.fork(
            Effect.gen(function*() {
              yield* Effect.sleep(1000)
              for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
              return yield* world.queue.stop(id, { wait: "5 seconds" })
            })
          )
          yield* world.adjust("10 seconds")
          const { outcome } = yield* Fiber.join(stopping)
          const status = yield* world.status(id)
          seen.add(`${outcome} ${status}`)
          assert.lengthOf(yield* world.queue.history(id), 1)
          yield* consistent(world)
        }
        assert.isTrue(
          [...seen].every((one) => ["stopped stopped", "ended finished"].includes(one)),
          [...seen].join(", ")
        )
      })
    ))

  it.effect("and catches the interruption to fail is stopped, not retried", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: () =>
            Effect.never.pipe(
              Effect.sandbox,
              Effect.mapError(() => new TaskFailed({ code: 1 }))
            )
        })
        yield* enqueueNamed(world, ["a"], 0, { retry: { max: 5 } })
        yield* world.settle
        assert.strictEqual((yield* world.queue.stop("a", { wait: "1 minute" })).outcome, "stopped")
        assert.lengthOf(world.ran, 1)
        yield* consistent(world)
      })
    ))

  it.effect("whose worker is dead: wait ends with its time, and the job is run again by another", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* enqueueNamed(world, ["a"], 600_000, { timeout: "1 hour" })
        yield* world.adjust("6 seconds")
        yield* first.kill
        const stopping = yield* Effect.fork(world.queue.stop("a", { wait: "3 seconds" }))
        yield* world.adjust("3 seconds")
        assert.strictEqual((yield* Fiber.join(stopping)).outcome, "stopping")
        yield* world.worker("second")
        yield* world.adjust("30 seconds")
        assert.strictEqual(yield* world.status("a"), "started")
        assert.strictEqual((yield* world.queue.stop("a", { wait: "3 seconds" })).outcome, "stopped")
        yield* consistent(world)
      })
    ))
})

describe("against a scheduler and workers, in the same instant", () => {
  /**
   * What may come of a job that is due, runs for 5 ms, and is meddled with at each millisecond around that. Calls take
   * 3 ms to Redis and 3 ms back, so each step of scheduler and worker is met before, between and after.
   */
  const race = (
    meddle: (queue: Queue.QueueService, id: string) => Effect.Effect<string, unknown>,
    allowed: ReadonlyArray<string>,
    handler: TaskHandler = ({ name }) => Effect.as(Effect.sleep(5), name),
    options: Queue.EnqueueOptions = {}
  ) =>
    travelling((world) =>
      Effect.gen(function*() {
        const around: Around = (_, call) => Effect.zipLeft(Effect.delay(call, 3), Effect.sleep(3))
        const starting = yield* Effect.fork(Effect.all([
          world.scheduler("scheduler", { around }),
          world.worker("one", { concurrency: 2, handler, around }),
          world.worker("two", { concurrency: 2, handler, around })
        ]))
        yield* world.adjust("1 second")
        yield* Fiber.join(starting)
        const other = yield* client(world)
        const seen = new Map<string, number>()
        for (let late = -5; late < 45; late++) {
          const id = `a${late + 5}`
          yield* world.queue.enqueueIn("1500 millis", Task, { name: id }, { jobId: id, ...options })
          const meddling = yield* Effect.fork(Effect.delay(meddle(other.queue, id), 1500 + late))
          yield* world.adjust("20 seconds")
          yield* consistent(world)
          const runs = world.names().filter((name) => name === id).length
          const course = `${yield* Fiber.join(meddling)}, ${(yield* world.status(id)) ?? "gone"}, ${runs} runs`
          seen.set(course, (seen.get(course) ?? 0) + 1)
        }
        assert.deepStrictEqual([...seen.keys()].sort(), [...allowed].sort())
        assert.strictEqual(yield* world.queue.length("q"), 0)
      })
    )

  it.effect("cancel: canceled and never run, or run", () =>
    race(
      (queue, id) => Effect.map(queue.cancel(id), ({ outcome }) => outcome),
      [
        "canceled, canceled, 0 runs",
        "ended, finished, 1 runs",
        "stopping, finished, 1 runs",
        "stopping, stopped, 0 runs",
        "stopping, stopped, 1 runs"
      ]
    ))

  it.effect("cancel of a long job: canceled and never run, or stopped, also when the worker doesn't know of it yet", () =>
    race(
      (queue, id) => Effect.map(queue.cancel(id, { wait: "5 seconds" }), ({ outcome }) => outcome),
      // none that goes on; 0 runs when it was stopped between its claim and its first step
      ["canceled, canceled, 0 runs", "stopped, stopped, 1 runs", "stopped, stopped, 0 runs"],
      () => Effect.never
    ))

  it.effect("cancel of a job that fails and would be tried again: it has ended, and is not tried again", () =>
    race(
      (queue, id) => Effect.map(queue.cancel(id, { wait: "5 seconds" }), ({ outcome }) => outcome),
      [
        "canceled, canceled, 0 runs",
        "canceled, canceled, 1 runs",
        "stopped, stopped, 0 runs",
        "stopped, stopped, 1 runs"
      ],
      () => Effect.delay(Effect.fail(new TaskFailed({ code: 1 })), 5),
      { retry: { max: 3, intervals: "1 hour" } }
    ))

  it.effect("delete: gone and never run, or run", () =>
    race(
      (queue, id) =>
        Effect.map(queue.delete(id), ({ changed, status }) => `${changed} ${Option.getOrElse(status, () => "")}`),
      [
        "true scheduled, gone, 0 runs",
        "true queued, gone, 0 runs",
        "true finished, gone, 1 runs",
        "false started, finished, 1 runs"
      ]
    ))

  it.effect("cancel and requeue: it runs once or twice, never both at a time", () =>
    race(
      (queue, id) =>
        Effect.gen(function*() {
          const { outcome } = yield* queue.cancel(id)
          const { changed } = yield* queue.requeue(id)
          return `${outcome} ${changed}`
        }),
      [
        "canceled true, finished, 1 runs",
        "ended true, finished, 2 runs",
        "stopping false, finished, 1 runs",
        "stopping false, stopped, 0 runs",
        "stopping false, stopped, 1 runs"
      ]
    ))

  it.effect("replace: one payload or the other", () =>
    race(
      (queue, id) =>
        Effect.map(
          queue.enqueueIn("3 seconds", Task, { name: id }, { jobId: id, unique: "replace" }),
          ({ outcome }) => outcome
        ),
      ["replaced, finished, 1 runs", "exists, finished, 1 runs", "scheduled, finished, 2 runs"]
    ))

  it.effect("two that cancel: one of them does it", () =>
    race(
      (queue, id) =>
        Effect.map(
          Effect.all([queue.cancel(id), queue.cancel(id)], { concurrency: 2 }),
          (both) => both.map(({ outcome }) => outcome).sort().join("+")
        ),
      [
        "canceled+ended, canceled, 0 runs",
        "ended+ended, finished, 1 runs",
        "stopping+stopping, finished, 1 runs",
        "stopping+stopping, stopped, 0 runs",
        "stopping+stopping, stopped, 1 runs"
      ]
    ))
})

describe("a job that was handed over to a worker and not claimed yet", () => {
  for (const act of ["cancel", "delete", "replace"] as const) {
    it.effect(`can be subject to ${act}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const worker = yield* world.worker("worker")
          yield* world.adjust("1 second")
          yield* worker.pause
          yield* enqueueNamed(world, ["a"])
          yield* world.settle
          assert.property(yield* world.dump, keys.handover("q", "worker"))
          yield* consistent(world)
          if (act === "cancel") assert.strictEqual((yield* world.queue.cancel("a")).outcome, "canceled")
          else if (act === "delete") assert.isTrue((yield* world.queue.delete("a")).changed)
          else {
            const ref = yield* world.queue.enqueueIn("1 hour", Task, { name: "new" }, { jobId: "a", unique: "replace" })
            assert.strictEqual(ref.outcome, "replaced")
          }
          yield* worker.resume
          yield* world.adjust("30 seconds")
          assert.deepStrictEqual(world.ran, [])
          assert.strictEqual(
            yield* world.status("a"),
            { cancel: "canceled", delete: null, replace: "scheduled" }[act]
          )
          yield* consistent(world)
          assert.isNull(yield* hget(world, "a", "worker_name"))
        })
      ))
  }
})
