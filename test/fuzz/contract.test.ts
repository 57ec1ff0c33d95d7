/**
 * Whatever the Schemas and the names of jobs are: a contract describes them, so that what travels fits it and Python reads
 * its module, or it is refused with the job and the field to change. Nothing throws.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Contract } from "effect-rq"
import { Job, JobGroup } from "effect-rq"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ChildProcess from "node:child_process"
import { inspect } from "node:util"
import * as Json from "../../src/wire/json.js"
import { problem } from "../contract/validate.js"
import { environment, python } from "../support/python.js"
import { check, oddTexts, seed, text } from "./support.js"
import { subject } from "./surface.js"

const toJsonSchema = subject("Contract", "toJsonSchema")
const toPython = subject("Contract", "toPython")
const ContractError = subject("Contract", "ContractError")

type AnySchema = Schema.Schema<any, any>

/** Names as Python and JSON Schema would rather not have them. */
const name = FastCheck.oneof(
  FastCheck.constantFrom(
    ...oddTexts.filter((text) => text.length < 1000),
    "a",
    "b.c",
    "b_c",
    "import",
    "class",
    "None",
    "queue",
    "payload",
    "job_options",
    "_enqueue",
    "Job",
    "str",
    "a/b",
    "~0",
    "$ref",
    "\"\"\"",
    "'",
    "\\",
    "\\N{x}",
    "#",
    "é",
    "ﬁ",
    "1st",
    "a\u2028b",
    "\ud83d\ude00"
  ),
  FastCheck.string({ unit: "binary", maxLength: 6 })
)

class Point extends Schema.Class<Point>("Point")({ x: Schema.Number, y: Schema.optional(Schema.Number) }) {}
class Bad extends Schema.TaggedError<Bad>()("Bad", { why: Schema.String }) {}

interface Tree {
  readonly children: ReadonlyArray<Tree>
}
const Named: Schema.Schema<Tree> = Schema.Struct({
  children: Schema.Array(Schema.suspend(() => Named))
}).annotations({ identifier: "Tree" })
const Unnamed: Schema.Schema<Tree> = Schema.Struct({ children: Schema.Array(Schema.suspend(() => Unnamed)) })

enum Fruit {
  Apple,
  Pear = "pear"
}

const leaves: ReadonlyArray<AnySchema> = [
  Schema.String,
  Schema.Number,
  Schema.Int,
  Schema.Boolean,
  Schema.Null,
  Schema.Undefined,
  Schema.Unknown,
  Schema.Any,
  Schema.Never as unknown as AnySchema, // of no values
  Schema.Object,
  Schema.SymbolFromSelf,
  Schema.BigIntFromSelf,
  Schema.BigInt,
  Schema.DateFromSelf,
  Schema.Date,
  Schema.DateTimeUtc,
  Schema.Duration,
  Schema.NumberFromString,
  Schema.NonEmptyString,
  Schema.UUID,
  Schema.Trim,
  Schema.JsonNumber,
  Schema.Uint8ArrayFromBase64,
  Schema.Uint8ArrayFromSelf,
  Schema.Option(Schema.Number),
  Schema.Redacted(Schema.String),
  Schema.Either({ left: Schema.String, right: Schema.Number }),
  Schema.TemplateLiteral("a", Schema.Number),
  Schema.Enums(Fruit),
  Schema.Literal("a", 1, true, null),
  Schema.Literal(10n),
  Schema.Literal(""),
  Schema.instanceOf(Map),
  Schema.parseJson(Schema.Struct({ a: Schema.Number })),
  Schema.Number.pipe(Schema.between(-1, 1)),
  Schema.String.pipe(Schema.pattern(/^[^"\\/]+$/), Schema.maxLength(3)),
  Schema.String.pipe(Schema.brand("Brand")),
  Schema.Set(Schema.String),
  Schema.Map({ key: Schema.String, value: Schema.Number }),
  Point,
  Bad,
  Named,
  Unnamed,
  Schema.Number.annotations({ jsonSchema: { type: "number" } })
]

const annotations = FastCheck.record({
  identifier: name,
  title: name,
  description: FastCheck.oneof(text, FastCheck.constantFrom("\"\"\"", "\\", "ends with \"", "a\nb"))
}, { requiredKeys: [] })

const { schema } = FastCheck.letrec<{ schema: AnySchema }>((tie) => {
  const fields = FastCheck.dictionary(name, FastCheck.tuple(tie("schema"), FastCheck.nat({ max: 4 })), {
    minKeys: 1,
    maxKeys: 4
  })
    .map((all) =>
      Schema.Struct(Object.fromEntries(
        Object.entries(all).map(([key, [of, how]]): readonly [string, Schema.Struct.Field] => [
          key,
          how === 0
            ? Schema.optional(of)
            : key in {} // effect takes it for a second one where a Schema transforms
            ? of
            : how === 1
            ? Schema.optionalWith(of, { as: "Option" })
            : how === 2
            ? Schema.propertySignature(of).pipe(Schema.fromKey(`${key}_`))
            : of
        ])
      )) as unknown as AnySchema
    )
  return {
    schema: FastCheck.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 6, arbitrary: FastCheck.constantFrom(...leaves) },
      { weight: 3, arbitrary: fields },
      { weight: 1, arbitrary: tie("schema").map((of) => Schema.Array(of) as AnySchema) },
      { weight: 1, arbitrary: tie("schema").map((of) => Schema.NonEmptyArray(of) as AnySchema) },
      { weight: 1, arbitrary: tie("schema").map((of) => Schema.NullishOr(of) as AnySchema) },
      { weight: 1, arbitrary: tie("schema").map((value) => Schema.Record({ key: Schema.String, value }) as AnySchema) },
      {
        weight: 1,
        arbitrary: FastCheck.array(tie("schema"), { maxLength: 3 }).map((all) => Schema.Tuple(...all) as AnySchema)
      },
      {
        weight: 1,
        arbitrary: FastCheck.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((all) =>
          Schema.Union(...all) as AnySchema
        )
      },
      {
        weight: 1,
        arbitrary: FastCheck.tuple(tie("schema"), tie("schema")).map(([first, rest]) =>
          Schema.Tuple([Schema.optionalElement(first)], rest) as AnySchema
        )
      },
      {
        weight: 2,
        arbitrary: FastCheck.tuple(tie("schema"), annotations).map(([of, annotations]) => of.annotations(annotations))
      },
      { weight: 1, arbitrary: tie("schema").map((of) => Schema.suspend(() => of) as AnySchema) }
    )
  }
})

/** A payload is an object or an array most of the time. */
const payload = FastCheck.oneof(
  {
    weight: 4,
    arbitrary: FastCheck.dictionary(name, schema, { maxKeys: 4 }).map((all) => Schema.Struct(all) as AnySchema)
  },
  { weight: 1, arbitrary: schema }
)

const jobOf = FastCheck.tuple(
  name.filter((name) => name.trim() !== ""),
  FastCheck.option(payload, { nil: undefined }),
  FastCheck.option(schema, { nil: undefined }),
  FastCheck.option(schema, { nil: undefined }),
  FastCheck.constantFrom("default", "a queue", "\"'\\", "é", "#{x}"),
  FastCheck.constantFrom<Job.Lifetime | undefined>(undefined, "forever", "90 seconds", 0.5)
).map(([name, payload, success, error, queue, timeout]): Job.Any =>
  Job.make(name, {
    ...(payload === undefined ? {} : { payload: payload as Schema.Schema<any, object> }), // what else it is, is tried too
    ...(success === undefined ? {} : { success }),
    ...(error === undefined ? {} : { error }),
    queue,
    timeout
  }) as unknown as Job.Any // of any payload
)

const groups = FastCheck.uniqueArray(jobOf, { selector: (job) => job.name, minLength: 1, maxLength: 3 })
  .map((jobs) => JobGroup.make(...jobs))

const shown = (group: JobGroup.Any) =>
  [...group.jobs.values()].map((job) =>
    `${JSON.stringify(job.name)}: ${String(job.payloadSchema)}, ${String(job.successSchema)}, ${
      String(job.errorSchema)
    }`
  ).join("\n")

/** JSON leaves out a field without a value, which a Schema of anything has, and JSON Schema doesn't know. */
const leavesOut = (value: unknown): boolean =>
  typeof value === "object" && value !== null
  && Object.values(value).some((inner) => inner === undefined || leavesOut(inner))

/** What travels of some values of a Schema, where it has such. */
const samples = (schema: Schema.Schema.All): ReadonlyArray<unknown> => {
  if (schema === Schema.Void) return [null] // it takes anything, and nothing is meant
  if (String(schema) === "{}") return [{}] // likewise
  const encode = Schema.encodeUnknownEither(schema as AnySchema)
  const values = Option.getOrElse(
    Option.liftThrowable(() => FastCheck.sample(Arbitrary.make(schema as AnySchema), { seed, numRuns: 3 }))(),
    (): ReadonlyArray<unknown> => []
  )
  return values.flatMap((value) => {
    const encoded = Option.liftThrowable(() => Either.getOrThrow(encode(value)))()
    const sent = Option.map(encoded, (encoded) => Json.stringify(encoded ?? null))
    return Option.isSome(sent) && Either.isRight(sent.value) && !leavesOut(Option.getOrUndefined(encoded))
      ? [Either.getOrThrow(Json.parse(sent.value.right))]
      : []
  })
}

const references = (value: unknown): ReadonlyArray<string> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) =>
      key === "$ref" && typeof inner === "string" ? [inner] : references(inner)
    )

/** The modules that Python shall read, all by one process: to start one for each takes too long. */
const compileAll = (modules: ReadonlyArray<string>) =>
  ChildProcess.spawnSync(
    python,
    [
      "-W",
      "error::SyntaxWarning",
      "-c",
      "import json, sys\nfor i, text in enumerate(json.load(sys.stdin)):\n    try: compile(text, 'jobs.py', 'exec')\n"
      + "    except Exception as error: sys.exit(f'{i}: {error!r}')"
    ],
    { input: JSON.stringify(modules), encoding: "utf8", env: environment(undefined), maxBuffer: 1e8 }
  )

describe(`contracts of odd jobs (FUZZ_SEED=${seed})`, () => {
  it("describe what travels, or name the job and the field", { timeout: 60_000 }, async () => {
    const modules: Array<{ readonly text: string; readonly of: string }> = []
    await check(FastCheck.tuple(groups, text), 250, async ([group, generatedBy]) => {
      const result = toJsonSchema(group)
      const module = toPython(group, { generatedBy })
      assert.deepStrictEqual(Either.getLeft(module), Either.getLeft(result), shown(group))
      if (Either.isLeft(result)) {
        const { field, job, message } = result.left
        assert.instanceOf(result.left, ContractError, shown(group))
        assert.isTrue(group.jobs.has(job), shown(group))
        assert.match(field, /^(?:payload|success|error)/, shown(group))
        assert.isTrue(message.startsWith(`${job}: ${field}: `), `${message}\n${shown(group)}`)
        assert.isAbove(message.length, `${job}: ${field}: `.length + 10, shown(group))
        return
      }
      const contract: Contract.Contract = result.right
      const root = JSON.parse(JSON.stringify(contract))
      assert.deepStrictEqual(root, contract, shown(group))
      for (const reference of references(root)) {
        const name = reference.replace(/^#\/\$defs\//, "").replace(/~1/g, "/").replace(/~0/g, "~")
        assert.isTrue(Object.hasOwn(root.$defs, name), `${reference}\n${shown(group)}`)
      }
      for (const [name, job] of group.jobs) {
        const of = contract.jobs[name]!
        const parts: ReadonlyArray<readonly [Schema.Schema.All, unknown]> = [
          [job.payloadSchema, of.args ?? of.kwargs],
          [job.successSchema, of.success],
          [job.errorSchema, of.error]
        ]
        for (const [schema, described] of parts) {
          for (const value of samples(schema)) {
            const misfit = problem(value, described, root)
            assert.isUndefined(misfit, `${misfit}: ${inspect(value)}\n${JSON.stringify(described)}\n${shown(group)}`)
          }
        }
      }
      // as it stands in a file: half a character is none
      modules.push({ text: Buffer.from(Either.getOrThrow(module)).toString(), of: shown(group) })
    })
    assert.isNotEmpty(modules)
    const { status, stderr } = compileAll(modules.map(({ text }) => text))
    const bad = modules[Number(stderr.split(":")[0])]
    assert.strictEqual(status, 0, `${stderr}\n${bad?.of}\n${bad?.text}`)
  })
})
