/**
 * Tells the life of a job from the facts. What the facts don't tell is said to be unknown.
 *
 * @internal
 */
import { iso, span } from "../internal/times.js"
import type * as Journal from "../wire/journal.js"
import type { ResultRecord } from "../wire/result.js"
import type { Facts } from "./facts.js"

export type ReasonKind =
  /** It was meant to wait so long. */
  | "scheduled"
  /** It was scheduled for a time that had passed. */
  | "past"
  /** Schedulers look once a second when nothing tells them of what is due. */
  | "tick"
  | "no-leader"
  | "takeover"
  | "paused"
  | "suspended"
  | "no-worker"
  | "busy"
  | "backlog"
  | "back-off"
  | "repeat"
  | "requeue"
  | "dependency"
  | "clock"
  | "unknown"

export interface Reason {
  readonly kind: ReasonKind
  readonly message: string
}

export type MomentKind =
  | "created"
  | "due"
  | "promoted"
  | "queued"
  | "started"
  | "succeeded"
  | "failed"
  | "retried"
  | "abandoned"
  | "stopped"
  | "canceled"
  /** A run has ended, and how can't be read. */
  | "unreadable"

export interface Moment {
  readonly what: MomentKind
  /** In milliseconds since 1970; undefined where it is not kept. */
  readonly at: number | undefined
  /** The scheduler that promoted it, the worker that runs it. */
  readonly by: string | undefined
  readonly detail: string
  /** Why it came that long after the moment before. */
  readonly reasons: ReadonlyArray<Reason>
}

export interface Story {
  readonly moments: ReadonlyArray<Moment>
  /** What it waits for now. */
  readonly waitsFor: ReadonlyArray<Reason>
}

/** What is quicker than this needs no reason, in milliseconds. */
const soon = 100

/** The scheduler's tick, and what a call may take. */
const tick = 1100

const reason = (kind: ReasonKind, message: string): Reason => ({ kind, message })

const many = (count: number, one: string, more: string): string => count === 1 ? one : `${count} ${more}`

/** When somebody led. */
interface Term {
  readonly scheduler: string
  readonly from: number
  /** When it ended as far as is known: it said so, or the next one was elected. */
  readonly to: number | undefined
  readonly resigned: boolean
  readonly leaseMillis: number | undefined
}

const termsOf = (journal: ReadonlyArray<Journal.JournalEntry>): ReadonlyArray<Term> => {
  const terms: Array<Term> = []
  const close = (at: number, resigned: boolean) => {
    const last = terms.at(-1)
    if (last !== undefined && last.to === undefined) terms[terms.length - 1] = { ...last, to: at, resigned }
  }
  for (const entry of journal) {
    if (entry._tag === "Resigned") close(entry.at, true)
    if (entry._tag !== "Elected" && entry._tag !== "Seen") continue
    close(entry.at, false)
    terms.push({
      scheduler: entry.scheduler,
      from: entry.at,
      to: undefined,
      resigned: false,
      leaseMillis: entry._tag === "Elected" ? entry.leaseMillis : undefined
    })
  }
  return terms
}

const leaderAt = (terms: ReadonlyArray<Term>, at: number): Term | undefined =>
  terms.findLast(({ from, to }) => from <= at && (to === undefined || at < to))

interface Interval {
  readonly from: number
  readonly to: number
}

/** When something was held up: from one entry to the next that ends it, or until now. */
const intervalsOf = (
  entries: ReadonlyArray<Journal.JournalEntry>,
  begins: "Paused" | "Suspended",
  ends: "Unpaused" | "Resumed",
  now: number
): ReadonlyArray<Interval> => {
  const out: Array<Interval> = []
  let open: { from: number; until: number } | undefined
  const close = (at: number) => {
    if (open !== undefined) out.push({ from: open.from, to: Math.min(at, open.until) })
    open = undefined
  }
  for (const entry of entries) {
    if (entry._tag === begins) {
      close(entry.at)
      open = { from: entry.at, until: entry._tag === "Suspended" ? entry.until ?? Infinity : Infinity }
    } else if (entry._tag === ends) {
      close(entry.at)
    }
  }
  close(now)
  return out
}

const overlaps = (interval: Interval, from: number, to: number): boolean => interval.from < to && interval.to > from

export const tell = (facts: Facts): Story => {
  const { job, now } = facts
  const queue = job?.origin ?? ""
  const terms = termsOf(facts.journal)
  const paused = intervalsOf(facts.journal, "Paused", "Unpaused", now)
  const suspended = intervalsOf(facts.fleet, "Suspended", "Resumed", now)

  /** Why something due was promoted at that time. */
  const whyLate = (due: number, promoted: number): ReadonlyArray<Reason> => {
    const reasons: Array<Reason> = []
    let since = due
    const created = job?.createdAt
    if (created !== undefined && created - due > soon) {
      reasons.push(reason("past", `it was scheduled for a time that had passed ${span(created - due)} ago`))
      since = created
    }
    const late = promoted - since
    if (late <= soon) return reasons
    const began = terms.find(({ from }) => from > since && from <= promoted)
    if (began === undefined) {
      if (late <= tick) {
        return [...reasons, reason("tick", "the scheduler looks once a second for what it was not told of")]
      }
      const leader = leaderAt(terms, since)
      return [
        ...reasons,
        reason(
          "unknown",
          leader === undefined
            ? `who led ${queue} at that time is not known`
            : `${leader.scheduler} led ${queue} all the time; why it was late is not kept`
        )
      ]
    }
    const before = terms.findLast(({ from }) => from <= since)
    if (before === undefined) {
      reasons.push(reason(
        "no-leader",
        `no scheduler is known to have led ${queue} until ${began.scheduler} was elected at ${iso(began.from)}`
      ))
    } else if (before.resigned && before.to !== undefined && before.to < began.from) {
      reasons.push(reason(
        "no-leader",
        `no scheduler led ${queue} from ${
          iso(before.to)
        }, when ${before.scheduler} stopped, until ${began.scheduler} was ` +
          `elected at ${iso(began.from)}`
      ))
    } else {
      reasons.push(reason(
        "takeover",
        `${before.scheduler} led ${queue} and was gone without a farewell; ${began.scheduler} took over at ${
          iso(began.from)
        }${before.leaseMillis === undefined ? "" : `, when its lease of ${span(before.leaseMillis)} had lapsed`}`
      ))
    }
    if (promoted - began.from > tick) {
      reasons.push(reason(
        "unknown",
        `${began.scheduler} led for ${span(promoted - began.from)} before it promoted it; why is not kept`
      ))
    }
    return reasons
  }

  /** Why a job that was in its queue was not started before. */
  const whyWaited = (from: number, to: number, worker: string | undefined): ReadonlyArray<Reason> => {
    if (to < from) {
      return [reason("clock", `the clocks of the hosts that wrote the two times differ by ${span(from - to)} or more`)]
    }
    if (to - from <= soon) return []
    const reasons: Array<Reason> = []
    for (const interval of paused) {
      if (!overlaps(interval, from, to)) continue
      reasons.push(reason(
        "paused",
        `${queue} was paused from ${iso(interval.from)}${interval.to >= now ? "" : ` to ${iso(interval.to)}`}`
      ))
    }
    for (const interval of suspended) {
      if (!overlaps(interval, from, to)) continue
      reasons.push(reason(
        "suspended",
        `all workers were suspended from ${iso(interval.from)}${interval.to >= now ? "" : ` to ${iso(interval.to)}`}`
      ))
    }
    const born = facts.births.get(worker ?? "")
    if (born !== undefined && born > from) {
      const all = facts.workers.every((one) => one.born !== undefined && one.born > from)
      reasons.push(reason(
        "no-worker",
        `worker ${worker}, which took it, was started at ${iso(born)}${
          all ? `; no worker of ${queue} that is known now was there before` : ""
        }`
      ))
    }
    const backlog =
      facts.neighbours.filter(({ enqueuedAt, startedAt }) =>
        startedAt !== undefined && startedAt >= from && startedAt <= to && enqueuedAt !== undefined &&
        enqueuedAt <= from
      ).length
    if (backlog > 0) {
      reasons.push(reason(
        "backlog",
        `${many(backlog, "a job", "jobs")} of ${queue} that ${backlog === 1 ? "was" : "were"} queued before it ${
          backlog === 1 ? "was" : "were"
        } started first, of those that are kept`
      ))
    }
    const busy =
      facts.neighbours.filter(({ endedAt, startedAt }) =>
        startedAt !== undefined && startedAt < from && (endedAt === undefined || endedAt > from)
      ).length
    if (busy > 0) {
      reasons.push(reason(
        "busy",
        `${many(busy, "a job", "jobs")} of ${queue} ran already when it was queued, of those that are kept`
      ))
    }
    return reasons.length > 0
      ? reasons
      : [
        reason(
          "unknown",
          "what the workers did meanwhile is not kept; one that stops leaves no trace of what it gives back"
        )
      ]
  }

  const moments: Array<Moment> = []
  const add = (moment: Omit<Moment, "reasons">, reasons: ReadonlyArray<Reason> = []) => {
    moments.push({ ...moment, reasons })
  }

  /** A run that has ended, and what comes of that. */
  const endOf = (run: Run) => {
    const isAbandoned = /^(?:Moved to FailedJobRegistry, due to )?AbandonedJobError/.test(run.text ?? "")
    const what: MomentKind = isAbandoned
      ? "abandoned"
      // RQ has a type of its own for it, and writes another one
      : run.text?.startsWith("Job stopped by user") === true
      ? "stopped"
      : run.type === "successful"
      ? "succeeded"
      : run.type === "retried" || run.type === "stopped" || run.type === "unreadable"
      ? run.type
      : "failed"
    const detail = isAbandoned
      ? `its worker was dead, and it was taken away: ${run.type === "retried" ? "it runs again" : "it has failed"}`
      : what === "succeeded"
      ? "succeeded"
      : `${what === "retried" ? "failed, and is tried again" : what}${
        run.text === undefined ? "" : `: ${gist(run.text)}`
      }`
    const told = what === "unreadable"
      ? `ended, and how can't be read: ${run.problem ?? "nothing says it"}`
      : run.problem === undefined
      ? detail
      : `${detail} (not all that is kept of it can be read: ${run.problem})`
    add({ what, at: run.endedAt, by: run.worker, detail: told })
  }

  const runs = runsOf(facts)
  if (job === undefined) {
    for (const run of runs) {
      if (run.startedAt !== undefined) add({ what: "started", at: run.startedAt, by: run.worker, detail: "started" })
      endOf(run)
    }
    return { moments, waitsFor: [] }
  }

  const { createdAt, enqueuedAt, status } = job
  const dueField = job.other.get("due_at")
  const dueAt = dueField === undefined ? undefined : Number(dueField) * 1000
  const isCurrent = status === "started" || status === "finished" || status === "failed" || status === "stopped"
  /** Before which run it was last queued. Being scheduled again leaves that time as it was. */
  const queuedBefore = enqueuedAt === undefined ? -1 : Math.min(
    runs.filter(({ endedAt }) => endedAt !== undefined && endedAt <= enqueuedAt).length,
    isCurrent || status === "scheduled" ? Math.max(0, runs.length - 1) : runs.length
  )

  const { failures, lost, repeats } = attemptsOf(facts, runs)

  /** Of a job that is to run again the last run is known, whatever it has left. */
  const isLastRun = (run: Run | undefined): boolean =>
    !isCurrent && run?.endedAt !== undefined && job.endedAt !== undefined && Math.abs(run.endedAt - job.endedAt) <= 1

  /** Why it was to run again, and when; `previous` is the last run before that left a trace. */
  const whyAgain = (previous: Run | undefined, at: number): ReadonlyArray<Reason> => {
    if (lost > 0 && !isLastRun(previous) && previous?.type !== "retried") {
      return failures === 0 && repeats > 0
        ? [reason("repeat", "it repeats; when the run before has ended is not kept")]
        : [reason("unknown", "the run before has left no trace")]
    }
    if (previous?.endedAt === undefined) return []
    const pause = at - previous.endedAt
    if (previous.type === "retried") {
      const isInterval = job.retryIntervals?.includes(Math.round(pause / 1000)) === true
      return [
        reason(
          "back-off",
          `the pause before the next try is ${span(pause)}${
            isInterval ? ", as its retry intervals say" : pause > soon ? ", as its worker said" : ""
          }`
        )
      ]
    }
    if (previous.type === "successful" && job.repeatsLeft !== undefined) {
      return [
        reason("repeat", pause <= soon ? atOnce : `it repeats, and the pause before the next time is ${span(pause)}`)
      ]
    }
    return [reason("requeue", "somebody queued it again")]
  }

  const isFirst = (previous: Run | undefined): boolean => previous === undefined && lost === 0

  const addQueued = (previous: Run | undefined) => {
    if (enqueuedAt === undefined) return
    const promoted = dueAt !== undefined && dueAt <= enqueuedAt + 1
    if (promoted) {
      add(
        { what: "due", at: dueAt, by: undefined, detail: "due" },
        !isFirst(previous)
          ? whyAgain(previous, dueAt)
          : createdAt !== undefined && dueAt - createdAt > soon
          ? [reason("scheduled", `it was scheduled for that time, ${span(dueAt - createdAt)} ahead`)]
          : []
      )
      const term = leaderAt(terms, enqueuedAt)
      add({
        what: "promoted",
        at: enqueuedAt,
        by: term?.scheduler,
        detail: `promoted into ${queue}, ${span(Math.max(0, enqueuedAt - dueAt))} late${
          term === undefined ? "; who led then is not known" : ""
        }`
      }, whyLate(dueAt, enqueuedAt))
      return
    }
    const waited = facts.parents.length > 0 && isFirst(previous)
    add(
      {
        what: "queued",
        at: enqueuedAt,
        by: undefined,
        detail: waited ? `released into ${queue}` : `queued in ${queue}`
      },
      !isFirst(previous)
        ? whyAgain(previous, enqueuedAt)
        : waited
        ? facts.parents.map(({ endedAt, id, status }) =>
          reason(
            "dependency",
            status === undefined
              ? `it waited for ${id}, which is gone: when it ended is not kept`
              : `it waited for ${id}, which is ${status}${endedAt === undefined ? "" : ` since ${iso(endedAt)}`}`
          )
        )
        : createdAt !== undefined && enqueuedAt - createdAt > soon
        ? [reason("unknown", "a scheduler of RQ has promoted it, or somebody has queued it again: which is not kept")]
        : []
    )
  }

  add({
    what: "created",
    at: createdAt,
    by: undefined,
    detail: status === "scheduled" && runs.length === 0
      ? "created, and scheduled"
      : facts.parents.length > 0
      ? `created, to wait for ${facts.parents.map(({ id }) => id).join(", ")}`
      : "created"
  })
  for (const [index, run] of runs.entries()) {
    const previous = runs[index - 1]
    if (index === queuedBefore) addQueued(previous)
    const last = moments.at(-1)
    const isQueuedBefore = last?.what === "promoted" || last?.what === "queued"
    if (run.startedAt !== undefined) {
      add(
        { what: "started", at: run.startedAt, by: run.worker, detail: "started" },
        isQueuedBefore || last?.what === "abandoned"
          ? last.at === undefined ? [] : whyWaited(last.at, run.startedAt, run.worker)
          : previous === undefined
          ? [reason("unknown", "when it was queued for this run is not kept, since it was queued again later")]
          : whyNext(facts, runs, index, run.startedAt)
      )
    }
    if (run.type !== "running") endOf(run)
  }
  if (queuedBefore >= runs.length) addQueued(runs.at(-1))

  const waitsFor: Array<Reason> = []
  const lastMoment = moments.at(-1)
  switch (status) {
    case "scheduled": {
      const { due } = facts
      const previous = runs.at(-1)
      if (due === undefined) {
        waitsFor.push(reason("unknown", "nothing says when it is due: effect-rq doctor tells more"))
        break
      }
      add(
        { what: "due", at: due, by: undefined, detail: due > now ? "will be due" : "due, and not promoted" },
        !isFirst(previous)
          ? whyAgain(previous, due)
          : createdAt === undefined || due - createdAt <= soon
          ? []
          : [reason("scheduled", `it is scheduled for that time, ${span(due - createdAt)} ahead`)]
      )
      if (facts.leader === undefined) {
        waitsFor.push(reason("no-leader", `no scheduler leads ${queue} now: it will not be promoted`))
      } else if (due > now) {
        waitsFor.push(reason("scheduled", `it is due in ${span(due - now)}; ${facts.leader} leads ${queue}`))
      } else {
        waitsFor.push(reason(
          now - due <= tick ? "tick" : "unknown",
          now - due <= tick
            ? `${facts.leader} promotes it at its next tick`
            : `it is late by ${span(now - due)} although ${facts.leader} leads ${queue}; why is not known`
        ))
      }
      break
    }
    case "queued": {
      if (facts.isPaused) waitsFor.push(reason("paused", `${queue} is paused`))
      if (facts.suspended !== undefined) {
        const { until } = facts.suspended
        waitsFor.push(
          reason("suspended", `all workers are suspended${until === undefined ? "" : ` until ${iso(until)}`}`)
        )
      }
      if (facts.workers.length === 0) waitsFor.push(reason("no-worker", `no worker listens on ${queue}`))
      if (facts.ahead !== undefined && facts.ahead > 0) {
        waitsFor.push(reason("backlog", `${many(facts.ahead, "one job is", "jobs are")} ahead of it in ${queue}`))
      }
      const busy = facts.neighbours.filter(({ endedAt, startedAt }) => startedAt !== undefined && endedAt === undefined)
      if (busy.length > 0) {
        waitsFor.push(
          reason(
            "busy",
            `${many(busy.length, "one job of", "jobs of")} ${queue} ${busy.length === 1 ? "runs" : "run"} now`
          )
        )
      }
      if (waitsFor.length === 0) {
        waitsFor.push(reason("unknown", "a worker is about to take it, or does not: which is not known"))
      }
      break
    }
    case "deferred":
      for (const { id, status } of facts.parents) {
        if (status === "finished") continue
        waitsFor.push(reason(
          "dependency",
          status === undefined ? `it waits for ${id}, which is gone` : `it waits for ${id}, which is ${status}`
        ))
      }
      if (waitsFor.length === 0) {
        waitsFor.push(reason("unknown", "nothing is known that it would wait for: effect-rq doctor tells more"))
      }
      break
    case "canceled":
      if (lastMoment?.what !== "canceled") {
        add({ what: "canceled", at: job.endedAt, by: undefined, detail: "canceled" })
      }
      break
  }
  if (lost > 0) {
    // the last run is always known, so they came before it and before the wait for it
    const started = moments.findLastIndex(({ what }) => what === "started")
    const waited = (started < 0 ? moments : moments.slice(0, started)).findLastIndex(({ what }) =>
      what === "due" || what === "queued"
    )
    const place = waited < 0 ? started : waited
    const moment = moments[place]
    if (moment !== undefined) {
      const runs = lost === 1 ? "an earlier run has" : `${lost} earlier runs have`
      moments[place] = { ...moment, reasons: [...moment.reasons, reason("unknown", `${runs} left no trace`)] }
    }
  }
  return { moments, waitsFor }
}

interface Run {
  readonly type: ResultRecord["type"] | "running" | "unreadable"
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  readonly worker: string | undefined
  readonly text: string | undefined
  /** Why some of it can't be read. */
  readonly problem?: string | undefined
}

/** What went wrong, on one line: a traceback of Python tells it in its last, a cause of Effect in its first. */
const gist = (text: string): string => {
  const lines = text.trim().split("\n")
  const line = (text.startsWith("Traceback ") ? lines.at(-1) : lines[0]) ?? ""
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

/** The runs that are kept, and the last one that only the job itself tells of. */
const runsOf = ({ job, runs }: Facts): ReadonlyArray<Run> => {
  const out = runs.map((run): Run => ({
    type: run.type ?? "unreadable",
    startedAt: run.startedAt,
    endedAt: run.endedAt ?? run.createdAt,
    worker: run.workerName,
    text: run.excString,
    problem: run.problem?.message
  }))
  if (job?.startedAt === undefined) return out
  const last = runs.at(-1)
  const execution = job.other.get("execution")
  const isKept = last !== undefined && (
    execution !== undefined && last.executionId !== undefined
      ? execution === last.executionId
      : last.startedAt !== undefined && Math.abs(last.startedAt - job.startedAt) < 1500
  )
  if (isKept) return out
  const type = job.status === "started"
    ? "running"
    : job.status === "failed" || job.status === "stopped"
    ? job.status
    : "successful"
  // a job that runs again for another reason than success leaves an entry
  if (type === "successful" && job.endedAt === undefined) return out
  return [...out, {
    type,
    startedAt: job.startedAt,
    endedAt: type === "running" ? undefined : job.endedAt,
    worker: job.workerName,
    text: undefined
  }]
}

const atOnce = "it repeats, without a pause"

interface Attempts {
  /** Runs that were to be followed by another: since they failed, and since it repeats. */
  readonly failures: number
  readonly repeats: number
  /** How many runs are counted and have left no trace. */
  readonly lost: number
  /** Whether every run that is kept is counted: nobody has queued it again. */
  readonly isAll: boolean
}

const attemptsOf = ({ job }: Facts, runs: ReadonlyArray<Run>): Attempts => {
  const failures = Number(job?.other.get("failed_attempts") ?? 0)
  const repeats = Number(job?.other.get("repeat_count") ?? 0)
  const { status } = job ?? {}
  const isLast = status === "started" || status === "finished" || status === "failed" || status === "stopped"
  const counted = failures + repeats + (isLast ? 1 : 0)
  return { failures, repeats, lost: Math.max(0, counted - runs.length), isAll: counted === runs.length }
}

/** What is left of the time between two runs, in milliseconds. */
const startedLater = (rest: number | undefined): ReadonlyArray<Reason> =>
  rest !== undefined && rest > tick
    ? [reason("unknown", `it was started ${span(rest)} after that; why is not kept`)]
    : []

/** It succeeded and was to run again, which is all that happened to it. */
const whyRepeated = (
  intervals: ReadonlyArray<number>,
  previous: Run,
  before: ReadonlyArray<Run>,
  startedAt: number
): ReadonlyArray<Reason> => {
  const nth = before.filter(({ type }) => type === "successful").length
  // beyond the end of the list its last one stands
  const pause = (intervals[Math.min(nth, intervals.length) - 1] ?? 0) * 1000
  return [
    reason(
      "repeat",
      pause === 0 ? atOnce : `the pause before this repetition is ${span(pause)}, as its repeat intervals say`
    ),
    ...startedLater(previous.endedAt === undefined ? undefined : startedAt - previous.endedAt - pause)
  ]
}

/** Between two runs of which the later was not the last: of these nothing but the intervals is kept. */
const whyNext = (facts: Facts, runs: ReadonlyArray<Run>, index: number, startedAt: number): ReadonlyArray<Reason> => {
  const { job } = facts
  const before = runs.slice(0, index)
  const previous = before.at(-1)
  if (previous?.type === "successful" && attemptsOf(facts, runs).isAll) {
    return whyRepeated(job?.repeatIntervals ?? [], previous, before, startedAt)
  }
  if (previous?.type !== "retried") return [reason("unknown", "when it was queued for this run is not kept")]
  const failures = before.filter(({ type }) => type === "retried").length
  const intervals = job?.retryIntervals ?? []
  const max = (job?.retriesLeft ?? 0) + Number(job?.other.get("failed_attempts") ?? 0)
  // counted from the end, as RQ does
  const at = intervals.length - (max - failures + 1)
  const pause = intervals[Math.min(Math.max(at, 0), intervals.length - 1)]
  const rest = previous.endedAt === undefined || pause === undefined
    ? undefined
    : startedAt - previous.endedAt - pause * 1000
  return pause === undefined
    ? [reason("unknown", "what it waited for before this try is not kept")]
    : [
      reason("back-off", `the pause before this try is ${span(pause * 1000)}, as its retry intervals say`),
      ...startedLater(rest)
    ]
}
