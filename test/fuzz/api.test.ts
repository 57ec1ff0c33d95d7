/**
 * Whatever is passed to a public function, it answers or fails with a typed error; what it refuses leaves no trace.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Control,
  Doctor,
  Inspector,
  Job,
  JobGroup,
  Lock,
  Queue,
  RedisMemory,
  Registry,
  Scheduler,
  Worker
} from "effect-rq"
import type { Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { inspect } from "node:util"
import { anything, assertTyped, attempt, check, hasFailedWith, mostly, seed, text } from "./support.js"

const Task = Job.make("test.task", { payload: { name: Schema.String, n: Schema.optional(Schema.Unknown) } })
const Any = Job.make("test.any", { payload: Schema.Array(Schema.Unknown) })

const services = Layer.mergeAll(Queue.layer, Registry.layer, Lock.layer, Control.layer, Inspector.layer)

type Services = Queue.Queue | Registry.Registry | Lock.Lock | Control.Control | Inspector.Inspector | Redis.Redis

/** A few jobs in every state that can be had without a worker. */
const furnish = Effect.gen(function*() {
  const queue = yield* Queue.Queue
  yield* queue.enqueue(Task, { name: "a" }, { jobId: "a" })
  yield* queue.enqueueIn("1 hour", Task, { name: "b" }, { jobId: "b" })
  yield* queue.enqueue(Task, { name: "c" }, { jobId: "c", dependsOn: "a" })
  yield* queue.enqueue(Task, { name: "d" }, { jobId: "d" })
  yield* queue.cancel("d")
})

const onFresh = <A, E>(body: (dump: Effect.Effect<unknown>) => Effect.Effect<A, E, Services>) =>
  Effect.runPromise(
    Effect.gen(function*() {
      const store = yield* RedisMemory.makeStore
      const app = services.pipe(Layer.provideMerge(RedisMemory.layerStore(store)))
      const dump = Effect.map(RedisMemory.dump(store), (all) =>
        Object.fromEntries(Object.entries(all).map(([key, entry]) => [key, { ...entry, ttl_ms: undefined }])))
      return yield* Effect.provide(Effect.zipRight(furnish, body(dump)), app)
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

const id = mostly(FastCheck.constantFrom("a", "b", "c", "d", "new", "new-2"))
const queueName = mostly(FastCheck.constantFrom("default", "other"))
const lifetime = mostly(FastCheck.constantFrom("1 second", "forever", 1000, undefined))
const when = mostly(FastCheck.constantFrom("2030-01-01 10:00", new Date(2_000_000_000_000)))

const options = FastCheck.record({
  queue: queueName,
  jobId: id,
  timeout: lifetime,
  ttl: lifetime,
  resultTtl: lifetime,
  failureTtl: lifetime,
  atFront: mostly(FastCheck.boolean()),
  description: mostly(text),
  meta: mostly(FastCheck.dictionary(text, FastCheck.jsonValue(), { maxKeys: 2 })),
  retry: mostly(FastCheck.record({ max: anything, intervals: anything, atFront: anything }, { requiredKeys: [] })),
  repeat: mostly(FastCheck.record({ times: anything, intervals: anything }, { requiredKeys: [] })),
  dependsOn: mostly(FastCheck.constantFrom("a", ["a", "b"], [])),
  allowFailure: mostly(FastCheck.boolean()),
  unique: mostly(FastCheck.constantFrom("refuse", "keep", "replace")),
  uniqueFor: lifetime
}, { requiredKeys: [] })

/** Calls as JavaScript may make them: the types are no help. */
type Loose = Readonly<Record<string, (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>>>
const loose = (service: unknown): Loose => service as Loose

const payload = mostly(FastCheck.constantFrom({ name: "x" }, { name: "x", n: 1 }))
const maybeOptions = FastCheck.oneof({ weight: 9, arbitrary: options }, { weight: 1, arbitrary: anything })

const calls: ReadonlyArray<readonly [service: string, method: string, FastCheck.Arbitrary<ReadonlyArray<unknown>>]> = [
  ["queue", "enqueue", FastCheck.tuple(FastCheck.constantFrom(Task, Any), payload, maybeOptions)],
  ["queue", "enqueueAt", FastCheck.tuple(when, FastCheck.constant(Task), payload, maybeOptions)],
  ["queue", "enqueueIn", FastCheck.tuple(lifetime, FastCheck.constant(Task), payload, maybeOptions)],
  [
    "queue",
    "enqueueMany",
    FastCheck.tuple(
      mostly(FastCheck.array(
        FastCheck.tuple(payload, options).map(([payload, options]) =>
          Queue.request(Task, payload as { readonly name: string }, options as Queue.EnqueueOptions)
        ),
        { maxLength: 4 }
      ))
    )
  ],
  ["queue", "contains", FastCheck.tuple(id, queueName)],
  ["queue", "length", FastCheck.tuple(queueName)],
  ["queue", "jobIds", FastCheck.tuple(queueName, FastCheck.record({ offset: anything, limit: anything }))],
  ["queue", "fetch", FastCheck.tuple(id)],
  ["queue", "result", FastCheck.tuple(FastCheck.constant(Task), id)],
  ["queue", "history", FastCheck.tuple(id)],
  [
    "queue",
    "await",
    FastCheck.tuple(
      FastCheck.constant(Task),
      id,
      FastCheck.record({ timeout: FastCheck.constantFrom<unknown>(1, 0, -1, NaN, "x", null, undefined, {}, [1], true) })
    )
  ],
  ["queue", "cancel", FastCheck.tuple(id, mostly(FastCheck.constant({})))],
  [
    "queue",
    "cancelMany",
    FastCheck.tuple(mostly(FastCheck.array(id, { maxLength: 3 })), mostly(FastCheck.record({ wait: anything })))
  ],
  ["queue", "stop", FastCheck.tuple(id, mostly(FastCheck.record({ wait: anything })))],
  ["queue", "requeue", FastCheck.tuple(id, mostly(FastCheck.record({ atFront: anything })))],
  [
    "queue",
    "requeueMany",
    FastCheck.tuple(mostly(FastCheck.array(id, { maxLength: 3 })), mostly(FastCheck.record({ atFront: anything })))
  ],
  ["queue", "reschedule", FastCheck.tuple(id, when)],
  ["queue", "delete", FastCheck.tuple(id)],
  ["queue", "deleteMany", FastCheck.tuple(mostly(FastCheck.array(id, { maxLength: 3 })))],
  ["queue", "empty", FastCheck.tuple(queueName)],
  ["scheduled", "contains", FastCheck.tuple(id)],
  ["scheduled", "dueTime", FastCheck.tuple(id)],
  ["scheduled", "reschedule", FastCheck.tuple(id, when)],
  ["scheduled", "delete", FastCheck.tuple(id)],
  ["scheduled", "list", FastCheck.tuple(FastCheck.record({ offset: anything, limit: anything }))],
  ["started", "contains", FastCheck.tuple(id)],
  ["started", "delete", FastCheck.tuple(id)],
  ["control", "suspend", FastCheck.tuple(mostly(FastCheck.record({ duration: anything })))],
  ["control", "pause", FastCheck.tuple(queueName)],
  ["control", "unpause", FastCheck.tuple(queueName)],
  ["control", "shutdown", FastCheck.tuple(text)],
  ["inspector", "queues", FastCheck.tuple(mostly(FastCheck.array(queueName, { maxLength: 3 })))],
  ["inspector", "leader", FastCheck.tuple(queueName)],
  ["inspector", "workers", FastCheck.tuple(mostly(FastCheck.array(queueName, { maxLength: 3 })))],
  ["inspector", "schedulers", FastCheck.tuple(mostly(FastCheck.array(queueName, { maxLength: 3 })))],
  ["inspector", "explain", FastCheck.tuple(id)],
  [
    "doctor",
    "examine",
    FastCheck.tuple(FastCheck.record({
      pause: FastCheck.constantFrom<unknown>(0, -1, NaN, "x", null),
      sample: mostly(FastCheck.constant(10)),
      queues: mostly(FastCheck.array(queueName, { maxLength: 3 }))
    }, { requiredKeys: ["pause"] }))
  ],
  ["lock", "holder", FastCheck.tuple(text)],
  [
    "lock",
    "acquire",
    FastCheck.tuple(
      mostly(text),
      mostly(FastCheck.record({
        ttl: lifetime,
        token: mostly(text),
        wait: FastCheck.constantFrom<unknown>(0, undefined, -1, NaN, "x", null)
      }))
    )
  ]
]

const show = (service: string, method: string, args: ReadonlyArray<unknown>) =>
  `${service}.${method}(${inspect(args, { depth: 4, maxStringLength: 80, breakLength: Infinity })})`

describe(`odd arguments (FUZZ_SEED=${seed})`, () => {
  for (const [service, method, args] of calls) {
    it(`of ${service}.${method}`, () =>
      check(args, 12, (args) =>
        onFresh((dump) =>
          Effect.gen(function*() {
            const registry = yield* Registry.Registry
            const of: Readonly<Record<string, unknown>> = {
              queue: yield* Queue.Queue,
              scheduled: registry.scheduled("default"),
              started: registry.started("default"),
              control: yield* Control.Control,
              inspector: yield* Inspector.Inspector,
              lock: yield* Lock.Lock,
              doctor: yield* Doctor.make
            }
            const before = yield* dump
            const exit = yield* Effect.scoped(attempt(() => loose(of[service])[method]!(...args)))
            const outcome = assertTyped(exit, () => show(service, method, args))
            // Of many, those before the one that exists have been accepted. A job that was awaited is marked as such.
            const mayHaveWritten = method === "await" || method === "enqueueMany" && hasFailedWith(exit, "JobExists")
            if (outcome === "failed" && !mayHaveWritten) {
              assert.deepStrictEqual(yield* dump, before, show(service, method, args))
            }
          })
        )))
  }

  it("of Worker and Scheduler", () =>
    check(
      FastCheck.record({
        queues: mostly(FastCheck.array(queueName, { maxLength: 3 })),
        concurrency: anything,
        maxJobs: anything,
        name: mostly(text),
        gracePeriod: anything,
        heartbeat: anything,
        maxAbandons: anything,
        burst: mostly(FastCheck.constant(true)),
        tick: anything,
        lease: anything,
        election: anything,
        batchSize: anything
      }, { requiredKeys: [] }),
      15,
      (options) =>
        onFresh((dump) =>
          Effect.gen(function*() {
            const before = yield* dump
            const Jobs = JobGroup.make(Task)
            const only = (names: ReadonlyArray<string>) =>
              Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)))
            const ofBoth = ["queues", "name"]
            const ofWorkers = [...ofBoth, "concurrency", "maxJobs", "gracePeriod", "heartbeat", "maxAbandons", "burst"]
            const ofSchedulers = [...ofBoth, "tick", "lease", "election", "batchSize"]
            const build: ReadonlyArray<() => Effect.Effect<unknown, unknown, Redis.Redis | Scope.Scope>> = [
              () =>
                Worker.make(Jobs, { queues: ["default"], ...only(ofWorkers) } as Worker.WorkerOptions).pipe(
                  Effect.provide(Jobs.toLayer({ "test.task": () => Effect.void }))
                ),
              () => Scheduler.make({ queues: ["default"], ...only(ofSchedulers) } as Scheduler.SchedulerOptions)
            ]
            for (const one of build) {
              const exit = yield* Effect.scoped(attempt(one))
              if (assertTyped(exit, () => show("Worker or Scheduler", "make", [options])) === "succeeded") return
              assert.deepStrictEqual(yield* dump, before)
            }
          })
        )
    ))

  it("of Job.make, JobGroup.make: an InvalidJobError is thrown at once", () =>
    check(
      FastCheck.tuple(
        mostly(text),
        FastCheck.record({
          queue: queueName,
          timeout: lifetime,
          ttl: lifetime,
          resultTtl: lifetime,
          failureTtl: lifetime
        }, {
          requiredKeys: []
        })
      ),
      150,
      async ([name, options]) => {
        try {
          Job.make(name as string, options as Job.Defaults)
        } catch (error) {
          assert.instanceOf(error, Job.InvalidJobError, show("Job", "make", [name, options]))
        }
      }
    ))
})
