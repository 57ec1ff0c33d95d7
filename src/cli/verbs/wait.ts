/**
 * `job wait`: until a job has ended, whoever runs it.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Job from "../../Job.js"
import * as Queue from "../../Queue.js"
import { withRedis } from "../connection.js"
import { failed, type Failure, passedOn } from "../failure.js"
import { json as toJson, printable, printJson } from "../terminal.js"
import type { Values } from "../verbs.js"

/** A typed error as it is kept, told apart from the other ends that the wait may take. */
const Raised = Schema.transform(
  Schema.Unknown,
  Schema.TaggedStruct("Raised", { error: Schema.Unknown }),
  { strict: true, decode: (error) => ({ _tag: "Raised" as const, error }), encode: ({ error }) => error }
)

/** Any job: the name doesn't matter to whoever waits. */
const Anything = Job.make("any", { success: Schema.Unknown, error: Raised })

interface End {
  readonly outcome: "succeeded" | "failed" | "timeout" | "missing"
  readonly result: unknown
  readonly error: unknown
  readonly exception: string | null
  /** For people, of all but success. */
  readonly message: string
}

const end = (outcome: End["outcome"], message: string, more: Partial<End> = {}): End => ({
  outcome,
  result: null,
  error: null,
  exception: null,
  message,
  ...more
})

export const run = (options: Values<"jobWait">, [id = ""]: ReadonlyArray<string>): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const { timeout = Infinity } = options
    const shown = printable(id)
    const { message, ...ended } = yield* Effect.flatMap(
      Queue.make,
      (queue) => queue.await(Anything, id, { timeout: Duration.millis(timeout) })
    ).pipe(
      Effect.map((result) => end("succeeded", "", { result: result ?? null })),
      Effect.catchTags({
        Raised: ({ error }) => Effect.succeed(end("failed", `job ${shown} failed: ${toJson(error)}`, { error })),
        JobFailed: ({ message }) =>
          Effect.succeed(
            end("failed", `job ${shown} failed: ${printable(message.split("\n")[0]!)}`, { exception: message })
          ),
        JobMissing: (error) => Effect.succeed(end("missing", printable(error.message))),
        InvalidOptions: passedOn("jobWait"),
        AwaitTimeout: (error) => Effect.succeed(end("timeout", printable(error.message))),
        WireError: (error) => failed(`job ${shown} can't be read: ${error.message}`),
        ParseError: (error) => failed(`the result of job ${shown} can't be read: ${error.message}`)
      }),
      withRedis(options.url)
    )
    if (options.json) yield* printJson({ id, ...ended })
    else if (ended.result !== null) yield* printJson(ended.result, 2)
    if (ended.outcome !== "succeeded") return yield* failed(message)
  }))
