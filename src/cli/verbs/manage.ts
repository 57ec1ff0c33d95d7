/**
 * `requeue`, `cancel`, `stop`, `delete`, `reschedule`: what is done to jobs by their ids.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { inCalendar } from "../../internal/when.js"
import * as Queue from "../../Queue.js"
import * as Registry from "../../Registry.js"
import { withRedis } from "../connection.js"
import { dueOf } from "../due.js"
import { showDuration, showInstant, showRelative } from "../duration.js"
import { failed, type Failure, misused, passedOn } from "../failure.js"
import { report, type Row } from "../report.js"
import { printable } from "../terminal.js"
import { warnOfUnknownQueues } from "../unknown.js"
import type { Invocation, Values } from "../verbs.js"

type Of<Name extends Invocation["verb"]> = Extract<Invocation, { readonly verb: Name }>

/** How many jobs are asked about at a time. */
const concurrency = 16

/** An id that is given twice is meant once. */
const distinct = (ids: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(ids)]

const noSuchJob = "there is no such job"

const changedRow = (done: string) => ({ changed, id, status }: Queue.Changed): Row => {
  const before = Option.getOrNull(status)
  const row = { key: "id", name: id, more: { status: before } } as const
  return changed
    ? { ...row, outcome: done, isDone: true, note: before === null ? "" : `it was ${before}` }
    : before === null
    ? { ...row, outcome: "missing", isDone: false, note: noSuchJob }
    : { ...row, outcome: "unchanged", isDone: false, note: `it is ${before}` }
}

const requeue = (options: Values<"requeue">, ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { all, atFront, json, queue: name } = options
    if (all && ids.length > 0) return yield* misused("requeue", "either ids or --all, not both")
    if (!all && ids.length === 0) {
      return yield* misused("requeue", "which jobs? Give their ids, or --all --queue QUEUE for all that failed there")
    }
    if (all && name === undefined) {
      return yield* misused("requeue", "which queue's failed jobs are meant by --all? --queue QUEUE names it")
    }
    const rows = yield* withRedis(options.url)(Effect.gen(function*() {
      const queue = yield* Queue.make
      if (!all) return yield* queue.requeueMany(distinct(ids), { atFront })
      yield* warnOfUnknownQueues(name === undefined ? [] : [name])
      const { failed } = yield* Registry.make
      // All are read before the first moves, so that none is missed.
      const entries = yield* Stream.runCollect(failed(name ?? "").stream)
      const changed = yield* queue.requeueMany([...entries].map(({ id }) => id), { atFront })
      // Nobody asked for those that were deleted or have expired meanwhile.
      return changed.filter(({ status }) => Option.isSome(status))
    })).pipe(Effect.catchTag("InvalidOptions", passedOn("requeue")))
    yield* report(rows.map(changedRow("requeued")), {
      done: "requeued",
      json,
      nothing: `no failed jobs in ${printable(name ?? "")}`
    })
  })

const stopNotes: Readonly<Record<Queue.CancelOutcome["outcome"], string>> = {
  canceled: "it had not been started",
  stopping: "its worker was told to interrupt it",
  stopped: "its worker has interrupted it",
  ended: "it has ended already",
  waiting: "it has not been started: cancel it",
  missing: noSuchJob
}

const cancelOrStop = (verb: "cancel" | "stop", options: Values<"cancel">, ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { wait = 0 } = options
    const all = distinct(ids)
    const outcomes = yield* withRedis(options.url)(
      Effect.flatMap(Queue.make, (queue) =>
        verb === "cancel"
          ? queue.cancelMany(all, { wait })
          : Effect.forEach(all, (id) => queue.stop(id, { wait }), { concurrency }))
    ).pipe(Effect.catchTag("InvalidOptions", passedOn(verb)))
    yield* report(
      outcomes.map(({ id, outcome }): Row => {
        const goesOn = outcome === "stopping" && wait > 0
        return {
          key: "id",
          name: id,
          outcome,
          isDone: outcome === "canceled" || outcome === "stopped" || (outcome === "stopping" && !goesOn),
          note: goesOn ? `its worker was told, but has not interrupted it in ${showDuration(wait)}` : stopNotes[outcome]
        }
      }),
      { done: verb === "cancel" ? "canceled" : "stopped", json: options.json, nothing: "" }
    )
  })

const deleteJobs = (options: Values<"delete">, ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const rows = yield* withRedis(options.url)(
      Effect.flatMap(Queue.make, (queue) => queue.deleteMany(distinct(ids)))
    )
    yield* report(rows.map(changedRow("deleted")), { done: "deleted", json: options.json, nothing: "" })
  })

const reschedule = (options: Values<"reschedule">, id: string) =>
  Effect.gen(function*() {
    const due = yield* dueOf("reschedule", options, { at: "at", in: "in" })
    if (due.at === undefined && due.in === undefined) {
      return yield* misused("reschedule", "to when? --at \"2026-12-24 09:15\" or --in 10s says it")
    }
    const now = yield* Clock.currentTimeMillis
    const at = yield* Effect.mapError(
      inCalendar(due.at ?? now + (due.in ?? 0)),
      (message) => misused("reschedule", message)
    )
    const when = DateTime.unsafeMake(at)
    const row = yield* withRedis(options.url)(Effect.gen(function*() {
      const queue = yield* Queue.make
      const base = { key: "id", name: id } as const
      const { changed, status } = yield* queue.reschedule(id, when)
      if (Option.isNone(status)) {
        return { ...base, outcome: "missing", isDone: false, note: noSuchJob, more: { status: null, dueAt: null } }
      }
      if (changed) {
        return {
          ...base,
          outcome: "rescheduled",
          isDone: true,
          note: `for ${showInstant(at)} (${showRelative(at, now)})`,
          more: { status: "scheduled", dueAt: DateTime.formatIso(when) }
        }
      }
      const dueAt = Option.flatMap(yield* queue.fetch(id), (job) => job.dueAt)
      return {
        ...base,
        outcome: "unchanged",
        isDone: false,
        note: `it is ${status.value}`,
        more: { status: status.value, dueAt: Option.getOrNull(Option.map(dueAt, DateTime.formatIso)) }
      }
    })).pipe(
      Effect.catchTags({
        InvalidJobError: (error) => misused("reschedule", error.message),
        WireError: (error) => failed(`job ${printable(id)} can't be read: ${error.message}`)
      })
    )
    yield* report([row], { done: "rescheduled", json: options.json, nothing: "" })
  })

export const run = (
  { args, options, verb }: Of<"requeue"> | Of<"cancel"> | Of<"stop"> | Of<"delete"> | Of<"reschedule">
): Effect.Effect<void, Failure> => {
  switch (verb) {
    case "requeue":
      return Effect.scoped(requeue(options, args))
    case "cancel":
    case "stop":
      return Effect.scoped(cancelOrStop(verb, options, args))
    case "delete":
      return Effect.scoped(deleteJobs(options, args))
    case "reschedule":
      return Effect.scoped(reschedule(options, args[0] ?? ""))
  }
}
