/**
 * `enqueue`: hands a job over, checked against the Schema of its definition where there is one at hand.
 *
 * @internal
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Job from "../../Job.js"
import * as Queue from "../../Queue.js"
import * as Arguments from "../arguments.js"
import { withRedis } from "../connection.js"
import { dueOf } from "../due.js"
import { showInstant, showRelative } from "../duration.js"
import { failed, Failure, misused, withOptionName } from "../failure.js"
import type { Enqueued } from "../host.js"
import type { LoadHost } from "../loadHost.js"
import type { Stop } from "../signals.js"
import { print, printJson, style, warn } from "../terminal.js"
import type { Values } from "../verbs.js"

const orMisused = <A extends object>(result: A | Arguments.ArgumentProblem): Effect.Effect<A, Failure> =>
  "_tag" in result && result._tag === "ArgumentProblem"
    ? misused("enqueue", (result as Arguments.ArgumentProblem).message) // the tag says so
    : Effect.succeed(result as A) // what is no problem is the result

const payloadOf = (words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const values = yield* Effect.forEach(words, (word) =>
      Effect.gen(function*() {
        const argument = yield* orMisused<Arguments.Argument>(Arguments.read(word))
        const { source } = argument
        const text = source._tag === "Text" ? source.text : yield* Effect.mapError(
          files.readFileString(source.path),
          (error) =>
            misused(
              "enqueue",
              `${word}: can't read the file ${source.path} (${
                error._tag === "SystemError" ? error.reason : error.message
              })`
            )
        )
        const { value } = yield* orMisused<{ readonly value: unknown }>(Arguments.valueOf(argument, text))
        return [argument.key, value] as const
      }))
    const { payload } = yield* orMisused<{ readonly payload: unknown }>(Arguments.collect(values))
    return payload
  })

const lifetime = (millis: number | undefined): Job.Lifetime | undefined => millis === Infinity ? "forever" : millis

const toOptions = (options: Values<"enqueue">): Queue.EnqueueOptions => ({
  queue: options.queue,
  jobId: options.jobId,
  atFront: options.atFront,
  description: options.description,
  timeout: lifetime(options.timeout),
  ttl: options.ttl,
  resultTtl: lifetime(options.resultTtl),
  failureTtl: lifetime(options.failureTtl),
  retry: options.retryMax === undefined ? undefined : { max: options.retryMax, intervals: options.retryInterval },
  repeat: options.repeat === undefined ? undefined : { times: options.repeat, intervals: options.repeatInterval },
  dependsOn: options.dependsOn.length === 0 ? undefined : options.dependsOn,
  allowFailure: options.allowFailure ? true : undefined,
  unique: options.unique,
  uniqueFor: options.uniqueFor
})

/** Options that say nothing without another one. */
const checkTogether = (options: Values<"enqueue">): Effect.Effect<void, Failure> => {
  const { allowFailure, dependsOn, repeat, repeatInterval, retryInterval, retryMax } = options
  return retryInterval.length > 0 && retryMax === undefined
    ? misused("enqueue", "--retry-interval needs --retry-max: how often?")
    : repeatInterval.length > 0 && repeat === undefined
    ? misused("enqueue", "--repeat-interval needs --repeat: how often?")
    : allowFailure && dependsOn.length === 0
    ? misused("enqueue", "--allow-failure is about the jobs of --depends-on, of which there are none")
    : Effect.void
}

/** The jobs that it is to wait for and that are not there. */
const missingOf = ({ dependsOn, url }: Values<"enqueue">): Effect.Effect<ReadonlyArray<string>, Failure, Scope.Scope> =>
  dependsOn.length === 0
    ? Effect.succeed([])
    : Effect.flatMap(Queue.make, (queue) =>
      Effect.filter(new Set(dependsOn), (id) =>
        queue.fetch(id).pipe(
          Effect.map(Option.isNone),
          // one that can't be read is there
          Effect.catchTag("WireError", () => Effect.succeed(false))
        ))).pipe(withRedis(url))

/** Without a definition the arguments are sent as they are. */
const Anything = Schema.Union(
  Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  Schema.Array(Schema.Unknown)
)

const enqueueUnchecked = (
  name: string,
  payload: unknown,
  due: { readonly at: number | undefined; readonly in: number | undefined },
  options: Values<"enqueue">
): Effect.Effect<Enqueued, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const job = yield* Effect.try({
      try: () => Job.make(name, { payload: Anything }),
      catch: (error) => misused("enqueue", error instanceof Error ? error.message : String(error))
    })
    const at = due.at === undefined ? undefined : DateTime.unsafeMake(due.at)
    const request = Queue.request(job, payload as typeof Anything.Type, { ...toOptions(options), at, in: due.in }) // `collect` makes nothing else
    const refs = yield* Effect.flatMap(Queue.make, (queue) => queue.enqueueMany([request])).pipe(
      Effect.catchTags({
        InvalidJobError: (error) => misused("enqueue", withOptionName(error.message)),
        JobExists: (error) => failed(error.message)
      }),
      withRedis(options.url)
    )
    const ref = refs[0]! // one for each request
    return {
      id: ref.id,
      name: ref.name,
      queue: ref.queue,
      outcome: ref.outcome,
      dueAt: Option.getOrUndefined(Option.map(ref.dueAt, DateTime.toEpochMillis))
    }
  })

const enqueueChecked = (
  module: string,
  name: string,
  payload: unknown,
  due: { readonly at: number | undefined; readonly in: number | undefined },
  options: Values<"enqueue">,
  stop: Stop,
  loadHost: LoadHost
): Effect.Effect<Enqueued, Failure> =>
  Effect.gen(function*() {
    const result = yield* Effect.uninterruptible(Effect.promise(async () => {
      const host = await loadHost()
      const request = { url: options.url, module, cwd: process.cwd(), job: name, payload, ...due }
      return host.enqueue({ ...request, options: toOptions(options) }, stop.signal)
    }))
    switch (result._tag) {
      case "Done":
        return result.value
      case "Interrupted":
        return yield* Effect.interrupt
      case "Failed":
        return yield* new Failure({ message: withOptionName(result.message), exitCode: result.isMistake ? 2 : 1 })
    }
  })

export const run = (
  options: Values<"enqueue">,
  [name = "", ...words]: ReadonlyArray<string>,
  stop: Stop,
  loadHost: LoadHost
): Effect.Effect<void, Failure, FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function*() {
    const payload = yield* payloadOf(words)
    yield* checkTogether(options)
    const given = { at: options.scheduleAt, in: options.scheduleIn, tz: options.tz }
    const due = yield* dueOf("enqueue", given, { at: "schedule-at", in: "schedule-in" })
    const missing = yield* missingOf(options)
    const job = options.jobs === undefined
      ? yield* enqueueUnchecked(name, payload, due, options)
      : yield* enqueueChecked(options.jobs, name, payload, due, options, stop, loadHost)
    for (const id of missing) yield* warn(`there is no job ${id}: it counts as finished, and is not waited for`)
    if (options.json) {
      const { dueAt, ...rest } = job
      return yield* printJson({
        ...rest,
        dueAt: dueAt === undefined ? null : new Date(dueAt).toISOString(),
        missingDependencies: missing
      })
    }
    const now = yield* Clock.currentTimeMillis
    const id = style.bold(job.id)
    const when = job.dueAt === undefined ? "" : ` for ${showInstant(job.dueAt)} (${showRelative(job.dueAt, now)})`
    yield* print(
      job.outcome === "exists"
        ? `${id} exists already and was left as it is`
        : job.outcome === "deferred"
        ? `${id} waits in ${job.queue} for ${options.dependsOn.filter((id) => !missing.includes(id)).join(", ")}`
        : `${id} ${job.outcome} in ${job.queue}${when}`
    )
  }))
