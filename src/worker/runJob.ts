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
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { CurrentJob, type CurrentJobService } from "../CurrentJob.js"
import { describe as describeIssue } from "../internal/issue.js"
import { type Handler, handlerTag } from "../job-group/handler.js"
import type * as Job from "../Job.js"
import type * as JobGroup from "../JobGroup.js"
import type { Claimed } from "../lifecycle/claim.js"
import { Verdict } from "../Retry.js"
import * as Json from "../wire/json.js"
import * as Payload from "../wire/payload.js"
import * as Result from "../wire/result.js"
import { type RetryDelay, retryDelay, type Said } from "./retryDelay.js"

export type Outcome =
  | { readonly _tag: "Completed"; readonly returnValue: string }
  | {
    readonly _tag: "Failed"
    readonly exception: string
    readonly error: string
    readonly message: string
    readonly retry: RetryDelay
  }

/** A failure with the text that is kept with the job. */
export const failed = (message: string, retry: RetryDelay, error = ""): Outcome => ({
  _tag: "Failed",
  exception: Result.encodeException(message),
  error,
  message,
  retry
})

/** As {@link failed}, and with what went wrong when it was asked about a retry. */
const failedAnd = (message: string, { problem, retry }: Said, error = ""): Outcome =>
  failed(problem === undefined ? message : `${message}\n${problem}`, retry, error)

const completedVoid: Outcome = { _tag: "Completed", returnValue: "" }

/** Where nothing of a Schema is asynchronous this is an Either. */
type Parsed = Effect.Effect<unknown, ParseResult.ParseIssue>

/** The Either, where it is one. */
const atOnce = (parsed: Parsed): Either.Either<unknown, ParseResult.ParseIssue> | undefined =>
  Either.isEither(parsed) ? parsed as Either.Either<unknown, ParseResult.ParseIssue> : undefined // its types are lost

type Parse = (u: unknown) => Parsed

interface Runnable {
  readonly job: Job.Any
  readonly decodePayload: Parse
  /** What a call without arguments means. */
  readonly decodeEmpty: () => Parsed
  readonly encodeSuccess: Parse
  readonly encodeError: Parse
  readonly handler: (payload: unknown) => Effect.Effect<unknown, unknown>
  /** What the handler finds around it, but for the current job. */
  readonly context: Context.Context<never>
}

/** A job that can be run, in the context that its handler needs. */
export interface Begun {
  readonly effect: Effect.Effect<Outcome, unknown>
  readonly context: Context.Context<never>
  /** How it ended when the effect did not succeed. */
  readonly onFailure: (cause: Cause.Cause<unknown>) => Effect.Effect<Outcome>
}

export interface RunJob {
  /** `currentJob` is given the name that the payload holds. */
  readonly begin: (claimed: Claimed, currentJob: (name: string) => CurrentJobService) => Begun
  /** How a job ended that was interrupted at its timeout. */
  readonly timedOut: (claimed: Claimed, message: string) => Effect.Effect<Outcome>
}

/**
 * Resolves the handlers of a group from the context and prepares their Schemas, once for all jobs. What can't be run at
 * all (an unknown job, a payload that can't be read) is not tried again: it would end the same way.
 */
export const make = (group: JobGroup.Any, context: Context.Context<never>): RunJob => {
  const runnables = new Map<string, Runnable>()
  for (const job of group.jobs.values()) runnables.set(job.name, runnable(job, context))

  const ended = (outcome: Outcome): Begun => ({
    effect: Effect.succeed(outcome),
    context,
    onFailure: () => Effect.succeed(outcome)
  })

  return {
    begin: (claimed, currentJob) => {
      const decoded = Payload.decode(claimed.data)
      if (Either.isLeft(decoded)) {
        const { message, reason } = decoded.left
        return ended(failed(`the payload can't be read (${reason}): ${message}`, "never"))
      }
      const { name } = decoded.right
      const job = runnables.get(name)
      if (job === undefined) return ended(failed(unknownJob(name, runnables), "never"))
      return {
        effect: Effect.suspend(() => run(job, decoded.right)),
        context: Context.add(job.context, CurrentJob, currentJob(name)) as Context.Context<never>, // as any context
        onFailure: (cause) => toOutcome(job, claimed.attempt, cause)
      }
    },
    timedOut: (claimed, message) => {
      const job = Option.flatMapNullable(
        Either.getRight(Payload.decode(claimed.data)),
        ({ name }) => runnables.get(name)
      )
      const timeout = Cause.die(new Error(message))
      return Option.isNone(job)
        ? Effect.succeed(failed(message, ""))
        : Effect.map(
          retryDelay(job.value.job, Option.none(), timeout, claimed.attempt),
          (said) => failedAnd(message, said)
        )
    }
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
  const provide = (parsed: Effect.Effect<unknown, ParseResult.ParseIssue, unknown>): Parsed =>
    // An Either needs nothing.
    Either.isEither(parsed)
      ? parsed as Parsed
      : Effect.mapInputContext(parsed, () => context as Context.Context<unknown>)
  const schema = (self: Schema.Schema.All) => self as Schema.Schema<unknown, unknown>
  const decodePayload = ParseResult.decodeUnknown(schema(job.payloadSchema))
  const isPositional = AST.isTupleType(AST.encodedAST(job.payloadSchema.ast))
  const encodeSuccess = ParseResult.encodeUnknown(schema(job.successSchema))
  const encodeError = ParseResult.encodeUnknown(schema(job.errorSchema))
  return {
    job,
    decodePayload: (u) => provide(decodePayload(u)),
    // It may be of either kind; what is missing is said of the likelier one.
    decodeEmpty: () => {
      const likelier = provide(decodePayload(isPositional ? [] : {}))
      const isFit = atOnce(likelier)
      if (isFit !== undefined && Either.isRight(isFit)) return likelier
      return Effect.catchAll(
        likelier,
        (issue) => Effect.mapError(provide(decodePayload(isPositional ? {} : [])), () => issue)
      )
    },
    encodeSuccess: (u) => provide(encodeSuccess(u)),
    encodeError: (u) => provide(encodeError(u)),
    // What it requires is in the context below.
    handler: registered.handler as Runnable["handler"],
    context: Context.merge(context, registered.context)
  }
}

const run = (job: Runnable, payload: Payload.Payload): Effect.Effect<Outcome, unknown> => {
  const { name } = payload
  const args = toArguments(payload)
  if (args === undefined) {
    return Effect.succeed(
      failed(
        `the payload of ${name} mixes positional and keyword arguments, which no payload Schema describes`,
        "never"
      )
    )
  }
  const handle = (decoded: unknown): Effect.Effect<Outcome, unknown> =>
    Effect.flatMap(job.handler(decoded), (success) => toCompleted(job, success))
  const misfit = (issue: ParseResult.ParseIssue): Effect.Effect<Outcome> =>
    Effect.succeed(
      failed(
        `the payload of ${name} doesn't fit its Schema\n${describeIssue(issue)}`,
        "never"
      )
    )
  const parsed = isEmpty(payload) ? job.decodeEmpty() : job.decodePayload(args)
  const decoded = atOnce(parsed)
  if (decoded !== undefined) return Either.isRight(decoded) ? handle(decoded.right) : misfit(decoded.left)
  return Effect.matchCauseEffect(parsed, {
    onFailure: (cause) =>
      Effect.succeed(failed(`the payload of ${name} doesn't fit its Schema\n${issues(cause)}`, "never")),
    onSuccess: handle
  })
}

const isEmpty = ({ args, kwargs }: Payload.Payload): boolean => args.length === 0 && Object.keys(kwargs).length === 0

/** Positional arguments as an array, keyword arguments as an object. */
const toArguments = ({ args, kwargs }: Payload.Payload): unknown => {
  const hasKeywords = Object.keys(kwargs).length > 0
  if (args.length === 0) return kwargs
  return hasKeywords ? undefined : args
}

const toCompleted = (job: Runnable, success: unknown): Effect.Effect<Outcome> => {
  const { name } = job.job
  const misfit = (text: string) => failed(`the result of ${name} doesn't fit its Schema\n${text}`, "")
  const completed = (encoded: unknown): Outcome => {
    if (encoded === undefined) return completedVoid
    const value = Result.encodeReturn(encoded)
    return Either.isLeft(value)
      ? failed(`the result of ${name} can't be stored: ${value.left.message}`, "")
      : { _tag: "Completed", returnValue: value.right }
  }
  const parsed = job.encodeSuccess(success)
  const encoded = atOnce(parsed)
  if (encoded !== undefined) {
    return Effect.succeed(
      Either.isRight(encoded)
        ? completed(encoded.right)
        : misfit(describeIssue(encoded.left))
    )
  }
  return Effect.matchCause(parsed, { onFailure: (cause) => misfit(issues(cause)), onSuccess: completed })
}

const toOutcome = (job: Runnable, attempt: number, cause: Cause.Cause<unknown>): Effect.Effect<Outcome> => {
  const failure = Cause.failureOption(cause)
  return Effect.flatMap(retryDelay(job.job, failure, cause, attempt), (said) => {
    if (Option.isNone(failure)) {
      return Effect.succeed(failedAnd(Cause.pretty(cause, { renderErrorCause: true }), said))
    }
    const error = failure.value instanceof Verdict ? failure.value.error : failure.value
    const text = Cause.pretty(Cause.map(cause, () => error), { renderErrorCause: true })
    return Effect.matchCause(Effect.suspend(() => job.encodeError(error)), {
      onFailure: () => failedAnd(text, said),
      onSuccess: (encoded) => failedAnd(text, said, Either.getOrElse(Json.stringify(encoded), () => ""))
    })
  })
}

const issues = (cause: Cause.Cause<ParseResult.ParseIssue>): string => {
  const issue = Cause.failureOption(cause)
  return Option.isSome(issue) ? describeIssue(issue.value) : Cause.pretty(cause)
}
