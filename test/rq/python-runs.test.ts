/**
 * effect-rq enqueues, Python's workers run; and Python reads what effect-rq ran.
 */
import { assert } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, Registry, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { eventually, PythonRq, suite } from "../support/python-rq.js"

const Integer = Schema.Union(Schema.Int, Schema.BigIntFromSelf)

const Add = Job.make("jobs_mod.add", { payload: Schema.Tuple(Integer, Integer), success: Integer })
const AddNamed = Job.make("jobs_mod.add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number })
const Echo = Job.make("jobs_mod.echo", {
  payload: Schema.Struct({}, { key: Schema.String, value: Schema.Unknown }),
  success: Schema.Struct({
    args: Schema.Array(Schema.Unknown),
    kwargs: Schema.Struct(
      {},
      Schema.Record({
        key: Schema.String,
        value: Schema.Unknown
      })
    )
  })
})
const Kinds = Job.make("jobs_mod.kinds", {
  payload: Schema.Array(Schema.Unknown),
  success: Schema.Array(Schema.String)
})
const Nothing = Job.make("jobs_mod.nothing")
const NothingOrText = Job.make("jobs_mod.nothing", { success: Schema.NullOr(Schema.String) })
const Fail = Job.make("jobs_mod.fail", { payload: Schema.Tuple(Schema.String), success: Schema.Number })
const Tag = Job.make("jobs_mod.tag", { payload: Schema.Tuple(Schema.String), success: Schema.String })
const Missing = Job.make("jobs_mod.no_such_function")
const NotJson = Job.make("jobs_mod.not_json", { success: Schema.Unknown })
const Sleep = Job.make("jobs_mod.sleep", { payload: Schema.Tuple(Schema.Number), success: Schema.Number })
const Crash = Job.make("jobs_mod.crash")

class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {}

const Ours = Job.make("app.ours", {
  payload: { what: Schema.Literal("value", "nothing", "refused", "defect") },
  success: Schema.Union(Schema.Struct({ text: Schema.String, big: Schema.BigIntFromSelf }), Schema.Void),
  error: Refused
})

const ourWorker = (name: string) =>
  Effect.gen(function*() {
    const Jobs = JobGroup.make(Ours)
    const Handlers = Jobs.toLayer({
      "app.ours": ({ what }) => {
        switch (what) {
          case "value":
            return Effect.succeed({ text: "é\u{1f600}", big: 2n ** 64n })
          case "nothing":
            return Effect.void
          case "refused":
            return Effect.fail(new Refused({ reason: "too late" }))
          case "defect":
            return Effect.die(new Error("boom é"))
        }
      }
    })
    const worker = yield* Worker.make(Jobs, { burst: true, name }).pipe(Effect.provide(Handlers))
    return yield* worker.finished
  }).pipe(Effect.scoped)

const failureOf = <A, E>(outcome: Option.Option<Exit.Exit<A, E | Queue.JobFailed>>): Queue.JobFailed => {
  assert(Option.isSome(outcome) && Exit.isFailure(outcome.value) && outcome.value.cause._tag === "Fail")
  assert.instanceOf(outcome.value.cause.error, Queue.JobFailed)
  return outcome.value.cause.error as Queue.JobFailed // just checked
}

suite("effect-rq enqueues, Python runs", (test, version) => {
  const modern = version.numbers[0] >= 2

  /** Ways in which Python runs what is queued, until nothing is left. */
  const ways = {
    Worker: Effect.flatMap(PythonRq, ({ run }) => run(`return burst(["default"], Worker)`)),
    SimpleWorker: Effect.flatMap(PythonRq, ({ run }) => run(`return burst(["default"], SimpleWorker)`)),
    "rq worker on a terminal": Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const process = yield* rq(["worker", "--burst", "-S", "rq.serializers.JSONSerializer", "default"], {
        terminal: true
      })
      const { code } = yield* process.exit
      const output = yield* process.output
      assert.strictEqual(code, 0, output)
      // what it says of a job, it says in colours here
      assert.include(output, "jobs_mod.add(2, 3)")
      assert.include(output, "\u001b[")
    }),
    "SimpleWorker on a terminal": Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const process = yield* rq(
        ["worker", "--burst", "-w", "rq.SimpleWorker", "-S", "rq.serializers.JSONSerializer", "default"],
        { terminal: true }
      )
      const { code } = yield* process.exit
      assert.strictEqual(code, 0, yield* process.output)
    }),
    "rq worker off a terminal": Effect.gen(function*() {
      const { rqOutput } = yield* PythonRq
      const output = yield* rqOutput(["worker", "--burst", "-S", "rq.serializers.JSONSerializer", "default"])
      assert.include(output, "jobs_mod.add(2, 3)")
      assert.notInclude(output, "\u001b[")
    })
  }

  for (const [way, runAll] of Object.entries(ways)) {
    test(`results and failures are read typed: ${way}`, () =>
      Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        const add = yield* queue.enqueue(Add, [2, 3])
        const named = yield* queue.enqueue(AddNamed, { a: 0.5, b: 0.25 })
        const nothing = yield* queue.enqueue(Nothing)
        const fail = yield* queue.enqueue(Fail, ["no é"])
        const missing = yield* queue.enqueue(Missing)
        assert.deepStrictEqual(yield* queue.result(Add, add.id), Option.none())
        yield* runAll

        assert.deepStrictEqual(yield* queue.result(Add, add.id), Option.some(Exit.succeed(5)))
        assert.deepStrictEqual(yield* queue.result(AddNamed, named.id), Option.some(Exit.succeed(0.75)))
        assert.deepStrictEqual(yield* queue.result(Nothing, nothing.id), Option.some(Exit.void))
        assert.deepStrictEqual(yield* queue.result(NothingOrText, nothing.id), Option.some(Exit.succeed(null)))
        const failure = failureOf(yield* queue.result(Fail, fail.id))
        assert.include(failure.message, "Traceback (most recent call last)")
        assert.include(failure.message, "ValueError: no é")
        assert.match(failureOf(yield* queue.result(Missing, missing.id)).message, /has no attribute|no_such_function/)

        const record = Option.getOrThrow(yield* queue.fetch(add.id))
        assert.strictEqual(record.status, "finished")
        assert.isTrue(Option.isSome(record.startedAt) && Option.isSome(record.endedAt))
        if (modern) assert.isTrue(Option.isSome(record.worker))
        assert.strictEqual(Option.getOrThrow(record.outcome).type, "successful")
        const failed = Option.getOrThrow(yield* queue.fetch(fail.id))
        assert.strictEqual(failed.status, "failed")
        assert.strictEqual(Option.getOrThrow(failed.outcome).type, "failed")

        assert.strictEqual(yield* queue.length("default"), 0)
        assert.strictEqual(yield* registry.started("default").count, 0)
        assert.sameMembers((yield* registry.finished("default").list()).map(({ id }) => id), [
          add.id,
          named.id,
          nothing.id
        ])
        assert.sameMembers((yield* registry.failed("default").list()).map(({ id }) => id), [fail.id, missing.id])
      }))
  }

  test("arguments of every kind arrive as they were meant", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const kwargs = {
        text: "é\u{1f600}\u0000\u2028\"\\",
        empty: "",
        none: null,
        yes: true,
        float: -0.125,
        large: 1.5e300,
        nested: [[], {}, [1, [2, { "": [null] }]]],
        "not an identifier": 1,
        big: 2n ** 70n
      }
      const echo = yield* queue.enqueue(Echo, kwargs)
      const kinds = yield* queue.enqueue(Kinds, [1, 1.5, 2 ** 60, 2n ** 60n, "t", null, true, [], {}])
      const sum = yield* queue.enqueue(Add, [2n ** 64n, -1])
      yield* ways.SimpleWorker
      const back = Option.getOrThrow(yield* queue.result(Echo, echo.id))
      assert.deepStrictEqual(back, Exit.succeed({ args: [], kwargs }))
      // a number that a double holds only roughly is the float that it is, a bigint is an int
      assert.deepStrictEqual(
        yield* queue.result(Kinds, kinds.id),
        Option.some(Exit.succeed(["int", "float", "float", "int", "str", "NoneType", "bool", "list", "dict"]))
      )
      assert.deepStrictEqual(yield* queue.result(Add, sum.id), Option.some(Exit.succeed(2n ** 64n - 1n)))
      assert.strictEqual(yield* run(`return str(fetch(i).return_value())`, { i: sum.id }), String(2n ** 64n - 1n))
    }))

  test("options are Python's too", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      yield* queue.enqueue(Add, [1, 2], {
        jobId: "all-options",
        queue: "other",
        timeout: "90 seconds",
        ttl: "5 minutes",
        resultTtl: "1 hour",
        failureTtl: "forever",
        meta: { n: 1, é: ["x", null] },
        description: "what people see"
      })
      yield* queue.enqueue(Add, [1, 2], { queue: "other", jobId: "front", atFront: true, timeout: "forever" })
      assert.deepStrictEqual(
        yield* run(`
job = fetch("all-options")
return [job.origin, job.timeout, job.ttl, job.result_ttl, job.failure_ttl, job.meta, job.description, job.func_name,
        list(job.args), job.kwargs, str(job.get_status()).split(".")[-1].lower(), queue("other").job_ids, fetch("front").timeout,
        job.created_at is not None, job.enqueued_at is not None, job.started_at, job.is_queued, job.get_position()]`),
        [
          "other",
          90,
          300,
          3600,
          -1,
          { n: 1, é: ["x", null] },
          "what people see",
          "jobs_mod.add",
          [1, 2],
          {},
          "queued",
          ["front", "all-options"],
          -1,
          true,
          true,
          null,
          true,
          1
        ]
      )
      yield* run(`burst(["other"])`)
      const redis = yield* Redis.Redis
      assert.approximately(yield* redis.send<number>("TTL", "rq:job:all-options"), 3600, 2)
      assert.deepStrictEqual(yield* queue.result(Add, "front"), Option.some(Exit.succeed(3)))
    }))

  test("many at once, now and later", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const refs = yield* queue.enqueueMany([
        ...Array.from({ length: 50 }, (_, n) => Queue.request(Add, [n, n])),
        Queue.request(Add, [1, 2], { jobId: "later", in: "1 hour" })
      ])
      yield* run(`burst(["default"])`)
      for (const [n, { id }] of refs.slice(0, 50).entries()) {
        assert.deepStrictEqual(yield* queue.result(Add, id), Option.some(Exit.succeed(2 * n)))
      }
      assert.deepStrictEqual(
        yield* run(`
r = registry(ScheduledJobRegistry, "default")
return [r.get_job_ids(), fetch("later").get_status() == "scheduled",
        abs((r.get_scheduled_time("later") - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 3600) < 5]`),
        [["later"], true, true]
      )
    }))

  test("meta that Python changes", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Tag, ["seen"], { meta: { ours: [1] } })
      yield* ways.SimpleWorker
      assert.deepStrictEqual(Option.getOrThrow(yield* queue.fetch(id)).meta, { ours: [1], python: "seen" })
      assert.deepStrictEqual(yield* queue.result(Tag, id), Option.some(Exit.succeed(id)))
    }))

  test("a value that Python can't put into JSON", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(NotJson)
      yield* ways.SimpleWorker
      const outcome = Option.getOrThrow(yield* queue.result(NotJson, id))
      // 1.13 fails the job; later versions keep a text that says so
      if (modern) assert.deepStrictEqual(outcome, Exit.succeed("Unserializable return value"))
      else assert.isTrue(Exit.isFailure(outcome))
    }))

  test("timeouts are Python's to keep", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Sleep, [20], { timeout: "1 second" })
      yield* ways.Worker
      assert.include(failureOf(yield* queue.result(Sleep, id)).message, "JobTimeoutException")
    }))

  test("a work horse that dies", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Crash)
      yield* ways.Worker
      assert.match(
        failureOf(yield* queue.result(Crash, id)).message,
        /Work-horse (?:process )?(?:was )?terminated unexpectedly/
      )
    }))

  test("a Python worker that waits takes ours at once, and one that was canceled not at all", () =>
    Effect.gen(function*() {
      const { rq, run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const process = yield* rq(["worker", "-S", "rq.serializers.JSONSerializer", "default"])
      yield* process.prints("Listening on default")
      const { id } = yield* queue.enqueue(Add, [20, 22])
      const outcome = yield* eventually("the job ends", queue.result(Add, id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(42)))
      yield* process.kill("SIGTERM")
      assert.strictEqual((yield* process.exit).code, 0)

      const canceled = yield* queue.enqueue(Add, [1, 1])
      yield* run(`fetch(i).cancel()`, { i: canceled.id })
      assert.strictEqual(Option.getOrThrow(yield* queue.fetch(canceled.id)).status, "canceled")
      assert.isFalse(yield* queue.contains(canceled.id))
      const registry = yield* Registry.Registry
      assert.isTrue(yield* registry.canceled("default").contains(canceled.id))
      yield* run(`fetch(i).delete()`, { i: canceled.id })
      assert.deepStrictEqual(yield* queue.fetch(canceled.id), Option.none())
    }))

  test("Python reads what effect-rq ran", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      for (const what of ["value", "nothing", "refused", "defect"] as const) {
        yield* queue.enqueue(Ours, { what }, { jobId: what, meta: { what } })
      }
      assert.deepInclude(yield* ourWorker("ours-1"), { successful: 2, failed: 2 })

      const seen = yield* run<Record<string, { [field: string]: unknown }>>(`
import warnings
warnings.simplefilter("ignore")
out = {}
for i in ["value", "nothing", "refused", "defect"]:
    job = fetch(i)
    latest = job.latest_result()
    out[i] = {
        "status": job.get_status() == ("finished" if i in ["value", "nothing"] else "failed"),
        "is": [job.is_finished, job.is_failed],
        "return_value": repr(job.return_value()),
        "result": repr(job.result),
        "exc_info": job.exc_info,
        "latest": latest and [latest.type.name, repr(latest.return_value), latest.exc_string],
        "count": Result.count(job),
        "meta": job.meta,
        "worker": job.worker_name,
        "times": job.enqueued_at <= job.started_at <= job.ended_at,
    }
return out`)
      const value = "{'text': 'é\u{1f600}', 'big': 18446744073709551616}"
      assert.deepStrictEqual(seen["value"], {
        status: true,
        is: [true, false],
        return_value: value,
        result: value,
        exc_info: null,
        latest: ["SUCCESSFUL", value, null],
        count: 1,
        meta: { what: "value" },
        worker: "ours-1",
        times: true
      })
      // nothing is stored for nothing: RQ writes an entry without a value, effect-rq none
      assert.deepStrictEqual(seen["nothing"], {
        status: true,
        is: [true, false],
        return_value: "None",
        result: "None",
        exc_info: null,
        latest: null,
        count: 0,
        meta: { what: "nothing" },
        worker: "ours-1",
        times: true
      })
      for (const [id, text] of [["refused", "too late"], ["defect", "Error: boom é"]] as const) {
        assert.deepInclude(seen[id], {
          status: true,
          is: [false, true],
          return_value: "None",
          result: "None",
          count: 1,
          worker: "ours-1",
          times: true
        })
        assert.include(seen[id]!["exc_info"], text)
        assert.deepStrictEqual(seen[id]!["latest"], ["FAILED", "None", seen[id]!["exc_info"]])
      }
      assert.deepStrictEqual(
        yield* run(`
return [sorted(registry(kind, "default").get_job_ids()) for kind in [FinishedJobRegistry, FailedJobRegistry, StartedJobRegistry]]`),
        [["nothing", "value"], ["defect", "refused"], []]
      )
    }))

  test("Python waits for a result that effect-rq writes", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const { id } = yield* (yield* Queue.Queue).enqueue(Ours, { what: "value" })
      yield* run(
        `
state["job"] = fetch(i)
assert state["job"].return_value() is None`,
        { i: id }
      )
      yield* ourWorker("ours-2")
      assert.strictEqual(
        yield* run(`return state["job"].return_value(refresh=True)["text"]`),
        "é\u{1f600}"
      )
      if (modern) {
        assert.strictEqual(
          yield* run(`return state["job"].latest_result(timeout=5).return_value["text"]`),
          "é\u{1f600}"
        )
      }
    }))

  test("Python requeues what failed here, and runs it itself", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const { id } = yield* queue.enqueue(Add, [1, 2])
      assert.deepInclude(yield* ourWorker("ours-3"), { failed: 1 })
      yield* run(`fetch(i).requeue()`, { i: id })
      assert.deepStrictEqual(Option.getOrThrow(yield* queue.fetch(id)).status, "queued")
      yield* ways.SimpleWorker
      assert.deepStrictEqual(yield* queue.result(Add, id), Option.some(Exit.succeed(3)))
      // and the other way round
      const ours = yield* queue.enqueue(Ours, { what: "value" })
      yield* ways.SimpleWorker
      assert.isTrue(Exit.isFailure(Option.getOrThrow(yield* queue.result(Ours, ours.id))))
      yield* run(`fetch(i).requeue()`, { i: ours.id })
      assert.deepInclude(yield* ourWorker("ours-4"), { successful: 1 })
      assert.isTrue(Exit.isSuccess(Option.getOrThrow(yield* queue.result(Ours, ours.id))))
      const record = Option.getOrThrow(yield* queue.fetch(ours.id))
      assert.deepStrictEqual(record.worker, Option.some("ours-4"))
      assert.deepStrictEqual(
        Option.map(record.enqueuedAt, (at) => DateTime.distanceDuration(at, Option.getOrThrow(record.endedAt))).pipe(
          Option.exists(Duration.lessThan("1 minute"))
        ),
        true
      )
    }))
})
