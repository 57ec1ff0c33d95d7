/**
 * A worker's turn: in one call it hands in what has ended (edges `complete`, `fail`, `release`) and claims for the free
 * slots (edge `claim`).
 *
 * Each edge checks its own execution, so a turn whose reply was lost can be repeated: what was handed in already has no
 * effect. What was claimed by the lost turn is found by `recover`.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import { type ClaimedRow, luaClaim, readClaimed } from "./claim.js"
import { luaComplete } from "./complete.js"
import { type Execution, executionKeys, luaExecution } from "./execution.js"
import { luaFail } from "./fail.js"
import { luaRelease } from "./release.js"

export type Ended =
  & Execution
  & {
    /** When it was started, in Unix seconds as text. */
    readonly startedAt: string
  }
  & (
    | {
      readonly _tag: "Completed"
      /** As the results stream holds it (base64 of the JSON), or empty for none. */
      readonly returnValue: string
    }
    | {
      readonly _tag: "Failed"
      /** As the results stream holds it (base64 of the deflated text). */
      readonly exception: string
      /** The typed error as JSON, or empty for none. */
      readonly error: string
    }
    | { readonly _tag: "Released" }
  )

export interface TurnParams {
  readonly worker: string
  /** Now, in Unix seconds as text. */
  readonly now: string
  /** Now, as RQ writes dates. */
  readonly nowDate: string
  /** When a claimed execution counts as abandoned, in Unix seconds as text. */
  readonly abandonedAt: string
  readonly executionPrefix: string
  /** The number of the first execution that may be made; `want` numbers are used up at most. */
  readonly counter: number
  /** How many jobs to claim at most. */
  readonly want: number
  /** Whether the lists that were handed over to this worker may hold something. */
  readonly handedOver: boolean
  /** Queues to claim from, in strict order. */
  readonly queues: ReadonlyArray<string>
  readonly ended: ReadonlyArray<Ended>
}

const endedParams = (ended: Ended): ReadonlyArray<string> => {
  switch (ended._tag) {
    case "Completed":
      return ["complete", ended.queue, ended.id, ended.execution, ended.startedAt, ended.returnValue, ""]
    case "Failed":
      return ["fail", ended.queue, ended.id, ended.execution, ended.startedAt, ended.exception, ended.error]
    case "Released":
      return ["release", ended.queue, ended.id, ended.execution, ended.startedAt, "", ""]
  }
}

export const turn = Redis.script(
  (params: TurnParams) => {
    const out: Array<Redis.Arg> = [
      ...executionKeys,
      params.worker,
      params.now,
      params.nowDate,
      params.abandonedAt,
      params.executionPrefix,
      params.counter,
      params.want,
      params.handedOver ? 1 : 0,
      params.queues.length,
      ...params.queues
    ]
    for (const ended of params.ended) out.push(...endedParams(ended))
    return out
  },
  {
    name: "turn",
    numberOfKeys: executionKeys.length,
    bytes: true,
    lua: `
local WORKER, NOW_TEXT, NOW, NOW_DATE, ABANDONED_AT = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local EXECUTION_PREFIX, COUNTER = ARGV[5], tonumber(ARGV[6])
${luaExecution}${luaComplete}${luaFail}${luaRelease}${luaClaim}
local queues = {}
for i = 1, tonumber(ARGV[9]) do queues[i] = ARGV[9 + i] end
local handedIn = {}
for at = 10 + #queues, #ARGV, 7 do
  local kind, queue, id, execution, startedAt = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local taken
  if kind == "complete" then
    taken = complete(queue, id, execution, startedAt, ARGV[at + 5])
  elseif kind == "fail" then
    taken = fail(queue, id, execution, startedAt, ARGV[at + 5], ARGV[at + 6])
  else
    taken = release(queue, id, execution)
  end
  handedIn[#handedIn + 1] = taken
end
local more = claim(queues, tonumber(ARGV[7]), ARGV[8] == "1")
return { handedIn, claimed, more and 1 or 0, PROBLEM }
`,
    result: (
      [handedIn, claimed, more, problem]: readonly [
        ReadonlyArray<number>,
        ReadonlyArray<ClaimedRow>,
        number,
        Uint8Array
      ]
    ) => ({
      /** For each that ended: false when its execution was not the current one any more. */
      handedIn: handedIn.map((one) => one === 1),
      claimed: claimed.map(readClaimed),
      /** Whether a queue may hold more: the call got all that it wanted. */
      more: more === 1,
      /** What could not be read or written because a key holds something foreign, in words. */
      problem: problem.length === 0 ? undefined : new TextDecoder().decode(problem)
    })
  }
)
