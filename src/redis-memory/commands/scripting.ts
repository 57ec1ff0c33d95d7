/**
 * EVAL, EVALSHA and SCRIPT.
 */
import * as Crypto from "node:crypto"
import type { Args, Command } from "../command.js"
import { command, noKeys } from "../command.js"
import { integer } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ok, ReplyError, syntaxError } from "../replies.js"
import type { Lookup } from "../scripts.js"
import { runScript } from "../scripts.js"
import type { Session } from "../session.js"
import type { Store } from "../store.js"
import { compile } from "../vm/machine.js"

const sha1 = (text: string): string => Crypto.createHash("sha1").update(text, "latin1").digest("hex")

const run = (
  lookup: Lookup,
  args: Args,
  store: Store,
  session: Session,
  sha: string,
  text: string
): Reply => {
  const numberOfKeys = integer(args[2]!)
  if (numberOfKeys > args.length - 3) throw new ReplyError("ERR Number of keys can't be greater than number of args")
  if (numberOfKeys < 0) throw new ReplyError("ERR Number of keys can't be negative")
  const keys = args.slice(3, 3 + numberOfKeys)
  return runScript(lookup, store, session, { sha, text }, keys, args.slice(3 + numberOfKeys))
}

const script = (args: Args, store: Store): Reply => {
  switch (args[1]!.toUpperCase()) {
    case "LOAD": {
      if (args.length !== 3) throw new ReplyError("ERR wrong number of arguments for 'script|load' command")
      const text = args[2]!
      const sha = sha1(text)
      compile({ sha, text })
      store.scripts.set(sha, text)
      return sha
    }
    case "EXISTS":
      return args.slice(2).map((sha) => store.scripts.has(sha.toLowerCase()) ? 1 : 0)
    case "FLUSH":
      if (args.length > 3 || (args[2] !== undefined && !/^a?sync$/i.test(args[2]))) throw syntaxError
      store.scripts.clear()
      return ok
    default:
      throw new ReplyError(`ERR unknown subcommand '${args[1]!}'. Try SCRIPT HELP.`)
  }
}

/** `lookup` finds the commands that scripts call. */
export const scriptCommands = (lookup: Lookup): ReadonlyArray<Command> => [
  command("eval", -3, noKeys, (args, store, session) => {
    const text = args[1]!
    const sha = sha1(text)
    if (!store.scripts.has(sha)) {
      compile({ sha, text })
      store.scripts.set(sha, text)
    }
    return run(lookup, args, store, session, sha, text)
  }, { noScript: true }),
  command("evalsha", -3, noKeys, (args, store, session) => {
    const sha = args[1]!.toLowerCase()
    const text = store.scripts.get(sha)
    if (text === undefined) throw new ReplyError("NOSCRIPT No matching script. Please use EVAL.")
    return run(lookup, args, store, session, sha, text)
  }, { noScript: true }),
  command("script", -2, noKeys, script, { noScript: true })
]
