/**
 * The names of RQ's keys. Nothing else in the project spells one.
 *
 * A constant that ends in `:` declares the family of all keys that begin with it (see `Redis`).
 *
 * @internal
 */

/** Set of the keys of all queues that were ever used. */
export const queues = "rq:queues"

/** Families, as scripts declare them. */
export const family = {
  job: "rq:job:",
  queue: "rq:queue:",
  scheduled: "rq:scheduled:",
  started: "rq:wip:",
  finished: "rq:finished:",
  failed: "rq:failed:",
  deferred: "rq:deferred:",
  canceled: "rq:canceled:",
  results: "rq:results:",
  executions: "rq:executions:",
  execution: "rq:execution:",
  worker: "rq:worker:",
  workers: "rq:workers:",
  schedulerLock: "rq:scheduler-lock:",
  cleaning: "rq:clean_registries:"
} as const

/** What JavaScript passes for a name may be anything: such a key is nobody's, and making it is no defect. */
const asText = (name: string): string => typeof name === "string" ? name : typeof name === "number" ? String(name) : "?"

const of = (family: string, name: string): string => family + asText(name)

/** List of job ids, head = next to run. Also the member that stands for the queue in {@link queues}. */
export const queue = (name: string): string => of(family.queue, name)

/** The name of the queue behind a member of {@link queues}, or undefined when the member is no queue's key. */
export const queueName = (key: string): string | undefined =>
  key.startsWith(family.queue) ? key.slice(family.queue.length) : undefined

/** Hash of one job. */
export const job = (id: string): string => of(family.job, id)

/** Set of the ids of the jobs that wait for this one. */
export const dependents = (jobId: string): string => `${family.job}${jobId}:dependents`

/** Set of the ids of the jobs that this one waits for. */
export const dependencies = (jobId: string): string => `${family.job}:${jobId}:dependencies`

/** The id of the job whose {@link dependencies} the key holds, or undefined when it holds something else. */
export const dependentOf = (key: string): string | undefined =>
  key.startsWith(`${family.job}:`) && key.endsWith(":dependencies")
    ? key.slice(family.job.length + 1, -":dependencies".length)
    : undefined

/** Sorted set of job ids by due time, in seconds. */
export const scheduled = (queueName: string): string => of(family.scheduled, queueName)

/** Sorted set of `job id:execution id` by the time at which the execution counts as abandoned (StartedJobRegistry). */
export const started = (queueName: string): string => of(family.started, queueName)

/** Sorted set of job ids by the time at which they expire (FinishedJobRegistry). */
export const finished = (queueName: string): string => of(family.finished, queueName)

/** Sorted set of job ids by the time at which they expire (FailedJobRegistry). */
export const failed = (queueName: string): string => of(family.failed, queueName)

/** Sorted set of job ids that wait for other jobs. */
export const deferred = (queueName: string): string => of(family.deferred, queueName)

/** Sorted set of canceled job ids. */
export const canceled = (queueName: string): string => of(family.canceled, queueName)

/** Stream of a job's outcomes. */
export const results = (jobId: string): string => of(family.results, jobId)

/** Sorted set of the ids of a job's executions. */
export const executions = (jobId: string): string => of(family.executions, jobId)

/** Hash of one execution. */
export const execution = (jobId: string, executionId: string): string =>
  `${of(family.execution, jobId)}:${asText(executionId)}`

/** Set of the keys of all workers. */
export const workers = "rq:workers"

/** Set of the keys of the workers that listen on a queue. */
export const workersOf = (queueName: string): string => of(family.workers, queueName)

/** Hash of one worker. Also the member that stands for it in {@link workers}. */
export const worker = (name: string): string => of(family.worker, name)

/** Set of `job id:execution id`, what a worker runs (RQ 3.0). */
export const workerExecutions = (name: string): string => `${worker(name)}:executions`

/** The name of the worker behind a member of {@link workers}, or undefined when the member is no worker's key. */
export const workerName = (key: string): string | undefined =>
  key.startsWith(family.worker) ? key.slice(family.worker.length) : undefined

/** Channel on which a worker takes commands. */
export const workerChannel = (name: string): string => of("rq:pubsub:", name)

/** String: the name of the scheduler that leads the queue. */
export const schedulerLock = (queueName: string): string => of(family.schedulerLock, queueName)

/** Hash of one scheduler (RQ 2.10). */
export const scheduler = (name: string): string => of("rq:scheduler:", name)

/** String that exists while RQ's clean-up looks after the queue; RQ 1 leaves it there for a quarter of an hour. */
export const cleaning = (queueName: string): string => of(family.cleaning, queueName)

/** String whose existence suspends all workers. */
export const suspended = "rq:suspended"

/*
 * Keys of effect-rq's own, which RQ neither reads nor writes.
 */

/**
 * Families of our own, as scripts declare them. They are kept apart from RQ's families by their first word, so that no
 * name of a queue or a worker can make one of them look like one of RQ's keys.
 */
export const ownFamily = {
  /** `handover:<queue>:<worker>`: ids that were moved to a waiting worker, of whose name a colon is a comma here. */
  handover: "rq:effect:handover:",
  /** `handovers:<queue>`: sorted set of workers with a handover list, by the time at which they count as dead. */
  handovers: "rq:effect:handovers:",
  /** `first_seen:<queue>`: hash of the ids that are due and have no usable job, by when each was first seen. */
  firstSeen: "rq:effect:first_seen:",
  /** `maintenance:<queue>`: exists while somebody has looked after the queue within the interval. */
  maintenance: "rq:effect:maintenance:",
  /** `tidied:<queue>`: exists while somebody has cleared up after dead workers within the interval. */
  tidied: "rq:effect:tidied:",
  /** `unique:<id>`: exists while a job of this id may not be enqueued again, although it has ended. */
  unique: "rq:effect:unique:",
  /** `scheduler:<queue>`: channel that tells schedulers what they would otherwise see at their next tick. */
  scheduler: "rq:effect:scheduler:",
  /** `journal:<queue>`: list of who led and when it was paused, the latest first. */
  journal: "rq:effect:journal:",
  /** `lock:<name>`: locks of applications. */
  lock: "rq:effect:lock:"
} as const

/** With a colon of the worker's in it, it could be the list of another queue. No name of a worker holds a comma. */
export const handover = (queueName: string, workerName: string): string =>
  `${of(ownFamily.handover, queueName)}:${asText(workerName).replaceAll(":", ",")}`

/** Of what follows the family. */
export const splitHandover = (rest: string): readonly [queue: string, worker: string] => {
  const last = rest.lastIndexOf(":")
  return [rest.slice(0, last), rest.slice(last + 1).replaceAll(",", ":")]
}

export const firstSeen = (queueName: string): string => of(ownFamily.firstSeen, queueName)

export const handovers = (queueName: string): string => of(ownFamily.handovers, queueName)

export const maintenance = (queueName: string): string => of(ownFamily.maintenance, queueName)

export const tidied = (queueName: string): string => of(ownFamily.tidied, queueName)

/** List of ids that RQ's workers have taken out of the queue and not started yet (RQ 2). */
export const intermediate = (queueName: string): string => `${queue(queueName)}:intermediate`

/** String: when an id was first seen in the intermediate list, in Unix seconds. */
export const intermediateSeen = (queueName: string, jobId: string): string =>
  `${intermediate(queueName)}:first_seen:${jobId}`

export const lock = (name: string): string => of(ownFamily.lock, name)

/** Channel that tells schedulers of a queue what they would otherwise see at their next tick. */
export const schedulerChannel = (queueName: string): string => of(ownFamily.scheduler, queueName)

/** Set of the names of paused queues. */
export const paused = "rq:effect:paused"

export const journal = (queueName: string): string => of(ownFamily.journal, queueName)

/** List of when the whole fleet was suspended, the latest first. */
export const fleetJournal = "rq:effect:journal"

export const unique = (jobId: string): string => of(ownFamily.unique, jobId)

/** What a key holds. */
export type KeyType = "string" | "hash" | "list" | "set" | "zset" | "stream"

/** Those that hold one thing for all names; the first that fits counts. */
const holds: ReadonlyArray<readonly [beginning: string, type: KeyType]> = [
  [family.queue, "list"],
  [family.scheduled, "zset"],
  [family.started, "zset"],
  [family.finished, "zset"],
  [family.failed, "zset"],
  [family.deferred, "zset"],
  [family.canceled, "zset"],
  [family.results, "stream"],
  [family.executions, "zset"],
  [family.execution, "hash"],
  [family.worker, "hash"],
  [family.workers, "set"],
  [family.schedulerLock, "string"],
  [scheduler(""), "hash"],
  [family.cleaning, "string"],
  [ownFamily.handover, "list"],
  [ownFamily.handovers, "zset"],
  [ownFamily.firstSeen, "hash"],
  [ownFamily.maintenance, "string"],
  [ownFamily.tidied, "string"],
  [ownFamily.unique, "string"],
  [ownFamily.journal, "list"],
  [ownFamily.lock, "string"]
]

/** What effect-rq and RQ keep in a key; undefined where its name leaves that open, or is none of theirs. */
export const typeOf = (key: string): KeyType | undefined => {
  switch (key) {
    case queues:
    case workers:
    case paused:
      return "set"
    case suspended:
      return "string"
    case fleetJournal:
      return "list"
  }
  if (key.startsWith(family.job)) {
    const rest = key.slice(family.job.length)
    return !rest.includes(":")
      ? "hash"
      : rest.endsWith(":dependents") || dependentOf(key) !== undefined
      ? "set"
      : undefined
  }
  // a queue, or a worker, may have such a name as well
  if (key.includes(":intermediate:first_seen:") || key.startsWith(family.worker) && key.endsWith(":executions")) {
    return undefined
  }
  return holds.find(([beginning]) => key.startsWith(beginning))?.[1]
}
