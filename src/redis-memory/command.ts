/**
 * What a command is.
 */
import type { Reply } from "./replies.js"
import type { Session } from "./session.js"
import type { Store } from "./store.js"
import type { Blocked } from "./waiters.js"

/** The name first, as Redis counts them. */
export type Args = ReadonlyArray<string>

/** Where the keys are among the arguments. */
export type Keys =
  | { readonly first: number; readonly last: number; readonly step: number }
  | ((args: Args) => ReadonlyArray<string>)

export interface Command {
  readonly name: string
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number
  readonly keys: Keys
  /** Refused in scripts. */
  readonly noScript: boolean
  /** May answer with {@link Blocked}: needs a connection of its own. */
  readonly blocks: boolean
  readonly run: (args: Args, store: Store, session: Session) => Reply | Blocked
}

export const noKeys: Keys = { first: 0, last: -1, step: 1 }
export const firstKey: Keys = { first: 1, last: 1, step: 1 }
export const twoKeys: Keys = { first: 1, last: 2, step: 1 }
export const allKeys: Keys = { first: 1, last: -1, step: 1 }
export const allButLast: Keys = { first: 1, last: -2, step: 1 }
export const everySecond: Keys = { first: 1, last: -1, step: 2 }

export const command = (
  name: string,
  arity: number,
  keys: Keys,
  run: Command["run"],
  flags: { readonly noScript?: boolean; readonly blocks?: boolean } = {}
): Command => ({ name, arity, keys, run, noScript: flags.noScript === true, blocks: flags.blocks === true })

export const keysOf = (self: Command, args: Args): ReadonlyArray<string> => {
  const spec = self.keys
  if (typeof spec === "function") return spec(args)
  if (spec.first === 0) return []
  if (spec.last === 1) return [args[1]!]
  const last = spec.last < 0 ? args.length + spec.last : spec.last
  const out: Array<string> = []
  for (let i = spec.first; i <= last; i += spec.step) out.push(args[i]!)
  return out
}

export const hasArity = (self: Command, args: Args): boolean =>
  self.arity >= 0 ? args.length === self.arity : args.length >= -self.arity
