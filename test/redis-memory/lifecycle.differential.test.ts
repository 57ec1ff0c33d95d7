/**
 * Random histories of the product's own scripts, against a real server.
 */
import { describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { abandon } from "../../src/lifecycle/abandon.js"
import { admit } from "../../src/lifecycle/admit.js"
import { cancel } from "../../src/lifecycle/cancel.js"
import { deleteJobs } from "../../src/lifecycle/delete.js"
import { empty } from "../../src/lifecycle/empty.js"
import { enqueue } from "../../src/lifecycle/enqueue.js"
import { heartbeat } from "../../src/lifecycle/heartbeat.js"
import * as lease from "../../src/lifecycle/lease.js"
import { promote } from "../../src/lifecycle/promote.js"
import { remove } from "../../src/lifecycle/remove.js"
import { requeue } from "../../src/lifecycle/requeue.js"
import { reschedule } from "../../src/lifecycle/reschedule.js"
import { schedule } from "../../src/lifecycle/schedule.js"
import { tidy } from "../../src/lifecycle/tidy.js"
import { turn } from "../../src/lifecycle/turn.js"
import * as keys from "../../src/wire/keys.js"
import { setMeta } from "../../src/worker/meta.js"
import { recover } from "../../src/worker/recover.js"
import { unregister } from "../../src/worker/registration.js"
import type { Step } from "./support/both.js"
import { call, command, roughly, sameHistories, script } from "./support/both.js"

const one = <A>(...values: ReadonlyArray<A>): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)
const some = <A>(arbitrary: FastCheck.Arbitrary<A>, max: number) =>
  FastCheck.array(arbitrary, { maxLength: max, size: "max" })

const id = one("j1", "j2", "j3", "j4")
const queue = one("default", "high")
const worker = one("w1", "w2")
const scheduler = one("s1", "s2")
/** Seconds around one instant, some between two seconds. */
const seconds = FastCheck.integer({ min: 0, max: 400 }).map((n) => String(1_700_000_000 + n / 8))
const date = seconds.map((at) => `2023-11-14T22:13:${at.slice(8, 10)}.000000Z`)
const prefix = (name: string) => `0000000000008000a00000${name === "w1" ? "01" : "02"}`
const counter = FastCheck.integer({ min: 0, max: 3 })
const execution = FastCheck.record({
  queue,
  id,
  execution: FastCheck.tuple(worker, counter).map(([name, n]) => prefix(name) + n.toString(16).padStart(8, "0"))
})

/** As users and Python write them, and as nobody should. */
const intervals = one(
  "[0]",
  "[1, 20]",
  "[0.25,3]",
  "[5,0,7]",
  "[]",
  "{}",
  "[null]",
  "[[1]]",
  "[\"4\"]",
  "[-3]",
  "nonsense"
)
const flag = one("1", "0")

/** What a job may say beyond the first run: all of it, some of it, or none. */
const beyond = FastCheck.record({
  retries_left: one("0", "1", "3", "many"),
  retry_intervals: intervals,
  enqueue_at_front_on_retry: flag,
  failed_attempts: one("1", "x"),
  abandon_count: one("0", "2"),
  failure_callback_name: one("", "m.f"),
  webhooks: one("[]", "[{}]"),
  repeats_left: one("0", "1", "2", ""),
  repeat_intervals: intervals,
  repeat_count: one("1"),
  awaited: flag,
  meta: one("{}", "{\"n\":1}"),
  allow_dependency_failures: flag,
  enqueue_at_front: flag,
  ttl: one("", "-1", "1000"),
  worker_name: worker,
  origin: queue
}, { requiredKeys: [] }).map((some) => Object.entries(some).flatMap(([name, value]) => [name, value ?? ""]))

const fields = (status: string) =>
  FastCheck.tuple(
    one("x\x00\xff", "y", ""),
    one("-1", "180", "0"),
    one("500", "0", "-1", ""),
    one("10", "", "0"),
    beyond
  ).map(([data, timeout, resultTtl, failureTtl, more]) =>
    [
      ["status", status],
      ["data", data],
      ["timeout", timeout],
      ["result_ttl", resultTtl],
      ["failure_ttl", failureTtl],
      ["enqueued_at", "2023-11-14T22:13:20.000000Z"],
      more
    ].flat()
  )

/** What new jobs have in common. */
const alike = {
  queue,
  timeout: one("-1", "180", "0"),
  date: one("2023-11-14T22:13:20.000000Z", "2023-11-14T22:13:20.123Z"),
  more: FastCheck.tuple(one("500", "0", "-1", ""), one("10", "", "0"), beyond).map(([resultTtl, failureTtl, more]) =>
    [["result_ttl", resultTtl, "failure_ttl", failureTtl], more].flat()
  )
}

const text = one("x\x00\xff", "y", "")

/** One to three jobs that have one or two things in common. */
const ofSome = <C, J>(
  common: FastCheck.Arbitrary<C>,
  job: FastCheck.Arbitrary<J>
): FastCheck.Arbitrary<Array<J & { readonly common: C }>> =>
  FastCheck.tuple(
    common,
    common,
    FastCheck.array(FastCheck.tuple(job, FastCheck.boolean()), { minLength: 1, maxLength: 3 })
  )
    .map(([first, second, jobs]) => jobs.map(([one, isFirst]) => ({ ...one, common: isFirst ? first : second })))

const dependents = (of: string) => `${keys.job(of)}:dependents`
const dependencies = (of: string) => `${keys.family.job}:${of}:dependencies`

const steps: ReadonlyArray<FastCheck.Arbitrary<Step>> = [
  ofSome(
    FastCheck.record({ ...alike, atFront: FastCheck.boolean(), ttl: one(undefined, 1000) }),
    FastCheck.record({ id, data: text, description: text })
  ).map((jobs) => call(enqueue, jobs)),
  ofSome(
    FastCheck.record(alike),
    FastCheck.record({ id, due: seconds, data: text, description: text })
  ).map((jobs) => call(schedule, jobs)),
  FastCheck.tuple(queue, id, seconds).map((params) => call(reschedule, ...params)),
  FastCheck.tuple(queue, scheduler).map(([name, token]) =>
    roughly(call(lease.take, keys.schedulerLock(name), token, 100_000))
  ),
  FastCheck.tuple(queue, scheduler).map(([name, token]) =>
    call(lease.prolong, keys.schedulerLock(name), token, 100_000)
  ),
  FastCheck.tuple(queue, scheduler).map(([name, token]) =>
    call(lease.end, keys.schedulerLock(name), token, keys.schedulerChannel(name))
  ),
  FastCheck.record({
    scheduler,
    queues: some(FastCheck.record({ queue, skip: one(0, 0, 1) }), 2),
    now: seconds,
    nowDate: date,
    leaseMillis: one(100_000),
    limit: one(1, 2, 10),
    heartbeat: one(undefined, ["name", "one"])
  }).map((params) => call(promote, params)),
  ...[1, 2, 3].map(() =>
    FastCheck.tuple(
      worker,
      FastCheck.record({
        now: seconds,
        nowDate: date,
        abandonedAt: seconds,
        counter,
        want: one(0, 1, 2, 3),
        slots: one(0, 1, 3),
        handedOver: FastCheck.boolean(),
        queues: some(queue, 2),
        ended: some(
          FastCheck.tuple(
            execution,
            seconds,
            one(
              { _tag: "Completed" as const, returnValue: "cmVzdWx0" },
              { _tag: "Completed" as const, returnValue: "" },
              { _tag: "Failed" as const, exception: "ZXhj", error: "", retry: "" as const },
              { _tag: "Failed" as const, exception: "ZXhj", error: "{}", retry: "" as const },
              { _tag: "Failed" as const, exception: "ZXhj", error: "", retry: "never" as const },
              { _tag: "Failed" as const, exception: "ZXhj", error: "", retry: 0 },
              { _tag: "Failed" as const, exception: "ZXhj", error: "", retry: 2.5 },
              { _tag: "Stopped" as const, exception: "c3RvcA==" },
              { _tag: "Released" as const }
            )
          ).map(([of, startedAt, how]) => ({ ...of, startedAt, ...how })),
          3
        )
      })
    ).map(([name, params]) => call(turn, { ...params, worker: name, executionPrefix: prefix(name) }))
  ),
  FastCheck.record({
    worker,
    queues: some(queue, 2),
    now: seconds,
    nowDate: date,
    aliveSeconds: one(0, 90),
    workerTtl: one(420),
    birth: one(["birth", "2023-11-14T22:13:20.000000Z", "queues", "default"]),
    state: one(["state", "busy", "successful_job_count", "3"]),
    currentJob: one("", "j1"),
    full: one(true, false),
    executions: some(FastCheck.tuple(execution, date).map(([of, startedAt]) => ({ ...of, startedAt })), 2)
  }).map((params) => call(heartbeat, params)),
  FastCheck.record({
    worker,
    queues: some(queue, 2),
    now: seconds,
    nowDate: date,
    intervalMillis: one(100_000),
    maxAbandons: one(0, 1, 3),
    limit: one(1, 10),
    python: FastCheck.boolean(),
    forgetSeconds: one(0, 3600)
  }).map((params) => call(abandon, params)),
  FastCheck.record({
    worker,
    queues: some(queue, 2),
    now: seconds,
    intervalMillis: one(100_000),
    limit: one(1, 10)
  }).map((params) => call(tidy, params)),
  FastCheck.record({
    registry: one(keys.finished("default"), keys.failed("default"), keys.scheduled("high"), keys.started("default")),
    id,
    statuses: one(["finished"], ["failed"], ["scheduled"], ["started"]),
    byExecution: FastCheck.boolean(),
    nowDate: FastCheck.constant("2026-01-01T00:00:00.000000Z")
  }).map((params) => call(remove, params)),
  FastCheck.tuple(execution, worker, one("", "{}", "{\"n\":1}"), one("{}", "{\"n\":1}")).map(
    ([of, name, before, after]) => call(setMeta, { ...of, worker: name }, before, after)
  ),
  FastCheck.tuple(worker, some(queue, 2)).map(([name, queues]) =>
    call(recover, { executionPrefix: prefix(name), queues })
  ),
  FastCheck.record({
    worker,
    queues: some(queue, 2),
    now: seconds,
    nowDate: date,
    mayStillCome: FastCheck.boolean(),
    totals: FastCheck.constantFrom([], ["successful_job_count", "7", "failed_job_count", "2"])
  })
    .map((params) => call(unregister, params)),
  FastCheck.record({
    id,
    queue,
    unique: one("" as const, "keep" as const, "replace" as const),
    window: one(undefined, undefined, 1000),
    due: FastCheck.oneof(FastCheck.constant(undefined), seconds),
    atFront: FastCheck.boolean(),
    ttl: one(undefined, 1000),
    parents: some(id, 2),
    allowFailure: FastCheck.boolean(),
    now: seconds,
    fields: fields("queued")
  }).map((params) => call(admit, params)),
  FastCheck.record({ ids: some(id, 3), now: seconds, nowDate: date }).map((params) => call(cancel, params)),
  FastCheck.record({ ids: some(id, 3), nowDate: date, atFront: FastCheck.boolean() }).map((params) =>
    call(requeue, params)
  ),
  FastCheck.record({ ids: some(id, 3), nowDate: date }).map((params) => call(deleteJobs, params)),
  FastCheck.record({ queue, limit: one(1, 10), nowDate: date }).map((params) => call(empty, params)),
  // a job that waits for one or two others, as one command: RQ's own script of it is Python's
  FastCheck.tuple(id, queue, some(id, 2), fields("deferred")).map(([of, name, parents, all]) =>
    script(
      `local n = tonumber(ARGV[3])
redis.call("HSET", KEYS[1], "origin", ARGV[2], unpack(ARGV, 4 + n))
redis.call("ZADD", KEYS[2], 1700000000, ARGV[1])
for i = 1, n do
  redis.call("SADD", KEYS[3 + i], ARGV[1])
  redis.call("SADD", KEYS[3], ARGV[3 + i])
end
return n`,
      [keys.job(of), keys.deferred(name), dependencies(of), ...parents.map(dependents)],
      [of, name, String(parents.length), ...parents, ...all]
    )
  ),
  FastCheck.tuple(id, fields("queued")).map(([of, all]) => command(["HSET", keys.job(of), ...all.slice(2)])),
  FastCheck.boolean().map((on) => command(on ? ["SET", keys.suspended, "1"] : ["DEL", keys.suspended])),
  FastCheck.tuple(FastCheck.boolean(), queue).map(([on, name]) => command([on ? "SADD" : "SREM", keys.paused, name])),
  // something foreign in the place of a key, and its end
  one(
    keys.started("high"),
    keys.scheduled("high"),
    keys.failed("default"),
    keys.results("j1"),
    dependents("j1"),
    dependencies("j2"),
    keys.paused
  ).chain((key) => one(["SET", key, "a text"], ["DEL", key], ["DEL", key]).map((args) => command(args))),
  // what workers do outside of scripts, and what somebody else may do
  FastCheck.tuple(queue, worker).map(([name, of]) =>
    command(["LMOVE", keys.queue(name), keys.handover(name, of), "LEFT", "RIGHT"])
  ),
  id.map((name) => command(["DEL", keys.job(name)])),
  FastCheck.tuple(queue, id).map(([name, of]) => command(["RPUSH", keys.queue(name), of])),
  queue.map((name) => command(["DEL", keys.maintenance(name), keys.tidied(name)])),
  // what RQ's workers and its clean-up leave
  FastCheck.tuple(queue, id).map(([name, of]) => command(["RPUSH", keys.intermediate(name), of])),
  FastCheck.tuple(queue, id).map(([name, of]) => command(["SET", keys.intermediateSeen(name, of), "1700000000.5"])),
  worker.map((name) => command(["DEL", keys.worker(name)])),
  FastCheck.tuple(queue, id, seconds, one("", ":0000000000004000a000000000000001", ":0000000000004000a000000000000002"))
    .map(([name, of, at, run]) => command(["ZADD", keys.started(name), at, of + run])),
  FastCheck.tuple(id, one("1", "2")).map(([of, n]) =>
    command(["ZADD", keys.executions(of), "1700000100", `0000000000004000a00000000000000${n}`])
  ),
  FastCheck.tuple(id, one("1", "2")).map(([of, n]) =>
    command(["HSET", keys.execution(of, `0000000000004000a00000000000000${n}`), "worker_name", "w3"])
  ),
  FastCheck.tuple(FastCheck.boolean(), queue).map(([on, name]) =>
    command(on ? ["SET", keys.cleaning(name), "1", "EX", "899"] : ["DEL", keys.cleaning(name)])
  )
]

describe("the product's scripts", () => {
  it.live("do in memory what they do on a server", () =>
    sameHistories(
      FastCheck.array(FastCheck.oneof(...steps), { minLength: 1, maxLength: 60, size: "max" }),
      150,
      { clockIds: true }
    ), 600_000)
})
