/**
 * What Python itself says (`fixtures/generate.py`), read and compared.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { readFileSync } from "node:fs"
import * as Wire from "../../src/wire/date.js"
import { describe as describeCall } from "../../src/wire/description.js"
import * as Json from "../../src/wire/json.js"
import * as Payload from "../../src/wire/payload.js"
import * as Result from "../../src/wire/result.js"

interface Fixture {
  readonly values: ReadonlyArray<{ readonly json: string; readonly repr: string }>
  readonly descriptions: ReadonlyArray<{ readonly json: string; readonly description: string }>
  readonly special: string
  readonly payload: {
    readonly json: string
    readonly zlib: string
    readonly level0: string
    readonly level9: string
    readonly pickles: ReadonlyArray<string>
    readonly deflatedPickles: ReadonlyArray<string>
  }
  readonly dates: ReadonlyArray<{ readonly millis: number; readonly text: string }>
  readonly exception: string
  readonly returned: string
}

const python = JSON.parse(readFileSync(new URL("fixtures/python.json", import.meta.url), "utf8")) as Fixture // as generated

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)
const bytes = (base64: string) => Buffer.from(base64, "base64")

describe("python", () => {
  it("gives the same reprs", () => {
    assert.isAbove(python.values.length, 60)
    for (const { json, repr } of python.values) {
      // JSON has no trace of whether 1.0 was a float once JavaScript has read it
      const expected = /^-?\d+\.0$/.test(repr) && Number.isSafeInteger(Number(repr)) ? String(Number(repr)) : repr
      assert.strictEqual(describeCall("f", [right(Json.parse(json))], {}), `f(${expected})`, json)
    }
  })

  it("gives the same descriptions", () => {
    for (const { description, json } of python.descriptions) {
      const [args, kwargs] = right(Json.parse(json)) as [Array<unknown>, Record<string, unknown>] // as generated
      assert.strictEqual(describeCall("mod.func", args, kwargs), description)
    }
  })

  it("is read, additions and all", () => {
    assert.deepStrictEqual(right(Json.parse(python.special)), [NaN, Infinity, -Infinity, 2n ** 64n, 1, "é😀"])
    for (const { json } of python.values) {
      const value = right(Json.parse(json))
      assert.deepStrictEqual(right(Json.parse(right(Json.stringify(value)))), Object.is(value, -0) ? 0 : value, json)
    }
  })

  it("has the same dates", () => {
    for (const { millis, text } of python.dates) {
      assert.strictEqual(Wire.encode(millis), text.replace(/000Z$/, "Z"))
      assert.strictEqual(Wire.decode(text), millis)
    }
  })

  it("sends payloads that are read", () => {
    const { deflatedPickles, json, level0, level9, pickles, zlib } = python.payload
    for (const data of [json, zlib, level0, level9]) {
      assert.deepStrictEqual(right(Payload.decode(bytes(data))), {
        name: "mod.func",
        args: [1, "é"],
        kwargs: { a: [1.5] }
      })
    }
    for (const data of [...pickles, ...deflatedPickles]) {
      const result = Payload.decode(bytes(data))
      assert(Either.isLeft(result))
      assert.strictEqual(result.left.reason, "Pickled")
      assert.include(result.left.message, "JSONSerializer")
    }
  })

  it("sends results that are read", () => {
    const entry = right(Result.decodeEntry("1795453702673-0", [
      Buffer.from("type"),
      Buffer.from("1"),
      Buffer.from("return_value"),
      bytes(python.returned),
      Buffer.from("exc_string"),
      bytes(python.exception)
    ]))
    assert.deepStrictEqual(entry.returnValue, { sum: 2n ** 64n, ok: true })
    assert.strictEqual(entry.excString, "Traceback\n  é\nValueError: boom")
  })
})
