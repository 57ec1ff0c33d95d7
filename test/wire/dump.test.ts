import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as Golden from "../support/golden.js"
import * as RedisServer from "../support/redis-server.js"

const live = Layer.unwrapScoped(Effect.map(RedisServer.start(), (server) => RedisLive.layer({ url: server.url })))

layer(live)("golden states", (it) => {
  it.effect("are written to a Redis and read back", () =>
    Effect.gen(function*() {
      const redis = yield* Redis.Redis
      for (const name of Golden.names) {
        const golden = Golden.load(name)
        for (const [at, state] of Golden.states(golden)) {
          yield* redis.send("FLUSHALL")
          yield* Golden.restore(redis, state)
          const read = yield* Golden.dump(redis)
          const now = golden.captured_at
          const [actual, expected] = [Golden.comparable(read, now), Golden.comparable(state, now)]
          for (const [key, entry] of Object.entries(expected)) {
            // a second may end between writing and reading
            if (entry.ttl !== "none") assert.closeTo(Number(actual[key]?.ttl), entry.ttl, 1, `${name} ${at} ${key}`)
            else assert.strictEqual(actual[key]?.ttl, "none", `${name} ${at} ${key}`)
            assert.deepStrictEqual(actual[key]?.value, entry.value, `${name} ${at} ${key}`)
          }
          assert.sameMembers(Object.keys(actual), Object.keys(expected), `${name} ${at}`)
        }
      }
    }))
})
