/**
 * What RQ tells a worker over its channel `rq:pubsub:<worker>`: JSON, without an answer.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Json from "./json.js"

export type Command =
  | { readonly command: "stop-job"; readonly jobId: string; readonly executionId: undefined }
  /** Of RQ 3. */
  | { readonly command: "stop-execution"; readonly jobId: string; readonly executionId: string }
  | { readonly command: "shutdown" }

export const stopJob = (jobId: string): string => JSON.stringify({ command: "stop-job", job_id: jobId })

export const shutdown: string = JSON.stringify({ command: "shutdown" })

/** undefined for what effect-rq does not know, such as RQ's `kill-horse`: there is no work-horse to kill. */
export const decode = (text: string): Command | undefined => {
  const parsed = Json.parse(text, "command")
  if (Either.isLeft(parsed) || typeof parsed.right !== "object" || parsed.right === null) return undefined
  // Each field is looked at below.
  const { command, execution_id: executionId, job_id: jobId } = parsed.right as Record<string, unknown>
  if (command === "shutdown") return { command }
  if (typeof jobId !== "string") return undefined
  if (command === "stop-job") return { command, jobId, executionId: undefined }
  return command === "stop-execution" && typeof executionId === "string"
    ? { command, jobId, executionId }
    : undefined
}
