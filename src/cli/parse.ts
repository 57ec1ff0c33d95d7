/**
 * Reads the values of options and arguments by `@effect/cli`.
 *
 * @internal
 */
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { show } from "../internal/show.js"
import { parseDuration } from "./duration.js"
import type { Normalized } from "./normalize.js"
import { type Invocation, type Option as Spec, optionsOf, type UsageError, usageError } from "./verbs.js"

const orUndefined = <A>(options: Options.Options<A>): Options.Options<A | undefined> =>
  Options.map(Options.optional(options), Option.getOrUndefined)

/** The messages of the library's own kinds name neither the option nor what was given. */
const reading = <A>(spec: Spec<unknown>, what: string, read: (text: string) => A | undefined) => (text: string) => {
  const value = read(text)
  return value === undefined
    ? Effect.fail(ValidationError.invalidValue(HelpDoc.p(`--${spec.name}: expected ${what}, got ${show(text)}`)))
    : Effect.succeed(value)
}

const expecting = <A>(spec: Spec<unknown>, what: string, read: (text: string) => A | undefined) =>
  orUndefined(Options.mapEffect(Options.text(spec.name), reading(spec, what, read)))

const aDuration = "a length of time such as 10s, 1h30m or 2d"

/** RQ's -1 for ever is for lifetimes; of what else it would be a length of time it is below zero. */
const readDuration = ({ isLifetime }: Spec<unknown>) => (text: string): number | undefined =>
  text.trim() === "-1" && !isLifetime ? undefined : parseDuration(text)

const toOptions = (spec: Spec<unknown>): Options.Options<unknown> => {
  switch (spec.kind) {
    case "flag":
      return Options.boolean(spec.name)
    case "integer":
      return expecting(spec, "a whole number", (text) => /^[+-]?\d+$/.test(text.trim()) ? Number(text) : undefined)
    case "choice":
      return expecting(spec, `one of ${spec.choices.join(", ")}`, (text) => spec.choices.find((one) => one === text))
    case "duration":
      return expecting(spec, aDuration, readDuration(spec))
    case "text":
      return orUndefined(Options.text(spec.name))
    case "texts":
      return Options.repeated(Options.text(spec.name))
    case "durations":
      return Options.mapEffect(
        Options.repeated(Options.text(spec.name)),
        Effect.forEach(reading(spec, aDuration, readDuration(spec)))
      )
  }
}

/** Without the colours, the line breaks and the full stop. */
const plainText = (error: ValidationError.ValidationError): string =>
  HelpDoc.toAnsiText(error.error)
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/\s+/g, " ")
    .trim()

/** Types what `normalize` has put in order. */
export const parse = (
  normalized: Extract<Normalized, { readonly _tag: "Verb" }>
): Effect.Effect<Invocation, UsageError, FileSystem.FileSystem | Path.Path | Terminal.Terminal> =>
  Effect.gen(function*() {
    const { args, options, verb } = normalized
    const specs = optionsOf(verb)
    const definition = Options.all(Object.fromEntries(specs.map(([key, spec]) => [key, toOptions(spec)])))
    const config = CliConfig.make({ isCaseSensitive: true })
    const [problem, , values] = yield* Options.processCommandLine(definition, options, config)
    if (Option.isSome(problem)) return yield* Effect.fail(problem.value)
    const [, texts] = yield* Args.validate(Args.repeated(Args.text()), args, config)
    // `toOptions` makes of each kind what the table says of its type, and `normalize` has counted the arguments.
    return { verb, options: values, args: texts } as unknown as Invocation
  }).pipe(Effect.mapError((error) => usageError(plainText(error), normalized.verb)))
