import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisMemory from "../../src/RedisMemory.js"
import * as RedisServer from "../support/redis-server.js"
import { conformance } from "./conformance.js"

/** Waits by asking the server, so that no time needs to pass. */
const blocked = (connections: number): Effect.Effect<void, Redis.RedisError, Redis.Redis> =>
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    while (true) {
      const info = yield* redis.send<string>("INFO", "clients")
      if (info.includes(`blocked_clients:${connections}\r\n`)) return
    }
  })

describe("Redis", () => {
  conformance({
    name: "RedisMemory",
    layer: RedisMemory.layer,
    // Nothing here waits for the outside: what is runnable has run after a few turns.
    blocked: () => Effect.repeatN(Effect.yieldNow(), 10)
  })

  const live = (name: string, options: RedisLive.Options) =>
    conformance({
      name,
      layer: Layer.unwrapScoped(
        Effect.map(RedisServer.start(), (server) => RedisLive.layer({ ...options, url: server.url }))
      ),
      blocked
    })
  live("RedisLive", {})
  live("RedisLive with a key prefix", { keyPrefix: "a[p]*:" })
})
