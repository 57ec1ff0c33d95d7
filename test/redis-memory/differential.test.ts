/**
 * Random histories of commands and scripts, against a real server.
 */
import { describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { command, sameHistories, script } from "./support/both.js"
import { commandOf, commandStep, families, keys, scriptStep } from "./support/commands.js"

const all = Object.values(families)

const history = <A>(step: FastCheck.Arbitrary<A>): FastCheck.Arbitrary<ReadonlyArray<A>> =>
  FastCheck.array(step, { minLength: 1, maxLength: 60, size: "max" })

const timeout = 600_000

describe("like a server", () => {
  for (const [name, family] of Object.entries(families)) {
    it.live(
      `${name}`,
      () => sameHistories(history(commandStep(commandOf(family, family, family, families.generic))), 40),
      timeout
    )
  }

  it.live("all together", () => sameHistories(history(commandStep(commandOf(...all))), 40), timeout)

  it.live("from scripts", () => sameHistories(history(scriptStep(commandOf(...all))), 60), timeout)

  it.live(
    "what is copied by DUMP and RESTORE",
    () => {
      const copy = `
local dump = redis.call("DUMP", KEYS[1])
if not dump then return false end
return redis.call("RESTORE", KEYS[2], ARGV[1], ARGV[3] == "cut" and string.sub(dump, 1, -9) or dump, unpack(ARGV, 4))`
      const step = FastCheck.tuple(
        FastCheck.constantFrom(...keys),
        FastCheck.constantFrom(...keys),
        FastCheck.constantFrom("0", "0", "1000000", "-1", "x"),
        FastCheck.constantFrom("whole", "whole", "whole", "whole", "cut"),
        FastCheck.constantFrom([], ["REPLACE"], ["replace"], ["REPLACE", "ABSTTL"], ["NX"])
      ).map(([from, to, ttl, whole, options]) =>
        script(copy, [from, to], [
          ttl === "1000000" && options[1] === "ABSTTL" ? "9000000000000" : ttl,
          "",
          whole,
          ...options
        ])
      )
      return sameHistories(
        history(
          FastCheck.oneof({ weight: 3, arbitrary: commandStep(commandOf(...all)) }, { weight: 1, arbitrary: step })
        ),
        30
      )
    },
    timeout
  )

  it.live(
    "what is copied by COPY",
    () => {
      const step = FastCheck.tuple(
        FastCheck.constantFrom(...keys),
        FastCheck.constantFrom(...keys),
        FastCheck.constantFrom([], ["REPLACE"], ["replace"], ["REPLACE", "REPLACE"], ["NX"])
      ).map(([from, to, options]) => command(["COPY", from, to, ...options]))
      return sameHistories(
        history(
          FastCheck.oneof({ weight: 3, arbitrary: commandStep(commandOf(...all)) }, { weight: 1, arbitrary: step })
        ),
        30
      )
    },
    timeout
  )

  it.live(
    "sorted sets that are large",
    () => {
      const member = FastCheck.integer({ min: 0, max: 400 }).map((n) => `m${n}`)
      const score = FastCheck.integer({ min: 0, max: 60 }).map((n) => String(n / 4))
      const rank = FastCheck.integer({ min: -300, max: 300 }).map(String)
      const step = FastCheck.oneof(
        FastCheck.array(FastCheck.tuple(score, member), { minLength: 1, maxLength: 200, size: "max" }).map((pairs) =>
          command(["ZADD", "z", ...pairs.flat()])
        ),
        FastCheck.array(member, { minLength: 1, maxLength: 60, size: "max" }).map((members) =>
          command(["ZREM", "z", ...members])
        ),
        member.map((one) => command(["ZRANK", "z", one])),
        FastCheck.tuple(score, score).map(([min, max]) => command(["ZCOUNT", "z", `(${min}`, max])),
        FastCheck.tuple(rank, rank).map(([from, to]) => command(["ZRANGE", "z", from, to, "WITHSCORES"])),
        FastCheck.tuple(score, score).map(([min, max]) =>
          command(["ZREVRANGEBYSCORE", "z", max, min, "LIMIT", "3", "40"])
        ),
        FastCheck.tuple(rank, FastCheck.integer({ min: 0, max: 9 })).map(([from, count]) =>
          command(["ZREMRANGEBYRANK", "z", from, String(Number(from) + count)])
        ),
        score.map((min) => command(["ZREMRANGEBYSCORE", "z", min, String(Number(min) + 0.5)])),
        FastCheck.constant(command(["ZPOPMIN", "z", "7"])),
        FastCheck.constant(command(["ZPOPMAX", "z", "7"]))
      )
      return sameHistories(history(step), 30)
    },
    timeout
  )

  it.live(
    "streams that are trimmed by whole nodes",
    () => {
      const grow = `
local last = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)
local ms = last[1] and tonumber(string.match(last[1][1], "^%d+")) or 0
for i = 1, tonumber(ARGV[1]) do
  local field = ARGV[5] == "0" and "f" or "f" .. i % tonumber(ARGV[5])
  redis.call("XADD", KEYS[1], ARGV[2], "~", ARGV[3], (ms + i * 7) .. "-" .. i % 3, field, string.rep("x", ARGV[4]), "n", i)
end
return redis.call("XLEN", KEYS[1])`
      const number = (max: number) => FastCheck.integer({ min: 0, max }).map(String)
      const step = FastCheck.oneof(
        {
          weight: 3,
          arbitrary: FastCheck.tuple(
            number(150),
            FastCheck.constantFrom("MAXLEN", "MAXLEN", "MINID"),
            number(300),
            FastCheck.constantFrom("0", "1", "10", "61", "63", "64", "100", "127", "128", "800", "4000", "5000"),
            FastCheck.constantFrom("0", "1", "2", "3")
          ).map((args) => script(grow, ["x"], args))
        },
        {
          weight: 1,
          arbitrary: FastCheck.constant(
            script(
              `local dump = redis.call("DUMP", KEYS[1])\nreturn dump and redis.call("RESTORE", KEYS[1], 0, dump, "REPLACE")`,
              ["x"],
              []
            )
          )
        },
        { weight: 1, arbitrary: number(200).map((length) => command(["XTRIM", "x", "MAXLEN", "~", length])) },
        { weight: 1, arbitrary: number(200).map((length) => command(["XTRIM", "x", "MAXLEN", "=", length])) },
        {
          weight: 1,
          arbitrary: FastCheck.tuple(number(50), number(150)).map(([length, limit]) =>
            command(["XTRIM", "x", "MAXLEN", "~", length, "LIMIT", limit])
          )
        },
        { weight: 1, arbitrary: number(900).map((ms) => command(["XTRIM", "x", "MINID", "~", ms])) },
        { weight: 1, arbitrary: number(900).map((ms) => command(["XDEL", "x", `${ms}-1`, `${ms}-2`])) },
        { weight: 1, arbitrary: number(900).map((ms) => command(["XRANGE", "x", ms, "+", "COUNT", "5"])) }
      )
      return sameHistories(FastCheck.array(step, { minLength: 1, maxLength: 14, size: "max" }), 30)
    },
    timeout
  )
})
