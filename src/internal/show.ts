/**
 * A value as a message shows it: whatever it is, in one short piece and without running any code of its own.
 *
 * @internal
 */

export const show = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object"
    case "function":
      return "a function"
    default: {
      const text = String(value)
      return text.length > 60 ? `${text.slice(0, 60)}...` : text
    }
  }
}
