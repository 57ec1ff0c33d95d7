/**
 * What `cancel`, `requeue` and `delete` have in common: they find a job where it rests, and take it out of there.
 *
 * @internal
 */
import type * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAttempt, luaHoldsListOrNothing } from "./attempt.js"
import { luaHandoverOf } from "./handover.js"
import { luaBeginsWaiting } from "./waits.js"

export const restingKeys: ReadonlyArray<Redis.Arg> = [
  keys.family.job,
  keys.family.queue,
  keys.family.scheduled,
  keys.family.deferred,
  keys.family.finished,
  keys.family.failed,
  keys.family.canceled,
  keys.family.results,
  keys.ownFamily.handovers,
  keys.ownFamily.handover
]

/** In the lists of how many workers one is looked for that is not in its queue: it may just have been handed over. */
const mostHandovers = 1000

/** Needs `QUEUE`, `HANDOVERS`, `HANDOVER` and `attempt`. */
export const luaTakeQueued = `${luaHandoverOf}
-- Takes an id out of its queue, or out of the list of a worker that it has just been handed over to.
local function takeQueued(origin, id)
  if attempt("LREM", QUEUE .. origin, 1, id) == 1 then return end
  local workers = attempt("ZRANGE", HANDOVERS .. origin, 0, ${mostHandovers - 1}) or {}
  for i = 1, #workers do
    if attempt("LREM", handoverOf(origin, workers[i]), 1, id) == 1 then return end
  end
end
`

export const luaResting = `
local JOB, QUEUE, SCHEDULED, DEFERRED, FINISHED, FAILED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local CANCELED, RESULTS, HANDOVERS, HANDOVER = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local REGISTRY = { scheduled = SCHEDULED, deferred = DEFERRED, finished = FINISHED, failed = FAILED, stopped = FAILED,
  canceled = CANCELED }
${luaAttempt}${luaHoldsListOrNothing}${luaBeginsWaiting}${luaTakeQueued}
-- Takes a job out of where its status says that it is, and out of what it waits for.
local function takeFrom(status, origin, id)
  if status == "queued" then
    takeQueued(origin, id)
  elseif REGISTRY[status] then
    attempt("ZREM", REGISTRY[status] .. origin, id)
  end
  if status == "deferred" then
    local parents = attempt("SMEMBERS", JOB .. ":" .. id .. ":dependencies") or {}
    for i = 1, #parents do attempt("SREM", JOB .. parents[i] .. ":dependents", id) end
    redis.call("DEL", JOB .. ":" .. id .. ":dependencies")
  end
end
`
