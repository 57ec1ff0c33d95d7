/**
 * The whole state of a store in a form that can be compared.
 */
import type { Entry } from "./keyspace.js"
import type { Store } from "./store.js"
import { formatId, maxId, minId } from "./stream.js"

export type DumpedValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "hash"; readonly value: Readonly<Record<string, string>> }
  | { readonly type: "list"; readonly value: ReadonlyArray<string> }
  | { readonly type: "set"; readonly value: ReadonlyArray<string> }
  | { readonly type: "zset"; readonly value: ReadonlyArray<readonly [member: string, score: number]> }
  | {
    readonly type: "stream"
    readonly value: ReadonlyArray<readonly [id: string, fields: ReadonlyArray<string>]>
    readonly lastId: string
  }

export type DumpedKey = DumpedValue & { readonly expiresAt: number | null }

const dumpValue = (entry: Entry): DumpedValue => {
  switch (entry.kind) {
    case "string":
      return { type: "string", value: entry.value }
    case "hash":
      return { type: "hash", value: Object.fromEntries(entry.value) }
    case "list":
      return { type: "list", value: entry.value.slice(0, entry.value.length) }
    case "set":
      return { type: "set", value: [...entry.value].sort() }
    case "zset":
      return { type: "zset", value: entry.value.slice(0, entry.value.size) }
    case "stream":
      return {
        type: "stream",
        value: entry.value.range(minId, maxId, Infinity).map(({ fields, id }) => [formatId(id), fields] as const),
        lastId: formatId(entry.value.lastId)
      }
  }
}

/** One key that is alive. */
export const dumpKey = (entry: Entry): DumpedKey => ({
  ...dumpValue(entry),
  expiresAt: entry.expireAt === Infinity ? null : entry.expireAt
})

export const dump = (store: Store, now: number): Readonly<Record<string, DumpedKey>> => {
  store.db.now = now
  const keys: Array<readonly [string, DumpedKey]> = []
  for (const [key, entry] of store.db.alive()) {
    keys.push([key, dumpKey(entry)])
  }
  return Object.fromEntries(keys.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0))
}
