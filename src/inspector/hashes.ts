/**
 * Reads many hashes in one call.
 *
 * @internal
 */
import * as Redis from "../Redis.js"

/** Each as HGETALL gives it; empty where there is none, and the type alone where there is something else. */
export const readHashes = Redis.script((hashes: ReadonlyArray<string>) => [...hashes], {
  name: "read-hashes",
  numberOfKeys: (hashes) => hashes.length,
  bytes: true,
  lua: `
local out = {}
for i = 1, #KEYS do
  local found = redis.call("TYPE", KEYS[i])["ok"]
  out[i] = found == "hash" and redis.call("HGETALL", KEYS[i]) or found ~= "none" and { found } or {}
end
return out
`,
  result: (rows: ReadonlyArray<ReadonlyArray<Uint8Array>>) => rows
})
