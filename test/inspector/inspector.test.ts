import { assert, describe, it } from "@effect/vitest"
import { Inspector, Job, JobGroup, Queue, Redis, RedisLive, RedisMemory, Scheduler, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { load, restore, states } from "../support/golden.js"
import * as RedisServer from "../support/redis-server.js"

const Hold = Job.make("app.hold", { queue: "one" })
const Fail = Job.make("app.fail", { queue: "one" })
const Jobs = JobGroup.make(Hold, Fail)

const layers: ReadonlyArray<readonly [string, Layer.Layer<Redis.Redis, RedisServer.RedisServerError>]> = [
  ["in memory", RedisMemory.layer],
  [
    "on a server",
    Layer.unwrapScoped(Effect.map(RedisServer.start(), ({ url }) => Layer.orDie(RedisLive.layer({ url }))))
  ]
]

/** Looks until it is so. What is waited for happens in fibers of this process. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (a: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(look, (a) => isSo(a) ? Effect.succeed(a) : Effect.zipRight(Effect.sleep(5), until(look, isSo)))

for (const [name, redis] of layers) {
  describe(`inspector, ${name}`, () => {
    const provided = <A, E>(
      effect: Effect.Effect<A, E, Inspector.Inspector | Queue.Queue | Redis.Redis | Scope.Scope>
    ) =>
      Effect.scoped(effect).pipe(
        Effect.provide(Layer.provideMerge(Layer.merge(Inspector.layer, Queue.layer), redis)),
        Effect.timeout("15 seconds")
      )

    it.live("knows nothing of an empty Redis", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        assert.deepStrictEqual(yield* inspector.queues(), [])
        assert.deepStrictEqual(yield* inspector.workers(), [])
        assert.deepStrictEqual(yield* inspector.schedulers(), [])
        assert.isTrue(Option.isNone(yield* inspector.leader("one")))
        const [queue] = yield* inspector.queues(["one"])
        assert.deepInclude(queue, { name: "one", queued: 0, scheduled: 0, overdue: 0, lag: Duration.zero })
      })))

    it.live("sees what waits, since when, and what is due", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const queue = yield* Queue.Queue
        const before = yield* DateTime.now
        const first = yield* queue.enqueue(Hold)
        yield* queue.enqueue(Hold)
        yield* queue.enqueueAt(DateTime.subtract(before, { seconds: 90 }), Hold)
        yield* queue.enqueueAt(DateTime.subtract(before, { seconds: 30 }), Hold)
        const next = yield* queue.enqueueIn("1 hour", Hold)
        yield* queue.enqueueIn("2 hours", Hold, {}, { queue: "two" })

        const [one, two] = yield* inspector.queues()
        assert.deepInclude(one, { name: "one", queued: 2, scheduled: 3, overdue: 2, started: 0 })
        const oldest = Option.getOrThrow(one!.oldestWaiting)
        assert.strictEqual(oldest.id, first.id)
        const waited = DateTime.distance(before, Option.getOrThrow(oldest.enqueuedAt))
        assert.isTrue(waited >= 0 && waited < 5000)
        const lag = Duration.toMillis(one!.lag)
        assert.isTrue(lag >= 90_000 && lag < 100_000)
        assert.deepStrictEqual(one!.nextDue, next.dueAt)
        assert.isTrue(Option.isNone(one!.leader))
        assert.deepInclude(two, { name: "two", queued: 0, scheduled: 1, overdue: 0, lag: Duration.zero })

        const named = yield* inspector.queues(["two", "three", "one"])
        assert.deepStrictEqual(named.map(({ name, queued }) => [name, queued]), [["two", 0], ["three", 0], ["one", 2]])
      })))

    it.live("sees who leads, who works and how that ended", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const queue = yield* Queue.Queue
        const release = yield* Deferred.make<void>()
        const handlers = Jobs.toLayer({
          "app.hold": () => Deferred.await(release),
          "app.fail": () => Effect.dieMessage("on purpose")
        })
        const worker = yield* Worker.make(Jobs, {
          queues: ["one", "two"],
          name: "w1",
          withScheduler: true,
          scheduler: { name: "4711", lease: "20 seconds" },
          heartbeat: "1 second"
        }).pipe(Effect.provide(handlers))
        yield* Scheduler.make({ queues: ["two", "three"], name: "4712" })
        const leads = until(inspector.leader("three"), Option.isSome)
        assert.strictEqual(Option.getOrThrow(yield* leads).name, "4712")
        const led = Option.getOrThrow(yield* until(inspector.leader("one"), Option.isSome))
        assert.strictEqual(led.name, "4711")
        const now = yield* DateTime.now
        const lease = DateTime.distance(now, Option.getOrThrow(led.lapsesAt))
        assert.isTrue(lease > 10_000 && lease <= 20_100)

        const failing = yield* queue.enqueue(Fail)
        const held = yield* queue.enqueue(Hold)
        const busy = yield* until(inspector.workers(), ([one]) =>
          one !== undefined && one.failed === 1 && Option.isSome(one.currentJob))
        assert.strictEqual(busy.length, 1)
        assert.deepInclude(busy[0], { name: "w1", queues: ["one", "two"], successful: 0, failed: 1 })
        assert.deepStrictEqual(busy[0]!.state, Option.some("busy"))
        assert.deepStrictEqual(busy[0]!.currentJob, Option.some(held.id))
        assert.isTrue(Option.isSome(busy[0]!.lastHeartbeat) && Option.isSome(busy[0]!.pid))
        assert.deepStrictEqual(yield* inspector.workers(["three"]), [])
        assert.lengthOf(yield* inspector.workers(["two", "one"]), 1)
        assert.notStrictEqual(failing.id, held.id)

        const schedulers = yield* inspector.schedulers(["one", "two", "three"])
        assert.deepStrictEqual(
          schedulers.map(({ leads, name, queues }) => [name, leads, queues]),
          [["4711", ["one", "two"], ["one", "two"]], ["4712", ["three"], ["two", "three"]]]
        )
        assert.isTrue(Option.isSome(schedulers[0]!.lastHeartbeat))

        const [started] = yield* inspector.queues(["one"])
        assert.deepInclude(started, { queued: 0, started: 1, finished: 0, failed: 1 })
        yield* Deferred.succeed(release, undefined)
        yield* until(worker.status, ({ successful }) =>
          successful === 1)
        yield* until(inspector.queues(["one"]), ([one]) => one!.finished === 1 && one!.started === 0)
      })))

    it.live("reads what Python's workers and schedulers tell of themselves", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const redis = yield* Redis.Redis
        const python = (name: string, state: string) => new Map(states(load(name))).get(state)!
        yield* restore(redis, python("idle_fork_worker", "idle"))
        yield* restore(redis, python("scheduler_lifecycle", "locked"))
        const [worker] = yield* inspector.workers(["default"])
        assert.deepInclude(worker, { name: "w-fork", queues: ["default"], successful: 0, failed: 0 })
        assert.deepStrictEqual(worker!.state, Option.some("idle"))
        assert.deepStrictEqual(worker!.version, Option.some("2.10.0"))
        const [scheduler] = yield* inspector.schedulers(["default"])
        assert.deepInclude(scheduler, { name: "s-1", leads: ["default"], queues: ["default"] })
        assert.deepStrictEqual(scheduler!.pid, Option.some(16629))
      })))

    it.live("tells the rest, and why, where a worker or a queue can't be read", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const { send } = yield* Redis.Redis
        yield* send("SADD", "rq:queues", "rq:queue:bad", "rq:queue:odd", "rq:queue:well")
        yield* send("SET", "rq:queue:bad", "a text")
        yield* send("ZADD", "rq:scheduled:bad", 1, "due")
        yield* send("SET", "rq:scheduled:odd", "a text")
        yield* send("SADD", "rq:finished:odd", "a set")
        yield* send("RPUSH", "rq:queue:odd", "waits")
        yield* send("RPUSH", "rq:queue:well", "a", "b")
        const [bad, odd, well] = yield* inspector.queues()
        assert.deepInclude(bad, { name: "bad", queued: 0, scheduled: 1, overdue: 1 })
        assert.deepInclude(odd, {
          name: "odd",
          queued: 1,
          scheduled: 0,
          finished: 0,
          overdue: 0,
          nextDue: Option.none()
        })
        assert.deepInclude(well, { name: "well", queued: 2, problem: Option.none() })
        const whys = [bad, odd].map((one) => Option.getOrThrow(one!.problem))
        assert.deepStrictEqual(whys.map(({ _tag, field }) => [_tag, field]), [
          ["WireError", "rq:queue:bad"],
          ["WireError", "rq:scheduled:odd"]
        ])
        assert.match(whys[0]!.message, /^rq:queue:bad: WRONGTYPE/)

        yield* send("SADD", "rq:workers", "rq:worker:corrupt", "rq:worker:foreign", "rq:worker:gone", "rq:worker:well")
        yield* send("HSET", "rq:worker:corrupt", "birth", "nonsense", "successful_job_count", 3)
        yield* send("SET", "rq:worker:foreign", "a text")
        yield* send("HSET", "rq:worker:well", "birth", "2026-11-24T06:00:00.000000Z", "successful_job_count", 4)
        const workers = yield* inspector.workers()
        assert.deepStrictEqual(
          workers.map(({ name, problem, successful }) => [
            name,
            successful,
            Option.getOrNull(Option.map(problem, ({ field }) => field))
          ]),
          [["corrupt", 0, "birth"], ["foreign", 0, "rq:worker:foreign"], ["well", 4, null]]
        )
        assert.include(
          Option.getOrThrow(workers[1]!.problem).message,
          "rq:worker:foreign: holds a string, expected a hash"
        )
      })))

    it.live("tells of schedulers and who leads, and why, where one can't be read", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const { send } = yield* Redis.Redis
        for (const name of ["one", "two", "three", "four", "five"]) yield* send("SADD", "rq:queues", `rq:queue:${name}`)
        for (const [queue, by] of [["one", "corrupt"], ["two", "well"], ["three", "foreign"], ["four", "old"]]) {
          yield* send("SET", `rq:scheduler-lock:${queue}`, by!)
        }
        yield* send("HSET", "rq:scheduler-lock:five", "a", "b")
        yield* send("HSET", "rq:scheduler:corrupt", "hostname", "h", "created_at", "nonsense")
        yield* send("HSET", "rq:scheduler:well", "hostname", "h", "queues", "two,four")
        yield* send("SET", "rq:scheduler:foreign", "a text")
        const schedulers = yield* inspector.schedulers()
        assert.deepStrictEqual(
          schedulers.map(({ hostname, leads, name, problem, queues }) => [
            name,
            leads,
            queues,
            Option.getOrNull(hostname),
            Option.getOrNull(Option.map(problem, ({ field }) => field))
          ]),
          [
            ["corrupt", ["one"], [], null, "created_at"],
            ["foreign", ["three"], [], null, "rq:scheduler:foreign"],
            ["old", ["four"], [], null, null],
            ["well", ["two"], ["two", "four"], "h", null]
          ]
        )
        assert.deepStrictEqual(Option.map(yield* inspector.leader("one"), ({ name }) => name), Option.some("corrupt"))
        const error = yield* Effect.flip(inspector.leader("five"))
        assert.deepInclude(error, { _tag: "WireError", field: "rq:scheduler-lock:five" })
        assert.match(
          error.message,
          /^rq:scheduler-lock:five: holds a hash, expected the name of a scheduler\. Delete it/
        )
        const [five] = yield* inspector.queues(["five"])
        assert.deepStrictEqual(Option.map(five!.problem, ({ field }) => field), Option.some("rq:scheduler-lock:five"))
      })))

    it.live("doesn't count what is kept no longer", () =>
      provided(Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const { send } = yield* Redis.Redis
        yield* send("ZADD", "rq:finished:one", 1, "gone", 99_999_999_999, "kept", -1, "for ever", "+inf", "also")
        yield* send("ZADD", "rq:failed:one", 1, "gone")
        const [one] = yield* inspector.queues(["one"])
        assert.deepInclude(one, { finished: 3, failed: 0 })
      })))
  })
}
