/**
 * A Lua state, with strings of bytes on its edge.
 */
import type { LuaExports, LuaModule } from "./wasm.js"
import { longjmp } from "./wasm.js"

export const type = { nil: 0, boolean: 1, lightuserdata: 2, number: 3, string: 4, table: 5, function: 6 } as const

const pseudo = { registry: -10000, globals: -10002 } as const

/** Strings up to this size are written to a buffer that is always there. */
const scratchSize = 65536

/** What a function of ours raises as a Lua error: a text, without a stack. */
export class LuaError {
  constructor(readonly text: string) {}
}

export class LuaState {
  readonly lua: LuaExports
  readonly L: number
  private readonly lengthPointer: number
  private readonly scratch: number
  private readonly names = new Map<string, number>()

  constructor(readonly module: LuaModule) {
    this.lua = module.lua
    this.L = this.lua.luaL_newstate()
    this.lengthPointer = this.lua.malloc(8)
    this.scratch = this.lua.malloc(scratchSize)
  }

  /** A C string that stays: for names of fields. */
  name(text: string): number {
    const known = this.names.get(text)
    if (known !== undefined) return known
    const pointer = this.lua.malloc(text.length + 1)
    this.module.heap.write(text, pointer, "latin1")
    this.module.heap[pointer + text.length] = 0
    this.names.set(text, pointer)
    return pointer
  }

  push(L: number, text: string): void {
    const length = text.length
    if (length <= scratchSize) {
      const heap = this.module.heap
      if (length < 16) { for (let i = 0; i < length; i++) heap[this.scratch + i] = text.charCodeAt(i) }
      else heap.write(text, this.scratch, "latin1")
      this.lua.lua_pushlstring(L, this.scratch, length)
      return
    }
    const pointer = this.lua.malloc(length)
    if (pointer === 0) throw new LuaError("not enough memory")
    this.module.heap.write(text, pointer, "latin1")
    this.lua.lua_pushlstring(L, pointer, length)
    this.lua.free(pointer)
  }

  /** The string at an index: numbers are turned into strings in place. */
  text(L: number, index: number): string {
    const pointer = this.lua.lua_tolstring(L, index, this.lengthPointer)
    const length = this.module.words[this.lengthPointer >> 2]!
    return this.module.heap.toString("latin1", pointer, pointer + length)
  }

  pop(L: number, count: number): void {
    this.lua.lua_settop(L, -count - 1)
  }

  setGlobal(L: number, name: string): void {
    this.lua.lua_setfield(L, pseudo.globals, this.name(name))
  }

  getGlobal(L: number, name: string): void {
    this.lua.lua_getfield(L, pseudo.globals, this.name(name))
  }

  /** Makes the table on top the globals of all code that is loaded from now on. */
  replaceGlobals(L: number): void {
    this.lua.lua_replace(L, pseudo.globals)
  }

  ref(L: number): number {
    return this.lua.luaL_ref(L, pseudo.registry)
  }

  unref(L: number, ref: number): void {
    this.lua.luaL_unref(L, pseudo.registry, ref)
  }

  pushRef(L: number, ref: number): void {
    this.lua.lua_rawgeti(L, pseudo.registry, ref)
  }

  /**
   * Pushes a function of ours. An exception of JavaScript must not cross the frames of Lua: it becomes an error of
   * Lua. Lua's own errors pass.
   */
  pushFunction(L: number, f: (L: number) => number): void {
    const guarded = (L: number): number => {
      try {
        return f(L)
      } catch (error) {
        if (error === longjmp) throw error
        this.lua.luaL_where(L, 1)
        this.push(L, error instanceof LuaError ? error.text : String(error))
        this.lua.lua_concat(L, 2)
      }
      return this.lua.lua_error(L)
    }
    this.lua.lua_pushcclosure(L, this.module.pointer(guarded, 1, true), 0)
  }
}
