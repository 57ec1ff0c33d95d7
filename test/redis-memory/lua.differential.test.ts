/**
 * Lua itself, against a real server: what scripts return, how numbers are written, what errors say.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as RedisMemory from "../../src/RedisMemory.js"
import { make, sameState, script } from "./support/both.js"
import { corpus } from "./support/corpus.js"

describe("Lua like a server's", () => {
  it.live("a corpus of scripts", () =>
    Effect.scoped(Effect.gen(function*() {
      const both = yield* make
      for (const lua of corpus) {
        yield* both.real.send("FLUSHALL")
        yield* RedisMemory.flush(both.store)
        const step = script(lua, ["k1", "k2", "fam:"], ["a", "b", "10"])
        assert.deepStrictEqual(yield* step.run(both.memory), yield* step.run(both.real), lua)
        yield* sameState(both, lua, {})
      }
    })), 60_000)

  it.live("numbers as arguments, as texts and in JSON", () =>
    Effect.scoped(Effect.gen(function*() {
      const both = yield* make
      const lua = `
local x = cjson.decode(ARGV[1])
redis.call("SET", KEYS[1], x)
return {redis.call("GET", KEYS[1]), tostring(x), cjson.encode(x), string.format("%.3f %d %x", x, x, x), math.abs(x) < 2 ^ 53 and x or 0}`
      // a generator of its own: the numbers are many, and the same each time
      let state = 12345
      const next = () => (state = (state * 1103515245 + 12345) % 2147483648)
      for (let i = 0; i < 2_000; i++) {
        const digits = String(next()) + String(next())
        const text = i % 3 === 0
          ? digits.slice(0, 1 + next() % 18)
          : i % 3 === 1
          ? `${digits.slice(0, 1 + next() % 11)}.${digits.slice(0, 1 + next() % 9)}`
          : `${digits.slice(0, 1)}.${digits.slice(1, 2 + next() % 17)}e${next() % 60 - 30}`
        const step = script(lua, ["k"], [next() % 2 === 0 ? text : `-${text}`])
        assert.deepStrictEqual(yield* step.run(both.memory), yield* step.run(both.real), step.text)
      }
    })), 60_000)
})
