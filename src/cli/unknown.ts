/**
 * Names that were given and that nothing in Redis bears: most are mistyped, some are new.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Control from "../Control.js"
import * as Inspector from "../Inspector.js"
import { nearest } from "../internal/nearest.js"
import * as Queue from "../Queue.js"
import type * as Redis from "../Redis.js"
import { warn } from "./terminal.js"

/** Queues that nobody uses: no job was ever in them, nobody listens, leads or has paused them. With what was meant. */
export const unknownQueues = (
  named: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, string | undefined>, Redis.RedisError, Redis.Redis> =>
  Effect.gen(function*() {
    if (named.length === 0) return new Map()
    const queue = yield* Queue.make
    const control = yield* Control.make
    const known = [...(yield* queue.names), ...(yield* control.paused)]
    const others = [...new Set(named)].filter((name) => !known.includes(name))
    if (others.length === 0) return new Map()
    const inspector = yield* Inspector.make
    const served = new Set((yield* inspector.workers(others)).flatMap(({ queues }) => queues))
    const unused = (yield* inspector.queues(others)).filter((one) =>
      Option.isNone(one.leader) && Option.isNone(one.problem) &&
      one.queued + one.scheduled + one.started + one.finished + one.failed + one.deferred + one.canceled === 0
    )
    return new Map(unused.filter(({ name }) => !served.has(name)).map(({ name }) => [name, nearest(name, known)]))
  }).pipe(
    // Where a key holds something foreign it can't be said what is known.
    Effect.catchIf(({ code }) => code === "WRONGTYPE", () => Effect.succeed(new Map()))
  )

export const didYouMean = (meant: string | undefined): string => meant === undefined ? "" : `, did you mean ${meant}?`

/** Says so on stderr, once for each. */
export const warnOfUnknownQueues = (
  named: ReadonlyArray<string>
): Effect.Effect<void, Redis.RedisError, Redis.Redis> =>
  Effect.flatMap(unknownQueues(named), (unknown) =>
    Effect.forEach(
      unknown,
      ([name, meant]) => warn(`nobody has used a queue called ${name} yet${didYouMean(meant)}`),
      { discard: true }
    ))
