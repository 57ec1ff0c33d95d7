/**
 * What the edges of a started job have in common: the keys they touch, and the fence.
 *
 * A started job is a member `job id:execution id` of the started registry. Whoever takes the member out ends the
 * execution; anyone who comes later finds it gone and has no effect. The status is looked at as well, because Python's
 * cancel and delete leave our member behind.
 *
 * @internal
 */
import { luaRefusedCommand } from "../internal/permission.js"
import type * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaIsRefusal } from "./attempt.js"
import { luaBeginsWaiting } from "./waits.js"

/** One run of one job by one worker. */
export interface Execution {
  readonly queue: string
  readonly id: string
  readonly execution: string
}

/** The families that every script below declares, in this order. */
export const executionKeys: ReadonlyArray<Redis.Arg> = [
  keys.family.job,
  keys.family.queue,
  keys.family.started,
  keys.family.finished,
  keys.family.failed,
  keys.family.results,
  keys.family.executions,
  keys.family.execution,
  keys.ownFamily.handover,
  keys.family.scheduled,
  keys.family.deferred,
  keys.ownFamily.scheduler
]

export const luaIsOwner = `
-- Python saves all fields of a job that it has read before the start, an empty name of a worker among them: an empty one
-- is nobody else's.
local function isOwner(worker, name)
  return not name or name == "" or name == worker
end
`

export const luaExecution = `
local JOB, QUEUE, STARTED, FINISHED, FAILED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local RESULTS, EXECUTIONS, EXECUTION, HANDOVER = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local SCHEDULED, DEFERRED, SCHEDULER_CHANNEL = KEYS[10], KEYS[11], KEYS[12]

-- What could not be done, because a key holds something foreign or the user may not do it: the first error. A script
-- can't be rolled back, so one such key must not leave everything else half done.
local PROBLEM = ""
${luaIsRefusal}${luaRefusedCommand}
-- Where the server refuses to write nothing is written yet: the script ends with the error, and nothing counts as taken away.
local function attempt(...)
  local reply = redis.pcall(...)
  if type(reply) == "table" and reply.err then
    if isRefusal(reply.err) then return redis.call(...) end
    if PROBLEM == "" then
      PROBLEM = select(2, ...) .. ": " .. (refusedCommand(select(1, ...), reply.err) or reply.err)
    end
    return false
  end
  return reply
end

local function holdsListOrNothing(key)
  local found = redis.call("TYPE", key)["ok"]
  if found == "list" or found == "none" then return true end
  if PROBLEM == "" then PROBLEM = key .. ": holds a " .. found .. ", expected a list" end
  return false
end

${luaIsOwner}${luaBeginsWaiting}
-- Whether a job's status, worker and execution say that this execution is the current one of \`owner\`. It is not when the
-- job is somewhere else by now, or runs again, here or with another worker, because somebody who does not know of
-- executions has queued it meanwhile.
local function isCurrent(owner, execution, status, worker, current)
  return status == "started" and (not owner or isOwner(owner, worker)) and (not current or current == execution)
end

-- RQ's keys of an execution are there only where a heartbeat wrote them, which leaves its date with the job. Of a job that
-- is gone nobody knows. Where somebody of RQ has saved over that date what he had read before, they are left to expire.
local function forgetExecution(id, execution, status, beaten)
  if beaten and beaten ~= "" or not status then redis.call("DEL", EXECUTIONS .. id, EXECUTION .. id .. ":" .. execution) end
end

-- Takes the execution out. Returns status, worker and the wanted fields of its job, or nil when it is not the current one
-- any more: it was taken out before, or \`isCurrent\` says so.
local function takeOut(owner, queue, id, execution, ...)
  if attempt("ZREM", STARTED .. queue, id .. ":" .. execution) ~= 1 then return nil end
  local fields = { "status", "worker_name", ... }
  local last = #fields + 2
  fields[last - 1], fields[last] = "execution", "last_heartbeat"
  local job = redis.pcall("HMGET", JOB .. id, unpack(fields))
  forgetExecution(id, execution, job[1], job[last])
  if not isCurrent(owner, execution, job[1], job[2], job[last - 1]) then return nil end
  return job
end

-- A lifetime as RQ stores it: whole seconds, -1 for ever, empty or absent for the default.
local function lifetime(text, default)
  local seconds = tonumber(text or "")
  if not seconds then return default end
  -- Redis refuses to expire what would live for longer than its clock can count
  if seconds < 0 or seconds > 1e11 then return -1 end
  return math.floor(seconds)
end

-- Redis takes a number as text, and making that costs as much as a command does; most jobs have the same lifetime.
-- Returns it, and when it is over if it begins now, in Unix seconds. Not in whole ones: thousands that end in one second
-- would have one score, among which Redis finds the place of the next by comparing ids.
local lifetimes = {}
local function lifetimeText(ttl)
  local known = lifetimes[ttl]
  if not known then
    known = { string.format("%d", ttl), string.format("%.3f", NOW + ttl) }
    lifetimes[ttl] = known
  end
  return known[1], known[2]
end
`
