/**
 * A connection as the server sees it.
 */
import type { Store } from "./store.js"
import type { Waiter } from "./waiters.js"

export class Session {
  readonly id: number
  name = ""
  /** What the connection is blocked in. */
  waiter: Waiter | undefined

  constructor(private readonly store: Store) {
    this.id = store.nextSessionId()
    store.sessions.set(this.id, this)
  }

  close(): void {
    this.store.sessions.delete(this.id)
  }
}
