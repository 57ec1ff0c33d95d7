/**
 * What runs in a process of its own: one task of one side, whose figures are its last line of output.
 */

export interface Params {
  /** How many jobs are measured. */
  readonly n: number
  /** How many come before them, to warm up. */
  readonly warm: number
  readonly concurrency: number
  readonly kind: Kind
  /** When scheduled jobs are due, milliseconds from now or since 1970. */
  readonly dueIn: number
  readonly due: number
  /** How long an idle process is watched. */
  readonly seconds: number
}

/** `void`: no payload and no result. `gone`: the same, deleted when done. `typed`: a payload and a result. */
export type Kind = "void" | "gone" | "typed"

export type Figures = Readonly<Record<string, number>>

export type Task = (params: Params) => Promise<Figures>

export const queueName = "bench"

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

export const reads = (stats: string): number => fromInfo(stats, /total_reads_processed:(\d+)/)

export const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

export const runTask = async (tasks: Readonly<Record<string, Task>>): Promise<void> => {
  const task = tasks[process.argv[2] ?? ""]
  if (task === undefined) throw new Error(`no such task: ${process.argv[2]}`)
  const figures = await task(JSON.parse(process.argv[3] ?? "{}"))
  process.stdout.write(`\n${JSON.stringify(figures)}\n`, () => process.exit(0))
}
