/**
 * Names that Python takes.
 *
 * @internal
 */

/** Keywords, soft ones too, and names with a meaning of their own. */
const keywords = new Set(
  ("False None True and as assert async await break case class continue def del elif else except finally for from "
    + "global if import in is lambda match nonlocal not or pass raise return try type while with _ __debug__").split(
      " "
    )
)

/** What annotations and the helpers of the module refer to. */
export const moduleNames: ReadonlySet<string> = new Set(
  ("annotations json re datetime timedelta Any Dict List Literal NoReturn Optional TypedDict Union Queue Job JobOptions "
    + "QUEUES str int float bool list dict tuple object bytes set isinstance any sorted repr getattr "
    + "TypeError ValueError _ABSENT _Absent _DEFAULTS _JOB_ID _enqueue").split(" ")
)

/** The names that the body of a generated function uses. */
export const bodyNames: ReadonlySet<string> = new Set(["_ABSENT", "_enqueue", "dict", "list"])

/** Python compares identifiers in this form. */
const normalize = (name: string): string => name.normalize("NFKC")

/**
 * What is no letter to every Python from 3.9 on, which knows Unicode 13: letters that came later, and marks and dots that
 * became letters. A letter that Python doesn't know is an error to it, and Node may know a later Unicode. Beyond the first
 * plane none is taken: there they come in thousands.
 */
const unknown =
  "[\\u0870-\\u089f\\u08b5\\u08c8-\\u08d2\\u0c3c\\u0c5c\\u0c5d\\u0cdc\\u0cdd\\u0cf3\\u0ece\\u170d\\u1715\\u171f\\u1ac1-\\u1aff"
  + "\\u1c89\\u1c8a\\u1dfa\\u200c\\u200d\\u2c2f\\u2c5f\\u30fb\\u9ffd-\\u9fff\\ua7c0\\ua7c1\\ua7cb-\\ua7f4\\uff65"
  + "\\u{10000}-\\u{10ffff}]"
const start = `(?!${unknown})[\\p{XID_Start}_]`
const letter = `(?!${unknown})\\p{XID_Continue}`

const identifierForm = new RegExp(`^${start}(?:${letter})*$`, "u")
const startForm = new RegExp(`^${start}`, "u")
const notLetters = new RegExp(`(?:(?!${letter})[^])+`, "gu")

export const isIdentifier = (name: string): boolean =>
  name === normalize(name) && identifierForm.test(name) && !keywords.has(name)

/** The name itself where Python takes it, else the nearest that it takes. */
export const safe = (name: string): string => {
  if (isIdentifier(name)) return name
  let text = normalize(name).replace(notLetters, "_")
  if (!startForm.test(text)) text = `_${text}`
  return keywords.has(text) ? `${text}_` : text
}

/** The name, or the first of `name_`, `name_2`, `name_3`, ... that is free. */
export const free = (name: string, isTaken: (name: string) => boolean): string => {
  if (!isTaken(name)) return name
  if (!isTaken(`${name}_`)) return `${name}_`
  for (let i = 2;; i++) if (!isTaken(`${name}_${i}`)) return `${name}_${i}`
}

/** `send_welcome` as `SendWelcome`. */
export const pascal = (name: string): string =>
  safe(name).split("_").filter((part) => part !== "").map((part) => part[0]!.toUpperCase() + part.slice(1)).join("")
  || "_"

/** `SendWelcome` as `send_welcome`. */
export const snake = (name: string): string =>
  safe(name.replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, "_").toLowerCase())

/** Every job has three functions. */
const variants = (name: string): ReadonlyArray<string> => [name, `${name}_at`, `${name}_in`]

/**
 * A function for each job: the last parts of its dotted name, as many as tell it from the others. Names that no number
 * of parts tells apart are numbered.
 */
export const functionNames = (jobs: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const partsOf = new Map(jobs.map((job) => [job, job.split(".").filter((part) => part !== "")]))
  const used = new Map(jobs.map((job) => [job, 1]))
  const nameOf = (job: string) => {
    const name = safe(partsOf.get(job)!.slice(-used.get(job)!).join("_"))
    return variants(name).some((variant) => moduleNames.has(variant)) ? `${name}_` : name
  }
  for (;;) {
    const claims = new Map<string, Set<string>>()
    for (const job of jobs) {
      for (const variant of variants(nameOf(job))) claims.set(variant, (claims.get(variant) ?? new Set()).add(job))
    }
    const contested = new Set([...claims.values()].filter((claimants) => claimants.size > 1).flatMap((set) => [...set]))
    const growing = [...contested].filter((job) => used.get(job)! < partsOf.get(job)!.length)
    if (growing.length === 0) break
    for (const job of growing) used.set(job, used.get(job)! + 1)
  }
  const taken = new Set<string>()
  const out = new Map<string, string>()
  for (const job of jobs) {
    const name = free(nameOf(job), (name) => variants(name).some((variant) => taken.has(variant)))
    for (const variant of variants(name)) taken.add(variant)
    out.set(job, name)
  }
  return out
}
