/**
 * The project's files as text, for tests that read them.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

/** Scratch space that no tool looks at, and from which packages resolve as they do from the root. */
export const cache = Path.join(root, "node_modules", ".cache", "effect-rq")

export interface Source {
  /** Relative to the root, with slashes. */
  readonly path: string
  readonly text: string
}

export const readSource = (path: string): Source => ({ path, text: Fs.readFileSync(Path.join(root, path), "utf8") })

/** All TypeScript files below a folder, in order of their paths. */
export const sourcesIn = (folder: string): ReadonlyArray<Source> =>
  Fs.readdirSync(Path.join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.split(Path.sep).join("/")}`)
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map(readSource)

/** Blanks comments, keeping every character's line and column. Text in quotes stays as it is. */
export const withoutComments = (text: string): string =>
  text.replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`|\/\/[^\n]*|\/\*[^]*?\*\//g,
    (token) => token.startsWith("/") ? token.replace(/[^\n]/g, " ") : token
  )

/** `path:line` of each match, with what matched. */
export const matches = (source: Source, text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(
    text.matchAll(pattern),
    (match) => `${source.path}:${text.slice(0, match.index).split("\n").length} ${match[0].trim()}`
  )
