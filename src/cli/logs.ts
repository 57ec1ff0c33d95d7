/**
 * Log lines on stderr: `2026-12-24T08:15:00.123Z INFO leads queue mail scheduler=4711`, or the same as JSON.
 *
 * @internal
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { type LogEntry, logger } from "../internal/logEntry.js"
import { errorStyle, json as toJson, printable, printableLines } from "./terminal.js"
import type { Values } from "./verbs.js"

type LogOptions = Pick<Values<"scheduler">, "json" | "logFormat" | "logLevel" | "quiet" | "verbose">

const levels = { debug: "Debug", info: "Info", warning: "Warning", error: "Error", none: "None" } as const

export const levelOf = ({ logLevel, quiet, verbose }: LogOptions): string =>
  logLevel !== undefined ? levels[logLevel] : verbose ? "Debug" : quiet ? "Warning" : "Info"

const asJson = ({ annotations, cause, level, message, time }: LogEntry): string =>
  toJson({ time: new Date(time).toISOString(), level, message, ...annotations, cause })

const asText = ({ annotations, cause, level, message, time }: LogEntry): string => {
  const paint = level === "INFO" ? errorStyle.green : level === "DEBUG" ? errorStyle.dim : level === "WARN"
    ? errorStyle.yellow
    : errorStyle.red
  const values = Object.entries(annotations).map(([key, value]) =>
    ` ${errorStyle.dim(`${key}=${printable(/[\s"=]/.test(value) ? JSON.stringify(value) : value)}`)}`
  )
  const text = `${errorStyle.dim(new Date(time).toISOString())} ${paint(level.padEnd(5))} ${printable(message)}`
  return text + values.join("") + (cause === undefined ? "" : `\n${printableLines(cause).replace(/^/gm, "  ")}`)
}

/** Writes an entry to stderr. */
export const writer = ({ json, logFormat }: LogOptions): (entry: LogEntry) => void => {
  const format = logFormat === "json" || (logFormat === undefined && json) ? asJson : asText
  return (entry) => {
    process.stderr.write(`${format(entry)}\n`)
  }
}

/** Logs of what runs in the bundle. */
export const layer = (options: LogOptions): Layer.Layer<never> => {
  const level = levelOf(options)
  return Layer.merge(
    Logger.replace(Logger.defaultLogger, logger(writer(options))),
    Logger.minimumLogLevel(LogLevel.allLevels.find(({ _tag }) => _tag === level) ?? LogLevel.Info)
  )
}
