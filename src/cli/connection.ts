/**
 * Redis for verbs that look at things and are done.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Probe from "../redis-live/probe.js"
import * as Redis from "../Redis.js"
import { Failure } from "./failure.js"

export const fromProblem = ({ isMistake, message }: Probe.Problem): Failure =>
  new Failure({ message, exitCode: isMistake ? 2 : 1 })

/** Runs with a connection that gives up soon. An error of Redis ends the verb in one line. */
export const withRedis = (url: string | undefined) =>
<A, E, R>(
  effect: Effect.Effect<A, E | Redis.RedisError, R>
): Effect.Effect<A, Exclude<E, Redis.RedisError> | Failure, Exclude<R, Redis.Redis> | Scope.Scope> =>
  Effect.gen(function*() {
    const target = yield* Effect.mapError(Probe.target(url), fromProblem)
    const redis = yield* Effect.mapError(Probe.connect(target), fromProblem)
    return yield* effect.pipe(
      Effect.provideService(Redis.Redis, redis),
      Effect.mapError((error) =>
        error instanceof Redis.RedisError
          ? fromProblem(Probe.explain(error, target.shown))
          : error as Exclude<E, Redis.RedisError> // it is none, as was just asked
      )
    )
  })
