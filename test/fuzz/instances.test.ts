/**
 * What running things and values offer, called as JavaScript may call it: `CurrentJob`, leases, workers, schedulers, the
 * port to Redis, groups of jobs, and effects without arguments. Each ends well, waits, or fails with a typed error; and
 * whatever was called, the worker and its scheduler run the next job.
 */
import { assert, describe, it } from "@effect/vitest"
import { Doctor, Job, Redis } from "effect-rq"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { inspect } from "node:util"
import { Task, Tasks } from "../time-travel/support/world.js"
import { kindOf, membersOf, type Owner, withInstances } from "./instances.js"
import { anything, assertTyped, check, mostly, oddTexts, seed, text } from "./support.js"

const none = FastCheck.constant<ReadonlyArray<unknown>>([])
const some = FastCheck.array(anything, { maxLength: 3 })
const command = mostly(FastCheck.constantFrom("GET", "SET", "HGETALL", "XADD", "EVAL", "SUBSCRIBE", "BLPOP", "nothing"))
const sent = FastCheck.tuple(command, FastCheck.array(mostly(text), { maxLength: 3 })).map((
  [name, args]
) => [name, ...args])
const script = mostly(FastCheck.constant(Redis.script((key: string) => [key], {
  name: "odd",
  numberOfKeys: 1,
  lua: "return KEYS[1]",
  result: (reply: unknown) => reply
})))

/** Findings that nobody has found, of jobs and keys that are there and of others. */
const word = mostly(FastCheck.constantFrom("now", "later", "q", "other", "worker", ...oddTexts))
const key = mostly(FastCheck.constantFrom("rq:queue:q", "rq:scheduled:q", "rq:workers", "rq:wip:q", "mine", "mine:z"))
const repair = FastCheck.record({
  _tag: mostly(FastCheck.constantFrom(
    "RequeueLost",
    "RestartLost",
    "ListEnded",
    "SettleDependent",
    "DropEntry",
    "DropDuplicate",
    "ExpireResults",
    "ShowOptions",
    "EndLock",
    "Abandon",
    "Tidy",
    "ReturnHandover",
    "ForgetWorker",
    "ListQueue",
    "toString"
  )),
  job: word,
  queue: word,
  worker: word,
  holder: word,
  member: word,
  key
})
const finding = mostly(FastCheck.record({
  code: mostly(FastCheck.constant("lost-job")),
  repair: mostly(FastCheck.oneof(repair.map(Option.some), FastCheck.constant(Option.none())))
}))

const duration = mostly(FastCheck.constantFrom("1 second", 0, 1, -1, Infinity))

const calls: ReadonlyArray<readonly [Owner, method: string, FastCheck.Arbitrary<ReadonlyArray<unknown>>]> = [
  ["currentJob", "meta", FastCheck.constant([])],
  ["currentJob", "updateMeta", FastCheck.tuple(anything)],
  ["currentJob", "progress", FastCheck.tuple(anything)],
  ["currentJob", "heartbeat", FastCheck.constant([])],
  ["currentJob", "stop", FastCheck.constant([])],
  ["lease", "lost", FastCheck.constant([])],
  ["lease", "renew", FastCheck.constant([])],
  ["lease", "release", FastCheck.constant([])],
  ["worker", "status", FastCheck.constant([])],
  ["worker", "events", FastCheck.constant([])],
  ["worker", "finished", FastCheck.constant([])],
  ["scheduler", "status", FastCheck.constant([])],
  ["scheduler", "events", FastCheck.constant([])],
  ["redis", "send", FastCheck.oneof(sent, some)],
  ["redis", "sendBytes", FastCheck.oneof(sent, some)],
  ["redis", "eval", FastCheck.tuple(script)],
  ["redis", "subscribe", FastCheck.array(mostly(text), { maxLength: 3 })],
  ["redis", "connection", FastCheck.constant([])],
  ["connection", "send", FastCheck.oneof(sent, some)],
  ["connection", "unblock", FastCheck.constant([])],
  ["client", "disconnect", FastCheck.constant([])],
  ["client", "reconnect", FastCheck.constant([])],
  ["group", "add", FastCheck.array(mostly(FastCheck.constant(Task)), { maxLength: 2 })],
  ["group", "merge", FastCheck.array(mostly(FastCheck.constant(Tasks)), { maxLength: 2 })],
  [
    "group",
    "toLayer",
    FastCheck.tuple(mostly(FastCheck.dictionary(FastCheck.constantFrom("test.task", "other"), anything)))
  ],
  ["queue", "names", FastCheck.constant([])],
  ["started", "count", FastCheck.constant([])],
  ["started", "list", FastCheck.tuple(FastCheck.record({ offset: anything, limit: anything }))],
  ["started", "stream", FastCheck.constant([])],
  ["scheduled", "count", FastCheck.constant([])],
  ["scheduled", "stream", FastCheck.constant([])],
  ["control", "resume", FastCheck.constant([])],
  ["control", "isSuspended", FastCheck.constant([])],
  ["control", "suspension", FastCheck.constant([])],
  ["control", "paused", FastCheck.constant([])],
  ["registry", "scheduled", FastCheck.tuple(anything)],
  ["registry", "started", FastCheck.tuple(anything)],
  ["registry", "finished", FastCheck.tuple(anything)],
  ["registry", "failed", FastCheck.tuple(anything)],
  ["registry", "deferred", FastCheck.tuple(anything)],
  ["registry", "canceled", FastCheck.tuple(anything)],
  [
    "lock",
    "withLock",
    FastCheck.tuple(mostly(text), FastCheck.record({ ttl: duration, wait: duration, token: mostly(text) }))
  ],
  ["doctor", "mend", FastCheck.tuple(mostly(FastCheck.array(finding, { maxLength: 4 })))],
  ["travel", "adjust", FastCheck.tuple(duration)],
  ["travel", "setTime", FastCheck.tuple(mostly(FastCheck.integer({ min: 0 })))],
  [
    "travel",
    "runUntil",
    FastCheck.tuple(FastCheck.constant(Effect.succeed(false)), FastCheck.record({ limit: duration }))
  ],
  ["travel", "settle", FastCheck.constant([])],
  ["travel", "next", FastCheck.constant([])],
  ["travel", "sleepers", FastCheck.constant([])],
  ["travel", "now", FastCheck.constant([])],
  ["travel", "wakes", FastCheck.constant([])],
  ["travel", "awaitExternal", FastCheck.constant([Effect.void])]
]

/** Runs what a call has given, whatever that is, as far as it comes. */
const runAny = (given: unknown): Effect.Effect<unknown, unknown, Scope.Scope> => {
  switch (kindOf(given)) {
    case "effect":
      return given as Effect.Effect<unknown, unknown, Scope.Scope> // what was called has its other services already
    case "stream":
      return Stream.runDrain(given as Stream.Stream<unknown, unknown>)
    case "layer":
      return Layer.build(given as Layer.Layer<unknown, unknown>)
    default:
      return typeof given === "function" ? runAny(given(Effect.void)) : Effect.void
  }
}

/** Mistakes in a program or a test, which end it: told by an error of the library, or one that names what was called. */
const isMistake = (owner: Owner, method: string, cause: Cause.Cause<unknown>): boolean => {
  const defect = Cause.squash(cause)
  return owner === "group" ? defect instanceof Job.InvalidJobError : owner === "travel" &&
    ["adjust", "setTime", "runUntil"].includes(method) && defect instanceof Error && defect.message.length > 10
}

const shown = (value: unknown) => inspect(value, { depth: 4, maxStringLength: 80, breakLength: Infinity })

describe(`running things and values (FUZZ_SEED=${seed})`, () => {
  for (const [owner, method, args] of calls) {
    it(`${owner}.${method}`, () =>
      check(
        args,
        args === none ? 1 : 8,
        (args) =>
          Effect.runPromise(withInstances((world, of) =>
            Effect.gen(function*() {
              const what = () => `${owner}.${method} ${shown(args)}`
              assert.include(membersOf(of[owner]), method)
              yield* world.redis.send("RPUSH", "mine", "now", "later")
              yield* world.redis.send("ZADD", "mine:z", 1, "now")
              const called = Effect.suspend(() => {
                const member: unknown = Reflect.get(of[owner], method)
                return runAny(typeof member === "function" ? member.apply(of[owner], args) : member)
              })
              const running = yield* Effect.fork(Effect.exit(Effect.scoped(called)))
              yield* world.adjust("2 seconds")
              const exit = yield* Fiber.poll(running)
              yield* Fiber.interruptFork(running)
              if (Option.isSome(exit)) {
                const outcome = yield* exit.value
                if (Exit.isFailure(outcome) && Option.isNone(Cause.failureOption(outcome.cause))) {
                  assert.isTrue(isMistake(owner, method, outcome.cause), `${what()}: ${Cause.pretty(outcome.cause)}`)
                } else {
                  assertTyped(outcome, what)
                }
              }
              yield* of.client.reconnect
              yield* of.control.resume
              assert.deepStrictEqual(yield* world.redis.send("LRANGE", "mine", 0, -1), ["now", "later"], what())
              assert.strictEqual(yield* world.redis.send("ZCARD", "mine:z"), 1, what())
              yield* world.queue.enqueueIn("2 seconds", Task, { name: "after" }, { jobId: "after" })
              yield* world.adjust("1 minute")
              assert.strictEqual(yield* world.status("after"), "finished", what())
              assert.deepStrictEqual(world.texts().filter((line) => line.includes("is started again")), [], what())
            })
          ))
      ))
  }

  it("doctor.mend of what has been mended, and of another queue's, changes nothing", () =>
    Effect.runPromise(withInstances((world) =>
      Effect.gen(function*() {
        const doctor = yield* Effect.provideService(Doctor.make, Redis.Redis, world.redis)
        yield* world.queue.enqueue(Task, { name: "lost" }, { jobId: "lost", queue: "lonely" })
        yield* world.redis.send("DEL", "rq:queue:lonely")
        yield* world.adjust("2 minutes")
        const { findings } = yield* doctor.examine({ pause: 0, queues: ["lonely"] })
        const stale = findings.filter(({ code }) => code === "lost-job")
        assert.lengthOf(stale, 1)
        assert.deepStrictEqual((yield* doctor.mend(stale)).map(({ left }) => left), [Option.none()])
        const before = yield* world.redis.send("LRANGE", "rq:queue:lonely", 0, -1)
        assert.deepStrictEqual(before, ["lost"])
        const again = yield* doctor.mend(stale)
        assert.deepStrictEqual(again.map(({ left }) => Option.isSome(left)), [true])
        assert.deepStrictEqual(yield* world.redis.send("LRANGE", "rq:queue:lonely", 0, -1), before)
      })
    )))
})
