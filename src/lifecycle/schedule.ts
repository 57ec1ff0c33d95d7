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
import { type CommonFields, commonFields, layout, luaRequireType, readAdded } from "./enqueue.js"

export interface NewScheduledJob {
  readonly id: string
  /** When it is due, in Unix seconds as text, with up to three decimals. */
  readonly due: string
  readonly data: string
  readonly description: string
  /** What several jobs of a call have in common: the same object for all who share it, so that it is sent once. */
  readonly common: CommonFields
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
    const { commons, queues } = layout(jobs)
    const params: Array<Redis.Arg> = [keys.queues, keys.family.job]
    for (const queue of queues.keys()) params.push(keys.scheduled(queue), keys.schedulerChannel(queue))
    params.push(commons.size)
    for (const queue of queues.keys()) params.push(keys.queue(queue))
    for (const common of commons.keys()) {
      const fields = commonFields(common, "scheduled")
      params.push(queues.get(common.queue)! + 1, fields.length)
      for (const field of fields) params.push(field)
    }
    for (const { common, data, description, due, id } of jobs) {
      params.push(commons.get(common)! + 1, id, due, data, description)
    }
    return params
  },
  {
    name: "schedule",
    numberOfKeys: (jobs) => 2 + 2 * layout(jobs).queues.size,
    lua: `${luaRequireType}
local queues, JOB = (#KEYS - 2) / 2, KEYS[2]
for q = 1, queues do
  local size = redis.pcall("ZCARD", KEYS[1 + 2 * q])
  if type(size) == "table" then return requireType(KEYS[1 + 2 * q], "zset") or size end
end
local known = redis.pcall("SADD", KEYS[1], unpack(ARGV, 2, 1 + queues))
if type(known) == "table" then return requireType(KEYS[1], "set") or known end
local commons, at = {}, 2 + queues
for c = 1, tonumber(ARGV[1]) do
  local fields = tonumber(ARGV[at + 1])
  local common = { unpack(ARGV, at + 2, at + 1 + fields) }
  common.queue = tonumber(ARGV[at])
  commons[tostring(c)] = common
  at = at + 2 + fields
end
local names, count = {}, 0
for j = at, #ARGV, 5 do
  count = count + 1
  names[count] = JOB .. ARGV[j + 1]
end
local isKnown = redis.call("EXISTS", unpack(names)) > 0
local added, taken, last, all = {}, {}, {}, true
for j = 1, count do
  local common, id, key = commons[ARGV[at]], ARGV[at + 1], names[j]
  if taken[id] or isKnown and redis.call("EXISTS", key) == 1 then
    added[j], all = 0, false
  else
    redis.call("HSET", key, "status", "scheduled", "data", ARGV[at + 3], "description", ARGV[at + 4], unpack(common))
    local queue = common.queue
    local entries = last[queue] or {}
    entries[#entries + 1] = ARGV[at + 2]
    entries[#entries + 1] = id
    last[queue] = entries
    added[j], taken[id] = 1, queue
  end
  at = at + 5
end
for queue, entries in pairs(last) do
  local scheduled = KEYS[1 + 2 * queue]
  redis.call("ZADD", scheduled, unpack(entries))
  local head = redis.call("ZRANGE", scheduled, 0, 0, "WITHSCORES")
  if taken[head[1]] == queue then redis.call("PUBLISH", KEYS[2 + 2 * queue], "due " .. head[2]) end
end
return all and count or added
`,
    result: readAdded
  }
)
