/**
 * The jobs of this fleet. The Python module with its typed functions is made of them.
 */
import { Effect, Schema } from "effect"
import { Job, JobGroup } from "effect-rq"

export const Invoice = Job.make("billing.invoice", {
  payload: { customer: Schema.String, cents: Schema.Int },
  success: Schema.Struct({ number: Schema.String }),
  queue: "billing"
})

export const Jobs = JobGroup.make(Invoice)

export const Handlers = Jobs.toLayer({
  "billing.invoice": ({ cents, customer }) =>
    Effect.as(Effect.log(`invoice over ${cents} cents for ${customer}`), { number: `${customer}-1` })
})
