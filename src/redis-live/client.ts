/**
 * One connection to a server, which connects again by itself until it is closed.
 *
 * ioredis carries the protocol, the sockets and the Sentinels. What it leaves unbounded is done here: a call waits for
 * the connection and for its reply within one deadline, nothing is kept for a server that may never come back, and
 * nothing is sent twice. The handshake is ours too, because that of ioredis writes to the console and goes on in
 * database 0 when the database can't be selected.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Command, Redis as IORedis } from "ioredis"
import * as DiagnosticsChannel from "node:diagnostics_channel"
import { span } from "../internal/times.js"
import { hasLeft, type Waiter } from "../internal/waiter.js"
import type { Arg } from "../Redis.js"
import { RedisError } from "../Redis.js"
import { clusterConnector } from "./cluster.js"
import type { ClientOptions } from "./ioredis.js"
import { backOff, explain, ignore, plain } from "./ioredis.js"
import type { Monitor } from "./monitor.js"
import * as Prefix from "./prefix.js"
import * as Resp from "./resp.js"
import type { Settings } from "./settings.js"
import { within } from "./within.js"

const connectTo = (settings: Settings): ClientOptions => {
  const tls = settings.tls === undefined ? {} : { tls: settings.tls }
  const { target } = settings
  switch (target._tag) {
    case "Tcp":
      return { ...target.address, ...tls }
    case "Socket":
      return { path: target.path }
    case "Cluster":
      return { ...tls, Connector: clusterConnector(settings, target.nodes) }
    case "Sentinel":
      return {
        ...tls,
        ...(settings.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: settings.tls }),
        ...(target.username === undefined ? {} : { sentinelUsername: target.username }),
        ...(target.password === undefined ? {} : { sentinelPassword: target.password }),
        sentinels: target.hosts.map((address) => ({ ...address })),
        name: target.name,
        sentinelCommandTimeout: settings.connectTimeout,
        // ioredis can't be woken from this one when it is closed.
        sentinelRetryStrategy: (attempt) => Math.min(500, backOff(attempt))
      }
  }
}

const isReply = (error: Error): boolean => error.name === "ReplyError"

/** The first word of an error reply, where it is a code. */
const replyCode = (message: string): string => /^[A-Z][A-Z0-9_]*(?= |$)/.exec(message)?.[0] ?? "ERR"

/** The code of the system's error or of the server's refusal. */
const errorCode = (error: Error | undefined): string =>
  error === undefined
    ? "CLOSED"
    : "code" in error && typeof error.code === "string"
    ? error.code
    : /^[A-Z]{2,}(?= )/.exec(error.message)?.[0] ?? "CLOSED"

/**
 * What is kept of an error of ioredis: never its `command`, whose arguments hold payloads and, in a handshake, the
 * password.
 */
const asCause = (error: Error | undefined): { readonly cause?: Error } => error === undefined ? {} : { cause: error }

/** Of a command that the server does not know, or was told to forget, it repeats the arguments: a payload may be one. */
const withoutArguments = (message: string): string => message.replace(/,? with args beginning with:[^]*$/, "")

/** Of a key that a user may not use it tells neither the key nor the command; a script is named by whoever runs it. */
const withCommand = (command: string, message: string): string =>
  /^NOPERM [^]* keys used as arguments$/.test(message) && !command.startsWith("EVAL")
    ? `${message} of ${command}`
    : message

const replyError = (command: string, error: Error): RedisError =>
  new RedisError({
    reason: "reply",
    command,
    code: replyCode(error.message),
    message: withCommand(command, withoutArguments(error.message))
  })

/** How many bytes are handed to the system although more may come: the server shall work while the rest is made. */
const worthACall = 4096

/** For those who watch the commands of ioredis: it tells them of its own commands only. */
const watchers = [
  DiagnosticsChannel.channel("tracing:ioredis:command:start"),
  DiagnosticsChannel.channel("tracing:ioredis:command:asyncEnd"),
  DiagnosticsChannel.channel("tracing:ioredis:command:error")
]

const isWatched = (): boolean => watchers.some((channel) => channel.hasSubscribers)

/**
 * A call on its way: waiting for the connection, sent, or done.
 *
 * It is to ioredis what one of its own commands is, and costs a third of one, whose arguments are copied three times and
 * shown to nobody, and whose reply takes the way over two promises.
 */
export class Call {
  done = false
  sent = false
  /** How often it was refused because the keys live on another node. */
  moves = 0
  /** How many replies the connection had brought when it was sent. */
  replies = 0
  /** Of a call that blocks; the others have one for all of them, see `Deadlines`. */
  timer: ReturnType<typeof setTimeout> | undefined
  /** Its place among those with a deadline. */
  deadline = 0
  earlier: Call | undefined
  later: Call | undefined

  /** What ioredis asks of a command. */
  readonly isTraced = true
  readonly promise = undefined
  /** The command, and its arguments as they are sent. */
  readonly name: string
  args: ReadonlyArray<Arg>

  constructor(
    readonly client: Client,
    /** The command as errors name it, in capitals. */
    readonly command: string,
    readonly given: ReadonlyArray<Arg>,
    readonly bytes: boolean,
    /** Milliseconds that it may block on the server: 0 for ever, undefined when it is no blocking call. */
    readonly block: number | undefined,
    // The reply has the type that the caller of `send` names: nobody else knows it.
    readonly resume: (result: Effect.Effect<any, RedisError>) => void,
    /** Who waits for it, where nobody calls `cancel`. */
    readonly waiter?: Waiter
  ) {
    // ioredis asks four times for the flags of a command by its name in lower case, and nearly all commands are scripts.
    this.name = command === "EVALSHA" ? "evalsha" : command
    this.args = given
  }

  setReplyContext(): void {}

  toWritable(): string | Buffer {
    return Resp.encode(this.name, this.args)
  }

  /** A reply, its texts as bytes. */
  resolve(reply: unknown): void {
    this.succeed(this.bytes ? reply : Resp.toText(reply))
  }

  /** Later, as with a command of ioredis: it says so in the midst of noticing that the connection is gone. */
  reject(error: Error): void {
    queueMicrotask(() => this.refuse(error))
  }

  /** Whether nobody wants it any more. */
  get isOver(): boolean {
    return this.done || hasLeft(this.waiter)
  }

  private finish(result: Effect.Effect<unknown, RedisError>): void {
    if (this.done) return
    this.done = true
    this.forget()
    this.resume(result)
  }

  private forget(): void {
    this.client.deadlines.remove(this)
    if (this.block === undefined) return
    clearTimeout(this.timer)
    this.client.blocked.delete(this)
  }

  succeed(reply: unknown): void {
    this.client.replies++
    const { keyPrefix } = this.client.settings
    this.finish(Effect.succeed(keyPrefix === "" ? reply : Prefix.fromReply(this.command, this.given, reply, keyPrefix)))
  }

  fail(error: RedisError): void {
    this.finish(Effect.fail(error))
  }

  /** Forgets the call. What was sent is carried out all the same. */
  cancel(): void {
    this.done = true
    this.client.waiting.delete(this)
    this.forget()
  }

  refuse(error: Error): void {
    const { client } = this
    if (isReply(error)) {
      client.replies++
      const code = replyCode(error.message)
      if (code === "MOVED" && client.settings.target._tag === "Cluster" && this.moves < 5) {
        // Nothing was carried out: it is repeated on the node that owns the slot now, which the connector asks for.
        this.moves++
        client.retire()
        return client.enqueue(this)
      }
      // The server is no longer the master, or was told so while we were blocked on it.
      if (code === "READONLY" || code === "UNBLOCKED" || code === "MASTERDOWN" || code === "MOVED") client.retire()
      return this.fail(replyError(this.command, error))
    }
    if (error.message.startsWith("Stream isn't writeable")) {
      // The socket has just been closed: nothing was sent.
      return client.enqueue(this)
    }
    this.fail(
      new RedisError({
        reason: "connection",
        command: this.command,
        code: errorCode(client.lastError),
        message: client.closed
          ? `the connection to ${client.settings.server} was closed before the reply to ${this.command}`
          : `the connection to ${client.settings.server} was lost before the reply to ${this.command}`,
        ...asCause(client.lastError)
      })
    )
  }

  readonly expire = (): void => {
    const { client } = this
    const { commandTimeout, server } = client.settings
    if (hasLeft(this.waiter)) return this.cancel()
    if (!this.sent) {
      client.waiting.delete(this)
      return this.fail(
        new RedisError({
          reason: "connection",
          command: this.command,
          code: errorCode(client.lastError),
          message: `${server} could not be reached within ${span(commandTimeout)}${
            client.lastError === undefined ? "" : `: ${explain(client.lastError)}`
          }`,
          ...asCause(client.lastError)
        })
      )
    }
    // Nothing at all came since: the peer is gone without a word, or as good as gone.
    const silent = client.replies === this.replies && (this.block !== undefined || client.blocked.size === 0)
    this.fail(
      new RedisError({
        reason: "timeout",
        command: this.command,
        code: "TIMEOUT",
        message: `no reply from ${server} to ${this.command} within ${span((this.block ?? 0) + commandTimeout)}`
      })
    )
    if (!silent) return
    client.restart()
    client.monitor.dead(client)
  }
}

/**
 * The deadlines of calls that have all the same time: they end in the order in which they began, so one timer serves all
 * of them. A timer for each call costs more than the call's bytes.
 */
class Deadlines {
  private first: Call | undefined
  private last: Call | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  constructor(readonly millis: number) {}

  add(call: Call): void {
    call.deadline = performance.now() + this.millis
    call.earlier = this.last
    if (this.last === undefined) this.first = call
    else this.last.later = call
    this.last = call
    this.timer ??= setTimeout(this.sweep, this.millis)
  }

  remove(call: Call): void {
    if (call.earlier === undefined && this.first !== call) return
    if (call.earlier === undefined) this.first = call.later
    else call.earlier.later = call.later
    if (call.later === undefined) this.last = call.earlier
    else call.later.earlier = call.earlier
    call.earlier = undefined
    call.later = undefined
  }

  close(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private readonly sweep = (): void => {
    this.timer = undefined
    const now = performance.now()
    for (let call = this.first; call !== undefined && call.deadline <= now + 1; call = this.first) {
      this.remove(call)
      call.expire()
    }
    if (this.first !== undefined) {
      this.timer ??= setTimeout(this.sweep, Math.max(1, this.first.deadline - performance.now()))
    }
  }
}

export class Client {
  readonly redis: IORedis
  /** Whether the handshake is done: commands are written. */
  up = false
  closed = false
  replies = 0
  lastError: Error | undefined
  /** While it is above zero, calls wait. */
  held = 0
  /** The id that the server gave this connection; only known where `wantsId`. */
  id: number | undefined
  readonly waiting = new Set<Call>()
  /** Blocking calls that were sent. */
  readonly blocked = new Set<Call>()
  readonly deadlines: Deadlines
  private attempts = 0
  private corked = false
  private watchdog: ReturnType<typeof setTimeout> | undefined

  constructor(
    readonly settings: Settings,
    readonly monitor: Monitor,
    readonly options: { readonly wantsId?: boolean; readonly onUp?: () => void; readonly onDown?: () => void } = {}
  ) {
    this.deadlines = new Deadlines(settings.commandTimeout)
    this.redis = new IORedis({
      ...plain,
      ...connectTo(settings),
      connectTimeout: settings.connectTimeout,
      retryStrategy: () => backOff(this.attempts++)
    })
    this.redis.on("error", (error) => {
      this.lastError = error
      if (!this.up && !this.closed) this.monitor.down(this, error)
    })
    this.redis.on("ready", () => void this.handshake())
    this.redis.on("close", () => {
      this.setDown()
      this.id = undefined
      clearTimeout(this.watchdog)
      if (!this.closed) this.monitor.down(this, this.lastError)
    })
    // One that waits, listens or rests can't tell a quiet server from a dead connection.
    monitor.onDeath(this, () => {
      if (this.up) this.restart()
    })
    this.redis.connect().catch(ignore)
  }

  /** Sends one command now, whatever the state. */
  raw(name: string, args: ReadonlyArray<string | number>): Promise<unknown> {
    const command = new Command(name, args.map(String), { replyEncoding: "utf8" })
    // `sendCommand` is declared to return `unknown`, and always returns the promise of the command.
    return this.redis.sendCommand(command) as Promise<unknown>
  }

  /** What a new connection says first. Calls are let through when the server is ready to serve them. */
  private async handshake(): Promise<void> {
    const { settings } = this
    const stream = this.redis.stream
    const isStale = () => this.closed || this.redis.stream !== stream || stream.destroyed
    const watch = () => {
      clearTimeout(this.watchdog)
      this.watchdog = setTimeout(() => {
        this.lastError = new Error(`no reply within ${span(settings.connectTimeout)} after connecting`)
        stream.destroy()
      }, settings.connectTimeout)
    }
    watch()
    const optional = (name: string, ...args: ReadonlyArray<string>) => this.raw(name, args).catch(ignore)
    try {
      const auth = settings.password === undefined
        ? undefined
        : this.raw(
          "AUTH",
          settings.username === undefined ? [settings.password] : [settings.username, settings.password]
        )
      // Sent at once: one round trip. Promises that fail early must not count as unhandled meanwhile.
      auth?.catch(ignore)
      const select = settings.db === 0 ? undefined : this.raw("SELECT", [settings.db])
      select?.catch(ignore)
      if (settings.clientName !== "") void optional("CLIENT", "SETNAME", settings.clientName)
      void optional("CLIENT", "SETINFO", "LIB-NAME", "effect-rq")
      const id = this.options.wantsId === true ? this.raw("CLIENT", ["ID"]) : undefined
      id?.catch(ignore)
      const role = settings.target._tag === "Sentinel" ? this.raw("ROLE", []) : undefined
      role?.catch(ignore)
      if (auth !== undefined) {
        await auth.catch((error: Error) => {
          if (!/without any password configured|no password is set/.test(error.message)) throw error
          this.monitor.warn(`${settings.server} needs no password, and one was given`)
        })
      }
      for (let wait = 20;; wait = Math.min(wait * 2, 500)) {
        const refusal = await this.raw("PING", []).then(() => undefined, (error: Error) => error)
        if (refusal === undefined) break
        if (!isReply(refusal)) throw refusal
        const code = replyCode(refusal.message)
        if (code === "NOPERM") break
        if (code !== "LOADING" && code !== "MASTERDOWN" && code !== "BUSY") throw refusal
        this.lastError = new Error(refusal.message)
        await new Promise((resolve) => setTimeout(resolve, wait))
        if (isStale()) return
        watch()
      }
      await select
      // Without the right to ask, it stays unknown, and a blocked call is ended by closing its connection.
      const known = await id?.catch(ignore)
      const answered = await role?.catch(ignore)
      if (Array.isArray(answered) && answered[0] !== "master") {
        throw new Error(`the Sentinels name a server that is a ${String(answered[0])}`)
      }
      if (isStale()) return
      clearTimeout(this.watchdog)
      this.id = typeof known === "number" ? known : undefined
      this.lastError = undefined
      this.attempts = 0
      this.up = true
      this.monitor.up(this)
      this.options.onUp?.()
      this.flush()
    } catch (error) {
      if (isStale() || !(error instanceof Error)) return
      this.refuse(error)
      stream.destroy()
    }
  }

  /** The server refused us: those who wait are told why, instead of waiting for what no retry will change. */
  private refuse(error: Error): void {
    const { server } = this.settings
    this.lastError = new Error(error.message)
    if (!isReply(error)) return
    this.monitor.refused(error.message)
    for (const call of this.takeWaiting()) {
      call.fail(
        new RedisError({
          reason: "reply",
          command: call.command,
          code: replyCode(error.message),
          message: `${server} refused the connection: ${error.message}`
        })
      )
    }
  }

  /** Taken out first: a call that ends may bring the next one. */
  private takeWaiting(): ReadonlyArray<Call> {
    const calls = Array.from(this.waiting)
    this.waiting.clear()
    return calls
  }

  private isOpen(): boolean {
    return this.up && this.held === 0
  }

  /** Writes what waited, in order. */
  flush(): void {
    if (!this.isOpen()) return
    for (const call of this.takeWaiting()) {
      if (call.isOver) call.cancel()
      else this.write(call)
    }
  }

  /** Starts a call. Its `resume` is called once, within the bounds that the settings give. */
  start(call: Call): void {
    if (this.closed) {
      return call.fail(
        new RedisError({
          reason: "connection",
          command: call.command,
          code: "CLOSED",
          message: `the connection to ${this.settings.server} is closed`
        })
      )
    }
    this.deadlines.add(call)
    if (this.isOpen() && this.waiting.size === 0) {
      this.write(call)
    } else {
      this.waiting.add(call)
    }
  }

  /** Has a call wait again that was not carried out. */
  enqueue(call: Call): void {
    if (call.isOver) return call.cancel()
    call.sent = false
    if (this.closed) return call.refuse(new Error("closed"))
    if (call.block !== undefined) {
      // The time that it may block counts from when it is sent; waiting has a bound of its own.
      this.blocked.delete(call)
      clearTimeout(call.timer)
      this.deadlines.remove(call)
      this.deadlines.add(call)
    }
    this.waiting.add(call)
    // A socket may refuse before its end is known here. Should that end never come, nobody may wait for it.
    if (this.isOpen()) setTimeout(() => this.flush(), 5)
  }

  private write(call: Call): void {
    call.sent = true
    call.replies = this.replies
    if (call.block !== undefined) {
      this.blocked.add(call)
      this.deadlines.remove(call)
      clearTimeout(call.timer)
      if (call.block > 0) {
        call.timer = setTimeout(call.expire, Math.min(call.block + this.settings.commandTimeout, 2 ** 31 - 1))
      }
    }
    // Where nothing is on its way there is nothing that it could leave with, and what comes behind it can wait.
    if (this.redis.commandQueue.length > 0) this.cork()
    const { keyPrefix } = this.settings
    if (isWatched() || (keyPrefix !== "" && !Prefix.isScript(call.command))) return this.writeAsCommand(call)
    call.args = keyPrefix === "" ? call.given : Prefix.toScriptArgs(call.given, keyPrefix)
    // It has what ioredis uses of a command; what it answers is the command's promise, which this one doesn't have.
    this.redis.sendCommand(call as unknown as Command)
    this.uncorkMuch()
  }

  /** As one of ioredis's own commands: it knows where the keys are, and tells who watches. */
  private writeAsCommand(call: Call): void {
    const { keyPrefix } = this.settings
    const args = keyPrefix === "" ? call.given : Prefix.toArgs(call.command, call.given, keyPrefix)
    const texts = args.map((arg) =>
      typeof arg === "string" ? arg : typeof arg === "number" ? String(arg) : Resp.toBuffer(arg)
    )
    const command = new Command(call.command, texts, { replyEncoding: call.bytes ? null : "utf8", keyPrefix })
    // Where a key is missing, ioredis makes one of the prefix and "undefined"; the server shall refuse the call instead.
    if (command.args.length > texts.length) command.args.length = texts.length
    // `sendCommand` is declared to return `unknown`, and always returns the promise of the command.
    const reply = this.redis.sendCommand(command) as Promise<unknown>
    reply.then((value) => call.succeed(value), (error) => call.refuse(error))
  }

  /**
   * What is written in one turn of the event loop leaves in one system call, but for the first and for what is worth one of
   * its own.
   */
  private cork(): void {
    if (this.corked) return
    const { stream } = this.redis
    if (stream === undefined || stream.destroyed) return
    this.corked = true
    stream.cork()
    process.nextTick(() => {
      this.corked = false
      stream.uncork()
    })
  }

  private uncorkMuch(): void {
    const { stream } = this.redis
    if (!this.corked || stream === undefined || stream.writableLength < worthACall) return
    this.corked = false
    stream.uncork()
  }

  private setDown(): void {
    if (!this.up) return
    this.up = false
    this.options.onDown?.()
  }

  /** Drops the connection and makes a new one. */
  restart(): void {
    this.setDown()
    this.redis.stream?.destroy()
  }

  /** As `restart`, after the replies that are on their way have come. */
  retire(): void {
    if (!this.up) return
    this.setDown()
    const { stream } = this.redis
    const limit = performance.now() + 200
    const check = () => {
      if (this.redis.commandQueue.length === 0 || this.blocked.size > 0 || performance.now() > limit) stream.destroy()
      else setTimeout(check, 2)
    }
    setImmediate(check)
  }

  /** Closes for good, within half a second. */
  async close(): Promise<void> {
    const wasUp = this.up && this.blocked.size === 0
    this.closed = true
    this.up = false
    clearTimeout(this.watchdog)
    for (const call of this.takeWaiting()) {
      call.refuse(new Error("closed"))
    }
    this.deadlines.close()
    const stream = this.redis.stream
    if (wasUp && !this.monitor.isSilent()) {
      // So that what was written before is carried out before the connection goes.
      const answered = await within(400, this.raw("QUIT", []).then(() => true, () => true), false)
      // The other connections of this service needn't find out for themselves.
      if (!answered) this.monitor.silent()
    }
    this.redis.disconnect()
    // `stream` is undefined before the first attempt to connect, whatever its type says.
    stream?.destroy()
  }
}
