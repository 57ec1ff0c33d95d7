/**
 * Connections that are blocked: served in the order in which they came.
 */
import type { Reply } from "./replies.js"
import { ReplyError } from "./replies.js"

/** What a blocking command answers when there is nothing to give yet. */
export class Blocked {
  constructor(
    readonly kind: "list" | "stream",
    readonly keys: ReadonlyArray<string>,
    /** Milliseconds; 0 waits for ever. */
    readonly timeout: number,
    /** Tries again with a key that became ready; undefined when there still is nothing. */
    readonly attempt: (key: string) => Reply | undefined
  ) {}
}

/** How a wait ended: with a reply, or because the connection was lost. */
export type Outcome = { readonly _tag: "Reply"; readonly reply: Reply } | { readonly _tag: "Lost" }

export class Waiter {
  constructor(
    private readonly waiters: Waiters,
    readonly blocked: Blocked,
    private readonly resume: (outcome: Outcome) => void
  ) {}

  /** Takes the waiter off its keys. False when it has ended already. */
  remove(): boolean {
    return this.waiters.remove(this)
  }

  end(outcome: Outcome): boolean {
    if (!this.remove()) return false
    this.resume(outcome)
    return true
  }
}

export class Waiters {
  private readonly byKey = { list: new Map<string, Set<Waiter>>(), stream: new Map<string, Set<Waiter>>() }
  private ready = new Set<string>()

  get hasReady(): boolean {
    return this.ready.size > 0
  }

  signal(key: string): void {
    if (this.byKey.list.has(key) || this.byKey.stream.has(key)) this.ready.add(key)
  }

  add(blocked: Blocked, resume: (outcome: Outcome) => void): Waiter {
    const waiter = new Waiter(this, blocked, resume)
    const byKey = this.byKey[blocked.kind]
    for (const key of blocked.keys) {
      const present = byKey.get(key)
      if (present === undefined) byKey.set(key, new Set([waiter]))
      else present.add(waiter)
    }
    return waiter
  }

  remove(waiter: Waiter): boolean {
    const byKey = this.byKey[waiter.blocked.kind]
    let found = false
    for (const key of waiter.blocked.keys) {
      const present = byKey.get(key)
      if (present?.delete(waiter) === true) {
        found = true
        if (present.size === 0) byKey.delete(key)
      }
    }
    return found
  }

  /** Serves those who wait for keys that became ready. Serving one may make other keys ready. */
  serve(): void {
    while (this.ready.size > 0) {
      const keys = this.ready
      this.ready = new Set()
      for (const key of keys) {
        for (const waiter of this.byKey.list.get(key) ?? []) {
          // one element serves one waiter: when there is none left for this one, there is none for the rest
          if (!serveOne(waiter, key)) break
        }
        for (const waiter of this.byKey.stream.get(key) ?? []) serveOne(waiter, key)
      }
    }
  }
}

const serveOne = (waiter: Waiter, key: string): boolean => {
  const reply = attempt(waiter.blocked, key)
  return reply !== undefined && waiter.end({ _tag: "Reply", reply })
}

const attempt = (blocked: Blocked, key: string): Reply | undefined => {
  try {
    return blocked.attempt(key)
  } catch (error) {
    if (error instanceof ReplyError) return error
    throw error
  }
}
