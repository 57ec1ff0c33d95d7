/**
 * The errors of the queue service.
 *
 * @internal
 */
import * as Schema from "effect/Schema"

/**
 * There is a job of this id that has not ended, and `unique: "refuse"` was asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobExists extends Schema.TaggedError<JobExists>("effect-rq/Queue/JobExists")("JobExists", {
  jobId: Schema.String
}) {
  override get message(): string {
    return `there is a job ${this.jobId} already`
  }
}

/**
 * A job failed in a way that its definition has no typed error for: a defect, a timeout, a dead worker, a stop, or
 * anything that a Python handler raised. `message` is the text that is kept with the job.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobFailed extends Schema.TaggedError<JobFailed>("effect-rq/Queue/JobFailed")("JobFailed", {
  jobId: Schema.String,
  message: Schema.String
}) {}

/**
 * There is no job of this id, or it is not kept any more.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobMissing extends Schema.TaggedError<JobMissing>("effect-rq/Queue/JobMissing")("JobMissing", {
  jobId: Schema.String
}) {
  override get message(): string {
    return `there is no job ${this.jobId}, or it is not kept any more`
  }
}

/**
 * A job has not ended in the time given.
 *
 * @since 0.1.0
 * @category errors
 */
export class AwaitTimeout extends Schema.TaggedError<AwaitTimeout>("effect-rq/Queue/AwaitTimeout")("AwaitTimeout", {
  jobId: Schema.String
}) {
  override get message(): string {
    return `job ${this.jobId} has not ended in the time given`
  }
}
