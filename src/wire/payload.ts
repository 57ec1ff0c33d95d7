/**
 * RQ's `data`: what to call, with which arguments.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Buffer } from "node:buffer"
import { kindOf } from "../internal/kindOf.js"
import * as Bytes from "./bytes.js"
import * as Wire from "./error.js"
import type { WireError } from "./error.js"
import * as Json from "./json.js"

/**
 * Why the payload of a job can't be read.
 *
 * - `Pickled`: written by Python's pickle serializer, which only Python can read.
 * - `TooLarge`: more than 64 MiB once inflated.
 * - `Malformed`: anything else; the message names the part that is wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class PayloadError extends Schema.TaggedError<PayloadError>("effect-rq/PayloadError")("PayloadError", {
  reason: Schema.Literal("Pickled", "Malformed", "TooLarge"),
  message: Schema.String
}) {}

export interface Payload {
  /** The name that the job is registered under; for Python the dotted path of a function. */
  readonly name: string
  readonly args: ReadonlyArray<unknown>
  readonly kwargs: Readonly<Record<string, unknown>>
}

/** Raw JSON, which every RQ reads as well as deflated JSON, and which costs neither side the deflating. */
export const encode = (payload: Payload): Either.Either<string, WireError> => {
  const kwargs = Object.keys(payload.kwargs).length === 0 ? emptyKwargs : Json.stringify(payload.kwargs, "kwargs")
  if (Either.isLeft(kwargs)) return kwargs
  return Either.flatMap(encodeArgs(payload, kwargs.right), bounded)
}

/** What no reader would take is not sent. A text has as many bytes as units at least, and three for each at most. */
const bounded = (text: string): Either.Either<string, WireError> =>
  text.length * 3 > Bytes.maxInflated && Buffer.byteLength(text) > Bytes.maxInflated
    ? Either.left(Wire.make("payload", tooLargeMessage))
    : Either.right(text)

const encodeArgs = (payload: Payload, kwargs: string): Either.Either<string, WireError> => {
  const name = JSON.stringify(payload.name)
  if (payload.args.length === 1) {
    // One argument is what effect-rq's own jobs have, and their users call it the payload.
    const payloadText = Json.stringify(payload.args[0] === undefined ? null : payload.args[0], "payload")
    return Either.isLeft(payloadText)
      ? payloadText
      : Either.right(`[${name},null,[${payloadText.right}],${kwargs}]`)
  }
  const args = Json.stringify(payload.args, "args")
  return Either.isLeft(args) ? args : Either.right(`[${name},null,${args.right},${kwargs}]`)
}

const emptyKwargs: Either.Either<string, WireError> = Either.right("{}")

/** Reads `data`, deflated or not. */
export const decode = (data: Uint8Array): Either.Either<Payload, PayloadError> => {
  let bytes = data
  if (Bytes.looksDeflated(data)) {
    const inflated = Bytes.inflate(data)
    if (Either.isLeft(inflated)) {
      return inflated.left === "TooLarge" ? tooLarge : malformed("data: begins like zlib, but can't be inflated")
    }
    bytes = inflated.right
  }
  if (bytes.length > Bytes.maxInflated) return tooLarge
  if (bytes.length === 0) return malformed("data: is empty. Expected [name, null, args, kwargs] as JSON")
  if (Bytes.looksPickled(bytes)) return pickled
  const text = Bytes.strictText(bytes)
  if (text === undefined) return malformed("data: is not UTF-8. Expected [name, null, args, kwargs] as JSON")
  const parsed = Json.parse(text, "data")
  if (Either.isLeft(parsed)) return malformed(parsed.left.message)
  return shape(parsed.right)
}

const shape = (value: unknown): Either.Either<Payload, PayloadError> => {
  if (!Array.isArray(value)) return malformed(`data: expected [name, null, args, kwargs], found ${kindOf(value)}`)
  if (value.length !== 4) {
    return malformed(`data: expected the four of [name, null, args, kwargs], found ${value.length}`)
  }
  const [name, instance, args, kwargs] = value as [unknown, unknown, unknown, unknown] // the length was just checked
  if (typeof name !== "string") return malformed(`name: expected a text, found ${kindOf(name)}`)
  if (instance !== null) {
    return malformed(
      `instance: expected null, found ${kindOf(instance)}. The job calls a method of a Python object; `
        + "enqueue a plain function instead"
    )
  }
  if (!Array.isArray(args)) return malformed(`args: expected an array, found ${kindOf(args)}`)
  if (!isObject(kwargs)) return malformed(`kwargs: expected an object, found ${kindOf(kwargs)}`)
  return Either.right({ name, args, kwargs })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const malformed = (message: string): Either.Either<never, PayloadError> =>
  Either.left(new PayloadError({ reason: "Malformed", message }))

const pickled: Either.Either<never, PayloadError> = Either.left(
  new PayloadError({
    reason: "Pickled",
    message: "data: was written with Python's pickle, which only Python can read. "
      + "Give the Python side the JSON serializer: Queue(..., serializer=JSONSerializer), rq worker -S json"
  })
)

const tooLargeMessage = `more than ${
  Bytes.maxInflated / 1024 / 1024
} MiB. Store the content elsewhere and send where it is`

const tooLarge: Either.Either<never, PayloadError> = Either.left(
  new PayloadError({
    reason: "TooLarge",
    message: `data: ${tooLargeMessage}`
  })
)
