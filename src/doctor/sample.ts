/**
 * Which jobs and queues to look at: a sample of bounded size, drawn with SCAN and its kin and from both ends of lists and
 * registries.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { splitMember } from "../invariants/dump.js"
import type * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { type Hint, typedKeys, typesOf } from "./look.js"

export interface Sample {
  readonly hints: ReadonlyArray<Hint>
  readonly queues: ReadonlyArray<string>
  /** Lists of workers that were come across, as what follows the family's prefix. */
  readonly handovers: ReadonlyArray<string>
  readonly workers: ReadonlyArray<string>
  /** Keys that hold something foreign, of those that no look at a queue or a job asks for. */
  readonly foreign: ReadonlyArray<string>
  /** Whether every key of Redis was seen. */
  readonly sawAll: boolean
}

/** How many keys one call of SCAN passes over. */
const scanSize = 1000

/** How many queues, and how many workers, are looked at. */
export const most = 1000

interface Draft {
  readonly queues: Set<string>
  readonly executions: Set<string>
}

/** All members, or so many of them, of a set that may be of any size. Nothing when the key holds something else. */
export const membersOf = (
  redis: Redis.RedisService,
  key: string,
  limit: number
): Effect.Effect<ReadonlyArray<string>, Redis.RedisError> =>
  Effect.gen(function*() {
    const found = new Set<string>()
    let cursor = "0"
    do {
      const [next, some] = yield* redis.send<readonly [string, ReadonlyArray<string>]>(
        "SSCAN",
        key,
        cursor,
        "COUNT",
        500
      )
      for (const member of some) found.add(member)
      cursor = next
    } while (cursor !== "0" && found.size < limit)
    return [...found].slice(0, limit)
  }).pipe(orWhenWrongType<ReadonlyArray<string>>([]))

/** How many keys that hold something foreign are told of. */
const mostForeign = 100

const perQueue = [keys.maintenance, keys.tidied, keys.cleaning, keys.journal, keys.intermediate, keys.firstSeen]

/** Of keys that nothing else looks at: of all, or of these queues. */
const isAskedFor = (key: string, queues: ReadonlyArray<string> | undefined): boolean => {
  const isElsewhere = keys.typeOf(key) === undefined || key.startsWith(keys.family.job) && keys.typeOf(key) === "hash"
  if (isElsewhere) return false
  return queues === undefined ||
    queues.some((queue) =>
      key.startsWith(keys.handover(queue, "")) || perQueue.some((keyOf) => keyOf(queue) === key) ||
      typedKeys(queue).some(([typed]) => typed === key)
    )
}

/** A key of another type is told of elsewhere. */
export const orWhenWrongType =
  <A>(fallback: A) => (effect: Effect.Effect<A, Redis.RedisError>): Effect.Effect<A, Redis.RedisError> =>
    Effect.catchIf(effect, ({ code }) => code === "WRONGTYPE", () => Effect.succeed(fallback))

const registries = [
  keys.scheduled,
  keys.started,
  keys.deferred,
  keys.finished,
  keys.failed,
  keys.canceled
] as const

export const draw = (
  redis: Redis.RedisService,
  options: { readonly queues: ReadonlyArray<string> | undefined; readonly sample: number }
): Effect.Effect<Sample, Redis.RedisError> =>
  Effect.gen(function*() {
    const drafts = new Map<string, Draft>()
    const handovers = new Set<string>()
    const foreign = new Set<string>()
    const typesOfSome = redis.eval(typesOf)
    const listed = yield* membersOf(redis, keys.queues, most)
    const queues = new Set(listed.flatMap((key) => keys.queueName(key) ?? []))
    const add = (id: string, queue?: string, execution?: string) => {
      let draft = drafts.get(id)
      if (draft === undefined) {
        draft = { queues: new Set(), executions: new Set() }
        drafts.set(id, draft)
      }
      if (queue !== undefined) draft.queues.add(queue)
      if (execution !== undefined) draft.executions.add(execution)
    }

    /** What the name of a key tells. */
    const see = (key: string) => {
      if (key.startsWith(keys.family.job)) {
        const id = key.slice(keys.family.job.length)
        const dependent = keys.dependentOf(key)
        if (dependent !== undefined) add(dependent)
        else if (!id.includes(":")) add(id)
      } else if (key.startsWith(keys.family.results)) {
        add(key.slice(keys.family.results.length))
      } else if (key.startsWith(keys.ownFamily.handover)) {
        const rest = key.slice(keys.ownFamily.handover.length)
        handovers.add(rest)
        queues.add(keys.splitHandover(rest)[0])
      } else if (key.startsWith(keys.family.queue)) {
        const name = key.slice(keys.family.queue.length)
        if (!name.includes(":intermediate")) queues.add(name)
      } else if (key.startsWith(keys.family.scheduled)) {
        queues.add(key.slice(keys.family.scheduled.length))
      } else if (key.startsWith(keys.family.started)) {
        queues.add(key.slice(keys.family.started.length))
      }
    }

    /** Those that hold something else than their name says. */
    const lookAtTypes = (some: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const named = some.filter((key) => isAskedFor(key, options.queues))
        if (named.length === 0 || foreign.size >= mostForeign) return
        const found = yield* typesOfSome(named)
        for (const [index, key] of named.entries()) {
          // it may be gone by now
          if (found[index] !== "none" && found[index] !== keys.typeOf(key)) foreign.add(key)
        }
      })

    let cursor = "0"
    let calls = 0
    const mostCalls = 20 + Math.ceil(20 * options.sample / scanSize)
    do {
      const [next, some] = yield* redis.send<readonly [string, ReadonlyArray<string>]>(
        "SCAN",
        cursor,
        "MATCH",
        "rq:*",
        "COUNT",
        scanSize
      )
      for (const key of some) see(key)
      yield* lookAtTypes(some)
      cursor = next
      calls++
    } while (cursor !== "0" && drafts.size < options.sample && calls < mostCalls)

    const asked = options.queues ?? [...queues].sort().slice(0, most)
    const quota = Math.min(1000, Math.max(20, Math.ceil(options.sample / (8 * Math.max(1, asked.length)))))
    for (const queue of asked) {
      for (const key of [keys.queue(queue), keys.intermediate(queue)]) {
        const ends = yield* Effect.all([
          redis.send<ReadonlyArray<string>>("LRANGE", key, 0, quota - 1),
          redis.send<ReadonlyArray<string>>("LRANGE", key, -quota, -1)
        ]).pipe(orWhenWrongType<[ReadonlyArray<string>, ReadonlyArray<string>]>([[], []]))
        for (const id of ends.flat()) add(id, queue)
      }
      for (const registry of registries) {
        const key = registry(queue)
        const members = yield* Effect.all([
          redis.send<ReadonlyArray<string>>("ZRANGE", key, 0, quota - 1),
          redis.send<ReadonlyArray<string>>("ZRANGE", key, -quota, -1),
          Effect.map(
            redis.send<readonly [string, ReadonlyArray<string>]>("ZSCAN", key, "0", "COUNT", quota),
            ([, flat]) => flat.filter((_, index) => index % 2 === 0).slice(0, 2 * quota)
          )
        ]).pipe(orWhenWrongType<[ReadonlyArray<string>, ReadonlyArray<string>, ReadonlyArray<string>]>([[], [], []]))
        for (const member of members.flat()) {
          const [id, execution] = registry === keys.started ? splitMember(member) : [member, undefined]
          add(id, queue, execution)
        }
      }
    }
    return {
      hints: [...drafts].map(([id, draft]) => ({
        id,
        queues: [...draft.queues],
        executions: [...draft.executions]
      })),
      queues: asked,
      handovers: [...handovers],
      foreign: [...foreign].slice(0, mostForeign),
      workers: (yield* membersOf(redis, keys.workers, most)).flatMap((member) => keys.workerName(member) ?? []),
      sawAll: cursor === "0"
    }
  })
