/**
 * What makes two states the same: times count from now, and beyond what can matter they don't; executions are numbered in
 * the order in which they are met; what is only told to people is left out.
 */
import type { Store } from "../../../src/redis-memory/store.js"
import type { Actors } from "./model.js"

/** Later than this nothing is waited for. */
const farMillis = 60_000

/** Fields that nothing is decided by. */
const told = new Set([
  "enqueued_at",
  "started_at",
  "ended_at",
  "last_heartbeat",
  "created_at",
  "due_at",
  "birth",
  "description"
])

/** Keys that nothing is decided by: results, and what tools show of workers and schedulers. */
const leftOut = ["rq:results:", "rq:worker", "rq:scheduler:", "rq:queues", "rq:executions:", "rq:execution:"]

export const canonical = (store: Store, actors: Actors): string => {
  const { now } = actors
  store.db.now = now
  const numbers = new Map<string, string>()
  const number = (text: string): string =>
    text.replace(/[12]0{11}80{11}[0-9a-f]{8}/g, (execution) => {
      const known = numbers.get(execution)
      if (known !== undefined) return known
      // whose it is, whether it was fetched ahead, and which of those that were met
      const name = `${execution[0]}${execution[24]! >= "8" ? "+" : ""}#${numbers.size}`
      numbers.set(execution, name)
      return name
    })
  const time = (at: number): string =>
    at === Infinity ? "-" : at - now > farMillis ? "far" : at < now ? "past" : String(at - now)
  const lines: Array<string> = []
  const sorted = Array.from(store.db.alive()).sort(([a], [b]) => a < b ? -1 : 1)
  for (const [key, entry] of sorted) {
    if (leftOut.some((prefix) => key.startsWith(prefix))) continue
    let value = ""
    switch (entry.kind) {
      case "hash":
        value = [...entry.value].filter(([field]) => !told.has(field)).sort().map((pair) => pair.join("=")).join()
        break
      case "list":
        value = entry.value.slice(0, entry.value.length).join()
        break
      case "set":
        value = [...entry.value].sort().join()
        break
      case "zset":
        value = entry.value.slice(0, entry.value.size).map(([member, score]) => `${member}@${time(score * 1000)}`)
          .join()
        break
      case "string":
        value = entry.value
        break
      case "stream":
        value = String(entry.value.length)
    }
    lines.push(`${key} ${value} ${time(entry.expireAt)}`)
  }
  const sent = (actor: Actors["ghosts"][number]): string =>
    `${actor.name}/${actor.lives}/${actor.sent === undefined ? "" : `${actor.sent.what}@${actor.sent.sentAt - now}`}`
  lines.push(
    ...actors.schedulers.map(sent),
    `${sent(actors.worker)} ${actors.worker.isUnsure} ${
      actors.worker.knows.map(({ execution }) => execution).sort().join()
    }`,
    `${sent(actors.producer)} ${actors.producer.step} ${actors.producer.repeats}`,
    ...actors.ghosts.map(sent).sort()
  )
  return number(lines.join("\n"))
}
