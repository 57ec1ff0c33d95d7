/**
 * What a worker runs, in which order, how many at a time, and how each job ends.
 */
import { assert, describe, it } from "@effect/vitest"
import { Queue, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { makeHost } from "../support/host.js"
import { clocks, Task, TaskFailed, type TaskHandler, travelling, type World } from "./support/world.js"

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const enqueueNamed = (world: World, names: ReadonlyArray<string>, options: Queue.EnqueueOptions = {}, millis = 0) =>
  world.queue.enqueueMany(names.map((name) => Queue.request(Task, { name, millis }, { jobId: name, ...options })))

describe("the order", () => {
  it.effect("is strict: nothing of a queue while the one before it has something", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["l1", "l2", "l3"], { queue: "low" }, 1000)
        yield* enqueueNamed(world, ["h1", "h2"], { queue: "high" }, 1000)
        yield* enqueueNamed(world, ["m1"], { queue: "middle" }, 1000)
        yield* world.worker("worker", { queues: ["high", "middle", "low"], concurrency: 1 })
        yield* world.adjust("3500 millis")
        assert.deepStrictEqual(world.names(), ["h1", "h2", "m1", "l1"])
        // in the middle of the low ones
        yield* enqueueNamed(world, ["h3"], { queue: "high" }, 1000)
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(world.names(), ["h1", "h2", "m1", "l1", "h3", "l2", "l3"])
      })
    ))

  it.effect("holds for an idle worker that is handed jobs of two queues at once; what doesn't fit goes back", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("first", { queues: ["high", "low"], concurrency: 1 })
        yield* world.settle
        // one call pushes to both queues, so both waits of the worker are served
        yield* world.queue.enqueueMany([
          Queue.request(Task, { name: "l1", millis: 10_000 }, { queue: "low" }),
          Queue.request(Task, { name: "l2", millis: 10_000 }, { queue: "low" }),
          Queue.request(Task, { name: "h1", millis: 10_000 }, { queue: "high" })
        ])
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["h1"])
        assert.strictEqual(yield* world.queue.length("low"), 2)
        assert.notProperty(yield* world.dump, keys.handover("low", "first"))
        // another worker takes what was given back, in its order
        yield* world.worker("second", { queues: ["low"], concurrency: 1 })
        yield* world.settle
        assert.deepStrictEqual(world.ran.map(({ host, name }) => [host, name]), [["first", "h1"], ["second", "l1"]])
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(world.names().slice(2), ["l2"])
      })
    ))

  it.effect("of one push to an idle worker is that of the queue", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { queues: ["q"], concurrency: 1 })
        yield* world.adjust("1 minute")
        const names = range(20).map((index) => `n${String(index).padStart(2, "0")}`)
        yield* enqueueNamed(world, names)
        yield* world.settle
        assert.deepStrictEqual(world.names(), names)
        assert.isTrue(world.ran.every(({ at }) => at === 60_000))
      })
    ))
})

describe("concurrency", () => {
  for (const [clock, run] of clocks) {
    it.effect(`is never exceeded and always used (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          let active = 0
          let most = 0
          const seen: Array<number> = []
          const handler: TaskHandler = ({ millis, name }) =>
            Effect.acquireUseRelease(
              Effect.sync(() => {
                most = Math.max(most, ++active)
              }),
              () => Effect.as(Effect.sleep(millis), name),
              () => Effect.sync(() => active--)
            )
          yield* enqueueNamed(world, range(51).map((index) => `n${index}`), {}, 1000)
          const worker = yield* world.worker("worker", { concurrency: 7, handler })
          for (let second = 0; second < 8; second++) {
            yield* world.adjust(second === 0 ? 500 : 1000)
            seen.push(active)
            assert.lengthOf((yield* worker.service.status).running, active)
          }
          // 51 = 7 * 7 + 2
          assert.deepStrictEqual(seen, [7, 7, 7, 7, 7, 7, 7, 2])
          assert.strictEqual(most, 7)
          yield* world.adjust("1 second")
          assert.strictEqual((yield* worker.service.status).successful, 51)
          assert.strictEqual((yield* worker.service.status).state, "idle")
        })
      ))
  }

  it.effect("and maxJobs hold with a slow Redis too, where several calls are under way", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let active = 0
        let most = 0
        const names = range(100).map((index) => `n${String(index).padStart(2, "0")}`)
        yield* enqueueNamed(world, names, {}, 70)
        const starting = yield* Effect.fork(world.worker("worker", {
          concurrency: 9,
          maxJobs: 71,
          around: (_, call) => Effect.zipLeft(Effect.delay(call, 20), Effect.sleep(20)),
          handler: ({ millis, name }) =>
            Effect.acquireUseRelease(
              Effect.sync(() => {
                most = Math.max(most, ++active)
              }),
              () => Effect.as(Effect.sleep(millis), name),
              () => Effect.sync(() => active--)
            )
        }))
        yield* world.adjust("10 seconds")
        const worker = yield* Fiber.join(starting)
        assert.strictEqual((yield* worker.service.status).successful, 71)
        assert.strictEqual((yield* worker.service.finished).successful, 71)
        assert.strictEqual(most, 9)
        assert.deepStrictEqual([...world.names()].sort(), names.slice(0, 71))
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), names.slice(71))
      })
    ))

  it.effect("of a free slot: it is filled in the instant in which it becomes free", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { concurrency: 2 })
        yield* world.settle
        yield* enqueueNamed(world, ["a"], {}, 700)
        yield* enqueueNamed(world, ["b"], {}, 1000)
        yield* enqueueNamed(world, ["c", "d"], {}, 1234)
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [
          ["a", 0],
          ["b", 0],
          ["c", 700],
          ["d", 1000]
        ])
      })
    ))
})

describe("the end", () => {
  it.effect("of a burst comes when the queues are empty, and not for what is scheduled", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, range(25).map((index) => `n${index}`), {}, 1000)
        yield* world.queue.enqueueIn("1 hour", Task, { name: "later" })
        const worker = yield* world.worker("worker", { burst: true, concurrency: 10 })
        const summary = yield* Effect.fork(worker.service.finished)
        yield* world.adjust("2999 millis")
        assert.isNull(summary.unsafePoll())
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(summary), { name: "worker", successful: 25, failed: 0, released: 0 })
        assert.lengthOf(world.ran, 25)
        yield* worker.stop
        assert.notInclude(yield* world.redis.send<Array<string>>("SMEMBERS", keys.workers), keys.worker("worker"))
      })
    ))

  it.effect("of an empty burst comes at once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", { burst: true })
        const summary = yield* Effect.fork(worker.service.finished)
        yield* world.settle
        assert.deepStrictEqual(yield* Fiber.join(summary), { name: "worker", successful: 0, failed: 0, released: 0 })
      })
    ))

  it.effect("after maxJobs comes after exactly so many, the others stay in their order", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const names = range(20).map((index) => `n${String(index).padStart(2, "0")}`)
        yield* enqueueNamed(world, names, {}, 1000)
        for (const [host, concurrency, from, to] of [["first", 10, 0, 3], ["second", 2, 3, 8]] as const) {
          const worker = yield* world.worker(host, { maxJobs: to - from, concurrency })
          const summary = yield* Effect.fork(worker.service.finished)
          yield* world.adjust("10 seconds")
          assert.strictEqual((yield* Fiber.join(summary)).successful, to - from)
          assert.deepStrictEqual(world.names(), names.slice(0, to))
          yield* worker.stop
          assert.deepStrictEqual(yield* world.queue.jobIds("q"), names.slice(to))
        }
      })
    ))

  it.effect("after maxJobs comes also for a worker that waited for each of them", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", { maxJobs: 2 })
        const summary = yield* Effect.fork(worker.service.finished)
        for (const name of ["a", "b", "c"]) {
          yield* world.adjust("7 seconds")
          yield* enqueueNamed(world, [name])
        }
        yield* world.settle
        assert.strictEqual((yield* Fiber.join(summary)).successful, 2)
        assert.deepStrictEqual(world.names(), ["a", "b"])
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["c"])
      })
    ))
})

describe("a timeout", () => {
  for (const [clock, run] of clocks) {
    it.effect(`interrupts the handler at its second, after which the finalizers run (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const finalized: Array<number> = []
          const handler: TaskHandler = ({ millis, name }) =>
            Effect.ensuring(
              Effect.as(Effect.sleep(millis), name),
              Effect.flatMap(world.elapsed, (at) => Effect.sync(() => finalized.push(at)))
            )
          const worker = yield* world.worker("worker", { handler })
          yield* world.adjust("500 millis")
          yield* enqueueNamed(world, ["too long"], { jobId: "long", timeout: "5 seconds" }, 60_000)
          yield* enqueueNamed(world, ["in time"], { jobId: "short", timeout: "5 seconds" }, 4999)
          yield* enqueueNamed(world, ["endless"], { jobId: "endless", timeout: "forever" }, 10_000_000)
          yield* world.settle
          const deadlines = (yield* worker.service.status).running.map(({ deadline }) =>
            Option.getOrUndefined(Option.map(deadline, DateTime.toEpochMillis))
          )
          assert.deepStrictEqual(deadlines, [5500, 5500, undefined])
          yield* world.adjust("4999 millis")
          assert.deepStrictEqual(finalized, [5499])
          yield* world.adjust("1 millis")
          assert.deepStrictEqual(finalized, [5499, 5500])
          assert.strictEqual(yield* world.status("short"), "finished")
          assert.strictEqual(yield* world.status("long"), "failed")
          assert.strictEqual(yield* world.status("endless"), "started")
          assert.isTrue(yield* world.registry.failed("q").contains("long"))
          assert.deepStrictEqual(
            yield* world.queue.result(Task, "long"),
            Option.some(Exit.fail(
              new Queue.JobFailed({
                jobId: "long",
                message: "JobTimeoutException: Task exceeded maximum timeout value (5 seconds)"
              })
            ))
          )
          assert.strictEqual((yield* worker.service.status).failed, 1)
        })
      ))
  }

  it.effect("is that of RQ unless something else is said, and waits for finalizers that take their time", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: () => Effect.ensuring(Effect.never, Effect.sleep("2 seconds"))
        })
        yield* enqueueNamed(world, ["never"])
        yield* world.adjust("181999 millis")
        assert.strictEqual(yield* world.status("never"), "started")
        yield* world.adjust("1 millis")
        assert.strictEqual(yield* world.status("never"), "failed")
        const record = Option.getOrThrow(yield* world.queue.fetch("never"))
        const { exception } = Option.getOrThrow(record.outcome)
        assert.match(Option.getOrThrow(exception), /\(180 seconds\)$/)
        assert.deepStrictEqual(record.endedAt, Option.some(DateTime.unsafeMake(182_000)))
      })
    ))

  for (const [way, jump] of [["back", -3_600_000], ["forward", 3_600_000]] as const) {
    it.effect(`is as long as it was when the time of day is set ${way} meanwhile`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { clock, isSet } = yield* makeHost
          const handler: TaskHandler = ({ name }) =>
            name === "well" ? Effect.as(Effect.sleep("35 seconds"), name) : Effect.never
          const worker = yield* Effect.withClock(world.worker("worker", { handler }), clock)
          yield* enqueueNamed(world, ["a"], { timeout: "1 minute" })
          yield* enqueueNamed(world, ["shorter", "well"], { timeout: "40 seconds" })
          yield* world.adjust("30 seconds")
          isSet(jump)
          yield* world.adjust("29999 millis")
          assert.strictEqual(yield* world.status("a"), "started")
          yield* world.adjust("1 millis")
          assert.strictEqual(yield* world.status("a"), "failed")
          assert.strictEqual((yield* worker.service.status).successful, 1)
          assert.deepStrictEqual(world.texts("worker").filter((text) => text.includes("event loop")), [])
        })
      ))
  }
})

describe("how a job ends", () => {
  it.effect("a typed result, a typed failure, a defect, an interruption of its own", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const handler: TaskHandler = ({ name }) =>
          name === "typed"
            ? Effect.fail(new TaskFailed({ code: 42 }))
            : name === "defect"
            ? Effect.die(new Error("a bug in the handler"))
            : name === "thrown"
            ? Effect.sync(() => {
              throw new Error("thrown by the handler")
            })
            : name === "interrupt"
            ? Effect.interrupt
            : Effect.succeed(`Hello, ${name}`)
        const worker = yield* world.worker("worker", { handler })
        yield* world.settle
        yield* enqueueNamed(world, ["typed", "defect", "thrown", "interrupt", "Ada"])
        yield* world.settle
        const result = (id: string) => Effect.map(world.queue.result(Task, id), Option.getOrThrow)
        assert.deepStrictEqual(yield* result("Ada"), Exit.succeed("Hello, Ada"))
        assert.deepStrictEqual(yield* result("typed"), Exit.fail(new TaskFailed({ code: 42 })))
        const text = (id: string) => Effect.map(Effect.flatMap(result(id), Effect.flip), (error) => error.message)
        assert.match(yield* text("defect"), /^Error: a bug in the handler/)
        assert.match(yield* text("thrown"), /^Error: thrown by the handler/)
        assert.match(yield* text("interrupt"), /interrupted/)
        assert.deepStrictEqual(
          worker.events.flatMap((event) => event._tag === "Started" ? [] : [[event.jobId, event._tag]]),
          [["typed", "Failed"], ["defect", "Failed"], ["thrown", "Failed"], ["interrupt", "Failed"], [
            "Ada",
            "Completed"
          ]]
        )
        const { failed, state, successful } = yield* worker.service.status
        assert.deepStrictEqual([successful, failed, state], [1, 4, "idle"])
      })
    ))

  it.effect("a job or a payload that can't be understood fails by itself, and nothing else does", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const data: Readonly<Record<string, readonly [data: string | Uint8Array, text: RegExp]>> = {
          pickled: [
            new Uint8Array([0x80, 0x04, 0x95, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x8c, 0x08, 0x61, 0x2e]),
            /^the payload can't be read \(Pickled\): .*JSONSerializer/
          ],
          junk: ["\u0001 no JSON at all", /^the payload can't be read \(Malformed\): data/],
          schema: [`["test.task",null,[],{"name":5}]`, /^the payload of test.task doesn't fit its Schema\n.*name/s],
          mixed: [`["test.task",null,[1],{"name":"x"}]`, /mixes positional and keyword arguments/],
          unknown: [
            `["other.job",null,[],{}]`,
            /^UnknownJob: this worker has no handler for "other.job". It runs "test.task"/
          ]
        }
        yield* enqueueNamed(world, [...Object.keys(data), "empty", "good"])
        yield* world.redis.send("HSET", keys.job("empty"), "data", "")
        for (const [id, [bytes]] of Object.entries(data)) {
          yield* world.redis.send("HSET", keys.job(id), "data", bytes)
        }
        yield* world.worker("worker", { concurrency: 1 })
        yield* world.settle
        for (const [id, [, pattern]] of Object.entries(data)) {
          assert.strictEqual(yield* world.status(id), "failed", id)
          const failure = yield* Effect.flip(Effect.flatMap(
            Effect.map(world.queue.result(Task, id), Option.getOrThrow),
            (exit) => exit
          ))
          assert.match(failure.message, pattern, id)
        }
        assert.strictEqual(yield* world.status("empty"), "failed")
        assert.deepStrictEqual(world.names(), ["good"])
        assert.strictEqual(yield* world.status("good"), "finished")
      })
    ))

  it.effect("an id without a job is passed over", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.redis.send("RPUSH", keys.queue("q"), ...range(300).map((index) => `ghost${index}`))
        yield* enqueueNamed(world, ["real"])
        yield* world.worker("worker", { concurrency: 1 })
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["real"])
        assert.strictEqual(yield* world.queue.length("q"), 0)
      })
    ))
})

describe("what a handler logs", () => {
  it.effect("says of which job it is", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const inside = yield* Deferred.make<void>()
        yield* world.worker("worker", {
          handler: ({ name }) =>
            Effect.logInfo(`working on ${name}`).pipe(
              Effect.zipRight(
                Effect.zipRight(Effect.fork(Effect.logInfo("from a fiber of its own")), Effect.yieldNow())
              ),
              Effect.zipRight(Deferred.succeed(inside, undefined)),
              Effect.as(name)
            )
        })
        yield* enqueueNamed(world, ["Ada"], { jobId: "job-1" })
        yield* world.settle
        yield* Deferred.await(inside)
        for (const text of ["working on Ada", "from a fiber of its own"]) {
          const line = world.logs.find((line) => line.text === text)
          assert.deepStrictEqual(line?.annotations, { worker: "worker", queue: "q", jobId: "job-1" })
        }
      })
    ))
})

describe("what a worker logs of a job", () => {
  it.effect("is its failure, in one line, with what doesn't fit", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: ({ name }) => name === "bad" ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name)
        })
        yield* enqueueNamed(world, ["good"], { jobId: "good" })
        yield* enqueueNamed(world, ["bad"], { jobId: "bad" })
        yield* world.redis.send("SADD", keys.paused, "q")
        yield* enqueueNamed(world, ["odd"], { jobId: "odd" })
        yield* world.redis.send("HSET", keys.job("odd"), "data", `["test.task", null, [], {}]`)
        yield* world.redis.send("SREM", keys.paused, "q")
        yield* world.adjust("5 seconds")
        const lines = world.logs.filter(({ text }) => text.startsWith("job "))
        assert.deepStrictEqual(
          lines.map(({ annotations, level }) => [level, annotations]),
          ["bad", "odd"].map((jobId) => ["WARN", { worker: "worker", queue: "q", jobId }])
        )
        assert.match(lines[0]!.text, /^job bad failed after \d+ ms: .*TaskFailed/)
        assert.match(
          lines[1]!.text,
          /^job odd failed after \d+ ms: the payload of test\.task doesn't fit its Schema: name: is missing$/
        )
      })
    ))
})

describe("several idle workers", () => {
  it.effect("one of them wakes for one push", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const turns = new Map<string, number>()
        for (const name of range(20).map((index) => `worker${index}`)) {
          yield* world.worker(name, {
            around: (script, call) => {
              if (script === "turn") turns.set(name, (turns.get(name) ?? 0) + 1)
              return call
            }
          })
        }
        yield* world.adjust("5 minutes")
        for (let push = 0; push < 5; push++) {
          turns.clear()
          yield* enqueueNamed(world, [`n${push}`], {}, 10)
          yield* world.adjust("20 millis")
          assert.deepStrictEqual([...turns.keys()], [world.ran.at(-1)!.host])
        }
        assert.lengthOf(world.ran, 5)
      })
    ))
})

describe("an option that can't be used", () => {
  const options: ReadonlyArray<readonly [field: string, options: Worker.WorkerOptions, message: RegExp]> = [
    ["queues", { queues: [] }, /name at least one/],
    ["queues", { queues: ["a", "a"] }, /twice/],
    ["queues", { queues: ["a,b"] }, /"a,b"/],
    ["concurrency", { concurrency: 0 }, /from 1 to 10000, got 0/],
    ["concurrency", { concurrency: 2.5 }, /whole number/],
    ["maxJobs", { maxJobs: 0 }, /got 0/],
    ["maxAbandons", { maxAbandons: -1 }, /got -1/],
    ["gracePeriod", { gracePeriod: Duration.infinity }, /at most 24 d/],
    ["heartbeat", { heartbeat: 10 }, /at least 1000 ms, got 10/],
    ["name", { name: "with spaces" }, /"with spaces"/],
    ["tick", { withScheduler: true, scheduler: { tick: 0 } }, /at least 1 ms/],
    ["lease", { withScheduler: true, scheduler: { tick: "10 seconds", lease: "15 seconds" } }, /at least 20000 ms/],
    ["batchSize", { withScheduler: true, scheduler: { batchSize: 0 } }, /from 1 to 5000/]
  ]
  for (const [field, invalid, message] of options) {
    it.effect(`${field}: ${JSON.stringify(invalid)}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { name = "worker", ...rest } = invalid
          const error = yield* Effect.flip(Effect.asVoid(world.worker(name, rest)))
          assert.instanceOf(error, Worker.InvalidOptions)
          assert.strictEqual(error.field, field)
          assert.match(error.message, message)
        })
      ))
  }
})

describe("a claim", () => {
  it.effect("lasts for as long as its worker counts as alive, to the next whole second", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { handler: () => Effect.never, gracePeriod: 0 })
        yield* world.adjust("1250 millis")
        yield* enqueueNamed(world, ["a"])
        yield* world.settle
        const claims = world.redis.send<ReadonlyArray<string>>("ZRANGE", keys.started("q"), 0, -1, "WITHSCORES")
        assert.strictEqual((yield* claims)[1], "22")
      })
    ))
})

describe("a registry whose key holds something foreign", () => {
  it.effect("is asked for again and again with pauses, while other queues go on; what waits runs once it is mended", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.redis.send("SET", keys.started("q"), "foreign")
        yield* world.worker("worker", { queues: ["q", "other"], concurrency: 1 })
        yield* enqueueNamed(world, ["held"], { queue: "q" })
        // Without a pause this would not come to an end.
        yield* world.adjust("1 minute")
        yield* enqueueNamed(world, ["free"], { queue: "other" })
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["free"])
        assert.strictEqual(yield* world.queue.length("q"), 1)
        yield* world.redis.send("DEL", keys.started("q"))
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(world.names(), ["free", "held"])
      })
    ))
})
