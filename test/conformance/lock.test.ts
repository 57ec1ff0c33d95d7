import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Lock from "../../src/Lock.js"
import { Redis, type RedisService } from "../../src/Redis.js"
import * as RedisMemory from "../../src/RedisMemory.js"
import * as TimeTravel from "../../src/testing/TimeTravel.js"
import * as keys from "../../src/wire/keys.js"
import { assertTtl, suite } from "./support.js"

const liveClock = Effect.runSync(Effect.clock)

const holder = (redis: RedisService, name = "l") => redis.send<string | null>("GET", keys.lock(name))

/** A scope of one's own, to end a lease when the test says so. */
const acquire = (lock: Lock.LockService, options?: Lock.LockOptions) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const lease = yield* Scope.extend(lock.acquire("l", options), scope)
    return { lease, close: Scope.close(scope, Exit.void) }
  })

suite("Lock", (it) => {
  it("is held by one, with its token, for as long as the scope is open", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      assert.deepStrictEqual(yield* lock.holder("l"), Option.none())
      const a = yield* acquire(lock, { token: "a", ttl: "1 minute" })
      assert.deepInclude(a.lease, { name: "l", token: "a" })
      assert.deepStrictEqual(yield* lock.holder("l"), Option.some("a"))
      yield* assertTtl(redis, keys.lock("l"), 60)
      const error = yield* Effect.flip(acquire(lock))
      assert.deepInclude(error, { _tag: "LockHeld", name: "l", by: "a" })
      const other = yield* Effect.scoped(Effect.map(lock.acquire("other"), (lease) => lease.token))
      assert.match(other, /^[0-9a-f]{32}$/)
      yield* a.close
      assert.deepStrictEqual(yield* lock.holder("l"), Option.none())
      yield* (yield* acquire(lock)).close
    }))

  it("lasts for 30 seconds by default", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      yield* acquire(lock)
      yield* assertTtl(redis, keys.lock("l"), 30)
    }))

  it("is released once, also before the scope is closed", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const a = yield* acquire(lock, { token: "a" })
      assert.isTrue(yield* a.lease.release)
      assert.isFalse(yield* a.lease.release)
      yield* redis.send("SET", keys.lock("l"), "b")
      yield* a.close
      assert.strictEqual(yield* holder(redis), "b")
    }))

  it("of another token can be neither renewed nor released", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const a = yield* acquire(lock, { token: "a" })
      assert.isTrue(yield* a.lease.renew)
      yield* redis.send("SET", keys.lock("l"), "b", "PX", 5000)
      assert.isFalse(yield* a.lease.renew)
      assert.isFalse(yield* a.lease.release)
      assert.strictEqual(yield* holder(redis), "b")
      yield* assertTtl(redis, keys.lock("l"), 5)
    }))

  it("that is waited for is taken as soon as it is released", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const a = yield* acquire(lock, { token: "a", ttl: "1 minute" })
      const waiting = yield* Effect.fork(acquire(lock, { token: "b", wait: "1 hour" }))
      // who waits listens on the channel of the lock
      const channel = redis.send<[string, number]>("PUBSUB", "NUMSUB", keys.lock("l"))
      yield* Effect.repeat(channel, { until: ([, count]) => count === 1 })
      yield* a.close
      const b = yield* Fiber.join(waiting)
      assert.strictEqual(yield* holder(redis), "b")
      yield* b.close
    }))

  it("of an owner that is gone is taken when its lease lapses", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      yield* redis.send("SET", keys.lock("l"), "dead", "PX", 40)
      const b = yield* acquire(lock, { token: "b", wait: "1 minute" })
      assert.strictEqual(yield* holder(redis), "b")
      yield* b.close
    }).pipe(Effect.withClock(liveClock)))

  it("waits no longer than it was told", () =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      yield* acquire(lock, { token: "a" })
      const error = yield* Effect.flip(acquire(lock, { wait: "1 millis" }))
      assert.deepInclude(error, { _tag: "LockHeld", by: "a" })
    }).pipe(Effect.withClock(liveClock)))

  it("withLock runs while it holds, and gives the lock up however that ends", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const held = lock.withLock("l", { token: "a" })
      assert.strictEqual(yield* held(holder(redis)), "a")
      assert.isNull(yield* holder(redis))
      assert.strictEqual(yield* Effect.flip(held(Effect.fail("mine"))), "mine")
      assert.isNull(yield* holder(redis))
      const exit = yield* Effect.exit(held(Effect.die("defect")))
      assert(Exit.isFailure(exit))
      assert.isNull(yield* holder(redis))
      const entered = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(held(Effect.zipRight(Deferred.succeed(entered, undefined), Effect.never)))
      yield* Deferred.await(entered)
      yield* Fiber.interrupt(fiber)
      assert.isNull(yield* holder(redis))
    }))

  it("withLock does not run what another excludes", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      yield* redis.send("SET", keys.lock("l"), "b")
      const ran = yield* Ref.make(false)
      const error = yield* Effect.flip(lock.withLock("l")(Ref.set(ran, true)))
      assert.strictEqual(error._tag, "LockHeld")
      assert.isFalse(yield* Ref.get(ran))
      assert.strictEqual(yield* holder(redis), "b")
    }))

  it("that was taken away interrupts withLock at the next renewal", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const interrupted = yield* Deferred.make<void>()
      const entered = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Deferred.succeed(entered, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)),
          lock.withLock("l", { token: "a", ttl: "30 millis" })
        )
      )
      yield* Deferred.await(entered)
      yield* redis.send("SET", keys.lock("l"), "b")
      assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { _tag: "LockLost", name: "l", token: "a" })
      yield* Deferred.await(interrupted)
      assert.strictEqual(yield* holder(redis), "b")
    }))

  it("in a scope of its own tells when it is lost", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      const a = yield* acquire(lock, { token: "a", ttl: "30 millis" })
      yield* redis.send("SET", keys.lock("l"), "b")
      assert.deepInclude(yield* a.lease.lost, { _tag: "LockLost", token: "a" })
    }))

  it("with a key that holds something else counts as held by somebody", ({ redis }) =>
    Effect.gen(function*() {
      const lock = yield* Lock.make
      yield* redis.send("RPUSH", keys.lock("l"), "x")
      const error = yield* Effect.flip(acquire(lock))
      assert.deepInclude(error, { _tag: "LockHeld", name: "l", by: "a foreign list" })
      assert.deepStrictEqual(yield* redis.send("LRANGE", keys.lock("l"), 0, -1), ["x"])
    }))

  it.memory("is renewed for as long as it is held: the lease never lapses under its owner", () =>
    travelling(({ clients: [a, b], travel }) =>
      Effect.gen(function*() {
        const held = yield* acquire(a, { token: "a", ttl: "30 seconds" })
        for (let hour = 0; hour < 3; hour++) {
          yield* travel.adjust("1 hour")
          assert.strictEqual((yield* Effect.flip(acquire(b)))._tag, "LockHeld")
        }
        yield* held.close
        yield* acquire(b)
      })
    ))

  it.memory("of an owner that is gone lapses with its lease, and who waits has it a millisecond later", () =>
    travelling(({ clients: [, b], now, store, travel }) =>
      Effect.gen(function*() {
        // nobody renews this one
        yield* store.send("SET", keys.lock("l"), "dead", "PX", 30_000)
        const start = yield* now
        const waiting = yield* Effect.fork(Effect.zipRight(acquire(b, { token: "b", wait: "1 hour" }), now))
        yield* travel.adjust("30 seconds")
        assert.strictEqual(yield* holder(store), "dead")
        yield* travel.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(waiting)) - start, 30_001)
        assert.strictEqual(yield* holder(store), "b")
      })
    ))

  it.memory("is waited for exactly as long as was said", () =>
    travelling(({ clients: [a, b], now, travel }) =>
      Effect.gen(function*() {
        yield* acquire(a, { token: "a" })
        const start = yield* now
        const waiting = yield* Effect.fork(Effect.zipRight(Effect.flip(acquire(b, { wait: "90 seconds" })), now))
        yield* travel.adjust("10 minutes")
        assert.strictEqual((yield* Fiber.join(waiting)) - start, 90_000)
      })
    ))

  it.memory("is not lost while Redis is away for less than the lease, and is when it is away for longer", () =>
    travelling(({ clients: [a], cut, travel }) =>
      Effect.gen(function*() {
        const lost = yield* Ref.make(false)
        const held = yield* acquire(a, { token: "a", ttl: "30 seconds" })
        yield* Effect.fork(Effect.zipRight(held.lease.lost, Ref.set(lost, true)))
        yield* cut.disconnect
        yield* travel.adjust("19 seconds")
        yield* cut.reconnect
        yield* travel.adjust("1 minute")
        assert.isFalse(yield* Ref.get(lost))
        yield* cut.disconnect
        yield* travel.adjust("29 seconds")
        yield* travel.adjust("21 seconds")
        assert.isTrue(yield* Ref.get(lost))
      })
    ))
})

interface Travelling {
  /** The lock service on two hosts. */
  readonly clients: readonly [Lock.LockService, Lock.LockService]
  readonly store: RedisService
  /** The connection of the first. */
  readonly cut: RedisMemory.Client
  readonly travel: TimeTravel.TimeTravelService
  readonly now: Effect.Effect<number>
}

const travelling = (body: (world: Travelling) => Effect.Effect<void, unknown, Scope.Scope>) =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    const store = yield* RedisMemory.makeStore
    const cut = yield* RedisMemory.makeClient(store)
    const other = yield* RedisMemory.makeClient(store)
    const lockOf = (client: RedisMemory.Client) => Effect.provideService(Lock.make, Redis, client.service)
    yield* body({
      clients: [yield* lockOf(cut), yield* lockOf(other)],
      store: other.service,
      cut,
      travel,
      now: Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())
    })
  }).pipe(Effect.scoped, Effect.provide(Layer.fresh(TimeTravel.layer)))
