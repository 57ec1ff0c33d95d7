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
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Ids from "./Ids.js"
import { detached } from "./internal/detached.js"
import * as Check from "./internal/options.js"
import * as outside from "./internal/outside.js"
import * as Signal from "./internal/signal.js"
import { forkSupervised } from "./internal/supervised.js"
import { foreign as foreignScript, type PromotedOnce, sampleSize } from "./lifecycle/foreign.js"
import { promote as promoteScript } from "./lifecycle/promote.js"
import * as Redis from "./Redis.js"
import { elect as electScript, resign as resignScript } from "./scheduler/election.js"
import * as Events from "./scheduler/events.js"
import * as Date from "./wire/date.js"
import * as keys from "./wire/keys.js"
import * as SchedulerHash from "./wire/scheduler.js"

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
export interface SchedulerOptions {
  /** The queues to serve. */
  readonly queues: ReadonlyArray<string>
  /** The name under which it holds locks, unlike any other scheduler's. Default: 20 random digits. */
  readonly name?: string | undefined
  /** How often the leader looks for due jobs and renews its leases. Default: 1 second. */
  readonly tick?: Duration.DurationInput | undefined
  /** How often one that doesn't lead tries to, for no reason. Default: 15 minutes. */
  readonly election?: Duration.DurationInput | undefined
  /** For how long leadership outlives the last tick. At least twice the tick. Default: 15 seconds. */
  readonly lease?: Duration.DurationInput | undefined
  /** How many jobs one call promotes at most. Default: 500. */
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
 * @since 0.1.0
 * @category models
 */
export interface SchedulerService {
  readonly name: string
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
 */
export class Scheduler extends Context.Tag("effect-rq/Scheduler")<Scheduler, SchedulerService>() {}

/** How many queues one call serves at most. */
const queuesPerCall = 100

interface QueueState {
  readonly queue: string
  leadingSince: number | undefined
  leader: string | undefined
  /** While another leads: when its lease lapses unless it is renewed. */
  lapsesAt: number | undefined
  promoted: number
  foreignPromotions: number
  lastForeignAt: number
  /** What was due next when it was last looked at, by id, and when that was. */
  watched: Map<string, string>
  watchedAt: number
  /** The last ones that were promoted. */
  promotedLast: ReadonlyArray<PromotedOnce & { readonly at: number }>
  dropped: number
  lastPromotedAt: number | undefined
  lag: number
  maxLag: number
  nextDue: number | undefined
  problem: string | undefined
  /** Ids at the head that are held back, see the edge `promote`. */
  skip: number
}

const initialState = (queue: string): QueueState => ({
  queue,
  leadingSince: undefined,
  leader: undefined,
  lapsesAt: undefined,
  promoted: 0,
  foreignPromotions: 0,
  lastForeignAt: -Infinity,
  watched: new Map(),
  watchedAt: -Infinity,
  promotedLast: [],
  dropped: 0,
  lastPromotedAt: undefined,
  lag: 0,
  maxLag: 0,
  nextDue: undefined,
  problem: undefined,
  skip: 0
})

const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined ? Option.none() : Option.some(DateTime.unsafeMake(millis))

const toStatus = (state: QueueState): QueueStatus => ({
  queue: state.queue,
  leadingSince: instant(state.leadingSince),
  leader: Option.fromNullable(state.leader),
  promoted: state.promoted,
  foreignPromotions: state.foreignPromotions,
  dropped: state.dropped,
  lastPromotedAt: instant(state.lastPromotedAt),
  lag: Duration.millis(state.lag),
  maxLag: Duration.millis(state.maxLag),
  nextDue: instant(state.nextDue),
  problem: Option.fromNullable(state.problem)
})

/**
 * The first whole millisecond that is not before a due time in Unix seconds, which may be finer; undefined for one that
 * never comes, such as an endless score.
 */
const notBefore = (seconds: number): number | undefined => {
  const millis = Date.millis(seconds)
  if (!(millis <= latestInstant)) return undefined
  return millis / 1000 < seconds ? millis + 1 : millis
}

/** The latest instant that JavaScript has, in milliseconds since 1970. */
const latestInstant = 8_640_000_000_000_000

const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const chunks: Array<ReadonlyArray<A>> = []
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size))
  return chunks
}

/** How often the scheduler's hash in Redis gets a sign of life; it lives for 61 seconds without. */
const beatMillis = 5000

/** Foreign promotions are warned of once for as long as there is less than this between them. */
const burstMillis = 60_000

/** How many ticks before it is due a job is watched. */
const soonTicks = 3

/** For how long it is watched whether a job is promoted a second time. */
const promotedMillis = 10_000

const longestBackOff = 5000

/** How subscribing is tried again; that Redis is away is told by the ticks. */
const untilItWorks = Schedule.union(Schedule.exponential("100 millis"), Schedule.spaced(longestBackOff))

/** Node's timers can't wait longer than 24.8 days. */
const longestSleep = Duration.toMillis("1 day")

/**
 * Starts a scheduler in the scope. When the scope is closed it gives up what it leads and tells the others.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: SchedulerOptions
): Effect.Effect<SchedulerService, Check.InvalidOptions, Redis.Redis | Scope.Scope> =>
  Effect.gen(function*() {
    const queues = yield* Check.queues(options.queues)
    const tickMillis = yield* Check.millis("tick", options.tick, "1 second", 1)
    const electionMillis = yield* Check.millis("election", options.election, "15 minutes", 1)
    const leaseMillis = Math.ceil(yield* Check.millis("lease", options.lease, "15 seconds", 2 * tickMillis))
    const batchSize = yield* Check.count("batchSize", options.batchSize, 500, { least: 1, most: 5000 })
    const ids = yield* Ids.Ids
    const name = options.name ?? (yield* ids.scheduler)
    if (name === "") return yield* new Check.InvalidOptions({ field: "name", message: "name: must not be empty" })

    const redis = yield* Redis.Redis
    const promote = redis.eval(promoteScript)
    const findForeign = redis.eval(foreignScript)
    const elect = redis.eval(electScript)
    const resign = redis.eval(resignScript)

    const states = new Map(queues.map((queue) => [queue, initialState(queue)]))
    const leading = () => [...states.values()].filter((state) => state.leadingSince !== undefined)
    const following = () => [...states.values()].filter((state) => state.leadingSince === undefined)
    const birth = SchedulerHash.encode({
      name,
      hostname: outside.hostname(),
      pid: outside.pid(),
      queues,
      createdAt: yield* Clock.currentTimeMillis,
      lastHeartbeat: yield* Clock.currentTimeMillis
    })
    const events = yield* Events.make<SchedulerEvent>({ capacity: 1024, replay: 100 })
    /** Something has changed that the punctual fiber sleeps for. */
    const nextDueChanged = Signal.make()
    /** A queue has lost its leader, or a lease was seen that lapses sooner than expected. */
    const followingChanged = Signal.make()
    let connected = true
    let lastTick: number | undefined
    let lastBeat = 0

    const log = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.annotateLogs(effect, { scheduler: name })

    /** Redis being away is a state that is logged when it changes, not once for each try. */
    const whenConnected = (effect: Effect.Effect<void, Redis.RedisError>): Effect.Effect<void> =>
      Effect.catchAll(effect, (error) => {
        const first = connected
        connected = false
        // Who leads is not known now, so it is asked for again and again, not at the next election only.
        for (const state of following()) {
          if (state.lapsesAt !== undefined) continue
          state.lapsesAt = 0
          followingChanged.notify()
        }
        return first ? log(Effect.logWarning("Redis can't be used, going on when it can", error)) : Effect.void
      })

    /** Only an answer shows that Redis is there: a tick that leads no queue asks nothing. */
    const onAnswer = Effect.suspend(() => {
      if (connected) return Effect.void
      connected = true
      nextDueChanged.notify()
      return log(Effect.logInfo("Redis can be used again"))
    })

    const onElected = (state: QueueState, now: number) =>
      Effect.suspend(() => {
        state.leadingSince = now
        state.leader = name
        state.lapsesAt = undefined
        state.skip = 0
        state.watched.clear()
        state.promotedLast = []
        return Effect.zipRight(
          log(Effect.logInfo(`leads queue ${state.queue}`)),
          events.publish({ _tag: "Elected", queue: state.queue, at: DateTime.unsafeMake(now) })
        )
      })

    const onDeposed = (state: QueueState, now: number) =>
      Effect.suspend(() => {
        state.leadingSince = undefined
        state.leader = undefined
        state.lapsesAt = now
        state.nextDue = undefined
        followingChanged.notify()
        return Effect.zipRight(
          log(Effect.logWarning(`no longer leads queue ${state.queue}: its lease lapsed`)),
          events.publish({ _tag: "Deposed", queue: state.queue, at: DateTime.unsafeMake(now) })
        )
      })

    const onPromoted = (state: QueueState, jobIds: ReadonlyArray<string>, firstDue: number, now: number) =>
      Effect.suspend(() => {
        state.promoted += jobIds.length
        state.lastPromotedAt = now
        state.lag = Number.isFinite(firstDue) ? Math.max(0, now - firstDue) : 0
        state.maxLag = Math.max(state.maxLag, state.lag)
        return Effect.zipRight(
          log(Effect.logDebug(`promoted ${jobIds.length} to queue ${state.queue}, ${state.lag} ms late`)),
          events.publish({
            _tag: "Promoted",
            queue: state.queue,
            at: DateTime.unsafeMake(now),
            jobIds,
            lag: Duration.millis(state.lag)
          })
        )
      })

    const onProblem = (state: QueueState, problem: string | undefined) =>
      Effect.suspend(() => {
        if (state.problem === problem) return Effect.void
        state.problem = problem
        return log(
          problem === undefined
            ? Effect.logInfo(`queue ${state.queue} can be promoted again`)
            : Effect.logError(`queue ${state.queue} can't be promoted: ${problem}`)
        )
      })

    /** One call for some of the queues; returns whether more is due than it took. */
    const promoteSome = Effect.fnUntraced(function*(some: ReadonlyArray<QueueState>) {
      const now = yield* Clock.currentTimeMillis
      const beats = Math.abs(now - lastBeat) >= beatMillis
      const toPromote = some.map(({ queue, skip }) => ({ queue, skip }))
      const nowDate = Date.encode(now)
      const rows = yield* promote({
        scheduler: name,
        queues: toPromote,
        now: Date.seconds(now),
        nowDate,
        leaseMillis,
        limit: batchSize,
        heartbeat: beats
      })
      yield* onAnswer
      if (beats) lastBeat = now
      let more = false
      for (const row of rows(toPromote)) {
        const state = states.get(row.queue)! // the rows are those of the queues asked for
        switch (row._tag) {
          case "NotHeld": {
            yield* onDeposed(state, now)
            break
          }
          case "WrongType": {
            // The next tick looks again, the punctual fiber would look without a pause.
            state.nextDue = undefined
            yield* onProblem(state, row.message)
            break
          }
          case "Promoted": {
            yield* onProblem(state, undefined)
            for (const id of row.ids) state.watched.delete(id)
            if (row.ids.length > 0) {
              const last = row.ids.slice(-sampleSize).map((id) => ({ id, enqueuedAt: nowDate, at: now }))
              state.promotedLast = [...state.promotedLast, ...last].slice(-sampleSize)
            }
            if (row.firstDue !== undefined) yield* onPromoted(state, row.ids, Date.millis(row.firstDue), now)
            if (row.dropped > 0) {
              state.dropped += row.dropped
              yield* log(Effect.logWarning(`dropped ${row.dropped} entries of queue ${row.queue} without a job`))
            }
            const taken = row.ids.length + row.dropped
            // Only what stays at the head is in the way of a full look: pass over it next time.
            state.skip = row.more ? (taken > 0 ? 0 : state.skip + row.heldBack) : 0
            more = more || row.more
            const nextDue = row.nextDue === undefined ? undefined : notBefore(row.nextDue)
            if (nextDue !== state.nextDue) {
              state.nextDue = nextDue
              nextDueChanged.notify()
            }
          }
        }
      }
      lastTick = now
      return more
    })

    /** Promotes all that is due, in slices, each of which renews the leases as well. */
    const promoteAll = Effect.gen(function*() {
      let more = true
      for (let round = 0; more; round++) {
        more = false
        const leaders = leading()
        if (leaders.length === 0) return
        // A slice is shared by the queues in order, so each round another one is first.
        const rotated = leaders.map((_, index) => leaders[(index + round) % leaders.length]!)
        for (const some of chunksOf(rotated, queuesPerCall)) more = (yield* promoteSome(some)) || more
      }
    })

    const onForeign = (state: QueueState, ids: ReadonlyArray<string>, now: number) =>
      Effect.suspend(() => {
        const isNew = now - state.lastForeignAt > burstMillis
        state.foreignPromotions += ids.length
        state.lastForeignAt = now
        return isNew
          ? log(Effect.logWarning(
            `job ${ids[0]} of queue ${state.queue} was promoted by another scheduler although this one leads: ` +
              `RQ up to 2.10 does not check its lock there`
          ))
          : Effect.void
      })

    /** Looks whether somebody else promotes. Asks nothing while nothing was promoted, and nothing is due soon. */
    const lookForOthers = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      for (const state of leading()) {
        state.promotedLast = state.promotedLast.filter(({ at }) => Math.abs(now - at) < promotedMillis)
        // Who has not looked for so long may have lost the lead meanwhile, and has it again.
        if (Math.abs(now - state.watchedAt) > leaseMillis) state.watched.clear()
      }
      const some = leading().filter(({ nextDue, promotedLast, watched }) =>
        promotedLast.length > 0 || watched.size > 0 || nextDue !== undefined && nextDue <= now + soonTicks * tickMillis
      )
      for (const part of chunksOf(some, queuesPerCall)) {
        const params = {
          scheduler: name,
          queues: part.map(({ promotedLast, queue, watched }) => ({
            queue,
            watched: [...watched].map(([id, due]) => ({ id, due })),
            promoted: promotedLast
          }))
        }
        const rows = yield* findForeign(params)
        for (const { ids, next, queue } of rows(params)) {
          const state = states.get(queue)! // the rows are those of the queues asked for
          const soon = next.filter(({ due }) => Date.millis(due) <= now + soonTicks * tickMillis)
          state.watched = new Map(soon.map(({ due, id }) => [id, due]))
          state.watchedAt = now
          if (ids.length === 0) continue
          state.promotedLast = state.promotedLast.filter(({ id }) => !ids.includes(id))
          yield* onForeign(state, ids, now)
        }
      }
    })

    const electAll = Effect.gen(function*() {
      for (const some of chunksOf(following(), queuesPerCall)) {
        const asked = some.map((state) => state.queue)
        const now = yield* Clock.currentTimeMillis
        const rows = yield* elect({
          scheduler: name,
          queues: asked,
          leaseMillis,
          birth,
          now: Date.seconds(now),
          nowDate: Date.encode(now)
        })
        yield* onAnswer
        for (const row of rows(asked)) {
          const state = states.get(row.queue)! // the rows are those of the queues asked for
          if (row._tag === "Leading") {
            yield* onElected(state, now)
          } else {
            if (state.leader !== row.by) yield* log(Effect.logInfo(`queue ${row.queue} is led by ${row.by}`))
            state.leader = row.by
            state.lapsesAt = row.lapsesIn === undefined ? undefined : now + row.lapsesIn
            followingChanged.notify()
          }
        }
      }
    })

    // Elections and ticks take turns, so that each sees what the other has left. No call hangs: the port bounds them.
    const turn = (yield* Effect.makeSemaphore(1)).withPermits(1)
    const tick = turn(whenConnected(promoteAll))
    const election = Effect.zipRight(turn(whenConnected(electAll)), tick)

    /** Ticks as soon as the next job is due. */
    const punctual = Effect.forever(Effect.gen(function*() {
      const next = Math.min(...leading().map((state) => state.nextDue ?? Infinity))
      const now = yield* Clock.currentTimeMillis
      // However long a tick is, Redis is not asked less often than this whether it is there again.
      if (!connected) return yield* Effect.zipRight(Effect.sleep(Math.min(tickMillis, longestBackOff)), tick)
      if (next === Infinity) return yield* nextDueChanged.wait
      if (next <= now) return yield* tick
      yield* Effect.raceFirst(Effect.sleep(Math.min(next - now, longestSleep)), nextDueChanged.wait)
    }))

    /** Holds an election when a lease has lapsed that was not renewed. */
    const watching = Effect.forever(Effect.gen(function*() {
      const lapse = Math.min(...following().map((state) => state.lapsesAt ?? Infinity))
      if (lapse === Infinity) return yield* followingChanged.wait
      const now = yield* Clock.currentTimeMillis
      // A key lives through the millisecond in which it lapses. While Redis is away each try waits for a tick.
      const wait = connected ? lapse + 1 - now : Math.max(lapse + 1 - now, Math.min(tickMillis, longestBackOff))
      yield* Effect.raceFirst(Effect.sleep(Math.min(Math.max(wait, 0), longestSleep)), followingChanged.wait)
      if ((yield* Clock.currentTimeMillis) > lapse) yield* election
    }))

    const listening = Effect.scoped(Effect.gen(function*() {
      const channels = new Map(queues.map((queue) => [keys.schedulerChannel(queue), states.get(queue)!]))
      const messages = yield* Effect.retry(redis.subscribe(...channels.keys()), {
        schedule: untilItWorks,
        while: (error) => error.isTransient
      })
      yield* tick // sees what was scheduled while nobody listened
      while (true) {
        // A scheduler that stops speaks for each of its queues: one election answers them all.
        const first = yield* Queue.take(messages)
        let released = false
        for (const { channel, message } of [first, ...(yield* Queue.takeAll(messages))]) {
          const state = channels.get(channel)
          if (state === undefined) continue
          if (message === "released") {
            released = released || state.leadingSince === undefined
          } else if (message.startsWith("due ") && state.leadingSince !== undefined) {
            const due = notBefore(Number(message.slice(4)))
            if (due !== undefined && due < (state.nextDue ?? Infinity)) {
              state.nextDue = due
              nextDueChanged.notify()
            }
          }
        }
        if (released) yield* election
      }
    }))

    // Finalizers run in reverse: the fibers stop first, then leadership is given up.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function*() {
        const now = Date.seconds(yield* Clock.currentTimeMillis)
        for (const some of chunksOf(queues, queuesPerCall)) yield* resign({ scheduler: name, queues: some, now })
      }).pipe(
        Effect.timeoutFail({
          duration: "1 second",
          onTimeout: () =>
            new Redis.RedisError({ reason: "timeout", command: "resign", code: "", message: "no reply in time" })
        }),
        detached,
        Effect.catchAll((error) => log(Effect.logWarning("could not resign, the lease will lapse by itself", error))),
        Effect.zipRight(events.shutdown)
      )
    )
    yield* forkSupervised("the election", Effect.repeat(election, Schedule.spaced(electionMillis)))
    const regularTick = turn(whenConnected(Effect.zipRight(promoteAll, lookForOthers)))
    yield* forkSupervised("the tick", Effect.repeat(regularTick, Schedule.spaced(tickMillis)))
    yield* forkSupervised("the punctual tick", punctual)
    yield* forkSupervised("the watch over leases", watching)
    yield* forkSupervised("listening to other schedulers", listening)

    const service: SchedulerService = {
      name,
      status: Effect.sync(() => ({
        name,
        connected,
        lastTick: instant(lastTick),
        queues: [...states.values()].map(toStatus)
      })),
      events: events.stream
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
