/**
 * Edge `enqueue`: (new) -> queued.
 *
 * A job whose hash exists already is left as it is, so a call whose reply was lost can be repeated.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

export interface NewJob {
  readonly id: string
  readonly queue: string
  readonly atFront: boolean
  /** Seconds for which the job may wait in the queue. */
  readonly ttl: number | undefined
  /** Field, value, field, value, ... of the job's hash. */
  readonly fields: ReadonlyArray<string>
}

/** Distinct queues of some jobs, each with its position. */
export const queuesOf = (jobs: ReadonlyArray<{ readonly queue: string }>): ReadonlyMap<string, number> => {
  const queues = new Map<string, number>()
  for (const job of jobs) if (!queues.has(job.queue)) queues.set(job.queue, queues.size)
  return queues
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

export const enqueue = Redis.script(
  (jobs: ReadonlyArray<NewJob>) => {
    const queues = queuesOf(jobs)
    const params: Array<Redis.Arg> = [keys.queues, keys.family.job]
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    params.push(jobs.length)
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    for (const job of jobs) {
      params.push(job.id, queues.get(job.queue)! + 1, job.atFront ? 1 : 0, job.ttl ?? "", job.fields.length)
      for (const field of job.fields) params.push(field)
    }
    return params
  },
  {
    name: "enqueue",
    numberOfKeys: (jobs) => 2 + queuesOf(jobs).size,
    lua: `${luaRequireType}
local queues, jobs, count = #KEYS - 2, KEYS[2], tonumber(ARGV[1])
local wrong = requireType(KEYS[1], "set")
if wrong then return wrong end
for q = 1, queues do
  wrong = requireType(KEYS[2 + q], "list")
  if wrong then return wrong end
end
for q = 1, queues do redis.call("SADD", KEYS[1], ARGV[1 + q]) end
local added, last = {}, {}
local at = 2 + queues
for j = 1, count do
  local id, queue, front, ttl, fields = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  local key = jobs .. id
  if redis.call("EXISTS", key) == 1 then
    added[j] = 0
  else
    redis.call("HSET", key, unpack(ARGV, at + 5, at + 4 + fields))
    if ttl ~= "" then redis.call("EXPIRE", key, ttl) end
    if front == "1" then
      redis.call("LPUSH", KEYS[2 + queue], id)
    else
      local ids = last[queue] or {}
      ids[#ids + 1] = id
      last[queue] = ids
    end
    added[j] = 1
  end
  at = at + 5 + fields
end
for queue, ids in pairs(last) do redis.call("RPUSH", KEYS[2 + queue], unpack(ids)) end
return added
`,
    result: (added: ReadonlyArray<number>): ReadonlyArray<boolean> => added.map((one) => one === 1)
  }
)
