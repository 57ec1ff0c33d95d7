/**
 * Five weeks in a few moments: the real scripts, on the in-memory Redis, under virtual time.
 */
import { assert, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Ref } from "effect"
import { Queue, RedisMemory, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as Reminders from "./reminders.js"

/** A mailer that keeps what it sent and when, and can be away. */
class Outbox extends Context.Tag("examples/reminders/Outbox")<Outbox, {
  readonly sent: Ref.Ref<ReadonlyArray<string>>
  readonly down: Ref.Ref<boolean>
}>() {}

const OutboxLive = Layer.effect(
  Outbox,
  Effect.all({ sent: Ref.make<ReadonlyArray<string>>([]), down: Ref.make(false) })
)

const MailerTest = Layer.effect(
  Reminders.Mailer,
  Effect.map(Outbox, ({ down, sent }) => ({
    send: (to) =>
      Effect.gen(function*() {
        if (yield* Ref.get(down)) return yield* new Reminders.MailerDown()
        const now = yield* DateTime.now
        yield* Ref.update(sent, (before) => [...before, `${DateTime.formatIso(now).slice(0, 16)} ${to}`])
      })
  }))
)

const App = Layer.merge(
  Queue.layer,
  Worker.layer(Reminders.Jobs, {
    withScheduler: true,
    // What is due is promoted in its millisecond all the same. Signs of life once an hour are fewer steps to travel.
    heartbeat: "1 hour",
    scheduler: { tick: "1 hour", lease: "1 day" }
  })
).pipe(
  Layer.provide(Reminders.Handlers),
  Layer.provide(MailerTest),
  Layer.provideMerge(OutboxLive),
  Layer.provide(RedisMemory.layer),
  Layer.provideMerge(TimeTravel.layerAt(new Date("2026-03-01T09:00:00Z")))
)

const sent = Effect.flatMap(Outbox, ({ sent }) => Ref.get(sent))

it.effect("reminds after three days, and twice more, a week apart", () =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    yield* Reminders.orderPlaced("A1", "ada@example.org")
    yield* travel.adjust("20 days")
    assert.deepStrictEqual(yield* sent, [
      "2026-03-04T09:00 ada@example.org",
      "2026-03-11T09:00 ada@example.org",
      "2026-03-18T09:00 ada@example.org"
    ])
  }).pipe(Effect.provide(App)))

it.effect("counts from the last change of the order", () =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    yield* Reminders.orderPlaced("A1", "ada@example.org")
    yield* travel.adjust("2 days")
    const { outcome } = yield* Reminders.orderPlaced("A1", "countess@example.org")
    assert.strictEqual(outcome, "replaced")
    yield* travel.adjust("2 days")
    assert.deepStrictEqual(yield* sent, [])
    yield* travel.adjust("1 day")
    assert.deepStrictEqual(yield* sent, ["2026-03-06T09:00 countess@example.org"])
  }).pipe(Effect.provide(App)))

it.effect("says nothing to who has paid", () =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    yield* Reminders.orderPlaced("A1", "ada@example.org")
    yield* travel.adjust("4 days")
    assert.lengthOf(yield* sent, 1)
    assert.strictEqual((yield* Reminders.orderPaid("A1")).outcome, "canceled")
    yield* travel.adjust("8 days")
    assert.lengthOf(yield* sent, 1)
  }).pipe(Effect.provide(App)))

it.effect("comes late when the mailer was away, and once", () =>
  Effect.gen(function*() {
    const travel = yield* TimeTravel.TimeTravel
    const { down } = yield* Outbox
    yield* Reminders.orderPlaced("A1", "ada@example.org")
    yield* Ref.set(down, true)
    yield* travel.adjust("3 days")
    yield* travel.adjust("45 minutes")
    assert.deepStrictEqual(yield* sent, [])
    yield* Ref.set(down, false)
    yield* travel.adjust("1 hour")
    assert.deepStrictEqual(yield* sent, ["2026-03-04T09:50 ada@example.org"])
  }).pipe(Effect.provide(App)))
