/**
 * A validator for the words of JSON Schema that contracts use. One that it doesn't know is an error.
 */
type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const annotations = new Set([
  "title",
  "description",
  "default",
  "examples",
  "contentMediaType",
  "contentSchema",
  "format"
])

/** What JSON.stringify doesn't know, for messages. */
const asText = (_key: string, value: unknown): unknown => typeof value === "bigint" ? String(value) : value

const isOfType = (value: unknown, type: unknown): boolean => {
  switch (type) {
    case "string":
    case "boolean":
    case "number":
      return typeof value === type || type === "number" && typeof value === "bigint"
    case "integer":
      return typeof value === "bigint" || Number.isInteger(value)
    case "null":
      return value === null
    case "array":
      return Array.isArray(value)
    case "object":
      return isObject(value)
    default:
      throw new Error(`unknown type ${String(type)}`)
  }
}

/** What is wrong with a value, or undefined. */
export const problem = (value: unknown, schema: unknown, root: Json, path = "$"): string | undefined => {
  if (schema === false) return `${path}: nothing fits`
  if (schema === true) return undefined
  if (!isObject(schema)) throw new Error(`${path}: no schema: ${JSON.stringify(schema)}`)
  const inner = (value: unknown, schema: unknown, step = "") => problem(value, schema, root, path + step)
  const checks = Object.entries(schema).map(([word, given]): string | undefined | false => {
    const list = Array.isArray(given) ? given : []
    switch (word) {
      case "$ref": {
        const target = String(given).slice(2).split("/").reduce<unknown>(
          (at, part) => (at as Json)[part.replace(/~1/g, "/").replace(/~0/g, "~")], // a reference that leads nowhere throws
          root
        )
        return inner(value, target)
      }
      case "type":
        return !isOfType(value, given) && `${path}: ${JSON.stringify(value, asText)} is no ${String(given)}`
      case "enum":
        return !list.includes(value) && `${path}: ${JSON.stringify(value, asText)} is none of ${JSON.stringify(given)}`
      case "anyOf": {
        const problems = list.map((member) => inner(value, member))
        return problems.every((problem) => problem !== undefined) && problems.join(" and ")
      }
      case "allOf":
        return list.map((member) => inner(value, member)).find((problem) => problem !== undefined)
      case "not":
        return inner(value, given) === undefined && `${path}: must not fit`
      case "required":
        return isObject(value) && list.some((key) => !Object.hasOwn(value, String(key))) &&
          `${path}: one of ${list.join(", ")} is missing`
      case "properties":
        return isObject(value) && isObject(given)
          ? Object.entries(given).map(([key, schema]) =>
            Object.hasOwn(value, key) ? inner(value[key], schema, `.${key}`) : undefined
          )
            .find((problem) => problem !== undefined)
          : undefined
      case "additionalProperties": {
        const known = isObject(schema["properties"]) ? schema["properties"] : {}
        return isObject(value)
          ? Object.entries(value).filter(([key]) => !Object.hasOwn(known, key)).map(([key, value]) =>
            inner(value, given, `.${key}`)
          )
            .find((problem) => problem !== undefined)
          : undefined
      }
      case "prefixItems":
        return Array.isArray(value)
          ? list.map((schema, i) => i < value.length ? inner(value[i], schema, `[${i}]`) : undefined)
            .find((problem) => problem !== undefined)
          : undefined
      case "items": {
        const { prefixItems } = schema
        const from = Array.isArray(prefixItems) ? prefixItems.length : 0
        return Array.isArray(value)
          ? value.slice(from).map((item, i) => inner(item, given, `[${from + i}]`)).find((problem) =>
            problem !== undefined
          )
          : undefined
      }
      case "minItems":
        return Array.isArray(value) && value.length < Number(given) && `${path}: too short`
      case "maxItems":
        return Array.isArray(value) && value.length > Number(given) && `${path}: too long`
      case "minLength":
        return typeof value === "string" && value.length < Number(given) && `${path}: too short`
      case "maxLength":
        return typeof value === "string" && value.length > Number(given) && `${path}: too long`
      case "pattern":
        return typeof value === "string" && !new RegExp(String(given)).test(value)
          && `${path}: doesn't match ${String(given)}`
      case "minimum":
        return typeof value === "number" && value < Number(given) && `${path}: too small`
      case "maximum":
        return typeof value === "number" && value > Number(given) && `${path}: too large`
      default:
        if (annotations.has(word)) return undefined
        throw new Error(`${path}: unknown keyword ${word}`)
    }
  })
  return checks.find((found) => typeof found === "string") || undefined
}
