/**
 * Everything that Redis still knows of one job, and of what was around it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as Wire from "../wire/error.js"
import type { WireError } from "../wire/error.js"
import * as JobHash from "../wire/jobHash.js"
import * as Journal from "../wire/journal.js"
import * as keys from "../wire/keys.js"
import * as Result from "../wire/result.js"
import * as Suspension from "../wire/suspension.js"
import * as WorkerHash from "../wire/worker.js"
import { readHashes } from "./hashes.js"

/** Another job of the same queue. Times are milliseconds since 1970, here and below. */
export interface Neighbour {
  readonly id: string
  readonly enqueuedAt: number | undefined
  readonly startedAt: number | undefined
  /** Undefined while it runs. */
  readonly endedAt: number | undefined
}

export interface Parent {
  readonly id: string
  /** Undefined when it is gone. */
  readonly status: string | undefined
  readonly endedAt: number | undefined
}

export interface Facts {
  readonly id: string
  readonly now: number
  /** Undefined when it is gone. */
  readonly job: JobHash.JobRecord | undefined
  /** Why the job can't be read. */
  readonly problem: WireError | undefined
  /** When it is due, while it is scheduled. */
  readonly due: number | undefined
  /** Those that left a trace, the first one first. */
  readonly runs: ReadonlyArray<Result.ResultEntry>
  /** The journals of its queue and of the fleet, the first entry first. */
  readonly journal: ReadonlyArray<Journal.JournalEntry>
  readonly fleet: ReadonlyArray<Journal.JournalEntry>
  /** Who leads now. */
  readonly leader: string | undefined
  readonly isPaused: boolean
  readonly suspended: Suspension.Suspension | undefined
  /** How many jobs are ahead of it in its queue; undefined when it is in none, or too far behind to tell. */
  readonly ahead: number | undefined
  /** The workers that listen on its queue. */
  readonly workers: ReadonlyArray<{ readonly name: string; readonly born: number | undefined }>
  /** Those that ran it and are still known, also when they have said farewell. */
  readonly births: ReadonlyMap<string, number>
  readonly parents: ReadonlyArray<Parent>
  /** Jobs of its queue that are kept and may have been run while it waited. */
  readonly neighbours: ReadonlyArray<Neighbour>
}

/** How many outcomes are read. */
const mostRuns = 50

/** How far its place in the queue is looked for. */
const mostAhead = 100_000

/** How many jobs of each registry, and how many workers, are looked at. */
const mostAround = 300

const text = new TextDecoder()

const readNeighbours = Redis.script(
  (queue: string) => [
    keys.family.job,
    keys.started(queue),
    keys.finished(queue),
    keys.failed(queue),
    mostAround
  ],
  {
    name: "read-neighbours",
    numberOfKeys: 4,
    lua: `
local out = {}
for i = 2, 4 do
  -- those that entered last have the highest scores
  local members = redis.pcall("ZRANGE", KEYS[i], -tonumber(ARGV[1]), -1)
  for j = 1, #members do
    local id = i == 2 and string.match(members[j], "^(.*):[^:]*$") or members[j]
    local job = redis.pcall("HMGET", KEYS[1] .. id, "enqueued_at", "started_at", "ended_at")
    if not job.err and job[2] then out[#out + 1] = { id, job[1] or "", job[2], i > 2 and job[3] or "" } end
  end
end
return out
`,
    result: (
      rows: ReadonlyArray<readonly [id: string, enqueuedAt: string, startedAt: string, endedAt: string]>
    ): ReadonlyArray<Neighbour> =>
      rows.map(([id, enqueuedAt, startedAt, endedAt]) => ({
        id,
        enqueuedAt: Date.decode(enqueuedAt),
        startedAt: Date.decode(startedAt),
        endedAt: Date.decode(endedAt)
      }))
  }
)

/** A key of another type tells nothing. */
const orElse = <A>(fallback: A) => (effect: Effect.Effect<A, Redis.RedisError>): Effect.Effect<A, Redis.RedisError> =>
  Effect.catchIf(effect, ({ code }) => code === "WRONGTYPE", () => Effect.succeed(fallback))

const nonEmpty = (value: string | null): string | undefined => value === null || value === "" ? undefined : value

export const make = (redis: Redis.RedisService) => {
  const hashes = redis.eval(readHashes)
  const neighboursOf = redis.eval(readNeighbours)

  const readJournal = (key: string) =>
    redis.send<ReadonlyArray<string>>("LRANGE", key, 0, -1).pipe(
      orElse<ReadonlyArray<string>>([]),
      Effect.map((entries) => entries.flatMap((entry) => Journal.decode(entry) ?? []).reverse())
    )

  const readRuns = (id: string) =>
    redis.sendBytes<ReadonlyArray<readonly [Uint8Array, ReadonlyArray<Uint8Array>]>>(
      "XREVRANGE",
      keys.results(id),
      "+",
      "-",
      "COUNT",
      mostRuns
    ).pipe(
      orElse<ReadonlyArray<readonly [Uint8Array, ReadonlyArray<Uint8Array>]>>([]),
      Effect.map((entries) => entries.map(([entry, fields]) => Result.readEntry(text.decode(entry), fields)).reverse())
    )

  const readWorkers = (queue: string) =>
    Effect.gen(function*() {
      const [, members] = yield* redis.send<readonly [string, ReadonlyArray<string>]>(
        "SSCAN",
        keys.workersOf(queue),
        "0",
        "COUNT",
        mostAround
      ).pipe(orElse<readonly [string, ReadonlyArray<string>]>(["0", []]))
      const names = members.flatMap((member) => keys.workerName(member) ?? []).slice(0, mostAround)
      const rows = names.length === 0 ? [] : yield* hashes(names.map(keys.worker))
      return names.flatMap((name, index) => {
        const record = WorkerHash.decode(name, rows[index] ?? [])
        // one that is gone, or can't be read, tells nothing
        return rows[index]?.length === 0 || Either.isLeft(record) || record.right.death !== undefined
          ? []
          : [{ name, born: record.right.birth }]
      })
    })

  const readBirths = (names: ReadonlyArray<string>) =>
    Effect.map(
      names.length === 0 ? Effect.succeed([]) : hashes(names.map(keys.worker)),
      (rows) =>
        new Map(rows.flatMap((row, index): ReadonlyArray<readonly [string, number]> => {
          const record = WorkerHash.decode(names[index]!, row) // one row for each name
          return Either.isRight(record) && record.right.birth !== undefined ? [[names[index]!, record.right.birth]] : []
        }))
    )

  const readParent = (id: string) =>
    redis.send<readonly [string | null, string | null]>("HMGET", keys.job(id), "status", "ended_at").pipe(
      orElse<readonly [string | null, string | null]>([null, null]),
      Effect.map(([status, endedAt]): Parent => ({
        id,
        status: nonEmpty(status),
        endedAt: Date.decode(endedAt ?? "")
      }))
    )

  return (id: string): Effect.Effect<Facts, Redis.RedisError> =>
    Effect.gen(function*() {
      const [hash = []] = yield* hashes([keys.job(id)])
      const read = hash.length === 0
        ? undefined
        : hash.length === 1
        ? Either.left(Wire.make(keys.job(id), `holds a ${text.decode(hash[0])}, expected a hash`))
        : JobHash.decode(id, hash)
      const job = read === undefined ? undefined : Option.getOrUndefined(Either.getRight(read))
      const runs = yield* readRuns(id)
      const queue = job?.origin ?? ""
      const ranBy = new Set([...runs.map(({ workerName }) => workerName), job?.workerName])
      const [due, leader, isPaused, suspendedFor, ahead] = yield* Effect.all([
        redis.send<string | null>("ZSCORE", keys.scheduled(queue), id).pipe(orElse<string | null>(null)),
        redis.send<string | null>("GET", keys.schedulerLock(queue)).pipe(orElse<string | null>(null)),
        redis.send<number>("SISMEMBER", keys.paused, queue).pipe(orElse(0)),
        redis.send<number>("PTTL", keys.suspended),
        redis.send<number | null>("LPOS", keys.queue(queue), id, "MAXLEN", mostAhead).pipe(orElse<number | null>(null))
      ])
      const now = yield* Clock.currentTimeMillis
      return {
        id,
        job,
        problem: read === undefined ? undefined : Option.getOrUndefined(Either.getLeft(read)),
        runs,
        due: due === null || job?.status !== "scheduled" ? undefined : Date.millis(due),
        journal: yield* readJournal(keys.journal(queue)),
        fleet: yield* readJournal(keys.fleetJournal),
        leader: leader ?? undefined,
        isPaused: isPaused === 1,
        suspended: Suspension.decode(suspendedFor, now),
        ahead: ahead ?? undefined,
        workers: yield* readWorkers(queue),
        births: yield* readBirths([...ranBy].flatMap((name) => name ?? [])),
        parents: yield* Effect.forEach(job?.dependencyIds ?? [], readParent),
        neighbours: (yield* neighboursOf(queue)).filter((one) => one.id !== id),
        now
      }
    })
}
