/**
 * The library `bit` of Redis' Lua: operations on 32 bits.
 */
import type { LuaState } from "./state.js"

const roundToEven = (value: number): number => {
  const floor = Math.floor(value)
  const fraction = value - floor
  return fraction > 0.5 || (fraction === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}

export const bitFunctions = (state: LuaState): Readonly<Record<string, (L: number) => number>> => {
  const { lua } = state
  const bits = (L: number, index: number): number => {
    // numbers beyond 32 bits wrap around
    const value = lua.luaL_checknumber(L, index)
    return Number(BigInt.asIntN(32, Number.isFinite(value) ? BigInt(roundToEven(value)) : 0n))
  }
  const answer = (L: number, value: number): number => {
    lua.lua_pushnumber(L, value | 0)
    return 1
  }
  const fold = (f: (a: number, b: number) => number) => (L: number): number => {
    let value = bits(L, 1)
    for (let i = lua.lua_gettop(L); i > 1; i--) value = f(value, bits(L, i))
    return answer(L, value)
  }
  const shift = (f: (value: number, by: number) => number) => (L: number): number =>
    answer(L, f(bits(L, 1), bits(L, 2) & 31))
  return {
    tobit: (L) => answer(L, bits(L, 1)),
    bnot: (L) => answer(L, ~bits(L, 1)),
    band: fold((a, b) => a & b),
    bor: fold((a, b) => a | b),
    bxor: fold((a, b) => a ^ b),
    lshift: shift((value, by) => value << by),
    rshift: shift((value, by) => value >>> by),
    arshift: shift((value, by) => value >> by),
    rol: shift((value, by) => (value << by) | (value >>> ((32 - by) & 31))),
    ror: shift((value, by) => (value >>> by) | (value << ((32 - by) & 31))),
    bswap: (L) => {
      const value = bits(L, 1)
      return answer(L, (value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24))
    },
    tohex: (L) => {
      const value = bits(L, 1) >>> 0
      const digits = lua.lua_gettop(L) < 2 ? 8 : bits(L, 2)
      const hex = value.toString(16).padStart(8, "0").slice(8 - Math.min(8, Math.abs(digits)))
      state.push(L, digits < 0 ? hex.toUpperCase() : hex)
      return 1
    }
  }
}
