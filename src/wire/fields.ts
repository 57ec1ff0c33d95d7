/**
 * Reading the fields of a hash: each function takes the field's name and its text, and throws a WireError that names
 * both. {@link read} turns it into a value.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Bytes from "./bytes.js"
import * as Date from "./date.js"
import * as Wire from "./error.js"
import * as Json from "./json.js"

/** Runs a reader; a WireError that it throws becomes the left side. */
export const read = <A>(reader: () => A): Either.Either<A, Wire.WireError> => {
  try {
    return Either.right(reader())
  } catch (error) {
    if (error instanceof Wire.WireError) return Either.left(error)
    throw error
  }
}

/** Calls `f` with each field that has a value. RQ writes an empty text to clear a field. */
export const forEach = (
  flat: ReadonlyArray<Uint8Array>,
  f: (field: string, value: Uint8Array) => void
): void => {
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const value = flat[i + 1]!
    if (value.length > 0) f(Bytes.toBuffer(flat[i]!).toString("latin1"), value)
  }
}

const refuse = (field: string, value: string, expected: string): never => {
  throw Wire.make(field, `${Wire.show(value)} is not ${expected}`)
}

export const integer = (field: string, bytes: Uint8Array): number => {
  const value = Bytes.text(bytes)
  if (!/^[+-]?\d+$/.test(value)) return refuse(field, value, "a whole number")
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : refuse(field, value, "a whole number below 2^53")
}

export const decimal = (field: string, bytes: Uint8Array): number => {
  const value = Bytes.text(bytes)
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value)
    ? Number(value)
    : refuse(field, value, "a number")
}

/** RQ writes 1 and 0, and ends on "true". */
export const flag = (field: string, bytes: Uint8Array): boolean => integer(field, bytes) !== 0

export const date = (field: string, bytes: Uint8Array): number => {
  const value = Bytes.text(bytes)
  return Date.decode(value)
    ?? refuse(field, value, "a UTC date such as 2026-11-23T17:08:22.532291Z (with Z, not +00:00)")
}

/** Unix seconds as milliseconds. */
export const seconds = (field: string, bytes: Uint8Array): number => {
  const value = Bytes.text(bytes)
  const millis = Date.millis(value)
  return Number.isFinite(millis) ? millis : refuse(field, value, "a time in Unix seconds such as 1795453702.673296")
}

export const array = <A>(
  field: string,
  bytes: Uint8Array,
  is: (item: unknown) => item is A,
  expected: string
): ReadonlyArray<A> => {
  const value = Bytes.text(bytes)
  const parsed = Json.parse(value, field)
  return Either.isRight(parsed) && Array.isArray(parsed.right) && parsed.right.every(is)
    ? parsed.right
    : refuse(field, value, `a JSON array of ${expected}`)
}

export const isText = (value: unknown): value is string => typeof value === "string"

export const isInteger = (value: unknown): value is number => Number.isSafeInteger(value)

export const isAnything = (_value: unknown): _value is unknown => true
