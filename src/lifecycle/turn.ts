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
import * as Bytes from "../wire/bytes.js"
import * as Date from "../wire/date.js"
import * as keys from "../wire/keys.js"
import { luaAgain } from "./again.js"
import { type Claimed, type ClaimedGroup, luaClaim, readClaimed } from "./claim.js"
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

type Completed = Extract<Ended, { readonly _tag: "Completed" }>

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
  /** For how many of them there is a slot; the rest is fetched ahead. */
  readonly slots: number
  /** Whether the lists that were handed over to this worker may hold something. */
  readonly handedOver: boolean
  /** Queues to claim from, in strict order. */
  readonly queues: ReadonlyArray<string>
  readonly ended: ReadonlyArray<Ended>
}

export interface TurnResult {
  /** For each that ended: false when its execution was not the current one any more. */
  readonly handedIn: ReadonlyArray<boolean>
  /** For each that ended: when it runs again, of one that failed and is tried again, in milliseconds since 1970. */
  readonly retriedAt: ReadonlyArray<number | undefined>
  readonly claimed: Array<Claimed>
  /** Whether a queue may hold more: the call got all that it wanted. */
  readonly more: boolean
  /** Whether it got less, because the next job is not to be fetched ahead. */
  readonly held: boolean
  /** What could not be read or written because a key holds something foreign, in words. */
  readonly problem: string | undefined
  /** Whether the whole fleet is suspended. */
  readonly suspended: boolean
  /** The queues of which nothing was claimed, because they or the fleet are suspended. */
  readonly paused: ReadonlyArray<string>
}

/**
 * What has completed in one queue and began at one time goes together: for Redis each text that it is sent costs as much as
 * a good part of a command. Returns the position after the last of them.
 */
const pushCompleted = (out: Array<Redis.Arg>, all: ReadonlyArray<Ended>, from: number, first: Completed): number => {
  const isVoid = first.returnValue === ""
  let at = from
  out.push(isVoid ? "void" : "complete", first.startedAt, 0)
  const count = out.length - 1
  for (; at < all.length; at++) {
    const one = all[at]!
    if (
      one._tag !== "Completed" || one.queue !== first.queue || one.startedAt !== first.startedAt ||
      (one.returnValue === "") !== isVoid
    ) break
    out.push(one.id, one.execution)
    if (!isVoid) out.push(one.returnValue)
  }
  out[count] = at - from
  return at
}

/** A queue is named where it is not the one of the job before. */
const pushEnded = (out: Array<Redis.Arg>, all: ReadonlyArray<Ended>): void => {
  let queue: string | undefined
  let at = 0
  while (at < all.length) {
    const ended = all[at]!
    if (ended.queue !== queue) {
      queue = ended.queue
      out.push("queue", queue)
    }
    if (ended._tag === "Completed") {
      at = pushCompleted(out, all, at, ended)
      continue
    }
    at++
    switch (ended._tag) {
      case "Failed":
        out.push("fail", ended.id, ended.execution, ended.startedAt, ended.exception, ended.error, ended.retry)
        break
      case "Stopped":
        out.push("stop", ended.id, ended.execution, ended.startedAt, ended.exception)
        break
      case "Released":
        out.push("release", ended.id, ended.execution)
    }
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
      params.slots,
      params.handedOver ? 1 : 0,
      params.queues.length,
      ...params.queues
    ]
    pushEnded(out, params.ended)
    return out
  },
  {
    name: "turn",
    numberOfKeys: executionKeys.length + 2,
    bytes: true,
    lua: `
local WORKER, NOW_TEXT, NOW, NOW_DATE, ABANDONED_AT = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local EXECUTION_PREFIX, COUNTER, WANT, SLOTS = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local SUSPENDED, PAUSED = KEYS[${executionKeys.length + 1}], KEYS[${executionKeys.length + 2}]
${luaExecution}${luaResult}${luaAgain}${luaDependents}${luaComplete}${luaFail}${luaStop}${luaRelease}${luaClaim}
local queues = {}
for i = 1, tonumber(ARGV[10]) do queues[i] = ARGV[10 + i] end

-- For each that ended and was not simply taken: its position, and 0 when it was refused, or when it runs again.
local outcomes = {}
local function tell(position, outcome)
  if outcome ~= 1 then
    outcomes[#outcomes + 1] = position
    outcomes[#outcomes + 1] = outcome
  end
end

local at, last, position, queue = 11 + #queues, #ARGV, 0, nil
while at <= last do
  local kind = ARGV[at]
  if kind == "queue" then
    queue = ARGV[at + 1]
    at = at + 2
  elseif kind == "complete" or kind == "void" then
    local startedAt, count, each, before = ARGV[at + 1], tonumber(ARGV[at + 2]), kind == "void" and 2 or 3, position
    completeAll(queue, startedAt, at + 3, count, each, function(i) tell(before + i, 0) end)
    position, at = position + count, at + 3 + each * count
  else
    local id, execution, startedAt = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    position = position + 1
    if kind == "fail" then
      tell(position, fail(queue, id, execution, startedAt, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]))
      at = at + 7
    elseif kind == "stop" then
      tell(position, stop(queue, id, execution, startedAt, ARGV[at + 4]))
      at = at + 5
    else
      tell(position, release(queue, id, execution))
      at = at + 3
    end
  end
end
local more = claim(queues, ARGV[9] == "1")
return { position, outcomes, groups, more and 1 or 0, held and 1 or 0, PROBLEM, suspended, paused }
`,
    result: (
      [count, outcomes, groups, more, held, problem, suspended, paused]: readonly [
        number,
        ReadonlyArray<number | Uint8Array>,
        ReadonlyArray<ClaimedGroup>,
        number,
        number,
        Uint8Array,
        number,
        ReadonlyArray<Uint8Array>
      ]
    ): TurnResult => {
      const handedIn = new Array<boolean>(count).fill(true)
      const retriedAt = new Array<number | undefined>(count).fill(undefined)
      for (let i = 0; i < outcomes.length; i += 2) {
        const index = Number(outcomes[i]) - 1
        const outcome = outcomes[i + 1]!
        if (typeof outcome === "number") handedIn[index] = false
        else retriedAt[index] = Date.millis(Bytes.text(outcome))
      }
      return {
        handedIn,
        retriedAt,
        claimed: readClaimed(groups),
        more: more === 1,
        held: held === 1,
        problem: problem.length === 0 ? undefined : Bytes.text(problem),
        suspended: suspended === 1,
        paused: paused.map(Bytes.text)
      }
    }
  }
)
