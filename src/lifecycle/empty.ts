/**
 * Edge `delete` for all that waits in a queue, a slice a call.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import { luaDependents } from "./dependents.js"
import { luaResting, restingKeys } from "./resting.js"

/** How many ids were taken out of the queue: less than the limit when it is empty now. */
export const empty = Redis.script(
  (params: { readonly queue: string; readonly limit: number; readonly nowDate: string }) => [
    ...restingKeys,
    params.nowDate,
    params.queue,
    params.limit
  ],
  {
    name: "empty",
    numberOfKeys: restingKeys.length,
    lua: `
local NOW_DATE = ARGV[1]
${luaResting}${luaDependents}
local ids = redis.call("LPOP", QUEUE .. ARGV[2], ARGV[3])
if not ids then return 0 end
for i = 1, #ids do
  local key = JOB .. ids[i]
  -- an id whose job is somewhere else by now is a left-over, and not that job
  if attempt("HGET", key, "status") == "queued" then
    redis.call("DEL", key, RESULTS .. ids[i])
    releaseDependents(ids[i], false)
    redis.call("DEL", key .. ":dependents")
  end
end
return #ids
`,
    result: (taken: number): number => taken
  }
)
