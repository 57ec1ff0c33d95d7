/**
 * The keys of a store at an instant, to come back to.
 */
import { Deque } from "./deque.js"
import type { Entry, Kind, Values } from "./keyspace.js"
import { SortedSet } from "./sorted-set.js"
import type { Store } from "./store.js"

export type Snapshot = ReadonlyArray<readonly [key: string, entry: Pick<Entry, "kind" | "value" | "expireAt">]>

const copy = (entry: Pick<Entry, "kind" | "value">): Values[Kind] => {
  const { kind, value } = entry as Entry // only the serial is missing, which isn't read
  switch (kind) {
    case "string":
      return value
    case "hash":
      return new Map(value)
    case "list":
      return Deque.from(value.slice(0, value.length))
    case "set":
      return new Set(value)
    case "zset": {
      const set = new SortedSet()
      value.forRange(0, value.size, (member, score) => set.set(member, score))
      return set
    }
    case "stream":
      return value.clone()
  }
}

/** All keys that are alive. */
export const take = (store: Store, now: number): Snapshot => {
  store.db.now = now
  const keys: Array<Snapshot[number]> = []
  for (const [key, { expireAt, kind, value }] of store.db.alive()) {
    keys.push([key, { kind, value: copy({ kind, value }), expireAt }])
  }
  return keys
}

/** Puts the keys of the snapshot in place of all others. */
export const restore = (store: Store, snapshot: Snapshot): void => {
  store.db.clear()
  for (const [key, { expireAt, kind, value }] of snapshot) store.db.put(key, kind, copy({ kind, value }), expireAt)
}
