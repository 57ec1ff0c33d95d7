/**
 * `%d`, `%x` and the like in `string.format`: the VM's integers have 32 bits, Redis' have 64.
 */
import type { LuaState } from "./state.js"
import { type } from "./state.js"

const directive = /%(?:%|([-+ #0]*)([0-9]*)(?:\.([0-9]*))?([a-zA-Z]))/g

/**
 * Replaces `string.format` (on top of the stack) by a function that writes integers itself and leaves the rest to the
 * one that was there.
 */
export const wrapFormat = (state: LuaState): void => {
  const { L, lua, module } = state
  const original = module.lua.__indirect_function_table.get(lua.lua_tocfunction(L, -1)) as (L: number) => number // a C function
  state.pop(L, 1)
  state.pushFunction(L, (L) => {
    if (lua.lua_type(L, 1) !== type.string) return original(L)
    const format = state.text(L, 1)
    if (!/%[-+ #0]*[0-9]*\.?[0-9]*[diouxX]/.test(format)) return original(L)
    let argument = 1
    const rewritten = format.replace(directive, (whole, flags: string, width: string, precision, conversion) => {
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
    return original(L)
  })
}

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
