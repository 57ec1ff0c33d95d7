/**
 * The state that a dump of all keys shows.
 *
 * @internal
 */
import * as Date from "../wire/date.js"
import * as JobHash from "../wire/jobHash.js"
import * as keys from "../wire/keys.js"
import type { Dependency, HandoverView, JobView, Place, PlaceKind, QueueView, State } from "./state.js"

/** All keys by name, as `RedisMemory.dump` gives them. */
export type Dump = Readonly<Record<string, DumpedKey>>

export type DumpedKey =
  & { readonly expiresAt: number | null }
  & (
    | { readonly type: "string"; readonly value: string }
    | { readonly type: "hash"; readonly value: Readonly<Record<string, string>> }
    | { readonly type: "list" | "set"; readonly value: ReadonlyArray<string> }
    | { readonly type: "zset"; readonly value: ReadonlyArray<readonly [member: string, score: number]> }
    | { readonly type: "stream"; readonly value: ReadonlyArray<unknown> }
  )

type Kind = DumpedKey["type"]

/** What each family holds; the first one that fits counts. */
const families: ReadonlyArray<readonly [prefix: string, type: Kind, kind?: PlaceKind]> = [
  [keys.family.queue, "list", "queue"],
  [keys.ownFamily.handover, "list", "handover"],
  [keys.family.scheduled, "zset", "scheduled"],
  [keys.family.started, "zset", "started"],
  [keys.family.deferred, "zset", "deferred"],
  [keys.family.finished, "zset", "finished"],
  [keys.family.failed, "zset", "failed"],
  [keys.family.canceled, "zset", "canceled"],
  [keys.family.results, "stream"],
  [keys.family.executions, "zset"],
  [keys.family.execution, "hash"],
  [keys.family.workers, "set"],
  [keys.family.schedulerLock, "string"],
  [keys.ownFamily.handovers, "zset"]
]

const singles: ReadonlyArray<readonly [key: string, type: Kind]> = [
  [keys.queues, "set"],
  [keys.workers, "set"],
  [keys.paused, "set"]
]

/** A job's id holds no colon, other keys under the same prefix do. */
const jobIdOf = (key: string): string | undefined => {
  const id = key.startsWith(keys.family.job) ? key.slice(keys.family.job.length) : ""
  return id === "" || id.includes(":") ? undefined : id
}

/** RQ's marks for "never" are +inf and -1. */
export const scoreAt = (score: number): number | undefined =>
  score < 0 || !Number.isFinite(score) ? undefined : Math.round(score * 1000)

/** Job and execution of a member of the started registry; RQ before 2 keeps the id alone. */
export const splitMember = (member: string): readonly [id: string, execution: string | undefined] => {
  const colon = member.lastIndexOf(":")
  return colon < 0 ? [member, undefined] : [member.slice(0, colon), member.slice(colon + 1)]
}

/** What of a dump concerns jobs and queues. `now` is in milliseconds since 1970. */
export const fromDump = (dump: Dump, now: number): State => {
  const setOf = (key: string): ReadonlyArray<string> => {
    const entry = dump[key]
    return entry?.type === "set" ? entry.value : []
  }
  const zsetOf = (key: string): ReadonlyArray<readonly [string, number]> => {
    const entry = dump[key]
    return entry?.type === "zset" ? entry.value : []
  }
  const hashOf = (key: string): Readonly<Record<string, string>> | undefined => {
    const entry = dump[key]
    return entry?.type === "hash" ? entry.value : undefined
  }
  const workerLives = (name: string) => {
    const hash = hashOf(keys.worker(name))
    return hash !== undefined && hash["death"] === undefined
  }
  const namesIn = (set: string) => setOf(set).flatMap((member) => keys.workerName(member) ?? [])

  const listed = new Set(setOf(keys.queues))
  const queues = new Set([...listed].flatMap((key) => keys.queueName(key) ?? []))
  const places = new Map<string, Array<Place>>()
  const members = new Set<string>()
  const stray = new Map<string, Array<string>>()
  const ids = new Set<string>()
  const handovers = new Map<string, Array<HandoverView>>()
  const wrongTypes: Array<{ key: string; found: string; expected: string }> = []
  const put = (id: string, place: Place) => {
    ids.add(id)
    const all = places.get(id)
    if (all === undefined) places.set(id, [place])
    else all.push(place)
  }
  const isIntermediate = (key: string) => key.endsWith(":intermediate") && !listed.has(key)

  const readEntries = (key: string, entry: DumpedKey, prefix: string, kind: PlaceKind) => {
    const rest = key.slice(prefix.length)
    if (kind === "queue" && isIntermediate(key)) {
      const queue = rest.slice(0, -":intermediate".length)
      for (const id of entry.type === "list" ? entry.value : []) {
        put(id, { kind: "intermediate", queue, key, at: undefined, execution: undefined })
      }
    } else if (entry.type === "list") {
      const [queue, worker] = kind === "handover" ? keys.splitHandover(rest) : [rest, ""]
      queues.add(queue)
      if (kind === "handover") {
        const until = zsetOf(keys.handovers(queue)).find(([name]) => name === worker)?.[1]
        const view: HandoverView = {
          worker,
          key,
          length: entry.value.length,
          workerLives: workerLives(worker),
          aliveUntil: until === undefined ? undefined : until * 1000
        }
        handovers.set(queue, [...handovers.get(queue) ?? [], view])
      }
      for (const id of entry.value) put(id, { kind, queue, key, at: undefined, execution: undefined })
    } else if (entry.type === "zset") {
      queues.add(rest)
      for (const [member, score] of entry.value) {
        const [id, execution] = kind === "started" ? splitMember(member) : [member, undefined]
        if (kind === "started") members.add(member)
        put(id, { kind, queue: rest, key, at: scoreAt(score), execution })
      }
    }
  }

  for (const [key, expected] of singles) {
    const entry = dump[key]
    if (entry !== undefined && entry.type !== expected) wrongTypes.push({ key, found: entry.type, expected })
  }
  for (const [key, entry] of Object.entries(dump)) {
    const id = jobIdOf(key)
    if (id !== undefined) ids.add(id)
    const family = families.find(([prefix]) => key.startsWith(prefix))
    // when an id was first seen in an intermediate list
    if (family === undefined || entry.type === "string" && key.includes(":intermediate:first_seen:")) continue
    const [prefix, expected, kind] = family
    if (entry.type !== expected) wrongTypes.push({ key, found: entry.type, expected })
    else if (kind !== undefined) readEntries(key, entry, prefix, kind)
  }
  for (const [key, entry] of Object.entries(dump)) {
    if (key.startsWith(keys.family.execution)) {
      const member = key.slice(keys.family.execution.length)
      const [id] = splitMember(member)
      if (!members.has(member)) stray.set(id, [...stray.get(id) ?? [], key])
      ids.add(id)
    } else if (key.startsWith(keys.family.results) && entry.expiresAt === null) {
      ids.add(key.slice(keys.family.results.length))
    }
    const dependent = keys.dependentOf(key)
    if (dependent !== undefined && dump[keys.job(dependent)] !== undefined) ids.add(dependent)
  }

  const job = (id: string): JobView => {
    const entry = dump[keys.job(id)]
    const hash = hashOf(keys.job(id))
    const waitsFor = keys.dependencies(id) in dump ? setOf(keys.dependencies(id)) : undefined
    const worker = hash?.["worker_name"]
    return {
      id,
      type: entry?.type ?? "none",
      status: hash?.["status"],
      origin: hash?.["origin"],
      hasData: hash?.["data"] !== undefined,
      worker: worker === "" ? undefined : worker,
      workerLives: worker === undefined || worker === "" ? undefined : workerLives(worker),
      execution: hash?.["execution"],
      enqueuedAt: Date.decode(hash?.["enqueued_at"] ?? ""),
      dueAt: hash?.["due_at"] === undefined ? undefined : Number(hash["due_at"]) * 1000,
      repeats: hash?.["repeats_left"] !== undefined,
      unseenOptions: JobHash.unseenOptions((field) => hash?.[field] !== undefined),
      allowFailure: hash?.["allow_dependency_failures"] === "1",
      expiresAt: entry?.expiresAt ?? undefined,
      places: places.get(id) ?? [],
      complete: true,
      dependencies: waitsFor?.map((parent): Dependency => ({
        id: parent,
        status: hashOf(keys.job(parent))?.["status"],
        knows: setOf(keys.dependents(parent)).includes(id)
      })),
      strayExecutions: stray.get(id) ?? [],
      keepsResults: dump[keys.results(id)]?.expiresAt === null
    }
  }

  const paused = new Set(setOf(keys.paused))
  const queue = (name: string): QueueView => {
    const scheduled = zsetOf(keys.scheduled(name))
    const list = dump[keys.queue(name)]
    const lock = dump[keys.schedulerLock(name)]
    const first = scheduled.find(([id]) => hashOf(keys.job(id))?.["status"] === "scheduled")
    return {
      name,
      isListed: listed.has(keys.queue(name)),
      queued: list?.type === "list" ? list.value.length : 0,
      scheduled: scheduled.length,
      started: zsetOf(keys.started(name)).length,
      firstDue: first === undefined ? undefined : { id: first[0], at: first[1] * 1000 },
      lock: lock?.type === "string"
        ? {
          holder: lock.value,
          lapsesAt: lock.expiresAt ?? undefined,
          isKnown: dump[keys.scheduler(lock.value)] !== undefined
        }
        : undefined,
      isPaused: paused.has(name),
      workers: namesIn(keys.workersOf(name)).map((worker) => ({ name: worker, lives: workerLives(worker) })),
      handovers: handovers.get(name) ?? []
    }
  }
  const suspended = dump[keys.suspended]
  return {
    now,
    jobs: [...ids].sort().map(job),
    queues: [...queues].sort().map(queue),
    workers: namesIn(keys.workers).map((name) => ({ name, lives: workerLives(name) })),
    suspended: suspended === undefined ? undefined : { until: suspended.expiresAt ?? undefined },
    wrongTypes
  }
}
