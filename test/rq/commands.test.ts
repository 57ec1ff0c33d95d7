/**
 * RQ's commands to workers, and its suspension, work on effect-rq's workers.
 */
import { assert } from "@effect/vitest"
import { Control, Queue, Redis, Registry } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { eventually, PythonRq, suite } from "../support/python-rq.js"
import { Add, awaitPython, awaitStatus, endPython, Hold, ourWorker } from "./support.js"

const theirWorker = Effect.flatMap(
  PythonRq,
  ({ rq }) => rq(["worker", "--name", "theirs", "-S", "rq.serializers.JSONSerializer", "q"])
)

suite("commands", (test) => {
  test("rq suspend and resume", () =>
    Effect.gen(function*() {
      const { rqOutput, run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const queue = yield* Queue.Queue
      const { release } = yield* ourWorker({ name: "ours" })
      const state = redis.send<string | null>("HGET", "rq:worker:ours", "state")
      const held = yield* queue.enqueue(Hold, ["a"])
      yield* awaitStatus(held.id, "started")
      assert.include(yield* rqOutput(["suspend"]), "Suspending workers")
      // what runs goes on, and nothing more is taken
      yield* release
      yield* awaitStatus(held.id, "finished")
      yield* eventually("it says so", state, (is) => is === "suspended")
      const { id } = yield* queue.enqueue(Add, [1, 2])
      const [first] = yield* redis.send<[string, string]>("TIME")
      yield* eventually("two seconds", redis.send<[string, string]>("TIME"), ([now]) => Number(now) > Number(first) + 1)
      assert.isTrue(yield* queue.contains(id))
      yield* rqOutput(["resume"])
      const outcome = yield* eventually("it is run", queue.result(Add, id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(3)))
      // for a time
      yield* rqOutput(["suspend", "--duration", "1"])
      const next = yield* queue.enqueue(Add, [3, 4])
      yield* eventually("it is over by itself", queue.result(Add, next.id), Option.isSome)
      assert.strictEqual(
        yield* run(`
from rq.suspension import is_suspended
return bool(is_suspended(connection))`),
        false
      )
    }))

  test("send_stop_job_command", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const { worker } = yield* ourWorker({ name: "ours" })
      const stopped = yield* queue.enqueue(Hold, ["a"])
      const other = yield* queue.enqueue(Hold, ["b"])
      yield* awaitStatus(stopped.id, "started")
      yield* awaitStatus(other.id, "started")
      yield* eventually("a beat", redis.send("HGET", "rq:worker:ours", "current_job"), (job) => job !== null)
      yield* run(
        `
from rq.command import send_stop_job_command
send_stop_job_command(connection, i, serializer=JSONSerializer)`,
        { i: stopped.id }
      )
      yield* awaitStatus(stopped.id, "stopped")
      assert.isTrue(yield* registry.failed("q").contains(stopped.id))
      assert.isFalse(yield* registry.started("q").contains(stopped.id))
      assert.include(yield* run<string>(`return fetch(i).exc_info`, { i: stopped.id }), "stopped by user")
      assert.isTrue(
        yield* run(`job = fetch(i); return job.is_stopped and job.get_status() == "stopped"`, { i: stopped.id })
      )
      const { running } = yield* worker.status
      assert.deepStrictEqual(running.map(({ id }) => id), [other.id])
    }))

  test("send_shutdown_command", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const queue = yield* Queue.Queue
      const { release, worker } = yield* ourWorker({ name: "ours", gracePeriod: "5 seconds" })
      const held = yield* queue.enqueue(Hold, ["a"])
      yield* awaitStatus(held.id, "started")
      yield* run(`
from rq.command import send_shutdown_command
send_shutdown_command(connection, "ours")`)
      yield* eventually("it stops", worker.status, ({ state }) => state === "stopping")
      yield* eventually(
        "it says since when",
        redis.send("HGET", "rq:worker:ours", "shutdown_requested_date"),
        (date) => date !== null
      )
      const { id } = yield* queue.enqueue(Add, [1, 2])
      yield* release
      // what ran ends, what came after stays
      assert.deepInclude(yield* worker.finished, { successful: 1 })
      yield* awaitStatus(held.id, "finished")
      assert.isTrue(yield* queue.contains(id))
      assert.deepStrictEqual(yield* run(`return [w.name for w in Worker.all(connection=connection)]`), [])
    }))

  test("kill-horse, and messages that make no sense", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      yield* ourWorker({ name: "ours" })
      yield* run(`
from rq.command import send_kill_horse_command, send_command
for text in ["", "{", "[]", "null", '{"command": 1}', '{"command": "unknown"}', '{"command": "stop-job"}']:
    connection.publish("rq:pubsub:ours", text)
send_command(connection, "ours", "stop-job", job_id="none")`)
      const { id } = yield* queue.enqueue(Add, [1, 2])
      yield* eventually("it works on", queue.result(Add, id), Option.isSome)
    }))

  test("Queue.stop stops what a Python worker runs", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const process = yield* theirWorker
      const { id } = yield* queue.enqueue(Hold, ["a"])
      yield* awaitPython("a")
      yield* awaitStatus(id, "started")
      assert.strictEqual((yield* queue.stop(id, { wait: "10 seconds" })).outcome, "stopped")
      yield* awaitStatus(id, "stopped")
      assert.isTrue(yield* registry.failed("q").contains(id))
      // its work horse is gone, the worker is not
      const next = yield* queue.enqueue(Add, [1, 2])
      const outcome = yield* eventually("the worker goes on", queue.result(Add, next.id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(3)))
      yield* process.kill("SIGTERM")
      assert.strictEqual((yield* process.exit).code, 0)
    }))

  test("Control.shutdown ends a Python worker once its job has ended", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const control = yield* Control.make
      const process = yield* theirWorker
      const held = yield* queue.enqueue(Hold, ["a"])
      yield* awaitPython("a")
      assert.isTrue(yield* control.shutdown("theirs"))
      assert.isFalse(yield* control.shutdown("nobody"))
      const later = yield* queue.enqueue(Add, [1, 2])
      yield* process.prints("arm shut down requested")
      yield* endPython("a")
      assert.strictEqual((yield* process.exit).code, 0)
      yield* awaitStatus(held.id, "finished")
      assert.isTrue(yield* queue.contains(later.id))
    }))

  test("Control.suspend and resume hold for Python workers", () =>
    Effect.gen(function*() {
      const { rq, run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const control = yield* Control.make
      yield* control.suspend()
      assert.isTrue(yield* control.isSuspended)
      assert.isTrue(
        yield* run(`
from rq.suspension import is_suspended
return bool(is_suspended(connection))`)
      )
      const { id } = yield* queue.enqueue(Add, [1, 2])
      const process = yield* rq(["worker", "--burst", "-S", "rq.serializers.JSONSerializer", "q"])
      assert.strictEqual((yield* process.exit).code, 1)
      assert.include(yield* process.output, "RQ is currently suspended")
      assert.isTrue(yield* queue.contains(id))
      yield* control.resume
      yield* run(`burst(["q"])`)
      assert.deepStrictEqual(yield* queue.result(Add, id), Option.some(Exit.succeed(3)))
    }))

  test("what a worker runs is listed as RQ 3 reads it, and one execution can be stopped from there", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      const { release, worker } = yield* ourWorker({ name: "ours" })
      const { id } = yield* queue.enqueue(Hold, ["a"])
      const other = yield* queue.enqueue(Hold, ["b"])
      const listed = redis.send<ReadonlyArray<string>>("SMEMBERS", "rq:worker:ours:executions")
      yield* eventually("a beat", listed, (all) => all.length === 2)
      const { running } = yield* worker.status
      assert.sameMembers([...(yield* listed)], running.map((one) => `${one.id}:${one.executionId}`))
      const execution = running.find((one) => one.id === id)!.executionId
      // an RQ that does not know the command sends what one that does would
      yield* run(
        `
import rq.command
if hasattr(rq.command, "send_stop_execution_command"):
    found = Worker.find_by_key("rq:worker:ours", connection=connection)
    executions = found.get_current_executions(refresh=True)
    assert sorted(e.job_id for e in executions) == sorted([job, other])
    assert all(e.worker_name == "ours" for e in executions)
    rq.command.send_stop_execution_command(connection, job, execution)
else:
    rq.command.send_command(connection, "ours", "stop-execution", job_id=job, execution_id=execution)`,
        { job: id, other: other.id, execution }
      )
      yield* awaitStatus(id, "stopped")
      assert.deepStrictEqual((yield* worker.status).running.map((one) => one.id), [other.id])
      yield* eventually("it is listed no more", listed, (all) => all.length === 1)
      yield* release
      yield* eventually("nothing is", listed, (all) => all.length === 0)
    }))
})
