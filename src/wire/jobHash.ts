/**
 * The hash of a job, `rq:job:<id>`.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Bytes from "./bytes.js"
import * as Wire from "./error.js"
import * as Fields from "./fields.js"
import * as Json from "./json.js"
import * as Status from "./status.js"

/** Whether RQ 2.8 and later can read a job of this id; on any other its workers end. */
export const isJobId = (id: unknown): id is string => typeof id === "string" && /^[A-Za-z0-9_-]+$/.test(id)

/** What the hash of a new job gets where it is asked for. Durations are whole seconds; -1 or Infinity means without end. */
export interface MoreFields {
  /** How long the result and the job are kept after success; absent: 500 s, 0: not at all. */
  readonly resultTtl?: number | undefined
  /** How long the job is kept after failure; absent: a year. */
  readonly failureTtl?: number | undefined
  /** How long the job may wait before it is dropped. */
  readonly ttl?: number | undefined
  /** A JSON object as text. */
  readonly meta?: string | undefined
  readonly enqueueAtFront?: boolean | undefined
  readonly retriesLeft?: number | undefined
  /** Seconds before each retry. */
  readonly retryIntervals?: ReadonlyArray<number> | undefined
  readonly enqueueAtFrontOnRetry?: boolean | undefined
  readonly repeatsLeft?: number | undefined
  /** Seconds before each repetition. */
  readonly repeatIntervals?: ReadonlyArray<number> | undefined
  /** Ids of the jobs that this one waits for. */
  readonly dependencyIds?: ReadonlyArray<string> | undefined
  readonly allowDependencyFailures?: boolean | undefined
  readonly groupId?: string | undefined
}

/** A Python worker on a terminal ends on a job without a description. */
export const shownDescription = (text: string): string => text === "" ? "(no description)" : text

/**
 * What is asked of a job, when it is promoted or completes, only where its hash has `last_heartbeat`: a field that isn't
 * there costs Redis a search through the whole hash. RQ writes `last_heartbeat`, if only empty, whenever it saves, starts or
 * beats for a job; here it comes with any of these, and with `awaited`. A hash without it is that of a plain job: it has
 * none of them, and nobody of RQ has started it.
 */
const askedRarely: ReadonlyArray<string> = [
  "repeats_left",
  "ttl",
  "enqueue_at_front",
  "enqueue_at_front_on_retry"
]

/** The fields of a hash that may be overlooked, since it has no `last_heartbeat`. */
export const unseenOptions = (has: (field: string) => boolean): ReadonlyArray<string> =>
  has("last_heartbeat") ? [] : [...askedRarely, "awaited"].filter(has)

/**
 * Field, value, field, value, as HSET takes them.
 *
 * Throws RangeError for a number that RQ has no form for. A fraction of a second is rounded up, since a Python worker
 * ends on one.
 */
export const encodeMore = (fields: MoreFields): ReadonlyArray<string> => {
  const out: Array<string> = []
  if (fields.resultTtl !== undefined) out.push("result_ttl", duration("result_ttl", fields.resultTtl))
  if (fields.failureTtl !== undefined) out.push("failure_ttl", duration("failure_ttl", fields.failureTtl))
  if (fields.ttl !== undefined) out.push("ttl", duration("ttl", fields.ttl))
  if (fields.meta !== undefined) out.push("meta", fields.meta)
  if (fields.enqueueAtFront === true) out.push("enqueue_at_front", "1")
  if (fields.retriesLeft !== undefined) out.push("retries_left", count("retries_left", fields.retriesLeft))
  if (fields.retryIntervals !== undefined) {
    out.push("retry_intervals", intervals("retry_intervals", fields.retryIntervals))
  }
  if (fields.enqueueAtFrontOnRetry === true) out.push("enqueue_at_front_on_retry", "1")
  if (fields.repeatsLeft !== undefined) out.push("repeats_left", count("repeats_left", fields.repeatsLeft))
  if (fields.repeatIntervals !== undefined) {
    out.push("repeat_intervals", intervals("repeat_intervals", fields.repeatIntervals))
  }
  if (fields.dependencyIds !== undefined && fields.dependencyIds.length > 0) {
    out.push("dependency_id", fields.dependencyIds[0]!, "dependency_ids", JSON.stringify(fields.dependencyIds))
  }
  if (fields.allowDependencyFailures === true) out.push("allow_dependency_failures", "1")
  if (fields.groupId !== undefined) out.push("group_id", fields.groupId)
  if (out.some((text, index) => index % 2 === 0 && askedRarely.includes(text))) out.push("last_heartbeat", "")
  return out
}

/** The field `timeout` of a job that may run for so many seconds, as {@link encodeMore} writes durations. */
export const timeout = (seconds: number): string => duration("timeout", seconds)

const duration = (field: string, seconds: number): string => {
  if (seconds === -1 || seconds === Infinity) return "-1"
  if (seconds >= 0 && seconds <= 1e12) return String(Math.ceil(seconds))
  throw new RangeError(`${field}: ${seconds} is no duration in seconds. Expected 0 or more, or -1 for without end`)
}

const count = (field: string, value: number): string => {
  if (Number.isSafeInteger(value) && value >= 0) return String(value)
  throw new RangeError(`${field}: ${value} is no count. Expected a whole number, 0 or more`)
}

const intervals = (field: string, values: ReadonlyArray<number>): string =>
  `[${
    values.map((value) => {
      if (value >= 0 && value <= 1e12) return Math.ceil(value)
      throw new RangeError(`${field}: ${value} is no interval in seconds. Expected 0 or more`)
    }).join(", ")
  }]`

/**
 * A job as it was read. What is absent or empty in Redis is undefined, except where the comment says otherwise. Times
 * are milliseconds since 1970, durations are seconds, -1 is without end.
 */
export interface JobRecord {
  readonly id: string
  /** Not read yet, see `payload.decode`: a payload that can't be read fails the job, not whoever lists it. */
  readonly data: Uint8Array
  /** Name of the queue; empty when absent. */
  readonly origin: string
  /** Empty when absent. */
  readonly description: string
  readonly status: Status.JobStatus
  readonly createdAt: number | undefined
  readonly enqueuedAt: number | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  readonly lastHeartbeat: number | undefined
  readonly workerName: string | undefined
  readonly timeout: number | undefined
  readonly resultTtl: number | undefined
  readonly failureTtl: number | undefined
  readonly ttl: number | undefined
  /** Unreadable meta is kept as `{ unserialized: bytes }`. */
  readonly meta: Readonly<Record<string, unknown>> | undefined
  readonly enqueueAtFront: boolean
  readonly retriesLeft: number | undefined
  readonly retryIntervals: ReadonlyArray<number> | undefined
  readonly enqueueAtFrontOnRetry: boolean
  /** Retries that the job asked for by what it returned. */
  readonly numberOfRetries: number | undefined
  readonly repeatsLeft: number | undefined
  readonly repeatIntervals: ReadonlyArray<number> | undefined
  /** Empty when the job waits for none. */
  readonly dependencyIds: ReadonlyArray<string>
  readonly allowDependencyFailures: boolean
  readonly groupId: string | undefined
  readonly successCallbackName: string | undefined
  readonly successCallbackTimeout: number | undefined
  readonly failureCallbackName: string | undefined
  readonly failureCallbackTimeout: number | undefined
  readonly stoppedCallbackName: string | undefined
  readonly stoppedCallbackTimeout: number | undefined
  readonly webhooks: ReadonlyArray<unknown> | undefined
  readonly rateLimitKey: string | undefined
  readonly rateLimitConcurrency: number | undefined
  /** What older versions kept of the result: the serializer's bytes. */
  readonly result: Uint8Array | undefined
  /** What older versions kept of the failure. */
  readonly excInfo: string | undefined
  /** Fields that RQ doesn't have. */
  readonly other: ReadonlyMap<string, string>
}

type Draft = { -readonly [K in keyof JobRecord]: JobRecord[K] }

const noOther: ReadonlyMap<string, string> = new Map()
const noIds: ReadonlyArray<string> = []

/** Reads the reply of HGETALL. */
export const decode = (
  id: string,
  flat: ReadonlyArray<Uint8Array>
): Either.Either<JobRecord, Wire.WireError> =>
  Fields.read(() => {
    let data: Uint8Array | undefined
    let status: Status.JobStatus | undefined
    let dependencyId: string | undefined
    let other: Map<string, string> | undefined
    const rest: Omit<Draft, "id" | "data" | "status"> = {
      origin: "",
      description: "",
      createdAt: undefined,
      enqueuedAt: undefined,
      startedAt: undefined,
      endedAt: undefined,
      lastHeartbeat: undefined,
      workerName: undefined,
      timeout: undefined,
      resultTtl: undefined,
      failureTtl: undefined,
      ttl: undefined,
      meta: undefined,
      enqueueAtFront: false,
      retriesLeft: undefined,
      retryIntervals: undefined,
      enqueueAtFrontOnRetry: false,
      numberOfRetries: undefined,
      repeatsLeft: undefined,
      repeatIntervals: undefined,
      dependencyIds: noIds,
      allowDependencyFailures: false,
      groupId: undefined,
      successCallbackName: undefined,
      successCallbackTimeout: undefined,
      failureCallbackName: undefined,
      failureCallbackTimeout: undefined,
      stoppedCallbackName: undefined,
      stoppedCallbackTimeout: undefined,
      webhooks: undefined,
      rateLimitKey: undefined,
      rateLimitConcurrency: undefined,
      result: undefined,
      excInfo: undefined,
      other: noOther
    }
    Fields.forEach(flat, (field, value) => {
      switch (field) {
        case "data":
          data = value
          break
        case "status": {
          const text = Bytes.text(value)
          status = Status.decode(text)
          if (status === undefined) {
            throw Wire.make(field, `${Wire.show(text)} is none of ${Status.JobStatus.literals.join(", ")}`)
          }
          break
        }
        case "origin":
          rest.origin = Bytes.text(value)
          break
        case "description":
          rest.description = Bytes.text(value)
          break
        case "created_at":
          rest.createdAt = Fields.date(field, value)
          break
        case "enqueued_at":
          rest.enqueuedAt = Fields.date(field, value)
          break
        case "started_at":
          rest.startedAt = Fields.date(field, value)
          break
        case "ended_at":
          rest.endedAt = Fields.date(field, value)
          break
        case "last_heartbeat":
          rest.lastHeartbeat = Fields.date(field, value)
          break
        case "worker_name":
          rest.workerName = Bytes.text(value)
          break
        case "timeout":
          rest.timeout = Fields.integer(field, value)
          break
        case "result_ttl":
          rest.resultTtl = Fields.integer(field, value)
          break
        case "failure_ttl":
          rest.failureTtl = Fields.integer(field, value)
          break
        case "ttl":
          rest.ttl = Fields.integer(field, value)
          break
        case "meta":
          rest.meta = readMeta(value)
          break
        case "enqueue_at_front":
          rest.enqueueAtFront = Fields.flag(field, value)
          break
        case "retries_left":
          rest.retriesLeft = Fields.integer(field, value)
          break
        case "retry_intervals":
          rest.retryIntervals = Fields.array(field, value, Fields.isInteger, "whole numbers")
          break
        case "enqueue_at_front_on_retry":
          rest.enqueueAtFrontOnRetry = Fields.flag(field, value)
          break
        case "number_of_retries":
          rest.numberOfRetries = Fields.integer(field, value)
          break
        case "repeats_left":
          rest.repeatsLeft = Fields.integer(field, value)
          break
        case "repeat_intervals":
          rest.repeatIntervals = Fields.array(field, value, Fields.isInteger, "whole numbers")
          break
        case "dependency_id":
          dependencyId = Bytes.text(value)
          break
        case "dependency_ids":
          rest.dependencyIds = Fields.array(field, value, Fields.isText, "job ids")
          break
        case "allow_dependency_failures":
          rest.allowDependencyFailures = Fields.flag(field, value)
          break
        case "group_id":
          rest.groupId = Bytes.text(value)
          break
        case "success_callback_name":
          rest.successCallbackName = Bytes.text(value)
          break
        case "success_callback_timeout":
          rest.successCallbackTimeout = Fields.integer(field, value)
          break
        case "failure_callback_name":
          rest.failureCallbackName = Bytes.text(value)
          break
        case "failure_callback_timeout":
          rest.failureCallbackTimeout = Fields.integer(field, value)
          break
        case "stopped_callback_name":
          rest.stoppedCallbackName = Bytes.text(value)
          break
        case "stopped_callback_timeout":
          rest.stoppedCallbackTimeout = Fields.integer(field, value)
          break
        case "webhooks":
          rest.webhooks = Fields.array(field, value, Fields.isAnything, "webhooks")
          break
        case "rate_limit_key":
          rest.rateLimitKey = Bytes.text(value)
          break
        case "rate_limit_concurrency":
          rest.rateLimitConcurrency = Fields.integer(field, value)
          break
        case "result":
          rest.result = value
          break
        case "exc_info":
          rest.excInfo = readExcInfo(value)
          break
        default:
          other ??= new Map()
          other.set(field, Bytes.text(value))
      }
    })
    // one that is there and empty is a payload that can't be read, as any other that makes no sense
    for (let i = 0; data === undefined && i + 1 < flat.length; i += 2) {
      if (Bytes.text(flat[i]!) === "data") data = flat[i + 1]!
    }
    if (data === undefined) throw Wire.make("data", `missing in the hash of job ${Wire.show(id)}: no job of RQ`)
    if (status === undefined) throw Wire.make("status", `missing in the hash of job ${Wire.show(id)}`)
    if (other !== undefined) rest.other = other
    if (rest.dependencyIds.length === 0 && dependencyId !== undefined) rest.dependencyIds = [dependencyId]
    return { id, data, status, ...rest }
  })

const readMeta = (bytes: Uint8Array): Readonly<Record<string, unknown>> => {
  const text = Bytes.strictText(bytes)
  const parsed = text === undefined ? undefined : Json.parse(text, "meta")
  return parsed !== undefined && Either.isRight(parsed) && isRecord(parsed.right)
    ? parsed.right
    : { unserialized: bytes }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const readExcInfo = (bytes: Uint8Array): string | undefined => {
  const inflated = Bytes.looksDeflated(bytes) ? Bytes.inflate(bytes) : undefined
  const text = Bytes.text(inflated !== undefined && Either.isRight(inflated) ? inflated.right : bytes)
  return text === "" ? undefined : text
}
