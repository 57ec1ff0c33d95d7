/**
 * What may be left out may also be undefined: under `exactOptionalPropertyTypes` callers couldn't hand on what they may
 * not have, such as a variable of the environment.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Source, sourcesIn, withoutComments } from "../package/sources.js"

/** Their types are inferred: a Schema that may not be there would make the job's types those of any Schema. */
const inferred = ["payload", "success", "error"].map((name) => `src/Job.ts: ${name}`)

const isPublic = (path: string) => /^src\/(?:testing\/)?[\w-]+\.ts$/.test(path)

/** The type after `name?:`, up to where its line or, in brackets, its block ends. */
const typeAt = (text: string, start: number): string => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const letter = text[at]!
    if ("([{".includes(letter)) depth++
    if (")]}".includes(letter) && --depth < 0) return text.slice(start, at)
    const goesOn = /^\s*[|&]/.test(text.slice(at)) || text.slice(start, at).trim() === ""
    if (depth === 0 && (letter === ";" || letter === "\n" && !goesOn)) return text.slice(start, at)
  }
  return text.slice(start)
}

/** Properties that may be left out and not be undefined. A phantom, whose name begins with `_`, is never there. */
const exact = ({ path, text }: Source): ReadonlyArray<string> => {
  const code = withoutComments(text)
  return Array.from(code.matchAll(/readonly ([a-zA-Z]\w*)\?:/g)).flatMap((match) => {
    const type = typeAt(code, match.index + match[0].length)
    return /(?:^|\|)\s*undefined\s*$/.test(type) ? [] : [`${path}: ${match[1]}`]
  })
}

describe("optional properties", () => {
  it("of every public type may be undefined", () => {
    const modules = sourcesIn("src").filter(({ path }) => isPublic(path))
    assert.isTrue(modules.some(({ text }) => /readonly \w+\?:/.test(text)))
    assert.deepStrictEqual(modules.flatMap(exact), inferred)
  })

  it("are found where they may not", () => {
    const text = [
      "export interface A {",
      "  readonly a?: string | undefined",
      "  readonly b?: string",
      "  readonly c?: {",
      "    readonly d?: undefined",
      "    readonly e?: ReadonlyArray<string | undefined>",
      "  } | undefined",
      "  readonly f?: {",
      "    readonly g: 1",
      "  }",
      "  readonly h?:",
      "    | string",
      "    | undefined",
      "}",
      "export type B = { readonly i?: number; readonly j?: number | undefined }"
    ].join("\n")
    assert.deepStrictEqual(exact({ path: "x", text }), ["x: b", "x: e", "x: f", "x: i"])
  })
})
