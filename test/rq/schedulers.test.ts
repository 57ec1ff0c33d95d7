/**
 * Schedulers of Python's RQ and of effect-rq share the lock of a queue, and promote each other's jobs.
 */
import { assert } from "@effect/vitest"
import { Job, JobGroup, Queue, Redis, Registry, Scheduler, Worker } from "effect-rq"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SchedulerHash from "../../src/wire/scheduler.js"
import { eventually, PythonRq, suite } from "../support/python-rq.js"

const Add = Job.make("jobs_mod.add", {
  payload: Schema.Tuple(Schema.Number, Schema.Number),
  success: Schema.Number,
  queue: "q"
})
const Jobs = JobGroup.make(Add)
const Handlers = Jobs.toLayer({ "jobs_mod.add": ([a, b]) => Effect.succeed(a + b) })

const lock = "rq:scheduler-lock:q"

const holder = Effect.flatMap(Redis.Redis, (redis) => redis.send<string | null>("GET", lock))

/** A scheduler of effect-rq that holds elections all the time. */
const ours = (options: Partial<Scheduler.SchedulerOptions> = {}) =>
  Scheduler.make({ queues: ["q"], tick: "50 millis", lease: "500 millis", election: "50 millis", ...options })

const leads = (scheduler: Scheduler.SchedulerService) =>
  Effect.map(scheduler.status, ({ queues }) => Option.isSome(queues[0]!.leadingSince))

const awaitLead = (scheduler: Scheduler.SchedulerService) => eventually("ours leads", leads(scheduler), (is) => is)

/** Waits until ours has looked who leads, and returns who does. */
const seenLeader = (scheduler: Scheduler.SchedulerService) =>
  eventually("a leader is known", Effect.map(scheduler.status, ({ queues }) => queues[0]!.leader), Option.isSome)

/** Waits until ours has held a whole election from now on: it asks for the lock, so the server counts a call. */
const anotherElection = Effect.gen(function*() {
  const redis = yield* Redis.Redis
  const calls = Effect.map(
    redis.send<string>("INFO", "commandstats"),
    (text) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0)
  )
  const before = yield* calls
  yield* eventually("more elections", calls, (now) => now >= before + 3)
})

const past = "2020-01-01T00:00:00Z"

suite("schedulers share the lock", (test, version) => {
  /** From 2.10 on the lock holds the name of a scheduler that has a hash; before, the pid of a process. */
  const named = version.numbers[0] > 2 || version.numbers[0] === 2 && version.numbers[1] >= 10

  const theirs = Effect.flatMap(PythonRq, ({ run }) =>
    run<Array<string>>(`
state["scheduler"] = scheduler(["q"])
return sorted(state["scheduler"].acquire_locks())`))

  const theirTick = Effect.flatMap(PythonRq, ({ run }) =>
    run(`
state["scheduler"].enqueue_scheduled_jobs()
state["scheduler"].heartbeat()`))

  test("theirs first: ours stays away, sees who leads, and takes over when it stops", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      assert.deepStrictEqual(yield* theirs, ["q"])
      if (named) yield* run(`state["scheduler"].register_birth()`)
      const scheduler = yield* ours()
      assert.deepStrictEqual(yield* seenLeader(scheduler), Option.some(yield* Effect.map(holder, String)))

      const { id } = yield* queue.enqueueAt(past, Add, [1, 2])
      yield* anotherElection
      assert.isFalse(yield* leads(scheduler))
      assert.isTrue(yield* registry.scheduled("q").contains(id))
      yield* theirTick
      assert.isFalse(yield* registry.scheduled("q").contains(id))
      assert.deepStrictEqual(yield* queue.jobIds("q"), [id])
      assert.strictEqual(Option.getOrThrow(yield* queue.fetch(id)).status, "queued")

      const next = yield* queue.enqueueAt(past, Add, [3, 4])
      yield* run(`state["scheduler"].stop()`)
      yield* awaitLead(scheduler)
      assert.strictEqual(yield* holder, scheduler.name)
      yield* eventually("ours promotes", queue.jobIds("q"), (ids) => ids.length === 2)
      assert.deepStrictEqual(yield* queue.jobIds("q"), [id, next.id])
    }))

  test("theirs crashed: ours takes over when the lock lapses, without waiting for an election", () =>
    Effect.gen(function*() {
      const redis = yield* Redis.Redis
      assert.deepStrictEqual(yield* theirs, ["q"])
      assert.isAbove(yield* redis.send<number>("TTL", lock), 55)
      yield* redis.send("PEXPIRE", lock, 400)
      const scheduler = yield* ours({ election: "1 hour" })
      yield* seenLeader(scheduler)
      yield* awaitLead(scheduler)
      assert.strictEqual(yield* holder, scheduler.name)
    }))

  test("ours first: theirs stays away, reads who leads, and takes over when ours stops", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const scope = yield* Scope.make()
      const scheduler = yield* Scope.extend(ours(), scope)
      yield* awaitLead(scheduler)
      assert.deepStrictEqual(yield* theirs, [])
      // RQ before 2.10 takes what the lock holds for a pid
      assert.strictEqual(
        yield* run(`return str(queue("q").scheduler_pid)`),
        named ? String(process.pid) : scheduler.name
      )

      const id = yield* run<string>(`
return queue("q").enqueue_at(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), "jobs_mod.add", 1, 2).id`)
      yield* run(`state["scheduler"].enqueue_scheduled_jobs()`)
      yield* eventually("ours promotes theirs", queue.jobIds("q"), (ids) => ids.length === 1)
      assert.deepStrictEqual(yield* queue.jobIds("q"), [id])
      assert.strictEqual(
        yield* eventually(
          "it is counted",
          Effect.map(scheduler.status, ({ queues }) => queues[0]!.promoted),
          (n) => n > 0
        ),
        1
      )

      yield* Scope.close(scope, Exit.void)
      assert.isNull(yield* holder)
      assert.deepStrictEqual(yield* run(`return sorted(state["scheduler"].acquire_locks())`), ["q"])
      const later = yield* queue.enqueueAt(past, Add, [3, 4])
      yield* theirTick
      assert.deepStrictEqual(yield* queue.jobIds("q"), [id, later.id])
      yield* run(`state["scheduler"].stop()`)
    }))

  test("their stop takes our lock away at worst, and ours is back at once", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const scheduler = yield* ours({ election: "1 hour" })
      yield* awaitLead(scheduler)
      assert.deepStrictEqual(yield* theirs, [])
      // 1.13 deletes the locks of all its queues, whoever holds them
      yield* run(`
if state["scheduler"].acquired_locks or rq.VERSION.startswith("1."):
    state["scheduler"].stop()`)
      const { id } = yield* queue.enqueueAt(past, Add, [1, 2])
      yield* eventually("the job is promoted", queue.contains(id), (is) => is)
      assert.strictEqual(yield* eventually("the lock is back", holder, (name) => name !== null), scheduler.name)
      yield* awaitLead(scheduler)
    }))

  test("one that was paused past its lease does not promote: ours", () =>
    Effect.gen(function*() {
      const redis = yield* Redis.Redis
      const queue = yield* Queue.Queue
      const scheduler = yield* ours()
      yield* awaitLead(scheduler)
      // the lease lapses and Python is there first
      yield* redis.send("SET", lock, "4711", "EX", 61)
      yield* eventually("ours sees that it does not lead", leads(scheduler), (is) => !is)
      const { id } = yield* queue.enqueueAt(past, Add, [1, 2])
      yield* anotherElection
      assert.isFalse(yield* queue.contains(id))
      assert.strictEqual(yield* holder, "4711")
    }))

  /**
   * A scheduler of theirs that has been stuck: it has lost its lock to ours, and does not know. What follows promotes with
   * it what it had read before, or what is due by a clock of its own.
   */
  const stale = Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const { run } = yield* PythonRq
    assert.deepStrictEqual(yield* theirs, ["q"])
    yield* run(`
state["scheduler"].prepare_registries()
state["registry"] = state["scheduler"]._scheduled_job_registries[0]
def promote(ids):
    state["registry"].get_jobs_to_schedule = lambda *args, **kwargs: ids
    state["scheduler"].enqueue_scheduled_jobs()
state["promote"] = promote`)
    yield* redis.send("DEL", lock)
  })

  const theirPromotion = (ids: ReadonlyArray<string>) =>
    Effect.flatMap(PythonRq, ({ run }) => run(`state["promote"](ids)`, { ids }))

  const warnings: Array<string> = []
  const Noted = Logger.add(Logger.make(({ logLevel, message }) => {
    if (logLevel._tag === "Warning") warnings.push(String(message))
  }))
  const warned = () => warnings.filter((text) => text.includes("by another scheduler although this one leads")).length

  const foreignPromotions = (scheduler: Scheduler.SchedulerService) =>
    Effect.map(scheduler.status, ({ queues }) => queues[0]!.foreignPromotions)

  test("theirs promotes a second time what ours has promoted, after it lost its lock: it is counted and warned of", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      warnings.length = 0
      yield* stale
      const scheduler = yield* ours()
      yield* awaitLead(scheduler)
      const refs = yield* queue.enqueueMany([1, 2, 3].map((n) => Queue.request(Add, [n, n], { at: past })))
      const ids = refs.map(({ id }) => id)
      yield* eventually("ours promotes", queue.jobIds("q"), (all) => all.length === 3)
      assert.strictEqual(yield* foreignPromotions(scheduler), 0)
      yield* theirPromotion(ids.slice(0, 2))
      assert.lengthOf(yield* queue.jobIds("q"), 5)
      assert.strictEqual(yield* eventually("it is seen", foreignPromotions(scheduler), (n) => n > 1), 2)
      yield* theirPromotion(ids.slice(2))
      assert.strictEqual(yield* eventually("so is the next", foreignPromotions(scheduler), (n) => n > 2), 3)
      // one warning for as long as it goes on
      assert.strictEqual(warned(), 1)
      // what stands in the queue twice is run, and ours drops what is left of it
      const worker = yield* Worker.make(Jobs, { burst: true, concurrency: 10 }).pipe(Effect.provide(Handlers))
      assert.deepInclude(yield* worker.finished, { failed: 0 })
      for (const [index, id] of ids.entries()) {
        assert.deepStrictEqual(yield* queue.result(Add, id), Option.some(Exit.succeed(2 * (index + 1))))
      }
      assert.strictEqual(yield* queue.length("q"), 0)
      yield* anotherElection
      assert.strictEqual(yield* foreignPromotions(scheduler), 3)
      yield* Effect.flatMap(PythonRq, ({ run }) => run(`state["scheduler"]._acquired_locks = set()`))
    }).pipe(Effect.provide(Noted)))

  test("theirs promotes before ours, by a clock that is ahead: it is counted and warned of", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { run } = yield* PythonRq
      warnings.length = 0
      yield* stale
      const scheduler = yield* ours({ tick: "500 millis", lease: "10 seconds" })
      yield* awaitLead(scheduler)
      const redis = yield* Redis.Redis
      yield* redis.send("CONFIG", "RESETSTAT")
      const { id } = yield* queue.enqueueIn("3 seconds", Add, [1, 2])
      // which is what ours looks at when something is about to be due
      yield* eventually(
        "ours watches it",
        redis.send<string>("INFO", "commandstats"),
        (text) => text.includes("cmdstat_zscore:")
      )
      yield* run(`
import rq.queue
for name in ["now", "utcnow"]:
    if hasattr(rq.queue, name):
        state[name] = getattr(rq.queue, name)
        setattr(rq.queue, name, lambda real=state[name]: real() + datetime.timedelta(seconds=5))`)
      yield* theirPromotion([id])
      yield* run(`
for name in ["now", "utcnow"]:
    if name in state:
        setattr(rq.queue, name, state.pop(name))`)
      assert.deepStrictEqual(yield* queue.jobIds("q"), [id])
      assert.isNull(yield* redis.send("HGET", `rq:job:${id}`, "due_at"), "ours was there first")
      assert.strictEqual(yield* eventually("it is seen", foreignPromotions(scheduler), (n) => n > 0), 1)
      assert.strictEqual(warned(), 1)
    }).pipe(Effect.provide(Noted)))

  test("nothing foreign is seen in what ours promotes, whatever becomes of it", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const scheduler = yield* ours()
      yield* awaitLead(scheduler)
      const now = yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)
      yield* queue.enqueueMany([1, 2, 3, 4, 5, 6].map((n) =>
        Queue.request(Add, [n, n], { jobId: `j${n}`, at: new Date(now + 200 * n), retry: { max: 1 } })
      ))
      yield* run(`
q = queue("q")
q.enqueue_in(datetime.timedelta(seconds=1), "jobs_mod.fail", "no", job_id="fails", retry=Retry(max=2))
q.enqueue_in(datetime.timedelta(seconds=1), "jobs_mod.add", 1, 2, job_id="canceled")
q.enqueue_in(datetime.timedelta(seconds=1), "jobs_mod.add", 1, 2, job_id="deleted")
fetch("canceled").cancel()
fetch("deleted").delete()`)
      assert.isTrue(
        yield* Effect.flatMap(Registry.Registry, (_) =>
          _.scheduled("q").reschedule("j1", new Date(now + 900)))
      )
      yield* eventually(
        "all are promoted",
        Effect.map(scheduler.status, ({ queues }) => queues[0]!.promoted),
        (n) => n === 7
      )
      yield* run(`
burst(["q"])
fetch("fails").requeue()
burst(["q"])`)
      yield* queue.requeue("j1")
      yield* anotherElection
      assert.strictEqual(yield* foreignPromotions(scheduler), 0)
    }))

  test("a worker of theirs with its scheduler promotes and runs ours, and leaves the queue to ours when it stops", () =>
    Effect.gen(function*() {
      const { rq } = yield* PythonRq
      const queue = yield* Queue.Queue
      const process = yield* rq(["worker", "--with-scheduler", "-S", "rq.serializers.JSONSerializer", "q"])
      yield* process.prints("Scheduler for q started")
      const leader = yield* eventually("it leads", holder, (name) => name !== null)
      const scheduler = yield* ours()
      assert.deepStrictEqual(yield* seenLeader(scheduler), Option.some(String(leader)))
      const { id } = yield* queue.enqueueIn("1 millis", Add, [20, 22])
      const outcome = yield* eventually("it runs", queue.result(Add, id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(42)))
      assert.isFalse(yield* leads(scheduler))
      yield* process.kill("SIGTERM")
      assert.strictEqual((yield* process.exit).code, 0)
      yield* awaitLead(scheduler)
    }))

  test("a worker of theirs with its scheduler beside ours runs what ours promotes", () =>
    Effect.gen(function*() {
      const { rq, run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const scheduler = yield* ours({ queues: ["q"] })
      yield* awaitLead(scheduler)
      const process = yield* rq(["worker", "--with-scheduler", "-S", "rq.serializers.JSONSerializer", "q"])
      yield* process.prints("Listening on q")
      const id = yield* run<string>(`
return queue("q").enqueue_in(datetime.timedelta(milliseconds=1), "jobs_mod.add", 20, 22).id`)
      const outcome = yield* eventually("it runs", queue.result(Add, id), Option.isSome)
      assert.deepStrictEqual(outcome, Option.some(Exit.succeed(42)))
      assert.strictEqual(yield* holder, scheduler.name)
      const { queues } = yield* scheduler.status
      assert.strictEqual(queues[0]!.promoted, 1)
      yield* process.kill("SIGTERM")
      yield* process.exit
      assert.strictEqual(yield* eventually("ours leads on", holder, (name) => name !== null), scheduler.name)
    }))

  test("each leads what the other doesn't", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      assert.deepStrictEqual(yield* theirs, ["q"])
      const scheduler = yield* ours({ queues: ["q", "other"] })
      const led = yield* eventually(
        "ours leads the other",
        Effect.map(scheduler.status, ({ queues }) => queues.filter((one) => Option.isSome(one.leadingSince))),
        (queues) => queues.length > 0
      )
      assert.deepStrictEqual(led.map(({ queue }) => queue), ["other"])
      assert.deepStrictEqual(
        yield* run(`
s = scheduler(["q", "other", "third"])
return sorted(s.acquire_locks())`),
        ["third"]
      )
    }))

  test("what Python promotes of ours keeps its place and its lifetime", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* theirs
      yield* queue.enqueue(Add, [0, 0], { jobId: "queued" })
      yield* queue.enqueueMany([
        Queue.request(Add, [1, 1], { jobId: "front", at: past, atFront: true }),
        Queue.request(Add, [2, 2], { jobId: "back", at: past, ttl: "100 seconds" }),
        // Python looks back to 1970 only
        Queue.request(Add, [4, 4], { jobId: "moon", at: "1969-07-20T20:17:40Z", atFront: true }),
        Queue.request(Add, [3, 3], { jobId: "later", in: "1 hour" })
      ])
      yield* theirTick
      assert.deepStrictEqual(yield* queue.jobIds("q"), ["front", "moon", "queued", "back"])
      assert.approximately(yield* redis.send<number>("TTL", "rq:job:back"), 100, 2)
      assert.isTrue(yield* Effect.flatMap(Registry.Registry, (_) => _.scheduled("q").contains("later")))
      // half of them here, half there
      const worker = yield* Worker.make(Jobs, { maxJobs: 2, concurrency: 1 }).pipe(Effect.provide(Handlers))
      assert.deepInclude(yield* worker.finished, { successful: 2 })
      yield* run(`burst(["q"])`)
      for (const [id, sum] of [["front", 2], ["moon", 8], ["queued", 0], ["back", 4]] as const) {
        assert.deepStrictEqual(yield* queue.result(Add, id), Option.some(Exit.succeed(sum)))
      }
    }))

  test("what ours promotes of Python's keeps its place and its lifetime", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const redis = yield* Redis.Redis
      yield* run(`
q = queue("q")
then = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
q.enqueue("jobs_mod.add", 0, 0, job_id="queued")
q.enqueue_at(then, "jobs_mod.add", 2, 2, job_id="back", ttl=100)
q.enqueue_at(then, "jobs_mod.add", 1, 1, job_id="front", at_front=True)`)
      const scheduler = yield* ours()
      const promoted = yield* scheduler.events.pipe(
        Stream.filterMap((event) => event._tag === "Promoted" ? Option.some(event) : Option.none()),
        Stream.runHead
      )
      assert.sameMembers(Option.getOrThrow(promoted).jobIds.slice(), ["back", "front"])
      assert.deepStrictEqual(yield* queue.jobIds("q"), ["front", "queued", "back"])
      assert.approximately(yield* redis.send<number>("TTL", "rq:job:back"), 100, 2)
      assert.isTrue(
        yield* run(`
job = fetch("front")
return job.get_status() == "queued" and job.enqueued_at is not None and job.get_position() == 0`)
      )
      yield* run(`burst(["q"])`)
      assert.deepStrictEqual(yield* queue.result(Add, "front"), Option.some(Exit.succeed(2)))
    }))

  test("a due time is moved by either", () =>
    Effect.gen(function*() {
      const { run } = yield* PythonRq
      const queue = yield* Queue.Queue
      const registry = yield* Registry.Registry
      yield* queue.enqueueAt("2090-01-02T03:04:05.678Z", Add, [1, 2], { jobId: "ours" })
      yield* run(`
queue("q").enqueue_at(datetime.datetime(2090, 1, 1, tzinfo=datetime.timezone.utc), "jobs_mod.add", 1, 2, job_id="theirs")`)
      assert.deepStrictEqual(
        yield* run(`
r = registry(ScheduledJobRegistry, "q")
return [r.get_job_ids(), r.get_scheduled_time("ours").isoformat()[:19], r.count, len(r.get_jobs_to_schedule())]`),
        [["theirs", "ours"], "2090-01-02T03:04:05", 2, 0]
      )
      assert.isTrue(yield* registry.scheduled("q").reschedule("theirs", "2091-01-01T00:00:00.250Z"))
      yield* run(`
registry(ScheduledJobRegistry, "q").schedule(fetch("ours"), datetime.datetime(2092, 1, 1, tzinfo=datetime.timezone.utc))`)
      assert.deepStrictEqual(
        (yield* registry.scheduled("q").list()).map(({ at, id }) => [id, DateTime.formatIso(Option.getOrThrow(at))]),
        [["theirs", "2091-01-01T00:00:00.250Z"], ["ours", "2092-01-01T00:00:00.000Z"]]
      )
    }))

  if (named) {
    test("the hash of each is read by the other", () =>
      Effect.gen(function*() {
        const { run } = yield* PythonRq
        const redis = yield* Redis.Redis
        const scheduler = yield* ours({ queues: ["q", "other"] })
        yield* awaitLead(scheduler)
        assert.deepStrictEqual(
          yield* run(
            `
found = RQScheduler.fetch(name, connection)
return [found.name, found.pid, sorted(found._queue_names), found.created_at <= found.last_heartbeat]`,
            {
              name: scheduler.name
            }
          ),
          [scheduler.name, process.pid, ["other", "q"], true]
        )
        const name = yield* run<string>(`
s = scheduler(["q", "third"])
s.register_birth()
return s.name`)
        const read = Either.getOrThrow(
          SchedulerHash.decode(
            name,
            yield* redis.sendBytes<ReadonlyArray<Uint8Array>>("HGETALL", `rq:scheduler:${name}`)
          )
        )
        assert.strictEqual(read.name, name)
        assert.sameMembers(read.queues.slice(), ["q", "third"])
        assert.isDefined(read.createdAt)
        assert.isDefined(read.pid)
      }))
  }
})
