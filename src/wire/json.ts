/**
 * JSON as Python's `json` module reads and writes it.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Wire from "./error.js"

/**
 * How deep arrays and objects may nest. Python's own reader gives up at its recursion limit, which is 1000 unless
 * somebody raised it.
 */
export const maxDepth = 1000

/** Python (3.11 and later) reads no integer with more digits than this. */
const maxDigits = 4300

/** The least integer with more digits. */
const tooLong = 10n ** BigInt(maxDigits)

/**
 * Sixteen digits that begin an integer part. Every integer that a number can't hold exactly has them, so a text
 * without them is safe with JSON.parse. The rare text that has them for another reason takes the slower way.
 */
const mayHoldBigInteger = /(?<![.\d])\d{16}/

/**
 * Reads JSON with Python's additions: `NaN`, `Infinity` and `-Infinity` are numbers; an integer beyond 2^53 becomes a
 * bigint. `field` is what the error names.
 */
export const parse = (text: string, field = "json"): Either.Either<unknown, Wire.WireError> => {
  if (nestsDeeper(text, maxDepth)) return Either.left(tooDeep(field))
  if (!mayHoldBigInteger.test(text)) {
    try {
      return Either.right(JSON.parse(text))
    } catch {
      // Python's additions, or no JSON at all: the reader below knows
    }
  }
  const reader = new Reader(text)
  try {
    return Either.right(reader.document())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return Either.left(Wire.make(field, `${error.message}. Expected JSON`))
  }
}

const tooDeep = (field: string): Wire.WireError =>
  Wire.make(field, `nested deeper than ${maxDepth} levels, which Python can't read. Flatten the value`)

/** Whether arrays and objects nest deeper in a JSON text. */
export const nestsDeeper = (text: string, limit: number): boolean => {
  if (text.length <= limit) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > limit) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
      case 0x22: { // "
        i = endOfString(text, i)
        if (i === -1) return false // not closed: the parser says so
        break
      }
    }
  }
  return false
}

/** The index of the quote that closes the string which opens at `start`, or -1. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf("\"", start + 1)
  while (end !== -1) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return end
    end = text.indexOf("\"", end + 1)
  }
  return -1
}

const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y

/** Recursive; whoever calls it has bounded the depth. Throws SyntaxError. */
class Reader {
  private at = 0
  constructor(private readonly source: string) {}

  document(): unknown {
    const value = this.value()
    this.space()
    if (this.at < this.source.length) this.fail()
    return value
  }

  private value(): unknown {
    this.space()
    switch (this.source[this.at]) {
      case "{":
        return this.object()
      case "[":
        return this.array()
      case "\"":
        return this.string()
      case "t":
        return this.word("true", true)
      case "f":
        return this.word("false", false)
      case "n":
        return this.word("null", null)
      case "N":
        return this.word("NaN", NaN)
      case "I":
        return this.word("Infinity", Infinity)
      case "-":
        return this.source[this.at + 1] === "I" ? this.word("-Infinity", -Infinity) : this.number()
      default:
        return this.number()
    }
  }

  private object(): unknown {
    const out: Record<string, unknown> = {}
    this.at++
    this.space()
    if (this.take("}")) return out
    for (;;) {
      this.space()
      if (this.source[this.at] !== "\"") this.fail()
      const key = this.string()
      this.space()
      if (!this.take(":")) this.fail()
      const value = this.value()
      if (key === "__proto__") {
        // an assignment would set the prototype
        Object.defineProperty(out, key, { value, writable: true, enumerable: true, configurable: true })
      } else {
        out[key] = value
      }
      this.space()
      if (this.take("}")) return out
      if (!this.take(",")) this.fail()
    }
  }

  private array(): unknown {
    const out: Array<unknown> = []
    this.at++
    this.space()
    if (this.take("]")) return out
    for (;;) {
      out.push(this.value())
      this.space()
      if (this.take("]")) return out
      if (!this.take(",")) this.fail()
    }
  }

  private string(): string {
    const end = endOfString(this.source, this.at)
    if (end === -1) throw new SyntaxError(`the string at position ${this.at} is not closed`)
    const literal = this.source.slice(this.at, end + 1)
    try {
      const value: string = JSON.parse(literal)
      this.at = end + 1
      return value
    } catch {
      throw new SyntaxError(`bad escape or control character in the string at position ${this.at}`)
    }
  }

  private number(): number | bigint {
    number.lastIndex = this.at
    const match = number.exec(this.source)
    if (match === null) return this.fail()
    const literal = match[0]
    const start = this.at
    this.at += literal.length
    if (match[1] !== undefined || match[2] !== undefined) return Number(literal)
    if (literal.length - (literal.startsWith("-") ? 1 : 0) > maxDigits) {
      throw new SyntaxError(`the integer at position ${start} has more than ${maxDigits} digits`)
    }
    const value = Number(literal)
    return Number.isSafeInteger(value) ? value : BigInt(literal)
  }

  private word<A>(word: string, value: A): A {
    if (!this.source.startsWith(word, this.at)) this.fail()
    this.at += word.length
    return value
  }

  private take(character: string): boolean {
    if (this.source[this.at] !== character) return false
    this.at++
    return true
  }

  private space(): void {
    for (;;) {
      const code = this.source.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }

  private fail(): never {
    throw new SyntaxError(
      this.at < this.source.length
        ? `unexpected ${Wire.show(this.source[this.at]!)} at position ${this.at}`
        : "the text ends too early"
    )
  }
}

/**
 * Writes compact JSON that {@link parse} and Python read back as the same value: a bigint as an integer, members that
 * are undefined left out. What JSON has no form for is refused with its path, where JSON.stringify would quietly write something
 * else. `root` is the name of the value in that path.
 */
export const stringify = (value: unknown, root = "value"): Either.Either<string, Wire.WireError> => {
  try {
    const found = inspect(value, 0)
    switch (found) {
      case plain:
        return Either.right(JSON.stringify(value))
      case special:
        return Either.right(write(value, ""))
      default: {
        const segments = found.path.reverse()
        // the path into a cycle has a thousand segments
        const path = root + (segments.length > 32 ? `${segments.slice(0, 8).join("")}...` : segments.join(""))
        return Either.left(Wire.make(path, found.why))
      }
    }
  } catch (error) {
    // a toJSON or a getter of the value's own, or a text longer than a string can be
    return Either.left(Wire.make(root, `has no JSON form: ${error instanceof Error ? error.message : String(error)}`))
  }
}

/** JSON.stringify writes it right. */
const plain = 0
/** It has a form, but JSON.stringify doesn't know it or has to be watched. */
const special = 1

interface Refusal {
  /** Segments from the innermost to the outermost. */
  readonly path: Array<string>
  readonly why: string
}

const refuse = (what: string, fix: string): Refusal => ({ path: [], why: `${what} has no JSON form. ${fix}` })

const inspect = (value: unknown, depth: number): typeof plain | typeof special | Refusal => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return plain
    case "number":
      if (!Number.isFinite(value)) return refuse(String(value), "Send null, or a text that says what is meant")
      return isInexactInteger(value) ? special : plain
    case "bigint":
      return value < tooLong && value > -tooLong ? special : refuse(
        `an integer of more than ${maxDigits} digits`,
        "Python reads none of that length. Send a text"
      )
    case "object":
      break
    case "undefined":
      return depth === 0 ? refuse("undefined", "Send null") : plain
    default:
      return refuse(`a ${typeof value}`, "Leave it out, or encode it with a Schema")
  }
  if (value === null) return plain
  if (depth === maxDepth) {
    return {
      path: [],
      why: `a cycle, or nested deeper than ${maxDepth} levels, which has no JSON form. Flatten the value`
    }
  }
  let result: typeof plain | typeof special = plain
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = inspect(value[i], depth + 1)
      if (found === plain) continue
      if (found === special) result = special
      else {
        found.path.push(`[${i}]`)
        return found
      }
    }
    return result
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    if (isBoxed(value)) return inspect(value.valueOf(), depth) === plain ? special : inspect(value.valueOf(), depth)
    const why = unfit(value)
    if (why !== undefined) return why
    result = special
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const found = inspect(value.toJSON(""), depth + 1)
    return found === plain ? special : found
  }
  for (const key of Object.keys(value)) {
    const found = inspect((value as Record<string, unknown>)[key], depth + 1) // key is one of its own
    if (found === plain) continue
    if (found === special) result = special
    else {
      found.path.push(/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${Wire.show(key)}]`)
      return found
    }
  }
  return result
}

/**
 * A whole number that a double holds only roughly. It is written as the float that it is (`1152921504606847000.0`):
 * digits alone are an integer to Python, which would take them for exact, and a bigint to {@link parse}.
 */
export const isInexactInteger = (value: number): boolean => {
  const size = Math.abs(value)
  return size > Number.MAX_SAFE_INTEGER && size < 1e21 // from there on JavaScript writes an exponent, as floats have
}

const isBoxed = (value: object): boolean =>
  value instanceof String || value instanceof Number || value instanceof Boolean

/** JSON.stringify would write these as `{}`, or as something that nobody reads back. */
const unfit = (value: object): Refusal | undefined => {
  if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof WeakSet) {
    return refuse(`a ${value.constructor.name}`, "Encode it with a Schema")
  }
  if (value instanceof Promise) return refuse("a Promise", "Await it first")
  if (value instanceof RegExp || value instanceof Error) {
    return refuse(`a ${value.constructor.name}`, "Send its text")
  }
  if ((ArrayBuffer.isView(value) || value instanceof ArrayBuffer)) {
    return refuse("binary data", "Encode it as base64, with Schema.Uint8ArrayFromBase64 for example")
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) return refuse("an invalid Date", "Send null")
  return undefined
}

/** For values that were found special; everything in them has a form. */
const write = (value: unknown, key: string): string => {
  if (typeof value === "bigint") return value.toString()
  if (typeof value === "number" && isInexactInteger(value)) return `${value}.0`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  if (isBoxed(value)) return write(value.valueOf(), key)
  if ("toJSON" in value && typeof value.toJSON === "function") return write(value.toJSON(key), key)
  if (Array.isArray(value)) return `[${value.map((item, i) => write(item, String(i))).join(",")}]`
  let out = ""
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue
    out += `${out === "" ? "" : ","}${JSON.stringify(name)}:${write(member, name)}`
  }
  return `{${out}}`
}
