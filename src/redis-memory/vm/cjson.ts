/**
 * `cjson.encode` and `cjson.decode`, as Redis' cjson does them.
 */
import { formatGeneral } from "../numbers.js"
import type { LuaState } from "./state.js"
import { LuaError, type } from "./state.js"

const maxDepth = 1000

const escapes: Readonly<Record<string, string>> = {
  "\"": "\\\"",
  "\\": "\\\\",
  "/": "\\/",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r"
}

// oxlint-disable-next-line no-control-regex -- these are what is escaped
const escaped = /["\\/\x00-\x1f\x7f]/g

const quote = (text: string): string =>
  `"${text.replace(escaped, (c) => escapes[c] ?? "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"))}"`

const typeNames = ["nil", "boolean", "userdata", "number", "string", "table", "function", "userdata", "thread"]

export const encode = (state: LuaState) => {
  const { lua } = state

  const number = (value: number): string => {
    if (!Number.isFinite(value)) throw new LuaError("Cannot serialise number: must not be NaN or Inf")
    return formatNumber(value)
  }

  /** The length of the table on top when it is an array, -1 when it is an object. */
  const arrayLength = (L: number): number => {
    let [max, items] = [0, 0]
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      const key = lua.lua_type(L, -2) === type.number ? lua.lua_tonumber(L, -2) : 0
      if (key < 1 || Math.floor(key) !== key) {
        state.pop(L, 2)
        return -1
      }
      if (key > max) max = key
      items++
      state.pop(L, 1)
    }
    if (max > items * 2 && max > 10) throw new LuaError("Cannot serialise table: excessively sparse array")
    return max
  }

  /** The value on top. */
  const value = (L: number, depth: number): string => {
    const kind = lua.lua_type(L, -1)
    switch (kind) {
      case type.string:
        return quote(state.text(L, -1))
      case type.number:
        return number(lua.lua_tonumber(L, -1))
      case type.boolean:
        return lua.lua_toboolean(L, -1) !== 0 ? "true" : "false"
      case type.nil:
        return "null"
      case type.table:
        return table(L, depth + 1)
      case type.lightuserdata:
        return "null"
      default:
        throw new LuaError(`Cannot serialise ${typeNames[kind] ?? "value"}: type not supported`)
    }
  }

  const table = (L: number, depth: number): string => {
    if (depth > maxDepth || lua.lua_checkstack(L, 3) === 0) {
      throw new LuaError(`Cannot serialise, excessive nesting (${depth})`)
    }
    const length = arrayLength(L)
    const parts: Array<string> = []
    if (length > 0) {
      for (let i = 1; i <= length; i++) {
        lua.lua_rawgeti(L, -1, i)
        parts.push(value(L, depth))
        state.pop(L, 1)
      }
      return `[${parts.join(",")}]`
    }
    lua.lua_pushnil(L)
    while (lua.lua_next(L, -2) !== 0) {
      const kind = lua.lua_type(L, -2)
      if (kind === type.number) parts.push(`"${number(lua.lua_tonumber(L, -2))}":${value(L, depth)}`)
      else if (kind === type.string) parts.push(`${quote(state.text(L, -2))}:${value(L, depth)}`)
      else throw new LuaError(`Cannot serialise ${typeNames[kind] ?? "value"}: table key must be a number or string`)
      state.pop(L, 1)
    }
    return `{${parts.join(",")}}`
  }

  return (L: number): number => {
    if (lua.lua_gettop(L) !== 1) return lua.luaL_argerror(L, 1, state.name("expected 1 argument"))
    state.push(L, value(L, 0))
    return 1
  }
}

/** `%.14g` */
const formatNumber = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e14 && value !== 0 ? String(value) : formatGeneral(value, 14)

/** What a token of a text that isn't JSON is called in the error. */
interface Token {
  readonly name: string
  readonly at: number
}

const numberText = /[-+]?(?:0x[0-9a-f]+|[0-9]+\.?[0-9]*(?:e[-+]?[0-9]+)?|inf(?:inity)?|nan)/iy

export const decode = (state: LuaState) => {
  const { lua } = state

  return (L: number): number => {
    if (lua.lua_gettop(L) !== 1) return lua.luaL_argerror(L, 1, state.name("expected 1 argument"))
    const kind = lua.lua_type(L, 1)
    if (kind !== type.string && kind !== type.number) {
      return lua.luaL_argerror(L, 1, state.name(`string expected, got ${kind === -1 ? "no value" : typeNames[kind]}`))
    }
    const text = state.text(L, 1)
    let at = 0

    const skip = () => {
      for (;;) {
        const c = text.charCodeAt(at)
        if (c !== 32 && c !== 9 && c !== 10 && c !== 13) return
        at++
      }
    }
    const fail = (expected: string, token: Token): never => {
      throw new LuaError(`Expected ${expected} but found ${token.name} at character ${token.at + 1}`)
    }

    /** Names the token at the current place, for an error. */
    const found = (): Token => {
      skip()
      if (at >= text.length) return { name: "T_END", at }
      const c = text[at]!
      const punctuation: Readonly<Record<string, string>> = {
        "{": "T_OBJ_BEGIN",
        "}": "T_OBJ_END",
        "[": "T_ARR_BEGIN",
        "]": "T_ARR_END",
        ",": "T_COMMA",
        ":": "T_COLON"
      }
      if (punctuation[c] !== undefined) return { name: punctuation[c], at }
      const start = at
      if (c === "\"") {
        string()
        return { name: "T_STRING", at: start }
      }
      if (text.startsWith("true", at) || text.startsWith("false", at)) return { name: "T_BOOLEAN", at }
      if (text.startsWith("null", at)) return { name: "T_NULL", at }
      if (isNumberStart()) {
        number()
        return { name: "T_NUMBER", at: start }
      }
      return { name: "invalid token", at }
    }

    const isNumberStart = (): boolean => {
      if (text[at] === "-" || text[at] === "+") return true
      numberText.lastIndex = at
      return numberText.test(text)
    }

    const number = (): number => {
      numberText.lastIndex = at
      const match = numberText.exec(text)
      if (match === null) return fail("value", { name: "invalid number", at })
      const digits = match[0].replace(/^[-+]/, "")
      const sign = match[0].startsWith("-") ? -1 : 1
      at += match[0].length
      if (/^inf/i.test(digits)) return sign * Infinity
      if (/^nan/i.test(digits)) return NaN
      return sign * Number(digits)
    }

    const string = (): string => {
      const start = at
      at++
      let out = ""
      for (;;) {
        const from = at
        while (at < text.length && text[at] !== "\"" && text[at] !== "\\") at++
        out += text.slice(from, at)
        if (at >= text.length) return fail("value", { name: "unexpected end of string", at })
        if (text[at] === "\"") {
          at++
          return out
        }
        out += escaped(start)
      }
    }

    const escaped = (start: number): string => {
      const c = text[at + 1]
      const simple = c === undefined ? undefined : unescapes[c]
      if (simple !== undefined) {
        at += 2
        return simple
      }
      const invalid = (what: string): never => fail("value", { name: what, at: Math.max(start, at) })
      if (c !== "u") return invalid("invalid escape code")
      const first = codeUnit(at + 2)
      if (first === undefined) return invalid("invalid unicode escape code")
      let code = first
      let size = 6
      if (first >= 0xd800 && first <= 0xdfff) {
        const second = text[at + 6] === "\\" && text[at + 7] === "u" ? codeUnit(at + 8) : undefined
        if (first >= 0xdc00 || second === undefined || second < 0xdc00 || second > 0xdfff) {
          return invalid("invalid unicode escape code")
        }
        code = 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff)
        size = 12
      }
      at += size
      return Buffer.from(String.fromCodePoint(code), "utf8").toString("latin1")
    }

    const codeUnit = (from: number): number | undefined => {
      const hex = text.slice(from, from + 4)
      return /^[0-9a-fA-F]{4}$/.test(hex) ? Number.parseInt(hex, 16) : undefined
    }

    const descend = (depth: number) => {
      if (depth > maxDepth || lua.lua_checkstack(L, 3) === 0) {
        throw new LuaError(`Found too many nested data structures (${depth}) at character ${at + 1}`)
      }
    }

    /** Pushes the value that begins here. */
    const value = (depth: number): void => {
      skip()
      const c = text[at]
      if (c === "\"") state.push(L, string())
      else if (c === "{") object(depth + 1)
      else if (c === "[") array(depth + 1)
      else if (text.startsWith("true", at)) {
        at += 4
        lua.lua_pushboolean(L, 1)
      } else if (text.startsWith("false", at)) {
        at += 5
        lua.lua_pushboolean(L, 0)
      } else if (text.startsWith("null", at)) {
        at += 4
        lua.lua_pushlightuserdata(L, 0)
      } else if (isNumberStart()) lua.lua_pushnumber(L, number())
      else fail("value", found())
    }

    const object = (depth: number): void => {
      descend(depth)
      lua.lua_createtable(L, 0, 0)
      at++
      skip()
      if (text[at] === "}") {
        at++
        return
      }
      for (;;) {
        skip()
        if (text[at] !== "\"") fail("object key string", found())
        state.push(L, string())
        skip()
        if (text[at] !== ":") fail("colon", found())
        at++
        value(depth)
        lua.lua_rawset(L, -3)
        skip()
        if (text[at] === "}") {
          at++
          return
        }
        if (text[at] !== ",") fail("comma or object end", found())
        at++
      }
    }

    const array = (depth: number): void => {
      descend(depth)
      lua.lua_createtable(L, 0, 0)
      at++
      skip()
      if (text[at] === "]") {
        at++
        return
      }
      for (let i = 1;; i++) {
        value(depth)
        lua.lua_rawseti(L, -2, i)
        skip()
        if (text[at] === "]") {
          at++
          return
        }
        if (text[at] !== ",") fail("comma or array end", found())
        at++
      }
    }

    if (text.length >= 2 && (text[0] === "\0" || text[1] === "\0")) {
      throw new LuaError("JSON parser does not support UTF-16 or UTF-32")
    }
    value(0)
    skip()
    if (at < text.length) fail("the end", found())
    return 1
  }
}

const unescapes: Readonly<Record<string, string>> = {
  "\"": "\"",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t"
}
