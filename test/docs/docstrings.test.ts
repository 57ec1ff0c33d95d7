/**
 * Every public export says since when it exists and under which heading it belongs.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Source, sourcesIn } from "../package/sources.js"

/** Modules at the top of `src` and in `src/testing` are public, folders are not. */
const isPublic = (path: string) => /^src\/(?:testing\/)?[\w-]+\.ts$/.test(path)

const declaration =
  /^export (?:declare )?(?:abstract )?(?:const|let|class|interface|type|function\*?|enum|namespace) (\w+)|^export (?:type )?(\*|\{)/

const undocumented = ({ path, text }: Source): ReadonlyArray<string> => {
  const lines = text.split("\n")
  const problems: Array<string> = []
  const header = /^\/\*\*[^]*?\*\//.exec(text)?.[0] ?? ""
  if (!header.includes("@since")) problems.push(`${path}:1 the module has no @since`)
  let previous = ""
  lines.forEach((line, index) => {
    const match = declaration.exec(line)
    if (match === null) {
      if (line.startsWith("export ")) problems.push(`${path}:${index + 1} an export that this test can't read`)
      return
    }
    const name = match[1] ?? match[2]!
    // Overloads of one function share the docstring of the first.
    const isOverload = name === previous && line.startsWith("export function")
    previous = name
    if (isOverload) return
    const docstring = docstringAbove(lines, index)
    if (docstring.includes("@internal")) return
    if (name === "{" && docstring === "") {
      problems.push(...undocumentedNames(path, index, lines.slice(index).join("\n")))
      return
    }
    const needed = name === "*" ? ["@since"] : ["@since", "@category"]
    for (const tag of needed) {
      if (!docstring.includes(tag)) problems.push(`${path}:${index + 1} ${name} has no ${tag}`)
    }
  })
  return problems
}

/** A list of names may document each name by itself. */
const undocumentedNames = (path: string, index: number, text: string): ReadonlyArray<string> => {
  const list = text.slice(text.indexOf("{") + 1, text.search(/^\}|(?<=^export (?:type )?\{[^\n]*)\}/m))
  return Array.from(
    list.matchAll(/(\/\*\*[^]*?\*\/)?\s*(?:type )?(?:\w+ as )?(\w+)\s*(?:,|$)/g),
    ([, docstring = "", name]) =>
      docstring.includes("@since") && docstring.includes("@category")
        ? []
        : [`${path}:${index + 1} ${name} has no @since or no @category`]
  ).flat()
}

const docstringAbove = (lines: ReadonlyArray<string>, index: number): string => {
  if (!/\*\/\s*$/.test(lines[index - 1] ?? "")) return ""
  let start = index - 1
  while (start > 0 && !/^\s*\/\*/.test(lines[start]!)) start--
  return lines.slice(start, index).join("\n")
}

describe("docstrings", () => {
  const modules = sourcesIn("src").filter(({ path }) => isPublic(path))

  it("are complete in every public module", () => {
    assert.isTrue(modules.some(({ path }) => path === "src/Redis.ts"))
    assert.deepStrictEqual(modules.flatMap(undocumented), [])
  })

  it("are missed where there are none", () => {
    const text = [
      "/**",
      " * @since 0.1.0",
      " */",
      "",
      "/**",
      " * @since 0.1.0",
      " */",
      "export const a = 1",
      "export interface B {}",
      "/** @internal */",
      "export const c = 1",
      "export {",
      "  /**",
      "   * See {@link a}, or b.",
      "   *",
      "   * @since 0.1.0",
      "   * @category models",
      "   */",
      "  D,",
      "  E",
      "} from \"./other.js\"",
      "export { f } from \"./other.js\""
    ].join("\n")
    assert.deepStrictEqual(undocumented({ path: "src/Sample.ts", text }), [
      "src/Sample.ts:8 a has no @category",
      "src/Sample.ts:9 B has no @since",
      "src/Sample.ts:9 B has no @category",
      "src/Sample.ts:12 E has no @since or no @category",
      "src/Sample.ts:22 f has no @since or no @category"
    ])
  })
})
