import { assert, describe, expect, it } from "@effect/vitest"
import { Contract, Job, JobGroup } from "effect-rq"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as ChildProcess from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Names from "../../src/contract/names.js"
import * as Json from "../../src/wire/json.js"
import { environment, python } from "../support/python.js"
import { Jobs } from "./jobs.js"
import { problem } from "./validate.js"

const json = Either.getOrThrow(Contract.toJsonSchema(Jobs))
const module = Either.getOrThrow(Contract.toPython(Jobs, { generatedBy: "a test" }))

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

const failure = (job: Job.Any, ...others: ReadonlyArray<Job.Any>) => {
  const result = Contract.toJsonSchema(JobGroup.make(job, ...others))
  assert(Either.isLeft(result), "it should have been refused")
  assert.instanceOf(result.left, Contract.ContractError)
  // whoever asks for the module is told the same
  assert.deepStrictEqual(Either.getLeft(Contract.toPython(JobGroup.make(job, ...others))), Either.getLeft(result))
  return result.left
}

/** Runs Python with the text as a module that is named `jobs`. */
const inPython = (text: string, code: string): unknown => {
  const setUp = "import sys, types, json\njobs = types.ModuleType('jobs')\nsys.modules['jobs'] = jobs\n"
    + "exec(compile(sys.stdin.read(), 'jobs.py', 'exec'), jobs.__dict__)\n"
  const ran = ChildProcess.spawnSync(python, ["-W", "error::SyntaxWarning", "-c", setUp + code], {
    input: text,
    encoding: "utf8",
    env: environment(undefined)
  })
  if (ran.status !== 0) throw new Error(ran.stderr)
  return JSON.parse(ran.stdout)
}

describe("the contract of a group", () => {
  it("as JSON is what it was", async () => {
    await expect(`${JSON.stringify(json, undefined, 2)}\n`).toMatchFileSnapshot(fixture("jobs.json"))
  })

  it("as a module for Python is what it was", async () => {
    await expect(module).toMatchFileSnapshot(fixture("jobs.py"))
  })

  it("is the same each time", () => {
    assert.deepStrictEqual(Contract.toJsonSchema(Jobs), Either.right(json))
    assert.deepStrictEqual(Contract.toPython(Jobs, { generatedBy: "a test" }), Either.right(module))
  })

  it("ends no docstring early, and no line of a comment", () => {
    const schema = Schema.Struct({ a: Schema.String.annotations({ description: "of \"b\"" }) })
    const quoting = ["ends with \"", "\"\"\"", "\\\"", "\"", " \" "].map((description, i) =>
      Job.make(`quoting${i}`, { success: schema.annotations({ identifier: `Quoting${i}`, description }) })
    )
    const text = Either.getOrThrow(
      Contract.toPython(JobGroup.make(...quoting), { generatedBy: "a\u0000b\nimport nothing\u000cat all" })
    )
    assert.deepStrictEqual(
      inPython(text, "print(json.dumps([getattr(jobs, f'Quoting{i}').__doc__ for i in range(5)]))"),
      ["ends with \"", "\"\"\"", "\\\"", "\"", "\""]
    )
  })

  it("refuses what has no form in JSON also under a name that another Schema has", () => {
    const named = (of: Schema.Schema<any, any>) => of.annotations({ identifier: "Same" })
    const error = failure(
      Job.make("app.first", { success: named(Schema.String) }),
      Job.make("app.second", { success: named(Schema.SymbolFromSelf) })
    )
    assert.deepInclude(error, { job: "app.second", field: "success" })
    assert.include(error.message, "has no form in JSON")
  })

  it("uses no letter that Python doesn't know, although Node may", () => {
    const codes = Array.from({ length: 0x110000 }, (_, code) => code).filter((code) => code < 0xd800 || code > 0xdfff)
    const accepted = codes.filter((code) => Names.isIdentifier(`a${String.fromCodePoint(code)}`))
    const first = codes.filter((code) => Names.isIdentifier(String.fromCodePoint(code)))
    const known = "lambda text: text.isidentifier()"
    const unknown = inPython(
      `accepted, first, known = ${JSON.stringify(accepted)}, ${JSON.stringify(first)}, ${known}`,
      "print(json.dumps([[c for c in jobs.accepted if not jobs.known('a' + chr(c))], "
        + "[c for c in jobs.first if not jobs.known(chr(c))]]))"
    )
    assert.deepStrictEqual(unknown, [[], []])
    for (const text of ["aé", "aя", "a中", "aا", "aअ", "a한"]) assert.strictEqual(Names.safe(text), text)
    // Unicode 14, 17, and beyond the first plane
    for (const text of ["a\ua7c0", "a\u088f", "a\u{20000}"]) assert.strictEqual(Names.safe(text), "a_")
    assert.strictEqual(Names.safe("\u{323d5}"), "__")
  })

  it("of no jobs", () => {
    const none = JobGroup.make()
    assert.deepStrictEqual(Either.getOrThrow(Contract.toJsonSchema(none)).jobs, {})
    assert.deepStrictEqual(inPython(Either.getOrThrow(Contract.toPython(none)), "print(json.dumps(jobs.QUEUES))"), {})
  })
})

describe("JSON Schema", () => {
  for (const job of Jobs.jobs.values()) {
    const contract = json.jobs[job.name]!
    const parts = [
      ["payload", job.payloadSchema, contract.args ?? contract.kwargs],
      ["success", job.successSchema, contract.success],
      ["error", job.errorSchema, contract.error]
    ] as const
    for (const [part, schema, described] of parts) {
      if (schema.ast._tag === "NeverKeyword" || schema.ast._tag === "VoidKeyword") continue // no values, or any
      it(`of the ${part} of ${job.name} fits whatever is encoded`, () => {
        const pure = schema as Schema.Schema<unknown, unknown> // those of the test need no services
        const encode = Schema.encodeSync(pure)
        FastCheck.assert(
          FastCheck.property(Arbitrary.make(pure), (value) => {
            const encoded = encode(value)
            // what has no form on the wire, such as NaN, isn't sent
            const text = Json.stringify(encoded === undefined ? null : encoded)
            FastCheck.pre(Either.isRight(text))
            const sent = Either.getOrThrow(Json.parse(Either.getOrThrow(text)))
            assert.isUndefined(problem(sent, described, { ...json }))
          }),
          { numRuns: 50, seed: 1 }
        )
      })
    }
  }

  it("refuses what the Schema refuses", () => {
    const { kwargs } = json.jobs["app.mail.send_welcome"]!
    const root = { ...json }
    assert.isUndefined(problem({ to: "x" }, kwargs, root))
    for (const wrong of [{}, { to: "" }, { to: 1 }, { to: "x", name: null }, { to: "x", more: 1 }, []]) {
      assert.isDefined(problem(wrong, kwargs, root), JSON.stringify(wrong))
    }
    const { args } = json.jobs["app.math.add"]!
    assert.isUndefined(problem([1, 2], args, root))
    for (const wrong of [[1], [1, 2, 3], [1, 0.5], ["1", 2], {}]) {
      assert.isDefined(problem(wrong, args, root), JSON.stringify(wrong))
    }
  })

  it("says what the definition says, and no more", () => {
    const { failure_ttl, queue, result_ttl, timeout, ttl } = json.jobs["app.mail.send_welcome"]!
    assert.deepStrictEqual([queue, timeout, ttl, result_ttl, failure_ttl], ["mail", 30, 3600, 600, -1])
    assert.sameMembers(Object.keys(json.jobs["app.math.add"]!), ["queue", "args", "success", "error"])
  })

  it("has no ttl for a job that may wait for ever", () => {
    const job = Job.make("app.patient", { ttl: Infinity, timeout: "forever" })
    const { jobs } = Either.getOrThrow(Contract.toJsonSchema(JobGroup.make(job)))
    assert.sameMembers(Object.keys(jobs["app.patient"]!), ["queue", "timeout", "kwargs", "success", "error"])
  })

  it("holds no $id, which a document may have only once", () => {
    assert.notInclude(JSON.stringify(json), "\"$id\"")
  })
})

describe("a Schema that can't be expressed", () => {
  const cases: ReadonlyArray<readonly [job: Job.Any, field: string, message: RegExp]> = [
    [
      Job.make("j", { payload: { at: Schema.DateFromSelf } }),
      "payload.at",
      /^j: payload\.at: DateFromSelf has no form/
    ],
    [
      Job.make("j", { payload: { a: Schema.Struct({ "b-c": Schema.Tuple(Schema.SymbolFromSelf) }) } }),
      "payload.a[\"b-c\"][0]",
      /symbol has no form in JSON/
    ],
    [Job.make("j", { payload: Schema.Tuple(Schema.BigIntFromSelf) }), "payload[0]", /bigint .*Schema\.BigInt/],
    [Job.make("j", { success: Schema.MapFromSelf({ key: Schema.String, value: Schema.Int }) }), "success", /Map/],
    [Job.make("j", { error: Schema.Struct({ cause: Schema.DateFromSelf }) }), "error.cause", /DateFromSelf/],
    [Job.make("j", { payload: { [Symbol.for("s")]: Schema.String } }), "payload", /Symbol\(s\)/],
    [
      Job.make("j", { payload: Schema.Tuple([Schema.Int], Schema.Int, Schema.String) }),
      "payload",
      /Put the rest last$/
    ],
    [
      Job.make("j", { payload: Schema.Union(Schema.Struct({ a: Schema.Int }), Schema.Tuple(Schema.Int)) }),
      "payload",
      /either of them/
    ]
  ]
  for (const [job, field, message] of cases) {
    it(`is named: ${field}, ${String(message)}`, () => {
      const error = failure(job)
      assert.deepStrictEqual([error.job, error.field], ["j", field])
      assert.match(error.message, message)
    })
  }

  it("is a recursive one without a name", () => {
    interface List {
      readonly next: List | null
    }
    const List: Schema.Schema<List> = Schema.Struct({ next: Schema.NullOr(Schema.suspend(() => List)) })
    assert.match(failure(Job.make("j", { payload: { list: List } })).message, /^j: payload\.list\.next: .*identifier/)
  })

  it("is one of two with the same name that differ", () => {
    const one = Schema.Struct({ a: Schema.Int }).annotations({ identifier: "Same" })
    const other = Schema.Struct({ b: Schema.Int }).annotations({ identifier: "Same" })
    const again = Schema.Struct({ a: Schema.Int }).annotations({ identifier: "Same" })
    const error = failure(
      Job.make("j", { payload: { x: one, y: again } }),
      Job.make("k", { success: Schema.Array(other) })
    )
    assert.deepStrictEqual([error.job, error.field], ["k", "success"])
    assert.match(error.message, /named "Same" as well/)
  })
})

describe("the module for Python", () => {
  it("compiles, and all its annotations mean something", () => {
    const hints = inPython(
      module,
      "import inspect, typing\n"
        + "own = {n: o for n, o in vars(jobs).items() if getattr(o, '__module__', '') == 'jobs' and callable(o)}\n"
        + "print(json.dumps({n: len(typing.get_type_hints(o)) for n, o in own.items() if n != '_ABSENT'}))"
    ) as Readonly<Record<string, number>> // what the line above prints
    assert.strictEqual(hints["send_welcome"], 5)
    assert.strictEqual(hints["Address"], 2)
    assert.strictEqual(hints["EverythingNested"], 2)
  })

  it("names a function after as much of the job's name as tells it from the others", () => {
    const names = (...jobs: ReadonlyArray<string>) => {
      const text = Either.getOrThrow(Contract.toPython(JobGroup.make(...jobs.map((name) => Job.make(name)))))
      const found = inPython(
        text,
        "import inspect\nprint(json.dumps([n for n, o in vars(jobs).items() "
          + "if inspect.isfunction(o) and o.__module__ == 'jobs' and n != '_enqueue']))"
      ) as ReadonlyArray<string> // what the line above prints
      assert.strictEqual(found.length, jobs.length * 3)
      return found.filter((_, i) => i % 3 === 0)
    }
    assert.deepStrictEqual(names("app.mail.send", "app.sms.send", "app.ping"), ["mail_send", "sms_send", "ping"])
    assert.deepStrictEqual(names("a.b_c", "a_b.c"), ["b_c", "c"])
    assert.deepStrictEqual(names("a.b_c", "a_b.c", "x.b_c", "x.c"), ["a_b_c", "a_b_c_", "x_b_c", "x_c"])
    assert.deepStrictEqual(names("run", "run_at"), ["run", "run_at_"])
    assert.deepStrictEqual(names("class", "list", "app.Queue", "x y", "1.2", "größe", "\u{1f600}"), [
      "class_",
      "list_",
      "Queue_",
      "x_y",
      "_2",
      "größe",
      "__"
    ])
  })

  it("says in one line where it comes from, whatever that is", () => {
    const text = Either.getOrThrow(Contract.toPython(JobGroup.make(), { generatedBy: "x\nimport os" }))
    assert.strictEqual(text.split("\n")[0], "# Generated by x import os. Do not edit: generate it again.")
  })

  it("takes texts of any kind as texts", () => {
    const name = "a\"\"\"\\.\u0000\n\u2028\u{1f600}'"
    const field = "\"\"\"\\\u0007"
    const job = Job.make(name, {
      queue: "q\"\"\"\\",
      payload: {
        [field]: Schema.Literal("\"", "\\", "\u{1f600}\u0000").annotations({ description: "\"\"\"\\\"\n\u0000" })
      }
    })
    const text = Either.getOrThrow(Contract.toPython(JobGroup.make(job)))
    assert.deepStrictEqual(inPython(text, "print(json.dumps(jobs.QUEUES))"), { [name]: "q\"\"\"\\" })
  })
})
