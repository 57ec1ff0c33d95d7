/**
 * Python's RQ enqueues, effect-rq runs.
 */
import { assert } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, Registry, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { eventually, PythonRq, suite } from "../support/python-rq.js"

/** What Python may send as an argument: a number, or an integer of any size, which arrives as a bigint beyond 2^53. */
const Integer = Schema.Union(Schema.Int, Schema.BigIntFromSelf)

const Add = Job.make("jobs_mod.add", {
  payload: Schema.Tuple(Integer, Integer),
  success: Integer
})
const Greet = Job.make("app.greet", {
  payload: { name: Schema.String, excited: Schema.optionalWith(Schema.Boolean, { default: () => false }) },
  success: Schema.String
})
const Measure = Job.make("app.measure", { payload: Schema.Tuple(Schema.Number), success: Schema.String })
const Half = Job.make("app.half", { payload: Schema.Tuple(Schema.JsonNumber), success: Schema.Number })
const Double = Job.make("app.double", { payload: Schema.Tuple(Schema.Number), success: Schema.Number })
const Ping = Job.make("app.ping", { success: Schema.String })
const Jobs = JobGroup.make(Add, Greet, Measure, Half, Double, Ping)

const plus = (a: number | bigint, b: number | bigint): number | bigint => {
  const sum = BigInt(a) + BigInt(b)
  const small = Number(sum)
  return Number.isSafeInteger(small) ? small : sum
}

const Handlers = Jobs.toLayer({
  "jobs_mod.add": ([a, b]) => Effect.succeed(plus(a, b)),
  "app.greet": ({ excited, name }) => Effect.succeed(`Hello, ${name}${excited ? "!" : "."}`),
  "app.measure": ([value]) => Effect.succeed(String(value)),
  "app.half": ([value]) => Effect.succeed(value / 2),
  "app.double": ([value]) => Effect.succeed(value * 2),
  "app.ping": () => Effect.succeed("pong")
})

/** Runs what is queued and returns the names of the jobs in the order in which they were started. */
const runAll = (queues: ReadonlyArray<string> = ["default"]) =>
  Effect.gen(function*() {
    const worker = yield* Worker.make(Jobs, { queues, burst: true, concurrency: 1 })
    return yield* worker.finished
  }).pipe(Effect.scoped, Effect.provide(Handlers))

const messageOf = <A>(outcome: Option.Option<Exit.Exit<A, unknown>>): string => {
  assert(Option.isSome(outcome) && Exit.isFailure(outcome.value))
  return String(outcome.value.cause)
}

suite("Python enqueues, effect-rq runs", (test, version) => {
  test("positional and keyword arguments", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const [add, greet, excited, ping, mixed] = yield* run<[string, string, string, string, string]>(`
q = queue()
return [
    q.enqueue("jobs_mod.add", 2, 3).id,
    q.enqueue("app.greet", name="Ada").id,
    q.enqueue("app.greet", args=[], kwargs={"name": "Ada", "excited": True}).id,
    q.enqueue("app.ping").id,
    q.enqueue("app.greet", "Ada", excited=True).id,
]`)
      assert.deepInclude(yield* runAll(), { successful: 4, failed: 1 })
      assert.deepStrictEqual(yield* queue.result(Add, add), Option.some(Exit.succeed(5)))
      assert.deepStrictEqual(yield* queue.result(Greet, greet), Option.some(Exit.succeed("Hello, Ada.")))
      assert.deepStrictEqual(yield* queue.result(Greet, excited), Option.some(Exit.succeed("Hello, Ada!")))
      assert.deepStrictEqual(yield* queue.result(Ping, ping), Option.some(Exit.succeed("pong")))
      assert.include(messageOf(yield* queue.result(Greet, mixed)), "mixes positional and keyword arguments")
      // and Python reads what we wrote
      assert.deepStrictEqual(
        yield* run(`return [fetch(i).return_value() for i in ids] + [fetch(ids[0]).get_status()]`, {
          ids: [add, greet, excited, ping]
        }),
        [5, "Hello, Ada.", "Hello, Ada!", "pong", "finished"]
      )
    }))

  test("text of every kind", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const texts = ["é", "\u4e2d\u6587", "\u{1f600}", "\u0000\u001f", "\u2028", "\"\\", "\ufeffbom", ""]
      const ids = yield* run<Array<string>>(`return [queue().enqueue("app.greet", name=t).id for t in texts]`, {
        texts
      })
      yield* runAll()
      for (const [index, text] of texts.entries()) {
        assert.deepStrictEqual(yield* queue.result(Greet, ids[index]!), Option.some(Exit.succeed(`Hello, ${text}.`)))
      }
      assert.deepStrictEqual(
        yield* run(`return [fetch(i).return_value() for i in ids]`, { ids }),
        texts.map((text) => `Hello, ${text}.`)
      )
    }))

  test("integers of any size", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const [big, edge, tooBig] = yield* run<[string, string, string]>(`
q = queue()
return [
    q.enqueue("jobs_mod.add", 2**64, 1).id,
    q.enqueue("jobs_mod.add", 2**53 - 1, 1).id,
    q.enqueue("app.half", 2**64).id,
]`)
      yield* runAll()
      assert.deepStrictEqual(yield* queue.result(Add, big), Option.some(Exit.succeed(2n ** 64n + 1n)))
      assert.deepStrictEqual(yield* queue.result(Add, edge), Option.some(Exit.succeed(2n ** 53n)))
      // a Schema of numbers refuses it; nothing is rounded
      assert.include(messageOf(yield* queue.result(Half, tooBig)), "got an integer beyond 2^53")
      assert.isTrue(
        yield* run(`return [fetch(i).return_value() for i in ids] == [2**64 + 1, 2**53]`, { ids: [big, edge] })
      )
    }))

  test("NaN and Infinity arrive, and are refused by a Schema that says so", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const [nan, infinity, minus, refused] = yield* run<[string, string, string, string]>(`
q = queue()
return [
    q.enqueue("app.measure", math.nan).id,
    q.enqueue("app.measure", math.inf).id,
    q.enqueue("app.measure", -math.inf).id,
    q.enqueue("app.half", math.nan).id,
]`)
      yield* runAll()
      assert.deepStrictEqual(yield* queue.result(Measure, nan), Option.some(Exit.succeed("NaN")))
      assert.deepStrictEqual(yield* queue.result(Measure, infinity), Option.some(Exit.succeed("Infinity")))
      assert.deepStrictEqual(yield* queue.result(Measure, minus), Option.some(Exit.succeed("-Infinity")))
      assert.include(messageOf(yield* queue.result(Half, refused)), "doesn't fit its Schema")
      assert.include(yield* run<string>(`return fetch(i).exc_info`, { i: refused }), "got NaN")
    }))

  test("NaN and Infinity are not sent, and are read where Python returns them", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      for (const value of [NaN, Infinity, -Infinity]) {
        const error = yield* Effect.flip(queue.enqueue(Measure, [value]))
        assert.strictEqual(error._tag, "InvalidJobError")
        assert.include(error.message, `${value} has no JSON form`)
      }
      assert.strictEqual(yield* queue.length("default"), 0)
      // a handler whose result is none fails its job
      const ours = yield* queue.enqueue(Double, [1e308])
      assert.deepInclude(yield* runAll(), { successful: 0, failed: 1 })
      assert.include(messageOf(yield* queue.result(Double, ours.id)), "Infinity")
      const theirs = yield* run<string>(`
id = queue().enqueue("jobs_mod.double", 1e308).id
burst(["default"])
return id`)
      const Read = Job.make("jobs_mod.double", { payload: Schema.Tuple(Schema.Number), success: Schema.Number })
      const Strict = Job.make("jobs_mod.double", { payload: Schema.Tuple(Schema.Number), success: Schema.JsonNumber })
      assert.deepStrictEqual(yield* queue.result(Read, theirs), Option.some(Exit.succeed(Infinity)))
      const error = yield* Effect.flip(queue.result(Strict, theirs))
      assert.strictEqual(error._tag, "ParseError")
    }))

  test("at the front, and in order", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const ids = yield* run<Array<string>>(`
q = queue()
first = [q.enqueue("app.greet", name=str(n)).id for n in range(3)]
return [q.enqueue("app.greet", name="front", at_front=True).id] + first`)
      assert.deepStrictEqual(yield* queue.jobIds("default"), ids)
      yield* runAll()
      const started = yield* Effect.forEach(ids, (id) => queue.fetch(id))
      const times = started.map((record) =>
        DateTime.toEpochMillis(Option.getOrThrow(Option.getOrThrow(record).startedAt))
      )
      assert.deepStrictEqual(times, times.toSorted((a, b) => a - b))
    }))

  test("all that RQ can say of a job is read", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const id = yield* run<string>(`
return queue("other", default_timeout=7).enqueue(
    "app.greet", name="Ada", job_id="my-job_1", meta={"n": 1, "é": ["x", None]}, ttl=100, result_ttl=200,
    failure_ttl=300, description="what people see", job_timeout="1h",
).id`)
      const record = Option.getOrThrow(yield* queue.fetch(id))
      assert.strictEqual(record.id, "my-job_1")
      assert.strictEqual(record.queue, "other")
      assert.strictEqual(record.status, "queued")
      assert.strictEqual(record.description, "what people see")
      assert.deepStrictEqual(record.meta, { n: 1, é: ["x", null] })
      assert.deepStrictEqual(record.ttl, Option.some(Duration.seconds(100)))
      assert.deepStrictEqual(record.resultTtl, Option.some(Duration.seconds(200)))
      assert.deepStrictEqual(record.failureTtl, Option.some(Duration.seconds(300)))
      assert.deepStrictEqual(record.timeout, Option.some(Duration.hours(1)))
      assert.deepStrictEqual(record.payload, Either.right({ name: "app.greet", args: [], kwargs: { name: "Ada" } }))
      const redis = yield* Redis.Redis
      assert.approximately(yield* redis.send<number>("TTL", `rq:job:${id}`), 100, 2)
      yield* runAll(["other"])
      // kept for its own result_ttl, with its meta
      assert.approximately(yield* redis.send<number>("TTL", `rq:job:${id}`), 200, 2)
      assert.approximately(yield* redis.send<number>("TTL", `rq:results:${id}`), 200, 2)
      assert.deepStrictEqual(
        yield* run(`job = fetch(i); return [job.meta, job.get_status(), job.return_value(), job.description]`, {
          i: id
        }),
        [{ n: 1, é: ["x", null] }, "finished", "Hello, Ada.", "what people see"]
      )
    }))

  test("a result that isn't to be kept", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      yield* run(`queue().enqueue("app.ping", job_id="gone", result_ttl=0)`)
      assert.deepInclude(yield* runAll(), { successful: 1 })
      assert.strictEqual(yield* redis.send<number>("EXISTS", "rq:job:gone", "rq:results:gone"), 0)
      assert.strictEqual(yield* redis.send<number>("ZCARD", "rq:finished:default"), 0)
    }))

  test("a job whose time in the queue is over is not run", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      yield* run(`queue().enqueue("app.ping", job_id="late", ttl=1)`)
      yield* redis.send("PEXPIRE", "rq:job:late", 1)
      yield* eventually("the job expires", redis.send<number>("EXISTS", "rq:job:late"), (exists) => exists === 0)
      assert.deepInclude(yield* runAll(), { successful: 0, failed: 0 })
      assert.strictEqual(yield* redis.send<number>("LLEN", "rq:queue:default"), 0)
    }))

  test("later, at a time and after a delay", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      const [soon, past, far, front] = yield* run<[string, string, string, string]>(`
q = queue()
now = datetime.datetime.now(datetime.timezone.utc)
far = datetime.datetime(2090, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
return [
    q.enqueue_in(datetime.timedelta(seconds=1), "app.greet", name="soon").id,
    q.enqueue_at(now - datetime.timedelta(hours=1), "app.greet", name="past").id,
    q.enqueue_at(far, "app.greet", name="far").id,
    q.enqueue_at(now, "app.greet", name="front", at_front=True).id,
]`)
      assert.isFalse(yield* queue.contains(far))
      assert.deepStrictEqual(
        Option.getOrThrow(yield* registry.scheduled("default").dueTime(far)),
        DateTime.unsafeMake("2090-01-02T03:04:05Z")
      )
      const record = Option.getOrThrow(yield* queue.fetch(soon))
      assert.strictEqual(record.status, "scheduled")
      assert.isTrue(Option.isSome(record.dueAt))
      assert.isTrue(Option.getOrThrow(yield* queue.fetch(front)).atFront)

      yield* Worker.make(Jobs, { withScheduler: true, queues: ["default"] }).pipe(Effect.provide(Handlers))
      for (const [id, text] of [[past, "past"], [front, "front"], [soon, "soon"]] as const) {
        const outcome = yield* eventually(`${text} ends`, queue.result(Greet, id), Option.isSome)
        assert.deepStrictEqual(outcome, Option.some(Exit.succeed(`Hello, ${text}.`)))
      }
      const ran = Option.getOrThrow(yield* queue.fetch(soon))
      assert.isAtLeast(
        DateTime.toEpochMillis(Option.getOrThrow(ran.startedAt)),
        DateTime.toEpochMillis(Option.getOrThrow(record.dueAt))
      )
      assert.isTrue(yield* registry.scheduled("default").contains(far))
      assert.deepStrictEqual(yield* run(`return registry(ScheduledJobRegistry, "default").get_job_ids()`), [far])
    }))

  test("many at once", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const ids = yield* run<Array<string>>(`
prepared = [Queue.prepare_data("jobs_mod.add", [n, n], job_id="job-%d" % n) for n in range(100)]
return [job.id for job in queue().enqueue_many(prepared)]`)
      assert.lengthOf(ids, 100)
      assert.deepInclude(yield* runAll(), { successful: 100, failed: 0 })
      assert.deepStrictEqual(yield* queue.result(Add, "job-42"), Option.some(Exit.succeed(84)))
      assert.strictEqual(yield* run(`return sum(fetch(i).return_value() for i in ids)`, { ids }), 9900)
    }))

  test("a pickled payload is refused with what to do, and nothing else is harmed", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const [before, pickled, after] = yield* run<[string, string, string]>(`
return [
    queue().enqueue("app.greet", name="before").id,
    queue(serializer=DefaultSerializer).enqueue("app.greet", name="pickled", meta={"a": 1}).id,
    queue().enqueue("app.greet", name="after").id,
]`)
      const record = Option.getOrThrow(yield* queue.fetch(pickled))
      assert(Either.isLeft(record.payload))
      assert.strictEqual(record.payload.left.reason, "Pickled")
      assert.deepInclude(yield* runAll(), { successful: 2, failed: 1 })
      const message = messageOf(yield* queue.result(Greet, pickled))
      assert.include(message, "Pickled")
      assert.include(message, "serializer=JSONSerializer")
      for (const id of [before, after]) {
        assert.strictEqual(Option.getOrThrow(yield* queue.fetch(id)).status, "finished")
      }
      // Python sees the same, with either serializer
      assert.include(
        yield* run<string>(`return fetch(i).exc_info`, { i: pickled }).pipe(
          Effect.orElse(() => run<string>(`return Job.fetch(i, connection=connection).exc_info`, { i: pickled }))
        ),
        "serializer=JSONSerializer"
      )
      assert.deepStrictEqual(yield* run(`return registry(FailedJobRegistry, "default").get_job_ids()`), [pickled])
    }))

  test("a job that no handler is known for fails, and can be requeued by Python", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      yield* run(`queue().enqueue("jobs_mod.echo", 1, job_id="unknown")`)
      yield* runAll()
      assert.include(yield* run<string>(`return fetch("unknown").exc_info`), "UnknownJob")
      yield* run(`registry(FailedJobRegistry, "default").requeue("unknown")`)
      yield* run(`burst(["default"])`)
      assert.deepStrictEqual(yield* run(`return fetch("unknown").return_value()`), { args: [1], kwargs: {} })
    }))

  // RQ has `unique` from 2.8 on
  if (version.numbers[0] > 2 || version.numbers[0] === 2 && version.numbers[1] >= 8) {
    test("once, whoever enqueues first", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const queue = yield* Queue.Queue
        const enqueueUnique = `
from rq.exceptions import DuplicateJobError
try:
    return queue().enqueue("app.ping", job_id=i, unique=True).id
except DuplicateJobError:
    return "duplicate"`
        assert.strictEqual(yield* run(enqueueUnique, { i: "theirs" }), "theirs")
        assert.strictEqual((yield* queue.enqueue(Ping, {}, { jobId: "theirs" })).outcome, "exists")
        assert.strictEqual((yield* queue.enqueue(Ping, {}, { jobId: "ours" })).outcome, "enqueued")
        assert.strictEqual(yield* run(enqueueUnique, { i: "ours" }), "duplicate")
        assert.deepInclude(yield* runAll(), { successful: 2, failed: 0 })
      }))
  }
})
