/**
 * Names of options: what no type has looked at may have a name that nothing reads.
 *
 * @internal
 */
import { nearest } from "./nearest.js"
import { show } from "./show.js"

/** The names of all options of a type: one that is missing or too many is a type error. */
export const namesOf = <A extends object>(names: { readonly [K in keyof A]-?: true }): ReadonlySet<string> =>
  new Set(Object.keys(names))

/** The first field that has a value and no known name, of whatever was given. */
export const unknownName = (given: unknown, known: ReadonlySet<string>): string | undefined => {
  if (typeof given !== "object" || given === null) return undefined
  for (const name of Object.keys(given)) {
    if (!known.has(name) && (given as Readonly<Record<string, unknown>>)[name] !== undefined) return name // one of its keys
  }
  return undefined
}

/** What to say of it. */
export const noSuchOption = (name: string, known: ReadonlySet<string>, kind = "option"): string => {
  const guess = nearest(name, [...known])
  return `${show(name)} is no ${kind}${
    guess === undefined ? `, there are ${[...known].join(", ")}` : `, did you mean ${guess}?`
  }`
}
