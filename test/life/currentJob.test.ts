/**
 * What a handler knows of its job, and can do about it.
 */
import { assert, describe, it } from "@effect/vitest"
import { CurrentJob, Job, JobGroup, type Queue, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as keys from "../../src/wire/keys.js"
import { type Around, consistent, hget, outcomes, range, record, travelling, type World } from "./support.js"

const Probe = Job.make("test.probe", { payload: { n: Schema.Number }, success: Schema.String, queue: "q" })

const Probes = JobGroup.make(Probe)

const probe = (
  world: World,
  name: string,
  handler: (job: CurrentJob.CurrentJobService, n: number) => Effect.Effect<string>,
  options: Worker.WorkerOptions & { readonly around?: Around } = {}
) => {
  const { around, ...rest } = options
  return world.workerOf(
    name,
    Worker.make(Probes, { withScheduler: true, ...rest, name }).pipe(
      Effect.provide(Probes.toLayer({
        "test.probe": ({ n }) => Effect.flatMap(CurrentJob.CurrentJob, (job) => handler(job, n))
      }))
    ),
    { around }
  )
}

const enqueue = (world: World, options: Queue.EnqueueOptions = {}, n = 0) =>
  world.queue.enqueue(Probe, { n }, { jobId: "a", ...options })

const at = (millis: number) => Option.some(DateTime.unsafeMake(millis))

describe("what it tells", () => {
  it.effect("ids, times, deadline and attempt, as the worker's status and the record do", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const seen: Array<CurrentJob.CurrentJobService> = []
        const worker = yield* probe(world, "worker", (job) =>
          Effect.sync(() =>
            seen.push(job)
          ).pipe(Effect.zipRight(Effect.sleep(1000)), Effect.as("ok")))
        yield* world.adjust("1 minute")
        yield* world.queue.enqueueIn("2500 millis", Probe, { n: 0 }, { jobId: "a", timeout: "30 seconds" })
        yield* world.queue.enqueue(Probe, { n: 0 }, { jobId: "b", timeout: "forever" })
        yield* world.adjust("3 seconds")
        const { running } = yield* worker.service.status
        const [b, a] = [seen[0]!, seen[1]!]
        assert.deepStrictEqual(
          [a.id, a.name, a.queue, a.worker, a.attempt],
          ["a", "test.probe", "q", "worker", 1]
        )
        assert.deepStrictEqual([a.enqueuedAt, a.dueAt], [at(62_500), at(62_500)])
        assert.deepStrictEqual([Option.some(a.startedAt), a.deadline], [at(62_500), at(92_500)])
        assert.deepStrictEqual(running.map((one) => [one.id, one.executionId, one.attempt, one.deadline]), [
          ["a", a.executionId, 1, at(92_500)]
        ])
        assert.deepStrictEqual([b.enqueuedAt, b.dueAt, b.deadline], [at(60_000), Option.none(), Option.none()])
        assert.notStrictEqual(a.executionId, b.executionId)
        yield* world.adjust("5 seconds")
        assert.deepStrictEqual(
          Option.getOrThrow((yield* record(world, "a")).outcome).executionId,
          Option.some(a.executionId)
        )
      })
    ))

  it.effect("to the lines that it logs, in fibers of its own too: its id", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* probe(world, "worker", (job) =>
          Effect.log(`in ${job.id}`).pipe(
            Effect.zipRight(Effect.forEach([1, 2], (i) => Effect.log(`part ${i} of ${job.id}`), { concurrency: 2 })),
            Effect.as("ok")
          ))
        for (const id of ["a", "b"]) yield* enqueue(world, { jobId: id })
        yield* world.settle
        const lines = world.logs.filter(({ text }) => /^(in|part)/.test(text))
        assert.lengthOf(lines, 6)
        for (const { annotations, text } of lines) {
          assert.strictEqual(annotations["jobId"], text.slice(-1))
          assert.deepInclude(annotations, { queue: "q", worker: "worker" })
        }
      })
    ))
})

describe("meta", () => {
  it.effect("is read and merged, field by field, and seen from outside at once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const read: Array<unknown> = []
        yield* probe(world, "worker", (job) =>
          Effect.gen(function*() {
            read.push(yield* job.meta)
            assert.isTrue(yield* job.updateMeta({ b: [1, { c: null }], a: "new" }))
            read.push(yield* job.meta)
            yield* Effect.sleep("1 second")
            assert.isTrue(yield* job.progress(0.25))
            return "ok"
          }).pipe(Effect.orDie))
        yield* enqueue(world, { meta: { a: "old", z: true } })
        yield* world.settle
        const merged = { a: "new", z: true, b: [1, { c: null }] }
        assert.deepStrictEqual(read, [{ a: "old", z: true }, merged])
        assert.deepStrictEqual((yield* record(world, "a")).meta, merged)
        yield* world.adjust("2 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.deepStrictEqual((yield* record(world, "a")).meta, { ...merged, progress: 0.25 })
      })
    ))

  it.effect("updated by many at once loses nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* probe(world, "worker", (job) =>
          Effect.forEach(
            range(20),
            (index) => Effect.delay(job.updateMeta({ [`f${index}`]: index }), index % 3),
            { concurrency: "unbounded" }
          ).pipe(Effect.orDie, Effect.as("ok")), {
          around: (_, call) => Effect.zipLeft(Effect.delay(call, 2), Effect.sleep(2))
        }).pipe(Effect.fork)
        yield* world.adjust("1 second")
        yield* enqueue(world)
        yield* world.adjust("1 minute")
        assert.strictEqual(yield* world.status("a"), "finished")
        const { meta } = yield* record(world, "a")
        assert.deepStrictEqual(meta, Object.fromEntries(range(20).map((index) => [`f${index}`, index])))
      })
    ))

  it.effect("that is no JSON object begins anew; what JSON can't hold is refused", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const errors: Array<unknown> = []
        yield* probe(world, "worker", (job) =>
          Effect.gen(function*() {
            errors.push(yield* Effect.flip(job.updateMeta({ big: Number.NaN })))
            assert.deepStrictEqual(yield* job.meta, {})
            assert.isTrue(yield* job.updateMeta({ ok: 1 }))
            return "ok"
          }).pipe(Effect.orDie))
        yield* world.redis.send("SET", keys.suspended, "1")
        yield* enqueue(world)
        yield* world.redis.send("HSET", keys.job("a"), "meta", "[1")
        yield* world.redis.send("DEL", keys.suspended)
        yield* world.adjust("2 seconds")
        assert.instanceOf(errors[0], Job.InvalidJobError)
        assert.strictEqual((errors[0] as Job.InvalidJobError).field, "meta.big") // just checked
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.strictEqual(yield* hget(world, "a", "meta"), `{"ok":1}`)
      })
    ))

  it.effect("that is no text begins anew as well", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* probe(world, "worker", (job) => Effect.as(Effect.orDie(job.updateMeta({ ok: 1 })), "ok"))
        yield* world.redis.send("SET", keys.suspended, "1")
        yield* enqueue(world)
        yield* world.redis.send("HSET", keys.job("a"), "meta", new Uint8Array([0x7b, 0xff, 0xc3, 0x28, 0x7d]))
        yield* world.redis.send("DEL", keys.suspended)
        yield* world.adjust("2 seconds")
        assert.strictEqual(yield* world.status("a"), "finished")
        assert.strictEqual(yield* hget(world, "a", "meta"), `{"ok":1}`)
      })
    ))

  it.effect("progress is from 0 to 1, anything else is refused", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const refused: Array<unknown> = []
        yield* probe(world, "worker", (job) =>
          Effect.gen(function*() {
            for (const part of [0, 1, 0.5]) assert.isTrue(yield* job.progress(part))
            for (const part of [-0.01, 1.01, Number.NaN, Infinity]) {
              refused.push((yield* Effect.flip(job.progress(part)))._tag)
            }
            return "ok"
          }).pipe(Effect.orDie))
        yield* enqueue(world)
        yield* world.settle
        assert.deepStrictEqual(refused, range(4).map(() => "InvalidJobError"))
        assert.deepStrictEqual((yield* record(world, "a")).meta, { progress: 0.5 })
      })
    ))
})

describe("stop", () => {
  it.effect("ends the job as stopped, without a retry; finalizers run and nothing after it does", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const log: Array<string> = []
        const worker = yield* probe(world, "worker", (job) =>
          Effect.zipRight(
            job.stop,
            Effect.sync(() => log.push("after"))
          ).pipe(
            Effect.ensuring(Effect.sync(() => log.push("finalizer"))),
            Effect.as("ok")
          ))
        yield* world.settle
        yield* enqueue(world, { retry: { max: 5 } })
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(log, ["finalizer"])
        assert.strictEqual(yield* world.status("a"), "stopped")
        assert.deepStrictEqual(yield* outcomes(world, "a"), ["failed"])
        assert.deepStrictEqual(worker.events.map(({ _tag }) => _tag), ["Started", "Stopped"])
        yield* consistent(world)
      })
    ))

  it.effect("stops this run and no other", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* probe(world, "worker", (job, n) => n === 1 ? job.stop : Effect.as(Effect.sleep("1 second"), "ok"))
        for (const n of [0, 1, 2]) yield* enqueue(world, { jobId: `n${n}` }, n)
        yield* world.adjust("2 seconds")
        assert.deepStrictEqual(yield* Effect.forEach(["n0", "n1", "n2"], world.status), [
          "finished",
          "stopped",
          "finished"
        ])
      })
    ))
})

describe("a heartbeat of the handler's own", () => {
  it.effect("keeps the run alive, and tells whether it is the current one", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const answers: Array<boolean> = []
        yield* probe(world, "worker", (job) =>
          Effect.gen(function*() {
            yield* Effect.sleep("2 seconds")
            answers.push(yield* job.heartbeat)
            yield* Effect.sleep("1 second")
            answers.push(yield* job.heartbeat)
            return "done"
          }).pipe(Effect.orDie))
        yield* enqueue(world)
        yield* world.adjust("1999 millis")
        const aliveUntil = Effect.map(
          world.redis.send<ReadonlyArray<string>>("ZRANGE", keys.started("q"), 0, 0, "WITHSCORES"),
          ([, score]) => Number(score)
        )
        const before = yield* aliveUntil
        assert.isNull(yield* hget(world, "a", "last_heartbeat"))
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(answers, [true])
        assert.strictEqual(yield* aliveUntil, before + 2)
        assert.strictEqual(yield* hget(world, "a", "last_heartbeat"), "1970-01-01T00:00:02.000Z")
        yield* world.redis.send("DEL", keys.started("q"))
        yield* world.adjust("1 second")
        assert.deepStrictEqual(answers, [true, false])
        assert.strictEqual(yield* world.redis.send("EXISTS", keys.started("q")), 0)
      })
    ))
})

describe("a run that was taken away", () => {
  it.effect("can't write: what it says is false, and the run that took its place is not disturbed", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const answers: Array<readonly [host: string, answer: boolean]> = []
        const handler = (host: string) => (job: CurrentJob.CurrentJobService) =>
          Effect.gen(function*() {
            assert.isTrue(yield* job.updateMeta({ by: host }))
            yield* Effect.sleep("50 seconds")
            answers.push([host, yield* job.updateMeta({ end: host })])
            answers.push([host, yield* job.progress(1)])
            return host
          }).pipe(Effect.uninterruptible, Effect.orDie)
        const first = yield* probe(world, "first", handler("first"))
        yield* enqueue(world, { timeout: "10 minutes" })
        yield* world.adjust("7 seconds")
        yield* first.disconnect
        yield* probe(world, "second", handler("second"))
        yield* world.adjust("38 seconds")
        yield* first.reconnect
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(answers, [["first", false], ["first", false]])
        assert.deepStrictEqual((yield* record(world, "a")).meta, { by: "second" })
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(answers.slice(2), [["second", true], ["second", true]])
        assert.deepStrictEqual((yield* record(world, "a")).meta, { by: "second", end: "second", progress: 1 })
        yield* consistent(world)
      })
    ))
})

describe("the attempt", () => {
  it.effect("counts failures that were retried and deaths; a requeued job goes on counting", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const attempts: Array<number> = []
        const handler = (job: CurrentJob.CurrentJobService) =>
          Effect.suspend(() => {
            attempts.push(job.attempt)
            return job.attempt === 2 ? Effect.never : job.attempt < 4 ? Effect.die("no") : Effect.succeed("ok")
          })
        const first = yield* probe(world, "first", handler)
        yield* enqueue(world, { retry: { max: 2 }, timeout: "1 hour" })
        yield* world.adjust("6 seconds")
        assert.deepStrictEqual(attempts, [1, 2])
        yield* first.kill
        yield* probe(world, "second", handler)
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(attempts, [1, 2, 3])
        assert.strictEqual(yield* world.status("a"), "failed")
        yield* world.queue.requeue("a")
        yield* world.settle
        assert.lengthOf(attempts, 4)
        assert.deepStrictEqual([yield* outcomes(world, "a")][0]!.slice(1), ["failed", "retried", "retried"])
        yield* consistent(world)
      })
    ))
})
