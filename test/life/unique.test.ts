/**
 * Jobs that are unique among those of their id.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, Redis } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import {
  client,
  consistent,
  dueIn,
  enqueueNamed,
  hget,
  range,
  record,
  Task,
  TaskFailed,
  travelling,
  type World
} from "./support.js"

type Unique = NonNullable<Queue.EnqueueOptions["unique"]>

/** Puts a job into a state, the way users do. */
const states: Readonly<Record<string, (world: World) => Effect.Effect<unknown, unknown>>> = {
  queued: (world) => world.queue.enqueue(Task, { name: "old" }, { jobId: "a", meta: { of: "old" } }),
  scheduled: (world) => world.queue.enqueueIn("1 hour", Task, { name: "old" }, { jobId: "a", meta: { of: "old" } }),
  deferred: (world) =>
    Effect.zipRight(
      world.queue.enqueueIn("2 hours", Task, { name: "parent" }, { jobId: "parent" }),
      world.queue.enqueue(Task, { name: "old" }, { jobId: "a", dependsOn: "parent", meta: { of: "old" } })
    ),
  started: (world) =>
    Effect.gen(function*() {
      yield* world.queue.enqueue(Task, { name: "old", millis: 600_000 }, { jobId: "a", timeout: "1 hour" })
      yield* world.worker("worker", { queues: ["q"], concurrency: 1 })
      yield* world.settle
    })
}

const ended: Readonly<Record<string, (world: World) => Effect.Effect<unknown, unknown>>> = {
  finished: (world) =>
    Effect.gen(function*() {
      yield* world.queue.enqueue(Task, { name: "old" }, { jobId: "a" })
      const worker = yield* world.worker("worker")
      yield* world.settle
      yield* worker.stop
    }),
  failed: (world) =>
    Effect.gen(function*() {
      yield* world.queue.enqueue(Task, { name: "old" }, { jobId: "a" })
      const worker = yield* world.worker("worker", { handler: () => Effect.fail(new TaskFailed({ code: 1 })) })
      yield* world.settle
      yield* worker.stop
    }),
  stopped: (world) =>
    Effect.gen(function*() {
      yield* states["started"]!(world)
      yield* world.queue.stop("a")
      yield* world.settle
    }),
  canceled: (world) =>
    Effect.gen(function*() {
      yield* world.queue.enqueue(Task, { name: "old" }, { jobId: "a" })
      yield* world.queue.cancel("a")
    })
}

const again = (world: World, unique: Unique | undefined, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueue(Task, { name: "new" }, { jobId: "a", unique, ...options })

const payloadName = (world: World) =>
  Effect.map(record(world, "a"), ({ payload }) => Either.getOrThrow(payload).kwargs["name"])

for (const [state, put] of Object.entries(states)) {
  describe(`while a job of the id is ${state}`, () => {
    it.effect("another is refused with JobExists, and nothing changes", () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* put(world)
          assert.strictEqual(yield* world.status("a"), state)
          const before = yield* world.dump
          const error = yield* Effect.flip(again(world, "refuse"))
          assert.instanceOf(error, Queue.JobExists)
          assert.strictEqual((error as Queue.JobExists).jobId, "a") // just checked
          assert.deepStrictEqual(yield* world.dump, before)
        })
      ))

    it.effect("keep answers that it exists, and nothing changes; so it is without unique", () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* put(world)
          const before = yield* world.dump
          for (const unique of ["keep", undefined] as const) {
            assert.strictEqual((yield* again(world, unique)).outcome, "exists")
          }
          assert.deepStrictEqual(yield* world.dump, before)
        })
      ))

    it.effect(
      state === "started" ? "replace leaves it" : "replace takes its place: payload, options, queue and time",
      () =>
        travelling((world) =>
          Effect.gen(function*() {
            yield* put(world)
            const before = yield* world.dump
            const ref = yield* again(world, "replace", { queue: "other", timeout: "7 seconds" })
            if (state === "started") {
              assert.strictEqual(ref.outcome, "exists")
              assert.deepStrictEqual(yield* world.dump, before)
              return
            }
            assert.strictEqual(ref.outcome, "replaced")
            assert.strictEqual(yield* payloadName(world), "new")
            const replaced = yield* record(world, "a")
            assert.deepStrictEqual([replaced.status, replaced.queue, replaced.meta], ["queued", "other", {}])
            assert.deepStrictEqual(yield* world.queue.jobIds("other"), ["a"])
            assert.deepStrictEqual(yield* world.queue.jobIds("q"), [])
            yield* consistent(world)
            // and with another time
            const later = yield* world.queue.enqueueIn("3 hours", Task, { name: "later" }, {
              jobId: "a",
              unique: "replace"
            })
            assert.strictEqual(later.outcome, "replaced")
            assert.deepStrictEqual(later.dueAt, Option.some(DateTime.unsafeMake(10_800_000)))
            assert.strictEqual(yield* dueIn(world, "a"), 10_800_000)
            yield* consistent(world)
            // a parent that ends has nobody to release any more
            if (state === "deferred") {
              yield* world.queue.delete("parent")
              assert.strictEqual(yield* world.status("a"), "scheduled")
              assert.deepStrictEqual(yield* world.queue.jobIds("q"), [])
              yield* consistent(world)
            }
          })
        )
    )
  })
}

describe("while a job of the id is handed over to a worker", () => {
  for (const later of [true, false]) {
    it.effect(`replace takes it out of that worker's list (${later ? "due later" : "at once"})`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* world.queue.enqueue(Task, { name: "old" }, { jobId: "a" })
          yield* world.redis.send("ZADD", keys.handovers("q"), 1e10, "worker")
          yield* world.redis.send("LMOVE", keys.queue("q"), keys.handover("q", "worker"), "LEFT", "RIGHT")
          const options = { jobId: "a", unique: "replace" } as const
          yield* later
            ? world.queue.enqueueIn("1 hour", Task, { name: "new" }, options)
            : world.queue.enqueue(Task, { name: "new" }, options)
          assert.notProperty(yield* world.dump, keys.handover("q", "worker"))
          yield* consistent(world)
        })
      ))
  }
})

for (const [state, put] of Object.entries(ended)) {
  describe(`once a job of the id is ${state}`, () => {
    for (const unique of ["refuse", "keep", "replace"] as const) {
      it.effect(`it makes way for another (${unique}), with all that was kept of it`, () =>
        travelling((world) =>
          Effect.gen(function*() {
            yield* put(world)
            assert.strictEqual(yield* world.status("a"), state)
            const ref = yield* again(world, unique)
            assert.strictEqual(ref.outcome, "enqueued")
            assert.strictEqual(yield* payloadName(world), "new")
            assert.deepStrictEqual(yield* world.queue.history("a"), [])
            assert.isNull(yield* hget(world, "a", "ended_at"))
            yield* consistent(world)
          })
        ))
    }

    it.effect("it is in the way without unique, for as long as it is kept", () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* put(world)
          const before = yield* world.dump
          assert.strictEqual((yield* again(world, undefined)).outcome, "exists")
          assert.deepStrictEqual(yield* world.dump, before)
        })
      ))
  })
}

describe("a debounce", () => {
  it.effect("runs once, with the last payload, a pause after the last call", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { withScheduler: true })
        const answers: Array<string> = []
        for (const index of range(10)) {
          const ref = yield* world.queue.enqueueIn("5 seconds", Task, { name: `call ${index}` }, {
            jobId: "a",
            unique: "replace"
          })
          answers.push(ref.outcome)
          yield* world.adjust("3 seconds")
        }
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(answers, ["scheduled", ...range(9).map(() => "replaced")])
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["call 9", 32_000]])
        yield* consistent(world)
      })
    ))

  it.effect("to an earlier time wakes the scheduler", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { withScheduler: true })
        yield* world.queue.enqueueIn("1 hour", Task, { name: "late" }, { jobId: "a", unique: "replace" })
        yield* world.adjust("1 second")
        yield* world.queue.enqueueIn("123 millis", Task, { name: "soon" }, { jobId: "a", unique: "replace" })
        yield* world.adjust("1 hour")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [["soon", 1123]])
      })
    ))
})

describe("uniqueFor", () => {
  it.effect("keeps others out until it has passed, also when the job has ended and is gone", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        const enqueue = (name: string, options: Queue.EnqueueOptions = {}) =>
          world.queue.enqueue(Task, { name }, {
            jobId: "a",
            resultTtl: "1 minute",
            unique: "keep",
            uniqueFor: "10 minutes",
            ...options
          })
        assert.strictEqual((yield* enqueue("first")).outcome, "enqueued")
        yield* world.adjust("30 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.strictEqual((yield* enqueue("kept")).outcome, "exists")
        assert.instanceOf(yield* Effect.flip(enqueue("refused", { unique: "refuse" })), Queue.JobExists)
        yield* world.adjust("5 minutes")
        assert.isNull(yield* world.status("a"))
        assert.strictEqual((yield* enqueue("gone")).outcome, "exists")
        yield* world.adjust("270 seconds")
        assert.strictEqual((yield* enqueue("at the end")).outcome, "exists")
        yield* world.adjust("1 millis")
        assert.strictEqual((yield* enqueue("after")).outcome, "enqueued")
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["first", "after"])
        yield* consistent(world)
      })
    ))

  it.effect("does not keep a waiting job from being replaced, which begins the window anew", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const enqueue = world.queue.enqueueIn("1 minute", Task, { name: "x" }, {
          jobId: "a",
          unique: "replace",
          uniqueFor: "90 seconds"
        })
        assert.strictEqual((yield* enqueue).outcome, "scheduled")
        yield* world.adjust("50 seconds")
        assert.strictEqual((yield* enqueue).outcome, "replaced")
        yield* world.worker("worker", { withScheduler: true })
        yield* world.adjust("70 seconds")
        assert.lengthOf(world.ran, 1)
        // 120 s; the window ends at 140 s
        assert.strictEqual((yield* enqueue).outcome, "exists")
        yield* world.adjust("20001 millis")
        assert.strictEqual((yield* enqueue).outcome, "scheduled")
      })
    ))

  it.effect("and unique want an id of one's own", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const options of [{ unique: "keep" }, { uniqueFor: "1 second" }] as const) {
          const error = yield* Effect.flip(world.queue.enqueue(Task, { name: "a" }, options))
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, "jobId") // just checked
        }
      })
    ))
})

describe("two producers", () => {
  it.effect("of which each wants to be the only one: one is, whatever the order", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const yields of range(8)) {
          const id = `a${yields}`
          const one = yield* client(world)
          const other = yield* client(world)
          const enqueue = (queue: Queue.QueueService, name: string) =>
            Effect.exit(queue.enqueue(Task, { name }, { jobId: id, unique: "refuse" }))
          const first = yield* Effect.fork(enqueue(one.queue, "one"))
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
          const second = yield* enqueue(other.queue, "other")
          const exits = [yield* Fiber.join(first), second]
          assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
          yield* consistent(world)
        }
        assert.strictEqual(yield* world.queue.length("q"), 8)
      })
    ))

  it.effect("that replace race a worker's claim: it runs once, with one payload or the other", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        yield* world.adjust("1 second")
        const seen = new Set<string>()
        for (const yields of range(30)) {
          const id = `a${yields}`
          world.ran.length = 0
          yield* world.queue.enqueue(Task, { name: "old" }, { jobId: id })
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
          const { outcome } = yield* world.queue.enqueue(Task, { name: "new" }, { jobId: id, unique: "replace" })
          yield* world.adjust("30 seconds")
          const names = world.names().join("+")
          seen.add(`${outcome}: ${names}`)
          yield* consistent(world)
        }
        // "enqueued" when the old one had run already and made way
        assert.isTrue(
          [...seen].every((one) => ["replaced: new", "exists: old", "enqueued: old+new"].includes(one)),
          [...seen].join(", ")
        )
        assert.isAbove(seen.size, 1, "the loop is worth something when it has seen more than one course")
      })
    ))
})

describe("a lost reply", () => {
  it.effect("can be repeated: refuse then says that the job exists, keep and replace count once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const own = yield* client(world)
        let losing = true
        const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "", message: "lost" })
        const redis: Redis.RedisService = {
          ...own.redis,
          eval: (script) => {
            const run = own.redis.eval(script)
            return (...params) =>
              Effect.zipLeft(run(...params), Effect.suspend(() => losing ? Effect.fail(lost) : Effect.void))
          }
        }
        const queue = yield* Effect.provideService(Queue.make, Redis.Redis, redis)
        for (const unique of ["refuse", "keep", "replace"] as const) {
          losing = true
          const enqueue = queue.enqueue(Task, { name: unique }, { jobId: unique, unique })
          assert.instanceOf(yield* Effect.flip(enqueue), Redis.RedisError)
          losing = false
          const repeated = yield* Effect.either(enqueue)
          assert.strictEqual(
            Either.isRight(repeated) ? repeated.right.outcome : repeated.left._tag,
            { refuse: "JobExists", keep: "exists", replace: "replaced" }[unique]
          )
        }
        assert.sameMembers([...yield* world.queue.jobIds("q")], ["refuse", "keep", "replace"])
        yield* consistent(world)
        yield* world.worker("worker")
        yield* world.settle
        assert.sameMembers([...world.names()], ["refuse", "keep", "replace"])
      })
    ))
})

describe("of many", () => {
  it.effect("each is asked for by itself, in enqueueMany as well", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["a", "b"])
        const refs = yield* world.queue.enqueueMany(
          (["a", "b", "c", "d"] as const).map((name, index) =>
            Queue.request(Task, { name: `new ${name}` }, {
              jobId: name,
              ...(index === 3 ? {} : { unique: index % 2 === 0 ? "replace" : "keep" })
            })
          )
        )
        assert.deepStrictEqual(refs.map(({ outcome }) => outcome), ["replaced", "exists", "enqueued", "enqueued"])
        yield* consistent(world)
        assert.sameMembers([...yield* world.queue.jobIds("q")], ["a", "b", "c", "d"])
      })
    ))
})
