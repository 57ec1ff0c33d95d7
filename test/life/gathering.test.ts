/**
 * Jobs that are handed over one by one at the same time: they leave together, and each caller is told of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, Redis, RedisMemory } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as keys from "../../src/wire/keys.js"
import { range } from "./support.js"

const Note = Job.make("app.note", {
  queue: "q",
  payload: { text: Schema.optionalWith(Schema.String, { default: () => "" }) }
})

const isId = (arg: Redis.Arg): arg is string => typeof arg === "string" && /^j\d+$/.test(arg)

const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "CLOSED", message: "lost" })

/** A queue whose calls are counted, and may be held up or lose their reply. */
const make = Effect.gen(function*() {
  const { service } = yield* RedisMemory.makeClient(yield* RedisMemory.makeStore)
  const gate = yield* Effect.makeLatch(true)
  const state = { isLossy: false }
  /** The ids of the jobs in each call. */
  const calls: Array<ReadonlyArray<string>> = []
  const redis = Redis.make({
    ...service,
    send: <A = Redis.Reply>(command: string, ...args: ReadonlyArray<Redis.Arg>): Effect.Effect<A, Redis.RedisError> => {
      const send = service.send<A>(command, ...args)
      if (command !== "EVAL" && command !== "EVALSHA") return send
      return Effect.gen(function*() {
        const isLossy = state.isLossy
        const reply = yield* Effect.either(send)
        if (Either.isLeft(reply) && reply.left.code === "NOSCRIPT") return yield* reply.left
        calls.push(args.filter(isId))
        yield* gate.await
        yield* Effect.yieldNow() // no reply comes before the turn is over
        return isLossy ? yield* lost : yield* reply
      })
    }
  })
  const queue = yield* Effect.provideService(Queue.make, Redis.Redis, redis)
  const enqueue = (id: string, options: Queue.EnqueueOptions = {}) => queue.enqueue(Note, {}, { jobId: id, ...options })
  const all = (ids: ReadonlyArray<string>, options: Queue.EnqueueOptions = {}) =>
    Effect.forEach(ids, (id) => Effect.either(enqueue(id, options)), { concurrency: "unbounded" })
  const waiting = (name = "q") => service.send<ReadonlyArray<string>>("LRANGE", keys.queue(name), 0, -1)
  return { queue, redis: service, calls, gate, state, enqueue, all, waiting }
})

const ids = (count: number, from = 0) => range(count).map((index) => `j${from + index}`)

const outcomes = <E>(answers: ReadonlyArray<Either.Either<Queue.JobRef, E>>): ReadonlyArray<string | E> =>
  answers.map(Either.match({ onLeft: (error) => error, onRight: ({ outcome }) => outcome }))

/** Lets all that can run do so. */
const settle = Effect.repeatN(Effect.yieldNow(), 20)

describe("gathering", () => {
  it.effect("who comes first leaves at once, what comes in the same turn in one call behind it, in order", () =>
    Effect.gen(function*() {
      const { all, calls, enqueue, waiting } = yield* make
      for (const id of ids(3)) assert.strictEqual((yield* enqueue(id)).outcome, "enqueued")
      assert.deepStrictEqual(calls.splice(0), [["j0"], ["j1"], ["j2"]])
      const refs = yield* all(ids(20, 3))
      assert.deepStrictEqual(refs.map((ref) => Either.getOrThrow(ref).id), ids(20, 3))
      assert.deepStrictEqual(calls.splice(0), [["j3"], ids(19, 4)])
      assert.deepStrictEqual(yield* waiting(), ids(23))
    }))

  it.effect("many go in two halves, very many in calls of 250, and always in order", () =>
    Effect.gen(function*() {
      const { all, calls, waiting } = yield* make
      yield* all(ids(100))
      assert.deepStrictEqual(calls.splice(0).map((call) => call.length), [1, 50, 49])
      yield* all(ids(1100, 100))
      assert.deepStrictEqual(calls.splice(0).map((call) => call.length), [1, 250, 250, 250, 250, 99])
      assert.deepStrictEqual(yield* waiting(), ids(1200))
    }))

  it.effect("large payloads don't make a call larger than it may be", () =>
    Effect.gen(function*() {
      const { calls, queue } = yield* make
      const text = "x".repeat(200_000)
      yield* Effect.forEach(ids(5), (jobId) => queue.enqueue(Note, { text }, { jobId }), { concurrency: "unbounded" })
      assert.deepStrictEqual(calls, [["j0"], ["j1", "j2"], ["j3", "j4"]])
    }))

  it.effect("behind calls that are on their way others gather, and wait for them no longer than a few milliseconds", () =>
    Effect.gen(function*() {
      const { calls, enqueue, gate, waiting } = yield* make
      yield* enqueue("j100") // from now on the server knows the script
      yield* gate.close
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const id of ids(7)) {
        fibers.push(yield* Effect.fork(enqueue(id)))
        yield* settle
      }
      assert.deepStrictEqual(calls.slice(1), ids(4).map((id) => [id]))
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(calls.slice(5), [ids(3, 4)])
      yield* gate.open
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(yield* waiting(), ["j100", ...ids(7)])
    }))

  it.effect("one caller's interruption takes back its own job when it was not sent, and nobody else's", () =>
    Effect.gen(function*() {
      const { calls, enqueue, gate, waiting } = yield* make
      yield* enqueue("j100")
      yield* gate.close
      const fibers: Array<Fiber.RuntimeFiber<Queue.JobRef, unknown>> = []
      for (const id of ids(4)) {
        fibers.push(yield* Effect.fork(enqueue(id)))
        yield* settle
      }
      for (const id of ids(4, 4)) fibers.push(yield* Effect.fork(enqueue(id)))
      yield* settle
      // j1 was sent, j5 and j7 were not
      for (const index of [5, 7, 1]) assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fibers[index]!)))
      yield* gate.open
      for (const index of [0, 2, 3, 4, 6]) assert.strictEqual((yield* Fiber.join(fibers[index]!)).id, `j${index}`)
      assert.deepStrictEqual(calls.slice(5), [["j4", "j6"]])
      assert.deepStrictEqual(yield* waiting(), ["j100", "j0", "j1", "j2", "j3", "j4", "j6"])
    }))

  it.effect("the interruption of the caller that sends leaves the others' jobs", () =>
    Effect.gen(function*() {
      const { enqueue, gate, waiting } = yield* make
      const first = yield* Effect.fork(enqueue("j0"))
      const others = yield* Effect.forEach(ids(3, 1), (id) => Effect.fork(enqueue(id)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      for (const fiber of others) assert.strictEqual((yield* Fiber.join(fiber)).outcome, "enqueued")
      yield* gate.close
      const sends = yield* Effect.forEach(ids(4, 4), (id) => Effect.fork(enqueue(id)))
      yield* settle
      yield* Fiber.interrupt(sends[0]!)
      yield* gate.open
      for (const fiber of sends.slice(1)) assert.strictEqual((yield* Fiber.join(fiber)).outcome, "enqueued")
      assert.includeMembers([...yield* waiting()], ids(7, 1))
    }))

  it.effect("what is wrong with one queue is told to those who used it", () =>
    Effect.gen(function*() {
      const { all, redis, waiting } = yield* make
      yield* redis.send("SET", keys.queue("bad"), "a text")
      const [good, bad, later] = yield* Effect.all([
        all(ids(4)),
        all(ids(4, 4), { queue: "bad" }),
        all(ids(4, 8), { queue: "other" })
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(outcomes(good), Array(4).fill("enqueued"))
      assert.deepStrictEqual(outcomes(later), Array(4).fill("enqueued"))
      for (const answer of bad) {
        const error = Either.isLeft(answer) ? answer.left : undefined
        assert.instanceOf(error, Redis.RedisError)
        assert.deepInclude(error, { reason: "script", code: "WRONGTYPE" })
      }
      assert.deepStrictEqual(yield* waiting(), ids(4))
      assert.deepStrictEqual(yield* waiting("other"), ids(4, 8))
    }))

  it.effect("whatever each asks for, it is told of its own, and comes in its turn", () =>
    Effect.gen(function*() {
      const { calls, enqueue, queue, waiting } = yield* make
      yield* enqueue("j0")
      const answers = yield* Effect.all(
        [
          enqueue("j1"),
          queue.enqueueIn("1 hour", Note, {}, { jobId: "j2" }),
          enqueue("j3", { atFront: true }),
          enqueue("j0"),
          enqueue("j0", { unique: "refuse" }),
          enqueue("no id"),
          enqueue("j4", { dependsOn: "j1" }),
          enqueue("j5", { timeout: "1 minute", meta: { a: 1 } }),
          queue.enqueueIn("1 hour", Note, {}, { jobId: "j5" }),
          queue.enqueueIn("1 hour", Note, {}, { jobId: "j6" }),
          enqueue("j6"),
          queue.enqueueIn("a while" as "1 hour", Note, {}, { jobId: "j7" })
        ].map(Effect.either),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        outcomes(answers).map((outcome) => typeof outcome === "string" ? outcome : outcome._tag),
        [
          "enqueued",
          "scheduled",
          "enqueued",
          "exists",
          "JobExists",
          "InvalidJobError",
          "deferred",
          "enqueued",
          "exists",
          "scheduled",
          "exists",
          "InvalidJobError"
        ]
      )
      assert.deepStrictEqual(yield* waiting(), ["j3", "j0", "j1", "j5"])
      assert.deepStrictEqual(calls.slice(1), [
        ["j1"],
        ["j3", "j0"],
        ["j2"],
        ["j0"],
        ["j4", "j1", "j1"],
        ["j5"],
        ["j5", "j6"],
        ["j6"]
      ])
    }))

  it.effect("whose reply was lost repeat their calls, and each job counts once", () =>
    Effect.gen(function*() {
      const { all, state, waiting } = yield* make
      state.isLossy = true
      const failed = yield* all(ids(100))
      for (const answer of failed) assert.deepStrictEqual(answer, Either.left(lost))
      state.isLossy = false
      assert.deepStrictEqual(outcomes(yield* all(ids(101))), [...Array(100).fill("exists"), "enqueued"])
      assert.deepStrictEqual(yield* waiting(), ids(101))
    }))

  it.effect("callers that come and go at any moment: whoever was told has its job in the queue, once", () =>
    Effect.gen(function*() {
      const { enqueue, waiting } = yield* make
      const fibers: Array<Fiber.RuntimeFiber<Queue.JobRef, unknown>> = []
      for (const index of range(600)) {
        fibers.push(yield* Effect.fork(enqueue(`j${index}`)))
        if (index % 3 === 0) yield* Effect.yieldNow()
        if (index % 5 === 0) yield* Effect.fork(Fiber.interrupt(fibers[(index * 7) % fibers.length]!))
      }
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      const queued = yield* waiting()
      assert.strictEqual(new Set(queued).size, queued.length)
      assert.isAbove(exits.filter(Exit.isFailure).length, 20)
      assert.includeMembers([...queued], exits.filter(Exit.isSuccess).map(({ value }) => value.id))
    }))
})
