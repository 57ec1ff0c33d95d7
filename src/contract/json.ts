/**
 * JSON Schema of what travels: the encoded side of the Schemas of jobs.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as JSONSchema from "effect/JSONSchema"
import type * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import type * as Job from "../Job.js"
import { lifetimeFields, toSeconds } from "../job/lifetime.js"
import type * as JobGroup from "../JobGroup.js"
import { encodable, named, undefinedAsNull } from "./encodable.js"
import { ContractError } from "./error.js"

/**
 * A JSON Schema as plain JSON.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonSchema = { readonly [keyword: string]: unknown }

/**
 * What has to be known of a job to enqueue it and to read its outcome. Lifetimes are in seconds, -1 is for ever, and
 * only those that the definition names are there.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobContract {
  readonly queue: string
  readonly timeout?: number
  readonly ttl?: number
  readonly result_ttl?: number
  readonly failure_ttl?: number
  /** Of the positional arguments, where there are such; then there is no `kwargs`. */
  readonly args?: JsonSchema
  /** Of the keyword arguments, where there are such; then there is no `args`. */
  readonly kwargs?: JsonSchema
  /** Of the result; null where there is none. */
  readonly success: JsonSchema
  /** Of the error that a handler may fail with. */
  readonly error: JsonSchema
}

/**
 * The contract of a group: one JSON document, in which `$ref` points to `$defs`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contract {
  readonly $schema: string
  readonly jobs: { readonly [name: string]: JobContract }
  readonly $defs: { readonly [name: string]: JsonSchema }
}

/** The names that RQ has for lifetimes. */
const wireName = { timeout: "timeout", ttl: "ttl", resultTtl: "result_ttl", failureTtl: "failure_ttl" } as const

type Definitions = Record<string, JSONSchema.JsonSchema7>

/** Of no prototype: a Schema may be named `__proto__`. */
const noDefinitions = (): Definitions => Object.create(null)

const target = "jsonSchema2020-12"

/** Throws an Error whose message says where something can't be expressed. */
const schemaOf = (ast: AST.AST, definitions: Definitions, isNamed = true): JSONSchema.JsonSchema7 =>
  JSONSchema.fromAST(ast, { definitions, target, topLevelReferenceStrategy: isNamed ? "keep" : "skip" })

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Without the `$id`s of effect's own kinds: a document may have each only once, and they say nothing to others. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      (key === "$id" || key === "$comment") && typeof inner === "string" && inner.startsWith("/schemas/")
        ? []
        : [[key, plain(inner)]]
    )
  )
}

const plainSchema = (schema: unknown): JsonSchema => plain(schema) as JsonSchema // an object stays one

/** `["a"][0]` of effect's messages as `.a[0]`. */
const showPath = (path: string): string =>
  path.replace(
    /\["((?:[^"\\]|\\.)*)"\]/g,
    (whole, key: string) => /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : whole
  )

const explain = (job: string, part: string, error: unknown): ContractError => {
  const message = error instanceof Error ? error.message : String(error)
  const field = part + showPath(/^at path: (.*)$/m.exec(message)?.[1] ?? "")
  const schema = /^schema \(\w+\): ([^]*)$/m.exec(message)?.[1]
  const details = /^details: (.*)$/m.exec(message)?.[1] ?? message.split("\n")[0]!
  const why = details.includes("\"identifier\" annotation")
    ? "a recursive Schema needs a name: .annotations({ identifier: \"Node\" })"
    : schema !== undefined
    ? `${schema} has no form in JSON. Use a Schema that encodes to JSON, such as Schema.Date or Schema.BigInt, or `
      + "describe what it encodes to: .annotations({ jsonSchema: ... })"
    : details.includes("post-rest")
    ? "elements after the rest of a tuple can't be expressed. Put the rest last"
    : details
  return new ContractError({ job, field, message: `${job}: ${field}: ${why}` })
}

/** Follows references and what only adds a description to one. */
export const resolve = (schema: JsonSchema, definitions: Readonly<Record<string, unknown>>): JsonSchema => {
  const seen = new Set<string>()
  let current = schema
  for (;;) {
    const { $ref, allOf, type } = current
    if (typeof $ref === "string") {
      const name = refName($ref)
      const next = definitions[name]
      if (seen.has(name) || !isObject(next)) return {}
      seen.add(name)
      current = next
    } else if (type === undefined && Array.isArray(allOf) && allOf.length === 1 && isObject(allOf[0])) {
      current = allOf[0]
    } else {
      return current
    }
  }
}

/** The name that a reference to a definition means. */
export const refName = ($ref: string): string => $ref.slice("#/$defs/".length).replace(/~1/g, "/").replace(/~0/g, "~")

const kindOf = (
  schema: JsonSchema,
  definitions: Readonly<Record<string, unknown>>
): "args" | "kwargs" | undefined => {
  const { anyOf, type } = resolve(schema, definitions)
  if (type === "array") return "args"
  if (type === "object") return "kwargs"
  if (!Array.isArray(anyOf)) return undefined
  const kinds = new Set(anyOf.map((member) => isObject(member) ? kindOf(member, definitions) : undefined))
  const [only] = kinds
  return kinds.size === 1 ? only : undefined
}

/** effect describes `{}` as anything but null; as arguments it is no argument. */
const noArguments: JsonSchema = { type: "object", required: [], properties: {}, additionalProperties: false }

const isEmptyStruct = (ast: AST.AST): boolean => {
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0
    case "Refinement":
    case "Transformation":
      return isEmptyStruct(ast.from)
    default:
      return false
  }
}

/** Two Schemas of one name that differ: a reference could mean only one of them. */
const ambiguous = (
  job: string,
  field: string,
  ast: AST.AST,
  known: Map<string, { readonly ast: AST.AST; text?: string }>
): ContractError | undefined => {
  const textOf = (ast: AST.AST) => {
    const definitions = noDefinitions()
    return JSON.stringify([schemaOf(ast, definitions, false), definitions])
  }
  for (const [identifier, found] of named(ast)) {
    const other = known.get(identifier)
    if (other === undefined) {
      known.set(identifier, { ast: found })
    } else if (other.ast !== found) {
      // Where the name was known already nobody has looked whether this one can be expressed.
      const same = Either.try({
        try: () => (other.text ??= textOf(other.ast)) === textOf(found),
        catch: (error) => explain(job, field, error)
      })
      if (Either.isLeft(same)) return same.left
      if (!same.right) {
        return new ContractError({
          job,
          field,
          message: `${job}: ${field}: another Schema is named ${JSON.stringify(identifier)} as well, and they differ. `
            + "Give one of them another identifier"
        })
      }
    }
  }
  return undefined
}

export const toJsonSchema = (group: JobGroup.Any): Either.Either<Contract, ContractError> =>
  Either.gen(function*() {
    const definitions = noDefinitions()
    const identifiers = new Map<string, { readonly ast: AST.AST; text?: string }>()

    const part = (job: Job.Any, field: string, original: AST.AST): Either.Either<JsonSchema, ContractError> => {
      const ast = encodable(original)
      return Either.flatMap(
        Either.try({ try: () => schemaOf(ast, definitions), catch: (error) => explain(job.name, field, error) }),
        (schema) => {
          const problem = ambiguous(job.name, field, ast, identifiers)
          return problem === undefined ? Either.right(plainSchema(schema)) : Either.left(problem)
        }
      )
    }

    const jobs: Array<readonly [string, JobContract]> = []
    for (const job of group.jobs.values()) {
      const lifetimes = lifetimeFields.flatMap((field) => {
        const value = job.defaults[field]
        const seconds = value === undefined ? -1 : Either.getOrThrow(toSeconds(field, value)) // `Job.make` has checked it
        // a ttl without end is what there is without a ttl, and RQ knows no other word for it
        return value === undefined || field === "ttl" && seconds === -1 ? [] : [[wireName[field], seconds] as const]
      })
      const isEmpty = isEmptyStruct(job.payloadSchema.ast)
      const payload = isEmpty ? noArguments : yield* part(job, "payload", job.payloadSchema.ast)
      const kind = kindOf(payload, definitions)
      if (kind === undefined) {
        return yield* Either.left(
          new ContractError({
            job: job.name,
            field: "payload",
            message: `${job.name}: payload: may be neither an object (keyword arguments) nor an array (positional `
              + "arguments), or either of them. Let it be one of them"
          })
        )
      }
      const error: Schema.Schema.All = job.errorSchema
      jobs.push([job.name, {
        queue: job.queue,
        ...Object.fromEntries(lifetimes),
        [kind]: payload,
        success: yield* part(job, "success", undefinedAsNull(job.successSchema.ast)),
        error: yield* part(job, "error", error.ast)
      }])
    }
    return {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      jobs: Object.fromEntries(jobs),
      $defs: Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, plainSchema(schema)]))
    }
  })
