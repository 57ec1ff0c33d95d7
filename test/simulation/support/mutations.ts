/**
 * Mistakes that somebody could make in a script, each of which the simulation has to find.
 */
import type { Simulation } from "effect-rq/testing"

export interface Mutation {
  readonly name: string
  readonly script: string
  readonly replace: ReadonlyArray<readonly [from: string, to: string]>
  /** The rule by which it is found. */
  readonly breaks: string
  /** What it takes to show, more often than usual. */
  readonly faults?: Partial<Simulation.Faults>
}

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "promotion does not check the token",
    script: "promote",
    replace: [["if not holdsLease(key, token) then return false end", ""]],
    breaks: "one scheduler",
    faults: { pause: 0.05 }
  },
  {
    name: "promotion does not look at the time",
    script: "promote",
    replace: [["if tonumber(head[2]) > tonumber(now) then return", "now = \"+inf\" if false then return"]],
    breaks: "never early"
  },
  {
    name: "what is promoted stays in the registry",
    script: "promote",
    replace: [["redis.call(\"ZREM\", scheduled, unpack(toRemove))", ""]],
    breaks: "one place"
  },
  {
    name: "an execution that is not the current one is handed in",
    script: "turn",
    replace: [
      [
        "if attempt(\"ZREM\", STARTED .. queue, id .. \":\" .. execution) ~= 1 then return nil end",
        "attempt(\"ZREM\", STARTED .. queue, id .. \":\" .. execution)"
      ],
      ["if job[1] ~= \"started\" or owner and not isOwner(owner, job[2]) then return nil end", ""],
      ["if current and current ~= execution then return nil end", ""]
    ],
    breaks: "lost executions",
    faults: { pause: 0.05 }
  },
  {
    name: "a call that is repeated counts again",
    script: "enqueue",
    replace: [["if redis.call(\"EXISTS\", key) == 1 then", "if false then"]],
    breaks: "one place",
    faults: { lostAfter: 0.05 }
  },
  {
    name: "what a dead worker ran is not put back",
    script: "abandon",
    replace: [["redis.call(\"LPUSH\", QUEUE .. queue, id)", ""]],
    breaks: "one place",
    faults: { crash: 0.05 }
  },
  {
    name: "workers are taken for dead at once",
    script: "abandon",
    replace: [["\"(\" .. NOW_TEXT, \"LIMIT\", offset, limit)", "\"+inf\", \"LIMIT\", offset, limit)"]],
    breaks: "dead workers"
  },
  {
    name: "a scheduler that stops keeps its lock",
    script: "resign",
    replace: [[
      "redis.call(\"DEL\", key)\n  redis.call(\"PUBLISH\"",
      "redis.call(\"PERSIST\", key)\n  redis.call(\"PUBLISH\""
    ]],
    breaks: "clean stop",
    faults: { stop: 0.05 }
  }
]

/** The text with the mistake in it. */
export const rewrite =
  ({ replace, script }: Mutation) => (self: { readonly name: string; readonly lua: string }): string => {
    if (self.name !== script) return self.lua
    return replace.reduce((lua, [from, to]) => {
      if (!lua.includes(from)) throw new Error(`the script ${script} does not hold ${from}`)
      return lua.split(from).join(to)
    }, self.lua)
  }
