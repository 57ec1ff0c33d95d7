/**
 * Says once that the server is away, and once that it is back, however many connections see it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { explain } from "./ioredis.js"

export interface Monitor {
  readonly down: (connection: object, cause: Error | undefined) => void
  readonly up: (connection: object) => void
  /** The server answers and lets nobody in: why is said once, until a connection is up. */
  readonly refused: (message: string) => void
  readonly warn: (message: string) => void
  /** A connection was not even told goodbye. */
  readonly silent: () => void
  /** Whether that was so, and no connection came up since. */
  readonly isSilent: () => boolean
  /** From now on, this is done when another connection is found dead without having ended. */
  readonly onDeath: (connection: object, act: () => void) => void
  /** This connection was found dead without having ended: those beside it may not know of themselves. */
  readonly dead: (connection: object) => void
  readonly forget: (connection: object) => void
}

/** Logs with the loggers of the fiber that made it. */
export const make = (server: string): Effect.Effect<Monitor> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const away = new Set<object>()
    const waiting = new Map<object, () => void>()
    let silent = false
    let refusal: string | undefined
    const log = (effect: Effect.Effect<void>) => {
      Runtime.runFork(runtime)(effect)
    }
    return {
      down: (connection, cause) => {
        if (away.has(connection)) return
        away.add(connection)
        if (away.size === 1) {
          log(
            Effect.logWarning(
              `no connection to ${server}, trying again${cause === undefined ? "" : `: ${explain(cause)}`}`
            )
          )
        }
      },
      up: (connection) => {
        silent = false
        refusal = undefined
        if (away.delete(connection) && away.size === 0) log(Effect.logInfo(`connected to ${server}`))
      },
      silent: () => {
        silent = true
      },
      isSilent: () => silent,
      refused: (message) => {
        if (refusal === message) return
        refusal = message
        log(Effect.logError(`${server} refuses the connection, trying again: ${message}`))
      },
      warn: (message) => log(Effect.logWarning(message)),
      onDeath: (connection, act) => {
        waiting.set(connection, act)
      },
      dead: (connection) => {
        for (const [other, act] of waiting) if (other !== connection) act()
      },
      forget: (connection) => {
        away.delete(connection)
        waiting.delete(connection)
      }
    }
  })
