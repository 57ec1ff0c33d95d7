/**
 * The hash of a scheduler, `rq:scheduler:<name>` (RQ 2.10).
 *
 * @internal
 */
import type * as Either from "effect/Either"
import * as Bytes from "./bytes.js"
import * as Date from "./date.js"
import type { WireError } from "./error.js"
import * as Fields from "./fields.js"
import * as Worker from "./worker.js"

/** Times are milliseconds since 1970. */
export interface SchedulerFields {
  readonly name: string
  readonly hostname: string
  readonly pid: number
  readonly queues: ReadonlyArray<string>
  readonly createdAt: number
  readonly lastHeartbeat: number
}

/** Field, value, field, value, as HSET takes them. Throws RangeError for a pid that is no whole number. */
export const encode = (fields: SchedulerFields): ReadonlyArray<string> => [
  "name",
  fields.name,
  "hostname",
  fields.hostname,
  "pid",
  Worker.encodePid(fields.pid),
  "queues",
  Worker.encodeQueues(fields.queues),
  "created_at",
  Date.encode(fields.createdAt),
  "last_heartbeat",
  Date.encode(fields.lastHeartbeat)
]

/** A scheduler as it was read. Times are milliseconds since 1970. */
export interface SchedulerRecord {
  readonly name: string
  readonly hostname: string | undefined
  readonly pid: number | undefined
  readonly queues: ReadonlyArray<string>
  readonly createdAt: number | undefined
  readonly lastHeartbeat: number | undefined
}

/** Reads the reply of HGETALL. */
export const decode = (
  name: string,
  flat: ReadonlyArray<Uint8Array>
): Either.Either<SchedulerRecord, WireError> =>
  Fields.read(() => {
    const out: { -readonly [K in keyof SchedulerRecord]: SchedulerRecord[K] } = {
      name,
      hostname: undefined,
      pid: undefined,
      queues: [],
      createdAt: undefined,
      lastHeartbeat: undefined
    }
    Fields.forEach(flat, (field, value) => {
      switch (field) {
        case "hostname":
          out.hostname = Bytes.text(value)
          break
        case "pid":
          out.pid = Fields.integer(field, value)
          break
        case "queues":
          out.queues = Bytes.text(value).split(",")
          break
        case "created_at":
          out.createdAt = Fields.date(field, value)
          break
        case "last_heartbeat":
          out.lastHeartbeat = Fields.date(field, value)
          break
      }
    })
    return out
  })
