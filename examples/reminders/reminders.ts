/**
 * Somebody who has not paid is reminded after three days, and again each week, three times. Whoever pays hears nothing.
 */
import { Context, Effect, Schema } from "effect"
import { Job, JobGroup, Queue } from "effect-rq"

/** Whatever sends mail. */
export class Mailer extends Context.Tag("examples/reminders/Mailer")<Mailer, {
  readonly send: (to: string, text: string) => Effect.Effect<void, MailerDown>
}>() {}

export class MailerDown extends Schema.TaggedError<MailerDown>()("MailerDown", {}) {}

export const Remind = Job.make("reminders.remind", {
  payload: { order: Schema.String, to: Schema.String },
  error: MailerDown,
  queue: "reminders",
  // A mail server that is away for a day costs no reminder.
  retry: { max: 144, intervals: "10 minutes" }
})

export const Jobs = JobGroup.make(Remind)

export const Handlers = Jobs.toLayer(Effect.map(Mailer, (mailer) => ({
  "reminders.remind": ({ order, to }) => mailer.send(to, `Order ${order} is not paid yet.`)
})))

/** One order has one reminder: its id makes it so, and lets it be found again. */
const reminderOf = (order: string) => `remind-${order}`

export const orderPlaced = Effect.fn("orderPlaced")(function*(order: string, to: string) {
  const queue = yield* Queue.Queue
  return yield* queue.enqueueIn("3 days", Remind, { order, to }, {
    jobId: reminderOf(order),
    // An order that is changed counts from the change.
    unique: "replace",
    repeat: { times: 2, intervals: "7 days" }
  })
})

export const orderPaid = Effect.fn("orderPaid")(function*(order: string) {
  const queue = yield* Queue.Queue
  return yield* queue.cancel(reminderOf(order))
})
