/**
 * Virtual time as the README shows it: an application whose background loop is a layer, and a test of a whole day.
 */
import { assert, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Ref, Schedule } from "effect"
import { TimeTravel } from "../../src/testing/index.js"

class Reports extends Context.Tag("app/Reports")<Reports, Ref.Ref<ReadonlyArray<string>>>() {
  /** Writes a report at 6:00 every day. */
  static readonly layer = Layer.scoped(
    this,
    Effect.gen(function*() {
      const reports = yield* Ref.make<ReadonlyArray<string>>([])
      const report = Effect.gen(function*() {
        const now = yield* DateTime.now
        yield* Ref.update(reports, (all) => [...all, DateTime.formatIso(now)])
      })
      yield* Effect.forkScoped(Effect.schedule(report, Schedule.cron("0 6 * * *", "UTC")))
      return reports
    })
  )
}

it.effect("reports every morning", () =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    const reports = yield* Reports

    yield* travel.adjust("2 days")
    assert.deepStrictEqual(yield* Ref.get(reports), ["2026-01-01T06:00:00.000Z", "2026-01-02T06:00:00.000Z"])

    const tenReports = Effect.map(Ref.get(reports), (all) => all.length === 10)
    yield* travel.runUntil(tenReports, { limit: "30 days" })
    assert.strictEqual(DateTime.formatIso(yield* travel.now), "2026-01-10T06:00:00.000Z")
  }).pipe(
    Effect.provide(Reports.layer.pipe(Layer.provideMerge(TimeTravel.layerAt(new Date("2026-01-01T00:00:00Z")))))
  ))
