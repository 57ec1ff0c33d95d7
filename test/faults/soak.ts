/**
 * The command `npm run soak`: mixed load with faults for a long time, and what it left behind.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import type { RedisService } from "../../src/Redis.js"
import * as RedisServer from "../support/redis-server.js"
import { faults } from "./catalog.js"
import { violations } from "./check.js"
import * as Fleet from "./fleet.js"
import { bundle, count, machine } from "./main.js"
import type { Note, ProcessConfig } from "./protocol.js"
import * as Proxy from "./proxy.js"
import { table } from "./report.js"
import type { Ground } from "./run.js"
import { repeatSeconds } from "./soak-process.js"
import * as Stage from "./stage.js"

const usage = `npm run soak -- [options]

Mixed load on a real Redis for a long time, with a fault every minute or two: jobs for now and for later, retries,
repetitions, dependencies, results that are awaited, cancellations, stops. Ends with 1 when something was lost or run
twice, leaked, grew or drifted.

  --minutes N       how long (default: 60)
  --rate N          jobs a second (default: 50)
  --every N         seconds between two faults (default: 90)
  --kept N          seconds for which what has ended is kept (default: 60)
  --json FILE       writes the figures to a file, after each minute as well
  --keep DIR        where journals and logs are left
`

/** Faults that a fleet with a survivor and a Redis with appendfsync always come through without a loss. */
const chosen = [
  "sigkill-worker",
  "client-kill-all",
  "redis-killed-always",
  "sigterm",
  "proxy-drops",
  "script-flush",
  "half-open",
  "maxmemory",
  "sigstop-worker",
  "proxy-delays",
  "redis-paused",
  "half-open-down",
  "proxy-refuses"
]

const queue = "soak"

/** What a key is for: its name without ids. */
export const familyOf = (key: string): string =>
  key
    .replace(/^(rq:job:)[^:]+$/, "$1ID")
    .replace(/^(rq:job::)[^:]+(:\w+)$/, "$1ID$2")
    .replace(/^(rq:job:)[^:]+(:\w+)$/, "$1ID$2")
    .replace(/^(rq:results:).*$/, "$1ID")
    .replace(/^(rq:execution:).*$/, "$1ID")
    .replace(/^(rq:worker:)[^:]+/, "$1NAME")
    .replace(/^(rq:scheduler:).*$/, "$1NAME")
    .replace(/^(rq:effect:[\w-]+:)(.*)$/, (_, family: string, rest: string) =>
      `${family}${rest === queue ? queue : rest.replace(/^soak:.*$/, `${queue}:NAME`).replace(/^(?!soak).*$/, "ID")}`)

/** Of these there are as many as there are workers, schedulers and queues, whatever has run. */
const standing =
  /^rq:(?:workers|queues|clean_registries|scheduler-lock|scheduler:|worker:|effect:)|^rq:workers:|^rq:queue:soak$/

interface Sample {
  readonly minute: number
  readonly survivorRssMb: number
  readonly survivorHeapMb: number
  readonly producerHeapMb: number
  readonly redisMb: number
  readonly redisDatasetMb: number
  readonly keys: Readonly<Record<string, number>>
  readonly totalKeys: number
  readonly started: number
  readonly ended: number
  readonly lateP50: number
  readonly lateP99: number
  readonly lateMax: number
  readonly eventLoopMaxMillis: number
  /** How much more than the interval lay between two runs of what repeats. */
  readonly repeatExtraP50: number
  readonly faults: ReadonlyArray<string>
}

interface Run {
  readonly member: Fleet.Member
  readonly at: number
  ended: boolean
}

/** What is known of one job. */
interface Life {
  acked: Extract<Note, { readonly what: "acked" }> | undefined
  starts: Array<Run>
}

const megabytes = (bytes: number) => Math.round((bytes / 1024 / 1024) * 100) / 100
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
const inOrder = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)

/** By how much a value grows in each minute, by the method of least squares. */
export const slope = (points: ReadonlyArray<readonly [x: number, y: number]>): number => {
  const n = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : over / under
}

const info = (text: string, name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1] ?? NaN)

/** All that is read from journals, kept up to date. */
class Ledger {
  readonly lives = new Map<string, Life>()
  readonly executions = new Map<string, Run>()
  readonly doubled: Array<string> = []
  readonly wrong: Array<string> = []
  /** Since the last sample. */
  late: Array<number> = []
  started = 0
  ended = 0
  extra: Array<number> = []
  eventLoop = 0
  /** Since the beginning. */
  readonly allExtra: Array<{ readonly at: number; readonly millis: number }> = []
  acked = 0
  refusals = 0

  private life(id: string): Life {
    let life = this.lives.get(id)
    if (life === undefined) this.lives.set(id, life = { acked: undefined, starts: [] })
    return life
  }

  see(member: Fleet.Member, note: Note) {
    switch (note.what) {
      case "acked": {
        this.acked++
        this.life(note.id).acked = note
        break
      }
      case "start": {
        this.started++
        const life = this.life(note.id)
        if (this.executions.has(note.execution)) this.doubled.push(`${note.id} execution ${note.execution}`)
        const run: Run = { member, at: note.at, ended: false }
        this.executions.set(note.execution, run)
        const before = life.starts.at(-1)
        if (note.kind === "repeated" && before !== undefined) {
          const millis = note.at - before.at - repeatSeconds * 1000
          this.extra.push(millis)
          this.allExtra.push({ at: note.at, millis })
        }
        if (note.kind !== "repeated" && life.starts.length === 0 && !note.id.startsWith("child")) {
          this.late.push(Math.max(0, note.at - note.due))
        }
        life.starts.push(run)
        break
      }
      case "end": {
        this.ended++
        const run = this.executions.get(note.execution)
        if (run !== undefined) run.ended = true
        break
      }
      case "checked": {
        if (!note.ok) this.wrong.push(`${note.id}: ${note.told}`)
        break
      }
      case "memory": {
        this.eventLoop = Math.max(this.eventLoop, note.lagMillis)
        break
      }
      case "refused": {
        this.refusals++
        break
      }
      case "born":
      case "elected":
      case "deposed":
      case "promoted":
      case "connected":
      case "disconnected":
      case "produced":
    }
  }
}

const lastMemory = (member: Fleet.Member) =>
  member.notes.findLast((note): note is Extract<Note, { readonly what: "memory" }> => note.what === "memory")

const countFamilies = (redis: RedisService): Effect.Effect<Readonly<Record<string, number>>, unknown> =>
  Effect.map(Stage.allKeys(redis), (keys) => {
    const counts: Record<string, number> = {}
    for (const key of keys) {
      const family = familyOf(key)
      counts[family] = (counts[family] ?? 0) + 1
    }
    return counts
  })

interface Options {
  readonly minutes: number
  readonly rate: number
  readonly every: number
  readonly kept: number
  readonly folder: string
  readonly json: string | undefined
  readonly command: string
}

const soak = (options: Options): Effect.Effect<number, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const { folder, kept, minutes, rate } = options
    const server = yield* RedisServer.start({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
    const proxy = yield* Proxy.start(server.port)
    const stage: Stage.Stage = {
      fleet: { url: `redis://127.0.0.1:${proxy.port}` },
      direct: { url: server.url },
      servers: [server],
      sentinel: undefined,
      proxy,
      prefix: "",
      password: undefined,
      caFile: undefined
    }
    const redis = yield* Stage.connect(stage.direct)
    const config = (role: ProcessConfig["role"], name: string) => ({
      role,
      name,
      queue,
      redis: stage.fleet,
      worker: { concurrency: 20 },
      plan: { jobs: 0, millis: 0 },
      mix: { minutes, perSecond: rate, keptSeconds: kept }
    })
    const programs = bundle()
    let born = 0
    const spawnWorker = Effect.suspend(() =>
      Fleet.spawnOurs(programs, folder, config("soak-worker", `worker-${++born}`), ["--expose-gc"])
    )
    const survivor = yield* spawnWorker
    const mortal = [yield* spawnWorker, yield* spawnWorker]
    const everybody = [survivor, ...mortal]
    const producer = yield* Fleet.spawnOurs(programs, folder, config("soak-producer", "producer"), ["--expose-gc"])

    const ledger = new Ledger()
    const disturbed = new Map<Fleet.Member, number>()
    const look = Effect.sync(() => {
      for (const member of [...everybody, producer]) {
        for (const note of member.look()) ledger.see(member, note)
        // Of the rest nothing is asked again.
        const notes = member.notes.filter(({ what }) => what === "born" || what === "memory" || /connected/.test(what))
        member.notes.splice(0, member.notes.length, ...notes.slice(0, 1), ...notes.slice(1).slice(-20))
      }
    })
    /** Jobs that a fault may catch: begun and not ended. */
    const isBusy = (member: Fleet.Member) => {
      for (const run of ledger.executions.values()) if (run.member === member && !run.ended) return true
      return false
    }

    const problems: Array<string> = []
    const samples: Array<Sample> = []
    let faultsSince: Array<string> = []
    const allFaults: Array<string> = []
    const ground: Ground = {
      system: "effect-rq",
      stage,
      queue,
      redis,
      get members() {
        return everybody.filter((member) => member.isRunning())
      },
      // The survivor is spared: its memory is what is measured.
      leader: Effect.gen(function*() {
        const holder = yield* Effect.orElseSucceed(
          redis.send<string | null>("GET", `rq:scheduler-lock:${queue}`),
          () => null
        )
        const leads = mortal.find((member) =>
          member.isRunning() && member.notes.some((note) => note.what === "born" && note.scheduler === holder)
        )
        return leads ?? mortal.find((member) => member.isRunning()) ?? survivor
      }),
      busy: Effect.gen(function*() {
        const end = performance.now() + 5000
        while (performance.now() < end) {
          yield* look
          const found = mortal.find((member) => member.isRunning() && isBusy(member))
          if (found !== undefined) return found
          yield* Effect.sleep(10)
        }
        return mortal.find((member) => member.isRunning()) ?? survivor
      }),
      millis: (usual) => usual,
      leaseMillis: 15_000,
      aliveMillis: 20_000,
      disturb: (member) => disturbed.set(member, Date.now()),
      gone: () => undefined,
      told: (text, holds) => {
        if (!holds) problems.push(`not so: ${text}`)
      }
    }

    const begun = Date.now()
    const faultOnce = (name: string) =>
      Effect.gen(function*() {
        const fault = faults.find((one) => one.name === name)!
        const at = `${((Date.now() - begun) / 60_000).toFixed(1)} min ${name}`
        faultsSince.push(at)
        allFaults.push(at)
        const exit = yield* Effect.exit(Effect.timeout(fault.act(ground), "2 minutes"))
        if (Exit.isFailure(exit)) problems.push(`fault ${name} could not be done: ${String(exit.cause)}`)
        for (const [at, member] of mortal.entries()) {
          if (member.isRunning()) continue
          const next = yield* spawnWorker
          mortal[at] = next
          everybody.push(next)
        }
      })
    // The last minute and a half is for drawing breath.
    const faulting = Effect.gen(function*() {
      for (let at = 0;; at++) {
        yield* Effect.sleep(options.every * 1000)
        if (Date.now() - begun > minutes * 60_000 - 15_000) return
        yield* faultOnce(chosen[at % chosen.length]!)
      }
    })
    yield* Effect.forkScoped(faulting)

    const sample = (minute: number) =>
      Effect.gen(function*() {
        yield* look
        const memory = yield* redis.send<string>("INFO", "memory")
        const keys = yield* countFamilies(redis)
        const late = inOrder(ledger.late)
        const ours = lastMemory(survivor)
        const one: Sample = {
          minute,
          survivorRssMb: megabytes(ours?.rss ?? NaN),
          survivorHeapMb: megabytes(ours?.heap ?? NaN),
          producerHeapMb: megabytes(lastMemory(producer)?.heap ?? NaN),
          redisMb: megabytes(info(memory, "used_memory")),
          redisDatasetMb: megabytes(info(memory, "used_memory_dataset")),
          keys,
          totalKeys: Object.values(keys).reduce((sum, n) => sum + n, 0),
          started: ledger.started,
          ended: ledger.ended,
          lateP50: percentile(late, 0.5),
          lateP99: percentile(late, 0.99),
          lateMax: percentile(late, 1),
          eventLoopMaxMillis: Math.round(ledger.eventLoop),
          repeatExtraP50: percentile(inOrder(ledger.extra), 0.5),
          faults: faultsSince
        }
        ledger.late = []
        ledger.extra = []
        ledger.started = 0
        ledger.ended = 0
        ledger.eventLoop = 0
        faultsSince = []
        samples.push(one)
        console.error(row(one).join("  "))
        if (options.json !== undefined) {
          Fs.writeFileSync(
            options.json,
            `${JSON.stringify({ command: options.command, machine: machine(), samples }, undefined, 1)}\n`
          )
        }
      }).pipe(
        Effect.retry({ schedule: Schedule.spaced(200), times: 100 }),
        Effect.catchAll((error) => Effect.sync(() => problems.push(`no sample at minute ${minute}: ${String(error)}`)))
      )

    console.error(columns.join("  "))
    for (let minute = 1; minute <= minutes; minute++) {
      while (Date.now() < begun + minute * 60_000) {
        yield* look
        yield* Effect.sleep(500)
      }
      yield* sample(minute)
    }

    // All has to be done, and then to be forgotten.
    const producedBy = performance.now() + 150_000
    while (producer.isRunning() && performance.now() < producedBy) {
      yield* look
      yield* Effect.sleep(500)
    }
    if (producer.isRunning()) problems.push("the producer did not end")
    const drainBy = performance.now() + 120_000
    while (performance.now() < drainBy) {
      yield* look
      const counts = yield* Effect.all([
        redis.send<number>("ZCARD", `rq:scheduled:${queue}`),
        redis.send<number>("LLEN", `rq:queue:${queue}`),
        redis.send<number>("ZCARD", `rq:wip:${queue}`)
      ])
      if (counts.every((count) => count === 0)) break
      yield* Effect.sleep(500)
    }
    yield* look
    problems.push(...violations(yield* Stage.dump(redis), Date.now()))
    yield* Effect.sleep(kept * 1000 + 45_000)
    const left = yield* countFamilies(redis)
    const leaked = Object.entries(left).filter(([family]) => !standing.test(family))
    for (const member of [survivor, ...mortal]) {
      member.terminate()
      const { code, signal } = yield* Effect.promise(() => member.ended)
      if (code !== 0) problems.push(`${member.name} ended with ${code ?? signal}`)
    }
    yield* look
    const finalState = yield* Stage.dump(redis)
    problems.push(...violations(finalState, Date.now()))
    return conclude({ options, samples, ledger, disturbed, leaked, left, problems, allFaults })
  }))

const columns = [
  "min",
  "RSS",
  "heap",
  "producer",
  "Redis",
  "keys",
  "done",
  "late p50",
  "p99",
  "max",
  "repeat +",
  "faults"
]

const row = (sample: Sample): ReadonlyArray<string> => [
  String(sample.minute).padStart(3),
  `${sample.survivorRssMb.toFixed(0)} MB`,
  `${sample.survivorHeapMb.toFixed(1)} MB`,
  `${sample.producerHeapMb.toFixed(1)} MB`,
  `${sample.redisMb.toFixed(2)} MB`,
  String(sample.totalKeys),
  String(sample.ended),
  `${sample.lateP50} ms`,
  `${sample.lateP99} ms`,
  `${sample.lateMax} ms`,
  `${sample.repeatExtraP50} ms`,
  sample.faults.map((text) => text.replace(/^\S+ min /, "")).join(", ")
]

interface Evidence {
  readonly options: Options
  readonly samples: ReadonlyArray<Sample>
  readonly ledger: Ledger
  readonly disturbed: ReadonlyMap<Fleet.Member, number>
  readonly leaked: ReadonlyArray<readonly [string, number]>
  readonly left: Readonly<Record<string, number>>
  readonly problems: ReadonlyArray<string>
  readonly allFaults: ReadonlyArray<string>
}

const shown = (ids: ReadonlyArray<string>) => `${ids.slice(0, 10).join(", ")}${ids.length > 10 ? ", ..." : ""}`

const conclude = ({ allFaults, disturbed, leaked, ledger, left, options, problems, samples }: Evidence): number => {
  const found = [...problems, ...ledger.doubled.map((text) => `the same execution was begun twice: ${text}`)]
  const lost: Array<string> = []
  const twice: Array<string> = []
  let again = 0
  let expected = 0
  for (const [id, { acked, starts }] of ledger.lives) {
    if (acked === undefined) {
      found.push(`${id} ran, and nobody enqueued it`)
      continue
    }
    if (acked.runs === undefined) continue
    expected += acked.runs
    const ends = starts.filter(({ ended }) => ended).length
    if (ends < acked.runs) lost.push(`${id} (${ends} of ${acked.runs})`)
    if (acked.kind === "canceled" && starts.length > 0) found.push(`${id} was canceled and ran`)
    if (ends > acked.runs) {
      const explained = starts.some(({ at, member }) => at <= (disturbed.get(member) ?? -1))
      if (explained) again++
      else twice.push(id)
    }
  }
  if (lost.length > 0) found.push(`${lost.length} lost: ${shown(lost)}`)
  if (twice.length > 0) found.push(`${twice.length} run more often than they should: ${shown(twice)}`)
  if (ledger.wrong.length > 0) found.push(`${ledger.wrong.length} wrong answers: ${shown(ledger.wrong)}`)
  if (leaked.length > 0) found.push(`keys are left: ${leaked.map(([family, n]) => `${n} ${family}`).join(", ")}`)

  // Warm-up: until what is kept has reached its level, and the heap its own.
  const steady = samples.filter(({ minute }) => minute > Math.max(2, options.minutes / 5))
  const grows = (name: string, value: (sample: Sample) => number, atLeast: number) => {
    const points = steady.map((sample) => [sample.minute, value(sample)] as const).filter(([, y]) => !Number.isNaN(y))
    const mean = points.reduce((sum, [, y]) => sum + y, 0) / points.length
    const perMinute = slope(points)
    const grown = perMinute * points.length
    const flat = grown < Math.max(atLeast, mean * 0.1)
    if (!flat && points.length >= 5) found.push(`${name} grew by ${grown.toFixed(1)} in ${points.length} minutes`)
    return `${name}: mean ${mean.toFixed(1)}, ${(perMinute * 60).toFixed(2)} an hour${flat ? "" : " GROWS"}`
  }
  const slopes = [
    grows("heap of the worker that lives on, MB", ({ survivorHeapMb }) => survivorHeapMb, 3),
    grows("its RSS, MB", ({ survivorRssMb }) => survivorRssMb, 20),
    grows("heap of the producer, MB", ({ producerHeapMb }) => producerHeapMb, 3),
    grows("used_memory of Redis, MB", ({ redisMb }) => redisMb, 2),
    grows("keys in Redis", ({ totalKeys }) => totalKeys, 200)
  ]
  const quarter = Math.max(1, Math.floor(ledger.allExtra.length / 4))
  const p50Of = (part: ReadonlyArray<{ readonly millis: number }>) =>
    percentile(inOrder(part.map(({ millis }) => millis)), 0.5)
  const [early, late] = [p50Of(ledger.allExtra.slice(0, quarter)), p50Of(ledger.allExtra.slice(-quarter))]
  if (late > early + 250) found.push(`repetitions drift: ${early} ms after their time at first, ${late} ms at last`)

  const done = samples.reduce((sum, { ended }) => sum + ended, 0)
  console.log(table([columns, ...samples.map(row)]))
  console.log(
    [
      "",
      `${ledger.acked} jobs acknowledged, ${expected} runs expected, ${done} done within the samples; lost ${lost.length}, ` +
      `twice ${twice.length}, again after their worker died ${again}`,
      ...slopes,
      `repetitions every ${repeatSeconds} s: ${early} ms later than that in the first quarter (p50), ${late} ms in the last, ` +
      `${ledger.allExtra.length} in all`,
      `keys left when all was forgotten: ${Object.entries(left).map(([family, n]) => `${n} ${family}`).join(", ")}`,
      `${allFaults.length} faults: ${allFaults.join("; ")}`,
      `${machine()}; ${options.command}`,
      found.length === 0 ? "All has held." : `Not held:\n${found.join("\n")}`
    ].join("\n")
  )
  if (options.json !== undefined) {
    Fs.writeFileSync(
      options.json,
      `${
        JSON.stringify(
          {
            command: options.command,
            machine: machine(),
            acknowledged: ledger.acked,
            lost,
            twice,
            again,
            slopes,
            left,
            found,
            faults: allFaults,
            samples
          },
          undefined,
          1
        )
      }\n`
    )
  }
  return found.length === 0 ? 0 : 1
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: "string", default: "60" },
      rate: { type: "string", default: "50" },
      every: { type: "string", default: "90" },
      kept: { type: "string", default: "60" },
      json: { type: "string" },
      keep: { type: "string" },
      help: { type: "boolean" }
    }
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const folder = values.keep ?? Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-soak-"))
  Fs.mkdirSync(folder, { recursive: true })
  const code = await Effect.runPromise(soak({
    minutes: count("minutes", values.minutes),
    rate: count("rate", values.rate),
    every: count("every", values.every),
    kept: count("kept", values.kept),
    folder,
    json: values.json,
    command: `npm run soak -- ${argv.join(" ")}`
  }))
  if (code === 0 && values.keep === undefined) Fs.rmSync(folder, { recursive: true, force: true })
  else console.log(`Journals and logs are in ${folder}`)
  return code
}
