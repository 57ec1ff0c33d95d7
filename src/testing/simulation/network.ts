/**
 * A server and the connections to it. A command travels to the server, is carried out, and its reply travels back; each
 * of these may be late, and the connection may be lost in between.
 *
 * Clients behave as those of `RedisLive`: a call waits for its connection and for its reply within five seconds, what was
 * sent is not sent again, and a connection that was lost is made anew.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { fromText, toBytesReply, toText, toTextReply } from "../../redis-memory/bytes.js"
import { blocksOnShared, connectionError, encode, execute, mayBlock, replyError } from "../../redis-memory/client.js"
import type { Args } from "../../redis-memory/command.js"
import { keysOf } from "../../redis-memory/command.js"
import { lookup } from "../../redis-memory/commands/all.js"
import type { Reply } from "../../redis-memory/replies.js"
import { ReplyError } from "../../redis-memory/replies.js"
import { Session } from "../../redis-memory/session.js"
import * as Snapshot from "../../redis-memory/snapshot.js"
import { Store } from "../../redis-memory/store.js"
import type { Waiter } from "../../redis-memory/waiters.js"
import { Blocked } from "../../redis-memory/waiters.js"
import type { Arg, Connection, Message, RedisService } from "../../Redis.js"
import { make as makeService, RedisError, script as makeScript } from "../../Redis.js"
import type { VirtualClock } from "../time-travel/virtual.js"
import type { Host } from "./host.js"

/** What a call that doesn't block may take, as with \`RedisLive\`. */
export const commandTimeout = 5000

/** Something that the server did. */
export interface Step {
  readonly host: Host
  /** The name of the script, or the command in upper case. */
  readonly name: string
  /** What the script was called with; none of a command. */
  readonly params: ReadonlyArray<unknown>
  readonly args: Args
  /** Keys that may have been written. */
  readonly touched: ReadonlySet<string>
  /** Hosts that were blocked on the server and got something by this step. */
  readonly served: ReadonlyArray<Host>
  readonly reply: Reply
  /** The time of the host when it sent the command. */
  readonly sentAt: number
  /** The instant of the server. */
  readonly now: number
}

/** What becomes of a command and its reply, in milliseconds. */
export interface Fate {
  readonly request: number
  readonly reply: number
  /** The connection is lost before the command was carried out, or after it. */
  readonly lost: "before" | "after" | undefined
}

/** Commands that change nothing. */
const reading: ReadonlySet<string> = new Set(
  (
    "get exists type ttl pttl strlen dbsize keys scan " +
    "hget hmget hgetall hexists hlen hkeys hvals " +
    "lrange llen lindex lpos smembers sismember smismember scard " +
    "zrange zrangebyscore zrevrange zscore zmscore zcard zcount zrank " +
    "xrange xrevrange xlen xread"
  ).split(" ")
)

export class Server {
  readonly store = new Store()
  up = true
  private readonly links = new Set<Link>()
  private touched = new Set<string>()
  private served: Array<Host> = []
  private readonly operator = new Session(this.store)

  constructor(
    readonly clock: VirtualClock,
    private readonly before: (host: Host) => void,
    private readonly after: (step: Step) => void
  ) {
    this.store.observe = (command, args) => {
      if (reading.has(command.name)) return
      for (const key of keysOf(command, args)) this.touched.add(key)
    }
  }

  get now(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  add(link: Link): void {
    this.links.add(link)
  }

  remove(link: Link): void {
    this.links.delete(link)
  }

  /** A waiting command got what it waited for, in the course of another one. */
  serves(host: Host, args: Args): void {
    const command = lookup(args[0]!)
    if (command !== undefined) { for (const key of keysOf(command, args)) this.touched.add(key) }
    this.served.push(host)
  }

  apply(call: Call, session: Session): Reply | Blocked {
    const { host } = call.link.client
    this.touched = new Set()
    this.served = []
    this.before(host)
    const reply = execute(this.store, session, call.encoded, this.now)
    const isUnknown = reply instanceof ReplyError && reply.code === "NOSCRIPT"
    this.after({
      host,
      name: isUnknown ? "NOSCRIPT" : call.origin?.name ?? call.command.toUpperCase(),
      params: call.origin?.params ?? [],
      args: call.encoded,
      touched: this.touched,
      served: this.served,
      reply: reply instanceof Blocked ? null : reply,
      sentAt: call.sentAt,
      now: this.now
    })
    return reply
  }

  /** A command of somebody who is at the server, which nothing befalls. */
  operate(command: string, ...args: ReadonlyArray<string>): Reply {
    const reply = execute(this.store, this.operator, encode(command, args), this.now)
    return reply instanceof Blocked ? null : reply
  }

  snapshot(): Snapshot.Snapshot {
    return Snapshot.take(this.store, this.now)
  }

  /** All connections are lost, and with them who was blocked and who listened; scripts are forgotten. */
  stop(): void {
    this.up = false
    for (const link of Array.from(this.links)) link.cut({ arrives: false, lingers: 0 })
    this.store.scripts.clear()
  }

  start(state: Snapshot.Snapshot | undefined): void {
    if (state !== undefined) Snapshot.restore(this.store, state)
    this.up = true
    for (const link of Array.from(this.links)) link.connectSoon()
  }
}

class Call {
  done = false
  sent = false
  applied = false
  /** It never reaches the server. */
  lost = false
  /** Its reply never reaches the host. */
  deaf = false
  /** Was told to end before it had reached the server. */
  unblocked = false
  sentAt = 0
  waiter: Waiter | undefined
  stopTimer: () => void = () => {}
  onDone: Array<() => void> = []

  constructor(
    readonly link: Link,
    readonly command: string,
    readonly encoded: Args,
    readonly blocks: boolean,
    readonly origin: Origin | undefined,
    private readonly read: (reply: Exclude<Reply, ReplyError>) => unknown,
    // The reply has the type that the caller of \`send\` names: nobody else knows it.
    private readonly resume: (result: Effect.Effect<never, RedisError>) => void
  ) {}

  private finish(result: Effect.Effect<unknown, RedisError>): void {
    if (this.done) return
    this.end()
    this.resume(result as Effect.Effect<never, RedisError>) // as above
  }

  /** Whoever waits for the end of the call is told, the caller is not. */
  end(): void {
    this.done = true
    this.stopTimer()
    for (const f of this.onDone.splice(0)) f()
  }

  answer(reply: Reply): void {
    this.finish(
      reply instanceof ReplyError ? Effect.fail(replyError(this.command, reply)) : Effect.succeed(this.read(reply))
    )
  }

  fail(reason: "connection" | "timeout"): void {
    this.finish(Effect.fail(
      reason === "connection"
        ? connectionError(this.command, "the connection was lost")
        : new RedisError({
          reason,
          command: this.command.toUpperCase(),
          code: "TIMEOUT",
          message: `no reply within ${commandTimeout} ms`
        })
    ))
  }
}

interface Origin {
  readonly name: string
  readonly params: ReadonlyArray<unknown>
}

interface Cut {
  /** Whether the server still gets what was sent. */
  readonly arrives: boolean
  /** For how many milliseconds the server does not see that the connection is gone. */
  readonly lingers: number
}

/** One connection, made anew when it is lost. */
class Link {
  up = false
  private closed = false
  private session: Session | undefined
  private connecting: (() => void) | undefined
  private lastArrival = 0
  private lastReply = 0
  private readonly waiting = new Set<Call>()
  private readonly inFlight = new Set<Call>()

  constructor(
    readonly client: Client,
    private readonly onUp: () => void = () => {},
    private readonly onDown: () => void = () => {}
  ) {
    client.server.add(this)
    this.connect(0)
  }

  private get server(): Server {
    return this.client.server
  }

  private connect(millis: number): void {
    this.connecting?.()
    this.connecting = this.server.clock.call(millis, () => {
      this.connecting = undefined
      if (this.up || this.closed || !this.server.up || !this.client.host.alive) return
      this.up = true
      this.session = new Session(this.server.store)
      this.onUp()
      for (const call of this.waiting) this.send(call)
      this.waiting.clear()
    })
  }

  connectSoon(): void {
    this.connect(this.client.backOff())
  }

  start(call: Call): void {
    const { clock } = this.server
    if (this.closed) return call.fail("connection")
    call.stopTimer = clock.call(commandTimeout, () => this.expire(call))
    if (this.up) this.send(call)
    else this.waiting.add(call)
  }

  private expire(call: Call): void {
    if (call.done) return
    this.waiting.delete(call)
    if (!call.sent) return call.fail("connection")
    if (call.blocks) return
    call.fail("timeout")
    this.cut({ arrives: true, lingers: 0 })
  }

  private send(call: Call): void {
    const { client, server } = this
    if (call.done) return
    const now = server.clock.elapsed
    const fate = client.fate()
    call.sent = true
    call.sentAt = client.host.clock.unsafeCurrentTimeMillis()
    this.inFlight.add(call)
    if (call.blocks) call.stopTimer()
    this.lastArrival = Math.max(this.lastArrival, now + fate.request)
    const { session } = this
    server.clock.call(this.lastArrival - now, () => {
      if (call.lost || session === undefined || !server.up) return
      if (fate.lost === "before") return this.cut({ arrives: false, lingers: 0 })
      call.applied = true
      // it was withdrawn while it was on its way
      if (call.unblocked) return this.respond(call, null, fate.reply)
      const reply = server.apply(call, session)
      if (fate.lost === "after") {
        if (reply instanceof Blocked) return this.cut({ arrives: false, lingers: 0 })
        call.deaf = true
        return this.cut({ arrives: true, lingers: 0 })
      }
      if (reply instanceof Blocked) this.block(call, session, reply, fate.reply)
      else this.respond(call, reply, fate.reply)
    })
  }

  private block(call: Call, session: Session, blocked: Blocked, latency: number): void {
    if (call.deaf) return
    const { server } = this
    let stopTimer = () => {}
    const waiter = server.store.waiters.add(blocked, (outcome) => {
      stopTimer()
      call.waiter = undefined
      session.waiter = undefined
      if (outcome._tag === "Lost") return
      if (outcome.reply !== null) server.serves(this.client.host, call.encoded)
      this.respond(call, outcome.reply, latency)
    })
    call.waiter = waiter
    session.waiter = waiter
    if (blocked.timeout > 0) {
      stopTimer = server.clock.call(blocked.timeout, () => waiter.end({ _tag: "Reply", reply: null }))
    }
  }

  private respond(call: Call, reply: Reply, latency: number): void {
    if (call.deaf) return
    const { clock } = this.server
    this.lastReply = Math.max(this.lastReply, clock.elapsed + latency)
    clock.call(this.lastReply - clock.elapsed, () => {
      if (call.deaf) return
      this.inFlight.delete(call)
      call.answer(reply)
    })
  }

  /** Ends a blocking call as if its timeout had passed. */
  unblock(call: Call): void {
    if (call.done || !call.sent) {
      this.waiting.delete(call)
      return call.answer(null)
    }
    this.server.clock.call(this.client.fate().request, () => {
      call.unblocked = true
      call.waiter?.end({ _tag: "Reply", reply: null })
    })
  }

  cut({ arrives, lingers }: Cut): void {
    const { clock } = this.server
    if (!this.up) return
    this.up = false
    const { session } = this
    this.session = undefined
    const calls = [...this.inFlight]
    this.inFlight.clear()
    this.lastArrival = 0
    this.lastReply = 0
    for (const call of calls) {
      call.deaf = true
      if (!arrives) call.lost = true
    }
    const noticed = () => {
      for (const call of calls) {
        if (call.blocks) call.lost = true
        call.waiter?.end({ _tag: "Lost" })
      }
      session?.close()
    }
    if (lingers > 0) clock.call(lingers, noticed)
    else noticed()
    this.onDown()
    for (const call of calls) call.fail("connection")
    if (this.server.up) this.connectSoon()
  }

  close(): void {
    this.closed = true
    this.cut({ arrives: true, lingers: 0 })
    for (const call of this.waiting) call.fail("connection")
    this.server.remove(this)
  }
}

interface Subscription {
  readonly on: () => void
  readonly off: () => void
}

/** What one host has of connections. */
export class Client {
  private readonly main: Link
  private readonly subscriber: Link
  private readonly links = new Set<Link>()
  private readonly subscriptions = new Set<Subscription>()
  readonly service: RedisService

  constructor(
    readonly server: Server,
    readonly host: Host,
    /** What becomes of the next command. */
    readonly fate: () => Fate,
    /** In how many milliseconds a connection that was lost is made anew. */
    readonly backOff: () => number,
    rewrite: ((script: { readonly name: string; readonly lua: string }) => string) | undefined
  ) {
    this.main = this.link()
    this.subscriber = this.link(
      () => this.subscriptions.forEach(({ on }) => on()),
      () => this.subscriptions.forEach(({ off }) => off())
    )
    const rest = {
      connection: this.connection(),
      subscribe: (...channels: ReadonlyArray<string>) => this.subscribe(channels)
    }
    const plain = makeService({
      send: this.sender(undefined, toTextReply),
      sendBytes: this.sender(undefined, toBytesReply),
      ...rest
    })
    this.service = {
      ...plain,
      eval: (self) => {
        const lua = rewrite?.(self)
        const script = lua === undefined || lua === self.lua
          ? self
          : makeScript(self.params, { ...self, lua, result: self.result })
        return (...params) => {
          const origin = { name: self.name, params }
          const service = makeService({
            send: this.sender(origin, toTextReply),
            sendBytes: this.sender(origin, toBytesReply),
            ...rest
          })
          return service.eval(script)(...params)
        }
      }
    }
  }

  private link(onUp?: () => void, onDown?: () => void): Link {
    const link = new Link(this, onUp, onDown)
    this.links.add(link)
    return link
  }

  /** Loses all connections. */
  cut(how: Cut): void {
    for (const link of this.links) link.cut(how)
  }

  /** The host is gone: no connection is made anew. */
  leave(): void {
    for (const link of this.links) this.server.remove(link)
  }

  private sender(origin: Origin | undefined, read: (reply: Exclude<Reply, ReplyError>) => unknown) {
    return <A>(command: string, ...args: ReadonlyArray<Arg>): Effect.Effect<A, RedisError> =>
      Effect.async<A, RedisError>((resume) => {
        const encoded = encode(command, args)
        if (mayBlock(encoded)) return resume(Effect.fail(replyError(command, blocksOnShared(command))))
        const call = new Call(this.main, command, encoded, false, origin, read, resume)
        this.main.start(call)
        return Effect.sync(() => call.end())
      })
  }

  private connection(): Effect.Effect<Connection, RedisError, Scope.Scope> {
    return Effect.gen(this, function*() {
      const link = yield* Effect.acquireRelease(
        Effect.sync(() => this.link()),
        (link) =>
          Effect.sync(() => {
            link.close()
            this.links.delete(link)
          })
      )
      const blocked = new Set<Call>()
      const release = (call: Call): Effect.Effect<void> =>
        Effect.async((resume) => {
          if (call.done) return resume(Effect.void)
          call.onDone.push(() => resume(Effect.void))
          link.unblock(call)
        })
      const send: Connection["send"] = (command, ...args) =>
        Effect.async((resume) => {
          const encoded = encode(command, args)
          const call = new Call(link, command, encoded, mayBlock(encoded), undefined, toTextReply, resume)
          if (call.blocks) {
            blocked.add(call)
            call.onDone.push(() => blocked.delete(call))
          }
          link.start(call)
          return call.blocks ? release(call) : Effect.sync(() => call.end())
        })
      yield* send("PING")
      return {
        send,
        unblock: Effect.suspend(() =>
          Effect.forEach([...blocked], release, { concurrency: "unbounded", discard: true })
        )
      }
    })
  }

  private subscribe(
    channels: ReadonlyArray<string>
  ): Effect.Effect<Queue.Dequeue<Message>, RedisError, Scope.Scope> {
    const { server } = this
    const names = [...new Set(channels.map(fromText))]
    return Effect.gen(this, function*() {
      const queue = yield* Queue.unbounded<Message>()
      let life = 0
      let last = 0
      const listener = (channel: string, message: string) => {
        const mine = life
        last = Math.max(last, server.clock.elapsed + this.fate().reply)
        server.clock.call(last - server.clock.elapsed, () => {
          if (life === mine) queue.unsafeOffer({ channel: toText(channel), message: toText(message) })
        })
      }
      const subscription: Subscription = {
        on: () => names.forEach((name) => server.store.channels.subscribe(name, listener)),
        off: () => {
          life++
          names.forEach((name) => server.store.channels.unsubscribe(name, listener))
        }
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          this.subscriptions.add(subscription)
          if (this.subscriber.up) subscription.on()
        }),
        () =>
          Effect.suspend(() => {
            subscription.off()
            this.subscriptions.delete(subscription)
            return Queue.shutdown(queue)
          })
      )
      // Subscribing takes a round trip, and fails when there is no connection in time.
      yield* Effect.async<void, RedisError>((resume) => {
        const call = new Call(this.subscriber, "PING", ["PING"], false, undefined, toTextReply, resume)
        this.subscriber.start(call)
        return Effect.sync(() => call.end())
      })
      return queue
    })
  }
}
