/**
 * One in-memory Redis: what a server holds. Clients share it.
 */
import { Channels } from "./channels.js"
import type { Args, Command } from "./command.js"
import { Keyspace } from "./keyspace.js"
import type { Session } from "./session.js"
import { Waiters } from "./waiters.js"

export class Store {
  readonly db = new Keyspace()
  readonly channels = new Channels()
  readonly waiters = new Waiters()
  /** Text of each known script by its SHA-1, as SCRIPT FLUSH and NOSCRIPT see it. */
  readonly scripts = new Map<string, string>()
  readonly sessions = new Map<number, Session>()
  /** Called before each command, also before those of scripts. */
  observe: ((command: Command, args: Args) => void) | undefined
  private sessionIds = 0

  constructor() {
    this.db.onReady = (key) => this.waiters.signal(key)
  }

  nextSessionId(): number {
    return ++this.sessionIds
  }
}
