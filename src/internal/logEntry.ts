/**
 * Log entries as plain data, for those who format them elsewhere.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"

export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly time: number
  /** `DEBUG`, `INFO`, `WARN`, `ERROR`, ... */
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, string>>
  /** The text of the cause, where there is one. */
  readonly cause: string | undefined
}

const text = (value: unknown): string =>
  typeof value === "string" ? value : value instanceof Error ? value.message : Inspectable.toStringUnknown(value, 0)

/** A logger that hands on each entry. */
export const logger = (write: (entry: LogEntry) => void): Logger.Logger<unknown, void> =>
  Logger.make(({ annotations, cause, date, logLevel, message }) => {
    const parts = Array.isArray(message) ? message : [message]
    write({
      time: date.getTime(),
      level: logLevel.label,
      message: parts.map(text).join(": "),
      annotations: Object.fromEntries(
        Array.from(HashMap.entries(annotations), ([key, value]) => [key, text(value)])
      ),
      cause: Cause.isEmpty(cause) ? undefined : Cause.pretty(cause, { renderErrorCause: true })
    })
  })
