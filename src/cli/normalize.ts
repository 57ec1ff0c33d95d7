/**
 * From the arguments as people write them, with options before, after and between, to a verb with its options apart
 * from its arguments. `@effect/cli`, which reads the values, takes options first.
 *
 * @internal
 */
import { nearest } from "../internal/nearest.js"
import { type Option, optionsOf, type UsageError, usageError, type VerbName, verbNames, verbs } from "./verbs.js"

export type Normalized =
  | { readonly _tag: "Help"; readonly verb: VerbName | undefined }
  | { readonly _tag: "Version" }
  | {
    readonly _tag: "Verb"
    readonly verb: VerbName
    /** `--name value` in turn, one that may be given several times as often as it is; a flag's value is `true`. */
    readonly options: ReadonlyArray<string>
    readonly args: ReadonlyArray<string>
  }
  | UsageError

const isRepeatable = ({ kind }: Option<unknown>): boolean => kind === "texts" || kind === "durations"

const isOption = (word: string) => word.length > 1 && word.startsWith("-") && !/^-[\d.]/.test(word)

/** The first word of a verb, then the second where it has one. */
const findVerb = (words: ReadonlyArray<string>): { readonly name: VerbName; readonly used: number } | undefined => {
  const name = verbNames.find((name) => verbs[name].words.every((word, i) => words[i] === word))
  return name === undefined ? undefined : { name, used: verbs[name].words.length }
}

const unknownVerb = (words: ReadonlyArray<string>): UsageError => {
  const spoken = verbNames.map((name) => verbs[name].words.join(" "))
  const [first = "", second] = words
  const children = spoken.filter((verb) => verb.startsWith(`${first} `))
  if (children.length > 0) {
    const wanted = second === undefined ? "" : ` ${JSON.stringify(second)} is none of them.`
    return usageError(
      `${first} needs one of: ${children.map((verb) => verb.slice(first.length + 1)).join(", ")}.${wanted}`
    )
  }
  const guess = nearest(first, spoken.map((verb) => verb.split(" ")[0]!))
  return usageError(
    `there is no verb ${JSON.stringify(first)}${
      guess === undefined ? `, the verbs are ${spoken.join(", ")}` : `, did you mean ${guess}?`
    }`
  )
}

/** A value that could be an option was probably forgotten: `--name --burst`. */
const takesAsValue = (word: string, known: ReadonlyMap<string, Option<unknown>>): boolean =>
  !(word === "--" || known.has(word.split("=")[0]!) || word === "--help" || word === "-h")

export const normalize = (argv: ReadonlyArray<string>): Normalized => {
  // `help worker` is what some try first
  const asksHelp = argv[0] === "help"
  const words = asksHelp ? argv.slice(1) : argv
  if (words.length === 0) return { _tag: "Help", verb: undefined }
  const found = findVerb(words)
  if (found === undefined) {
    const [first = ""] = words
    if (first === "--help" || first === "-h") return { _tag: "Help", verb: undefined }
    if (first === "--version" || first === "-V") return { _tag: "Version" }
    if (isOption(first)) return usageError(`the verb comes first, then options such as ${first}`)
    if (words.includes("--help") || words.includes("-h")) {
      if (verbNames.some((name) => verbs[name].words[0] === first)) return { _tag: "Help", verb: undefined }
    }
    return unknownVerb(words)
  }
  const verb = found.name
  if (asksHelp) return { _tag: "Help", verb }

  const known = new Map<string, Option<unknown>>()
  for (const [, option] of optionsOf(verb)) {
    known.set(`--${option.name}`, option)
    if (option.letter !== undefined) known.set(`-${option.letter}`, option)
  }
  const rest = words.slice(found.used)
  const options = new Map<string, Array<string>>()
  /** Without a check of whether it is given twice. */
  const add = (option: Option<unknown>, value: string): void => {
    const before = isRepeatable(option) ? options.get(option.name) ?? [] : []
    options.set(option.name, [...before, value])
  }
  const args: Array<string> = []

  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!
    if (word === "--") {
      args.push(...rest.slice(i + 1))
      break
    }
    if (!isOption(word)) {
      args.push(word)
      continue
    }
    if (word === "--help" || word === "-h") return { _tag: "Help", verb }
    if (word === "--version") return { _tag: "Version" }
    // `-bs` is `-b -s`, and `-n5` is `-n 5`
    if (/^-[a-zA-Z]./.test(word) && known.has(word.slice(0, 2))) {
      const first = known.get(word.slice(0, 2))!
      const tail = word.slice(2).replace(/^=/, "")
      rest.splice(i, 1, word.slice(0, 2), first.kind === "flag" ? `-${tail}` : tail)
      if (first.kind !== "flag") {
        add(first, tail)
        i++
        continue
      }
    }
    const current = rest[i]!
    const equals = current.startsWith("--") ? current.indexOf("=") : -1
    const name = equals < 0 ? current : current.slice(0, equals)
    const option = known.get(name)
    if (option === undefined) {
      const guess = nearest(name, [...known.keys()].filter((known) => known.startsWith("--")))
      return usageError(
        `unknown option ${name}${guess === undefined ? "" : `, did you mean ${guess}?`}`,
        verb
      )
    }
    if (options.has(option.name) && option.kind !== "flag" && !isRepeatable(option)) {
      return usageError(`--${option.name} is given twice`, verb)
    }
    if (option.kind === "flag") {
      if (equals >= 0) return usageError(`--${option.name} takes no value`, verb)
      add(option, "true")
    } else if (equals >= 0) {
      add(option, current.slice(equals + 1))
    } else {
      const value = rest[i + 1]
      if (value === undefined || !takesAsValue(value, known)) {
        return usageError(`--${option.name} needs a value: --${option.name} ${option.placeholder}`, verb)
      }
      add(option, value)
      i++
    }
  }

  const { least, missing, most } = verbs[verb].args
  if (args.length < least) return usageError(missing, verb)
  // a variable of a shell that is not set
  if (verb !== "enqueue" && args.includes("")) return usageError("an argument is an empty text", verb)
  const empty = [...options].find(([, values]) => values.length > 1 && values.includes("") || values[0] === "")
  if (empty !== undefined && empty[0] !== "description") return usageError(`--${empty[0]} is an empty text`, verb)
  if (args.length > most) {
    // a format or a level as a word of its own
    const option = optionsOf(verb).find(([, { choices }]) => args.some((word) => choices.includes(word)))?.[1]
    const word = args.find((word) => option?.choices.includes(word))
    return usageError(
      `unexpected argument ${JSON.stringify(args[most])}${
        option === undefined ? "" : `: ${word} is said by --${option.name} ${word}`
      }`,
      verb
    )
  }
  return {
    _tag: "Verb",
    verb,
    options: [...options].flatMap(([name, values]) => values.flatMap((value) => [`--${name}`, value])),
    args
  }
}
