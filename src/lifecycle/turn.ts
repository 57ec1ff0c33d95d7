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
import * as Date from "../wire/date.js"
import * as keys from "../wire/keys.js"
import { luaAgain } from "./again.js"
import { type ClaimedRow, luaClaim, readClaimed } from "./claim.js"
import { luaComplete } from "./complete.js"
import { luaDependents } from "./dependents.js"
import { type Execution, executionKeys, luaExecution } from "./execution.js"
import { luaFail } from "./fail.js"
import { luaRelease } from "./release.js"
import { luaResult } from "./result.js"
import { luaStop } from "./stop.js"

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
      /** What the worker says of a retry: nothing, that there is none, or after how many seconds. */
      readonly retry: "" | "never" | number
    }
    | {
      readonly _tag: "Stopped"
      /** As the results stream holds it (base64 of the deflated text). */
      readonly exception: string
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

const decoder = new TextDecoder()

const endedParams = (ended: Ended): ReadonlyArray<string> => {
  switch (ended._tag) {
    case "Completed":
      return ["complete", ended.queue, ended.id, ended.execution, ended.startedAt, ended.returnValue, "", ""]
    case "Failed":
      return [
        "fail",
        ended.queue,
        ended.id,
        ended.execution,
        ended.startedAt,
        ended.exception,
        ended.error,
        String(ended.retry)
      ]
    case "Stopped":
      return ["stop", ended.queue, ended.id, ended.execution, ended.startedAt, ended.exception, "", ""]
    case "Released":
      return ["release", ended.queue, ended.id, ended.execution, ended.startedAt, "", "", ""]
  }
}

export const turn = Redis.script(
  (params: TurnParams) => {
    const out: Array<Redis.Arg> = [
      ...executionKeys,
      keys.suspended,
      keys.paused,
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
    numberOfKeys: executionKeys.length + 2,
    bytes: true,
    lua: `
local WORKER, NOW_TEXT, NOW, NOW_DATE, ABANDONED_AT = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local EXECUTION_PREFIX, COUNTER = ARGV[5], tonumber(ARGV[6])
local SUSPENDED, PAUSED = KEYS[${executionKeys.length + 1}], KEYS[${executionKeys.length + 2}]
${luaExecution}${luaResult}${luaAgain}${luaDependents}${luaComplete}${luaFail}${luaStop}${luaRelease}${luaClaim}
local queues = {}
for i = 1, tonumber(ARGV[9]) do queues[i] = ARGV[9 + i] end
local handedIn = {}
for at = 10 + #queues, #ARGV, 8 do
  local kind, queue, id, execution, startedAt = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local taken
  if kind == "complete" then
    taken = complete(queue, id, execution, startedAt, ARGV[at + 5])
  elseif kind == "fail" then
    taken = fail(queue, id, execution, startedAt, ARGV[at + 5], ARGV[at + 6], ARGV[at + 7])
  elseif kind == "stop" then
    taken = stop(queue, id, execution, startedAt, ARGV[at + 5])
  else
    taken = release(queue, id, execution)
  end
  handedIn[#handedIn + 1] = taken
end
local more = claim(queues, tonumber(ARGV[7]), ARGV[8] == "1")
return { handedIn, claimed, more and 1 or 0, PROBLEM, suspended, paused }
`,
    result: (
      [handedIn, claimed, more, problem, suspended, paused]: readonly [
        ReadonlyArray<number | Uint8Array>,
        ReadonlyArray<ClaimedRow>,
        number,
        Uint8Array,
        number,
        ReadonlyArray<Uint8Array>
      ]
    ) => ({
      /** For each that ended: false when its execution was not the current one any more. */
      handedIn: handedIn.map((one) => one !== 0),
      /** For each that ended: when it runs again, of one that failed and is tried again, in milliseconds since 1970. */
      retriedAt: handedIn.map((one) => typeof one === "number" ? undefined : Date.millis(decoder.decode(one))),
      claimed: claimed.map(readClaimed),
      /** Whether a queue may hold more: the call got all that it wanted. */
      more: more === 1,
      /** What could not be read or written because a key holds something foreign, in words. */
      problem: problem.length === 0 ? undefined : decoder.decode(problem),
      /** Whether the whole fleet is suspended. */
      suspended: suspended === 1,
      /** The queues of which nothing was claimed, because they or the fleet are suspended. */
      paused: paused.map((queue) => decoder.decode(queue))
    })
  }
)
