/**
 * What the fibers of one scheduler share. It changes between their steps only, in one thread, so no locks are needed.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Signal from "../internal/signal.js"
import type { PromotedOnce } from "../lifecycle/foreign.js"
import type * as Redis from "../Redis.js"
import type { QueueStatus, SchedulerEvent } from "../Scheduler.js"
import * as Date from "../wire/date.js"
import * as Events from "./events.js"
import type { Settings } from "./settings.js"

/** How many queues one call serves at most. */
export const queuesPerCall = 100

/** A scheduler asks at least this often whether Redis is there again. */
export const longestBackOff = 5000

/** How subscribing is tried again; that Redis is away is told by the ticks. */
export const untilItWorks = Schedule.union(Schedule.exponential("100 millis"), Schedule.spaced(longestBackOff))

export interface QueueState {
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

export const instant = (millis: number | undefined): Option.Option<DateTime.Utc> =>
  millis === undefined ? Option.none() : Option.some(DateTime.unsafeMake(millis))

export const toStatus = (state: QueueState): QueueStatus => ({
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
export const notBefore = (seconds: number): number | undefined => {
  const millis = Date.millis(seconds)
  if (!(millis <= Date.latest)) return undefined
  return millis / 1000 < seconds ? millis + 1 : millis
}

export const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const chunks: Array<ReadonlyArray<A>> = []
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size))
  return chunks
}

export type State = Effect.Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function*({ name, queues }: Settings) {
  const queueStates = new Map(queues.map((queue) => [queue, initialState(queue)]))
  const leading = () => [...queueStates.values()].filter(({ leadingSince }) => leadingSince !== undefined)
  const following = () => [...queueStates.values()].filter(({ leadingSince }) => leadingSince === undefined)
  /** Something has changed that the punctual fiber sleeps for. */
  const nextDueChanged = Signal.make()
  /** A queue has lost its leader, or a lease was seen that lapses sooner than expected. */
  const followingChanged = Signal.make()
  const log = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.annotateLogs(effect, { scheduler: name })

  /** Redis being away is a state that is logged when it changes, not once for each try. */
  const whenConnected = (effect: Effect.Effect<void, Redis.RedisError>): Effect.Effect<void> =>
    Effect.catchAll(effect, (error) => {
      const first = state.connected
      state.connected = false
      // Who leads is not known now, so it is asked for again and again, not at the next election only.
      for (const one of following()) {
        if (one.lapsesAt !== undefined) continue
        one.lapsesAt = 0
        followingChanged.notify()
      }
      return first
        ? log(Effect.logWarning(`Redis can't be used, going on when it can: ${error.message}`))
        : Effect.void
    })

  /** Only an answer shows that Redis is there: a tick that leads no queue asks nothing. */
  const onAnswer = Effect.suspend(() => {
    if (state.connected) return Effect.void
    state.connected = true
    nextDueChanged.notify()
    return log(Effect.logInfo("Redis can be used again"))
  })

  const state = {
    connected: true,
    lastTick: undefined as number | undefined,
    lastBeat: 0,
    events: yield* Events.make<SchedulerEvent>({ capacity: 1024, replay: 100 }),
    all: () => [...queueStates.values()],
    /** For a queue that is served. */
    of: (queue: string): QueueState => queueStates.get(queue)!, // who asks has it from the settings
    leading,
    following,
    nextDueChanged,
    followingChanged,
    log,
    whenConnected,
    onAnswer
  }
  return state
})
