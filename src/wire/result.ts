/**
 * Entries of a job's results stream, `rq:results:<id>`.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { Buffer } from "node:buffer"
import * as Zlib from "node:zlib"
import * as Bytes from "./bytes.js"
import * as Date from "./date.js"
import * as Wire from "./error.js"
import * as Fields from "./fields.js"
import * as Json from "./json.js"

export type ResultType = "successful" | "failed" | "stopped" | "retried" | "maxRetriesExceeded"

/** The numbers that stand for the types. RQ reads `stopped`, but writes `failed` for a stopped job. */
export const typeCode: { readonly [K in ResultType]: string } = {
  successful: "1",
  failed: "2",
  stopped: "3",
  retried: "4",
  maxRetriesExceeded: "5"
}

const typeByCode: ReadonlyMap<string, ResultType> = new Map([
  ["1", "successful"],
  ["2", "failed"],
  ["3", "stopped"],
  ["4", "retried"],
  ["5", "maxRetriesExceeded"]
])

/** `return_value`: base64 of JSON. undefined is written as null, which is Python's None. */
export const encodeReturn = (value: unknown): Either.Either<string, Wire.WireError> =>
  Either.flatMap(
    Json.stringify(value === undefined ? null : value, "result"),
    (text) => {
      const bytes = text.length > Bytes.maxInflated ? undefined : Buffer.from(text, "utf8")
      return bytes === undefined || bytes.length > Bytes.maxInflated
        ? Either.left(
          Wire.make(
            "result",
            `more than ${Bytes.maxInflated / 1024 / 1024} MiB. Store the content elsewhere and return where it is`
          )
        )
        : Either.right(bytes.toString("base64"))
    }
  )

/** How much of a failure's text is kept: nobody reads more, and a text beyond bounds could not be read back. */
const longestException = 1_000_000

/** `exc_string`: base64 of the deflated text. */
export const encodeException = (text: string): string =>
  Zlib.deflateSync(text.length > longestException ? `${text.slice(0, longestException)}\n... (cut)` : text)
    .toString("base64")

/** An outcome as it was read. Times are milliseconds since 1970. */
export interface ResultRecord {
  /** The id of the entry in its stream. */
  readonly id: string
  readonly type: ResultType
  readonly createdAt: number
  readonly workerName: string | undefined
  readonly executionId: string | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  /** undefined when the job returned None, or nothing. */
  readonly returnValue: unknown
  /** What went wrong, as text; Python writes a traceback. */
  readonly excString: string | undefined
  /** The typed error of a handler, parsed; a field of effect-rq's own that RQ doesn't look at. */
  readonly error: unknown
}

/** What could be read of an entry, and why some of it could not. */
export interface ResultEntry extends Omit<ResultRecord, "type"> {
  /** undefined when that is what can't be read. */
  readonly type: ResultType | undefined
  /** The first that can't be read. */
  readonly problem: Wire.WireError | undefined
}

/** Reads an entry, whose fields come as name, value, name, value; all of it, or not at all. */
export const decodeEntry = (
  id: string,
  flat: ReadonlyArray<Uint8Array>
): Either.Either<ResultRecord, Wire.WireError> => {
  const { problem, type, ...rest } = readEntry(id, flat)
  return problem === undefined && type !== undefined
    ? Either.right({ ...rest, type })
    : Either.left(problem ?? missingType(id))
}

const missingType = (id: string) => Wire.make("type", `missing in the result ${id}: no entry of RQ`)

/** When it was written, which Redis says in whole milliseconds, up to 2^64. */
const readId = (id: string): number => {
  const createdAt = Number(/^(\d+)-\d+$/.exec(id)?.[1] ?? NaN)
  if (Number.isNaN(createdAt)) throw Wire.make("id", `${Wire.show(id)} is no id of a stream's entry`)
  if (createdAt > Date.latest) throw Wire.make("id", `${Wire.show(id)} is of a time beyond all dates`)
  return createdAt
}

/** As {@link decodeEntry}, but what can't be read costs only itself. */
export const readEntry = (id: string, flat: ReadonlyArray<Uint8Array>): ResultEntry => {
  let problem: Wire.WireError | undefined
  /** Undefined where it can't be read. */
  const reading = <A>(reader: () => A): A | undefined => {
    const read = Fields.read(reader)
    if (Either.isRight(read)) return read.right
    problem ??= read.left
    return undefined
  }
  let type: ResultType | undefined
  let workerName: string | undefined
  let executionId: string | undefined
  let startedAt: number | undefined
  let endedAt: number | undefined
  let returnValue: unknown
  let excString: string | undefined
  let error: unknown
  const createdAt = reading(() => readId(id)) ?? Date.latest
  Fields.forEach(flat, (field, value) =>
    reading(() => {
      switch (field) {
        case "type": {
          const code = Bytes.text(value)
          type = typeByCode.get(code)
          if (type === undefined) throw Wire.make(field, `${Wire.show(code)} is none of the types 1 to 5`)
          break
        }
        case "worker_name":
          workerName = Bytes.text(value)
          break
        case "execution_id":
          executionId = Bytes.text(value)
          break
        case "execution_started_at":
          startedAt = Fields.seconds(field, value)
          break
        case "execution_ended_at":
          endedAt = Fields.seconds(field, value)
          break
        case "return_value":
          returnValue = readReturn(field, value)
          break
        case "exc_string":
          excString = readException(field, value)
          break
        case "error": {
          const parsed = Json.parse(Bytes.text(value), field)
          if (Either.isLeft(parsed)) throw parsed.left
          error = parsed.right
          break
        }
      }
    }))
  if (type === undefined) problem ??= missingType(id)
  return {
    id,
    type,
    problem,
    createdAt,
    workerName,
    executionId,
    startedAt,
    endedAt,
    returnValue,
    excString,
    error
  }
}

const fromBase64 = (field: string, value: Uint8Array): Buffer => {
  const text = Bytes.text(value)
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw Wire.make(field, `${Wire.show(text)} is not base64`)
  return Buffer.from(text, "base64")
}

const readReturn = (field: string, value: Uint8Array): unknown => {
  const bytes = fromBase64(field, value)
  if (Bytes.looksPickled(bytes)) {
    throw Wire.make(
      field,
      "was written with Python's pickle, which only Python can read. Give the Python side the JSON serializer"
    )
  }
  const text = Bytes.strictText(bytes)
  if (text === undefined) throw Wire.make(field, "is not UTF-8. Expected base64 of JSON")
  const parsed = Json.parse(text, field)
  if (Either.isLeft(parsed)) throw parsed.left
  return parsed.right
}

const readException = (field: string, value: Uint8Array): string => {
  const inflated = Bytes.inflate(fromBase64(field, value))
  if (Either.isRight(inflated)) return Bytes.text(inflated.right)
  throw Wire.make(
    field,
    inflated.left === "TooLarge"
      ? `is more than ${Bytes.maxInflated / 1024 / 1024} MiB`
      : "can't be inflated. Expected base64 of zlib of UTF-8"
  )
}
