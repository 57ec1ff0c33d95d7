/**
 * A clock that all hosts of a deployment agree on: that of the Redis server.
 *
 * Due times are compared with Effect's `Clock`. Where the clocks of the hosts differ, a job is early for one of them
 * and late for another. {@link layerRedis} replaces the `Clock` by one that follows the server's.
 *
 * **How it follows.** It asks the server for `TIME` a few times and believes the answer with the shortest round trip,
 * taken to be given in the middle of it; so it is right within half a round trip, usually some tens of microseconds.
 * In between it goes by the host's monotonic clock, which does not jump when somebody sets the host's time. It measures
 * again every minute. When that fails, it goes on with what it knows: an ordinary oscillator drifts by less than 3 ms a
 * minute.
 *
 * **It never goes back.** Where the server is ahead, it jumps forward. Where the server is behind, it runs at half speed
 * until the server has caught up.
 *
 * Sleeping is not affected: a second stays a second.
 *
 * @since 0.1.0
 */
import * as EffectClock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { longestSleep } from "./internal/duration.js"
import * as Check from "./internal/options.js"
import * as Redis from "./Redis.js"

export {
  /**
   * An option that can't be used.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidOptions
} from "./internal/options.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long between two measurements, a millisecond at least; a day at most, if more is asked for. Default: 1 minute. */
  readonly every?: Duration.DurationInput | undefined
  /** How many times the server is asked at each, from 1 to 1000. Default: 5. */
  readonly samples?: number | undefined
}

/** The server's clock less the host's, in milliseconds, by the sample with the shortest round trip. */
const measure = Effect.fnUntraced(
  function*(redis: Redis.RedisService, base: EffectClock.Clock, samples: number) {
    let offset = 0
    let shortest = Infinity
    for (let i = 0; i < samples; i++) {
      const sent = monotonic(base)
      const [seconds, micros] = yield* redis.send<readonly [string, string]>("TIME")
      const received = monotonic(base)
      if (received - sent < shortest) {
        shortest = received - sent
        offset = Number(seconds) * 1000 + Number(micros) / 1000 - (sent + received) / 2
      }
    }
    return offset
  }
)

/** Milliseconds with fractions. Unlike the current time, it doesn't jump when the host's clock is set. */
const monotonic = (clock: EffectClock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/** How much of its speed the clock keeps while it waits for the server to catch up. */
const slowSpeed = 0.5

/**
 * Makes a clock that follows the server's until the scope is closed. It has measured once when it is there.
 *
 * Fails with `InvalidOptions`, and when the server can't be asked. Later failures are logged at level debug.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<EffectClock.Clock, Check.InvalidOptions | Redis.RedisError, Redis.Redis | Scope.Scope> =>
  Effect.gen(function*() {
    const { every, samples } = yield* Check.object(options)
    const everyMillis = Math.min(yield* Check.millis("every", every, "1 minute", 1), longestSleep)
    const times = yield* Check.count("samples", samples, 5, { least: 1, most: 1000 })
    const redis = yield* Redis.Redis
    const base = yield* Effect.clock
    // The in-memory Redis answers with the clock of whoever asks: it must be asked by the clock that is measured.
    const sample = measure(redis, base, times).pipe(Effect.withClock(base))

    /** What is added to the host's clock at the instant `since`, and what it is to become. */
    let offset = yield* sample
    let target = offset
    let since = monotonic(base)
    let lastMillis = -Infinity
    let lastNanos = 0n

    const offsetAt = (now: number): number =>
      target >= offset ? target : Math.max(target, offset - (now - since) * (1 - slowSpeed))

    const clock: EffectClock.Clock = {
      [EffectClock.ClockTypeId]: EffectClock.ClockTypeId,
      unsafeCurrentTimeMillis: () => {
        const now = monotonic(base)
        lastMillis = Math.max(lastMillis, Math.floor(now + offsetAt(now)))
        return lastMillis
      },
      unsafeCurrentTimeNanos: () => {
        const now = base.unsafeCurrentTimeNanos()
        const time = now + BigInt(Math.round(offsetAt(Number(now) / 1e6) * 1e6))
        if (time > lastNanos) lastNanos = time
        return lastNanos
      },
      currentTimeMillis: Effect.sync(() => clock.unsafeCurrentTimeMillis()),
      currentTimeNanos: Effect.sync(() => clock.unsafeCurrentTimeNanos()),
      sleep: (duration) => base.sleep(duration)
    }

    yield* sample.pipe(
      Effect.map((measured) => {
        const now = monotonic(base)
        offset = offsetAt(now)
        since = now
        target = measured
      }),
      Effect.catchAllCause((cause) => Effect.logDebug("the server's clock could not be read", cause)),
      Effect.delay(everyMillis),
      Effect.forever,
      Effect.withClock(base),
      Effect.forkScoped
    )
    return clock
  })

/**
 * Sets Effect's `Clock` to one that follows the clock of the Redis server.
 *
 * Provide it to what reads the time, beside the Redis that it asks.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Clock as EffectClock, Effect, Layer } from "effect"
 * import { Clock, RedisLive } from "effect-rq"
 *
 * const Live = Clock.layerRedis().pipe(Layer.provideMerge(RedisLive.layer()))
 *
 * const program = Effect.gen(function*() {
 *   return yield* EffectClock.currentTimeMillis
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layerRedis = (
  options: Options = {}
): Layer.Layer<never, Check.InvalidOptions | Redis.RedisError, Redis.Redis> =>
  Layer.unwrapScoped(Effect.map(make(options), Layer.setClock))
