/**
 * Python cleans up after effect-rq, and effect-rq after itself, and neither harms what belongs to the other.
 */
import { assert } from "@effect/vitest"
import { Queue, Redis, Registry } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { abandon } from "../../src/lifecycle/abandon.js"
import * as Wire from "../../src/wire/date.js"
import * as keys from "../../src/wire/keys.js"
import { eventually, type Process, PythonRq, suite } from "../support/python-rq.js"
import { Add, awaitPython, awaitStatus, endPython, Hold, ourWorker } from "./support.js"

/** Makes the started executions of the jobs look as if nobody had given a sign of life for a minute. */
const makeOld = (...ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const all = yield* redis.send<ReadonlyArray<string>>("ZRANGE", "rq:wip:q", 0, -1)
    const members = all.filter((member) => ids.includes(member.split(":")[0]!))
    assert.lengthOf(members, ids.length)
    const [now] = yield* redis.send<[string, string]>("TIME")
    for (const member of members) yield* redis.send("ZADD", "rq:wip:q", "XX", Number(now) - 60, member)
  })

/** One look of ours at the queue, now; the ids of what it treats. */
const ourCleanUp = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  yield* redis.send("DEL", keys.maintenance("q"))
  const [now] = yield* redis.send<[string, string]>("TIME")
  const { abandoned } = yield* redis.eval(abandon)({
    worker: "ours",
    queues: ["q"],
    now: `${now}.5`,
    nowDate: Wire.encode(Number(now) * 1000),
    intervalMillis: 1000,
    maxAbandons: 3,
    limit: 100,
    python: true,
    forgetSeconds: 600
  })
  return abandoned.map(({ id }) => id)
})

/** Kills a worker of Python's, then the work-horse that runs a job for it. */
const killWithHorse = (worker: Process, key: string) =>
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const [horse] = yield* redis.send<[string]>("LRANGE", `running:${key}`, 0, 0)
    yield* worker.kill("SIGKILL")
    yield* worker.exit
    yield* Effect.sync(() => process.kill(Number(horse), "SIGKILL"))
  })

const rqWorker = (name: string) =>
  Effect.flatMap(PythonRq, ({ rq }) => rq(["worker", "--name", name, "-S", "rq.serializers.JSONSerializer", "q"]))

/** Job a, with two retries, of a worker of Python's that was killed while it ran it. */
const abandonedByPython = Effect.gen(function*() {
  const { run } = yield* PythonRq
  const theirs = yield* rqWorker("theirs")
  yield* run(`queue("q").enqueue("jobs_mod.hold", "a", job_id="a", retry=Retry(max=2))`)
  yield* awaitPython("a")
  yield* awaitStatus("a", "started")
  yield* killWithHorse(theirs, "a")
  yield* makeOld("a")
})

/** Python: a job that is fetched is read at once, and returned when it is told to. */
const slowJob = `
import threading
from rq.registry import StartedJobRegistry
class Slow(Job):
    @classmethod
    def fetch(cls, *args, **kwargs):
        job = Job.fetch(*args, **kwargs)
        connection.rpush("has read", 1)
        connection.blpop("may write", 10)
        return job
connection.delete("rq:clean_registries:q")`

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
        yield* makeOld(id)
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

    test("Python queues our abandoned jobs again that have a retry: the first run has no effect, the second has", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        const first = yield* ourWorker({ heartbeat: "1 hour", name: "first", maxJobs: 1 })
        yield* queue.enqueue(Hold, ["a"], { jobId: "a", retry: { max: 1 } })
        yield* awaitStatus("a", "started")
        yield* makeOld("a")
        yield* theirMaintenance
        assert.deepStrictEqual(yield* queue.jobIds("q"), ["a"])
        assert.strictEqual(yield* run(`return fetch("a").retries_left`), 0)

        const second = yield* ourWorker({ name: "second" })
        yield* eventually("it runs again", second.worker.status, ({ running }) => running.length === 1)
        yield* first.release
        assert.deepInclude(yield* first.worker.finished, { name: "first" })
        assert.strictEqual(yield* redis.send("HGET", "rq:job:a", "status"), "started")
        yield* second.release
        yield* awaitStatus("a", "finished")
        assert.deepStrictEqual(Option.getOrThrow(yield* queue.fetch("a")).worker, Option.some("second"))
        assert.strictEqual(yield* run(`return Result.count(fetch("a"))`), 1)
      }))
  } else {
    test("1.13 does not know our started jobs: it drops an abandoned one without a word", () =>
      Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        yield* ourWorker({ heartbeat: "1 hour" })
        const { id } = yield* queue.enqueue(Hold, ["a"])
        yield* awaitStatus(id, "started")
        yield* makeOld(id)
        yield* theirMaintenance
        // so workers of 1.13 and ours should not share a queue
        assert.strictEqual(yield* redis.send("HGET", `rq:job:${id}`, "status"), "started")
        assert.strictEqual(yield* redis.send<number>("ZCARD", "rq:wip:q"), 0)
      }))
  }

  test("ours runs its own abandoned jobs again, and leaves alone what Python runs", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const redis = yield* Redis.Redis
      const theirs = yield* rqWorker("theirs")
      yield* run(`queue("q").enqueue("jobs_mod.hold", "a", job_id="theirs", job_timeout=-1)`)
      yield* awaitPython("a")
      yield* awaitStatus("theirs", "started")
      yield* redis.send("DEL", "rq:clean_registries:q")
      // an execution of a worker of ours that is gone
      const stuck = yield* ourWorker({ heartbeat: "1 hour", name: "stuck", concurrency: 1 })
      const ours = yield* queue.enqueue(Hold, ["b"])
      yield* awaitStatus(ours.id, "started")
      yield* makeOld(ours.id)

      // the one that is stuck looks after the queue no more
      yield* redis.send("DEL", keys.maintenance("q"))
      const { release, worker } = yield* ourWorker({ name: "alive" })
      yield* eventually("ours is run again", worker.status, ({ running }) => running.some(({ id }) => id === ours.id))
      yield* ourMaintenance
      assert.strictEqual(yield* redis.send("HGET", "rq:job:theirs", "status"), "started")
      assert.sameMembers((yield* registry.started("q").list()).map(({ id }) => id), ["theirs", ours.id])
      assert.strictEqual(Option.getOrThrow(yield* queue.fetch(ours.id)).abandoned, 1)

      yield* release
      yield* stuck.release
      const outcome = yield* eventually("ours ends", queue.result(Hold, ours.id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed("b")))
      yield* endPython("a")
      yield* eventually("theirs ends", queue.result(Hold, "theirs"), Option.isSome)
      assert.deepStrictEqual(yield* queue.result(Hold, "theirs"), Option.some(Exit.succeed("a")))
      yield* theirs.kill("SIGTERM")
      assert.strictEqual((yield* theirs.exit).code, 0)
    }))

  test("ours treats the jobs of Python workers that were killed by RQ's rules, and says who died", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* run(`
from rq.job import Dependency
q = queue("q")
q.enqueue("jobs_mod.hold", "a", job_id="fails", failure_ttl=1000)
q.enqueue("jobs_mod.hold", "b", job_id="again", retry=Retry(max=2))
q.enqueue("jobs_mod.add", 1, 2, job_id="child", depends_on=Dependency(jobs=["fails"], allow_failure=True))`)
      const workers = yield* Effect.forEach(["first", "second"], rqWorker)
      yield* Effect.all([
        awaitPython("a"),
        awaitPython("b"),
        awaitStatus("fails", "started"),
        awaitStatus("again", "started")
      ])
      const ran = {
        fails: yield* redis.send<string>("HGET", "rq:job:fails", "worker_name"),
        again: yield* redis.send<string>("HGET", "rq:job:again", "worker_name")
      }
      assert.sameMembers(Object.values(ran), ["first", "second"])
      yield* killWithHorse(workers[ran.fails === "first" ? 0 : 1]!, "a")
      yield* killWithHorse(workers[ran.fails === "first" ? 1 : 0]!, "b")
      assert.deepStrictEqual(yield* ourCleanUp, [], "until its time is over it may be alive")
      yield* makeOld("fails", "again")
      if (!modern) {
        // 1.13 keeps the lock of its clean-up for a quarter of an hour
        assert.deepStrictEqual(yield* ourCleanUp, [])
        assert.strictEqual(yield* redis.send("DEL", "rq:clean_registries:q"), 1)
      }

      const said: Array<string> = []
      const { release, worker } = yield* ourWorker({ name: "ours" }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => said.push(String(message)))))
      )
      yield* awaitStatus("fails", "failed")
      yield* eventually("the other runs here", worker.status, ({ running }) => running.some(({ id }) => id === "again"))
      yield* release
      assert.deepStrictEqual(
        yield* eventually("it ends", queue.result(Hold, "again"), Option.isSome),
        Option.some(Exit.succeed("b"))
      )
      assert.deepStrictEqual(
        yield* eventually("what waited ends", queue.result(Add, "child"), Option.isSome),
        Option.some(Exit.succeed(3))
      )
      assert.sameMembers(said.filter((text) => text.includes("died")), [
        `worker ${ran.fails} of RQ died while it ran job fails (1 times by now): failed`,
        `worker ${ran.again} of RQ died while it ran job again (1 times by now): back to queue q`
      ])

      const seen = yield* run<Record<string, unknown>>(`
job = fetch("fails")
q = queue("q")
return {
    "status": job.get_status(), "text": job.exc_info, "results": Result.count(job), "left": fetch("again").retries_left,
    "failed": q.failed_job_registry.get_job_ids(), "started": q.started_job_registry.get_job_ids(),
    "ttl": connection.ttl(job.key)}`)
      assert.deepInclude(seen, { status: "failed", results: 1, left: 1, failed: ["fails"], started: [] })
      assert.isAtMost(Number(seen["ttl"]), 1000)
      assert.isAbove(Number(seen["ttl"]), 900)
      assert.match(
        String(seen["text"]),
        new RegExp(`^Moved to FailedJobRegistry, due to AbandonedJobError, at \\S+: worker ${ran.fails} of RQ died`)
      )
      assert.deepStrictEqual(yield* redis.send("KEYS", "rq:exec*"), [])
      // Python goes on with what ours has left: again at the end of its queue, then gone
      yield* run(`
queue("q").failed_job_registry.requeue("fails")
assert fetch("fails").get_status() in ("queued", "started", "finished")`)
      assert.deepStrictEqual(
        yield* eventually(
          "it ends as well",
          queue.result(Hold, "fails"),
          (is) => Option.isSome(is) && Exit.isSuccess(is.value)
        ),
        Option.some(Exit.succeed("a"))
      )
      yield* run(`fetch("fails").delete()`)
      assert.strictEqual(yield* redis.send("EXISTS", "rq:job:fails"), 0)
    }))

  test("while Python is about to clean up ours leaves it to it, and the job is queued once", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      yield* abandonedByPython
      // its clean-up has read the job and writes when it is told to
      yield* run(`${slowJob}
state["cleaner"] = worker(["q"], job_class=Slow)
state["thread"] = threading.Thread(target=state["cleaner"].clean_registries)
state["thread"].start()
assert connection.blpop("has read", 10)`)
      assert.deepStrictEqual(yield* ourCleanUp, [])
      yield* run(`
connection.rpush("may write", 1)
state["thread"].join()`)
      assert.deepStrictEqual(yield* queue.jobIds("q"), ["a"])
      assert.strictEqual(yield* run(`return fetch("a").retries_left`), 1)
      assert.deepStrictEqual(yield* ourCleanUp, [])
    }))

  test("a clean-up of Python's without its lock, as of rq info, may queue a job once more: ours runs it once", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* abandonedByPython
      yield* run(`${slowJob}
slow = StartedJobRegistry("q", connection=connection, job_class=Slow, serializer=JSONSerializer)
state["thread"] = threading.Thread(target=slow.cleanup)
state["thread"].start()
assert connection.blpop("has read", 10)`)
      assert.deepStrictEqual(yield* ourCleanUp, ["a"])
      yield* run(`
connection.rpush("may write", 1)
state["thread"].join()`)
      assert.deepStrictEqual(yield* queue.jobIds("q"), ["a", "a"])
      const { release, worker } = yield* ourWorker({ burst: true })
      yield* eventually("it runs", worker.status, ({ running }) => running.length > 0)
      yield* release
      assert.strictEqual((yield* worker.finished).successful, 1)
      assert.deepStrictEqual(yield* queue.jobIds("q"), [])
      assert.strictEqual(yield* redis.send("HGET", "rq:job:a", "retries_left"), "1")
    }))

  if (modern) {
    test("a job with a callback for its failure is left to Python, which calls it", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const redis = yield* Redis.Redis
        const queue = yield* Queue.Queue
        yield* run(`
from rq import Callback
for name in ["a", "b"]:
    queue("q").enqueue("jobs_mod.hold", name, job_id=name, on_failure=Callback("jobs_mod.on_failure"))`)
        for (const name of ["a", "b"]) {
          const theirs = yield* rqWorker(`theirs-${name}`)
          yield* awaitPython(name)
          yield* awaitStatus(name, "started")
          yield* killWithHorse(theirs, name)
        }
        yield* makeOld("a", "b")
        assert.deepStrictEqual(yield* ourCleanUp, [])
        // half an hour without a Python
        const members = yield* redis.send<ReadonlyArray<string>>("ZRANGE", "rq:wip:q", 0, -1)
        yield* redis.send("ZADD", "rq:wip:q", "XX", 1, members.find((member) => member.startsWith("b:"))!)
        assert.deepStrictEqual(yield* ourCleanUp, ["b"])
        assert.strictEqual(yield* redis.send("LLEN", "called back"), 0)
        const { outcome } = Option.getOrThrow(yield* queue.fetch("b"))
        assert.include(
          Option.getOrThrow(Option.getOrThrow(outcome).exception),
          "the callback of its failure is Python's and was not called"
        )
        yield* theirMaintenance
        assert.deepStrictEqual(yield* redis.send("LRANGE", "called back", 0, -1), ["a AbandonedJobError"])
        assert.strictEqual(yield* redis.send("HGET", "rq:job:a", "status"), "failed")
      }))
  }

  test("Python's own rules hold for its abandoned jobs beside ours", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const process = yield* rqWorker("theirs")
      const theirs = yield* queue.enqueue(Hold, ["a"])
      yield* awaitPython("a")
      yield* awaitStatus(theirs.id, "started")
      yield* ourWorker()
      const ours = yield* queue.enqueue(Hold, ["b"])
      yield* awaitStatus(ours.id, "started")
      const redis = yield* Redis.Redis
      // ours would be first
      yield* redis.send("SET", "rq:clean_registries:q", "1")
      yield* makeOld(theirs.id)
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
