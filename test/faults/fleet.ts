/**
 * The processes of a run: workers with schedulers and a producer, of effect-rq or of RQ, each with a journal and a log.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { environment, python } from "../support/python.js"
import * as RedisServer from "../support/redis-server.js"
import { Reader } from "./journal.js"
import { type Note, planned, type ProcessConfig } from "./protocol.js"

export type System = "effect-rq" | "RQ"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The process with all that it has started, itself first. */
const tree = (pid: number): ReadonlyArray<number> => {
  const { stdout } = ChildProcess.spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" })
  return [pid, ...(stdout ?? "").split("\n").filter((line) => line !== "").flatMap((line) => tree(Number(line)))]
}

const signalTo = (pids: ReadonlyArray<number>, signal: NodeJS.Signals) => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // it has just ended
    }
  }
}

export class Member {
  readonly notes: Array<Note> = []
  readonly ended: Promise<Ended>
  private readonly reader: Reader
  private stopped: ReadonlyArray<number> = []
  constructor(
    readonly name: string,
    readonly system: System,
    readonly child: ChildProcess.ChildProcess,
    readonly journal: string,
    readonly logFile: string
  ) {
    this.reader = new Reader(journal)
    this.ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })))
  }
  get pid(): number {
    return this.child.pid ?? -1
  }
  isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }
  /** Reads what was journalled since. */
  look(): ReadonlyArray<Note> {
    const fresh = this.reader.next()
    this.notes.push(...fresh)
    return fresh
  }
  log(): string {
    return Fs.existsSync(this.logFile) ? Fs.readFileSync(this.logFile, "utf8") : ""
  }
  /** To the process and, of RQ's, to all that it has forked: the host is meant. */
  signal(signal: NodeJS.Signals): void {
    const pids = this.system === "RQ" ? tree(this.pid) : [this.pid]
    if (signal === "SIGSTOP") this.stopped = pids
    signalTo(pids, signal)
  }
  /** As an init system does: to the main process alone. */
  terminate(): void {
    this.child.kill("SIGTERM")
  }
  end(): void {
    signalTo(this.stopped, "SIGCONT")
    if (this.isRunning()) signalTo(this.system === "RQ" ? tree(this.pid) : [this.pid], "SIGKILL")
  }
}

export interface Bundle {
  /** The bundled `process.ts`. */
  readonly process: string
  /** Folder of `rq_fleet.py`. */
  readonly python: string
}

const spawn = (
  system: System,
  folder: string,
  name: string,
  command: string,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv
): Effect.Effect<Member, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const logFile = Path.join(folder, `${name}.log`)
      const log = Fs.openSync(logFile, "a")
      const child = ChildProcess.spawn(command, [...args], { stdio: ["ignore", log, log], env, cwd: folder })
      Fs.closeSync(log)
      const member = new Member(name, system, child, Path.join(folder, `${name}.jsonl`), logFile)
      RedisServer.watch(child, () => member.end())
      return member
    }),
    (member) =>
      Effect.promise(async () => {
        member.end()
        if (member.isRunning()) await member.ended
      })
  )

const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:REDIS_|NODE_OPTIONS$|VITEST|FAULTS)/.test(name))
  )

/** A process of effect-rq. */
export const spawnOurs = (
  bundle: Bundle,
  folder: string,
  config: Omit<ProcessConfig, "journal">,
  nodeArgs: ReadonlyArray<string> = []
): Effect.Effect<Member, never, Scope.Scope> =>
  spawn("effect-rq", folder, config.name, process.execPath, [...nodeArgs, bundle.process], {
    ...cleanEnvironment(),
    FAULTS_CONFIG: JSON.stringify({ ...config, journal: Path.join(folder, `${config.name}.jsonl`) })
  })

/** A worker with a scheduler, or a producer, of RQ. */
export const spawnRq = (
  bundle: Bundle,
  folder: string,
  config: Omit<ProcessConfig, "journal">
): Effect.Effect<Member, never, Scope.Scope> => {
  const journal = Path.join(folder, `${config.name}.jsonl`)
  const env = { ...environment(bundle.python), FAULTS_JOURNAL: journal, FAULTS_NAME: config.name }
  const url = config.redis.url ?? ""
  if (config.role === "worker") {
    const args = ["-m", "rq.cli", "worker", config.queue, "--url", url, "--name", config.name, "--with-scheduler"]
    return spawn("RQ", folder, config.name, python, args, env)
  }
  const jobs = Array.from({ length: config.plan.jobs }, (_, at) => planned(config.plan, at))
  const file = Path.join(folder, "plan.json")
  Fs.writeFileSync(file, JSON.stringify({ url, queue: config.queue, jobs }))
  return spawn("RQ", folder, config.name, python, [Path.join(bundle.python, "rq_fleet.py"), file], env)
}
