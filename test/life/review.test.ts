/**
 * Outages, crashes and odd keys that once lost or repeated something: they may not again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Redis } from "effect-rq"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { promote } from "../../src/lifecycle/promote.js"
import * as keys from "../../src/wire/keys.js"
import { type Around, consistent, enqueueNamed, hget, range, record, Task, travelling, type World } from "./support.js"

const counting = () => {
  const counts = new Map<string, number>()
  const around: Around = (name, call) =>
    Effect.suspend(() => {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      return call
    })
  return { around, count: (name: string) => counts.get(name) ?? 0, reset: () => counts.clear() }
}

const cut = (hosts: ReadonlyArray<{ readonly disconnect: Effect.Effect<void> }>) =>
  Effect.forEach(hosts, ({ disconnect }) => disconnect, { discard: true })

const restore = (hosts: ReadonlyArray<{ readonly reconnect: Effect.Effect<void> }>) =>
  Effect.forEach(hosts, ({ reconnect }) => reconnect, { discard: true })

describe("an outage of Redis", () => {
  for (const offset of [0, 700, 1900, 3100, 4300]) {
    it.effect(`of 30 seconds, four times over, costs four workers nothing: no job is run twice (${offset} ms later)`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const workers = yield* Effect.forEach(range(4), (index) =>
            Effect.zipLeft(world.worker(`w${index}`), world.adjust(1200)))
          yield* world.adjust(offset)
          const ids = range(30).map((index) =>
            `n${index}`
          )
          yield* enqueueNamed(world, ids, 330_000, { timeout: "1 hour" })
          yield* world.adjust("10 seconds")
          for (const _ of range(4)) {
            yield* cut(workers)
            yield* world.adjust("30 seconds")
            yield* restore(workers)
            yield* world.adjust("30 seconds")
          }
          yield* world.adjust("3 minutes")
          assert.lengthOf(world.ran, 30)
          for (const id of ids) {
            assert.strictEqual(yield* world.status(id), "finished")
            assert.isNull(yield* hget(world, id, "abandon_count"))
          }
          yield* consistent(world)
        })
      ))

    it.effect(`in which a job ends keeps its result (${offset} ms later)`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const workers = yield* Effect.forEach(["one", "two"], (name) => world.worker(name))
          yield* enqueueNamed(world, ["a"], 20_000)
          yield* world.adjust(15_000 + offset)
          yield* cut(workers)
          yield* world.adjust("40 seconds")
          yield* restore(workers)
          yield* world.adjust("1 minute")
          assert.lengthOf(world.ran, 1)
          assert.strictEqual(yield* world.status("a"), "finished")
          assert.isNull(yield* hget(world, "a", "abandon_count"))
          yield* consistent(world)
        })
      ))
  }

  it.effect("from which the workers come back one after the other: who is first does not take the others' jobs", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const workers = yield* Effect.forEach(range(4), (index) => world.worker(`w${index}`))
        yield* enqueueNamed(world, range(30).map((index) => `n${index}`), 300_000, { timeout: "1 hour" })
        yield* world.adjust("32 seconds")
        yield* cut(workers)
        yield* world.adjust("30 seconds")
        for (const worker of workers) {
          yield* restore([worker])
          yield* world.adjust("5 seconds")
        }
        yield* world.adjust("5 minutes")
        assert.lengthOf(world.ran, 30)
        for (const index of range(30)) assert.strictEqual(yield* world.status(`n${index}`), "finished")
        yield* consistent(world)
      })
    ))

  it.effect("does not hide a worker that died in it: its jobs run again once the others are back", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const dead = yield* world.worker("dead")
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.settle
        const alive = yield* world.worker("alive", { handler: ({ name }) => Effect.succeed(name) })
        yield* world.adjust("30 seconds")
        yield* cut([alive])
        yield* dead.kill
        yield* world.adjust("30 seconds")
        yield* restore([alive])
        yield* world.adjust("60 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.strictEqual(yield* hget(world, "a", "abandon_count"), "1")
      })
    ))

  it.effect("gives RQ's workers the time that they take to tell that they are alive", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { redis } = world
        const ours = yield* world.worker("ours")
        const put = (id: string) =>
          Effect.gen(function*() {
            const now = yield* Clock.currentTimeMillis
            yield* redis.send("HSET", keys.job(id), "status", "started", "worker_name", "theirs", "data", "[]")
            const run = `${id}:0123456789ab4def8000000000000001`
            yield* redis.send("ZADD", keys.started("q"), Math.floor(now / 1000) + 90, run)
          })
        yield* put("a")
        yield* world.adjust("89 seconds")
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.adjust("11 seconds")
        assert.strictEqual(yield* world.status("a"), "failed")
        assert.include(world.texts("ours"), "worker theirs of RQ died while it ran job a (1 times by now): failed")
        yield* put("b")
        yield* cut([ours])
        yield* world.adjust("2 minutes")
        yield* restore([ours])
        yield* world.adjust("40 seconds")
        assert.strictEqual(yield* world.status("b"), "started")
        yield* world.adjust("20 seconds")
        assert.strictEqual(yield* world.status("b"), "failed")
      })
    ))
})

describe("a crash", () => {
  it.effect(
    "with 1,000 running jobs: all of them run again within 30 seconds, none twice",
    () =>
      travelling((world) =>
        Effect.gen(function*() {
          const first = yield* world.worker("first", { concurrency: 1000 })
          const ids = range(1000).map((index) => `n${index}`)
          yield* enqueueNamed(world, ids, 600_000, { timeout: "1 hour" })
          yield* world.adjust("3 seconds")
          assert.lengthOf(world.ran, 1000)
          const second = yield* world.worker("second", { concurrency: 1000 })
          yield* world.adjust("27 seconds")
          yield* first.kill
          yield* world.adjust("30 seconds")
          const again = world.ran.filter(({ host }) => host === "second")
          assert.lengthOf(again, 1000)
          assert.strictEqual(new Set(again.map(({ name }) => name)).size, 1000)
          assert.lengthOf((yield* second.service.status).running, 1000)
          assert.strictEqual(yield* world.registry.started("q").count, 1000)
          yield* consistent(world)
        })
      ),
    60_000
  )

  it.effect("is told in the history of each job", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.adjust("3 seconds")
        yield* first.kill
        yield* world.worker("second", { handler: ({ name }) => Effect.succeed(name) })
        yield* world.adjust("30 seconds")
        const [, death] = yield* world.queue.history("a")
        assert.strictEqual(death!.type, "retried")
        assert.match(String(death!.exception), /worker first died/)
        assert.strictEqual((yield* record(world, "a")).abandoned, 1)
      })
    ))
})

describe("a clean stop", () => {
  it.effect("while a claim is under way leaves nothing started and runs nothing after it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const offset of range(14)) {
          const id = `n${offset}`
          const ended: Array<string> = []
          yield* enqueueNamed(world, [id], 500)
          const starting = yield* Effect.fork(world.worker(`w${offset}`, {
            concurrency: 1,
            gracePeriod: "5 seconds",
            around: (name, call) => name === "turn" ? Effect.zipLeft(Effect.delay(call, 5), Effect.sleep(5)) : call,
            handler: ({ millis, name }) =>
              Effect.sleep(millis).pipe(
                Effect.zipRight(Effect.sync(() => ended.push(name))),
                Effect.as(name)
              )
          }))
          yield* world.settle
          const worker = yield* Fiber.join(starting)
          const stopping = yield* Effect.fork(Effect.delay(worker.stop, offset))
          yield* world.adjust("10 seconds")
          yield* Fiber.join(stopping)
          const status = yield* world.status(id)
          const began = world.names().includes(id)
          assert.deepStrictEqual(ended, began ? [id] : [], "what has begun has ended")
          assert.strictEqual(status, began ? "finished" : "queued", `${offset} ms`)
          yield* consistent(world)
          yield* world.queue.delete(id)
        }
      })
    ))
})

describe("a burst", () => {
  it.effect("does what its own handlers enqueue as well, while others run and at the end", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", {
          burst: true,
          concurrency: 3,
          handler: ({ name }) =>
            Effect.gen(function*() {
              yield* Effect.sleep(100)
              if (name.length < 5) yield* enqueueNamed(world, [`${name}x`])
              return name
            }).pipe(Effect.orDie)
        })
        yield* worker.stop
        const second = yield* Effect.gen(function*() {
          yield* enqueueNamed(world, ["a", "bb"])
          return yield* world.worker("second", {
            burst: true,
            handler: ({ name }) =>
              Effect.gen(function*() {
                yield* Effect.sleep(100)
                if (name.length < 5) yield* enqueueNamed(world, [`${name}x`])
                return name
              }).pipe(Effect.orDie)
          })
        })
        const summary = yield* Effect.fork(second.service.finished)
        yield* world.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(summary)).successful, 9)
        assert.sameMembers([...world.names()], ["a", "ax", "axx", "axxx", "axxxx", "bb", "bbx", "bbxx", "bbxxx"])
      })
    ))
})

describe("a half-open connection", () => {
  it.effect("on which the server still hands a job over: a living worker takes it up", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker")
        yield* world.adjust("5 seconds")
        // what a command that outlives its connection does
        yield* world.redis.send("SET", keys.suspended, "1")
        yield* enqueueNamed(world, ["a"])
        yield* world.adjust("2 seconds")
        yield* world.redis.send("LMOVE", keys.queue("q"), keys.handover("q", "worker"), "LEFT", "RIGHT")
        yield* world.redis.send("DEL", keys.suspended)
        yield* world.adjust("2 minutes")
        assert.deepStrictEqual(world.names(), ["a"])
        assert.notProperty(yield* world.dump, keys.handover("q", "worker"))
        yield* consistent(world)
      })
    ))

  it.effect("on which it is handed over after the worker has left: others get it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* world.adjust("5 seconds")
        // the wait ends with the connection, which the server has not seen yet
        yield* first.disconnect
        yield* world.adjust("1 second")
        yield* first.reconnect
        yield* world.adjust("1 second")
        yield* first.stop
        yield* enqueueNamed(world, ["a"])
        yield* world.redis.send("LMOVE", keys.queue("q"), keys.handover("q", "first"), "LEFT", "RIGHT")
        yield* world.worker("second")
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(world.ran.map(({ host, name }) => [host, name]), [["second", "a"]])
        yield* consistent(world)
      })
    ))
})

describe("odd fields and keys", () => {
  for (const ttl of ["10000000000000000", "soon", "-5", "1e999", "0"]) {
    it.effect(`a TTL of ${ttl} does not stop the jobs that are due beside it`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          for (const id of ["a", "odd", "z"]) {
            yield* world.queue.enqueueIn("10 seconds", Task, { name: id }, { jobId: id })
          }
          yield* world.redis.send("HSET", keys.job("odd"), "ttl", ttl, "last_heartbeat", "")
          yield* world.adjust("12 seconds")
          yield* world.scheduler("scheduler")
          yield* world.adjust("2 seconds")
          yield* consistent(world)
          yield* world.worker("worker")
          yield* world.adjust("10 seconds")
          assert.deepStrictEqual(world.names(), ["a", "odd", "z"])
          yield* consistent(world)
        })
      ))
  }

  it.effect("a TTL that no clock can count is refused by enqueue", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(enqueueNamed(world, ["a"], 0, { ttl: 1e19 }))
        assert.instanceOf(error, Job.InvalidJobError)
      })
    ))

  for (const dueAt of ["-1e+17", "1e+300", "nan", "", "never"]) {
    it.effect(`a due_at of ${JSON.stringify(dueAt)} costs neither its job nor the others`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const ids = range(6).map((index) => `n${index}`)
          yield* enqueueNamed(world, ids)
          yield* world.redis.send("HSET", keys.job("n1"), "due_at", dueAt)
          yield* world.worker("worker", { concurrency: 4 })
          yield* world.adjust("10 seconds")
          assert.deepStrictEqual(world.names(), ids)
          for (const id of ids) assert.strictEqual(yield* world.status(id), "finished")
          assert.lengthOf(world.logs.filter(({ level }) => level === "ERROR"), 0)
          yield* consistent(world)
        })
      ))
  }

  it.effect("a queue's key that holds a text makes the scheduler wait, not spin; it goes on when it is mended", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { around, count, reset } = counting()
        yield* world.scheduler("scheduler", { around })
        yield* world.redis.send("SET", keys.queue("q"), "x")
        yield* world.queue.enqueueIn("100 millis", Task, { name: "a" }, { jobId: "a" })
        yield* world.adjust("1 second")
        reset()
        yield* world.adjust("1 minute")
        assert.isAtMost(count(promote.name), 70)
        assert.isAtLeast(count(promote.name), 5)
        yield* world.redis.send("DEL", keys.queue("q"))
        yield* world.adjust("61 seconds")
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a"])
        yield* consistent(world)
      })
    ))

  for (const key of [keys.executions("a"), keys.workerExecutions("first")]) {
    it.effect(`a text under ${key} costs no job its heartbeat: none is run by another worker`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* world.worker("first")
          yield* world.redis.send("SET", key, "foreign")
          yield* enqueueNamed(world, ["a", "b", "c"], 60_000)
          yield* world.adjust("1 second")
          yield* world.worker("second")
          yield* world.adjust("3 minutes")
          assert.deepStrictEqual(world.ran.map(({ host, name }) => [name, host]), [
            ["a", "first"],
            ["b", "first"],
            ["c", "first"]
          ])
          assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c"], world.status), [
            "finished",
            "finished",
            "finished"
          ])
        })
      ))
  }

  it.effect("nor does a worker spin, which serves its other queues meanwhile", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { around, count, reset } = counting()
        yield* world.worker("worker", { queues: ["q", "other"], around })
        yield* world.adjust("1 second")
        yield* world.redis.send("SET", keys.queue("q"), "x")
        yield* world.adjust("1 minute")
        reset()
        yield* world.adjust("1 minute")
        assert.isAtMost(count("turn"), 20)
        assert.deepStrictEqual(
          world.logs.map(({ level }) => level),
          ["ERROR"],
          "told once, and not as a lost connection"
        )
        yield* enqueueNamed(world, ["a"], 0, { queue: "other" })
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(world.names(), ["a"])
        yield* world.redis.send("DEL", keys.queue("q"))
        yield* enqueueNamed(world, ["b"])
        yield* world.adjust("40 seconds")
        assert.deepStrictEqual(world.names(), ["a", "b"])
      })
    ))
})

describe("a leader of 300 queues that stops", () => {
  it.effect("costs each of those who follow one election for all of its messages, not one for each", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const queues = range(300).map((index) => `q${index}`)
        const leader = yield* world.scheduler("leader", { queues })
        yield* world.adjust("1 second")
        const { around, count, reset } = counting()
        for (const name of ["a", "b", "c"]) yield* world.scheduler(name, { queues, around })
        yield* world.adjust("1 second")
        reset()
        yield* leader.stop
        yield* world.settle
        assert.isAtMost(count("elect"), 12)
        assert.isAtLeast(count("elect"), 3)
        for (const queue of ["q0", "q299"]) {
          assert.isNotNull(yield* world.redis.send("GET", keys.schedulerLock(queue)))
        }
      })
    ))
})

describe("a clock", () => {
  it.effect("that is set back by an hour leaves the heartbeat, the jobs and the schedule going", () =>
    travelling((world, travel) =>
      Effect.gen(function*() {
        yield* world.adjust("2 hours")
        const { around, count, reset } = counting()
        yield* world.worker("worker", { withScheduler: true, around })
        yield* enqueueNamed(world, ["long"], 1_200_000, { timeout: "1 day" })
        yield* world.adjust("1 minute")
        yield* travel.setTime(3_600_000)
        reset()
        yield* world.adjust("10 minutes")
        assert.isAtLeast(count("heartbeat"), 100)
        assert.strictEqual(yield* world.status("long"), "started")
        yield* world.queue.enqueueIn("10 seconds", Task, { name: "due" }, { jobId: "due" })
        yield* world.adjust("11 seconds")
        assert.strictEqual(yield* world.status("due"), "finished")
        yield* world.adjust("15 minutes")
        assert.lengthOf(world.ran, 2)
        assert.strictEqual(yield* world.status("long"), "finished")
      })
    ))
})

describe("the fence", () => {
  /** Python's cancel and requeue leave our member in the started registry behind. */
  const requeuedByPython = (world: World) =>
    Effect.zipRight(
      world.redis.send("HSET", keys.job("a"), "status", "queued"),
      world.redis.send("RPUSH", keys.queue("q"), "a")
    )

  it.effect("looks at the worker's name: the first one of two has no effect any more", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first", {
          concurrency: 1,
          // ends before a heartbeat could tell that the job is another's
          handler: () => Effect.as(Effect.sleep(8000), "by first")
        })
        yield* enqueueNamed(world, ["a"])
        yield* world.adjust("6 seconds")
        yield* requeuedByPython(world)
        const second = yield* world.worker("second", {
          concurrency: 1,
          handler: () => Effect.as(Effect.sleep(60_000), "by second")
        })
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(world.ran.map(({ host }) => host), ["first", "second"])
        assert.strictEqual(yield* world.status("a"), "started")
        yield* world.adjust("1 minute")
        assert.strictEqual((yield* record(world, "a")).outcome.pipe(String).includes("by second"), true)
        assert.lengthOf(yield* world.queue.history("a"), 1)
        assert.isTrue(first.events.some(({ _tag }) => _tag === "Lost" || _tag === "Completed"))
        assert.isTrue(second.events.some(({ _tag }) => _tag === "Completed"))
        yield* consistent(world)
      })
    ))

  it.effect("keeps a canceled job from being brought back after a lost reply", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let losing = false
        const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "", message: "lost" })
        const interrupted: Array<string> = []
        yield* world.worker("worker", {
          around: (name, call) =>
            Effect.zipLeft(
              call,
              Effect.suspend(() => {
                if (!losing || name !== "turn") return Effect.void
                losing = false
                return Effect.fail(lost)
              })
            ),
          handler: ({ millis, name }) =>
            Effect.as(Effect.sleep(millis), name).pipe(
              Effect.onInterrupt(() => Effect.sync(() => interrupted.push(name)))
            )
        })
        yield* enqueueNamed(world, ["a"], 100_000)
        yield* world.adjust("1 second")
        yield* world.redis.send("HSET", keys.job("a"), "status", "canceled")
        yield* world.redis.send("ZADD", keys.canceled("q"), 1, "a")
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(interrupted, ["a"])
        losing = true
        yield* enqueueNamed(world, ["b"])
        yield* world.adjust("3 seconds")
        assert.isFalse(losing)
        assert.deepStrictEqual(world.names(), ["a", "b"])
        assert.strictEqual(yield* world.status("a"), "canceled")
        yield* consistent(world)
      })
    ))
})
