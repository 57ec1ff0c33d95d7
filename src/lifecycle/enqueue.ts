/**
 * Edge `enqueue`: (new) -> queued.
 *
 * A job whose hash exists already is left as it is, so a call whose reply was lost can be repeated.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** What several jobs of a call have in common: the same object for all who share it, so that it is sent once. */
export interface Common extends CommonFields {
  readonly atFront: boolean
  /** Seconds for which the job may wait in the queue. */
  readonly ttl: number | undefined
}

/** What their hashes have in common. */
export interface CommonFields {
  readonly queue: string
  /** As RQ writes it. */
  readonly timeout: string
  /** When they are handed over, as RQ writes dates. */
  readonly date: string
  /** Field, value, field, value, ... beside those that every job has. */
  readonly more: ReadonlyArray<string>
}

/**
 * Field, value, field, value, ... of the hash of a new job that waits for none, beside those that are its own and its status.
 * Redis goes through a hash from its beginning, so what is asked for each time it is moved comes first.
 */
export const commonFields = (
  { date, more, queue, timeout }: CommonFields,
  status: "queued" | "scheduled"
): ReadonlyArray<string> => [
  "timeout",
  timeout,
  ...(status === "queued" ? ["enqueued_at", date] : []),
  "origin",
  queue,
  "created_at",
  date,
  ...more
]

export interface NewJob {
  readonly id: string
  readonly data: string
  readonly description: string
  readonly common: Common
}

/** Distinct things of some jobs, each with its position: neighbours mostly have the same one. */
const distinct = <A, B>(items: Iterable<A>, get: (item: A) => B): Map<B, number> => {
  const found = new Map<B, number>()
  let last: B | undefined
  for (const item of items) {
    const one = get(item)
    if (one === last) continue
    last = one
    if (!found.has(one)) found.set(one, found.size)
  }
  return found
}

/** What a call of many jobs says first: what they have in common, and in which queues. */
export const layout = <C extends { readonly queue: string }>(jobs: ReadonlyArray<{ readonly common: C }>) => {
  const commons = distinct(jobs, (job) => job.common)
  return { commons, queues: distinct(commons.keys(), (common) => common.queue) }
}

/** A queue key must hold a list or nothing; found out before anything is written. */
export const luaRequireType = `
local function requireType(key, expected)
  local found = redis.call("TYPE", key)["ok"]
  if found ~= "none" and found ~= expected then
    return redis.error_reply("WRONGTYPE " .. key .. " holds a " .. found .. ", expected a " .. expected)
  end
end
`

/** Reads the answer of a call of many: how many, when all of them are new, else 1 or 0 for each. */
export const readAdded = (added: number | ReadonlyArray<number>): ReadonlyArray<boolean> =>
  typeof added === "number" ? new Array<boolean>(added).fill(true) : added.map((one) => one === 1)

/**
 * One job has nothing in common with others, and most calls have one job. What the script knows as well is not sent: of
 * so short a call each argument is a hundredth.
 */
const alone = ({ common, data, description, id }: NewJob): ReadonlyArray<Redis.Arg> => {
  const { atFront, date, more, queue, timeout, ttl } = common
  return [
    keys.queues,
    keys.family.job,
    keys.queue(queue),
    1,
    queue,
    atFront ? "LPUSH" : "RPUSH",
    ttl ?? "",
    id,
    data,
    description,
    timeout,
    date,
    ...more
  ]
}

export const enqueue = Redis.script(
  (jobs: ReadonlyArray<NewJob>) => {
    if (jobs.length === 1) return alone(jobs[0]!)
    const { commons, queues } = layout(jobs)
    const params: Array<Redis.Arg> = [keys.queues, keys.family.job]
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    params.push(jobs.length)
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    params.push(commons.size)
    for (const common of commons.keys()) {
      const { atFront, queue, ttl } = common
      const fields = commonFields(common, "queued")
      params.push(queues.get(queue)! + 1, atFront ? 1 : 0, ttl ?? "", fields.length)
      for (const field of fields) params.push(field)
    }
    for (const { common, data, description, id } of jobs) {
      params.push(commons.get(common)! + 1, id, data, description)
    }
    return params
  },
  {
    name: "enqueue",
    numberOfKeys: (jobs) => jobs.length === 1 ? 3 : 2 + layout(jobs).queues.size,
    // Fewest calls: what is asked of all at once is not asked of each, and LLEN, which every list answers, tells a type
    // at half the price of TYPE. For one job the push itself finds out, and what was written before it is taken back.
    lua: `${luaRequireType}
local queues, JOB, count = #KEYS - 2, KEYS[2], tonumber(ARGV[1])
if count == 1 then
  local list, queue, push, ttl, id = KEYS[3], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
  local name = "${keys.family.queue}" .. queue
  local known = redis.pcall("SADD", KEYS[1], name)
  if type(known) == "table" then return requireType(KEYS[1], "set") or known end
  local key = JOB .. id
  if redis.call("EXISTS", key) == 1 then return { 0 } end
  local pushed = redis.pcall(push, list, id)
  if type(pushed) == "table" then
    if known == 1 then redis.call("SREM", KEYS[1], name) end
    return requireType(list, "list") or pushed
  end
  redis.call("HSET", key, "status", "queued", "data", ARGV[6], "description", ARGV[7], "timeout", ARGV[8],
    "enqueued_at", ARGV[9], "origin", queue, "created_at", ARGV[9], unpack(ARGV, 10))
  if ttl ~= "" then redis.call("EXPIRE", key, ttl) end
  return 1
end
for q = 1, queues do
  local length = redis.pcall("LLEN", KEYS[2 + q])
  if type(length) == "table" then return requireType(KEYS[2 + q], "list") or length end
end
local known = redis.pcall("SADD", KEYS[1], unpack(ARGV, 2, 1 + queues))
if type(known) == "table" then return requireType(KEYS[1], "set") or known end
local commons, at = {}, 3 + queues
for c = 1, tonumber(ARGV[2 + queues]) do
  local queue, front, ttl, fields = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local common = { unpack(ARGV, at + 4, at + 3 + fields) }
  common.queue, common.front, common.ttl = queue, front == "1", ttl ~= "" and ttl
  commons[tostring(c)] = common
  at = at + 4 + fields
end
local names = {}
for j = 1, count do names[j] = JOB .. ARGV[at + 4 * j - 3] end
local isKnown = redis.call("EXISTS", unpack(names)) > 0
local added, taken, last, all = {}, {}, {}, true
for j = 1, count do
  local common, id, key = commons[ARGV[at]], ARGV[at + 1], names[j]
  if taken[id] or isKnown and redis.call("EXISTS", key) == 1 then
    added[j], all = 0, false
  else
    redis.call("HSET", key, "status", "queued", "data", ARGV[at + 2], "description", ARGV[at + 3], unpack(common))
    if common.ttl then redis.call("EXPIRE", key, common.ttl) end
    local queue = common.queue
    if common.front then
      redis.call("LPUSH", KEYS[2 + queue], id)
    else
      local ids = last[queue]
      if ids then ids[#ids + 1] = id else last[queue] = { id } end
    end
    added[j], taken[id] = 1, true
  end
  at = at + 4
end
for queue, ids in pairs(last) do redis.call("RPUSH", KEYS[2 + queue], unpack(ids)) end
return all and count or added
`,
    result: readAdded
  }
)
