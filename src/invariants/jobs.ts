/**
 * The invariants of one job: where it is, what it waits for, and whether somebody looks after it.
 *
 * @internal
 */
import { span } from "../internal/times.js"
import * as Date from "../wire/date.js"
import type { JobView, Place, PlaceKind } from "./state.js"
import { type Severity, type Violation, violation } from "./violation.js"

/** Where the jobs of each status are. */
const placeOf: Readonly<Record<string, ReadonlyArray<PlaceKind>>> = {
  queued: ["queue", "handover", "intermediate"],
  scheduled: ["scheduled"],
  deferred: ["deferred"],
  started: ["started"],
  finished: ["finished"],
  failed: ["failed"],
  stopped: ["failed"],
  canceled: ["canceled"]
}

const resting: ReadonlySet<PlaceKind> = new Set(["finished", "failed", "canceled"])

const names: Readonly<Record<PlaceKind, string>> = {
  queue: "the queue",
  handover: "a list of a worker",
  intermediate: "RQ's intermediate list",
  scheduled: "the scheduled registry",
  started: "the started registry",
  deferred: "the deferred registry",
  finished: "the finished registry",
  failed: "the failed registry",
  canceled: "the canceled registry"
}

const show = ({ kind, queue }: Place): string => `${names[kind]} of ${queue}`

const list = (places: ReadonlyArray<Place>): string => places.map(show).join(" and ")

export const memberOf = (id: string, place: Place): string =>
  place.execution === undefined ? id : `${id}:${place.execution}`

/** Whether an execution is one of effect-rq, see `Ids`. */
const isOurs = (execution: string | undefined): boolean => execution !== undefined && execution[12] === "8"

/** How often RQ's workers look after a queue is for them to say; this is twice what they do by default. */
const pythonLapsedMillis = 1_200_000

/** RQ parts a repeating job from its outcome no better than this: it is finished and scheduled at once. */
const isRepetition = (job: JobView, place: Place): boolean => job.repeats && place.kind === "finished"

const isExpired = (place: Place, now: number): boolean =>
  (place.kind === "finished" || place.kind === "failed") && place.at !== undefined && place.at <= now

const withoutJob = (job: JobView, now: number): ReadonlyArray<Violation> =>
  job.places.filter((place) => !isExpired(place, now)).map((place) =>
    violation({
      code: "entry-without-job",
      invariant: 1,
      // a job that has waited for longer than it may leaves its id in the list
      severity: place.kind === "queue" ? "info" : "warning",
      job: job.id,
      queue: place.queue,
      key: place.key,
      message: `${job.id} is in ${show(place)}, and there is no such job`,
      remedy: place.kind === "queue" || place.kind === "handover"
        ? "none is needed: workers drop it when they come to it"
        : `effect-rq doctor --fix takes the entry out`,
      repair: { _tag: "DropEntry", job: job.id, key: place.key, member: memberOf(job.id, place) }
    })
  )

const lost = (job: JobView, queue: string): Violation => {
  const given = {
    code: "lost-job",
    invariant: 1,
    job: job.id,
    queue,
    message: `job ${job.id} of ${queue} is ${job.status}, and in no place`
  } as const
  switch (job.status) {
    case "queued":
      return violation({
        ...given,
        severity: "error",
        message: `${given.message}: no worker will find it`,
        remedy: "effect-rq doctor --fix puts it at the front of its queue, once it has been so for a minute",
        repair: { _tag: "RequeueLost", job: job.id, queue }
      })
    case "started":
      return violation({
        ...given,
        severity: "error",
        message: `${given.message}: nobody notices when its worker dies`,
        remedy: "effect-rq doctor --fix puts it at the front of its queue, once its worker is gone",
        repair: { _tag: "RestartLost", job: job.id, queue }
      })
    case "deferred":
      return violation({
        ...given,
        severity: "error",
        remedy: "effect-rq doctor --fix puts it back, or releases it when all that it waits for has ended",
        repair: { _tag: "SettleDependent", job: job.id, queue }
      })
    case "scheduled":
      return violation({
        ...given,
        severity: "error",
        message: `${given.message}: no scheduler will promote it, and nothing says when it is due`,
        remedy: `run it now: effect-rq cancel ${job.id} && effect-rq requeue ${job.id}`
      })
    default:
      return violation({
        ...given,
        severity: job.expiresAt === undefined ? "warning" : "info",
        remedy: job.expiresAt === undefined
          ? "effect-rq doctor --fix lists it in the registry that its status names"
          : "none is needed: it expires by itself",
        repair: job.expiresAt === undefined ? { _tag: "ListEnded", job: job.id, queue } : undefined
      })
  }
}

const misplaced = (job: JobView, queue: string, places: ReadonlyArray<Place>): Violation => {
  const isResting = placeOf[job.status!]!.every((kind) => resting.has(kind)) // its caller knows the status
  const harmless = isResting && places.every(({ kind }) => resting.has(kind))
  return violation({
    code: "misplaced-job",
    invariant: 1,
    severity: harmless ? "warning" : "error",
    job: job.id,
    queue,
    key: places[0]?.key,
    message: `job ${job.id} of ${queue} is ${job.status}, and is in ${list(places)} instead`,
    remedy: harmless
      ? "effect-rq doctor --fix lists it in the registry that its status names"
      : job.status === "started"
      ? "once its worker is gone and a worker has dropped the entry, effect-rq doctor --fix runs it again"
      : `which of the two is right is not known; run it now: effect-rq cancel ${job.id} && effect-rq requeue ${job.id}`,
    repair: harmless ? { _tag: "ListEnded", job: job.id, queue } : undefined
  })
}

const checkPlaces = (job: JobView, queue: string, now: number): ReadonlyArray<Violation> => {
  const expected = placeOf[job.status ?? ""]
  // `created`, and what later versions of RQ add
  if (expected === undefined) return []
  const right = job.places.filter(({ kind, queue: where }) => expected.includes(kind) && where === queue)
  const wrong = job.places.filter((place) =>
    !right.includes(place) && !isRepetition(job, place) && !isExpired(place, now)
  )
  if (right.length === 0) {
    if (!job.complete) return []
    return [wrong.length > 0 ? misplaced(job, queue, wrong) : lost(job, queue)]
  }
  const found: Array<Violation> = wrong.map((place) =>
    violation({
      code: "stray-entry",
      invariant: 1,
      severity: "warning",
      job: job.id,
      queue: place.queue,
      key: place.key,
      message: `job ${job.id} is ${job.status} in ${show(right[0]!)}, and is in ${show(place)} as well`,
      remedy: "effect-rq doctor --fix takes the second entry out",
      repair: { _tag: "DropEntry", job: job.id, key: place.key, member: memberOf(job.id, place) }
    })
  )
  for (const [index, place] of right.entries()) {
    if (index === 0) continue
    const twice = right.slice(0, index).some(({ key }) => key === place.key) && place.execution === undefined
    // RQ's workers make an execution before they take the id out of the intermediate list
    found.push(violation({
      code: twice ? "duplicate-entry" : "stray-entry",
      invariant: 1,
      severity: "warning",
      job: job.id,
      queue,
      key: place.key,
      message: twice
        ? `job ${job.id} stands in ${show(place)} more than once: it may run twice`
        : `job ${job.id} is in ${list([right[0]!, place])}: it may run twice`,
      remedy: twice || place.kind !== "started"
        ? "effect-rq doctor --fix takes the second entry out"
        : "the worker whose run is not the current one loses it at its next heartbeat",
      repair: twice
        ? { _tag: "DropDuplicate", job: job.id, key: place.key }
        : place.kind === "queue"
        ? { _tag: "DropEntry", job: job.id, key: place.key, member: job.id }
        : undefined
    }))
  }
  return found
}

const hasEnded = (status: string | undefined, allowFailure: boolean): boolean =>
  status === undefined || status === "finished" ||
  allowFailure && (status === "failed" || status === "stopped" || status === "canceled")

const checkDependencies = (job: JobView, queue: string): ReadonlyArray<Violation> => {
  const { dependencies } = job
  if (job.status !== "deferred") {
    return dependencies === undefined ? [] : [violation({
      code: "stray-dependencies",
      invariant: 1,
      severity: "info",
      job: job.id,
      queue,
      message: `job ${job.id} is ${job.status}, and is still listed as waiting for others`,
      remedy: "none is needed"
    })]
  }
  const waitsFor = dependencies ?? []
  if (waitsFor.every(({ status }) => hasEnded(status, job.allowFailure))) {
    return [violation({
      code: "forgotten-dependent",
      invariant: 1,
      severity: "error",
      job: job.id,
      queue,
      message: `job ${job.id} of ${queue} is deferred, and all that it waits for has ended${
        waitsFor.length === 0 ? "" : ` or is gone (${waitsFor.map(({ id }) => id).join(", ")})`
      }: nothing will release it`,
      remedy: "effect-rq doctor --fix queues it",
      repair: { _tag: "SettleDependent", job: job.id, queue }
    })]
  }
  return waitsFor.flatMap(({ id, knows, status }): ReadonlyArray<Violation> => {
    if (hasEnded(status, job.allowFailure)) return []
    if (!knows) {
      return [violation({
        code: "unknown-dependent",
        invariant: 1,
        severity: "error",
        job: job.id,
        queue,
        message: `job ${job.id} of ${queue} waits for ${id}, which does not know of it: nothing will release it`,
        remedy: "effect-rq doctor --fix makes it known",
        repair: { _tag: "SettleDependent", job: job.id, queue }
      })]
    }
    return status === "failed" || status === "stopped" || status === "canceled"
      ? [violation({
        code: "blocked-dependent",
        severity: "info",
        job: job.id,
        queue,
        message: `job ${job.id} of ${queue} waits for ${id}, which is ${status}`,
        remedy: `run that again (effect-rq requeue ${id}), or give up (effect-rq cancel ${job.id})`
      })]
      : []
  })
}

const checkLife = (job: JobView, now: number, lapsedMillis: number): ReadonlyArray<Violation> =>
  job.status !== "started" ? [] : job.places.flatMap((place) => {
    if (place.kind !== "started" || place.at === undefined) return []
    const ours = isOurs(place.execution)
    const late = now - place.at
    if (late <= (ours ? lapsedMillis : Math.max(lapsedMillis, pythonLapsedMillis))) return []
    return [violation({
      code: "lapsed-job",
      invariant: 6,
      severity: "error",
      job: job.id,
      queue: place.queue,
      worker: job.worker,
      key: place.key,
      message: `job ${job.id} of ${place.queue} was given up for dead ${span(late)} ago with its worker ${
        job.worker ?? "(unknown)"
      }, and nobody takes it over`,
      remedy: `start a worker for ${place.queue}, which takes it over; effect-rq doctor --fix does the same once`,
      repair: { _tag: "Abandon", queue: place.queue }
    })]
  })

const checkPromotion = (job: JobView, queue: string): ReadonlyArray<Violation> => {
  const { dueAt, enqueuedAt, status } = job
  if (dueAt === undefined || enqueuedAt === undefined || status === "scheduled" || status === "canceled") return []
  if (!(Math.abs(dueAt) <= Date.latest)) return [] // no time at all, as workers see it
  // times are kept to the millisecond, due times may be finer
  const early = dueAt - enqueuedAt
  if (!(early > 1)) return []
  return [violation({
    code: "early-promotion",
    invariant: 2,
    severity: "error",
    job: job.id,
    queue,
    message: `job ${job.id} of ${queue} was promoted ${span(early)} before it was due`,
    remedy: "look at the clocks of the hosts that run schedulers; Clock.layerRedis makes them agree"
  })]
}

const checkOptions = (job: JobView, queue: string): ReadonlyArray<Violation> =>
  job.unseenOptions.length === 0 || placeOf[job.status ?? ""]?.some((kind) => resting.has(kind)) === true
    ? []
    : [violation({
      code: "unseen-options",
      severity: "warning",
      job: job.id,
      queue,
      message:
        `job ${job.id} of ${queue} has ${job.unseenOptions.join(" and ")}, and no last_heartbeat, without which ` +
        "that is overlooked when it is promoted or completes",
      remedy: "effect-rq doctor --fix adds the field, empty; who writes jobs by hand writes it as well",
      repair: { _tag: "ShowOptions", job: job.id }
    })]

/**
 * A worker of RQ moves an id there before it starts the job, which takes it milliseconds. One that is seen there for longer
 * has lost its worker. Not a matter of one state, so it is asked apart.
 */
export const stuckIntermediate = (job: JobView): ReadonlyArray<Violation> =>
  job.status !== "queued" ? [] : job.places.flatMap((place) =>
    place.kind !== "intermediate" ? [] : [violation({
      code: "stuck-intermediate",
      invariant: 6,
      severity: "warning",
      job: job.id,
      queue: place.queue,
      key: place.key,
      message: `job ${job.id} of ${place.queue} was taken by a worker of RQ that has not started it`,
      remedy: "a worker of effect-rq gives it back after a minute or two, as effect-rq doctor --fix does",
      repair: { _tag: "Tidy", queue: place.queue }
    })]
  )

/** What is wrong with one job, or with what is left of one. */
export const checkJob = (job: JobView, now: number, lapsedMillis: number): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  const severity: Severity = "info"
  for (const key of job.strayExecutions) {
    found.push(violation({
      code: "stray-execution",
      invariant: 7,
      severity,
      job: job.id,
      key,
      message: `${key} belongs to a run of job ${job.id} that is over`,
      remedy: "none is needed: it expires by itself"
    }))
  }
  if (job.type === "none") {
    found.push(...withoutJob(job, now))
    if (job.keepsResults) {
      found.push(violation({
        code: "stray-results",
        severity,
        job: job.id,
        message: `the results of job ${job.id} are kept for ever, and there is no such job`,
        remedy: "effect-rq doctor --fix lets them expire in a day",
        repair: { _tag: "ExpireResults", job: job.id }
      }))
    }
    return found
  }
  const queue = job.origin ?? ""
  if (job.type !== "hash" || !job.hasData || job.status === undefined) {
    found.push(violation({
      code: "unreadable-job",
      invariant: 1,
      severity: "error",
      job: job.id,
      queue: job.origin,
      message: job.type !== "hash"
        ? `the key of job ${job.id} holds a ${job.type}`
        : `job ${job.id} has no ${job.hasData ? "status" : "data"}: nobody can run it`,
      remedy: "find out who writes it, and delete it"
    }))
    return found
  }
  found.push(
    ...checkPlaces(job, queue, now),
    ...checkDependencies(job, queue),
    ...checkLife(job, now, lapsedMillis),
    ...checkPromotion(job, queue),
    ...checkOptions(job, queue)
  )
  return found
}
