/**
 * Sets fields of a running job's meta. Without effect for an execution that is not the current one.
 *
 * @internal
 */
import type { Execution } from "../lifecycle/execution.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** `before` is the meta as it was read: when it has changed meanwhile nothing is written. */
export const setMeta = Redis.script(
  ({ execution, id, queue }: Execution, before: string, after: string) => [
    keys.started(queue),
    keys.job(id),
    `${id}:${execution}`,
    before,
    after
  ],
  {
    name: "set-meta",
    numberOfKeys: 2,
    lua: `
if not redis.call("ZSCORE", KEYS[1], ARGV[1]) then return 0 end
if redis.call("HGET", KEYS[2], "status") ~= "started" then return 0 end
if (redis.call("HGET", KEYS[2], "meta") or "") ~= ARGV[2] then return 2 end
redis.call("HSET", KEYS[2], "meta", ARGV[3])
return 1
`,
    result: (reply: 0 | 1 | 2): "lost" | "written" | "changed" =>
      reply === 0 ? "lost" : reply === 1 ? "written" : "changed"
  }
)
