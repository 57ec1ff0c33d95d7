/**
 * Looks at jobs and at queues, in calls that are short whatever Redis holds. What is said of one job is of one instant,
 * so a job that is on its way is never seen in two places or in none.
 *
 * @internal
 */
import { scoreAt } from "../invariants/dump.js"
import type { Dependency, JobView, Place, PlaceKind } from "../invariants/state.js"
import { luaAttempt } from "../lifecycle/attempt.js"
import { luaHandoverOf } from "../lifecycle/handover.js"
import * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as JobHash from "../wire/jobHash.js"
import * as keys from "../wire/keys.js"

/** An id, and where it was come across. */
export interface Hint {
  readonly id: string
  readonly queues: ReadonlyArray<string>
  readonly executions: ReadonlyArray<string>
}

/** How far lists and registries are searched: in passing, and when something seems to be wrong. */
export const shallow = 200
export const deep = 100_000

type PlaceRow = readonly [kind: PlaceKind, queue: string, score: string, detail: string]
type Row = readonly [
  type: string,
  status: string,
  origin: string,
  hasData: number,
  worker: string,
  workerLives: number,
  execution: string,
  enqueuedAt: string,
  dueAt: string,
  repeats: number,
  allowFailure: string,
  ttl: number,
  places: ReadonlyArray<PlaceRow>,
  complete: number,
  waits: number,
  dependencies: ReadonlyArray<readonly [id: string, status: string, knows: number]>,
  keepsResults: number,
  /** Which fields of {@link JobHash.unseenOptions} it has. */
  options: ReadonlyArray<string>
]

const text = (value: string): string | undefined => value === "" ? undefined : value

const keyOf: Readonly<Record<PlaceKind, (queue: string, worker: string) => string>> = {
  queue: keys.queue,
  handover: keys.handover,
  intermediate: keys.intermediate,
  scheduled: keys.scheduled,
  started: keys.started,
  deferred: keys.deferred,
  finished: keys.finished,
  failed: keys.failed,
  canceled: keys.canceled
}

const toPlace = ([kind, queue, score, detail]: PlaceRow): Place => ({
  kind,
  queue,
  key: keyOf[kind](queue, detail),
  at: score === "" ? undefined : scoreAt(Number(score)),
  execution: kind === "started" ? text(detail) : undefined
})

/** One row for each hint, in its order. `now` is in milliseconds since 1970, `depth` is how far is searched. */
export const lookAtJobs = Redis.script(
  (params: { readonly hints: ReadonlyArray<Hint>; readonly depth: number }) => [
    keys.family.job,
    keys.family.queue,
    keys.family.scheduled,
    keys.family.started,
    keys.family.finished,
    keys.family.failed,
    keys.family.deferred,
    keys.family.canceled,
    keys.family.results,
    keys.family.executions,
    keys.family.worker,
    keys.ownFamily.handovers,
    keys.ownFamily.handover,
    keys.queues,
    params.depth,
    keys.family.queue,
    ...params.hints.flatMap(({ executions, id, queues }) => [
      id,
      queues.length,
      ...queues,
      executions.length,
      ...executions
    ])
  ],
  {
    name: "look-at-jobs",
    numberOfKeys: 14,
    lua: `
local JOB, QUEUE, SCHEDULED, STARTED, FINISHED, FAILED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local DEFERRED, CANCELED, RESULTS, EXECUTIONS, WORKER = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local HANDOVERS, HANDOVER, QUEUES = KEYS[12], KEYS[13], KEYS[14]
local depth, queuePrefix, at = tonumber(ARGV[1]), ARGV[2], 3
local registries = { { "scheduled", SCHEDULED }, { "deferred", DEFERRED }, { "finished", FINISHED },
  { "failed", FAILED }, { "canceled", CANCELED } }

-- as \`unseenOptions\` in wire/jobHash asks for them
local OPTIONS = { "last_heartbeat", "awaited", "repeats_left", "ttl", "enqueue_at_front", "enqueue_at_front_on_retry" }
${luaAttempt}${luaHandoverOf}
local function rest()
  local count, items = tonumber(ARGV[at]), {}
  for i = 1, count do items[i] = ARGV[at + i] end
  at = at + 1 + count
  return items
end

-- How often the id is at either end of the list, and whether that is all of it.
local function count(list, id)
  local length = attempt("LLEN", list)
  if not length or length == 0 then return 0, true end
  local seen, times = {}, 0
  local function add(positions)
    for i = 1, #positions do
      if not seen[positions[i]] then times = times + 1 end
      seen[positions[i]] = true
    end
  end
  add(redis.call("LPOS", list, id, "COUNT", 2, "MAXLEN", depth))
  if length > depth then add(redis.call("LPOS", list, id, "RANK", -1, "COUNT", 2, "MAXLEN", depth)) end
  return times, length <= 2 * depth
end

local function livesWorker(name)
  return redis.call("EXISTS", WORKER .. name) == 1 and attempt("HEXISTS", WORKER .. name, "death") == 0
end

local function look(id, queues, executions)
  local key, places, complete = JOB .. id, {}, true
  local kind = redis.call("TYPE", key)["ok"]
  local job, ttl, hasData, options = {}, -1, 0, {}
  if kind == "hash" then
    job = redis.call("HMGET", key, "status", "origin", "worker_name", "execution", "enqueued_at", "due_at",
      "repeats_left", "allow_dependency_failures")
    hasData, ttl = redis.call("HEXISTS", key, "data"), redis.call("PTTL", key)
    for i = 1, #OPTIONS do
      if redis.call("HEXISTS", key, OPTIONS[i]) == 1 then options[#options + 1] = OPTIONS[i] end
    end
  end
  local status = job[1]
  local known = {}
  for i = 1, #queues do known[queues[i]] = true end
  if job[2] and not known[job[2]] then queues[#queues + 1] = job[2] end
  local mine = {}
  for i = 1, #executions do mine[executions[i]] = true end
  if job[4] and not mine[job[4]] then executions[#executions + 1] = job[4] end
  local listed = attempt("ZRANGE", EXECUTIONS .. id, 0, 9) or {}
  for i = 1, #listed do
    if not mine[listed[i]] and listed[i] ~= job[4] then executions[#executions + 1] = listed[i] end
  end

  for i = 1, #queues do
    local queue = queues[i]
    local times, all = count(QUEUE .. queue, id)
    complete = complete and all
    for _ = 1, times do places[#places + 1] = { "queue", queue, "", "" } end
    for j = 1, #registries do
      local score = attempt("ZSCORE", registries[j][2] .. queue, id)
      if score then places[#places + 1] = { registries[j][1], queue, score, "" } end
    end
    local started, runs = STARTED .. queue, 0
    local function addRun(member, execution)
      local score = attempt("ZSCORE", started, member)
      if score then
        runs = runs + 1
        places[#places + 1] = { "started", queue, score, execution }
      end
    end
    addRun(id, "")
    for j = 1, #executions do addRun(id .. ":" .. executions[j], executions[j]) end
    if runs == 0 and status == "started" and queue == job[2] then
      -- what Python has started is known by the registry alone
      local size = attempt("ZCARD", started) or 0
      local members = depth > ${shallow} and attempt("ZRANGE", started, 0, 9999) or {}
      complete = complete and size <= #members
      for j = 1, #members do
        if string.match(members[j], "^(.*):[^:]*$") == id then addRun(members[j], string.match(members[j], "[^:]*$")) end
      end
    end
    if redis.call("EXISTS", QUEUE .. queue .. ":intermediate") == 1 and
      attempt("SISMEMBER", QUEUES, queuePrefix .. queue .. ":intermediate") == 0 then
      local found, all = count(QUEUE .. queue .. ":intermediate", id)
      complete = complete and all
      for _ = 1, found do places[#places + 1] = { "intermediate", queue, "", "" } end
    end
    -- only an id that was found nowhere else is looked for in the workers' lists, of which there may be many
    if status == "queued" and #places == 0 and queue == job[2] and (all or depth > ${shallow}) then
      local workers = attempt("ZRANGE", HANDOVERS .. queue, 0, 999) or {}
      complete = complete and #workers < 1000
      for j = 1, #workers do
        if attempt("LPOS", handoverOf(queue, workers[j]), id, "MAXLEN", 1000) then
          places[#places + 1] = { "handover", queue, "", workers[j] }
        end
      end
    end
  end

  local dependencies, waits = {}, redis.call("EXISTS", JOB .. ":" .. id .. ":dependencies")
  if waits == 1 then
    local parents = attempt("SMEMBERS", JOB .. ":" .. id .. ":dependencies") or {}
    for i = 1, #parents do
      dependencies[i] = { parents[i], attempt("HGET", JOB .. parents[i], "status") or "",
        attempt("SISMEMBER", JOB .. parents[i] .. ":dependents", id) or 0 }
    end
  end
  local worker = job[3] or ""
  return { kind, status or "", job[2] or "", hasData, worker, worker ~= "" and livesWorker(worker) and 1 or 0,
    job[4] or "", job[5] or "", job[6] or "", job[7] and 1 or 0, job[8] or "", ttl, places, complete and 1 or 0,
    waits, dependencies, redis.call("PTTL", RESULTS .. id) == -1 and 1 or 0, options }
end

local out = {}
while at <= #ARGV do
  local id = ARGV[at]
  at = at + 1
  local queues = rest()
  out[#out + 1] = look(id, queues, rest())
end
return out
`,
    result: (rows: ReadonlyArray<Row>) => (hints: ReadonlyArray<Hint>, now: number): ReadonlyArray<JobView> =>
      rows.map((row, index): JobView => ({
        id: hints[index]!.id, // one row for each hint
        type: row[0],
        status: text(row[1]),
        origin: text(row[2]),
        hasData: row[3] === 1,
        worker: text(row[4]),
        workerLives: row[4] === "" ? undefined : row[5] === 1,
        execution: text(row[6]),
        enqueuedAt: Date.decode(row[7]),
        dueAt: row[8] === "" ? undefined : Number(row[8]) * 1000,
        repeats: row[9] === 1,
        allowFailure: row[10] === "1",
        expiresAt: row[11] < 0 ? undefined : now + row[11],
        places: row[12].map(toPlace),
        complete: row[13] === 1,
        dependencies: row[14] === 0
          ? undefined
          : row[15].map(([id, status, knows]): Dependency => ({ id, status: text(status), knows: knows === 1 })),
        strayExecutions: [],
        keepsResults: row[16] === 1,
        unseenOptions: JobHash.unseenOptions((field) => row[17].includes(field))
      }))
  }
)

/** What is known of one queue's keys, but for its workers. */
export interface RawQueue {
  /** The types of the keys, as {@link typedKeys} lists them. */
  readonly types: ReadonlyArray<string>
  readonly isListed: boolean
  readonly queued: number
  readonly scheduled: number
  readonly started: number
  readonly firstDue: { readonly id: string; readonly at: number } | undefined
  readonly holder: string | undefined
  /** Milliseconds; below zero for never. */
  readonly lease: number
  readonly holderIsKnown: boolean
  readonly isPaused: boolean
  readonly handovers: ReadonlyArray<{
    readonly worker: string
    readonly length: number
    readonly lives: boolean
    readonly until: number
  }>
}

/** The keys of a queue, and what they hold. */
export const typedKeys = (queue: string): ReadonlyArray<readonly [key: string, type: string]> => [
  [keys.queue(queue), "list"],
  [keys.scheduled(queue), "zset"],
  [keys.started(queue), "zset"],
  [keys.finished(queue), "zset"],
  [keys.failed(queue), "zset"],
  [keys.deferred(queue), "zset"],
  [keys.canceled(queue), "zset"],
  [keys.workersOf(queue), "set"],
  [keys.handovers(queue), "zset"],
  [keys.schedulerLock(queue), "string"]
]

/** `now` is in seconds since 1970, as text. */
export const lookAtQueue = Redis.script(
  (queue: string, now: string) => [
    ...typedKeys(queue).map(([key]) => key),
    keys.family.job,
    keys.family.worker,
    keys.ownFamily.handover,
    keys.scheduler(""),
    keys.queues,
    keys.paused,
    queue,
    now,
    keys.queue(queue)
  ],
  {
    name: "look-at-queue",
    numberOfKeys: 16,
    lua: `
local queue, now, member = ARGV[1], ARGV[2], ARGV[3]
local JOB, WORKER, HANDOVER, SCHEDULER = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
${luaAttempt}${luaHandoverOf}
local types = {}
for i = 1, 10 do types[i] = redis.call("TYPE", KEYS[i])["ok"] end
-- An entry whose job is about to come, or gone, can't be promoted: it is not that one that is late.
local dueId, dueAt = "", ""
local due = attempt("ZRANGEBYSCORE", KEYS[2], "-inf", now, "WITHSCORES", "LIMIT", 0, 100) or {}
for i = 1, #due, 2 do
  if dueId == "" and attempt("HGET", JOB .. due[i], "status") == "scheduled" then dueId, dueAt = due[i], due[i + 1] end
end
local holder = attempt("GET", KEYS[10])
local handovers = {}
local known = attempt("ZRANGE", KEYS[9], 0, 999, "WITHSCORES") or {}
for i = 1, #known, 2 do
  local length = attempt("LLEN", handoverOf(queue, known[i])) or 0
  if length > 0 then
    handovers[#handovers + 1] = { known[i], length, redis.call("EXISTS", WORKER .. known[i]), known[i + 1] }
  end
end
return { types, attempt("SISMEMBER", KEYS[15], member) or 0, attempt("LLEN", KEYS[1]) or 0, attempt("ZCARD", KEYS[2]) or 0,
  attempt("ZCARD", KEYS[3]) or 0, dueId, dueAt, holder or "", redis.call("PTTL", KEYS[10]),
  holder and redis.call("EXISTS", SCHEDULER .. holder) or 0, attempt("SISMEMBER", KEYS[16], queue) or 0, handovers }
`,
    result: (row: QueueRow): RawQueue => ({
      types: row[0],
      isListed: row[1] === 1,
      queued: row[2],
      scheduled: row[3],
      started: row[4],
      firstDue: row[5] === "" ? undefined : { id: row[5], at: Number(row[6]) * 1000 },
      holder: text(row[7]),
      lease: row[8],
      holderIsKnown: row[9] === 1,
      isPaused: row[10] === 1,
      handovers: row[11].map(([worker, length, lives, until]) => ({
        worker,
        length,
        lives: lives === 1,
        until: Number(until) * 1000
      }))
    })
  }
)

type QueueRow = readonly [
  types: ReadonlyArray<string>,
  isListed: number,
  queued: number,
  scheduled: number,
  started: number,
  dueId: string,
  dueAt: string,
  holder: string,
  lease: number,
  holderIsKnown: number,
  isPaused: number,
  handovers: ReadonlyArray<readonly [worker: string, length: number, lives: number, until: string]>
]

/** What keys hold. */
export const typesOf = Redis.script((names: ReadonlyArray<string>) => [...names], {
  name: "types-of",
  numberOfKeys: (names) => names.length,
  lua: `
local out = {}
for i = 1, #KEYS do out[i] = redis.call("TYPE", KEYS[i])["ok"] end
return out
`,
  result: (types: ReadonlyArray<string>) => types
})

/** Whether workers are there, and have not said farewell. */
export const areAlive = Redis.script((workers: ReadonlyArray<string>) => workers.map(keys.worker), {
  name: "are-alive",
  numberOfKeys: (workers) => workers.length,
  lua: `${luaAttempt}
local out = {}
for i = 1, #KEYS do
  out[i] = redis.call("EXISTS", KEYS[i]) == 1 and attempt("HEXISTS", KEYS[i], "death") == 0 and 1 or 0
end
return out
`,
  result: (rows: ReadonlyArray<number>): ReadonlyArray<boolean> => rows.map((one) => one === 1)
})
