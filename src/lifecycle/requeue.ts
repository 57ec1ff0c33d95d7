/**
 * Edge `requeue`: failed, finished, canceled, stopped -> queued. Once: a job that waits or runs is left as it is.
 *
 * As in RQ the retries that were spent stay spent.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import { luaResting, restingKeys } from "./resting.js"

/** "queued", or what the job is instead; "missing" when there is none. */
export const requeue = Redis.script(
  (params: { readonly ids: ReadonlyArray<string>; readonly atFront: boolean; readonly nowDate: string }) => [
    ...restingKeys,
    params.nowDate,
    params.atFront ? 1 : 0,
    ...params.ids
  ],
  {
    name: "requeue",
    numberOfKeys: restingKeys.length,
    lua: `
local NOW_DATE = ARGV[1]
${luaResting}
local function requeueOne(id)
  local key = JOB .. id
  local job = redis.pcall("HMGET", key, "status", "origin", "ttl")
  local status, origin = job[1], job[2] or ""
  if not status then return { 0, "missing" } end
  if status ~= "failed" and status ~= "stopped" and status ~= "finished" and status ~= "canceled" then
    return { 0, status }
  end
  if not holdsListOrNothing(QUEUE .. origin) then return { 0, status } end
  takeFrom(status, origin, id)
  redis.call("HSET", key, "status", "queued", "enqueued_at", NOW_DATE, "worker_name", "", "started_at", "", "ended_at", "")
  redis.call("HDEL", key, "due_at") -- it is not late for what it was due for then
  redis.call("PERSIST", key)
  attempt("PERSIST", RESULTS .. id)
  redis.call("PERSIST", key .. ":dependents")
  beginsWaiting(key, job[3])
  redis.call(ARGV[2] == "1" and "LPUSH" or "RPUSH", QUEUE .. origin, id)
  return { 1, status }
end
local out = {}
for i = 3, #ARGV do out[#out + 1] = requeueOne(ARGV[i]) end
return out
`,
    result: (rows: ReadonlyArray<readonly [number, string]>) =>
      rows.map(([requeued, status]) => ({ requeued: requeued === 1, status }))
  }
)
