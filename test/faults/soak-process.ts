/**
 * The soak's processes: a worker whose handlers journal what they do, and a producer of mixed load.
 */
import { CurrentJob, Job, JobGroup, Queue, Worker } from "effect-rq"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Journal } from "./journal.js"
import { redisLayer } from "./produce.js"
import type { Mix, ProcessConfig } from "./protocol.js"
import { tell } from "./tell.js"

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", { attempt: Schema.Number }) {}

const payload = { due: Schema.Number, millis: Schema.Number }

const Plain = Job.make("soak.plain", { payload })
const Answer = Job.make("soak.answer", { payload: { ...payload, n: Schema.Number }, success: Schema.Number })
const Retried = Job.make("soak.retried", {
  payload: { ...payload, fails: Schema.Number },
  error: Flaky,
  retry: { max: 4, intervals: "1 second" }
})
const Repeated = Job.make("soak.repeated", { payload })

export const repeatSeconds = 10

const jobs = JobGroup.make(Plain, Answer, Retried, Repeated)

const handlers = (journal: Journal) => {
  /** Journals the run around what it does. */
  const run = <A, E>(
    { due, millis }: { readonly due: number; readonly millis: number },
    kind: string,
    what: Effect.Effect<A, E>
  ) =>
    Effect.gen(function*() {
      const { attempt, executionId, id } = yield* CurrentJob.CurrentJob
      journal.write({ what: "start", id, execution: executionId, attempt, due, kind, at: Date.now() })
      yield* Effect.sleep(millis)
      const result = yield* what
      journal.write({ what: "end", id, execution: executionId, at: Date.now() })
      return result
    })
  return jobs.toLayer({
    "soak.plain": (payload) => run(payload, "plain", Effect.void),
    "soak.answer": (payload) => run(payload, "answer", Effect.succeed(payload.n * 2)),
    "soak.repeated": (payload) => run(payload, "repeated", Effect.void),
    "soak.retried": (payload) =>
      Effect.flatMap(CurrentJob.CurrentJob, ({ attempt }) =>
        run(
          payload,
          "retried",
          attempt <= payload.fails ? Effect.fail(new Flaky({ attempt })) : Effect.void
        ))
  })
}

/** Where Node was started with `--expose-gc`. */
const collect = (globalThis as { gc?: () => void }).gc // declared nowhere

export const soakWorker = (config: ProcessConfig, journal: Journal) =>
  Effect.gen(function*() {
    const worker = yield* Worker.make(jobs, {
      name: config.name,
      queues: [config.queue],
      concurrency: config.worker.concurrency,
      withScheduler: true
    })
    yield* tell(journal, worker)
    yield* sampling(journal, Effect.map(worker.status, ({ failed, successful }) => failed + successful))
    yield* worker.finished
    // The worker's scope is closed first, while Redis is still there to say farewell to.
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(handlers(journal), redisLayer(config.redis))))

/** Every ten seconds: memory after a collection, and by how much the event loop was late. */
const sampling = (journal: Journal, done: Effect.Effect<number>) =>
  Effect.gen(function*() {
    const before = performance.now()
    yield* Effect.sleep(100)
    const lagMillis = performance.now() - before - 100
    collect?.()
    const { heapUsed, rss } = process.memoryUsage()
    journal.write({ what: "memory", rss, heap: heapUsed, lagMillis, done: yield* done, at: Date.now() })
  }).pipe(Effect.repeat(Schedule.spaced("10 seconds")), Effect.forkScoped)

/** Tries again until Redis has answered; the ids are the caller's, so it counts once. */
const persistently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    while: ({ _tag }) => _tag === "RedisError",
    schedule: Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("1 second")))
  })

export const soakProducer = (config: ProcessConfig, journal: Journal): Effect.Effect<void, unknown> =>
  Effect.scoped(produceMix(config, journal, config.mix!)) // a soak's producer is given one
    .pipe(Effect.provide(Queue.layer.pipe(Layer.provide(redisLayer(config.redis)))))

const produceMix = (config: ProcessConfig, journal: Journal, mix: Mix) =>
  Effect.gen(function*() {
    const service = yield* Queue.Queue
    const { queue } = config
    const kept = { queue, resultTtl: `${mix.keptSeconds} seconds`, failureTtl: `${mix.keptSeconds} seconds` } as const
    let done = 0
    yield* sampling(journal, Effect.sync(() => done))

    const acked = (id: string, due: number, kind: string, runs: number | undefined) => (ref: Queue.JobRef) =>
      Effect.sync(() => {
        done++
        journal.write({
          what: "acked",
          id,
          due,
          tries: 1,
          outcome: ref.outcome,
          kind,
          ...(runs === undefined ? {} : { runs }),
          at: Date.now()
        })
      })

    /** `runs` is undefined where nobody knows beforehand. */
    const plain = (id: string, delay: number, millis: number, kind: string, runs: number | undefined) => {
      const due = Date.now() + delay
      return persistently(
        delay === 0
          ? service.enqueue(Plain, { due, millis }, { ...kept, jobId: id })
          : service.enqueueAt(new Date(due), Plain, { due, millis }, { ...kept, jobId: id })
      ).pipe(Effect.flatMap(acked(id, due, kind, runs)))
    }

    /** One of the mix; some enqueue two jobs. */
    const one = (at: number): Effect.Effect<void, unknown> => {
      const id = (kind: string) => `${kind}-${String(at).padStart(7, "0")}`
      const due = Date.now()
      switch (at % 20) {
        default:
          return plain(id("now"), 0, 2, "now", 1)
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
        case 13:
          return plain(id("later"), 1000 + (at % 37) * 100, 2, "later", 1)
        case 14:
        case 15:
          return persistently(
            service.enqueue(Retried, { due, millis: 1, fails: 1 + at % 2 }, { ...kept, jobId: id("retried") })
          ).pipe(Effect.flatMap(acked(id("retried"), due, "retried", 1)))
        case 16:
          return Effect.gen(function*() {
            yield* plain(id("parent"), 0, 50, "parent", 1)
            const options = { ...kept, jobId: id("child"), dependsOn: [id("parent")] }
            yield* persistently(service.enqueue(Plain, { due, millis: 1 }, options)).pipe(
              Effect.flatMap(acked(id("child"), due, "child", 1))
            )
          })
        case 17:
          return Effect.gen(function*() {
            const jobId = id("answer")
            yield* persistently(service.enqueue(Answer, { due, millis: 5, n: at }, { ...kept, jobId })).pipe(
              Effect.flatMap(acked(jobId, due, "answer", 1))
            )
            const answer = yield* Effect.either(persistently(service.await(Answer, jobId, { timeout: "60 seconds" })))
            const told = Either.match(answer, { onLeft: ({ _tag }) => _tag, onRight: String })
            journal.write({ what: "checked", id: jobId, ok: told === String(at * 2), told, at: Date.now() })
          })
        case 18:
          return Effect.gen(function*() {
            const jobId = id("canceled")
            yield* plain(jobId, 30_000, 1, "canceled", 0)
            yield* Effect.sleep(500)
            const { outcome } = yield* persistently(service.cancel(jobId))
            // A cancellation whose reply was lost is found done.
            const ok = outcome === "canceled" || outcome === "ended"
            journal.write({ what: "checked", id: jobId, ok, told: outcome, at: Date.now() })
            // What is canceled is kept until somebody deletes it, as by RQ.
            yield* Effect.sleep(mix.keptSeconds * 500)
            yield* persistently(service.delete(jobId))
          })
        case 19:
          return at % 100 < 50
            ? persistently(
              service.enqueue(Retried, { due, millis: 1, fails: 100 }, {
                ...kept,
                jobId: id("doomed"),
                retry: { max: 1, intervals: "1 second" }
              })
            ).pipe(Effect.flatMap(acked(id("doomed"), due, "doomed", 0)))
            : Effect.gen(function*() {
              const jobId = id("stopped")
              yield* plain(jobId, 0, 10_000, "stopped", undefined)
              yield* Effect.sleep(1000)
              const { outcome } = yield* persistently(service.cancel(jobId, { wait: "5 seconds" }))
              journal.write({ what: "checked", id: jobId, ok: outcome !== "missing", told: outcome, at: Date.now() })
            })
      }
    }

    const begun = Date.now()
    const total = mix.minutes * 60 * mix.perSecond
    // Each of these runs for as long as the load goes on; the last runs are waited for at the end.
    const times = Math.max(1, Math.floor((mix.minutes * 60) / repeatSeconds) - 2)
    yield* Effect.forEach([0, 1, 2, 3, 4], (n) =>
      persistently(
        service.enqueueIn(`${n} seconds`, Repeated, { due: begun, millis: 5 }, {
          ...kept,
          jobId: `repeated-${n}`,
          repeat: { times, intervals: `${repeatSeconds} seconds` }
        })
      ).pipe(Effect.flatMap(acked(`repeated-${n}`, begun, "repeated", times + 1))))
    const numbers = Array.from({ length: total }, (_, at) => at)
    yield* Effect.forEach(
      numbers,
      (at) =>
        Effect.gen(function*() {
          const wait = begun + (at * 1000) / mix.perSecond - Date.now()
          if (wait > 0) yield* Effect.sleep(wait)
          // What waits for its answer holds nobody up.
          yield* Effect.forkScoped(Effect.catchAllCause(one(at), (cause) =>
            Effect.sync(() =>
              journal.write({ what: "checked", id: String(at), ok: false, told: Cause.pretty(cause), at: Date.now() })
            )))
        }),
      { discard: true }
    )
    yield* Effect.sleep("75 seconds")
    journal.write({ what: "produced", at: Date.now() })
  })
