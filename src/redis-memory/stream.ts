/**
 * A stream. Redis keeps entries in nodes of at most 100 entries or 4096 bytes, and `MAXLEN ~` only drops whole nodes:
 * so the sizes of the nodes are reckoned here as Redis' listpacks come to them.
 */
import { readBigInteger } from "./numbers.js"

/** Milliseconds and sequence. Sequences are 64-bit in Redis; here they are exact up to 2^53. */
export interface Id {
  readonly ms: number
  readonly seq: number
}

export interface StreamEntry {
  readonly id: Id
  /** Field, value, field, value... */
  readonly fields: ReadonlyArray<string>
}

/** Some entries beside each other. */
export interface Node {
  readonly first: Id
  entries: Array<StreamEntry>
  readonly fieldNames: ReadonlyArray<string>
  /** Of all entries that were ever added: deleted ones take their place until the node goes. */
  bytes: number
  added: number
}

const maxNodeEntries = 100
const maxNodeBytes = 4096

export const maxSeq = 2 ** 64
export const minId: Id = { ms: 0, seq: 0 }
export const maxId: Id = { ms: maxSeq, seq: maxSeq }

export const compareIds = (a: Id, b: Id): number => a.ms - b.ms || a.seq - b.seq

export const formatId = (id: Id): string => `${formatPart(id.ms)}-${formatPart(id.seq)}`

const formatPart = (part: number): string => part === maxSeq ? "18446744073709551615" : String(part)

/** How many bytes an element takes in a listpack. */
const elementBytes = (text: string): number => {
  const value = text.length <= 20 ? readBigInteger(text) : undefined
  return value === undefined ? stringBytes(text.length) : integerBytes(Number(value))
}

const stringBytes = (length: number): number => {
  const encoded = length < 64 ? 1 + length : length < 4096 ? 2 + length : 5 + length
  return encoded + backBytes(encoded)
}

const backBytes = (encoded: number): number => encoded <= 127 ? 1 : encoded < 16383 ? 2 : encoded < 2097151 ? 3 : 4

const integerBytes = (value: number): number => {
  if (value >= 0 && value <= 127) return 2
  if (value >= -4096 && value <= 4095) return 3
  if (value >= -32768 && value <= 32767) return 4
  if (value >= -8388608 && value <= 8388607) return 5
  if (value >= -2147483648 && value <= 2147483647) return 6
  return 10
}

const sameFields = (names: ReadonlyArray<string>, fields: ReadonlyArray<string>): boolean => {
  if (names.length * 2 !== fields.length) return false
  for (let i = 0; i < names.length; i++) if (names[i] !== fields[i * 2]) return false
  return true
}

export class Stream {
  private nodes: Array<Node> = []
  length = 0
  lastId: Id = minId

  clone(): Stream {
    const copy = new Stream()
    copy.nodes = this.nodes.map((node) => ({ ...node, entries: node.entries.slice() }))
    copy.length = this.length
    copy.lastId = this.lastId
    return copy
  }

  /** The caller has checked that the id is above `lastId`. */
  add(id: Id, fields: ReadonlyArray<string>): void {
    let content = 0
    for (const part of fields) content += part.length
    let node = this.nodes[this.nodes.length - 1]
    if (node === undefined || node.bytes + content >= maxNodeBytes || node.added >= maxNodeEntries) {
      const names: Array<string> = []
      for (let i = 0; i < fields.length; i += 2) names.push(fields[i]!)
      // header and end, then the master entry: count, deleted, number of fields, their names, a zero
      let bytes = 7 + 2 + 2 + integerBytes(names.length) + 2
      for (const name of names) bytes += elementBytes(name)
      node = { first: id, entries: [], fieldNames: names, bytes, added: 0 }
      this.nodes.push(node)
    }
    const same = sameFields(node.fieldNames, fields)
    const numberOfFields = fields.length / 2
    // flags, id as difference to the node's first
    let bytes = 2 + integerBytes(id.ms - node.first.ms) + integerBytes(id.seq - node.first.seq)
    if (!same) bytes += integerBytes(numberOfFields)
    for (let i = 0; i < fields.length; i++) if (!same || i % 2 === 1) bytes += elementBytes(fields[i]!)
    node.bytes += bytes + integerBytes(same ? numberOfFields + 3 : 2 * numberOfFields + 4)
    node.added++
    node.entries.push({ id, fields })
    this.length++
    this.lastId = id
  }

  /** All that it holds, for DUMP; not to be changed. */
  toParts(): { readonly nodes: ReadonlyArray<Node>; readonly lastId: Id } {
    return { nodes: this.nodes, lastId: this.lastId }
  }

  /** Takes over what {@link toParts} gave, or a copy of it. */
  static fromParts(nodes: ReadonlyArray<Node>, lastId: Id): Stream {
    const stream = new Stream()
    stream.nodes = [...nodes]
    for (const node of nodes) stream.length += node.entries.length
    stream.lastId = lastId
    return stream
  }

  private indexOfNode(id: Id): number {
    let low = 0
    let high = this.nodes.length
    while (low < high) {
      const middle = (low + high) >> 1
      const entries = this.nodes[middle]!.entries
      if (compareIds(entries[entries.length - 1]!.id, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Entries from `from` to `to`, both included, at most `limit`. */
  range(from: Id, to: Id, limit: number): Array<StreamEntry> {
    const out: Array<StreamEntry> = []
    for (let n = this.indexOfNode(from); n < this.nodes.length; n++) {
      for (const entry of this.nodes[n]!.entries) {
        if (compareIds(entry.id, from) < 0) continue
        if (out.length >= limit || compareIds(entry.id, to) > 0) return out
        out.push(entry)
      }
    }
    return out
  }

  /** As {@link range}, from the end. */
  rangeBackwards(from: Id, to: Id, limit: number): Array<StreamEntry> {
    const out: Array<StreamEntry> = []
    for (let n = Math.min(this.indexOfNode(to), this.nodes.length - 1); n >= 0; n--) {
      const entries = this.nodes[n]!.entries
      for (let i = entries.length - 1; i >= 0; i--) {
        const entry = entries[i]!
        if (compareIds(entry.id, to) > 0) continue
        if (out.length >= limit || compareIds(entry.id, from) < 0) return out
        out.push(entry)
      }
    }
    return out
  }

  delete(id: Id): boolean {
    const at = this.indexOfNode(id)
    const node = this.nodes[at]
    if (node === undefined) return false
    const index = node.entries.findIndex((entry) => compareIds(entry.id, id) === 0)
    if (index < 0) return false
    node.entries.splice(index, 1)
    if (node.entries.length === 0) this.nodes.splice(at, 1)
    this.length--
    return true
  }

  /**
   * Drops the oldest entries: down to `maxLength`, or those below `minId`. With `approximate` only whole nodes are
   * dropped, and of them no more entries than `limit` (0: no limit).
   */
  trim(
    until: { readonly maxLength: number } | { readonly minId: Id },
    approximate: boolean,
    limit: number
  ): number {
    let dropped = 0
    let wholeNodes = 0
    const done = () => "maxLength" in until && this.length <= until.maxLength
    while (wholeNodes < this.nodes.length && !done()) {
      const node = this.nodes[wholeNodes]!
      const size = node.entries.length
      if (approximate && limit > 0 && dropped + size > limit) break
      const whole = "maxLength" in until
        ? this.length - size >= until.maxLength
        : compareIds(node.entries[size - 1]!.id, until.minId) < 0
      if (whole) {
        wholeNodes++
        dropped += size
        this.length -= size
        continue
      }
      if (approximate) break
      const count = "maxLength" in until
        ? this.length - until.maxLength
        : node.entries.findIndex((entry) => compareIds(entry.id, until.minId) >= 0)
      node.entries = node.entries.slice(count)
      dropped += count
      this.length -= count
      break
    }
    if (wholeNodes > 0) this.nodes = this.nodes.slice(wholeNodes)
    return dropped
  }
}
