/**
 * A client of a store, as the port wants it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Arg, Connection, Message, RedisService } from "../Redis.js"
import { make, RedisError } from "../Redis.js"
import { fromArg, fromText, toBytesReply, toText, toTextReply } from "./bytes.js"
import type { Args, Command } from "./command.js"
import { hasArity } from "./command.js"
import { lookup } from "./commands/all.js"
import type { Reply } from "./replies.js"
import { ReplyError } from "./replies.js"
import { Session } from "./session.js"
import type { Store } from "./store.js"
import type { Outcome } from "./waiters.js"
import { Blocked } from "./waiters.js"

const unknownCommand = (name: string) =>
  new ReplyError(`ERR unknown command '${name}': it is not known to the in-memory Redis`)

const wrongArity = (command: Command) => new ReplyError(`ERR wrong number of arguments for '${command.name}' command`)

export const blocksOnShared = (name: string) =>
  new ReplyError(
    `ERR '${name.toLowerCase()}' blocks and would hold everybody who shares this connection: send it on one of your own`
  )

/** Carries out one command now. Errors are replies. */
export const execute = (store: Store, session: Session, args: Args, now: number): Reply | Blocked => {
  const command = lookup(args[0]!)
  if (command === undefined) return unknownCommand(args[0]!)
  if (!hasArity(command, args)) return wrongArity(command)
  store.db.tick(now)
  store.observe?.(command, args)
  let reply: Reply | Blocked
  try {
    reply = command.run(args, store, session)
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    reply = error
  }
  if (store.waiters.hasReady) store.waiters.serve()
  return reply
}

/** Whether a command waits when there is nothing: XREAD does only with BLOCK. */
export const mayBlock = (args: Args): boolean => {
  const command = lookup(args[0]!)
  if (command?.blocks !== true) return false
  return command.name !== "xread" || args.some((arg) => arg.toLowerCase() === "block")
}

export const connectionError = (command: string, message: string) =>
  new RedisError({ reason: "connection", command: command.toUpperCase(), code: "", message })

export const replyError = (command: string, error: ReplyError) =>
  new RedisError({ reason: "reply", command: command.toUpperCase(), code: error.code, message: toText(error.text) })

/** The longest sleep that timers take: 24.8 days. */
const longestSleep = 2_147_483_647

const sleep = (millis: number): Effect.Effect<void> =>
  millis > longestSleep
    ? Effect.zipRight(Effect.sleep(longestSleep), Effect.suspend(() => sleep(millis - longestSleep)))
    : Effect.sleep(millis)

export const encode = (command: string, args: ReadonlyArray<Arg>): Array<string> => {
  const out = new Array<string>(args.length + 1)
  out[0] = command
  for (let i = 0; i < args.length; i++) out[i + 1] = fromArg(args[i]!)
  return out
}

/** A client whose connection to the store can be cut. */
export interface Client {
  readonly service: RedisService
  readonly disconnect: Effect.Effect<void>
  readonly reconnect: Effect.Effect<void>
}

export const makeClient = (store: Store): Client => {
  const shared = new Session(store)
  const sessions = new Set<Session>()
  const subscriptions = new Set<{ readonly on: () => void; readonly off: () => void }>()
  let connected = true

  const toEffect = <A>(
    command: string,
    reply: Reply,
    read: (reply: Exclude<Reply, ReplyError>) => unknown
  ): Effect.Effect<A, RedisError> =>
    reply instanceof ReplyError
      ? Effect.fail(replyError(command, reply))
      : Effect.succeed(read(reply) as A) // the caller says which shape the reply has

  const sendWith =
    (read: (reply: Exclude<Reply, ReplyError>) => unknown) =>
    <A>(command: string, ...args: ReadonlyArray<Arg>): Effect.Effect<A, RedisError> =>
      Effect.clockWith((clock) => {
        if (!connected) return Effect.fail(connectionError(command, "the in-memory Redis is disconnected"))
        const encoded = encode(command, args)
        if (mayBlock(encoded)) return Effect.fail(replyError(command, blocksOnShared(command)))
        const reply = execute(store, shared, encoded, clock.unsafeCurrentTimeMillis())
        return toEffect<A>(command, reply instanceof Blocked ? null : reply, read)
      })

  /** Waits in the caller's fiber; a timer beside it only says that the time is over. */
  const waitFor = (session: Session, command: string, blocked: Blocked): Effect.Effect<Reply, RedisError> => {
    const wait = Effect.async<Reply, RedisError>((resume) => {
      const waiter = store.waiters.add(blocked, (outcome: Outcome) => {
        session.waiter = undefined
        resume(
          outcome._tag === "Reply"
            ? Effect.succeed(outcome.reply)
            : Effect.fail(connectionError(command, "the connection to the in-memory Redis was lost"))
        )
      })
      session.waiter = waiter
      return Effect.sync(() => {
        waiter.remove()
        session.waiter = undefined
      })
    })
    if (blocked.timeout === 0) return wait
    const timer = Effect.zipRight(
      sleep(blocked.timeout),
      Effect.sync(() => session.waiter?.end({ _tag: "Reply", reply: null }))
    )
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.fork(Effect.interruptible(timer)),
        (fiber) => Effect.ensuring(restore(wait), Fiber.interruptFork(fiber))
      )
    )
  }

  const connection: Effect.Effect<Connection, RedisError, Scope.Scope> = Effect.suspend(() =>
    connected
      ? Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const session = new Session(store)
            sessions.add(session)
            return session
          }),
          (session) =>
            Effect.sync(() => {
              sessions.delete(session)
              session.close()
              session.waiter?.end({ _tag: "Lost" })
            })
        ),
        makeConnection
      )
      : Effect.fail(connectionError("connect", "the in-memory Redis is disconnected"))
  )

  const makeConnection = (session: Session): Connection => {
    // a command that blocks holds the connection: what comes after it waits
    const turn = Effect.unsafeMakeSemaphore(1)
    const attempt = <A>(command: string, args: ReadonlyArray<Arg>): Effect.Effect<A, RedisError> =>
      Effect.clockWith((clock) => {
        if (!sessions.has(session)) return Effect.fail(connectionError(command, "the connection is closed"))
        if (!connected) return Effect.fail(connectionError(command, "the in-memory Redis is disconnected"))
        const reply = execute(store, session, encode(command, args), clock.unsafeCurrentTimeMillis())
        return reply instanceof Blocked
          ? Effect.flatMap(waitFor(session, command, reply), (late) => toEffect<A>(command, late, toTextReply))
          : toEffect<A>(command, reply, toTextReply)
      })
    return {
      send: (command, ...args) => turn.withPermits(1)(attempt(command, args)),
      unblock: Effect.suspend(() => {
        if (!connected) return Effect.fail(connectionError("CLIENT", "the in-memory Redis is disconnected"))
        session.waiter?.end({ _tag: "Reply", reply: null })
        return Effect.void
      })
    }
  }

  const subscribe = (
    ...channels: ReadonlyArray<string>
  ): Effect.Effect<Queue.Dequeue<Message>, RedisError, Scope.Scope> =>
    Effect.suspend(() =>
      connected
        ? Effect.acquireRelease(
          Effect.map(Queue.unbounded<Message>(), (queue) => {
            const names = [...new Set(channels.map(fromText))]
            const listener = (channel: string, message: string) => {
              queue.unsafeOffer({ channel: toText(channel), message: toText(message) })
            }
            const subscription = {
              on: () => names.forEach((name) => store.channels.subscribe(name, listener)),
              off: () => names.forEach((name) => store.channels.unsubscribe(name, listener))
            }
            if (connected) subscription.on()
            subscriptions.add(subscription)
            return { queue, subscription }
          }),
          ({ queue, subscription }) =>
            Effect.suspend(() => {
              subscription.off()
              subscriptions.delete(subscription)
              return Queue.shutdown(queue)
            })
        ).pipe(Effect.map(({ queue }) => queue))
        : Effect.fail(connectionError("SUBSCRIBE", "the in-memory Redis is disconnected"))
    )

  return {
    service: make({ send: sendWith(toTextReply), sendBytes: sendWith(toBytesReply), subscribe, connection }),
    disconnect: Effect.sync(() => {
      if (!connected) return
      connected = false
      for (const subscription of subscriptions) subscription.off()
      for (const session of sessions) session.waiter?.end({ _tag: "Lost" })
    }),
    reconnect: Effect.sync(() => {
      if (connected) return
      connected = true
      for (const subscription of subscriptions) subscription.on()
    })
  }
}
