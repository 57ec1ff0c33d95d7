/**
 * Random histories of the product's own scripts, against a real server.
 */
import { describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { abandon } from "../../src/lifecycle/abandon.js"
import { enqueue } from "../../src/lifecycle/enqueue.js"
import { heartbeat } from "../../src/lifecycle/heartbeat.js"
import * as lease from "../../src/lifecycle/lease.js"
import { promote } from "../../src/lifecycle/promote.js"
import { remove } from "../../src/lifecycle/remove.js"
import { reschedule } from "../../src/lifecycle/reschedule.js"
import { schedule } from "../../src/lifecycle/schedule.js"
import { turn } from "../../src/lifecycle/turn.js"
import * as keys from "../../src/wire/keys.js"
import type { Step } from "./support/both.js"
import { call, command, roughly, sameHistories } from "./support/both.js"

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

const fields = (status: string) =>
  FastCheck.tuple(one("x\x00\xff", "y", ""), one("-1", "180", "0"), one("500", "0", "-1", ""), one("10", "", "0")).map(
    ([data, timeout, resultTtl, failureTtl]) =>
      [
        ["status", status],
        ["data", data],
        ["timeout", timeout],
        ["result_ttl", resultTtl],
        ["failure_ttl", failureTtl],
        ["enqueued_at", "2023-11-14T22:13:20.000000Z"]
      ].flat()
  )

const steps: ReadonlyArray<FastCheck.Arbitrary<Step>> = [
  some(
    FastCheck.record({ id, queue, atFront: FastCheck.boolean(), ttl: one(undefined, 1000), fields: fields("queued") }),
    3
  ).map((jobs) => call(enqueue, jobs)),
  some(FastCheck.record({ id, queue, due: seconds, fields: fields("scheduled") }), 3).map((jobs) =>
    call(schedule, jobs)
  ),
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
    heartbeat: FastCheck.boolean()
  }).map((params) => call(promote, params)),
  ...[1, 2].map(() =>
    FastCheck.tuple(
      worker,
      FastCheck.record({
        now: seconds,
        nowDate: date,
        abandonedAt: seconds,
        counter,
        want: one(0, 1, 2, 3),
        handedOver: FastCheck.boolean(),
        queues: some(queue, 2),
        ended: some(
          FastCheck.tuple(
            execution,
            seconds,
            one(
              { _tag: "Completed" as const, returnValue: "cmVzdWx0" },
              { _tag: "Completed" as const, returnValue: "" },
              { _tag: "Failed" as const, exception: "ZXhj", error: "" },
              { _tag: "Failed" as const, exception: "ZXhj", error: "{}" },
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
    forgetSeconds: one(0, 3600)
  }).map((params) => call(abandon, params)),
  FastCheck.record({
    registry: one(keys.finished("default"), keys.failed("default"), keys.scheduled("high"), keys.started("default")),
    id,
    statuses: one(["finished"], ["failed"], ["scheduled"], ["started"]),
    byExecution: FastCheck.boolean()
  }).map((params) => call(remove, params)),
  // what workers do outside of scripts, and what somebody else may do
  FastCheck.tuple(queue, worker).map(([name, of]) =>
    command(["LMOVE", keys.queue(name), keys.handover(name, of), "LEFT", "RIGHT"])
  ),
  id.map((name) => command(["DEL", keys.job(name)])),
  FastCheck.tuple(queue, id).map(([name, of]) => command(["RPUSH", keys.queue(name), of])),
  queue.map((name) => command(["DEL", keys.maintenance(name)]))
]

describe("the product's scripts", () => {
  it.live("do in memory what they do on a server", () =>
    sameHistories(
      FastCheck.array(FastCheck.oneof(...steps), { minLength: 1, maxLength: 60, size: "max" }),
      150,
      { clockIds: true }
    ), 600_000)
})
