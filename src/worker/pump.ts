/**
 * Hands in what has ended and claims for the free slots, one call after the other. Two of these run side by side: while
 * the call of one is under way the other hands in what has ended meanwhile.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { executionCounters } from "../lifecycle/claim.js"
import { type Ended, turn as turnScript, type TurnResult } from "../lifecycle/turn.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Summary } from "../Worker.js"
import type { Ahead } from "./ahead.js"
import { carriedOut as carriedOutScript } from "./carriedOut.js"
import type { Executions } from "./executions.js"
import { recover as recoverScript } from "./recover.js"
import type { Settings } from "./settings.js"
import { firstBackOff, longestBackOff, type State } from "./state.js"
import type { Suspension } from "./suspension.js"

/** How many jobs one call claims, and how many it hands in, at most: it blocks Redis for a few milliseconds. */
const callSize = 250

/** How many pumps run side by side. */
export const pumps = 2

export interface Pump {
  /** Hands in what has ended, and claims for at most so many slots. */
  readonly call: (want: number) => Effect.Effect<void, Redis.RedisError>
  /** Starts what Redis holds for this worker and this worker doesn't know of. One asks at a time. */
  readonly takeUp: Effect.Effect<void, Redis.RedisError>
  readonly run: Effect.Effect<never>
}

/** What one of several pumps claims at most: what is free all at once is shared by them. */
const share = (slots: number): number => Math.ceil(slots / pumps)

const noQueues: ReadonlyArray<string> = []

/**
 * What a call took along, and what was known when it was sent. A class, since V8 takes a literal for long-lived that lives
 * for as long as a call.
 */
class Sent {
  constructor(
    readonly handingIn: ReadonlyArray<Ended>,
    readonly handedInBefore: number,
    readonly handoversBefore: number,
    readonly withHandovers: boolean,
    readonly stops: ReadonlySet<string>,
    readonly want: number
  ) {}
}

export const make = (
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  executions: Executions,
  ahead: Ahead,
  suspension: Suspension,
  finished: Deferred.Deferred<Summary>
): Pump => {
  const { aliveSeconds, burst, concurrency, executionPrefix, maxJobs, name, queues } = settings
  const turn = redis.eval(turnScript)
  const recover = redis.eval(recoverScript)
  const carriedOut = redis.eval(carriedOutScript)

  /** What had no effect: its execution was taken away, or it had been handed in by a call whose reply was lost. */
  const onRefused = (refused: ReadonlyArray<Ended>): Effect.Effect<void> => {
    // To give back a job that was taken away meanwhile is no loss.
    const isDoubtful = ({ _tag, execution }: Ended) => state.handedInBefore.has(execution) && _tag !== "Released"
    const doubtful = refused.filter(isDoubtful)
    const taken = refused.filter((one) => !state.handedInBefore.has(one.execution))
    const warn = (all: ReadonlyArray<Ended>) =>
      all.length === 0 ? Effect.void : state.log(Effect.logWarning(
        "ended without effect, because the execution was taken away meanwhile",
        all.map(({ id }) => id)
      ))
    if (doubtful.length === 0) return warn(taken)
    return carriedOut(doubtful).pipe(
      Effect.matchEffect({
        onFailure: (error) =>
          Effect.zipRight(
            warn(taken),
            state.log(Effect.logDebug("handed in again, and whether it had been before can't be told", error))
          ),
        onSuccess: (before) => warn([...taken, ...doubtful.filter((_, index) => before[index] !== true)])
      })
    )
  }

  const onSuccess = (
    { handedInBefore, handingIn, handoversBefore, stops, want, withHandovers }: Sent,
    { claimed, handedIn, held, more, paused, problem, retriedAt, suspended }: TurnResult
  ): Effect.Effect<void> => {
    const refused = handedIn.includes(false)
      ? onRefused(handingIn.filter((_, index) => handedIn[index] !== true))
      : Effect.void
    for (const { execution } of handingIn) {
      state.ours.delete(execution)
      state.handedInBefore.delete(execution)
    }
    if (state.handovers === handoversBefore) {
      if (want > 0) {
        state.hungry = more
        state.plenty = more
      }
      if (withHandovers) state.handedOver = false
    }
    if (burst) {
      // What was handed in may have brought work (a repetition, a retry, what depended on it) behind this call's claim.
      if (state.handedIn !== handedInBefore || want === 0 && handingIn.length > 0) state.hungry = true
      state.handedIn += handingIn.length
    }
    if (held) ahead.onHeld()
    if (state.listeners.size > 0) {
      const at = DateTime.unsafeMake(state.now())
      for (const [index, { id, queue }] of handingIn.entries()) {
        const due = retriedAt[index]
        if (due === undefined) continue
        // what stands in Redis for a pause may be beyond all dates
        state.emit({ _tag: "Retried", jobId: id, queue, at, dueAt: DateTime.unsafeMake(Math.min(due, Date.latest)) })
      }
    }
    const said = want > 0 || withHandovers ? suspension.onReply(suspended, paused) : Effect.void
    // The newest first when they go back, so that the oldest is the one at the front.
    if (state.stopping) claimed.reverse()
    for (const job of claimed) executions.take(job, stops)
    executions.begin()
    state.updateWaiting()
    const rest = [state.onConnection(undefined), state.onProblem(problem), said, refused]
      .filter((effect) => effect !== Effect.void)
    return rest.length === 0 ? Effect.void : Effect.all(rest, { discard: true })
  }

  const onFailure = (
    { handingIn }: Sent,
    cause: Cause.Cause<Redis.RedisError>
  ): Effect.Effect<void, Redis.RedisError> => {
    // Also after a defect: the pump is started again, and nothing may be missing then.
    state.ended = [...handingIn, ...state.ended]
    for (const { execution } of handingIn) state.handedInBefore.add(execution)
    state.unsure = true
    const error = Cause.failureOption(cause)
    return Effect.zipRight(
      Option.isSome(error) ? state.onConnection(error.value) : Effect.void,
      Effect.failCause(cause)
    )
  }

  const call: Pump["call"] = (want) =>
    Effect.suspend(() => {
      const handingIn = state.ended.splice(0, callSize)
      const stops = new Set<string>()
      const sent = new Sent(
        handingIn,
        state.handedIn,
        state.handovers,
        state.handedOver && !state.stopping,
        stops,
        want
      )
      const claims = want > 0 || sent.withHandovers
      if (claims) state.stopsMeanwhile.add(stops)
      const slots = Math.max(0, Math.min(want, state.free(), share(concurrency)))
      if (slots > 0) ahead.onSlot()
      const { counter } = state
      state.counter = (counter + want) % executionCounters
      state.reserved += want
      state.reservedSlots += slots
      state.underWay++
      state.updateWaiting()
      const now = state.now()
      let isBack = false
      const onBack = () => {
        if (isBack) return
        isBack = true
        state.reserved -= want
        state.reservedSlots -= slots
      }
      return turn({
        worker: name,
        now: Date.seconds(now),
        nowDate: Date.encode(now),
        // whole seconds, as RQ has them: Redis reads a number without a fraction faster
        abandonedAt: String(Math.ceil(now / 1000) + aliveSeconds),
        executionPrefix,
        counter,
        want,
        slots,
        handedOver: sent.withHandovers,
        queues: claims ? queues : noQueues,
        ended: handingIn
      }).pipe(
        Effect.matchCauseEffect({
          onFailure: (cause) => {
            onBack()
            return onFailure(sent, cause)
          },
          onSuccess: (result) => {
            onBack()
            return onSuccess(sent, result)
          }
        }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            onBack()
            // What was claimed and not begun is asked for again.
            if (exit._tag === "Failure") state.unsure = true
            state.underWay--
            state.stopsMeanwhile.delete(stops)
            if (state.unsure) { for (const one of stops) state.stopsMissed.add(one) }
          })
        )
      )
    })

  let isAsking = false
  const ask = Effect.gen(function*() {
    isAsking = true
    // What is known here needs no start, also when it is handed in while the answer is on its way.
    const known = new Set(state.ours)
    const held = yield* Effect.tapBoth(recover({ executionPrefix, queues }), {
      onFailure: state.onConnection,
      onSuccess: () => state.onConnection(undefined)
    })
    state.unsure = false
    state.hungry = true
    state.handedOver = true
    // As in a call: when they go back, the newest comes first.
    const missed = held.filter(({ execution }) => !known.has(execution))
    for (const job of state.stopping ? missed.reverse() : missed) executions.take(job, state.stopsMissed)
    state.stopsMissed.clear()
    executions.begin()
    state.updateWaiting()
    // Meanwhile the other pump could not claim.
    state.pumpSignal.notify()
  }).pipe(Effect.ensuring(Effect.sync(() => {
    isAsking = false
  })))

  // An answer that another overtakes still tells of what that one has brought, which may have run and ended by then.
  const oneAsks = Effect.unsafeMakeSemaphore(1).withPermits(1)
  const takeUp: Pump["takeUp"] = oneAsks(ask)
  const isMissing = () => state.unsure && state.reserved === 0
  const takeUpMissing = oneAsks(Effect.suspend(() => isMissing() ? ask : Effect.void))

  const once = Effect.suspend((): Effect.Effect<void, Redis.RedisError> => {
    // While one asks, the other hands in what ends.
    if (isMissing() && !isAsking) return takeUpMissing
    // A call in flight may still bring what is to go back as well, behind it.
    if (state.reserved === 0 && ahead.givesBack()) executions.giveBack()
    const depth = ahead.depth()
    const room = state.room(depth)
    const looks = state.hungry || state.handedOver
    // With a call that is made anyway it looks again: for what comes before that which lies ready, or holds it back.
    const looksAgain = state.fetched.length > 0 && state.ended.length > 0
    // Until a call has left something behind, a second one beside it would find nothing.
    const wants = (looks || looksAgain) && (state.plenty || state.reserved === 0) && room > 0 && !state.stopping &&
      !state.suspended && !state.unsure
    const want = wants ? Math.min(callSize, room, share(concurrency + depth)) : 0
    const givesBack = state.handedOver && !state.stopping && (room <= 0 || state.suspended) && state.reserved === 0
    if (want > 0 || state.ended.length > 0 || givesBack) return call(want)
    // What is being handed in may bring work, and is not done before it is handed in.
    if (state.underWay === 0 && state.running.length === 0 && state.fetched.length === 0 && !state.unsure) {
      if ((burst && !looks && state.mayEnd) || state.claimed >= maxJobs) {
        Deferred.unsafeDone(finished, Effect.sync(state.summary))
      }
    }
    return state.pumpSignal.wait
  })

  const run: Pump["run"] = Effect.gen(function*() {
    let backOff = firstBackOff
    while (true) {
      if (yield* Effect.isSuccess(once)) {
        backOff = firstBackOff
      } else {
        yield* state.pause(backOff)
        backOff = Math.min(longestBackOff, backOff * 2)
      }
    }
  })

  return { call, takeUp, run }
}
