/**
 * Clears up what dead workers leave behind, theirs and ours: entries of the sets of workers whose hash is gone, and ids
 * in the intermediate list of RQ 2, into which its workers move an id before they start its job.
 *
 * An id that has been there for a minute, whose job is still queued and that no execution holds, goes back to the front of
 * its queue (RQ fails the job). So that Python's clean-up agrees, the time at which it was first seen is kept as RQ does.
 * RQ leaves that key behind, which would tell of an earlier time that the same job was stuck: one from before the job was
 * last queued counts for nothing.
 *
 * An id whose job is gone, or rests somewhere else by now, leaves the list.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAttempt } from "./attempt.js"
import { luaTakesMark } from "./mark.js"
import { luaSecondsOf } from "./seconds.js"

export interface TidyParams {
  /** Who looks. */
  readonly worker: string
  readonly queues: ReadonlyArray<string>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Nobody looks after the same queue again before this has passed. */
  readonly intervalMillis: number
  /** How many ids of an intermediate list to look at in one call at most. */
  readonly limit: number
}

/** For how many seconds an id may be in the intermediate list before its worker counts as dead, as in RQ. */
export const stuckSeconds = 60

/** How many started executions, and how many waiting ids, are looked through for one that is stuck. */
const mostSearched = 10_000

export const tidy = Redis.script(
  (params: TidyParams) => [
    keys.family.job,
    keys.family.queue,
    keys.family.started,
    keys.family.workers,
    keys.workers,
    keys.family.worker,
    keys.ownFamily.tidied,
    keys.family.executions,
    keys.queues,
    params.worker,
    params.now,
    params.intervalMillis,
    params.limit,
    keys.family.worker,
    keys.family.queue,
    ...params.queues
  ],
  {
    name: "tidy",
    numberOfKeys: 9,
    lua: `
local JOB, QUEUE, STARTED, WORKERS_OF, WORKERS, WORKER, TIDIED, EXECUTIONS =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local me, NOW, interval, limit, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local QUEUES, queuePrefix = KEYS[9], ARGV[6]
${luaAttempt}${luaTakesMark}
-- Takes the workers out of a set whose hash is gone; returns how many.
local function forgetDead(set)
  local listed = attempt("SMEMBERS", set)
  if not listed then return 0 end
  local dead = {}
  for i = 1, math.min(#listed, ${mostSearched}) do
    local member = listed[i]
    if string.sub(member, 1, #prefix) == prefix and
      redis.call("EXISTS", WORKER .. string.sub(member, #prefix + 1)) == 0 and #dead < 1000 then
      dead[#dead + 1] = member
    end
  end
  if #dead > 0 then redis.call("SREM", set, unpack(dead)) end
  return #dead
end

${luaSecondsOf}
-- Whether the id has been in the list for long enough.
local function isStuck(seen, enqueuedAt)
  if redis.call("SET", seen, ARGV[2], "EX", 86400, "NX") then return false end
  local since = tonumber(attempt("GET", seen) or "")
  local queuedAt = secondsOf(enqueuedAt)
  if not since or queuedAt and queuedAt > since then
    redis.call("SET", seen, ARGV[2], "EX", 86400)
    return false
  end
  return NOW - since > ${stuckSeconds}
end

local recovered = {}

local function recover(queue)
  local list = QUEUE .. queue
  local intermediate = list .. ":intermediate"
  -- a queue may have that very name, and what waits in it is not stuck
  if attempt("SISMEMBER", QUEUES, queuePrefix .. queue .. ":intermediate") == 1 then return end
  local ids = attempt("LRANGE", intermediate, 0, limit - 1)
  if not ids or #ids == 0 then return end
  local kind = redis.call("TYPE", list)["ok"]
  if kind ~= "list" and kind ~= "none" then return end

  -- The ids of what is started, looked up when one is needed.
  local held
  local function isHeld(id)
    if redis.call("EXISTS", EXECUTIONS .. id) == 1 then return true end
    if not held then
      held = {}
      local members = attempt("ZRANGE", STARTED .. queue, 0, ${mostSearched - 1}) or {}
      for i = 1, #members do held[string.match(members[i], "^(.*):[^:]*$") or members[i]] = true end
    end
    return held[id]
  end

  -- from the last to the first, so that the first is at the front of the queue
  for i = #ids, 1, -1 do
    local id = ids[i]
    local seen = intermediate .. ":first_seen:" .. id
    local job = redis.pcall("HMGET", JOB .. id, "status", "data", "enqueued_at")
    if job.err or not (job[1] or job[2]) then
      redis.call("LREM", intermediate, 1, id)
      redis.call("DEL", seen)
    elseif not isHeld(id) and isStuck(seen, job[3]) then
      if job[1] == "queued" then
        redis.call("LREM", intermediate, 1, id)
        redis.call("DEL", seen)
        if not attempt("LPOS", list, id, "MAXLEN", ${mostSearched}) then redis.call("LPUSH", list, id) end
        recovered[#recovered + 1] = { queue, id }
      elseif job[1] ~= "started" then
        redis.call("LREM", intermediate, 1, id)
        redis.call("DEL", seen)
      end
    end
  end
end

local forgotten, looked = 0, false
for i = 7, #ARGV do
  local queue = ARGV[i]
  if takesMark(TIDIED .. queue, me, interval) then
    looked = true
    forgotten = forgotten + forgetDead(WORKERS_OF .. queue)
    recover(queue)
  end
end
if looked then forgotten = forgotten + forgetDead(WORKERS) end
return { recovered, forgotten }
`,
    result: (
      [rows, forgotten]: readonly [ReadonlyArray<readonly [queue: string, id: string]>, number]
    ) => ({
      /** What went back to the front of its queue. */
      recovered: rows.map(([queue, id]) => ({ queue, id })),
      /** How many entries of dead workers were taken out of the sets. */
      forgotten
    })
  }
)
