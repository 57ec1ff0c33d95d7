/**
 * Locks: a lease with a token, for what at most one process may do at a time.
 *
 * A lock is a lease: it lapses when its owner is gone, and the owner prolongs it for as long as it works. Nobody but the
 * owner of the token can prolong or release it. A process that is paused for longer than the lease loses it: what it
 * does after that is not excluded by any lock, so {@link LockService.withLock} interrupts the work when it finds the
 * lease lost, and effects that must not happen twice have to be fenced where they take effect.
 *
 * The leadership of schedulers uses the same lease, under RQ's own key and value.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Ids from "./Ids.js"
import { longestSleep } from "./internal/duration.js"
import { namesOf } from "./internal/known.js"
import * as Check from "./internal/options.js"
import * as lease from "./lifecycle/lease.js"
import * as Redis from "./Redis.js"
import * as keys from "./wire/keys.js"

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
 * How a lock is taken and kept. What can't be used fails with `InvalidOptions` before it is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface LockOptions {
  /**
   * For how long the lock outlives its last renewal, a millisecond at least, 68 years at most; it is renewed three times in
   * that span, and once a day at least. Default: 30 seconds.
   */
  readonly ttl?: Duration.DurationInput | undefined
  /** For how long to wait for a lock that another holds; without end with `Duration.infinity`. Default: not at all. */
  readonly wait?: Duration.DurationInput | undefined
  /** What is stored as the owner. Default: an id that nobody else has. */
  readonly token?: string | undefined
}

/**
 * A lock that is held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  readonly name: string
  readonly token: string
  /** Waits until the lease is found lost. Never completes while it is held. */
  readonly lost: Effect.Effect<LockLost>
  /** Renews the lease now; false when it is lost. */
  readonly renew: Effect.Effect<boolean, Redis.RedisError>
  /** Releases the lock before the scope is closed; false when it was lost already. */
  readonly release: Effect.Effect<boolean, Redis.RedisError>
}

/**
 * Another holds the lock, and it did not become free in the time given.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockHeld extends Schema.TaggedError<LockHeld>("effect-rq/Lock/LockHeld")("LockHeld", {
  name: Schema.String,
  /** The token of the owner. */
  by: Schema.String
}) {
  override get message(): string {
    return `lock ${this.name} is held by ${this.by}`
  }
}

/**
 * The lease lapsed, or was taken away, while it was believed to be held.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockLost extends Schema.TaggedError<LockLost>("effect-rq/Lock/LockLost")("LockLost", {
  name: Schema.String,
  token: Schema.String
}) {
  override get message(): string {
    return `lock ${this.name} was lost: its lease lapsed before it could be renewed`
  }
}

/**
 * Takes locks, for a scope or around an effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface LockService {
  /**
   * Takes the lock for as long as the scope is open, renewing it in the background. Fails with `LockHeld` when another
   * holds it and `wait` is over, and with `InvalidOptions` for a name that is empty and for options that can't be used.
   */
  readonly acquire: (
    name: string,
    options?: LockOptions
  ) => Effect.Effect<Lease, LockHeld | Check.InvalidOptions | Redis.RedisError, Scope.Scope>
  /**
   * Runs an effect while holding the lock. The effect is interrupted, and the whole fails with `LockLost`, when the
   * lease is lost meanwhile.
   */
  readonly withLock: (
    name: string,
    options?: LockOptions
  ) => <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | LockHeld | LockLost | Check.InvalidOptions | Redis.RedisError, R>
  /** Who holds the lock now. */
  readonly holder: (name: string) => Effect.Effect<Option.Option<string>, Redis.RedisError>
}

/**
 * The lock service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Lock } from "effect-rq"
 *
 * const rebuild = Effect.log("rebuilding the index")
 *
 * const program = Effect.gen(function*() {
 *   const lock = yield* Lock.Lock
 *   yield* rebuild.pipe(
 *     lock.withLock("rebuild-index", { ttl: "1 minute" }),
 *     Effect.catchTag("LockHeld", (held) => Effect.log(`${held.by} is at it`))
 *   )
 * })
 * ```
 */
export class Lock extends Context.Tag("effect-rq/Lock")<Lock, LockService>() {}

const invalid = (field: string, message: string) => new Check.InvalidOptions({ field, message: `${field}: ${message}` })

const lockNames = namesOf<LockOptions>({ ttl: true, wait: true, token: true })

const defaultTtl = Duration.seconds(30)

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Lock, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const lock = yield* Lock.make
 *   return yield* lock.holder("rebuild-index")
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<LockService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const take = redis.eval(lease.take)
  const prolong = redis.eval(lease.prolong)
  const end = redis.eval(lease.end)

  /** Waits until the lock may be free: it was released, its lease lapses, or the time is over. */
  const awaitFree = (released: Queue.Dequeue<Redis.Message>, lapsesIn: number | undefined, left: number) =>
    Queue.take(released).pipe(
      Effect.timeoutOption(Math.min(left, lapsesIn === undefined ? left : lapsesIn + 1, longestSleep)),
      Effect.asVoid
    )

  /** Returns when the lock was asked for successfully: its lease lasts from then at least. */
  const takeWithin = Effect.fnUntraced(function*(name: string, token: string, ttl: number, wait: number) {
    const key = keys.lock(name)
    const start = yield* Clock.currentTimeMillis
    const first = yield* take(key, token, ttl)
    if (first._tag === "Taken") return start
    if (wait <= 0) return yield* new LockHeld({ name, by: first.by })
    const until = start + wait
    const released = yield* redis.subscribe(key)
    while (true) {
      const asked = yield* Clock.currentTimeMillis
      const taken = yield* take(key, token, ttl)
      if (taken._tag === "Taken") return asked
      const left = until - (yield* Clock.currentTimeMillis)
      if (left <= 0) return yield* new LockHeld({ name, by: taken.by })
      yield* awaitFree(released, taken.lapsesIn, left)
    }
  })

  const acquire: LockService["acquire"] = Effect.fnUntraced(function*(name, given) {
    const options = given ?? {}
    yield* Check.names(options, lockNames)
    if (typeof name !== "string" || name === "") return yield* invalid("name", "expected a text that is not empty")
    if (options.token !== undefined && (typeof options.token !== "string" || options.token === "")) {
      return yield* invalid("token", "expected a text that is not empty")
    }
    const ids = yield* Ids.Ids
    const token = options.token ?? (yield* ids.name)
    const ttl = Math.ceil(yield* Check.millis("ttl", options.ttl, defaultTtl, 1, Check.longestLifetime))
    const wait = Duration.toMillis(yield* Check.wait("wait", options.wait === undefined ? 0 : options.wait))
    const key = keys.lock(name)
    const lost = yield* Deferred.make<LockLost>()
    const release = Effect.suspend(() => end(key, token, key))
    // The lock may have been taken although the reply was lost, so it is released however taking it ended.
    const askedAt = yield* Effect.acquireReleaseInterruptible(
      Effect.scoped(takeWithin(name, token, ttl, wait)),
      () => Effect.ignore(release)
    )
    const renew = Effect.suspend(() => prolong(key, token, ttl))

    // Renews three times a lease. Redis being away is no loss yet: the lease is lost when it is not ours any more, or
    // when it has surely lapsed.
    const renewing = Effect.gen(function*() {
      let confirmed = askedAt
      while (true) {
        yield* Effect.sleep(Math.min(ttl / 3, longestSleep))
        const sent = yield* Clock.currentTimeMillis
        // A renewal that hangs must not hide that the lease has lapsed meanwhile.
        const held = yield* Effect.timeoutOption(Effect.option(renew), Math.max(0, confirmed + ttl - sent))
        const answer = Option.flatten(held)
        if (Option.isSome(answer) && answer.value) confirmed = sent
        else if (Option.isSome(answer) || (yield* Clock.currentTimeMillis) - confirmed >= ttl) break
      }
      yield* Deferred.succeed(lost, new LockLost({ name, token }))
    })
    yield* Effect.forkScoped(renewing)
    return { name, token, lost: Deferred.await(lost), renew, release }
  })

  return {
    acquire,
    withLock: (name, options) => (effect) =>
      Effect.scoped(
        Effect.flatMap(
          acquire(name, options),
          (held) => Effect.raceFirst(effect, Effect.flatMap(held.lost, Effect.fail))
        )
      ),
    holder: (name) => Effect.map(redis.send<string | null>("GET", keys.lock(name)), Option.fromNullable)
  }
})

/**
 * The service on the `Redis` that the Layer is given. It asks the server for nothing until it is used.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Lock, RedisLive } from "effect-rq"
 *
 * const Live = Lock.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const lock = yield* Lock.Lock
 *   return yield* lock.holder("rebuild-index")
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Lock, never, Redis.Redis> = Layer.effect(Lock, make)
