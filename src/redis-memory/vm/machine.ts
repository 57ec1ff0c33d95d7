/**
 * The one Lua machine of the process. It is started by the first script; the store comes with each call.
 */
import * as Crypto from "node:crypto"
import { formatDouble } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ReplyError, Status } from "../replies.js"
import { bitFunctions } from "./bit.js"
import { decode, encode } from "./cjson.js"
import { prelude } from "./prelude.js"
import * as Random from "./random.js"
import { LuaError, LuaState, type } from "./state.js"
import { stringFunctions } from "./strings.js"
import { instantiate } from "./wasm.js"

export interface Script {
  readonly sha: string
  readonly text: string
}

/** Carries out a command that a script calls. */
export type Call = (args: ReadonlyArray<string>) => Reply

/** How many compiled scripts are kept. */
const maxScripts = 2_000
/** A script that takes more instructions than this is ended: a second of work, where a real Redis would become BUSY. */
const maxInstructions = 200_000_000
const instructionsPerLook = 1_000_000
const maskCount = 8

interface Machine {
  readonly compile: (script: Script) => number
  readonly run: (script: Script, keys: ReadonlyArray<string>, argv: ReadonlyArray<string>, call: Call) => Reply
}

let machine: Machine | undefined

const theMachine = (): Machine => machine ??= start()

/** Compiles a script, or throws the error that Redis gives. */
export const compile = (script: Script): void => {
  theMachine().compile(script)
}

/** Runs a script and returns what it answers. */
export const evaluate = (
  script: Script,
  keys: ReadonlyArray<string>,
  argv: ReadonlyArray<string>,
  call: Call
): Reply => {
  try {
    return theMachine().run(script, keys, argv, call)
  } catch (error) {
    // a script's own errors are replies, so the machine itself is broken: the next script gets a new one
    if (!(error instanceof ReplyError)) machine = undefined
    throw error
  }
}

const start = (): Machine => {
  const state = new LuaState(instantiate())
  const { L, lua } = state
  let call: Call = () => null
  lua.luaL_openlibs(L)

  const pushErrorTable = (L: number, text: string): void => {
    lua.lua_createtable(L, 0, 1)
    state.push(L, text)
    lua.lua_setfield(L, -2, state.name("err"))
  }

  const pushReply = (L: number, reply: Reply): void => {
    if (typeof reply === "string") state.push(L, reply)
    else if (typeof reply === "number") lua.lua_pushnumber(L, reply)
    else if (reply === null) lua.lua_pushboolean(L, 0)
    else if (reply instanceof ReplyError) pushErrorTable(L, reply.text)
    else if (reply instanceof Status) {
      lua.lua_createtable(L, 0, 1)
      state.push(L, reply.text)
      lua.lua_setfield(L, -2, state.name("ok"))
    } else {
      if (lua.lua_checkstack(L, 3) === 0) throw new LuaError("stack overflow")
      lua.lua_createtable(L, reply.length, 0)
      for (let i = 0; i < reply.length; i++) {
        pushReply(L, reply[i]!)
        lua.lua_rawseti(L, -2, i + 1)
      }
    }
  }

  /** The arguments of redis.call: texts, and numbers as `%.17g`. */
  const readArguments = (L: number): ReadonlyArray<string> | ReplyError => {
    const count = lua.lua_gettop(L)
    if (count === 0) return new ReplyError("ERR Please specify at least one argument for this redis lib call")
    const args = new Array<string>(count)
    for (let i = 0; i < count; i++) {
      const kind = lua.lua_type(L, i + 1)
      if (kind === type.string) args[i] = state.text(L, i + 1)
      else if (kind === type.number) args[i] = formatDouble(lua.lua_tonumber(L, i + 1))
      else return new ReplyError("ERR Lua redis lib command arguments must be strings or integers")
    }
    return args
  }

  const pushCall = (raises: boolean): void =>
    state.pushFunction(L, (L) => {
      const args = readArguments(L)
      const reply = args instanceof ReplyError ? args : call(args)
      pushReply(L, reply)
      return raises && reply instanceof ReplyError ? lua.lua_error(L) : 1
    })

  const field = (name: string, push: () => void): void => {
    push()
    lua.lua_setfield(L, -2, state.name(name))
  }
  const fieldFunction = (name: string, f: (L: number) => number): void => field(name, () => state.pushFunction(L, f))

  const isOneText = (L: number): boolean => lua.lua_gettop(L) === 1 && lua.lua_type(L, 1) === type.string

  const singleField = (L: number, name: string, text: (given: string) => string): number => {
    if (!isOneText(L)) {
      pushErrorTable(L, "ERR wrong number or type of arguments")
      return 1
    }
    const given = text(state.text(L, 1))
    lua.lua_createtable(L, 0, 1)
    state.push(L, given)
    lua.lua_setfield(L, -2, state.name(name))
    return 1
  }

  const pushRedis = (): void => {
    lua.lua_createtable(L, 0, 24)
    field("call", () => pushCall(true))
    field("pcall", () => pushCall(false))
    fieldFunction("error_reply", (L) => singleField(L, "err", asErrorText))
    fieldFunction("status_reply", (L) => singleField(L, "ok", (text) => text))
    fieldFunction("sha1hex", (L) => {
      if (lua.lua_gettop(L) !== 1) {
        pushErrorTable(L, "ERR wrong number of arguments")
        return lua.lua_error(L)
      }
      state.push(L, Crypto.createHash("sha1").update(state.text(L, 1), "latin1").digest("hex"))
      return 1
    })
    fieldFunction("log", () => 0)
    fieldFunction("set_repl", () => 0)
    fieldFunction("debug", () => 0)
    fieldFunction("breakpoint", (L) => {
      lua.lua_pushboolean(L, 0)
      return 1
    })
    fieldFunction("replicate_commands", (L) => {
      lua.lua_pushboolean(L, 1)
      return 1
    })
    fieldFunction("setresp", (L) => {
      if (lua.lua_tonumber(L, 1) !== 2) throw new LuaError("the in-memory Redis speaks RESP 2 only")
      return 0
    })
    for (const [name, value] of Object.entries(constants)) field(name, () => lua.lua_pushnumber(L, value))
    field("REDIS_VERSION", () => state.push(L, "7.0.15"))
    field("REDIS_VERSION_NUM", () => lua.lua_pushnumber(L, 0x07000f))
  }

  const pushCjson = (): void => {
    lua.lua_createtable(L, 0, 8)
    fieldFunction("encode", encode(state))
    fieldFunction("decode", decode(state))
    field("null", () => lua.lua_pushlightuserdata(L, 0))
    field("_NAME", () => state.push(L, "cjson"))
    field("_VERSION", () => state.push(L, "2.1.0"))
  }

  const fieldLibrary = (name: string, functions: Readonly<Record<string, (L: number) => number>>): void =>
    field(name, () => {
      lua.lua_createtable(L, 0, 12)
      for (const [key, f] of Object.entries(functions)) fieldFunction(key, f)
    })
  const random = Random.make(state)

  const load = (text: string, name: string): string | undefined => {
    const pointer = lua.malloc(text.length + 1)
    if (pointer === 0) return "not enough memory"
    state.module.heap.write(text, pointer, "latin1")
    const status = lua.luaL_loadbuffer(L, pointer, text.length, state.name(name))
    lua.free(pointer)
    if (status === 0) return undefined
    const message = state.text(L, -1)
    state.pop(L, 1)
    return message
  }

  const setUp = (): { readonly base: number; readonly onError: number } => {
    const failed = load(prelude, "=prelude")
    if (failed !== undefined) throw new Error(failed)
    lua.lua_createtable(L, 0, 4)
    fieldLibrary("string", stringFunctions(state))
    fieldLibrary("math", random.functions)
    fieldLibrary("bit", bitFunctions(state))
    field("redis", pushRedis)
    field("cjson", pushCjson)
    if (lua.lua_pcall(L, 1, 3, 0) !== 0) throw new Error(state.text(L, -1))
    const onError = state.ref(L)
    const base = state.ref(L)
    state.replaceGlobals(L)
    return { base, onError }
  }
  const { base, onError } = setUp()

  const compiled = new Map<string, number>()
  const compile = (script: Script): number => {
    const known = compiled.get(script.sha)
    if (known !== undefined) return known
    // a text that begins like this would be taken for compiled code, which Lua doesn't check
    const failed = script.text.startsWith("\x1b")
      ? "user_script:1: attempt to load a compiled chunk"
      : load(script.text, "@user_script")
    if (failed !== undefined) throw new ReplyError(`ERR Error compiling script (new function): ${failed}`)
    const ref = state.ref(L)
    compiled.set(script.sha, ref)
    if (compiled.size > maxScripts) {
      for (const [sha, oldest] of compiled) {
        compiled.delete(sha)
        state.unref(L, oldest)
        break
      }
    }
    return ref
  }

  const pushTexts = (texts: ReadonlyArray<string>): void => {
    lua.lua_createtable(L, texts.length, 0)
    for (let i = 0; i < texts.length; i++) {
      state.push(L, texts[i]!)
      lua.lua_rawseti(L, -2, i + 1)
    }
  }

  /** The text of a field of the table on top, or undefined when it is none. */
  const fieldText = (name: string, kinds: ReadonlyArray<number> = [type.string]): string | undefined => {
    state.push(L, name)
    lua.lua_rawget(L, -2)
    const text = kinds.includes(lua.lua_type(L, -1)) ? state.text(L, -1) : undefined
    state.pop(L, 1)
    return text
  }

  /** What the script returned, on top of the stack, as a reply. */
  const readReply = (): Reply => {
    switch (lua.lua_type(L, -1)) {
      case type.string:
        return state.text(L, -1)
      case type.number:
        return toInteger(lua.lua_tonumber(L, -1))
      case type.boolean:
        return lua.lua_toboolean(L, -1) !== 0 ? 1 : null
      case type.table:
        return readTable()
      default:
        return null
    }
  }

  const readTable = (): Reply => {
    if (lua.lua_checkstack(L, 4) === 0) return new ReplyError("ERR reached lua stack limit")
    const error = fieldText("err")
    if (error !== undefined) return new ReplyError(oneLine(error))
    const status = fieldText("ok")
    if (status !== undefined) return new Status(oneLine(status))
    const out: Array<Reply> = []
    for (let i = 1;; i++) {
      lua.lua_rawgeti(L, -1, i)
      if (lua.lua_type(L, -1) === type.nil) {
        state.pop(L, 1)
        return out
      }
      out.push(readReply())
      state.pop(L, 1)
    }
  }

  /** What the handler of errors left on top of the stack. */
  const readFailure = (script: Script): ReplyError => {
    if (lua.lua_type(L, -1) !== type.table) {
      const text = lua.lua_type(L, -1) === type.string ? state.text(L, -1) : "execution failure"
      return new ReplyError(`ERR Error running script ${script.sha}: ${oneLine(text)}`)
    }
    const texts = [type.string, type.number]
    const message = fieldText("err", texts)
    if (message === undefined) {
      return new ReplyError(
        `ERR the script ${script.sha} raised a table without a field 'err'. It would end a real Redis`
      )
    }
    const [source, line] = [fieldText("source", texts), fieldText("line", texts)]
    const where = source === undefined || line === undefined ? "" : ` script: ${script.sha}, on ${source}:${line}.`
    return new ReplyError(oneLine(message + where))
  }

  let instructions = 0
  const overTime = `the script took more than ${maxInstructions} instructions`
  const look = state.module.pointer(
    (L) => {
      instructions += instructionsPerLook
      if (instructions < maxInstructions) return
      // from here on every instruction fails, so that no pcall of the script goes on
      lua.lua_sethook(L, look, maskCount, 1)
      state.push(L, overTime)
      lua.lua_error(L)
    },
    2,
    false
  )

  const run: Machine["run"] = (script, keys, argv, caller) => {
    const f = compile(script)
    state.pushRef(L, onError)
    state.pushRef(L, base)
    pushTexts(keys)
    lua.lua_setfield(L, -2, state.name("KEYS"))
    pushTexts(argv)
    lua.lua_setfield(L, -2, state.name("ARGV"))
    state.pop(L, 1)
    state.pushRef(L, f)
    call = caller
    instructions = 0
    random.seed(0)
    lua.lua_sethook(L, look, maskCount, instructionsPerLook)
    const status = lua.lua_pcall(L, 0, 1, -2)
    const reply = status === 0 ? readReply() : readFailure(script)
    lua.lua_settop(L, 0)
    return reply
  }

  return { compile, run }
}

const constants: Readonly<Record<string, number>> = {
  LOG_DEBUG: 0,
  LOG_VERBOSE: 1,
  LOG_NOTICE: 2,
  LOG_WARNING: 3,
  REPL_NONE: 0,
  REPL_AOF: 1,
  REPL_SLAVE: 2,
  REPL_REPLICA: 2,
  REPL_ALL: 3
}

/** The conversion of C on x86-64: what doesn't fit becomes the least integer. */
const toInteger = (value: number): number => value < 2 ** 63 && value >= -(2 ** 63) ? Math.trunc(value) + 0 : -(2 ** 63)

/** An error without a code gets the general one; a `-` at the front is what stands before errors on the wire. */
const asErrorText = (given: string): string => {
  const text = given.startsWith("-") ? given.slice(1) : given
  return text.includes(" ") ? text : `ERR ${text}`
}

const oneLine = (text: string): string => text.replace(/[\r\n]/g, " ")
