/**
 * What others tell this worker, as RQ's tools do. Nothing is stored: what is sent while nobody listens is lost.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Claimed } from "../lifecycle/claim.js"
import type * as Redis from "../Redis.js"
import * as Command from "../wire/command.js"
import * as keys from "../wire/keys.js"
import type { Executions } from "./executions.js"
import type { Settings } from "./settings.js"
import { type State, untilItWorks } from "./state.js"

/** Listens for ever; `shutDown` is run in a fiber of its own. */
export const make = (
  settings: Settings,
  state: State,
  redis: Redis.RedisService,
  executions: Executions,
  shutDown: Effect.Effect<unknown>
): Effect.Effect<never, Redis.RedisError> => {
  const stopJob = (jobId: string, executionId: string | undefined) =>
    Effect.gen(function*() {
      const isMeant = (job: Claimed) => job.id === jobId && (executionId === undefined || executionId === job.execution)
      const known = state.running.filter(({ job }) => isMeant(job))
      for (const self of known) yield* executions.interrupt(self, "stop")
      const isFetched = yield* executions.stopFetched(isMeant)
      if (known.length > 0 || isFetched) return
      const meant = executionId ?? jobId
      for (const stops of state.stopsMeanwhile) stops.add(meant)
      if (state.unsure) state.stopsMissed.add(meant)
    })

  return Effect.scoped(Effect.gen(function*() {
    const messages = yield* Effect.retry(redis.subscribe(keys.workerChannel(settings.name)), untilItWorks)
    while (true) {
      const { message } = yield* Queue.take(messages)
      const command = Command.decode(message)
      switch (command?.command) {
        case "stop-job":
        case "stop-execution": {
          yield* stopJob(command.jobId, command.executionId)
          break
        }
        case "shutdown": {
          yield* state.log(Effect.logInfo("told to shut down"))
          yield* Effect.forkDaemon(shutDown)
          break
        }
        case undefined:
          yield* state.log(Effect.logWarning(`can't obey ${JSON.stringify(message)}`))
      }
    }
  }))
}
