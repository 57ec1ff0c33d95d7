/**
 * Edge `schedule`: (new) -> scheduled.
 *
 * A job whose hash exists already is left as it is, so a call whose reply was lost can be repeated. The lifetime that a
 * job may wait in its queue (`ttl`) starts when it is promoted, so that a job is never lost before it was due.
 *
 * When the job is the next of its queue that becomes due, the schedulers are told, so that none sleeps past it.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaRequireType, queuesOf } from "./enqueue.js"

export interface NewScheduledJob {
  readonly id: string
  readonly queue: string
  /** When it is due, in Unix seconds as text, with up to three decimals. */
  readonly due: string
  /** Field, value, field, value, ... of the job's hash. */
  readonly fields: ReadonlyArray<string>
}

/** Tells the schedulers of a queue when \`id\` has become the next one due. The channel is declared as a key. */
export const luaAnnounceNext = `
local function announceNext(scheduled, channel, id)
  local head = redis.call("ZRANGE", scheduled, 0, 0, "WITHSCORES")
  if head[1] == id then redis.call("PUBLISH", channel, "due " .. head[2]) end
end
`

export const schedule = Redis.script(
  (jobs: ReadonlyArray<NewScheduledJob>) => {
    const queues = queuesOf(jobs)
    const params: Array<Redis.Arg> = [keys.queues, keys.family.job]
    for (const queue of queues.keys()) params.push(keys.scheduled(queue), keys.schedulerChannel(queue))
    params.push(jobs.length)
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    for (const job of jobs) {
      params.push(job.id, queues.get(job.queue)! + 1, job.due, job.fields.length)
      for (const field of job.fields) params.push(field)
    }
    return params
  },
  {
    name: "schedule",
    numberOfKeys: (jobs) => 2 + 2 * queuesOf(jobs).size,
    lua: `${luaRequireType}${luaAnnounceNext}
local queues, jobs, count = (#KEYS - 2) / 2, KEYS[2], tonumber(ARGV[1])
local wrong = requireType(KEYS[1], "set")
if wrong then return wrong end
for q = 1, queues do
  wrong = requireType(KEYS[1 + 2 * q], "zset")
  if wrong then return wrong end
end
for q = 1, queues do redis.call("SADD", KEYS[1], ARGV[1 + q]) end
local added, soonest = {}, {}
local at = 2 + queues
for j = 1, count do
  local id, queue, due, fields = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
  local key = jobs .. id
  if redis.call("EXISTS", key) == 1 then
    added[j] = 0
  else
    redis.call("HSET", key, unpack(ARGV, at + 4, at + 3 + fields))
    redis.call("ZADD", KEYS[1 + 2 * queue], due, id)
    added[j] = 1
    local first = soonest[queue]
    if not first or tonumber(due) < first.due or (tonumber(due) == first.due and id < first.id) then
      soonest[queue] = { due = tonumber(due), id = id }
    end
  end
  at = at + 4 + fields
end
for queue, first in pairs(soonest) do announceNext(KEYS[1 + 2 * queue], KEYS[2 + 2 * queue], first.id) end
return added
`,
    result: (added: ReadonlyArray<number>): ReadonlyArray<boolean> => added.map((one) => one === 1)
  }
)
