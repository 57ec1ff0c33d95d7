/**
 * The subscriptions of one service, over one connection that is made for the first of them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { span } from "../internal/times.js"
import type { Message } from "../Redis.js"
import { RedisError } from "../Redis.js"
import { Client } from "./client.js"
import { explain, ignore } from "./ioredis.js"
import type { Monitor } from "./monitor.js"
import type { Settings } from "./settings.js"

interface Channel {
  readonly queues: Set<Queue.Queue<Message>>
  /** Whether the server has confirmed it on the present connection. */
  confirmed: boolean
}

export interface Subscriber {
  readonly subscribe: (
    ...channels: ReadonlyArray<string>
  ) => Effect.Effect<Queue.Dequeue<Message>, RedisError, Scope.Scope>
  readonly close: () => Promise<void>
}

export const make = (settings: Settings, monitor: Monitor): Subscriber => {
  const channels = new Map<string, Channel>()
  /** Those who wait until their channels are confirmed. */
  const waiting = new Set<{
    readonly names: ReadonlyArray<string>
    readonly check: () => void
    readonly fail: (error: Error) => void
  }>()
  let client: Client | undefined

  const request = (current: Client, names: ReadonlyArray<string>) => {
    if (names.length === 0) return
    const stream = current.redis.stream
    // Lower case: ioredis keeps its own record of subscriptions under the name of the command.
    current.raw("subscribe", names.map((name) => settings.keyPrefix + name)).then(
      () => {
        if (current.redis.stream !== stream) return
        for (const name of names) {
          const channel = channels.get(name)
          if (channel !== undefined) channel.confirmed = true
        }
        for (const waiter of waiting) waiter.check()
      },
      (error: Error) => {
        // A lost connection subscribes again when it is back; a refusal is final.
        if (error.name !== "ReplyError") return
        for (const waiter of Array.from(waiting)) {
          if (waiter.names.some((name) => names.includes(name))) waiter.fail(error)
        }
      }
    )
  }

  const connect = (): Client => {
    const made = new Client(settings, monitor, {
      onUp: () => request(made, [...channels.keys()]),
      onDown: () => {
        for (const channel of channels.values()) channel.confirmed = false
      }
    })
    made.redis.on("message", (name: string, message: string) => {
      const channel = name.startsWith(settings.keyPrefix) ? name.slice(settings.keyPrefix.length) : name
      for (const queue of channels.get(channel)?.queues ?? []) queue.unsafeOffer({ channel, message })
    })
    return made
  }

  const acquire = (names: ReadonlyArray<string>, queue: Queue.Queue<Message>): Effect.Effect<void, RedisError> =>
    Effect.async((resume) => {
      const current = client ??= connect()
      const fresh: Array<string> = []
      for (const name of names) {
        const channel = channels.get(name)
        if (channel !== undefined) {
          channel.queues.add(queue)
        } else {
          channels.set(name, { queues: new Set([queue]), confirmed: false })
          fresh.push(name)
        }
      }
      const done = (result: Effect.Effect<void, RedisError>) => {
        clearTimeout(timer)
        waiting.delete(waiter)
        resume(result)
      }
      const waiter = {
        names,
        check: () => {
          if (names.every((name) => channels.get(name)?.confirmed === true)) done(Effect.void)
        },
        fail: (error: Error) =>
          done(Effect.fail(
            new RedisError({
              reason: "reply",
              command: "SUBSCRIBE",
              code: error.message.split(" ", 1)[0]!,
              message: error.message
            })
          ))
      }
      const timer = setTimeout(() =>
        done(Effect.fail(
          new RedisError({
            reason: current.up ? "timeout" : "connection",
            command: "SUBSCRIBE",
            code: current.up ? "TIMEOUT" : "CLOSED",
            message: `${settings.server} could not be subscribed to within ${span(settings.commandTimeout)}${
              current.lastError === undefined ? "" : `: ${explain(current.lastError)}`
            }`
          })
        )), settings.commandTimeout)
      waiting.add(waiter)
      if (current.up) request(current, fresh)
      waiter.check()
      return Effect.sync(() => {
        clearTimeout(timer)
        waiting.delete(waiter)
      })
    })

  const release = (names: ReadonlyArray<string>, queue: Queue.Queue<Message>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const unused: Array<string> = []
      for (const name of names) {
        const channel = channels.get(name)
        if (channel === undefined) continue
        channel.queues.delete(queue)
        if (channel.queues.size === 0) {
          channels.delete(name)
          unused.push(name)
        }
      }
      if (client?.up === true && unused.length > 0) {
        client.raw("unsubscribe", unused.map((name) => settings.keyPrefix + name)).catch(ignore)
      }
      return Queue.shutdown(queue)
    })

  return {
    subscribe: (...names) =>
      Effect.flatMap(
        Queue.unbounded<Message>(),
        (queue) =>
          Effect.acquireRelease(Effect.succeed(queue), () => release(names, queue)).pipe(
            Effect.zipLeft(acquire(names, queue))
          )
      ),
    close: () => client === undefined ? Promise.resolve() : client.close()
  }
}
