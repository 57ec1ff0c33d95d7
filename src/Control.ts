/**
 * Control of the fleet: suspend it, pause a queue, end a worker. As RQ's own commands, for its workers and ours alike.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { namesOf } from "./internal/known.js"
import * as Check from "./internal/options.js"
import { luaJournal } from "./lifecycle/journal.js"
import * as Redis from "./Redis.js"
import * as Command from "./wire/command.js"
import * as Date from "./wire/date.js"
import * as keys from "./wire/keys.js"
import * as Suspended from "./wire/suspension.js"

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
 * That the fleet is suspended, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Suspension {
  /** When it ends by itself; none: with `resume` only. */
  readonly until: Option.Option<DateTime.Utc>
}

/**
 * For how long to suspend, see {@link ControlService}.
 *
 * @since 0.1.0
 * @category models
 */
export interface SuspendOptions {
  /** After which time workers go on by themselves: whole seconds, rounded up, 68 years at most. Default: `resume` ends it. */
  readonly duration?: Duration.DurationInput | undefined
}

/**
 * What can be done to the whole fleet, to one queue, and to one worker. A call that fails with `RedisError` may have
 * been carried out, and can be repeated.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControlService {
  /**
   * Suspends all workers, of Python and ours: they go on with what runs and take nothing more, until `resume` or for as
   * long as `duration` says. Schedulers go on: what becomes due waits in its queue.
   *
   * Fails with `InvalidOptions` for a `duration` that is none or zero.
   */
  readonly suspend: (options?: SuspendOptions) => Effect.Effect<void, Check.InvalidOptions | Redis.RedisError>
  /** Lets all workers take jobs again; ours notice within a second. */
  readonly resume: Effect.Effect<void, Redis.RedisError>
  /** Whether the fleet is suspended now, for a time or until `resume`. */
  readonly isSuspended: Effect.Effect<boolean, Redis.RedisError>
  /** As `isSuspended`, with when that ends, whoever has suspended it; none while it is not suspended. */
  readonly suspension: Effect.Effect<Option.Option<Suspension>, Redis.RedisError>
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

const suspendNames = namesOf<SuspendOptions>({ duration: true })

/** Adds the queue to those that are paused, or takes it out, and notes when that was. May be repeated. */
const setPaused = Redis.script(
  (queue: string, isPaused: boolean, now: string) => [keys.paused, keys.journal(queue), queue, isPaused ? 1 : 0, now],
  {
    name: "set-paused",
    numberOfKeys: 2,
    lua: `${luaJournal}
if redis.call(ARGV[2] == "1" and "SADD" or "SREM", KEYS[1], ARGV[1]) == 1 then
  note(KEYS[2], ARGV[3] .. (ARGV[2] == "1" and " paused" or " unpaused"))
end
return 1
`,
    result: () => undefined
  }
)

/** Suspends for so many seconds, or for ever; ends that when `seconds` is zero. */
const setSuspended = Redis.script(
  (seconds: number, now: string) => [
    keys.suspended,
    keys.fleetJournal,
    Number.isFinite(seconds) ? seconds : "",
    now
  ],
  {
    name: "set-suspended",
    numberOfKeys: 2,
    lua: `${luaJournal}
if ARGV[1] == "0" then
  if redis.call("DEL", KEYS[1]) == 1 then note(KEYS[2], ARGV[2] .. " resumed") end
elseif ARGV[1] == "" then
  redis.call("SET", KEYS[1], "1")
  note(KEYS[2], ARGV[2] .. " suspended")
else
  redis.call("SET", KEYS[1], "1", "EX", ARGV[1])
  note(KEYS[2], string.format("%s suspended %.3f", ARGV[2], tonumber(ARGV[2]) + tonumber(ARGV[1])))
end
return 1
`,
    result: () => undefined
  }
)

/**
 * Makes the service on the `Redis` of the context, where a Layer is not wanted. It asks the server for nothing until it
 * is used.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Control, RedisLive } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const control = yield* Control.make
 *   yield* control.pause("mail")
 * }).pipe(Effect.provide(RedisLive.layer()))
 * ```
 */
export const make: Effect.Effect<ControlService, never, Redis.Redis> = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const now = Effect.map(Clock.currentTimeMillis, Date.seconds)
  const suspendFor = redis.eval(setSuspended)
  const pauseOne = redis.eval(setPaused)
  return {
    suspend: (options) =>
      Effect.gen(function*() {
        yield* Check.names(options ?? {}, suspendNames)
        const duration = options?.duration
        const millis = duration === undefined
          ? 0
          : yield* Check.millis("duration", duration, Duration.zero, 1, Check.longestLifetime)
        yield* suspendFor(millis > 0 ? Math.ceil(millis / 1000) : Infinity, yield* now)
      }),
    resume: Effect.flatMap(now, (now) => suspendFor(0, now)),
    isSuspended: Effect.map(redis.send<number>("EXISTS", keys.suspended), (found) => found === 1),
    suspension: Effect.zipWith(
      redis.send<number>("PTTL", keys.suspended),
      Clock.currentTimeMillis,
      (ttl, now) =>
        Option.map(Option.fromNullable(Suspended.decode(ttl, now)), ({ until }) => ({
          until: Option.map(Option.fromNullable(until), DateTime.unsafeMake)
        }))
    ),
    pause: (queue) => Effect.flatMap(now, (now) => pauseOne(queue, true, now)),
    unpause: (queue) => Effect.flatMap(now, (now) => pauseOne(queue, false, now)),
    paused: Effect.map(redis.send<ReadonlyArray<string>>("SMEMBERS", keys.paused), (names) => [...names].sort()),
    shutdown: (worker) =>
      Effect.map(
        redis.send<number>("PUBLISH", keys.workerChannel(worker), Command.shutdown),
        (listeners) => listeners > 0
      )
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
 * import { Control, RedisLive } from "effect-rq"
 *
 * const Live = Control.layer.pipe(Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" })))
 *
 * const program = Effect.gen(function*() {
 *   const control = yield* Control.Control
 *   yield* control.pause("mail")
 * }).pipe(Effect.provide(Live))
 * ```
 */
export const layer: Layer.Layer<Control, never, Redis.Redis> = Layer.effect(Control, make)
