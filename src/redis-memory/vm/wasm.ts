/**
 * Lua 5.1 compiled to WebAssembly, instantiated without the JavaScript of the package that it comes in.
 */
import * as Fs from "node:fs"
import { createRequire } from "node:module"

type Fn = (...args: Array<number>) => number

/** The part of the global WebAssembly that is used here: the types of Node leave it out. */
interface WebAssemblyApi {
  readonly Module: new(bytes: Uint8Array) => object
  readonly Instance: new(module: object, imports: object) => { readonly exports: Record<string, unknown> }
}

const { Instance, Module } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly // see above

/** What the module exports, as far as it is used here. */
export interface LuaExports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
  readonly __indirect_function_table: {
    readonly get: (index: number) => unknown
    readonly set: (index: number, f: unknown) => void
    readonly grow: (count: number) => number
  }
  readonly __wasm_call_ctors: () => void
  readonly stackSave: () => number
  readonly stackRestore: (pointer: number) => void
  readonly setThrew: (threw: number, value: number) => void
  readonly malloc: Fn
  readonly free: (pointer: number) => void
  readonly luaL_newstate: Fn
  readonly luaL_openlibs: Fn
  readonly luaL_loadbuffer: Fn
  readonly luaL_ref: Fn
  readonly luaL_unref: Fn
  readonly luaL_checknumber: Fn
  readonly luaL_argerror: Fn
  readonly luaL_where: Fn
  readonly lua_concat: Fn
  readonly lua_call: Fn
  readonly lua_checkstack: Fn
  readonly lua_createtable: Fn
  readonly lua_error: Fn
  readonly lua_getfield: Fn
  readonly lua_gettop: Fn
  readonly lua_next: Fn
  readonly lua_pcall: Fn
  readonly lua_pushboolean: Fn
  readonly lua_pushcclosure: Fn
  readonly lua_pushlightuserdata: Fn
  readonly lua_pushlstring: Fn
  readonly lua_pushnil: Fn
  readonly lua_pushnumber: Fn
  readonly lua_pushvalue: Fn
  readonly lua_rawget: Fn
  readonly lua_rawgeti: Fn
  readonly lua_rawset: Fn
  readonly lua_rawseti: Fn
  readonly lua_replace: Fn
  readonly lua_setfield: Fn
  readonly lua_sethook: Fn
  readonly lua_settop: Fn
  readonly lua_toboolean: Fn
  readonly lua_tocfunction: Fn
  readonly lua_tolstring: Fn
  readonly lua_tonumber: Fn
  readonly lua_type: Fn
}

/** The module, and its memory as it is after the latest growth. */
export interface LuaModule {
  readonly lua: LuaExports
  heap: Buffer
  words: Int32Array
  /** Puts a function into the module's table and returns its pointer. `i32` for each parameter, an `i32` back or not. */
  readonly pointer: (f: (...args: Array<number>) => number | void, parameters: number, returns: boolean) => number
}

/** What emscripten's `longjmp` throws, and its `invoke_` functions catch: Lua's errors. */
export const longjmp = Infinity

const pageSize = 65536
/** What all scripts together may take up at a time. Memory of WebAssembly never shrinks. */
const maxMemory = 512 * 1024 * 1024

export const instantiate = (): LuaModule => {
  const path = createRequire(import.meta.url).resolve("wasmoon-lua5.1/dist/liblua5.1.wasm")
  const compiled = new Module(Fs.readFileSync(path))
  const refuse = () => -1
  const nothing = () => 0

  const invoke = (index: number, a: number, b: number): void => {
    const sp = lua.stackSave()
    try {
      const f = lua.__indirect_function_table.get(index) as Fn // the table holds functions only
      f(a, b)
    } catch (error) {
      lua.stackRestore(sp)
      if (error !== longjmp) throw error
      lua.setThrew(1, 0)
    }
  }

  const grow = (size: number): number => {
    if (size > maxMemory) return 0
    const missing = Math.ceil((size - lua.memory.buffer.byteLength) / pageSize)
    try {
      // half as much again, so that a script that builds a large value doesn't grow the memory for each piece
      lua.memory.grow(Math.max(missing, Math.ceil(lua.memory.buffer.byteLength / pageSize / 2)))
    } catch {
      return 0
    }
    see()
    return 1
  }

  const instance = new Instance(compiled, {
    env: {
      invoke_vii: invoke,
      _emscripten_throw_longjmp: () => {
        throw longjmp
      },
      emscripten_memcpy_js: (to: number, from: number, size: number) => {
        module.heap.copyWithin(to, from, from + size)
      },
      emscripten_resize_heap: (size: number) => grow(size >>> 0),
      exit: (code: number) => {
        throw new Error(`Lua ended with code ${code}`)
      },
      // what follows is reached only through libraries that scripts don't have: io, os
      strftime: nothing,
      emscripten_date_now: nothing,
      _emscripten_get_now_is_monotonic: nothing,
      __syscall_openat: refuse,
      __syscall_fcntl64: refuse,
      __syscall_ioctl: refuse,
      __syscall_dup3: refuse,
      __syscall_unlinkat: refuse,
      __syscall_rmdir: refuse,
      __syscall_renameat: refuse,
      __syscall_readlinkat: refuse,
      _emscripten_system: refuse,
      _tzset_js: nothing,
      _mktime_js: nothing,
      _localtime_js: nothing,
      _gmtime_js: nothing
    },
    wasi_snapshot_preview1: {
      fd_write: refuse,
      fd_read: refuse,
      fd_close: refuse,
      fd_seek: refuse,
      environ_sizes_get: refuse,
      environ_get: refuse
    }
  })
  const lua = instance.exports as unknown as LuaExports // the names and shapes are those of this module file

  const pointer: LuaModule["pointer"] = (f, parameters, returns) => {
    const table = lua.__indirect_function_table
    const index = table.grow(1)
    table.set(index, asWasm(f, parameters, returns))
    return index
  }

  const module: LuaModule = { lua, pointer, heap: Buffer.alloc(0), words: new Int32Array(0) }
  const see = () => {
    module.heap = Buffer.from(lua.memory.buffer)
    module.words = new Int32Array(lua.memory.buffer)
  }
  see()
  lua.__wasm_call_ctors()
  return module
}

/** A table holds only functions of WebAssembly: a module of a few bytes imports `f` and exports it again. */
const asWasm = (f: (...args: Array<number>) => number | void, parameters: number, returns: boolean): unknown => {
  const i32 = 0x7f
  const type = [
    0x60,
    parameters,
    ...new Array<number>(parameters).fill(i32),
    ...(returns ? [1, i32] : [0])
  ]
  const sections = [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    [0x01, type.length + 1, 0x01, ...type],
    [0x02, 0x07, 0x01, 0x01, 0x65, 0x01, 0x66, 0x00, 0x00],
    [0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00]
  ]
  const bytes = Uint8Array.from(sections.flat())
  const instance = new Instance(new Module(bytes), { e: { f } })
  return instance.exports["f"]
}
