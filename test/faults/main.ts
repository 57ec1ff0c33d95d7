/**
 * The command `npm run faults`.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { isInstalled, python, versions } from "../support/python.js"
import { findBinary } from "../support/redis-server.js"
import { faults } from "./catalog.js"
import type { Bundle, System } from "./fleet.js"
import { line, markdown, violationsOf } from "./report.js"
import { execute, type Fault, type Report, type Settings } from "./run.js"

const usage = `npm run faults -- [options]

Real processes on a real Redis: three workers with schedulers and a producer, one fault in the middle of the run. Ends
with 1 when anything that must hold did not.

  --fault NAME      only this one, or all whose names begin so; may be repeated
  --jobs N          how many jobs a run has (default: 240)
  --seconds N       over how long they are enqueued (default: 16)
  --workers N       how many workers (default: 3)
  --rq              the same runs for Python's RQ as well
  --only-rq         for RQ only
  --drain N         for how many seconds a fleet may finish afterwards (default: 75)
  --parallel N      how many runs at a time (default: 2)
  --json FILE       writes the figures to a file
  --markdown FILE   writes the table to a file
  --keep DIR        where journals and logs are left (default: a folder that is removed when all has held)
  --list            the names of the faults
`

/** What the launcher has written. */
export const bundle = (): Bundle => JSON.parse(process.env["EFFECT_RQ_FAULTS"] ?? "{}") as Bundle

export const machine = (): string =>
  `${new Date().toISOString()}; ${Os.cpus().length} x ${
    Os.cpus()[0]?.model ?? "?"
  }, ${Os.type()}, node ${process.version}, ${Path.basename(findBinary() ?? "?")}; load average ${
    Os.loadavg().map((load) => load.toFixed(1)).join(" ")
  }`

export const count = (name: string, text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: expected a whole number from 1, got ${text}`)
  return value
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const { values: options } = parseArgs({
    args: [...argv],
    options: {
      fault: { type: "string", multiple: true },
      jobs: { type: "string", default: "240" },
      seconds: { type: "string", default: "16" },
      workers: { type: "string", default: "3" },
      drain: { type: "string", default: "75" },
      parallel: { type: "string", default: "2" },
      rq: { type: "boolean" },
      "only-rq": { type: "boolean" },
      json: { type: "string" },
      markdown: { type: "string" },
      keep: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean" }
    }
  })
  if (options.help === true) {
    console.log(usage)
    return 0
  }
  if (options.list === true) {
    for (const { name, title, withoutRq } of faults) {
      console.log(`${name.padEnd(22)} ${title}${withoutRq === undefined ? "" : ` (not for RQ: ${withoutRq})`}`)
    }
    return 0
  }
  const names = options.fault
  const exact = new Set(faults.map(({ name }) => name))
  const chosen = names === undefined
    ? faults
    : faults.filter(({ name }) => names.some((one) => exact.has(one) ? one === name : name.startsWith(one)))
  if (chosen.length === 0) {
    console.error(`no fault of this name; --list tells them`)
    return 2
  }
  const withRq = options.rq === true || options["only-rq"] === true
  if (withRq && !isInstalled()) {
    console.error(`${python} has no rq: Debian's package is python3-rq; RQ_PYTHON names another Python`)
    return 2
  }
  const systems: ReadonlyArray<System> = options["only-rq"] === true
    ? ["RQ"]
    : withRq
    ? ["effect-rq", "RQ"]
    : ["effect-rq"]
  const folder = options.keep ?? Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-faults-"))
  const runs = chosen.flatMap((fault) =>
    systems.filter((system) => system === "effect-rq" || fault.withoutRq === undefined).map((system) => ({
      fault,
      system
    }))
  )
  const settings = (system: System): Settings => ({
    system,
    bundle: bundle(),
    folder,
    workers: count("workers", options.workers),
    plan: { jobs: count("jobs", options.jobs), millis: count("seconds", options.seconds) * 1000 },
    drainMillis: count("drain", options.drain) * 1000
  })
  const failures: Array<string> = []
  const one = ({ fault, system }: { readonly fault: Fault; readonly system: System }) =>
    execute(fault, settings(system)).pipe(
      Effect.tap((report) => Effect.sync(() => console.error(line(report)))),
      Effect.map((report): ReadonlyArray<Report> => [report]),
      Effect.catchAll((error) =>
        Effect.sync((): ReadonlyArray<Report> => {
          const text = error instanceof Error ? error.message : String(error)
          console.error(`FAILED ${text}`)
          failures.push(text)
          return []
        })
      )
    )
  const reports = (await Effect.runPromise(
    Effect.forEach(runs, one, { concurrency: count("parallel", options.parallel) })
  )).flat()
  console.log(`\n${markdown(reports)}\n`)
  for (const { fault, system, told } of reports) {
    for (const text of told) console.log(`${fault} (${system}): ${text}`)
  }
  const rq = withRq ? `, ${versions()[0]?.label}` : ""
  console.log(`\n${machine()}${rq}; npm run faults -- ${argv.join(" ")}`)
  const problems = [...failures, ...violationsOf(reports)]
  console.log(problems.length === 0 ? "All has held." : `Not held:\n${problems.join("\n")}`)
  if (options.json !== undefined) {
    Fs.writeFileSync(options.json, `${JSON.stringify({ machine: machine(), reports, failures }, undefined, 2)}\n`)
  }
  if (options.markdown !== undefined) Fs.writeFileSync(options.markdown, `${markdown(reports)}\n`)
  if (problems.length === 0 && options.keep === undefined) Fs.rmSync(folder, { recursive: true, force: true })
  else console.log(`Journals and logs are in ${folder}`)
  return problems.length === 0 ? 0 : 1
}
