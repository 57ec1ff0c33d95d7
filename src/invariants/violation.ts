/**
 * What is found where something is not as it should be.
 *
 * @internal
 */

export type Severity = "error" | "warning" | "info"

/** What is wrong, for programs. */
export type Code =
  /** A key holds another type than it should. */
  | "wrong-type"
  /** The hash of a job can't be run. */
  | "unreadable-job"
  /** A job is in no place. */
  | "lost-job"
  /** A job is only where its status says that it is not. */
  | "misplaced-job"
  /** A job is where it should be, and somewhere else as well. */
  | "stray-entry"
  /** An id stands in a list more than once. */
  | "duplicate-entry"
  /** An entry has no job. */
  | "entry-without-job"
  /** Keys of a run that is over. */
  | "stray-execution"
  /** Results that are kept for ever, of a job that is gone. */
  | "stray-results"
  /** A job has options that may be overlooked. */
  | "unseen-options"
  /** A job was promoted before it was due. */
  | "early-promotion"
  /** A job that waits for others, all of which have ended. */
  | "forgotten-dependent"
  /** A job waits for one that does not know of it. */
  | "unknown-dependent"
  /** A job waits for one that has failed. */
  | "blocked-dependent"
  | "stray-dependencies"
  /** The worker of a started job has not been heard of for too long. */
  | "lapsed-job"
  /** Jobs are due, a scheduler leads, and nothing happens. */
  | "overdue-job"
  /** Jobs are scheduled and no scheduler leads. */
  | "no-scheduler"
  /** A scheduler's lock never lapses. */
  | "endless-lock"
  /** A scheduler's lock is held by somebody that is no scheduler. */
  | "foreign-lock"
  /** What was handed over to a worker that is dead. */
  | "stray-handover"
  /** What a worker of RQ has taken and not started. */
  | "stuck-intermediate"
  | "dead-worker"
  | "no-worker"
  | "unlisted-queue"
  | "paused-queue"
  /** One that was asked for, and that nobody has used. */
  | "unknown-queue"
  | "suspended"
  /** The server's settings, or its clock. */
  | "server-eviction"
  | "server-memory"
  | "server-persistence"
  | "server-replica"
  | "server-version"
  /** It may not be asked. */
  | "server-silent"
  | "clock-skew"

/** What can be mended without a doubt: one atomic script, that looks again before it does it. */
export type Repair =
  /** Queued, in no list: to the front of its queue. */
  | { readonly _tag: "RequeueLost"; readonly job: string; readonly queue: string }
  /** Started, in no registry, and its worker is dead: to the front of its queue. */
  | { readonly _tag: "RestartLost"; readonly job: string; readonly queue: string }
  /** Ended, in no registry: into the one that its status names. */
  | { readonly _tag: "ListEnded"; readonly job: string; readonly queue: string }
  /** Deferred: released when all that it waits for has ended, else made known to what it waits for. */
  | { readonly _tag: "SettleDependent"; readonly job: string; readonly queue: string }
  /** An entry that is not the job's place, or has no job. */
  | { readonly _tag: "DropEntry"; readonly job: string; readonly key: string; readonly member: string }
  /** The last of several entries in one list. */
  | { readonly _tag: "DropDuplicate"; readonly job: string; readonly key: string }
  /** Results that are kept for ever, of a job that is gone: a day more. */
  | { readonly _tag: "ExpireResults"; readonly job: string }
  /** Options of a job that may be overlooked: its hash gets the field that tells of them. */
  | { readonly _tag: "ShowOptions"; readonly job: string }
  /** A lock that never lapses gets RQ's own lease. */
  | { readonly _tag: "EndLock"; readonly queue: string; readonly holder: string }
  | { readonly _tag: "Abandon"; readonly queue: string }
  | { readonly _tag: "Tidy"; readonly queue: string }
  | { readonly _tag: "ReturnHandover"; readonly queue: string; readonly worker: string }
  | { readonly _tag: "ForgetWorker"; readonly worker: string; readonly key: string }
  | { readonly _tag: "ListQueue"; readonly queue: string }

export interface Violation {
  readonly code: Code
  /** The invariant that is broken (1 to 10); undefined for what only may come to that. */
  readonly invariant: number | undefined
  readonly severity: Severity
  readonly job: string | undefined
  readonly queue: string | undefined
  readonly worker: string | undefined
  readonly key: string | undefined
  /** What is wrong, in one sentence. */
  readonly message: string
  /** What mends it. */
  readonly remedy: string
  /** How it is mended where that is safe. */
  readonly repair: Repair | undefined
}

interface Given {
  readonly code: Code
  readonly severity: Severity
  readonly message: string
  readonly remedy: string
  readonly invariant?: number
  readonly job?: string | undefined
  readonly queue?: string | undefined
  readonly worker?: string | undefined
  readonly key?: string | undefined
  readonly repair?: Repair | undefined
}

export const violation = (given: Given): Violation => ({
  code: given.code,
  invariant: given.invariant,
  severity: given.severity,
  job: given.job,
  queue: given.queue,
  worker: given.worker,
  key: given.key,
  message: given.message,
  remedy: given.remedy,
  repair: given.repair
})
