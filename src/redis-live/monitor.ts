/**
 * Says once that the server is away, and once that it is back, however many connections see it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

export interface Monitor {
  readonly down: (connection: object, cause: Error | undefined) => void
  readonly up: (connection: object) => void
  readonly warn: (message: string) => void
  readonly forget: (connection: object) => void
}

/** Logs with the loggers of the fiber that made it. */
export const make = (server: string): Effect.Effect<Monitor> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const away = new Set<object>()
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
              `no connection to ${server}, trying again${cause === undefined ? "" : `: ${cause.message}`}`
            )
          )
        }
      },
      up: (connection) => {
        if (away.delete(connection) && away.size === 0) log(Effect.logInfo(`connected to ${server} again`))
      },
      warn: (message) => log(Effect.logWarning(message)),
      forget: (connection) => {
        away.delete(connection)
      }
    }
  })
