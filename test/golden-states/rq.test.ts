/**
 * What effect-rq leaves in Redis is what RQ 2.10 left for the same calls, but for what `differences.ts` lists.
 */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Control from "../../src/Control.js"
import * as Job from "../../src/Job.js"
import * as JobGroup from "../../src/JobGroup.js"
import { abandon } from "../../src/lifecycle/abandon.js"
import * as Queue from "../../src/Queue.js"
import type * as Redis from "../../src/Redis.js"
import * as Registry from "../../src/Registry.js"
import * as Scheduler from "../../src/Scheduler.js"
import * as Wire from "../../src/wire/date.js"
import * as Worker from "../../src/Worker.js"
import { type Hands, suite } from "../conformance/support.js"
import * as Golden from "../support/golden.js"
import { compare, facts } from "./compare.js"
import { type Deliberate, deliberate, type Name } from "./differences.js"

const Add = Job.make("jobs_mod.add", { payload: Schema.Tuple(Schema.Number, Schema.Number), success: Schema.Number })
const AddByName = Job.make("jobs_mod.add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number })
const Kwonly = Job.make("jobs_mod.kwonly", { payload: { a: Schema.String, b: Schema.Unknown } })
const Noop = Job.make("jobs_mod.noop")
const Fail = Job.make("jobs_mod.fail", { payload: Schema.Array(Schema.String) })
const Sleep = Job.make("jobs_mod.sleep", { payload: Schema.Tuple(Schema.Number) })
const Unknown = Job.make("no_such_mod.func")

const Jobs = JobGroup.make(Add, Noop, Fail, Sleep)
const handlers = (hands: Hands, hangs = false) =>
  Jobs.toLayer({
    "jobs_mod.add": ([a, b]) => hangs ? Effect.never : Effect.succeed(a + b),
    "jobs_mod.noop": () => Effect.void,
    "jobs_mod.fail": ([message = "boom"]) => Effect.die(new Error(message)),
    // the clock of the test stands still: the timeout is over when this says so
    "jobs_mod.sleep": () =>
      Effect.zipRight(
        Effect.sync(() => hangs || hands.setTime(clockOf(Golden.load("timeout_job")) + 1000)),
        Effect.never
      )
  })

/** The test's clock stands at the whole millisecond in which the dump was made. */
const clockOf = (golden: Golden.Golden): number => Math.floor(golden.captured_at * 1000)

interface Stage extends Hands {
  readonly queue: Queue.QueueService
  readonly registry: Registry.RegistryService
  readonly control: Control.ControlService
  /** Runs a worker until its queues are empty. */
  readonly work: (...queues: ReadonlyArray<string>) => Effect.Effect<Worker.Summary, unknown>
  /** Runs a worker for one job. */
  readonly workOnce: Effect.Effect<Worker.Summary, unknown>
  /** Runs a worker whose jobs never end by themselves until it is done, and `meanwhile` beside it. */
  readonly workAnd: <E>(
    options: Worker.WorkerOptions,
    meanwhile: (worker: Worker.WorkerService) => Effect.Effect<unknown, E>
  ) => Effect.Effect<void, unknown>
  /** Runs a worker until it runs a job, and stops it then without any grace. */
  readonly workAndStop: (...queues: ReadonlyArray<string>) => Effect.Effect<void, unknown>
  /** Takes the state now, and not at the end. */
  readonly take: Effect.Effect<void, Redis.RedisError>
  readonly taken: () => Golden.State | undefined
  /** Begins with what RQ left. */
  readonly begin: (state: Golden.State) => Effect.Effect<void, Redis.RedisError>
  /** The dates that were there when it began. */
  readonly given: ReadonlySet<string>
  /** Starts a scheduler and waits until it leads. */
  readonly lead: (options: Scheduler.SchedulerOptions) => Effect.Effect<
    { readonly stop: Effect.Effect<void> },
    unknown,
    Redis.Redis
  >
}

const g1 = { jobId: "g-1" } as const

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(Effect.delay("5 millis"), Effect.repeat({ until: (holds: boolean) => holds }))

const always: ReadonlyArray<Name> = ["plainData", "noEmptyFields"]
/** What every worker leaves. */
const worker: ReadonlyArray<Name> = ["workerVersion", "workerAddress", "workerIncarnation"]
/** What a worker leaves that ran nothing. */
const ranNothing: ReadonlyArray<Name> = [...worker, "countsFromZero", "timeFromStart"]
/** What a worker leaves that ran something. */
const ranAndLeft: ReadonlyArray<Name> = [...worker, "countsFromZero"]
/** What a worker leaves that ran something whose result is kept for ever. */
const resultKept: ReadonlyArray<Name> = [...always, ...ranAndLeft, "lateHeartbeat"]
const succeeded: ReadonlyArray<Name> = [...resultKept, "preciseExpiry"]
/** Of a success with a result its own entry names the execution. */
const ran: ReadonlyArray<Name> = [...resultKept, "executionField"]

/** What clearing up after a dead worker of RQ does otherwise than RQ. */
const cleanedUp: ReadonlyArray<Name> = [
  "lateExecution",
  "ownWorkerKeys",
  "abandonsCounted",
  "endIsDated",
  "failureExpires",
  "abandonTellsMore",
  "abandonText"
]
const cleanedUpRetried: ReadonlyArray<Name> = ["lateExecution", "ownWorkerKeys", "abandonsCounted", "retriedRunKept"]

type Run = (stage: Stage) => Effect.Effect<unknown, unknown, Redis.Redis>

const scenarios: ReadonlyArray<
  readonly [name: string, state: string, expected: ReadonlyArray<Name>, run: Run, through?: string]
> = [
  ["enqueue_simple", "state", always, ({ queue }) => queue.enqueue(Add, [1, 2], g1)],
  [
    "enqueue_args_unicode",
    "state",
    [...always, "keywordArgumentsOnly"],
    ({ queue }) => queue.enqueue(Kwonly, { a: "héllo 😀", b: [1, 2.5, null, true, { k: "v", n: { x: [] } }] }, g1)
  ],
  [
    "enqueue_full",
    "state",
    [...always, "argumentsOfOneKind", "compactMeta", "noCallbackFields"],
    ({ queue }) =>
      queue.enqueue(AddByName, { a: 1, b: 2 }, {
        ...g1,
        atFront: true,
        ttl: "2 minutes",
        resultTtl: "1 minute",
        failureTtl: "1 hour",
        description: "desc é",
        meta: { a: 1, u: "é" },
        retry: { max: 3, intervals: ["10 seconds", "20 seconds", "30 seconds"], atFront: true },
        repeat: { times: 2, intervals: ["5 seconds", "10 seconds"] }
      })
  ],
  [
    "enqueue_autoid",
    "state",
    always,
    ({ queue }) => queue.enqueue(Add, [1, 2], { jobId: "31701b79-0fbc-4979-8c8a-339a141f9c16" })
  ],
  [
    "enqueue_many",
    "state",
    always,
    ({ queue }) => queue.enqueueMany([0, 1, 2].map((i) => Queue.request(Add, [i, i], { jobId: `g-${i}` })))
  ],
  [
    "enqueue_timeout_infinite",
    "state",
    always,
    ({ queue }) =>
      queue.enqueue(Add, [1, 2], { ...g1, timeout: "forever", resultTtl: "forever", failureTtl: "forever" })
  ],
  ["enqueue_at", "state", always, ({ queue }) => queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], g1)],
  [
    "enqueue_in",
    "state",
    [...always, "preciseDueTime"],
    ({ queue }) => queue.enqueueIn("90 seconds", Add, [1, 2], g1)
  ],
  [
    "enqueue_at_front_scheduled",
    "state",
    always,
    ({ queue }) => queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], { ...g1, atFront: true })
  ],
  ["scheduler_promote", "before", always, (stage) => beforePromotion(stage)],
  [
    "scheduler_promote",
    "state",
    [...always, "dueAt", "missingHeldBack", "missingFirst", "shortLease", "schedulerRegistered", "ownJournal"],
    (stage) =>
      Effect.gen(function*() {
        yield* beforePromotion(stage)
        const scheduler = yield* stage.lead({ queues: ["default"] })
        yield* until(Effect.map(stage.queue.length("default"), (length) => length === 3))
        yield* stage.take
        yield* scheduler.stop
      })
  ],
  ...["locked", "heartbeat"].map((name) =>
    [
      "scheduler_lifecycle",
      name,
      ["shortLease", "ownJournal"],
      ({ lead, take }) =>
        Effect.gen(function*() {
          const scheduler = yield* lead({ queues: ["default"], name: "s-1" })
          yield* take
          yield* scheduler.stop
        })
    ] as const satisfies (typeof scenarios)[number]
  ),
  [
    "scheduler_lifecycle",
    "state",
    ["ownJournal"],
    ({ lead }) => Effect.flatMap(lead({ queues: ["default"], name: "s-1" }), ({ stop }) => stop)
  ],
  [
    "scheduler_two_queues",
    "state",
    ["shortLease", "ownJournal"],
    ({ lead, take }) =>
      Effect.gen(function*() {
        const scheduler = yield* lead({ queues: ["low", "default"] })
        yield* take
        yield* scheduler.stop
      })
  ],
  ["worker_burst_empty", "state", ranNothing, ({ work }) => work("default")],
  [
    "success_simple_worker",
    "state",
    succeeded,
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Add, [1, 2], g1), work("default"))
  ],
  [
    "success_none_result",
    "state",
    [...ran, "preciseExpiry", "voidLeavesNoResult"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Noop, {}, g1), work("default"))
  ],
  [
    "success_result_ttl_zero",
    "state",
    ranAndLeft,
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Add, [1, 2], { ...g1, resultTtl: 0 }), work("default"))
  ],
  [
    "success_result_ttl_forever",
    "state",
    resultKept,
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Add, [1, 2], { ...g1, resultTtl: "forever" }), work("default"))
  ],
  [
    "failure",
    "state",
    [...ran, "exceptionText", "failureExpires"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Fail, ["boom é"], g1), work("default"))
  ],
  [
    "failure_ttl",
    "state",
    [...ran, "exceptionText"],
    ({ queue, work }) =>
      Effect.zipRight(queue.enqueue(Fail, ["boom"], { ...g1, failureTtl: "100 seconds" }), work("default"))
  ],
  [
    "failure_bad_import",
    "state",
    [...ran, "exceptionText", "failureExpires"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Unknown, {}, g1), work("default"))
  ],
  [
    "timeout_job",
    "state",
    [...ran, "exceptionText", "failureExpires"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Sleep, [5], { ...g1, timeout: "1 second" }), work("default"))
  ],
  [
    "worker_two_queues_burst",
    "state",
    succeeded,
    ({ queue, work }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Add, [3, 4], { jobId: "g-2", queue: "low" })
        yield* queue.enqueue(Add, [1, 2], g1)
        yield* work("default", "low")
      })
  ],
  [
    "enqueue_simple",
    "released",
    [...always, "workerWasThere", "executionField"],
    ({ queue, workAndStop }) => Effect.zipRight(queue.enqueue(Add, [1, 2], g1), workAndStop("default"))
  ],
  [
    "delete_finished",
    "state",
    [...ranAndLeft, "resultsDeleted"],
    ({ queue, registry, work }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Add, [1, 2], g1)
        yield* work("default")
        assert.isTrue(yield* registry.finished("default").delete("g-1"))
      })
  ],
  [
    "delete_scheduled",
    "state",
    [],
    ({ queue, registry }) =>
      Effect.gen(function*() {
        yield* queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], g1)
        assert.isTrue(yield* registry.scheduled("default").delete("g-1"))
      })
  ],
  [
    "delete_scheduled",
    "state",
    [],
    ({ queue }) => Effect.zipRight(queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], g1), queue.delete("g-1")),
    "Queue.delete"
  ],
  [
    "delete_finished",
    "state",
    [...ranAndLeft, "resultsDeleted"],
    ({ queue, work }) =>
      Effect.zipRight(queue.enqueue(Add, [1, 2], g1), Effect.zipRight(work("default"), queue.delete("g-1"))),
    "Queue.delete"
  ],
  [
    "delete_queued",
    "state",
    [],
    ({ queue }) => Effect.zipRight(queue.enqueue(Add, [1, 2], g1), queue.delete("g-1"))
  ],
  [
    "retry_immediate",
    "state",
    [...ran, "noIntervals", "failedRuns", "retriedRunKept"],
    ({ queue, workOnce }) => Effect.zipRight(queue.enqueue(Fail, [], { ...g1, retry: { max: 2 } }), workOnce)
  ],
  [
    "retry_interval",
    "state",
    [...ran, "preciseDueTime", "failedRuns", "retriedRunKept"],
    ({ queue, work }) =>
      Effect.zipRight(
        queue.enqueue(Fail, [], { ...g1, retry: { max: 2, intervals: ["30 seconds", "60 seconds"] } }),
        work("default")
      )
  ],
  [
    "retry_exhausted",
    "state",
    [...ran, "exceptionText", "noIntervals", "failedRuns", "failureExpires", "retriedRunBefore", "secondLater"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Fail, [], { ...g1, retry: { max: 1 } }), work("default"))
  ],
  [
    "enqueue_at_retry",
    "state",
    always,
    ({ queue }) =>
      queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], {
        ...g1,
        ttl: "100 seconds",
        retry: { max: 2, intervals: "5 seconds" }
      })
  ],
  [
    "repeat_immediate",
    "after_first",
    [...ran, "noIntervals", "noResultField", "runsOfRepeated", "repeatsInOneRegistry", "repeatsKeepResults"],
    ({ queue, workOnce }) => Effect.zipRight(queue.enqueue(Add, [1, 2], { ...g1, repeat: { times: 2 } }), workOnce)
  ],
  [
    "repeat_immediate",
    "state",
    [...succeeded, "noIntervals", "noResultField", "runsOfRepeated"],
    ({ queue, work, workOnce }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Add, [1, 2], { ...g1, repeat: { times: 2 } })
        yield* workOnce
        yield* work("default")
      })
  ],
  [
    "repeat_interval",
    "state",
    [
      ...ran,
      "noResultField",
      "runsOfRepeated",
      "repeatsInOneRegistry",
      "repeatsKeepResults",
      "repeatsInOrder",
      "preciseDueTime",
      "secondLater"
    ],
    ({ queue, work }) =>
      Effect.zipRight(
        queue.enqueue(Add, [1, 2], {
          ...g1,
          repeat: { times: 3, intervals: ["30 seconds", "60 seconds", "90 seconds"] }
        }),
        work("default")
      )
  ],
  [
    "cancel_queued",
    "state",
    [...always, "endIsDated"],
    ({ queue }) => Effect.zipRight(queue.enqueue(Add, [1, 2], g1), queue.cancel("g-1"))
  ],
  [
    "cancel_scheduled",
    "state",
    [...always, "endIsDated"],
    ({ queue }) => Effect.zipRight(queue.enqueueAt("2030-01-02T03:04:05Z", Add, [1, 2], g1), queue.cancel("g-1"))
  ],
  ["cancel_with_dependents", "before", always, (stage) => parentAndChild(stage)],
  [
    "cancel_with_dependents",
    "state",
    [...always, "endIsDated", "childIsHeld"],
    (stage) => Effect.zipRight(parentAndChild(stage), stage.queue.cancel("g-1"))
  ],
  [
    "cancel_with_dependents",
    "state",
    [...always, "endIsDated", "childSaysIt", "parentsForgotten"],
    (stage) => Effect.zipRight(parentAndChild(stage, true), stage.queue.cancel("g-1")),
    "whose dependent allows failure"
  ],
  [
    "requeue_failed",
    "failed",
    [...ran, "exceptionText", "failureExpires"],
    ({ queue, work }) => Effect.zipRight(queue.enqueue(Fail, [], g1), work("default"))
  ],
  [
    "requeue_failed",
    "state",
    [...ran, "exceptionText", "requeuedLives", "workerCleared", "noExceptionField"],
    ({ queue, work }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Fail, [], g1)
        yield* work("default")
        yield* queue.requeue("g-1")
      })
  ],
  [
    "stop_job",
    "state",
    [...always, ...ranAndLeft, "executionField", "noIntervals", "failureExpires", "endIsDated", "stoppedByWorker"],
    ({ queue, workAnd }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Sleep, [20], { ...g1, retry: { max: 2 } })
        yield* workAnd({ burst: true }, (worker) =>
          Effect.gen(function*() {
            yield* until(Effect.map(worker.status, ({ running }) => running.length === 1))
            // until its worker listens
            yield* until(Effect.map(queue.stop("g-1"), ({ outcome }) => outcome === "ended"))
          }))
      })
  ],
  ...(["deferred", "one_parent_done", "both_parents_done", "state"] as const).map((name, runs) =>
    [
      "dependency_deferred",
      name,
      [...(runs === 0 ? always : succeeded), "compactParents", ...(runs < 2 ? [] : ["parentsForgotten"] as const)],
      (stage) => dependencies(stage, runs)
    ] as const satisfies (typeof scenarios)[number]
  ),
  ["dependency_allow_failure", "deferred", always, (stage) => failureAllowed(stage)],
  [
    "dependency_allow_failure",
    "state",
    [...ran, "exceptionText", "failureExpires", "parentsForgotten"],
    (stage) => Effect.zipRight(failureAllowed(stage), stage.workOnce)
  ],
  [
    "unique_enqueue",
    "state",
    always,
    ({ queue }) =>
      Effect.gen(function*() {
        yield* queue.enqueue(Add, [1, 2], { ...g1, ttl: "50 seconds", unique: "refuse" })
        const error = yield* Effect.flip(queue.enqueue(Add, [3, 4], { ...g1, unique: "refuse" }))
        assert.strictEqual(error._tag, "JobExists")
      })
  ],
  [
    "unique_schedule",
    "state",
    always,
    ({ queue }) =>
      Effect.gen(function*() {
        yield* queue.enqueueAt("2030-01-01T00:00:00Z", Add, [1, 2], { ...g1, unique: "refuse" })
        const error = yield* Effect.flip(
          queue.enqueueAt("2031-01-01T00:00:00Z", Add, [3, 4], { ...g1, unique: "refuse" })
        )
        assert.strictEqual(error._tag, "JobExists")
      })
  ],
  ["suspend", "state", ["ownJournal"], ({ control }) => control.suspend()],
  ["suspend_ttl", "state", ["ownJournal"], ({ control }) => control.suspend({ duration: "30 seconds" })],
  [
    "suspended_worker",
    "suspended",
    [...always, ...ranAndLeft, "shortMemory", "ownWorkerKeys", "ownJournal", "suspendedTakesNone"],
    (stage) => suspended(stage, "suspended")
  ],
  [
    "suspended_worker",
    "resumed",
    [...ran, "shortMemory", "ownWorkerKeys", "ownJournal", "preciseExpiry", "voidLeavesNoResult", "secondLater"],
    (stage) => suspended(stage, "resumed")
  ],
  [
    "suspended_worker",
    "state",
    [...ran, "preciseExpiry", "voidLeavesNoResult", "secondLater", "ownJournal"],
    (stage) => suspended(stage, "stopped")
  ],
  [
    "shutdown_command",
    "state",
    ranNothing,
    ({ control, workAnd }) =>
      workAnd({}, (worker) =>
        Effect.gen(function*() {
          yield* until(control.shutdown(worker.name))
        }))
  ],
  [
    "idle_fork_worker",
    "idle",
    [...worker, "shortMemory", "ownWorkerKeys"],
    ({ control, take, workAnd }) => workAnd({}, (worker) => Effect.zipRight(take, until(control.shutdown(worker.name))))
  ],
  [
    "idle_fork_worker",
    "state",
    [...ranNothing, "secondLater"],
    ({ control, workAnd }) => workAnd({}, ({ name }) => until(control.shutdown(name)))
  ],
  [
    "clean_registries_empty",
    "state",
    ["ownWorkerKeys"],
    (stage) => cleanUp(stage, "clean_registries_empty")
  ],
  [
    "worker_killed_then_cleanup",
    "after_kill",
    [...ran, "lateExecution", "shortMemory", "ownWorkerKeys", "timeFromStart", "shortClaim"],
    (stage) => killed(stage, {})
  ],
  [
    "worker_killed_then_cleanup",
    "state",
    [
      ...ran,
      "lateExecution",
      "shortMemory",
      "ownWorkerKeys",
      "timeFromStart",
      "abandonsCounted",
      "endIsDated",
      "failureExpires",
      "abandonTellsMore",
      "abandonText"
    ],
    (stage) => killedThenCleanedUp(stage, {}, "worker_killed_then_cleanup")
  ],
  [
    "worker_killed_then_cleanup_retry",
    "state",
    [
      ...ran,
      "lateExecution",
      "shortMemory",
      "ownWorkerKeys",
      "timeFromStart",
      "abandonsCounted",
      "noIntervals",
      "retriedRunKept",
      "workerCleared",
      "queuedHasNotStarted"
    ],
    (stage) => killedThenCleanedUp(stage, { retry: { max: 2 } }, "worker_killed_then_cleanup_retry")
  ],
  [
    "worker_killed_then_cleanup",
    "state",
    cleanedUp,
    (stage) => theirsCleanedUp(stage, [], "worker_killed_then_cleanup"),
    "the dead worker of RQ"
  ],
  [
    "worker_killed_then_cleanup_retry",
    "state",
    cleanedUpRetried,
    (stage) =>
      theirsCleanedUp(stage, ["retries_left", "2", "retry_intervals", "[0]"], "worker_killed_then_cleanup_retry"),
    "the dead worker of RQ"
  ]
]

/** Dumps that nothing of effect-rq is the counterpart of, and why. `reading.test.ts` reads the states of all of them. */
const notCompared: Readonly<Record<string, string>> = {
  cron_scheduler: "RQ's cron table lives in a process of its own; effect-rq has no cron of RQ's kind",
  dequeue_single_queue:
    "RQ moves an id through its intermediate list; here a job that leaves its queue is started at once",
  dequeue_two_queues: "RQ pops an id, which then is nowhere; here a job that leaves its queue is started at once",
  group_enqueue: "RQ's groups of jobs: effect-rq leaves the group of a job as it is and writes none",
  heartbeat_fork_worker: "RQ's heartbeat from beside a work-horse; what ours writes is in `heartbeat.test.ts`",
  horse_killed: "a job has no process of its own that could be killed alone",
  kill_horse_command: "a job has no process of its own that could be killed alone",
  retry_by_return: "a handler asks for a retry with `Retry.after`, which fails; no value that it returns means one",
  retry_by_return_exceeded:
    "a handler asks for a retry with `Retry.after`, which fails; no value that it returns means one",
  success_fork_worker: "the same as success_simple_worker, but for the process",
  sync_queue: "RQ runs the job where it is enqueued; effect-rq has no such queue",
  webhook_enqueue: "effect-rq calls no webhooks and enqueues none",
  worker_with_scheduler: "a scheduler beside a worker: scheduler_promote and success_simple_worker one after the other",
  intermediate_cleanup:
    "RQ fails what is stuck, here it is run: what it leaves is recovered in conformance/tidy.test.ts"
}

/**
 * The fleet is suspended while a worker waits, then a job comes. The worker says what it learns where it asks for a job,
 * so one that nothing is pushed to says nothing new.
 */
const suspended = ({ control, queue, redis, take, workAnd }: Stage, moment: "suspended" | "resumed" | "stopped") =>
  workAnd({}, (worker) =>
    Effect.gen(function*() {
      const says = (state: string) =>
        until(Effect.map(redis.send("HGET", "rq:worker:w-fork", "state"), (is) => is === state))
      yield* says("idle")
      yield* control.suspend()
      yield* queue.enqueue(Noop, {}, g1)
      yield* says("suspended")
      if (moment === "suspended") {
        yield* take
      } else {
        yield* control.resume
        yield* until(Effect.map(queue.fetch("g-1"), (job) => Option.getOrThrow(job).status === "finished"))
        yield* says("idle")
        if (moment === "resumed") yield* take
      }
      yield* until(control.shutdown(worker.name))
    }))

/** A worker takes a job and dies. */
const killed = ({ queue, redis, take, workAnd }: Stage, job: Queue.EnqueueOptions) =>
  Effect.gen(function*() {
    yield* queue.enqueue(Sleep, [20], { ...g1, ...job })
    // what is there while it runs is what a worker leaves that is killed
    yield* workAnd({ heartbeat: "1 second", maxJobs: 1 }, (worker) =>
      Effect.gen(function*() {
        yield* until(Effect.map(worker.status, ({ running }) => running.length === 1))
        yield* until(Effect.map(redis.send("HGET", "rq:worker:w-fork", "state"), (state) => state === "busy"))
        yield* take
        yield* until(Effect.map(queue.stop("g-1"), ({ outcome }) => outcome === "ended"))
      }))
  })

/** A worker of RQ has died, as in the dump; one of ours looks after the queue. */
const theirsCleanedUp = (stage: Stage, fields: ReadonlyArray<string>, scenario: string) =>
  Effect.gen(function*() {
    yield* stage.begin(Golden.load("worker_killed_then_cleanup").snapshots["after_kill"]!)
    if (fields.length > 0) yield* stage.redis.send("HSET", "rq:job:g-1", ...fields)
    // the dumps are of two runs of RQ, from two ports
    const { ip_address } = Golden.hash(Golden.load(scenario).state, "rq:worker:w-fork")
    yield* stage.redis.send("HSET", "rq:worker:w-fork", "ip_address", Golden.text(ip_address!))
    const [member] = yield* stage.redis.send<[string]>("ZRANGE", "rq:wip:default", 0, -1)
    yield* stage.redis.send("ZADD", "rq:wip:default", "XX", Wire.seconds(clockOf(Golden.load(scenario))), member)
    const found = yield* cleanUp(stage, scenario)
    assert.deepStrictEqual(found.abandoned.map(({ id, python, worker }) => [id, python, worker]), [
      ["g-1", true, "w-fork"]
    ])
  })

/** Looks after the queue as another worker does. */
const cleanUp = ({ redis }: Stage, scenario: string) =>
  Effect.gen(function*() {
    const now = clockOf(Golden.load(scenario))
    return yield* redis.eval(abandon)({
      worker: "w-2",
      queues: ["default"],
      // as in the dump the clock of the clean-up is ahead, the dates that it writes are not
      now: Wire.seconds(now + 5000),
      nowDate: Wire.encode(now),
      intervalMillis: 900,
      // without retries RQ fails the job at once, effect-rq by default the fourth time
      maxAbandons: 0,
      limit: 100,
      python: true,
      forgetSeconds: 600
    })
  })

/** A worker takes a job and dies, another one looks after its jobs later. */
const killedThenCleanedUp = (stage: Stage, job: Queue.EnqueueOptions, scenario: string) =>
  Effect.gen(function*() {
    const { redis, take, taken } = stage
    yield* killed(stage, job)
    yield* redis.send("FLUSHALL")
    yield* Golden.restore(redis, taken()!)
    const found = yield* cleanUp(stage, scenario)
    assert.strictEqual(found.abandoned.length, 1)
    yield* take
  })

/** Two parents and a dependent; `runs` of them, one by one. */
const dependencies = ({ queue, workOnce }: Stage, runs: number) =>
  Effect.gen(function*() {
    yield* queue.enqueue(Add, [1, 2], g1)
    yield* queue.enqueue(Add, [5, 6], { jobId: "g-1b" })
    yield* queue.enqueue(Add, [3, 4], { jobId: "g-2", dependsOn: ["g-1", "g-1b"] })
    for (let i = 0; i < runs; i++) yield* workOnce
  })

const failureAllowed = ({ queue }: Stage) =>
  Effect.gen(function*() {
    yield* queue.enqueue(Fail, [], g1)
    yield* queue.enqueue(Add, [3, 4], { jobId: "g-2", dependsOn: "g-1", allowFailure: true, atFront: true })
  })

const parentAndChild = ({ queue }: Stage, allowFailure = false) =>
  Effect.gen(function*() {
    yield* queue.enqueue(Add, [1, 2], g1)
    yield* queue.enqueue(Add, [3, 4], { jobId: "g-2", dependsOn: "g-1", allowFailure })
  })

const beforePromotion = ({ queue, redis }: Stage) =>
  Effect.gen(function*() {
    for (const i of [0, 1, 2]) {
      yield* queue.enqueueAt(new Date(Date.UTC(2020, 0, 1, 0, 0, i)), Add, [i, 2], {
        jobId: `g-${i}`,
        atFront: i === 2
      })
    }
    yield* queue.enqueueAt("2030-01-01T00:00:00Z", Add, [9, 9], { jobId: "g-later" })
    yield* redis.send("ZADD", "rq:scheduled:default", 5, "g-missing")
  })

const stageOf = Effect.fnUntraced(function*(hands: Hands) {
  const services = yield* Layer.build(Layer.mergeAll(Queue.layer, Registry.layer, Control.layer))
  const redis = yield* Effect.context<Redis.Redis>()
  let taken: Golden.State | undefined
  const given = new Set<string>()
  const stage: Stage = {
    ...hands,
    take: Effect.map(Golden.dump(hands.redis), (state) => {
      taken = state
    }),
    taken: () => taken,
    begin: (state) => {
      for (const [, date] of datesIn(state)) given.add(date)
      return Golden.restore(hands.redis, state)
    },
    given,
    queue: Context.get(services, Queue.Queue),
    registry: Context.get(services, Registry.Registry),
    control: Context.get(services, Control.Control),
    work: (...queues) =>
      Worker.run(Jobs, { name: "w-simple", burst: true, queues }).pipe(
        Effect.provide(handlers(hands)),
        Effect.provide(redis)
      ),
    workOnce: Worker.run(Jobs, { name: "w-simple", burst: true, maxJobs: 1, queues: ["default"] }).pipe(
      Effect.provide(handlers(hands)),
      Effect.provide(redis)
    ),
    workAnd: (options, meanwhile) =>
      Effect.gen(function*() {
        const worker = yield* Worker.make(Jobs, { name: "w-fork", queues: ["default"], gracePeriod: 0, ...options })
        yield* meanwhile(worker)
        yield* worker.finished
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.merge(handlers(hands, true), Layer.succeedContext(redis)))
      ),
    workAndStop: (...queues) =>
      Effect.gen(function*() {
        const worker = yield* Worker.make(Jobs, { name: "w-simple", queues, gracePeriod: 0 })
        yield* until(Effect.map(worker.status, ({ running }) => running.length === 1))
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.merge(handlers(hands, true), Layer.succeedContext(redis)))
      ),
    lead: (options) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const scheduler = yield* Scope.extend(Scheduler.make(options), scope)
        yield* until(
          Effect.map(scheduler.status, (status) => status.queues.every((queue) => queue.leadingSince._tag === "Some"))
        )
        return { stop: Scope.close(scope, Exit.void) }
      })
  }
  return stage
})

suite("what RQ 2.10 leaves", (it) => {
  const used = new Set<Name>()
  for (const [name, stateName, expected, run, through] of scenarios) {
    const title = [name, ...(stateName === "state" ? [] : [stateName]), ...(through === undefined ? [] : [through])]
    it(title.join(", "), (hands) =>
      Effect.gen(function*() {
        const golden = Golden.load(name)
        const now = clockOf(golden)
        hands.setTime(now)
        const stage = yield* stageOf(hands)
        yield* run(stage)
        const ours = stage.taken() ?? (yield* Golden.dump(hands.redis))
        // RQ gives no job back; one that was given back is as if it had just been enqueued
        const theirs = stateName === "released" ? golden.state : Object.fromEntries(Golden.states(golden))[stateName]!
        const differences = compare(facts(theirs, golden.captured_at), facts(ours, golden.captured_at))
        const found = new Set<Name>()
        const unlisted = differences.filter((difference) => {
          const names = expected.filter((candidate) => matches(candidate, difference))
          for (const one of names) found.add(one)
          return names.length === 0
        })
        assert.deepStrictEqual(unlisted, [], "differences that are not listed")
        assert.sameMembers([...found], [...expected], "differences that are listed and do not occur")
        for (const one of found) used.add(one)
        assertDates(ours, name === "timeout_job" ? [now, now + 1000] : [now], stage.given)
      }))
  }

  it("each dump is compared or accounted for, and none is both", () =>
    Effect.sync(() => {
      const compared = [...new Set(scenarios.map(([name]) => name))]
      assert.sameMembers([...compared, ...Object.keys(notCompared)], [...Golden.names])
    }))

  it("each deliberate difference was seen", () =>
    Effect.sync(() => assert.sameMembers([...used], Object.keys(deliberate))))
})

const matches = (name: Name, { ours, path, rq }: ReturnType<typeof compare>[number]): boolean => {
  const listed: Deliberate = deliberate[name]
  const { orNothing } = listed
  const fits = (pattern: RegExp | undefined, value: string | undefined) =>
    pattern === undefined || value === undefined && orNothing === true
      ? value === undefined
      : value !== undefined && pattern.test(value)
  return listed.path.test(path) && fits(listed.rq, rq) && fits(listed.ours, ours)
}

const datesIn = (state: Golden.State): ReadonlyArray<readonly [path: string, date: string]> =>
  Object.entries(state).flatMap(([key, entry]) =>
    entry.type !== "hash" ? [] : Object.entries(entry.value)
      .map(([field, leaf]) => [`${key} ${field}`, Golden.text(leaf)] as const)
      .filter(([, text]) => /^\d{4}-\d\d-\d\dT/.test(text))
  )

/** Every date is exactly what the clock showed, or was there before. */
const assertDates = (state: Golden.State, instants: ReadonlyArray<number>, given: ReadonlySet<string>) => {
  const allowed = new Set([...instants.map(Wire.encode), ...given])
  for (const [path, date] of datesIn(state)) assert.isTrue(allowed.has(date), `${path}: ${date}`)
}
