/**
 * Waits on the server for the next job of each queue. Redis moves it into a list of this worker's own, so that a push
 * wakes one worker, and a crash loses nothing.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"
import type { Settings } from "./settings.js"
import { firstBackOff, longestBackOff, type State, untilItWorks } from "./state.js"
import { pausedMillis } from "./suspension.js"

/** How long a wait lasts while an earlier one that was lost may go on at the server. */
const lookingSeconds = 1

/** How often it looks itself into a queue that it can't wait for on the server. */
const unguardedMillis = 500

export interface Waiting {
  /** Waits for jobs of one queue, over a connection of its own: Redis can move from one list only. */
  readonly waitFor: (queue: string) => Effect.Effect<never, Redis.RedisError>
  /** Ends the waits while all slots are taken: nothing may be handed over then. */
  readonly unblock: Effect.Effect<never>
}

/** Ends the waits for as long as there are some and it `applies`. */
export const unblockWhile = ({ blocked }: State, applies: () => boolean): Effect.Effect<void> =>
  Effect.gen(function*() {
    // The command that blocks may still be on its way to the server, so once is not always enough.
    for (let wait = 10; blocked.size > 0 && applies(); wait = Math.min(1000, wait * 2)) {
      yield* Effect.forEach(blocked.values(), (connection) => Effect.ignore(connection.unblock), { discard: true })
      yield* Effect.yieldNow()
      if (blocked.size > 0 && applies()) yield* Effect.sleep(wait)
    }
  })

export const make = (settings: Settings, state: State, redis: Redis.RedisService): Waiting => {
  const { blocked } = state

  const waitFor: Waiting["waitFor"] = (queue) =>
    Effect.scoped(Effect.gen(function*() {
      const connection = yield* Effect.retry(redis.connection, untilItWorks)
      const { blockSeconds, name } = settings
      const move = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        // A server that has not seen the end of a connection still moves jobs for it, which nobody tells us of: the list
        // is looked at after each wait.
        const mayStillMove = Math.abs(now - state.lostWaitAt) <= blockSeconds * 1000
        const seconds = mayStillMove ? Math.min(lookingSeconds, blockSeconds) : blockSeconds
        return connection.send<string | null>(
          "BLMOVE",
          keys.queue(queue),
          keys.handover(queue, name),
          "LEFT",
          "RIGHT",
          seconds
        )
      })
      const started = keys.started(queue)
      let backOff = firstBackOff
      while (true) {
        yield* state.mayWait.await
        if (state.isForeign(started)) {
          // What would be handed over can't be started, and goes back: without a pause it would be handed over at once.
          yield* Effect.sleep(backOff)
          backOff = Math.min(longestBackOff, backOff * 2)
          yield* state.mayWait.await
        }
        if (state.pausedQueues.has(queue)) {
          yield* Effect.sleep(pausedMillis)
          continue
        }
        if (state.unguarded.has(queue)) {
          // What would be handed over is lost when this worker dies: it looks itself.
          yield* Effect.sleep(unguardedMillis)
          state.hungry = true
          state.updateWaiting()
          state.pumpSignal.notify()
          continue
        }
        // The latch may have been closed since it let this one through.
        if (state.stopping) return yield* Effect.never
        blocked.set(queue, connection)
        const moved = yield* Effect.either(Effect.ensuring(move, Effect.sync(() => blocked.delete(queue))))
        // Something may have been moved without our knowing: by a command whose reply was lost, or whose connection
        // was lost so that the server has not seen its end yet.
        state.handovers++
        state.handedOver = true
        state.hungry = true
        state.updateWaiting()
        state.pumpSignal.notify()
        if (moved._tag === "Right") {
          if (!state.isForeign(started)) backOff = firstBackOff
        } else {
          if (moved.left.code === "WRONGTYPE") {
            // The key of the queue holds something else, which the calls that claim tell of. Redis is there.
            yield* Effect.sleep(backOff)
          } else {
            state.lostWaitAt = yield* Clock.currentTimeMillis
            yield* state.onConnection(moved.left)
            yield* state.pause(backOff)
          }
          backOff = Math.min(longestBackOff, backOff * 2)
        }
      }
    }))

  const unblock = Effect.forever(
    Effect.zipRight(state.fullSignal.wait, unblockWhile(state, () => state.free() <= 0))
  )

  return { waitFor, unblock }
}
