/**
 * The hash of a worker, `rq:worker:<name>`.
 *
 * @internal
 */
import type * as Either from "effect/Either"
import * as Bytes from "./bytes.js"
import * as Date from "./date.js"
import type { WireError } from "./error.js"
import * as Fields from "./fields.js"

/** What RQ's workers say they do. */
export type WorkerState = "started" | "suspended" | "busy" | "idle"

/** What a worker says of itself when it is born. Times are milliseconds since 1970. */
export interface WorkerFields {
  readonly birth: number
  /** Names of the queues, in the order in which the worker looks at them. */
  readonly queues: ReadonlyArray<string>
  readonly pid: number
  readonly hostname: string
  readonly ipAddress: string
  /** Name and version of the library, `effect-rq 0.1.0`. */
  readonly version: string
  /** What it runs on, `node 20.20.2`. RQ keeps Python's version here and only shows it. */
  readonly runtime: string
}

/** Field, value, field, value, as HSET takes them. Throws RangeError for a pid that is no whole number. */
export const encodeBirth = (fields: WorkerFields): ReadonlyArray<string> => {
  const birth = Date.encode(fields.birth)
  return [
    "birth",
    birth,
    "last_heartbeat",
    birth,
    "queues",
    encodeQueues(fields.queues),
    "pid",
    encodePid(fields.pid),
    "hostname",
    fields.hostname,
    "ip_address",
    fields.ipAddress,
    "version",
    fields.version,
    "python_version",
    fields.runtime
  ]
}

/** RQ parts the list at its commas and knows no way to escape one. */
export const encodeQueues = (queues: ReadonlyArray<string>): string => {
  const bad = queues.find((name) => name === "" || name.includes(","))
  if (bad !== undefined) {
    throw new RangeError(`queues: ${JSON.stringify(bad)} is empty or has a comma. Rename the queue`)
  }
  return queues.join(",")
}

/** Python's readers end on a pid that is no whole number. */
export const encodePid = (pid: number): string => {
  if (Number.isSafeInteger(pid) && pid >= 0) return String(pid)
  throw new RangeError(`pid: ${pid} is no whole number`)
}

/** A worker as it was read. Times are milliseconds since 1970, working times are seconds. */
export interface WorkerRecord {
  readonly name: string
  /** One of `WorkerState`, or what a later RQ calls it. */
  readonly state: string | undefined
  readonly queues: ReadonlyArray<string>
  readonly birth: number | undefined
  readonly lastHeartbeat: number | undefined
  readonly shutdownRequestedAt: number | undefined
  readonly death: number | undefined
  readonly currentJob: string | undefined
  readonly currentJobWorkingTime: number
  readonly successfulJobCount: number
  readonly failedJobCount: number
  readonly totalWorkingTime: number
  readonly pid: number | undefined
  readonly hostname: string | undefined
  readonly ipAddress: string | undefined
  readonly version: string | undefined
  readonly pythonVersion: string | undefined
}

/** Reads the reply of HGETALL. */
export const decode = (
  name: string,
  flat: ReadonlyArray<Uint8Array>
): Either.Either<WorkerRecord, WireError> =>
  Fields.read(() => {
    const out: { -readonly [K in keyof WorkerRecord]: WorkerRecord[K] } = {
      name,
      state: undefined,
      queues: [],
      birth: undefined,
      lastHeartbeat: undefined,
      shutdownRequestedAt: undefined,
      death: undefined,
      currentJob: undefined,
      currentJobWorkingTime: 0,
      successfulJobCount: 0,
      failedJobCount: 0,
      totalWorkingTime: 0,
      pid: undefined,
      hostname: undefined,
      ipAddress: undefined,
      version: undefined,
      pythonVersion: undefined
    }
    Fields.forEach(flat, (field, value) => {
      switch (field) {
        case "state":
          out.state = Bytes.text(value)
          break
        case "queues":
          out.queues = Bytes.text(value).split(",")
          break
        case "birth":
          out.birth = Fields.date(field, value)
          break
        case "last_heartbeat":
          out.lastHeartbeat = Fields.date(field, value)
          break
        case "shutdown_requested_date":
          out.shutdownRequestedAt = Fields.date(field, value)
          break
        case "death":
          out.death = Fields.date(field, value)
          break
        case "current_job":
          out.currentJob = Bytes.text(value)
          break
        case "current_job_working_time":
          out.currentJobWorkingTime = Fields.decimal(field, value)
          break
        case "successful_job_count":
          out.successfulJobCount = Fields.integer(field, value)
          break
        case "failed_job_count":
          out.failedJobCount = Fields.integer(field, value)
          break
        case "total_working_time":
          out.totalWorkingTime = Fields.decimal(field, value)
          break
        case "pid":
          out.pid = Fields.integer(field, value)
          break
        case "hostname":
          out.hostname = Bytes.text(value)
          break
        case "ip_address":
          out.ipAddress = Bytes.text(value)
          break
        case "version":
          out.version = Bytes.text(value)
          break
        case "python_version":
          out.pythonVersion = Bytes.text(value)
          break
      }
    })
    return out
  })
