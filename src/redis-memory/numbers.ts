/**
 * Numbers as Redis reads and writes them.
 */
import { notAFloat, notAnInteger } from "./replies.js"

const maxInteger = 9223372036854775807n
const minInteger = -9223372036854775808n

/** The greatest 64-bit integer, as near as a number comes to it. */
export const maxInteger64 = Number(maxInteger)

const integerText = /^(?:0|-?[1-9][0-9]{0,18})$/
const floatText = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const infinityText = /^[+-]?inf(?:inity)?$/i

/** A 64-bit integer in its one canonical form, or undefined. */
export const readBigInteger = (text: string): bigint | undefined => {
  if (!integerText.test(text)) return undefined
  const value = BigInt(text)
  return value > maxInteger || value < minInteger ? undefined : value
}

/** As {@link readBigInteger}; beyond 2^53 the nearest number. */
export const readInteger = (text: string): number | undefined => {
  if (!integerText.test(text)) return undefined
  return text.length > 18 && readBigInteger(text) === undefined ? undefined : Number(text)
}

/** A 64-bit integer, or the error that Redis gives. */
export const integer = (text: string): number => {
  const value = readInteger(text)
  if (value === undefined) throw notAnInteger
  return value
}

export const bigInteger = (text: string): bigint => {
  const value = readBigInteger(text)
  if (value === undefined) throw notAnInteger
  return value
}

export const isInteger64 = (value: bigint): boolean => value <= maxInteger && value >= minInteger

/** A double, or undefined. */
export const readFloat = (text: string): number | undefined => {
  if (floatText.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? value : undefined
  }
  return infinityText.test(text) ? (text.startsWith("-") ? -Infinity : Infinity) : undefined
}

export const float = (text: string): number => {
  const value = readFloat(text)
  if (value === undefined) throw notAFloat
  return value
}

/**
 * `%.<precision>g` of C. JavaScript rounds an exact tie away from zero, C to even.
 */
export const formatGeneral = (value: number, precision: number): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"
  if (value === 0) return Object.is(value, -0) ? "-0" : "0"
  let exponential = value.toExponential(precision - 1)
  const further = value.toExponential(Math.min(100, precision + 60))
  const mantissaEnd = further.indexOf("e")
  const dropped = further.slice(further.indexOf(".") + precision, mantissaEnd)
  if (/^50*$/.test(dropped)) {
    const kept = further.slice(0, further.indexOf(".") + precision)
    const lastDigit = kept.charCodeAt(kept.length - 1) - 48
    if (lastDigit % 2 === 0) exponential = kept + further.slice(mantissaEnd)
  }
  const at = exponential.indexOf("e")
  const exponent = Number(exponential.slice(at + 1))
  const negative = value < 0
  const digits = exponential.slice(negative ? 1 : 0, at).replace(".", "").replace(/0+$/, "")
  let out: string
  if (exponent < -4 || exponent >= precision) {
    const shown = Math.abs(exponent)
    out = digits.slice(0, 1) + (digits.length > 1 ? "." + digits.slice(1) : "") +
      (exponent < 0 ? "e-" : "e+") + (shown < 10 ? "0" : "") + shown
  } else if (exponent < 0) {
    out = "0." + "0".repeat(-exponent - 1) + digits
  } else {
    out = digits.length <= exponent + 1
      ? digits.padEnd(exponent + 1, "0")
      : digits.slice(0, exponent + 1) + "." + digits.slice(exponent + 1)
  }
  return negative ? "-" + out : out
}

/** `%.17g`: how Redis 7.0 writes a double. */
export const formatDouble = (value: number): string =>
  Number.isSafeInteger(value) && value !== 0 ? String(value) : formatGeneral(value, 17)
