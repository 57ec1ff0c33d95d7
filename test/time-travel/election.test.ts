/**
 * Who leads a queue: one at a time, another one in time, and nobody who was thought gone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redis, RedisMemory, Scheduler } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { type Around, clocks, type SchedulerHost, Task, travelling, type World } from "./support/world.js"

const away = "Redis can't be used, going on when it can: the in-memory Redis is disconnected"

const leads = (host: SchedulerHost) =>
  Effect.map(host.service.status, ({ queues }) => Option.isSome(queues[0]!.leadingSince))

/** The hosts that say that they lead. */
const leadersOf = (hosts: ReadonlyArray<SchedulerHost>) => Effect.filter(hosts, leads)

const holder = (world: World) => world.redis.send<string | null>("GET", keys.schedulerLock("q"))

const at = (event: { readonly at: DateTime.Utc }) => DateTime.toEpochMillis(event.at)

const eventsOf = (host: SchedulerHost, tag: "Elected" | "Deposed") =>
  host.events.flatMap((event) => event._tag === tag ? [at(event)] : [])

/** Ids with the number of times that they were promoted, by whomever. */
const promotions = (hosts: ReadonlyArray<SchedulerHost>) => {
  const counts: Record<string, number> = {}
  for (const host of hosts) {
    for (const event of host.events) {
      if (event._tag === "Promoted") { for (const id of event.jobIds) counts[id] = (counts[id] ?? 0) + 1 }
    }
  }
  return counts
}

const names = ["one", "two", "three"]

const counting = (script: string) => {
  const counter = { calls: 0 }
  const around: Around = (name, call) => {
    if (name === script) counter.calls++
    return call
  }
  return { counter, around }
}

describe("an election", () => {
  for (const [clock, run] of clocks) {
    it.effect(`makes one of three lead, also after 15 idle minutes (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          // With a tick of a second these minutes take TestClock 9 seconds.
          const elections = counting("elect")
          const options = { tick: "10 seconds", lease: "30 seconds", around: elections.around } as const
          const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name, options))
          yield* world.settle
          const [leader, ...others] = yield* leadersOf(hosts)
          assert.isDefined(leader)
          assert.deepStrictEqual(others, [])
          assert.strictEqual(yield* holder(world), leader!.name)
          for (let minute = 0; minute < 15; minute++) {
            yield* world.adjust("1 minute")
            assert.deepStrictEqual(yield* leadersOf(hosts), [leader])
          }
          assert.isAbove(elections.counter.calls, 3)
          for (const host of hosts) {
            const { connected, queues } = yield* host.service.status
            assert.isTrue(connected)
            assert.deepStrictEqual(queues[0]!.leader, Option.some(leader!.name))
            assert.deepStrictEqual(eventsOf(host, "Deposed"), [])
          }
          // one line for each that learned who leads, and none since
          assert.sameMembers(world.texts() as Array<string>, [
            "leads queue q",
            `queue q is led by ${leader!.name}`,
            `queue q is led by ${leader!.name}`
          ])
        })
      ))
  }

  it.effect("is held every 15 minutes where no lease would lapse: a lock without a lifetime is respected till then", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.redis.send("SET", keys.schedulerLock("q"), "forgotten")
        yield* world.queue.enqueueIn("1 second", Task, { name: "due" })
        const elections = counting("elect")
        const host = yield* world.scheduler("one", { around: elections.around })
        yield* world.adjust("14 minutes")
        assert.isFalse(yield* leads(host))
        assert.strictEqual(elections.counter.calls, 1)
        assert.deepStrictEqual(promotions([host]), {})
        yield* world.redis.send("DEL", keys.schedulerLock("q"))
        yield* world.adjust("59999 millis")
        assert.isFalse(yield* leads(host))
        yield* world.adjust("1 millis")
        assert.isTrue(yield* leads(host))
        assert.deepStrictEqual(Object.values(promotions([host])), [1])
        assert.deepStrictEqual(world.texts(), ["queue q is led by forgotten", "leads queue q"])
      })
    ))
})

describe("a takeover", () => {
  for (const [clock, run] of clocks) {
    it.effect(`after a clean stop happens in the same instant (${clock})`, () =>
      run((world) =>
        Effect.gen(function*() {
          const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name))
          yield* world.adjust("3456 millis")
          const [first] = yield* leadersOf(hosts)
          yield* world.queue.enqueueIn("1 millis", Task, { name: "right after" })
          yield* first!.stop
          yield* world.settle
          const remaining = hosts.filter((host) => host !== first)
          const [second, ...others] = yield* leadersOf(remaining)
          assert.isDefined(second)
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual(eventsOf(second!, "Elected"), [3456])
          assert.strictEqual(yield* holder(world), second!.name)
          yield* world.adjust("1 millis")
          assert.strictEqual(yield* world.queue.length("q"), 1)
          assert.strictEqual(yield* world.redis.send("EXISTS", keys.scheduler(first!.name)), 0)
        })
      ))
  }

  for (const end of ["cut off", "killed", "paused"] as const) {
    it.effect(`after a crash happens when the lease lapses and not before (${end})`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name))
          yield* world.adjust("5500 millis")
          const [first] = yield* leadersOf(hosts)
          const due = yield* Effect.forEach([6000, 19_999, 20_001, 25_000], (millis) =>
            world.queue.enqueueAt(DateTime.unsafeMake(millis), Task, { name: String(millis) }))
          yield* end === "cut off" ? first!.disconnect : end === "killed" ? first!.kill : first!.pause
          // The last tick was at 5 s, and a key lives through the millisecond in which it lapses.
          yield* world.adjust("14500 millis")
          assert.strictEqual(yield* holder(world), first!.name)
          assert.strictEqual(yield* world.queue.length("q"), 0)
          yield* world.adjust("1 millis")
          const remaining = hosts.filter((host) =>
            host !== first
          )
          const [second, ...others] = yield* leadersOf(remaining)
          assert.isDefined(second)
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual(eventsOf(second!, "Elected"), [20_001])
          assert.strictEqual(yield* holder(world), second!.name)
          assert.strictEqual(yield* world.queue.length("q"), 3)

          // The first comes back and has no effect.
          yield* world.adjust("2 seconds")
          const seen = first!.events.length
          if (end !== "killed") yield* end === "cut off" ? first!.reconnect : first!.resume
          yield* world.adjust("8 seconds")
          assert.deepStrictEqual(promotions(hosts), Object.fromEntries(due.map(({ id }) => [id, 1])))
          assert.strictEqual(yield* holder(world), second!.name)
          if (end !== "killed") {
            assert.deepStrictEqual(first!.events.slice(seen).map((event) => event._tag), ["Deposed"])
            const { connected, queues } = yield* first!.service.status
            assert.isTrue(connected)
            assert.deepStrictEqual(queues[0]!.leadingSince, Option.none())
            assert.deepStrictEqual(queues[0]!.leader, Option.some(second!.name))
            assert.deepStrictEqual(world.texts(first!.name), [
              "leads queue q",
              ...(end === "cut off" ? [away, "Redis can be used again"] : []),
              "no longer leads queue q: its lease lapsed",
              `queue q is led by ${second!.name}`
            ])
          }
        })
      ))
  }

  it.effect("doesn't happen while a leader was away for less than its lease", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name))
        yield* world.adjust("5500 millis")
        const [first] = yield* leadersOf(hosts)
        const { id } = yield* world.queue.enqueueIn("3 seconds", Task, { name: "late" })
        yield* first!.disconnect
        yield* world.adjust("12 seconds")
        yield* first!.reconnect
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(yield* leadersOf(hosts), [first!])
        assert.deepStrictEqual(promotions(hosts), { [id]: 1 })
        for (const host of hosts) assert.deepStrictEqual(eventsOf(host, "Deposed"), [])
      })
    ))

  it.effect("is lost to others by one whose calls take longer than its lease, who then promotes nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const slow = yield* world.scheduler("slow", {
          around: (script, call) => script === "promote" ? Effect.delay(call, "20 seconds") : call
        })
        yield* world.settle
        assert.isTrue(yield* leads(slow))
        const fast = yield* world.scheduler("fast")
        const ids = yield* Effect.forEach([1000, 14_000, 19_000, 21_000, 30_000], (millis) =>
          Effect.map(world.queue.enqueueAt(DateTime.unsafeMake(millis), Task, { name: String(millis) }), ({ id }) =>
            id))
        yield* world.adjust("1 minute")
        assert.isTrue(yield* leads(fast))
        assert.isFalse(yield* leads(slow))
        assert.deepStrictEqual(eventsOf(fast, "Elected"), [15_001])
        assert.deepStrictEqual(eventsOf(slow, "Deposed").length, 1)
        assert.deepStrictEqual(promotions([fast]), Object.fromEntries(ids.map((id) => [id, 1])))
        assert.deepStrictEqual(promotions([slow]), {})
      })
    ))

  it.effect("from Python happens when its lock lapses, which its heartbeat prevents", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const python = "12345678901234567890"
        yield* world.redis.send("SET", keys.schedulerLock("q"), python, "EX", 61, "NX")
        yield* world.queue.enqueueIn("1 second", Task, { name: "due" })
        const host = yield* world.scheduler("one")
        yield* world.adjust("50 seconds")
        yield* world.redis.send("EXPIRE", keys.schedulerLock("q"), 61)
        yield* world.adjust("61 seconds")
        assert.isFalse(yield* leads(host))
        assert.strictEqual(yield* holder(world), python)
        assert.strictEqual(yield* world.queue.length("q"), 0)
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(eventsOf(host, "Elected"), [111_001])
        assert.strictEqual(yield* world.queue.length("q"), 1)
        assert.deepStrictEqual(world.texts(), [`queue q is led by ${python}`, "leads queue q"])
      })
    ))
})

describe("a leader", () => {
  it.effect("recovers by itself when Redis was emptied", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name))
        yield* world.adjust("2500 millis")
        yield* RedisMemory.flush(world.store)
        const { id } = yield* world.queue.enqueueIn("2 seconds", Task, { name: "after" })
        yield* world.adjust("2 seconds")
        assert.lengthOf(yield* leadersOf(hosts), 1)
        assert.deepStrictEqual(promotions(hosts), { [id]: 1 })
        // whoever leads has its hash as well
        const [leader] = yield* leadersOf(hosts)
        assert.strictEqual(yield* world.redis.send("EXISTS", keys.scheduler(leader!.name)), 1)
        yield* world.adjust("30 seconds")
        assert.lengthOf(yield* leadersOf(hosts), 1)
        assert.strictEqual(yield* holder(world), leader!.name)
      })
    ))

  it.effect("whose lease outlives its hash while Redis is away has it again afterwards", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const host = yield* world.scheduler("one", { lease: "5 minutes" })
        yield* world.adjust("2500 millis")
        const before = yield* world.redis.send<ReadonlyArray<string>>("HKEYS", keys.scheduler(host.name))
        yield* host.disconnect
        yield* world.adjust("90 seconds")
        assert.strictEqual(yield* world.redis.send("EXISTS", keys.scheduler(host.name)), 0)
        yield* host.reconnect
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(eventsOf(host, "Deposed"), [])
        assert.isTrue(yield* leads(host))
        assert.deepStrictEqual(yield* world.redis.send("HKEYS", keys.scheduler(host.name)), before)
        assert.isAbove(yield* world.redis.send<number>("TTL", keys.scheduler(host.name)), 50)
        yield* host.stop
        assert.strictEqual(yield* world.redis.send("EXISTS", keys.scheduler(host.name)), 0)
      })
    ))

  it.effect("is made when Redis comes, although it was away at the start; then it is woken as always", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const host = yield* world.scheduler("one", { disconnected: true })
        yield* world.adjust("5 minutes")
        assert.isFalse((yield* host.service.status).connected)
        yield* host.reconnect
        yield* world.adjust("1 second")
        assert.isTrue(yield* leads(host))
        assert.isTrue((yield* host.service.status).connected)
        // within a few seconds it listens as well
        yield* world.adjust("5 seconds")
        const { id } = yield* world.queue.enqueueIn(1, Task, { name: "at once" })
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(promotions([host]), { [id]: 1 })
        assert.deepStrictEqual(world.logs.map(({ level, text }) => [level, text]), [
          ["WARN", away],
          ["INFO", "Redis can be used again"],
          ["INFO", "leads queue q"]
        ])
      })
    ))

  it.effect("that could not listen at first looks at what was scheduled meanwhile as soon as it can", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let tries = 0
        const away = new Redis.RedisError({ reason: "timeout", command: "SUBSCRIBE", code: "", message: "slow" })
        const host = yield* world.scheduler("one", {
          tick: "1 hour",
          lease: "3 hours",
          around: (script, call) =>
            Effect.suspend(() => script === "subscribe" && tries++ < 3 ? Effect.fail(away) : call)
        })
        yield* world.settle
        assert.isTrue(yield* leads(host))
        const { id } = yield* world.queue.enqueueIn("2 seconds", Task, { name: "meanwhile" })
        yield* world.adjust("1999 millis")
        assert.strictEqual(tries, 4)
        assert.deepStrictEqual(promotions([host]), {})
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(promotions([host]), { [id]: 1 })
        assert.deepStrictEqual(world.texts(), ["leads queue q"])
      })
    ))

  it.effect("says once that Redis is away and once that it is back, at a thousand ticks", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const host = yield* world.scheduler("one")
        yield* world.adjust("10 minutes")
        yield* host.disconnect
        yield* world.adjust("10 minutes")
        assert.isFalse((yield* host.service.status).connected)
        yield* host.reconnect
        yield* world.adjust("10 minutes")
        assert.isTrue((yield* host.service.status).connected)
        assert.isTrue(yield* leads(host))
        assert.deepStrictEqual(world.logs.map(({ level, text }) => [level, text]), [
          ["INFO", "leads queue q"],
          ["WARN", away],
          ["INFO", "Redis can be used again"],
          ["WARN", "no longer leads queue q: its lease lapsed"],
          ["INFO", "leads queue q"]
        ])
        assert.isTrue(world.logs.every(({ annotations }) => annotations["scheduler"] === "one"))
      })
    ))

  it.effect("ticks on after a defect in a tick, and says what happened", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let defects = 0
        const host = yield* world.scheduler("one", {
          around: (script, call) =>
            Effect.suspend(() => script === "promote" && defects++ === 3 ? Effect.die(new Error("a bug")) : call)
        })
        yield* world.adjust("10 seconds")
        const { id } = yield* world.queue.enqueueIn("30 seconds", Task, { name: "after" })
        yield* world.adjust("30 seconds")
        assert.isAbove(defects, 30)
        assert.deepStrictEqual(promotions([host]), { [id]: 1 })
        assert.isTrue(yield* leads(host))
        const errors = world.logs.filter(({ level }) => level === "ERROR")
        assert.lengthOf(errors, 1)
        assert.match(errors[0]!.text, /^the tick ended and is started again in \d+ms$/)
      })
    ))

  it.effect("goes on with the other queues, and says once what is wrong with one", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const host = yield* world.scheduler("one", { queues: ["broken", "q"] })
        yield* world.redis.send("SET", keys.scheduled("broken"), "not a sorted set")
        const { id } = yield* world.queue.enqueueIn("20 seconds", Task, { name: "fine" })
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(promotions([host]), { [id]: 1 })
        const problem = Effect.map(host.service.status, ({ queues }) => queues[0]!.problem)
        assert.match(Option.getOrThrow(yield* problem), /rq:scheduled:broken/)
        assert.lengthOf(world.logs.filter(({ level }) => level === "ERROR"), 1)
        yield* world.redis.send("DEL", keys.scheduled("broken"))
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(yield* problem, Option.none())
        assert.strictEqual(world.texts().at(-1), "queue broken can be promoted again")
      })
    ))
})

describe("a scheduler without options", () => {
  it.effect("is refused with an error that says so", () =>
    travelling((world) =>
      Effect.gen(function*() {
        // as JavaScript may call it
        const error = yield* Effect.flip(Effect.scoped(Scheduler.make(undefined as never)))
        assert.deepInclude(error, { _tag: "InvalidOptions", field: "options" })
      }).pipe(Effect.provideService(Redis.Redis, world.redis))
    ))
})

describe("a lost reply", () => {
  const lost = new Redis.RedisError({ reason: "connection", command: "EVALSHA", code: "", message: "lost" })

  /** Fails every third call of a script, after it took effect. */
  const losing = (script: string) => {
    const state = { calls: 0, losses: 0 }
    const around: Around = (name, call) =>
      Effect.suspend(() => {
        if (name !== script || state.calls++ % 3 !== 0) return call
        state.losses++
        return Effect.zipRight(call, Effect.fail(lost))
      })
    return { state, around }
  }

  for (const script of ["promote", "elect"]) {
    it.effect(`of ${script} neither loses a job nor promotes one twice`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          const { around, state } = losing(script)
          // Followers ask again when a lease would lapse, so there are elections all the time.
          const options = { around, lease: "2 seconds" } as const
          const hosts = yield* Effect.forEach(names, (name) => world.scheduler(name, options))
          yield* world.worker("worker")
          const times = Array.from({ length: 100 }, (_, index) => 1000 + 137 * (index + 1))
          yield* Effect.forEach(times, (millis) =>
            world.queue.enqueueAt(DateTime.unsafeMake(millis), Task, { name: String(millis) }))
          for (let second = 0; second < 20; second++) {
            yield* world.adjust("1 second")
            assert.isAtMost((yield* leadersOf(hosts)).length, 1)
          }
          assert.isAbove(state.losses, 3)
          assert.deepStrictEqual(world.names(), times.map(String))
          for (const { at, name } of world.ran) {
            assert.isAtLeast(at, Number(name))
            // one that leads without knowing asks again at the next tick
            assert.isAtMost(at, Number(name) + (script === "promote" ? 1000 : 2000))
          }
          assert.lengthOf(yield* leadersOf(hosts), 1)
        })
      ))
  }

  it.effect("of resign lets the next one lead all the same", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const { around, state } = losing("resign")
        const [first, second] = yield* Effect.all([
          world.scheduler("one", { around }),
          world.scheduler("two", { around })
        ])
        yield* world.adjust("1500 millis")
        assert.isTrue(yield* leads(first))
        yield* first.stop
        yield* world.settle
        assert.strictEqual(state.losses, 1)
        assert.isTrue(yield* leads(second))
        assert.isTrue(
          world.texts("one").some((text) => text.startsWith("could not resign, the lease will lapse by itself: "))
        )
      })
    ))
})
