/**
 * What scripts may do: the commands they may call, and on which keys.
 */
import type { Command } from "./command.js"
import { hasArity, keysOf } from "./command.js"
import type { Reply } from "./replies.js"
import { ReplyError } from "./replies.js"
import type { Session } from "./session.js"
import type { Store } from "./store.js"
import type { Script } from "./vm/machine.js"
import { evaluate } from "./vm/machine.js"
import { Blocked } from "./waiters.js"

export type Lookup = (name: string) => Command | undefined

/** Commands of Redis that are unknown here and that Redis refuses in scripts. */
const refused: ReadonlySet<string> = new Set([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
  "multi",
  "exec",
  "discard",
  "watch",
  "unwatch",
  "acl",
  "auth",
  "bgrewriteaof",
  "bgsave",
  "cluster",
  "config",
  "debug",
  "latency",
  "migrate",
  "module",
  "psync",
  "replicaof",
  "reset",
  "save",
  "slaveof",
  "slowlog",
  "sync",
  "hello",
  "monitor",
  "shutdown",
  "wait",
  "fcall",
  "function"
])

const notAllowed = new ReplyError("ERR This Redis command is not allowed from script")
const wrongArity = new ReplyError("ERR Wrong number of args calling Redis command from script")

const blockOption = new ReplyError("ERR XREAD command is not allowed with BLOCK option from scripts")

/** XREAD doesn't block without its option; the others always may. */
const refuseBlocking = (command: Command, args: ReadonlyArray<string>): ReplyError | undefined => {
  if (command.name !== "xread") return notAllowed
  return args.some((arg) => arg.toLowerCase() === "block") ? blockOption : undefined
}

const unknown = (name: string): ReplyError =>
  refused.has(name.toLowerCase())
    ? notAllowed
    : new ReplyError(`ERR Unknown Redis command called from script: '${name}' is not known to the in-memory Redis`)

const undeclared = (key: string): ReplyError =>
  new ReplyError(
    `ERR Script attempted to access an undeclared key: '${key}' is not among KEYS, nor is a prefix of it that ends in ':'`
  )

/** Whether KEYS has the key itself, or a family that it belongs to. */
const isDeclared = (keys: ReadonlyArray<string>, key: string): boolean => {
  for (const declared of keys) {
    if (declared === key || (declared.endsWith(":") && key.startsWith(declared))) return true
  }
  return false
}

/** Runs a script: its text must be compiled or compile, its calls see the store. */
export const runScript = (
  lookup: Lookup,
  store: Store,
  session: Session,
  script: Script,
  keys: ReadonlyArray<string>,
  argv: ReadonlyArray<string>
): Reply => {
  const call = (args: ReadonlyArray<string>): Reply => {
    const command = lookup(args[0]!)
    if (command === undefined) return unknown(args[0]!)
    if (!hasArity(command, args)) return wrongArity
    if (command.noScript) return notAllowed
    if (command.blocks) {
      const refusal = refuseBlocking(command, args)
      if (refusal !== undefined) return refusal
    }
    for (const key of keysOf(command, args)) if (!isDeclared(keys, key)) return undeclared(key)
    store.observe?.(command, args)
    try {
      const reply = command.run(args, store, session)
      return reply instanceof Blocked ? notAllowed : reply
    } catch (error) {
      if (error instanceof ReplyError) return error
      throw error
    }
  }
  return evaluate(script, keys, argv, call)
}
