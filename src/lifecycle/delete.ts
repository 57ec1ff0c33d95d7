/**
 * Edge `delete`: any resting state -> (gone), with the results. A started job is left as it is.
 *
 * Jobs that waited for it are released: a job that is gone counts as met, as in RQ.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import { luaDependents } from "./dependents.js"
import { luaResting, restingKeys } from "./resting.js"

export const deleteJobs = Redis.script(
  (params: { readonly ids: ReadonlyArray<string>; readonly nowDate: string }) => [
    ...restingKeys,
    params.nowDate,
    ...params.ids
  ],
  {
    name: "delete",
    numberOfKeys: restingKeys.length,
    lua: `
local NOW_DATE = ARGV[1]
${luaResting}${luaDependents}
local function deleteOne(id)
  local key = JOB .. id
  local job = redis.pcall("HMGET", key, "status", "origin")
  local status, origin = job[1], job[2] or ""
  if not (status or job[2]) then return { 0, "missing" } end
  if status == "started" then return { 0, status } end
  takeFrom(status, origin, id)
  redis.call("DEL", key, RESULTS .. id)
  releaseDependents(id, false)
  redis.call("DEL", key .. ":dependents")
  return { 1, status or "" }
end
local out = {}
for i = 2, #ARGV do out[#out + 1] = deleteOne(ARGV[i]) end
return out
`,
    result: (rows: ReadonlyArray<readonly [number, string]>) =>
      rows.map(([deleted, status]) => ({ deleted: deleted === 1, status }))
  }
)
