/**
 * What the server itself tells: settings that endanger jobs, and its clock.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Violation, violation } from "../invariants/violation.js"
import type * as Redis from "../Redis.js"

const parse = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(/\r?\n/).flatMap((line): ReadonlyArray<readonly [string, string]> => {
      const colon = line.indexOf(":")
      return colon > 0 && !line.startsWith("#") ? [[line.slice(0, colon), line.slice(colon + 1)]] : []
    })
  )

/** The clocks of this host and of the server may be so far apart, in milliseconds. */
const skewLimit = 1000

/** What is wrong with the server as it describes itself (the reply of INFO). */
export const checkServer = (text: string): ReadonlyArray<Violation> => {
  const info = parse(text)
  const found: Array<Violation> = []
  const number = (name: string) => Number(info.get(name) ?? NaN)
  const policy = info.get("maxmemory_policy")
  const limit = number("maxmemory")
  if (policy !== undefined && policy !== "noeviction" && limit > 0) {
    found.push(violation({
      code: "server-eviction",
      invariant: 1,
      severity: "error",
      message: `Redis deletes keys when its memory is full (maxmemory-policy ${policy}): jobs and locks vanish`,
      remedy: "CONFIG SET maxmemory-policy noeviction, and in redis.conf"
    }))
  }
  const used = number("used_memory")
  if (limit > 0 && used > 0.9 * limit) {
    found.push(violation({
      code: "server-memory",
      severity: "warning",
      message: `Redis uses ${Math.round(100 * used / limit)} % of the memory that it may: it is about to refuse jobs`,
      remedy: "raise maxmemory, or keep results and failures for a shorter time"
    }))
  }
  if (info.get("aof_enabled") === "0") {
    found.push(violation({
      code: "server-persistence",
      severity: "warning",
      message:
        "Redis keeps no log of what it is told (appendonly no): when it crashes, jobs since the last snapshot are lost",
      remedy:
        "CONFIG SET appendonly yes, and in redis.conf; appendfsync always loses nothing, everysec at most a second"
    }))
  }
  for (
    const [name, what] of [
      ["rdb_last_bgsave_status", "write its snapshot"],
      ["aof_last_write_status", "write its log"],
      [
        "aof_last_bgrewrite_status",
        "rewrite its log"
      ]
    ] as const
  ) {
    if (info.get(name) !== "err") continue
    found.push(violation({
      code: "server-persistence",
      severity: "error",
      message: `Redis could not ${what} (${name} err)`,
      remedy: "look at its log: the disk is full, or it may not write there"
    }))
  }
  if (info.get("role") === "slave" && info.get("slave_read_only") !== "0") {
    found.push(violation({
      code: "server-replica",
      severity: "error",
      message: `this is a replica of ${info.get("master_host")}:${info.get("master_port")} that takes no writes`,
      remedy: "connect to the master, through Sentinels when there are some"
    }))
  }
  const version = info.get("redis_version")
  const [major = NaN, minor = NaN] = (version ?? "").split(".").map(Number)
  if (version !== undefined && (major < 6 || major === 6 && minor < 2)) {
    found.push(violation({
      code: "server-version",
      severity: "error",
      message: `Redis ${version} lacks commands that effect-rq needs`,
      remedy: "upgrade to Redis 6.2 or later"
    }))
  }
  return found
}

const skewOf = (redis: Redis.RedisService) =>
  Effect.gen(function*() {
    const before = yield* Clock.currentTimeMillis
    const [seconds, micros] = yield* redis.send<readonly [string, string]>("TIME")
    const after = yield* Clock.currentTimeMillis
    const server = Number(seconds) * 1000 + Number(micros) / 1000
    return { skew: server - (before + after) / 2, doubt: (after - before) / 2 }
  })

const checkClock = (redis: Redis.RedisService): Effect.Effect<ReadonlyArray<Violation>, Redis.RedisError> =>
  Effect.map(skewOf(redis), ({ doubt, skew }) =>
    Math.abs(skew) - doubt <= skewLimit
      ? []
      : [violation({
        code: "clock-skew",
        invariant: 2,
        severity: "warning",
        message: `the clock of this host is ${(Math.abs(skew) / 1000).toFixed(1)} s ${
          skew > 0 ? "behind" : "ahead of"
        } that of Redis: what is scheduled here is early or late by as much elsewhere`,
        remedy: "set the clocks by NTP; or provide Clock.layerRedis in every process, which follows the clock of Redis"
      })])

export const examineServer = (redis: Redis.RedisService): Effect.Effect<ReadonlyArray<Violation>, Redis.RedisError> =>
  Effect.gen(function*() {
    const info = yield* redis.send<string>("INFO")
    return [...checkServer(info), ...(yield* checkClock(redis))]
  }).pipe(
    // An ACL may forbid to ask.
    Effect.catchIf(({ reason }) => reason === "reply", (error) =>
      Effect.succeed([violation({
        code: "server-silent",
        severity: "info",
        message: `Redis does not tell of its settings and its clock: ${error.message}`,
        remedy: "allow INFO and TIME to whoever runs the doctor"
      })]))
  )
