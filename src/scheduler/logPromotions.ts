/**
 * Logs what a scheduler promotes, for programs that show their log to people.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { span } from "../internal/times.js"
import type { SchedulerService } from "../Scheduler.js"

export const logPromotions = ({ events, name }: SchedulerService): Effect.Effect<void> =>
  Stream.runForEach(events, (event) => {
    if (event._tag !== "Promoted") return Effect.void
    const { jobIds, lag, queue } = event
    const what = jobIds.length === 1 ? `job ${jobIds[0]}` : `${jobIds.length} jobs`
    return Effect.annotateLogs(
      Effect.logInfo(`promoted ${what}, ${span(Duration.toMillis(lag))} late`),
      { scheduler: name, queue }
    )
  })
