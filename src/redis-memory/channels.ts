/**
 * Channels and who listens on them.
 */
export type Listener = (channel: string, message: string) => void

export class Channels {
  private readonly listeners = new Map<string, Set<Listener>>()

  subscribe(channel: string, listener: Listener): void {
    const present = this.listeners.get(channel)
    if (present === undefined) this.listeners.set(channel, new Set([listener]))
    else present.add(listener)
  }

  unsubscribe(channel: string, listener: Listener): void {
    const present = this.listeners.get(channel)
    if (present?.delete(listener) === true && present.size === 0) this.listeners.delete(channel)
  }

  /** Hands the message to all who listen, and returns how many they are. */
  publish(channel: string, message: string): number {
    const present = this.listeners.get(channel)
    if (present === undefined) return 0
    for (const listener of present) listener(channel, message)
    return present.size
  }

  names(): IterableIterator<string> {
    return this.listeners.keys()
  }

  count(channel: string): number {
    return this.listeners.get(channel)?.size ?? 0
  }
}
