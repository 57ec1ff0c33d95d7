import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Wire from "../../src/wire/date.js"

const from1970to2200 = fc.integer({ min: 0, max: Date.UTC(2200, 0, 1) })
const anyYear = fc.integer({ min: Date.parse("0001-01-01T00:00:00Z"), max: Date.parse("9999-12-31T23:59:59.999Z") })

describe("encode", () => {
  it("writes three digits of a fraction and Z", () => {
    assert.strictEqual(Wire.encode(0), "1970-01-01T00:00:00.000Z")
    assert.strictEqual(Wire.encode(1795453702673), "2026-11-23T17:08:22.673Z")
    assert.strictEqual(Wire.encode(1795453702005), "2026-11-23T17:08:22.005Z")
    assert.strictEqual(Wire.encode(-1), "1969-12-31T23:59:59.999Z")
    assert.strictEqual(Wire.encode(1.9), "1970-01-01T00:00:00.001Z")
  })

  it("agrees with toISOString", () => {
    fc.assert(fc.property(anyYear, (millis) => {
      assert.strictEqual(Wire.encode(millis), new Date(millis).toISOString())
    }))
  })

  it("throws for what Python has no date for", () => {
    for (const millis of [NaN, Infinity, -Infinity, Date.UTC(10000, 0, 1), Date.parse("0000-12-31T23:59:59.999Z")]) {
      assert.throws(() => Wire.encode(millis), RangeError)
    }
  })
})

describe("decode", () => {
  it("reads back what was written", () => {
    fc.assert(fc.property(fc.oneof(from1970to2200, anyYear), (millis) => {
      assert.strictEqual(Wire.decode(Wire.encode(millis)), millis)
    }))
  })

  it("reads any fraction up to six digits", () => {
    assert.strictEqual(Wire.decode("2026-11-23T17:08:22Z"), 1795453702000)
    assert.strictEqual(Wire.decode("2026-11-23T17:08:22.5Z"), 1795453702500)
    assert.strictEqual(Wire.decode("2026-11-23T17:08:22.53Z"), 1795453702530)
    assert.strictEqual(Wire.decode("2026-11-23T17:08:22.532Z"), 1795453702532)
    assert.strictEqual(Wire.decode("2026-11-23T17:08:22.532999Z"), 1795453702532)
    assert.strictEqual(Wire.decode("2000-02-29T00:00:00Z"), Date.UTC(2000, 1, 29))
  })

  it("reads nothing else", () => {
    for (
      const text of [
        "",
        "garbage",
        "2026-11-23T17:08:22.532291+00:00",
        "2026-11-23T17:08:22.532291",
        "2026-11-23T17:08:22.Z",
        "2026-11-23T17:08:22.1234567Z",
        "2026-11-23 17:08:22Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00.000Z"
      ]
    ) assert.isUndefined(Wire.decode(text), text)
  })
})

describe("seconds", () => {
  it("is the shortest decimal text", () => {
    assert.strictEqual(Wire.seconds(1795453702673), "1795453702.673")
    assert.strictEqual(Wire.seconds(1795453702670), "1795453702.67")
    assert.strictEqual(Wire.seconds(1795453702600), "1795453702.6")
    assert.strictEqual(Wire.seconds(1795453702000), "1795453702")
    assert.strictEqual(Wire.seconds(1), "0.001")
    assert.strictEqual(Wire.seconds(50), "0.05")
    assert.strictEqual(Wire.seconds(0), "0")
    assert.strictEqual(Wire.seconds(-0.1), "0")
    assert.strictEqual(Wire.seconds(-1500), "-1.5")
    assert.throws(() => Wire.seconds(NaN), RangeError)
    assert.throws(() => Wire.seconds(Infinity), RangeError)
  })

  it("comes back as it was, and as the double that Redis compares", () => {
    fc.assert(fc.property(from1970to2200, (millis) => {
      const text = Wire.seconds(millis)
      assert.strictEqual(Wire.millis(text), millis)
      assert.strictEqual(Wire.millis(Number(text)), millis)
      assert.strictEqual(Number(text), millis / 1000)
      assert.match(text, /^\d+(\.\d{0,2}[1-9])?$/)
    }))
  })
})

describe("millis", () => {
  it("reads scores and stream times", () => {
    assert.strictEqual(Wire.millis("1795453702.673296"), 1795453702673)
    assert.strictEqual(Wire.millis("1795453702.6739"), 1795453702674)
    assert.strictEqual(Wire.millis("1.8e9"), 1800000000000)
    assert.strictEqual(Wire.millis(1893456000), 1893456000000)
    assert.strictEqual(Wire.millis("inf"), Infinity)
    assert.strictEqual(Wire.millis("+inf"), Infinity)
    assert.strictEqual(Wire.millis("-inf"), -Infinity)
    for (const text of ["", " ", "x", "0x10", "1.2.3", "12 "]) assert.isNaN(Wire.millis(text), text)
  })
})
