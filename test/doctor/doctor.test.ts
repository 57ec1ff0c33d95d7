/**
 * Every finding is provoked on both kinds of Redis; what can be mended is, and is gone then.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Doctor from "../../src/Doctor.js"
import { checkServer } from "../../src/doctor/server.js"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as Wire from "../../src/wire/date.js"
import * as JobHash from "../../src/wire/jobHash.js"
import { type Hands, job, list, now, putJob, state, status, suite, waiting, zset } from "../conformance/support.js"
import * as RedisServer from "../support/redis-server.js"

const seconds = now / 1000
const ago = (millis: number) => Wire.encode(now - millis)
const ours = "0123456789ab8def0123456789abcdef"

/** The server's own settings, and the clock of the test, are not what these tests are about. */
const ofTheServer = /^(?:server-|clock-)/

const send = ({ redis }: Hands, ...commands: ReadonlyArray<string>) =>
  Effect.forEach(commands, (command) => {
    const [name = "", ...args] = command.split(" ")
    return redis.send(name, ...args)
  }, { discard: true })

/** A queue that somebody leads and works for. */
const fleet = (hands: Hands) =>
  send(
    hands,
    "SADD rq:queues rq:queue:default",
    "SADD rq:workers rq:worker:w",
    "SADD rq:workers:default rq:worker:w",
    "HSET rq:worker:w queues default",
    "SET rq:scheduler-lock:default 4711 PX 60000",
    "HSET rq:scheduler:4711 name 4711"
  )

const examine = (options: Doctor.ExamineOptions = {}) =>
  Effect.flatMap(Doctor.make, (doctor) => doctor.examine({ pause: 0, ...options })).pipe(
    Effect.map((report) => ({
      ...report,
      findings: report.findings.filter(({ code }) => !ofTheServer.test(code))
    }))
  )

const codes = ({ findings }: Doctor.Report) => findings.map(({ code }) => code).sort()

const mend = (report: Doctor.Report) =>
  Effect.flatMap(Doctor.make, (doctor) => doctor.mend(report.findings)).pipe(
    Effect.map((all) => all.map(({ finding, left }) => [finding.code, Option.getOrUndefined(left)] as const))
  )

interface Row {
  readonly name: string
  readonly given: (hands: Hands) => Effect.Effect<unknown, Redis.RedisError>
  readonly found: ReadonlyArray<Doctor.Code>
  /** What is found after mending; what can't be mended stays. */
  readonly left: ReadonlyArray<Doctor.Code>
  /** Whether the state is the same as before, because nothing could be mended. */
  readonly untouched?: boolean
  readonly afterwards?: (hands: Hands) => Effect.Effect<unknown, Redis.RedisError>
}

const rows: ReadonlyArray<Row> = [
  {
    name: "a queued job in no list goes to the front",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { enqueued_at: ago(61_000) }),
        putJob(redis, "b"),
        redis.send("RPUSH", "rq:queue:default", "b")
      ]),
    found: ["lost-job"],
    left: [],
    afterwards: ({ redis }) => Effect.map(waiting(redis), (ids) => assert.deepStrictEqual(ids, ["a", "b"]))
  },
  {
    name: "a queued job in no list for less than a minute is left: it may be on its way",
    given: ({ redis }) => putJob(redis, "a", { enqueued_at: ago(59_000) }),
    found: ["lost-job"],
    left: ["lost-job"],
    untouched: true
  },
  {
    name: "a scheduled job in no registry is left: nothing says when it is due",
    given: ({ redis }) => putJob(redis, "a", { status: "scheduled" }),
    found: ["lost-job"],
    left: ["lost-job"],
    untouched: true
  },
  {
    name: "a started job in no registry runs again once nobody beats for it",
    given: ({ redis }) =>
      putJob(redis, "a", { status: "started", started_at: ago(300_000), execution: ours, worker_name: "v" }),
    found: ["lost-job"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.map(job(redis, "a"), (hash) => {
        assert.deepInclude(hash, { status: "queued", worker_name: "", abandon_count: "1" })
        assert.strictEqual(hash["started_at"], "")
      })
  },
  {
    name: "a started job in no registry is left while its worker may beat",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "started", started_at: ago(60_000), execution: ours }),
        // Python's are believed for as long as they are registered
        putJob(redis, "b", { status: "started", started_at: ago(300_000), worker_name: "w" })
      ]),
    found: ["lost-job", "lost-job"],
    left: ["lost-job", "lost-job"],
    untouched: true
  },
  {
    name: "a started job of Python that only the registry knows is found there",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "started", worker_name: "w" }),
        redis.send("ZADD", "rq:wip:default", seconds + 60, "a:0123456789ab4def0123456789abcdef")
      ]),
    found: [],
    left: []
  },
  {
    name: "jobs that have ended are listed where their status says",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "finished" }),
        putJob(redis, "b", { status: "stopped" }),
        putJob(redis, "c", { status: "canceled" }),
        redis.send("ZADD", "rq:finished:default", "+inf", "b")
      ]),
    found: ["lost-job", "lost-job", "misplaced-job"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.map(
        Effect.all(["finished", "failed", "canceled"].map((name) => zset(redis, `rq:${name}:default`))),
        (all) => assert.deepStrictEqual(all, [[["a", "inf"]], [["b", "-1"]], [["c", String(Math.floor(seconds))]]])
      )
  },
  {
    name: "a job that is elsewhere than its status says is left: which is right is not known",
    given: ({ redis }) =>
      Effect.all([putJob(redis, "a"), redis.send("ZADD", "rq:scheduled:default", seconds + 5, "a")]),
    found: ["misplaced-job"],
    left: ["misplaced-job"],
    untouched: true
  },
  {
    name: "a second entry is taken out, and the one that its status names stays",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a"),
        redis.send("RPUSH", "rq:queue:default", "a"),
        redis.send("ZADD", "rq:scheduled:default", seconds + 5, "a"),
        redis.send("ZADD", "rq:failed:default", -1, "a")
      ]),
    found: ["stray-entry", "stray-entry"],
    left: [],
    afterwards: ({ redis }) => Effect.map(waiting(redis), (ids) => assert.deepStrictEqual(ids, ["a"]))
  },
  {
    name: "of an id that stands in its list twice the last is taken out",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a"),
        putJob(redis, "b"),
        redis.send("RPUSH", "rq:queue:default", "a", "b", "a")
      ]),
    found: ["duplicate-entry"],
    left: [],
    afterwards: ({ redis }) => Effect.map(waiting(redis), (ids) => assert.deepStrictEqual(ids, ["a", "b"]))
  },
  {
    name: "entries without a job are taken out",
    given: (hands) =>
      send(
        hands,
        "RPUSH rq:queue:default a",
        `ZADD rq:deferred:default ${seconds} b`,
        `ZADD rq:finished:default ${Math.floor(seconds) + 50} c`,
        `ZADD rq:wip:default ${seconds + 5} d:${ours}`
      ),
    found: ["entry-without-job", "entry-without-job", "entry-without-job", "entry-without-job"],
    left: []
  },
  {
    name: "a scheduled entry without a job is left for a minute: Python writes it first",
    given: (hands) => send(hands, `ZADD rq:scheduled:default ${seconds + 500} a`),
    found: ["entry-without-job"],
    left: ["entry-without-job"],
    afterwards: (hands) =>
      Effect.gen(function*() {
        hands.setTime(now + 61_000)
        const report = yield* Effect.provideService(examine(), Redis.Redis, hands.redis)
        assert.deepStrictEqual(yield* Effect.provideService(mend(report), Redis.Redis, hands.redis), [[
          "entry-without-job",
          undefined
        ]])
        assert.deepStrictEqual(yield* zset(hands.redis, "rq:scheduled:default"), [])
      }).pipe(Effect.orDie)
  },
  {
    name: "also one whose id is the name of its queue, of which a scheduler has kept when it saw another",
    given: (hands) =>
      send(
        hands,
        `ZADD rq:scheduled:default ${seconds + 500} default`,
        `HSET rq:effect:first_seen:default another ${seconds} default ${seconds - 61}`
      ),
    found: ["entry-without-job"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* zset(redis, "rq:scheduled:default"), [])
        assert.deepStrictEqual(yield* redis.send("HKEYS", "rq:effect:first_seen:default"), ["another"])
      })
  },
  {
    name: "a foreign key under any name of ours is told of by its name",
    given: (hands) =>
      send(
        hands,
        ...[
          "rq:results:a",
          "rq:executions:a",
          "rq:execution:a:b",
          "rq:worker:v",
          "rq:scheduler:v",
          "rq:clean_registries:q",
          "rq:effect:unique:a",
          "rq:effect:lock:l",
          "rq:effect:journal",
          "rq:effect:tidied:q"
        ].map((key) => `SADD ${key} x`),
        "RPUSH rq:job:a:dependents x",
        "RPUSH rq:job::a:dependencies x",
        "EXPIRE rq:results:a 100",
        // as they should be
        "XADD rq:results:b * type 1",
        "EXPIRE rq:results:b 100",
        "SET rq:effect:lock:m me",
        "RPUSH rq:effect:journal:q x"
      ),
    found: Array.from({ length: 12 }, () => "wrong-type"),
    left: Array.from({ length: 12 }, () => "wrong-type")
  },
  {
    name: "what has expired with its job is no finding",
    given: (hands) => send(hands, "ZADD rq:finished:default 1 a", "ZADD rq:failed:default 1 b"),
    found: [],
    left: []
  },
  {
    name: "a job that waits for what has ended is queued",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a", { status: "deferred" }),
        putJob(hands.redis, "b", { status: "finished" }),
        send(
          hands,
          `ZADD rq:deferred:default ${seconds} a`,
          "ZADD rq:finished:default +inf b",
          "SADD rq:job::a:dependencies b gone",
          "SADD rq:job:b:dependents a"
        )
      ]),
    found: ["forgotten-dependent"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* waiting(redis), ["a"])
        assert.strictEqual(yield* redis.send("EXISTS", "rq:job::a:dependencies", "rq:job:b:dependents"), 0)
      })
  },
  {
    name: "a job that waits for one that doesn't know of it is made known; one that waits for a failed one is told of",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a", { status: "deferred" }),
        putJob(hands.redis, "b", { status: "failed" }),
        send(
          hands,
          `ZADD rq:deferred:default ${seconds} a`,
          "ZADD rq:failed:default -1 b",
          "SADD rq:job::a:dependencies b"
        )
      ]),
    found: ["unknown-dependent"],
    left: ["blocked-dependent"],
    afterwards: ({ redis }) =>
      Effect.map(redis.send("SMEMBERS", "rq:job:b:dependents"), (ids) => assert.deepStrictEqual(ids, ["a"]))
  },
  {
    name: "a job whose worker is dead is taken over when nobody does it",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "started", execution: ours, worker_name: "v" }),
        redis.send("ZADD", "rq:wip:default", seconds - 31, `a:${ours}`)
      ]),
    found: ["lapsed-job"],
    left: [],
    afterwards: ({ redis }) => Effect.map(status(redis, "a"), (status) => assert.strictEqual(status, "queued"))
  },
  {
    name: "what was handed over to a dead worker goes back, also where maintenance doesn't know of it",
    given: (hands) =>
      Effect.all([
        ...["a", "b", "c"].map((id) => putJob(hands.redis, id)),
        send(
          hands,
          "RPUSH rq:queue:default c",
          "RPUSH rq:effect:handover:default:v a",
          `ZADD rq:effect:handovers:default ${seconds - 31} v`,
          "RPUSH rq:effect:handover:default:u b"
        )
      ]),
    found: ["stray-handover", "stray-handover"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual([...(yield* waiting(redis))].sort(), ["a", "b", "c"])
        assert.deepStrictEqual(yield* zset(redis, "rq:effect:handovers:default"), [])
      })
  },
  {
    name: "what was handed over to a worker that lives is where it should be",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a"),
        send(hands, "RPUSH rq:effect:handover:default:w a", `ZADD rq:effect:handovers:default ${seconds + 20} w`)
      ]),
    found: [],
    left: []
  },
  {
    name: "what was handed over of a queue that nothing else tells of goes back as well",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a", { origin: "a:b" }),
        send(hands, "RPUSH rq:effect:handover:a:b:v a")
      ]),
    found: ["stray-handover"],
    // of the queue where it waits now
    left: ["no-worker", "unlisted-queue"],
    afterwards: ({ redis }) => Effect.map(waiting(redis, "a:b"), (ids) => assert.deepStrictEqual(ids, ["a"]))
  },
  {
    name: "a worker with a colon in its name lives, also where maintenance doesn't know of its list",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a"),
        send(
          hands,
          `HSET rq:worker:b:c birth ${ago(1000)} last_heartbeat ${ago(1000)}`,
          "EXPIRE rq:worker:b:c 600",
          "SADD rq:workers rq:worker:b:c",
          "SADD rq:workers:default rq:worker:b:c",
          "RPUSH rq:effect:handover:default:b,c a"
        )
      ]),
    found: [],
    left: []
  },
  {
    name: "what a worker of RQ has taken goes back once it was seen there for a minute",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "a", { enqueued_at: ago(90_000) }),
        send(
          hands,
          "RPUSH rq:queue:default:intermediate a",
          `SET rq:queue:default:intermediate:first_seen:a ${seconds - 61} EX 86400`
        )
      ]),
    found: ["stuck-intermediate"],
    left: [],
    afterwards: ({ redis }) => Effect.map(waiting(redis), (ids) => assert.deepStrictEqual(ids, ["a"]))
  },
  {
    name: "workers that are gone leave the sets",
    given: (hands) => send(hands, "SADD rq:workers rq:worker:v", "SADD rq:workers:default rq:worker:v"),
    found: ["dead-worker", "dead-worker"],
    left: []
  },
  {
    name: "a lock that never lapses gets a lease",
    given: (hands) => send(hands, "PERSIST rq:scheduler-lock:default"),
    found: ["endless-lock"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.map(redis.send<number>("PTTL", "rq:scheduler-lock:default"), (ttl) => assert.isAbove(ttl, 50_000))
  },
  {
    name: "a lock of somebody unknown is told of, and left",
    given: (hands) => send(hands, "SET rq:scheduler-lock:default me PX 60000"),
    found: ["foreign-lock"],
    left: ["foreign-lock"],
    untouched: true
  },
  {
    name: "a queue that isn't listed is",
    given: (hands) => Effect.all([putJob(hands.redis, "a"), send(hands, "DEL rq:queues", "RPUSH rq:queue:default a")]),
    found: ["unlisted-queue"],
    left: []
  },
  {
    name: "scheduled jobs that nobody promotes",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "scheduled" }),
        redis.send("ZADD", "rq:scheduled:default", seconds - 5, "a"),
        redis.send("DEL", "rq:scheduler-lock:default")
      ]),
    found: ["no-scheduler"],
    left: ["no-scheduler"],
    untouched: true
  },
  {
    name: "due jobs that are not promoted although somebody leads; an entry without a job is not what is late",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { status: "scheduled" }),
        redis.send("ZADD", "rq:scheduled:default", seconds - 11, "a")
      ]),
    found: ["overdue-job"],
    left: ["overdue-job"],
    untouched: true
  },
  {
    name: "jobs that nobody runs",
    given: (hands) =>
      Effect.all([putJob(hands.redis, "a"), send(hands, "RPUSH rq:queue:default a", "HSET rq:worker:w death x")]),
    found: ["dead-worker", "dead-worker", "no-worker"],
    left: ["dead-worker", "dead-worker", "no-worker"]
  },
  {
    name: "what was paused or suspended, and perhaps forgotten",
    given: (hands) => send(hands, "SADD rq:effect:paused default", "SET rq:suspended 1"),
    found: ["paused-queue", "suspended"],
    left: ["paused-queue", "suspended"],
    untouched: true
  },
  {
    name: "keys of a wrong type, each by its name, and the rest all the same",
    given: (hands) =>
      Effect.all([
        putJob(hands.redis, "lost", { enqueued_at: ago(61_000), origin: "other" }),
        send(
          hands,
          "SADD rq:queues rq:queue:other rq:queue:third",
          "SADD rq:workers:third rq:worker:w",
          ...["rq:queue:default", "rq:scheduled:default", "rq:wip:default", "rq:failed:third", "rq:effect:paused"].map((
            key
          ) => `SET ${key} x`),
          "DEL rq:workers:default",
          "RPUSH rq:workers:default x",
          "SET rq:job:a x",
          "HSET rq:job:b last_heartbeat x"
        )
      ]),
    found: [
      "lost-job",
      "unreadable-job",
      "unreadable-job",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type"
    ],
    left: [
      // the job that was lost is queued now, where nobody works
      "no-worker",
      "unreadable-job",
      "unreadable-job",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type",
      "wrong-type"
    ]
  },
  {
    name: "results that are kept for ever although their job is gone expire",
    given: (hands) => send(hands, "XADD rq:results:a * type 1"),
    found: ["stray-results"],
    left: []
  },
  {
    name: "options that may be overlooked get the field that tells of them",
    given: (hands) =>
      Effect.zipRight(
        putJob(hands.redis, "a"),
        send(hands, "HSET rq:job:a ttl 60 enqueue_at_front_on_retry 1", "RPUSH rq:queue:default a")
      ),
    found: ["unseen-options"],
    left: [],
    afterwards: ({ redis }) =>
      Effect.map(job(redis, "a"), (fields) => assert.deepInclude(fields, { status: "queued", last_heartbeat: "" }))
  },
  {
    name: "a job that was promoted before it was due",
    given: ({ redis }) =>
      Effect.all([
        putJob(redis, "a", { enqueued_at: ago(5000), due_at: String(seconds) }),
        redis.send("RPUSH", "rq:queue:default", "a")
      ]),
    found: ["early-promotion"],
    left: ["early-promotion"],
    untouched: true
  }
]

suite("the doctor", (it) => {
  it("finds nothing wrong with a fleet that is well", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      const report = yield* examine()
      assert.deepInclude(report, { findings: [], jobs: 0, queues: 1, unverified: 0, complete: true, healthy: true })
      assert.strictEqual(DateTime.toEpochMillis(report.at), now)
    }))

  for (const row of rows) {
    it(row.name, (hands) =>
      Effect.gen(function*() {
        yield* fleet(hands)
        yield* row.given(hands)
        const before = yield* state(hands.redis)
        const report = yield* examine()
        assert.deepStrictEqual(codes(report), row.found, JSON.stringify(report.findings, undefined, 2))
        assert.deepStrictEqual(yield* state(hands.redis), before, "looking changes nothing")
        assert.strictEqual(report.healthy, !report.findings.some(({ severity }) => severity === "error"))
        yield* mend(report)
        assert.deepStrictEqual(codes(yield* examine()), row.left)
        if (row.untouched === true) assert.deepStrictEqual(yield* state(hands.redis), before)
        if (row.afterwards !== undefined) yield* row.afterwards(hands)
      }))
  }

  it("finds each option that may be overlooked", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      const options = [...JobHash.unseenOptions((field) => field !== "last_heartbeat")].sort()
      yield* send(
        hands,
        `RPUSH rq:queue:default ${options.join(" ")}`,
        ...options.map((field) => `HSET rq:job:${field} data [] origin default status queued ${field} 1`)
      )
      const { findings } = yield* examine()
      assert.deepStrictEqual(
        findings.map(({ code, job }) => `${code} ${Option.getOrNull(job)}`).sort(),
        options.map((field) => `unseen-options ${field}`)
      )
    }))

  it("finds what is in the middle of a long queue, what is not in it, and what is there twice", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      const ids = Array.from({ length: 1400 }, (_, index) => `j${index}`)
      yield* Effect.forEach(ids, (id) => putJob(hands.redis, id, { enqueued_at: ago(61_000) }), { concurrency: 500 })
      yield* hands.redis.send("RPUSH", "rq:queue:default", ...ids.filter((id) => id !== "j700"), "j600")
      const report = yield* examine()
      assert.deepInclude(report, { jobs: 1400, unverified: 0, complete: true })
      assert.deepStrictEqual(report.findings.map(({ code, job }) => [code, Option.getOrNull(job)]), [
        ["lost-job", "j700"],
        ["duplicate-entry", "j600"]
      ])
      assert.deepStrictEqual(yield* mend(report), [["lost-job", undefined], ["duplicate-entry", undefined]])
      const left = yield* list(hands.redis, "rq:queue:default")
      assert.deepStrictEqual(left, ["j700", ...ids.filter((id) => id !== "j700")])
    }))

  it("looks at a sample when there is more, and says so; at some queues when asked to", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      yield* send(hands, "SADD rq:queues rq:queue:other")
      const ids = Array.from({ length: 1200 }, (_, index) => `j${index}`)
      yield* Effect.forEach(ids, (id) => putJob(hands.redis, id, { status: "created" }), { concurrency: 500 })
      yield* putJob(hands.redis, "a", { origin: "other" })
      const report = yield* examine({ sample: 100 })
      assert.isFalse(report.complete)
      assert.isBelow(report.jobs, 1100)
      const other = yield* examine({ queues: ["other"] })
      assert.deepInclude(other, { jobs: 1, queues: 1 })
      assert.deepStrictEqual(codes(other), ["lost-job"])
      assert.deepStrictEqual(codes(yield* examine({ queues: ["default"] })), [])
      const mistyped = yield* examine({ queues: ["defualt", "default"] })
      assert.deepStrictEqual(codes(mistyped), ["unknown-queue"])
      assert.strictEqual(mistyped.findings[0]!.message, "nobody has used a queue called defualt yet")
      assert.isTrue(mistyped.healthy, "it may be new")
      assert.strictEqual((yield* Effect.flip(examine({ sample: 0 })))._tag, "InvalidOptions")
    }))

  it("tells only of what is still so after a moment", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      yield* putJob(hands.redis, "moves")
      yield* putJob(hands.redis, "stays")
      yield* Effect.fork(Effect.delay(hands.redis.send("RPUSH", "rq:queue:default", "moves"), "20 millis"))
      const report = yield* examine({ pause: "150 millis" })
      assert.deepStrictEqual(report.findings.map(({ job }) => Option.getOrNull(job)), ["stays"])
    }))

  it("mends nothing that has changed since it was seen", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      yield* putJob(hands.redis, "a", { enqueued_at: ago(61_000) })
      yield* putJob(hands.redis, "b", { status: "deferred" })
      yield* send(
        hands,
        `ZADD rq:deferred:default ${seconds} c`,
        "SADD rq:workers rq:worker:v",
        "PERSIST rq:scheduler-lock:default",
        "RPUSH rq:effect:handover:default:u x",
        "HSET rq:job:d data [] origin default status queued ttl 5",
        "RPUSH rq:queue:default d"
      )
      const report = yield* examine()
      assert.lengthOf(report.findings, 8, codes(report).join())
      yield* putJob(hands.redis, "c", { status: "deferred" })
      yield* putJob(hands.redis, "b", { status: "started" })
      yield* send(
        hands,
        `ZADD rq:wip:default ${seconds + 5} a:${ours}`,
        "HSET rq:worker:v queues default",
        "HSET rq:worker:u queues default",
        "SET rq:scheduler-lock:default other",
        "HSET rq:job:d last_heartbeat x"
      )
      const before = yield* state(hands.redis)
      for (const [code, left] of yield* mend(report)) assert.isString(left, code)
      assert.deepStrictEqual(yield* state(hands.redis), before)
    }))

  it("gives back of a dead worker's list what is queued, and says what it passed over and why", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      for (const id of ["a", "b", "c"]) yield* putJob(hands.redis, id)
      yield* putJob(hands.redis, "canceled", { status: "canceled" })
      yield* putJob(hands.redis, "runs", { status: "started", execution: ours, worker_name: "w" })
      yield* putJob(hands.redis, "nowhere", { status: "failed" })
      yield* send(
        hands,
        "HDEL rq:job:c status",
        "RPUSH rq:queue:default z",
        "ZADD rq:canceled:default 1 canceled",
        `ZADD rq:wip:default ${seconds + 5} runs:${ours}`,
        "SET rq:job:foreign x",
        "RPUSH rq:effect:handover:default:v a canceled b gone nowhere runs foreign c a",
        `ZADD rq:effect:handovers:default ${seconds - 31} v`
      )
      const repair = Option.some({ _tag: "ReturnHandover", queue: "default", worker: "v" } as const)
      const report = yield* examine()
      const doctor = yield* Doctor.make
      const once = doctor.mend(report.findings.filter((one) => one.code === "stray-handover"))
      const [first] = yield* once
      assert.deepStrictEqual(first!.finding.repair, repair)
      assert.deepStrictEqual(first!.left, Option.some("what its list still holds is for people to look at"))
      assert.deepStrictEqual([...first!.skipped].reverse(), [
        "a: it stands there twice",
        "canceled: it is canceled",
        "gone: there is no such job",
        "nowhere: it is failed, and not where that belongs",
        "runs: it is started",
        "foreign: the key of the job holds something else"
      ])
      assert.deepStrictEqual(yield* waiting(hands.redis), ["b", "c", "a", "z"])
      assert.deepStrictEqual(yield* list(hands.redis, "rq:effect:handover:default:v"), ["nowhere", "foreign"])
      assert.lengthOf(yield* zset(hands.redis, "rq:effect:handovers:default"), 1)

      // once somebody has looked at it, the rest goes as well
      yield* putJob(hands.redis, "nowhere")
      yield* send(hands, "DEL rq:job:foreign")
      const [second] = yield* once
      assert.deepStrictEqual(second!.left, Option.none())
      assert.deepStrictEqual(second!.skipped, ["foreign: there is no such job"])
      assert.deepStrictEqual(yield* waiting(hands.redis), ["nowhere", "b", "c", "a", "z"])
      assert.strictEqual(yield* hands.redis.send("EXISTS", "rq:effect:handover:default:v"), 0)
      assert.deepStrictEqual(yield* zset(hands.redis, "rq:effect:handovers:default"), [])
    }))

  it("gives back a thousand in one call, in their order, and says when there are more", (hands) =>
    Effect.gen(function*() {
      yield* fleet(hands)
      const ids = Array.from({ length: 1001 }, (_, index) => `j${index}`)
      yield* Effect.forEach(ids, (id) => putJob(hands.redis, id), { concurrency: 500 })
      yield* hands.redis.send("RPUSH", "rq:effect:handover:default:v", ...ids)
      const doctor = yield* Doctor.make
      const once = Effect.flatMap(
        examine(),
        ({ findings }) => doctor.mend(findings.filter((one) => one.code === "stray-handover"))
      )
      assert.deepStrictEqual((yield* once).map(({ left }) => left), [Option.some("there are more: again")])
      assert.deepStrictEqual((yield* once).map(({ left }) => left), [Option.none()])
      assert.deepStrictEqual(yield* waiting(hands.redis), ids)
    }))

  it("tells when the clock of this host is not that of Redis", (hands) =>
    Effect.gen(function*() {
      const report = yield* Effect.flatMap(Doctor.make, (doctor) => doctor.examine({ pause: 0 }))
      const skew = report.findings.find(({ code }) => code === "clock-skew")
      // the memory has the clock of the test, which stands still in 2026
      if (hands.kind === "memory") return assert.isUndefined(skew)
      assert.deepInclude(skew, { severity: "warning", invariant: Option.some(2) })
      assert.match(skew!.message, /^the clock of this host is [\d.]+ s (behind|ahead of) that of Redis/)
    }))
})

describe("what a server tells of itself", () => {
  const codesOf = (info: string): ReadonlyArray<ReadonlyArray<string>> =>
    checkServer(info.replaceAll("\n", "\r\n")).map(({ code, severity }) => [code, severity])

  it("is nothing wrong, as a rule", () =>
    assert.deepStrictEqual(
      codesOf(
        "# Server\nredis_version:6.2.0\nmaxmemory:0\nmaxmemory_policy:allkeys-lru\naof_enabled:1\nrole:master\n" +
          "rdb_last_bgsave_status:ok\nused_memory:10"
      ),
      []
    ))

  it("may endanger jobs", () => {
    for (
      const [info, expected] of [
        ["maxmemory:100\nmaxmemory_policy:volatile-ttl\nused_memory:10", [["server-eviction", "error"]]],
        ["maxmemory:100\nmaxmemory_policy:noeviction\nused_memory:91", [["server-memory", "warning"]]],
        ["aof_enabled:0", [["server-persistence", "warning"]]],
        ["aof_last_write_status:err\nrdb_last_bgsave_status:err", [
          ["server-persistence", "error"],
          ["server-persistence", "error"]
        ]],
        ["role:slave\nslave_read_only:1\nmaster_host:m\nmaster_port:1", [["server-replica", "error"]]],
        ["role:slave\nslave_read_only:0", []],
        ["redis_version:6.0.16", [["server-version", "error"]]],
        ["redis_version:5.0.7", [["server-version", "error"]]],
        ["redis_version:7.4.1", []],
        ["redis_version:8.0.0", []]
      ] as const
    ) assert.deepStrictEqual(codesOf(info), expected, info)
  })

  it.live("may be nothing, where it must not be asked", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.start()
      const all = yield* RedisLive.make({ url: server.url })
      yield* all.send("ACL", "SETUSER", "some", "on", ">secret", "~*", "&*", "+@all", "-info")
      const some = yield* RedisLive.make({ url: server.url, username: "some", password: "secret" })
      const doctor = yield* Effect.provideService(Doctor.make, Redis.Redis, some)
      assert.deepStrictEqual((yield* doctor.examine()).findings.map(({ code }) => code), ["server-silent"])
    }).pipe(Effect.scoped))
})
