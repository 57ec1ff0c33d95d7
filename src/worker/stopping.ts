/**
 * Stops a worker in peace: it takes no more, gives what runs time to end, puts the rest back and leaves. Its pumps still
 * run meanwhile and hand in what ends.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { span } from "../internal/times.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Executions } from "./executions.js"
import type { Pump } from "./pump.js"
import { unregister as unregisterScript } from "./registration.js"
import type { Settings } from "./settings.js"
import { firstBackOff, type State } from "./state.js"
import { unblockWhile } from "./waiting.js"

/** Interrupted handlers get this long to clean up before their jobs are put back. */
const cleanUpMillis = 1000
/** How long a worker that stops tries to tell Redis so. */
const farewellMillis = 5000
/** As long as that when Redis is away and there is nothing to hand in: no job waits for it. */
const shortFarewellMillis = 1000

export const make = (
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  executions: Executions,
  pump: Pump
): Effect.Effect<void> => {
  const { blockSeconds, graceMillis, name, queues } = settings
  const { running } = state
  const unregister = redis.eval(unregisterScript)

  const awaitQuiet = Effect.gen(function*() {
    while (running.length > 0) yield* state.quietSignal.wait
  })

  /** Takes no more, and waits for what was on its way when it said so. */
  const takeNoMore = Effect.gen(function*() {
    state.stopping = true
    if (running.length > 0) {
      // As RQ does, which says it of a worker that has something to end.
      state.stoppingSince = yield* Clock.currentTimeMillis
      state.changedSignal.notify()
    }
    state.updateWaiting()
    // What is pushed from now on must not be moved into the list of one that is about to leave.
    yield* unblockWhile(state, () => true)
    while (state.reserved > 0) yield* Effect.sleep(10)
    executions.giveBack()
    state.pumpSignal.notify()
  })

  /** Puts back what runs. The newest first, so that the oldest is the one at the front. */
  const putBack = Effect.gen(function*() {
    executions.giveBack()
    for (const self of [...running].reverse()) yield* executions.interrupt(self, "release")
    yield* Effect.raceFirst(awaitQuiet, Effect.sleep(cleanUpMillis))
    for (const self of [...running].reverse()) {
      // It may have ended while the one before was told of.
      if (!state.leave(self)) continue
      const { execution, id, queue } = self.job
      state.released++
      state.ended.push({ _tag: "Released", queue, id, execution, startedAt: self.startedText })
      state.emit({ _tag: "Released", jobId: id, queue, at: DateTime.unsafeMake(yield* Clock.currentTimeMillis) })
      yield* state.log(
        Effect.logWarning(`job ${id} does not let itself be interrupted, its execution is void now`)
      )
    }
  })

  const handInAll = Effect.gen(function*() {
    while (state.ended.length > 0 || state.underWay > 0) {
      if (state.ended.length > 0) yield* pump.call(0)
      else yield* Effect.sleep(10)
    }
  })

  const farewell = Effect.gen(function*() {
    yield* handInAll
    // What a call claimed whose reply never came goes back as well.
    yield* pump.takeUp
    yield* handInAll
    const now = yield* Clock.currentTimeMillis
    state.gone = true
    yield* unregister({
      worker: name,
      queues,
      now: Date.seconds(now),
      nowDate: Date.encode(now),
      mayStillCome: state.blocked.size > 0 || now - state.lostWaitAt <= blockSeconds * 1000,
      // As RQ leaves it where a job was run, whatever the last heartbeat said, or if none was in time to say it.
      totals: state.begun === 0 ? state.totals() : [...state.totals(), "current_job_working_time", "0"]
    })
  })

  const longest = () =>
    state.isConnected() || state.ours.size + state.ended.length > 0 ? farewellMillis : shortFarewellMillis

  return Effect.gen(function*() {
    yield* Effect.suspend(() => Effect.timeoutOption(takeNoMore, longest()))
    if (running.length > 0) {
      yield* state.log(
        Effect.logInfo(
          `stopping, ${running.length} running ${running.length === 1 ? "job" : "jobs"} may go on for ${
            span(graceMillis)
          }`
        )
      )
      yield* Effect.raceFirst(awaitQuiet, Effect.sleep(graceMillis))
    }
    yield* putBack
    const said = yield* farewell.pipe(
      Effect.retry(Schedule.spaced(firstBackOff)),
      Effect.timeout(longest()),
      Effect.isSuccess
    )
    if (!said) {
      yield* state.log(
        Effect.logWarning("could not say farewell, others take over when the heartbeat is missed")
      )
    }
  })
}
