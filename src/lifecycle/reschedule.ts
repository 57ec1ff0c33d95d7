/**
 * Edge `reschedule`: scheduled -> scheduled, at another time. Only while the job is still scheduled.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaRequireType } from "./enqueue.js"
import { luaAnnounceNext } from "./schedule.js"

export const reschedule = Redis.script(
  (queue: string, id: string, due: string) => [
    keys.scheduled(queue),
    keys.schedulerChannel(queue),
    keys.job(id),
    id,
    due
  ],
  {
    name: "reschedule",
    numberOfKeys: 3,
    lua: `${luaRequireType}${luaAnnounceNext}
local wrong = requireType(KEYS[1], "zset") or requireType(KEYS[3], "hash")
if wrong then return wrong end
if redis.call("HGET", KEYS[3], "status") ~= "scheduled" then return 0 end
if not redis.call("ZSCORE", KEYS[1], ARGV[1]) then return 0 end
redis.call("ZADD", KEYS[1], "XX", ARGV[2], ARGV[1])
announceNext(KEYS[1], KEYS[2], ARGV[1])
return 1
`,
    result: (changed: number): boolean => changed === 1
  }
)
