/**
 * Edge `cancel`: queued, scheduled, deferred -> canceled. A started job is stopped, not canceled: the script says which
 * worker has to be told.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import { luaDependents } from "./dependents.js"
import { luaResting, restingKeys } from "./resting.js"

export type Canceled =
  | { readonly _tag: "Canceled"; readonly was: string }
  | { readonly _tag: "Started"; readonly worker: string }
  | { readonly _tag: "Ended"; readonly status: string }
  | { readonly _tag: "Missing" }

export const cancel = Redis.script(
  (params: { readonly ids: ReadonlyArray<string>; readonly now: string; readonly nowDate: string }) => [
    ...restingKeys,
    params.now,
    params.nowDate,
    ...params.ids
  ],
  {
    name: "cancel",
    numberOfKeys: restingKeys.length,
    lua: `
local NOW, NOW_DATE = ARGV[1], ARGV[2]
${luaResting}${luaDependents}
local function cancelOne(id)
  local key = JOB .. id
  local job = redis.pcall("HMGET", key, "status", "origin", "worker_name", "awaited")
  local status, origin = job[1], job[2] or ""
  if not status then return { "Missing", "" } end
  if status == "started" then return { "Started", job[3] or "" } end
  if status ~= "queued" and status ~= "scheduled" and status ~= "deferred" then return { "Ended", status } end
  takeFrom(status, origin, id)
  redis.call("HSET", key, "status", "canceled", "ended_at", NOW_DATE)
  redis.call("PERSIST", key)
  attempt("ZADD", CANCELED .. origin, math.floor(tonumber(NOW)), id)
  if job[4] == "1" then
    attempt("XADD", RESULTS .. id, "MAXLEN", "~", 10, "*", "type", 3, "worker_name", "")
  end
  releaseDependents(id, "canceled")
  return { "Canceled", status }
end
local out = {}
for i = 3, #ARGV do out[#out + 1] = cancelOne(ARGV[i]) end
return out
`,
    result: (rows: ReadonlyArray<readonly [Canceled["_tag"], string]>): ReadonlyArray<Canceled> =>
      rows.map(([tag, detail]): Canceled => {
        switch (tag) {
          case "Canceled":
            return { _tag: tag, was: detail }
          case "Started":
            return { _tag: tag, worker: detail }
          case "Ended":
            return { _tag: tag, status: detail }
          case "Missing":
            return { _tag: tag }
        }
      })
  }
)
