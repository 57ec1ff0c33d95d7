/**
 * The servers of a run: a Redis, one behind a proxy, one that speaks TLS, a master that Sentinels look after, a Cluster.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { RedisService } from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisServer from "../support/redis-server.js"
import { Witness } from "../support/witness.js"
import type { Dump } from "./check.js"
import { monitor, type See } from "./monitor.js"
import type { RedisConfig } from "./protocol.js"
import * as Proxy from "./proxy.js"

export class StageError extends Data.TaggedError("StageError")<{ readonly message: string }> {}

export interface Stage {
  /** How the fleet finds Redis. */
  readonly fleet: RedisConfig
  /** How the harness finds it: never through the proxy. */
  readonly direct: RedisConfig
  readonly servers: ReadonlyArray<RedisServer.Server>
  readonly sentinel: RedisServer.Server | undefined
  readonly proxy: Proxy.Proxy | undefined
  readonly prefix: string
  readonly password: string | undefined
  readonly caFile: string | undefined
}

export type StageName =
  | "plain"
  | "aof"
  | "everysec"
  | "proxied"
  | "replica"
  | "sentinel"
  | "cluster"
  | "tls"
  | "password"

const untilTrue = <E, R>(what: string, effect: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(effect, { until: (done) => done, schedule: Schedule.spaced("20 millis") }).pipe(
    Effect.timeoutFail({
      duration: "20 seconds",
      onTimeout: () => new StageError({ message: `not within 20 s: ${what}` })
    })
  )

/** RedisLive on a stage or a part of it, with the certificate's authority where there is one. */
export const connect = ({ caFile, ...redis }: RedisConfig) =>
  RedisLive.make(caFile === undefined ? redis : { ...redis, tls: { ca: Fs.readFileSync(caFile) } })

const run = (command: string, args: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const { status, stderr } = ChildProcess.spawnSync(command, args, { encoding: "utf8" })
    return status === 0
      ? Effect.void
      : Effect.fail(new StageError({ message: `${command} ${args[0] ?? ""} ended with ${status}: ${stderr}` }))
  })

/** An authority, and a certificate for the loopback interface that it signed. */
const certificates = Effect.gen(function*() {
  const dir = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-tls-"))),
    (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
  )
  const at = (name: string) => Path.join(dir, name)
  const openssl = (...args: ReadonlyArray<string>) => run("openssl", args)
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const signed = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("names")]
  const authority = ["-days", "2", "-keyout", at("ca.key"), "-out", at("ca.crt"), "-subj", "/CN=effect-rq test"]
  yield* openssl("req", "-x509", ...key, ...authority)
  yield* openssl("req", ...key, "-keyout", at("redis.key"), "-out", at("redis.csr"), "-subj", "/CN=127.0.0.1")
  Fs.writeFileSync(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
  yield* openssl("x509", "-req", "-in", at("redis.csr"), ...signed, "-out", at("redis.crt"))
  return { ca: at("ca.crt"), cert: at("redis.crt"), key: at("redis.key") }
})

const one = (server: RedisServer.Server, more: Partial<Stage> = {}): Stage => ({
  fleet: { url: server.url },
  direct: { url: server.url },
  servers: [server],
  sentinel: undefined,
  proxy: undefined,
  prefix: "",
  password: undefined,
  caFile: undefined,
  ...more
})

const replicaOf = (first: RedisServer.Server) =>
  RedisServer.start({ args: ["--replicaof", `127.0.0.1 ${first.port}`, "--repl-diskless-sync-delay", "0"] })

const synced = (first: RedisServer.Server, count: number) =>
  Effect.scoped(Effect.gen(function*() {
    const redis = yield* connect({ url: first.url })
    yield* untilTrue(
      "the replica follows",
      Effect.map(redis.send<string>("INFO", "replication"), (info) => info.split("state=online").length - 1 === count)
    )
  }))

const sentinelStage = Effect.gen(function*() {
  const first = yield* RedisServer.start()
  const second = yield* replicaOf(first)
  yield* synced(first, 1)
  const sentinel = yield* RedisServer.start({
    sentinel: [
      `sentinel monitor jobs 127.0.0.1 ${first.port} 1`,
      "sentinel down-after-milliseconds jobs 1000",
      "sentinel failover-timeout jobs 5000"
    ]
  })
  const watch = yield* connect({ url: `redis://127.0.0.1:${sentinel.port}` })
  yield* untilTrue(
    "the Sentinel knows the replica",
    Effect.map(
      watch.send<ReadonlyArray<unknown>>("SENTINEL", "REPLICAS", "jobs"),
      (replicas) => JSON.stringify(replicas).includes("\"master-link-status\",\"ok\"")
    )
  )
  const sentinels = { hosts: [`127.0.0.1:${sentinel.port}`], name: "jobs" }
  return one(first, { servers: [first, second], sentinel, fleet: { sentinels }, direct: { sentinels } })
})

const clusterStage = Effect.gen(function*() {
  const nodes = yield* Effect.all(
    Array.from(
      { length: 3 },
      () => RedisServer.start({ args: ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"] })
    ),
    { concurrency: "unbounded" }
  )
  const admins = yield* Effect.forEach(nodes, (node) => connect({ url: node.url }))
  const bounds = [0, 5461, 10922, 16384]
  yield* Effect.forEach(admins, (redis, i) => redis.send("CLUSTER", "ADDSLOTSRANGE", bounds[i]!, bounds[i + 1]! - 1))
  yield* Effect.forEach(admins, (redis, i) => redis.send("CLUSTER", "SET-CONFIG-EPOCH", i + 1))
  yield* Effect.forEach(nodes.slice(1), (node) => admins[0]!.send("CLUSTER", "MEET", "127.0.0.1", node.port))
  yield* Effect.forEach(admins, (redis) =>
    untilTrue(
      "the cluster is whole",
      Effect.map(redis.send<string>("CLUSTER", "INFO"), (info) =>
        info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3"))
    ))
  const cluster = { nodes: nodes.map(({ port }) => `127.0.0.1:${port}`) }
  return one(nodes[0]!, { servers: nodes, fleet: { cluster }, direct: { cluster }, prefix: "{rq}:" })
})

export const start = (
  name: StageName
): Effect.Effect<Stage, unknown, Scope.Scope> => {
  switch (name) {
    case "plain":
      return Effect.map(RedisServer.start(), one)
    case "aof":
      return Effect.map(RedisServer.start({ args: ["--appendonly", "yes", "--appendfsync", "always"] }), one)
    case "everysec":
      return Effect.map(RedisServer.start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] }), one)
    case "proxied":
      return Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const proxy = yield* Proxy.start(server.port)
        return one(server, { proxy, fleet: { url: `redis://127.0.0.1:${proxy.port}` } })
      })
    case "replica":
      return Effect.gen(function*() {
        const first = yield* RedisServer.start()
        const second = yield* replicaOf(first)
        yield* synced(first, 1)
        return one(first, { servers: [first, second] })
      })
    case "sentinel":
      return sentinelStage
    case "cluster":
      return clusterStage
    case "password":
      return Effect.map(
        RedisServer.start({ password: "first-secret" }),
        (server) => one(server, { password: "first-secret" })
      )
    case "tls":
      return Effect.gen(function*() {
        const tls = yield* certificates
        const server = yield* RedisServer.start({ tls, args: ["--appendonly", "yes", "--appendfsync", "always"] })
        const redis = { url: server.url, caFile: tls.ca }
        return one(server, { fleet: redis, direct: redis, caFile: tls.ca })
      })
  }
}

/** What every server carries out, for as long as the scope is open. */
export const witness = (stage: Stage, queue: string, onLine: (args: ReadonlyArray<string>, source: string) => void) =>
  Effect.forEach(stage.servers, ({ port }) => {
    const seen = new Witness(queue, stage.prefix)
    const see: See = (time, args, source) => {
      seen.see(time, args, source)
      onLine(args, source)
    }
    return Effect.as(monitor({ port, password: stage.password, caFile: stage.caFile }, see), seen)
  })

const pairsOf = (flat: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!] as const)

/** The whole state, as the invariants read it. Streams are told by their keys alone. */
export const dump = (redis: RedisService): Effect.Effect<Dump, unknown> =>
  Effect.gen(function*() {
    const names = yield* allKeys(redis)
    const entries = yield* Effect.forEach(
      names,
      (key) =>
        Effect.gen(function*() {
          const type = yield* redis.send<string>("TYPE", key)
          const expireAt = yield* redis.send<number>("PEXPIRETIME", key)
          const expiresAt = expireAt < 0 ? null : expireAt
          switch (type) {
            case "hash": {
              const flat = yield* redis.send<ReadonlyArray<string>>("HGETALL", key)
              return [key, { type, value: Object.fromEntries(pairsOf(flat)), expiresAt }] as const
            }
            case "list":
              return [
                key,
                { type, value: yield* redis.send<ReadonlyArray<string>>("LRANGE", key, 0, -1), expiresAt }
              ] as const
            case "set":
              return [key, {
                type,
                value: yield* redis.send<ReadonlyArray<string>>("SMEMBERS", key),
                expiresAt
              }] as const
            case "zset": {
              const flat = yield* redis.send<ReadonlyArray<string>>("ZRANGE", key, 0, -1, "WITHSCORES")
              const value = pairsOf(flat).map(([member, score]) => [member, Number(score)] as const)
              return [key, { type, value, expiresAt }] as const
            }
            case "stream":
              return [key, { type, value: [], lastId: "0-0", expiresAt }] as const
            case "string":
              return [key, { type, value: (yield* redis.send<string | null>("GET", key)) ?? "", expiresAt }] as const
            default:
              return undefined // it has expired meanwhile
          }
        }),
      { concurrency: 50 }
    )
    return Object.fromEntries(entries.filter((entry) => entry !== undefined))
  })

export const allKeys = (redis: RedisService): Effect.Effect<ReadonlyArray<string>, unknown> =>
  Effect.gen(function*() {
    const names = new Set<string>()
    let cursor = "0"
    do {
      const [next, some] = yield* redis.send<readonly [string, ReadonlyArray<string>]>("SCAN", cursor, "COUNT", 1000)
      for (const key of some) names.add(key)
      cursor = next
    } while (cursor !== "0")
    return [...names]
  })
