/**
 * An HTTP service in front of a queue: it takes a request, answers with an id at once, and tells how the job went.
 */
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Schema } from "effect"
import { Job, JobGroup, Queue } from "effect-rq"

export const Resize = Job.make("web.resize", {
  payload: { url: Schema.String, width: Schema.Int.pipe(Schema.positive()) },
  success: Schema.Struct({ url: Schema.String }),
  queue: "images",
  timeout: "1 minute",
  resultTtl: "1 hour"
})

export const Jobs = JobGroup.make(Resize)

export const Handlers = Jobs.toLayer({
  "web.resize": ({ url, width }) => Effect.succeed({ url: `${url}?width=${width}` })
})

const Body = Schema.Struct({ url: Schema.String, width: Schema.Number, requestId: Schema.optional(Schema.String) })

export const router = HttpRouter.empty.pipe(
  HttpRouter.post(
    "/resize",
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { requestId, ...payload } = yield* HttpServerRequest.schemaBodyJson(Body)
      // A client that repeats its request under the same id gets the same job.
      const { id, outcome } = yield* queue.enqueue(Resize, payload, { jobId: requestId })
      return yield* HttpServerResponse.json({ id, outcome }, { status: 202 })
    })
  ),
  HttpRouter.get(
    "/jobs/:id",
    Effect.gen(function*() {
      const queue = yield* Queue.Queue
      const { id } = yield* HttpRouter.schemaPathParams(Schema.Struct({ id: Schema.String }))
      const job = yield* queue.fetch(id)
      if (Option.isNone(job)) return HttpServerResponse.empty({ status: 404 })
      const result = yield* queue.result(Resize, id)
      return yield* HttpServerResponse.json({
        id,
        status: job.value.status,
        result: Option.match(result, {
          onNone: () => null,
          onSome: (exit) => exit._tag === "Success" ? exit.value : null
        })
      })
    })
  ),
  // What can't be accepted is the client's mistake, and says which field it is.
  HttpRouter.catchTags({
    ParseError: (error) => HttpServerResponse.json({ error: error.message }, { status: 400 }),
    InvalidJobError: (error) => HttpServerResponse.json({ field: error.field, error: error.message }, { status: 400 }),
    RedisError: () => HttpServerResponse.json({ error: "the queue can't be reached" }, { status: 503 })
  })
)
