import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Result from "../../src/wire/result.js"
import * as Scheduler from "../../src/wire/scheduler.js"
import * as Status from "../../src/wire/status.js"
import * as Worker from "../../src/wire/worker.js"

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)
const flat = (...parts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => parts.map((part) => Buffer.from(part))
const message = <A>(either: Either.Either<A, { readonly message: string }>): string => {
  assert(Either.isLeft(either))
  return either.left.message
}

describe("result", () => {
  it("comes back as it was", () => {
    fc.assert(fc.property(fc.jsonValue(), fc.string({ unit: "grapheme" }), (value, exception) => {
      const entry = right(Result.decodeEntry(
        "5-1",
        flat(
          "type",
          Result.typeCode.failed,
          "return_value",
          right(Result.encodeReturn(value)),
          "exc_string",
          Result.encodeException(exception)
        )
      ))
      assert.deepStrictEqual(entry.returnValue, JSON.parse(JSON.stringify(value)))
      assert.strictEqual(entry.excString, exception)
      assert.strictEqual(entry.type, "failed")
    }))
    for (const [type, code] of Object.entries(Result.typeCode)) {
      assert.strictEqual(right(Result.decodeEntry("5-1", flat("type", code))).type, type)
    }
  })

  it("writes undefined as None", () => {
    assert.strictEqual(right(Result.encodeReturn(undefined)), Buffer.from("null").toString("base64"))
    assert.include(message(Result.encodeReturn({ a: [NaN] })), "result.a[0]: NaN has no JSON form")
  })

  it("that can't be read in part is read as far as it goes, and says why", () => {
    const entry = Result.readEntry(
      "5-1",
      flat("type", "2", "exc_string", "%%", "worker_name", "w1", "execution_ended_at", "now", "error", "1")
    )
    assert.deepInclude(entry, { type: "failed", workerName: "w1", excString: undefined, endedAt: undefined, error: 1 })
    assert.include(entry.problem?.message, "exc_string: \"%%\" is not base64")
    assert.deepInclude(Result.readEntry("5-1", []), { type: undefined, createdAt: 5 })
    assert.isUndefined(Result.readEntry("5-1", flat("type", "1")).problem)
    const late = Result.readEntry("18446744073709551614-1", flat("type", "1"))
    assert.strictEqual(late.createdAt, 8.64e15)
    assert.include(late.problem?.message, "is of a time beyond all dates")
  })

  it("names what is wrong", () => {
    const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64")
    const decode = (...parts: ReadonlyArray<string>) =>
      message(Result.decodeEntry("1795453702673-0", flat("type", "1", ...parts)))
    assert.include(message(Result.decodeEntry("x", flat("type", "1"))), `id: "x" is no id`)
    assert.include(message(Result.decodeEntry("1-0", flat("type", "9"))), `type: "9" is none`)
    assert.include(message(Result.decodeEntry("1-0", [])), "type: missing in the result 1-0")
    assert.include(decode("return_value", "%%"), `return_value: "%%" is not base64`)
    assert.include(decode("return_value", base64("{")), "return_value: ")
    assert.include(decode("return_value", base64(Buffer.from([0x22, 0xff, 0x22]))), "return_value: is not UTF-8")
    assert.include(
      decode("return_value", base64(Buffer.from([0x80, 0x04, 0x2e]))),
      "return_value: was written with Pyth"
    )
    assert.include(decode("exc_string", base64("plain")), "exc_string: can't be inflated")
    assert.include(decode("execution_started_at", "now"), `execution_started_at: "now" is not a time`)
  })
})

describe("worker", () => {
  const born: Worker.WorkerFields = {
    birth: 1795453702673,
    queues: ["high", "low"],
    pid: 12,
    hostname: "host",
    ipAddress: "10.0.0.1:4321",
    version: "effect-rq 0.1.0",
    runtime: "node 20.20.2"
  }

  it("comes back as it was", () => {
    const record = right(Worker.decode("w-1", flat(...Worker.encodeBirth(born), "state", "busy", "current_job", "j-1")))
    assert.deepStrictEqual(record, {
      name: "w-1",
      state: "busy",
      queues: ["high", "low"],
      birth: 1795453702673,
      lastHeartbeat: 1795453702673,
      shutdownRequestedAt: undefined,
      death: undefined,
      currentJob: "j-1",
      currentJobWorkingTime: 0,
      successfulJobCount: 0,
      failedJobCount: 0,
      totalWorkingTime: 0,
      pid: 12,
      hostname: "host",
      ipAddress: "10.0.0.1:4321",
      version: "effect-rq 0.1.0",
      pythonVersion: "node 20.20.2"
    })
  })

  it("reads what Redis makes of its counters", () => {
    const record = right(Worker.decode(
      "w-1",
      flat(
        "successful_job_count",
        "3",
        "failed_job_count",
        "4",
        "total_working_time",
        "1.5e-05",
        "current_job_working_time",
        "2.007332",
        "shutdown_requested_date",
        "2026-11-23T17:08:22.673000Z",
        "death",
        "2026-11-23T17:08:23Z"
      )
    ))
    assert.include(record, {
      successfulJobCount: 3,
      failedJobCount: 4,
      totalWorkingTime: 0.000015,
      currentJobWorkingTime: 2.007332,
      shutdownRequestedAt: 1795453702673,
      death: 1795453703000
    })
    assert.include(message(Worker.decode("w-1", flat("pid", "x"))), `pid: "x" is not a whole number`)
    assert.include(message(Worker.decode("w-1", flat("total_working_time", "nan"))), `"nan" is not a number`)
  })

  it("refuses what others would misread", () => {
    assert.throws(() => Worker.encodeBirth({ ...born, queues: ["a,b"] }), /"a,b"/)
    assert.throws(() => Worker.encodeBirth({ ...born, queues: [""] }), /queues/)
    assert.throws(() => Worker.encodeBirth({ ...born, pid: 1.5 }), /pid/)
  })
})

describe("scheduler", () => {
  it("comes back as it was", () => {
    const fields = { name: "s", hostname: "h", pid: 1, queues: ["a", "b"], createdAt: 1000, lastHeartbeat: 2001 }
    assert.deepStrictEqual(right(Scheduler.decode("s", flat(...Scheduler.encode(fields)))), fields)
    assert.include(message(Scheduler.decode("s", flat("created_at", "x"))), `created_at: "x" is not a UTC date`)
    assert.throws(() => Scheduler.encode({ ...fields, queues: ["a,b"] }), /"a,b"/)
  })
})

describe("status", () => {
  it("knows the nine and no other", () => {
    assert.strictEqual(Status.JobStatus.literals.length, 9)
    for (const status of Status.JobStatus.literals) assert.strictEqual(Status.decode(status), status)
    for (const text of [undefined, "", "QUEUED", "rate_limited", "constructor"]) {
      assert.isUndefined(Status.decode(text))
    }
  })
})
