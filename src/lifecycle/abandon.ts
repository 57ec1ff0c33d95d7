/**
 * Edge `abandon`: started, worker dead -> queued again at the front, or failed when it has happened too often.
 *
 * An execution whose worker has not sent a heartbeat in time is taken out. So is what had been handed over to a worker
 * that is dead: it goes back to the front. The entries of jobs that have expired go as well. One caller at a time looks after a queue, once per interval, in slices.
 *
 * Executions of Python workers are left to Python's own clean-up, which knows their rules; ours are told apart by the
 * version digit of the execution id (see `Ids`).
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import { luaAgain } from "./again.js"
import { luaDependents } from "./dependents.js"
import { executionKeys, luaExecution } from "./execution.js"
import { luaExpire } from "./expire.js"
import { defaultFailureTtl, luaFail } from "./fail.js"
import { luaRelease } from "./release.js"
import { luaResult } from "./result.js"

export interface AbandonParams {
  /** Who looks. */
  readonly worker: string
  readonly queues: ReadonlyArray<string>
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
  /** Nobody looks after the same queue again before this has passed. */
  readonly intervalMillis: number
  /** How often a job may be abandoned before it fails. */
  readonly maxAbandons: number
  /** How many executions of a queue to take out in one call at most. */
  readonly limit: number
  /** For how many seconds after its last sign of life a worker's handover lists are looked at. */
  readonly forgetSeconds: number
}

export interface Abandoned {
  readonly queue: string
  readonly id: string
  /** The worker that died. */
  readonly worker: string
  /** How often the job has been abandoned by now. */
  readonly times: number
  readonly outcome: "queued" | "failed"
}

/** How many executions of Python's a call looks at, so that it stays short. */
const mostPassedOver = 10_000

export const abandon = Redis.script(
  (params: AbandonParams) => [
    ...executionKeys,
    keys.ownFamily.maintenance,
    keys.ownFamily.handovers,
    params.worker,
    params.now,
    params.nowDate,
    params.intervalMillis,
    params.maxAbandons,
    params.limit,
    params.forgetSeconds,
    ...params.queues
  ],
  {
    name: "abandon",
    numberOfKeys: executionKeys.length + 2,
    lua: `
local WORKER, NOW_TEXT, NOW, NOW_DATE = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3]
local interval, maxAbandons, limit, forget = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local MAINTENANCE, HANDOVERS = KEYS[${executionKeys.length + 1}], KEYS[${executionKeys.length + 2}]
${luaExecution}${luaResult}${luaAgain}${luaDependents}${luaFail}${luaRelease}${luaExpire}

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = string.byte(bytes, i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for shift = 1, 4 do
      local digit = math.floor(n / 64 ^ (4 - shift)) % 64
      out[#out + 1] = string.sub(alphabet, digit + 1, digit + 1)
    end
    if not b then out[#out - 1] = "=" end
    if not c then out[#out] = "=" end
  end
  return table.concat(out)
end

-- A text as RQ's exc_string holds it: base64 of a zlib stream, here of one stored block (RFC 1950, 1951).
local function exceptionString(text)
  text = string.sub(text, 1, 65535)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + string.byte(text, i)) % 65521
    b = (b + a) % 65521
  end
  local size = #text
  local low, high = size % 256, math.floor(size / 256)
  return base64("\\120\\1\\1" .. string.char(low, high, 255 - low, 255 - high) .. text ..
    string.char(math.floor(b / 256), b % 256, math.floor(a / 256), a % 256))
end

local abandoned = {}

-- Whether the member is out of the registry now.
local function abandonOne(queue, member)
  local id, execution = string.match(member, "^(.*):([^:]*)$")
  if not id or string.sub(execution, 13, 13) ~= "8" then return false end
  local job = takeOut(nil, queue, id, execution, "abandon_count", "failure_ttl", "retries_left")
  if not job then return true end
  local dead, times = job[2] or "", (tonumber(job[3] or "") or 0) + 1
  redis.call("HSET", JOB .. id, "abandon_count", times)
  local outcome = "queued"
  local ttl, left = lifetime(job[4], ${defaultFailureTtl}), tonumber(job[5] or "")
  local text = "AbandonedJobError, at " .. NOW_DATE .. ": worker " .. dead ..
    " died while it ran this job, which has happened " .. times .. " times"
  WORKER = dead
  -- A job with retries spends one of them, any other runs again as often as the worker's options say.
  if left and left > 0 or not left and times <= maxAbandons then
    if left then redis.call("HSET", JOB .. id, "retries_left", left - 1) end
    addResult(id, 4, execution, "", ttl == 0 and 60 or ttl, "exc_string", exceptionString(text))
    toQueued(queue, id)
  else
    outcome = "failed"
    toFailed(queue, id, execution, "", ttl, exceptionString("Moved to FailedJobRegistry, due to " .. text), "", "failed")
  end
  WORKER = ARGV[1]
  abandoned[#abandoned + 1] = { queue, id, dead, times, outcome }
  return true
end

-- Takes out at most \`limit\` executions, passing over those that are left to Python, of which any number may be in front.
-- True when there may be more that a call can take.
local function abandonExpired(queue)
  local offset, taken = 0, 0
  while taken < limit and offset < ${mostPassedOver} do
    local expired = attempt("ZRANGEBYSCORE", STARTED .. queue, "-inf", "(" .. NOW_TEXT, "LIMIT", offset, limit)
    if not expired then return false end
    for j = 1, #expired do
      if taken < limit and abandonOne(queue, expired[j]) then taken = taken + 1 else offset = offset + 1 end
    end
    if #expired < limit then return false end
  end
  return taken >= limit
end

local more = 0
for i = 8, #ARGV do
  local queue = ARGV[i]
  local usable = holdsListOrNothing(QUEUE .. queue)
  if usable and redis.call("SET", MAINTENANCE .. queue, WORKER, "PX", interval, "NX") then
    if abandonExpired(queue) then
      more = 1
      redis.call("DEL", MAINTENANCE .. queue)
    end
    expire(FINISHED .. queue)
    expire(FAILED .. queue)
    local dead = redis.call("ZRANGEBYSCORE", HANDOVERS .. queue, "-inf", "(" .. NOW_TEXT, "WITHSCORES", "LIMIT", 0, limit)
    for j = 1, #dead, 2 do
      local list = HANDOVER .. queue .. ":" .. dead[j]
      while redis.call("LMOVE", list, QUEUE .. queue, "RIGHT", "LEFT") do end
      if NOW - tonumber(dead[j + 1]) > forget then redis.call("ZREM", HANDOVERS .. queue, dead[j]) end
    end
  end
end
return { abandoned, more }
`,
    result: (
      [rows, more]: readonly [ReadonlyArray<readonly [string, string, string, number, "queued" | "failed"]>, number]
    ): { readonly abandoned: ReadonlyArray<Abandoned>; readonly more: boolean } => ({
      abandoned: rows.map(([queue, id, worker, times, outcome]) => ({ queue, id, worker, times, outcome })),
      /** Whether a slice was full: the caller goes on at once. */
      more: more === 1
    })
  }
)
