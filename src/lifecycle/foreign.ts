/**
 * Whether somebody else promotes in a queue that this scheduler leads: RQ's schedulers up to 2.10 do not look at their
 * lock where they promote, so one that was paused past its lease goes on.
 *
 * Looked at are samples, in two ways. An id that was about to be due and has left the registry without the leader, with a
 * job that was queued when it was due, was promoted by somebody else. And a job that the leader promoted, whose time of
 * being queued has been written again before it has ended, was promoted a second time: it may stand in its queue twice.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaLease } from "./lease.js"
import { luaSecondsOf } from "./seconds.js"

/** How many ids of a queue are looked at, of either kind. */
export const sampleSize = 10

export interface Watched {
  readonly id: string
  /** When it is due, as the registry holds it. */
  readonly due: string
}

export interface PromotedOnce {
  readonly id: string
  /** What the leader wrote as the time at which it was queued. */
  readonly enqueuedAt: string
}

export interface ForeignParams {
  readonly scheduler: string
  readonly queues: ReadonlyArray<{
    readonly queue: string
    /** What was about to be due when it was last looked at, without what the leader has promoted since. */
    readonly watched: ReadonlyArray<Watched>
    readonly promoted: ReadonlyArray<PromotedOnce>
  }>
}

export interface Foreign {
  readonly queue: string
  /** What somebody else has promoted. */
  readonly ids: ReadonlyArray<string>
  /** What is due next. */
  readonly next: ReadonlyArray<Watched>
}

export const foreign = Redis.script(
  (params: ForeignParams) => {
    const out: Array<Redis.Arg> = [keys.family.job]
    for (const { queue } of params.queues) out.push(keys.schedulerLock(queue), keys.scheduled(queue))
    out.push(params.scheduler)
    for (const { promoted, watched } of params.queues) {
      out.push(watched.length, promoted.length)
      for (const { due, id } of watched) out.push(id, due)
      for (const { enqueuedAt, id } of promoted) out.push(id, enqueuedAt)
    }
    return out
  },
  {
    name: "foreign",
    numberOfKeys: (params) => 1 + 2 * params.queues.length,
    lua: `${luaLease}${luaSecondsOf}
local JOB, token, at, out = KEYS[1], ARGV[1], 2, {}
local wasQueued = { queued = true, started = true, finished = true, failed = true, stopped = true }

local function promotedByOthers(scheduled, id, due)
  local score = redis.pcall("ZSCORE", scheduled, id)
  if score then return false end
  local job = redis.pcall("HMGET", JOB .. id, "status", "due_at", "enqueued_at")
  if job.err or not wasQueued[job[1]] then return false end
  -- the reply of the call that promoted it may have been lost
  if tonumber(job[2] or "") == tonumber(due) then return false end
  local queuedAt = secondsOf(job[3])
  return queuedAt ~= nil and queuedAt >= math.floor(tonumber(due))
end

local function promotedAgain(id, enqueuedAt)
  local job = redis.pcall("HMGET", JOB .. id, "status", "due_at", "enqueued_at", "ended_at", "exc_info")
  if job.err or job[1] ~= "queued" and job[1] ~= "started" then return false end
  -- one that runs again for another reason has ended before, or has lost its due time
  return job[2] and job[3] and job[3] ~= enqueuedAt and (job[4] or "") == "" and not job[5]
end

for i = 2, #KEYS, 2 do
  local watched, promoted, ids = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), {}
  at = at + 2
  if holdsLease(KEYS[i], token) then
    for j = at, at + 2 * watched - 2, 2 do
      if promotedByOthers(KEYS[i + 1], ARGV[j], ARGV[j + 1]) then ids[#ids + 1] = ARGV[j] end
    end
    for j = at + 2 * watched, at + 2 * (watched + promoted) - 2, 2 do
      if promotedAgain(ARGV[j], ARGV[j + 1]) then ids[#ids + 1] = ARGV[j] end
    end
    local next = redis.pcall("ZRANGE", KEYS[i + 1], 0, ${sampleSize - 1}, "WITHSCORES")
    out[#out + 1] = { ids, next.err and {} or next }
  else
    out[#out + 1] = { {}, {} }
  end
  at = at + 2 * (watched + promoted)
end
return out
`,
    result:
      (rows: ReadonlyArray<readonly [ids: ReadonlyArray<string>, next: ReadonlyArray<string>]>) =>
      (params: ForeignParams): ReadonlyArray<Foreign> =>
        rows.map(([ids, flat], index) => ({
          queue: params.queues[index]!.queue,
          ids,
          next: flat.flatMap((id, at) => at % 2 === 0 ? [{ id, due: flat[at + 1]! }] : [])
        }))
  }
)
