/**
 * What becomes of jobs when workers die, are suspended or lose Redis, and when replies get lost.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, RedisMemory, Worker } from "effect-rq"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as keys from "../../src/wire/keys.js"
import { type Around, clocks, Task, TaskFailed, type TaskHandler, travelling, type World } from "./support/world.js"

const away = "Redis can't be used, going on when it can:"

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const numbered = (count: number) => range(count).map((index) => `n${String(index).padStart(2, "0")}`)

const enqueueNamed = (world: World, names: ReadonlyArray<string>, millis = 0, options: Queue.EnqueueOptions = {}) =>
  world.queue.enqueueMany(names.map((name) => Queue.request(Task, { name, millis }, { jobId: name, ...options })))

const abandonCount = (world: World, id: string) =>
  world.redis.send<string | null>("HGET", keys.job(id), "abandon_count")

/** A handler whose result says where it ran. */
const signing = (host: string): TaskHandler => ({ millis, name }) =>
  Effect.as(Effect.sleep(millis), `${name} by ${host}`)

const ranOn = (world: World, host: string) => world.ran.filter((ran) => ran.host === host)

const tags = (events: ReadonlyArray<{ readonly _tag: string; readonly jobId: string }>, tag: string) =>
  events.flatMap((event) => event._tag === tag ? [event.jobId] : [])

describe("a worker that dies", () => {
  for (const [clock, run] of clocks) {
    it.effect(`has its ten jobs run again by another within 30 seconds, in their order (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const names = numbered(10)
          const first = yield* world.worker("first", { handler: signing("first") })
          yield* enqueueNamed(world, names, 60_000)
          yield* enqueueNamed(world, ["waits"], 1000)
          yield* world.adjust("7 seconds")
          yield* first.kill
          yield* world.worker("second", { concurrency: 5, handler: signing("second") })
          yield* world.adjust("30 seconds")
          const again = ranOn(world, "second")
          // the one that waited had free slots meanwhile
          assert.strictEqual(again[0]!.name, "waits")
          assert.isTrue(again.every(({ at }) => at <= 37_000))
          assert.sameMembers(again.slice(1).map(({ name }) => name), names.slice(5))
          assert.sameMembers([...yield* world.queue.jobIds("q")], names.slice(0, 5))
          for (const id of names) assert.strictEqual(yield* abandonCount(world, id), "1", id)
          assert.lengthOf(world.texts("second").filter((text) => text.startsWith("worker first died")), 10)
        })
      ))
  }

  it.effect("is not taken for dead before it has missed four heartbeats", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* enqueueNamed(world, ["a"], 600_000, { timeout: "1 hour" })
        yield* world.worker("second")
        yield* world.adjust("60 seconds")
        // last beat at 60 s
        yield* first.kill
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(ranOn(world, "second"), [])
        yield* world.adjust("5 seconds")
        assert.deepStrictEqual(ranOn(world, "second").map(({ at }) => at), [85_000])
      })
    ))

  it.effect("and is not quite dead: what it hands in late has no effect, the second result stands", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first", { handler: signing("first") })
        yield* world.settle
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.adjust("5 seconds")
        yield* first.disconnect
        yield* world.worker("second", { handler: signing("second") })
        yield* world.adjust("56 seconds")
        // the first is done since a second, the second is still at it
        assert.deepStrictEqual(tags(first.events, "Completed"), ["a"])
        assert.strictEqual(yield* world.status("a"), "started")
        yield* first.reconnect
        yield* world.adjust("10 seconds")
        assert.strictEqual(yield* world.status("a"), "started")
        assert.isTrue(
          world.texts("first").includes("ended without effect, because the execution was taken away meanwhile a"),
          "the first says so"
        )
        yield* world.adjust("60 seconds")
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a by second")))
        // what became of the first run, and the result
        assert.strictEqual(yield* world.redis.send("XLEN", keys.results("a")), 2)
        assert.deepStrictEqual(world.ran.map(({ host }) => host), ["first", "second"])
      })
    ))

  it.effect("has what was handed over to it given back", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first")
        yield* world.adjust("1 second")
        yield* first.pause
        yield* enqueueNamed(world, ["a", "b"])
        yield* world.settle
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["b"])
        yield* first.kill
        yield* world.worker("second")
        yield* world.adjust("30 seconds")
        assert.sameMembers(world.ran.map(({ host, name }) => `${name} on ${host}`), ["a on second", "b on second"])
        assert.isNull(yield* abandonCount(world, "a"), "it had not begun")
      })
    ))

  for (const maxAbandons of [0, 1, 3]) {
    it.effect(`takes a job with it ${maxAbandons} times, then the job fails`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          yield* enqueueNamed(world, ["deadly"], 3_600_000)
          for (let death = 0; death <= maxAbandons; death++) {
            const worker = yield* world.worker(`worker${death}`, { maxAbandons })
            yield* world.adjust("30 seconds")
            assert.lengthOf(world.ran, death + 1)
            yield* worker.kill
          }
          yield* world.worker("last", { maxAbandons })
          yield* world.adjust("30 seconds")
          assert.lengthOf(world.ran, maxAbandons + 1)
          assert.strictEqual(yield* world.status("deadly"), "failed")
          assert.isTrue(yield* world.registry.failed("q").contains("deadly"))
          const error = yield* Effect.flip(Effect.flatMap(
            Effect.map(world.queue.result(Task, "deadly"), Option.getOrThrow),
            (exit) => exit
          ))
          assert.match(
            error.message,
            new RegExp(
              `AbandonedJobError.*: worker worker${maxAbandons} died while it ran this job, which has happened ${
                maxAbandons + 1
              } times$`
            )
          )
        })
      ))
  }
})

describe("a worker that is suspended", () => {
  it.effect("past its lease and goes on finds its jobs lost, and interrupts them", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const finalized: Array<string> = []
        const first = yield* world.worker("first", {
          handler: ({ millis, name }) =>
            Effect.as(Effect.sleep(millis), `${name} by first`).pipe(
              Effect.onInterrupt(() => Effect.sync(() => finalized.push(name)))
            )
        })
        yield* world.settle
        yield* enqueueNamed(world, ["a", "b"], 100_000)
        yield* world.adjust("7 seconds")
        yield* first.pause
        yield* world.worker("second", { handler: signing("second") })
        yield* world.adjust("40 seconds")
        assert.sameMembers(ranOn(world, "second").map(({ name }) => name), ["a", "b"])
        assert.deepStrictEqual(finalized, [])
        yield* first.resume
        yield* world.adjust("5 seconds")
        assert.sameMembers(finalized, ["a", "b"])
        assert.sameMembers(tags(first.events, "Lost"), ["a", "b"])
        assert.deepStrictEqual((yield* first.service.status).running, [])
        assert.include(world.texts("first"), "job a was taken away from this worker, interrupting it")
        yield* world.adjust("100 seconds")
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a by second")))
        assert.lengthOf(world.ran, 4)
        assert.strictEqual((yield* first.service.status).successful, 0)
      })
    ))

  it.effect("for less than that goes on as if nothing had been", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const first = yield* world.worker("first", { handler: signing("first") })
        yield* enqueueNamed(world, ["a"], 30_000)
        yield* world.worker("second", { handler: signing("second") })
        yield* world.adjust("7 seconds")
        yield* first.pause
        yield* world.adjust("15 seconds")
        yield* first.resume
        yield* world.adjust("60 seconds")
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a by first")))
        assert.lengthOf(world.ran, 1)
      })
    ))
})

describe("a lost reply", () => {
  const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "", message: "lost" })

  /** Fails the calls of a script that are listed: before they were made, or after. */
  const losing = (script: string, which: ReadonlyArray<number>, when: "before" | "after") => {
    const state = { calls: 0, losses: 0 }
    const around: Around = (name, call) =>
      Effect.suspend(() => {
        if (name !== script || !which.includes(state.calls++)) return call
        state.losses++
        return when === "before" ? Effect.fail(lost) : Effect.zipRight(call, Effect.fail(lost))
      })
    return { state, around }
  }

  const everythingOnce = Effect.fnUntraced(function*(
    world: World,
    around: Around,
    options: { readonly millis: (index: number) => number; readonly concurrency: number }
  ) {
    const names = numbered(40)
    const starting = yield* Effect.fork(world.worker("worker", { concurrency: options.concurrency, around }))
    yield* world.adjust("1 second")
    const worker = yield* Fiber.join(starting)
    yield* world.queue.enqueueMany(
      names.slice(0, 30).map((name, index) =>
        Queue.request(Task, { name, millis: options.millis(index) }, { jobId: name })
      )
    )
    // the others come one by one, each handed over to the waiting worker
    for (const [index, name] of names.slice(30).entries()) {
      yield* world.adjust("2 seconds")
      yield* enqueueNamed(world, [name], options.millis(index))
    }
    yield* world.adjust("20 seconds")
    assert.deepStrictEqual([...world.names()].sort(), names, "each runs once")
    assert.deepStrictEqual(world.texts("worker").filter((text) => text.startsWith("ended without effect")), [])
    for (const name of names) {
      assert.deepStrictEqual(yield* world.queue.result(Task, name), Option.some(Exit.succeed(name)), name)
      assert.strictEqual(yield* world.redis.send("XLEN", keys.results(name)), 1, name)
      assert.isNull(yield* abandonCount(world, name))
    }
    const { connected, failed, state, successful } = yield* worker.service.status
    assert.deepStrictEqual([connected, failed, state, successful], [true, 0, "idle", 40])
    assert.strictEqual(yield* world.registry.started("q").count, 0)
    assert.strictEqual(yield* world.registry.finished("q").count, 40)
    assert.deepStrictEqual(tags(worker.events, "Started").sort(), names)
    assert.deepStrictEqual(tags(worker.events, "Completed").sort(), names)
  })

  for (const when of ["before", "after"] as const) {
    for (let first = 0; first < 12; first++) {
      it.effect(`of turn ${first} (${when} it took effect) loses nothing and repeats nothing`, () =>
        travelling((world) =>
          Effect.gen(function*() {
            const { around, state } = losing("turn", [first], when)
            yield* everythingOnce(world, around, { concurrency: 4, millis: (index) => (index % 3) * 100 })
            assert.strictEqual(state.losses, 1)
          })
        ))
    }

    it.effect(`of every third turn (${when} it took effect) loses nothing and repeats nothing`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { around, state } = losing("turn", range(200).map((index) => index * 3), when)
          yield* everythingOnce(world, around, { concurrency: 7, millis: (index) => (index % 5) * 37 })
          assert.isAbove(state.losses, 5)
        })
      ))

    for (const delay of [1, 7, 30]) {
      it.effect(`of a turn (${when} it took effect) with up to ${delay} ms to Redis and as much back loses nothing`, () =>
        travelling((world) =>
          Effect.gen(function*() {
            let calls = 0
            const { around, state } = losing("turn", range(200).map((index) => index * 4 + 2), when)
            const slow: Around = (name, call, params) => {
              // replies overtake each other, as those of several connections may
              const there = (calls * 11) % (delay + 1)
              const back = (calls++ * 5) % (delay + 1)
              return around(name, Effect.delay(call, there), params).pipe(
                Effect.exit,
                Effect.flatMap((exit) => Effect.delay(exit, back))
              )
            }
            yield* everythingOnce(world, slow, { concurrency: 9, millis: (index) => (index % 4) * 10 })
            assert.isAbove(state.losses, 5)
          })
        ))
    }

    it.effect(`of the turn that hands in a failure (${when} it took effect) is no execution that was taken away`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          let isLost = false
          yield* world.worker("worker", {
            handler: ({ millis, name }) =>
              Effect.zipRight(Effect.sleep(millis), name === "ok" ? Effect.succeed(name) : new TaskFailed({ code: 1 })),
            around: (name, call) =>
              Effect.suspend(() => {
                if (name !== "turn" || !isLost) return call
                isLost = false
                return when === "before" ? Effect.fail(lost) : Effect.zipRight(call, Effect.fail(lost))
              })
          })
          yield* enqueueNamed(world, ["ok"], 5000, { resultTtl: 0 })
          yield* enqueueNamed(world, ["fails"], 5000)
          yield* enqueueNamed(world, ["again"], 5000, { retry: { max: 1 } })
          yield* world.adjust("4 seconds")
          isLost = true
          yield* world.adjust("20 seconds")
          assert.isFalse(isLost)
          assert.deepStrictEqual(world.texts("worker").filter((text) => text.startsWith("ended without effect")), [])
          assert.deepStrictEqual(world.names(), ["ok", "fails", "again", "again"])
        })
      ))

    for (const seconds of [0, 1, 60]) {
      it.effect(`of the turn that hands in a void result (${when} it took effect), which repeats after ${seconds} s`, () =>
        travelling((world) =>
          Effect.gen(function*() {
            let failing = false
            let losses = 0
            let ran = 0
            const Ping = Job.make("test.ping", { queue: "q" })
            const Pings = JobGroup.make(Ping)
            const handlers = Pings.toLayer({
              "test.ping": () => Effect.zipRight(Effect.sleep(2000), Effect.sync(() => void ran++))
            })
            yield* world.workerOf(
              "worker",
              Effect.flatMap(Effect.scoped(Layer.build(handlers)), (context) =>
                Effect.mapInputContext(
                  Worker.make(Pings, { name: "worker" }),
                  (given: Context.Context<Redis.Redis | Scope.Scope>) => Context.merge(given, context)
                )),
              {
                around: (name, call) =>
                  Effect.suspend(() => {
                    if (name !== "turn" || !failing) return call
                    losses++
                    return when === "before" && losses === 1
                      ? Effect.fail(lost)
                      : Effect.zipRight(call, Effect.fail(lost))
                  })
              }
            )
            yield* world.scheduler("scheduler")
            yield* world.adjust("1 second")
            yield* world.queue.enqueue(Ping, undefined, {
              jobId: "ping",
              repeat: { times: 2, intervals: [`${seconds} seconds`] }
            })
            yield* world.adjust("1900 millis")
            failing = true
            // long enough for what is due in a second to be promoted
            yield* world.adjust("2500 millis")
            failing = false
            assert.isAbove(losses, 1)
            yield* world.adjust("3 minutes")
            assert.strictEqual(yield* world.status("ping"), "finished")
            assert.strictEqual(ran, 3)
            assert.deepStrictEqual(world.texts("worker").filter((text) => text.startsWith("ended without effect")), [])
          })
        ))
    }

    it.effect(`of a turn and of the question what it has claimed (${when} it took effect) loses nothing`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const turns = losing("turn", [1, 4], when)
          const questions = losing("recover", [0, 1, 2, 4], when)
          yield* everythingOnce(world, (name, call, params) =>
            turns.around(name, questions.around(name, call, params), params), {
            concurrency: 5,
            millis: (index) =>
              (index % 4) * 50
          })
          assert.strictEqual(turns.state.losses, 2)
          assert.isAbove(questions.state.losses, 2)
        })
      ))
  }

  for (const slowest of [0, 1]) {
    it.effect(`of two turns at once repeats nothing, also when answer ${slowest} to what was claimed comes late`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { around, state } = losing("turn", [2, 3], "after")
          const questions = { asked: 0, underWay: 0, together: 0 }
          let handedInMeanwhile = 0
          const slow: Around = (name, call, params) =>
            Effect.suspend(() => {
              if (name !== "recover") {
                if (name === "turn" && questions.underWay > 0) handedInMeanwhile++
                return Effect.flatMap(Effect.exit(around(name, call, params)), (exit) => Effect.delay(exit, 20))
              }
              // Long enough for what another answer would bring to run and be handed in.
              const back = questions.asked++ === slowest ? 1000 : 20
              questions.together = Math.max(questions.together, ++questions.underWay)
              return Effect.exit(call).pipe(
                Effect.flatMap((exit) => Effect.delay(exit, back)),
                Effect.ensuring(Effect.sync(() => questions.underWay--))
              )
            })
          yield* everythingOnce(world, slow, { concurrency: 8, millis: (index) => (index % 3) * 100 })
          assert.strictEqual(state.losses, 2)
          assert.strictEqual(questions.together, 1, "one asks at a time")
          assert.isAbove(handedInMeanwhile, 0)
        })
      ))
  }

  it.effect("of a worker that is stopped while it asks what was claimed puts each job back once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let isLost = false
        const together = { now: 0, most: 0, asked: 0 }
        const worker = yield* world.worker("worker", {
          around: (name, call) =>
            Effect.gen(function*() {
              if (name === "recover") {
                together.most = Math.max(together.most, ++together.now)
                const exit = yield* Effect.exit(call)
                // The answer comes when another could have been had, and what it brings put back.
                yield* Effect.sleep(together.asked++ === 0 ? 1000 : 10)
                together.now--
                return yield* exit
              }
              const reply = yield* call
              if (name !== "turn" || !isLost) return reply
              isLost = false
              return yield* lost
            })
        })
        yield* world.settle
        isLost = true
        yield* enqueueNamed(world, ["a"], 1000)
        yield* world.adjust("200 millis")
        assert.deepStrictEqual([isLost, together.now], [false, 1])
        const stopping = yield* Effect.fork(worker.stop)
        yield* world.adjust("5 seconds")
        yield* Fiber.join(stopping)
        assert.deepStrictEqual([together.asked, together.most], [2, 1])
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), ["a"])
        assert.deepStrictEqual(world.texts("worker").filter((text) => text.startsWith("ended without effect")), [])
        assert.deepStrictEqual(world.names(), [])
      })
    ))

  it.effect("begins once what Redis holds in the registries of two queues", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let isLost = false
        let copied = 0
        yield* world.worker("worker", {
          queues: ["q", "other"],
          around: (name, call) =>
            Effect.gen(function*() {
              // As a restore of one key from an older dump may leave it.
              if (name === "recover") {
                for (const member of yield* world.redis.send<Array<string>>("ZRANGE", keys.started("q"), 0, -1)) {
                  copied += yield* world.redis.send<number>("ZADD", keys.started("other"), 1e9, member)
                }
              }
              const reply = yield* call
              if (name !== "turn" || !isLost) return reply
              isLost = false
              return yield* lost
            })
        })
        yield* world.settle
        isLost = true
        yield* enqueueNamed(world, ["a"], 1000)
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual([isLost, copied], [false, 1])
        assert.deepStrictEqual(world.names(), ["a"])
        assert.deepStrictEqual(yield* world.queue.result(Task, "a"), Option.some(Exit.succeed("a")))
      })
    ))

  for (const when of ["before", "after"] as const) {
    it.effect(`and with it the fiber that waited (a defect, ${when} the turn took effect) loses nothing`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          let calls = 0
          const defect = Effect.die(new Error("a bug"))
          yield* everythingOnce(
            world,
            (name, call) =>
              Effect.suspend(() =>
                name !== "turn" || calls++ % 5 !== 3 ? call : when === "before" ? defect : Effect.zipRight(call, defect)
              ),
            { concurrency: 4, millis: (index) => (index % 3) * 100 }
          )
          const errors = world.logs.filter(({ level }) => level === "ERROR")
          assert.isAbove(errors.length, 3)
          for (const { text } of errors) assert.match(text, /^the worker's pump ended and is started again in /)
        })
      ))
  }

  it.effect("of a heartbeat or a clean-up costs nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const beats = losing("heartbeat", range(20).map((index) => index * 2), "after")
        const looks = losing("abandon", range(20).map((index) => index * 2), "after")
        yield* world.worker("worker", {
          around: (name, call, params) => beats.around(name, looks.around(name, call, params), params)
        })
        yield* enqueueNamed(world, ["a"], 60_000)
        yield* world.adjust("2 minutes")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.lengthOf(world.ran, 1)
        assert.isAbove(beats.state.losses, 5)
        assert.isAbove(looks.state.losses, 5)
      })
    ))
})

describe("a worker without Redis", () => {
  for (const [clock, run] of clocks) {
    it.effect(`for a minute goes on by itself, with a line when it goes and one when it is back (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const worker = yield* world.worker("worker", { handler: signing("worker") })
          yield* world.settle
          yield* enqueueNamed(world, ["meanwhile"], 30_000)
          yield* enqueueNamed(world, ["long"], 90_000)
          yield* world.adjust("10 seconds")
          yield* worker.disconnect
          yield* world.adjust("5 seconds")
          assert.isFalse((yield* worker.service.status).connected)
          yield* enqueueNamed(world, ["pushed"])
          yield* world.adjust("55 seconds")
          yield* worker.reconnect
          yield* world.adjust("6 seconds")
          assert.isTrue((yield* worker.service.status).connected)
          assert.deepStrictEqual(
            yield* world.queue.result(Task, "pushed"),
            Option.some(Exit.succeed("pushed by worker"))
          )
          assert.deepStrictEqual(
            yield* world.queue.result(Task, "meanwhile"),
            Option.some(Exit.succeed("meanwhile by worker"))
          )
          // it waits on the server as before
          yield* enqueueNamed(world, ["after"])
          yield* world.settle
          assert.strictEqual(yield* world.status("after"), "finished")
          yield* world.adjust("30 seconds")
          assert.strictEqual(yield* world.status("long"), "finished")
          assert.deepStrictEqual(world.names(), ["meanwhile", "long", "pushed", "after"])
          assert.deepStrictEqual(world.logs.map(({ level, text }) => [level, text]), [
            ["WARN", `${away} the connection to the in-memory Redis was lost`],
            ["INFO", "Redis can be used again"]
          ])
        })
      ))
  }

  it.effect("at its start begins when Redis comes, and is woken by a push as always", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker", { disconnected: true })
        yield* enqueueNamed(world, ["before"])
        yield* world.adjust("10 minutes")
        yield* worker.reconnect
        yield* world.adjust("6 seconds")
        assert.strictEqual(yield* world.status("before"), "finished")
        yield* enqueueNamed(world, ["after"])
        yield* world.settle
        assert.strictEqual(yield* world.status("after"), "finished")
        assert.include(yield* world.redis.send<Array<string>>("SMEMBERS", keys.workers), keys.worker("worker"))
        assert.deepStrictEqual(world.logs.map(({ level, text }) => [level, text]), [
          ["WARN", `${away} the in-memory Redis is disconnected`],
          ["INFO", "Redis can be used again"]
        ])
      })
    ))

  for (const [script, what] of [["heartbeat", "run"], ["turn", "have ended"]] as const) {
    it.effect(`does not take its own jobs for abandoned when it is back: those that ${what}`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          // For a while yet one of the scripts finds Redis too slow, while the others come through.
          let failing = false
          const worker = yield* world.worker("worker", {
            around: (name, call) =>
              Effect.suspend(() =>
                failing && name === script
                  ? Effect.fail(
                    new Redis.RedisError({ reason: "timeout", command: "EVALSHA", code: "", message: "slow" })
                  )
                  : call
              )
          })
          yield* enqueueNamed(world, ["long"], script === "turn" ? 30_000 : 120_000)
          yield* world.adjust("10 seconds")
          yield* worker.disconnect
          yield* world.adjust("60 seconds")
          failing = true
          yield* worker.reconnect
          yield* world.adjust("11 seconds")
          failing = false
          yield* world.adjust("60 seconds")
          assert.strictEqual(yield* world.status("long"), "finished")
          assert.isNull(yield* abandonCount(world, "long"))
          assert.lengthOf(world.ran, 1)
        })
      ))
  }

  it.effect("that was emptied registers anew, and its running jobs are lost", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const worker = yield* world.worker("worker")
        yield* world.settle
        yield* enqueueNamed(world, ["gone"], 60_000)
        yield* world.adjust("12 seconds")
        yield* RedisMemory.flush(world.store)
        yield* world.adjust("5 seconds")
        assert.include(yield* world.redis.send<Array<string>>("SMEMBERS", keys.workers), keys.worker("worker"))
        assert.include(yield* world.redis.send<Array<string>>("SMEMBERS", keys.workersOf("q")), keys.worker("worker"))
        assert.deepStrictEqual(tags(worker.events, "Lost"), ["gone"])
        yield* enqueueNamed(world, ["next"])
        yield* world.settle
        assert.strictEqual(yield* world.status("next"), "finished")
      })
    ))
})
