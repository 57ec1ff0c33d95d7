/**
 * What is measured, on which sides, and the bars.
 */
import type { Kind, Params } from "./task.js"

/** `bare` is what the machine allows, see `bare.ts`. */
export type Side = "ours" | "bullmq" | "rq" | "bare"

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
  readonly peer?: "bullmq" | "rq"
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly sides: Partial<Record<Side, ReadonlyArray<Step>>>
  /** Rounds, unless the command says how many: of a row that varies much. */
  readonly rounds?: number
  /** One round whatever the command says: of a row that takes long or varies little. */
  readonly once?: true
  readonly metrics: ReadonlyArray<Metric>
  readonly bars: ReadonlyArray<Bar>
  /**
   * The server and the step share one processor. Where they have one each, most of a short call is the time until the other
   * one wakes, which is a matter of the machine and of the minute.
   */
  readonly oneProcessor?: true
  /** Measures what is left in Redis: for so many jobs on each side. */
  readonly bytesFor?: Partial<Record<Side, number>>
  /** Where a physical limit stands in the way of the bar of a metric: which. */
  readonly limit?: { readonly metric: string; readonly text: string }
}

/** How figures grow with something: rows of one kind, from the least to the most. */
export interface Curve {
  readonly name: string
  readonly title: string
  /** What grows. */
  readonly of: string
  readonly points: ReadonlyArray<{ readonly row: string; readonly x: number }>
  readonly metrics: ReadonlyArray<{
    readonly key: string
    readonly unit: string
    readonly title: string
    /** A cost of each job, which may grow with the logarithm of what grows, and no faster. */
    readonly logarithmic?: boolean
  }>
}

const defaults: Params = {
  n: 0,
  warm: 0,
  concurrency: 100,
  workers: 1,
  queues: 1,
  kind: "void",
  dueIn: 0,
  due: 0,
  seconds: 20
}

const step = (task: string, params: Partial<Params>): Step => ({ task, params: { ...defaults, ...params } })

const rate: Metric = { key: "rate", unit: "/s" }
/** No more jobs a second than a million by this: the server has one thread. */
const server: Metric = { key: "server", unit: "us of Redis a job" }
const millis = (...keys: ReadonlyArray<string>): ReadonlyArray<Metric> => keys.map((key) => ({ key, unit: "ms" }))

/** How many others are scheduled, and with `--large` as well. */
export const sizesOf = (
  large: boolean
): ReadonlyArray<number> => [1000, 10_000, 100_000, 1_000_000, ...large ? [1e7] : []]

/** Without a number of jobs each row has its own. */
export const rows = (jobs: number | undefined, sizes: ReadonlyArray<number>): ReadonlyArray<Row> => {
  const count = (n: number) => jobs ?? n

  const noop = (concurrency: number, n: number, atLeast: number | undefined, kind: Kind = "void"): Row => {
    const steps = (["fill", "drain"] as const).map((task) =>
      step(task, { n: count(n), warm: Math.ceil(count(n) / 4), concurrency, kind })
    )
    return {
      name: `noop-${concurrency}${kind === "void" ? "" : `-${kind}`}`,
      title: `run jobs, concurrency ${concurrency}` +
        {
          void: "",
          gone: ", deleted when done",
          result: ", result",
          typed: ", payload and result",
          async: ", payload and result, 1 ms of waiting"
        }[kind],
      sides: { ours: steps, bullmq: steps, ...(kind === "gone" ? {} : { bare: steps }) },
      metrics: [
        rate,
        { key: "cpu", unit: "us of Node a job" },
        server,
        { key: "rss", unit: "MB" },
        { key: "script", unit: "ms a script" }
      ],
      bars: [
        ...(atLeast === undefined ? [] : [{ metric: "rate", peer: "bullmq", atLeast } as const]),
        { metric: "rss", peer: "bullmq", atMost: 1 },
        { metric: "script", atMost: 5 }
      ]
    }
  }

  const enqueue = (
    task: string,
    title: string,
    n: number,
    atLeast: number,
    rqToo: boolean,
    oneProcessor: boolean = false
  ): Row => {
    // Node compiles for seconds: without that both sides are measured while they start.
    const steps = [step(task, { n: count(n), warm: count(n) })]
    return {
      name: `enqueue-${task}${oneProcessor ? "-one-processor" : ""}`,
      title,
      sides: {
        ours: steps,
        bullmq: steps,
        bare: steps,
        ...(rqToo ? { rq: [step(task, { n: Math.min(4000, count(n)), warm: 250 })] } : {})
      },
      rounds: 4,
      ...(oneProcessor ? { oneProcessor } : {}),
      metrics: [rate, { key: "cpu", unit: "us of Node a job" }, server],
      bars: [{ metric: "rate", peer: "bullmq", atLeast }]
    }
  }

  const memory = (
    state: string,
    steps: (n: number) => ReadonlyArray<Step>,
    peers: ReadonlyArray<Side>,
    atMost: number | undefined
  ): Row => {
    // The same on all sides: the tables of Redis double now and then. RQ runs a few hundred jobs a second.
    const n = Math.min(count(4000), 4000)
    return {
      name: `memory-${state}`,
      title: `Redis memory of a job, ${state.replaceAll("-", " ")}`,
      sides: Object.fromEntries((["ours", ...peers] as const).map((side) => [side, steps(n)])),
      bytesFor: { ours: n, bullmq: n, rq: n },
      once: true,
      metrics: [{ key: "bytes", unit: "bytes" }],
      bars: atMost === undefined ? [] : [{ metric: "bytes", peer: "rq", atMost }]
    }
  }

  const burst = [
    step("schedule", { n: count(50_000), dueIn: 3000 + count(50_000) / 10 }),
    step("burst", { n: count(50_000) })
  ]
  const lateness = [step("lateness", { n: count(2000) })]
  // Node compiles anew what it runs for thousands of jobs, and each time one of them waits for that.
  const latency = [step("latency", { n: count(1000), warm: count(10_000), concurrency: 10 })]
  const idle = [step("idle", { concurrency: 10 })]
  const recovery = [step("recovery", { n: 10, concurrency: 10 })]
  const rqPromotes = [step("schedule", { n: 4000, dueIn: -1000 }), step("promote", { n: 4000 })]
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
    noop(10, 10_000, undefined, "async"),
    noop(100, 40_000, undefined, "async"),
    enqueue("awaited", "enqueue, awaited one by one", 30_000, 1.2, true),
    enqueue("awaited", "enqueue, awaited one by one, client and server on one processor", 30_000, 1.2, true, true),
    enqueue("inFlight", "enqueue, 100 in flight", 100_000, 1.8, false),
    enqueue("bulk", "enqueue in bulk", 60_000, 3, true),
    {
      name: "latency",
      title: "idle worker, from adding to the handler's start",
      sides: { ours: latency, bullmq: latency },
      rounds: 5,
      metrics: millis("p50", "p99"),
      bars: [{ metric: "p50", peer: "bullmq", atMost: 1 }, { metric: "p99", peer: "bullmq", atMost: 1 }]
    },
    {
      name: "burst",
      title: "50k jobs due at one instant, until the last has run",
      sides: { ours: burst, bullmq: burst, bare: burst },
      rounds: 3,
      metrics: millis("millis"),
      bars: [{ metric: "millis", peer: "bullmq", atMost: 0.4 }]
    },
    {
      name: "lateness",
      title: "2k jobs due over 20 s, how late they start",
      sides: { ours: lateness, bullmq: lateness },
      once: true,
      metrics: millis("min", "p50", "p99", "max"),
      bars: [{ metric: "p99", peer: "bullmq", atMost: 0.1 }, { metric: "min", atLeast: 0 }]
    },
    {
      name: "promote",
      title: "promote due jobs",
      sides: {
        ours: [step("schedule", { n: count(100_000), dueIn: -1000 }), step("promote", { n: count(100_000) })],
        rq: rqPromotes,
        bare: [step("schedule", { n: count(100_000) }), step("promote", { n: count(100_000) })]
      },
      metrics: [rate, { key: "script", unit: "ms a script" }, server],
      bars: [{ metric: "rate", peer: "rq", atLeast: 100 }, { metric: "script", atMost: 5 }]
    },
    {
      name: "promote-million",
      title: "promote a million due jobs",
      sides: {
        ours: [step("seed", { n: count(1_000_000), dueIn: -200_000_000 }), step("promote", { n: count(1_000_000) })],
        rq: rqPromotes
      },
      once: true,
      metrics: [rate, { key: "script", unit: "ms a script" }, server],
      bars: [{ metric: "rate", peer: "rq", atLeast: 100 }, { metric: "script", atMost: 5 }]
    },
    memory("waiting", (n) => [step("fill", { n })], both, 0.65),
    memory("scheduled", (n) => [step("schedule", { n, dueIn: 3_600_000 })], both, undefined),
    memory("finished", (n) => [step("fill", { n }), step("drain", { n })], both, 0.15),
    memory(
      "finished-with-result",
      (n) => (["fill", "drain"] as const).map((task) => step(task, { n, kind: "result" })),
      both,
      0.25
    ),
    memory(
      "finished-with-payload-and-result",
      (n) => (["fill", "drain"] as const).map((task) => step(task, { n, kind: "typed" })),
      both,
      undefined
    ),
    {
      name: "idle",
      title: "idle worker: round trips and memory",
      sides: { ours: idle, bullmq: idle, bare: idle },
      // when Node looks for garbage is a matter of luck
      rounds: 3,
      metrics: [{ key: "calls", unit: "/s" }, { key: "rss", unit: "MB" }],
      bars: [{ metric: "calls", atMost: 0.5 }, { metric: "rss", peer: "bullmq", atMost: 1 }],
      limit: {
        metric: "rss",
        text:
          "the runtime of Effect, its Schema and ioredis alone take what stands under `bare`, before anything is done"
      }
    },
    {
      name: "idle-scheduler",
      title: "scheduler with nothing due: round trips",
      sides: { ours: [step("idleScheduler", {})] },
      once: true,
      metrics: [{ key: "calls", unit: "/s" }, { key: "rss", unit: "MB" }],
      bars: [{ metric: "calls", atMost: 1.2 }]
    },
    {
      name: "recovery",
      title: "a worker is killed with 10 running, until all run again",
      sides: { ours: recovery, bullmq: recovery },
      once: true,
      metrics: millis("millis"),
      bars: [{ metric: "millis", atMost: 30_000 }]
    },
    {
      name: "takeover",
      title: "the active scheduler is killed, until another leads",
      sides: { ours: [step("takeoverKilled", {})] },
      once: true,
      metrics: millis("millis"),
      bars: [{ metric: "millis", atMost: 15_000 }]
    },
    {
      name: "takeover-stopped",
      title: "the active scheduler is stopped, until another leads",
      sides: { ours: [step("takeoverStopped", {})] },
      metrics: millis("millis"),
      bars: [{ metric: "millis", atMost: 100 }]
    },
    ...sizes.map((size): Row => ({
      name: `growth-scheduled-${short(size)}`,
      title: `with ${size.toLocaleString("en")} others that are scheduled`,
      sides: {
        ours: [step("seed", { n: size, dueIn: 86_400_000 }), step("growthScheduled", { n: count(10_000), warm: 2000 })]
      },
      once: true,
      metrics: [
        { key: "schedule", unit: "/s" },
        { key: "scheduleServer", unit: "us of Redis a job" },
        { key: "promote", unit: "/s" },
        { key: "promoteServer", unit: "us of Redis a job" },
        { key: "tick", unit: "us of Redis a tick" },
        { key: "bytes", unit: "bytes a job" }
      ],
      bars: []
    })),
    ...([["workers", fleets], ["queues", manyQueues]] as const).flatMap(([what, counts]) =>
      counts.map((many): Row => {
        const of = { n: count(20_000), [what]: many, concurrency: what === "workers" ? 10 : 100 }
        return {
          name: `growth-${what}-${many}`,
          title: `${many.toLocaleString("en")} ${many === 1 ? what.slice(0, -1) : what}`,
          sides: { ours: [step("fill", of), step("growthFleet", of)] },
          once: true,
          metrics: [
            rate,
            server,
            { key: "cpu", unit: "us of Node a job" },
            { key: "tick", unit: "us of Redis a tick" }
          ],
          bars: []
        }
      })
    ),
    {
      name: "cli",
      title: "command line, --help",
      sides: { ours: [step("cli", { n: 9 })] },
      once: true,
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
    },
    {
      name: "virtual-cluster",
      title: "virtual clock, ten workers with schedulers",
      sides: { ours: [step("virtualCluster", { n: 30, warm: 3, workers: 10 })] },
      once: true,
      metrics: [{ key: "rate", unit: "simulated hours/s" }],
      bars: []
    }
  ]
}

const short = (n: number): string => n >= 1e6 ? `${n / 1e6}m` : n >= 1e3 ? `${n / 1e3}k` : String(n)

const fleets = [1, 10, 100]
const manyQueues = [1, 100, 1000]

/** The pictures of growth. */
export const curves = (sizes: ReadonlyArray<number>): ReadonlyArray<Curve> => [
  {
    name: "scheduled",
    title: "as scheduled jobs grow",
    of: "scheduled jobs",
    points: sizes.map((x) => ({ row: `growth-scheduled-${short(x)}`, x })),
    metrics: [
      { key: "promote", unit: "/s", title: "promoted a second" },
      { key: "promoteServer", unit: "us", title: "Redis, to promote one", logarithmic: true },
      { key: "scheduleServer", unit: "us", title: "Redis, to schedule one", logarithmic: true },
      { key: "tick", unit: "us", title: "Redis, a tick with nothing due", logarithmic: true },
      { key: "bytes", unit: "bytes", title: "memory of each", logarithmic: true }
    ]
  },
  ...(["workers", "queues"] as const).map((what): Curve => ({
    name: what,
    title: `as ${what} grow`,
    of: what,
    points: (what === "workers" ? fleets : manyQueues).map((x) => ({ row: `growth-${what}-${x}`, x })),
    metrics: [
      { key: "rate", unit: "/s", title: "jobs run a second" },
      { key: "server", unit: "us", title: "Redis, for each job", logarithmic: true },
      { key: "cpu", unit: "us", title: "Node, for each job", logarithmic: true },
      { key: "tick", unit: "us", title: "Redis, a tick of all queues" }
    ]
  }))
]
