/**
 * The benchmark: starts a Redis of its own, runs the rows for effect-rq and its peers in turn, each step in a process of
 * its own, and prints medians, spreads and ratios. What fails is told and costs its own row alone.
 */
import * as Effect from "effect/Effect"
import { Redis as Connection } from "ioredis"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs, promisify } from "node:util"
import * as RedisServer from "../test/support/redis-server.js"
import { picture } from "./picture.js"
import { asGrowth, asMarkdown, asTable, grown, type Measured, number, report, type Result } from "./report.js"
import { curves, type Row, rows, type Side, sizesOf, type Step } from "./rows.js"
import { type Figures, fromInfo, scriptMillis, serverMicros, sleep, spread } from "./task.js"

const usage = `npm run bench -- [options]

  --row NAME       only this row, or all whose names begin so; may be repeated
  --jobs N         how many jobs a row has, instead of its own number
  --rounds N       how often each side is measured, but for what takes long or varies little (default: 2, of some rows more)
  --large          growth up to ten million scheduled jobs, which take four gigabytes
  --json FILE      writes the figures to a file as well, after each row
  --markdown FILE  writes the table of the README, after each row
  --picture FILE   writes the curves of growth as an SVG, when their rows are measured
  --python FILE    a Python with the rq to measure (default: the first of /usr/bin/python3 and python3 that has one)
  --rq FOLDER      measures the package rq in this folder, such as a checkout of its repository
  --node FLAG      runs the steps of all sides but RQ's with this flag of Node as well; may be repeated
  --profile DIR    writes a CPU profile of each process of effect-rq, and what Redis did for it
  --list           the names of the rows
`

const { bench, cache, peer: peerFolder } = JSON.parse(process.env["EFFECT_RQ_BENCH"] ?? "{}") as {
  // what the launcher has written
  readonly bench: string
  readonly cache: string
  readonly peer: string
}

interface Python {
  readonly path: string
  readonly version: string
  readonly env: NodeJS.ProcessEnv
}

interface Context {
  readonly port: number
  readonly redis: Connection
  readonly python: Python | undefined
  readonly profile: string | undefined
  /** Flags of Node. */
  readonly node: ReadonlyArray<string>
  /** What a step is started by, where it is not started as it is. */
  readonly by: ReadonlyArray<string>
  /** How long scripts took on the mean, and the longest single call, for each step of effect-rq. */
  readonly blocks: Array<
    { readonly row: string; readonly task: string; readonly mean: number; readonly longest: number }
  >
}

const execFile = promisify(ChildProcess.execFile)

/** No step takes nearly as long: one that does is stuck. */
const stepLimit = 240_000

const lastLine = (output: string): string => output.trimEnd().split("\n").at(-1) ?? ""

/** What the process of a step says of its failure, and nothing of this one's stack. */
const onFailure = (what: string) => (error: { readonly stderr?: string; readonly killed?: boolean }): never => {
  const why = error.killed === true ? `: no end within ${stepLimit / 1000} s` : ""
  throw new Error(`${what} failed${why}\n${(error.stderr ?? String(error)).trim().slice(-2000)}`)
}

const runStep = async (
  context: Context,
  row: string,
  side: Side,
  { params, task }: Step,
  before: Figures
): Promise<Figures> => {
  if (task === "cli") return startUp(params.n)
  const args = [task, JSON.stringify({ ...params, ...before }), String(context.port)]
  const options = { timeout: stepLimit, env: { ...process.env, BENCH_PEER: peerFolder } }
  const profiling = context.profile === undefined || side !== "ours"
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${context.profile}`, `--cpu-prof-name=${task}-${params.concurrency}.cpuprofile`]
  const [file, ...rest] = side === "rq"
    ? [...context.by, context.python?.path ?? "python3", Path.join(bench, "rq_peer.py"), ...args]
    : [...context.by, process.execPath, ...context.node, ...profiling, Path.join(cache, "bench", `${side}.js`), ...args]
  const env = side === "rq" ? { ...options.env, ...context.python?.env } : options.env
  const running = execFile(file!, rest, { ...options, env }) // none of the two is empty
  RedisServer.watch(running.child)
  const { stderr, stdout } = await running.catch(onFailure(`${side} ${task}`))
  if (side === "ours") {
    const stats = await context.redis.info("commandstats")
    if (context.profile !== undefined) {
      Fs.writeFileSync(Path.join(context.profile, `${task}-${params.concurrency}.commandstats`), stats)
    }
    const mean = scriptMillis(stats)
    if (!Number.isNaN(mean) && task !== "seed") {
      context.blocks.push({ row, task, mean, longest: await longestCall(context.redis) })
    }
  }
  if (stderr !== "" && side !== "rq") process.stderr.write(`${side} ${task}: ${stderr}\n`)
  return JSON.parse(lastLine(stdout)) as Figures // what the task has written
}

/** Of those that took so long that Redis has noted them, in milliseconds. */
const longestCall = async (redis: Connection): Promise<number> => {
  // id, time, microseconds, arguments, ...
  const noted = await redis.call("SLOWLOG", "GET", "-1") as ReadonlyArray<
    readonly [number, number, number, ReadonlyArray<string>]
  >
  const scripts = noted.filter(([, , , [name]]) => /^eval/i.test(name ?? ""))
  return Math.max(0, ...scripts.map(([, , micros]) => micros / 1000))
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
    await context.redis.call("SLOWLOG", "RESET")
    const before = serverMicros(await context.redis.info("cpu"))
    figures = { ...figures, ...await runStep(context, row.name, side, step, figures) }
    if (step.task !== "fill" && figures["server"] === undefined) {
      const jobs = step.params.n + step.params.warm
      figures = { ...figures, server: (serverMicros(await context.redis.info("cpu")) - before) / jobs }
    }
  }
  return bytesFor === undefined ? figures : { bytes: ((await usedMemory(context)) - empty) / bytesFor }
}

/** Gives all threads of the server one processor for as long as `body` takes, which is told how to start others there. */
const onOneProcessor = async <A>(
  redis: Connection,
  body: (by: ReadonlyArray<string>) => Promise<A>
): Promise<A> => {
  const pid = String(fromInfo(await redis.info("server"), /process_id:(\d+)/))
  // "pid 7's current affinity list: 0,1"
  const allowed = lastLine((await execFile("taskset", ["-cp", pid])).stdout).split(": ").at(-1) ?? "0"
  const move = (to: string) => execFile("taskset", ["-a", "-cp", to, pid])
  const [first] = allowed.split(/[-,]/)
  await move(first ?? "0")
  return body(["taskset", "-c", first ?? "0"]).finally(() => move(allowed))
}

const findPython = async (wanted: string | undefined, folder: string | undefined): Promise<Python | undefined> => {
  const env = folder === undefined ? {} : { PYTHONPATH: Path.resolve(folder), PYTHONDONTWRITEBYTECODE: "1" }
  for (const path of wanted === undefined ? ["/usr/bin/python3", "python3"] : [wanted]) {
    const { stdout } = await execFile(path, ["-c", "import rq; print(rq.VERSION)"], { env: { ...process.env, ...env } })
      .catch(() => ({ stdout: "" }))
    if (stdout !== "") return { path, env, version: stdout.trim() }
  }
  return undefined
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const { values: options } = parseArgs({
    args: [...argv],
    options: {
      row: { type: "string", multiple: true },
      jobs: { type: "string" },
      rounds: { type: "string" },
      large: { type: "boolean", default: false },
      json: { type: "string" },
      markdown: { type: "string" },
      picture: { type: "string" },
      python: { type: "string" },
      rq: { type: "string" },
      profile: { type: "string" },
      node: { type: "string", multiple: true },
      list: { type: "boolean" },
      help: { type: "boolean" }
    }
  })
  if (options.help === true) {
    console.log(usage)
    return 0
  }
  const all = rows(options.jobs === undefined ? undefined : Number(options.jobs), sizesOf(options.large))
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
    const server = yield* RedisServer.start({
      args: ["--latency-tracking", "no", "--slowlog-log-slower-than", "5000", "--slowlog-max-len", "1000"]
    })
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() => new Connection(server.port, "127.0.0.1")),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    return yield* Effect.promise(() =>
      runAll(
        chosen,
        options.rounds === undefined ? undefined : Number(options.rounds),
        server.port,
        redis,
        options,
        argv
      )
    )
  })))
}

interface Options {
  readonly large: boolean
  readonly json?: string
  readonly markdown?: string
  readonly picture?: string
  readonly python?: string
  readonly rq?: string
  readonly profile?: string
  readonly node?: ReadonlyArray<string>
}

/** The longest that a script may block Redis on the mean, in milliseconds. */
const longestMean = 5

const runAll = async (
  chosen: ReadonlyArray<Row>,
  wanted: number | undefined,
  port: number,
  redis: Connection,
  options: Options,
  argv: ReadonlyArray<string>
): Promise<number> => {
  const python = await findPython(options.python, options.rq)
  const context: Context = {
    port,
    redis,
    python,
    profile: options.profile,
    node: options.node ?? [],
    by: [],
    blocks: []
  }
  const peer = JSON.parse(Fs.readFileSync(Path.join(peerFolder, "node_modules", "bullmq", "package.json"), "utf8"))
  const machine = {
    date: new Date().toISOString(),
    cpu: `${Os.cpus().length} x ${Os.cpus()[0]?.model ?? "?"}`,
    node: process.version,
    redis: /redis_version:(\S+)/.exec(await redis.info("server"))?.[1] ?? "?",
    bullmq: String(peer.version),
    rq: python?.version ?? "not there",
    loadBefore: Os.loadavg()
  }
  const { date, loadBefore, ...versions } = machine
  const about = `${date.slice(0, 10)}, ${
    Object.entries(versions).map(([name, value]) => name === "cpu" ? value : `${name} ${value}`).join(", ")
  }`
  const args = commandText(argv)
  const command = `npm run bench${args === "" ? "" : ` -- ${args}`}`
  const results: Array<Result> = []
  const failures: Array<{ readonly row: string; readonly message: string }> = []

  const missed = () => [
    ...results.flatMap(({ bars, metric, row }) =>
      bars.filter(({ met }) => met !== true).map(({ bar, met }) =>
        `${row} ${metric} ${bar}${met === undefined ? " (not measured)" : ""}`
      )
    ),
    ...context.blocks.filter(({ mean }) => mean > longestMean).map(({ mean, row, task }) =>
      `${row} ${task}: a call blocks Redis for ${number(mean)} ms on the mean`
    ),
    ...growth().filter(({ met }) => met === false).map(({ curve, metric }) =>
      `${metric.title}, ${curve.title}: O(log n)`
    )
  ]
  const growth = () => grown(curves(sizesOf(options.large)), results)
  const write = () => {
    const all = growth()
    if (options.json !== undefined) {
      const growthOfAll = all.map(({ curve, metric, ...rest }) => ({ curve: curve.name, metric: metric.key, ...rest }))
      const figures = {
        ...machine,
        loadAfter: Os.loadavg(),
        command,
        failures,
        missed: missed(),
        blocks: context.blocks
      }
      Fs.writeFileSync(
        options.json,
        `${JSON.stringify({ ...figures, results, growth: growthOfAll }, undefined, 2)}\n`
      )
    }
    if (options.markdown !== undefined) {
      Fs.writeFileSync(options.markdown, `${asMarkdown(results, all, about, command)}\n`)
    }
    if (options.picture !== undefined && all.length > 0) Fs.writeFileSync(options.picture, picture(all, about))
  }

  for (const row of chosen) {
    const measured: Measured = {}
    const failed = new Set<Side>()
    const rounds = row.once === true ? 1 : wanted ?? row.rounds ?? 2
    for (let round = 0; round < rounds; round++) {
      for (const side of ["ours", "bullmq", "rq", "bare"] as const) {
        const steps = row.sides[side]
        if (steps === undefined || failed.has(side) || (side === "rq" && python === undefined)) continue
        // RQ is slow and steady, and the limit is no matter of luck: once is enough, and each round is compared with it.
        const once = side === "rq" || side === "bare"
        try {
          const figures = once && round > 0
            ? measured[side]?.[0]
            : row.oneProcessor === true
            ? await onOneProcessor(redis, (by) => measure({ ...context, by }, row, side, steps))
            : await measure(context, row, side, steps)
          if (figures !== undefined) measured[side] = [...(measured[side] ?? []), figures]
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error)
          failed.add(side)
          failures.push({ row: row.name, message })
          console.error(`${row.name}: ${message}`)
        }
      }
    }
    for (const result of report(row, measured)) {
      results.push(result)
      console.error([result.row, result.metric, ...result.cells].join(" | "))
    }
    write()
  }
  console.log(asTable(results))
  const all = growth()
  if (all.length > 0) console.log(`\n${asGrowth(all)}`)
  const slowest = context.blocks.reduce(
    (worst, one) => one.mean > worst.mean ? one : worst,
    { row: "", task: "", mean: 0, longest: 0 }
  )
  console.log(
    `\n${about}; load average ${loadBefore.map(number).join(" ")} before, ${
      Os.loadavg().map(number).join(" ")
    } after\n` +
      `The call that blocks Redis longest on the mean: ${number(slowest.mean)} ms (${slowest.row} ${slowest.task})`
  )
  const notMet = missed()
  console.log(notMet.length === 0 ? "All bars are met." : `Not met: ${notMet.join("; ")}`)
  if (failures.length > 0) console.log(`Failed: ${failures.map(({ row }) => row).join(", ")}`)
  write()
  for (const file of [options.json, options.markdown]) if (file !== undefined) console.log(`Written: ${file}`)
  return failures.length > 0 ? 1 : 0
}

/** Where the results went is of no interest to who reads them. */
const commandText = (argv: ReadonlyArray<string>): string =>
  argv.join(" ").replace(/--(?:json|markdown|picture|python|rq|profile)[= ]\S+/g, "").replace(/ +/g, " ").trim()
