/**
 * Sets fields of a running job's meta. Without effect for an execution that is not the current one.
 *
 * @internal
 */
import { luaRequireType } from "../lifecycle/enqueue.js"
import { type Execution, luaIsOwner } from "../lifecycle/execution.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** `before` is the meta as it was read, to the byte: when it has changed meanwhile nothing is written. */
export const setMeta = Redis.script(
  (
    { execution, id, queue, worker }: Execution & { readonly worker: string },
    before: string | Uint8Array,
    after: string
  ) => [
    keys.started(queue),
    keys.job(id),
    `${id}:${execution}`,
    before,
    after,
    execution,
    worker
  ],
  {
    name: "set-meta",
    numberOfKeys: 2,
    lua: `${luaIsOwner}${luaRequireType}
local wrong = requireType(KEYS[1], "zset") or requireType(KEYS[2], "hash")
if wrong then return wrong end
if not redis.call("ZSCORE", KEYS[1], ARGV[1]) then return 0 end
local job = redis.call("HMGET", KEYS[2], "status", "worker_name", "execution", "meta")
if job[1] ~= "started" or not isOwner(ARGV[5], job[2]) or job[3] and job[3] ~= ARGV[4] then return 0 end
if (job[4] or "") ~= ARGV[2] then return 2 end
redis.call("HSET", KEYS[2], "meta", ARGV[3])
return 1
`,
    result: (reply: 0 | 1 | 2): "lost" | "written" | "changed" =>
      reply === 0 ? "lost" : reply === 1 ? "written" : "changed"
  }
)
