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
import type { RuntimeFiber } from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Ids from "../Ids.js"

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

/** What a yield forced by the number of operations counts, which makes a step cost about the same time anywhere. */
const forcedYieldSteps = 128

/** Tasks between two turns of the event loop. */
const tasksPerTurn = 8192

/*
 * Held from the start, so that a test runner's fake timers do not replace them.
 */
const { nextTick } = process
const microtask = queueMicrotask
const macrotask = setImmediate

/** Timers have whole milliseconds; rounding up never wakes early. Decoding makes negative spans zero. */
const wholeMillis = (duration: Duration.DurationInput): number => Math.ceil(Duration.toMillis(duration))

const finiteMillis = (operation: string, duration: Duration.DurationInput): Effect.Effect<number> =>
  Effect.suspend(() => {
    const millis = wholeMillis(duration)
    return Number.isFinite(millis)
      ? Effect.succeed(millis)
      : Effect.die(new RangeError(`TimeTravel.${operation} needs a finite span of time`))
  })

const epochMillis = (instant: Instant): number => Math.ceil(DateTime.toEpochMillis(DateTime.unsafeMake(instant)))

interface Entry {
  /** Virtual milliseconds since the start, not since the epoch: a clock that is set back keeps nobody from waking. */
  readonly at: number
  readonly seq: number
  readonly wake: () => void
  /** Its place in the heap, or -1 when it is no longer there. */
  index: number
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq)

/**
 * Sleepers by (instant, arrival) in a binary heap. Entries know their place, so that a cancelled sleeper leaves at once:
 * a program with a timeout of an hour on each of a million operations holds no million sleepers.
 */
class Heap {
  readonly #entries: Array<Entry> = []

  get size(): number {
    return this.#entries.length
  }

  peek(): Entry | undefined {
    return this.#entries[0]
  }

  sorted(): ReadonlyArray<Entry> {
    return this.#entries.slice().sort((a, b) => before(a, b) ? -1 : 1)
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#up(entry, this.#entries.length - 1)
  }

  remove(entry: Entry): void {
    const index = entry.index
    if (index < 0) return
    entry.index = -1
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    this.#down(last, index)
    this.#up(last, last.index)
  }

  #up(entry: Entry, from: number): void {
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#entries[parentIndex]!
      if (before(parent, entry)) break
      this.#place(parent, index)
      index = parentIndex
    }
    this.#place(entry, index)
  }

  #down(entry: Entry, from: number): void {
    const entries = this.#entries
    let index = from
    for (let child = 2 * index + 1; child < entries.length; child = 2 * index + 1) {
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      if (before(entry, entries[child]!)) break
      this.#place(entries[child]!, index)
      index = child
    }
    this.#place(entry, index)
  }

  #place(entry: Entry, index: number): void {
    this.#entries[index] = entry
    entry.index = index
  }
}

class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly sleepers = new Heap()
  /** Virtual milliseconds since the start; never goes back. */
  elapsed = 0
  wakes = 0
  /** The instant of the start by the clock's present reckoning: changes when the clock is set back. */
  origin: number
  readonly #nanosAtStart: bigint
  #arrivals = 0

  constructor(startAt: number) {
    this.origin = startAt
    this.#nanosAtStart = BigInt(startAt) * 1_000_000n
  }

  unsafeCurrentTimeMillis(): number {
    return this.origin + this.elapsed
  }

  unsafeCurrentTimeNanos(): bigint {
    return this.#nanosAtStart + BigInt(this.elapsed) * 1_000_000n
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = wholeMillis(duration)
    if (millis <= 0) return Effect.yieldNow()
    if (millis === Number.POSITIVE_INFINITY) return Effect.never
    return Effect.async<void>((resume) => {
      const entry: Entry = {
        at: this.elapsed + millis,
        seq: this.#arrivals++,
        wake: () => resume(Effect.void),
        index: -1
      }
      this.sleepers.add(entry)
      return Effect.sync(() => this.sleepers.remove(entry))
    })
  }

  utc(elapsed: number): DateTime.Utc {
    return DateTime.unsafeMake(this.origin + elapsed)
  }
}

/** Somebody who waits for virtual time. */
interface Travel {
  /** Where it ends, in virtual milliseconds since the start. */
  readonly end: number
  /** For a travel that ends with the next wake-up: the number of wake-ups at which it ends. */
  readonly endWakes: number
  /** Told true when a wake-up ended it, false when the time did. */
  readonly resume: (effect: Effect.Effect<boolean>) => void
}

/**
 * Runs all fibers from one queue (Effect's own scheduler has kept one for each fiber since 3.20), and at rest moves the
 * clock on for those who travel.
 *
 * Tasks run within a microtask. When none is left, a `nextTick` is asked for: Node calls it once the microtasks are
 * all done, whatever number of promises they go through. A second round covers callbacks of `nextTick` that make
 * promises. If then there is still nothing to run, the program is at rest.
 */
class VirtualScheduler implements Scheduler.Scheduler {
  readonly #clock: VirtualClock
  readonly #maxSteps: number
  readonly #travels: Array<Travel> = []
  #pending = new Scheduler.PriorityBuckets()
  #batch: ReadonlyArray<Scheduler.Task> = []
  #position = 0
  /** Whether a call of `#drain` or `#check` is on its way. */
  #running = false
  /** Whether a round without tasks went by. */
  #quiet = false
  #external = 0
  #steps = 0
  #tasksInTurn = 0

  constructor(clock: VirtualClock, maxSteps: number) {
    this.#clock = clock
    this.#maxSteps = maxSteps
  }

  shouldYield(fiber: RuntimeFiber<unknown, unknown>): number | false {
    const priority = Scheduler.defaultShouldYield(fiber)
    if (priority !== false) this.#steps += forcedYieldSteps - 1
    return priority
  }

  scheduleTask(task: Scheduler.Task, priority: number): void {
    this.#pending.scheduleTask(task, priority)
    this.#start()
  }

  /** Travels to `end`; with `step`, no further than the next wake-up. Succeeds with whether a wake-up ended it. */
  travel(end: number, step: boolean): Effect.Effect<boolean> {
    return Effect.async<boolean>((resume) => {
      const travel: Travel = {
        end,
        endWakes: step ? this.#clock.wakes + 1 : Number.POSITIVE_INFINITY,
        resume
      }
      this.#steps = 0
      this.#travels.push(travel)
      this.#start()
      return Effect.sync(() => {
        const index = this.#travels.indexOf(travel)
        if (index >= 0) this.#travels.splice(index, 1)
      })
    })
  }

  enterExternal(): void {
    this.#external++
  }

  leaveExternal(): void {
    this.#external--
    this.#start()
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    microtask(this.#drain)
  }

  #nextTask(): Scheduler.Task | undefined {
    if (this.#position === this.#batch.length) {
      const buckets = this.#pending.buckets
      if (buckets.length === 0) return undefined
      this.#pending.buckets = []
      this.#batch = buckets.length === 1 ? buckets[0]![1] : buckets.flatMap(([, tasks]) => tasks)
      this.#position = 0
    }
    return this.#batch[this.#position++]
  }

  #hasTasks(): boolean {
    return this.#position < this.#batch.length || this.#pending.buckets.length > 0
  }

  readonly #drain = (): void => {
    let whole = false
    try {
      while (this.#tasksInTurn < tasksPerTurn) {
        const task = this.#nextTask()
        if (task === undefined) break
        this.#quiet = false
        this.#tasksInTurn++
        if (++this.#steps > this.#maxSteps && this.#travels.length > 0) this.#giveUp()
        task()
      }
      whole = true
    } finally {
      // a task throws when an observer of a fiber does; the others must go on
      if (!whole) microtask(this.#drain)
    }
    if (this.#tasksInTurn >= tasksPerTurn) {
      macrotask(this.#turn)
    } else if (this.#travels.length > 0) {
      nextTick(this.#check)
    } else {
      this.#running = false
    }
  }

  readonly #turn = (): void => {
    this.#tasksInTurn = 0
    microtask(this.#drain)
  }

  readonly #check = (): void => {
    if (!this.#hasTasks()) {
      if (!this.#quiet) {
        this.#quiet = true
      } else if (this.#external > 0) {
        // whoever is outside starts it again
        this.#running = false
        return
      } else {
        this.#quiet = false
        this.#advance()
      }
    }
    microtask(this.#drain)
  }

  /** At rest: lets one thing happen, the end of a travel or the wake-up of a sleeper. */
  #advance(): void {
    const clock = this.#clock
    const stepped = this.#travels.findIndex((travel) => clock.wakes >= travel.endWakes)
    if (stepped >= 0) return this.#finish(stepped, true)
    let first = -1
    for (let i = 0; i < this.#travels.length; i++) {
      if (first < 0 || this.#travels[i]!.end < this.#travels[first]!.end) first = i
    }
    // interrupted travels are gone
    if (first < 0) return
    const end = this.#travels[first]!.end
    const sleeper = clock.sleepers.peek()
    if (sleeper !== undefined && sleeper.at <= end) {
      clock.sleepers.remove(sleeper)
      this.#moveTo(sleeper.at)
      clock.wakes++
      sleeper.wake()
    } else {
      this.#moveTo(end)
      this.#finish(first, false)
    }
  }

  #moveTo(elapsed: number): void {
    if (elapsed <= this.#clock.elapsed) return
    this.#clock.elapsed = elapsed
    this.#steps = 0
  }

  #finish(index: number, woke: boolean): void {
    this.#travels.splice(index, 1)[0]!.resume(Effect.succeed(woke))
  }

  #giveUp(): void {
    const at = this.#clock.utc(this.#clock.elapsed)
    for (const travel of this.#travels.splice(0)) {
      travel.resume(Effect.die(new TimeTravelStuck({ at, steps: this.#steps })))
    }
    this.#steps = 0
  }
}

/**
 * Starts virtual time: sets the Clock and the Scheduler of the calling fiber, until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: Options) => Effect.Effect<TimeTravelService, never, Scope.Scope> = Effect.fnUntraced(
  function*(options?: Options) {
    const clock = new VirtualClock(options?.startAt === undefined ? 0 : epochMillis(options.startAt))
    const scheduler = new VirtualScheduler(clock, options?.maxSteps ?? defaultMaxSteps)
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
 */
export const layerWith = (options: Options): Layer.Layer<TimeTravel> => Layer.scoped(TimeTravel, make(options))

/**
 * Virtual time that starts at the instant.
 *
 * @since 0.1.0
 * @category layers
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
 */
export const seeded = (seed: number): Layer.Layer<never> =>
  // One on top of the other: layers that are merged are closed in fibers of their own, where Random is not put back.
  Layer.scopedDiscard(Effect.suspend(() => Effect.withRandomScoped(Random.make(seed)))).pipe(
    Layer.provideMerge(Ids.seeded(seed))
  )
