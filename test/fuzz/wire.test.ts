/**
 * What is read from Redis and what is written to it, by itself: readers answer with a value or with an error that names the
 * field, whatever the bytes; what is written is read back as the same.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { inspect } from "node:util"
import * as Zlib from "node:zlib"
import * as Command from "../../src/wire/command.js"
import * as Date from "../../src/wire/date.js"
import * as Description from "../../src/wire/description.js"
import { WireError } from "../../src/wire/error.js"
import * as JobHash from "../../src/wire/jobHash.js"
import * as Journal from "../../src/wire/journal.js"
import * as Json from "../../src/wire/json.js"
import * as keys from "../../src/wire/keys.js"
import * as Payload from "../../src/wire/payload.js"
import * as Result from "../../src/wire/result.js"
import * as SchedulerHash from "../../src/wire/scheduler.js"
import * as WorkerHash from "../../src/wire/worker.js"
import { anything, check, oddNumbers, oddTexts, seed, text } from "./support.js"

const encoder = new TextEncoder()

/** Numbers, dates, JSON and base64 as a field may hold them, nearly or not at all. */
const nearly = FastCheck.constantFrom(
  ...oddNumbers.map(String),
  "",
  "1.5",
  "007",
  "+1",
  "1e400",
  "inf",
  "-inf",
  "nan",
  "9".repeat(5000),
  "2026-11-23T17:08:22.532291Z",
  "2026-11-23T17:08:22Z",
  "2026-02-30T00:00:00Z",
  "0000-01-01T00:00:00Z",
  "2026-11-23T17:08:22.532291+00:00",
  "queued",
  "started",
  "1",
  "5",
  "[]",
  "[\"a\"]",
  "[1,2]",
  "[1.5]",
  "{}",
  "null",
  "[NaN, Infinity, -Infinity]",
  `[${"9".repeat(4301)}]`,
  `${"[".repeat(1001)}${"]".repeat(1001)}`,
  `${"{\"a\":".repeat(2000)}1${"}".repeat(2000)}`,
  "{\"__proto__\": {\"polluted\": true}}",
  "gAR9lC4=",
  "bnVsbA==",
  "====",
  "a,b,,c"
)

const bytes = FastCheck.oneof(
  nearly.map((text) => encoder.encode(text)),
  text.map((text) => new Uint8Array(Buffer.from(text))),
  FastCheck.uint8Array({ maxLength: 24 }),
  FastCheck.constantFrom(
    Zlib.deflateSync("[\"a\",null,[],{}]"),
    Zlib.deflateSync("truncated").subarray(0, 6),
    Buffer.from([0x80, 4, 0x2e]),
    Buffer.from(Zlib.deflateSync("trace").toString("base64"))
  )
)

const ofJob =
  "data status origin description created_at enqueued_at started_at ended_at last_heartbeat worker_name timeout "
  + "result_ttl failure_ttl ttl meta enqueue_at_front retries_left retry_intervals enqueue_at_front_on_retry "
  + "number_of_retries repeats_left repeat_intervals dependency_id dependency_ids allow_dependency_failures group_id "
  + "success_callback_name success_callback_timeout failure_callback_name failure_callback_timeout "
  + "stopped_callback_name stopped_callback_timeout webhooks rate_limit_key rate_limit_concurrency result exc_info"
const ofResult = "type worker_name execution_id execution_started_at execution_ended_at return_value exc_string error"
const ofWorker = "state queues birth last_heartbeat shutdown_requested_date death current_job current_job_working_time "
  + "successful_job_count failed_job_count total_working_time pid hostname ip_address version python_version"
const ofScheduler = "name hostname pid queues created_at last_heartbeat"

/** Fields and values in turn, sometimes one too few. */
const hash = (names: string, sound: Readonly<Record<string, string>>) =>
  FastCheck.tuple(
    FastCheck.array(
      FastCheck.tuple(
        FastCheck.oneof(
          { weight: 8, arbitrary: FastCheck.constantFrom(...names.split(" ")).map((name) => encoder.encode(name)) },
          { weight: 1, arbitrary: bytes }
        ),
        bytes
      ),
      { maxLength: 6 }
    ),
    FastCheck.boolean(),
    FastCheck.boolean()
  ).map(([pairs, isSound, isOdd]) => {
    const all = [
      ...(isSound ? Object.entries(sound).flatMap((pair) => pair.map((text) => encoder.encode(text))) : []),
      ...pairs.flat()
    ]
    return isOdd ? all.slice(0, -1) : all
  })

const shown = (value: unknown) => inspect(value, { depth: 4, maxStringLength: 100 })

/** A problem that whoever sees it can act upon: where it is, and what. */
const assertTold = (read: () => Either.Either<unknown, WireError | Payload.PayloadError>, what: () => string) => {
  const result = read()
  if (Either.isRight(result)) return result.right
  const error = result.left
  if (error instanceof WireError) {
    assert.isNotEmpty(error.field, what())
    assert.isTrue(error.message.startsWith(`${error.field}: `), what())
  } else {
    assert.instanceOf(error, Payload.PayloadError, what())
  }
  assert.isAbove(error.message.length, 8, what())
  assert.isBelow(error.message.length, 6000, what())
  return undefined
}

describe(`readers of what stands in Redis (FUZZ_SEED=${seed})`, () => {
  const readers: ReadonlyArray<
    readonly [
      name: string,
      read: (id: string, flat: ReadonlyArray<Uint8Array>) => Either.Either<unknown, WireError>,
      fields: string,
      sound: Readonly<Record<string, string>>
    ]
  > = [
    ["a job's hash", JobHash.decode, ofJob, { data: "[\"a\",null,[],{}]", status: "queued" }],
    ["an entry of a results stream", Result.decodeEntry, ofResult, { type: "1" }],
    ["a worker's hash", WorkerHash.decode, ofWorker, {}],
    ["a scheduler's hash", SchedulerHash.decode, ofScheduler, {}]
  ]
  for (const [name, read, fields, sound] of readers) {
    it(name, () => {
      let readable = 0
      return check(
        FastCheck.tuple(
          FastCheck.oneof(FastCheck.constantFrom("1-0", "1795453702673-12", "a"), text),
          hash(fields, sound)
        ),
        1500,
        async ([id, flat]) => {
          if (assertTold(() => read(id, flat), () => `${shown(id)} ${shown(flat)}`) !== undefined) readable++
        }
      ).then(() => assert.isAbove(readable, 10))
    })
  }

  it("a payload, a command, a journal's entry", () =>
    check(bytes, 1500, async (bytes) => {
      assertTold(() => Payload.decode(bytes), () => shown(bytes))
      const text = Buffer.from(bytes).toString()
      const command = Command.decode(text)
      assert.isTrue(command === undefined || ["stop-job", "stop-execution", "shutdown"].includes(command.command))
      const entry = Journal.decode(text)
      assert.isTrue(entry === undefined || Number.isFinite(entry.at), text)
    }))

  it("dates and times, as text and as numbers", () =>
    check(
      FastCheck.oneof(nearly, text, FastCheck.date({ noInvalidDate: true }).map((date) => date.toISOString())),
      1500,
      async (text) => {
        const date = Date.decode(text)
        if (date !== undefined) assert.strictEqual(Date.decode(Date.encode(date)), date, text)
        assert.isNumber(Date.millis(text))
      }
    ))

  it("times that are written are read as the same", () =>
    check(FastCheck.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), 1500, async (millis) => {
      assert.strictEqual(Date.decode(Date.encode(millis)), millis)
      assert.strictEqual(Date.millis(Date.seconds(millis)), millis)
    }))

  it("what is no instant is refused where it would be written", () =>
    check(FastCheck.constantFrom(...oddNumbers, 8.64e15, -8.64e15, 1e18), 40, async (millis) => {
      try {
        assert.match(Date.encode(millis), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      } catch (error) {
        assert.instanceOf(error, RangeError, String(millis))
      }
    }))
})

const json = FastCheck.letrec((tie) => ({
  value: FastCheck.oneof(
    { depthSize: "small" },
    text,
    FastCheck.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number === 0 ? 0 : number),
    FastCheck.integer(),
    FastCheck.bigInt().map((big) =>
      big <= Number.MAX_SAFE_INTEGER && big >= Number.MIN_SAFE_INTEGER ? Number(big) : big
    ),
    FastCheck.constantFrom<unknown>(null, true, false, 10n ** 4000n, 2 ** 60, 1e21),
    FastCheck.array(tie("value"), { maxLength: 4 }),
    FastCheck.dictionary(FastCheck.oneof(FastCheck.constantFrom(...oddTexts.slice(0, 12)), text), tie("value"), {
      maxKeys: 4
    })
  )
})).value

describe(`JSON (FUZZ_SEED=${seed})`, () => {
  it("is read as JSON.parse reads it, or named as none", () =>
    check(
      FastCheck.oneof(
        nearly,
        text,
        FastCheck.json(),
        FastCheck.tuple(FastCheck.json(), FastCheck.nat({ max: 40 }), text).map(([json, at, text]) =>
          json.slice(0, at) + text.slice(0, 3) + json.slice(at)
        )
      ),
      2000,
      async (text) => {
        const read = assertTold(() => Either.map(Json.parse(text, "field"), (value) => ({ value })), () => shown(text))
        let standard: unknown
        try {
          standard = JSON.parse(text)
        } catch {
          return
        }
        // integers that JSON.parse takes for floats, and what Python would not read
        if (read === undefined) return assert.isTrue(Json.nestsDeeper(text, 1000) || /\d{4301}/.test(text), shown(text))
        if (!/\d{16}/.test(text)) {
          assert.deepStrictEqual(
            (read as { readonly value: unknown }).value,
            standard,
            shown(text)
          )
        }
      }
    ))

  it("that is written is read as the same", () =>
    check(json, 1500, async (value) => {
      const text = Either.getOrThrow(Json.stringify(value))
      assert.deepStrictEqual(Either.getOrThrow(Json.parse(text)), value, shown(value))
    }))

  it("of anything is written so that it can be read, or refused with the path", () =>
    check(anything, 1500, async (value) => {
      const text = assertTold(() => Json.stringify(value, "payload"), () => shown(value))
      if (typeof text === "string") {
        assert.isTrue(Either.isRight(Json.parse(text)), `${shown(value)} ${text.slice(0, 200)}`)
      }
    }))

  it("payloads and results of anything", () =>
    check(
      FastCheck.tuple(text, FastCheck.array(anything, { maxLength: 3 }), anything),
      800,
      async ([name, args, value]) => {
        const data = assertTold(
          () => Payload.encode({ name, args, kwargs: { value } }),
          () => shown([name, args, value])
        )
        if (typeof data === "string") {
          assert.isTrue(
            Either.isRight(Payload.decode(encoder.encode(data))),
            `${shown([name, args, value])} ${data.slice(0, 300)}`
          )
        }
        const result = assertTold(() => Result.encodeReturn(value), () => shown(value))
        if (typeof result === "string") {
          const entry = Result.decodeEntry(
            "1-0",
            ["type", "1", "return_value", result].map((text) => encoder.encode(text))
          )
          assert.isTrue(Either.isRight(entry), shown(value))
        }
        const exception = Result.encodeException(name)
        const failed = Result.decodeEntry(
          "1-0",
          ["type", "2", "exc_string", exception].map((text) => encoder.encode(text))
        )
        assert.strictEqual(Either.getOrThrow(failed).excString ?? "", Buffer.from(name).toString(), shown(name))
      }
    ))

  it("descriptions of what can be sent are short texts", () =>
    check(
      FastCheck.tuple(text, FastCheck.array(json, { maxLength: 3 }), FastCheck.dictionary(text, json, { maxKeys: 3 })),
      800,
      async (
        [name, args, kwargs]
      ) => {
        const described = Description.describe(name, args, kwargs)
        assert.isTrue(described.startsWith(`${name}(`) && described.endsWith(")"), shown([name, args, kwargs]))
      }
    ))
})

describe(`names of keys (FUZZ_SEED=${seed})`, () => {
  const one = [
    keys.queue,
    keys.job,
    keys.scheduled,
    keys.started,
    keys.finished,
    keys.failed,
    keys.deferred,
    keys.canceled,
    keys.results,
    keys.executions,
    keys.workersOf,
    keys.worker,
    keys.workerChannel,
    keys.schedulerLock,
    keys.scheduler,
    keys.cleaning,
    keys.handovers,
    keys.maintenance,
    keys.tidied,
    keys.lock,
    keys.schedulerChannel,
    keys.journal,
    keys.unique
  ]

  it("of any name are keys of their own, and anything makes one", () =>
    check(FastCheck.tuple(text, text, anything), 500, async ([a, b, odd]) => {
      const made = new Map<string, readonly [number, string]>()
      one.forEach((key, index) => {
        for (const name of new Set([a, b])) {
          // No queue of RQ has a name that makes its key one of another kind: the first word differs.
          const other = made.get(key(name))
          assert.isUndefined(other, `${key(name)} ${shown([a, b])} ${String(other)}`)
          made.set(key(name), [index, name])
        }
        assert.isString(key(odd as string))
      })
      assert.strictEqual(keys.queueName(keys.queue(a)), a)
      assert.strictEqual(keys.workerName(keys.worker(a)), a)
      assert.strictEqual(keys.dependentOf(keys.dependencies(a)), a)
    }))

  it("members of the registries that are no keys have no name", () =>
    check(text, 300, async (member) => {
      for (const [read, family] of [[keys.queueName, "rq:queue:"], [keys.workerName, "rq:worker:"]] as const) {
        const name = read(member)
        assert.strictEqual(name, member.startsWith(family) ? member.slice(family.length) : undefined)
      }
    }))
})
