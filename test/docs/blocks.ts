/**
 * Code blocks in docstrings and in Markdown.
 */

export interface Example {
  readonly path: string
  /** The line of the file that the code's first line stands on. */
  readonly line: number
  readonly code: string
}

/** The code blocks of a text whose lines all begin with `prefix`. */
export const blocks = (path: string, text: string, firstLine: number, prefix: RegExp): ReadonlyArray<Example> => {
  const lines = text.split("\n").map((line) => line.replace(prefix, ""))
  const examples: Array<Example> = []
  let start: number | undefined
  lines.forEach((line, index) => {
    if (start === undefined && /^\s*```ts\b/.test(line)) start = index + 1
    else if (start !== undefined && /^\s*```\s*$/.test(line)) {
      examples.push({ path, line: firstLine + start, code: lines.slice(start, index).join("\n") })
      start = undefined
    }
  })
  return examples
}

/** An example that begins with the name of its file, `// jobs.ts`, can be imported by the others. */
export const fileOf = ({ code }: Example): string | undefined => /^\/\/ ([\w.]+\.ts)$/m.exec(code.split("\n")[0]!)?.[1]
