/**
 * Hears of what was scheduled sooner than what is due next, and of leaders that stop.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import type { Settings } from "./settings.js"
import { notBefore, type State, untilItWorks } from "./state.js"

export const make = (
  { queues }: Settings,
  shared: State,
  redis: Redis.RedisService,
  tick: Effect.Effect<void>,
  election: Effect.Effect<void>
): Effect.Effect<never, Redis.RedisError> =>
  Effect.scoped(Effect.gen(function*() {
    const channels = new Map(queues.map((queue) => [keys.schedulerChannel(queue), shared.of(queue)]))
    const messages = yield* Effect.retry(redis.subscribe(...channels.keys()), {
      schedule: untilItWorks,
      while: (error) => error.isTransient
    })
    yield* tick // sees what was scheduled while nobody listened
    while (true) {
      // A scheduler that stops speaks for each of its queues: one election answers them all.
      const first = yield* Queue.take(messages)
      let released = false
      for (const { channel, message } of [first, ...(yield* Queue.takeAll(messages))]) {
        const state = channels.get(channel)
        if (state === undefined) continue
        if (message === "released") {
          released = released || state.leadingSince === undefined
        } else if (message.startsWith("due ") && state.leadingSince !== undefined) {
          const due = notBefore(Number(message.slice(4)))
          if (due !== undefined && due < (state.nextDue ?? Infinity)) {
            state.nextDue = due
            shared.nextDueChanged.notify()
          }
        }
      }
      if (released) yield* election
    }
  }))
