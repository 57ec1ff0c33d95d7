/**
 * Values as DUMP gives them and RESTORE takes them. The form is the in-memory Redis's own: what a server has dumped can't
 * be restored here, and the other way round.
 */
import { Deque } from "./deque.js"
import type { Entry, Kind, Values } from "./keyspace.js"
import { SortedSet } from "./sorted-set.js"
import { type Id, type Node, Stream } from "./stream.js"

/** Nothing that a server dumps begins so: its first byte is the number of a type. */
const mark = "effect-rq:1:"

/** Infinity is no JSON. */
type Score = number | "inf" | "-inf"

type Parts =
  | readonly ["string", string]
  | readonly ["hash", ReadonlyArray<readonly [string, string]>]
  | readonly ["list" | "set", ReadonlyArray<string>]
  | readonly ["zset", ReadonlyArray<readonly [member: string, score: Score]>]
  | readonly ["stream", ReadonlyArray<Node>, Id]

const toScore = (score: number): Score => Number.isFinite(score) ? score : score > 0 ? "inf" : "-inf"

const fromScore = (score: Score): number => typeof score === "number" ? score : score === "inf" ? Infinity : -Infinity

const toParts = (entry: Entry): Parts => {
  switch (entry.kind) {
    case "string":
      return ["string", entry.value]
    case "hash":
      return ["hash", [...entry.value]]
    case "list":
      return ["list", entry.value.slice(0, entry.value.length)]
    case "set":
      return ["set", [...entry.value]]
    case "zset":
      return [
        "zset",
        entry.value.slice(0, entry.value.size).map(([member, score]) => [member, toScore(score)] as const)
      ]
    case "stream": {
      const { lastId, nodes } = entry.value.toParts()
      return ["stream", nodes, lastId]
    }
  }
}

export const serialize = (entry: Entry): string => mark + JSON.stringify(toParts(entry))

type Value = { [K in Kind]: { readonly kind: K; readonly value: Values[K] } }[Kind]

const fromParts = (parts: Parts): Value => {
  switch (parts[0]) {
    case "string":
      return { kind: "string", value: parts[1] }
    case "hash":
      return { kind: "hash", value: new Map(parts[1]) }
    case "list":
      return { kind: "list", value: Deque.from(parts[1]) }
    case "set":
      return { kind: "set", value: new Set(parts[1]) }
    case "zset": {
      const value = new SortedSet()
      for (const [member, score] of parts[1]) value.set(member, fromScore(score))
      return { kind: "zset", value }
    }
    case "stream":
      return { kind: "stream", value: Stream.fromParts(parts[1], parts[2]) }
  }
}

/** Undefined for what {@link serialize} has not made. */
export const deserialize = (text: string): Value | undefined => {
  if (!text.startsWith(mark)) return undefined
  try {
    return fromParts(JSON.parse(text.slice(mark.length)) as Parts) // `serialize` begins with the mark
  } catch {
    // it was cut or changed
    return undefined
  }
}
