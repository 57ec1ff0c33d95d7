/**
 * The description that RQ gives a job: the call as Python would print it.
 *
 * @internal
 */
import * as Json from "./json.js"

/** How many characters of an argument are shown. */
const limit = 75

/**
 * `func('text', 1, flag=True)`. Every argument is cut at 75 characters, keyword arguments are sorted.
 */
export const describe = (
  name: string,
  args: ReadonlyArray<unknown>,
  kwargs: Readonly<Record<string, unknown>>
): string => {
  const parts = args.map(cutRepr)
  const keywords: Array<string> = []
  for (const [key, value] of Object.entries(kwargs)) {
    if (value !== undefined) keywords.push(`${key}=${cutRepr(value)}`)
  }
  if (keywords.length > 1) keywords.sort(byCodePoint)
  return `${name}(${parts.concat(keywords).join(", ")})`
}

const cutRepr = (value: unknown): string => {
  // Two units for a character at most: what lies behind is never shown, so it is not made.
  const text = repr(value, 2 * limit + 2)
  if (text.length <= limit) return text
  let units = 0
  for (let characters = 0; characters < limit && units < text.length; characters++) {
    units += text.codePointAt(units)! > 0xffff ? 2 : 1
  }
  return units < text.length ? `${text.slice(0, units)}...` : text
}

/** Python orders texts by code point; JavaScript by UTF-16 unit, which differs above U+FFFF. */
const byCodePoint = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length;) {
    const x = a.codePointAt(i)!
    const y = b.codePointAt(i)!
    if (x !== y) return x - y
    i += x > 0xffff ? 2 : 1
  }
  return a.length - b.length
}

/** Python's repr of what the value is after its way through JSON; it may stop after `budget` units. */
const repr = (value: unknown, budget: number): string => {
  switch (typeof value) {
    case "string":
      return reprText(value, budget)
    case "number":
      return reprNumber(value)
    case "bigint":
      return value.toString()
    case "boolean":
      return value ? "True" : "False"
    case "object":
      break
    default:
      return "None"
  }
  if (value === null) return "None"
  if ("toJSON" in value && typeof value.toJSON === "function") {
    // the budget shrinks, so that a toJSON which answers itself comes to an end
    return budget > 0 ? repr(value.toJSON(""), budget - 1) : ""
  }
  if (Array.isArray(value)) {
    let out = "["
    for (let i = 0; i < value.length && out.length < budget; i++) {
      if (i > 0) out += ", "
      out += repr(value[i], budget - out.length)
    }
    return out + "]"
  }
  let out = "{"
  for (const [key, member] of Object.entries(value)) {
    if (out.length >= budget) break
    if (member === undefined) continue
    if (out.length > 1) out += ", "
    out += `${reprText(key, budget - out.length)}: `
    out += repr(member, budget - out.length)
  }
  return out + "}"
}

const reprNumber = (value: number): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"
  if (Number.isInteger(value) && !Json.isInexactInteger(value) && Math.abs(value) < 1e21) return String(value + 0)
  const size = Math.abs(value)
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value)
  const [digits, exponent] = value.toExponential().split("e") as [string, string] // always has one
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`
}

const reprText = (value: string, budget: number): string => {
  if (value.length <= budget && needsNoEscape.test(value)) return `'${value}'`
  const quote = value.includes("'") && !value.includes("\"") ? "\"" : "'"
  const shown = value.length > budget ? value.slice(0, Math.max(budget, 1)) : value
  return quote + shown.replace(quote === "'" ? notPlainInSingle : notPlainInDouble, escape) + quote
}

/** ASCII from the space on, without quote and backslash: nearly every text, and ten times as fast. */
const needsNoEscape = /^[ -&(-[\]-~]*$/

/** Backslashes, the quote, and what Python's str.isprintable denies: but for the space, every separator and other. */
const notPlainInSingle = /[\\']|(?! )[\p{C}\p{Z}]/gu
const notPlainInDouble = /\\|(?! )[\p{C}\p{Z}]/gu

const escape = (character: string): string => {
  switch (character) {
    case "\n":
      return "\\n"
    case "\r":
      return "\\r"
    case "\t":
      return "\\t"
    case "\\":
    case "'":
      return `\\${character}`
  }
  const code = character.codePointAt(0)!
  const hex = code.toString(16)
  return code < 0x100
    ? `\\x${hex.padStart(2, "0")}`
    : code < 0x10000
    ? `\\u${hex.padStart(4, "0")}`
    : `\\U${hex.padStart(8, "0")}`
}
