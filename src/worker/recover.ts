/**
 * What Redis holds for a worker: every started execution of it with the fields that it needs to run it. Asked after a
 * turn whose reply was lost, so that what that turn claimed is run now and not when it counts as abandoned.
 *
 * @internal
 */
import { type ClaimedGroup, luaClaimedFields, luaTellClaimed, readClaimed } from "../lifecycle/claim.js"
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

export const recover = Redis.script(
  (params: { readonly executionPrefix: string; readonly queues: ReadonlyArray<string> }) => [
    keys.family.started,
    keys.family.job,
    params.executionPrefix,
    ...params.queues
  ],
  {
    name: "recover",
    numberOfKeys: 2,
    bytes: true,
    lua: `${luaTellClaimed}
local prefix = ARGV[1]
for i = 2, #ARGV do
  local queue = ARGV[i]
  -- pcall: a foreign key in place of one registry must not hide what is in the others
  local members = redis.pcall("ZRANGE", KEYS[1] .. queue, 0, -1)
  for j = 1, #members do
    local id, execution = string.match(members[j], "^(.*):([^:]*)$")
    if id and string.sub(execution, 1, #prefix) == prefix then
      local key = KEYS[2] .. id
      local job = redis.pcall("HMGET", key, "status", ${luaClaimedFields})
      if job[1] == "started" then tellClaimed(queue, id, execution, job, job[6] and tries(key)) end
    end
  end
end
return groups
`,
    result: (groups: ReadonlyArray<ClaimedGroup>) => readClaimed(groups)
  }
)
