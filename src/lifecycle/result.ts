/**
 * Entries of a job's results, as RQ writes them.
 *
 * Redis gives a new stream four kilobytes for entries that may follow. Here mostly none does. What COPY makes takes what
 * its entries take, so the first entry is written beside its place and copied there: that costs Redis less time than
 * finding four kilobytes for each. Who is blocked on the stream is woken all the same. Where COPY is not allowed, or not
 * known (before Redis 6.2), the stream keeps its four kilobytes.
 *
 * @internal
 */

/** Entries of more bytes fill what Redis reserves for them anyway. */
const mostToCopy = 3_000

export const luaResult = `
-- Where an entry is written that is to be copied: the key of no job, since it ends with the name of the family. It is
-- there only within a call.
local NEW_RESULT = RESULTS

-- Whether streams can be copied; asked for before it is tried, so that the server's log tells of no attempt.
local copies

local function mayCopy(results)
  -- Redis 6 can't be asked
  local ask = redis.acl_check_cmd
  if not ask then return true end
  -- pcall: a command that is not known is an error
  local known, allowed = pcall(ask, "COPY", NEW_RESULT, results)
  return known and allowed
end

-- Fields that are empty are left out.
local function append(try, key, kind, execution, startedAt, field, value, typedError)
  if execution ~= "" and startedAt ~= "" and value ~= "" and typedError == "" then
    return try("XADD", key, "MAXLEN", "~", "10", "*", "type", kind, "worker_name", WORKER,
      "execution_ended_at", NOW_TEXT, "execution_id", execution, "execution_started_at", startedAt, field, value)
  end
  local entry = { "type", kind, "worker_name", WORKER, "execution_ended_at", NOW_TEXT }
  local more = { "execution_id", execution, "execution_started_at", startedAt, field, value, "error", typedError }
  for i = 1, #more, 2 do
    if more[i + 1] ~= "" then
      entry[#entry + 1] = more[i]
      entry[#entry + 1] = more[i + 1]
    end
  end
  return try("XADD", key, "MAXLEN", "~", "10", "*", unpack(entry))
end

-- Whether the entry is the first one, and was written.
local function isFirst(results, ...)
  if copies == nil then copies = mayCopy(results) end
  if not copies or type(append(redis.pcall, NEW_RESULT, ...)) ~= "string" then return false end
  local copied = redis.pcall("COPY", NEW_RESULT, results)
  redis.call("DEL", NEW_RESULT)
  -- 0 says that there is something already
  if type(copied) == "table" then copies = false end
  return copied == 1
end

-- Adds an entry; \`kind\` is a text, as all that is written. The entries live for as long as the job that they belong to.
local function addResult(id, kind, execution, startedAt, ttl, field, value, typedError)
  local results = RESULTS .. id
  local isNew = #value + #typedError <= ${mostToCopy} and
    isFirst(results, kind, execution, startedAt, field, value, typedError)
  if isNew or append(attempt, results, kind, execution, startedAt, field, value, typedError) then
    if ttl > 0 then
      redis.call("EXPIRE", results, (lifetimeText(ttl)))
    elseif not isNew then
      redis.call("PERSIST", results)
    end
  end
end
`
