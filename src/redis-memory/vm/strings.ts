/**
 * Where the library `string` meets integers: the VM's have 32 bits, Redis' have 64.
 */
import type { LuaState } from "./state.js"
import { type } from "./state.js"

const directive = /%(?:%|([-+ #0]*)([0-9]*)(?:\.([0-9]*))?([a-zA-Z]))/g

type LuaFunction = (L: number) => number

/** The function of C at `name` in the library `string`. */
const original = (state: LuaState, name: string): LuaFunction => {
  const { L, lua } = state
  state.getGlobal(L, "string")
  lua.lua_getfield(L, -1, state.name(name))
  const f = lua.__indirect_function_table.get(lua.lua_tocfunction(L, -1)) as LuaFunction // the library is written in C
  state.pop(L, 2)
  return f
}

/** `%d`, `%x` and the like are written here, the rest of the format by the function that was there. */
const format = (state: LuaState): LuaFunction => {
  const { lua } = state
  const rest = original(state, "format")
  return (L) => {
    if (lua.lua_type(L, 1) !== type.string) return rest(L)
    const given = state.text(L, 1)
    if (!/%[-+ #0]*[0-9]*\.?[0-9]*[diouxX]/.test(given)) return rest(L)
    let argument = 1
    const rewritten = given.replace(directive, (whole, flags: string, width: string, precision, conversion) => {
      if (whole === "%%") return whole
      argument++
      // Lua takes at most two digits for each, and refuses more
      if (!"diouxX".includes(conversion) || width.length > 2 || (precision ?? "").length > 2 || flags.length > 5) {
        return whole
      }
      if (argument > lua.lua_gettop(L)) lua.luaL_argerror(L, argument, state.name("no value"))
      const number = lua.luaL_checknumber(L, argument)
      const value = "di".includes(conversion) ? toInteger(number) : toUnsigned(number)
      state.push(L, formatInteger(value, flags, Number(width), precision, conversion))
      lua.lua_replace(L, argument)
      return "%s"
    })
    state.push(L, rewritten)
    lua.lua_replace(L, 1)
    return rest(L)
  }
}

const maxInt = 2 ** 31 - 1

/** A position beyond 32 bits is as good as the last one that there may be. */
const withPositions = (state: LuaState, name: string, positions: ReadonlyArray<number>): LuaFunction => {
  const { lua } = state
  const rest = original(state, name)
  return (L) => {
    for (const index of positions) {
      if (lua.lua_type(L, index) !== type.number) continue
      const position = lua.lua_tonumber(L, index)
      if (Math.abs(position) <= maxInt) continue
      lua.lua_pushnumber(L, position > 0 ? maxInt : -maxInt)
      lua.lua_replace(L, index)
    }
    return rest(L)
  }
}

/** What takes the place of functions of `string`, by name. */
export const stringFunctions = (state: LuaState): Readonly<Record<string, LuaFunction>> => ({
  format: format(state),
  sub: withPositions(state, "sub", [2, 3]),
  byte: withPositions(state, "byte", [2, 3]),
  find: withPositions(state, "find", [3]),
  match: withPositions(state, "match", [3])
})

/** The conversion of C on x86-64: what doesn't fit becomes the least integer. */
const toInteger = (value: number): bigint =>
  value < 2 ** 63 && value >= -(2 ** 63) ? BigInt(Math.trunc(value)) : -9223372036854775808n

const toUnsigned = (value: number): bigint =>
  value < 2 ** 63
    ? BigInt.asUintN(64, toInteger(value))
    : value < 2 ** 64
    ? BigInt(value)
    : 0n

const formatInteger = (
  value: bigint,
  flags: string,
  width: number,
  precision: string | undefined,
  conversion: string
): string => {
  const signed = conversion === "d" || conversion === "i"
  const negative = signed && value < 0n
  const magnitude = negative ? -value : value
  const base = conversion === "o" ? 8 : conversion === "x" || conversion === "X" ? 16 : 10
  let digits = magnitude === 0n && precision !== undefined && Number(precision) === 0 ? "" : magnitude.toString(base)
  if (precision !== undefined) digits = digits.padStart(Number(precision), "0")
  let sign = negative ? "-" : signed && flags.includes("+") ? "+" : signed && flags.includes(" ") ? " " : ""
  if (flags.includes("#")) {
    if (base === 8 && !digits.startsWith("0")) digits = "0" + digits
    if (base === 16 && magnitude !== 0n) sign = "0x"
  }
  if (flags.includes("-")) return upper(sign + digits, conversion).padEnd(width)
  if (flags.includes("0") && precision === undefined) digits = digits.padStart(width - sign.length, "0")
  return upper(sign + digits, conversion).padStart(width)
}

const upper = (text: string, conversion: string): string => conversion === "X" ? text.toUpperCase() : text
