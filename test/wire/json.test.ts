import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Json from "../../src/wire/json.js"

const read = (text: string): unknown => Either.getOrThrowWith(Json.parse(text), (error) => error)
const refused = (text: string): string => {
  const result = Json.parse(text, "data")
  assert(Either.isLeft(result), `${text.slice(0, 40)} was read`)
  assert.strictEqual(result.left.field, "data")
  return result.left.message
}
const written = (value: unknown): string => Either.getOrThrowWith(Json.stringify(value), (error) => error)
const unwritten = (value: unknown): string => {
  const result = Json.stringify(value, "payload")
  assert(Either.isLeft(result), "the value was written")
  return result.left.message
}

describe("parse", () => {
  it("reads what Python adds to JSON", () => {
    assert.deepStrictEqual(read("[NaN, Infinity, -Infinity, -1]"), [NaN, Infinity, -Infinity, -1])
    assert.deepStrictEqual(read(`{"a": NaN, "b": [true, false, null, "x\\u00e9\\n"]}`), {
      a: NaN,
      b: [true, false, null, "xé\n"]
    })
  })

  it("keeps integers exact", () => {
    assert.strictEqual(read("9007199254740991"), 9007199254740991)
    assert.strictEqual(read("9007199254740992"), 9007199254740992n)
    assert.strictEqual(read("-9007199254740993"), -9007199254740993n)
    assert.deepStrictEqual(read(`{"id":[12345678901234567890123]}`), { id: [12345678901234567890123n] })
    assert.strictEqual(read("1.0"), 1)
    assert.strictEqual(read("1e3"), 1000)
    assert.strictEqual(read("0.30000000000000004"), 0.1 + 0.2)
    assert.strictEqual(read("12345678901234567.5"), 12345678901234567.5)
    assert.strictEqual(read("1e400"), Infinity)
  })

  it("lets the last of equal keys win", () => {
    assert.deepStrictEqual(read(`{"a":1,"a":2}`), { a: 2 })
    assert.deepStrictEqual(read(`{"a":1,"a":NaN}`), { a: NaN })
  })

  it("takes __proto__ for a key like any other", () => {
    for (const text of [`{"__proto__":{"admin":true}}`, `{"__proto__":{"admin":true},"n":NaN}`]) {
      const value = read(text) as Record<string, unknown> // an object, by the texts above
      assert.isTrue(Object.hasOwn(value, "__proto__"))
      assert.isUndefined(value["admin"])
      assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
    }
  })

  it("bounds nesting", () => {
    const nested = (n: number, inner = "") => "[".repeat(n) + inner + "]".repeat(n)
    assert.isArray(read(nested(1000)))
    assert.isArray(read(nested(1000, "NaN")))
    assert.include(refused(nested(1001)), "deeper than 1000")
    assert.include(refused(nested(1_000_000, "NaN")), "deeper than 1000")
    assert.include(refused("{\"a\":".repeat(5000)), "deeper than 1000")
    // brackets in texts are no nesting
    assert.strictEqual(read(`"${"[".repeat(5000)}"`), "[".repeat(5000))
    assert.strictEqual(read(`"\\"${"[".repeat(5000)}"`), `"${"[".repeat(5000)}`)
  })

  it("says what is wrong and where", () => {
    assert.strictEqual(refused(""), "data: the text ends too early. Expected JSON")
    assert.strictEqual(refused("[1,]"), `data: unexpected "]" at position 3. Expected JSON`)
    assert.include(refused("[NaN"), "ends too early")
    assert.include(refused(`{"a" 1}`), "position 5")
    assert.include(refused("{'a': 1}"), "position 1")
    assert.include(refused("[1] 2"), "position 4")
    assert.include(refused("01"), "position 1")
    assert.include(refused("Nan"), "position 0")
    assert.include(refused(`["a`), "not closed")
    assert.include(refused(`"\\x41"`), "bad escape")
    assert.include(refused("\"a\nb\""), "control character")
    assert.include(refused("9".repeat(5000)), "4300 digits")
  })

  it("reads what JSON.parse reads, by both ways", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const text = written(value)
      assert.deepStrictEqual(read(text), JSON.parse(text))
      // the additions at the end send the whole text through the reader of our own
      assert.deepStrictEqual(read(`[${text},NaN]`), [JSON.parse(text), NaN])
    }))
  })

  it("refuses what JSON.parse refuses, but for the additions", () => {
    fc.assert(fc.property(fc.string({ maxLength: 12 }), fc.constantFrom("[", "{\"a\":", ""), (text, before) => {
      const whole = before + text
      if (/NaN|Infinity/.test(whole)) return
      let expected = true
      try {
        JSON.parse(whole)
      } catch {
        expected = false
      }
      assert.strictEqual(Either.isRight(Json.parse(whole)), expected, whole)
    }))
  })
})

describe("stringify", () => {
  it("writes what JSON.stringify writes", () => {
    fc.assert(fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      fc.pre(!/\d{16}/.test(JSON.stringify(value)))
      assert.strictEqual(written(value), JSON.stringify(value))
      // a bigint sends the whole value through the writer of our own
      assert.strictEqual(written([value, 1n]), `[${JSON.stringify(value)},1]`)
    }))
  })

  it("comes back as it was", () => {
    const big = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map((n) =>
      n >= Number.MIN_SAFE_INTEGER && n <= Number.MAX_SAFE_INTEGER ? Number(n) : n
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as unknown),
        big,
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4, noNullPrototype: true })
      )
    }))
    fc.assert(fc.property(tree, (value) => {
      assert.deepStrictEqual(read(written(value)), value)
    }))
  })

  it("writes a number that is no exact integer as a float", () => {
    assert.strictEqual(
      written([2 ** 53 - 1, 2 ** 53, -(2 ** 60), 1e21]),
      "[9007199254740991,9007199254740992.0,-1152921504606847000.0,1e+21]"
    )
    assert.deepStrictEqual(read(written([2 ** 53, -(2 ** 60), 1e21])), [2 ** 53, -(2 ** 60), 1e21])
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.strictEqual(read(written(value)), value === 0 ? 0 : value)
      assert.strictEqual(read(written(new Number(value))), value === 0 ? 0 : value)
    }))
  })

  it("treats undefined, toJSON and lone surrogates as JSON.stringify does", () => {
    for (
      const value of [
        { a: undefined, b: [undefined, 1] },
        { at: new Date(0), deep: [new Date(1)] },
        ["\ud800", "a\udc00b", "😀"],
        new (class {
          a = 1
          b = new String("s")
        })(),
        Object.create(null, { k: { value: 1, enumerable: true } }) as unknown,
        { toJSON: () => ({ x: "y" }) },
        -0
      ]
    ) assert.strictEqual(written(value), JSON.stringify(value))
    assert.strictEqual(written({ a: undefined, n: 2n ** 64n, b: undefined }), `{"n":18446744073709551616}`)
  })

  it("names the path of what has no form", () => {
    assert.strictEqual(
      unwritten({ items: [1, 2, 3, NaN] }),
      "payload.items[3]: NaN has no JSON form. Send null, or a text that says what is meant"
    )
    assert.include(unwritten([1n, { "a b": -Infinity }]), `payload[1]["a b"]: -Infinity has no JSON form`)
    assert.include(unwritten({ f: () => 1 }), "payload.f: a function has no JSON form")
    assert.include(unwritten({ s: Symbol("s") }), "payload.s: a symbol has no JSON form")
    assert.include(unwritten(undefined), "payload: undefined has no JSON form")
    assert.include(unwritten({ m: new Map() }), "payload.m: a Map has no JSON form")
    assert.include(unwritten({ b: new Uint8Array(1) }), "payload.b: binary data has no JSON form")
    assert.include(unwritten({ d: new Date(NaN) }), "payload.d: an invalid Date has no JSON form")
    assert.include(unwritten({ e: { toJSON: () => NaN } }), "payload.e: NaN has no JSON form")
    assert.include(
      unwritten({
        get x() {
          throw new Error("boom")
        }
      }),
      "boom"
    )
  })

  it("refuses cycles and what is too deep", () => {
    const cycle: { next?: unknown } = {}
    cycle.next = { back: [cycle] }
    assert.include(unwritten(cycle), "payload.next.back[0].next")
    assert.include(unwritten(cycle), "a cycle")
    let deep: unknown = 1
    for (let i = 0; i < 1000; i++) deep = [deep]
    assert.isArray(read(written(deep)))
    assert.include(unwritten([deep]), "deeper than 1000")
    const endless = {
      toJSON(): unknown {
        return [endless]
      }
    }
    assert.include(unwritten(endless), "deeper than 1000")
  })
})
