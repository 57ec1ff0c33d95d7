/**
 * Whether what was handed in had been carried out before: a hand-in whose reply was lost is made again, and has no effect
 * then. It had none either when the execution was taken away meanwhile.
 *
 * A run that its own worker handed in leaves an entry with the time of its start; one that was abandoned leaves an entry
 * without. A success without a value leaves none, but its job stands where only a success puts it, or has repeated and may be
 * anywhere by now. Of a job that is gone nothing tells, and nothing is claimed.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

/** How many results of a job are looked at: as many as are kept. */
const resultsKept = 10

export interface HandedIn {
  readonly id: string
  readonly execution: string
}

export const carriedOut = Redis.script(
  (all: ReadonlyArray<HandedIn>) => [
    keys.family.job,
    keys.family.results,
    ...all.flatMap(({ execution, id }) => [id, execution])
  ],
  {
    name: "carried-out",
    numberOfKeys: 2,
    lua: `
local JOB, RESULTS = KEYS[1], KEYS[2]

-- Whether the entry of the execution says that it was handed in; nil when there is none.
local function told(id, execution)
  local entries = redis.pcall("XREVRANGE", RESULTS .. id, "+", "-", "COUNT", ${resultsKept})
  local found
  for i = 1, #entries do
    local fields, isIts, began = entries[i][2], false, false
    for j = 1, #fields, 2 do
      if fields[j] == "execution_id" then isIts = fields[j + 1] == execution end
      if fields[j] == "execution_started_at" then began = true end
    end
    if isIts then found = found or began end
  end
  return found
end

-- What a success without a value leaves.
local function isSuccess(job, execution)
  return job[3] or job[2] == execution and (job[1] == "finished" or job[1] == "scheduled")
end

local out = {}
for i = 1, #ARGV, 2 do
  local id, execution = ARGV[i], ARGV[i + 1]
  local job = redis.pcall("HMGET", JOB .. id, "status", "execution", "repeat_count")
  local was = job.err or not job[1]
  if not was then
    was = told(id, execution)
    if was == nil then was = isSuccess(job, execution) end
  end
  out[#out + 1] = was and 1 or 0
end
return out
`,
    result: (rows: ReadonlyArray<number>): ReadonlyArray<boolean> => rows.map((row) => row === 1)
  }
)
