/**
 * Watches what the server does, and says what must not have happened: the state machine, edge by edge, with the rules
 * that no single state shows (see the invariants in the documentation of `Simulation`).
 *
 * It believes no reply. What happened to a job is read from the store after each step.
 *
 * @internal
 */
import type { Admission } from "../../lifecycle/admit.js"
import type { HeartbeatParams } from "../../lifecycle/heartbeat.js"
import type { TurnParams } from "../../lifecycle/turn.js"
import * as Dump from "../../redis-memory/dump.js"
import type { Store } from "../../redis-memory/store.js"
import * as keys from "../../wire/keys.js"
import { violations as stateViolations } from "./state.js"

/** Something that must not have happened. */
export interface Found {
  readonly rule: string
  readonly text: string
}

/** What the watch is told of a step of the server. */
export interface Observed {
  /** The name of the worker, scheduler or producer. */
  readonly actor: string
  /** The name of the script or command. */
  readonly name: string
  readonly params: ReadonlyArray<unknown>
  /** Keys that may have been written. */
  readonly touched: ReadonlySet<string>
  /** The time of the actor's clock when it sent the command. */
  readonly sentAt: number
  readonly now: number
}

/** A job as it was last seen. */
export interface Seen {
  readonly id: string
  readonly queue: string
  readonly status: string
  readonly since: number
  readonly worker: string
  readonly execution: string
  /** In milliseconds, of one that is scheduled. */
  readonly due: number
  /** Until when its execution counts as alive, by the clock of its worker. */
  readonly aliveUntil: number
  readonly expiresAt: number
  /** Whether it is deleted as soon as it has ended. */
  readonly keptNot: boolean
}

/** What is known of one run of a handler. */
export interface Run {
  readonly id: string
  readonly worker: string
  began: boolean
  succeeded: boolean | undefined
}

const waiting = ["queued", "scheduled", "deferred"]
const resting = ["finished", "failed", "stopped", "canceled"]

const from = (froms: ReadonlyArray<string>, to: ReadonlyArray<string>): ReadonlyArray<string> =>
  froms.flatMap((one) => to.map((other) => `${one} -> ${other}`))

/** When the last job that one waits for ends, it is queued; when that one fails it may never be. */
const released = from(["deferred"], ["queued", "scheduled", "started", "canceled"])

/** Which script walks which edge. Every other change of a job's status is a violation. */
const edges: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries({
    enqueue: from(["none"], ["queued"]),
    schedule: from(["none"], ["scheduled"]),
    admit: from(["none", ...waiting, ...resting], waiting),
    promote: from(["scheduled"], ["queued"]),
    turn: [
      ...from(["queued"], ["started"]),
      ...from(["started"], ["started", "finished", "failed", "stopped", "queued", "scheduled", "none"]),
      ...released
    ],
    abandon: [...from(["started"], ["queued", "failed", "none"]), ...released],
    cancel: [...from(waiting, ["canceled"]), ...released],
    delete: [...from([...waiting, ...resting], ["none"]), ...released],
    empty: [...from(["queued"], ["none"]), ...released],
    requeue: [...from(resting, ["queued"]), ...released]
  }).map(([name, allowed]) => [name, new Set(allowed)])
)

/** Keys of which no job's place depends. */
const apart = [
  keys.family.schedulerLock,
  keys.family.worker,
  keys.family.workers,
  keys.workers,
  keys.scheduler(""),
  keys.ownFamily.maintenance,
  keys.ownFamily.handovers,
  keys.ownFamily.tidied,
  keys.ownFamily.firstSeen
]

const jobIdOf = (key: string): string | undefined => {
  const id = key.startsWith(keys.family.job) ? key.slice(keys.family.job.length) : ""
  return id === "" || id.includes(":") ? undefined : id
}

export interface Saved {
  readonly jobs: ReadonlyMap<string, Seen>
  readonly runs: ReadonlyMap<string, Run>
}

export class Watch {
  private jobs = new Map<string, Seen>()
  private readonly dumped: Record<string, Dump.DumpedKey> = {}
  private readonly stale = new Set<string>()
  private readonly runs = new Map<string, Run>()
  private readonly locks = new Map<string, { readonly holder: string; readonly since: number }>()
  private readonly holderBefore = new Map<string, string | undefined>()
  /** The queues of which nothing may be claimed by the step that comes, and why. */
  private readonly heldBack = new Map<string, "suspended" | "paused">()
  /** Until when an id is not accepted again once its job has ended. */
  private readonly uniqueUntil = new Map<string, number>()
  readonly queues = new Set<string>()
  readonly counts = { accepted: 0, promoted: 0, started: 0, ended: 0, abandoned: 0, lost: 0 }

  constructor(
    private readonly store: Store,
    private readonly tell: (actor: string, text: string) => void,
    private readonly onFound: (found: Found) => void
  ) {}

  private text(key: string): string | undefined {
    const entry = this.store.db.get(key)
    return entry?.kind === "string" ? entry.value : undefined
  }

  private score(key: string, member: string): number | undefined {
    const entry = this.store.db.get(key)
    return entry?.kind === "zset" ? entry.value.score(member) : undefined
  }

  /** Before each step. */
  before(now: number): void {
    this.store.db.now = now
    for (const queue of this.queues) this.holderBefore.set(queue, this.text(keys.schedulerLock(queue)))
    this.heldBack.clear()
    if (this.isSuspended()) { for (const queue of this.queues) this.heldBack.set(queue, "suspended") }
    else for (const queue of this.queues) if (this.isPaused(queue)) this.heldBack.set(queue, "paused")
  }

  /** Whether the fleet is suspended. */
  isSuspended(): boolean {
    return this.text(keys.suspended) !== undefined
  }

  isPaused(queue: string): boolean {
    const entry = this.store.db.get(keys.paused)
    return entry?.kind === "set" && entry.value.has(queue)
  }

  after(step: Observed): void {
    let matters = false
    for (const key of step.touched) {
      this.stale.add(key)
      const id = jobIdOf(key)
      if (id !== undefined) this.job(id, step)
      if (key.startsWith(keys.family.schedulerLock)) this.lock(key, step)
      else matters ||= !apart.some((prefix) => key.startsWith(prefix))
    }
    if (step.name === "heartbeat") this.beat(step.params[0] as HeartbeatParams) // the script's own parameters
    if (!matters) return
    // another time for a job changes the sorted set alone
    for (const job of this.jobs.values()) {
      if (job.status === "scheduled" && step.touched.has(keys.scheduled(job.queue))) {
        this.jobs.set(job.id, { ...job, due: this.dueOf(job.id, job.queue) })
      }
    }
    for (const text of stateViolations(this.state(step), step.now)) {
      this.onFound({ rule: "one place", text })
    }
  }

  /** The whole state. Only what was touched, or has expired, is looked at anew. */
  private state(step: Observed): Record<string, Dump.DumpedKey> {
    const { dumped } = this
    for (const key of this.stale) {
      const entry = this.store.db.get(key)
      if (entry === undefined) delete dumped[key]
      else dumped[key] = Dump.dumpKey(entry)
    }
    this.stale.clear()
    for (const key in dumped) {
      const { expiresAt } = dumped[key]! // its own key
      if (expiresAt !== null && expiresAt < step.now) delete dumped[key]
    }
    return dumped
  }

  private dueOf(id: string, queue: string): number {
    return (this.score(keys.scheduled(queue), id) ?? -Infinity) * 1000
  }

  private lock(key: string, step: Observed): void {
    const queue = key.slice(keys.family.schedulerLock.length)
    this.queues.add(queue)
    const holder = this.text(key)
    const before = this.holderBefore.get(queue)
    if (before !== undefined && before !== holder && before !== step.actor) {
      const text = `${step.name} of ${step.actor} took queue ${queue} from ${before}, whose lease had not lapsed`
      this.onFound({ rule: "one scheduler", text })
    }
    if (holder === this.locks.get(queue)?.holder) return
    if (holder === undefined) {
      this.locks.delete(queue)
      this.tell(step.actor, `${step.name}: gives up queue ${queue}`)
    } else {
      this.locks.set(queue, { holder, since: step.now })
      this.tell(step.actor, `${step.name}: ${holder} leads queue ${queue}`)
    }
  }

  /** Who leads a queue and since when, if anybody does. */
  leader(queue: string, now: number): { readonly holder: string; readonly since: number } | undefined {
    this.store.db.now = now
    const holder = this.text(keys.schedulerLock(queue))
    const known = this.locks.get(queue)
    return holder === undefined ? undefined : known?.holder === holder ? known : { holder, since: now }
  }

  private beat(params: HeartbeatParams): void {
    // a beat that had to wait for a connection tells of when it was made
    const aliveUntil = (Number(params.now) + params.aliveSeconds) * 1000
    for (const { execution, id } of params.executions) {
      const job = this.jobs.get(id)
      if (job?.status === "started" && job.execution === execution) {
        this.jobs.set(id, { ...job, aliveUntil })
      }
    }
  }

  private look(id: string, before: Seen | undefined, step: Observed): Seen | undefined {
    const entry = this.store.db.get(keys.job(id))
    if (entry?.kind !== "hash") return undefined
    const field = (name: string) => entry.value.get(name) ?? ""
    const status = field("status")
    const queue = field("origin")
    const execution = status === "started" ? field("execution") : ""
    const same = before?.status === status && before.execution === execution
    const score = this.score(keys.started(queue), `${id}:${execution}`)
    return {
      id,
      queue,
      status,
      since: same ? before.since : step.now,
      worker: status === "started" ? field("worker_name") : "",
      execution,
      due: status === "scheduled" ? this.dueOf(id, queue) : NaN,
      aliveUntil: same ? before.aliveUntil : (score ?? NaN) * 1000,
      expiresAt: entry.expireAt,
      keptNot: field("result_ttl") === "0" || field("failure_ttl") === "0"
    }
  }

  private job(id: string, step: Observed): void {
    const before = this.jobs.get(id)
    const after = this.look(id, before, step)
    if (after === undefined) this.jobs.delete(id)
    else {
      this.jobs.set(id, after)
      this.queues.add(after.queue)
    }
    const was = before?.status ?? "none"
    const is = after?.status ?? "none"
    if (before !== undefined && after === undefined && before.expiresAt < step.now) return
    if (was === is && before?.execution === after?.execution) return
    this.tell(step.actor, `${step.name}: job ${id} ${was} -> ${is}`)
    const found = (rule: string, text: string) =>
      this.onFound({ rule, text: `job ${id} went from ${was} to ${is} by ${step.name} of ${step.actor}: ${text}` })
    if (edges[step.name]?.has(`${was} -> ${is}`) !== true) found("edges", "there is no such edge")
    if (was === "none") this.counts.accepted++
    if (was === "started" && is === "none" && before?.keptNot === false) found("never lost", "it was to be kept")
    if (step.name === "promote" && before !== undefined) this.promoted(before, step, found)
    if (step.name === "abandon" && was === "started" && before !== undefined) {
      this.counts.abandoned++
      if (before.aliveUntil >= step.sentAt) {
        found("dead workers", `its worker ${before.worker} counts as alive until ${before.aliveUntil}`)
      }
    }
    if (step.name === "turn") this.turned(before, after, step, found)
    if (step.name === "admit" && (was === "none" || resting.includes(was))) this.admitted(id, step, found)
    if (is === "started" && after !== undefined) {
      this.counts.started++
      this.runs.set(after.execution, { id, worker: step.actor, began: false, succeeded: undefined })
      if (after.worker !== step.actor) found("claim", `it is said to run on ${after.worker}`)
      const why = this.heldBack.get(after.queue)
      if (why !== undefined) found(why, why === "paused" ? `queue ${after.queue} is paused` : "the fleet is suspended")
    }
  }

  /** A job of an id came that had none, or whose last one had ended. */
  private admitted(id: string, step: Observed, found: (rule: string, text: string) => void): void {
    const { window } = step.params[0] as Admission // the script's own parameters
    if (window === undefined) return
    const until = this.uniqueUntil.get(id) ?? -Infinity
    if (step.now < until) {
      found("unique", `no other job of this id was to be accepted for another ${until - step.now} ms`)
    }
    this.uniqueUntil.set(id, window < 0 ? Infinity : step.now + window * 1000)
  }

  private promoted(before: Seen, step: Observed, found: (rule: string, text: string) => void): void {
    this.counts.promoted++
    if (before.due > step.sentAt) found("never early", `${before.due - step.sentAt} ms before it was due`)
    const holder = this.holderBefore.get(before.queue)
    if (holder !== step.actor) {
      found("one scheduler", `the queue was led by ${holder ?? "nobody"}`)
    }
  }

  private turned(
    before: Seen | undefined,
    after: Seen | undefined,
    step: Observed,
    found: (rule: string, text: string) => void
  ): void {
    if (before?.status !== "started") return
    this.counts.ended++
    const { ended } = step.params[0] as TurnParams // the script's own parameters
    const mine = ended.find(({ execution, id }) => id === before.id && execution === before.execution)
    if (before.worker !== step.actor || mine === undefined) {
      found("lost executions", `execution ${before.execution} of ${before.worker} is the current one`)
    }
    const run = this.runs.get(before.execution)
    if (after?.status === "finished" && run?.succeeded !== true) found("finished", "its handler did not succeed")
  }

  /** A handler begins to run. */
  began(actor: string, id: string, execution: string): void {
    const run = this.runs.get(execution)
    this.tell(actor, `runs job ${id}`)
    if (run === undefined || run.id !== id || run.worker !== actor) {
      this.onFound({ rule: "claim", text: `${actor} runs job ${id} by execution ${execution}, which it did not claim` })
    } else if (run.began) {
      this.onFound({ rule: "claim", text: `${actor} runs execution ${execution} of job ${id} a second time` })
    } else {
      run.began = true
    }
  }

  hasBegun(execution: string): boolean {
    return this.runs.get(execution)?.began === true
  }

  /** Which job an execution that was claimed is of. */
  runOf(execution: string): { readonly id: string } | undefined {
    return this.runs.get(execution)
  }

  ended(execution: string, succeeded: boolean): void {
    const run = this.runs.get(execution)
    if (run !== undefined) run.succeeded = succeeded
  }

  get all(): IterableIterator<Seen> {
    return this.jobs.values()
  }

  /** What is gone that had to be there. */
  lookForLost(now: number): void {
    this.store.db.now = now
    for (const job of this.jobs.values()) {
      if (this.store.db.get(keys.job(job.id)) !== undefined) continue
      if (job.expiresAt >= now) {
        this.onFound({ rule: "never lost", text: `job ${job.id}, which was ${job.status}, is gone` })
      }
      this.jobs.delete(job.id)
    }
  }

  save(): Saved {
    const runs = Array.from(this.runs, ([execution, run]) => [execution, { ...run }] as const)
    return { jobs: new Map(this.jobs), runs: new Map(runs) }
  }

  /** All is again as it was then. The store has been put back. */
  restore(saved: Saved): void {
    this.jobs = new Map(saved.jobs)
    this.runs.clear()
    for (const [execution, run] of saved.runs) this.runs.set(execution, { ...run })
    this.locks.clear()
    this.uniqueUntil.clear()
    this.forget()
  }

  /** Looks at all keys anew. */
  private forget(): void {
    for (const key in this.dumped) this.stale.add(key)
    for (const [key] of this.store.db.alive()) this.stale.add(key)
  }

  /** The server came back as it was then: what happened since may be lost, and nothing else. */
  rewind(saved: Saved): void {
    for (const id of this.jobs.keys()) if (!saved.jobs.has(id)) this.counts.lost++
    this.jobs = new Map(saved.jobs)
    this.forget()
    this.locks.clear()
    for (const run of this.runs.values()) run.began = false
    // the windows may be lost with the jobs
    this.uniqueUntil.clear()
  }
}
