/**
 * Control of the fleet: suspend it, pause a queue, end a worker. As RQ's own commands, for its workers and ours alike.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Check from "./internal/options.js"
import * as Redis from "./Redis.js"
import * as Command from "./wire/command.js"
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
 * @since 0.1.0
 * @category models
 */
export interface ControlService {
  /**
   * Suspends all workers, of Python and ours: they go on with what runs and take nothing more, until `resume` or for as
   * long as `duration` says (whole seconds, rounded up). Schedulers go on: what becomes due waits in its queue.
   */
  readonly suspend: (options?: {
    readonly duration?: Duration.DurationInput | undefined
  }) => Effect.Effect<void, Check.InvalidOptions | Redis.RedisError>
  /** Lets all workers take jobs again; ours notice within a second. */
  readonly resume: Effect.Effect<void, Redis.RedisError>
  readonly isSuspended: Effect.Effect<boolean, Redis.RedisError>
  /** Makes our workers take nothing of one queue. Python's workers don't know of it. */
  readonly pause: (queue: string) => Effect.Effect<void, Redis.RedisError>
  /** Lets our workers take jobs of a queue again; they notice within a second. */
  readonly unpause: (queue: string) => Effect.Effect<void, Redis.RedisError>
  /** The queues that are paused, in order of the alphabet. */
  readonly paused: Effect.Effect<ReadonlyArray<string>, Redis.RedisError>
  /**
   * Tells a worker to end in peace, wherever it runs. False when it does not listen: it is not there, or has lost its
   * connection.
   */
  readonly shutdown: (worker: string) => Effect.Effect<boolean, Redis.RedisError>
}

/**
 * The control service.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Control } from "effect-rq"
 *
 * const deploy = Effect.gen(function*() {
 *   const control = yield* Control.Control
 *   yield* control.suspend({ duration: "5 minutes" })
 *   yield* Effect.log("migrating")
 *   yield* control.resume
 * })
 * ```
 */
export class Control extends Context.Tag("effect-rq/Control")<Control, ControlService>() {}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ControlService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  return {
    suspend: ({ duration } = {}) =>
      Effect.gen(function*() {
        const millis = duration === undefined ? 0 : yield* Check.millis("duration", duration, Duration.zero, 1)
        yield* redis.send("SET", keys.suspended, "1", ...(millis > 0 ? ["EX", Math.ceil(millis / 1000)] : []))
      }).pipe(Effect.asVoid),
    resume: Effect.asVoid(redis.send("DEL", keys.suspended)),
    isSuspended: Effect.map(redis.send<number>("EXISTS", keys.suspended), (found) => found === 1),
    pause: (queue) => Effect.asVoid(redis.send("SADD", keys.paused, queue)),
    unpause: (queue) => Effect.asVoid(redis.send("SREM", keys.paused, queue)),
    paused: Effect.map(redis.send<ReadonlyArray<string>>("SMEMBERS", keys.paused), (names) => [...names].sort()),
    shutdown: (worker) =>
      Effect.map(
        redis.send<number>("PUBLISH", keys.workerChannel(worker), Command.shutdown),
        (listeners) => listeners > 0
      )
  }
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Control, never, Redis.Redis> = Layer.effect(Control, make)
