import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Control from "../../src/Control.js"
import * as Journal from "../../src/wire/journal.js"
import * as keys from "../../src/wire/keys.js"
import { assertNoTtl, assertTtl, list, now, suite } from "./support.js"

suite("the journals", (it) => {
  it("tell when a queue was paused and the fleet suspended, once for each time", ({ redis, setTime }) =>
    Effect.gen(function*() {
      const control = yield* Control.make
      yield* control.pause("q")
      yield* control.pause("q")
      setTime(now + 1000)
      yield* control.unpause("q")
      yield* control.unpause("q")
      yield* control.suspend()
      yield* assertNoTtl(redis, keys.suspended)
      setTime(now + 2000)
      yield* control.suspend({ duration: "90500 millis" })
      yield* assertTtl(redis, keys.suspended, 91)
      setTime(now + 3000)
      yield* control.resume
      yield* control.resume
      const read = (key: string) => Effect.map(list(redis, key), (entries) => entries.map(Journal.decode))
      assert.deepStrictEqual(yield* read(keys.journal("q")), [
        { _tag: "Unpaused", at: now + 1000 },
        { _tag: "Paused", at: now }
      ])
      assert.deepStrictEqual(yield* read(keys.fleetJournal), [
        { _tag: "Resumed", at: now + 3000 },
        { _tag: "Suspended", at: now + 2000, until: now + 93_000 },
        { _tag: "Suspended", at: now + 1000, until: undefined }
      ])
      yield* assertTtl(redis, keys.journal("q"), 2_592_000)
    }))

  it("have an end, and a foreign key in their place is in nobody's way", ({ redis }) =>
    Effect.gen(function*() {
      const control = yield* Control.make
      yield* redis.send("RPUSH", keys.journal("q"), ...Array.from({ length: 300 }, () => "what is this"))
      yield* control.pause("q")
      const entries = yield* list(redis, keys.journal("q"))
      assert.lengthOf(entries, 200)
      assert.deepStrictEqual(entries.slice(0, 2).map((entry) => Journal.decode(entry)?._tag), ["Paused", undefined])
      yield* redis.send("SET", keys.journal("p"), "x")
      yield* control.pause("p")
      assert.deepStrictEqual(yield* control.paused, ["p", "q"])
    }))
})
