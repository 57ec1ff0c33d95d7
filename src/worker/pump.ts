/**
 * Hands in what has ended and claims for the free slots, one call after the other. Two of these run side by side: while
 * the call of one is under way the other hands in what has ended meanwhile.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { turn as turnScript } from "../lifecycle/turn.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Summary } from "../Worker.js"
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
  /** Starts what Redis holds for this worker and this worker doesn't know of. */
  readonly takeUp: Effect.Effect<void, Redis.RedisError>
  readonly run: Effect.Effect<never>
}

export const make = (
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  executions: Executions,
  suspension: Suspension,
  finished: Deferred.Deferred<Summary>
): Pump => {
  const { aliveSeconds, burst, executionPrefix, maxJobs, name, queues } = settings
  const turn = redis.eval(turnScript)
  const recover = redis.eval(recoverScript)

  const call: Pump["call"] = (want) =>
    Effect.suspend(() => {
      const handingIn = state.ended.slice(0, callSize)
      state.ended = state.ended.slice(callSize)
      const handoversBefore = state.handovers
      const withHandovers = state.handedOver && !state.stopping
      const repeated = state.unsure
      const stops = new Set<string>()
      if (want > 0 || withHandovers) state.stopsMeanwhile.add(stops)
      const counter = state.counter
      state.counter += want
      state.reserved += want
      state.underWay++
      state.updateWaiting()
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        turn({
          worker: name,
          now: Date.seconds(now),
          nowDate: Date.encode(now),
          abandonedAt: Date.seconds(now + aliveSeconds * 1000),
          executionPrefix,
          counter,
          want,
          handedOver: withHandovers,
          queues: want > 0 || withHandovers ? queues : [],
          ended: handingIn
        })).pipe(
          Effect.matchCauseEffect({
            onFailure: (cause) => {
              // Also after a defect: the pump is started again, and nothing may be missing then.
              state.reserved -= want
              state.ended = [...handingIn, ...state.ended]
              state.unsure = true
              const error = Cause.failureOption(cause)
              return Effect.zipRight(
                Option.isSome(error) ? state.onConnection(error.value) : Effect.void,
                Effect.failCause(cause)
              )
            },
            onSuccess: Effect.fnUntraced(function*(result) {
              state.reserved -= want
              yield* state.onConnection(undefined)
              yield* state.onProblem(result.problem)
              if (want > 0 || withHandovers) yield* suspension.onReply(result.suspended, result.paused)
              for (const one of handingIn) state.ours.delete(one.execution)
              if (state.handovers === handoversBefore) {
                if (want > 0) state.hungry = result.more
                if (withHandovers) state.handedOver = false
              }
              const at = DateTime.unsafeMake(yield* Clock.currentTimeMillis)
              for (const [index, { id, queue }] of handingIn.entries()) {
                const due = result.retriedAt[index]
                if (due === undefined) continue
                state.emit({ _tag: "Retried", jobId: id, queue, at, dueAt: DateTime.unsafeMake(due) })
              }
              // The newest first when they go back, so that the oldest is the one at the front.
              const claimed = state.stopping ? [...result.claimed].reverse() : result.claimed
              for (const job of claimed) yield* executions.start(job, stops)
              state.updateWaiting()
              const refused = handingIn.filter((_, index) => result.handedIn[index] !== true)
              if (refused.length > 0 && !repeated) {
                yield* state.log(Effect.logWarning(
                  "ended without effect, because the execution was taken away meanwhile",
                  refused.map((one) => one.id)
                ))
              }
            })
          }),
          // What was claimed and not started is asked for again.
          Effect.tapDefect(() =>
            Effect.sync(() => {
              state.unsure = true
            })
          ),
          Effect.ensuring(Effect.sync(() => {
            state.underWay--
            state.stopsMeanwhile.delete(stops)
            if (state.unsure) { for (const one of stops) state.stopsMissed.add(one) }
          }))
        )
    })

  const takeUp: Pump["takeUp"] = Effect.gen(function*() {
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
    for (const job of state.stopping ? missed.reverse() : missed) yield* executions.start(job, state.stopsMissed)
    state.stopsMissed.clear()
    state.updateWaiting()
  })

  const once = Effect.suspend((): Effect.Effect<void, Redis.RedisError> => {
    if (state.unsure && state.reserved === 0) return takeUp
    const slots = state.free()
    const looks = state.hungry || state.handedOver
    const wants = looks && slots > 0 && !state.stopping && !state.suspended && !state.unsure
    const want = wants ? Math.min(callSize, Math.ceil(slots / pumps)) : 0
    const givesBack = state.handedOver && !state.stopping && (slots <= 0 || state.suspended) && state.reserved === 0
    if (want > 0 || state.ended.length > 0 || givesBack) return call(want)
    if (state.reserved === 0 && state.running.size === 0 && !state.unsure) {
      if ((burst && !looks) || state.claimed >= maxJobs) Deferred.unsafeDone(finished, Effect.sync(state.summary))
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
