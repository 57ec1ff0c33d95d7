/**
 * `math.random` as Redis has it: the generator of `drand48`. A server goes on with it from script to script; here it
 * starts anew with each, so that a script gives the same numbers each time, whatever ran before it.
 */
import type { LuaState } from "./state.js"

const multiplier = 0x5deece66dn
const mask = (1n << 48n) - 1n
const max = 2147483647

export interface Random {
  readonly functions: Readonly<Record<string, (L: number) => number>>
  readonly seed: (value: number) => void
}

export const make = (state: LuaState): Random => {
  const { lua } = state
  let x = 0n
  const seed = (value: number): void => {
    x = (BigInt.asUintN(32, BigInt(Math.trunc(value))) << 16n) | 0x330en
  }
  const next = (): number => {
    x = (x * multiplier + 0xbn) & mask
    return Number(x >> 17n) % max / max
  }
  const random = (L: number): number => {
    const r = next()
    const count = lua.lua_gettop(L)
    if (count === 0) lua.lua_pushnumber(L, r)
    else {
      const low = count === 1 ? 1 : Math.trunc(lua.luaL_checknumber(L, 1))
      const high = Math.trunc(lua.luaL_checknumber(L, count === 1 ? 1 : 2))
      if (low > high) lua.luaL_argerror(L, count === 1 ? 1 : 2, state.name("interval is empty"))
      lua.lua_pushnumber(L, Math.floor(r * (high - low + 1)) + low)
    }
    return 1
  }
  const randomseed = (L: number): number => {
    const value = lua.luaL_checknumber(L, 1)
    seed(Number.isFinite(value) ? value : 0)
    return 0
  }
  return { functions: { random, randomseed }, seed }
}
