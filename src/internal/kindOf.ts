/**
 * What kind of value something is, in words, without the value: it may be a secret.
 *
 * @internal
 */
export const kindOf = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
    ? "an array"
    : typeof value === "object"
    ? "an object"
    : typeof value === "string"
    ? "a text"
    : typeof value === "undefined"
    ? "nothing"
    : typeof value === "number" && !Number.isFinite(value)
    ? String(value) // none of these three is a secret
    : typeof value === "bigint"
    ? "an integer beyond 2^53, a bigint"
    : `a ${typeof value}`
