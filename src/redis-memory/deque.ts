/**
 * A list with cheap ends: a ring buffer whose capacity is a power of two.
 */
export class Deque {
  private items: Array<string | undefined> = new Array<string | undefined>(8)
  private head = 0
  private count = 0

  static from(items: ReadonlyArray<string>): Deque {
    const deque = new Deque()
    for (const item of items) deque.push(item)
    return deque
  }

  get length(): number {
    return this.count
  }

  private slot(index: number): number {
    return (this.head + index) & (this.items.length - 1)
  }

  private grow(): void {
    if (this.count < this.items.length) return
    this.rebuild(this.items.length * 2)
  }

  private shrink(): void {
    if (this.items.length > 64 && this.count < this.items.length >> 2) this.rebuild(this.items.length >> 1)
  }

  private rebuild(capacity: number): void {
    const items = new Array<string | undefined>(capacity)
    for (let i = 0; i < this.count; i++) items[i] = this.items[this.slot(i)]
    this.items = items
    this.head = 0
  }

  push(item: string): void {
    this.grow()
    this.items[this.slot(this.count)] = item
    this.count++
  }

  unshift(item: string): void {
    this.grow()
    this.head = (this.head - 1) & (this.items.length - 1)
    this.items[this.head] = item
    this.count++
  }

  pop(): string | undefined {
    if (this.count === 0) return undefined
    this.count--
    const slot = this.slot(this.count)
    const item = this.items[slot]
    this.items[slot] = undefined
    this.shrink()
    return item
  }

  shift(): string | undefined {
    if (this.count === 0) return undefined
    const item = this.items[this.head]
    this.items[this.head] = undefined
    this.head = this.slot(1)
    this.count--
    this.shrink()
    return item
  }

  /** The item at an index from 0 to length - 1. */
  at(index: number): string | undefined {
    return index < 0 || index >= this.count ? undefined : this.items[this.slot(index)]
  }

  set(index: number, item: string): void {
    this.items[this.slot(index)] = item
  }

  /** Items from `start` up to and without `end`. */
  slice(start: number, end: number): Array<string> {
    const out: Array<string> = []
    for (let i = Math.max(0, start); i < Math.min(this.count, end); i++) out.push(this.items[this.slot(i)]!)
    return out
  }

  /** Puts other items in place of all. */
  replace(items: ReadonlyArray<string>): void {
    this.items = new Array<string | undefined>(8)
    this.head = 0
    this.count = 0
    for (const item of items) this.push(item)
  }
}
