/**
 * The tasks of effect-rq. Each module is imported from its own entry, as an application does that minds its memory.
 */
import * as Job from "effect-rq/Job"
import * as JobGroup from "effect-rq/JobGroup"
import * as Queue from "effect-rq/Queue"
import * as Redis from "effect-rq/Redis"
import * as RedisLive from "effect-rq/RedisLive"
import * as Scheduler from "effect-rq/Scheduler"
import * as Worker from "effect-rq/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  companion,
  cpuMicros,
  type Figures,
  fromInfo,
  isTyped,
  megabytes,
  onTold,
  outcome,
  type Params,
  pauseBefore,
  payload,
  port,
  queueName,
  queueNames,
  reads,
  runTask,
  say,
  scriptMillis,
  serverMicros,
  sleep,
  spread,
  type Task
} from "./task.js"

const Void = Job.make("bench.void", { queue: queueName })
const Gone = Job.make("bench.gone", { queue: queueName, resultTtl: 0 })
const typed = {
  queue: queueName,
  payload: { to: Schema.String, name: Schema.String, at: Schema.Date, tags: Schema.Array(Schema.String) },
  success: Schema.Struct({ messageId: Schema.String, size: Schema.Number })
}
const Result = Job.make("bench.result", { queue: queueName, success: typed.success })
const Typed = Job.make("bench.typed", typed)
const Async = Job.make("bench.async", typed)
const Endless = Job.make("bench.endless", { queue: queueName })
const Jobs = JobGroup.make(Void, Gone, Result, Typed, Async, Endless)
const typedPayload = { ...payload, at: new Date(payload.at) }

/** Told of each start of a job. */
let onStart = () => {}
const started = Effect.sync(() => onStart())
const Handlers = Jobs.toLayer({
  "bench.void": () => started,
  "bench.gone": () => started,
  "bench.result": () => Effect.as(started, outcome),
  "bench.typed": () => Effect.as(started, outcome),
  "bench.async": () => Effect.as(Effect.zipRight(started, Effect.sleep(1)), outcome),
  "bench.endless": () => Effect.zipRight(started, Effect.never)
})

type Services = Queue.Queue | Redis.Redis | Layer.Layer.Success<typeof Handlers> | Scope.Scope

const task = <E>(body: (params: Params) => Effect.Effect<Figures, E, Services>): Task => (params) =>
  body(params).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.merge(Queue.layer, Handlers).pipe(
        Layer.provideMerge(RedisLive.layer({ url: `redis://127.0.0.1:${port}` }))
      )
    ),
    Effect.runPromise
  )

const request = ({ kind }: Params, at?: Date, queue?: string): Queue.Request => {
  const options = { ...(at === undefined ? {} : { at }), ...(queue === undefined ? {} : { queue }) }
  return isTyped(kind)
    ? Queue.request(kind === "async" ? Async : Typed, typedPayload, options)
    : Queue.request(kind === "gone" ? Gone : kind === "result" ? Result : Void, {}, options)
}

const requests = (params: Params, n: number, at?: (index: number) => Date) => {
  const names = queueNames(params.queues)
  return Array.from(
    { length: n },
    (_, index) => request(params, at?.(index), names.length > 1 ? names[index % names.length] : undefined)
  )
}

const enqueueOne = (queue: Queue.QueueService, { kind }: Params) =>
  isTyped(kind)
    ? queue.enqueue(kind === "async" ? Async : Typed, typedPayload)
    : queue.enqueue(kind === "gone" ? Gone : kind === "result" ? Result : Void)

/** One after the other, as a loop that awaits each; `Effect.repeatN` would give way to other fibers after each. */
const oneByOne = (n: number, queue: Queue.QueueService, params: Params) =>
  Effect.gen(function*() {
    for (let i = 0; i < n; i++) yield* enqueueOne(queue, params)
  })

const rate = (n: number, since: number): number => n * 1000 / (performance.now() - since)

const info = (section: string) => Effect.flatMap(Redis.Redis, (redis) => redis.send<string>("INFO", section))

const pause = (millis: number) => Effect.promise(() => sleep(millis))

const timed = <E, R>(
  { n, warm }: Params,
  body: (n: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<Figures, E, R> =>
  Effect.gen(function*() {
    yield* body(warm)
    const since = performance.now()
    const cpuSince = cpuMicros()
    yield* body(n)
    return { rate: rate(n, since), cpu: (cpuMicros() - cpuSince) / n }
  })

/** What the server does for one of `n`, in microseconds of a processor. */
const serverCost = <A, E, R>(n: number, body: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = serverMicros(yield* info("cpu"))
    yield* body
    return (serverMicros(yield* info("cpu")) - before) / n
  })

/** Waits until all that is due has been promoted by a scheduler. */
const promoted = (queue: Queue.QueueService, n: number) =>
  Effect.gen(function*() {
    while ((yield* queue.length(queueName)) < n) yield* pause(5)
  })

/** A fleet in this process runs all that waits, and is done when the last has run. */
const drained = (params: Params) =>
  Effect.gen(function*() {
    const workers = yield* Effect.forEach(
      Array.from({ length: params.workers }),
      () => Worker.make(Jobs, { queues: queueNames(params.queues), concurrency: params.concurrency, burst: true }),
      { concurrency: 10 }
    )
    const summaries = yield* Effect.forEach(workers, (worker) => worker.finished, { concurrency: "unbounded" })
    const successful = summaries.reduce((sum, one) => sum + one.successful, 0)
    if (successful !== params.n + params.warm) {
      return yield* Effect.dieMessage(`${successful} jobs succeeded, not ${params.n + params.warm}`)
    }
  })

/** Scheduled jobs as the library writes them, made by the server itself: a million of them take some seconds. */
const seedScript = Redis.script(
  (from: number, to: number, due: number) => ["rq:job:", "rq:scheduled:bench", from, to, due],
  {
    name: "seed",
    numberOfKeys: 2,
    lua: `
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local id = string.format("%08x-0000-4000-8000-%012x", i, i)
  redis.call("HSET", KEYS[1] .. id, "data", '["bench.void",null,[],{}]', "origin", "bench", "description", "bench.void()",
    "status", "scheduled", "timeout", "180", "created_at", "2026-11-24T06:00:00.250Z")
  redis.call("ZADD", KEYS[2], ARGV[3] + i % 100000, id)
end
return 1`,
    result: (reply: number) => reply
  }
)

const seed = (n: number, due: number) =>
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const some = redis.eval(seedScript)
    for (let from = 0; from < n; from += 1000) yield* some(from, Math.min(n, from + 1000), due)
  })

const usedMemory = Effect.map(info("memory"), (text) => fromInfo(text, /used_memory:(\d+)/))

/** Leads the queue and says so, until it is told to stop. */
const leader = (
  onLeading: () => void,
  stop: Effect.Effect<void>
): Effect.Effect<void, unknown, Redis.Redis> =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const scheduler = yield* Scope.extend(Scheduler.make({ queues: [queueName] }), scope)
    yield* Stream.runHead(Stream.filter(scheduler.events, (event) => event._tag === "Elected"))
    onLeading()
    yield* stop
    yield* Scope.close(scope, Exit.void)
  })

const takeover = (end: (companion: ReturnType<typeof companionOf>) => void) =>
  task((params) =>
    Effect.gen(function*() {
      const other = companionOf(params)
      yield* Effect.promise(() => other.said(1))
      const scheduler = yield* Scheduler.make({ queues: [queueName] })
      yield* pause(2500)
      const elected = Stream.runHead(Stream.filter(scheduler.events, (event) => event._tag === "Elected"))
      const since = performance.now()
      end(other)
      yield* elected
      const millis = performance.now() - since
      other.kill()
      return { millis }
    })
  )

const companionOf = (params: Params) => companion("leader", params)

await runTask({
  fill: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      yield* queue.enqueueMany(requests(params, params.warm + params.n))
      return {}
    })
  ),
  schedule: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const due = Date.now() + params.dueIn
      yield* queue.enqueueMany(requests(params, params.n, () => new Date(due)))
      return { due }
    })
  ),
  seed: task((params) =>
    Effect.gen(function*() {
      const before = yield* usedMemory
      yield* seed(params.n, Math.floor((Date.now() + params.dueIn) / 1000))
      return { bytes: ((yield* usedMemory) - before) / params.n }
    })
  ),
  drain: task((params) =>
    Effect.gen(function*() {
      let count = 0
      let since = 0
      let cpuSince = 0
      onStart = () => {
        if (++count !== params.warm + 1) return
        since = performance.now()
        cpuSince = cpuMicros()
      }
      const worker = yield* Worker.make(Jobs, {
        queues: [queueName],
        concurrency: params.concurrency,
        maxJobs: params.warm + params.n
      })
      const summary = yield* worker.finished
      const perSecond = rate(params.n, since)
      const cpu = (cpuMicros() - cpuSince) / params.n
      if (summary.successful !== params.warm + params.n) return yield* Effect.dieMessage("not all jobs succeeded")
      return { rate: perSecond, cpu, rss: megabytes(), script: scriptMillis(yield* info("commandstats")) }
    })
  ),
  awaited: task((params) => Effect.flatMap(Queue.Queue, (queue) => timed(params, (n) => oneByOne(n, queue, params)))),
  inFlight: task((params) =>
    Effect.flatMap(Queue.Queue, (queue) =>
      timed(params, (n) =>
        Effect.all(
          Array.from({ length: 100 }, () => oneByOne(n / 100, queue, params)),
          { concurrency: "unbounded", discard: true }
        )))
  ),
  bulk: task((params) =>
    Effect.flatMap(Queue.Queue, (queue) => timed(params, (n) => queue.enqueueMany(requests(params, n))))
  ),
  latency: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      yield* Worker.make(Jobs, { queues: [queueName], concurrency: params.concurrency })
      yield* pause(500)
      const waits: Array<number> = []
      for (let i = 0; i < params.warm + params.n; i++) {
        yield* pause(pauseBefore(i, params))
        const since = performance.now()
        const hasStarted = new Promise<void>((resolve) => {
          onStart = () => {
            if (i >= params.warm) waits.push(performance.now() - since)
            resolve()
          }
        })
        yield* enqueueOne(queue, params)
        yield* Effect.promise(() => hasStarted)
      }
      return spread(waits)
    })
  ),
  burst: task((params) =>
    Effect.gen(function*() {
      if (Date.now() > params.due - 500) {
        return yield* Effect.dieMessage("the jobs are due before the worker is there")
      }
      const worker = yield* Worker.make(Jobs, {
        queues: [queueName],
        concurrency: params.concurrency,
        maxJobs: params.n,
        withScheduler: true
      })
      yield* worker.finished
      return { millis: Date.now() - params.due }
    })
  ),
  lateness: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const lateness: Array<number> = []
      const dues: Array<number> = []
      const now = Date.now()
      // Due times are in order, and so are the runs of one worker.
      onStart = () => lateness.push(Date.now() - (dues[lateness.length] ?? NaN))
      const worker = yield* Worker.make(Jobs, {
        queues: [queueName],
        concurrency: params.concurrency,
        maxJobs: params.n,
        withScheduler: true
      })
      yield* queue.enqueueMany(requests(params, params.n, (index) => {
        const due = now + 3000 + Math.round(index * params.seconds * 1000 / params.n)
        dues.push(due)
        return new Date(due)
      }))
      yield* worker.finished
      return spread(lateness)
    })
  ),
  promote: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* redis.send("CONFIG", "RESETSTAT")
      const since = performance.now()
      let perSecond = 0
      const server = yield* serverCost(
        params.n,
        Effect.gen(function*() {
          yield* Scheduler.make({ queues: [queueName] })
          yield* promoted(queue, params.n)
          perSecond = rate(params.n, since)
        })
      )
      return { rate: perSecond, script: scriptMillis(yield* info("commandstats")), server }
    })
  ),
  recovery: task((params) =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      yield* queue.enqueueMany(Array.from({ length: params.n }, () => Queue.request(Endless, {})))
      const victim = companion("victim", params)
      yield* Effect.promise(() => victim.said(params.n))
      const again = yield* Deferred.make<void>()
      let count = 0
      onStart = () => {
        if (++count === params.n) Deferred.unsafeDone(again, Effect.void)
      }
      yield* Worker.make(Jobs, { queues: [queueName], concurrency: params.concurrency, gracePeriod: 0 })
      yield* pause(1000)
      const since = performance.now()
      victim.kill()
      yield* Deferred.await(again)
      return { millis: performance.now() - since }
    })
  ),
  victim: task((params) =>
    Effect.gen(function*() {
      onTold(() => {})
      onStart = () => say("started")
      yield* Worker.make(Jobs, { queues: [queueName], concurrency: params.concurrency })
      return yield* Effect.never
    })
  ),
  takeoverKilled: takeover((other) => other.kill()),
  takeoverStopped: takeover((other) => other.tell()),
  leader: task(() =>
    Effect.as(
      leader(
        () => say("leading"),
        Effect.async<void>((resume) => {
          onTold(() => resume(Effect.void))
        })
      ),
      {}
    )
  ),
  // With so many others that are scheduled: how fast it schedules and promotes, and what a tick costs that finds nothing.
  growthScheduled: task((params) =>
    Effect.gen(function*() {
      const { n } = params
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* queue.enqueueMany(requests(params, params.warm, () => new Date(Date.now() + 9e6)))
      const all = requests(params, n, () => new Date(Date.now() - 1000))
      const since = performance.now()
      const scheduleServer = yield* serverCost(n, queue.enqueueMany(all))
      const schedule = rate(n, since)
      const before = performance.now()
      let promote = 0
      const promoteServer = yield* serverCost(
        n,
        Effect.gen(function*() {
          yield* Scheduler.make({ queues: [queueName], tick: 20 })
          yield* promoted(queue, n)
          promote = rate(n, before)
        })
      )
      yield* redis.send("CONFIG", "RESETSTAT")
      yield* pause(2000)
      return {
        schedule,
        scheduleServer,
        promote,
        promoteServer,
        tick: 1000 * scriptMillis(yield* info("commandstats"))
      }
    })
  ),
  growthFleet: task((params) =>
    Effect.gen(function*() {
      const cpu = cpuMicros()
      const since = performance.now()
      const server = yield* serverCost(params.n, drained(params))
      const figures = { rate: rate(params.n, since), server, cpu: (cpuMicros() - cpu) / params.n }
      const redis = yield* Redis.Redis
      yield* Scheduler.make({ queues: queueNames(params.queues), tick: 50 })
      yield* pause(500)
      yield* redis.send("CONFIG", "RESETSTAT")
      yield* pause(1500)
      return { ...figures, tick: 1000 * scriptMillis(yield* info("commandstats")) }
    })
  ),
  idle: task((params) =>
    Effect.gen(function*() {
      yield* Worker.make(Jobs, { queues: [queueName], concurrency: params.concurrency })
      return yield* watch(params)
    })
  ),
  idleScheduler: task((params) =>
    Effect.gen(function*() {
      yield* Scheduler.make({ queues: [queueName] })
      return yield* watch(params)
    })
  ),
  // Only here: what a worker's memory is must not depend on these.
  memoryScripts: async (params) => {
    const RedisMemory = await import("effect-rq/RedisMemory")
    return Effect.runPromise(
      Effect.flatMap(Queue.Queue, (queue) => timed(params, (n) => Effect.repeatN(enqueueOne(queue, params), n - 1)))
        .pipe(
          Effect.provide(Layer.provide(Queue.layer, RedisMemory.layer))
        )
    )
  },
  virtualTicks: async (params) => {
    const RedisMemory = await import("effect-rq/RedisMemory")
    const { TimeTravel } = await import("effect-rq/testing")
    return Effect.runPromise(
      Effect.gen(function*() {
        const travel = yield* TimeTravel.TimeTravel
        return yield* timed(params, (n) => travel.adjust(`${n} seconds`))
      }).pipe(
        Effect.provide(
          Scheduler.layer({ queues: [queueName] }).pipe(
            Layer.provide(RedisMemory.layer),
            Layer.provideMerge(TimeTravel.layer)
          )
        )
      )
    )
  },
  // Workers with schedulers on one in-memory Redis, and a job for later each minute.
  virtualCluster: async (params) => {
    const RedisMemory = await import("effect-rq/RedisMemory")
    const { TimeTravel } = await import("effect-rq/testing")
    return Effect.runPromise(
      Effect.scoped(Effect.gen(function*() {
        const travel = yield* TimeTravel.TimeTravel
        const store = yield* RedisMemory.makeStore
        const host = RedisMemory.layerStore(store)
        const queue = yield* Effect.provide(Queue.make, host)
        for (let i = 0; i < params.workers; i++) {
          yield* Layer.build(
            Worker.layer(Jobs, { queues: [queueName], concurrency: 10, withScheduler: true }).pipe(
              Layer.provide(Handlers),
              Layer.provide(host)
            )
          )
        }
        const minutes = (n: number) =>
          Effect.repeatN(Effect.zipRight(queue.enqueueIn("90 seconds", Void), travel.adjust("1 minute")), n - 1)
        const { rate } = yield* timed(params, minutes)
        return { rate: (rate ?? NaN) / 60 }
      })).pipe(Effect.provide(TimeTravel.layer))
    )
  }
})

/** Round trips a second and resident memory, once the start is over. */
function watch({ seconds }: Params): Effect.Effect<Figures, Redis.RedisError, Redis.Redis> {
  return Effect.gen(function*() {
    yield* pause(5000)
    const before = reads(yield* info("stats"))
    yield* pause(seconds * 1000)
    const calls = reads(yield* info("stats")) - before - 1
    return { calls: calls / seconds, rss: megabytes() }
  })
}
