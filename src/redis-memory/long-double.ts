/**
 * INCRBYFLOAT and HINCRBYFLOAT count in x87's long double: a mantissa of 64 bits. A value is `mantissa * 2^exponent`.
 */
interface LongDouble {
  readonly mantissa: bigint
  readonly exponent: number
}

const bits = (value: bigint): number => value.toString(2).length

const text = /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?$/

/** Rounds `numerator / denominator` to 64 bits, half to even. */
const round = (numerator: bigint, denominator: bigint): LongDouble => {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 }
  const negative = numerator < 0n
  let n = negative ? -numerator : numerator
  let d = denominator
  let exponent = bits(n) - bits(d) - 64
  if (exponent > 0) d <<= BigInt(exponent)
  else n <<= BigInt(-exponent)
  // the quotient now has 64 or 65 bits
  if (bits(n / d) > 64) {
    d <<= 1n
    exponent++
  }
  let mantissa = n / d
  const rest = (n % d) * 2n
  if (rest > d || (rest === d && (mantissa & 1n) === 1n)) mantissa++
  return { mantissa: negative ? -mantissa : mantissa, exponent }
}

const read = (input: string): LongDouble | undefined => {
  const match = text.exec(input)
  if (match === null) return undefined
  const [, sign, whole = "", fraction = "", power] = match
  if (whole.length + fraction.length === 0) return undefined
  const scale = Number(power ?? 0) - fraction.length
  if (Math.abs(scale) > 5_000) return undefined
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n)
  return scale >= 0 ? round(digits * 10n ** BigInt(scale), 1n) : round(digits, 10n ** BigInt(-scale))
}

const add = (a: LongDouble, b: LongDouble): LongDouble => {
  const exponent = Math.min(a.exponent, b.exponent)
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  return exponent >= 0 ? round(sum << BigInt(exponent), 1n) : round(sum, 1n << BigInt(-exponent))
}

/** `%.17Lf` without the zeros at its end. */
const write = ({ exponent, mantissa }: LongDouble): string => {
  const negative = mantissa < 0n
  const scaled = (negative ? -mantissa : mantissa) * 10n ** 17n
  let digits: bigint
  if (exponent >= 0) digits = scaled << BigInt(exponent)
  else {
    const divisor = 1n << BigInt(-exponent)
    digits = scaled / divisor
    const rest = (scaled % divisor) * 2n
    if (rest > divisor || (rest === divisor && (digits & 1n) === 1n)) digits++
  }
  const padded = digits.toString().padStart(18, "0")
  const fraction = padded.slice(-17).replace(/0+$/, "")
  const out = padded.slice(0, -17) + (fraction === "" ? "" : "." + fraction)
  return negative && out !== "0" ? "-" + out : out
}

const infinity = /^[+-]?inf(?:inity)?$/i

export const isInfinite = (input: string): boolean => infinity.test(input)

/** Whether the text is a number, be it infinite. */
export const isNumber = (input: string): boolean => isInfinite(input) || read(input) !== undefined

/** The sum of two numbers as Redis writes it, or undefined when there is no finite one. */
export const addTexts = (a: string, b: string): string | undefined => {
  const left = read(a)
  const right = read(b)
  return left === undefined || right === undefined ? undefined : write(add(left, right))
}
