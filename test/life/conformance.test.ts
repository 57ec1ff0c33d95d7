/**
 * The life of a job through the services, in memory and on a server: what must be the same on both.
 */
import { assert } from "@effect/vitest"
import { Control, CurrentJob, Job, JobGroup, Queue, type Redis, type RedisMemory, Worker } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as keys from "../../src/wire/keys.js"
import { now, status, suite, waiting } from "../conformance/support.js"
import * as Golden from "../support/golden.js"
import { assertInvariants } from "../support/invariants.js"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Number }) {}

const Task = Job.make("life.task", {
  payload: { name: Schema.String, millis: Schema.optionalWith(Schema.Number, { default: () => 0 }) },
  success: Schema.String,
  error: Refused
})

const Quiet = Job.make("life.quiet")

const Jobs = JobGroup.make(Task, Quiet)

/** How often each job ran, by its name. */
const worker = (options: Worker.WorkerOptions = {}) =>
  Effect.gen(function*() {
    const runs = new Map<string, number>()
    const finalized: Array<string> = []
    const service = yield* Worker.make(Jobs, { queues: ["default"], ...options }).pipe(Effect.provide(Jobs.toLayer({
      "life.quiet": () => Effect.void,
      "life.task": ({ millis, name }) =>
        Effect.gen(function*() {
          runs.set(name, (runs.get(name) ?? 0) + 1)
          if (name.startsWith("bad")) return yield* new Refused({ code: runs.get(name)! })
          if (name === "meta") {
            const job = yield* CurrentJob.CurrentJob
            yield* Effect.forEach([1, 2, 3, 4, 5], (n) => job.updateMeta({ [`f${n}`]: n }), { concurrency: 5 }).pipe(
              Effect.orDie
            )
          }
          if (millis > 0) yield* Effect.sleep(millis)
          return `${name} is done`
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => finalized.push(name))))
    })))
    return { service, runs, finalized }
  })

const consistent = (redis: Redis.RedisService) =>
  Effect.map(Golden.dump(redis), (state) => {
    const dump = Object.fromEntries(
      Object.entries(state).map(([key, entry]): readonly [string, RedisMemory.Entry] => {
        const expiresAt = entry.ttl_ms < 0 ? null : now + entry.ttl_ms
        switch (entry.type) {
          case "hash":
            return [key, {
              type: "hash",
              value: Object.fromEntries(Object.entries(entry.value).map(([field, leaf]) => [field, Golden.text(leaf)])),
              expiresAt
            }]
          case "string":
            return [key, { type: "string", value: Golden.text(entry.value), expiresAt }]
          case "list":
            return [key, { type: "list", value: entry.value.map(Golden.text), expiresAt }]
          case "set":
            return [key, { type: "set", value: entry.value, expiresAt }]
          case "zset":
            return [key, {
              type: "zset",
              value: entry.value.map(([member, score]) =>
                [member, score === "inf" ? Infinity : Number(score)] as const
              ),
              expiresAt
            }]
          case "stream":
            return [key, { type: "stream", value: [], lastId: "", expiresAt }]
        }
      })
    )
    assertInvariants(dump, now)
  })

/** Waits, in real time, until it holds. */
const until = <E>(condition: Effect.Effect<boolean, E>) =>
  Effect.gen(function*() {
    while (!(yield* condition)) yield* Effect.sleep(5)
  }).pipe(Effect.timeout("10 seconds"), Effect.orDie)

const hasStatus = (redis: Redis.RedisService, id: string, expected: string | null) =>
  until(Effect.map(status(redis, id), (found) => found === expected))

suite("the life of a job", (it) => {
  it("short jobs are fetched ahead; behind a long one they go back to the front, for another worker", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const push = (names: ReadonlyArray<string>) =>
        queue.enqueueMany(
          names.map((name) => Queue.request(Task, { name, millis: name === "long" ? 60_000 : 0 }, { jobId: name }))
        )
      const first = yield* worker({ concurrency: 1 })
      yield* push(Array.from({ length: 100 }, (_, index) => `warm${index}`))
      yield* hasStatus(redis, "warm99", "finished")
      assert.deepStrictEqual([...first.runs.values()], Array.from({ length: 100 }, () => 1))
      const short = Array.from({ length: 10 }, (_, index) => `short${index}`)
      yield* push(["long", ...short])
      yield* hasStatus(redis, "long", "started")
      yield* until(Effect.map(waiting(redis), (ids) => ids.length === 10))
      assert.deepStrictEqual(yield* waiting(redis), short)
      // what is left of its having been fetched
      assert.isNotNull(yield* redis.send("HGET", keys.job("short9"), "execution"))
      yield* consistent(redis)
      const second = yield* worker({ concurrency: 1 })
      yield* hasStatus(redis, "short9", "finished")
      assert.deepStrictEqual([...second.runs], short.map((name) => [name, 1]))
      assert.strictEqual(first.runs.size, 101)
      yield* queue.stop("long")
      yield* hasStatus(redis, "long", "stopped")
      yield* consistent(redis)
    }))

  it("awaited: success, typed failure, nothing, with a retry in between, and gone at once", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const own = yield* worker()
      yield* queue.enqueue(Task, { name: "good", millis: 20 }, { jobId: "good" })
      yield* queue.enqueue(Task, { name: "bad" }, { jobId: "bad", retry: { max: 2 } })
      yield* queue.enqueue(Quiet, {}, { jobId: "quiet" })
      yield* queue.enqueue(Task, { name: "gone", millis: 100 }, { jobId: "gone", resultTtl: 0 })
      const timeout = "10 seconds"
      const [good, bad, gone] = yield* Effect.all([
        Effect.exit(queue.await(Task, "good", { timeout })),
        Effect.exit(queue.await(Task, "bad", { timeout })),
        Effect.exit(queue.await(Task, "gone", { timeout }))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(good, Exit.succeed("good is done"))
      assert.deepStrictEqual(bad, Exit.fail(new Refused({ code: 3 })))
      assert.deepStrictEqual(gone, Exit.succeed("gone is done"))
      assert.isUndefined(yield* queue.await(Quiet, "quiet", { timeout }))
      assert.strictEqual(own.runs.get("bad"), 3)
      assert.deepStrictEqual((yield* queue.history("bad")).map(({ type }) => type), ["failed", "retried", "retried"])
      assert.instanceOf(yield* Effect.flip(queue.await(Task, "gone", { timeout })), Queue.JobMissing)
      yield* consistent(redis)
    }))

  it("awaited by a hundred at once, and joined by more", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      yield* worker({ concurrency: 100 })
      const ids = Array.from({ length: 100 }, (_, index) => `n${index}`)
      const results = yield* Effect.forEach(ids, (id, index) =>
        Effect.gen(function*() {
          yield* Effect.sleep(index * 2)
          yield* queue.enqueue(Task, { name: id, millis: 100 }, { jobId: id })
          return yield* queue.await(Task, id, { timeout: "10 seconds" })
        }), { concurrency: "unbounded" })
      assert.deepStrictEqual(results, ids.map((id) => `${id} is done`))
      yield* consistent(redis)
    }))

  it("stopped and canceled from another process, which waits for the finalizers", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const own = yield* worker()
      for (const id of ["a", "b"]) {
        yield* queue.enqueue(Task, { name: id, millis: 60_000 }, { jobId: id, retry: { max: 3 } })
      }
      yield* until(Effect.sync(() => own.runs.size === 2))
      yield* hasStatus(redis, "b", "started")
      assert.deepStrictEqual(yield* queue.stop("a", { wait: "10 seconds" }), { id: "a", outcome: "stopped" })
      assert.deepStrictEqual(yield* queue.cancel("b", { wait: "10 seconds" }), { id: "b", outcome: "stopped" })
      assert.sameMembers(own.finalized, ["a", "b"])
      assert.deepStrictEqual((yield* queue.history("a")).map(({ type }) => type), ["failed"])
      assert.strictEqual((yield* queue.stop("a")).outcome, "ended")
      yield* consistent(redis)
    }))

  it("canceled, requeued, deleted: many at once, each told what was found", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const ids = Array.from({ length: 600 }, (_, index) => `n${index}`)
      yield* queue.enqueueMany(ids.map((id) => Queue.request(Task, { name: id }, { jobId: id })))
      yield* queue.enqueueIn("1 hour", Task, { name: "later" }, { jobId: "later" })
      const canceled = yield* queue.cancelMany([...ids, "later", "never"])
      assert.strictEqual(canceled.filter(({ outcome }) => outcome === "canceled").length, 601)
      assert.strictEqual(canceled[601]!.outcome, "missing")
      yield* consistent(redis)
      assert.isTrue((yield* queue.requeueMany(ids)).every(({ changed }) => changed))
      assert.deepStrictEqual(yield* waiting(redis), ids)
      yield* consistent(redis)
      assert.isTrue((yield* queue.deleteMany(ids.slice(0, 100))).every(({ changed }) => changed))
      assert.strictEqual(yield* queue.empty("default"), 500)
      assert.isTrue((yield* queue.delete("later")).changed)
      assert.deepStrictEqual(Object.keys(yield* Golden.dump(redis)), [keys.queues])
    }))

  it("unique: refused, kept, replaced, and free again after its end and its window", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const enqueue = (name: string, options: Queue.EnqueueOptions) =>
        queue.enqueue(Task, { name }, { jobId: "a", ...options })
      assert.strictEqual((yield* enqueue("first", { unique: "refuse" })).outcome, "enqueued")
      assert.instanceOf(yield* Effect.flip(enqueue("x", { unique: "refuse" })), Queue.JobExists)
      assert.strictEqual((yield* enqueue("x", { unique: "keep" })).outcome, "exists")
      const later = yield* queue.enqueueIn("1 hour", Task, { name: "later" }, { jobId: "a", unique: "replace" })
      assert.strictEqual(later.outcome, "replaced")
      assert.deepStrictEqual(yield* waiting(redis), [])
      yield* consistent(redis)
      assert.strictEqual((yield* enqueue("second", { unique: "replace", uniqueFor: "1 hour" })).outcome, "replaced")
      yield* queue.cancel("a")
      assert.strictEqual((yield* enqueue("x", { unique: "keep" })).outcome, "exists")
      assert.isAbove(yield* redis.send<number>("TTL", keys.unique("a")), 3590)
      yield* redis.send("DEL", keys.unique("a"))
      assert.strictEqual((yield* enqueue("third", { unique: "keep" })).outcome, "enqueued")
      yield* consistent(redis)
    }))

  it("dependencies: a diamond is released once; circles are refused and change nothing", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const request = (id: string, dependsOn: ReadonlyArray<string>) =>
        Queue.request(Task, { name: id }, { jobId: id, dependsOn })
      yield* queue.enqueueMany([
        request("bottom", ["left", "right"]),
        request("left", ["top"]),
        request("right", ["top"]),
        request("top", [])
      ])
      yield* consistent(redis)
      const before = Object.keys(yield* Golden.dump(redis))
      const error = yield* Effect.flip(queue.enqueue(Task, { name: "top" }, {
        jobId: "top",
        dependsOn: "bottom",
        unique: "replace"
      }))
      assert.instanceOf(error, Job.InvalidJobError)
      assert.deepStrictEqual(Object.keys(yield* Golden.dump(redis)), before)
      const own = yield* worker()
      assert.strictEqual(yield* queue.await(Task, "bottom", { timeout: "10 seconds" }), "bottom is done")
      assert.deepStrictEqual([...own.runs.values()], [1, 1, 1, 1])
      assert.deepStrictEqual([...own.runs.keys()][3], "bottom")
      yield* consistent(redis)
    }))

  it("meta updated by many fibers at once loses nothing", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      yield* worker()
      yield* queue.enqueue(Task, { name: "meta" }, { jobId: "a", meta: { before: true } })
      yield* queue.await(Task, "a", { timeout: "10 seconds" })
      assert.deepStrictEqual(Option.getOrThrow(yield* queue.fetch("a")).meta, {
        before: true,
        f1: 1,
        f2: 2,
        f3: 3,
        f4: 4,
        f5: 5
      })
      yield* consistent(redis)
    }))

  it("suspended workers give back what they were handed; resumed they take it", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const fleet = yield* Control.make
      const own = yield* worker()
      yield* Effect.sleep(50)
      yield* fleet.suspend()
      for (const id of ["a", "b", "c"]) yield* queue.enqueue(Task, { name: id }, { jobId: id })
      yield* until(Effect.map(waiting(redis), (ids) => ids.length === 3))
      yield* Effect.sleep(50)
      assert.strictEqual(own.runs.size, 0)
      yield* consistent(redis)
      yield* fleet.resume
      for (const id of ["a", "b", "c"]) yield* hasStatus(redis, id, "finished")
      assert.deepStrictEqual([...own.runs.keys()], ["a", "b", "c"])
      yield* consistent(redis)
    }))

  it("a worker that is told to shut down ends in peace and leaves the sets", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      const fleet = yield* Control.make
      const own = yield* worker({ name: "own", gracePeriod: 0 })
      yield* queue.enqueue(Task, { name: "a", millis: 60_000 }, { jobId: "a" })
      yield* hasStatus(redis, "a", "started")
      yield* until(Effect.sync(() => own.runs.size === 1))
      const finished = yield* Effect.fork(own.service.finished)
      assert.isTrue(yield* fleet.shutdown("own"))
      assert.isFalse(yield* fleet.shutdown("nobody"))
      assert.deepStrictEqual(yield* Fiber.join(finished), { name: "own", successful: 0, failed: 0, released: 1 })
      assert.deepStrictEqual(yield* waiting(redis), ["a"])
      assert.deepStrictEqual(yield* redis.send("SMEMBERS", keys.workers), [])
      yield* consistent(redis)
    }))

  it("queues and retries beside others who cancel and requeue all the time: each job is in one place", ({ redis }) =>
    Effect.gen(function*() {
      const queue = yield* Queue.make
      yield* worker({ concurrency: 5 })
      const ids = Array.from({ length: 60 }, (_, index) => `n${index}`)
      yield* queue.enqueueMany(
        ids.map((id, index) =>
          Queue.request(Task, { name: index % 3 === 0 ? `bad${id}` : id, millis: 3 }, { jobId: id, retry: { max: 2 } })
        )
      )
      for (let round = 0; round < 10; round++) {
        yield* Effect.all([queue.cancelMany(ids), queue.requeueMany([...ids].reverse())], { concurrency: 2 })
        yield* Effect.sleep(5)
      }
      yield* queue.requeueMany(ids)
      yield* until(
        Effect.map(
          Effect.forEach(ids, (id) => status(redis, id)),
          (all) => all.every((one) => one === "finished" || one === "failed" || one === "stopped")
        )
      )
      assert.deepStrictEqual(yield* waiting(redis), [])
      yield* consistent(redis)
    }))
})
