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
  readonly warn: (message: string) => void
  /** A connection was not even told goodbye. */
  readonly silent: () => void
  /** Whether that was so, and no connection came up since. */
  readonly isSilent: () => boolean
  readonly forget: (connection: object) => void
}

/** Logs with the loggers of the fiber that made it. */
export const make = (server: string): Effect.Effect<Monitor> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const away = new Set<object>()
    let silent = false
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
        if (away.delete(connection) && away.size === 0) log(Effect.logInfo(`connected to ${server}`))
      },
      silent: () => {
        silent = true
      },
      isSilent: () => silent,
      warn: (message) => log(Effect.logWarning(message)),
      forget: (connection) => {
        away.delete(connection)
      }
    }
  })
