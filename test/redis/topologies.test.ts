/**
 * Sentinel and Redis Cluster, for real.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisServer from "../support/redis-server.js"

const untilOk = <A, R>(effect: Effect.Effect<A, Redis.RedisError, R>) =>
  Effect.retry(effect, { while: (error) => error.isTransient, schedule: Schedule.spaced("20 millis") })

const untilTrue = <E, R>(effect: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(effect, { until: (done) => done, schedule: Schedule.spaced("20 millis") })

const admin = (server: RedisServer.Server) => RedisLive.make({ url: server.url })

const append = Redis.script((key: string, family: string, id: string) => [key, family, id], {
  name: "append",
  numberOfKeys: 2,
  lua: `redis.call("SET", KEYS[2] .. ARGV[1], "x") return redis.call("RPUSH", KEYS[1], ARGV[1])`,
  result: (reply: number) => reply
})

/** Blocks, is woken, is unblocked, publishes and subscribes. */
const exercise = (redis: Redis.RedisService) =>
  Effect.scoped(Effect.gen(function*() {
    const connection = yield* redis.connection
    const messages = yield* redis.subscribe("news")
    const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 5))
    yield* redis.eval(append)("list", "job:", "1")
    assert.deepStrictEqual(yield* Fiber.join(waiting), ["list", "1"])
    assert.strictEqual(yield* redis.send("GET", "job:1"), "x")
    const blocked = yield* Effect.fork(connection.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0))
    yield* Effect.yieldNow()
    yield* connection.unblock
    assert.strictEqual(yield* Fiber.join(blocked), null)
    yield* redis.send("PUBLISH", "news", "one")
    assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "one" })
  }))

describe("RedisLive with Sentinel", () => {
  it.scopedLive("finds the master, and the new one after a failover", () =>
    Effect.gen(function*() {
      const first = yield* RedisServer.start({ password: "secret" })
      const second = yield* RedisServer.start({
        password: "secret",
        args: ["--replicaof", `127.0.0.1 ${first.port}`, "--masterauth", "secret"]
      })
      const sentinel = yield* RedisServer.start({
        sentinel: [
          `sentinel monitor jobs 127.0.0.1 ${first.port} 1`,
          "sentinel auth-pass jobs secret",
          "sentinel down-after-milliseconds jobs 300",
          "sentinel failover-timeout jobs 3000"
        ]
      })
      const gone = yield* RedisServer.freePort
      const redis = yield* RedisLive.make({
        sentinels: { hosts: [`127.0.0.1:${gone}`, `127.0.0.1:${sentinel.port}`], name: "jobs" },
        password: "secret",
        db: 2,
        commandTimeout: "2 seconds"
      })
      const port = Effect.map(
        redis.send<readonly [string, string]>("CONFIG", "GET", "port"),
        ([, port]) => Number(port)
      )
      assert.strictEqual(yield* port, first.port)
      yield* exercise(redis)
      yield* redis.send("SET", "key", "value")

      const connection = yield* redis.connection
      const messages = yield* redis.subscribe("news")
      const watch = yield* RedisLive.make({ url: `redis://127.0.0.1:${sentinel.port}` })
      yield* untilTrue(Effect.map(
        watch.send<ReadonlyArray<unknown>>("SENTINEL", "REPLICAS", "jobs"),
        (replicas) => JSON.stringify(replicas).includes("\"master-link-status\",\"ok\"")
      ))
      yield* redis.send("WAIT", 1, 0)
      yield* first.kill
      yield* untilTrue(Effect.map(untilOk(port), (port) => port === second.port))
      assert.strictEqual(yield* untilOk(redis.send("GET", "key")), "value")
      yield* untilOk(redis.send("SET", "key", "new"))
      assert.strictEqual(yield* untilOk(connection.send("GET", "key")), "new")
      yield* untilTrue(Effect.map(untilOk(redis.send<number>("PUBLISH", "news", "back")), (count) => count === 1))
      assert.strictEqual((yield* Queue.take(messages)).message, "back")
      yield* exercise(redis)
    }), 30_000)

  it.scopedLive("says which Sentinels it asked when none answers, and closes at once", () =>
    Effect.gen(function*() {
      const gone = yield* RedisServer.freePort
      const started = yield* Effect.scoped(Effect.gen(function*() {
        const redis = yield* RedisLive.make({
          sentinels: { hosts: [`127.0.0.1:${gone}`], name: "jobs", password: "hunter2" },
          commandTimeout: "300 millis"
        })
        const error = yield* Effect.flip(redis.send("PING"))
        assert.strictEqual(error.reason, "connection")
        assert.include(error.message, `127.0.0.1:${gone}`)
        assert.include(error.message, "jobs")
        assert.notInclude(JSON.stringify(error), "hunter2")
        return performance.now()
      }))
      // by default it would be 5 seconds
      assert.isBelow(performance.now() - started, 4000)
    }))
})

describe("RedisLive with Redis Cluster", () => {
  const startCluster = Effect.gen(function*() {
    const nodes = yield* Effect.all(
      Array.from(
        { length: 3 },
        () => RedisServer.start({ args: ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"] })
      ),
      { concurrency: "unbounded" }
    )
    const admins = yield* Effect.forEach(nodes, admin)
    const bounds = [0, 5461, 10922, 16384]
    yield* Effect.forEach(admins, (redis, i) => redis.send("CLUSTER", "ADDSLOTSRANGE", bounds[i]!, bounds[i + 1]! - 1))
    yield* Effect.forEach(admins, (redis, i) => redis.send("CLUSTER", "SET-CONFIG-EPOCH", i + 1))
    yield* Effect.forEach(nodes.slice(1), (node) => admins[0]!.send("CLUSTER", "MEET", "127.0.0.1", node.port))
    yield* Effect.forEach(
      admins,
      (redis) =>
        untilTrue(
          Effect.map(redis.send<string>("CLUSTER", "INFO"), (info) =>
            info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3"))
        )
    )
    return { nodes, admins }
  })

  it.scopedLive("lives in one slot, and follows it", () =>
    Effect.gen(function*() {
      const { admins, nodes } = yield* startCluster
      const gone = yield* RedisServer.freePort
      const redis = yield* RedisLive.make({
        cluster: { nodes: [`127.0.0.1:${gone}`, `127.0.0.1:${nodes[0]!.port}`] },
        commandTimeout: "3 seconds"
      })
      yield* exercise(redis)
      yield* redis.send("MSET", "a", 1, "b", 2, "c", 3)
      assert.deepStrictEqual(yield* redis.send("MGET", "a", "b", "c"), ["1", "2", "3"])
      const keys = yield* Effect.forEach(admins, (admin) => admin.send<ReadonlyArray<string>>("KEYS", "*"))
      const owner = keys.findIndex((keys) => keys.length > 0)
      assert.sameMembers(keys.flat(), ["{rq}:a", "{rq}:b", "{rq}:c", "{rq}:job:1"])
      assert.lengthOf(keys.filter((keys) => keys.length > 0), 1)

      // The slot moves to another node while somebody is blocked on the first.
      const slot = yield* admins[0]!.send<number>("CLUSTER", "KEYSLOT", "{rq}:a")
      const next = (owner + 1) % 3
      const id = yield* admins[next]!.send<string>("CLUSTER", "MYID")
      const connection = yield* redis.connection
      const messages = yield* redis.subscribe("news")
      yield* redis.send("DEL", "a", "b", "c", "job:1")
      const waiting = yield* Effect.fork(connection.send("BLPOP", "list", 0))
      yield* untilTrue(Effect.map(
        admins[owner]!.send<string>("INFO", "clients"),
        (info) => info.includes("blocked_clients:1")
      ))
      yield* admins[next]!.send("CLUSTER", "SETSLOT", slot, "NODE", id)
      yield* admins[next]!.send("CLUSTER", "BUMPEPOCH")
      yield* admins[owner]!.send("CLUSTER", "SETSLOT", slot, "NODE", id)
      // Many at once: each of them was refused, none of them fails.
      const counted = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, i) => i),
        () => redis.send<number>("INCR", "counter"),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(counted, Array.from({ length: 100 }, (_, i) => i + 1))
      assert.deepStrictEqual(yield* admins[next]!.send("KEYS", "*"), ["{rq}:counter"])
      yield* redis.eval(append)("list", "job:", "2")
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["list", "2"])
      yield* redis.send("PUBLISH", "news", "moved")
      assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "moved" })
      yield* exercise(redis)
    }), 30_000)

  it.scopedLive("a prefix of one's own with a hash tag", () =>
    Effect.gen(function*() {
      const gone = yield* RedisServer.freePort
      const redis = yield* RedisLive.make({
        cluster: { nodes: [`127.0.0.1:${gone}`] },
        keyPrefix: "app:{jobs}:",
        commandTimeout: "300 millis"
      })
      const error = yield* Effect.flip(redis.send("PING"))
      assert.strictEqual(error.reason, "connection")
      assert.include(error.message, `127.0.0.1:${gone}`)
    }))
})
