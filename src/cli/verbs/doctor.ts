/**
 * `doctor`: what is wrong in Redis, and what mends it.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Doctor from "../../Doctor.js"
import { withRedis } from "../connection.js"
import { failed, type Failure, misused } from "../failure.js"
import { counted, print, printable, printJson, style } from "../terminal.js"
import type { Values } from "../verbs.js"

/** How many findings of one kind people are shown, and how many ids that were passed over. */
const mostShown = 10

type Outcomes = ReadonlyMap<Doctor.Finding, Doctor.Mended>

const paintOf = { error: style.red, warning: style.yellow, info: style.dim } as const

const findingJson = (finding: Doctor.Finding, outcomes: Outcomes) => {
  const outcome = outcomes.get(finding)
  return {
    code: finding.code,
    severity: finding.severity,
    invariant: Option.getOrNull(finding.invariant),
    job: Option.getOrNull(finding.job),
    queue: Option.getOrNull(finding.queue),
    worker: Option.getOrNull(finding.worker),
    key: Option.getOrNull(finding.key),
    message: finding.message,
    remedy: finding.remedy,
    mendable: Option.isSome(finding.repair),
    mended: outcome === undefined ? null : Option.isNone(outcome.left),
    left: outcome === undefined ? null : Option.getOrNull(outcome.left),
    skipped: outcome?.skipped ?? []
  }
}

/** A finding is settled when it is mended. */
const isSettled = (finding: Doctor.Finding, outcomes: Outcomes): boolean => {
  const outcome = outcomes.get(finding)
  return outcome !== undefined && Option.isNone(outcome.left)
}

const describe = (report: Doctor.Report, outcomes: Outcomes): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const shown = new Map<Doctor.Code, number>()
  for (const finding of report.findings) {
    const before = shown.get(finding.code) ?? 0
    shown.set(finding.code, before + 1)
    if (before >= mostShown) continue
    const { message, remedy, severity } = finding
    lines.push(`${paintOf[severity](severity.padEnd(7))}  ${printable(message)}`)
    const outcome = outcomes.get(finding)
    lines.push(
      `         ${
        outcome === undefined
          ? style.dim(printable(remedy))
          : Option.match(outcome.left, {
            onNone: () => style.green("mended"),
            onSome: (why) => `${style.yellow("left")}: ${printable(why)}`
          })
      }`
    )
    const skipped = outcome?.skipped ?? []
    for (const one of skipped.slice(0, mostShown)) lines.push(`         passed over ${printable(one)}`)
    if (skipped.length > mostShown) {
      lines.push(`         passed over ${skipped.length - mostShown} more: --json lists them`)
    }
  }
  for (const [code, found] of shown) {
    if (found > mostShown) lines.push(`         ${found - mostShown} more of the kind ${code}: --json lists them`)
  }
  const of = (severity: Doctor.Severity) => report.findings.filter((finding) => finding.severity === severity).length
  lines.push(
    `looked at ${counted(report.jobs, "job")} in ${counted(report.queues, "queue")}${
      report.complete ? "" : ", which is a part of what there is"
    }: ${
      report.findings.length === 0
        ? style.green("all is well")
        : [counted(of("error"), "error"), counted(of("warning"), "warning"), `${of("info")} for information`].join(", ")
    }`
  )
  if (report.unverified > 0) {
    lines.push(`${counted(report.unverified, "job")} may or may not be in a queue that is too long to look through`)
  }
  return lines
}

export const run = (
  { fix, json, queue, sample, url }: Values<"doctor">,
  named: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const queues = [...new Set([...named, ...queue])]
    const [report, mended] = yield* Effect.gen(function*() {
      const doctor = yield* Doctor.make
      const report = yield* doctor.examine({ sample, ...(queues.length === 0 ? {} : { queues }) })
      return [report, fix ? yield* doctor.mend(report.findings) : []] as const
    }).pipe(
      Effect.catchTag("InvalidOptions", ({ field, message }) =>
        misused("doctor", field === "sample" ? `--${message}` : message.replace(/^queues: /, ""))),
      withRedis(url)
    )
    const outcomes: Outcomes = new Map(mended.map((one) => [one.finding, one]))
    const errors = report.findings.filter((one) =>
      one.severity === "error" && !isSettled(one, outcomes)
    ).length
    if (json) {
      yield* printJson({
        time: DateTime.formatIso(report.at),
        healthy: errors === 0,
        jobs: report.jobs,
        queues: report.queues,
        unverified: report.unverified,
        complete: report.complete,
        findings: report.findings.map((finding) => findingJson(finding, outcomes))
      })
    } else {
      for (const line of describe(report, outcomes)) yield* print(line)
    }
    if (errors > 0) return yield* failed(`${counted(errors, "error")}${fix ? " left" : ""}`)
  }))
