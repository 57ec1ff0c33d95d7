/**
 * Tells that the worker and what it runs are alive, and learns what was taken away from it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { heartbeat as heartbeatScript } from "../lifecycle/heartbeat.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Executions } from "./executions.js"
import type { Settings } from "./settings.js"
import type { State } from "./state.js"

/** Changes that others can see are told at most this often. */
const betweenBeats = 1000

const none: ReadonlySet<string> = new Set()

/** Beats on time, and as soon as something has changed that others can see, but not more than once a second. */
export const make = (
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  executions: Executions
): Effect.Effect<never> => {
  const { aliveSeconds, birth, heartbeatMillis, name, queues, workerTtl } = settings
  const { running } = state
  const heartbeat = redis.eval(heartbeatScript)

  const beat = (withExecutions: boolean) =>
    Effect.gen(function*() {
      if (state.gone) return
      const now = yield* Clock.currentTimeMillis
      const alive = withExecutions ? [...running] : []
      // What has ended stays ours until it is handed in.
      const unreported = withExecutions ? state.ended : []
      // What is fetched and has not begun is held all the same.
      const fetched = withExecutions ? [...state.fetched] : []
      const [oldest] = running
      const { isCurrent, problem, unguarded } = yield* heartbeat({
        worker: name,
        queues,
        now: Date.seconds(now),
        nowDate: Date.encode(now),
        aliveSeconds,
        workerTtl,
        birth,
        state: [
          "state",
          running.length > 0 ? "busy" : state.saidSuspended ? "suspended" : "idle",
          ...state.totals(),
          "current_job_working_time",
          oldest === undefined ? "0" : String((now - oldest.startedAt) / 1000),
          ...(state.stoppingSince === undefined ? [] : ["shutdown_requested_date", Date.encode(state.stoppingSince)])
        ],
        currentJob: oldest === undefined ? "" : oldest.job.id,
        full: withExecutions,
        executions: [
          ...alive.map(({ job, startedText }) => ({
            queue: job.queue,
            id: job.id,
            execution: job.execution,
            startedAt: startedText
          })),
          ...fetched.map(({ at, job }) => ({
            queue: job.queue,
            id: job.id,
            execution: job.execution,
            startedAt: Date.seconds(at)
          })),
          ...unreported
        ]
      })
      state.unguarded = unguarded.length === 0 ? none : new Set(unguarded)
      if (!state.isRegistered) {
        state.isRegistered = true
        state.updateWaiting()
      }
      if (withExecutions) {
        if (now - state.confirmedAt >= 3 * heartbeatMillis) {
          state.steadySince = now
          state.wasAway = state.confirmedAt > -Infinity
        }
        // A clock that was set back would make it wait until it has caught up.
        if (now < state.steadySince) state.steadySince = now
        state.confirmedAt = now
      }
      yield* state.onConnection(undefined)
      yield* state.onProblem(problem, "heartbeat")
      for (const [index, self] of alive.entries()) {
        if (self.interruptedFor !== undefined && !self.reported && now - self.interruptedAt >= heartbeatMillis) {
          self.reported = true
          yield* state.log(Effect.logWarning(
            `job ${self.job.id} does not let itself be interrupted (${self.interruptedFor}) and holds its slot`
          ))
        }
        if (isCurrent[index] !== true && !self.over) {
          yield* state.log(Effect.logWarning(`job ${self.job.id} was taken away from this worker, interrupting it`))
          yield* executions.interrupt(self, "lost")
        }
      }
      for (const [index, { job }] of fetched.entries()) {
        if (isCurrent[alive.length + index] !== true) executions.loseFetched(job.execution)
      }
    }).pipe(Effect.catchAll((error) => {
      // nothing is handed over to a worker that Redis does not know, so it is not long until the next try
      if (!state.isRegistered) state.changedSignal.notify()
      return state.onConnection(error)
    }))

  return Effect.gen(function*() {
    let last = yield* Clock.currentTimeMillis
    while (true) {
      // The clock may have been set back meanwhile.
      const left = Math.min(heartbeatMillis, last + heartbeatMillis - (yield* Clock.currentTimeMillis))
      if (left > 0) yield* Effect.raceFirst(Effect.sleep(left), state.changedSignal.wait)
      const now = yield* Clock.currentTimeMillis
      const full = now - last >= heartbeatMillis || now < last
      if (full) last = now
      yield* beat(full)
      if (!full) yield* Effect.sleep(betweenBeats)
    }
  })
}
