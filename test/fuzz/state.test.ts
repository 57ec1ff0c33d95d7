/**
 * Whatever stands in Redis, written by a bug or by somebody else: nothing of ours ends on it. Who asks gets an answer or a
 * typed error; a worker and a scheduler go on, and fail or leave what they can't use.
 */
import { assert, describe, it } from "@effect/vitest"
import { Inspector, Queue, Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Zlib from "node:zlib"
import * as keys from "../../src/wire/keys.js"
import { Task, travelling, type World } from "../time-travel/support/world.js"
import { assertTyped, attempt, check, oddNumbers, oddTexts, seed } from "./support.js"

const bytes = FastCheck.oneof(
  FastCheck.uint8Array({ maxLength: 24 }),
  FastCheck.constantFrom(...oddTexts, ...oddNumbers.map(String), "inf", "-inf", "[1", "[[]]", "{}", "null", "gAR9lC4=")
    .map((text) => new Uint8Array(Buffer.from(text))),
  FastCheck.constantFrom(
    Zlib.deflateSync("x".repeat(1000)),
    Zlib.deflateSync(Buffer.alloc(70 * 1024 * 1024, 0x5b)),
    Zlib.deflateSync("truncated").subarray(0, 6),
    Buffer.from("(lp0\n."),
    Buffer.from([0x80, 4, 0x2e]),
    Buffer.from(`["test.task",null,[],${"[".repeat(3000)}${"]".repeat(3000)}]`)
  )
)

/** What a hash of a job may have, of RQ's and of ours; any number of repetitions is what a job may ask for. */
const fields = [
  "data",
  "status",
  "origin",
  "description",
  "timeout",
  "created_at",
  "enqueued_at",
  "started_at",
  "ended_at",
  "last_heartbeat",
  "worker_name",
  "result_ttl",
  "failure_ttl",
  "ttl",
  "meta",
  "enqueue_at_front",
  "retries_left",
  "retry_intervals",
  "enqueue_at_front_on_retry",
  "repeat_intervals",
  "repeat_count",
  "dependency_id",
  "dependency_ids",
  "allow_dependency_failures",
  "due_at",
  "failed_attempts",
  "abandon_count",
  "execution",
  "awaited",
  "exc_info",
  "result",
  "group_id",
  "__proto__"
] as const

const corruption = FastCheck.record({
  state: FastCheck.constantFrom("queued", "scheduled"),
  with: FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...fields), bytes), { minLength: 1, maxLength: 3 })
})

const asked = <A, E>(what: string, build: () => Effect.Effect<A, E>) =>
  Effect.map(attempt(build), (exit) => assertTyped(exit, () => what))

/** All that users ask of a job and a queue, of which nothing may be a defect. */
const askAll = (world: World, id: string) =>
  Effect.gen(function*() {
    const { queue, redis, registry } = world
    const inspector = yield* Effect.provideService(Inspector.make, Redis.Redis, redis)
    const names = ["scheduled", "started", "finished", "failed", "deferred", "canceled"] as const
    yield* asked("fetch", () => queue.fetch(id))
    yield* asked("result", () => queue.result(Task, id))
    yield* asked("history", () => queue.history(id))
    yield* asked("contains", () => queue.contains(id))
    yield* asked("jobIds", () => queue.jobIds("q"))
    yield* asked("names", () => queue.names)
    yield* asked("queues", () => inspector.queues(["q"]))
    yield* asked("workers", () => inspector.workers())
    yield* asked("schedulers", () => inspector.schedulers(["q"]))
    for (const name of names) {
      yield* asked(name, () => registry[name]("q").list())
      yield* asked(name, () => registry[name]("q").count)
      yield* asked(name, () => registry[name]("q").contains(id))
    }
  })

const good = (world: World, id: string, later = false) =>
  world.queue.enqueueMany([Queue.request(Task, { name: id }, { jobId: id, ...(later ? { in: "30 seconds" } : {}) })])

describe(`what stands in Redis (FUZZ_SEED=${seed})`, () => {
  it(
    "a job whose hash is corrupt costs the others nothing, and is quarantined with a reason",
    { timeout: 60_000 },
    () =>
      check(
        FastCheck.array(corruption, { minLength: 1, maxLength: 4 }),
        12,
        (all) =>
          Effect.runPromise(travelling((world) =>
            Effect.gen(function*() {
              for (const [index, one] of all.entries()) {
                yield* good(world, `bad${index}`, one.state === "scheduled")
                for (const [field, value] of one.with) {
                  yield* world.redis.send("HSET", keys.job(`bad${index}`), field, value)
                }
              }
              yield* good(world, "now")
              yield* good(world, "later", true)
              for (const index of all.keys()) {
                yield* askAll(world, `bad${index}`)
              }
              const worker = yield* world.worker("worker", { withScheduler: true })
              yield* world.adjust("2 minutes")
              for (const id of ["now", "later"]) assert.strictEqual(yield* world.status(id), "finished", id)
              assert.isTrue((yield* worker.service.status).connected)
              assert.deepStrictEqual(world.texts().filter((text) => text.includes("is started again")), [])
              for (const index of all.keys()) {
                yield* askAll(world, `bad${index}`)
                // what was to be run and could not be is among the failed, and says why
                const failed = yield* world.redis.send("ZSCORE", keys.failed("q"), `bad${index}`)
                if (failed !== null) {
                  assert.isAbove(yield* world.redis.send<number>("XLEN", keys.results(`bad${index}`)), 0)
                }
              }
              yield* asked("requeue", () => world.queue.requeueMany(all.map((_, index) => `bad${index}`)))
              yield* world.adjust("1 minute")
              yield* asked("cancel", () => world.queue.cancelMany(all.map((_, index) => `bad${index}`)))
              yield* asked("delete", () => world.queue.deleteMany(all.map((_, index) => `bad${index}`)))
            })
          ))
      )
  )

  /** Each key that we use, and what else may stand there. */
  const names = (id: string): Readonly<Record<string, string>> => ({
    queues: keys.queues,
    queue: keys.queue("q"),
    job: keys.job(id),
    scheduled: keys.scheduled("q"),
    started: keys.started("q"),
    finished: keys.finished("q"),
    failed: keys.failed("q"),
    deferred: keys.deferred("q"),
    canceled: keys.canceled("q"),
    results: keys.results(id),
    executions: keys.executions(id),
    dependents: `${keys.job(id)}:dependents`,
    dependencies: `${keys.family.job}:${id}:dependencies`,
    workers: keys.workers,
    workersOf: keys.workersOf("q"),
    schedulerLock: keys.schedulerLock("q"),
    suspended: keys.suspended,
    paused: keys.paused,
    handover: keys.handover("q", "worker"),
    handovers: keys.handovers("q"),
    maintenance: keys.maintenance("q"),
    tidied: keys.tidied("q"),
    intermediate: keys.intermediate("q"),
    unique: keys.unique(id),
    worker: keys.worker("worker"),
    scheduler: keys.scheduler("worker"),
    lock: keys.lock("l")
  })

  const foreign: ReadonlyArray<ReadonlyArray<string>> = [
    ["SET", "text"],
    ["HSET", "field", "value"],
    ["RPUSH", "one", "two"],
    ["SADD", "member"],
    ["ZADD", "1", "member"],
    ["XADD", "*", "field", "value"]
  ]

  it("a foreign key under any of our names: typed errors, and other queues go on", { timeout: 60_000 }, () =>
    check(
      FastCheck.tuple(FastCheck.constantFrom(...Object.keys(names("a"))), FastCheck.constantFrom(...foreign)),
      16,
      ([name, [command, ...rest]]) =>
        Effect.runPromise(travelling((world) =>
          Effect.gen(function*() {
            const key = names("a")[name]!
            yield* good(world, "a")
            yield* world.redis.send("DEL", key)
            yield* world.redis.send(command!, key, ...rest)
            yield* askAll(world, "a")
            const other = Queue.request(Task, { name: "other" }, { jobId: "other", queue: "other" })
            const enqueued = yield* asked("enqueue", () => world.queue.enqueueMany([other]))
            assert.strictEqual(enqueued, name === "queues" && command !== "SADD" ? "failed" : "succeeded", name)
            yield* Effect.either(world.worker("worker", { queues: ["q", "other"], withScheduler: true }))
            yield* world.worker("second", { queues: ["q", "other"] })
            yield* world.adjust("1 minute")
            if (enqueued === "succeeded" && name !== "suspended") {
              assert.strictEqual(yield* world.status("other"), "finished", `${name} ${command}`)
            }
            yield* askAll(world, "a")
            const registry = world.registry
            for (const one of ["scheduled", "started", "finished", "failed", "deferred", "canceled"] as const) {
              yield* asked("remove", () => registry[one]("q").delete("a"))
            }
            yield* asked("reschedule", () => registry.scheduled("q").reschedule("a", "2030-01-01 10:00"))
            yield* asked("requeue", () => world.queue.requeue("a"))
            yield* asked("cancel", () => world.queue.cancel("a"))
            yield* asked("delete", () => world.queue.delete("a"))
            yield* asked("empty", () => world.queue.empty("q"))
            assert.deepStrictEqual(world.texts().filter((text) => text.includes("is started again")), [])
          })
        ))
    ))
})
