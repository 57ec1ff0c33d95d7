/**
 * Long spans: a job of every day for a year in the zone of Berlin, and a day of the default ticks.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, JobGroup, Queue, RedisMemory, Scheduler, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Berlin = DateTime.zoneUnsafeMakeNamed("Europe/Berlin")

/** 09:15 in Berlin, the given number of days after 2026-01-01. */
const morning = (day: number) => {
  const date = new Date(Date.UTC(2026, 0, 1 + day))
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), hours: 9, minutes: 15 }
}

const Report = Job.make("app.report", { payload: { day: Schema.Number }, resultTtl: "1 hour" })

class Runs extends Context.Tag("Runs")<Runs, Array<readonly [day: number, at: DateTime.Utc]>>() {}

const Reports = JobGroup.make(Report)

/** Each run enqueues the next day's, until the end of the year. */
const Daily = Reports.toLayer(Effect.gen(function*() {
  const runs = yield* Runs
  const queue = yield* Queue.Queue
  return {
    "app.report": ({ day }) =>
      Effect.gen(function*() {
        runs.push([day, yield* DateTime.now])
        if (day + 1 < 365) yield* queue.enqueueAt(morning(day + 1), Report, { day: day + 1 })
      }).pipe(DateTime.withCurrentZone(Berlin), Effect.orDie)
  }
}))

const realMillis = Effect.withClock(Clock.currentTimeMillis, Clock.make())

/** Real seconds that the effect takes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const from = yield* realMillis
    yield* effect
    return ((yield* realMillis) - from) / 1000
  })

const print = (text: string) => Effect.sync(() => console.log(text))

describe("a year", () => {
  it.effect(
    "of a daily job runs it each day at 09:15 in Berlin, over both changes of the clocks",
    () =>
      Effect.gen(function*() {
        const travel = yield* TimeTravel.TimeTravel
        const queue = yield* Queue.Queue
        const runs = yield* Runs
        yield* queue.enqueueAt(morning(0), Report, { day: 0 }).pipe(DateTime.withCurrentZone(Berlin))
        const seconds = yield* timed(travel.setTime(DateTime.unsafeMake("2027-01-01T00:00:00+01:00")))

        assert.deepStrictEqual(runs.map(([day]) => day), Array.from({ length: 365 }, (_, day) => day))
        for (const [day, at] of runs) {
          const there = DateTime.toParts(DateTime.setZone(at, Berlin))
          const { day: ofMonth, month } = morning(day)
          assert.deepStrictEqual(
            [there.month, there.day, there.hours, there.minutes, there.seconds, there.millis],
            [month, ofMonth, 9, 15, 0, 0]
          )
        }
        // the clocks change on 29 March and 25 October, days 87 and 297
        const utc = (day: number) => DateTime.formatIso(runs[day]![1]).slice(0, 16)
        assert.deepStrictEqual([86, 87, 296, 297].map(utc), [
          "2026-03-28T08:15",
          "2026-03-29T07:15",
          "2026-10-24T07:15",
          "2026-10-25T08:15"
        ])
        const scheduler = yield* Scheduler.Scheduler
        const [status] = (yield* scheduler.status).queues
        assert.strictEqual(status!.promoted, 365)
        assert.isTrue(Option.isSome(status!.leadingSince))
        yield* print(
          `a year (365 daily runs) in ${seconds.toFixed(1)} s, ${yield* travel.wakes} wake-ups of timers`
        )
      }).pipe(Effect.provide(
        Layer.mergeAll(
          Worker.layer(Reports, { heartbeat: "1 hour" }).pipe(Layer.provide(Daily)),
          Scheduler.layer({ queues: ["default"], tick: "15 minutes", lease: "1 hour" })
        ).pipe(
          Layer.provideMerge(Queue.layer),
          Layer.provideMerge(RedisMemory.layer),
          Layer.provideMerge(Layer.sync(Runs, () => [])),
          Layer.provideMerge(TimeTravel.layerAt(DateTime.unsafeMake("2026-01-01T00:00:00+01:00")))
        )
      )),
    40_000
  )
})

const Noted = Reports.toLayer(Effect.map(Runs, (runs) => ({
  "app.report": ({ day }: { readonly day: number }) =>
    Effect.map(DateTime.now, (now) => {
      runs.push([day, now])
    })
})))

describe("a day", () => {
  it.effect("of the default ticks and heartbeats, with a job every quarter of an hour", () =>
    Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      const queue = yield* Queue.Queue
      const runs = yield* Runs
      const quarter = 15 * 60_000
      const quarters = Array.from({ length: 24 * 4 - 1 }, (_, index) => index + 1)
      yield* queue.enqueueMany(
        quarters.map((nth) => Queue.request(Report, { day: nth }, { at: DateTime.unsafeMake(nth * quarter + 500) }))
      )
      const seconds = yield* timed(travel.adjust("1 day"))
      assert.deepStrictEqual(
        runs.map(([nth, at]) => [nth, DateTime.toEpochMillis(at)]),
        quarters.map((nth) => [nth, nth * quarter + 500])
      )
      yield* print(`a day of default ticks in ${seconds.toFixed(1)} s, ${yield* travel.wakes} wake-ups of timers`)
    }).pipe(Effect.provide(
      Worker.layer(Reports, { withScheduler: true }).pipe(
        Layer.provide(Noted),
        Layer.provideMerge(Queue.layer),
        Layer.provideMerge(RedisMemory.layer),
        Layer.provideMerge(Layer.sync(Runs, () => [])),
        Layer.provideMerge(TimeTravel.layer)
      )
    )), 40_000)
})
