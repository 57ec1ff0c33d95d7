/**
 * Entries of a job's results, as RQ writes them.
 *
 * @internal
 */

export const luaResult = `
-- Adds an entry; fields that are empty are left out. The entries live for as long as the job that they belong to.
local function addResult(id, kind, execution, startedAt, ttl, ...)
  local entry = { "type", kind, "worker_name", WORKER, "execution_id", execution, "execution_ended_at", NOW_TEXT }
  local more = { "execution_started_at", startedAt, ... }
  for i = 1, #more, 2 do
    if more[i + 1] ~= "" then
      entry[#entry + 1] = more[i]
      entry[#entry + 1] = more[i + 1]
    end
  end
  local results = RESULTS .. id
  if attempt("XADD", results, "MAXLEN", "~", 10, "*", unpack(entry)) then
    if ttl > 0 then redis.call("EXPIRE", results, ttl) else redis.call("PERSIST", results) end
  end
end
`
