import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Dates from "../../src/wire/date.js"
import * as JobHash from "../../src/wire/jobHash.js"
import * as Status from "../../src/wire/status.js"

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)
const flat = (fields: Record<string, string | Uint8Array>): ReadonlyArray<Uint8Array> =>
  Object.entries(fields).flatMap(([field, value]) => [Buffer.from(field), Buffer.from(value)])

describe("isJobId", () => {
  it("is what RQ 2.8 and later accepts", () => {
    for (const id of ["a", "A-Z_09", "3a2c1d8e-5b1f-4c7e-9a51-0f3b7d0c2e11"]) assert.isTrue(JobHash.isJobId(id), id)
    for (const id of ["", "a b", "a:b", "é", "a\n", "a.b", "a/b"]) assert.isFalse(JobHash.isJobId(id), id)
  })
})

describe("encodeMore", () => {
  it("writes the fields in RQ's terms", () => {
    assert.deepStrictEqual(
      JobHash.encodeMore({ resultTtl: 0, failureTtl: Infinity, ttl: -1, meta: `{"a":1}`, enqueueAtFront: true }),
      [
        ["result_ttl", "0"],
        ["failure_ttl", "-1"],
        ["ttl", "-1"],
        ["meta", `{"a":1}`],
        ["enqueue_at_front", "1"],
        ["last_heartbeat", ""]
      ].flat()
    )
    assert.strictEqual(JobHash.timeout(1.2), "2")
    assert.strictEqual(JobHash.timeout(-1), "-1")
  })

  it("leaves out what is absent", () => {
    assert.deepStrictEqual(
      JobHash.encodeMore({ enqueueAtFront: false, dependencyIds: [], resultTtl: undefined }),
      []
    )
  })

  it("can't write what ends a Python worker", () => {
    assert.strictEqual(JobHash.shownDescription(""), "(no description)")
    for (const bad of [NaN, -2, -0.5, -Infinity, 1e300]) {
      assert.throws(() => JobHash.timeout(bad), /timeout/)
      assert.throws(() => JobHash.encodeMore({ ttl: bad }), /ttl/)
      assert.throws(() => JobHash.encodeMore({ retryIntervals: [1, bad] }), /retry_intervals/)
      assert.throws(() => JobHash.encodeMore({ retriesLeft: bad }), /retries_left/)
    }
    assert.throws(() => JobHash.encodeMore({ retriesLeft: 1.5 }), /retries_left/)
    fc.assert(fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (seconds) => {
      const written = JobHash.encodeMore({ ttl: seconds, retryIntervals: [seconds] })
      assert.match(JobHash.timeout(seconds), /^\d+$/)
      assert.match(written[written.indexOf("ttl") + 1]!, /^\d+$/)
      assert.match(written[written.indexOf("retry_intervals") + 1]!, /^\[\d+\]$/)
    }))
  })

  it("is read back", () => {
    const seconds = fc.oneof(fc.integer({ min: -1, max: 1e9 }))
    const option = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
    const millis = fc.integer({ min: 0, max: Date.UTC(2200, 0, 1) })
    const text = fc.string({ minLength: 1, unit: "grapheme" })
    fc.assert(fc.property(
      fc.record({
        data: text,
        origin: text,
        description: text,
        status: fc.constantFrom(...Status.JobStatus.literals),
        timeout: seconds,
        createdAt: millis,
        enqueuedAt: millis,
        resultTtl: option(seconds),
        failureTtl: option(seconds),
        ttl: option(seconds),
        enqueueAtFront: fc.boolean(),
        retriesLeft: option(fc.nat()),
        retryIntervals: option(fc.array(fc.nat())),
        enqueueAtFrontOnRetry: fc.boolean(),
        repeatsLeft: option(fc.nat()),
        repeatIntervals: option(fc.array(fc.nat())),
        dependencyIds: fc.array(text),
        allowDependencyFailures: fc.boolean(),
        groupId: option(text)
      }),
      (fields) => {
        const { data, ...rest } = fields
        const own = {
          data,
          origin: fields.origin,
          description: fields.description,
          status: fields.status,
          timeout: JobHash.timeout(fields.timeout),
          created_at: Dates.encode(fields.createdAt),
          enqueued_at: Dates.encode(fields.enqueuedAt)
        }
        const written = [...Object.entries(own).flat(), ...JobHash.encodeMore({ ...fields, meta: `{"k":[1]}` })]
        const record = right(JobHash.decode("id-1", written.map((part) => Buffer.from(part))))
        assert.strictEqual(Buffer.from(record.data).toString(), data)
        assert.deepStrictEqual({ ...record, ...rest }, record)
        assert.deepStrictEqual(record.meta, { k: [1] })
      }
    ))
  })
})

describe("decode", () => {
  const base = { data: "[]", status: "queued" }
  const decode = (fields: Record<string, string | Uint8Array>) => JobHash.decode("id-1", flat({ ...base, ...fields }))

  it("names the field and the value", () => {
    const cases: ReadonlyArray<readonly [string, string, string]> = [
      ["status", "ready_to_enqueue", "is none of created, queued"],
      ["timeout", "1.5", "not a whole number"],
      ["timeout", "99999999999999999999", "below 2^53"],
      ["result_ttl", "soon", "not a whole number"],
      ["enqueue_at_front", "true", "not a whole number"],
      ["created_at", "2026-11-23T17:08:22+00:00", "with Z, not +00:00"],
      ["ended_at", "yesterday", "not a UTC date"],
      ["retry_intervals", "[1, 2.5]", "not a JSON array of whole numbers"],
      ["retry_intervals", "[1", "not a JSON array of whole numbers"],
      ["dependency_ids", "[1]", "not a JSON array of job ids"],
      ["webhooks", "{}", "not a JSON array of webhooks"]
    ]
    for (const [field, value, message] of cases) {
      const result = decode({ [field]: value })
      assert(Either.isLeft(result), field)
      assert.strictEqual(result.left.field, field)
      assert.isTrue(result.left.message.startsWith(`${field}: ${JSON.stringify(value)} `), result.left.message)
      assert.include(result.left.message, message)
    }
    for (const field of ["data", "status"]) {
      for (const fields of field === "data" ? [{ status: "queued" }, {}] : [{ ...base, [field]: "" }, { data: "[]" }]) {
        const result = JobHash.decode("id-1", flat(fields))
        assert(Either.isLeft(result))
        assert.include(result.left.message, "missing in the hash of job")
      }
    }
    // a payload that is there and empty is one that can't be read, which fails the job and not who lists it
    assert.deepStrictEqual(right(JobHash.decode("id-1", flat({ ...base, data: "" }))).data.length, 0)
    const long = decode({ timeout: "x".repeat(1000) })
    assert(Either.isLeft(long))
    assert.isBelow(long.left.message.length, 120)
  })

  it("takes an empty text for absent", () => {
    const record = right(decode({
      started_at: "",
      ttl: "",
      timeout: "",
      worker_name: "",
      group_id: "",
      success_callback_name: "",
      meta: ""
    }))
    assert.include(record, {
      startedAt: undefined,
      ttl: undefined,
      timeout: undefined,
      workerName: undefined,
      groupId: undefined,
      successCallbackName: undefined,
      meta: undefined
    })
  })

  it("keeps what it can't read of meta, and fields that it doesn't know", () => {
    for (const meta of [Buffer.from([0x80, 0x04, 0x2e]), Buffer.from("{"), Buffer.from("[1]")]) {
      assert.deepStrictEqual(right(decode({ meta })).meta, { unserialized: meta })
    }
    assert.deepStrictEqual(right(decode({ meta: `{"n": NaN}` })).meta, { n: NaN })
    assert.deepStrictEqual([...right(decode({ x: "1", __proto__x: "2" })).other], [["x", "1"], ["__proto__x", "2"]])
  })

  it("reads the single dependency of older versions", () => {
    assert.deepStrictEqual(right(decode({ dependency_id: "p-1" })).dependencyIds, ["p-1"])
    assert.deepStrictEqual(right(decode({ dependency_id: "p-1", dependency_ids: `["p-1", "p-2"]` })).dependencyIds, [
      "p-1",
      "p-2"
    ])
  })

  it("reads the failure that older versions kept in the hash", () => {
    assert.isUndefined(right(decode({ exc_info: Buffer.from("789c030000000001", "hex") })).excInfo)
    assert.strictEqual(right(decode({ exc_info: "ValueError" })).excInfo, "ValueError")
  })
})
