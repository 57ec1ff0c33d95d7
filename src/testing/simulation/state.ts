/**
 * What must hold of a Redis at any instant: each job is in exactly one place, the one that its status names, and no
 * place holds an id without a job.
 */
import type * as RedisMemory from "../../RedisMemory.js"
import * as keys from "../../wire/keys.js"

type Dump = Readonly<Record<string, RedisMemory.Entry>>

/** Where the jobs of each status are. */
const placeOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  queued: ["queue", "handover"],
  scheduled: ["scheduled"],
  deferred: ["deferred"],
  started: ["started"],
  finished: ["finished"],
  failed: ["failed"],
  stopped: ["failed"],
  canceled: ["canceled"]
}

interface Place {
  readonly kind: string
  readonly queue: string
  readonly key: string
}

const families: ReadonlyArray<readonly [kind: string, prefix: string, type: "list" | "zset"]> = [
  ["queue", keys.family.queue, "list"],
  ["handover", keys.ownFamily.handover, "list"],
  ["scheduled", keys.family.scheduled, "zset"],
  ["started", keys.family.started, "zset"],
  ["deferred", keys.family.deferred, "zset"],
  ["finished", keys.family.finished, "zset"],
  ["failed", keys.family.failed, "zset"],
  ["canceled", keys.family.canceled, "zset"]
]

/** A job's id holds no colon, other keys under the same prefix do. */
const jobIdOf = (key: string): string | undefined => {
  const id = key.startsWith(keys.family.job) ? key.slice(keys.family.job.length) : ""
  return id === "" || id.includes(":") ? undefined : id
}

/**
 * All violations, in words. `now` is in milliseconds since the epoch: entries of what has ended may outlive their job
 * until maintenance comes by.
 */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  const places = new Map<string, Array<Place>>()
  const executions = new Set<string>()
  const put = (id: string, place: Place) => {
    const all = places.get(id)
    if (all === undefined) places.set(id, [place])
    else all.push(place)
  }
  const hashOf = (id: string) => {
    const entry = dump[keys.job(id)]
    return entry?.type === "hash" ? entry.value : undefined
  }

  for (const [key, entry] of Object.entries(dump)) {
    for (const [kind, prefix, type] of families) {
      if (!key.startsWith(prefix)) continue
      if (entry.type !== type) {
        found.push(`${key} is a ${entry.type}`)
        continue
      }
      const rest = key.slice(prefix.length)
      const queue = kind === "handover" ? rest.slice(0, rest.lastIndexOf(":")) : rest
      if (entry.type === "list") {
        for (const id of entry.value) put(id, { kind, queue, key })
      } else if (entry.type === "zset") {
        for (const [member, score] of entry.value) {
          const id = kind === "started" ? member.slice(0, member.lastIndexOf(":")) : member
          if (kind === "started") executions.add(member)
          const hasExpired = (kind === "finished" || kind === "failed") && score >= 0 && score * 1000 <= now
          if (hasExpired && hashOf(id) === undefined) continue
          put(id, { kind, queue, key })
        }
      }
    }
  }

  for (const key of Object.keys(dump)) {
    const id = jobIdOf(key)
    if (id === undefined) continue
    const hash = hashOf(id)
    if (hash === undefined) {
      found.push(`${key} is no hash`)
      continue
    }
    const status = hash["status"] ?? "none"
    const expected = placeOf[status] ?? []
    // Whoever was handed over a job that is canceled meanwhile drops it, or gives it back to who does.
    const drops = (kind: string) => kind === "handover" || kind === "queue"
    const where = (places.get(id) ?? []).filter(({ kind }) => !(drops(kind) && status === "canceled"))
    const right = where.length === 1 && expected.includes(where[0]!.kind) && where[0]!.queue === hash["origin"]
    if (!right) {
      found.push(
        `${id} is ${status} in queue ${hash["origin"]}, and is in ${
          where.map((one) => one.key).join(", ") || "no place"
        }`
      )
    }
  }
  for (const [id, where] of places) {
    if (hashOf(id) === undefined && where.some(({ kind }) => kind !== "handover")) {
      found.push(`${id} is in ${where.map((one) => one.key).join(", ")} and is no job`)
    }
  }

  for (const [key, entry] of Object.entries(dump)) {
    if (key.startsWith(keys.family.execution) && !executions.has(key.slice(keys.family.execution.length))) {
      found.push(`${key} belongs to no started execution`)
    }
    const isResults = key.startsWith(keys.family.results)
    if (isResults && entry.expiresAt === null && hashOf(key.slice(keys.family.results.length)) === undefined) {
      found.push(`${key} is kept for ever and belongs to no job`)
    }
    const dependencies = /^rq:job::([^:]+):dependencies$/.exec(key)
    if (dependencies !== null && entry.type === "set") {
      const id = dependencies[1]!
      if (hashOf(id)?.["status"] !== "deferred") found.push(`${key} is there, and its job is not deferred`)
      for (const parent of entry.value) {
        const dependents = dump[`${keys.job(parent)}:dependents`]
        if (hashOf(parent) === undefined) continue
        if (dependents?.type !== "set" || !dependents.value.includes(id)) {
          found.push(`${id} waits for ${parent}, which does not know of it`)
        }
      }
    }
  }
  return found
}
