/**
 * Entries of a job's results, as RQ writes them.
 *
 * Redis gives a new stream four kilobytes for entries that may follow. Here mostly none does, so a stream with its first
 * entry is put in its own place again by RESTORE, which takes what the entry takes. Redis is faster that way, since it
 * needn't find the memory. Who is blocked on the stream is woken all the same: Redis looks at it when the script is over.
 * Where DUMP or RESTORE are not allowed, or not known, the stream stays as it is.
 *
 * @internal
 */

/** Entries of more bytes fill what Redis reserves for them anyway. */
const mostToShrink = 3_000

export const luaResult = `
-- Whether streams can be shrunk; asked for before it is tried, so that the server's log tells of no attempt.
local shrinks

local function mayShrink(key)
  -- Redis 6 can't be asked
  local ask = redis.acl_check_cmd
  for _, name in ipairs(ask and { "DUMP", "RESTORE" } or {}) do
    -- pcall: a command that is not known is an error
    local known, allowed = pcall(ask, name, key, 0, "")
    if not known or not allowed then return false end
  end
  return true
end

-- Returns whether the new stream was shrunk, which sets its lifetime as well.
local function shrink(results, ttl)
  if shrinks == nil then shrinks = mayShrink(results) end
  if not shrinks then return false end
  local dump = redis.pcall("DUMP", results)
  shrinks = type(dump) == "string" and
    not redis.pcall("RESTORE", results, ttl > 0 and string.format("%.0f", ttl * 1000) or 0, dump, "REPLACE").err
  return shrinks
end

-- Adds an entry; fields that are empty are left out. The entries live for as long as the job that they belong to.
local function addResult(id, kind, execution, startedAt, ttl, ...)
  local entry = { "type", kind, "worker_name", WORKER, "execution_ended_at", NOW_TEXT }
  local more, bytes = { "execution_id", execution, "execution_started_at", startedAt, ... }, 0
  for i = 1, #more, 2 do
    if more[i + 1] ~= "" then
      entry[#entry + 1] = more[i]
      entry[#entry + 1] = more[i + 1]
      bytes = bytes + #more[i + 1]
    end
  end
  local results = RESULTS .. id
  if attempt("XADD", results, "MAXLEN", "~", 10, "*", unpack(entry)) then
    if bytes <= ${mostToShrink} and redis.call("XLEN", results) == 1 and shrink(results, ttl) then return end
    if ttl > 0 then redis.call("EXPIRE", results, ttl) else redis.call("PERSIST", results) end
  end
end
`
