import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Zlib from "node:zlib"
import * as Bytes from "../../src/wire/bytes.js"
import * as Payload from "../../src/wire/payload.js"

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)

const refused = (data: string | Uint8Array) => {
  const result = Payload.decode(typeof data === "string" ? Buffer.from(data) : data)
  assert(Either.isLeft(result))
  return result.left
}

describe("encode", () => {
  it("writes the four parts", () => {
    assert.strictEqual(
      right(Payload.encode({ name: "send mail", args: [{ to: "a", n: 2n ** 64n }], kwargs: {} })),
      `["send mail",null,[{"to":"a","n":18446744073709551616}],{}]`
    )
    assert.strictEqual(right(Payload.encode({ name: "f", args: [], kwargs: { a: 1 } })), `["f",null,[],{"a":1}]`)
    assert.strictEqual(right(Payload.encode({ name: "f", args: [undefined], kwargs: {} })), `["f",null,[null],{}]`)
    assert.strictEqual(right(Payload.encode({ name: "f", args: [1, "é"], kwargs: {} })), `["f",null,[1,"é"],{}]`)
  })

  it("names what has no JSON form", () => {
    const message = (args: ReadonlyArray<unknown>, kwargs: Record<string, unknown>) => {
      const result = Payload.encode({ name: "f", args, kwargs })
      assert(Either.isLeft(result))
      return result.left.message
    }
    assert.include(message([{ items: [0, 1, 2, NaN] }], {}), "payload.items[3]: NaN has no JSON form")
    assert.include(message([1, () => 2], {}), "args[1]: a function has no JSON form")
    assert.include(message([], { at: Infinity }), "kwargs.at: Infinity has no JSON form")
  })

  it("refuses what no reader would take", () => {
    const of = (text: string) => Payload.encode({ name: "f", args: [], kwargs: { text } })
    const bytes = Bytes.maxInflated - Buffer.byteLength(right(of("")))
    assert(Either.isRight(of("x".repeat(bytes))))
    for (const text of ["x".repeat(bytes + 1), "€".repeat(Math.ceil((bytes + 1) / 3))]) {
      const refused = of(text)
      assert(Either.isLeft(refused))
      assert.match(refused.left.message, /^payload: more than 64 MiB\. Store the content elsewhere/)
    }
  })

  it("comes back as it was, deflated or not", () => {
    const json = fc.jsonValue()
    fc.assert(fc.property(fc.string(), fc.array(json), fc.dictionary(fc.string(), json), (name, args, kwargs) => {
      const text = right(Payload.encode({ name, args, kwargs }))
      const expected = { name, args, kwargs: { ...kwargs } }
      for (const data of [Buffer.from(text), Zlib.deflateSync(text), new Uint8Array(Buffer.from(text))]) {
        const read = right(Payload.decode(data))
        assert.deepStrictEqual({ ...read, kwargs: { ...read.kwargs } }, JSON.parse(JSON.stringify(expected)))
      }
    }))
  })
})

describe("decode", () => {
  it("names the part that is wrong", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["", "data: is empty"],
      ["nonsense", "data: unexpected"],
      ["{}", "data: expected [name, null, args, kwargs], found an object"],
      [`["f",null,[]]`, "data: expected the four of [name, null, args, kwargs], found 3"],
      [`[1,null,[],{}]`, "name: expected a text, found a number"],
      [`["f",{"a":1},[],{}]`, "instance: expected null, found an object"],
      [`["f",null,{},{}]`, "args: expected an array, found an object"],
      [`["f",null,[],[]]`, "kwargs: expected an object, found an array"],
      [`["f",null,[],null]`, "kwargs: expected an object, found null"],
      [`["f",null,[${"[".repeat(2000)}${"]".repeat(2000)}],{}]`, "data: nested deeper than 1000 levels"]
    ]
    for (const [data, message] of cases) {
      const error = refused(data)
      assert.strictEqual(error.reason, "Malformed")
      assert.include(error.message, message)
      assert.deepStrictEqual(refused(Zlib.deflateSync(data)), error)
    }
  })

  it("refuses bytes that are no text", () => {
    assert.include(refused(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d])).message, "not UTF-8")
    assert.include(refused(Zlib.deflateSync(Buffer.from([0x5b, 0xc3]))).message, "not UTF-8")
  })

  it("refuses what only begins like zlib", () => {
    const whole = Zlib.deflateSync(`["f",null,[],{}]`)
    assert.include(refused(whole.subarray(0, 8)).message, "can't be inflated")
    assert.include(refused(Buffer.from([0x78, 0x9c])).message, "can't be inflated")
  })

  it("stops at 64 MiB", () => {
    const bomb = Zlib.deflateSync(Buffer.alloc(Bytes.maxInflated + 1, 0x20))
    assert.isBelow(bomb.length, 100_000)
    assert.strictEqual(refused(bomb).reason, "TooLarge")
    assert(Either.isLeft(Bytes.inflate(bomb)), "it stops while it inflates, not after")
    assert.strictEqual(refused(Buffer.alloc(Bytes.maxInflated + 1, 0x20)).reason, "TooLarge")
  })

  it("reads any bytes without a defect", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
      assert(Either.isLeft(Payload.decode(data)))
    }))
  })
})
