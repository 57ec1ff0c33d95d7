/**
 * Every example in a docstring and in the README type-checks against the sources.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { cache, readSource, root, type Source, sourcesIn } from "../package/sources.js"
import { blocks, type Example, fileOf } from "./blocks.js"

const inDocstrings = ({ path, text }: Source): ReadonlyArray<Example> =>
  Array.from(text.matchAll(/^[ \t]*\/\*\*[^]*?\*\//gm)).flatMap((docstring) => {
    const at = docstring[0].indexOf("@example")
    if (at < 0) return []
    const offset = docstring.index + at
    return blocks(path, docstring[0].slice(at), text.slice(0, offset).split("\n").length, /^\s*\* ?/)
  })

/** Type-checks all examples in one run, and answers with what is wrong and where. */
const check = (name: string, examples: ReadonlyArray<Example>): ReadonlyArray<string> => {
  const folder = Path.join(cache, name)
  Fs.rmSync(folder, { recursive: true, force: true })
  Fs.mkdirSync(folder, { recursive: true })
  const write = (file: string, text: string) => Fs.writeFileSync(Path.join(folder, file), text)
  const byFile = new Map(examples.map((example, index) => [fileOf(example) ?? `${index}.ts`, example]))
  assert.strictEqual(byFile.size, examples.length, "two examples have the same file name")
  for (const [file, example] of byFile) write(file, `${example.code}\n`)
  write("package.json", JSON.stringify({ type: "module" }))
  write(
    "tsconfig.json",
    JSON.stringify({
      extends: Path.join(root, "tsconfig.json"),
      // An example shows a definition without using it.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, types: ["node"] },
      files: [...byFile.keys()],
      include: []
    })
  )
  const tsc = Path.join(root, "node_modules", "typescript", "bin", "tsc")
  const { status, stderr, stdout } = spawnSync(process.execPath, [tsc, "-p", ".", "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8"
  })
  const problems = Array.from(stdout.matchAll(/^([\w.]+\.ts)\((\d+),\d+\): (.*(?:\n  .*)*)/gm), (match) => {
    const example = byFile.get(match[1]!)!
    return `${example.path}:${example.line + Number(match[2]) - 1} ${match[3]}`
  })
  // A compiler that did not run at all has found nothing either. Errors of the sources are another check's business.
  if (status !== 0 && problems.length === 0 && !/^\S+\(\d+,\d+\): error/m.test(stdout)) {
    return [`tsc ended with ${status}: ${stdout}${stderr}`]
  }
  return problems
}

describe("examples", () => {
  const readme = Fs.existsSync(Path.join(root, "README.md")) ? [readSource("README.md")] : []
  const examples = [
    ...sourcesIn("src").flatMap(inDocstrings),
    ...readme.flatMap(({ path, text }) => blocks(path, text, 1, /^/))
  ]

  it("type-check", { timeout: 120_000 }, () => {
    assert.isTrue(examples.some(({ path }) => path === "src/Redis.ts"))
    assert.deepStrictEqual(check("examples", examples), [])
  })

  it("are reported by the line that they stand on", { timeout: 120_000 }, () => {
    const source = {
      path: "src/Sample.ts",
      text: [
        "/**",
        " * Says hello.",
        " *",
        " * @example",
        " * ```ts",
        " * import { Redis } from \"effect-rq\"",
        " *",
        " * export const wrong: number = Redis.script",
        " * ```",
        " */"
      ].join("\n")
    }
    const problems = check("examples-wrong", inDocstrings(source))
    assert.lengthOf(problems, 1)
    assert.match(problems[0]!, /^src\/Sample\.ts:8 error TS2322/)
  })
})
