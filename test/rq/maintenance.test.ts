/**
 * Python cleans up after effect-rq, and effect-rq after itself, and neither harms what belongs to the other.
 */
import { assert } from "@effect/vitest"
import { Queue, Redis, Registry } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { eventually, PythonRq, suite } from "../support/python-rq.js"
import { Add, awaitPython, awaitStatus, endPython, Hold, ourWorker } from "./support.js"

/** Makes every started execution of the queue look as if nobody had given a sign of life for a minute. */
const makeOld = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const members = yield* redis.send<ReadonlyArray<string>>("ZRANGE", "rq:wip:q", 0, -1)
  assert.isNotEmpty(members)
  const [now] = yield* redis.send<[string, string]>("TIME")
  for (const member of members) yield* redis.send("ZADD", "rq:wip:q", "XX", Number(now) - 60, member)
  return members
})

/** Waits until a worker of effect-rq has looked after the queue from now on. */
const ourMaintenance = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  yield* redis.send("DEL", keys.maintenance("q"))
  yield* eventually("ours looks after the queue", redis.send<number>("EXISTS", keys.maintenance("q")), (is) => is === 1)
})

/** All that Python does to clean up. */
const theirMaintenance = Effect.flatMap(PythonRq, ({ run }) =>
  run(`
from rq.worker_registration import clean_worker_registry
q = queue("q")
clean_registries(q)
clean_worker_registry(q)
for r in [q.started_job_registry, q.finished_job_registry, q.failed_job_registry, q.deferred_job_registry,
          q.canceled_job_registry, q.scheduled_job_registry]:
    r.count, r.get_job_ids()
w = worker(["q"])
connection.delete("rq:clean_registries:q")
w.clean_registries()`))

suite("maintenance", (test, version) => {
  const modern = version.numbers[0] >= 2

  test("Python leaves our jobs alone while they run", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const { release, worker } = yield* ourWorker()
      const { id } = yield* queue.enqueue(Hold, ["a"])
      yield* awaitStatus(id, "started")
      const before = yield* registry.started("q").list()
      yield* theirMaintenance
      assert.deepStrictEqual((yield* registry.started("q").list()).map(({ executionId }) => executionId), [
        before[0]!.executionId
      ])
      assert.lengthOf((yield* worker.status).running, 1)
      yield* release
      const outcome = yield* eventually("it ends", queue.result(Hold, id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed("a")))
      yield* theirMaintenance
      assert.isTrue(yield* registry.finished("q").contains(id))
    }))

  test("Python leaves what ours has ended for as long as it is to be kept", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* queue.enqueue(Add, [1, 2], { jobId: "kept" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "for-ever", resultTtl: "forever" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "over", resultTtl: "1 second" })
      yield* run(`queue("q").enqueue("jobs_mod.add", "x", 2, job_id="failed")`)
      yield* Effect.scoped(Effect.flatMap(ourWorker({ burst: true }), ({ worker }) => worker.finished))
      yield* redis.send("ZADD", "rq:finished:q", "XX", 1, "over")
      yield* theirMaintenance
      assert.deepStrictEqual((yield* redis.send<Array<string>>("ZRANGE", "rq:finished:q", 0, -1)).sort(), [
        "for-ever",
        "kept"
      ])
      assert.deepStrictEqual(yield* redis.send("ZRANGE", "rq:failed:q", 0, -1), ["failed"])
    }))

  if (modern) {
    test("Python fails our abandoned jobs by its rules, and a worker that wakes up late has no effect", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        const redis = yield* Redis.Redis
        // it beats rarely, like one that is stuck
        const { release, worker } = yield* ourWorker({ heartbeat: "1 hour" })
        const { id } = yield* queue.enqueue(Hold, ["a"])
        yield* awaitStatus(id, "started")
        yield* makeOld
        yield* theirMaintenance
        assert.strictEqual(yield* redis.send("HGET", `rq:job:${id}`, "status"), "failed")
        assert.isTrue(yield* registry.failed("q").contains(id))
        assert.strictEqual(yield* registry.started("q").count, 0)
        const outcome = Option.getOrThrow(yield* queue.result(Hold, id))
        assert(Exit.isFailure(outcome))
        assert.include(String(outcome.cause), "AbandonedJobError")

        yield* release
        yield* eventually("the handler ends", worker.status, ({ running }) => running.length === 0)
        const next = yield* queue.enqueue(Add, [1, 2])
        yield* eventually("the worker goes on", queue.result(Add, next.id), Option.isSome)
        assert.strictEqual(yield* redis.send("HGET", `rq:job:${id}`, "status"), "failed")
        assert.isFalse(yield* registry.finished("q").contains(id))
        assert.strictEqual(yield* run(`return Result.count(fetch(i))`, { i: id }), 1)
      }))
  } else {
    test("1.13 does not know our started jobs: it drops an abandoned one without a word", () =>
      Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        yield* ourWorker({ heartbeat: "1 hour" })
        const { id } = yield* queue.enqueue(Hold, ["a"])
        yield* awaitStatus(id, "started")
        yield* makeOld
        yield* theirMaintenance
        // so workers of 1.13 and ours should not share a queue
        assert.strictEqual(yield* redis.send("HGET", `rq:job:${id}`, "status"), "started")
        assert.strictEqual(yield* redis.send<number>("ZCARD", "rq:wip:q"), 0)
      }))
  }

  test("ours runs its own abandoned jobs again, and leaves Python's to Python", () =>
    Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      const process = yield* rq(["worker", "--name", "theirs", "-S", "rq.serializers.JSONSerializer", "q"])
      const theirs = yield* queue.enqueue(Hold, ["a"])
      yield* awaitPython("a")
      yield* awaitStatus(theirs.id, "started")
      // an execution of a worker of ours that is gone
      const stuck = yield* ourWorker({ heartbeat: "1 hour", name: "stuck", concurrency: 1 })
      const ours = yield* queue.enqueue(Hold, ["b"])
      yield* awaitStatus(ours.id, "started")
      const members = yield* makeOld
      assert.lengthOf(members, 2)

      // the one that is stuck looks after the queue no more
      yield* redis.send("DEL", keys.maintenance("q"))
      const { release, worker } = yield* ourWorker({ name: "alive" })
      yield* eventually("ours is run again", worker.status, ({ running }) => running.some(({ id }) => id === ours.id))
      yield* ourMaintenance
      assert.strictEqual(yield* redis.send("HGET", `rq:job:${theirs.id}`, "status"), "started")
      assert.isNotNull(
        yield* redis.send("ZSCORE", "rq:wip:q", members.find((member) => member.startsWith(theirs.id))!)
      )
      assert.strictEqual(Option.getOrThrow(yield* queue.fetch(ours.id)).abandoned, 1)

      yield* release
      yield* stuck.release
      const outcome = yield* eventually("ours ends", queue.result(Hold, ours.id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed("b")))
      // Python's worker is alive after all and ends its job
      yield* endPython("a")
      yield* eventually("theirs ends", queue.result(Hold, theirs.id), Option.isSome)
      assert.deepStrictEqual(yield* queue.result(Hold, theirs.id), Option.some(Exit.succeed("a")))
      yield* process.kill("SIGTERM")
      assert.strictEqual((yield* process.exit).code, 0)
    }))

  test("Python's own rules hold for its abandoned jobs beside ours", () =>
    Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const process = yield* rq(["worker", "-S", "rq.serializers.JSONSerializer", "q"])
      const theirs = yield* queue.enqueue(Hold, ["a"])
      yield* awaitPython("a")
      yield* awaitStatus(theirs.id, "started")
      yield* ourWorker()
      const ours = yield* queue.enqueue(Hold, ["b"])
      yield* awaitStatus(ours.id, "started")
      const redis = yield* Redis.Redis
      const members = yield* redis.send<Array<string>>("ZRANGE", "rq:wip:q", 0, -1)
      yield* redis.send("ZADD", "rq:wip:q", "XX", 1, members.find((member) => member.startsWith(theirs.id))!)
      yield* theirMaintenance
      assert.strictEqual(yield* redis.send("HGET", `rq:job:${theirs.id}`, "status"), "failed")
      assert.isTrue(yield* registry.failed("q").contains(theirs.id))
      assert.strictEqual(yield* redis.send("HGET", `rq:job:${ours.id}`, "status"), "started")
      assert.deepStrictEqual((yield* registry.started("q").list()).map(({ id }) => id), [ours.id])
      yield* endPython("a")
      yield* process.kill("SIGTERM")
      yield* process.exit
    }))

  test("a worker that is gone leaves Python's sets, and one that was cleaned away alive comes back", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const sets = Effect.all([
        redis.send<ReadonlyArray<string>>("SMEMBERS", "rq:workers"),
        redis.send<ReadonlyArray<string>>("SMEMBERS", "rq:workers:q")
      ])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* ourWorker({ name: "ours" })
        assert.deepStrictEqual(yield* sets, [["rq:worker:ours"], ["rq:worker:ours"]])
        assert.isAtMost(yield* redis.send<number>("TTL", "rq:worker:ours"), 60)
        // as if it had sent nothing for so long that Redis has forgotten it
        yield* redis.send("DEL", "rq:worker:ours")
        yield* run(`
from rq.worker_registration import clean_worker_registry
clean_worker_registry(queue("q"))
assert Worker.all(connection=connection) == []`)
        yield* eventually("it is back", sets, ([all, ofQueue]) => all.length === 1 && ofQueue.length === 1)
        assert.deepStrictEqual(yield* run(`return [w.name for w in Worker.all(connection=connection)]`), ["ours"])
      }))
      assert.deepStrictEqual(yield* sets, [[], []])
      assert.isNotNull(yield* redis.send("HGET", "rq:worker:ours", "death"))
    }))

  test("workers that are gone leave Python's sets, of whichever kind", () =>
    Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const redis = yield* Redis.Redis
      const process = yield* rq(["worker", "--name", "theirs", "-S", "rq.serializers.JSONSerializer", "q"])
      yield* process.prints("Listening on q")
      yield* process.kill("SIGKILL")
      yield* process.exit
      // its hash would be gone by itself seven minutes later
      yield* redis.send("DEL", "rq:worker:theirs")
      yield* redis.send("SADD", "rq:workers", "rq:worker:old")
      yield* redis.send("SADD", "rq:workers:q", "rq:worker:old")
      yield* ourWorker({ name: "ours" })
      for (const set of ["rq:workers", "rq:workers:q"]) {
        yield* eventually("they are gone", redis.send<ReadonlyArray<string>>("SMEMBERS", set), (all) =>
          all.length === 1 && all[0] === "rq:worker:ours")
      }
    }))

  if (modern) {
    test("what a Python worker took and did not start is put back and run", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        yield* queue.enqueue(Add, [1, 2], { jobId: "taken" })
        yield* queue.enqueue(Add, [3, 4], { jobId: "next" })
        // dequeues as its worker does, and dies
        assert.deepStrictEqual(
          yield* run(`
q = queue("q")
Queue.lmove(connection, q.key, None)
return q.intermediate_queue.get_job_ids()`),
          ["taken"]
        )
        const [now] = yield* redis.send<[string, string]>("TIME")
        // as if a minute had passed since Python's own clean-up saw it there
        yield* run(`
q = queue("q")
q.intermediate_queue.cleanup(worker(["q"]), q)
assert connection.exists("rq:queue:q:intermediate:first_seen:taken")`)
        yield* redis.send("HSET", "rq:job:taken", "enqueued_at", "2020-01-01T00:00:00.000000Z")
        yield* redis.send("SET", "rq:queue:q:intermediate:first_seen:taken", `${Number(now) - 61}.25`)
        yield* ourWorker({ name: "ours" })
        const outcome = yield* eventually("ours runs it", queue.result(Add, "taken"), Option.isSome)
        assert.deepStrictEqual(outcome, Option.some(Exit.succeed(3)))
        assert.strictEqual(yield* redis.send("EXISTS", "rq:queue:q:intermediate"), 0)
        assert.isTrue(
          yield* run(`
q = queue("q")
q.intermediate_queue.cleanup(worker(["q"]), q)
return fetch("taken").is_finished and fetch("next").is_finished`)
        )
      }))

    test("what a Python worker has taken and is about to start is left to it", () =>
      Effect.gen(function*() {
        const { rq } = yield* PythonRq
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        const process = yield* rq(["worker", "--name", "theirs", "-S", "rq.serializers.JSONSerializer", "q"])
        const { id } = yield* queue.enqueue(Hold, ["a"])
        yield* awaitPython("a")
        yield* awaitStatus(id, "started")
        // as if it were in the list still, for as long as can be
        yield* redis.send("RPUSH", "rq:queue:q:intermediate", id)
        yield* redis.send("SET", `rq:queue:q:intermediate:first_seen:${id}`, "1.5")
        yield* ourWorker({ name: "ours" })
        yield* eventually("ours has looked", redis.send<number>("EXISTS", keys.tidied("q")), (is) => is === 1)
        assert.deepStrictEqual(yield* redis.send("LRANGE", "rq:queue:q:intermediate", 0, -1), [id])
        assert.deepStrictEqual(yield* queue.jobIds("q"), [])
        yield* endPython("a")
        yield* awaitStatus(id, "finished")
        yield* process.kill("SIGTERM")
        yield* process.exit
      }))
  }
})
