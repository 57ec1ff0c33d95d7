/**
 * RQ's own tools work on effect-rq's workers, jobs and queues, and effect-rq's on theirs.
 */
import { assert } from "@effect/vitest"
import { Inspector, Queue, Redis, Registry } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { eventually, PythonRq, suite } from "../support/python-rq.js"
import { Add, awaitPython, awaitStatus, endPython, Hold, ourWorker } from "./support.js"

suite("tools", (test, version) => {
  const modern = version.numbers[0] >= 2

  test("Python sees our workers, what they do, and their end", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const see = run<ReadonlyArray<Record<string, unknown>>>(`
return [{
    "name": w.name,
    "state": str(w.get_state()),
    "queues": w.queue_names(),
    "pid": w.pid,
    "hostname": w.hostname is not None,
    "ip": w.ip_address is not None,
    "counts": [w.successful_job_count, w.failed_job_count],
    "working": w.total_working_time >= 0,
    "birth": w.birth_date is not None and w.last_heartbeat is not None and w.last_heartbeat >= w.birth_date,
    "job": (lambda job: job and job.decode())(connection.hget(w.key, "current_job")),
    "fresh": w.version is not None and w.python_version is not None,
} for w in sorted(Worker.all(connection=connection), key=lambda w: w.name)]`)
      yield* Effect.scoped(Effect.gen(function*() {
        const { release } = yield* ourWorker({ name: "ours-1", queues: ["q", "other"] })
        const both = yield* ourWorker({ name: "ours-2", queues: ["other"] })
        const idle = {
          state: "idle",
          pid: process.pid,
          hostname: true,
          ip: true,
          counts: [0, 0],
          working: true,
          birth: true,
          job: null,
          fresh: true
        }
        const first = yield* eventually("they are idle", see, (all) => all.every(({ state }) => state === "idle"))
        assert.deepStrictEqual(first, [
          { ...idle, name: "ours-1", queues: ["q", "other"] },
          { ...idle, name: "ours-2", queues: ["other"] }
        ])
        assert.strictEqual(both.worker.name, "ours-2")
        assert.deepStrictEqual(
          yield* run(`
q = queue("q")
return [Worker.count(connection=connection), Worker.count(queue=q), [w.name for w in Worker.all(queue=q)],
        sorted(w.name for w in Worker.all(queue=queue("other"))), [w.name for w in Worker.all(queue=queue("none"))],
        Worker.find_by_key("rq:worker:ours-1", connection=connection).name]`),
          [2, 1, ["ours-1"], ["ours-1", "ours-2"], [], "ours-1"]
        )

        const held = yield* queue.enqueue(Hold, ["a"])
        const [busy] = yield* eventually("it is busy", see, ([one]) => one?.["state"] === "busy")
        assert.deepInclude(busy, { job: held.id, counts: [0, 0] })
        const [bySet, current] = yield* run<[boolean, string | null]>(`
found = Worker.find_by_key("rq:worker:ours-1", connection=connection)
return [hasattr(found, "get_current_executions"), found.get_current_job_id()]`)
        // what comes after 2.10 reads a set of executions instead
        if (!bySet) assert.strictEqual(current, held.id)
        yield* release
        const [done] = yield* eventually("it is idle again", see, ([one]) => one?.["state"] === "idle")
        assert.deepInclude(done, { job: null, counts: [1, 0] })
      }))
      assert.deepStrictEqual(yield* see, [])
      const redis = yield* Redis.Redis
      assert.isNotNull(yield* redis.send("HGET", "rq:worker:ours-1", "death"))
      assert.isAtMost(yield* redis.send<number>("TTL", "rq:worker:ours-1"), 60)
    }))

  test("rq info counts our queues, jobs and workers", () =>
    Effect.gen(function*() {
      const { rqOutput } = yield* PythonRq
      const queue = yield* Queue.Queue
      yield* ourWorker({ name: "ours-info", queues: ["q", "empty"] })
      const held = yield* queue.enqueue(Hold, ["a"])
      yield* awaitStatus(held.id, "started")
      yield* queue.enqueueMany([1, 2, 3].map((n) => Queue.request(Add, [n, n], { queue: "other" })))
      const redis = yield* Redis.Redis
      yield* eventually("it is busy", redis.send("HGET", "rq:worker:ours-info", "state"), (state) => state === "busy")

      const info = yield* rqOutput(["info"])
      assert.match(info, /^other\s.*\b3\b/m)
      assert.match(info, /^q\s.*\b0\b/m)
      assert.include(info, "2 queues, 3 jobs total")
      assert.include(info, "ours-info (")
      assert.include(info, ` ${process.pid})`)
      assert.match(info, /1 workers, 2 queues/)
      const raw = yield* rqOutput(["info", "--raw"])
      assert.match(raw, /^queue other 3/m)
      assert.match(raw, /^worker ours-info \(.*\) (?:WorkerStatus\.BUSY|busy) q, ?empty/m)
      assert.match(yield* rqOutput(["info", "--only-workers", "q"]), /ours-info/)
      if (modern) assert.match(yield* rqOutput(["info", "--by-queue", "q"]), /q:.*ours-info/)
      // rq info cleans up: nothing of what is alive may go
      assert.strictEqual(Option.getOrThrow(yield* queue.fetch(held.id)).status, "started")
      assert.isTrue(yield* Effect.flatMap(Registry.Registry, (_) => _.started("q").contains(held.id)))
    }))

  test("Python's queues and registries hold our jobs", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const { worker } = yield* ourWorker()
      yield* queue.enqueue(Hold, ["a"], { jobId: "started" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "finished" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "for-ever", resultTtl: "forever" })
      yield* run(`queue("q").enqueue("jobs_mod.add", "no number", 1, job_id="failed")`)
      yield* queue.enqueueIn("1 hour", Add, [1, 2], { jobId: "scheduled" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "queued", queue: "other" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "deferred", dependsOn: "started" })
      yield* queue.enqueue(Add, [1, 2], { jobId: "canceled", queue: "other" })
      yield* queue.cancel("canceled")
      yield* eventually("they have ended", worker.status, ({ failed, successful }) => failed === 1 && successful === 2)
      yield* eventually("and are handed in", queue.fetch("failed"), Option.exists(({ status }) => status === "failed"))
      assert.deepStrictEqual(
        yield* run(
          `
q = queue("q")
return {
    "queues": sorted(queue.name for queue in Queue.all(connection=connection, serializer=JSONSerializer)),
    "other": [queue("other").count, queue("other").job_ids, [job.func_name for job in queue("other").jobs]],
    "finished": [q.finished_job_registry.count, sorted(q.finished_job_registry.get_job_ids())],
    "failed": [q.failed_job_registry.count, q.failed_job_registry.get_job_ids()],
    "scheduled": [q.scheduled_job_registry.count, q.scheduled_job_registry.get_job_ids()],
    "deferred": [q.deferred_job_registry.count, q.deferred_job_registry.get_job_ids()],
    "canceled": [queue("other").canceled_job_registry.count, queue("other").canceled_job_registry.get_job_ids()],
    "started": [q.started_job_registry.count, [i.split(":")[0] for i in q.started_job_registry.get_job_ids()]],
    "in": ["finished" in q.finished_job_registry, "failed" in q.failed_job_registry, "queued" in q.failed_job_registry],
    "expires": abs((q.finished_job_registry.get_expiration_time(fetch("finished")).replace(tzinfo=None) - datetime.datetime.utcnow()).total_seconds() - 500) < 5,
    "statuses": [str(fetch(i).get_status()).split(".")[-1].lower() for i in ids],
    "many": [job and job.id for job in Job.fetch_many(ids + ["none"], connection=connection, serializer=JSONSerializer)],
}`,
          { ids: ["started", "finished", "failed", "scheduled", "queued", "deferred", "canceled"] }
        ),
        {
          queues: ["other", "q"],
          other: [1, ["queued"], ["jobs_mod.add"]],
          finished: [2, ["finished", "for-ever"]],
          failed: [1, ["failed"]],
          scheduled: [1, ["scheduled"]],
          deferred: [1, ["deferred"]],
          canceled: [1, ["canceled"]],
          started: [1, ["started"]],
          in: [true, true, false],
          expires: true,
          statuses: ["started", "finished", "failed", "scheduled", "queued", "deferred", "canceled"],
          many: ["started", "finished", "failed", "scheduled", "queued", "deferred", "canceled", null]
        }
      )
    }))

  test("effect-rq sees Python's jobs in every registry, and removes them", () =>
    Effect.gen(function*() {
      const { rq, run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      yield* run(`
q = queue("q")
q.enqueue("jobs_mod.add", 1, 2, job_id="finished")
q.enqueue("jobs_mod.fail", "no", job_id="failed")
q.enqueue("jobs_mod.hold", "a", job_id="started")
q.enqueue("jobs_mod.add", 1, 2, job_id="deferred", depends_on="started")
q.enqueue_in(datetime.timedelta(hours=1), "jobs_mod.add", 1, 2, job_id="scheduled")
q.enqueue("jobs_mod.add", 1, 2, job_id="canceled").cancel()`)
      const process = yield* rq(["worker", "--name", "theirs", "-S", "rq.serializers.JSONSerializer", "q"])
      yield* awaitPython("a")
      yield* awaitStatus("started", "started")
      const of = {
        started: registry.started("q"),
        finished: registry.finished("q"),
        failed: registry.failed("q"),
        deferred: registry.deferred("q"),
        canceled: registry.canceled("q"),
        scheduled: registry.scheduled("q")
      }
      for (const [name, one] of Object.entries(of)) {
        assert.deepStrictEqual((yield* one.list()).map(({ id }) => id), [name], name)
        assert.isTrue(yield* one.contains(name), name)
        assert.strictEqual(yield* one.count, 1)
        assert.strictEqual(Option.getOrThrow(yield* queue.fetch(name)).status, name)
      }
      const [started] = yield* of.started.list()
      assert.strictEqual(Option.isSome(started!.executionId), modern)
      const running = Option.getOrThrow(yield* queue.fetch("started"))
      if (modern) assert.deepStrictEqual(running.worker, Option.some("theirs"))

      for (const name of ["finished", "failed", "deferred", "canceled", "scheduled"] as const) {
        assert.isTrue(yield* of[name].delete(name), name)
        assert.deepStrictEqual(yield* queue.fetch(name), Option.none())
      }
      assert.deepStrictEqual(
        yield* run(`
q = queue("q")
return [q.finished_job_registry.count, q.failed_job_registry.count, q.deferred_job_registry.count,
        q.canceled_job_registry.count, q.scheduled_job_registry.count, q.started_job_registry.count]`),
        [0, 0, 0, 0, 0, 1]
      )
      yield* endPython("a")
      yield* awaitStatus("started", "finished")
      yield* process.kill("SIGTERM")
      assert.strictEqual((yield* process.exit).code, 0)
    }))

  test("ours shows Python's workers, schedulers and queues", () =>
    Effect.gen(function*() {
      const { rq, run } = yield* PythonRq
      yield* run(`
q = queue("q")
q.enqueue("jobs_mod.add", 1, 2, job_id="one")
q.enqueue("jobs_mod.fail", "no", job_id="two")
q.enqueue("jobs_mod.hold", "a", job_id="three")
q.enqueue("jobs_mod.add", 1, 2, job_id="four")
q.enqueue_in(datetime.timedelta(hours=1), "jobs_mod.add", 1, 2, job_id="five")`)
      const theirs = yield* rq([
        "worker",
        "--with-scheduler",
        "--name",
        "theirs",
        "-S",
        "rq.serializers.JSONSerializer",
        "q"
      ])
      yield* awaitPython("a")
      yield* awaitStatus("three", "started")
      yield* Effect.gen(function*() {
        const inspector = yield* Inspector.Inspector
        const [worker, ...others] = yield* inspector.workers()
        assert.isEmpty(others)
        assert.deepInclude(worker, {
          name: "theirs",
          state: Option.some("busy"),
          queues: ["q"],
          currentJob: Option.some("three"),
          successful: 1,
          failed: 1,
          pid: Option.some(
            yield* run<number>(`return Worker.find_by_key("rq:worker:theirs", connection=connection).pid`)
          )
        })
        const [queue] = yield* inspector.queues()
        assert.deepInclude(queue, {
          name: "q",
          queued: 1,
          scheduled: 1,
          started: 1,
          finished: 1,
          failed: 1,
          deferred: 0
        })
        const redis = yield* Redis.Redis
        const leader = yield* eventually(
          "its scheduler leads",
          redis.send<string | null>("GET", "rq:scheduler-lock:q"),
          (name) => name !== null
        )
        assert.deepStrictEqual(Option.map(yield* inspector.leader("q"), ({ name }) => name), Option.some(leader))
        const [scheduler] = yield* inspector.schedulers()
        // before 2.10 a scheduler has no hash, and is known by its lock
        assert.deepInclude(scheduler, { name: leader!, leads: ["q"] })
      }).pipe(Effect.provide(Inspector.layer))
      yield* endPython("a")
      yield* awaitStatus("four", "finished")
      yield* theirs.kill("SIGTERM")
      assert.strictEqual((yield* theirs.exit).code, 0)
    }))

  test("ours queues again, deletes and empties what is Python's", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      yield* run(`
q = queue("q")
q.enqueue("jobs_mod.flaky", "a", 1, job_id="again")
q.enqueue("jobs_mod.fail", "no", job_id="deleted")
q.enqueue("jobs_mod.add", 1, 2, job_id="front")
burst(["q"])
assert fetch("again").get_status() == fetch("deleted").get_status() == "failed"
q.enqueue("jobs_mod.add", 1, 2, job_id="waits")`)
      assert.isTrue((yield* queue.requeue("again")).changed)
      assert.isTrue((yield* queue.requeue("front", { atFront: true })).changed)
      assert.isTrue((yield* queue.delete("deleted")).changed)
      assert.deepStrictEqual(
        yield* run(`
q = queue("q")
return [q.job_ids, q.failed_job_registry.get_job_ids(), Job.exists("deleted", connection=connection)]`),
        [["front", "waits", "again"], [], false]
      )
      assert.deepStrictEqual(
        yield* run(`
burst(["q"])
return [str(fetch(i).get_status()).split(".")[-1].lower() for i in ["front", "waits", "again"]] + [fetch("again").return_value()]`),
        ["finished", "finished", "finished", 2]
      )
      yield* run(`
for n in range(3):
    queue("q").enqueue("jobs_mod.add", n, n, job_id="e%d" % n, meta={"n": n})
queue("other").enqueue("jobs_mod.add", 1, 1, job_id="stays")`)
      assert.strictEqual(yield* queue.empty("q"), 3)
      assert.deepStrictEqual(
        yield* run(`
return [queue("q").count, Job.fetch_many(["e0", "e1", "e2"], connection=connection), queue("other").job_ids]`),
        [0, [null, null, null], ["stays"]]
      )
    }))

  test("rq empty", () =>
    Effect.gen(function*() {
      const { rqOutput } = yield* PythonRq
      const queue = yield* Queue.Queue
      const refs = yield* queue.enqueueMany([
        Queue.request(Add, [1, 2]),
        Queue.request(Add, [3, 4], { meta: { a: 1 } }),
        Queue.request(Add, [5, 6], { jobId: "other", queue: "other" })
      ])
      const output = yield* rqOutput(["empty", "-S", "rq.serializers.JSONSerializer", "q"])
      assert.include(output, "2 jobs removed from q queue")
      assert.strictEqual(yield* queue.length("q"), 0)
      assert.deepStrictEqual(yield* queue.fetch(refs[0]!.id), Option.none())
      assert.isTrue(yield* queue.contains("other"))
      assert.include(
        yield* rqOutput(["empty", "--all", "-S", "rq.serializers.JSONSerializer"]),
        "1 jobs removed from other queue"
      )
      // what was removed may come again
      assert.strictEqual((yield* queue.enqueue(Add, [5, 6], { jobId: "other" })).outcome, "enqueued")
    }))

  test("rq requeue", () =>
    Effect.gen(function*() {
      const { rqOutput, run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      yield* run(`
for i in ["one", "two", "three"]:
    queue("q").enqueue("jobs_mod.hold", 1, job_id=i, meta={"n": i})`)
      yield* Effect.scoped(Effect.gen(function*() {
        const { worker } = yield* ourWorker({ burst: true })
        assert.deepInclude(yield* worker.finished, { failed: 3 })
      }))
      assert.strictEqual(yield* registry.failed("q").count, 3)
      const json = ["-S", "rq.serializers.JSONSerializer", "--queue", "q"]
      assert.include(yield* rqOutput(["requeue", ...json, "one"]), "Requeueing 1 jobs from failed queue")
      assert.deepStrictEqual(yield* queue.jobIds("q"), ["one"])
      yield* rqOutput(["requeue", ...json, "--all"])
      assert.sameMembers((yield* queue.jobIds("q")).slice(), ["one", "two", "three"])
      assert.strictEqual(yield* registry.failed("q").count, 0)
      const record = Option.getOrThrow(yield* queue.fetch("two"))
      assert.strictEqual(record.status, "queued")
      assert.deepStrictEqual(record.meta, { n: "two" })
      yield* Effect.scoped(Effect.gen(function*() {
        const { worker } = yield* ourWorker({ burst: true })
        assert.deepInclude(yield* worker.finished, { failed: 3 })
      }))
    }))

  test("Python cancels and deletes our running jobs; nothing of them comes back", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const queue = yield* Queue.Queue
      const { release, worker } = yield* ourWorker()
      for (const id of ["cancel", "delete"]) {
        yield* queue.enqueue(Hold, ["a"], { jobId: id })
        yield* awaitStatus(id, "started")
        // with the keys of an execution, which a beat writes
        yield* eventually("a beat", redis.send<number>("EXISTS", `rq:executions:${id}`), (exists) => exists === 1)
      }
      yield* run(`
fetch("cancel").cancel()
fetch("delete").delete()`)
      yield* eventually("the worker lets them go", worker.status, ({ running }) => running.length === 0)
      yield* release
      assert.strictEqual(yield* redis.send("HGET", "rq:job:cancel", "status"), "canceled")
      yield* eventually("nothing is left", redis.send<ReadonlyArray<string>>("KEYS", "*delete*"), (all) =>
        all.length === 0)
      assert.deepStrictEqual(yield* run(`return registry(CanceledJobRegistry, "q").get_job_ids()`), ["cancel"])
      const { failed, successful } = yield* worker.status
      assert.deepStrictEqual([failed, successful], [0, 0])
      const next = yield* queue.enqueue(Add, [1, 2])
      const outcome = yield* eventually("the worker goes on", queue.result(Add, next.id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(3)))
    }))

  if (modern) {
    test("Python sees the executions of our jobs", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const redis = yield* Redis.Redis
        const queue = yield* Queue.Queue
        const { worker } = yield* ourWorker({ name: "ours-x" })
        const { id } = yield* queue.enqueue(Hold, ["a"])
        yield* eventually("a beat", redis.send<number>("EXISTS", `rq:executions:${id}`), (exists) => exists === 1)
        const { running } = yield* worker.status
        assert.deepStrictEqual(
          yield* run(
            `
job = fetch(i)
return [[e.id, e.job_id, e.created_at <= e.last_heartbeat] for e in job.get_executions()]`,
            { i: id }
          ),
          [[running[0]!.executionId, id, true]]
        )
        assert.isTrue(
          yield* run(
            `
from rq.executions import ExecutionRegistry
r = ExecutionRegistry(i, connection=connection)
r.cleanup()
return r.count == 1 and queue("q").started_job_registry.get_job_and_execution_ids()[0][0] == i`,
            { i: id }
          )
        )
      }))
  }
})
