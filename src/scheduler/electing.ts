/**
 * Tries to lead the queues that this scheduler doesn't lead, and gives up those that it does.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { detached } from "../internal/detached.js"
import * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import { elect as electScript, resign as resignScript } from "./election.js"
import type { Settings } from "./settings.js"
import { chunksOf, queuesPerCall, type QueueState, type State } from "./state.js"

export const make = (
  { birth, leaseMillis, name }: Settings,
  shared: State,
  redis: Redis.RedisService
): Effect.Effect<void, Redis.RedisError> => {
  const elect = redis.eval(electScript)

  const onElected = (state: QueueState, now: number) =>
    Effect.suspend(() => {
      state.leadingSince = now
      state.leader = name
      state.lapsesAt = undefined
      state.skip = 0
      state.watched.clear()
      state.promotedLast = []
      return Effect.zipRight(
        shared.log(Effect.logInfo(`leads queue ${state.queue}`)),
        shared.events.publish({ _tag: "Elected", queue: state.queue, at: DateTime.unsafeMake(now) })
      )
    })

  return Effect.gen(function*() {
    for (const some of chunksOf(shared.following(), queuesPerCall)) {
      const asked = some.map((state) => state.queue)
      const now = yield* Clock.currentTimeMillis
      const rows = yield* elect({
        scheduler: name,
        queues: asked,
        leaseMillis,
        birth,
        now: Date.seconds(now),
        nowDate: Date.encode(now)
      })
      yield* shared.onAnswer
      for (const row of rows(asked)) {
        const state = shared.of(row.queue)
        if (row._tag === "Leading") {
          yield* onElected(state, now)
        } else if (row._tag === "Foreign") {
          state.leader = undefined
          // Nobody tells when it is gone.
          state.lapsesAt = now + leaseMillis
          if (state.problem !== row.message) {
            state.problem = row.message
            yield* shared.log(Effect.logError(`queue ${row.queue} can't be led: ${row.message}`))
          }
          shared.followingChanged.notify()
        } else {
          if (state.leader !== row.by) yield* shared.log(Effect.logInfo(`queue ${row.queue} is led by ${row.by}`))
          state.leader = row.by
          state.lapsesAt = row.lapsesIn === undefined ? undefined : now + row.lapsesIn
          shared.followingChanged.notify()
        }
      }
    }
  })
}

/** Gives up what it leads, and tells the others. */
export const makeResigning = (
  { name, queues }: Settings,
  shared: State,
  redis: Redis.RedisService
): Effect.Effect<void> => {
  const resign = redis.eval(resignScript)
  return Effect.gen(function*() {
    const now = Date.seconds(yield* Clock.currentTimeMillis)
    for (const some of chunksOf(queues, queuesPerCall)) yield* resign({ scheduler: name, queues: some, now })
  }).pipe(
    Effect.timeoutFail({
      duration: "1 second",
      onTimeout: () =>
        new Redis.RedisError({ reason: "timeout", command: "resign", code: "", message: "no reply in time" })
    }),
    detached,
    Effect.catchAll(({ message }) =>
      shared.log(
        // it may lead a queue without knowing it, which the call is for as well
        shared.leading().length === 0
          ? Effect.logDebug(`could not tell Redis that it stops, and leads nothing: ${message}`)
          : Effect.logWarning(`could not resign, the lease will lapse by itself: ${message}`)
      )
    )
  )
}
