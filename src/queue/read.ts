/**
 * Reads a job in one call: its hash, the last entry of its results and, while it is scheduled, when it is due.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

export interface RawJob {
  /** Field, value, ... as HGETALL gives them. */
  readonly hash: ReadonlyArray<Uint8Array>
  readonly result: { readonly id: string; readonly fields: ReadonlyArray<Uint8Array> } | undefined
  /** Due time in Unix seconds as text. */
  readonly due: string | undefined
}

type Row = readonly [
  hash: ReadonlyArray<Uint8Array>,
  results: ReadonlyArray<readonly [Uint8Array, ReadonlyArray<Uint8Array>]>,
  due: Uint8Array | null
]

const decoder = new TextDecoder()

export const read = Redis.script(
  (ids: ReadonlyArray<string>) => [keys.family.job, keys.family.results, keys.family.scheduled, ...ids],
  {
    name: "read-jobs",
    numberOfKeys: 3,
    bytes: true,
    lua: `
local out = {}
for i = 1, #ARGV do
  local key = KEYS[1] .. ARGV[i]
  local hash = redis.call("TYPE", key)["ok"] == "hash" and redis.call("HGETALL", key) or {}
  local results = {}
  if redis.call("TYPE", KEYS[2] .. ARGV[i])["ok"] == "stream" then
    results = redis.call("XREVRANGE", KEYS[2] .. ARGV[i], "+", "-", "COUNT", 1)
  end
  local due = false
  if #hash > 0 and redis.call("HGET", key, "status") == "scheduled" then
    due = redis.call("ZSCORE", KEYS[3] .. (redis.call("HGET", key, "origin") or ""), ARGV[i])
  end
  out[i] = { hash, results, due }
end
return out
`,
    result: (rows: ReadonlyArray<Row>): ReadonlyArray<RawJob> =>
      rows.map(([hash, results, due]) => ({
        hash,
        result: results[0] === undefined ? undefined : { id: decoder.decode(results[0][0]), fields: results[0][1] },
        due: due === null ? undefined : decoder.decode(due)
      }))
  }
)
