/**
 * What could be left behind: jobs that waited for one that is gone, lists of dead workers, the place of a dead leader.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redis, Scheduler, Worker } from "effect-rq"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as keys from "../../src/wire/keys.js"
import { Tasks } from "../time-travel/support/world.js"
import { type Around, consistent, enqueueNamed, range, Task, TaskFailed, travelling } from "./support.js"

/** The time of day is set by so many milliseconds; everything else goes on. */
const setBy = (base: Clock.Clock, off: () => number): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + off(),
  unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos(),
  currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + off()),
  currentTimeNanos: base.currentTimeNanos,
  sleep: (duration) => base.sleep(duration)
})

describe("a job that waits for another", () => {
  it.effect("runs when that one is taken out of its registry", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          handler: ({ name }) => name === "parent" ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name)
        })
        yield* enqueueNamed(world, ["parent"])
        yield* world.adjust("1 second")
        yield* enqueueNamed(world, ["child"], 0, { dependsOn: "parent" })
        assert.strictEqual(yield* world.status("child"), "deferred")
        assert.isTrue(yield* world.registry.failed("q").delete("parent"))
        yield* world.adjust("1 second")
        assert.strictEqual(yield* world.status("child"), "finished")
        assert.strictEqual(yield* world.redis.send("EXISTS", keys.dependents("parent")), 0)
        yield* consistent(world)
      })
    ))

  for (const atFront of [false, true]) {
    it.effect(`runs when that one has expired in its queue${atFront ? ", before what stands there" : ""}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* enqueueNamed(world, ["parent"], 0, { ttl: "5 seconds" })
          yield* enqueueNamed(world, ["other"])
          yield* enqueueNamed(world, ["child"], 0, { dependsOn: "parent", atFront })
          yield* world.adjust("10 seconds")
          yield* world.worker("worker", { concurrency: 1 })
          yield* world.adjust("1 second")
          assert.deepStrictEqual([...world.names()].sort(), ["child", "other"])
          assert.strictEqual(yield* world.redis.send("EXISTS", keys.dependents("parent")), 0)
          yield* consistent(world)
        })
      ))
  }
})

describe("an id that is unique for ever", () => {
  it.effect("is not taken again", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        const enqueue = world.queue.enqueue(Task, { name: "a", millis: 0 }, {
          jobId: "a",
          uniqueFor: Duration.infinity,
          resultTtl: "1 minute"
        })
        assert.strictEqual((yield* enqueue).outcome, "enqueued")
        yield* world.adjust("2 days")
        assert.strictEqual((yield* enqueue).outcome, "exists")
        assert.deepStrictEqual(world.names(), ["a"])
      })
    ))
})

describe("what was handed over to a worker that died", () => {
  it.effect("is found among the lists of hundreds that died with it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("alive")
        yield* world.adjust("30 seconds")
        const now = (yield* Clock.currentTimeMillis) / 1000
        for (const i of range(300)) {
          yield* world.redis.send("ZADD", keys.handovers("q"), now + 20 + i / 1000, `dead${i}`)
        }
        yield* world.redis.send("ZADD", keys.handovers("q"), now + 21, "last")
        yield* world.redis.send("SADD", keys.paused, "q")
        yield* enqueueNamed(world, ["a"])
        yield* world.redis.send("LMOVE", keys.queue("q"), keys.handover("q", "last"), "LEFT", "RIGHT")
        yield* world.redis.send("SREM", keys.paused, "q")
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("a"), "finished")
      })
    ))
})

describe("a timeout that no date can say", () => {
  it.effect("is none: the worker tells of itself", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { service } = yield* world.worker("worker")
        yield* world.redis.send("SADD", keys.paused, "q")
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.redis.send("HSET", keys.job("a"), "timeout", "99999999999999")
        yield* world.redis.send("SREM", keys.paused, "q")
        yield* world.adjust("5 seconds")
        assert.deepStrictEqual((yield* service.status).running.map(({ deadline, id }) => [id, deadline._tag]), [
          ["a", "None"]
        ])
      })
    ))
})

describe("a scheduler", () => {
  it.effect("that is due for ids without jobs in many queues looks at each once and waits", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const now = (yield* Clock.currentTimeMillis) / 1000
        const queues = range(10).map((i) => `q${i}`)
        for (const queue of queues) {
          yield* world.redis.send(
            "ZADD",
            keys.scheduled(queue),
            ...range(60).flatMap((i) => [now - 10, `${queue}-${i}`])
          )
        }
        let calls = 0
        const around: Around = (name, call) => name === "promote" && ++calls > 100 ? Effect.never : call
        yield* world.scheduler("scheduler", { queues, around })
        yield* world.settle
        assert.isAtLeast(calls, 2)
        assert.isAtMost(calls, 20)
      })
    ))

  it.effect("whose clock is set back takes over within a lease all the same", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const base = yield* Effect.clock
        let off = 0
        const clock = setBy(base, () => off)
        yield* world.adjust("2 hours")
        const lead = yield* world.scheduler("lead")
        yield* world.adjust("1 second")
        // the server keeps its own time
        const redis: Redis.RedisService = {
          ...world.redis,
          eval: (script) => {
            const run = world.redis.eval(script)
            return (...params) => Effect.withClock(run(...params), base)
          }
        }
        yield* Scheduler.make({ queues: ["q"], name: "next" }).pipe(
          Effect.zipRight(Effect.never),
          Effect.scoped,
          Effect.provideService(Redis.Redis, redis),
          Effect.withClock(clock),
          Effect.forkScoped
        )
        yield* world.adjust("20 seconds")
        yield* lead.kill
        yield* world.adjust("3 seconds")
        off = -3_600_000
        yield* world.adjust("13 seconds")
        assert.strictEqual(yield* world.redis.send("GET", keys.schedulerLock("q")), "next")
      }).pipe(Effect.scoped)
    ))
})

describe("a worker", () => {
  it.effect("whose clock is set back looks for what dead ones have left all the same", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const base = yield* Effect.clock
        let off = 3_600_000
        const clock = setBy(base, () => off)
        // the server keeps its own time
        const redis: Redis.RedisService = {
          ...world.redis,
          eval: (script) => {
            const run = world.redis.eval(script)
            return (...params) => Effect.withClock(run(...params), base)
          }
        }
        const ran: Array<string> = []
        const handlers = Tasks.toLayer({ "test.task": ({ name }) => Effect.sync(() => (ran.push(name), name)) })
        yield* Worker.make(Tasks, { queues: ["q"], name: "set-back" }).pipe(
          Effect.zipRight(Effect.never),
          Effect.scoped,
          Effect.provide(handlers),
          Effect.provideService(Redis.Redis, redis),
          Effect.withClock(clock),
          Effect.forkScoped
        )
        yield* world.adjust("12 seconds")
        off = 0
        yield* world.adjust("30 seconds")
        // somebody else has died with a job since
        yield* world.redis.send(
          "HSET",
          keys.job("left"),
          "data",
          "[\"test.task\",null,[],{\"name\":\"left\"}]",
          "origin",
          "q",
          "status",
          "started",
          "worker_name",
          "dead"
        )
        yield* world.redis.send("ZADD", keys.started("q"), 1, `left:${"0123456789ab8def0123456789abcdef"}`)
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(ran, ["left"])
      }).pipe(Effect.scoped)
    ))

  it.effect("who may not clear up says so once, and Redis is not away because of that", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const refused = new Redis.RedisError({
          reason: "script",
          command: "tidy",
          code: "NOPERM",
          message: "script tidy: NOPERM this user has no permissions to run the 'sismember' command"
        })
        const redis: Redis.RedisService = {
          ...world.redis,
          eval: (script) => script.name === "tidy" ? () => Effect.fail(refused) : world.redis.eval(script)
        }
        const said: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
          if (logLevel.ordinal > LogLevel.Debug.ordinal) said.push(String(message))
        })
        yield* Worker.make(Tasks, { queues: ["q"], name: "w" }).pipe(
          Effect.zipRight(Effect.never),
          Effect.scoped,
          Effect.provide(Tasks.toLayer({ "test.task": ({ name }) => Effect.succeed(name) })),
          Effect.provideService(Redis.Redis, redis),
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Effect.forkScoped
        )
        yield* world.adjust("5 minutes")
        const told = said.filter((line) => line.includes("Redis"))
        assert.deepStrictEqual(told, [`Redis refuses what the worker needs: ${refused.message}`])
      }).pipe(Effect.scoped)
    ))
})
