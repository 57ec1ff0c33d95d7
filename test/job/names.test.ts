/**
 * Options of everything that is no call of `enqueue`: a name that nothing reads, a text for yes or no, and a time that no
 * timer can wait for are refused by the name of the option, as JavaScript may pass them, and nothing is done.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Control,
  Doctor,
  Job,
  JobGroup,
  Lock,
  Queue,
  RedisLive,
  RedisMemory,
  Registry,
  Retry,
  Scheduler,
  Worker
} from "effect-rq"
import type { Redis } from "effect-rq"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

const Task = Job.make("app.task")
const Jobs = JobGroup.make(Task)

const Services = Layer.mergeAll(Queue.layer, Registry.layer, Control.layer, Lock.layer, Doctor.layer).pipe(
  Layer.provideMerge(RedisMemory.layer)
)

type Hands =
  | Queue.Queue
  | Registry.Registry
  | Control.Control
  | Lock.Lock
  | Doctor.Doctor
  | Redis.Redis
  | Scope.Scope

/** As JavaScript may pass them. */
const loose = <A>(options: unknown) => options as A

const queue = <A, E>(f: (queue: Queue.QueueService) => Effect.Effect<A, E>) => Effect.flatMap(Queue.Queue, f)
const ofLock = <A, E, R>(f: (lock: Lock.LockService) => Effect.Effect<A, E, R>) => Effect.flatMap(Lock.Lock, f)
const worker = (options: object) =>
  Effect.provide(
    Worker.make(Jobs, loose<Worker.WorkerOptions>(options)),
    Jobs.toLayer({ "app.task": () => Effect.void })
  )
const scheduler = (options: object) =>
  Scheduler.make(loose<Scheduler.SchedulerOptions>({ queues: ["default"], ...options }))
const stop = loose<Queue.StopOptions>
const requeue = loose<Queue.RequeueOptions>
const page = loose<Queue.Page>

const registry = <A, E>(f: (scheduled: Registry.ScheduledRegistry) => Effect.Effect<A, E>) =>
  Effect.flatMap(Registry.Registry, ({ scheduled }) => f(scheduled("default")))

const cases: Record<
  string,
  ReadonlyArray<readonly [field: string, message: RegExp, call: Effect.Effect<unknown, unknown, Hands>]>
> = {
  "a name that nothing reads": [
    ["evry", /^"evry" is no option, did you mean every\?$/, Clock.make(loose({ evry: 5 }))],
    ["sample", /^"sample" is no option, did you mean samples\?$/, Layer.build(Clock.layerRedis(loose({ sample: 5 })))],
    ["tll", /^"tll" .* did you mean ttl\?$/, ofLock((lock) => lock.acquire("x", loose({ tll: 5 })))],
    ["tll", /^"tll" .* did you mean ttl\?$/, ofLock((lock) => lock.withLock("x", loose({ tll: 5 }))(Effect.void))],
    [
      "queue",
      /^"queue" .* did you mean queues\?$/,
      Effect.flatMap(Doctor.Doctor, ({ examine }) => examine(loose({ queue: ["mail"] })))
    ],
    [
      "duraton",
      /^"duraton" .* did you mean duration\?$/,
      Effect.flatMap(Control.Control, ({ suspend }) => suspend(loose({ duraton: "5 minutes" })))
    ],
    ["wiat", /^"wiat" .* did you mean wait\?$/, queue(({ cancel }) => cancel("a", stop({ wiat: 5 })))],
    ["wiat", /^"wiat" .* did you mean wait\?$/, queue(({ cancelMany }) => cancelMany([], stop({ wiat: 5 })))],
    ["timeout", /^"timeout" is no option, there are wait$/, queue((one) => one.stop("a", stop({ timeout: 5 })))],
    ["at_front", /^"at_front" .* mean atFront\?$/, queue((one) => one.requeue("a", requeue({ at_front: true })))],
    ["front", /^"front" .* atFront\?$/, queue((one) => one.requeueMany(["a"], requeue({ front: true })))],
    ["timout", /^"timout" .* timeout\?$/, queue((one) => one.await(Task, "a", loose({ timeout: 1, timout: 5 })))],
    ["limt", /^"limt" .* did you mean limit\?$/, queue((one) => one.jobIds("default", page({ limt: 5 })))],
    ["ofset", /^"ofset" .* did you mean offset\?$/, registry((one) => one.list(page({ ofset: 5 })))],
    [
      "when",
      /^"hour" is no part of a wall clock, did you mean hours\?$/,
      queue((one) => one.enqueueAt(loose({ year: 2030, month: 1, day: 1, hour: 9 }), Task))
    ],
    [
      "when",
      /^"minute" is no part of a wall clock, did you mean minutes\?$/,
      queue((one) => one.reschedule("a", loose({ year: 2030, month: 1, day: 1, minute: 9 })))
    ]
  ],
  "something else than yes or no": [
    [
      "atFront",
      /^atFront: expected true or false, got "yes"$/,
      queue((one) => one.requeue("a", loose({ atFront: "yes" })))
    ],
    [
      "atFront",
      /^atFront: expected true or false, got 1$/,
      queue((one) => one.requeueMany(["a"], loose({ atFront: 1 })))
    ],
    [
      "atFront",
      /^atFront: expected true or false, got "yes"$/,
      queue((one) => one.enqueue(Task, {}, loose({ atFront: "yes" })))
    ],
    [
      "atFront",
      /^atFront: expected true or false, got "no"$/,
      queue((one) => one.enqueueIn(5, Task, {}, loose({ atFront: "no", meta: {} })))
    ],
    [
      "allowFailure",
      /^allowFailure: expected true or false, got "yes"$/,
      queue((one) => one.enqueue(Task, {}, loose({ allowFailure: "yes" })))
    ],
    [
      "retry.atFront",
      /^retry\.atFront: expected true or false, got null$/,
      queue((one) => one.enqueue(Task, {}, loose({ retry: { max: 1, atFront: null } })))
    ],
    ["burst", /^burst: expected true or false, got "false"$/, worker({ burst: "false" })],
    ["withScheduler", /^withScheduler: expected true or false, got 1$/, worker({ withScheduler: 1 })]
  ],
  "what is no length of time, no number or no text": [
    ["wait", /^wait: expected a duration such as .*, got "x"$/, queue((one) => one.stop("a", loose({ wait: "x" })))],
    ["wait", /^wait: .*, got null$/, queue((one) => one.cancelMany([], loose({ wait: null })))],
    ["wait", /^wait: .*, got -1$/, ofLock((lock) => lock.acquire("x", { wait: -1 }))],
    ["timeout", /^timeout: .*, got NaN$/, queue((one) => one.await(Task, "a", { timeout: NaN }))],
    ["timeout", /^timeout: .*, got undefined$/, queue((one) => one.await(Task, "a", loose({})))],
    [
      "options",
      /^options: expected an object, got 5$/,
      queue((one) => one.await(Task, "a", loose(5)))
    ],
    ["offset", /^offset: expected a number, got "1"$/, registry((one) => one.list(loose({ offset: "1" })))],
    ["limit", /^limit: expected a number, got NaN$/, queue((one) => one.jobIds("default", { limit: NaN }))],
    ["name", /^name: expected a text that is not empty, got 5$/, scheduler({ name: 5 })]
  ],
  "what no timer can wait for": [
    [
      "heartbeat",
      /^heartbeat: expected a duration of at most 24 d, got "25 days"$/,
      worker({
        heartbeat: "25 days"
      })
    ],
    ["gracePeriod", /at most 24 d/, worker({ gracePeriod: Duration.infinity })],
    ["tick", /at most 12 d/, scheduler({ tick: "13 days" })],
    ["election", /at most 24 d/, scheduler({ election: "1000 hours" })],
    ["lease", /at most 24 d/, scheduler({ lease: 2 ** 31 })],
    ["pause", /at most 24 d/, Effect.flatMap(Doctor.Doctor, ({ examine }) => examine({ pause: "30 days" }))],
    ["ttl", /at most 24855 d/, ofLock((lock) => lock.acquire("x", { ttl: "40000 days" }))],
    [
      "duration",
      /at most 24855 d/,
      Effect.flatMap(Control.Control, ({ suspend }) => suspend({ duration: Duration.infinity }))
    ]
  ]
}

describe("options that can't be used", () => {
  for (const [name, rows] of Object.entries(cases)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const one = yield* Queue.Queue
        yield* one.enqueue(Task, {}, { jobId: "a" })
        yield* one.cancel("a")
        for (const [field, message, call] of rows) {
          const error = yield* Effect.flip(Effect.scoped(call))
          assert(error instanceof Queue.InvalidOptions || error instanceof Job.InvalidJobError, String(message))
          assert.match(error.message, message)
          assert.strictEqual(error.field === "at" ? "when" : error.field, field)
        }
        // the longest that fit, and what is undefined, pass
        yield* one.requeue("a", loose({ zork: undefined, atFront: undefined }))
        assert.deepStrictEqual(yield* one.jobIds("default", { offset: 0, limit: undefined }), ["a"])
        yield* Effect.scoped(worker({ heartbeat: "24 days", gracePeriod: 0 }))
        yield* Effect.scoped(scheduler({ tick: "12 days", election: "24 days", lease: "24 days" }))
      }).pipe(Effect.provide(Services)))
  }

  it("of Job.make are thrown", () => {
    const given: ReadonlyArray<readonly [field: string, message: RegExp, options: object]> = [
      ["result_ttl", /^"result_ttl" is no option, did you mean resultTtl\?$/, { result_ttl: 5 }],
      ["zork", /^"zork" is no option, there are payload, .*, failureTtl$/, { zork: 5 }],
      ["retry.interval", /^retry: "interval" .* intervals\?$/, { retry: { max: 1, interval: 5 } }],
      ["retry.atFront", /^retry\.atFront: expected true or false, got "yes"$/, { retry: { max: 1, atFront: "yes" } }]
    ]
    for (const [field, message, options] of given) {
      try {
        Job.make("app.strange", loose(options))
      } catch (error) {
        assert(error instanceof Job.InvalidJobError, String(error))
        assert.strictEqual(error.field, field)
        assert.match(error.message, message)
        continue
      }
      assert.fail(`${field} was taken`)
    }
    assert.strictEqual(Job.make("app.usual", { retry: { ...Retry.standard, atFront: true } }).name, "app.usual")
  })

  it.effect("of RedisLive are configuration errors", () =>
    Effect.gen(function*() {
      const given: ReadonlyArray<readonly [path: string, message: RegExp, options: object]> = [
        ["keyprefix", /^"keyprefix" is no option, did you mean keyPrefix\?$/, { keyprefix: "a:" }],
        ["host", /^"host" is no option, there are url, .*$/, { host: "localhost" }],
        ["sentinels.host", /^"host" .* did you mean hosts\?$/, { sentinels: { host: ["a:1"], name: "m" } }],
        ["cluster.node", /^"node" .* did you mean nodes\?$/, { cluster: { node: ["a:1"] } }]
      ]
      for (const [path, message, options] of given) {
        const error = yield* Effect.flip(Effect.scoped(RedisLive.make(loose(options))))
        assert(ConfigError.isInvalidData(error))
        assert.deepStrictEqual(error.path, ["RedisLive", path])
        assert.match(error.message, message)
      }
    }))
})
