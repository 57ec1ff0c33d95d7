/**
 * The keys of a store: typed values that may expire.
 *
 * Time is handed in: `now` is set before each command. A key is alive at `now === expireAt` and gone one millisecond
 * later.
 */
import type { Deque } from "./deque.js"
import { wrongType } from "./replies.js"
import type { SortedSet } from "./sorted-set.js"
import type { Stream } from "./stream.js"

export interface Values {
  readonly string: string
  readonly hash: Map<string, string>
  readonly list: Deque
  readonly set: Set<string>
  readonly zset: SortedSet
  readonly stream: Stream
}

export type Kind = keyof Values

export type Entry<K extends Kind = Kind> = {
  [P in K]: {
    readonly kind: P
    value: Values[P]
    /** Epoch milliseconds; Infinity when the key doesn't expire. */
    expireAt: number
    /** Grows with each key that comes in: the order of the keys, which SCAN's cursor counts in. */
    readonly serial: number
  }
}[K]

/**
 * What stays of a key that was deleted, for a while.
 *
 * A Map of JavaScript keeps deleted entries in the chains of their buckets until it is rebuilt. A key that comes and
 * goes, as the key of a queue does, would make its bucket long and each look at it slow.
 */
interface Gone {
  readonly kind: "gone"
  readonly serial: number
}

/** That many gone keys may be kept beside as many as are alive. */
const minGone = 1_024

/** How many commands pass between two looks for expired keys that nobody asks for, and how many keys a look takes. */
const sweepEvery = 64
const sweepKeys = 32

export class Keyspace {
  now = 0
  private readonly entries = new Map<string, Entry | Gone>()
  private gone = 0
  /** All keys that expire, and some that don't any more: the sweep takes those out (see {@link Gone}). */
  private readonly expiring = new Set<string>()
  private serials = 0
  private commands = 0
  private sweeper: Iterator<string> | undefined
  /** Called with a key that came into being or grew, when somebody may wait for it. */
  onReady: ((key: string) => void) | undefined

  get(key: string): Entry | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined || entry.kind === "gone") return undefined
    if (this.now <= entry.expireAt) return entry
    this.delete(key)
    return undefined
  }

  /** The entry when it is of this kind, undefined when there is none. */
  find<K extends Kind>(key: string, kind: K): Entry<K> | undefined {
    const entry = this.get(key)
    if (entry === undefined) return undefined
    if (entry.kind !== kind) throw wrongType
    return entry as Entry<K> // the line above compared the kind
  }

  /** The value when it is of this kind, undefined when there is none. */
  value<K extends Kind>(key: string, kind: K): Values[K] | undefined {
    return this.find(key, kind)?.value
  }

  /** The value of this kind, made when there is none. */
  obtain<K extends Kind>(key: string, kind: K, make: () => Values[K]): Values[K] {
    const found = this.find(key, kind)
    if (found !== undefined) return found.value
    const value = make()
    this.put(key, kind, value)
    return value
  }

  put<K extends Kind>(key: string, kind: K, value: Values[K], expireAt = Infinity): void {
    const old = this.entries.get(key)
    if (old?.kind === "gone") this.gone--
    const serial = old?.serial ?? this.serials++
    this.entries.set(key, { kind, value, expireAt, serial } as Entry) // `kind` and `value` are of the same K
    if (expireAt !== Infinity) this.expiring.add(key)
    if (kind === "list" || kind === "stream") this.onReady?.(key)
  }

  delete(key: string): boolean {
    const entry = this.entries.get(key)
    if (entry === undefined || entry.kind === "gone") return false
    this.entries.set(key, { kind: "gone", serial: entry.serial })
    this.gone++
    if (this.gone > minGone && this.gone * 2 > this.entries.size) this.forget()
    return true
  }

  private forget(): void {
    for (const [key, entry] of this.entries) if (entry.kind === "gone") this.entries.delete(key)
    this.gone = 0
  }

  /** Deletes the key if it is alive. */
  remove(key: string): boolean {
    return this.get(key) !== undefined && this.delete(key)
  }

  expire(key: string, entry: Entry, at: number): void {
    entry.expireAt = at
    if (at !== Infinity) this.expiring.add(key)
  }

  clear(): void {
    this.entries.clear()
    this.gone = 0
    this.expiring.clear()
    this.sweeper = undefined
  }

  /** Drops all keys that have expired. */
  purge(): void {
    for (const key of this.expiring) this.sweep(key)
  }

  private sweep(key: string): void {
    const entry = this.get(key)
    if (entry === undefined || entry.expireAt === Infinity) this.expiring.delete(key)
  }

  /** How many keys take up memory, those that have expired unseen included. */
  get held(): number {
    return this.entries.size - this.gone
  }

  /** As {@link held}, and those that are gone but not forgotten. */
  get slots(): number {
    return this.entries.size
  }

  /** How many keys are alive. */
  get size(): number {
    this.purge()
    return this.held
  }

  /** The keys that are alive, in the order in which they came in. The iterator survives changes. */
  *alive(): IterableIterator<readonly [key: string, entry: Entry]> {
    for (const key of this.entries.keys()) {
      const entry = this.get(key)
      if (entry !== undefined) yield [key, entry]
    }
  }

  /** Called before each command: drops a few keys that expired without being asked for. */
  tick(now: number): void {
    this.now = now
    if (++this.commands % sweepEvery !== 0 || this.expiring.size === 0) return
    this.sweeper ??= this.expiring.values()
    for (let i = 0; i < sweepKeys; i++) {
      const next = this.sweeper.next()
      if (next.done === true) {
        this.sweeper = undefined
        return
      }
      this.sweep(next.value)
    }
  }
}
