/**
 * What becomes of a job that fails: how often it runs again, and when.
 */
import { assert, describe, it } from "@effect/vitest"
import { CurrentJob, Job, JobGroup, type Queue, Retry, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as keys from "../../src/wire/keys.js"
import { consistent, dueIn, hget, outcomes, range, record, travelling, type World } from "./support.js"

class Refused extends Schema.TaggedError<Refused>()("Refused", { status: Schema.Number }) {}

/** How one run ends: by a typed error, a verdict about one, a defect, in nothing, or well. */
type Run = "ok" | "defect" | "never ends" | number | { readonly never: number } | { readonly after: number }

interface Attempt {
  readonly id: string
  readonly attempt: number
  readonly at: number
}

const Payload = { runs: Schema.Array(Schema.Unknown) }

type Flaky = Job.Job<"test.flaky", Schema.Struct<typeof Payload>, typeof Schema.String, typeof Refused>

const define = (retry?: Retry.RetryPolicy<Refused>): Flaky =>
  Job.make("test.flaky", {
    payload: Payload,
    success: Schema.String,
    error: Refused,
    queue: "q",
    timeout: "10 seconds",
    ...(retry === undefined ? {} : { retry })
  })

/** A worker, and a scheduler, that run the job as its payload says; notes each attempt. */
const hosts = (world: World, job: Flaky, name = "worker", options: Worker.WorkerOptions = {}) =>
  Effect.gen(function*() {
    const attempts: Array<Attempt> = []
    const Group = JobGroup.make(job)
    const handlers = Group.toLayer({
      "test.flaky": ({ runs }) =>
        Effect.gen(function*() {
          const { attempt, id } = yield* CurrentJob.CurrentJob
          attempts.push({ id, attempt, at: yield* world.elapsed })
          const run = (runs[attempt - 1] ?? "ok") as Run // the payloads of these tests hold nothing else
          if (run === "ok") return `run ${attempt}`
          if (run === "defect") return yield* Effect.die(new Error("a bug"))
          if (run === "never ends") return yield* Effect.never
          if (typeof run === "number") return yield* new Refused({ status: run })
          return "never" in run
            ? yield* Retry.never(new Refused({ status: run.never }))
            : yield* Retry.after(run.after, new Refused({ status: 503 }))
        })
    })
    const worker = yield* world.workerOf(
      name,
      Worker.make(Group, { withScheduler: true, ...options, name }).pipe(Effect.provide(handlers))
    )
    return { attempts, worker }
  })

const enqueue = (world: World, job: Flaky, runs: ReadonlyArray<Run>, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueue(job, { runs }, { jobId: "a", ...options })

const failing = (count: number) => range(count).map(() => 500)

const at = (attempts: ReadonlyArray<Attempt>) => attempts.map((one) => one.at)

/** The pauses between attempts, in seconds. */
const pauses = (attempts: ReadonlyArray<Attempt>) =>
  attempts.slice(1).map((one, index) => (one.at - attempts[index]!.at) / 1000)

describe("max and intervals", () => {
  for (
    const [intervals, max, expected] of [
      [undefined, 2, [0, 0]],
      ["5 seconds", 3, [5, 5, 5]],
      [["1 second", "3 seconds", "7 seconds"], 3, [1, 3, 7]],
      // counted from the end, as RQ does
      [["1 second", "3 seconds"], 4, [1, 1, 1, 3]],
      [["1 second", "3 seconds", "7 seconds"], 2, [3, 7]],
      [["1500 millis"], 1, [2]],
      [[], 2, [0, 0]]
    ] as const
  ) {
    it.effect(`${max} retries after ${JSON.stringify(intervals)} come after ${JSON.stringify(expected)} seconds`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { attempts } = yield* hosts(world, define())
          yield* enqueue(world, define(), failing(20), { retry: { max, intervals } })
          yield* world.adjust("5 minutes")
          assert.deepStrictEqual(pauses(attempts), [...expected])
          assert.deepStrictEqual(attempts.map(({ attempt }) => attempt), range(max + 1).map((index) => index + 1))
          assert.strictEqual(yield* world.status("a"), "failed")
          assert.deepStrictEqual(yield* outcomes(world, "a"), ["failed", ...range(max).map(() => "retried" as const)])
          yield* consistent(world)
        })
      ))
  }

  it.effect("the record tells attempts, what is left, the last error and when it is due again", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* hosts(world, define())
        yield* world.adjust("1 minute")
        yield* enqueue(world, define(), [501, 502], { retry: { max: 2, intervals: ["10 seconds", "1 minute"] } })
        yield* world.settle
        const first = yield* record(world, "a")
        assert.strictEqual(first.status, "scheduled")
        assert.strictEqual(first.failedAttempts, 1)
        assert.deepStrictEqual(first.retriesLeft, Option.some(1))
        assert.deepStrictEqual(first.dueAt, Option.some(DateTime.unsafeMake(70_000)))
        const outcome = Option.getOrThrow(first.outcome)
        assert.strictEqual(outcome.type, "retried")
        assert.deepStrictEqual(outcome.error, Option.some({ _tag: "Refused", status: 501 }))
        assert.deepStrictEqual(outcome.worker, Option.some("worker"))
        assert.deepStrictEqual(outcome.endedAt, Option.some(DateTime.unsafeMake(60_000)))
        assert.deepStrictEqual(yield* world.queue.result(define(), "a"), Option.none())
        yield* consistent(world)

        yield* world.adjust("10 seconds")
        const second = yield* record(world, "a")
        assert.deepStrictEqual(
          [second.status, second.failedAttempts, second.retriesLeft, second.dueAt],
          ["scheduled", 2, Option.some(0), Option.some(DateTime.unsafeMake(130_000))]
        )
        assert.deepStrictEqual(
          Option.getOrThrow(second.outcome).error,
          Option.some({ _tag: "Refused", status: 502 })
        )

        yield* world.adjust("1 minute")
        const last = yield* record(world, "a")
        assert.deepStrictEqual([last.status, last.failedAttempts], ["finished", 2])
        assert.deepStrictEqual(yield* world.queue.result(define(), "a"), Option.some(Exit.succeed("run 3")))
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["successful", "retried", "retried"])
        yield* consistent(world)
      })
    ))

  it.effect("at the front, where that is asked for: at once, and after a pause", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const atFront of [true, false]) {
          for (const intervals of [undefined, "5 seconds"] as const) {
            const id = `${atFront}-${intervals === undefined ? "now" : "later"}`
            const { attempts, worker } = yield* hosts(world, define(), id, { concurrency: 1 })
            yield* enqueue(world, define(), ["never ends"], { jobId: `${id}-blocks` })
            yield* enqueue(world, define(), [500], { jobId: id, retry: { max: 1, intervals, atFront } })
            // takes the only slot before the retry is due
            yield* enqueue(world, define(), ["never ends"], { jobId: `${id}-between` })
            yield* enqueue(world, define(), [], { jobId: `${id}-waits` })
            yield* world.adjust("40 seconds")
            assert.deepStrictEqual(
              attempts.map((one) => one.id.slice(id.length + 1) || "job"),
              intervals === undefined
                ? atFront
                  ? ["blocks", "job", "job", "between", "waits"]
                  : ["blocks", "job", "between", "waits", "job"]
                : atFront
                ? ["blocks", "job", "between", "job", "waits"]
                : ["blocks", "job", "between", "waits", "job"],
              id
            )
            yield* worker.stop
            yield* consistent(world)
          }
        }
      })
    ))

  it.effect("of the call go before those of the definition", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 3, intervals: "10 seconds", atFront: true })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, failing(9), { jobId: "own", retry: { max: 1, intervals: "2 seconds" } })
        yield* enqueue(world, job, failing(9), { jobId: "none", retry: { max: 0 } })
        yield* enqueue(world, job, failing(9), { jobId: "default" })
        yield* world.adjust("2 minutes")
        const times = (id: string) => at(attempts.filter((one) => one.id === id))
        assert.deepStrictEqual(times("own"), [0, 2000])
        assert.deepStrictEqual(times("none"), [0])
        assert.deepStrictEqual(times("default"), [0, 10_000, 20_000, 30_000])
        assert.isNull(yield* hget(world, "own", "enqueue_at_front_on_retry"))
        assert.strictEqual(yield* hget(world, "default", "enqueue_at_front_on_retry"), "1")
      })
    ))

  it.effect("that can't be are refused before anything is sent", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const max of [-1, 1.5, Number.NaN, Infinity]) {
          const error = yield* Effect.flip(enqueue(world, define(), [], { retry: { max } }))
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, "retry.max") // just checked
        }
        for (const interval of [-1, Infinity, Duration.infinity]) {
          const error = yield* Effect.flip(enqueue(world, define(), [], { retry: { max: 1, intervals: [interval] } }))
          assert.strictEqual((error as Job.InvalidJobError).field, "retry.intervals") // the only error there can be
        }
        assert.deepStrictEqual(yield* world.dump, {})
      })
    ))
})

describe("a schedule", () => {
  it.effect("gives the pauses, exponential with a cap", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({
          max: 7,
          schedule: Schedule.exponential("1 second").pipe(Schedule.union(Schedule.spaced("10 seconds")))
        })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, failing(20))
        yield* world.adjust("5 minutes")
        assert.deepStrictEqual(pauses(attempts), [1, 2, 4, 8, 10, 10, 10])
        assert.strictEqual(yield* world.status("a"), "failed")
        yield* consistent(world)
      })
    ))

  it.effect("is followed to the millisecond", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 2, schedule: Schedule.spaced("1234 millis") })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, failing(20))
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(at(attempts), [0, 1234, 2468])
      })
    ))

  it.effect("that is done means failed, whatever is left", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 10, schedule: Schedule.intersect(Schedule.recurs(2), Schedule.spaced("3 seconds")) })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, failing(20))
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(pauses(attempts), [3, 3])
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.deepStrictEqual((yield* record(world, "a")).retriesLeft, Option.some(8))
        yield* consistent(world)
      })
    ))

  it.effect("sees the typed error, and a defect as it is", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const job = define({
          max: 5,
          schedule: Schedule.recurWhile<Refused>((error) => {
            seen.push(error)
            return !(error instanceof Refused) || error.status !== 403
          })
        })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, [500, "defect", 403, 500])
        yield* world.adjust("1 minute")
        assert.lengthOf(attempts, 3)
        assert.isTrue(seen[0] instanceof Refused)
        assert.isTrue(seen.some((error) => error instanceof Error && error.message === "a bug"))
        assert.strictEqual(yield* world.status("a"), "failed")
      })
    ))

  it.effect("with jitter: the standard one spreads, within a fifth, and the same for the same seed", () =>
    Effect.gen(function*() {
      const story = (seed: number) =>
        travelling((world) =>
          Effect.gen(function*() {
            const job = define(Retry.standard)
            const { attempts } = yield* hosts(world, job)
            yield* enqueue(world, job, failing(20), { jobId: "a" })
            yield* enqueue(world, job, failing(20), { jobId: "b" })
            yield* world.adjust("1 hour")
            const of = (id: string) => pauses(attempts.filter((one) => one.id === id))
            assert.strictEqual(yield* world.status("a"), "failed")
            return { a: of("a"), b: of("b") }
          }).pipe(Effect.withRandom(Random.make(seed)))
        )
      const { a, b } = yield* story(1)
      assert.lengthOf(a, 10)
      a.forEach((pause, index) => {
        assert.isAtLeast(pause, 0.8 * 2 ** index - 0.002)
        assert.isAtMost(pause, 1.2 * 2 ** index + 0.002)
      })
      assert.notDeepEqual(a, b, "they don't come back together")
      assert.isAbove(new Set(a.map((pause, index) => (pause / 2 ** index).toFixed(3))).size, 5)
      assert.deepStrictEqual(yield* story(1), { a, b })
      assert.notDeepEqual((yield* story(2)).a, a)
    }))

  it.effect("of the definition gives the pauses also where the call says how often", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 5, schedule: Schedule.exponential("1 second") })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, failing(9), { retry: { max: 2 } })
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(pauses(attempts), [1, 2])
      })
    ))

  it.effect("steps on with each attempt also when the worker is another one each time", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 4, schedule: Schedule.exponential("10 seconds") })
        yield* enqueue(world, job, failing(9))
        const all: Array<Attempt> = []
        for (const index of range(4)) {
          const { attempts, worker } = yield* hosts(world, job, `worker${index}`)
          while (attempts.length === 0) yield* world.adjust("1 second")
          yield* worker.stop
          all.push(...attempts)
        }
        assert.deepStrictEqual(all.map(({ attempt }) => attempt), [1, 2, 3, 4])
        assert.strictEqual(yield* dueIn(world, "a"), all[3]!.at + 80_000)
      })
    ))
})

describe("by the error", () => {
  const client = (error: Refused) => error.status < 500

  for (
    const [name, retry] of [
      ["while", { max: 5, while: (error: Refused) => !client(error) }],
      ["until", { max: 5, until: client }]
    ] as const
  ) {
    it.effect(`${name} holds for typed errors`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { attempts } = yield* hosts(world, define(retry))
          yield* enqueue(world, define(retry), [500, 501, 404, 500])
          yield* world.adjust("1 minute")
          assert.lengthOf(attempts, 3)
          assert.strictEqual(yield* world.status("a"), "failed")
          assert.deepStrictEqual((yield* record(world, "a")).retriesLeft, Option.some(3))
          assert.deepStrictEqual(
            yield* world.queue.result(define(), "a"),
            Option.some(Exit.fail(new Refused({ status: 404 })))
          )
          yield* consistent(world)
        })
      ))

    it.effect(`${name} is not asked for defects and timeouts, which are retried`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const never = { max: 5, while: () => name !== "while", until: () => name === "until" }
          const { attempts } = yield* hosts(world, define(never))
          yield* enqueue(world, define(never), ["defect", "never ends", 500, "ok"])
          yield* world.adjust("1 minute")
          assert.deepStrictEqual(at(attempts), [0, 0, 10_000])
          assert.strictEqual(yield* world.status("a"), "failed")
          const history = yield* world.queue.history("a")
          assert.deepStrictEqual(history.map(({ type }) => type), ["failed", "retried", "retried"])
          assert.match(Option.getOrThrow(history[2]!.exception), /a bug/)
          assert.match(Option.getOrThrow(history[1]!.exception), /JobTimeoutException.*\(10 seconds\)/)
          yield* consistent(world)
        })
      ))
  }

  it.effect("Retry.never fails at once, with the error that was inside", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 5, schedule: Schedule.forever, while: () => true })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, [{ never: 410 }])
        yield* world.adjust("1 minute")
        assert.lengthOf(attempts, 1)
        assert.deepStrictEqual(
          yield* world.queue.result(job, "a"),
          Option.some(Exit.fail(new Refused({ status: 410 })))
        )
        assert.deepStrictEqual((yield* record(world, "a")).retriesLeft, Option.some(5))
        const { exception } = (yield* world.queue.history("a"))[0]!
        assert.notMatch(Option.getOrThrow(exception), /Verdict/)
        yield* consistent(world)
      })
    ))

  it.effect("Retry.after says the pause, and counts as a retry where they are counted", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 2, schedule: Schedule.spaced("1 hour"), while: () => false })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, [{ after: 2500 }, { after: 1000 }, { after: 1000 }, "ok"])
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(at(attempts), [0, 2500, 3500])
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.deepStrictEqual(
          yield* world.queue.result(job, "a"),
          Option.some(Exit.fail(new Refused({ status: 503 })))
        )
        yield* consistent(world)
      })
    ))

  it.effect("Retry.after of a job without retries runs again as often as it is said", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { attempts } = yield* hosts(world, define())
        yield* enqueue(world, define(), [...range(14).map(() => ({ after: 60_000 })), { after: 0 }, "ok"])
        yield* world.adjust("15 minutes")
        assert.lengthOf(attempts, 16)
        assert.strictEqual(attempts[14]!.at, 14 * 60_000)
        assert.strictEqual(attempts[15]!.at, 14 * 60_000)
        const last = yield* record(world, "a")
        assert.deepStrictEqual([last.status, last.failedAttempts, last.retriesLeft], ["finished", 15, Option.none()])
        yield* consistent(world)
      })
    ))

  it.effect("a job without retries fails at its first error", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { attempts } = yield* hosts(world, define())
        yield* enqueue(world, define(), [500])
        yield* world.adjust("1 minute")
        assert.lengthOf(attempts, 1)
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["failed"])
      })
    ))
})

describe("what would end the same way", () => {
  it.effect("is not retried: an unknown job, an undecodable payload, a payload that doesn't fit", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 5 })
        const { attempts, worker } = yield* hosts(world, job)
        yield* world.redis.send("SET", keys.suspended, "1")
        const unknown = Job.make("test.unknown", { queue: "q", retry: { max: 5 } })
        yield* world.queue.enqueue(unknown, {}, { jobId: "unknown" })
        for (const id of ["undecodable", "unfitting"]) yield* enqueue(world, job, [], { jobId: id })
        yield* world.redis.send("HSET", keys.job("undecodable"), "data", "no payload at all")
        yield* world.redis.send("HSET", keys.job("unfitting"), "data", `["test.flaky",null,[],{"runs":3}]`)
        yield* world.redis.send("DEL", keys.suspended)
        yield* world.adjust("1 minute")
        for (const id of ["unknown", "undecodable", "unfitting"]) {
          assert.strictEqual(yield* world.status(id), "failed", id)
          assert.deepStrictEqual(yield* outcomes(world, id), ["failed"], id)
          assert.deepStrictEqual((yield* record(world, id)).retriesLeft, Option.some(5), id)
        }
        assert.deepStrictEqual(attempts, [])
        assert.strictEqual((yield* worker.service.status).failed, 3)
        yield* consistent(world)
      })
    ))
})

describe("the death of a worker", () => {
  it.effect("spends a retry, counts as an attempt, and its history says that it was one", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 2, intervals: "5 seconds" })
        const first = yield* hosts(world, job, "first")
        yield* enqueue(world, job, ["never ends", 500, "ok"], { timeout: "1 hour" })
        yield* world.adjust("7 seconds")
        yield* first.worker.kill
        const second = yield* hosts(world, job, "second")
        while (second.attempts.length === 0) yield* world.adjust("1 second")
        assert.isAtMost(yield* world.elapsed, 37_000)
        const between = yield* record(world, "a")
        assert.deepStrictEqual(
          [between.abandoned, between.failedAttempts, between.retriesLeft],
          [1, 1, Option.some(0)]
        )
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(second.attempts.map(({ attempt }) => attempt), [2, 3])
        assert.strictEqual(yield* world.status("a"), "finished")
        const history = yield* world.queue.history("a")
        assert.deepStrictEqual(history.map(({ type }) => type), ["successful", "retried", "retried"])
        assert.match(Option.getOrThrow(history[2]!.exception), /worker first died while it ran this job/)
        assert.deepStrictEqual(history[2]!.worker, Option.some("first"))
        yield* consistent(world)
      })
    ))

  it.effect("with no retry left fails the job, although maxAbandons would allow more", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 1 })
        const first = yield* hosts(world, job, "first", { maxAbandons: 10 })
        yield* enqueue(world, job, [500, "never ends"], { timeout: "1 hour" })
        yield* world.adjust("7 seconds")
        assert.lengthOf(first.attempts, 2)
        yield* first.worker.kill
        const second = yield* hosts(world, job, "second", { maxAbandons: 10 })
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(second.attempts, [])
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["failed", "retried"])
        yield* consistent(world)
      })
    ))

  it.effect("and a clean stop, which gives the job back, does not count at all", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 1 })
        const first = yield* hosts(world, job, "first", { gracePeriod: 0 })
        yield* enqueue(world, job, ["never ends"], { timeout: "1 hour" })
        yield* world.adjust("7 seconds")
        const stopping = yield* Effect.fork(first.worker.stop)
        yield* world.adjust("2 seconds")
        yield* stopping.await
        const second = yield* hosts(world, job, "second")
        yield* world.settle
        assert.deepStrictEqual(second.attempts.map(({ attempt }) => attempt), [1])
        assert.deepStrictEqual((yield* record(world, "a")).retriesLeft, Option.some(1))
        assert.deepStrictEqual(yield* outcomes(world, "a"), [])
      })
    ))
})

describe("a policy that is broken itself", () => {
  const broken: ReadonlyArray<readonly [name: string, policy: Omit<Retry.RetryPolicy<Refused>, "max">]> = [
    ["while", {
      while: () => {
        throw new Error("the policy's own")
      }
    }],
    ["until", {
      until: () => {
        throw new Error("the policy's own")
      }
    }],
    ["schedule", { schedule: Schedule.mapEffect(Schedule.forever, () => Effect.die(new Error("the policy's own"))) }],
    ["no schedule", { schedule: "the policy's own" as unknown as Schedule.Schedule<number> }]
  ]
  for (const [name, policy] of broken) {
    it.effect(`(${name}) fails its job, which says so, and nothing else`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const job = define({ max: 3, ...policy })
          const { attempts, worker } = yield* hosts(world, job)
          yield* enqueue(world, job, [500])
          yield* world.settle
          yield* enqueue(world, job, ["ok"], { jobId: "b" })
          yield* world.settle
          assert.deepStrictEqual(attempts.map(({ id }) => id), ["a", "b"])
          assert.deepStrictEqual([yield* world.status("a"), yield* world.status("b")], ["failed", "finished"])
          const [entry] = yield* world.queue.history("a")
          const text = Option.getOrThrow(entry!.exception)
          assert.match(text, /^Refused/)
          assert.match(
            text,
            /\nThere is no retry, because the retry policy of test\.flaky has failed: .*(?:Type)?Error: /
          )
          if (name !== "no schedule") assert.include(text, "the policy's own")
          assert.deepStrictEqual(Option.getOrThrow(entry!.error), { _tag: "Refused", status: 500 })
          assert.deepInclude(yield* worker.service.status, { successful: 1, failed: 1 })
          assert.deepStrictEqual(world.texts().filter((text) => text.includes("is started again")), [])
          yield* consistent(world)
        })
      ))
  }

  it.effect("(schedule) also when the job ended by its timeout", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const job = define({ max: 3, schedule: Schedule.mapEffect(Schedule.forever, () => Effect.die("broken")) })
        yield* hosts(world, job)
        yield* enqueue(world, job, ["never ends"])
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("a"), "failed")
        const [entry] = yield* world.queue.history("a")
        assert.match(Option.getOrThrow(entry!.exception), /^JobTimeoutException.*\nThere is no retry, because /)
      })
    ))
})

describe("a schedule that does not answer", () => {
  const silent: ReadonlyArray<readonly [name: string, step: Effect.Effect<never>]> = [
    ["for ever", Effect.never],
    ["and does not let itself be interrupted", Effect.uninterruptible(Effect.never)]
  ]
  for (const [name, step] of silent) {
    for (const run of [500, "never ends"] as const) {
      it.effect(`${name} fails its job, and does not hold its slot (${run})`, () =>
        travelling((world) =>
          Effect.gen(function*() {
            const job = define({ max: 3, schedule: Schedule.mapEffect(Schedule.forever, () => step) })
            const { attempts, worker } = yield* hosts(world, job, "worker", { concurrency: 1 })
            yield* enqueue(world, job, [run])
            yield* world.settle
            yield* enqueue(world, job, ["ok"], { jobId: "b" })
            yield* world.adjust("1 minute")
            assert.deepStrictEqual(attempts.map(({ id }) => id), ["a", "b"])
            assert.deepStrictEqual([yield* world.status("a"), yield* world.status("b")], ["failed", "finished"])
            const [entry] = yield* world.queue.history("a")
            const text = Option.getOrThrow(entry!.exception)
            assert.match(text, run === 500 ? /^Refused/ : /^JobTimeoutException/)
            assert.match(
              text,
              /There is no retry, because the retry policy of test\.flaky .* no answer within 5 seconds/
            )
            assert.deepInclude(yield* worker.service.status, { successful: 1, failed: 1, running: [] })
            yield* consistent(world)
          })
        ))
    }
  }

  it.effect("in time is waited for", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const slow = Schedule.mapEffect(Schedule.spaced("1 second"), () => Effect.sleep("4 seconds"))
        const job = define({ max: 1, schedule: slow })
        const { attempts } = yield* hosts(world, job)
        yield* enqueue(world, job, [500])
        yield* world.adjust("1 minute")
        assert.lengthOf(attempts, 2)
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))
})

describe("a pause that is none", () => {
  const after = (world: World, delay: unknown) =>
    Effect.gen(function*() {
      const job = Job.make("test.after", { error: Refused, queue: "q" })
      const Group = JobGroup.make(job)
      let runs = 0
      const handlers = Group.toLayer({
        "test.after": () =>
          Effect.suspend(() =>
            ++runs > 3 ? Effect.void : Retry.after(delay as Duration.DurationInput, new Refused({ status: 503 }))
          )
      })
      yield* world.workerOf("worker", Worker.make(Group, { name: "worker" }).pipe(Effect.provide(handlers)))
      yield* world.queue.enqueue(job, {}, { jobId: "a" })
      yield* world.settle
      return runs
    })

  it.effect("ends the run, instead of running it again at once for ever", () =>
    travelling((world) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* after(world, NaN), 1)
        assert.strictEqual(yield* world.status("a"), "failed")
        const [entry] = yield* world.queue.history("a")
        assert.match(
          Option.getOrThrow(entry!.exception),
          /^InvalidOptions: delay: expected a duration such as "30 seconds", got NaN/
        )
        yield* consistent(world)
      })
    ))

  it.effect("is not one that has passed already", () =>
    travelling((world) => Effect.map(after(world, -5000), (runs) => assert.strictEqual(runs, 4))))
})

describe("a requeued job", () => {
  it.effect("has spent what it has spent: it runs once more", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { attempts } = yield* hosts(world, define({ max: 1 }))
        yield* enqueue(world, define({ max: 1 }), failing(9))
        yield* world.settle
        assert.lengthOf(attempts, 2)
        assert.isTrue((yield* world.queue.requeue("a")).changed)
        yield* world.adjust(Duration.minutes(1))
        assert.lengthOf(attempts, 3)
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["failed", "failed", "retried"])
        yield* consistent(world)
      })
    ))
})
