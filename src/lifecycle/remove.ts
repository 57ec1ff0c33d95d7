/**
 * Edge `delete`: takes a job out of a registry and deletes it with its results.
 *
 * An entry whose job says that it is somewhere else by now is only taken out of the registry. A started job loses its
 * execution: its worker interrupts it at the next heartbeat, and what it would hand in has no effect. Jobs that waited for it
 * are released: a job that is gone counts as met, as in RQ.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAttempt, luaHoldsListOrNothing } from "./attempt.js"
import { luaDependents } from "./dependents.js"
import { luaRequireType } from "./enqueue.js"
import { luaBeginsWaiting } from "./waits.js"

export const remove = Redis.script(
  (params: {
    /** Key of the registry. */
    readonly registry: string
    readonly id: string
    /** The statuses that jobs in this registry have. */
    readonly statuses: ReadonlyArray<string>
    /** Whether members are `job id:execution id`. */
    readonly byExecution: boolean
    readonly nowDate: string
  }) => [
    params.registry,
    keys.family.job,
    keys.family.results,
    keys.family.executions,
    keys.family.execution,
    keys.family.queue,
    keys.family.deferred,
    params.id,
    params.nowDate,
    params.byExecution ? 1 : 0,
    ...params.statuses
  ],
  {
    name: "remove",
    numberOfKeys: 7,
    lua: `${luaRequireType}
local registry, id, NOW_DATE = KEYS[1], ARGV[1], ARGV[2]
local JOB, QUEUE, DEFERRED = KEYS[2], KEYS[6], KEYS[7]
${luaAttempt}${luaHoldsListOrNothing}${luaBeginsWaiting}${luaDependents}
local wrong = requireType(registry, "zset")
if wrong then return wrong end
local removed = 0
if ARGV[3] == "1" then
  local members = redis.call("ZRANGE", registry, 0, -1)
  for i = 1, #members do
    local owner, execution = string.match(members[i], "^(.*):([^:]*)$")
    if (owner or members[i]) == id then
      removed = redis.call("ZREM", registry, members[i])
      if execution then redis.call("DEL", KEYS[5] .. id .. ":" .. execution) end
    end
  end
  if removed == 1 then redis.call("DEL", KEYS[4] .. id) end
else
  removed = redis.call("ZREM", registry, id)
end
if removed == 0 then return 0 end
local key = JOB .. id
local status = redis.call("TYPE", key)["ok"] == "hash" and redis.call("HGET", key, "status")
for i = 4, #ARGV do
  if status == ARGV[i] then
    redis.call("DEL", key, JOB .. ":" .. id .. ":dependencies", KEYS[3] .. id)
    releaseDependents(id, false)
    redis.call("DEL", key .. ":dependents")
  end
end
return 1
`,
    result: (removed: number): boolean => removed === 1
  }
)
