/**
 * Edge `promote`: scheduled -> queued, and the beat of the scheduler that walks it.
 *
 * For each queue the script first checks that the lock still holds the caller's token. Only then does it prolong the
 * lease and move what is due: a scheduler that was paused past its lease can neither promote nor prolong.
 *
 * An id is promoted when its job is `scheduled`. An id whose hash is missing or says otherwise is left alone for a
 * while and dropped after that: Python producers write the sorted set before the hash, so it may be about to come.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaLease } from "./lease.js"
import { luaBeginsWaiting } from "./waits.js"

/** For how many seconds a due id without a scheduled job is left in place before it is dropped. */
export const graceSeconds = 60

export interface PromoteParams {
  readonly scheduler: string
  readonly queues: ReadonlyArray<QueueToPromote>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
  readonly leaseMillis: number
  /** How many ids to look at in all. Queues take from it in the order given. */
  readonly limit: number
  /**
   * When the scheduler's own hash gets a sign of life: field, value, ... of it at its birth, which are written where Redis
   * has forgotten it while the lease lived.
   */
  readonly heartbeat: ReadonlyArray<string> | undefined
}

export interface QueueToPromote {
  readonly queue: string
  /** How many ids at the head to pass over: those of which the calls before said that they are held back. */
  readonly skip: number
}

/** The queue was promoted from. */
export interface Promoted {
  readonly _tag: "Promoted"
  readonly queue: string
  /** In order of due time. */
  readonly ids: ReadonlyArray<string>
  /** Due time of the first promoted id, in Unix seconds. */
  readonly firstDue: number | undefined
  /** Ids that were dropped because no scheduled job belongs to them. */
  readonly dropped: number
  /** Due ids that wait for their job to appear. */
  readonly heldBack: number
  /** Due time of the next id that is not due yet, in Unix seconds. */
  readonly nextDue: number | undefined
  /** Whether more is due than the limit let through. */
  readonly more: boolean
}

/** The lock is not the caller's: nothing was done for this queue. */
export interface NotHeld {
  readonly _tag: "NotHeld"
  readonly queue: string
}

/** A key of the queue holds a foreign type: the lease was prolonged, nothing was promoted. */
export interface WrongType {
  readonly _tag: "WrongType"
  readonly queue: string
  readonly message: string
}

const keysBeforeQueues = 3

export const promote = Redis.script(
  (params: PromoteParams) => {
    const out: Array<Redis.Arg> = [keys.scheduler(params.scheduler), keys.family.job, keys.ownFamily.firstSeen]
    for (const { queue } of params.queues) {
      out.push(keys.schedulerLock(queue), keys.scheduled(queue), keys.queue(queue))
    }
    out.push(
      params.scheduler,
      params.now,
      params.nowDate,
      params.leaseMillis,
      params.limit,
      graceSeconds,
      params.heartbeat === undefined ? 0 : 1
    )
    for (const { skip } of params.queues) out.push(skip)
    for (const { queue } of params.queues) out.push(queue)
    if (params.heartbeat !== undefined) out.push(...params.heartbeat)
    return out
  },
  {
    name: "promote",
    numberOfKeys: (params) => keysBeforeQueues + 3 * params.queues.length,
    lua: `${luaLease}${luaBeginsWaiting}
local jobs, firstSeen = KEYS[2], KEYS[3]
local token, now, nowDate, lease = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local budget, grace, nowSeconds = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[2])

-- An id that no scheduled job belongs to: true once it has been seen for longer than the grace. A hash of the queue
-- keeps when each was first seen, so that one look tells that there is none, as there mostly is. What stands there for
-- longer than the hash would live without a touch is of another time that the id was scheduled.
local function overdue(seen, id)
  local since = tonumber(redis.pcall("HGET", seen, id) or "")
  if since and nowSeconds - since <= grace * 10 then return nowSeconds - since > grace end
  redis.pcall("HSET", seen, id, now)
  redis.pcall("EXPIRE", seen, grace * 10)
  return false
end

local function wrongType(key, expected)
  return key .. " holds a " .. redis.call("TYPE", key)["ok"] .. ", expected a " .. expected
end

-- What is not plain (see \`askedRarely\` in wire/jobHash) may have a lifetime in the queue. Whether it goes to the front.
local function waitsOtherwise(key)
  local job = redis.call("HMGET", key, "ttl", "enqueue_at_front", "enqueue_at_front_on_retry", "ended_at")
  beginsWaiting(key, job[1])
  return job[2] == "1" or job[3] == "1" and (job[4] or "") ~= ""
end

-- What is due, and how many texts tell of each: its id and its score, or the id alone where all as many as may be looked at are
-- due when the first one is. That is so where many are due at once, and to write the score of each is a twelfth of the work.
local function dueFrom(scheduled, skip, limit, first)
  if limit == 0 then return {}, 1 end
  local last = redis.call("ZRANGE", scheduled, skip + limit - 1, skip + limit - 1, "WITHSCORES")
  if last[2] == first then return redis.call("ZRANGE", scheduled, skip, skip + limit - 1), 1 end
  return redis.call("ZRANGEBYSCORE", scheduled, "-inf", now, "WITHSCORES", "LIMIT", skip, limit), 2
end

local function promoteDue(scheduled, queue, seen, skip)
  -- Mostly nothing is due, which one look at the head tells. pcall: a foreign type is this queue's problem alone.
  local head = redis.pcall("ZRANGE", scheduled, skip, skip, "WITHSCORES")
  if head.err then return { 2, wrongType(scheduled, "zset") } end
  if not head[1] then return { 1, {}, "", 0, 0, "", 0 } end
  if tonumber(head[2]) > nowSeconds then return { 1, {}, "", 0, 0, head[2], 0 } end
  local list = redis.call("TYPE", queue)["ok"]
  if list ~= "list" and list ~= "none" then return { 2, wrongType(queue, "list") } end

  local limit = budget
  local due, each = dueFrom(scheduled, skip, limit, head[2])
  local looked = #due / each
  budget = budget - looked
  local ids, toRemove, toBack, dropped, held, firstDue = {}, {}, {}, 0, 0, ""
  for i = 1, looked do
    local id, score = due[each * (i - 1) + 1], each == 1 and head[2] or due[2 * i]
    local key = jobs .. id
    -- pcall: a foreign key of another type under the job's name must not stop the others half way
    local job = redis.pcall("HMGET", key, "status", "last_heartbeat")
    if job[1] == "scheduled" then
      redis.call("HSET", key, "status", "queued", "enqueued_at", nowDate, "due_at", score)
      if job[2] and waitsOtherwise(key) then
        redis.call("LPUSH", queue, id)
      else
        toBack[#toBack + 1] = id
      end
      if firstDue == "" then firstDue = score end
      ids[#ids + 1] = id
      toRemove[i - held] = id
    elseif overdue(seen, id) then
      toRemove[i - held] = id
      dropped = dropped + 1
    else
      held = held + 1
    end
  end
  if #toBack > 0 then redis.call("RPUSH", queue, unpack(toBack)) end
  if #toRemove > 0 then
    if held == 0 then
      -- those that were looked at are next to each other still
      redis.call("ZREMRANGEBYRANK", scheduled, skip, skip + looked - 1)
    else
      redis.call("ZREM", scheduled, unpack(toRemove))
    end
    -- the next time that one of them is scheduled has a grace of its own
    if redis.call("EXISTS", seen) == 1 then redis.pcall("HDEL", seen, unpack(toRemove)) end
  end
  local nextDue = redis.call("ZRANGEBYSCORE", scheduled, "(" .. now, "+inf", "WITHSCORES", "LIMIT", 0, 1)
  return { 1, ids, firstDue, dropped, held, nextDue[2] or "", looked == limit and 1 or 0 }
end

local held, out, queues = false, {}, (#KEYS - ${keysBeforeQueues}) / 3
for at = ${keysBeforeQueues + 1}, #KEYS, 3 do
  if prolongLease(KEYS[at], token, lease) then
    held = true
    local seen = firstSeen .. ARGV[8 + queues + #out]
    out[#out + 1] = promoteDue(KEYS[at + 1], KEYS[at + 2], seen, tonumber(ARGV[8 + #out]))
  else
    out[#out + 1] = { 0 }
  end
end
if held and ARGV[7] == "1" then
  if redis.call("EXISTS", KEYS[1]) == 0 then redis.call("HSET", KEYS[1], unpack(ARGV, 8 + 2 * queues)) end
  -- what it tells of itself must not be in the way of what it is for
  if redis.call("TYPE", KEYS[1])["ok"] == "hash" then
    redis.call("HSET", KEYS[1], "last_heartbeat", nowDate)
    redis.call("EXPIRE", KEYS[1], 61)
  end
end
return out
`,
    result: (reply: ReadonlyArray<Row>) => (queues: ReadonlyArray<QueueToPromote>) =>
      reply.map((row, index) => read(queues[index]!.queue, row))
  }
)

type Row =
  | readonly [status: 0]
  | readonly [status: 2, message: string]
  | readonly [
    status: 1,
    ids: ReadonlyArray<string>,
    firstDue: string,
    dropped: number,
    heldBack: number,
    nextDue: string,
    more: number
  ]

const seconds = (score: string): number | undefined => score === "" ? undefined : Number(score)

const read = (queue: string, row: Row): Promoted | NotHeld | WrongType => {
  switch (row[0]) {
    case 0:
      return { _tag: "NotHeld", queue }
    case 2:
      return { _tag: "WrongType", queue, message: row[1] }
    case 1:
      return {
        _tag: "Promoted",
        queue,
        ids: row[1],
        firstDue: seconds(row[2]),
        dropped: row[3],
        heldBack: row[4],
        nextDue: seconds(row[5]),
        more: row[6] === 1
      }
  }
}
