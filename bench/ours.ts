/**
 * The tasks of effect-rq.
 */
import { Job, JobGroup, Queue, Redis, RedisLive, RedisMemory, Scheduler, Worker } from "effect-rq"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  cpuMicros,
  type Figures,
  megabytes,
  outcome,
  type Params,
  payload,
  port,
  queueName,
  reads,
  runTask,
  scriptMillis,
  sleep,
  spread,
  type Task
} from "./task.js"

const Void = Job.make("bench.void", { queue: queueName })
const Gone = Job.make("bench.gone", { queue: queueName, resultTtl: 0 })
const Typed = Job.make("bench.typed", {
  queue: queueName,
  payload: { to: Schema.String, name: Schema.String, at: Schema.Date, tags: Schema.Array(Schema.String) },
  success: Schema.Struct({ messageId: Schema.String, size: Schema.Number })
})
const Jobs = JobGroup.make(Void, Gone, Typed)
const typedPayload = { ...payload, at: new Date(payload.at) }

/** Told of each start of a job. */
let onStart = () => {}
const started = Effect.sync(() => onStart())
const Handlers = Jobs.toLayer({
  "bench.void": () => started,
  "bench.gone": () => started,
  "bench.typed": () => Effect.as(started, outcome)
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

const request = ({ kind }: Params, at?: Date): Queue.Request => {
  const options = at === undefined ? {} : { at }
  return kind === "typed"
    ? Queue.request(Typed, typedPayload, options)
    : Queue.request(kind === "gone" ? Gone : Void, {}, options)
}

const requests = (params: Params, n: number, at?: (index: number) => Date) =>
  Array.from({ length: n }, (_, index) => request(params, at?.(index)))

const enqueueOne = (queue: Queue.QueueService, { kind }: Params) =>
  kind === "typed" ? queue.enqueue(Typed, typedPayload) : queue.enqueue(kind === "gone" ? Gone : Void)

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
    yield* body(n)
    return { rate: rate(n, since) }
  })

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
  awaited: task((params) =>
    Effect.flatMap(Queue.Queue, (queue) => timed(params, (n) => Effect.repeatN(enqueueOne(queue, params), n - 1)))
  ),
  inFlight: task((params) =>
    Effect.flatMap(Queue.Queue, (queue) =>
      timed(params, (n) =>
        Effect.all(
          Array.from({ length: 100 }, () => Effect.repeatN(enqueueOne(queue, params), n / 100 - 1)),
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
        yield* pause(20)
        const hasStarted = yield* Deferred.make<void>()
        const since = performance.now()
        onStart = () => {
          if (i >= params.warm) waits.push(performance.now() - since)
          Deferred.unsafeDone(hasStarted, Effect.void)
        }
        yield* enqueueOne(queue, params)
        yield* Deferred.await(hasStarted)
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
      yield* Scheduler.make({ queues: [queueName] })
      while ((yield* queue.length(queueName)) < params.n) yield* pause(5)
      return { rate: rate(params.n, since), script: scriptMillis(yield* info("commandstats")) }
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
  memoryScripts: async (params) =>
    Effect.runPromise(
      Effect.flatMap(Queue.Queue, (queue) => timed(params, (n) => Effect.repeatN(enqueueOne(queue, params), n - 1)))
        .pipe(
          Effect.provide(Layer.provide(Queue.layer, RedisMemory.layer))
        )
    ),
  virtualTicks: async (params) => {
    // Only here: what a worker's memory is must not depend on it.
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
