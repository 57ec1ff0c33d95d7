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
 * **After a sleep.** The monotonic clock stands still while a host is suspended, so that the server's is ahead of it
 * afterwards. Where the time of day tells of it, as of a laptop that was closed, it measures as soon as it is read again. A
 * virtual machine that was stopped may know nothing of it: twelve times between two measurements it asks the server once,
 * and measures when the answer is not what it should be. Until then it is late, which makes jobs late, not early; a worker
 * that was away for long may lose what it takes in these five seconds to another, as what it ran before.
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
import { namesOf } from "./internal/known.js"
import * as Check from "./internal/options.js"
import * as Signal from "./internal/signal.js"
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
 * How the server's clock is followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How long between two measurements, a millisecond at least; a day at most, if more is asked for. The time in which it
   * notices that one of the clocks was stopped or set is a twelfth of that. Default: 1 minute.
   */
  readonly every?: Duration.DurationInput | undefined
  /** How many times the server is asked at each, from 1 to 1000. Default: 5. */
  readonly samples?: number | undefined
}

const known = namesOf<Options>({ every: true, samples: true })

/** The server's clock less the host's, in milliseconds, and by how much it may be wrong: half a round trip. */
interface Sample {
  readonly offset: number
  readonly error: number
}

const ask = (redis: Redis.RedisService, base: EffectClock.Clock): Effect.Effect<Sample, Redis.RedisError> =>
  Effect.suspend(() => {
    const sent = monotonic(base)
    return Effect.map(redis.send<readonly [string, string]>("TIME"), ([seconds, micros]) => {
      const received = monotonic(base)
      return {
        offset: Number(seconds) * 1000 + Number(micros) / 1000 - (sent + received) / 2,
        error: (received - sent) / 2
      }
    })
  })

/** What two clocks may drift apart between two measurements, in milliseconds. */
const drift = 50

/** Whether one of the clocks was stopped or set between the two. */
const contradicts = (one: Sample, other: Sample): boolean =>
  Math.abs(one.offset - other.offset) > one.error + other.error + drift

/** The sample with the shortest round trip, of those since a clock was stopped or set. */
const measure = Effect.fnUntraced(function*(sample: Effect.Effect<Sample, Redis.RedisError>, samples: number) {
  let best = yield* sample
  for (let i = 1; i < samples; i++) {
    const one = yield* sample
    if (one.error < best.error || contradicts(one, best)) best = one
  }
  return best
})

/** Milliseconds with fractions. Unlike the current time, it doesn't jump when the host's clock is set. */
const monotonic = (clock: EffectClock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/** How many times it looks between two measurements whether the server's clock is where it should be. */
const looks = 12

/** By how much the host's time of day may be set without that it measures, in milliseconds: clients of NTP do it slowly. */
const longestStep = 250

/** How much of its speed the clock keeps while it waits for the server to catch up. */
const slowSpeed = 0.5

/**
 * Makes a clock that follows the server's until the scope is closed. It has measured once when it is there.
 *
 * Fails with `InvalidOptions`, and when the server can't be asked. Later failures are logged at level debug.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Clock, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const clock = yield* Clock.make({ every: "5 minutes" })
 *   return yield* clock.currentTimeMillis
 * }).pipe(Effect.scoped, Effect.provide(RedisLive.layer()))
 * ```
 */
export const make = (
  options: Options = {}
): Effect.Effect<EffectClock.Clock, Check.InvalidOptions | Redis.RedisError, Redis.Redis | Scope.Scope> =>
  Effect.gen(function*() {
    yield* Check.names(options, known)
    const { every, samples } = options
    const everyMillis = Math.min(yield* Check.millis("every", every, "1 minute", 1, Number.MAX_VALUE), longestSleep)
    const times = yield* Check.count("samples", samples, 5, { least: 1, most: 1000 })
    const redis = yield* Redis.Redis
    const base = yield* Effect.clock
    // The in-memory Redis answers with the clock of whoever asks: it must be asked by the clock that is measured.
    const one = Effect.withClock(ask(redis, base), base)
    const sample = measure(one, times)

    /** What is added to the host's clock at the instant `since`, and what it is to become. */
    let last = yield* sample
    let offset = last.offset
    let target = offset
    let since = monotonic(base)
    /** The host's time of day less its monotonic clock. */
    let ofDay = base.unsafeCurrentTimeMillis() - since
    const jumped = Signal.make()
    let lastMillis = -Infinity
    let lastNanos = 0n

    const offsetAt = (now: number): number =>
      target >= offset ? target : Math.max(target, offset - (now - since) * (1 - slowSpeed))

    const clock: EffectClock.Clock = {
      [EffectClock.ClockTypeId]: EffectClock.ClockTypeId,
      unsafeCurrentTimeMillis: () => {
        const now = monotonic(base)
        const ofDayNow = base.unsafeCurrentTimeMillis() - now
        if (Math.abs(ofDayNow - ofDay) > longestStep) {
          ofDay = ofDayNow
          jumped.notify()
        }
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

    const follow = Effect.map(sample, (measured) => {
      const now = monotonic(base)
      last = measured
      offset = offsetAt(now)
      since = now
      target = measured.offset
    })
    const look = Effect.flatMap(one, (seen) => contradicts(seen, last) ? follow : Effect.void)
    const lookMillis = Math.ceil(everyMillis / looks)
    const perMeasurement = Math.max(1, Math.round(everyMillis / lookMillis))
    const pause = Effect.raceFirst(
      Effect.as(Effect.sleep(lookMillis), false),
      Effect.as(jumped.wait, true)
    )
    let looked = 0
    yield* Effect.flatMap(pause, (hasJumped) => {
      looked = hasJumped ? 0 : looked + 1
      return looked % perMeasurement === 0 ? follow : look
    }).pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("the server's clock could not be read", cause)),
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
