/**
 * Does what mends a finding.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Repair } from "../invariants/violation.js"
import { abandon as abandonScript } from "../lifecycle/abandon.js"
import { tidy as tidyScript } from "../lifecycle/tidy.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import * as Repairs from "./repairs.js"

/** Who is said to have done it, in logs and locks. */
const name = "doctor"

/** How often a worker may die of a job before it fails, where the worker doesn't say: its default. */
const maxAbandons = 3

export const make = (redis: Redis.RedisService) => {
  const requeueLost = redis.eval(Repairs.requeueLost)
  const restartLost = redis.eval(Repairs.restartLost)
  const listEnded = redis.eval(Repairs.listEnded)
  const settleDependent = redis.eval(Repairs.settleDependent)
  const dropEntry = redis.eval(Repairs.dropEntry)
  const dropDuplicate = redis.eval(Repairs.dropDuplicate)
  const expireResults = redis.eval(Repairs.expireResults)
  const showOptions = redis.eval(Repairs.showOptions)
  const endLock = redis.eval(Repairs.endLock)
  const returnHandover = redis.eval(Repairs.returnHandover)
  const forgetWorker = redis.eval(Repairs.forgetWorker)
  const listQueue = redis.eval(Repairs.listQueue)
  const abandon = redis.eval(abandonScript)
  const tidy = redis.eval(tidyScript)

  const abandonAll = (queue: string) =>
    Effect.gen(function*() {
      let count = 0
      let more = true
      while (more) {
        const now = yield* Clock.currentTimeMillis
        const found = yield* abandon({
          worker: name,
          queues: [queue],
          now: Date.seconds(now),
          nowDate: Date.encode(now),
          intervalMillis: 1,
          maxAbandons,
          limit: 100,
          python: true,
          forgetSeconds: 630
        })
        count += found.abandoned.length
        more = found.more
      }
      return count > 0 ? undefined : "somebody has just looked after the queue: look again"
    })

  const tidyOne = (queue: string) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const { recovered } = yield* tidy({
        worker: name,
        queues: [queue],
        now: Date.seconds(now),
        intervalMillis: 1,
        limit: 500
      })
      return recovered.length > 0 ? undefined : "it has to be seen there for a minute: look again then"
    })

  /** Undefined when it is mended, else why it was left. */
  const mendOne = (repair: Exclude<Repair, { readonly _tag: "ReturnHandover" }>, now: string, nowDate: string) => {
    const at = { now, nowDate }
    switch (repair._tag) {
      case "RequeueLost":
        return requeueLost({ ...repair, ...at })
      case "RestartLost":
        return restartLost({ ...repair, ...at })
      case "ListEnded":
        return listEnded({ ...repair, ...at })
      case "SettleDependent":
        return settleDependent({ ...repair, ...at })
      case "DropEntry":
        return dropEntry({ ...repair, now })
      case "DropDuplicate":
        return dropDuplicate(repair)
      case "ExpireResults":
        return expireResults(repair.job)
      case "ShowOptions":
        return showOptions(repair.job)
      case "EndLock":
        return endLock(repair)
      case "Abandon":
        return abandonAll(repair.queue)
      case "Tidy":
        return tidyOne(repair.queue)
      case "ForgetWorker":
        return forgetWorker(repair)
      case "ListQueue":
        return listQueue(repair.queue)
    }
  }

  return (repair: Repair): Effect.Effect<Repairs.Outcome, Redis.RedisError> =>
    Effect.flatMap(Clock.currentTimeMillis, (millis) => {
      const now = Date.seconds(millis)
      return repair._tag === "ReturnHandover"
        ? returnHandover({ ...repair, now })
        : Effect.map(mendOne(repair, now, Date.encode(millis)), (left): Repairs.Outcome => ({ left, skipped: [] }))
    })
}
