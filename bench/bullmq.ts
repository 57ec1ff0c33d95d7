/**
 * The tasks of BullMQ.
 */
import { Redis as Connection } from "ioredis"
import { createRequire } from "node:module"
import * as Path from "node:path"
import {
  companion,
  cpuMicros,
  type Figures,
  isTyped,
  megabytes,
  onTold,
  outcome,
  type Params,
  pauseBefore,
  payload,
  port,
  queueName,
  reads,
  runTask,
  say
} from "./task.js"
import { scriptMillis, sleep, spread } from "./task.js"

interface JobOptions {
  readonly delay?: number
  readonly timestamp?: number
}

interface Queue {
  readonly add: (name: string, data: object, options?: JobOptions) => Promise<unknown>
  readonly addBulk: (
    jobs: ReadonlyArray<{ readonly name: string; readonly data: object; readonly opts?: JobOptions }>
  ) => Promise<unknown>
}

interface Worker {
  readonly on: (event: "completed" | "error" | "failed", listener: (...args: ReadonlyArray<unknown>) => void) => void
  readonly waitUntilReady: () => Promise<unknown>
}

interface BullMq {
  readonly Queue: new(name: string, options: object) => Queue
  readonly Worker: new(name: string, handler: () => Promise<unknown>, options: object) => Worker
}

const folder = process.env["BENCH_PEER"] ?? ""
// It is installed by the benchmark only, so there are no types of it when this is checked: those above are what is used.
const bullmq = createRequire(Path.join(folder, "package.json"))("bullmq") as BullMq

const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null }

const queue = () => new bullmq.Queue(queueName, { connection })

const data = ({ kind }: Params): object => isTyped(kind) ? payload : {}

/** How many jobs one call carries, as on the other side. */
const callSize = 250

const addAll = async (to: Queue, n: number, job: (index: number) => [data: object, options?: JobOptions]) => {
  for (let at = 0; at < n; at += callSize) {
    await to.addBulk(Array.from({ length: Math.min(callSize, n - at) }, (_, index) => {
      const [data, opts] = job(at + index)
      return { name: "noop", data, ...(opts === undefined ? {} : { opts }) }
    }))
  }
}

const worker = ({ concurrency, kind }: Params, onStart: () => void): Worker => {
  const made = new bullmq.Worker(queueName, async () => {
    onStart()
    if (kind === "async") await sleep(1)
    return isTyped(kind) || kind === "result" ? outcome : undefined
  }, { connection, concurrency, ...(kind === "gone" ? { removeOnComplete: { count: 0 } } : {}) })
  made.on("error", (error) => console.error(error))
  made.on("failed", (_, error) => console.error(error))
  return made
}

const completed = (worker: Worker, n: number): Promise<void> =>
  new Promise((resolve) => {
    let count = 0
    worker.on("completed", () => {
      if (++count === n) resolve()
    })
  })

/** The rate of the second of two runs, the first of which warms up. */
const timed = async ({ n, warm }: Params, add: (n: number) => Promise<unknown>): Promise<Figures> => {
  await add(warm)
  const since = performance.now()
  const cpuSince = cpuMicros()
  await add(n)
  return { rate: rate(n, since), cpu: (cpuMicros() - cpuSince) / n }
}

const rate = (n: number, since: number): number => n * 1000 / (performance.now() - since)

const drain = async (params: Params): Promise<Figures> => {
  let started = 0
  let since = 0
  let cpuSince = 0
  const running = worker(params, () => {
    if (++started !== params.warm + 1) return
    since = performance.now()
    cpuSince = cpuMicros()
  })
  await completed(running, params.warm + params.n)
  const perSecond = rate(params.n, since)
  const cpu = (cpuMicros() - cpuSince) / params.n
  const rss = megabytes()
  return { rate: perSecond, cpu, rss, script: scriptMillis(await new Connection(port).info("commandstats")) }
}

await runTask({
  fill: async (params) => {
    await addAll(queue(), params.warm + params.n, () => [data(params)])
    return {}
  },
  schedule: async (params) => {
    const now = Date.now()
    const due = now + params.dueIn
    await addAll(queue(), params.n, () => [data(params), { timestamp: now, delay: params.dueIn }])
    return { due }
  },
  drain,
  awaited: (params) => {
    const to = queue()
    return timed(params, async (n) => {
      for (let i = 0; i < n; i++) await to.add("noop", data(params))
    })
  },
  inFlight: (params) => {
    const to = queue()
    return timed(params, (n) => {
      let left = n
      return Promise.all(Array.from({ length: 100 }, async () => {
        while (left-- > 0) await to.add("noop", data(params))
      }))
    })
  },
  bulk: (params) => {
    const to = queue()
    return timed(params, (n) => addAll(to, n, () => [data(params)]))
  },
  latency: async (params) => {
    let started = () => {}
    const running = worker(params, () => started())
    await running.waitUntilReady()
    const to = queue()
    const waits: Array<number> = []
    for (let i = 0; i < params.warm + params.n; i++) {
      await sleep(pauseBefore(i, params))
      const since = performance.now()
      await Promise.all([
        new Promise<void>((resolve) => {
          started = () => {
            if (i >= params.warm) waits.push(performance.now() - since)
            resolve()
          }
        }),
        to.add("noop", data(params))
      ])
    }
    return spread(waits)
  },
  burst: async (params) => {
    if (Date.now() > params.due - 500) throw new Error("the jobs are due before the worker is there")
    const running = worker(params, () => {})
    await completed(running, params.n)
    return { millis: Date.now() - params.due }
  },
  lateness: async (params) => {
    const lateness: Array<number> = []
    const dues: Array<number> = []
    const now = Date.now()
    const to = queue()
    let next = 0
    // Due times are in order, and so are the runs of one worker.
    const running = worker(params, () => lateness.push(Date.now() - (dues[next++] ?? NaN)))
    const all = completed(running, params.n)
    await addAll(to, params.n, (index) => {
      const delay = 3000 + Math.round(index * params.seconds * 1000 / params.n)
      dues.push(now + delay)
      return [data(params), { timestamp: now, delay }]
    })
    await all
    return spread(lateness)
  },
  recovery: async (params) => {
    await addAll(queue(), params.n, () => [data(params)])
    const victim = companion("victim", params)
    await victim.said(params.n)
    let count = 0
    let done = () => {}
    const again = new Promise<void>((resolve) => {
      done = resolve
    })
    const running = worker(params, () => {
      if (++count === params.n) done()
    })
    await running.waitUntilReady()
    const since = performance.now()
    victim.kill()
    await again
    return { millis: performance.now() - since }
  },
  victim: async (params) => {
    onTold(() => {})
    const made = new bullmq.Worker(queueName, () => {
      say("started")
      return new Promise(() => {})
    }, { connection, concurrency: params.concurrency })
    made.on("error", (error) => console.error(error))
    return new Promise(() => {})
  },
  idle: async (params) => {
    const running = worker(params, () => {})
    await running.waitUntilReady()
    const client = new Connection(port)
    await sleep(5000)
    const before = reads(await client.info("stats"))
    await sleep(params.seconds * 1000)
    const calls = reads(await client.info("stats")) - before - 1
    return { calls: calls / params.seconds, rss: megabytes() }
  }
})
