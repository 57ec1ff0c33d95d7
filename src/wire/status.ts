import * as Schema from "effect/Schema"

/**
 * Where a job stands: the nine statuses of RQ 2.x. A Python worker ends when it reads any other.
 *
 * @since 0.1.0
 * @category schemas
 */
export const JobStatus = Schema.Literal(
  "created",
  "queued",
  "finished",
  "failed",
  "started",
  "deferred",
  "scheduled",
  "stopped",
  "canceled"
)

/**
 * @since 0.1.0
 * @category models
 */
export type JobStatus = typeof JobStatus.Type

const all: ReadonlyMap<string, JobStatus> = new Map(JobStatus.literals.map((status) => [status, status]))

/** The status that the text names, or undefined when it names none. */
export const decode = (text: string | undefined): JobStatus | undefined =>
  text === undefined ? undefined : all.get(text)
