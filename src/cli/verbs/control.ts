/**
 * `empty`, `suspend`, `resume`, `pause`, `unpause`, `shutdown`: what is done to queues and to workers.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Control from "../../Control.js"
import * as Inspector from "../../Inspector.js"
import { nearest } from "../../internal/nearest.js"
import { queueNameProblem } from "../../internal/queueName.js"
import * as Queue from "../../Queue.js"
import { withRedis } from "../connection.js"
import { showDuration, showInstant } from "../duration.js"
import { type Failure, misused, withOptionName } from "../failure.js"
import { report, type Row } from "../report.js"
import { counted, print, printJson } from "../terminal.js"
import { didYouMean, unknownQueues } from "../unknown.js"
import type { Invocation, Values } from "../verbs.js"

type Of<Name extends Invocation["verb"]> = Extract<Invocation, { readonly verb: Name }>

const empty = (options: Values<"empty">, named: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    if (options.all && named.length > 0) return yield* misused("empty", "either queues or --all, not both")
    if (!options.all && named.length === 0) {
      return yield* misused("empty", "which queues? Name them, or --all for all there are")
    }
    const rows = yield* withRedis(options.url)(Effect.gen(function*() {
      const queue = yield* Queue.make
      const known = yield* queue.names
      return yield* Effect.forEach(options.all ? known : new Set(named), (name) =>
        Effect.gen(function*() {
          const jobs = yield* queue.empty(name)
          const isKnown = jobs > 0 || known.includes(name)
          return {
            key: "queue",
            name,
            outcome: isKnown ? "emptied" : "missing",
            isDone: isKnown,
            note: isKnown
              ? `${counted(jobs, "job")} deleted`
              : `nobody has used a queue called so yet${didYouMean(nearest(name, known))}`,
            more: { jobs }
          } satisfies Row
        }))
    }))
    yield* report(rows, { done: "emptied", json: options.json, nothing: "there are no queues" })
  })

const suspend = (options: Values<"suspend">) =>
  Effect.gen(function*() {
    const duration = options.duration === Infinity ? undefined : options.duration
    const now = yield* Clock.currentTimeMillis
    yield* Effect.flatMap(Control.make, (control) => control.suspend({ duration })).pipe(
      Effect.catchTag("InvalidOptions", (error) => misused("suspend", withOptionName(error.message))),
      withRedis(options.url)
    )
    // Redis counts whole seconds.
    const millis = duration === undefined ? undefined : Math.ceil(duration / 1000) * 1000
    const until = millis === undefined ? undefined : now + millis
    if (options.json) {
      return yield* printJson({
        suspended: true,
        until: until === undefined ? null : DateTime.formatIso(DateTime.unsafeMake(until))
      })
    }
    yield* print(
      until === undefined
        ? "suspended: workers go on with what runs and take nothing more until effect-rq resume"
        : `suspended for ${showDuration(until - now)}, until ${showInstant(until)}: workers go on with what runs`
    )
  })

const resume = (options: Values<"resume">) =>
  Effect.gen(function*() {
    const was = yield* withRedis(options.url)(Effect.gen(function*() {
      const control = yield* Control.make
      const was = yield* control.isSuspended
      yield* control.resume
      return was
    }))
    if (options.json) return yield* printJson({ suspended: false, wasSuspended: was })
    yield* print(was ? "resumed: workers take jobs again" : "nothing to resume: workers were not suspended")
  })

/** What is asked for is so afterwards, whatever it was before. */
const pauseOrUnpause = (verb: "pause" | "unpause", options: Values<"pause">, named: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    for (const name of named) {
      const problem = queueNameProblem(name)
      if (problem !== undefined) return yield* misused(verb, problem)
    }
    const pauses = verb === "pause"
    const rows = yield* withRedis(options.url)(Effect.gen(function*() {
      const control = yield* Control.make
      const before = yield* control.paused
      const unknown = yield* unknownQueues(named)
      return yield* Effect.forEach(new Set(named), (name) => {
        const changes = before.includes(name) !== pauses
        const isKnown = !unknown.has(name)
        const notes = [
          ...(changes ? [] : [pauses ? "it was already" : "it was not paused"]),
          ...(isKnown ? [] : [`nobody has used a queue called so yet${didYouMean(unknown.get(name))}`])
        ]
        const row: Row = {
          key: "queue",
          name,
          outcome: pauses ? "paused" : "unpaused",
          isDone: true,
          note: notes.join("; "),
          more: { changed: changes, known: isKnown }
        }
        return Effect.as(pauses ? control.pause(name) : control.unpause(name), row)
      })
    }))
    yield* report(rows, { done: pauses ? "paused" : "unpaused", json: options.json, nothing: "" })
  })

const shutdown = (options: Values<"shutdown">, named: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    if (options.all && named.length > 0) return yield* misused("shutdown", "either workers or --all, not both")
    if (!options.all && named.length === 0) {
      return yield* misused(
        "shutdown",
        "which workers? Name them, or --all for all there are; effect-rq info lists them"
      )
    }
    const rows = yield* withRedis(options.url)(Effect.gen(function*() {
      const control = yield* Control.make
      const inspector = yield* Inspector.make
      const known = (yield* inspector.workers()).map(({ name }) => name)
      return yield* Effect.forEach(options.all ? known : new Set(named), (name) =>
        Effect.map(control.shutdown(name), (listens): Row => ({
          key: "worker",
          name,
          outcome: listens ? "stopping" : known.includes(name) ? "silent" : "missing",
          isDone: listens,
          note: listens
            ? "it was told to end in peace"
            : known.includes(name)
            ? "it does not listen: it has died, or lost its connection"
            : `there is no such worker${didYouMean(nearest(name, known))}`
        })))
    }))
    yield* report(rows, { done: "told to shut down", json: options.json, nothing: "there are no workers" })
  })

export const run = (
  { args, options, verb }:
    | Of<"empty">
    | Of<"suspend">
    | Of<"resume">
    | Of<"pause">
    | Of<"unpause">
    | Of<"shutdown">
): Effect.Effect<void, Failure> => {
  switch (verb) {
    case "empty":
      return Effect.scoped(empty(options, args))
    case "suspend":
      return Effect.scoped(suspend(options))
    case "resume":
      return Effect.scoped(resume(options))
    case "pause":
    case "unpause":
      return Effect.scoped(pauseOrUnpause(verb, options, args))
    case "shutdown":
      return Effect.scoped(shutdown(options, args))
  }
}
