/**
 * Commands on the server, the connection and channels.
 */
import type { Args, Command } from "../command.js"
import { command, noKeys } from "../command.js"
import { glob } from "../glob.js"
import { integer } from "../numbers.js"
import type { Reply } from "../replies.js"
import { ok, ReplyError, Status } from "../replies.js"
import type { Session } from "../session.js"
import type { Store } from "../store.js"

const unknownSubcommand = (args: Args): ReplyError =>
  new ReplyError(`ERR unknown subcommand '${args[1]!}'. Try ${args[0]!.toUpperCase()} HELP.`)

const wrongArity = (args: Args): ReplyError =>
  new ReplyError(`ERR wrong number of arguments for '${args[0]!.toLowerCase()}|${args[1]!.toLowerCase()}' command`)

const sections = (store: Store): Readonly<Record<string, ReadonlyArray<string>>> => ({
  server: ["# Server", "redis_version:7.0.15", "redis_mode:standalone", "run_id:in-memory"],
  memory: ["# Memory", "used_memory:0", "maxmemory:0", "maxmemory_policy:noeviction"],
  clients: [
    "# Clients",
    `connected_clients:${store.sessions.size}`,
    `blocked_clients:${[...store.sessions.values()].filter((session) => session.waiter !== undefined).length}`
  ]
})

const info = (args: Args, store: Store): Reply => {
  const known = sections(store)
  const wanted = args.length === 1 ? Object.keys(known) : args.slice(1).map((name) => name.toLowerCase())
  const all = wanted.some((name) => name === "all" || name === "default" || name === "everything")
  return (all ? Object.keys(known) : wanted)
    .flatMap((name) => known[name] === undefined ? [] : [known[name].map((line) => line + "\r\n").join("")])
    .join("\r\n")
}

const client = (args: Args, store: Store, session: Session): Reply => {
  switch (args[1]!.toUpperCase()) {
    case "ID":
      return session.id
    case "GETNAME":
      return session.name === "" ? null : session.name
    case "SETNAME": {
      if (args.length !== 3) throw wrongArity(args)
      if (!/^[\x21-\x7e]*$/.test(args[2]!)) {
        throw new ReplyError("ERR Client names cannot contain spaces, newlines or special characters.")
      }
      session.name = args[2]!
      return ok
    }
    case "UNBLOCK": {
      if (args.length < 3 || args.length > 4) throw wrongArity(args)
      const how = (args[3] ?? "timeout").toUpperCase()
      if (how !== "TIMEOUT" && how !== "ERROR") {
        throw new ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
      }
      const waiter = store.sessions.get(integer(args[2]!))?.waiter
      const reply = how === "TIMEOUT" ? null : new ReplyError("UNBLOCKED client unblocked via CLIENT UNBLOCK")
      return waiter?.end({ _tag: "Reply", reply }) === true ? 1 : 0
    }
    default:
      throw unknownSubcommand(args)
  }
}

const pubsub = (args: Args, store: Store): Reply => {
  switch (args[1]!.toUpperCase()) {
    case "CHANNELS":
      return [...store.channels.names()].filter(glob(args[2] ?? "*"))
    case "NUMSUB":
      return args.slice(2).flatMap((channel): ReadonlyArray<Reply> => [channel, store.channels.count(channel)])
    default:
      throw unknownSubcommand(args)
  }
}

export const serverCommands: ReadonlyArray<Command> = [
  command("ping", -1, noKeys, (args) => {
    if (args.length > 2) throw new ReplyError("ERR wrong number of arguments for 'ping' command")
    return args[1] ?? new Status("PONG")
  }),
  command("echo", 2, noKeys, (args) => args[1]!),
  command("time", 1, noKeys, (_, { db }) => [
    String(Math.floor(db.now / 1000)),
    String(Math.round(db.now % 1000 * 1000))
  ]),
  command("info", -1, noKeys, info),
  command("client", -2, noKeys, client, { noScript: true }),
  command("publish", 3, noKeys, (args, store) => store.channels.publish(args[1]!, args[2]!)),
  command("pubsub", -2, noKeys, pubsub)
]
