/**
 * Every public export says in words what it is, since when it exists and under which heading it belongs; what is called or
 * provided shows how. So does every method of a service and every option say what it does.
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
    if (mustShow(name, line)) needed.push("@example")
    for (const tag of needed) {
      if (!docstring.includes(tag)) problems.push(`${path}:${index + 1} ${name} has no ${tag}`)
    }
    if (!hasWords(docstring)) problems.push(`${path}:${index + 1} ${name} has no words`)
    if (line.startsWith("export interface ")) problems.push(...undocumentedMembers(path, name, lines, index))
  })
  return problems
}

/** What is called or provided: functions, Layers, Schemas of configuration, services. */
const mustShow = (name: string, line: string): boolean =>
  /^export (?:const|function)/.test(line) && name !== "TypeId" ||
  /^export class .*\bContext\.(?:Tag|Reference)\b/.test(line)

/** Whether there is more than tags. */
const hasWords = (docstring: string): boolean => /\w/.test(docstring.replace(/^\s*\* @[^]*/m, ""))

const optionsOf = /(?:Options|^Defaults|^Page)$/

/** The methods of an interface, and the options of one that holds such. What else it holds is told by its name and type. */
const undocumentedMembers = (
  path: string,
  name: string,
  lines: ReadonlyArray<string>,
  start: number
): ReadonlyArray<string> => {
  const end = lines.findIndex((line, index) => index >= start && line.endsWith("}") && !line.startsWith(" "))
  return lines.slice(start, end).flatMap((line, offset) => {
    const member = /^  readonly ([a-zA-Z]\w*)\??:\s?(.*)$/.exec(line)
    if (member === null) return []
    const isMethod = /^(?:<|\(|Effect\.|Stream\.)/.test(member[2]!) // the pattern has it
    return (isMethod || optionsOf.test(name)) && !hasWords(docstringAbove(lines, start + offset))
      ? [`${path}:${start + offset + 1} ${name}.${member[1]} has no words`]
      : []
  })
}

/** A list of names may document each name by itself. */
const undocumentedNames = (path: string, index: number, text: string): ReadonlyArray<string> => {
  const list = text.slice(text.indexOf("{") + 1, text.search(/^\}|(?<=^export (?:type )?\{[^\n]*)\}/m))
  return Array.from(
    list.matchAll(/(\/\*\*[^]*?\*\/)?\s*(?:type )?(?:\w+ as )?(\w+)\s*(?:,|$)/g),
    ([, docstring = "", name]) =>
      docstring.includes("@since") && docstring.includes("@category") && hasWords(docstring)
        ? []
        : [`${path}:${index + 1} ${name} has no @since, no @category or no words`]
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
      "export { f } from \"./other.js\"",
      "/**",
      " * Some of it.",
      " *",
      " * @since 0.1.0",
      " * @category models",
      " */",
      "export interface GOptions {",
      "  /** Told. */",
      "  readonly told?: string",
      "  readonly untold?: string",
      "}",
      "/**",
      " * Some more.",
      " *",
      " * @since 0.1.0",
      " * @category services",
      " */",
      "export interface HService {",
      "  readonly name: string",
      "  /**",
      "   * @deprecated",
      "   */",
      "  readonly method: <A>(a: A) => Effect.Effect<A>",
      "  readonly effect: Effect.Effect<void>",
      "}",
      "/**",
      " * A service.",
      " *",
      " * @since 0.1.0",
      " * @category services",
      " */",
      "export class H extends Context.Tag(\"H\")<H, HService>() {}"
    ].join("\n")
    assert.deepStrictEqual(undocumented({ path: "src/Sample.ts", text }), [
      "src/Sample.ts:8 a has no @category",
      "src/Sample.ts:8 a has no @example",
      "src/Sample.ts:8 a has no words",
      "src/Sample.ts:9 B has no @since",
      "src/Sample.ts:9 B has no @category",
      "src/Sample.ts:9 B has no words",
      "src/Sample.ts:12 E has no @since, no @category or no words",
      "src/Sample.ts:22 f has no @since, no @category or no words",
      "src/Sample.ts:32 GOptions.untold has no words",
      "src/Sample.ts:45 HService.method has no words",
      "src/Sample.ts:46 HService.effect has no words",
      "src/Sample.ts:54 H has no @example"
    ])
  })
})
