/**
 * What was seen of a Redis, as the invariants look at it: of a whole dump, or of a sample that `Doctor` has taken.
 *
 * Times are milliseconds since 1970.
 *
 * @internal
 */

import type { Suspension } from "../wire/suspension.js"

export type PlaceKind =
  | "queue"
  | "handover"
  /** RQ's list of what its workers have taken and not started. */
  | "intermediate"
  | "scheduled"
  | "started"
  | "deferred"
  | "finished"
  | "failed"
  | "canceled"

/** An entry of a list or a registry that stands for a job. An id that stands in a list twice is in two places. */
export interface Place {
  readonly kind: PlaceKind
  readonly queue: string
  readonly key: string
  /** Of a registry: when it is due, counts as abandoned or expires; undefined for never. */
  readonly at: number | undefined
  /** Of the started registry. */
  readonly execution: string | undefined
}

export interface Dependency {
  readonly id: string
  /** Undefined when it is gone. */
  readonly status: string | undefined
  /** Whether the job is among those that wait for it. */
  readonly knows: boolean
}

/** Everything that has to do with one id. */
export interface JobView {
  readonly id: string
  /** The type of its key: `"hash"`, `"none"`, or something foreign. */
  readonly type: string
  readonly status: string | undefined
  /** The queue that it belongs to. */
  readonly origin: string | undefined
  readonly hasData: boolean
  readonly worker: string | undefined
  /** Whether there is a worker of that name; undefined when it wasn't looked for. */
  readonly workerLives: boolean | undefined
  /** The current run, of a job that was started by effect-rq. */
  readonly execution: string | undefined
  readonly enqueuedAt: number | undefined
  readonly dueAt: number | undefined
  readonly repeats: boolean
  /** The options that it has and that may be overlooked, see `askedRarely` in wire/jobHash. */
  readonly unseenOptions: ReadonlyArray<string>
  readonly allowFailure: boolean
  /** When its hash expires; undefined for never. */
  readonly expiresAt: number | undefined
  readonly places: ReadonlyArray<Place>
  /** Whether every place that could hold it was looked through: only then it can be said to be nowhere. */
  readonly complete: boolean
  /** The jobs that it waits for; undefined when it waits for none. */
  readonly dependencies: ReadonlyArray<Dependency> | undefined
  /** Keys of runs that are not in the started registry. */
  readonly strayExecutions: ReadonlyArray<string>
  /** Whether its results are kept for ever. */
  readonly keepsResults: boolean
}

export interface HandoverView {
  readonly worker: string
  readonly key: string
  readonly length: number
  readonly workerLives: boolean
  /** Until when maintenance takes the worker for alive; undefined when maintenance doesn't know of the list. */
  readonly aliveUntil: number | undefined
}

export interface LockView {
  readonly holder: string
  /** When it lapses; undefined for never. */
  readonly lapsesAt: number | undefined
  /** Whether Redis knows a scheduler of that name. */
  readonly isKnown: boolean
}

export interface QueueView {
  readonly name: string
  /** Whether it is among the queues that were ever used. */
  readonly isListed: boolean
  readonly queued: number
  readonly scheduled: number
  readonly started: number
  /** The first job that is due, of those that are scheduled and can be promoted. */
  readonly firstDue: { readonly id: string; readonly at: number } | undefined
  readonly lock: LockView | undefined
  readonly isPaused: boolean
  readonly workers: ReadonlyArray<{ readonly name: string; readonly lives: boolean }>
  readonly handovers: ReadonlyArray<HandoverView>
}

export interface State {
  readonly now: number
  readonly jobs: ReadonlyArray<JobView>
  readonly queues: ReadonlyArray<QueueView>
  /** Members of the set of all workers. */
  readonly workers: ReadonlyArray<{ readonly name: string; readonly lives: boolean }>
  readonly suspended: Suspension | undefined
  readonly wrongTypes: ReadonlyArray<{ readonly key: string; readonly found: string; readonly expected: string }>
}
