/**
 * A module for Python from a contract.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import type { Contract, JobContract, JsonSchema } from "./json.js"
import { refName, resolve } from "./json.js"
import * as Names from "./names.js"

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const schemasIn = (value: unknown): ReadonlyArray<JsonSchema> => Array.isArray(value) ? value.filter(isSchema) : []

/** A text as Python reads it: JSON's escapes are Python's. */
const literal = (text: string): string => JSON.stringify(text).replace(/\u007f/g, "\\u007f")

/** A text in a docstring. */
const prose = (text: string): string =>
  text.replace(/\s+/g, " ").trim().replace(/\p{Cc}/gu, "?").replace(/\\/g, "\\\\")
    .replace(/"{3,}|"+$/g, (quotes) => "\\\"".repeat(quotes.length))

/** Names that effect gives to kinds of values; they name no value. */
const kindTitles = new Set(
  ("int finite nonNaN positive negative nonPositive nonNegative nonEmptyString trimmed lowercased uppercased "
    + "capitalized uncapitalized string number boolean unknown any void never object").split(" ")
)

/** A definition that every user of effect has; it says how a value is written and needs no name in Python. */
const isBuiltIn = (name: string): boolean => name in Schema

interface Class {
  readonly name: string
  readonly lines: ReadonlyArray<string>
}

/** Renders types, and collects the classes that they need. */
class Types {
  readonly classes: Array<Class> = []
  readonly aliases: Array<string> = []
  private readonly names = new Map<string, string>()
  private readonly taken = new Set<string>()

  constructor(private readonly definitions: Contract["$defs"], taken: Iterable<string>) {
    for (const name of taken) this.taken.add(name)
  }

  private claim(wanted: string): string {
    const name = Names.free(Names.safe(wanted), (name) => this.taken.has(name) || Names.moduleNames.has(name))
    this.taken.add(name)
    return name
  }

  /** The type of a schema; `context` is what an object without a name is called after. */
  of(schema: JsonSchema, context: string, isQuoted = false): string {
    const { $ref, allOf, anyOf, enum: values, not, type } = schema
    if (typeof $ref === "string") return this.ofReference(refName($ref), isQuoted)
    if (Array.isArray(values)) return literals(values)
    if (Array.isArray(anyOf)) return this.ofUnion(schemasIn(anyOf), context, isQuoted)
    switch (type) {
      case "string":
        return "str"
      case "integer":
        return "int"
      case "number":
        return "float"
      case "boolean":
        return "bool"
      case "null":
        return "None"
      case "array":
        return this.ofArray(schema, context, isQuoted)
      case "object":
        return this.ofObject(schema, context, isQuoted)
    }
    const [first, ...others] = schemasIn(allOf)
    if (first !== undefined && others.length === 0) return this.of(first, context, isQuoted)
    return not === undefined ? "Any" : "NoReturn"
  }

  private ofReference(name: string, isQuoted: boolean): string {
    const schema = this.definitions[name] ?? {}
    // what only stands for something else, and the names that effect has for texts and numbers
    const isOther = typeof schema["$ref"] === "string" ||
      schema["type"] === undefined && schemasIn(schema["allOf"]).length === 1
    if (isOther) return this.of(schema, Names.pascal(name), isQuoted)
    const isClass = isPlainObject(schema)
    if (!isClass && isBuiltIn(name) && !mentions(schema, name, this.definitions)) {
      return this.of(schema, Names.pascal(name), isQuoted)
    }
    let known = this.names.get(name)
    if (known === undefined) {
      known = this.claim(Names.pascal(name))
      this.names.set(name, known)
      if (isClass) this.addClass(known, schema)
      else {
        // a recursive one refers to itself before it is there, so all of them quote
        const type = this.of(schema, known, true)
        this.aliases.push(`${known} = ${type}`)
      }
    }
    return isQuoted ? literal(known) : known
  }

  private ofUnion(members: ReadonlyArray<JsonSchema>, context: string, isQuoted: boolean): string {
    const types = members.map((member, i) =>
      this.of(member, context + (memberName(member) ?? `Option${i + 1}`), isQuoted)
    )
    return union(types)
  }

  private ofArray(schema: JsonSchema, context: string, isQuoted: boolean): string {
    const elements = schemasIn(schema["prefixItems"])
    const rest = isSchema(schema["items"]) ? schema["items"] : undefined
    const types = elements.map((element, i) => this.of(element, `${context}Item${i + 1}`, isQuoted))
    if (rest === undefined && elements.length > 0 && schema["minItems"] === elements.length) {
      return `tuple[${types.join(", ")}]`
    }
    if (rest !== undefined) types.push(this.of(rest, `${context}Item`, isQuoted))
    return `list[${types.length === 0 ? "Any" : union(types)}]`
  }

  private ofObject(schema: JsonSchema, context: string, isQuoted: boolean): string {
    if (isPlainObject(schema)) {
      const name = this.claim(context)
      this.addClass(name, schema)
      return isQuoted ? literal(name) : name
    }
    const properties = isSchema(schema["properties"]) ? Object.keys(schema["properties"]) : []
    const value = additional(schema)
    // TypedDict has no way to say more than its keys
    return properties.length > 0 || value === undefined
      ? "dict[str, Any]"
      : `dict[str, ${this.of(value, `${context}Value`, isQuoted)}]`
  }

  private addClass(name: string, schema: JsonSchema): void {
    const fields = fieldsOf(schema)
    const slot = this.classes.length
    this.classes.push({ name, lines: [] }) // before the classes of its fields
    const typed = fields.map((field) => ({
      ...field,
      type: this.of(field.schema, name + Names.pascal(field.name))
    }))
    const required = typed.filter(({ isRequired }) => isRequired)
    const optional = typed.filter(({ isRequired }) => !isRequired)
    const description = typeof schema["description"] === "string" ? schema["description"] : undefined
    const fits = ({ name }: { readonly name: string }) =>
      Names.isIdentifier(name) && !name.startsWith("__") && !Names.moduleNames.has(name)
    const body = (fields: ReadonlyArray<{ readonly name: string; readonly type: string }>, isDocumented: boolean) => [
      ...(isDocumented && description !== undefined ? [`    """${prose(description)}"""`, ""] : []),
      ...(fields.length === 0 ? ["    pass"] : fields.map(({ name, type }) => `    ${name}: ${type}`))
    ]
    /** The form without class syntax, for keys that are no identifiers. */
    const call = (
      name: string,
      fields: ReadonlyArray<{ readonly name: string; readonly type: string }>,
      end: string
    ) => [
      `${name} = TypedDict(`,
      `    ${literal(name)},`,
      "    {",
      ...fields.map(({ name, type }) => `        ${literal(name)}: ${literal(type)},`),
      "    },",
      ...(end === "" ? [] : [`    ${end},`]),
      ")"
    ]
    const lines: Array<string> = []
    if (required.length === 0 || optional.length === 0) {
      const isTotal = optional.length === 0
      if (typed.every(fits)) {
        lines.push(`class ${name}(TypedDict${isTotal ? "" : ", total=False"}):`, ...body(typed, true))
      } else {
        lines.push(...call(name, typed, isTotal ? "" : "total=False"))
      }
    } else {
      const base = this.claim(`_${name}Required`)
      lines.push(
        ...(required.every(fits) ? [`class ${base}(TypedDict):`, ...body(required, false)] : call(base, required, "")),
        "",
        ""
      )
      if (optional.every(fits)) {
        lines.push(`class ${name}(${base}, total=False):`, ...body(optional, true))
      } else {
        const more = this.claim(`_${name}Optional`)
        lines.push(
          ...call(more, optional, "total=False"),
          "",
          "",
          `class ${name}(${base}, ${more}):`,
          ...body([], true)
        )
      }
    }
    this.classes[slot] = { name, lines }
  }
}

/** An object whose keys are all known. */
const isPlainObject = (schema: JsonSchema): boolean =>
  schema["type"] === "object" && additional(schema) === undefined && isSchema(schema["properties"])
  && schema["additionalProperties"] === false

/** The schema of values whose keys are not listed. */
const additional = (schema: JsonSchema): JsonSchema | undefined => {
  const { additionalProperties, patternProperties } = schema
  if (isSchema(additionalProperties)) return additionalProperties
  return isSchema(patternProperties) ? schemasIn(Object.values(patternProperties))[0] : undefined
}

interface Field {
  readonly name: string
  readonly schema: JsonSchema
  readonly isRequired: boolean
}

const fieldsOf = (schema: JsonSchema): ReadonlyArray<Field> => {
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : [])
  return Object.entries(isSchema(schema["properties"]) ? schema["properties"] : {}).flatMap(([name, schema]) =>
    isSchema(schema) ? [{ name, schema, isRequired: required.has(name) }] : []
  )
}

/** The tag of a member of a union, where it has one. */
const memberName = (schema: JsonSchema): string | undefined => {
  const tag = fieldsOf(schema).find(({ name }) => name === "_tag" || name === "type" || name === "kind")
  const values = tag?.schema["enum"]
  const [value] = Array.isArray(values) && values.length === 1 ? values : []
  return typeof value === "string" && value !== "" ? Names.pascal(value) : undefined
}

const literals = (values: ReadonlyArray<unknown>): string => {
  const isLiteral = (value: unknown) => typeof value !== "number" || Number.isSafeInteger(value)
  if (!values.every(isLiteral)) return "float"
  return `Literal[${
    values.map((value) =>
      typeof value === "boolean"
        ? (value ? "True" : "False")
        : typeof value === "string"
        ? literal(value)
        : String(value)
    )
      .join(", ")
  }]`
}

/** One type that all of these fit in. */
const union = (types: ReadonlyArray<string>): string => {
  const distinct = [...new Set(types)]
  if (distinct.includes("Any")) return "Any"
  const merged: Array<string> = []
  let inner: Array<string> = []
  for (const type of distinct) {
    if (type === "None" || type === "NoReturn") continue
    const match = /^Literal\[(.*)\]$/s.exec(type)
    if (match === null) merged.push(type)
    else {
      if (inner.length === 0) merged.push("Literal[]") // its place
      inner = [...inner, match[1]!]
    }
  }
  const members = merged.map((type) => type === "Literal[]" ? `Literal[${inner.join(", ")}]` : type)
  const all = members.length > 1 ? `Union[${members.join(", ")}]` : members[0]
  if (all === undefined) return distinct.includes("None") ? "None" : "NoReturn"
  return distinct.includes("None") ? `Optional[${all}]` : all
}

/** Whether a definition leads back to itself. */
const mentions = (schema: unknown, name: string, definitions: Contract["$defs"], seen = new Set<string>()): boolean => {
  if (Array.isArray(schema)) return schema.some((inner) => mentions(inner, name, definitions, seen))
  if (!isSchema(schema)) return false
  if (typeof schema["$ref"] === "string") {
    const other = refName(schema["$ref"])
    if (other === name) return true
    if (seen.has(other)) return false
    seen.add(other)
    return mentions(definitions[other], name, definitions, seen)
  }
  return Object.values(schema).some((inner) => mentions(inner, name, definitions, seen))
}

/** What a function takes of the payload, and how it hands it on. */
interface Parameters {
  /** Lines for the parameter list that may be given by place. */
  readonly positional: ReadonlyArray<string>
  /** Lines that must be given by name. */
  readonly named: ReadonlyArray<string>
  readonly names: ReadonlyArray<string>
  /** The expressions that become `args` and `kwargs`. */
  readonly args: string
  readonly kwargs: string
  readonly docs: ReadonlyArray<readonly [name: string, description: string]>
}

const descriptionOf = (schema: JsonSchema, definitions: Contract["$defs"]): string | undefined => {
  const found = schema["description"] ?? resolve(schema, definitions)["description"]
  return typeof found === "string" ? found : undefined
}

const dictionary = (entries: ReadonlyArray<string>): string => `{${entries.join(", ")}}`

/** As {@link dictionary}, on lines of their own where there are many. */
const longDictionary = (entries: ReadonlyArray<string>, indent: string): string => {
  const line = dictionary(entries)
  return line.length <= 60
    ? line
    : ["{", ...entries.map((entry) => `${indent}    ${entry},`), `${indent}}`].join("\n")
}

const parametersOf = (job: JobContract, context: string, types: Types, definitions: Contract["$defs"]): Parameters => {
  const taken = new Set<string>(Names.bodyNames)
  const claim = (wanted: string) => {
    const name = Names.free(wanted, (name) => taken.has(name))
    taken.add(name)
    return name
  }
  const docs: Array<readonly [string, string]> = []
  const document = (name: string, schema: JsonSchema) => {
    const description = descriptionOf(schema, definitions)
    if (description !== undefined) docs.push([name, description])
  }
  const whole = (schema: JsonSchema, hand: "args" | "kwargs"): Parameters => {
    const name = claim("payload")
    document(name, schema)
    return {
      positional: [`${name}: ${types.of(schema, `${context}Payload`)}`],
      named: [],
      names: [...taken],
      args: hand === "args" ? `list(${name})` : "[]",
      kwargs: hand === "kwargs" ? `dict(${name})` : "{}",
      docs
    }
  }
  if (job.kwargs !== undefined) {
    const schema = resolve(job.kwargs, definitions)
    if (!isPlainObject(schema)) return whole(job.kwargs, "kwargs")
    const fields = fieldsOf(schema)
    // names that Python takes as they are come first, so that no other is mistaken for one of them
    const names = new Map<string, string>()
    for (const isExact of [true, false]) {
      for (const { name } of fields) {
        if ((Names.safe(name) === name) === isExact) names.set(name, claim(Names.safe(name)))
      }
    }
    const named = [...fields].sort((a, b) => Number(b.isRequired) - Number(a.isRequired)).map((field) => {
      const name = names.get(field.name)! // every field was named above
      document(name, field.schema)
      const type = types.of(field.schema, context + Names.pascal(field.name))
      return `${name}: ${type}${field.isRequired ? "" : " = _ABSENT"}`
    })
    const kwargs = longDictionary(fields.map(({ name }) => `${literal(name)}: ${names.get(name)!}`), "        ")
    return { positional: [], named, names: [...taken], args: "[]", kwargs, docs }
  }
  const given = job.args ?? {}
  const schema = resolve(given, definitions)
  if (schema["type"] !== "array") return whole(given, "args")
  const elements = schemasIn(schema["prefixItems"])
  const least = typeof schema["minItems"] === "number" ? schema["minItems"] : 0
  const nameOf = (element: JsonSchema, fallback: string) => {
    const { $ref, title } = element
    const text = typeof title === "string" ? title.trim().replace(/[\s-]+/g, "_") : ""
    if (/^[\p{XID_Start}_][\p{XID_Continue}]*$/u.test(text) && !kindTitles.has(text)) return claim(Names.snake(text))
    const identifier = typeof $ref === "string" ? refName($ref) : ""
    return claim(identifier !== "" && !isBuiltIn(identifier) ? Names.snake(identifier) : fallback)
  }
  const names: Array<string> = []
  const positional = elements.map((element, i) => {
    const name = nameOf(element, `arg${i}`)
    names.push(name)
    document(name, element)
    return `${name}: ${types.of(element, context + Names.pascal(name))}${i < least ? "" : " = _ABSENT"}`
  })
  if (isSchema(schema["items"])) {
    const name = nameOf(schema["items"], elements.length === 0 ? "args" : "rest")
    document(name, schema["items"])
    positional.push(`*${name}: ${types.of(schema["items"], context + Names.pascal(name))}`)
    names.push(`*${name}`)
  }
  return { positional, named: [], names: [...taken], args: `[${names.join(", ")}]`, kwargs: "{}", docs }
}

const callLines = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const line = `    return _enqueue(${args.join(", ")})`
  return line.length <= 100 && !line.includes("\n")
    ? [line]
    : ["    return _enqueue(", ...args.map((arg) => `        ${arg},`), "    )"]
}

/** The defaults of a definition under the names that `queue.enqueue` has for them. */
const defaultsOf = (job: JobContract): ReadonlyArray<readonly [string, number]> =>
  ([["job_timeout", job.timeout], ["ttl", job.ttl], ["result_ttl", job.result_ttl], [
    "failure_ttl",
    job.failure_ttl
  ]] as const)
    .flatMap(([name, value]) => value === undefined ? [] : [[name, value] as const])

const functionsOf = (
  name: string,
  functionName: string,
  job: JobContract,
  types: Types,
  definitions: Contract["$defs"]
): ReadonlyArray<string> => {
  const context = Names.pascal(functionName)
  const parameters = parametersOf(job, context, types, definitions)
  const taken = new Set(parameters.names)
  const own = (wanted: string) => {
    const name = Names.free(wanted, (name) => taken.has(name))
    taken.add(name)
    return name
  }
  // the names of the payload are given by whoever calls, ours make way
  const [queue, options, when, delay] = ["queue", "job_options", "when", "delay"].map(own) as [
    string,
    string,
    string,
    string
  ] // one each
  const success = types.of(job.success, `${context}Result`)
  const error = types.of(job.error, `${context}Error`)
  const outcome = `${success === "None" ? "It returns nothing" : `It returns ${success}`}${
    error === "NoReturn" ? "" : `; it may fail with ${error}`
  }.`
  const define = (suffix: string, first: ReadonlyArray<string>, moment: string, doc: ReadonlyArray<string>) => {
    const hasRest = parameters.positional.some((line) => line.startsWith("*"))
    return [
      `def ${functionName}${suffix}(`,
      ...[
        `${queue}: Queue`,
        ...first,
        "/",
        ...parameters.positional,
        ...(hasRest ? [] : ["*"]),
        ...parameters.named,
        `${options}: Optional[JobOptions] = None`
      ].map((line) => `    ${line},`),
      ") -> Job:",
      ...(doc.length === 1
        ? [`    """${doc[0]}"""`]
        : [`    """${doc[0]}`, ...doc.slice(1).map((line) => line === "" ? "" : `    ${line}`), "    \"\"\""]),
      ...callLines([queue, moment, literal(name), parameters.args, parameters.kwargs, options]),
      "",
      ""
    ]
  }
  const title = prose(name)
  return [
    ...define("", [], "None", [
      `Enqueues ${title}, whose queue is ${prose(job.queue)}. ${prose(outcome)}`,
      ...(parameters.docs.length === 0
        ? []
        : ["", ...parameters.docs.map(([name, description]) => `${name}: ${prose(description)}`)])
    ]),
    ...define("_at", [`${when}: datetime`], when, [`Schedules ${title} for a time that has a time zone.`]),
    ...define("_in", [`${delay}: timedelta`], delay, [`Schedules ${title} for after a delay.`])
  ]
}

const head = (generatedBy: string): ReadonlyArray<string> => [
  `# Generated by ${generatedBy.replace(/\p{Cc}+/gu, " ")}. Do not edit: generate it again.`,
  "\"\"\"Functions that enqueue jobs which effect-rq workers run.",
  "",
  "Each takes a queue with the JSON serializer and the arguments of its job:",
  "",
  "    from rq.serializers import JSONSerializer",
  "    queue = Queue(QUEUES[\"a job\"], connection=connection, serializer=JSONSerializer)",
  "",
  "Needs Python 3.9 and RQ 1.13, or later.",
  "\"\"\"",
  "from __future__ import annotations",
  "",
  "import json",
  "import re",
  "from datetime import datetime, timedelta",
  "from typing import Any, Dict, List, Literal, NoReturn, Optional, TypedDict, Union",
  "",
  "from rq import Queue",
  "from rq.job import Job",
  "",
  ""
]

const helpers: ReadonlyArray<string> = `class JobOptions(TypedDict, total=False):
    """What queue.enqueue of RQ calls these; they win over the defaults of the job."""

    job_id: str
    job_timeout: Union[int, str]
    ttl: Union[int, str]
    result_ttl: Union[int, str]
    failure_ttl: Union[int, str]
    description: str
    depends_on: Any
    at_front: bool
    meta: Dict[str, Any]
    retry: Any
    pipeline: Any


class _Absent:
    def __repr__(self) -> str:
        return "<absent>"


_ABSENT: Any = _Absent()
_JOB_ID = re.compile(r"[A-Za-z0-9_-]+")


def _enqueue(
    queue: Queue,
    when: Union[None, datetime, timedelta],
    name: str,
    args: List[Any],
    kwargs: Dict[str, Any],
    options: Optional[JobOptions],
) -> Job:
    while args and args[-1] is _ABSENT:
        args = args[:-1]
    if any(arg is _ABSENT for arg in args):
        raise TypeError(name + ": an argument is missing before one that is given")
    kwargs = {key: value for key, value in kwargs.items() if value is not _ABSENT}
    given: Dict[str, Any] = {**_DEFAULTS.get(name, {}), **(options or {})}
    unknown = sorted(set(given) - set(JobOptions.__annotations__))
    if unknown:
        raise TypeError(name + ": unknown job_options: " + ", ".join(unknown))
    if given.get("job_id") is not None and not _JOB_ID.fullmatch(given["job_id"]):
        raise ValueError(name + ": job_id may hold letters, digits, _ and -, got " + repr(given["job_id"]))
    if isinstance(when, datetime) and when.utcoffset() is None:
        raise ValueError(name + ": a time needs a time zone, such as datetime.now(timezone.utc)")
    if not getattr(queue, "is_async", True):
        raise TypeError(name + ": the queue has is_async=False, but this job doesn't run in Python")
    # Nothing is sent unless all of it can be.
    data = queue.serializer.dumps([name, None, args, kwargs])
    try:
        json.loads(data if isinstance(data, str) else data.decode("utf-8"))
    except ValueError:
        raise TypeError(
            name + ": the queue " + repr(queue.name) + " needs the JSON serializer: Queue(..., serializer=JSONSerializer)"
        ) from None
    if when is None:
        return queue.enqueue(name, args=args, kwargs=kwargs, **given)
    if isinstance(when, timedelta):
        return queue.enqueue_in(when, name, args=args, kwargs=kwargs, **given)
    return queue.enqueue_at(when, name, args=args, kwargs=kwargs, **given)
`.trimEnd().split("\n")

export const render = (contract: Contract, generatedBy: string): string => {
  const jobs = Object.entries(contract.jobs)
  const functionNames = Names.functionNames(jobs.map(([name]) => name))
  const functions = [...functionNames.values()].flatMap((name) => [name, `${name}_at`, `${name}_in`])
  const types = new Types(contract.$defs, functions)
  const bodies = jobs.flatMap(([name, job]) => functionsOf(name, functionNames.get(name)!, job, types, contract.$defs)) // of these jobs
  const defaults = jobs.flatMap(([name, job]) => {
    const values = defaultsOf(job)
    return values.length === 0
      ? []
      : [`    ${literal(name)}: ${dictionary(values.map(([key, value]) => `${literal(key)}: ${value}`))},`]
  })
  const block = (name: string, type: string, lines: ReadonlyArray<string>) =>
    lines.length === 0 ? [`${name}: ${type} = {}`] : [`${name}: ${type} = {`, ...lines, "}"]
  const lines = [
    ...head(generatedBy),
    "# The queue of each job, by the name of the job.",
    ...block("QUEUES", "Dict[str, str]", jobs.map(([name, job]) => `    ${literal(name)}: ${literal(job.queue)},`)),
    "",
    ...block("_DEFAULTS", "Dict[str, Dict[str, Any]]", defaults),
    "",
    "",
    ...types.classes.flatMap(({ lines }) => [...lines, "", ""]),
    ...(types.aliases.length === 0 ? [] : [...types.aliases, "", ""]),
    ...helpers,
    "",
    "",
    ...bodies
  ]
  return `${lines.join("\n").trimEnd()}\n`
}
