/**
 * The scheduler: promotes jobs into their queues when they become due.
 *
 * **Leadership.** Any number of schedulers may serve a queue; one of them leads it. The leader holds RQ's own lock of
 * that queue, a lease with its name as the token, which it renews at every tick. Renewing, releasing and promoting check
 * the token inside Redis: a scheduler that was paused past its lease does nothing when it wakes up. Schedulers of Python
 * RQ and of effect-rq exclude each other.
 *
 * **Takeover.** Schedulers that don't lead hold an election every 15 minutes, and earlier when they have a reason: a
 * leader that stops says so, and a lock seen held is looked at again when its lease would lapse. So a clean stop is
 * followed by the next leader at once, a crash within one lease.
 *
 * **Punctuality.** The leader ticks every second, and in between as soon as something is due: each tick learns the next
 * due time, and scheduling something sooner than that wakes the leader. Times are kept to the millisecond; nothing is
 * promoted before it is due by the `Clock` of the leader (`Clock.layerRedis` makes that the clock of the server).
 *
 * **Beside others.** Schedulers of Python RQ up to 2.10 don't look at their lock where they promote, so one that was
 * paused past its lease may promote in a queue that is led here, and even a second time what was promoted here. The leader
 * watches a sample of what is due next and of what it has promoted, once a tick, while there is any. What it sees is
 * counted (`foreignPromotions`) and logged as a warning, once for as long as it goes on. A job that stands in its queue
 * twice is run once all the same unless its first run ends before the second is taken.
 *
 * **Failure.** The fibers of a scheduler are supervised: they are started again after a defect, and go on by themselves
 * after Redis was away. Both are logged.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Check from "./internal/options.js"
import { forkSupervised } from "./internal/supervised.js"
import * as Redis from "./Redis.js"
import * as Electing from "./scheduler/electing.js"
import * as Listening from "./scheduler/listening.js"
import * as Others from "./scheduler/others.js"
import * as Promoting from "./scheduler/promoting.js"
import * as Settings from "./scheduler/settings.js"
import * as State from "./scheduler/state.js"
import * as Waiting from "./scheduler/waiting.js"

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
 * What a scheduler serves, and how. What can't be used fails with `InvalidOptions` before anything starts.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchedulerOptions {
  /** The queues to serve, at least one, each named once. */
  readonly queues: ReadonlyArray<string>
  /** The name under which it holds locks, unlike any other scheduler's. Default: 20 random digits. */
  readonly name?: string | undefined
  /**
   * How often the leader looks for due jobs and renews its leases, from a millisecond to 12 days. Default: 1 second.
   */
  readonly tick?: Duration.DurationInput | undefined
  /** How often one that doesn't lead tries to, for no reason; 24 days at most. Default: 15 minutes. */
  readonly election?: Duration.DurationInput | undefined
  /** For how long leadership outlives the last tick: twice the tick at least, 24 days at most. Default: 15 seconds. */
  readonly lease?: Duration.DurationInput | undefined
  /** How many jobs one call promotes at most, from 1 to 5,000. Default: 500. */
  readonly batchSize?: number | undefined
}

/**
 * What a scheduler knows of one queue.
 *
 * @since 0.1.0
 * @category models
 */
export interface QueueStatus {
  readonly queue: string
  /** Since when this scheduler leads the queue; none when it doesn't. */
  readonly leadingSince: Option.Option<DateTime.Utc>
  /** Who leads the queue as far as is known. */
  readonly leader: Option.Option<string>
  /** How many jobs this scheduler has promoted. */
  readonly promoted: number
  /**
   * How many promotions of somebody else it has seen while it led the queue. Only a sample is looked at, once a tick, so
   * this tells whether it happens and not how often.
   */
  readonly foreignPromotions: number
  /** How many entries it has dropped because no scheduled job belonged to them. */
  readonly dropped: number
  readonly lastPromotedAt: Option.Option<DateTime.Utc>
  /** How late the earliest job of the last promotion was. */
  readonly lag: Duration.Duration
  /** The greatest lag so far. */
  readonly maxLag: Duration.Duration
  /** When the next job is due that is not due yet. */
  readonly nextDue: Option.Option<DateTime.Utc>
  /** What keeps the queue from being promoted, in words. */
  readonly problem: Option.Option<string>
}

/**
 * What a scheduler is doing.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchedulerStatus {
  readonly name: string
  /** False while Redis can't be reached. */
  readonly connected: boolean
  /** When it last looked for due jobs; none while it leads no queue. */
  readonly lastTick: Option.Option<DateTime.Utc>
  readonly queues: ReadonlyArray<QueueStatus>
}

/**
 * Something that a scheduler did or saw.
 *
 * @since 0.1.0
 * @category models
 */
export type SchedulerEvent =
  | { readonly _tag: "Elected"; readonly queue: string; readonly at: DateTime.Utc }
  | { readonly _tag: "Deposed"; readonly queue: string; readonly at: DateTime.Utc }
  | {
    readonly _tag: "Promoted"
    readonly queue: string
    readonly at: DateTime.Utc
    /** In the order of their due times. */
    readonly jobIds: ReadonlyArray<string>
    /** How late the first of them was. */
    readonly lag: Duration.Duration
  }

/**
 * What a running scheduler tells of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchedulerService {
  readonly name: string
  /** What it leads, has promoted and sees coming, as it knows it: nothing is asked. */
  readonly status: Effect.Effect<SchedulerStatus>
  /**
   * The last 100 events, so that one who reads from the start misses nothing, and then what happens from now on. A
   * reader that is more than 1,024 events behind misses the oldest.
   */
  readonly events: Stream.Stream<SchedulerEvent>
}

/**
 * The running scheduler.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Scheduler } from "effect-rq"
 *
 * const watch = Effect.gen(function*() {
 *   const scheduler = yield* Scheduler.Scheduler
 *   yield* Stream.runForEach(scheduler.events, (event) => Effect.log(event._tag, event.queue))
 * })
 * ```
 */
export class Scheduler extends Context.Tag("effect-rq/Scheduler")<Scheduler, SchedulerService>() {}

/**
 * Starts a scheduler in the scope. When the scope is closed it gives up what it leads and tells the others.
 *
 * Fails with `InvalidOptions` for an option that can't be used. When Redis can't be reached it starts all the same,
 * says so once and goes on when it can.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RedisLive, Scheduler } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const scheduler = yield* Scheduler.make({ queues: ["mail"], lease: "30 seconds" })
 *   yield* Effect.sleep("1 hour")
 *   return yield* scheduler.status
 * }).pipe(Effect.scoped, Effect.provide(RedisLive.layer()))
 * ```
 */
export const make = (
  options: SchedulerOptions
): Effect.Effect<SchedulerService, Check.InvalidOptions, Redis.Redis | Scope.Scope> =>
  Effect.gen(function*() {
    const settings = yield* Settings.make(options)
    const { electionMillis, name, tickMillis } = settings
    const redis = yield* Redis.Redis
    const state = yield* State.make(settings)
    const promoteAll = Promoting.make(settings, state, redis)
    const lookForOthers = Others.make(settings, state, redis)
    const electAll = Electing.make(settings, state, redis)
    const resign = Electing.makeResigning(settings, state, redis)

    // Elections and ticks take turns, so that each sees what the other has left. No call hangs: the port bounds them.
    const turn = (yield* Effect.makeSemaphore(1)).withPermits(1)
    const tick = turn(state.whenConnected(promoteAll))
    const election = Effect.zipRight(turn(state.whenConnected(electAll)), tick)
    const regularTick = turn(state.whenConnected(Effect.zipRight(promoteAll, lookForOthers)))

    // Finalizers run in reverse: the fibers stop first, then leadership is given up.
    yield* Effect.addFinalizer(() => Effect.zipRight(resign, state.events.shutdown))
    yield* forkSupervised("the election", Effect.repeat(election, Schedule.spaced(electionMillis)))
    yield* forkSupervised("the tick", Effect.repeat(regularTick, Schedule.spaced(tickMillis)))
    yield* forkSupervised("the punctual tick", Waiting.punctual(settings, state, tick))
    yield* forkSupervised("the watch over leases", Waiting.watching(settings, state, election))
    yield* forkSupervised("listening to other schedulers", Listening.make(settings, state, redis, tick, election))

    const service: SchedulerService = {
      name,
      status: Effect.sync(() => ({
        name,
        connected: state.connected,
        lastTick: State.instant(state.lastTick),
        queues: state.all().map(State.toStatus)
      })),
      events: state.events.stream
    }
    return service
  })

/**
 * A scheduler that runs for as long as the Layer is in use.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { RedisLive, Scheduler } from "effect-rq"
 *
 * const Main = Scheduler.layer({ queues: ["mail", "default"] }).pipe(
 *   Layer.provide(RedisLive.layer({ url: "redis://localhost:6379" }))
 * )
 *
 * // runs until it is interrupted
 * const program = Layer.launch(Main)
 *
 * const report = Effect.gen(function*() {
 *   const scheduler = yield* Scheduler.Scheduler
 *   const { queues } = yield* scheduler.status
 *   for (const { lag, leader, queue } of queues) yield* Effect.log(queue, leader, lag)
 * })
 * ```
 */
export const layer = (options: SchedulerOptions): Layer.Layer<Scheduler, Check.InvalidOptions, Redis.Redis> =>
  Layer.scoped(Scheduler, make(options))
