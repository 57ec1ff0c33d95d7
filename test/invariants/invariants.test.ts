/**
 * Each way in which a state can be wrong is seen, and named.
 */
import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/invariants/check.js"
import { type Dump, type DumpedKey, fromDump } from "../../src/invariants/dump.js"
import type { Repair, Violation } from "../../src/invariants/violation.js"

/** 2026-11-24T06:00:00Z, in seconds and as RQ writes it. */
const now = 1_795_500_000
const date = "2026-11-24T06:00:00.000000Z"
const ours = "0123456789ab8def0123456789abcdef"

const keep = { expiresAt: null }
const list = (...value: ReadonlyArray<string>): DumpedKey => ({ ...keep, type: "list", value })
const set = (...value: ReadonlyArray<string>): DumpedKey => ({ ...keep, type: "set", value })
const zset = (...value: ReadonlyArray<readonly [string, number]>): DumpedKey => ({ ...keep, type: "zset", value })
const hash = (value: Readonly<Record<string, string>>): DumpedKey => ({ ...keep, type: "hash", value })
const job = (status: string, more: Readonly<Record<string, string>> = {}): DumpedKey =>
  hash({ data: "[]", origin: "q", status, enqueued_at: date, ...more })
const lock = (value: string, expiresAt: number | null = (now + 10) * 1000): DumpedKey => ({
  type: "string",
  value,
  expiresAt
})

/** A queue that somebody leads and works for. */
const fleet: Dump = {
  "rq:queues": set("rq:queue:q"),
  "rq:workers": set("rq:worker:w"),
  "rq:workers:q": set("rq:worker:w"),
  "rq:worker:w": hash({ queues: "q" }),
  "rq:scheduler-lock:q": lock("4711"),
  "rq:scheduler:4711": hash({ name: "4711" })
}

/** What has expired is not in a dump. */
const alive = (dump: Dump): Dump =>
  Object.fromEntries(Object.entries(dump).filter(([, { expiresAt }]) => expiresAt !== 0))

const found = (dump: Dump): ReadonlyArray<Violation> => check(fromDump(alive({ ...fleet, ...dump }), now * 1000))

type Row = readonly [
  name: string,
  dump: Dump,
  codes: ReadonlyArray<Violation["code"]>,
  more?: Partial<Violation>,
  repair?: Repair["_tag"]
]

const rows: ReadonlyArray<Row> = [
  ["queued, in no list", { "rq:job:a": job("queued") }, ["lost-job"], { job: "a", invariant: 1 }, "RequeueLost"],
  ["scheduled, in no registry", { "rq:job:a": job("scheduled") }, ["lost-job"], { severity: "error" }],
  ["started, in no registry", { "rq:job:a": job("started") }, ["lost-job"], {}, "RestartLost"],
  ["deferred, in no registry and for nothing", { "rq:job:a": job("deferred") }, ["lost-job", "forgotten-dependent"]],
  ["finished, in no registry", { "rq:job:a": job("finished") }, ["lost-job"], { severity: "warning" }, "ListEnded"],
  [
    "finished, in no registry, about to expire",
    { "rq:job:a": { ...job("finished"), expiresAt: (now + 5) * 1000 } },
    ["lost-job"],
    { severity: "info", repair: undefined }
  ],
  [
    "queued, in the scheduled registry",
    { "rq:job:a": job("queued"), "rq:scheduled:q": zset(["a", now + 5]) },
    ["misplaced-job"],
    { severity: "error", repair: undefined }
  ],
  [
    "queued, in another queue",
    { "rq:job:a": job("queued"), "rq:queue:p": list("a"), "rq:queues": set("rq:queue:p", "rq:queue:q") },
    ["misplaced-job", "no-worker"]
  ],
  [
    "finished, among the failed",
    { "rq:job:a": job("finished"), "rq:failed:q": zset(["a", -1]) },
    ["misplaced-job"],
    { severity: "warning" },
    "ListEnded"
  ],
  [
    "queued and scheduled",
    { "rq:job:a": job("queued"), "rq:queue:q": list("a"), "rq:scheduled:q": zset(["a", now + 5]) },
    ["stray-entry"],
    { key: "rq:scheduled:q" },
    "DropEntry"
  ],
  [
    "twice in its queue",
    { "rq:job:a": job("queued"), "rq:queue:q": list("a", "b", "a"), "rq:job:b": job("queued") },
    ["duplicate-entry"],
    { job: "a" },
    "DropDuplicate"
  ],
  [
    "twice in its queue, and started",
    { "rq:job:a": job("started"), "rq:queue:q": list("a", "a"), "rq:wip:q": zset([`a:${ours}`, now + 5]) },
    ["stray-entry", "stray-entry"]
  ],
  ["an entry without a job", { "rq:scheduled:q": zset(["a", now + 5]) }, ["entry-without-job"], {
    severity: "warning"
  }, "DropEntry"],
  ["an id without a job in a list", { "rq:queue:q": list("a") }, ["entry-without-job"], { severity: "info" }],
  [
    "an outcome that has expired with its job",
    { "rq:finished:q": zset(["a", now - 5]), "rq:failed:q": zset(["b", now - 5]) },
    []
  ],
  ["an outcome without its job", { "rq:finished:q": zset(["a", now + 5]) }, ["entry-without-job"]],
  ["a job that is no hash", { "rq:job:a": list("x") }, ["unreadable-job"], { job: "a" }],
  ["a job without data", { "rq:job:a": hash({ last_heartbeat: date }) }, ["unreadable-job"]],
  ["a queue that is no list", { "rq:queue:q": hash({ a: "b" }) }, ["wrong-type"], { key: "rq:queue:q" }],
  [
    "promoted too early",
    { "rq:job:a": job("queued", { due_at: String(now + 0.5) }), "rq:queue:q": list("a") },
    ["early-promotion"],
    { invariant: 2 }
  ],
  [
    "promoted on time, to less than a millisecond",
    { "rq:job:a": job("queued", { due_at: String(now + 0.0006) }), "rq:queue:q": list("a") },
    []
  ],
  [
    "waits for what has ended",
    {
      "rq:job:a": job("deferred"),
      "rq:deferred:q": zset(["a", now]),
      "rq:job::a:dependencies": set("b", "c"),
      "rq:job:b": job("finished"),
      "rq:finished:q": zset(["b", Infinity])
    },
    ["forgotten-dependent"],
    { job: "a" },
    "SettleDependent"
  ],
  [
    "waits for what doesn't know of it",
    {
      "rq:job:a": job("deferred"),
      "rq:deferred:q": zset(["a", now]),
      "rq:job::a:dependencies": set("b"),
      "rq:job:b": job("queued"),
      "rq:queue:q": list("b")
    },
    ["unknown-dependent"],
    {},
    "SettleDependent"
  ],
  [
    "waits for what has failed",
    {
      "rq:job:a": job("deferred"),
      "rq:deferred:q": zset(["a", now]),
      "rq:job::a:dependencies": set("b"),
      "rq:job:b:dependents": set("a"),
      "rq:job:b": job("failed"),
      "rq:failed:q": zset(["b", -1])
    },
    ["blocked-dependent"],
    { severity: "info" }
  ],
  [
    "started by a worker that is dead",
    { "rq:job:a": job("started", { worker_name: "v" }), "rq:wip:q": zset([`a:${ours}`, now - 31]) },
    ["lapsed-job"],
    { invariant: 6, worker: "v" },
    "Abandon"
  ],
  [
    "not given up for long enough",
    { "rq:job:a": job("started"), "rq:wip:q": zset([`a:${ours}`, now - 29]) },
    []
  ],
  [
    "started by Python, whose maintenance takes ten minutes",
    { "rq:job:a": job("started"), "rq:wip:q": zset(["a:0123456789ab4def0123456789abcdef", now - 900]) },
    []
  ],
  [
    "due for long although somebody leads",
    { "rq:job:a": job("scheduled"), "rq:scheduled:q": zset(["a", now - 11]) },
    ["overdue-job"],
    { invariant: 4, job: "a" }
  ],
  [
    "due for long, and nobody leads",
    { "rq:job:a": job("scheduled"), "rq:scheduled:q": zset(["a", now - 11]), "rq:scheduler-lock:q": lock("4711", 0) },
    ["no-scheduler"],
    { invariant: 5, severity: "error" }
  ],
  ["a lock for ever", { "rq:scheduler-lock:q": lock("4711", null) }, ["endless-lock"], { invariant: 5 }, "EndLock"],
  ["a lock of nobody", { "rq:scheduler-lock:q": lock("me") }, ["foreign-lock"], { severity: "warning" }],
  ["a lock of an old RQ, which is the number of a process", { "rq:scheduler-lock:q": lock("31337") }, []],
  [
    "handed over to a worker that is dead",
    {
      "rq:job:a": job("queued"),
      "rq:effect:handover:q:v": list("a"),
      "rq:effect:handovers:q": zset(["v", now - 31])
    },
    ["stray-handover"],
    { invariant: 6, worker: "v" },
    "ReturnHandover"
  ],
  [
    "a worker that is gone",
    { "rq:workers": set("rq:worker:w", "rq:worker:v"), "rq:workers:q": set("rq:worker:w", "rq:worker:v") },
    ["dead-worker", "dead-worker"],
    { worker: "v" },
    "ForgetWorker"
  ],
  [
    "nobody works",
    { "rq:workers:q": set(), "rq:job:a": job("queued"), "rq:queue:q": list("a") },
    ["no-worker"],
    { queue: "q" }
  ],
  [
    "a queue that isn't listed",
    { "rq:queues": set(), "rq:job:a": job("queued"), "rq:queue:q": list("a") },
    ["unlisted-queue"],
    {},
    "ListQueue"
  ],
  ["paused", { "rq:effect:paused": set("q") }, ["paused-queue"], { severity: "info" }],
  ["suspended", { "rq:suspended": lock("1", null) }, ["suspended"], { severity: "info" }],
  [
    "suspended for a time",
    { "rq:suspended": lock("1", now * 1000 + 90_000) },
    ["suspended"],
    { message: `all workers are suspended until ${new Date(now * 1000 + 90_000).toISOString()}, for 1 min 30 s more` }
  ],
  [
    "results of a job that is gone",
    { "rq:results:a": { ...keep, type: "stream", value: [] } },
    ["stray-results"],
    { job: "a" }
  ],
  [
    "options that may be overlooked",
    { "rq:job:a": job("queued", { ttl: "5", awaited: "1" }), "rq:queue:q": list("a") },
    ["unseen-options"],
    { job: "a", severity: "warning" },
    "ShowOptions"
  ],
  [
    "options that are not overlooked",
    { "rq:job:a": job("queued", { ttl: "5", last_heartbeat: "" }), "rq:queue:q": list("a") },
    []
  ],
  [
    "options that do not matter any more",
    { "rq:job:a": job("finished", { ttl: "5" }), "rq:finished:q": zset(["a", now + 5]) },
    []
  ],
  ["keys of a run that is over", { [`rq:execution:a:${ours}`]: hash({ id: ours }) }, ["stray-execution"]],
  [
    "a repetition of Python's, finished and scheduled at once",
    {
      "rq:job:a": job("scheduled", { repeats_left: "1", last_heartbeat: "" }),
      "rq:scheduled:q": zset(["a", now + 5]),
      "rq:finished:q": zset(["a", now + 50])
    },
    []
  ],
  ["a status of a later RQ", { "rq:job:a": job("ready_to_enqueue") }, []],
  ["created and not enqueued", { "rq:job:a": job("created") }, []],
  [
    "names with colons",
    {
      "rq:queues": set("rq:queue:a:b"),
      "rq:job:a": job("queued", { origin: "a:b" }),
      "rq:effect:handover:a:b:c,d": list("a"),
      "rq:effect:handovers:a:b": zset(["c:d", now + 20]),
      "rq:worker:c:d": hash({ queues: "a:b" })
    },
    []
  ]
]

describe("the invariants", () => {
  it("hold of a fleet that is well", () => assert.deepStrictEqual(found({}), []))

  for (const [name, dump, codes, more, repair] of rows) {
    it(`see: ${name}`, () => {
      const all = found(dump)
      assert.deepStrictEqual(all.map(({ code }) => code), codes, JSON.stringify(all, undefined, 2))
      if (more !== undefined) assert.deepInclude(all[0], more)
      if (repair !== undefined) assert.strictEqual(all[0]?.repair?._tag, repair)
      for (const { message, remedy } of all) {
        assert.match(message, /^\S.*\S$/)
        assert.isNotEmpty(remedy)
      }
    })
  }
})
