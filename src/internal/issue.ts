/**
 * What is wrong with a value, without the value: it may be a secret, and messages go to logs.
 *
 * @internal
 */
import type * as ParseResult from "effect/ParseResult"
import type * as AST from "effect/SchemaAST"
import { kindOf } from "./kindOf.js"

const isIssues = (
  issues: ParseResult.ParseIssue | Iterable<ParseResult.ParseIssue>
): issues is Iterable<ParseResult.ParseIssue> => Symbol.iterator in issues

const segment = (key: PropertyKey): string =>
  typeof key === "number"
    ? `[${key}]`
    : /^[A-Za-z_$][\w$]*$/.test(String(key))
    ? `.${String(key)}`
    : `["${String(key)}"]`

/** What a Schema expects, by its own name or description. */
const expected = (ast: AST.AST): string => String(ast).split("\n")[0]!.slice(0, 200)

const collect = (issue: ParseResult.ParseIssue, path: string, out: Array<string>): void => {
  if (out.length >= mostIssues) return
  const at = path === "" ? "" : `${path.replace(/^\./, "")}: `
  switch (issue._tag) {
    case "Pointer": {
      const keys = Array.isArray(issue.path) ? issue.path as ReadonlyArray<PropertyKey> : [issue.path as PropertyKey]
      return collect(issue.issue, path + keys.map(segment).join(""), out)
    }
    case "Composite": {
      const issues = isIssues(issue.issues) ? [...issue.issues] : [issue.issues]
      // Of a union each member has one; the value fits none of them.
      if (issue.ast._tag === "Union") out.push(`${at}expected ${expected(issue.ast)}, got ${kindOf(issue.actual)}`)
      else for (const one of issues) collect(one, path, out)
      return
    }
    case "Refinement":
      if (issue.kind === "From") return collect(issue.issue, path, out)
      out.push(`${at}expected ${expected(issue.ast)}, got ${kindOf(issue.actual).replace(/^an? /, "another ")}`)
      return
    case "Transformation":
      if (issue.kind !== "Transformation") return collect(issue.issue, path, out)
      out.push(`${at}expected ${expected(issue.ast)}, got ${kindOf(issue.actual)}`)
      return
    case "Type":
      out.push(`${at}expected ${expected(issue.ast)}, got ${kindOf(issue.actual)}`)
      return
    case "Missing":
      out.push(`${at}is missing`)
      return
    case "Unexpected":
      out.push(`${at}is unexpected`)
      return
    case "Forbidden":
      out.push(`${at}needs an effect that can't be run here`)
  }
}

const mostIssues = 20

/** One line for each thing that is wrong: where, what was expected, and of what kind it is. */
export const describe = (issue: ParseResult.ParseIssue): string => {
  const out: Array<string> = []
  collect(issue, "", out)
  return out.join("\n")
}
