/**
 * The arguments of a job as RQ's command line has them: `text`, `:json`, `@file`, `key=text`, `key:=json`, `key=@file`.
 *
 * @internal
 */

export type Argument = {
  /** Undefined for a positional argument. */
  readonly key: string | undefined
  /** How the text is meant. */
  readonly as: "text" | "json"
  readonly source: { readonly _tag: "Text"; readonly text: string } | { readonly _tag: "File"; readonly path: string }
}

export interface ArgumentProblem {
  readonly _tag: "ArgumentProblem"
  readonly message: string
}

export const problem = (message: string): ArgumentProblem => ({ _tag: "ArgumentProblem", message })

const sourceOf = (text: string): Argument["source"] =>
  text.startsWith("@") ? { _tag: "File", path: text.slice(1) } : { _tag: "Text", text }

/** What one word says. The first `=` parts the key from the value. */
export const read = (word: string): Argument | ArgumentProblem => {
  if (word.startsWith(":")) return { key: undefined, as: "json", source: sourceOf(word.slice(1)) }
  const equals = word.indexOf("=")
  const before = word.slice(0, Math.max(0, equals))
  if (word.startsWith("%") || (equals > 0 && before.endsWith("%"))) {
    return problem(`${word}: Python literals can't be read here, write JSON: ${before.replace(/%$/, ":=")}...`)
  }
  if (equals <= 0) return { key: undefined, as: "text", source: sourceOf(word) }
  const isJson = before.endsWith(":")
  const key = isJson ? before.slice(0, -1) : before
  if (key === "") return problem(`${word}: there is no name before :=`)
  return { key, as: isJson ? "json" : "text", source: sourceOf(word.slice(equals + 1)) }
}

/** The value of an argument whose text is known. */
export const valueOf = ({ as, key }: Argument, text: string): { readonly value: unknown } | ArgumentProblem => {
  if (as === "text") return { value: text }
  try {
    const value: unknown = JSON.parse(text)
    return { value }
  } catch (error) {
    const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text
    const hint = key === undefined ? "a text is written without the colon" : `a text is written ${key}=...`
    return problem(
      `${key === undefined ? `:${shown}` : `${key}:=${shown}`} is no JSON, ${hint} (${
        error instanceof Error ? error.message : String(error)
      })`
    )
  }
}

/** Named arguments as an object, others as an array. */
export const collect = (
  values: ReadonlyArray<readonly [key: string | undefined, value: unknown]>
): { readonly payload: Readonly<Record<string, unknown>> | ReadonlyArray<unknown> } | ArgumentProblem => {
  const named = values.filter(([key]) => key !== undefined)
  if (named.length === 0 && values.length > 0) return { payload: values.map(([, value]) => value) }
  if (named.length !== values.length) {
    return problem("arguments are either all named (key=value) or none is")
  }
  const payload = new Map<string, unknown>()
  for (const [key, value] of named) {
    if (payload.has(key!)) return problem(`the argument ${key} is given twice`)
    payload.set(key!, value)
  }
  return { payload: Object.fromEntries(payload) }
}
