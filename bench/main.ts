/**
 * The benchmark: starts a Redis of its own, runs the rows for effect-rq and its peers in turn, each step in a process of
 * its own, and prints medians, spreads and ratios.
 */
import * as Effect from "effect/Effect"
import { Redis as Connection } from "ioredis"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs, promisify } from "node:util"
import * as RedisServer from "../test/support/redis-server.js"
import { type Bar, type Row, rows, type Side, type Step } from "./rows.js"
import { type Figures, fromInfo, percentile, sleep, spread } from "./task.js"

const usage = `npm run bench -- [options]

  --row NAME       only this row, or all whose names begin so; may be repeated
  --jobs N         how many jobs a row has, instead of its own number
  --rounds N       how often each side is measured, at most (default: 2)
  --json FILE      writes the figures to a file as well
  --python FILE    a Python with the rq to measure (default: the first of /usr/bin/python3 and python3 that has one)
  --profile DIR    writes a CPU profile of each process of effect-rq, and what Redis did for it
  --list           the names of the rows
`

const { bench, cache } = JSON.parse(process.env["EFFECT_RQ_BENCH"] ?? "{}") as {
  // what the launcher has written
  readonly bench: string
  readonly cache: string
}

interface Context {
  readonly port: number
  readonly redis: Connection
  readonly python: string | undefined
  readonly profile: string | undefined
}

const execFile = promisify(ChildProcess.execFile)

/** No step takes nearly as long: one that does is stuck. */
const stepLimit = 180_000

const lastLine = (output: string): string => output.trimEnd().split("\n").at(-1) ?? ""

/** What the process of a step says of its failure, and nothing of this one's stack. */
const onFailure = (what: string) => (error: { readonly stderr?: string; readonly killed?: boolean }): never => {
  console.error(
    `${what} failed${error.killed === true ? `: no end within ${stepLimit / 1000} s` : ""}\n${error.stderr}`
  )
  process.exit(1)
}

const runStep = async (context: Context, side: Side, { params, task }: Step, before: Figures): Promise<Figures> => {
  if (task === "cli") return startUp(params.n)
  const args = [task, JSON.stringify({ ...params, ...before }), String(context.port)]
  const options = { timeout: stepLimit, env: { ...process.env, BENCH_PEER: Path.join(cache, "peer") } }
  const profiling = context.profile === undefined || side !== "ours"
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${context.profile}`, `--cpu-prof-name=${task}-${params.concurrency}.cpuprofile`]
  const running = side === "rq"
    ? execFile(context.python ?? "python3", [Path.join(bench, "rq_peer.py"), ...args], options)
    : execFile(process.execPath, [...profiling, Path.join(cache, "bench", `${side}.js`), ...args], options)
  RedisServer.watch(running.child)
  const { stderr, stdout } = await running.catch(onFailure(`${side} ${task}`))
  if (context.profile !== undefined && side === "ours") {
    Fs.writeFileSync(
      Path.join(context.profile, `${task}-${params.concurrency}.commandstats`),
      await context.redis.info("commandstats")
    )
  }
  if (stderr !== "" && side !== "rq") process.stderr.write(`${side} ${task}: ${stderr}\n`)
  return JSON.parse(lastLine(stdout)) as Figures // what the task has written
}

/** Milliseconds until `--help` is there, and until a Node that does nothing has ended. */
const startUp = async (times: number): Promise<Figures> => {
  const took = async (args: ReadonlyArray<string>) => {
    const all: Array<number> = []
    for (let i = 0; i < times; i++) {
      const since = performance.now()
      await execFile(process.execPath, [...args])
      all.push(performance.now() - since)
    }
    return spread(all)["p50"] ?? NaN
  }
  return { p50: await took([Path.join(cache, "dist", "cli", "bin.js"), "--help"]), bareNode: await took(["-e", "0"]) }
}

/** Once those who were connected are gone: their buffers count. */
const usedMemory = async ({ redis }: Context): Promise<number> => {
  await redis.script("FLUSH")
  for (let i = 0; i < 100; i++) {
    if (fromInfo(await redis.info("clients"), /connected_clients:(\d+)/) <= 1) break
    await sleep(20)
  }
  return fromInfo(await redis.info("memory"), /used_memory:(\d+)/)
}

const measure = async (context: Context, row: Row, side: Side, steps: ReadonlyArray<Step>): Promise<Figures> => {
  await context.redis.flushall("SYNC")
  const bytesFor = row.bytesFor?.[side]
  const empty = bytesFor === undefined ? 0 : await usedMemory(context)
  let figures: Figures = {}
  for (const step of steps) {
    await context.redis.config("RESETSTAT")
    figures = await runStep(context, side, step, figures)
  }
  return bytesFor === undefined ? figures : { bytes: ((await usedMemory(context)) - empty) / bytesFor }
}

interface Value {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

const valueOf = (all: ReadonlyArray<number>): Value => {
  const sorted = all.filter((one) => !Number.isNaN(one)).sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return {
    median: (percentileAt(sorted, Math.floor(middle)) + percentileAt(sorted, Math.ceil(middle))) / 2,
    lowest: percentile(sorted, 0),
    highest: percentile(sorted, 1)
  }
}

const percentileAt = (sorted: ReadonlyArray<number>, index: number): number => sorted[index] ?? NaN

type Measured = Partial<Record<Side, Array<Figures>>>

const valuesOf = (measured: Measured, side: Side, metric: string): ReadonlyArray<number> =>
  (measured[side] ?? []).flatMap((figures) => figures[metric] ?? [])

/** Round by round: what disturbs the machine for a while disturbs both. */
const ratiosTo = (measured: Measured, peer: Side, metric: string): ReadonlyArray<number> => {
  const theirs = valuesOf(measured, peer, metric)
  return valuesOf(measured, "ours", metric).flatMap((ours, round) => {
    const their = theirs[round]
    return their === undefined || their === 0 ? [] : [ours / their]
  })
}

interface Verdict {
  readonly bar: string
  /** Undefined when the peer was not there. */
  readonly met: boolean | undefined
}

const judge = (measured: Measured, { atLeast, atMost, metric, peer }: Bar): Verdict => {
  const values = peer === undefined ? valuesOf(measured, "ours", metric) : ratiosTo(measured, peer, metric)
  const { highest, lowest, median } = valueOf(values)
  const of = peer === undefined ? "" : `x ${names[peer]}`
  return {
    bar: atLeast !== undefined ? `>= ${atLeast}${of}` : `<= ${atMost}${of}`,
    met: values.length === 0
      ? undefined
      // A bound on the figure itself holds for each round.
      : peer === undefined
      ? lowest >= (atLeast ?? -Infinity) && highest <= (atMost ?? Infinity)
      : median >= (atLeast ?? -Infinity) && median <= (atMost ?? Infinity)
  }
}

const names: Record<Side, string> = { ours: "effect-rq", bullmq: "BullMQ", rq: "RQ" }

const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)))

const text = (all: ReadonlyArray<number>): string => {
  if (all.length === 0) return ""
  const { highest, lowest, median } = valueOf(all)
  return all.length === 1 ? number(median) : `${number(median)} (${number(lowest)}-${number(highest)})`
}

const report = (row: Row, measured: Measured) =>
  row.metrics.map((metric) => {
    const peers = (["bullmq", "rq"] as const).filter((side) => valuesOf(measured, side, metric.key).length > 0)
    return {
      metric: metric.key,
      unit: metric.unit,
      sides: Object.fromEntries(
        (["ours", ...peers] as const).map((side) => [side, valueOf(valuesOf(measured, side, metric.key))])
      ),
      ratios: Object.fromEntries(peers.map((peer) => [peer, valueOf(ratiosTo(measured, peer, metric.key))])),
      bars: row.bars.filter((bar) => bar.metric === metric.key).map((bar) => judge(measured, bar)),
      cells: [
        `${row.name} ${metric.key === "rate" ? "" : metric.key}`.trimEnd(),
        metric.unit,
        text(valuesOf(measured, "ours", metric.key)),
        ...peers.length === 0 ? ["", ""] : [
          peers.map((peer) => `${names[peer]} ${text(valuesOf(measured, peer, metric.key))}`).join("; "),
          peers.map((peer) => text(ratiosTo(measured, peer, metric.key))).join("; ")
        ]
      ]
    }
  })

const verdictText = (bars: ReadonlyArray<Verdict>): string =>
  bars.map(({ bar, met }) => `${bar} ${met === undefined ? "not measured" : met ? "met" : "MISSED"}`).join("; ")

const table = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const [head, ...body] = lines.map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`)
  return [head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body].join("\n")
}

const findPython = async (
  wanted: string | undefined
): Promise<readonly [path: string, version: string] | undefined> => {
  for (const python of wanted === undefined ? ["/usr/bin/python3", "python3"] : [wanted]) {
    const { stdout } = await execFile(python, ["-c", "import rq; print(rq.VERSION)"]).catch(() => ({ stdout: "" }))
    if (stdout !== "") return [python, stdout.trim()]
  }
  return undefined
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const { values: options } = parseArgs({
    args: [...argv],
    options: {
      row: { type: "string", multiple: true },
      jobs: { type: "string" },
      rounds: { type: "string", default: "2" },
      json: { type: "string" },
      python: { type: "string" },
      profile: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean" }
    }
  })
  if (options.help === true) {
    console.log(usage)
    return 0
  }
  const all = rows(options.jobs === undefined ? undefined : Number(options.jobs))
  const named = options.row
  const exact = new Set(all.map(({ name }) => name))
  const chosen = named === undefined
    ? all
    : all.filter(({ name }) => named.some((one) => exact.has(one) ? name === one : name.startsWith(one)))
  if (options.list === true || chosen.length === 0) {
    for (const { name, title } of all) console.log(`${name.padEnd(24)} ${title}`)
    return options.list === true ? 0 : 1
  }
  if (options.profile !== undefined) Fs.mkdirSync(options.profile, { recursive: true })
  return Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const server = yield* RedisServer.start({ args: ["--latency-tracking", "no"] })
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() => new Connection(server.port, "127.0.0.1")),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    return yield* Effect.promise(() => runAll(chosen, Number(options.rounds), server.port, redis, options))
  })))
}

const runAll = async (
  chosen: ReadonlyArray<Row>,
  rounds: number,
  port: number,
  redis: Connection,
  options: { readonly json?: string; readonly python?: string; readonly profile?: string }
): Promise<number> => {
  const python = await findPython(options.python)
  const context: Context = { port, redis, python: python?.[0], profile: options.profile }
  const peer = JSON.parse(Fs.readFileSync(Path.join(cache, "peer", "node_modules", "bullmq", "package.json"), "utf8"))
  const machine = {
    date: new Date().toISOString(),
    cpu: `${Os.cpus().length} x ${Os.cpus()[0]?.model ?? "?"}`,
    node: process.version,
    redis: /redis_version:(\S+)/.exec(await redis.info("server"))?.[1] ?? "?",
    bullmq: String(peer.version),
    rq: python?.[1] ?? "not there",
    loadBefore: Os.loadavg()
  }
  const lines: Array<ReadonlyArray<string>> = [["row", "unit", "effect-rq", "peer", "ratio", "bar"]]
  const results = []
  const missed: Array<string> = []
  for (const row of chosen) {
    const measured: Measured = {}
    for (let round = 0; round < Math.min(rounds, row.rounds ?? rounds); round++) {
      for (const side of ["ours", "bullmq", "rq"] as const) {
        const steps = row.sides[side]
        // RQ is slow and steady: once is enough, and each round is compared with it.
        if (steps === undefined || (side === "rq" && python === undefined)) continue
        const figures = side === "rq" && round > 0
          ? measured.rq?.[0] ?? {}
          : await measure(context, row, side, steps)
        measured[side] = [...(measured[side] ?? []), figures]
      }
    }
    for (const { cells, ...result } of report(row, measured)) {
      lines.push([...cells, verdictText(result.bars)])
      results.push({ row: row.name, title: row.title, ...result })
      for (const { bar, met } of result.bars) if (met !== true) missed.push(`${row.name} ${result.metric} ${bar}`)
      console.error(`${cells.join(" | ")} | ${verdictText(result.bars)}`)
    }
  }
  const loadAfter = Os.loadavg()
  console.log(table(lines))
  const { date, loadBefore, ...versions } = machine
  console.log(
    `\n${date}; ${Object.entries(versions).map(([name, value]) => `${name} ${value}`).join(", ")}; load average ` +
      `${loadBefore.map(number).join(" ")} before, ${loadAfter.map(number).join(" ")} after`
  )
  console.log(missed.length === 0 ? "All bars are met." : `Not met: ${missed.join("; ")}`)
  if (options.json !== undefined) {
    Fs.writeFileSync(options.json, `${JSON.stringify({ ...machine, loadAfter, missed, results }, undefined, 2)}\n`)
    console.log(`The figures are in ${options.json}`)
  }
  return 0
}
