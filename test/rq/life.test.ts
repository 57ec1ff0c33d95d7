/**
 * Retries, repetitions and dependencies, in every direction between effect-rq and Python.
 */
import { assert } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, Registry, Scheduler, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { eventually, PythonRq, suite } from "../support/python-rq.js"

/** The same in Python: `jobs_mod.flaky`. */
const Flaky = Job.make("jobs_mod.flaky", {
  payload: Schema.Tuple(Schema.String, Schema.Number),
  success: Schema.Number,
  queue: "q"
})

const Jobs = JobGroup.make(Flaky)

/** Runs what is queued with a worker of effect-rq until nothing is left. */
const ours = (queue = "q") =>
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const handlers = Jobs.toLayer({
      "jobs_mod.flaky": ([key, fails]) =>
        Effect.gen(function*() {
          const tries = yield* Effect.orDie(redis.send<number>("INCR", `tries:${key}`))
          return tries <= fails ? yield* Effect.die(new Error(`try ${tries}`)) : tries
        })
    })
    const worker = yield* Worker.make(Jobs, { burst: true, queues: [queue], concurrency: 1 }).pipe(
      Effect.provide(handlers)
    )
    yield* worker.finished
  }).pipe(Effect.scoped)

/** Runs what is queued with a worker of Python until nothing is left. */
const theirs = (queue = "q") => Effect.flatMap(PythonRq, ({ run }) => run(`burst([name])`, { name: queue }))

const runners = { "effect-rq": ours, Python: theirs } as const

const tries = (key: string) =>
  Effect.flatMap(Redis.Redis, (redis) => Effect.map(redis.send<string | null>("GET", `tries:${key}`), Number))

const field = (id: string, name: string) =>
  Effect.flatMap(Redis.Redis, (redis) => redis.send<string | null>("HGET", `rq:job:${id}`, name))

/** In how many seconds from now a scheduled job is due, rounded. */
const dueIn = (id: string) =>
  Effect.gen(function*() {
    const registry = yield* Registry.Registry
    const at = Option.getOrThrow(yield* registry.scheduled("q").dueTime(id))
    return Math.round((DateTime.toEpochMillis(at) - performance.timeOrigin - performance.now()) / 1000)
  })

/** Makes a scheduled job due, and lets a scheduler of the one or the other promote it. */
const promote = (id: string, by: keyof typeof runners) =>
  Effect.gen(function*() {
    const { run } = yield* PythonRq
    const registry = yield* Registry.Registry
    const queue = yield* Queue.Queue
    assert.isTrue(yield* registry.scheduled("q").reschedule(id, "2020-01-01T00:00:00Z"))
    if (by === "Python") {
      yield* run(`
s = scheduler(["q"])
s.acquire_locks()
s.enqueue_scheduled_jobs()
s.stop()`)
    } else {
      yield* Effect.scoped(Effect.zipRight(
        Scheduler.make({ queues: ["q"] }),
        eventually("it is promoted", queue.contains(id), (is) => is)
      ))
    }
    assert.isTrue(yield* queue.contains(id))
  })

suite("retry, repeat and dependencies", (test, version) => {
  const modern = version.numbers[0] >= 2

  for (const [runner, run] of Object.entries(runners)) {
    const other = runner === "Python" ? "effect-rq" : "Python"

    test(`Retry of Python: ${runner} runs it again at once, as often as it says`, () =>
      Effect.gen(function*() {
        const python = yield* PythonRq
        const queue = yield* Queue.Queue
        yield* python.run(`
q = queue("q")
q.enqueue("jobs_mod.flaky", "a", 2, job_id="a", retry=Retry(max=3))
q.enqueue("jobs_mod.flaky", "b", 9, job_id="b", retry=Retry(max=1))`)
        yield* run()
        assert.deepStrictEqual(yield* queue.result(Flaky, "a"), Option.some(Exit.succeed(3)))
        assert.strictEqual(yield* field("a", "retries_left"), "1")
        assert.strictEqual(yield* tries("b"), 2)
        assert.strictEqual(yield* field("b", "retries_left"), "0")
        assert.isTrue(Exit.isFailure(Option.getOrThrow(yield* queue.result(Flaky, "b"))))
        assert.deepStrictEqual(
          yield* python.run(`
q = queue("q")
return [fetch("a").return_value() if hasattr(fetch("a"), "return_value") else fetch("a").result,
        q.finished_job_registry.get_job_ids(), q.failed_job_registry.get_job_ids(), q.count,
        "try 2" in fetch("b").exc_info]`),
          [3, ["a"], ["b"], 0, true]
        )
        // Python itself writes the last one only
        if (modern && runner === "effect-rq") {
          assert.deepStrictEqual(
            yield* python.run(`return [[r.type.name for r in fetch(i).results()] for i in ["a", "b"]]`),
            [["SUCCESSFUL", "RETRIED", "RETRIED"], ["FAILED", "RETRIED"]]
          )
          assert.deepStrictEqual((yield* queue.history("a")).map(({ type }) => type), [
            "successful",
            "retried",
            "retried"
          ])
        }
      }))

    test(`retry of effect-rq: ${runner} runs it again at once, as often as it says`, () =>
      Effect.gen(function*() {
        const queue = yield* Queue.Queue
        yield* queue.enqueue(Flaky, ["a", 2], { jobId: "a", retry: { max: 3 } })
        yield* queue.enqueue(Flaky, ["b", 9], { jobId: "b", retry: { max: 1 } })
        yield* run()
        assert.deepStrictEqual(yield* queue.result(Flaky, "a"), Option.some(Exit.succeed(3)))
        assert.strictEqual(yield* tries("b"), 2)
        assert.isTrue(Exit.isFailure(Option.getOrThrow(yield* queue.result(Flaky, "b"))))
      }))

    test(`retries after a while: ${runner} schedules, each one's scheduler promotes, ${other} runs`, () =>
      Effect.gen(function*() {
        const python = yield* PythonRq
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        yield* python.run(`
queue("q").enqueue("jobs_mod.flaky", "a", 2, job_id="a", retry=Retry(max=3, interval=[60, 120, 600]))`)
        yield* queue.enqueue(Flaky, ["b", 2], {
          jobId: "b",
          retry: { max: 3, intervals: ["1 minute", "2 minutes", "10 minutes"] }
        })
        yield* run()
        for (const id of ["a", "b"]) {
          assert.strictEqual(yield* field(id, "status"), "scheduled")
          assert.approximately(yield* dueIn(id), 60, 3)
        }
        if (runner === "effect-rq") {
          // the type of what is tried again came with RQ 2
          const latest = python.run<string>(`return fetch("a").latest_result().type.name`)
          if (modern) assert.strictEqual(yield* latest, "RETRIED")
          else assert.strictEqual((yield* Effect.flip(latest)).type, "ValueError")
        }
        yield* promote("a", "Python")
        yield* promote("b", "effect-rq")
        yield* runners[other]()
        for (const id of ["a", "b"]) {
          assert.strictEqual(yield* field(id, "status"), "scheduled")
          assert.approximately(yield* dueIn(id), 120, 3)
        }
        yield* promote("a", "effect-rq")
        yield* promote("b", "Python")
        yield* run()
        for (const id of ["a", "b"]) {
          assert.deepStrictEqual(yield* queue.result(Flaky, id), Option.some(Exit.succeed(3)))
          assert.strictEqual(yield* field(id, "retries_left"), "1")
        }
        assert.strictEqual(yield* registry.scheduled("q").count, 0)
      }))

    test(`depends_on of Python: ${runner} runs both, the dependent once its parents have finished`, () =>
      Effect.gen(function*() {
        const python = yield* PythonRq
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        yield* python.run(`
from rq.job import Dependency
q = queue("q")
one = q.enqueue("jobs_mod.flaky", "one", 0, job_id="one")
two = q.enqueue("jobs_mod.flaky", "two", 9, job_id="two")
q.enqueue("jobs_mod.flaky", "child", 0, job_id="child", depends_on=[one])
q.enqueue("jobs_mod.flaky", "waits", 0, job_id="waits", depends_on=[one, two])
q.enqueue("jobs_mod.flaky", "anyway", 0, job_id="anyway", depends_on=Dependency(jobs=[one, two], allow_failure=True))`)
        assert.sameMembers((yield* registry.deferred("q").list()).map(({ id }) => id), ["child", "waits", "anyway"])
        yield* run()
        assert.deepStrictEqual(yield* queue.result(Flaky, "child"), Option.some(Exit.succeed(1)))
        assert.deepStrictEqual(yield* queue.result(Flaky, "anyway"), Option.some(Exit.succeed(1)))
        assert.strictEqual(yield* field("waits", "status"), "deferred")
        assert.deepStrictEqual((yield* registry.deferred("q").list()).map(({ id }) => id), ["waits"])
      }))

    test(`dependsOn of effect-rq: ${runner} runs both, the dependent once its parents have finished`, () =>
      Effect.gen(function*() {
        const python = yield* PythonRq
        const queue = yield* Queue.Queue
        const one = yield* queue.enqueue(Flaky, ["one", 0], { jobId: "one" })
        const two = yield* queue.enqueue(Flaky, ["two", 9], { jobId: "two" })
        yield* queue.enqueue(Flaky, ["child", 0], { jobId: "child", dependsOn: one })
        yield* queue.enqueue(Flaky, ["waits", 0], { jobId: "waits", dependsOn: [one, two] })
        yield* queue.enqueue(Flaky, ["anyway", 0], { jobId: "anyway", dependsOn: [one, two], allowFailure: true })
        assert.deepStrictEqual(
          yield* python.run(`
return [sorted(registry(DeferredJobRegistry, "q").get_job_ids()), sorted(fetch("one").dependent_ids),
        sorted(d.id for d in fetch("waits").fetch_dependencies()), str(fetch("child").get_status()).split(".")[-1].lower()]`),
          [["anyway", "child", "waits"], ["anyway", "child", "waits"], ["one", "two"], "deferred"]
        )
        yield* run()
        assert.deepStrictEqual(yield* queue.result(Flaky, "child"), Option.some(Exit.succeed(1)))
        assert.deepStrictEqual(yield* queue.result(Flaky, "anyway"), Option.some(Exit.succeed(1)))
        assert.strictEqual(yield* field("waits", "status"), "deferred")
      }))

    test(`a parent that ${runner} runs releases what ${other} runs, whoever enqueued it`, () =>
      Effect.gen(function*() {
        const python = yield* PythonRq
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        const parent = yield* queue.enqueue(Flaky, ["parent", 0], { jobId: "parent", queue: "parents" })
        yield* queue.enqueue(Flaky, ["ours", 0], { jobId: "ours", dependsOn: parent })
        yield* python.run(`
queue("q").enqueue("jobs_mod.flaky", "theirs", 0, job_id="theirs", depends_on="parent")
queue("q").enqueue("jobs_mod.flaky", "front", 0, job_id="front", depends_on="parent", at_front=True)`)
        assert.strictEqual(yield* registry.deferred("q").count, 3)
        yield* run("parents")
        assert.strictEqual(yield* registry.deferred("q").count, 0)
        const ids = yield* queue.jobIds("q")
        assert.sameMembers([...ids], ["ours", "theirs", "front"])
        // RQ forgets the place of a dependent up to 2.10
        if (runner === "effect-rq") assert.strictEqual(ids[0], "front")
        yield* runners[other]()
        for (const id of ["ours", "theirs", "front"]) {
          assert.deepStrictEqual(yield* queue.result(Flaky, id), Option.some(Exit.succeed(1)))
        }
      }))

    if (modern) {
      test(`repetitions: ${runner} runs what either asked for, at once and after a while`, () =>
        Effect.gen(function*() {
          const python = yield* PythonRq
          const queue = yield* Queue.Queue
          yield* python.run(`
from rq import Repeat
q = queue("q")
q.enqueue("jobs_mod.flaky", "a", 0, job_id="a", repeat=Repeat(times=2))
q.enqueue("jobs_mod.flaky", "b", 0, job_id="b", repeat=Repeat(times=2, interval=[60, 600]))`)
          yield* queue.enqueue(Flaky, ["c", 0], { jobId: "c", repeat: { times: 2 } })
          yield* queue.enqueue(Flaky, ["d", 0], {
            jobId: "d",
            repeat: { times: 2, intervals: ["1 minute", "10 minutes"] }
          })
          yield* run()
          for (const id of ["a", "c"]) {
            assert.strictEqual(yield* tries(id), 3)
            assert.deepStrictEqual(yield* queue.result(Flaky, id), Option.some(Exit.succeed(3)))
            assert.strictEqual(yield* field(id, "repeats_left"), "0")
          }
          for (const id of ["b", "d"]) {
            assert.strictEqual(yield* tries(id), 1)
            assert.strictEqual(yield* field(id, "status"), "scheduled")
            // RQ takes the list from its end
            assert.approximately(yield* dueIn(id), runner === "Python" ? 600 : 60, 3)
          }
          // the other one goes on with them, and does not know how many went before: it begins at its own end
          yield* promote("b", "effect-rq")
          yield* promote("d", "Python")
          yield* runners[other]()
          for (const id of ["b", "d"]) {
            assert.strictEqual(yield* tries(id), 2)
            assert.strictEqual(yield* field(id, "repeats_left"), "0")
            assert.approximately(yield* dueIn(id), 60, 3)
          }
          yield* promote("b", "Python")
          yield* promote("d", "effect-rq")
          yield* run()
          for (const id of ["b", "d"]) {
            assert.deepStrictEqual(yield* queue.result(Flaky, id), Option.some(Exit.succeed(3)))
          }
        }))
    }
  }
})
