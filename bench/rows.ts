/**
 * What is measured, on which sides, and the bars.
 */
import type { Kind, Params } from "./task.js"

export type Side = "ours" | "bullmq" | "rq"

/** What one side does, each step in a process of its own; the figures of the last are the measurement. */
export interface Step {
  readonly task: string
  readonly params: Params
}

export interface Metric {
  readonly key: string
  readonly unit: string
}

/** What must hold. `of` is the median of the ratios to the peer, or without a peer the median itself. */
export interface Bar {
  readonly metric: string
  readonly peer?: Side
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly sides: Partial<Record<Side, ReadonlyArray<Step>>>
  /** Rounds at most, of rows that take long or vary little. */
  readonly rounds?: number
  readonly metrics: ReadonlyArray<Metric>
  readonly bars: ReadonlyArray<Bar>
  /** Measures what is left in Redis: for so many jobs on each side. */
  readonly bytesFor?: Partial<Record<Side, number>>
}

const defaults: Params = { n: 0, warm: 0, concurrency: 100, kind: "void", dueIn: 0, due: 0, seconds: 20 }

const step = (task: string, params: Partial<Params>): Step => ({ task, params: { ...defaults, ...params } })

const rate: Metric = { key: "rate", unit: "/s" }
const millis = (...keys: ReadonlyArray<string>): ReadonlyArray<Metric> => keys.map((key) => ({ key, unit: "ms" }))

/** Without a number of jobs each row has its own. */
export const rows = (jobs: number | undefined): ReadonlyArray<Row> => {
  const count = (n: number) => jobs ?? n

  const noop = (concurrency: number, n: number, atLeast: number, kind: Kind = "void"): Row => {
    const steps = (["fill", "drain"] as const).map((task) =>
      step(task, { n: count(n), warm: Math.ceil(count(n) / 4), concurrency, kind })
    )
    return {
      name: `noop-${concurrency}${kind === "void" ? "" : `-${kind}`}`,
      title: `run jobs, concurrency ${concurrency}` +
        { void: "", gone: ", deleted when done", typed: ", payload and result" }[kind],
      sides: { ours: steps, bullmq: steps },
      ...(kind === "void" ? {} : { rounds: 1 }),
      metrics: [
        rate,
        { key: "cpu", unit: "us of Node a job" },
        { key: "rss", unit: "MB" },
        { key: "script", unit: "ms a script" }
      ],
      bars: [
        { metric: "rate", peer: "bullmq", atLeast },
        { metric: "rss", peer: "bullmq", atMost: 1 },
        { metric: "script", atMost: 5 }
      ]
    }
  }

  const enqueue = (task: string, title: string, n: number, atLeast: number, rqToo: boolean): Row => {
    const steps = [step(task, { n: count(n), warm: count(n) / 4 })]
    return {
      name: `enqueue-${task}`,
      title,
      sides: {
        ours: steps,
        bullmq: steps,
        ...(rqToo ? { rq: [step(task, { n: Math.min(4000, count(n)), warm: 250 })] } : {})
      },
      metrics: [rate],
      bars: [{ metric: "rate", peer: "bullmq", atLeast }]
    }
  }

  const memory = (
    state: string,
    steps: (n: number) => ReadonlyArray<Step>,
    peers: ReadonlyArray<Side>,
    atMost: number | undefined
  ): Row => {
    const n = count(20_000)
    // RQ runs a few hundred jobs a second.
    const few = Math.min(n, 1500)
    return {
      name: `memory-${state}`,
      title: `Redis memory of a job, ${state.replace("-", " ")}`,
      sides: {
        ours: steps(n),
        ...(peers.includes("bullmq") ? { bullmq: steps(n) } : {}),
        ...(peers.includes("rq") ? { rq: steps(few) } : {})
      },
      bytesFor: { ours: n, bullmq: n, rq: few },
      rounds: 1,
      metrics: [{ key: "bytes", unit: "bytes" }],
      bars: atMost === undefined ? [] : [{ metric: "bytes", peer: "rq", atMost }]
    }
  }

  const burst = [
    step("schedule", { n: count(50_000), dueIn: 3000 + count(50_000) / 10 }),
    step("burst", { n: count(50_000) })
  ]
  const lateness = [step("lateness", { n: count(2000) })]
  const latency = [step("latency", { n: count(300), warm: 50, concurrency: 10 })]
  const idle = [step("idle", { concurrency: 10 })]
  const both: ReadonlyArray<Side> = ["bullmq", "rq"]

  return [
    noop(1, 10_000, 2),
    noop(10, 20_000, 2),
    noop(50, 30_000, 2),
    noop(100, 40_000, 3),
    noop(10, 20_000, 2, "gone"),
    noop(100, 40_000, 3, "gone"),
    noop(10, 20_000, 2, "typed"),
    noop(100, 40_000, 3, "typed"),
    enqueue("awaited", "enqueue, awaited one by one", 10_000, 1.2, true),
    enqueue("inFlight", "enqueue, 100 in flight", 40_000, 1.8, false),
    enqueue("bulk", "enqueue in bulk", 60_000, 3, true),
    {
      name: "latency",
      title: "idle worker, from adding to the handler's start",
      sides: { ours: latency, bullmq: latency },
      rounds: 2,
      metrics: millis("p50", "p99"),
      bars: [{ metric: "p50", peer: "bullmq", atMost: 1 }, { metric: "p99", peer: "bullmq", atMost: 1 }]
    },
    {
      name: "burst",
      title: "50k jobs due at one instant, until the last has run",
      sides: { ours: burst, bullmq: burst },
      rounds: 1,
      metrics: millis("millis"),
      bars: [{ metric: "millis", peer: "bullmq", atMost: 0.4 }]
    },
    {
      name: "lateness",
      title: "2k jobs due over 20 s, how late they start",
      sides: { ours: lateness, bullmq: lateness },
      rounds: 1,
      metrics: millis("min", "p50", "p99", "max"),
      bars: [{ metric: "p99", peer: "bullmq", atMost: 0.1 }, { metric: "min", atLeast: 0 }]
    },
    {
      name: "promote",
      title: "promote due jobs",
      sides: {
        ours: [step("schedule", { n: count(100_000), dueIn: -1000 }), step("promote", { n: count(100_000) })],
        rq: [step("schedule", { n: 4000, dueIn: -1000 }), step("promote", { n: 4000 })]
      },
      rounds: 2,
      metrics: [rate, { key: "script", unit: "ms a script" }],
      bars: [{ metric: "rate", peer: "rq", atLeast: 100 }, { metric: "script", atMost: 5 }]
    },
    memory("waiting", (n) => [step("fill", { n })], both, 0.65),
    memory("scheduled", (n) => [step("schedule", { n, dueIn: 3_600_000 })], both, undefined),
    memory("finished", (n) => [step("fill", { n }), step("drain", { n })], both, 0.15),
    memory(
      "finished-with-result",
      (n) => (["fill", "drain"] as const).map((task) => step(task, { n, kind: "typed" })),
      both,
      0.25
    ),
    {
      name: "idle",
      title: "idle worker: round trips and memory",
      sides: { ours: idle, bullmq: idle },
      rounds: 1,
      metrics: [{ key: "calls", unit: "/s" }, { key: "rss", unit: "MB" }],
      bars: [{ metric: "calls", atMost: 0.5 }, { metric: "rss", peer: "bullmq", atMost: 1 }]
    },
    {
      name: "idle-scheduler",
      title: "scheduler with nothing due: round trips",
      sides: { ours: [step("idleScheduler", {})] },
      rounds: 1,
      metrics: [{ key: "calls", unit: "/s" }, { key: "rss", unit: "MB" }],
      bars: [{ metric: "calls", atMost: 1.2 }]
    },
    {
      name: "cli",
      title: "command line, --help",
      sides: { ours: [step("cli", { n: 9 })] },
      rounds: 1,
      metrics: millis("p50", "bareNode"),
      bars: []
    },
    {
      name: "in-memory",
      title: "in-memory Redis, enqueue scripts",
      sides: { ours: [step("memoryScripts", { n: count(20_000), warm: 2000 })] },
      metrics: [rate],
      bars: []
    },
    {
      name: "virtual",
      title: "virtual clock, ticks of a scheduler",
      sides: { ours: [step("virtualTicks", { n: count(20_000), warm: 2000 })] },
      metrics: [rate],
      bars: []
    }
  ]
}
