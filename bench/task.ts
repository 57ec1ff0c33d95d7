/**
 * What runs in a process of its own: one task of one side, whose figures are its last line of output.
 */
import * as ChildProcess from "node:child_process"
import * as Readline from "node:readline"

export interface Params {
  /** How many jobs are measured. */
  readonly n: number
  /** How many come before them, to warm up. */
  readonly warm: number
  readonly concurrency: number
  /** How many workers, of that concurrency each, and how many queues. */
  readonly workers: number
  readonly queues: number
  readonly kind: Kind
  /** When scheduled jobs are due, milliseconds from now or since 1970. */
  readonly dueIn: number
  readonly due: number
  /** How long an idle process is watched. */
  readonly seconds: number
}

/**
 * `void`: no payload and no result. `gone`: the same, deleted when done. `result`: a result, and no payload. `typed`: a payload and a result. `async`: the
 * same, with a millisecond of waiting in between.
 */
export type Kind = "void" | "gone" | "result" | "typed" | "async"

export const isTyped = (kind: Kind): boolean => kind === "typed" || kind === "async"

export type Figures = Readonly<Record<string, number>>

export type Task = (params: Params) => Promise<Figures>

export const queueName = "bench"

/** The names of so many queues; one alone has the plain name. */
export const queueNames = (count: number): ReadonlyArray<string> =>
  count <= 1 ? [queueName] : Array.from({ length: count }, (_, index) => `${queueName}-${index}`)

export const port = Number(process.argv[4])

export const payload = {
  to: "ada@example.org",
  name: "Ada Lovelace",
  at: "2030-10-10T09:15:00.000Z",
  tags: ["welcome", "first"]
}

export const outcome = { messageId: "welcome-ada@example.org", size: 4711 }

export const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN

export const spread = (values: ReadonlyArray<number>): Figures => {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    min: sorted[0] ?? NaN,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted[sorted.length - 1] ?? NaN
  }
}

export const megabytes = (): number => process.memoryUsage.rss() / 1e6

/** What this process has used of a processor so far, in microseconds: unlike the time on the wall, neighbours cost little. */
export const cpuMicros = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/** A number out of the reply to INFO. */
export const fromInfo = (info: string, pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? NaN)

/** How long the server was busy with one script on the mean, in milliseconds. */
export const scriptMillis = (commandstats: string): number =>
  fromInfo(commandstats, /cmdstat_evalsha:.*usec_per_call=([\d.]+)/) / 1000

/** What the server has used of a processor, in microseconds: unlike the time on the wall, neighbours cost little. */
export const serverMicros = (cpu: string): number =>
  (fromInfo(cpu, /used_cpu_user:([\d.]+)/) + fromInfo(cpu, /used_cpu_sys:([\d.]+)/)) * 1e6

export const reads = (stats: string): number => fromInfo(stats, /total_reads_processed:(\d+)/)

export const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

/** Milliseconds before the next job of an idle worker; while Node compiles they come one after the other. */
export const pauseBefore = (index: number, { warm }: Params): number => index < warm ? 1 : 20

/** A process of this side that does something else; it ends when this one does. */
export const companion = (task: string, params: Params) => {
  const child = ChildProcess.spawn(process.execPath, [
    process.argv[1] ?? "",
    task,
    JSON.stringify(params),
    String(port)
  ], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = Readline.createInterface({ input: child.stdout })
  return {
    /** Waits until it has said so many lines in all. */
    said: (count: number) =>
      new Promise<void>((resolve, reject) => {
        let left = count
        lines.on("line", () => {
          if (--left === 0) resolve()
        })
        child.once("exit", () => reject(new Error(`${task} ended before it had said ${count} lines`)))
      }),
    /** What {@link onTold} waits for. */
    tell: () => child.stdin.write("go\n"),
    kill: () => child.kill("SIGKILL")
  }
}

/** In a companion: says a line, and ends with who started it. */
export const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export const onTold = (f: () => void): void => {
  process.stdin.on("data", f)
  process.stdin.on("end", () => process.exit(0))
}

export const runTask = async (tasks: Readonly<Record<string, Task>>): Promise<void> => {
  const task = tasks[process.argv[2] ?? ""]
  if (task === undefined) throw new Error(`no such task: ${process.argv[2]}`)
  const figures = await task(JSON.parse(process.argv[3] ?? "{}"))
  process.stdout.write(`\n${JSON.stringify(figures)}\n`, () => process.exit(0))
}
