/**
 * One run: servers, a fleet, jobs, one fault; then the fleet drains, stops, and what happened is judged by the journals
 * and by what Redis holds.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { RedisService } from "../../src/Redis.js"
import { type Dump, violations } from "./check.js"
import * as Fleet from "./fleet.js"
import { appendTo, Reader } from "./journal.js"
import { produce } from "./produce.js"
import { isLong, isScheduled, type Note, type Plan, type ProcessConfig } from "./protocol.js"
import * as Stage from "./stage.js"

export interface Settings {
  readonly system: Fleet.System
  readonly bundle: Fleet.Bundle
  /** Where logs and journals are written. */
  readonly folder: string
  readonly workers: number
  readonly plan: Plan
  /** Undefined: the defaults of the library. */
  readonly heartbeatMillis?: number
  readonly leaseMillis?: number
  readonly tickMillis?: number
  /** For how long the fleet may take to finish once all is enqueued and the fault is over. */
  readonly drainMillis: number
  /** By what the times of a fault are multiplied. Default: 1. */
  readonly pace?: number
  /** Whether the producer runs in this process, which saves starting one. */
  readonly producesHere?: boolean
}

/** What a fault finds. */
export interface Ground {
  readonly system: Fleet.System
  readonly stage: Stage.Stage
  readonly queue: string
  readonly redis: RedisService
  readonly members: ReadonlyArray<Fleet.Member>
  /** The worker whose scheduler leads. */
  readonly leader: Effect.Effect<Fleet.Member>
  /** A worker that runs something and does not lead. */
  readonly busy: Effect.Effect<Fleet.Member>
  /** How long something lasts that takes so many milliseconds in a run that is not hurried. */
  readonly millis: (usual: number) => number
  /** How long a lease and the memory of a silent worker last. */
  readonly leaseMillis: number
  readonly aliveMillis: number
  /** Jobs that this worker has begun by now may be run again, and why. */
  readonly disturb: (member: Fleet.Member) => void
  /** Says that a worker is not expected to end with 0. */
  readonly gone: (member: Fleet.Member) => void
  /** Something that was tried and looked at, for the report; what is not so is a violation. */
  readonly told: (text: string, holds: boolean) => void
}

export interface Fault {
  readonly name: string
  readonly title: string
  readonly stage: Stage.StageName
  /** Does it, and returns when it is over. */
  readonly act: (ground: Ground) => Effect.Effect<void, unknown>
  /** Why RQ is not measured; undefined: it is. */
  readonly withoutRq?: string
  /** Why jobs of workers that were not disturbed may run again. */
  readonly again?: string
  /** What Redis had acknowledged may be gone, where it was so for no longer than this when the fault began. */
  readonly mayLose?: { readonly why: string; readonly millis: number }
  /** Longer than the usual run. */
  readonly leastSeconds?: number
}

export interface Lateness {
  readonly p50: number
  readonly max: number
}

export interface Report {
  readonly fault: string
  readonly title: string
  readonly system: Fleet.System
  readonly acknowledged: number
  readonly scheduled: number
  readonly promoted: number
  readonly run: number
  readonly late: Lateness
  /** Begun before they were due. */
  readonly early: number
  /** Run twice, and no reason for it. */
  readonly twice: number
  /** Run again because their worker died, or because Redis forgot. */
  readonly again: number
  /** Not run, and not known to Redis as waiting either. */
  readonly lost: number
  /** Not run when the time to drain was over, and known to Redis. */
  readonly stuck: number
  /** Of `lost`: what may be lost by the nature of the fault. */
  readonly lostByNature: number
  /** From the end of the fault until no job was more than a second late. */
  readonly recoveredMillis: number
  /** Calls of the producer that failed and were repeated. */
  readonly repeatedCalls: number
  readonly violations: ReadonlyArray<string>
  readonly told: ReadonlyArray<string>
  readonly seconds: number
}

/** The run could not be made: of what must hold nothing is known. */
export class RunError extends Data.TaggedError("RunError")<{ readonly message: string }> {}

const sleep = (millis: number) => Effect.sleep(millis)

/** Asks again and again until there is an answer. */
const awaitSome = <A>(what: string, limitMillis: number, look: () => A | undefined): Effect.Effect<A> =>
  Effect.gen(function*() {
    const end = performance.now() + limitMillis
    while (true) {
      const found = look()
      if (found !== undefined) return found
      if (performance.now() > end) return yield* Effect.die(new Error(`not within ${limitMillis} ms: ${what}`))
      yield* sleep(10)
    }
  })

/** Which part of the run is over when the fault comes. */
const firstRest = 4

export const execute = (fault: Fault, settings: Settings): Effect.Effect<Report, RunError> =>
  Effect.scoped(Effect.gen(function*() {
    const { bundle, system } = settings
    const begun = performance.now()
    const folder = Path.join(settings.folder, `${fault.name}-${system}`)
    Fs.rmSync(folder, { recursive: true, force: true })
    Fs.mkdirSync(folder, { recursive: true })
    const stage = yield* Stage.start(fault.stage)
    const redis = yield* Stage.connect(stage.direct)
    const queue = "faults"

    const promotedSeen = new Map<string, number>()
    const seenBy = (id: string) => promotedSeen.set(id, (promotedSeen.get(id) ?? 0) + 1)
    const witnesses = yield* Stage.witness(stage, queue, (args, source) => {
      const isPush = system === "RQ" && source !== "lua" && /^[LR]PUSH$/i.test(args[0] ?? "") &&
        args[1] === `rq:queue:${queue}`
      if (isPush && isScheduled(args[2] ?? "")) seenBy(args[2]!)
    })

    const plan: Plan = { ...settings.plan, millis: Math.max(settings.plan.millis, (fault.leastSeconds ?? 0) * 1000) }
    const config = (role: ProcessConfig["role"], name: string) => ({
      role,
      name,
      queue,
      redis: stage.fleet,
      worker: {
        concurrency: 10,
        ...(settings.heartbeatMillis === undefined ? {} : { heartbeatMillis: settings.heartbeatMillis }),
        ...(settings.leaseMillis === undefined ? {} : { leaseMillis: settings.leaseMillis }),
        ...(settings.tickMillis === undefined ? {} : { tickMillis: settings.tickMillis })
      },
      plan
    })
    const spawn = system === "RQ" ? Fleet.spawnRq : Fleet.spawnOurs
    const members = yield* Effect.forEach(
      Array.from({ length: settings.workers }, (_, at) => `worker-${at + 1}`),
      (name) => spawn(bundle, folder, config("worker", name))
    )
    const lookAll = () => {
      for (const member of members) member.look()
    }
    for (const member of members) {
      yield* awaitSome(`${member.name} is up`, 20_000, () => {
        member.look()
        if (!member.isRunning()) throw new Error(`${member.name} ended: ${member.log().slice(-2000)}`)
        const isUp = system === "RQ"
          ? /Listening on/.test(member.log())
          : member.notes.some(({ what }) => what === "born")
        return isUp ? true : undefined
      })
    }

    // Who leads is what the lock says; who has that name, the journal or the pid.
    const leader: Ground["leader"] = Effect.gen(function*() {
      while (true) {
        const holder = yield* Effect.orElseSucceed(
          redis.send<string | null>("GET", `rq:scheduler-lock:${queue}`),
          () => null
        )
        lookAll()
        const found = members.find((member) =>
          system === "RQ"
            ? String(member.pid) === holder
            : member.notes.some((note) => note.what === "born" && note.scheduler === holder)
        )
        if (found !== undefined) return found
        yield* sleep(10)
      }
    })
    /** Whether it has just begun a job that takes long: a signal is in time to cut it off. */
    const hasLongJob = (member: Fleet.Member) => {
      const open = new Set<string>()
      for (const note of member.notes) {
        if (note.what === "start" && isLong(note.id) && Date.now() - note.at < 100) open.add(note.execution)
        if (note.what === "end") open.delete(note.execution)
      }
      return open.size > 0
    }
    yield* leader

    const producerFile = Path.join(folder, "producer.jsonl")
    const producer = settings.producesHere === true && system === "effect-rq"
      ? undefined
      : yield* spawn(bundle, folder, config("producer", "producer"))
    const ownReader = new Reader(producerFile)
    const produced: Array<Note> = []
    const lookAtProducer = () => produced.push(...ownReader.next())
    if (producer === undefined) {
      yield* Effect.forkScoped(produce({ plan, queue, redis: stage.fleet }, appendTo(producerFile)))
    }

    const disturbed = new Map<Fleet.Member, number>()
    const gone = new Set<Fleet.Member>()
    const told: Array<string> = []
    const problems: Array<string> = []
    const ground: Ground = {
      system,
      stage,
      queue,
      redis,
      members,
      leader,
      busy: Effect.gen(function*() {
        const leads = yield* leader
        return yield* awaitSome("somebody who doesn't lead is busy", 20_000, () => {
          lookAll()
          return members.find((member) => member !== leads && member.isRunning() && hasLongJob(member))
        })
      }),
      millis: (usual) => usual * (settings.pace ?? 1),
      leaseMillis: system === "RQ" ? 61_000 : settings.leaseMillis ?? 15_000,
      aliveMillis: (settings.heartbeatMillis ?? 5000) * 4,
      disturb: (member) => disturbed.set(member, Date.now()),
      gone: (member) => gone.add(member),
      told: (text, holds) => {
        told.push(text)
        if (!holds && system !== "RQ") problems.push(`not so: ${text}`)
      }
    }

    yield* awaitSome("the producer has begun", 20_000, () => {
      lookAtProducer()
      return produced.some(({ what }) => what === "acked") ? true : undefined
    })
    yield* sleep(plan.millis / firstRest)
    const faultAt = Date.now()
    yield* fault.act(ground).pipe(
      Effect.timeoutFail({ duration: "3 minutes", onTimeout: () => new Error(`${fault.name} did not end by itself`) })
    )
    const overAt = Date.now()

    // Until all is enqueued, and then until all has run.
    const ended = new Map<string, number>()
    const acked = new Map<string, Extract<Note, { readonly what: "acked" }>>()
    const lookAtAll = () => {
      lookAtProducer()
      for (const note of produced) if (note.what === "acked") acked.set(note.id, note)
      for (const member of members) {
        for (const note of member.look()) indexEnd(note)
      }
    }
    const indexEnd = (note: Note) => {
      if (note.what === "end") ended.set(note.id, Math.min(note.at, ended.get(note.id) ?? Infinity))
    }
    for (const member of members) for (const note of member.notes) indexEnd(note)
    yield* awaitSome("the producer is done", plan.millis + 60_000, () => {
      lookAtAll()
      return produced.some(({ what }) => what === "produced") ? true : undefined
    })
    const counts = Effect.all([
      redis.send<number>("ZCARD", `rq:scheduled:${queue}`),
      redis.send<number>("LLEN", `rq:queue:${queue}`),
      redis.send<number>("ZCARD", `rq:wip:${queue}`)
    ])
    const drainEnd = performance.now() + settings.drainMillis
    while (performance.now() < drainEnd) {
      lookAtAll()
      const missing = [...acked.keys()].filter((id) => !ended.has(id))
      const waiting = yield* Effect.orElseSucceed(counts, () => [1, 1, 1])
      // What Redis has lost is not waited for.
      if (waiting.every((count) => count === 0) && (missing.length === 0 || fault.mayLose !== undefined)) break
      yield* sleep(50)
    }

    for (const member of members) if (member.isRunning()) member.terminate()
    for (const member of members) {
      const end = yield* Effect.promise(() => member.ended).pipe(Effect.timeoutOption("25 seconds"))
      if (end._tag === "None") problems.push(`${member.name} did not stop within 25 s of SIGTERM`)
      else if (!gone.has(member) && end.value.code !== 0) {
        problems.push(`${member.name} ended with ${end.value.code ?? end.value.signal}`)
      }
    }
    lookAtAll()
    const state = yield* Stage.dump(redis)
    return judge({
      fault,
      settings,
      plan,
      state,
      members,
      acked,
      produced,
      disturbed,
      faultAt,
      overAt,
      problems,
      told,
      promotedSeen: system === "RQ" ? promotedSeen : countIds(
        // Of a master and its replicas the one that saw it carried it out.
        witnesses.flatMap(({ promotions }) => promotions.map(({ id }) => id))
      ),
      seconds: (performance.now() - begun) / 1000
    })
  })).pipe(
    Effect.sandbox,
    Effect.mapError((cause) => new RunError({ message: `${fault.name} (${settings.system}): ${Cause.pretty(cause)}` }))
  )

const countIds = (ids: Iterable<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

interface Evidence {
  readonly fault: Fault
  readonly settings: Settings
  readonly plan: Plan
  readonly state: Dump
  readonly members: ReadonlyArray<Fleet.Member>
  readonly acked: ReadonlyMap<string, Extract<Note, { readonly what: "acked" }>>
  readonly produced: ReadonlyArray<Note>
  readonly disturbed: ReadonlyMap<Fleet.Member, number>
  readonly faultAt: number
  readonly overAt: number
  readonly problems: ReadonlyArray<string>
  readonly told: ReadonlyArray<string>
  readonly promotedSeen: ReadonlyMap<string, number>
  readonly seconds: number
}

type Start = Extract<Note, { readonly what: "start" }> & { readonly member: Fleet.Member; readonly end?: number }

/** At most so many of a kind are told by id. */
const shown = 5

const list = (ids: ReadonlyArray<string>): string =>
  `${ids.slice(0, shown).join(", ")}${ids.length > shown ? ` and ${ids.length - shown} more` : ""}`

const judge = (evidence: Evidence): Report => {
  const { acked, disturbed, fault, faultAt, members, overAt, produced, promotedSeen, settings, state } = evidence
  const isOurs = settings.system === "effect-rq"
  const found: Array<string> = [...evidence.problems]

  const starts = new Map<string, Array<Start>>()
  const executions = new Map<string, number>()
  const told: Array<string> = []
  for (const member of members) {
    const ends = new Map(
      member.notes.flatMap((note) => note.what === "end" ? [[note.execution, note.at] as const] : [])
    )
    for (const note of member.notes) {
      if (note.what === "promoted") told.push(...note.ids)
      if (note.what !== "start") continue
      const end = ends.get(note.execution)
      const start: Start = { ...note, member, ...(end === undefined ? {} : { end }) }
      starts.set(note.id, [...starts.get(note.id) ?? [], start])
      executions.set(note.execution, (executions.get(note.execution) ?? 0) + 1)
    }
  }
  const endOf = (id: string): number | undefined => {
    const ends = (starts.get(id) ?? []).flatMap(({ end }) => end ?? [])
    return ends.length === 0 ? undefined : Math.min(...ends)
  }

  const twice: Array<string> = []
  let again = 0
  for (const [id, all] of starts) {
    all.sort((a, b) => a.at - b.at)
    const doubled = all.some(({ execution }) => (executions.get(execution) ?? 0) > 1)
    const unexplained = all.slice(0, -1).filter(({ at, member }) => {
      const when = disturbed.get(member)
      return when === undefined || at > when
    })
    if (all.length === 1) continue
    if ((doubled || unexplained.length > 0) && fault.again === undefined) twice.push(id)
    else again++
  }
  if (twice.length > 0 && isOurs) found.push(`${twice.length} run twice without a reason: ${list(twice)}`)

  const hash = (id: string) => {
    const entry = state[`rq:job:${id}`]
    return entry?.type === "hash" ? entry.value : undefined
  }
  const notRun = [...acked.keys()].filter((id) => endOf(id) === undefined)
  const lost = notRun.filter((id) => !["queued", "scheduled", "started"].includes(hash(id)?.["status"] ?? ""))
  const stuck = notRun.filter((id) => !lost.includes(id))
  const { mayLose } = fault
  const lostByNature = mayLose === undefined
    ? []
    : lost.filter((id) => {
      const { at } = acked.get(id)!
      return hash(id) === undefined && at >= faultAt - mayLose.millis && at <= overAt
    })
  if (isOurs) {
    const really = lost.filter((id) => !lostByNature.includes(id))
    if (really.length > 0) found.push(`${really.length} lost: ${list(really)}`)
    if (stuck.length > 0) found.push(`${stuck.length} not run in time: ${list(stuck)}`)
    found.push(...violations(state, Date.now()))
    const notFinished = [...acked.keys()].filter((id) => !notRun.includes(id) && hash(id)?.["status"] !== "finished")
    // What has run and is not known any more is as lost as the rest of that second.
    const unknown = mayLose === undefined ? notFinished : notFinished.filter((id) => hash(id) !== undefined)
    if (unknown.length > 0) found.push(`${unknown.length} have run and are not finished in Redis: ${list(unknown)}`)
  }

  const lateness: Array<number> = []
  let early = 0
  let recovered = overAt
  for (const [id, { at, due }] of acked) {
    const all = starts.get(id)
    if (all === undefined) continue
    const first = all.find((start) => start.end !== undefined && start.end === endOf(id)) ?? all[0]!
    // What is queued at once is due when Redis says that it has it, if that is later.
    const from = Math.max(due, Math.min(at, first.at))
    lateness.push(Math.max(0, first.at - from))
    if (isScheduled(id) && all.some((start) => start.at < due)) early++
    const end = endOf(id)
    if (end !== undefined && end - from > 1000 + 400) recovered = Math.max(recovered, end)
  }
  lateness.sort((a, b) => a - b)
  if (early > 0 && isOurs) found.push(`${early} begun before they were due`)

  const promotedTold = countIds(told)
  const promoted = new Set([...promotedSeen.keys(), ...promotedTold.keys()])
  const promotedTwice = [...promoted].filter((id) => Math.max(promotedSeen.get(id) ?? 0, promotedTold.get(id) ?? 0) > 1)
  if (isOurs && promotedTwice.length > 0 && fault.again === undefined) {
    found.push(`${promotedTwice.length} promoted twice: ${list(promotedTwice)}`)
  }
  const scheduled = [...acked.keys()].filter(isScheduled)
  const unpromoted = scheduled.filter((id) => !promoted.has(id) && starts.has(id))

  return {
    fault: fault.name,
    title: fault.title,
    system: settings.system,
    acknowledged: acked.size,
    scheduled: scheduled.length,
    // What neither MONITOR nor a scheduler told of was promoted all the same if it ran.
    promoted: scheduled.filter((id) => promoted.has(id)).length + unpromoted.length,
    run: [...starts.keys()].length,
    late: {
      p50: Math.round(lateness[Math.floor(lateness.length / 2)] ?? 0),
      max: Math.round(lateness.at(-1) ?? 0)
    },
    early,
    twice: twice.length,
    again,
    lost: lost.length,
    stuck: stuck.length,
    lostByNature: lostByNature.length,
    recoveredMillis: Math.round(recovered - overAt),
    repeatedCalls: produced.filter(({ what }) => what === "refused").length,
    // What RQ does is measured, not judged.
    violations: isOurs ? found : [],
    told: isOurs ? evidence.told : [...evidence.told, ...found],
    seconds: Math.round(evidence.seconds)
  }
}
