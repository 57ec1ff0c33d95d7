/**
 * Looks at a sample of a live Redis, and again at what seems to be wrong.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { check } from "../invariants/check.js"
import { stuckIntermediate } from "../invariants/jobs.js"
import type { HandoverView, JobView, Place, QueueView, State } from "../invariants/state.js"
import { type Violation, violation } from "../invariants/violation.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as keys from "../wire/keys.js"
import * as Suspension from "../wire/suspension.js"
import { areAlive, deep, type Hint, lookAtJobs, lookAtQueue, shallow, typedKeys, typesOf } from "./look.js"
import { draw, membersOf, most, orWhenWrongType, type Sample } from "./sample.js"
import { examineServer } from "./server.js"

/** How many jobs one call looks at. */
const callSize = 50

/** How many ids that were not found in passing are looked for one by one. */
const mostDeep = 100

/** A list of more ids than this is neither read as a whole nor searched. */
const longest = 2 * deep

export interface Examined {
  readonly violations: ReadonlyArray<Violation>
  readonly jobs: number
  /** Of how many jobs it can't be said whether they are lost: their queue is too long. */
  readonly unverified: number
  readonly queues: number
  readonly sawAll: boolean
}

/** What makes a finding the same at a second look. */
const identity = ({ code, job, key, queue, worker }: Violation): string =>
  JSON.stringify([code, job, queue, worker, key])

const isAskedFor = (job: JobView, queues: ReadonlySet<string> | undefined): boolean =>
  queues === undefined || job.origin !== undefined && queues.has(job.origin) ||
  job.places.some(({ queue }) => queues.has(queue))

const isUnverified = ({ complete, places, type }: JobView): boolean =>
  !complete && type !== "none" && places.length === 0

/** Queues that were asked for and that nothing shows a trace of: a name that is mistyped must not pass for healthy. */
const unknownQueues = (state: State, asked: ReadonlySet<string> | undefined): ReadonlyArray<Violation> =>
  asked === undefined ? [] : state.queues.flatMap((queue) => {
    const { handovers, isListed, isPaused, lock, name, queued, scheduled, started, workers } = queue
    const isUsed = isListed || isPaused || lock !== undefined || queued + scheduled + started > 0 ||
      workers.length + handovers.length > 0 ||
      state.jobs.some(({ places }) => places.some((place) => place.queue === name))
    return isUsed || !asked.has(name) ? [] : [violation({
      code: "unknown-queue",
      severity: "warning",
      queue: name,
      message: `nobody has used a queue called ${name} yet`,
      remedy: "effect-rq info lists those that there are"
    })]
  })

export const make = (redis: Redis.RedisService) => {
  const lookSome = redis.eval(lookAtJobs)
  const lookQueue = redis.eval(lookAtQueue)
  const aliveSome = redis.eval(areAlive)
  const typesOfSome = redis.eval(typesOf)

  const lookAt = (hints: ReadonlyArray<Hint>, depth: number): Effect.Effect<ReadonlyArray<JobView>, Redis.RedisError> =>
    Effect.gen(function*() {
      const size = depth === shallow ? callSize : 1
      const out: Array<JobView> = []
      for (let i = 0; i < hints.length; i += size) {
        const some = hints.slice(i, i + size)
        const rows = yield* lookSome({ hints: some, depth })
        out.push(...rows(some, yield* Clock.currentTimeMillis))
      }
      return out
    })

  const livesOf = (names: ReadonlyArray<string>) =>
    Effect.map(
      names.length === 0 ? Effect.succeed([]) : aliveSome(names),
      (lives) => names.map((name, index) => ({ name, lives: lives[index] === true }))
    )

  /** How often each id is in the list, read in parts; while it is in motion an id may be missed or seen twice. */
  const readList = (queue: string) =>
    Effect.gen(function*() {
      const ids = new Map<string, number>()
      for (let at = 0; at < longest; at += 1000) {
        const some = yield* redis.send<ReadonlyArray<string>>("LRANGE", keys.queue(queue), at, at + 999)
        for (const id of some) ids.set(id, (ids.get(id) ?? 0) + 1)
        if (some.length < 1000) break
      }
      return ids
    }).pipe(orWhenWrongType<ReadonlyMap<string, number>>(new Map()))

  /** The lists that are too long to be looked through for each job, and not too long to be read once. */
  const readLists = (queues: ReadonlyArray<QueueView>) =>
    Effect.gen(function*() {
      const lists = new Map<string, ReadonlyMap<string, number>>()
      let left = 2 * longest
      for (const { name, queued } of queues) {
        if (queued <= 2 * shallow || queued > Math.min(longest, left)) continue
        left -= queued
        lists.set(name, yield* readList(name))
      }
      return lists
    })

  /**
   * Jobs that stand in the middle of a long list were not found in passing; nor was it seen that one stands there twice.
   */
  const lookHarder = (jobs: ReadonlyArray<JobView>, hints: ReadonlyArray<Hint>, queues: ReadonlyArray<QueueView>) =>
    Effect.gen(function*() {
      const lists = yield* readLists(queues)
      const lengths = new Map(queues.map(({ name, queued }) => [name, queued]))
      const out = new Map(jobs.map((job) => [job.id, job]))
      const toFind = new Map<string, Hint>()
      for (const [index, job] of jobs.entries()) {
        if (!isUnverified(job)) continue
        const queue = job.origin ?? ""
        if (job.status === "queued" && lists.get(queue)?.has(job.id) === true) {
          const place = { kind: "queue", queue, key: keys.queue(queue), at: undefined, execution: undefined } as const
          out.set(job.id, { ...job, complete: true, places: [place] })
        } else if (job.status !== "queued" || (lengths.get(queue) ?? 0) <= longest) {
          toFind.set(job.id, hints[index]!) // one view for each hint
        }
      }
      for (const [queue, list] of lists) {
        for (const [id, times] of list) {
          if (times > 1) toFind.set(id, { id, queues: [queue], executions: [] })
        }
      }
      const found = yield* lookAt([...toFind.values()].slice(0, mostDeep), deep)
      for (const job of found) out.set(job.id, job)
      return [...out.values()]
    })

  /** Jobs in lists of workers that maintenance does not know of: only who comes across the key sees these. */
  const inHandovers = (jobs: ReadonlyArray<JobView>, queues: ReadonlyArray<QueueView>) =>
    Effect.gen(function*() {
      if (!jobs.some(({ places, status }) => status === "queued" && places.length === 0)) return jobs
      const found = new Map<string, Place>()
      for (const { handovers, name: queue } of queues) {
        for (const { key, length } of handovers) {
          if (length === 0) continue
          const ids = yield* redis.send<ReadonlyArray<string>>("LRANGE", key, 0, 999)
          for (const id of ids) found.set(id, { kind: "handover", queue, key, at: undefined, execution: undefined })
        }
      }
      return jobs.map((job) => {
        const place = job.status === "queued" && job.places.length === 0 ? found.get(job.id) : undefined
        return place === undefined ? job : { ...job, places: [place] }
      })
    }).pipe(orWhenWrongType(jobs))

  const lookAtQueues = (names: ReadonlyArray<string>, found: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const queues: Array<QueueView> = []
      const wrongTypes: Array<{ key: string; found: string; expected: string }> = []
      for (const name of names) {
        const now = yield* Clock.currentTimeMillis
        const raw = yield* lookQueue(name, Date.seconds(now))
        for (const [index, [key, expected]] of typedKeys(name).entries()) {
          const type = raw.types[index]!
          if (type !== "none" && type !== expected) wrongTypes.push({ key, found: type, expected })
        }
        const handovers = raw.handovers.map(({ length, lives, until, worker }): HandoverView => ({
          worker,
          key: keys.handover(name, worker),
          length,
          workerLives: lives,
          aliveUntil: until
        }))
        // What maintenance does not know of.
        for (const [queue, worker] of found.map(keys.splitHandover)) {
          if (queue !== name || handovers.some((one) => one.worker === worker)) continue
          const key = keys.handover(name, worker)
          const until = yield* redis.send<string | null>("ZSCORE", keys.handovers(name), worker).pipe(
            orWhenWrongType<string | null>(null)
          )
          const length = yield* redis.send<number>("LLEN", key).pipe(orWhenWrongType(0))
          const [lives] = yield* livesOf([worker])
          handovers.push({
            worker,
            key,
            length,
            workerLives: lives!.lives, // one for each name
            aliveUntil: until === null ? undefined : Number(until) * 1000
          })
        }
        const members = yield* membersOf(redis, keys.workersOf(name), most)
        queues.push({
          name,
          isListed: raw.isListed,
          queued: raw.queued,
          scheduled: raw.scheduled,
          started: raw.started,
          firstDue: raw.firstDue,
          lock: raw.holder === undefined ? undefined : {
            holder: raw.holder,
            lapsesAt: raw.lease < 0 ? undefined : now + raw.lease,
            isKnown: raw.holderIsKnown
          },
          isPaused: raw.isPaused,
          workers: yield* livesOf(members.flatMap((member) => keys.workerName(member) ?? [])),
          handovers
        })
      }
      return { queues, wrongTypes }
    })

  /** Beside the keys of queues, which were looked at: those that go for all, and what the sample came across. */
  const foreignAmong = (some: ReadonlyArray<string>, known: ReadonlySet<string>) =>
    Effect.gen(function*() {
      const asked = [...new Set([keys.queues, keys.workers, keys.paused, ...some])].filter((key) => !known.has(key))
      const types = yield* typesOfSome(asked)
      return asked.flatMap((key, index) => {
        const [found, expected] = [types[index], keys.typeOf(key)]
        return found === undefined || found === "none" || expected === undefined || found === expected
          ? []
          : [{ key, found, expected }]
      })
    })

  const suspension = Effect.zipWith(
    redis.send<number>("PTTL", keys.suspended),
    Clock.currentTimeMillis,
    Suspension.decode
  )

  /** One look at everything in the sample. */
  const look = (
    sample: Sample,
    asked: ReadonlySet<string> | undefined,
    depth: number
  ): Effect.Effect<State, Redis.RedisError> =>
    Effect.gen(function*() {
      const { queues, wrongTypes } = yield* lookAtQueues(sample.queues, sample.handovers)
      const seen = yield* lookAt(sample.hints, depth)
      const jobs = yield* inHandovers(yield* lookHarder(seen, sample.hints, queues), queues)
      return {
        now: yield* Clock.currentTimeMillis,
        jobs: jobs.filter((job) => isAskedFor(job, asked)),
        queues,
        workers: asked === undefined ? yield* livesOf(sample.workers) : [],
        suspended: yield* suspension,
        wrongTypes: [...(yield* foreignAmong(sample.foreign, new Set(wrongTypes.map(({ key }) => key)))), ...wrongTypes]
      }
    })

  // RQ never forgets what a job has waited for; that does no harm.
  const judge = (state: State): ReadonlyArray<Violation> =>
    [...check(state), ...state.jobs.flatMap(stuckIntermediate)].filter(({ code }) => code !== "stray-dependencies")

  return (options: {
    readonly queues: ReadonlyArray<string> | undefined
    readonly sample: number
    readonly pauseMillis: number
  }): Effect.Effect<Examined, Redis.RedisError> =>
    Effect.gen(function*() {
      const asked = options.queues === undefined ? undefined : new Set(options.queues)
      const server = yield* examineServer(redis)
      const sample = yield* draw(redis, options)
      const state = yield* look(sample, asked, shallow)
      let violations = judge(state)
      if (violations.length > 0 && options.pauseMillis > 0) {
        yield* Effect.sleep(options.pauseMillis)
        const suspects = new Set(violations.flatMap(({ job }) => job ?? []))
        const again = yield* look(
          { ...sample, hints: sample.hints.filter(({ id }) => suspects.has(id)) },
          asked,
          suspects.size <= mostDeep ? deep : shallow
        )
        const before = new Set(violations.map(identity))
        violations = judge(again).filter((one) => before.has(identity(one)))
      }
      return {
        violations: [...server, ...violations, ...unknownQueues(state, asked)],
        jobs: state.jobs.length,
        unverified: state.jobs.filter(isUnverified).length,
        queues: state.queues.length,
        sawAll: sample.sawAll
      }
    })
}
