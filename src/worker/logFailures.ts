/**
 * The log of jobs that fail, for workers that run in a program. The command line tells of all that happens itself.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import { span } from "../internal/times.js"

/** Whether a worker that is made logs the jobs that fail. */
export const logsFailures: FiberRef.FiberRef<boolean> = globalValue(
  "effect-rq/worker/logsFailures",
  () => FiberRef.unsafeMake(true)
)

/** A failure in one line: what doesn't fit a Schema is named, which stands below. */
const firstLine = (message: string): string => {
  const [first = "", second] = message.split("\n")
  return first.endsWith("doesn't fit its Schema") && second !== undefined ? `${first}: ${second.trim()}` : first
}

export const failure = (jobId: string, queue: string, millis: number, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning(`job ${jobId} failed after ${span(millis)}: ${firstLine(message)}`),
    { queue, jobId }
  )
