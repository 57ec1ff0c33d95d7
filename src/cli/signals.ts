/**
 * SIGINT and SIGTERM: the first asks to stop, the second leaves at once.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** What a process that a signal ended exits with. */
export const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

export type SignalName = keyof typeof exitCodes

/**
 * npm hands on a signal that a terminal has already sent to all, so one keystroke may arrive twice.
 */
const sameKeystrokeMillis = 100

export interface Stop {
  readonly signal: AbortSignal
  /** The signal that came first, once one came. */
  readonly received: () => SignalName | undefined
  /** Calls back when the first signal comes. */
  readonly onFirst: (listener: (name: SignalName) => void) => void
}

/** Listens from now on, for as long as the process lives. */
export const listen = (): Stop => {
  const controller = new AbortController()
  const listeners: Array<(name: SignalName) => void> = []
  let first: { readonly name: SignalName; readonly at: number } | undefined
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      const now = Effect.runSync(Clock.currentTimeMillis)
      if (first === undefined) {
        first = { name, at: now }
        for (const listener of listeners) listener(name)
        controller.abort()
      } else if (first.name !== name || now - first.at > sameKeystrokeMillis) {
        process.exit(exitCodes[name])
      }
    })
  }
  return {
    signal: controller.signal,
    received: () => first?.name,
    onFirst: (listener) => {
      listeners.push(listener)
    }
  }
}
