import { assert, describe, it } from "@effect/vitest"
import { Redis, RedisMemory } from "effect-rq"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

class Writer extends Context.Tag("test/Writer")<Writer, Effect.Effect<unknown, Redis.RedisError>>() {
  static readonly layer = Layer.effect(Writer, Effect.map(Redis.Redis, (redis) => redis.send("SET", "key", "value")))
}

const read = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  return yield* redis.send("GET", "key")
})

describe("RedisMemory.layer", () => {
  it.effect("is one store for all parts of an application", () =>
    Effect.gen(function*() {
      yield* Effect.flatten(Writer)
      assert.strictEqual(yield* read, "value")
    }).pipe(Effect.provide(Layer.merge(Writer.layer.pipe(Layer.provide(RedisMemory.layer)), RedisMemory.layer))))

  it.effect("is an empty store for the next one", () =>
    Effect.gen(function*() {
      const write = Effect.gen(function*() {
        const redis = yield* Redis.Redis
        yield* redis.send("SET", "key", "value")
      })
      yield* Effect.provide(write, RedisMemory.layer)
      assert.isNull(yield* Effect.provide(read, RedisMemory.layer))
    }))
})
