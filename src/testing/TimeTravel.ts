/**
 * Virtual time for tests: a day of one-second ticks passes in a second or two, and each wake-up happens in the order
 * and at the instant in which it would happen in life.
 *
 * It is a Clock and a fiber Scheduler in one. The Clock keeps those who sleep in order of (instant, arrival). The
 * Scheduler runs all fibers of the test from one queue, so that "nothing is left to run" is known and not guessed.
 * Travelling is: run all that can run, set the clock to the instant of the next sleeper, wake this one sleeper, and
 * over again, until the goal is reached. The code under test uses Effect's Clock as always and knows nothing of it; it
 * runs as well under Effect's own `TestClock`.
 *
 * ## Where it holds
 *
 * Building {@link layer} sets the Clock and the Scheduler of the fiber that builds it, until the layer's scope closes.
 * They reach
 *
 * - the effect to which the layer is provided, and every fiber forked from it;
 * - the layers that are built on top of it, with the fibers they fork and the runtimes they capture
 *   (`Effect.runtime`), so that callbacks which use `Runtime.runFork` stay in virtual time.
 *
 * They do not reach a layer that is merely built beside it, in the same `Layer.mergeAll` or before it, nor what
 * `Effect.runFork` and the like start outside of the test. So put it at the bottom:
 * `Effect.provide(Main.pipe(Layer.provideMerge(TimeTravel.layer)))`.
 *
 * A layer that stands beside it joins in with a `Layer.provide(TimeTravel.layer)` of its own: layers are built once,
 * so it is the same clock. Provide it in each test and not with `it.layer`, which shares one clock among tests. Within
 * `it.effect` it takes the place of the `TestClock`.
 *
 * ## What it waits for
 *
 * A travel moves on when no fiber can run and no promise callback (microtask) or `process.nextTick` is left. What the
 * machine does outside of JavaScript cannot be seen: sockets, files, timers, `crypto.subtle`, the first `import()` of
 * a module. A travel does not wait for these, unless they are wrapped in `awaitExternal`. A fiber that the test itself
 * awaits needs no wrapping.
 *
 * ## How time behaves
 *
 * Time moves in whole milliseconds, as timers do; a part of a millisecond counts as a whole one. Time does not pass by
 * itself: a test that sleeps without anybody travelling waits for ever. Unlike the live clock, which never wakes those
 * who sleep for longer than 2^31 - 1 milliseconds (24.8 days), this one does. Every few thousand steps the event loop
 * gets a turn, so that time limits of the test runner work.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Ids from "../Ids.js"
import { VirtualClock, VirtualScheduler, wholeMillis } from "./time-travel/virtual.js"

/**
 * An instant: a `DateTime`, a `Date` or milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type Instant = DateTime.DateTime | Date | number

/**
 * Somebody who sleeps.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sleeper {
  /** When it wakes. */
  readonly at: DateTime.Utc
}

/**
 * The limit of virtual time of `runUntil` passed, and the condition still did not hold.
 *
 * @since 0.1.0
 * @category errors
 */
export class TimeTravelTimeout
  extends Schema.TaggedError<TimeTravelTimeout>("effect-rq/testing/TimeTravel/TimeTravelTimeout")("TimeTravelTimeout", {
    /** The virtual time that passed. */
    limit: Schema.DurationFromMillis,
    /** The instant reached. */
    at: Schema.DateTimeUtc,
    /** How many sleep on, beyond the limit. With none, no further time would have changed anything. */
    asleep: Schema.Int
  })
{
  override get message(): string {
    return `The condition did not hold within ${Duration.format(this.limit)} of virtual time, until ` +
      `${DateTime.formatIso(this.at)} (${this.asleep === 0 ? "nobody is asleep" : `${this.asleep} still asleep`})`
  }
}

/**
 * The program did not come to rest: at one instant more steps were taken than the layer allows. It is a defect of the
 * travel that waited, never a typed error, since it says that a test is wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class TimeTravelStuck
  extends Schema.TaggedError<TimeTravelStuck>("effect-rq/testing/TimeTravel/TimeTravelStuck")("TimeTravelStuck", {
    /** The instant that does not end. */
    at: Schema.DateTimeUtc,
    /** The steps taken at it. */
    steps: Schema.Int
  })
{
  override get message(): string {
    return `No rest after ${this.steps} steps at ${DateTime.formatIso(this.at)}: a fiber seems to loop without ` +
      `sleeping, or sleeps for zero. If there is that much to do at one instant, raise \`maxSteps\` (layerWith)`
  }
}

/**
 * What a test does with time.
 *
 * @since 0.1.0
 * @category models
 */
export interface TimeTravelService {
  /**
   * Lets time pass: wakes all whose instant comes within the span, one at a time, each when the one before has come to
   * rest, and stops at the end of the span. Interrupted, it stops at the instant reached.
   *
   * Several fibers may travel at once; each arrives when its own span is over. An infinite span is a defect.
   */
  readonly adjust: (duration: Duration.DurationInput) => Effect.Effect<void>
  /**
   * Lets time pass until the instant, as `adjust` does. An instant in the past sets the clock back, as an operator
   * may: `Clock.currentTimeMillis` goes back, while those who sleep still sleep for as long as they asked and
   * `Clock.currentTimeNanos` does not go back.
   */
  readonly setTime: (instant: Instant) => Effect.Effect<void>
  /**
   * Travels from sleeper to sleeper until the condition holds. It is evaluated first at the present instant, then
   * after each wake-up has come to rest, and at last at the limit.
   *
   * The condition may take no virtual time. Fails with {@link TimeTravelTimeout} at the limit.
   */
  readonly runUntil: <E, R>(
    condition: Effect.Effect<boolean, E, R>,
    options: {
      /** The most virtual time that may pass. */
      readonly limit: Duration.DurationInput
    }
  ) => Effect.Effect<void, E | TimeTravelTimeout, R>
  /** Runs all that can run, until nothing is left to run. No time passes. */
  readonly settle: Effect.Effect<void>
  /** The instant at which the next sleeper wakes, once all that can run has run. None when nobody sleeps. */
  readonly next: Effect.Effect<Option.Option<DateTime.Utc>>
  /** Those who sleep, the next to wake first, once all that can run has run. */
  readonly sleepers: Effect.Effect<ReadonlyArray<Sleeper>>
  /** The virtual instant. */
  readonly now: Effect.Effect<DateTime.Utc>
  /** How many sleepers were woken so far. */
  readonly wakes: Effect.Effect<number>
  /**
   * Runs an effect which waits for the outside (a file, a socket, `crypto.subtle`), and holds virtual time until it is
   * over. Within the effect the live clock rules: its sleeps and timeouts take real time.
   */
  readonly awaitExternal: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Control over virtual time.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect, Ref, Schedule } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * const program = Effect.gen(function*() {
 *   const travel = yield* TimeTravel.TimeTravel
 *   const ticks = yield* Ref.make(0)
 *   yield* Effect.fork(Effect.repeat(Ref.update(ticks, (n) => n + 1), Schedule.spaced("1 second")))
 *   yield* travel.adjust("1 hour")
 *   return yield* Ref.get(ticks) // 3601
 * }).pipe(Effect.provide(TimeTravel.layer))
 * ```
 */
export class TimeTravel extends Context.Tag("effect-rq/testing/TimeTravel")<TimeTravel, TimeTravelService>() {}

/**
 * When time starts, and how long an instant may last.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The instant at which time starts. Default: the epoch, 1970-01-01T00:00:00.000Z. */
  readonly startAt?: Instant | undefined
  /**
   * How many steps the fibers may take at one instant while somebody travels, before the travel dies with
   * {@link TimeTravelStuck}. A step is the run of a fiber until it next waits or yields; one that yields because it
   * ran for long (2,048 operations by default) counts as 128. Default: 4,000,000, which is a few seconds.
   */
  readonly maxSteps?: number | undefined
}

const defaultMaxSteps = 4_000_000

const finiteMillis = (operation: string, duration: Duration.DurationInput): Effect.Effect<number> =>
  Effect.suspend(() => {
    const millis = wholeMillis(duration)
    return Number.isFinite(millis)
      ? Effect.succeed(millis)
      : Effect.die(new RangeError(`TimeTravel.${operation} needs a finite span of time`))
  })

const epochMillis = (instant: Instant): number => Math.ceil(DateTime.toEpochMillis(DateTime.unsafeMake(instant)))

/**
 * Starts virtual time: sets the Clock and the Scheduler of the calling fiber, until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * const program = Effect.gen(function*() {
 *   const travel = yield* TimeTravel.make({ startAt: new Date("2030-01-01T00:00:00Z") })
 *   yield* travel.adjust("1 day")
 *   return yield* Clock.currentTimeMillis // a day after the start
 * }).pipe(Effect.scoped)
 * ```
 */
export const make: (options?: Options) => Effect.Effect<TimeTravelService, never, Scope.Scope> = Effect.fnUntraced(
  function*(options?: Options) {
    const clock = new VirtualClock(options?.startAt === undefined ? 0 : epochMillis(options.startAt))
    const scheduler = new VirtualScheduler(
      clock,
      options?.maxSteps ?? defaultMaxSteps,
      (at, steps) => new TimeTravelStuck({ at, steps })
    )
    yield* Effect.withClockScoped(clock)
    yield* Effect.locallyScoped(FiberRef.currentScheduler, scheduler)

    const settle = Effect.asVoid(Effect.suspend(() => scheduler.travel(clock.elapsed, false)))
    const service: TimeTravelService = {
      adjust: (duration) =>
        finiteMillis("adjust", duration).pipe(
          Effect.flatMap((millis) => scheduler.travel(clock.elapsed + millis, false)),
          Effect.asVoid
        ),
      setTime: (instant) =>
        Effect.sync(() => epochMillis(instant)).pipe(
          Effect.tap((millis) => scheduler.travel(Math.max(clock.elapsed, millis - clock.origin), false)),
          Effect.map((millis) => {
            clock.origin = Math.min(clock.origin, millis - clock.elapsed)
          })
        ),
      runUntil: Effect.fnUntraced(function*(condition, options) {
        const limit = yield* finiteMillis("runUntil", options.limit)
        const end = clock.elapsed + limit
        yield* settle
        let woke = true
        while (!(yield* condition)) {
          if (!woke) {
            return yield* new TimeTravelTimeout({
              limit: Duration.millis(limit),
              at: clock.utc(clock.elapsed),
              asleep: clock.sleepers.size
            })
          }
          woke = yield* scheduler.travel(end, true)
        }
      }),
      settle,
      next: Effect.map(settle, () => Option.map(Option.fromNullable(clock.sleepers.peek()), ({ at }) => clock.utc(at))),
      sleepers: Effect.map(settle, () => clock.sleepers.sorted().map(({ at }) => ({ at: clock.utc(at) }))),
      now: Effect.sync(() => clock.utc(clock.elapsed)),
      wakes: Effect.sync(() => clock.wakes),
      awaitExternal: (effect) =>
        Effect.acquireUseRelease(
          Effect.sync(() => scheduler.enterExternal()),
          () => Effect.withClock(effect, liveClock),
          () => Effect.sync(() => scheduler.leaveExternal())
        )
    }
    return service
  }
)

const liveClock = Clock.make()

/**
 * Virtual time with options. See the head of this module for where to provide it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * const program = Effect.provide(
 *   Clock.currentTimeMillis,
 *   TimeTravel.layerWith({ startAt: 1_000_000, maxSteps: 50_000_000 })
 * )
 * ```
 */
export const layerWith = (options: Options): Layer.Layer<TimeTravel> => Layer.scoped(TimeTravel, make(options))

/**
 * Virtual time that starts at the instant.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * const program = Effect.provide(Clock.currentTimeMillis, TimeTravel.layerAt(new Date("2030-01-01T00:00:00Z")))
 * ```
 */
export const layerAt = (instant: Instant): Layer.Layer<TimeTravel> => layerWith({ startAt: instant })

/**
 * Virtual time that starts at the epoch, 1970-01-01T00:00:00.000Z. See the head of this module for where to provide it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Console, Effect, Layer, Schedule } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * const Main = Layer.scopedDiscard(
 *   Console.log("tick").pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
 * )
 *
 * const test = Effect.gen(function*() {
 *   const travel = yield* TimeTravel.TimeTravel
 *   yield* travel.adjust("1 minute")
 * }).pipe(Effect.provide(Main.pipe(Layer.provideMerge(TimeTravel.layer))))
 * ```
 */
export const layer: Layer.Layer<TimeTravel> = layerWith({})

/**
 * Seeds what is random in Effect programs: Effect's `Random` and the ids of `Ids`. The same seed gives the same numbers
 * and ids in the same order, so that together with virtual time a test can be repeated to the byte.
 *
 * As with {@link layer}, what is built on top of it is seeded, what is built beside it is not.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer, Random } from "effect"
 * import { TimeTravel } from "effect-rq/testing"
 *
 * // the same number at the same instant in each run
 * const program = Effect.provide(
 *   Random.nextInt,
 *   Layer.provideMerge(TimeTravel.seeded(42), TimeTravel.layer)
 * )
 * ```
 */
export const seeded = (seed: number): Layer.Layer<never> =>
  // One on top of the other: layers that are merged are closed in fibers of their own, where Random is not put back.
  Layer.scopedDiscard(Effect.suspend(() => Effect.withRandomScoped(Random.make(seed)))).pipe(
    Layer.provideMerge(Ids.seeded(seed))
  )
