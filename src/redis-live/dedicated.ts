/**
 * A connection of one's own, for commands that block.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Interruptible from "../internal/interruptible.js"
import type { Connection, RedisError } from "../Redis.js"
import { blockTime } from "./blocking.js"
import { Call, Client } from "./client.js"
import type { Monitor } from "./monitor.js"
import type { Settings } from "./settings.js"
import { within } from "./within.js"

/** Client ids belong to a server: between a failover's two sides the same number is somebody else. */
const sameServer = (a: Client, b: Client): boolean =>
  a.redis.stream?.remoteAddress === b.redis.stream?.remoteAddress &&
  a.redis.stream?.remotePort === b.redis.stream?.remotePort

/**
 * Ends a blocked call on the server. It is asked again until the call has ended, since the order to unblock may
 * overtake the call that it is meant for: the two travel on different connections.
 */
const release = async (main: Client, call: Call): Promise<void> => {
  const { client } = call
  if (!call.sent) {
    client.waiting.delete(call)
    call.succeed(null)
    return
  }
  client.held++
  try {
    const limit = performance.now() + client.settings.commandTimeout
    for (let wait = 1; !call.done; wait = Math.min(wait * 2, 20)) {
      if (!client.up) break // it was lost, and fails by itself
      if (client.id === undefined || !main.up || !sameServer(main, client) || performance.now() > limit) {
        client.restart()
        break
      }
      const answered = await within(
        client.settings.commandTimeout,
        main.raw("CLIENT", ["UNBLOCK", client.id, "TIMEOUT"]).catch(() => undefined),
        undefined
      )
      if (answered === undefined && !call.done) {
        client.restart()
        break
      }
      if (!call.done) await new Promise((resolve) => setTimeout(resolve, wait))
    }
    // Where only closing the connection helped, the caller sees what it would have seen after an unblock.
    if (!client.up) call.succeed(null)
  } finally {
    client.held--
    client.flush()
  }
}

export const make = (
  settings: Settings,
  monitor: Monitor,
  main: Client
): Effect.Effect<Connection, RedisError, Scope.Scope> =>
  Effect.gen(function*() {
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(settings, monitor, { wantsId: true })),
      (client) => Effect.zipRight(Effect.sync(() => monitor.forget(client)), Effect.promise(() => client.close()))
    )
    const calls = new Set<Call>()
    const send: Connection["send"] = (command, ...args) =>
      Interruptible.async((resume) => {
        const name = command.toUpperCase()
        const call: Call = new Call(client, name, args, false, blockTime(name, args), (result) => {
          calls.delete(call)
          resume(result)
        })
        if (call.block !== undefined) calls.add(call)
        client.start(call)
        return call.block === undefined
          ? Effect.sync(() => call.cancel())
          : Effect.promise(() => release(main, call))
      })
    const unblock = Effect.suspend(() =>
      Effect.promise(() => Promise.all([...calls].map((call) => release(main, call))))
    )
    // A connection that can't be made is better known now than at the first command.
    yield* send("PING")
    return { send, unblock: Effect.asVoid(unblock) }
  })
