/**
 * Two states of Redis, Python's and ours, as lists of facts that can be told apart one by one.
 */
import * as Zlib from "node:zlib"
import * as Golden from "../support/golden.js"

/** What is known at a path: a key, a field of a hash, the time to live of a key, ... */
export type Facts = ReadonlyMap<string, string>

export interface Difference {
  readonly path: string
  /** undefined: there is nothing */
  readonly rq: string | undefined
  readonly ours: string | undefined
}

const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

/** Fields whose value is the machine's, or the length of a measured time: that there is one is all that counts. */
const measured = new Set(["pid", "hostname", "total_working_time", "current_job_working_time"])

/**
 * Dates, scores and Unix seconds are told by their distance from `now` (Unix seconds), to the nearest ten seconds, where
 * they are within two years of it. Execution ids and random names become `<id 1>`, `<id 2>` in their order.
 */
export const facts = (state: Golden.State, now: number): Facts => {
  const out = new Map<string, string>()
  const ids = new Map<string, string>()
  const named = (text: string): string =>
    text.replace(/(?<![0-9a-f])([0-9a-f]{32}|\d{20})(?![0-9a-f])/g, (id) => {
      if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`)
      return ids.get(id)!
    })
  const instant = (seconds: number | string): string => {
    const distance = Math.round((Number(seconds) - now) / 10) * 10
    return Number.isFinite(distance) && Math.abs(distance) < 2 * 366 * 86_400
      ? `now${distance < 0 ? "" : "+"}${distance}`
      : String(seconds)
  }
  const field = (path: string, name: string, leaf: Golden.Leaf) => {
    const content = Golden.bytes(leaf)
    const text = content.toString("utf8")
    if (name === "data") {
      const deflated = content[0] === 0x78
      out.set(`${path} form`, deflated ? "deflated" : "plain")
      out.set(path, JSON.stringify(JSON.parse((deflated ? Zlib.inflateSync(content) : content).toString("utf8"))))
    } else if (name === "exc_string") {
      out.set(path, Zlib.inflateSync(Buffer.from(text, "base64")).toString("utf8"))
    } else if (measured.has(name)) {
      out.set(path, text === "" ? "" : "<measured>")
    } else if (date.test(text)) {
      out.set(path, `date ${instant(Date.parse(text) / 1000)}`)
    } else if (/^1[789]\d{8}(\.\d+)?$/.test(text)) {
      out.set(path, `seconds ${instant(text)}`)
    } else {
      out.set(path, named(text))
    }
  }
  // runs are numbered as they followed one another
  for (const key of Object.keys(state).sort()) {
    const entry = state[key]!
    if (entry.type !== "stream") continue
    for (const [, fields] of entry.value) {
      if (fields["execution_id"] !== undefined) named(Golden.text(fields["execution_id"]))
    }
  }
  for (const key of Object.keys(state).sort()) {
    const entry = state[key]!
    const path = named(key)
    out.set(`${path} type`, entry.type)
    out.set(`${path} ttl`, entry.ttl_ms < 0 ? "none" : `${Math.ceil(entry.ttl_ms / 1000)} s`)
    switch (entry.type) {
      case "hash":
        for (const [name, leaf] of Object.entries(entry.value)) field(`${path} ${name}`, name, leaf)
        break
      case "string":
        out.set(path, named(Golden.text(entry.value)))
        break
      case "list":
        out.set(path, named(entry.value.map(Golden.text).join(" ")))
        break
      case "set":
        out.set(path, named([...entry.value].sort().join(" ")))
        break
      case "zset":
        for (const [index, [member, score]] of entry.value.entries()) {
          out.set(`${path} ${named(member)}`, `#${index} ${instant(score)}`)
          out.set(`${path} ${named(member)} precision`, Number(score) % 1 === 0 ? "seconds" : "milliseconds")
          if (!Number.isFinite(Number(score))) out.delete(`${path} ${named(member)} precision`)
        }
        break
      case "stream":
        for (const [index, [, fields]] of entry.value.entries()) {
          for (const [name, leaf] of Object.entries(fields)) field(`${path} ${index} ${name}`, name, leaf)
        }
        break
    }
  }
  return out
}

export const compare = (rq: Facts, ours: Facts): ReadonlyArray<Difference> =>
  [...new Set([...rq.keys(), ...ours.keys()])]
    .filter((path) => rq.get(path) !== ours.get(path))
    .map((path) => ({ path, rq: rq.get(path), ours: ours.get(path) }))
