/**
 * Checks of the options that long-running parts take.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { decode, longestTimer } from "./duration.js"
import { noSuchOption, unknownName } from "./known.js"
import { queueNameProblem } from "./queueName.js"
import { show } from "./show.js"
import { span } from "./times.js"

/**
 * An option that can't be used; `field` names it, the message says what would be right.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptions extends Schema.TaggedError<InvalidOptions>("effect-rq/InvalidOptions")("InvalidOptions", {
  field: Schema.String,
  message: Schema.String
}) {}

/** Options as JavaScript may pass them: anything that has no fields is none. */
export const object = <A extends object>(options: A): Effect.Effect<A, InvalidOptions> =>
  typeof options === "object" && options !== null && !Array.isArray(options)
    ? Effect.succeed(options)
    : Effect.fail(
      new InvalidOptions({ field: "options", message: `options: expected an object, got ${show(options)}` })
    )

/** Refuses what has a name that nothing reads. */
export const names = (options: object, known: ReadonlySet<string>): Effect.Effect<void, InvalidOptions> => {
  const name = unknownName(options, known)
  return name === undefined
    ? Effect.asVoid(object(options))
    : Effect.fail(new InvalidOptions({ field: name, message: noSuchOption(name, known) }))
}

/**
 * A duration in milliseconds, within bounds. What nothing else bounds goes into a timer; one without end is beyond any
 * bound.
 */
export const millis = (
  field: string,
  value: Duration.DurationInput | undefined,
  fallback: Duration.DurationInput,
  least: number,
  most: number = longestTimer
): Effect.Effect<number, InvalidOptions> => {
  const decoded = value === undefined ? Option.some(Duration.decode(fallback)) : decode(value)
  const millis = Option.match(decoded, { onNone: () => NaN, onSome: Duration.toMillis })
  if (millis >= least && millis <= most) return Effect.succeed(millis)
  const bound = millis > most ? `at most ${span(most)}` : `at least ${least} ms`
  return Effect.fail(
    new InvalidOptions({ field, message: `${field}: expected a duration of ${bound}, got ${show(value)}` })
  )
}

/** What a server can keep as a lifetime, and RQ as a number of seconds: 68 years. */
export const longestLifetime = 2_147_483_647_000

/** For how long to wait at most. Waiting without end is as good as any. */
export const wait = (
  field: string,
  value: Duration.DurationInput
): Effect.Effect<Duration.Duration, InvalidOptions> =>
  Option.match(decode(value), {
    onNone: () =>
      Effect.fail(
        new InvalidOptions({
          field,
          message: `${field}: expected a duration such as "10 seconds", got ${show(value)}`
        })
      ),
    onSome: Effect.succeed
  })

/** Yes or no. */
export const flag = (field: string, value: boolean | undefined): Effect.Effect<boolean, InvalidOptions> =>
  isFlag(value)
    ? Effect.succeed(value === true)
    : Effect.fail(new InvalidOptions({ field, message: notAFlag(field, value) }))

/** What JavaScript passes for yes or no may be a text, of which any is true. */
export const isFlag = (value: unknown): boolean => value === undefined || typeof value === "boolean"

/** What to say of what is none. */
export const notAFlag = (field: string, value: unknown): string =>
  `${field}: expected true or false, got ${show(value)}`

/** A whole number within bounds. */
export const count = (
  field: string,
  value: number | undefined,
  fallback: number,
  bounds: { readonly least: number; readonly most: number }
): Effect.Effect<number, InvalidOptions> => {
  const number = value ?? fallback
  return Number.isInteger(number) && number >= bounds.least && number <= bounds.most
    ? Effect.succeed(number)
    : Effect.fail(
      new InvalidOptions({
        field,
        message: `${field}: expected a whole number from ${bounds.least} to ${bounds.most}, got ${show(number)}`
      })
    )
}

/** Names of queues: at least one, none twice. */
export const queues = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidOptions> => {
  const fail = (message: string) => Effect.fail(new InvalidOptions({ field: "queues", message: `queues: ${message}` }))
  if (!Array.isArray(names)) return fail(`expected a list of names, got ${show(names)}`)
  if (names.length === 0) return fail("name at least one queue")
  for (const name of names) {
    const problem = queueNameProblem(name)
    if (problem !== undefined) return fail(problem)
  }
  const distinct: ReadonlyArray<string> = [...new Set(names)]
  return distinct.length === names.length ? Effect.succeed(distinct) : fail("a queue is named twice")
}
