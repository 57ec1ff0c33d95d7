/**
 * Jobs that are handed over one by one at the same time leave together.
 *
 * Whoever comes while nothing is on its way is sent at once. What arrives behind it within one turn of the event loop
 * goes into one call, in the order in which it came. While some calls are on their way others gather behind them, for a
 * few milliseconds at most, so that a busy producer sends fewer and larger calls instead of more.
 *
 * Each caller has an outcome of its own: one that is interrupted before its job was sent takes only that job back, and
 * what is wrong with one queue is told to those who used it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { hasLeft, type Waiter, withWaiter } from "../internal/waiter.js"
import type { JobRef } from "../Queue.js"
import type * as Redis from "../Redis.js"
import type { Prepared } from "./prepare.js"

/** How many jobs and how many characters of payload one call carries: it blocks Redis for a few milliseconds. */
const most = { jobs: 250, size: 512 * 1024 }

/** From so many on they go in two halves: Redis works on one while the answers to the other bring new ones. */
const halved = 32

/** How many calls are on their way before others wait for them, and for how many milliseconds. */
const callsInFlight = 4
const patience = 5

interface Sending<E> {
  /** A job by a call of its own. */
  readonly alone: (prepared: Prepared) => Effect.Effect<JobRef, E>
  /** Jobs that are all to be queued, or all to be scheduled. */
  readonly together: (prepared: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<JobRef>, Redis.RedisError>
}

type Resume<E> = (outcome: Effect.Effect<JobRef, E>) => void

/** A class for the reason that `prepare` gives: callers are held until Redis has answered. */
class Caller<E> {
  outcome: Effect.Effect<JobRef, E> | undefined = undefined

  constructor(
    readonly prepared: Prepared,
    readonly waiter: Waiter,
    /** Undefined before the caller that sends waits itself. */
    public resume: Resume<E> | undefined
  ) {}
}

export const make = <E>(
  { alone, together }: Sending<E | Redis.RedisError>
): (prepared: Prepared) => Effect.Effect<JobRef, E | Redis.RedisError> => {
  type Own = Caller<E | Redis.RedisError>
  type Outcome = Effect.Effect<JobRef, E | Redis.RedisError>

  /** Those whose jobs were not sent yet, from `head` on. */
  let waiting: Array<Own> = []
  let head = 0
  let inFlight = 0
  /** Calls whose fibers have not begun yet: what is sent now would overtake them. */
  let starting = 0
  /** Who was sent by itself, while nothing else was on its way. */
  let ahead: { readonly waiter: Waiter } | undefined
  /** Whether somebody is about to send what is there at the end of this turn. */
  let isLed = false
  /** Whether it was noticed that they wait for calls that may never come back. */
  let isWatched = false

  const isEmpty = (): boolean => head === waiting.length

  const onTheirWay = (): number => ahead === undefined || hasLeft(ahead.waiter) ? inFlight : inFlight + 1

  const enter = (prepared: Prepared, waiter: Waiter, resume?: Resume<E | Redis.RedisError>): Own => {
    const caller: Own = new Caller(prepared, waiter, resume)
    waiting.push(caller)
    return caller
  }

  const tell = (caller: Own, outcome: Outcome): void => {
    if (caller.resume === undefined) caller.outcome = outcome
    else caller.resume(outcome)
  }

  /** The next jobs that may go at the same time; of one that asks more than to be added only that one. */
  const take = (): ReadonlyArray<ReadonlyArray<Own>> => {
    const count = waiting.length - head
    const limit = inFlight === 0 && count > halved && count <= 2 * most.jobs ? Math.ceil(count / 2) : most.jobs
    const queued: Array<Own> = []
    const scheduled: Array<Own> = []
    /** Which of the two each id is in, once there are jobs in both. */
    let kinds: Map<string, Array<Own>> | undefined
    let size = 0
    for (; head < waiting.length; head++) {
      const caller = waiting[head]!
      if (hasLeft(caller.waiter)) continue
      const { edge, id } = caller.prepared
      if (edge._tag === "Admit") {
        if (queued.length + scheduled.length > 0) break
        head++
        return [[caller]]
      }
      const [kind, other] = edge._tag === "Enqueue" ? [queued, scheduled] : [scheduled, queued]
      if (other.length > 0) {
        kinds ??= new Map(other.map(({ prepared }) => [prepared.id, other]))
        // Two calls would have to agree on which came first.
        if (kinds.get(id) === other) break
      }
      size += edge.job.data.length + edge.job.description.length
      const length = queued.length + scheduled.length
      if (length > 0 && (length >= limit || size > most.size)) break
      kinds?.set(id, kind)
      kind.push(caller)
    }
    if (isEmpty()) {
      waiting = []
      head = 0
    }
    return [queued, scheduled].filter((calls) => calls.length > 0)
  }

  const tellAll = (callers: ReadonlyArray<Own>): Effect.Effect<void> =>
    Effect.matchCauseEffect(together(callers.map((caller) => caller.prepared)), {
      onSuccess: (refs) =>
        Effect.sync(() => callers.forEach((caller, index) => tell(caller, Effect.succeed(refs[index]!)))), // one for each
      onFailure: (cause) => {
        const queues = byQueue(callers)
        // The script refused all for what is wrong with one queue, before it wrote anything.
        return cause._tag === "Fail" && cause.error.reason === "script" && queues.length > 1
          ? Effect.forEach(queues, tellAll, { discard: true })
          : Effect.sync(() => callers.forEach((caller) => tell(caller, Effect.failCause(cause))))
      }
    })

  const fly = (callers: ReadonlyArray<Own>): Effect.Effect<void> =>
    Effect.suspend(() => {
      starting--
      const [first] = callers
      const call = callers.length > 1 || first === undefined
        ? tellAll(callers)
        : Effect.map(Effect.exit(alone(first.prepared)), (exit) => tell(first, exit))
      return Effect.flatMap(call, land)
    })

  const land = (): Effect.Effect<void> => {
    inFlight--
    return isEmpty() || isLed ? Effect.void : send(callsInFlight)
  }

  /** Starts calls in fibers of their own: whoever is interrupted must not take along what others sent. */
  const send = (limit: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const flights: Array<Effect.Effect<void>> = []
      while (!isEmpty() && onTheirWay() < limit) {
        for (const callers of take()) {
          inFlight++
          starting++
          flights.push(fly(callers))
        }
      }
      const started = Effect.forEach(flights, Effect.forkDaemon, { discard: true })
      return isEmpty() || isWatched ? started : Effect.zipRight(started, Effect.forkDaemon(watch))
    })

  /** Calls that don't come back must not hold up those behind them: their own time has not begun yet. */
  const watch: Effect.Effect<void> = Effect.suspend(() => {
    isWatched = true
    return Effect.flatMap(Effect.sleep(patience), () => {
      isWatched = false
      return send(Infinity)
    })
  })

  const follow = (prepared: Prepared, waiter: Waiter): Outcome =>
    Effect.async((resume) => {
      enter(prepared, waiter, resume)
    })

  const lead = (prepared: Prepared, waiter: Waiter): Outcome =>
    Effect.uninterruptibleMask((restore) => {
      const caller = enter(prepared, waiter)
      isLed = true
      return Effect.flatMap(Effect.yieldNow(), () => {
        isLed = false
        if (head === waiting.length - 1 && waiting[head] === caller && onTheirWay() < callsInFlight && starting === 0) {
          waiting = []
          head = 0
          inFlight++
          return Effect.flatMap(Effect.exit(restore(alone(prepared))), (exit) => Effect.zipRight(land(), exit))
        }
        return Effect.zipRight(send(callsInFlight), restore(attend(caller)))
      })
    })

  const attend = (caller: Own): Outcome =>
    Effect.async((resume) => {
      if (caller.outcome === undefined) caller.resume = resume
      else resume(caller.outcome)
    })

  /** Sent at once, in the caller's own fiber: nothing is on its way that others could have gathered behind. */
  const goAhead = (prepared: Prepared, waiter: Waiter): Outcome => {
    ahead = { waiter }
    const over = (outcome: Outcome): Outcome => {
      ahead = undefined
      return isEmpty() || isLed ? outcome : Effect.zipRight(send(callsInFlight), outcome)
    }
    return Effect.matchCauseEffect(alone(prepared), {
      onSuccess: (ref) => over(Effect.succeed(ref)),
      onFailure: (cause) => over(Effect.failCause(cause))
    })
  }

  const isIdle = (): boolean => inFlight === 0 && isEmpty() && !isLed && (ahead === undefined || hasLeft(ahead.waiter))

  return (prepared) =>
    withWaiter((waiter) =>
      isIdle() ? goAhead(prepared, waiter) : isLed ? follow(prepared, waiter) : lead(prepared, waiter)
    )
}

const byQueue = <E>(callers: ReadonlyArray<Caller<E>>): ReadonlyArray<ReadonlyArray<Caller<E>>> => {
  const queues = new Map<string, Array<Caller<E>>>()
  for (const caller of callers) {
    const { queue } = caller.prepared
    const others = queues.get(queue)
    if (others === undefined) queues.set(queue, [caller])
    else others.push(caller)
  }
  return [...queues.values()]
}
