/**
 * Whatever our users pass, nothing is ever written that ends a Python worker.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, RedisMemory, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as Arrays from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { heartbeat } from "../../src/lifecycle/heartbeat.js"
import { check, seed } from "../fuzz/support.js"
import { PythonRq, suite } from "../support/python-rq.js"
import { violations } from "./rules.js"

/** Takes anything and writes it as it is: the Schema is no help. */
const Any = Job.make("jobs_mod.echo", { payload: Schema.Array(Schema.Unknown), success: Schema.Unknown })
const AnyNamed = Job.make("jobs_mod.echo", {
  payload: Schema.Struct({}, { key: Schema.String, value: Schema.Unknown }),
  success: Schema.Unknown,
  error: Schema.Unknown
})

const text = FastCheck.oneof(
  FastCheck.string({ unit: "binary", maxLength: 20 }),
  FastCheck.string({ unit: "grapheme", maxLength: 20 }),
  FastCheck.constantFrom("", " ", "\ud800", "\u0000", "\n", "a\r\nb", "__proto__", "True", ":", "é".repeat(100))
)

const number = FastCheck.oneof(
  FastCheck.double(),
  FastCheck.integer(),
  FastCheck.constantFrom(-1, -0, 0.4, 1.5, 1e-9, 1e12, 1e15, 1e300, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 53)
)

const nested = (levels: number) => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

/** What is right most of the time, so that a request with many parts is accepted often enough. */
const mostly = <A, B>(right: FastCheck.Arbitrary<A>, odd: FastCheck.Arbitrary<B>): FastCheck.Arbitrary<A | B> =>
  FastCheck.oneof({ weight: 14, arbitrary: right }, { weight: 1, arbitrary: odd })

const anyValue = FastCheck.oneof(
  { weight: 6, arbitrary: FastCheck.jsonValue() },
  FastCheck.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
  text,
  number,
  FastCheck.constantFrom(2n ** 70n, 10n ** 4299n, 10n ** 4300n, -(10n ** 4300n)),
  FastCheck.integer({ min: 0, max: 1100 }).map(nested)
)

const value = mostly(
  FastCheck.oneof(FastCheck.jsonValue(), text, FastCheck.constantFrom(2n ** 70n, 10n ** 4299n, 1.5, new Date(0))),
  anyValue
)

const members = FastCheck.dictionary(text, value, { maxKeys: 3 })

const lifetime = mostly(
  FastCheck.oneof(
    FastCheck.constantFrom("forever", "1 second", "90 seconds", "2 days", Duration.infinity, undefined),
    FastCheck.integer({ min: 1, max: 2 ** 40 }),
    FastCheck.double({ noNaN: true, min: 0.1, max: 1e12 }).map(Duration.millis)
  ),
  FastCheck.oneof(
    FastCheck.constantFrom("no duration", "-1 seconds", "100000000 weeks", Duration.zero, Duration.nanos(1n)),
    number
  )
)

const due = FastCheck.oneof(
  { weight: 3, arbitrary: FastCheck.constant({}) },
  FastCheck.record({
    at: mostly(
      FastCheck.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z") }),
      FastCheck.date({ noInvalidDate: false })
    )
  }),
  FastCheck.record({
    at: FastCheck.constantFrom(
      "2026-12-24 09:15",
      "1000-01-01 00:00",
      "9999-12-31T23:59:59.999Z",
      "0000-00-00",
      "1969-07-20"
    )
  }),
  FastCheck.record({ in: lifetime })
)

/** Mostly what may be passed, and what TypeScript would not let through as well: JavaScript may pass it. */
const request = FastCheck.record({
  payload: FastCheck.oneof(FastCheck.array(value, { maxLength: 3 }), members),
  options: FastCheck.record({
    queue: mostly(FastCheck.constantFrom("q", "q", "ä:b", "{x}", "with space"), text),
    jobId: mostly(
      FastCheck.oneof(FastCheck.constant(undefined), FastCheck.stringMatching(/^[A-Za-z0-9_-]{1,40}$/)),
      text
    ),
    timeout: lifetime,
    ttl: lifetime,
    resultTtl: lifetime,
    failureTtl: lifetime,
    atFront: FastCheck.constantFrom(true, false, undefined),
    description: FastCheck.oneof(FastCheck.constant(undefined), text),
    meta: FastCheck.oneof(FastCheck.constant(undefined), members)
  }, { requiredKeys: [] }),
  due
})

interface Request {
  readonly payload: unknown
  readonly options: object
  readonly due: object
}

/** The id of the job, none when it was refused. */
const submit = ({ due, options, payload }: Request) =>
  Effect.flatMap(Queue.Queue, (queue) => {
    const all = { ...options, ...due } as Queue.EnqueueOptions // what JavaScript may pass
    const one = Array.isArray(payload)
      ? Queue.request(Any, payload, all)
      : Queue.request(AnyNamed, payload as Readonly<Record<string, unknown>>, all) // the other of the two
    return Effect.map(queue.enqueueMany([one]), ([ref]) => Option.some(ref!.id))
  }).pipe(Effect.catchTag("InvalidJobError", () => Effect.succeedNone))

const appOn = (store: RedisMemory.Store) => Queue.layer.pipe(Layer.provideMerge(RedisMemory.layerStore(store)))

/** How a handler ends: what it does with a value, after some milliseconds. */
const ending = FastCheck.record({
  how: FastCheck.constantFrom("succeed", "fail", "die", "throw"),
  value,
  after: FastCheck.constantFrom(0, 0, 1, 1234, 30_000, 400_000)
})

type Ending = { readonly how: string; readonly value: unknown; readonly after: number }

const toEffect = ({ after, how, value }: Ending): Effect.Effect<unknown, unknown> =>
  Effect.sleep(after).pipe(Effect.zipRight(
    how === "succeed"
      ? Effect.succeed(value)
      : how === "fail"
      ? Effect.fail(value)
      : how === "die"
      ? Effect.die(value)
      : Effect.sync(() => {
        throw value
      })
  ))

/** A job as RQ needs it. */
const whole = [
  "data",
  "[\"f\",null,[],{}]",
  "origin",
  "q",
  "description",
  "f()",
  "status",
  "queued",
  "created_at",
  "2026-11-23T17:08:22.532000Z",
  "timeout",
  "180"
]

describe(`never poison Python (FUZZ_SEED=${seed})`, () => {
  it("with a job, whatever is passed", async () => {
    let accepted = 0
    let refused = 0
    await check(FastCheck.array(request, { minLength: 1, maxLength: 4 }), 200, async (requests) => {
      const found = await Effect.runPromise(Effect.gen(function*() {
        const store = yield* RedisMemory.makeStore
        const ids = yield* Effect.forEach(requests, submit).pipe(Effect.provide(appOn(store)))
        accepted += ids.filter(Option.isSome).length
        refused += ids.filter(Option.isNone).length
        return violations(yield* RedisMemory.dump(store))
      }))
      assert.deepStrictEqual(found, [], found.join("; "))
    })
    // neither is the rule
    assert.isAbove(accepted, 100)
    assert.isAbove(refused, 50)
  })

  it("with a worker and a scheduler, however jobs end", async () => {
    let ended = 0
    const Jobs = JobGroup.make(AnyNamed)
    await check(FastCheck.array(ending, { minLength: 1, maxLength: 6 }), 15, async (endings) => {
      const found = await Effect.runPromise(
        Effect.gen(function*() {
          const store = yield* RedisMemory.makeStore
          const look = Effect.map(RedisMemory.dump(store), violations)
          const all: Array<string> = []
          yield* Effect.gen(function*() {
            const queue = yield* Queue.Queue
            const travel = yield* TimeTravel.TimeTravel
            const left = endings.slice()
            const handlers = Jobs.toLayer({
              "jobs_mod.echo": () => Effect.suspend(() => toEffect(left.shift() ?? endings[0]!))
            })
            for (const [index] of endings.entries()) {
              yield* (index % 2 === 0
                ? queue.enqueue(AnyNamed, {}, { queue: "q", timeout: "5 minutes" })
                : queue.enqueueIn("1500 millis", AnyNamed, {}, { queue: "q", resultTtl: "forever" }))
            }
            const worker = yield* Worker.make(Jobs, { queues: ["q"], concurrency: 3, withScheduler: true }).pipe(
              Effect.provide(handlers)
            )
            for (const step of [0, 1500, 8000, 60_000, 300_000]) {
              yield* travel.adjust(step)
              all.push(...(yield* look))
            }
            const { failed, successful } = yield* worker.status
            ended += failed + successful
          }).pipe(Effect.scoped, Effect.provide(appOn(store)))
          all.push(...(yield* look))
          return all
        }).pipe(Effect.provide(Layer.merge(TimeTravel.layer, Logger.minimumLogLevel(LogLevel.Fatal))))
      )
      assert.deepStrictEqual(found, [], found.join("; "))
    })
    assert.isAbove(ended, 15)
  })

  it.effect("with an execution whose worker is dead", () =>
    Effect.gen(function*() {
      const store = yield* RedisMemory.makeStore
      const { service } = yield* RedisMemory.makeClient(store)
      const job = { queue: "q", id: "a", execution: "0123456789ab8cdef012345600000000" }
      yield* service.send("ZADD", "rq:wip:q", 20, `${job.id}:${job.execution}`)
      yield* service.send("HSET", "rq:job:a", ...whole, "status", "started")
      yield* service.eval(heartbeat)({
        worker: "w",
        queues: ["q"],
        now: "0",
        nowDate: "1970-01-01T00:00:00.000000Z",
        aliveSeconds: 20,
        workerTtl: 60,
        birth: [
          "birth",
          "1970-01-01T00:00:00.000000Z",
          "last_heartbeat",
          "1970-01-01T00:00:00.000000Z",
          "queues",
          "q",
          "pid",
          "1"
        ],
        state: ["state", "busy"],
        currentJob: job.id,
        full: true,
        executions: [{ ...job, startedAt: "0" }]
      })
      const listed: Array<number> = []
      for (let second = 0; second < 120; second++) {
        const state = yield* RedisMemory.dump(store)
        assert.deepStrictEqual(violations(state), [], `after ${second} s`)
        if (state["rq:executions:a"] !== undefined) listed.push(second)
        yield* TestClock.adjust("1 second")
      }
      assert.isAbove(listed.length, 20)
      assert.isBelow(listed.length, 120)
    }))

  it("is a rule that can be broken", async () => {
    const broken: ReadonlyArray<readonly [key: string, ...command: ReadonlyArray<string>]> = [
      ["rq:job:a b", "HSET"],
      ["rq:job:a", "HSET", "status", "unknown"],
      ["rq:job:a", "HSET", "created_at", "2026-11-23T17:08:22+00:00"],
      ["rq:job:a", "HSET", "timeout", "1.5"],
      ["rq:job:a", "HSET", "enqueue_at_front", "true"],
      ["rq:job:a", "HSET", "success_callback_timeout", ""],
      ["rq:job:a", "HSET", "description", ""],
      ["rq:job:a", "HSET", "meta", "[".repeat(600) + "]".repeat(600)],
      ["rq:job:a", "HSET", "meta", "not json"],
      ["rq:queue:q", "RPUSH", "a b"],
      ["rq:executions:a", "ZADD", "1", "0123456789abcdef0123456789abcdef"],
      ["rq:worker:w", "HSET", "pid", "none"],
      ["rq:workers", "SADD", "w"],
      ["rq:something", "SET", "1"]
    ]
    const check = (commands: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]>) =>
      Effect.runPromise(Effect.gen(function*() {
        const store = yield* RedisMemory.makeStore
        const { service } = yield* RedisMemory.makeClient(store)
        for (const [command, ...args] of commands) yield* service.send(command, ...args)
        return violations(yield* RedisMemory.dump(store))
      }))
    assert.deepStrictEqual(await check([["HSET", "rq:job:a", ...whole], ["RPUSH", "rq:queue:q", "a"]]), [])
    for (const [key, command, ...args] of broken) {
      const before: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = key.startsWith("rq:job:")
        ? [["HSET", key, ...whole]]
        : []
      const found = await check(args.length === 0 ? before : [...before, [command!, key, ...args]])
      assert.isNotEmpty(found, `${key} ${args.join(" ").slice(0, 100)}`)
    }
  })
})

suite("Python reads", (test) => {
  test("whatever was accepted, and works on", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const redis = yield* Redis.Redis
      const requests = FastCheck.sample(request, { numRuns: 600, seed: 4711 })
      const ids = Arrays.getSomes(yield* Effect.forEach(requests, submit))
      assert.isAbove(ids.length, 200)
      const queues = (yield* redis.send<ReadonlyArray<string>>("SMEMBERS", "rq:queues")).map((key) =>
        key.slice("rq:queue:".length)
      )
      const read = (which: string) =>
        run<number>(
          `
import warnings
warnings.simplefilter("ignore")
count = 0
for i in ids:
    try:
        job = fetch(i)
    except NoSuchJobError:
        continue
    try:
        job.func_name, job.args, job.kwargs, job.get_status(), job.get_call_string(), job.result, job.latest_result(), job.exc_info
        json.dumps(job.to_dict(), default=repr)
    except Exception:
        # some may wait for a second only: one of them can be over by now
        if connection.exists(job.key):
            raise
        continue
    count += 1
for w in Worker.all(connection=connection, serializer=JSONSerializer):
    w.get_state(), w.queue_names(), w.get_current_job()
for q in Queue.all(connection=connection, serializer=JSONSerializer):
    q.count, q.jobs, q.get_job_ids()
    for kind in [StartedJobRegistry, FinishedJobRegistry, FailedJobRegistry, ScheduledJobRegistry, CanceledJobRegistry]:
        r = registry(kind, q.name)
        r.count, r.get_job_ids()
    for i in registry(ScheduledJobRegistry, q.name).get_job_ids():
        registry(ScheduledJobRegistry, q.name).get_scheduled_time(i)
return count`,
          { ids, which }
        )
      assert.isAbove(yield* read("waiting"), 200)

      // a worker of ours ends a part of them in every way
      const endings = FastCheck.sample(ending, { numRuns: 40, seed: 4711 }).map((one) => ({ ...one, after: 0 }))
      const Jobs = JobGroup.make(AnyNamed)
      const left = endings.slice()
      const worker = yield* Worker.make(Jobs, { queues: ["q"], maxJobs: 40, concurrency: 4 }).pipe(
        Effect.provide(Layer.merge(
          Jobs.toLayer({ "jobs_mod.echo": () => Effect.suspend(() => toEffect(left.shift() ?? endings[0]!)) }),
          Logger.minimumLogLevel(LogLevel.Fatal)
        ))
      )
      const { failed, successful } = yield* worker.finished
      assert.isAbove(failed, 0)
      assert.isAbove(successful, 0)
      yield* read("ended")

      // Python promotes what is due, and runs the rest to the last
      yield* run(
        `
s = scheduler(queues)
s.acquire_locks()
s.enqueue_scheduled_jobs()
s.release_locks()
for name in queues:
    burst([name])
    assert queue(name).count == 0, name`,
        { queues }
      )
      const started = yield* run<number>(`return sum(registry(StartedJobRegistry, name).count for name in queues)`, {
        queues
      })
      assert.strictEqual(started, 0)
      yield* read("run by Python")
    }), 60_000)
})
