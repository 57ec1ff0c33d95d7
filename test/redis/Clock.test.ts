import { assert, describe, it } from "@effect/vitest"
import * as EffectClock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Clock from "../../src/Clock.js"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisMemory from "../../src/RedisMemory.js"
import { makeHost } from "../support/host.js"
import * as RedisServer from "../support/redis-server.js"

/** A server whose clock differs from ours by `shift`, over a network of given delays. */
const makeServer = Effect.sync(() => {
  const server = {
    shift: 0,
    asked: 0,
    down: false,
    /** Milliseconds there and back, one pair a call; then none. */
    delays: [] as Array<readonly [number, number]>
  }
  const refused = new Redis.RedisError({ reason: "connection", command: "TIME", code: "CLOSED", message: "down" })
  const send = (): Effect.Effect<ReadonlyArray<string>, Redis.RedisError> =>
    Effect.gen(function*() {
      server.asked++
      if (server.down) return yield* refused
      const [there, back] = server.delays.shift() ?? [0, 0]
      if (there > 0) yield* Effect.sleep(there)
      const micros = Math.round(Number(yield* EffectClock.currentTimeNanos) / 1000 + server.shift * 1000)
      if (back > 0) yield* Effect.sleep(back)
      return [String(Math.floor(micros / 1e6)), String(micros % 1e6)]
    })
  const service = Redis.make({
    send: send as unknown as Redis.RedisService["send"], // it only ever answers TIME
    sendBytes: () => Effect.die("not asked for"),
    subscribe: () => Effect.flatMap(Queue.unbounded<Redis.Message>(), Effect.succeed),
    connection: Effect.die("not asked for")
  })
  return { server, layer: Layer.succeed(Redis.Redis, service) }
})

describe("Clock.layerRedis", () => {
  it.effect("shows the server's time", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 day")
      const host = yield* EffectClock.currentTimeMillis
      const { layer, server } = yield* makeServer
      for (const shift of [0, 90_000, -90_000, 0.25]) {
        server.shift = shift
        const [millis, nanos] = yield* Effect.all([EffectClock.currentTimeMillis, EffectClock.currentTimeNanos]).pipe(
          Effect.provide(Layer.provide(Clock.layerRedis(), layer))
        )
        assert.strictEqual(millis, Math.floor(host + shift))
        assert.closeTo(Number(nanos) / 1e6, host + shift, 0.001)
      }
      assert.strictEqual(yield* EffectClock.currentTimeMillis, host)
    }))

  it.effect("believes the shortest round trip, at its middle", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      server.shift = 5000
      server.delays = [[100, 0], [0, 300], [10, 10], [0, 200], [21, 0]]
      const offset = yield* Effect.fork(
        Effect.scoped(Effect.map(Clock.make(), (clock) => clock.unsafeCurrentTimeMillis())).pipe(
          Effect.zipWith(EffectClock.currentTimeMillis, (server, host) => server - host),
          Effect.provide(layer)
        )
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(offset), 5000)
      assert.strictEqual(server.asked, 5)
    }))

  it.scoped("follows a server that drifts away every minute", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const clock = yield* Effect.provide(Clock.make(), layer)
      server.shift = 30
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 59_000)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 60_030)
      // five at the start, one every five seconds, and five at the end of the minute
      assert.strictEqual(server.asked, 5 + 11 + 5)
    }))

  it.scoped("notices within five seconds that the server's clock was set", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const clock = yield* Effect.provide(Clock.make(), layer)
      server.shift = 3_600_000
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 4999)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 3_605_000)
    }))

  it.scoped("is right a round trip after the host was asleep, however long the next look is away", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const host = yield* makeHost
      const clock = yield* Effect.provide(Clock.make({ every: "1 day" }), layer).pipe(Effect.withClock(host.clock))
      yield* TestClock.adjust("1 minute")
      host.sleeps(3_600_000)
      server.shift += 3_600_000
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 60_000, "what it is to become is not known yet")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 3_660_001)
      assert.strictEqual(server.asked, 10)
    }))

  it.scoped("does not follow a host whose time was set", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const host = yield* makeHost
      const clock = yield* Effect.provide(Clock.make({ every: "1 day" }), layer).pipe(Effect.withClock(host.clock))
      for (const shift of [3_600_000, -7_200_000]) {
        host.isSet(shift)
        const before = clock.unsafeCurrentTimeMillis()
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(clock.unsafeCurrentTimeMillis(), before + 1)
      }
      assert.strictEqual(server.asked, 15)
    }))

  it.scoped("within five seconds after a virtual machine stood still, whose clocks tell nothing of it", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const clock = yield* Effect.provide(Clock.make(), layer)
      yield* TestClock.adjust("12 seconds")
      server.shift += 60_000
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 75_000)
    }))

  it.scoped("believes what was answered after a sleep in the middle of a measurement", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      server.delays = [[0, 0], [0, 0], [40, 40], [40, 40], [40, 40]]
      const fiber = yield* Effect.fork(Effect.provide(Clock.make({ every: "1 day" }), layer))
      yield* TestClock.adjust("1 millis")
      server.shift = 60_000
      yield* TestClock.adjust("1 second")
      const clock = yield* Fiber.join(fiber)
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 61_001)
    }))

  it.scoped("forward it jumps, back it slows down until the server is there", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      yield* TestClock.adjust("1 hour")
      const clock = yield* Effect.provide(Clock.make(), layer)
      const difference = Effect.map(
        EffectClock.currentTimeMillis,
        (host) => clock.unsafeCurrentTimeMillis() - host
      )
      server.shift = 700
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* difference, 700)
      server.shift = 200
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* difference, 700)
      let last = clock.unsafeCurrentTimeMillis()
      let lastNanos = clock.unsafeCurrentTimeNanos()
      const seen: Array<number> = []
      for (let i = 0; i < 12; i++) {
        yield* TestClock.adjust("100 millis")
        const now = clock.unsafeCurrentTimeMillis()
        const nanos = clock.unsafeCurrentTimeNanos()
        assert.isAbove(now, last)
        assert.isTrue(nanos > lastNanos)
        last = now
        lastNanos = nanos
        seen.push(yield* difference)
      }
      assert.deepStrictEqual(seen, [650, 600, 550, 500, 450, 400, 350, 300, 250, 200, 200, 200])
    }))

  it.scoped("a measurement in the middle of slowing down goes on from there", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      yield* TestClock.adjust("1 hour")
      server.shift = 60_000
      const clock = yield* Effect.provide(Clock.make({ every: "10 seconds", samples: 1 }), layer)
      server.shift = 0
      let last = -Infinity
      for (let i = 0; i < 200; i++) {
        yield* TestClock.adjust("1 second")
        const now = clock.unsafeCurrentTimeMillis()
        assert.isAbove(now, last)
        last = now
      }
      assert.strictEqual(last, yield* EffectClock.currentTimeMillis)
    }))

  it.scoped("goes on with what it knows while the server is away", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      server.shift = 1000
      const clock = yield* Effect.provide(Clock.make(), layer)
      server.down = true
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 601_000)
      server.down = false
      server.shift = 3000
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 663_000)
    }))

  it.effect("fails when the server can't be asked at the start", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      server.down = true
      const error = yield* Effect.flip(Effect.provide(Effect.void, Layer.provide(Clock.layerRedis(), layer)))
      assert.deepInclude(error, { _tag: "RedisError", reason: "connection" })
    }))

  it.effect("refuses what would never measure, or measure without end", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      const wrong: ReadonlyArray<readonly [options: unknown, field: string]> = [
        [null, "options"],
        [{ samples: NaN }, "samples"],
        [{ samples: 0 }, "samples"],
        [{ samples: Infinity }, "samples"],
        [{ samples: "5" }, "samples"],
        [{ every: 0 }, "every"],
        [{ every: NaN }, "every"],
        [{ every: "now and then" }, "every"],
        [{ every: Infinity }, "every"]
      ]
      for (const [options, field] of wrong) {
        const error = yield* Effect.flip(Effect.scoped(Effect.provide(Clock.make(options as Clock.Options), layer)))
        assert.deepInclude(error, { _tag: "InvalidOptions", field })
        assert.isTrue(error.message.startsWith(`${field}: expected `), error.message)
      }
      assert.strictEqual(server.asked, 0)
    }))

  it.scoped("measures once a day, where it is asked to do so less often than timers can wait", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      yield* Effect.provide(Clock.make({ every: "100 days", samples: 1 }), layer)
      yield* TestClock.adjust("49 hours")
      // and looks every two hours
      assert.strictEqual(server.asked, 1 + 24)
    }))

  it.scoped("sleeping takes as long as ever", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      server.shift = 90_000
      const asleep = yield* Effect.fork(
        Effect.zipRight(Effect.sleep("10 seconds"), EffectClock.currentTimeMillis).pipe(
          Effect.provide(Layer.provide(Clock.layerRedis(), layer))
        )
      )
      yield* TestClock.adjust("9999 millis")
      assert.isNull(yield* Fiber.poll(asleep).pipe(Effect.map((exit) => exit._tag === "None" ? null : exit)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(asleep), 100_000)
    }))

  it.effect("stops with its scope", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* makeServer
      yield* Effect.scoped(Effect.provide(Clock.make(), layer))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(server.asked, 5)
    }))

  const agrees = Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const before = yield* EffectClock.currentTimeMillis
    const [seconds, micros] = yield* redis.send<readonly [string, string]>("TIME")
    const after = yield* EffectClock.currentTimeMillis
    const time = Number(seconds) * 1000 + Number(micros) / 1000
    // Within a round trip of each other; the milliseconds are rounded down.
    assert.isAtLeast(time, before - 5)
    assert.isAtMost(time, after + 6)
  })

  it.live("agrees with a real server", () =>
    agrees.pipe(
      Effect.provide(
        Clock.layerRedis().pipe(
          Layer.provideMerge(
            Layer.unwrapScoped(Effect.map(RedisServer.start(), (server) => RedisLive.layer({ url: server.url })))
          )
        )
      )
    ))

  it.effect("over the in-memory Redis changes nothing, whose clock is Effect's", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const clock = yield* Clock.make()
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 3_600_000)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(clock.unsafeCurrentTimeMillis(), 4_200_000)
      yield* Effect.withClock(agrees, clock)
    }).pipe(Effect.scoped, Effect.provide(RedisMemory.layer)))
})
