/**
 * What only a real server can show: connections that are lost, refused, silent, moved or closed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Util from "node:util"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisServer from "../support/redis-server.js"

const test = (name: string, body: () => Effect.Effect<void, unknown, Scope.Scope>, timeout?: number) =>
  it.live(name, () => Effect.scoped(body()), timeout)

/** The result, and how many milliseconds it took. */
/** Well below the 5 seconds that a call has by default, and far above what it takes, for machines under load. */
const soon = 4000

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, (result) => [result, performance.now() - start] as const)
  })

/** Collects what is logged, as `LEVEL message`. */
const logged = (lines: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      lines.push(`${logLevel.label} ${String(message)}`)
    })
  )

const untilOk = <A, R>(effect: Effect.Effect<A, Redis.RedisError, R>) =>
  Effect.retry(effect, { while: (error) => error.isTransient, schedule: Schedule.spaced("10 millis") })

const untilTrue = <E, R>(effect: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(effect, { until: (done) => done, schedule: Schedule.spaced("10 millis") })

/** The first answer of a server to a line, whatever state it is in. */
const tell = (port: number, line: string) =>
  Effect.async<string, Error>((resume) => {
    const socket = Net.connect({ host: "127.0.0.1", port })
    socket.once("connect", () => socket.write(`${line}\r\n`))
    const done = (answer: Effect.Effect<string, Error>) => {
      socket.destroy()
      resume(answer)
    }
    socket.once("data", (data) => done(Effect.succeed(data.toString())))
    socket.once("error", (error) => done(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  })

const script = Redis.script((key: string) => [key], {
  name: "increment",
  numberOfKeys: 1,
  lua: `return redis.call("INCR", KEYS[1])`,
  result: (reply: number) => reply
})

describe("RedisLive", () => {
  describe("a server that isn't there", () => {
    test("a call fails within its bound and says where it wanted to go", () =>
      Effect.gen(function*() {
        const port = yield* RedisServer.freePort
        const [redis, building] = yield* timed(
          RedisLive.make({ url: `redis://user:hunter2@127.0.0.1:${port}`, commandTimeout: "300 millis" })
        )
        assert.isBelow(building, soon)
        const [error, waited] = yield* timed(Effect.flip(redis.send("GET", "key")))
        assert.isAtLeast(waited, 290)
        assert.isBelow(waited, soon)
        assert.strictEqual(error.reason, "connection")
        assert.strictEqual(error.code, "ECONNREFUSED")
        assert.isTrue(error.isTransient)
        assert.include(error.message, `127.0.0.1:${port}`)
        assert.notInclude(Util.inspect(error, { depth: 10, showHidden: true }), "hunter2")

        const [others, together] = yield* timed(Effect.all([
          Effect.flip(redis.eval(script)("key")),
          Effect.flip(Effect.scoped(redis.subscribe("news"))),
          Effect.flip(Effect.scoped(redis.connection))
        ], { concurrency: "unbounded" }))
        assert.deepStrictEqual(others.map((error) => error.reason), ["connection", "connection", "connection"])
        assert.isBelow(together, soon)
      }))

    test("the default bound is 5 seconds", () =>
      Effect.gen(function*() {
        const port = yield* RedisServer.freePort
        const redis = yield* RedisLive.make({ url: `redis://127.0.0.1:${port}` })
        const [error, waited] = yield* timed(Effect.flip(redis.send("PING")))
        assert.strictEqual(error.reason, "connection")
        assert.isAtLeast(waited, 4900)
        assert.isBelow(waited, 20_000)
      }))

    test("calls that waited are carried out once it is there", () =>
      Effect.gen(function*() {
        const port = yield* RedisServer.freePort
        const redis = yield* RedisLive.make({ url: `redis://127.0.0.1:${port}` })
        const waiting = yield* Effect.fork(Effect.all([
          redis.send("RPUSH", "list", "a"),
          redis.send("RPUSH", "list", "b"),
          redis.send("LRANGE", "list", 0, -1)
        ], { concurrency: "unbounded" }))
        yield* RedisServer.start({ port })
        assert.deepStrictEqual(yield* Fiber.join(waiting), [1, 2, ["a", "b"]])
      }))

    test("closing takes less than a second", () =>
      Effect.gen(function*() {
        const port = yield* RedisServer.freePort
        const [, took] = yield* timed(Effect.scoped(RedisLive.make({ url: `redis://127.0.0.1:${port}` })))
        assert.isBelow(took, soon)
      }))
  })

  describe("a server that goes away", () => {
    test("killed and started again: what was sent fails, what comes later works, subscriptions are back", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url })
        const connection = yield* redis.connection
        const messages = yield* redis.subscribe("news")
        assert.strictEqual(yield* redis.eval(script)("key"), 1)
        const blocked = yield* Effect.fork(Effect.flip(connection.send("BLPOP", "list", 0)))
        yield* untilTrue(
          Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
        )
        yield* server.kill
        const lost = yield* Fiber.join(blocked)
        assert.strictEqual(lost.reason, "connection")
        assert.include(lost.message, `127.0.0.1:${server.port}`)
        yield* server.restart
        // The server forgot the script as well.
        assert.strictEqual(yield* untilOk(redis.eval(script)("key")), 1)
        assert.strictEqual(yield* untilOk(connection.send("PING")), "PONG")
        yield* untilTrue(Effect.map(redis.send<number>("PUBLISH", "news", "back"), (receivers) => receivers === 1))
        assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "back" })
        // The connection's new id is known: it can be unblocked.
        const again = yield* Effect.fork(connection.send("BLPOP", "list", 0))
        yield* untilTrue(
          Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
        )
        yield* connection.unblock
        assert.strictEqual(yield* Fiber.join(again), null)
      }))

    test("a connection that the server closed is made anew", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url })
        const admin = yield* RedisLive.make({ url: server.url })
        yield* redis.send("PING")
        yield* admin.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert.strictEqual(yield* untilOk(redis.send("PING")), "PONG")
      }))

    test("a call is never sent twice", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
        const redis = yield* RedisLive.make({ url: server.url })
        yield* redis.send("PING")
        const exits = yield* Effect.zipLeft(
          Effect.forEach(
            Array.from({ length: 2000 }, (_, i) => i),
            (i) => Effect.exit(redis.send("HINCRBY", "counts", i, 1)),
            { concurrency: "unbounded" }
          ),
          server.kill,
          { concurrent: true }
        )
        yield* server.restart
        const counts = yield* untilOk(redis.send<ReadonlyArray<string>>("HVALS", "counts"))
        assert.isTrue(counts.every((count) => count === "1"))
        // What was acknowledged is there.
        assert.isAtLeast(counts.length, exits.filter(Exit.isSuccess).length)
      }))

    test("a server that still loads its data is waited for, within the bound", () =>
      Effect.gen(function*() {
        // It loads for ten seconds, or until it is told to make haste.
        const server = yield* RedisServer.start({
          args: ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]
        })
        const admin = yield* RedisLive.make({ url: server.url })
        yield* admin.send("EVAL", "for i = 1, 20000 do redis.call('SET', KEYS[1] .. i, i) end", 1, "key:")
        yield* admin.send("SAVE")
        yield* server.kill
        const patient = yield* RedisLive.make({ url: server.url, commandTimeout: "20 seconds" })
        const hasty = yield* RedisLive.make({ url: server.url, commandTimeout: "300 millis" })
        const size = yield* Effect.fork(patient.send("DBSIZE"))
        const restarting = yield* Effect.fork(server.restart)
        // It may be a while before the process listens, and is refused until then.
        const error = yield* Effect.repeat(Effect.flip(hasty.send("DBSIZE")), {
          until: ({ code }) => code !== "ECONNREFUSED"
        })
        assert.strictEqual(error.code, "LOADING")
        assert.strictEqual(error.reason, "connection")
        assert.isTrue(error.isTransient)
        assert.isNull(Option.getOrNull(yield* Fiber.poll(size)))
        assert.include(yield* tell(server.port, "CONFIG SET key-load-delay 0"), "+OK")
        assert.strictEqual(yield* Fiber.join(size), 20_000)
        yield* Fiber.join(restarting)
        assert.strictEqual(yield* untilOk(hasty.send("DBSIZE")), 20_000)
      }))

    test("connections that are cut every few milliseconds: each call ends, none is carried out twice", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const admin = yield* RedisLive.make({ url: server.url })
        const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "3 seconds" })
        const messages = yield* redis.subscribe("news")
        const connection = yield* redis.connection
        const self = yield* admin.send<number>("CLIENT", "ID")
        let killed = 0
        const cutting = yield* Effect.fork(Effect.forever(Effect.gen(function*() {
          for (const type of ["normal", "pubsub"]) {
            killed += yield* admin.send<number>("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
          }
          yield* Effect.sleep("15 millis")
        })))
        const acknowledged = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (fiber) =>
            Effect.reduce(
              Array.from({ length: 60 }, (_, i) => i),
              0,
              (count, i) =>
                redis.send("HINCRBY", `fiber:${fiber}`, i, 1).pipe(
                  Effect.as(count + 1),
                  Effect.catchAll((error) => {
                    assert.strictEqual(error.reason, "connection")
                    return Effect.succeed(count)
                  })
                )
            ),
          { concurrency: "unbounded" }
        )
        yield* Fiber.interrupt(cutting)
        for (let fiber = 0; fiber < 20; fiber++) {
          const counts = yield* untilOk(redis.send<ReadonlyArray<string>>("HVALS", `fiber:${fiber}`))
          assert.isTrue(counts.every((count) => count === "1"))
          assert.isAtLeast(counts.length, acknowledged[fiber]!)
        }
        assert.strictEqual(yield* admin.send("CLIENT", "ID"), self)
        assert.isAbove(killed, 5)
        assert.strictEqual(yield* untilOk(connection.send("PING")), "PONG")
        yield* untilTrue(Effect.map(redis.send<number>("PUBLISH", "news", "still here"), (count) => count === 1))
        assert.strictEqual((yield* Queue.take(messages)).message, "still here")
      }))

    test("loss and return are logged once each, by Effect's loggers, and nothing goes to the console", () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const server = yield* RedisServer.start()
        const redis = yield* Effect.provide(
          RedisLive.make({ url: `redis://:hunter2@127.0.0.1:${server.port}` }),
          logged(lines)
        )
        yield* Effect.asVoid(redis.subscribe("news"))
        const connection = yield* redis.connection
        assert.deepStrictEqual(lines.splice(0).filter((line) => !line.includes("needs no password")), [])
        yield* server.kill
        yield* untilTrue(Effect.sync(() => lines.length > 0))
        yield* server.restart
        yield* untilOk(Effect.zipRight(redis.send("PING"), connection.send("PING")))
        yield* untilTrue(Effect.sync(() => lines.some((line) => line.startsWith("INFO"))))
        const news = lines.filter((line) => !line.includes("needs no password"))
        assert.lengthOf(news, 2)
        assert.match(news[0]!, /^WARN no connection to Redis at 127\.0\.0\.1:\d+, trying again/)
        assert.match(news[1]!, /^INFO connected to Redis at 127\.0\.0\.1:\d+$/)
        assert.notInclude(lines.join(), "hunter2")
      }))

    test("a silent server: calls time out, and the connection is back when it speaks again", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({
          url: server.url,
          commandTimeout: "200 millis",
          connectTimeout: "200 millis"
        })
        yield* redis.send("PING")
        yield* server.pause
        const [error, waited] = yield* timed(Effect.flip(redis.send("SET", "key", "value")))
        assert.strictEqual(error.reason, "timeout")
        assert.isTrue(error.isTransient)
        assert.include(error.message, `127.0.0.1:${server.port}`)
        assert.isBelow(waited, soon)
        assert.isTrue((yield* Effect.flip(redis.send("PING"))).isTransient)
        yield* server.resume
        assert.strictEqual(yield* untilOk(redis.send("PING")), "PONG")
      }))

    for (const state of ["there", "gone", "silent"] as const) {
      test(`closing takes less than a second while the server is ${state}`, () =>
        Effect.gen(function*() {
          const server = yield* RedisServer.start()
          const [, took] = yield* Effect.scoped(Effect.gen(function*() {
            const redis = yield* RedisLive.make({ url: server.url })
            const connection = yield* redis.connection
            yield* Effect.asVoid(redis.subscribe("news"))
            yield* redis.send("PING")
            yield* Effect.forkDaemon(Effect.exit(connection.send("BLPOP", "list", 0)))
            yield* untilTrue(
              Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
            )
            if (state === "gone") yield* server.kill
            if (state === "silent") yield* server.pause
            return performance.now()
          })).pipe(Effect.map((start) => [undefined, performance.now() - start] as const))
          assert.isBelow(took, soon)
          if (state === "there") {
            const admin = yield* RedisLive.make({ url: server.url })
            yield* untilTrue(Effect.map(
              admin.send<string>("CLIENT", "LIST"),
              (clients) => clients.trim().split("\n").length === 1
            ))
          }
        }))
    }

    test("what is called after the close fails at once", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* Effect.scoped(RedisLive.make({ url: server.url }))
        const [error, waited] = yield* timed(Effect.flip(redis.send("PING")))
        assert.strictEqual(error.reason, "connection")
        assert.isBelow(waited, soon)
      }))
  })

  describe("a server that refuses", () => {
    test("a wrong password, none, and the right one", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start({ password: "p@ss/w:rd" })
        const at = `127.0.0.1:${server.port}`
        const refused = (options: RedisLive.Options) =>
          Effect.scoped(Effect.flatMap(RedisLive.make(options), (redis) => timed(Effect.flip(redis.send("PING")))))

        const [wrong, waited] = yield* refused({ url: `redis://:hunter2@${at}` })
        assert.strictEqual(wrong.reason, "reply")
        assert.strictEqual(wrong.code, "WRONGPASS")
        assert.isFalse(wrong.isTransient)
        assert.isBelow(waited, soon)
        assert.include(wrong.message, at)
        assert.notInclude(Util.inspect(wrong, { depth: 10, showHidden: true }), "hunter2")
        assert.strictEqual((yield* refused({ url: `redis://${at}` }))[0].code, "NOAUTH")

        for (
          const options of [
            { url: server.url },
            { url: Redacted.make(server.url) },
            { url: `redis://${at}`, password: Redacted.make("p@ss/w:rd") },
            { url: `redis://:hunter2@${at}`, password: "p@ss/w:rd" }
          ]
        ) {
          const redis = yield* RedisLive.make(options)
          assert.strictEqual(yield* redis.send("PING"), "PONG")
          assert.strictEqual(yield* Effect.scoped(Effect.flatMap(redis.connection, (c) => c.send("PING"))), "PONG")
          yield* Effect.scoped(Effect.asVoid(redis.subscribe("news")))
        }
      }))

    test("a user of its own, whose name and password need escapes", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const admin = yield* RedisLive.make({ url: server.url })
        yield* admin.send("ACL", "SETUSER", "a:b", "on", ">c@d/é", "~allowed", "+@all")
        const redis = yield* RedisLive.make({
          url: `redis://${encodeURIComponent("a:b")}:${encodeURIComponent("c@d/é")}@127.0.0.1:${server.port}`
        })
        assert.strictEqual(yield* redis.send("SET", "allowed", "x"), "OK")
        assert.strictEqual((yield* Effect.flip(redis.send("SET", "forbidden", "x"))).code, "NOPERM")
        assert.strictEqual(yield* redis.send("ACL", "WHOAMI"), "a:b")
      }))

    test("a database that doesn't exist", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url, db: 99 })
        const [error, waited] = yield* timed(Effect.flip(redis.send("SET", "key", "value")))
        assert.strictEqual(error.reason, "reply")
        assert.include(error.message, "out of range")
        assert.isBelow(waited, soon)
        const first = yield* RedisLive.make({ url: server.url })
        assert.strictEqual(yield* first.send("EXISTS", "key"), 0)
      }))

    test("commands that would change the connection for others", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url })
        for (const command of ["subscribe", "MULTI", "select", "MONITOR", "QUIT"]) {
          const error = yield* Effect.flip(redis.send(command, "1"))
          assert.strictEqual(error.reason, "reply", command)
        }
        assert.strictEqual(yield* redis.send("PING"), "PONG")
      }))

    test("a master that became a replica: the call fails, and the connection is made anew", () =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([RedisServer.start(), RedisServer.start()])
        const redis = yield* RedisLive.make({ url: a.url })
        const id = yield* redis.send<number>("CLIENT", "ID")
        yield* redis.send("REPLICAOF", "127.0.0.1", b.port)
        const error = yield* Effect.flip(redis.send("SET", "key", "value"))
        assert.strictEqual(error.code, "READONLY")
        assert.isTrue(error.isTransient)
        assert.notStrictEqual(yield* untilOk(redis.send<number>("CLIENT", "ID")), id)
      }))
  })

  describe("blocking", () => {
    test("is not cut short by the bound of ordinary calls", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "150 millis" })
        const connection = yield* redis.connection
        const [reply, waited] = yield* timed(connection.send("BLPOP", "list", 0.6))
        assert.strictEqual(reply, null)
        assert.isAtLeast(waited, 550)
        const [read, waitedAgain] = yield* timed(connection.send("XREAD", "BLOCK", 400, "STREAMS", "stream", "$"))
        assert.strictEqual(read, null)
        assert.isAtLeast(waitedAgain, 350)
        const forever = yield* Effect.fork(connection.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0))
        // Longer than the bound, on a second connection.
        yield* Effect.scoped(Effect.flatMap(redis.connection, (c) => c.send("BLPOP", "nothing", 0.4)))
        yield* redis.send("RPUSH", "list", "job")
        assert.strictEqual(yield* Fiber.join(forever), "job")
      }))

    test("is bounded by its own time and the bound when the server falls silent", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "200 millis" })
        const connection = yield* redis.connection
        const waiting = yield* Effect.fork(timed(Effect.flip(connection.send("BLPOP", "list", 0.3))))
        yield* untilTrue(
          Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
        )
        yield* server.pause
        const [error, waited] = yield* Fiber.join(waiting)
        assert.strictEqual(error.reason, "timeout")
        assert.isAtLeast(waited, 480)
        assert.isBelow(waited, soon)
        yield* server.resume
        assert.strictEqual(yield* untilOk(connection.send("PING")), "PONG")
      }))

    test("interrupting is bounded when the server is silent, and nothing is popped unseen", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "200 millis" })
        const connection = yield* redis.connection
        const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
        yield* untilTrue(
          Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
        )
        yield* server.pause
        const [, took] = yield* timed(Fiber.interrupt(waiting))
        assert.isBelow(took, soon)
        yield* server.resume
        yield* untilTrue(Effect.map(
          untilOk(redis.send<string>("INFO", "clients")),
          (info) => info.includes("blocked_clients:0")
        ))
        yield* redis.send("RPUSH", "list", "job")
        assert.deepStrictEqual(yield* untilOk(connection.send("BLPOP", "list", 1)), ["list", "job"])
      }))

    test("a thousand interruptions at any moment lose nothing that is moved", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url })
        const connection = yield* redis.connection
        for (let i = 0; i < 1000; i++) {
          const waiting = yield* Effect.fork(connection.send("BLMOVE", "list", "taken", "LEFT", "RIGHT", 0))
          if (i % 3 === 0) yield* Effect.yieldNow()
          const push = yield* Effect.fork(redis.send("RPUSH", "list", i))
          if (i % 2 === 0) yield* Effect.yieldNow()
          yield* Fiber.interrupt(waiting)
          yield* Fiber.join(push)
        }
        const left = yield* redis.send<ReadonlyArray<string>>("LRANGE", "list", 0, -1)
        const taken = yield* redis.send<ReadonlyArray<string>>("LRANGE", "taken", 0, -1)
        assert.deepStrictEqual(
          [...taken, ...left].map(Number).sort((a, b) => a - b),
          Array.from({ length: 1000 }, (_, i) => i)
        )
        assert.strictEqual(yield* connection.send("PING"), "PONG")
      }))
  })

  describe("closing", () => {
    // A process whose work is done waits for its timers.
    test("leaves no timer behind, also after a blocked call was interrupted", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const timers = Effect.sync(() => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length)
        yield* Effect.scoped(Effect.gen(function*() {
          const redis = yield* RedisLive.make({ url: server.url, commandTimeout: "1 minute" })
          const connection = yield* redis.connection
          const blocked = yield* Effect.fork(connection.send("BLPOP", "nothing", 0))
          yield* untilTrue(
            Effect.map(redis.send<string>("INFO", "clients"), (info) => info.includes("blocked_clients:1"))
          )
          yield* Fiber.interrupt(blocked)
        }))
        // Sockets take a moment to close.
        yield* untilTrue(Effect.map(timers, (count) => count === 0))
      }))
  })

  describe("key prefix", () => {
    test("is before every key and channel on the server, and on none that comes back", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const raw = yield* RedisLive.make({ url: server.url })
        const redis = yield* RedisLive.make({ url: server.url, keyPrefix: "app*:" })
        const connection = yield* redis.connection
        yield* raw.send("MSET", "foreign", "1", "apple:x", "1")
        yield* redis.send("MSET", "a", "1", "b", "2")
        yield* redis.eval(script)("counter")
        yield* redis.send("RPUSH", "list", "x", "y")
        yield* redis.send("ZADD", "zset", 1, "m")
        yield* redis.send("XADD", "stream", "1-1", "f", "v")
        yield* redis.send("SADD", "set", "member")
        assert.sameMembers(
          [...(yield* raw.send<ReadonlyArray<string>>("KEYS", "*"))],
          ["foreign", "apple:x", ...["a", "b", "counter", "list", "zset", "stream", "set"].map((key) => `app*:${key}`)]
        )
        const all = ["a", "b", "counter", "list", "zset", "stream", "set"]
        assert.sameMembers([...(yield* redis.send<ReadonlyArray<string>>("KEYS", "*"))], all)
        assert.sameMembers([...(yield* redis.send<ReadonlyArray<string>>("KEYS", "?"))], ["a", "b"])
        const scan = (...args: ReadonlyArray<string>) =>
          Effect.map(
            redis.send<readonly [string, ReadonlyArray<string>]>("SCAN", "0", ...args),
            ([, keys]) => [...keys]
          )
        assert.sameMembers(yield* scan("COUNT", "1000"), all)
        assert.sameMembers(yield* scan("COUNT", "1000", "match", "s*"), ["stream", "set"])
        assert.sameMembers(yield* scan("COUNT", "1000", "TYPE", "list"), ["list"])
        assert.deepStrictEqual(yield* redis.send("SMEMBERS", "set"), ["member"])
        assert.deepStrictEqual(yield* connection.send("BLPOP", "nothing", "list", 1), ["list", "x"])
        assert.deepStrictEqual(yield* redis.send("LMPOP", 2, "nothing", "list", "LEFT"), ["list", ["y"]])
        assert.deepStrictEqual(yield* connection.send("BZPOPMIN", "zset", 1), ["zset", "m", "1"])
        assert.deepStrictEqual(yield* redis.send("XREAD", "COUNT", 1, "STREAMS", "stream", "0"), [
          ["stream", [["1-1", ["f", "v"]]]]
        ])
        const [[name]] = yield* redis.sendBytes<readonly [readonly [Uint8Array]]>("XREAD", "STREAMS", "stream", "0")
        assert.strictEqual(Buffer.from(name).toString(), "stream")

        const messages = yield* redis.subscribe("news")
        assert.strictEqual(yield* raw.send("PUBLISH", "news", "foreign"), 0)
        assert.strictEqual(yield* raw.send("PUBLISH", "app*:news", "one"), 1)
        assert.strictEqual(yield* redis.send("PUBLISH", "news", "two"), 1)
        assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "one" })
        assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "two" })
        assert.deepStrictEqual(yield* redis.send("PUBSUB", "NUMSUB", "news"), ["news", 1])
        assert.deepStrictEqual(yield* redis.send("PUBSUB", "CHANNELS"), ["news"])
      }))
  })

  describe("options", () => {
    test("a database, in the path, the query or the options", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const write = (options: RedisLive.Options, key: string) =>
          Effect.scoped(Effect.flatMap(RedisLive.make(options), (redis) => redis.send("SET", key, "x")))
        yield* write({ url: `${server.url}/1` }, "path")
        yield* write({ url: `${server.url}?db=2` }, "query")
        yield* write({ url: `${server.url}/1`, db: 3 }, "option")
        for (const [db, key] of [[1, "path"], [2, "query"], [3, "option"]] as const) {
          const redis = yield* RedisLive.make({ url: server.url, db })
          assert.deepStrictEqual(yield* redis.send("KEYS", "*"), [key])
        }
      }))

    test("a unix socket", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: `unix://${server.socket}?db=4` })
        yield* redis.send("SET", "key", "value")
        const other = yield* RedisLive.make({ url: server.url, db: 4 })
        assert.strictEqual(yield* other.send("GET", "key"), "value")
        const connection = yield* redis.connection
        const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
        yield* Effect.yieldNow()
        yield* connection.unblock
        assert.strictEqual(yield* Fiber.join(waiting), null)
      }))

    test("a name for CLIENT LIST", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const redis = yield* RedisLive.make({ url: server.url, clientName: "billing" })
        yield* redis.connection
        const clients = (yield* redis.send<string>("CLIENT", "LIST")).trim().split("\n")
        assert.isTrue(clients.every((client) => client.includes("name=billing")))
        assert.lengthOf(clients, 2)
      }))

    test("what contradicts itself is refused without a connection, and without showing the password", () =>
      Effect.gen(function*() {
        const wrong: ReadonlyArray<RedisLive.Options> = [
          { url: "http://:hunter2@localhost" },
          { url: "hunter2" },
          { url: "redis://:hunter2%E0%A4@localhost" },
          { url: "redis://localhost/hunter2" },
          { db: -1 },
          { db: 1.5 },
          { commandTimeout: 0 },
          { connectTimeout: "-1 second" },
          { sentinels: { hosts: [], name: "m" } },
          { sentinels: { hosts: ["a:b:c"], name: "m" } },
          { sentinels: { hosts: ["a"], name: "m" }, cluster: { nodes: ["b"] } },
          { cluster: { nodes: ["a"] }, keyPrefix: "rq:" },
          { cluster: { nodes: ["a"] }, keyPrefix: "{}rq:" },
          { cluster: { nodes: ["a"] }, db: 1 },
          { url: "redis://:hunter2@localhost:0" },
          { url: "redis://:hunter2@localhost/0x1" },
          { url: "unix:///hunter2%00" },
          { sentinels: { hosts: ["redis://:hunter2@localhost:26379"], name: "m" } },
          { sentinels: { hosts: ["a"], name: "" } },
          { cluster: { nodes: ["a:65536"] } },
          { cluster: { nodes: ["a:0"] } },
          { clientName: "hunter2 and more" }
        ]
        for (const options of wrong) {
          const exit = yield* Effect.exit(Effect.scoped(RedisLive.make(options)))
          assert.isTrue(Exit.isFailure(exit), JSON.stringify(options))
          if (Exit.isFailure(exit)) {
            assert.strictEqual(Cause.squash(exit.cause) instanceof Error, false)
            const text = Util.inspect(exit.cause, { depth: 10 }) + Cause.pretty(exit.cause)
            assert.include(text, "InvalidData")
            assert.notInclude(text, "hunter2")
          }
        }
      }))

    test("what is of another type, as JavaScript may pass it, is refused by its name", () =>
      Effect.gen(function*() {
        const wrong: ReadonlyArray<readonly [options: unknown, field: string, message: string]> = [
          [null, "options", "expected an object, got null"],
          [{ url: 5 }, "url", "expected a text, got a number"],
          [{ username: {} }, "username", "expected a text, got an object"],
          [{ password: Redacted.make(5) }, "password", "expected a text, got a number"],
          [{ db: "1" }, "db", "the database must be a number from 0"],
          [{ tls: "false" }, "tls", "expected an object, got a text"],
          [{ keyPrefix: 1 }, "keyPrefix", "expected a text, got a number"],
          [{ commandTimeout: "soon" }, "commandTimeout", "expected a duration"],
          [
            { sentinels: { hosts: "a:1", name: "m" } },
            "sentinels.hosts",
            "expected a list of \"host:port\", got a text"
          ],
          [{ sentinels: { hosts: ["a", 1], name: "m" } }, "sentinels.hosts[1]", "expected \"host:port\""],
          [{ cluster: "a:1" }, "cluster", "expected an object, got a text"]
        ]
        for (const [options, field, message] of wrong) {
          const error = yield* Effect.flip(Effect.scoped(RedisLive.make(options as RedisLive.Options)))
          assert.include(String(error), `RedisLive.${field}: "${message}`)
        }
      }))

    test("configuration that names no option means the defaults, and what is none is refused", () =>
      Effect.gen(function*() {
        yield* Effect.scoped(Layer.build(RedisLive.layerConfig({})))
        const none = { url: "redis://localhost" } as unknown as Config.Config.Wrap<RedisLive.Options>
        const error = yield* Effect.flip(Effect.scoped(Layer.build(RedisLive.layerConfig(none))))
        assert.include(String(error), "expected a Config")
      }))

    test("from configuration", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start({ password: "secret" })
        const get = Effect.flatMap(Redis.Redis, (redis) =>
          Effect.zipRight(redis.send("SET", "key", "value"), redis.send("CLIENT", "INFO")))
        const withVariables = (variables: ReadonlyArray<readonly [string, string]>) =>
          get.pipe(
            Effect.provide(RedisLive.layerConfig(RedisLive.config)),
            Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables)))
          )
        const info = yield* withVariables([
          ["REDIS_URL", `redis://127.0.0.1:${server.port}/5`],
          ["REDIS_PASSWORD", "secret"],
          ["REDIS_KEY_PREFIX", "app:"],
          ["REDIS_CLIENT_NAME", "from-config"],
          ["REDIS_COMMAND_TIMEOUT", "2 seconds"]
        ])
        assert.include(String(info), "name=from-config")
        assert.include(String(info), "db=5")
        const redis = yield* RedisLive.make({ url: server.url, db: 5 })
        assert.deepStrictEqual(yield* redis.send("KEYS", "*"), ["app:key"])

        const own = RedisLive.layerConfig({
          url: Config.redacted("MY_REDIS"),
          commandTimeout: Config.duration("MY_TIMEOUT").pipe(Config.withDefault("1 second"))
        })
        yield* get.pipe(
          Effect.provide(own),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["MY_REDIS", server.url]])))
        )
        const bad = yield* Effect.exit(withVariables([["REDIS_COMMAND_TIMEOUT", "soon"]]))
        assert.isTrue(Exit.isFailure(bad))
        const clash = yield* Effect.exit(
          withVariables([["REDIS_SENTINELS", "localhost:1"], ["REDIS_CLUSTER_NODES", "localhost:2"]])
        )
        assert.include(Util.inspect(clash, { depth: 10 }), "not both")
      }))

    const openssl = RedisServer.which("openssl")
    it.live.skipIf(openssl === undefined)(
      "TLS, with a certificate that is checked",
      () =>
        Effect.scoped(Effect.gen(function*() {
          const plain = yield* RedisServer.start() // for its directory
          const file = (name: string) => Path.join(plain.dir, name)
          const made = ChildProcess.spawnSync(openssl!, [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout",
            file("key.pem"),
            "-out",
            file("cert.pem")
          ], { encoding: "utf8" })
          assert.strictEqual(made.status, 0, made.stderr)
          const tls = { cert: file("cert.pem"), key: file("key.pem"), ca: file("cert.pem") }
          const server = yield* RedisServer.start({ tls, password: "secret" })
          const ca = yield* Effect.promise(() => import("node:fs/promises").then((fs) => fs.readFile(tls.ca)))
          const redis = yield* RedisLive.make({ url: server.url, tls: { ca } })
          assert.strictEqual(yield* redis.send("PING"), "PONG")
          assert.strictEqual(yield* Effect.flatMap(redis.connection, (connection) => connection.send("PING")), "PONG")

          const untrusting = yield* RedisLive.make({ url: server.url, commandTimeout: "300 millis" })
          const error = yield* Effect.flip(untrusting.send("PING"))
          assert.strictEqual(error.reason, "connection")
          assert.match(error.message, /self.signed certificate/)
        }))
    )
  })
})
