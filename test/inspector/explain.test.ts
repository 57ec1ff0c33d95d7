/**
 * The life of a job as it is told, and each reason for the time that it took.
 */
import { assert, describe, it } from "@effect/vitest"
import { Control, Inspector, Job, JobGroup, type Queue, Redis, Worker } from "effect-rq"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Task, TaskFailed, travelling, type World } from "../time-travel/support/world.js"

const Void = Job.make("test.void", { queue: "q" })

const as = <A, E>(world: World, effect: Effect.Effect<A, E, Redis.Redis>) =>
  Effect.provideService(effect, Redis.Redis, world.redis)

const tell = (world: World, id: string) =>
  Effect.flatMap(as(world, Inspector.make), ({ explain }) => explain(id)).pipe(
    Effect.flatMap((found): Effect.Effect<Inspector.Story> =>
      Option.isSome(found) ? Effect.succeed(found.value) : Effect.die(new Error(`nothing is kept of ${id}`))
    )
  )

/** Each moment on one line: `what seconds by, why why`. */
const lines = (world: World, { moments }: Inspector.Story) =>
  Effect.gen(function*() {
    const start = (yield* Clock.currentTimeMillis) - (yield* world.elapsed)
    return moments.map(({ at, by, reasons, what }) =>
      [
        what,
        Option.match(at, { onNone: () => "?", onSome: (at) => String((DateTime.toEpochMillis(at) - start) / 1000) }),
        ...Option.toArray(by)
      ].join(" ") + reasons.map(({ kind }) => `, ${kind}`).join("")
    )
  })

const now = ({ waitsFor }: Inspector.Story) => waitsFor.map(({ kind }) => kind)

const messages = ({ moments, waitsFor }: Inspector.Story) =>
  [...moments.flatMap(({ reasons }) => reasons), ...waitsFor].map(({ message }) => message)

const enqueue = (world: World, name: string, millis = 0, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueue(Task, { name, millis }, { jobId: name, ...options })

const enqueueIn = (world: World, delay: Duration.DurationInput, name: string, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueueIn(delay, Task, { name }, { jobId: name, ...options })

const check = (
  world: World,
  id: string,
  expected: ReadonlyArray<string>,
  waitsFor: ReadonlyArray<Inspector.Reason["kind"]> = []
) =>
  Effect.gen(function*() {
    const story = yield* tell(world, id)
    assert.deepStrictEqual(yield* lines(world, story), expected, messages(story).join("\n"))
    assert.deepStrictEqual(now(story), waitsFor)
    return story
  })

const travel = (name: string, body: (world: World) => Effect.Effect<unknown, unknown>) =>
  it.effect(name, () => travelling((world) => Effect.orDie(body(world))))

describe("the life of a job", () => {
  travel(
    "that was scheduled, promoted and run on time needs no more reason than that",
    (world) =>
      Effect.gen(function*() {
        yield* world.scheduler("s1")
        yield* world.worker("w1")
        yield* world.settle
        yield* enqueueIn(world, "10 seconds", "a")
        const waiting = yield* check(world, "a", ["created 0", "due 10, scheduled"], ["scheduled"])
        assert.deepStrictEqual(waiting.leader, Option.some("s1"))
        assert.deepStrictEqual(messages(waiting).at(-1), "it is due in 10 s; s1 leads q")
        yield* world.adjust("11 seconds")
        const story = yield* check(world, "a", [
          "created 0",
          "due 10, scheduled",
          "promoted 10 s1",
          "started 10 w1",
          "succeeded 10 w1"
        ])
        assert.deepStrictEqual([story.id, Option.getOrNull(story.status), Option.getOrNull(story.queue)], [
          "a",
          "finished",
          "q"
        ])
        assert.deepStrictEqual(
          story.moments.map(({ after }) => Option.getOrNull(Option.map(after, Duration.toMillis))),
          [
            null,
            10_000,
            0,
            0,
            0
          ]
        )
      })
  )

  travel("that waits is told by what it waits for", (world) =>
    Effect.gen(function*() {
      const control = yield* as(world, Control.make)
      yield* enqueue(world, "first")
      yield* enqueue(world, "queued")
      yield* enqueueIn(world, "1 second", "scheduled")
      yield* enqueue(world, "deferred", 0, { dependsOn: "queued" })
      yield* check(world, "queued", ["created 0", "queued 0"], ["no-worker", "backlog"])
      yield* check(world, "scheduled", ["created 0", "due 1, scheduled"], ["no-leader"])
      yield* check(world, "deferred", ["created 0"], ["dependency"])
      yield* control.pause("q")
      yield* control.suspend()
      yield* world.worker("w1")
      const endless = yield* check(world, "first", ["created 0", "queued 0"], ["paused", "suspended"])
      assert.include(messages(endless), "all workers are suspended")
      yield* control.suspend({ duration: "1 minute" })
      const until = DateTime.formatIso(DateTime.unsafeMake((yield* Clock.currentTimeMillis) + 60_000))
      assert.include(messages(yield* tell(world, "first")), `all workers are suspended until ${until}`)
      yield* world.queue.cancel("first")
      yield* check(world, "first", ["created 0", "queued 0", "canceled 0"])
      yield* control.unpause("q")
      yield* control.resume
      yield* world.adjust("2 seconds")
      const released = yield* check(world, "deferred", [
        "created 0",
        "queued 1, dependency",
        "started 1 w1",
        "succeeded 1 w1"
      ])
      assert.match(messages(released)[0]!, /^it waited for queued, which is finished since \S+Z$/)
    }))

  travel("that is gone is told by its results", (world) =>
    Effect.gen(function*() {
      yield* world.worker("w1")
      yield* enqueue(world, "a", 1000)
      yield* world.adjust("2 seconds")
      yield* world.redis.send("DEL", "rq:job:a")
      const story = yield* check(world, "a", ["started 0 w1", "succeeded 1 w1"])
      assert.isTrue(Option.isNone(story.status))
      const inspector = yield* as(world, Inspector.make)
      assert.isTrue(Option.isNone(yield* inspector.explain("nobody")))
    }))
})

describe("why it was late", () => {
  travel("no scheduler led, since the last one had stopped", (world) =>
    Effect.gen(function*() {
      const first = yield* world.scheduler("s1")
      yield* enqueueIn(world, "10 seconds", "a")
      yield* world.adjust("5 seconds")
      yield* first.stop
      yield* world.adjust("25 seconds")
      yield* world.scheduler("s2")
      yield* world.adjust("1 second")
      const story = yield* check(world, "a", ["created 0", "due 10, scheduled", "promoted 30 s2, no-leader"], [
        "no-worker"
      ])
      assert.match(
        messages(story)[1]!,
        /^no scheduler led q from \S+05\.000Z, when s1 stopped, until s2 was elected at \S+30\.000Z$/
      )
    }))

  travel("no scheduler had led before", (world) =>
    Effect.gen(function*() {
      yield* enqueueIn(world, "10 seconds", "a")
      yield* world.adjust("20 seconds")
      yield* world.scheduler("s1")
      yield* world.adjust("1 second")
      yield* check(world, "a", ["created 0", "due 10, scheduled", "promoted 20 s1, no-leader"], ["no-worker"])
    }))

  travel("the leader had crashed", (world) =>
    Effect.gen(function*() {
      const first = yield* world.scheduler("s1")
      yield* world.adjust("1 second")
      yield* world.scheduler("s2")
      yield* enqueueIn(world, "10 seconds", "a")
      yield* world.adjust("8 seconds")
      yield* first.kill
      yield* world.adjust("30 seconds")
      const story = yield* tell(world, "a")
      assert.deepStrictEqual((yield* lines(world, story)).map((line) => line.replace(/ 2\d\S* /, " 2x ")), [
        "created 1",
        "due 11, scheduled",
        "promoted 2x s2, takeover"
      ])
      assert.match(
        messages(story)[1]!,
        /^s1 led q and was gone without a farewell; s2 took over at .* lease of 15 s had lapsed$/
      )
    }))

  travel(
    "it was scheduled for a time that had passed; or the scheduler was slow, for a reason that nobody knows",
    (world) =>
      Effect.gen(function*() {
        // it hears of nothing, and looks when its tick comes
        const deaf = <A>(script: string, call: Effect.Effect<A, Redis.RedisError>) =>
          script === "subscribe" ? Effect.never : call
        yield* world.scheduler("s1", { around: deaf })
        yield* world.scheduler("s2", { around: deaf, queues: ["slow"], tick: "10 seconds", lease: "1 minute" })
        yield* world.adjust("20100 millis")
        const start = (yield* Clock.currentTimeMillis) - 20_100
        yield* enqueueIn(world, "200 millis", "tick")
        yield* enqueueIn(world, "200 millis", "slow", { queue: "slow" })
        yield* world.queue.enqueueAt(DateTime.unsafeMake(start + 5000), Task, { name: "past" }, { jobId: "past" })
        yield* world.adjust("10 seconds")
        const kinds = (story: Inspector.Story) =>
          story.moments.flatMap(({ reasons, what }) => what === "promoted" ? reasons.map(({ kind }) => kind) : [])
        assert.deepStrictEqual(kinds(yield* tell(world, "tick")), ["tick"])
        assert.deepStrictEqual(kinds(yield* tell(world, "past")), ["past", "tick"])
        const slow = yield* tell(world, "slow")
        assert.deepStrictEqual(kinds(slow), ["unknown"])
        assert.include(messages(slow), "s2 led slow all the time; why it was late is not kept")
      })
  )
})

describe("why it was not run at once", () => {
  travel("no worker was there", (world) =>
    Effect.gen(function*() {
      yield* enqueue(world, "a")
      yield* world.adjust("60 seconds")
      yield* world.worker("w1")
      yield* world.adjust("1 second")
      const story = yield* check(world, "a", ["created 0", "queued 0", "started 60 w1, no-worker", "succeeded 60 w1"])
      assert.match(
        messages(story)[0]!,
        /^worker w1, which took it, was started at \S+; no worker of q that is known now/
      )
    }))

  travel("its queue was paused, or the fleet suspended", (world) =>
    Effect.gen(function*() {
      const control = yield* as(world, Control.make)
      yield* world.worker("w1")
      yield* world.adjust("1 second")
      yield* control.pause("q")
      yield* world.adjust("2 seconds")
      yield* enqueue(world, "a")
      yield* world.adjust("7 seconds")
      yield* control.unpause("q")
      yield* world.adjust("5 seconds")
      yield* control.suspend({ duration: "20 seconds" })
      yield* world.adjust("5 seconds")
      yield* enqueue(world, "b")
      yield* world.adjust("30 seconds")
      const kinds = (story: Inspector.Story) =>
        story.moments.flatMap(({ reasons, what }) => what === "started" ? reasons.map(({ kind }) => kind) : [])
      const [a, b] = [yield* tell(world, "a"), yield* tell(world, "b")]
      assert.deepStrictEqual(kinds(a), ["paused"])
      assert.deepStrictEqual(kinds(b), ["suspended"])
      assert.match(messages(a)[0]!, /^q was paused from \S+01\.000Z to \S+10\.000Z$/)
      assert.match(messages(b)[0]!, /^all workers were suspended from \S+15\.000Z to \S+35\.000Z$/)
    }))

  travel("the worker ran others, and others were first", (world) =>
    Effect.gen(function*() {
      yield* world.worker("w1", { concurrency: 1 })
      yield* world.adjust("1 second")
      yield* enqueue(world, "runs", 10_000)
      yield* world.adjust("1 second")
      yield* enqueue(world, "first", 5000)
      yield* enqueue(world, "a")
      yield* check(world, "a", ["created 2", "queued 2"], ["backlog", "busy"])
      yield* world.adjust("20 seconds")
      const story = yield* check(world, "a", [
        "created 2",
        "queued 2",
        "started 16 w1, backlog, busy",
        "succeeded 16 w1"
      ])
      assert.deepStrictEqual(messages(story), [
        "a job of q that was queued before it was started first, of those that are kept",
        "a job of q ran already when it was queued, of those that are kept"
      ])
    }))

  travel("a worker that stopped has given it back, which leaves no trace", (world) =>
    Effect.gen(function*() {
      const first = yield* world.worker("w1", { gracePeriod: "1 second" })
      yield* world.adjust("1 second")
      yield* enqueue(world, "a", 20_000)
      yield* world.adjust("1 second")
      const second = yield* world.worker("w2")
      yield* second.pause
      yield* Effect.fork(first.stop)
      yield* world.adjust("30 seconds")
      yield* world.redis.send("HSET", "rq:worker:w2", "birth", "1970-01-01T00:00:00.000000Z")
      yield* second.resume
      yield* world.adjust("60 seconds")
      const story = yield* tell(world, "a")
      assert.strictEqual(story.moments.at(-1)!.what, "succeeded")
      assert.deepStrictEqual(story.moments.find(({ what }) => what === "started")!.reasons.map(({ kind }) => kind), [
        "unknown"
      ])
    }))

  travel("two clocks differ", (world) =>
    Effect.gen(function*() {
      yield* world.worker("w1")
      yield* enqueue(world, "a")
      yield* world.adjust("1 second")
      yield* world.redis.send("HSET", "rq:job:a", "enqueued_at", "1970-01-01T00:00:07.000000Z")
      const story = yield* tell(world, "a")
      const reasons = story.moments.flatMap(({ reasons }) => reasons)
      assert.isTrue(reasons.some(({ kind }) => kind === "clock"), messages(story).join())
    }))

  travel("something promoted it that writes no journal", (world) =>
    Effect.gen(function*() {
      yield* world.worker("w1")
      yield* enqueue(world, "a")
      yield* world.adjust("1 second")
      const start = (yield* Clock.currentTimeMillis) - 1000
      yield* world.redis.send("HSET", "rq:job:a", "created_at", new Date(start - 60_000).toISOString())
      const story = yield* tell(world, "a")
      assert.deepStrictEqual(story.moments[1]!.reasons.map(({ kind }) => kind), ["unknown"])
      assert.match(messages(story)[0]!, /^a scheduler of RQ has promoted it, or somebody has queued it again/)
    }))
})

describe("why it ran again", () => {
  travel("it failed, and paused before each try", (world) =>
    Effect.gen(function*() {
      yield* world.scheduler("s1")
      let runs = 0
      yield* world.worker("w1", {
        handler: (task) =>
          Effect.suspend(() => runs++ < 2 ? Effect.fail(new TaskFailed({ code: 7 })) : Effect.succeed(task.name))
      })
      yield* world.adjust("1 second")
      yield* enqueue(world, "a", 0, { retry: { max: 2, intervals: ["5 seconds", "20 seconds"] } })
      yield* world.adjust("10 seconds")
      yield* check(
        world,
        "a",
        [
          "created 1",
          "started 1 w1, unknown",
          "retried 1 w1",
          "due 6, back-off",
          "promoted 6 s1",
          "started 6 w1",
          "retried 6 w1",
          "due 26, back-off"
        ].filter((line) => line !== "started 1 w1, unknown").toSpliced(1, 0, "started 1 w1, unknown"),
        ["scheduled"]
      )
      yield* world.adjust("30 seconds")
      const story = yield* check(world, "a", [
        "created 1",
        "started 1 w1, unknown",
        "retried 1 w1",
        "started 6 w1, back-off",
        "retried 6 w1",
        "due 26, back-off",
        "promoted 26 s1",
        "started 26 w1",
        "succeeded 26 w1"
      ])
      assert.include(messages(story), "the pause before the next try is 20 s, as its retry intervals say")
      assert.include(messages(story), "the pause before this try is 5 s, as its retry intervals say")
    }))

  travel("its worker died", (world) =>
    Effect.gen(function*() {
      const first = yield* world.worker("w1")
      yield* world.adjust("1 second")
      yield* enqueue(world, "a", 60_000)
      yield* world.adjust("3 seconds")
      yield* world.worker("w2")
      yield* first.kill
      yield* world.adjust("120 seconds")
      const story = yield* tell(world, "a")
      assert.deepStrictEqual((yield* lines(world, story)).map((line) => line.replace(/ [\d.]+/, "")), [
        "created",
        "queued",
        "abandoned w1",
        "started w2",
        "succeeded w2"
      ])
    }))

  travel("it repeats, or was queued again, or was stopped", (world) =>
    Effect.gen(function*() {
      yield* world.scheduler("s1")
      yield* world.worker("w1")
      yield* world.adjust("1 second")
      yield* enqueue(world, "repeats", 0, { repeat: { times: 1, intervals: ["30 seconds"] } })
      yield* enqueue(world, "again")
      yield* enqueue(world, "stops", 60_000)
      yield* world.adjust("10 seconds")
      yield* world.queue.requeue("again")
      yield* world.queue.stop("stops")
      yield* world.adjust("1 second")
      yield* check(world, "repeats", [
        "created 1",
        "queued 1",
        "started 1 w1",
        "succeeded 1 w1",
        "due 31, repeat"
      ], ["scheduled"])
      yield* check(world, "again", [
        "created 1",
        "started 1 w1, unknown",
        "succeeded 1 w1",
        "queued 11, requeue",
        "started 11 w1",
        "succeeded 11 w1"
      ])
      yield* check(world, "stops", ["created 1", "queued 1", "started 1 w1", "stopped 11 w1"])
      yield* world.adjust("30 seconds")
      yield* check(world, "repeats", [
        "created 1",
        "started 1 w1, unknown",
        "succeeded 1 w1",
        "due 31, repeat",
        "promoted 31 s1",
        "started 31 w1",
        "succeeded 31 w1"
      ])
    }))

  travel("it repeats without a pause: each run has its reason", (world) =>
    Effect.gen(function*() {
      yield* world.worker("w1")
      yield* world.adjust("1 second")
      yield* enqueue(world, "a", 2000, { repeat: { times: 2 } })
      yield* world.adjust("10 seconds")
      const story = yield* check(world, "a", [
        "created 1",
        "started 1 w1, unknown",
        "succeeded 3 w1",
        "started 3 w1, repeat",
        "succeeded 5 w1",
        "queued 5, repeat",
        "started 5 w1",
        "succeeded 7 w1"
      ])
      const why = "it repeats, without a pause"
      assert.deepStrictEqual(messages(story).slice(1), [why, why])
      // of one that somebody has queued again as well, that can't be told
      yield* world.queue.requeue("a")
      yield* world.adjust("10 seconds")
      const again = yield* tell(world, "a")
      const reasons = again.moments.flatMap(({ reasons, what }) =>
        what === "started" ? reasons.map(({ kind }) => kind) : []
      )
      assert.deepStrictEqual(reasons, ["unknown", "unknown", "unknown"])
    }))

  travel("it repeats, each time after another pause", (world) =>
    Effect.gen(function*() {
      yield* world.scheduler("s1")
      yield* world.worker("w1")
      yield* world.adjust("1 second")
      yield* enqueue(world, "a", 0, { repeat: { times: 3, intervals: ["10 seconds", "20 seconds"] } })
      yield* world.adjust("2 minutes")
      const story = yield* check(world, "a", [
        "created 1",
        "started 1 w1, unknown",
        "succeeded 1 w1",
        "started 11 w1, repeat",
        "succeeded 11 w1",
        "started 31 w1, repeat",
        "succeeded 31 w1",
        "due 51, repeat",
        "promoted 51 s1",
        "started 51 w1",
        "succeeded 51 w1"
      ])
      assert.deepStrictEqual(messages(story).slice(1, 3), [
        "the pause before this repetition is 10 s, as its repeat intervals say",
        "the pause before this repetition is 20 s, as its repeat intervals say"
      ])
    }))

  const worksForVoid = (world: World) =>
    Effect.gen(function*() {
      const group = JobGroup.make(Void)
      const handlers = group.toLayer({ "test.void": () => Effect.sleep("2 seconds") })
      yield* world.workerOf(
        "w1",
        Effect.flatMap(Effect.scoped(Layer.build(handlers)), (context) =>
          Effect.mapInputContext(
            Worker.make(group, { queues: ["q"], name: "w1" }),
            (given: Context.Context<Redis.Redis | Scope.Scope>) => Context.merge(given, context)
          ))
      )
      yield* world.adjust("1 second")
    })

  travel(
    "it repeats without a pause and gives nothing back: what is not kept is said where it belongs",
    (world) =>
      Effect.gen(function*() {
        yield* worksForVoid(world)
        yield* world.queue.enqueue(Void, undefined, { jobId: "a", repeat: { times: 2 } })
        yield* world.adjust("1 minute")
        const story = yield* check(world, "a", [
          "created 1",
          "queued 5, repeat, unknown",
          "started 5 w1",
          "succeeded 7 w1"
        ])
        assert.deepStrictEqual(messages(story), [
          "it repeats; when the run before has ended is not kept",
          "2 earlier runs have left no trace"
        ])
      })
  )

  travel("it repeats after a pause and gives nothing back", (world) =>
    Effect.gen(function*() {
      yield* world.scheduler("s1")
      yield* worksForVoid(world)
      yield* world.queue.enqueue(Void, undefined, { jobId: "a", repeat: { times: 2, intervals: ["1 minute"] } })
      yield* world.adjust("3 seconds")
      yield* check(world, "a", [
        "created 1",
        "queued 1",
        "started 1 w1",
        "succeeded 3 w1",
        "due 63, repeat"
      ], ["scheduled"])
      yield* world.adjust("65 seconds")
      const second = yield* check(world, "a", [
        "created 1",
        "due 63, repeat, unknown",
        "promoted 63 s1",
        "started 63 w1",
        "succeeded 65 w1",
        "due 125, repeat"
      ], ["scheduled"])
      assert.deepStrictEqual(messages(second).slice(0, 3), [
        "it repeats; when the run before has ended is not kept",
        "an earlier run has left no trace",
        "it repeats, and the pause before the next time is 1 min"
      ])
      yield* world.adjust("1 minute")
      yield* check(world, "a", [
        "created 1",
        "due 125, repeat, unknown",
        "promoted 125 s1",
        "started 125 w1",
        "succeeded 127 w1"
      ])
    }))
})
