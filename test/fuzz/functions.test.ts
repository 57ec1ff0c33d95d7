/**
 * The public functions that are no methods of a service, called as JavaScript may call them: what they answer, or the effect
 * that they make, ends well or with a typed error. What is a mistake in a program is thrown as one of the library's errors.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, type Redis, RedisMemory } from "effect-rq"
import { InvalidOptions } from "effect-rq/Clock"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { inspect } from "node:util"
import { anything, assertTyped, attempt, check, mostly, seed, text } from "./support.js"
import { subject } from "./surface.js"

const Task = Job.make("test.task")
const Tasks = JobGroup.make(Task)

const shown = (value: unknown) => inspect(value, { depth: 4, maxStringLength: 80, breakLength: Infinity })

const run = <A, E>(effect: Effect.Effect<A, E, Redis.Redis | Scope.Scope>) =>
  Effect.runPromise(
    Effect.provide(Effect.scoped(effect), Layer.merge(RedisMemory.layer, Logger.remove(Logger.defaultLogger)))
  )

/** Ends well, or with a typed error. */
const tried = (what: string, args: unknown, build: () => Effect.Effect<unknown, unknown, Redis.Redis | Scope.Scope>) =>
  Effect.map(attempt(build), (exit) => assertTyped(exit, () => `${what} ${shown(args)}`))

describe(`public functions (FUZZ_SEED=${seed})`, () => {
  const clockOptions = FastCheck.oneof(
    FastCheck.record({ every: anything, samples: mostly(FastCheck.integer({ min: 1, max: 5 })) }, { requiredKeys: [] }),
    anything
  )
  const [makeClock, layerRedis] = [subject("Clock", "make"), subject("Clock", "layerRedis")]
  it("Clock", () =>
    check(clockOptions, 60, (options) =>
      run(Effect.gen(function*() {
        yield* tried("Clock.make", options, () => makeClock(options as never))
        yield* tried("Clock.layerRedis", options, () => Layer.build(layerRedis(options as never)))
      }))))

  const [makeQueue, request] = [Queue.make, subject("Queue", "request")]
  it("Queue.request: what it makes is queued, or refused by enqueueMany", () =>
    check(
      FastCheck.tuple(mostly(FastCheck.constant(Task)), anything, anything),
      150,
      (args) =>
        run(Effect.gen(function*() {
          const queue = yield* makeQueue
          const [job, payload, options] = args
          yield* tried(
            "Queue.request",
            args,
            () => queue.enqueueMany([request(job as never, payload as never, options as never)])
          )
        }))
    ))

  const [never, after] = [subject("Retry", "never"), subject("Retry", "after")]
  it("Retry: a verdict with the error, or a defect that names the delay", () =>
    check(FastCheck.tuple(anything, anything), 300, async ([delay, error]) => {
      const verdict = await Effect.runPromise(Effect.flip(never(error)))
      assert.isUndefined(verdict.delay)
      assert.isTrue(Object.is(verdict.error, error))
      const exit = await Effect.runPromiseExit(Effect.suspend(() => after(delay as never, error)))
      assert(Exit.isFailure(exit))
      const failure = Cause.failureOption(exit.cause)
      if (failure._tag === "Some") return assert.isTrue(Object.is(failure.value.error, error), shown([delay, error]))
      const defect = Cause.squash(exit.cause)
      assert(defect instanceof InvalidOptions, shown(delay))
      assert.strictEqual(defect.field, "delay")
    }))

  const [isJob, isJobGroup] = [subject("Job", "isJob"), subject("JobGroup", "isJobGroup")]
  it("guards", () =>
    check(anything, 300, async (value) => {
      assert.isFalse(isJob(value), shown(value))
      assert.isFalse(isJobGroup(value), shown(value))
    }))

  const makeJob = subject("Job", "make")
  const makeGroup = subject("JobGroup", "make")
  it("definitions", () =>
    check(
      FastCheck.tuple(text, mostly(FastCheck.record({ queue: anything, timeout: anything }, { requiredKeys: [] }))),
      200,
      async (
        [name, options]
      ) => {
        try {
          const job = makeJob(name, options as {})
          assert.isTrue(isJob(job) && isJobGroup(makeGroup(job)), shown([name, options]))
        } catch (error) {
          assert.instanceOf(error, Job.InvalidJobError, shown([name, options]))
        }
      }
    ))

  const [makeWorker, runWorker, workerLayer] = [
    subject("Worker", "make"),
    subject("Worker", "run"),
    subject("Worker", "layer")
  ]
  const [makeScheduler, schedulerLayer] = [subject("Scheduler", "make"), subject("Scheduler", "layer")]
  const withHandlers = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, Tasks.toLayer({ "test.task": () => Effect.void }))
  it("Worker and Scheduler", () =>
    check(mostly(FastCheck.record({ queues: anything, name: anything }, { requiredKeys: [] })), 40, (given) => {
      const options = given as never
      return run(Effect.gen(function*() {
        yield* tried("Worker.make", given, () => withHandlers(makeWorker(Tasks, options)))
        yield* tried(
          "Worker.run",
          given,
          () => Effect.timeoutOption(withHandlers(runWorker(Tasks, options)), "5 millis")
        )
        yield* tried("Worker.layer", given, () => withHandlers(Layer.build(workerLayer(Tasks, options))))
        yield* tried("Scheduler.make", given, () => makeScheduler(options))
        yield* tried("Scheduler.layer", given, () => Layer.build(schedulerLayer(options)))
      }))
    }))
})
