/**
 * Runs one claimed job: decodes its payload, calls the handler, encodes how it ended. Whatever goes wrong is the failure
 * of that job and of nothing else.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { type Handler, handlerTag } from "../job-group/handler.js"
import type * as Job from "../Job.js"
import type * as JobGroup from "../JobGroup.js"
import * as Json from "../wire/json.js"
import * as Payload from "../wire/payload.js"
import * as Result from "../wire/result.js"

export type Outcome =
  | { readonly _tag: "Completed"; readonly returnValue: string }
  | { readonly _tag: "Failed"; readonly exception: string; readonly error: string; readonly message: string }

/** A failure with the text that is kept with the job. */
export const failed = (message: string, error = ""): Outcome => ({
  _tag: "Failed",
  exception: Result.encodeException(message),
  error,
  message
})

const completedVoid: Outcome = { _tag: "Completed", returnValue: "" }

type Parse = (u: unknown) => Effect.Effect<unknown, ParseResult.ParseIssue>

interface Runnable {
  readonly decodePayload: Parse
  /** What a call without arguments means. */
  readonly decodeEmpty: () => Effect.Effect<unknown, ParseResult.ParseIssue>
  readonly encodeSuccess: Parse
  readonly encodeError: Parse
  readonly handler: (payload: unknown) => Effect.Effect<unknown, unknown>
}

export type RunJob = (data: Uint8Array) => Effect.Effect<Outcome>

/** Resolves the handlers of a group from the context and prepares their Schemas, once for all jobs. */
export const make = (group: JobGroup.Any, context: Context.Context<never>): RunJob => {
  const runnables = new Map<string, Runnable>()
  for (const job of group.jobs.values()) runnables.set(job.name, runnable(job, context))

  return (data) => {
    const decoded = Payload.decode(data)
    if (Either.isLeft(decoded)) {
      return Effect.succeed(failed(`the payload can't be read (${decoded.left.reason}): ${decoded.left.message}`))
    }
    const { name } = decoded.right
    const job = runnables.get(name)
    return job === undefined
      ? Effect.succeed(failed(unknownJob(name, runnables)))
      : run(job, name, decoded.right)
  }
}

const unknownJob = (name: string, runnables: ReadonlyMap<string, unknown>): string =>
  `UnknownJob: this worker has no handler for ${JSON.stringify(name)}. It runs ${
    [...runnables.keys()].map((known) => JSON.stringify(known)).join(", ") || "no jobs"
  }. Add the job to its group, or send it to a queue whose workers know it.`

const runnable = (job: Job.Any, context: Context.Context<never>): Runnable => {
  // `Worker.make` requires a handler for each job of the group and the services of its Schemas.
  const registered = Context.unsafeGet(
    context as Context.Context<Handler<string>>,
    handlerTag(job.name)
  )
  const provide = <A, E>(effect: Effect.Effect<A, E, unknown>): Effect.Effect<A, E> =>
    Effect.mapInputContext(effect, () => context as Context.Context<unknown>)
  const schema = (self: Schema.Schema.All) => self as Schema.Schema<unknown, unknown>
  const decodePayload = ParseResult.decodeUnknown(schema(job.payloadSchema))
  const isPositional = AST.isTupleType(AST.encodedAST(job.payloadSchema.ast))
  const encodeSuccess = ParseResult.encodeUnknown(schema(job.successSchema))
  const encodeError = ParseResult.encodeUnknown(schema(job.errorSchema))
  return {
    decodePayload: (u) => provide(decodePayload(u)),
    // It may be of either kind; what is missing is said of the likelier one.
    decodeEmpty: () =>
      provide(Effect.catchAll(
        decodePayload(isPositional ? [] : {}),
        (issue) => Effect.mapError(decodePayload(isPositional ? {} : []), () => issue)
      )),
    encodeSuccess: (u) => provide(encodeSuccess(u)),
    encodeError: (u) => provide(encodeError(u)),
    handler: (payload) =>
      Effect.mapInputContext(
        registered.handler(payload) as Effect.Effect<unknown, unknown, never>,
        (running: Context.Context<never>) => Context.merge(running, registered.context)
      )
  }
}

const run = (job: Runnable, name: string, payload: Payload.Payload): Effect.Effect<Outcome> => {
  const args = toArguments(payload)
  if (args === undefined) {
    return Effect.succeed(
      failed(`the payload of ${name} mixes positional and keyword arguments, which no payload Schema describes`)
    )
  }
  return Effect.matchCauseEffect(isEmpty(payload) ? job.decodeEmpty() : job.decodePayload(args), {
    onFailure: (cause) => Effect.succeed(failed(`the payload of ${name} doesn't fit its Schema\n${issues(cause)}`)),
    onSuccess: (decoded) =>
      Effect.flatMap(
        Effect.exit(Effect.suspend(() => job.handler(decoded))),
        (exit) => toOutcome(job, name, exit)
      )
  })
}

const isEmpty = ({ args, kwargs }: Payload.Payload): boolean => args.length === 0 && Object.keys(kwargs).length === 0

/** Positional arguments as an array, keyword arguments as an object. */
const toArguments = ({ args, kwargs }: Payload.Payload): unknown => {
  const hasKeywords = Object.keys(kwargs).length > 0
  if (args.length === 0) return kwargs
  return hasKeywords ? undefined : args
}

const toOutcome = (
  job: Runnable,
  name: string,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<Outcome> => {
  if (exit._tag === "Success") {
    return Effect.matchCause(job.encodeSuccess(exit.value), {
      onFailure: (cause) => failed(`the result of ${name} doesn't fit its Schema\n${issues(cause)}`),
      onSuccess: (encoded) => {
        if (encoded === undefined) return completedVoid
        const value = Result.encodeReturn(encoded)
        return Either.isLeft(value)
          ? failed(`the result of ${name} can't be stored: ${value.left.message}`)
          : { _tag: "Completed", returnValue: value.right }
      }
    })
  }
  const text = Cause.pretty(exit.cause, { renderErrorCause: true })
  const error = Cause.failureOption(exit.cause)
  if (Option.isNone(error)) return Effect.succeed(failed(text))
  return Effect.matchCause(job.encodeError(error.value), {
    onFailure: () => failed(text),
    onSuccess: (encoded) => failed(text, Either.getOrElse(Json.stringify(encoded), () => ""))
  })
}

const issues = (cause: Cause.Cause<ParseResult.ParseIssue>): string => {
  const issue = Cause.failureOption(cause)
  return Option.isSome(issue) ? ParseResult.TreeFormatter.formatIssueSync(issue.value) : Cause.pretty(cause)
}
