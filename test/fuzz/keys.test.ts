/**
 * Each kind of key that Redis holds of us, spoilt in each way: something foreign in its place, odd bytes in it, far too much
 * of it, or nothing. No worker and no scheduler ends or stands still on it, what has nothing to do with it goes on and can
 * be read, nothing of that is left half done, and what is foreign is told by its name.
 *
 * The kinds are those of `src/wire/keys.ts`: a new one is to be held here. Of each kind a few cells are tried, by the seed;
 * with `FUZZ_RUNS=9` all of them are.
 */
import { assert, describe, it } from "@effect/vitest"
import { Control, Doctor, Inspector, Lock, Queue, Redis } from "effect-rq"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { check as violationsOf } from "../../src/invariants/check.js"
import { fromDump } from "../../src/invariants/dump.js"
import * as keys from "../../src/wire/keys.js"
import { Task, travelling, type World } from "../time-travel/support/world.js"
import { assertTyped, attempt, factor, oddNumbers, oddTexts, seed } from "./support.js"

/** Exports that name no key: readers, channels, and the families of which the others are made. */
const others = [
  "family",
  "ownFamily",
  "queueName",
  "workerName",
  "dependentOf",
  "typeOf",
  "splitHandover",
  "workerChannel",
  "schedulerChannel"
] as const

type Kind = Exclude<keyof typeof keys, typeof others[number]>

interface Subjects {
  readonly job: string
  readonly child: string
  /** Its last run. */
  readonly execution: string
  readonly of: string
  readonly worker: string
}

type Held = readonly [
  key: (of: Subjects) => string,
  /** The jobs of queue q that it may keep from their end; "q": all of them, "all": those of the other queue as well. */
  stops: ReadonlyArray<"job" | "child" | "later" | "handed" | "mid"> | "q" | "all"
]

const kinds: Readonly<Record<Kind, Held>> = {
  queues: [() => keys.queues, []],
  queue: [() => keys.queue("q"), "q"],
  job: [({ job }) => keys.job(job), ["job", "child"]],
  dependents: [({ job }) => keys.dependents(job), ["child"]],
  dependencies: [({ child }) => keys.dependencies(child), ["child"]],
  scheduled: [() => keys.scheduled("q"), ["later"]],
  started: [() => keys.started("q"), "q"],
  finished: [() => keys.finished("q"), []],
  failed: [() => keys.failed("q"), []],
  deferred: [() => keys.deferred("q"), []],
  canceled: [() => keys.canceled("q"), []],
  results: [({ job }) => keys.results(job), []],
  executions: [({ of }) => keys.executions(of), []],
  execution: [({ execution, of }) => keys.execution(of, execution), []],
  workers: [() => keys.workers, []],
  workersOf: [() => keys.workersOf("q"), []],
  worker: [() => keys.worker("worker"), []],
  workerExecutions: [() => keys.workerExecutions("worker"), []],
  schedulerLock: [() => keys.schedulerLock("q"), ["later"]],
  scheduler: [() => keys.scheduler("worker"), []],
  cleaning: [() => keys.cleaning("q"), []],
  suspended: [() => keys.suspended, "all"],
  handover: [({ worker }) => keys.handover("q", worker), ["handed"]],
  handovers: [() => keys.handovers("q"), ["handed"]],
  maintenance: [() => keys.maintenance("q"), []],
  tidied: [() => keys.tidied("q"), []],
  intermediate: [() => keys.intermediate("q"), ["mid"]],
  intermediateSeen: [() => keys.intermediateSeen("q", "mid"), ["mid"]],
  lock: [() => keys.lock("l"), []],
  paused: [() => keys.paused, []],
  journal: [() => keys.journal("q"), []],
  fleetJournal: [() => keys.fleetJournal, []],
  unique: [({ job }) => keys.unique(job), []],
  firstSeen: [() => keys.firstSeen("q"), []]
}

const allKinds = Object.keys(kinds) as ReadonlyArray<Kind> // the keys of a literal

const foreign = {
  string: ["SET", "text"],
  hash: ["HSET", "field", "value"],
  list: ["RPUSH", "one", "two"],
  set: ["SADD", "member"],
  zset: ["ZADD", "1", "member"],
  stream: ["XADD", "*", "field", "value"]
} as const

const ways = [...Object.keys(foreign), "missing", "odd", "much"]
const moments = ["before", "during"] as const

/** Bytes as nobody would write them, by the seed. */
const odd = (salt: number): ReadonlyArray<Uint8Array> => [
  ...FastCheck.sample(FastCheck.uint8Array({ maxLength: 24 }), { seed: seed + salt, numRuns: 4 }),
  ...FastCheck.sample(FastCheck.constantFrom(...oddTexts, ...oddNumbers.map(String)), { seed: seed - salt, numRuns: 4 })
    .map((text) => new Uint8Array(Buffer.from(text))),
  Uint8Array.from({ length: 256 }, (_, byte) => byte)
]

const scores = ["inf", "-inf", "-1", "0", "1e300", "5e-324", "1e15", "70", "0.5"]

/** What is there already of the job's hash, and what a run would make of it. */
const fields = [
  "status",
  "data",
  "origin",
  "timeout",
  "enqueued_at",
  "execution",
  "worker_name",
  "retries_left",
  "meta"
]

const spoil = (redis: Redis.RedisService, key: string, way: string, salt: number) =>
  Effect.gen(function*() {
    const send = (command: string, ...args: ReadonlyArray<Redis.Arg>) => redis.send(command, key, ...args)
    const found = yield* redis.send<string>("TYPE", key)
    if (way in foreign) {
      const [command, ...args] = foreign[way as keyof typeof foreign]
      yield* send("DEL")
      return yield* send(command, ...args)
    }
    if (way === "missing") return yield* send("DEL")
    const bytes = odd(salt)
    const some = way === "odd" ? bytes : Array.from({ length: 3000 }, (_, i) => `many-${i}`)
    const big = "x".repeat(2_000_000)
    switch (found) {
      case "string":
        return yield* send("SET", way === "odd" ? bytes[salt % bytes.length]! : big)
      case "list":
        return yield* send("LPUSH", ...some)
      case "set":
        return yield* send("SADD", ...some)
      case "zset":
        return yield* send(
          "ZADD",
          ...some.flatMap((one, i): ReadonlyArray<Redis.Arg> => [scores[i % scores.length]!, one])
        )
      case "stream":
        for (const [i, one] of some.slice(0, 300).entries()) {
          yield* send(
            "XADD",
            "*",
            "type",
            String(i % 7),
            i % 2 === 0 ? "exc_string" : "return_value",
            one,
            "worker_name",
            one
          )
        }
        return undefined
      case "hash":
        return way === "odd"
          ? yield* send(
            "HSET",
            ...fields.flatMap((field, i) => (i + salt) % 3 === 0 ? [field, bytes[i % bytes.length]!] : [])
          )
          : yield* send("HSET", "meta", JSON.stringify({ big }), ...some.flatMap((one) => [one, one]))
      default: // there is none by now
        return undefined
    }
  })

const run = "0123456789ab4def8123456789abcdef"

const at = (id: string, options: Queue.EnqueueOptions & { readonly in?: string; readonly millis?: number } = {}) => {
  const { millis, ...rest } = options
  return Queue.request(Task, { name: id, millis: millis ?? 0 }, { jobId: id, ...rest as Queue.EnqueueOptions })
}

const inQ = ["target", "child", "slow", "slowChild", "now", "later", "mid", "handed"]
const inOther = ["long", "other", "otherLater"]

/** Everything that effect-rq and RQ write, so that each kind of key is there. */
const furnish = (world: World) =>
  Effect.gen(function*() {
    const { queue, redis } = world
    const control = yield* Effect.provideService(Control.make, Redis.Redis, redis)
    // what has been
    yield* queue.enqueueMany([at("done", { resultTtl: "forever" }), at("target", { resultTtl: "forever" }), at("gone")])
    yield* queue.cancel("gone")
    const old = yield* world.worker("old", { withScheduler: true })
    yield* world.adjust("2 seconds")
    yield* old.stop
    yield* queue.requeue("target")
    yield* redis.send("ZADD", keys.failed("q"), "1e12", "nobody")
    // what is to come
    yield* redis.send("DEL", keys.job("target"), keys.queue("q"))
    yield* queue.enqueueMany([
      at("slow", { millis: 30_000, uniqueFor: "1 hour" }),
      at("slowChild", { dependsOn: "slow" }),
      at("target", { uniqueFor: "1 hour" }),
      at("child", { dependsOn: "target" }),
      at("now"),
      at("later", { in: "30 seconds" }),
      at("mid"),
      at("handed"),
      at("py"),
      at("long", { queue: "other", millis: 30_000 }),
      at("other", { queue: "other" }),
      at("otherLater", { queue: "other", in: "30 seconds" })
    ])
    // what a worker of Python's has taken, what a dead one was handed, what another one of Python's runs
    for (const id of ["mid", "handed", "py"]) yield* redis.send("LREM", keys.queue("q"), 0, id)
    yield* redis.send("RPUSH", keys.intermediate("q"), "mid")
    yield* redis.send("SET", keys.intermediateSeen("q", "mid"), "1")
    yield* redis.send("RPUSH", keys.handover("q", "dead"), "handed")
    yield* redis.send("ZADD", keys.handovers("q"), 1, "dead")
    yield* redis.send("HSET", keys.job("py"), "status", "started", "worker_name", "python")
    yield* redis.send("ZADD", keys.started("q"), 20, `py:${run}`)
    yield* redis.send("ZADD", keys.executions("py"), 20, run)
    yield* redis.send(
      "HSET",
      keys.execution("py", run),
      "id",
      run,
      "job_id",
      "py",
      "created_at",
      "1",
      "last_heartbeat",
      "1"
    )
    // marks and registers
    yield* redis.send("SET", keys.cleaning("q"), "1", "EX", 3)
    yield* redis.send("SET", keys.schedulerLock("q"), "dead-scheduler", "EX", 5)
    yield* redis.send("HSET", keys.firstSeen("q"), "nobody", "1")
    yield* redis.send("ZADD", keys.scheduled("q"), "1", "nobody")
    yield* control.pause("elsewhere")
    yield* control.suspend({ duration: "1 second" })
    yield* redis.send("SET", keys.lock("l"), "me", "EX", 3600)
    const past = "2020-01-01T00:00:00.000000Z"
    yield* redis.send("HSET", keys.worker("worker"), "birth", past, "death", past)
    yield* redis.send("HSET", keys.scheduler("worker"), "birth", past)
    yield* redis.send("SADD", keys.workerExecutions("worker"), "x:y")
    yield* redis.send("SADD", keys.workersOf("q"), keys.worker("dead"))
    yield* redis.send("SADD", keys.workers, keys.worker("dead"))
    yield* redis.send("SET", keys.maintenance("q"), "dead", "EX", 3)
    yield* redis.send("SET", keys.tidied("q"), "dead", "EX", 3)
  })

const registries = ["scheduled", "started", "finished", "failed", "deferred", "canceled"] as const

/** What is asked, and what came of it. */
const askAll = (world: World, { child, job, of }: Pick<Subjects, "child" | "job" | "of">) =>
  Effect.gen(function*() {
    const { queue, redis, registry } = world
    const as = <A, E>(made: Effect.Effect<A, E, Redis.Redis>) => Effect.provideService(made, Redis.Redis, redis)
    const [inspector, doctor, control, lock] = yield* Effect.all([
      as(Inspector.make),
      as(Doctor.make),
      as(Control.make),
      as(Lock.make)
    ])
    const outcomes = new Map<string, "succeeded" | "failed">()
    const ask = <A, E>(what: string, build: () => Effect.Effect<A, E>) =>
      Effect.map(attempt(build), (exit) => {
        outcomes.set(what, assertTyped(exit, () => what))
      })
    for (const id of [job, child, of, "done", "other"]) {
      yield* ask(`fetch ${id}`, () => queue.fetch(id))
      yield* ask(`result ${id}`, () => queue.result(Task, id))
      yield* ask(`history ${id}`, () => queue.history(id))
      yield* ask(`contains ${id}`, () => queue.contains(id))
      yield* ask(`explain ${id}`, () => inspector.explain(id))
      const awaited = yield* Effect.fork(attempt(() => queue.await(Task, id, { timeout: 1 })))
      yield* world.adjust(2)
      assertTyped(yield* Fiber.join(awaited), () => `await ${id}`)
    }
    yield* ask("names", () => queue.names)
    yield* ask("all queues", () => inspector.queues())
    yield* ask("queues", () => inspector.queues(["q", "other"]))
    yield* ask("all workers", () => inspector.workers())
    yield* ask("workers", () => inspector.workers(["q", "other"]))
    yield* ask("all schedulers", () => inspector.schedulers())
    yield* ask("schedulers", () => inspector.schedulers(["q", "other"]))
    yield* ask("paused", () => control.paused)
    yield* ask("isSuspended", () => control.isSuspended)
    yield* ask("holder", () => lock.holder("l"))
    yield* ask("acquire", () => Effect.scoped(lock.acquire("l")))
    for (const name of ["q", "other"]) {
      yield* ask(`jobIds ${name}`, () => queue.jobIds(name))
      yield* ask(`length ${name}`, () => queue.length(name))
      yield* ask(`leader ${name}`, () => inspector.leader(name))
      for (const one of registries) {
        yield* ask(`${one} ${name}`, () => registry[one](name).list())
        yield* ask(`${one} ${name}, all`, () => Stream.runCount(registry[one](name).stream))
        yield* ask(`${one} ${name}, how many`, () => registry[one](name).count)
        yield* ask(`${one} ${name} with ${job}`, () => registry[one](name).contains(job))
      }
    }
    const report = yield* doctor.examine({ pause: 0 })
    return { outcomes, findings: report.findings, mend: doctor.mend(report.findings) }
  })

/** What must be told whatever the kind: it has nothing to do with it, or tells the rest, and why not all. */
const independent = (kind: Kind, isForeign: boolean) => (what: string): boolean =>
  what.startsWith("explain ") || what.startsWith("fetch ") && kind !== "job" ||
  what.startsWith("history ") && !(kind === "results" && isForeign) ||
  what.endsWith(" other") || what.includes(" other,") || what.includes(" other with") && kind !== "job" ||
  what === "queues" || what === "workers" || what === "schedulers" || what === "isSuspended" ||
  what === "all queues" && kind !== "queues" || what === "all schedulers" && kind !== "queues" ||
  what === "names" && kind !== "queues" || what === "all workers" && kind !== "workers" ||
  what === "paused" && kind !== "paused"

const cell = (kind: Kind, way: string, moment: typeof moments[number], salt: number) =>
  travelling((world) =>
    Effect.gen(function*() {
      const [keyOf, stops] = kinds[kind]
      const name = `${kind}, ${way}, ${moment}`
      yield* furnish(world)
      const start = Effect.forEach(["worker", "second"], (worker) =>
        world.worker(worker, {
          queues: ["q", "other"],
          concurrency: 3,
          withScheduler: true,
          scheduler: { name: worker }
        }))
      let subjects: Subjects = { job: "target", child: "child", of: "py", execution: run, worker: "dead" }
      const { redis } = world
      let workers = moment === "during" ? yield* start : []
      if (moment === "during") {
        yield* world.adjust("6 seconds")
        const execution = yield* redis.send<string>("HGET", keys.job("slow"), "execution")
        subjects = { job: "slow", child: "slowChild", of: "slow", execution, worker: "worker" }
      }
      const key = keyOf(subjects)
      const own = yield* redis.send<string>("TYPE", key)
      yield* spoil(redis, key, way, salt)
      const assertTold = (outcomes: ReadonlyMap<string, string>) => {
        const failed = [...outcomes].flatMap(([what, outcome]) => outcome === "failed" ? [what] : [])
        assert.deepStrictEqual(failed.filter(independent(kind, way in foreign)), [], name)
      }
      const before = yield* askAll(world, subjects)
      assertTold(before.outcomes)
      if (moment === "before") workers = yield* start
      yield* world.adjust("3 minutes")

      const names = world.names()
      const runs = (id: string) => names.filter((one) => one === id).length
      const mayStop = (id: string) =>
        stops === "all" || inQ.includes(id) && (
            stops === "q" || stops.some((one) =>
              one === id || one === "job" && id === subjects.job ||
              one === "child" && id === subjects.child
            )
          )
      for (const id of [...inQ, ...inOther]) {
        if (mayStop(id)) continue
        assert.strictEqual(yield* world.status(id), "finished", `${name}: ${id}`)
        assert.strictEqual(runs(id), id === "target" ? 2 : 1, `${name}: ${id}`)
      }
      assert.deepStrictEqual(world.texts().filter((text) => text.includes("is started again")), [], name)
      for (const { service } of workers) {
        assert.isTrue((yield* service.status).connected, name)
        if (service.scheduler._tag === "Some") assert.isTrue((yield* service.scheduler.value.status).connected, name)
      }

      const after = yield* askAll(world, subjects)
      assertTold(after.outcomes)
      const isThere = (yield* redis.send<string>("TYPE", key)) === way
      if (way in foreign && way !== (keys.typeOf(key) ?? own) && isThere) {
        const found = [...before.findings, ...after.findings].some((finding) =>
          finding.key._tag === "Some" && finding.key.value === key ||
          kind === "job" && finding.job._tag === "Some" && finding.job.value === subjects.job
        )
        // what a queue or a worker may be named as well is left alone
        assert.isTrue(found || keys.typeOf(key) === undefined, `${name}: the doctor tells of it`)
      }

      // Nothing of the others is half done, here and once the doctor has been at it.
      const now = yield* world.elapsed
      const othersLeft = Effect.map(world.dump, (dump) =>
        violationsOf(fromDump(dump, now)).filter(({ code, job, queue }) =>
          code !== "wrong-type" && code !== "stray-dependencies" && stops !== "all" &&
          (queue === "other" || inOther.includes(job ?? ""))
        ))
      assert.deepStrictEqual(
        (yield* othersLeft).map(({ message }) =>
          message
        ),
        [],
        name
      )
      assertTyped(yield* Effect.exit(after.mend), () => name)
      assert.deepStrictEqual((yield* othersLeft).map(({ message }) => message), [], name)
      for (const id of inOther) if (stops !== "all") assert.strictEqual(yield* world.status(id), "finished", name)
    })
  )

describe(`each kind of key, spoilt (FUZZ_SEED=${seed})`, () => {
  it("is held here", () =>
    Effect.runPromise(travelling((world) =>
      Effect.gen(function*() {
        const named = Object.keys(keys).filter((name) => !others.some((other) => other === name))
        assert.deepStrictEqual(Object.keys(kinds).sort(), named.sort())
        const subjects: Subjects = { job: "target", child: "child", of: "py", execution: run, worker: "dead" }
        const all = allKinds.map((kind) => kinds[kind][0](subjects))
        const channels: ReadonlyArray<string> = [keys.ownFamily.scheduler]
        for (const family of [...Object.values(keys.family), ...Object.values(keys.ownFamily)]) {
          assert.isTrue(channels.includes(family) || all.some((key) => key.startsWith(family)), family)
        }
        yield* furnish(world)
        const dump = yield* world.dump
        assert.deepStrictEqual(all.filter((key) => dump[key] === undefined), [])
        // and what the doctor takes for right is what is written
        for (const key of all) assert.include([undefined, dump[key]?.type], keys.typeOf(key), key)
      })
    )))

  for (const [index, kind] of allKinds.entries()) {
    it(kind, { timeout: 120_000 }, async () => {
      const cells = FastCheck.sample(
        FastCheck.shuffledSubarray(ways.flatMap((way) => moments.map((moment) => [way, moment] as const)), {
          minLength: ways.length * moments.length
        }),
        { seed: seed + index, numRuns: 1 }
      )[0]!
      for (const [salt, [way, moment]] of cells.slice(0, 2 * factor).entries()) {
        await Effect.runPromise(cell(kind, way, moment, salt + index))
      }
    })
  }
})
