/**
 * A sign of life of one running job, asked for by its handler. Without effect for an execution that is not the current
 * one.
 *
 * @internal
 */
import type { Execution } from "../lifecycle/execution.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** False when the execution is not the current one any more. */
export const touch = Redis.script(
  ({ execution, id, queue }: Execution, times: { readonly aliveUntil: string; readonly nowDate: string }) => [
    keys.started(queue),
    keys.job(id),
    `${id}:${execution}`,
    execution,
    times.aliveUntil,
    times.nowDate
  ],
  {
    name: "touch",
    numberOfKeys: 2,
    lua: `
if not redis.call("ZSCORE", KEYS[1], ARGV[1]) then return 0 end
local job = redis.call("HMGET", KEYS[2], "status", "execution")
if job[1] ~= "started" or job[2] ~= ARGV[2] then return 0 end
redis.call("ZADD", KEYS[1], "XX", "GT", ARGV[3], ARGV[1])
redis.call("HSET", KEYS[2], "last_heartbeat", ARGV[4])
return 1
`,
    result: (alive: number): boolean => alive === 1
  }
)
