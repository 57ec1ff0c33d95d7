/**
 * The invariants of one queue: who promotes, who works, and what dead workers have left.
 *
 * @internal
 */
import { iso, span } from "../internal/times.js"
import * as keys from "../wire/keys.js"
import type { QueueView, State } from "./state.js"
import { type Violation, violation } from "./violation.js"

/** RQ before 2.10 writes the number of its process into the lock, and keeps no hash. */
const isPid = (holder: string): boolean => /^\d{1,10}$/.test(holder)

const checkLeader = (queue: QueueView, now: number, lateMillis: number): ReadonlyArray<Violation> => {
  const { firstDue, lock, name, scheduled } = queue
  if (lock === undefined) {
    if (scheduled === 0) return []
    const late = firstDue === undefined || firstDue.at > now
      ? ""
      : `, the first of them for ${span(now - firstDue.at)}`
    return [violation({
      code: "no-scheduler",
      invariant: 5,
      severity: "error",
      queue: name,
      job: firstDue?.id,
      message: `no scheduler leads ${name}, where ${
        scheduled === 1 ? "a job is" : `${scheduled} jobs are`
      } scheduled: nothing is promoted${late}`,
      remedy: `start one: effect-rq scheduler ${name}, or a worker with --with-scheduler`
    })]
  }
  const found: Array<Violation> = []
  const key = keys.schedulerLock(name)
  if (lock.lapsesAt === undefined) {
    found.push(violation({
      code: "endless-lock",
      invariant: 5,
      severity: "error",
      queue: name,
      key,
      message: `the lock of ${name} is held by ${lock.holder} and never lapses: nobody takes over when that is gone`,
      remedy: "effect-rq doctor --fix lets it lapse in a minute unless its holder renews it",
      repair: { _tag: "EndLock", queue: name, holder: lock.holder }
    }))
  }
  if (!lock.isKnown && !isPid(lock.holder)) {
    found.push(violation({
      code: "foreign-lock",
      invariant: 5,
      severity: "warning",
      queue: name,
      key,
      message: `the lock of ${name} is held by ${lock.holder}, and Redis knows no scheduler of that name`,
      remedy: lock.lapsesAt === undefined
        ? "if no such scheduler runs: effect-rq doctor --fix lets it lapse"
        : "none is needed when it is a scheduler that has just ended: the lock lapses by itself"
    }))
  }
  if (firstDue !== undefined && now - firstDue.at > lateMillis) {
    found.push(violation({
      code: "overdue-job",
      invariant: 4,
      severity: "error",
      queue: name,
      job: firstDue.id,
      message: `job ${firstDue.id} of ${name} is late by ${span(now - firstDue.at)}, although ${lock.holder} leads`,
      remedy: "look at the log of that scheduler; stop it when it hangs, and another takes over"
    }))
  }
  return found
}

export const deadWorker = (name: string, set: string): Violation =>
  violation({
    code: "dead-worker",
    severity: "warning",
    worker: name,
    key: set,
    message: `worker ${name} is gone without a farewell, and still listed in ${set}`,
    remedy: "a worker that runs takes it out within a minute, effect-rq doctor --fix at once",
    repair: { _tag: "ForgetWorker", worker: name, key: set }
  })

const checkWorkers = (queue: QueueView, state: State): ReadonlyArray<Violation> => {
  const { name, queued, started, workers } = queue
  const found = workers.flatMap((worker) => worker.lives ? [] : [deadWorker(worker.name, keys.workersOf(name))])
  const waiting = queued + started
  if (waiting > 0 && workers.every(({ lives }) => !lives) && state.suspended === undefined && !queue.isPaused) {
    found.push(violation({
      code: "no-worker",
      severity: "warning",
      queue: name,
      message: `no worker listens on ${name}, where ${
        queued > 0 ? `${queued} job${queued === 1 ? " waits" : "s wait"}` : "jobs are started"
      }`,
      remedy: `start one: effect-rq worker ${name} --jobs MODULE`
    }))
  }
  return found
}

const checkHandovers = (queue: QueueView, state: State): ReadonlyArray<Violation> =>
  queue.handovers.flatMap(({ aliveUntil, key, length, worker, workerLives }) => {
    if (length === 0 || workerLives || aliveUntil !== undefined && state.now - aliveUntil <= 30_000) return []
    return [violation({
      code: "stray-handover",
      invariant: 6,
      severity: "error",
      queue: queue.name,
      worker,
      key,
      message: `${length === 1 ? "a job" : `${length} jobs`} of ${queue.name} ${
        length === 1 ? "was" : "were"
      } handed over to worker ${worker}, which is dead, and nobody gives ${length === 1 ? "it" : "them"} back`,
      remedy: "effect-rq doctor --fix puts it at the front of the queue, as maintenance of a running worker does",
      repair: { _tag: "ReturnHandover", queue: queue.name, worker }
    })]
  })

/** What is wrong with one queue. */
export const checkQueue = (queue: QueueView, state: State, lateMillis: number): ReadonlyArray<Violation> => {
  const found = [
    ...checkLeader(queue, state.now, lateMillis),
    ...checkWorkers(queue, state),
    ...checkHandovers(queue, state)
  ]
  if (!queue.isListed && queue.queued + queue.scheduled + queue.started > 0) {
    found.push(violation({
      code: "unlisted-queue",
      severity: "warning",
      queue: queue.name,
      key: keys.queues,
      message: `${queue.name} holds jobs, and is not among the queues that Redis lists`,
      remedy: "effect-rq doctor --fix lists it",
      repair: { _tag: "ListQueue", queue: queue.name }
    }))
  }
  if (queue.isPaused) {
    found.push(violation({
      code: "paused-queue",
      severity: "info",
      queue: queue.name,
      message: `${queue.name} is paused${queue.queued > 0 ? `, ${queue.queued} wait in it` : ""}`,
      remedy: `when that was forgotten: effect-rq unpause ${queue.name}`
    }))
  }
  return found
}

/** What is said of the whole fleet. */
export const suspension = ({ now, suspended }: State): ReadonlyArray<Violation> =>
  suspended === undefined ? [] : [violation({
    code: "suspended",
    severity: "info",
    key: keys.suspended,
    message: `all workers are suspended${
      suspended.until === undefined
        ? ", and nothing ends that by itself"
        : ` until ${iso(suspended.until)}, for ${span(suspended.until - now)} more`
    }`,
    remedy: "when that was forgotten: effect-rq resume"
  })]
