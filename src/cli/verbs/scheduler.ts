/**
 * `scheduler`: promotes jobs on time until it is stopped.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Queue from "../../Queue.js"
import * as Probe from "../../redis-live/probe.js"
import * as RedisLive from "../../RedisLive.js"
import * as Scheduler from "../../Scheduler.js"
import { logPromotions } from "../../scheduler/logPromotions.js"
import { fromProblem, withRedis } from "../connection.js"
import { failed, type Failure, misused } from "../failure.js"
import * as logs from "../logs.js"
import type { Values } from "../verbs.js"

const serve = (
  options: Values<"scheduler">,
  named: ReadonlyArray<string>
): Effect.Effect<void, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const target = yield* Effect.mapError(Probe.target(options.url), fromProblem)
    yield* Effect.mapError(Probe.check(target), fromProblem)
    const queues = named.length > 0
      ? named
      : yield* withRedis(options.url)(Effect.flatMap(Queue.make, (queue) => queue.names))
    if (queues.length === 0) return yield* misused("scheduler", "which queues? This Redis has none yet, so name them")
    const context = yield* Layer.build(RedisLive.layer(target.options)).pipe(
      Effect.mapError((error) => fromProblem(Probe.explainConfig(error, target.isGiven)))
    )
    const scheduler = yield* Scheduler.make({ queues, name: options.name }).pipe(
      Effect.provide(context),
      Effect.mapError((error) => misused("scheduler", error.message))
    )
    yield* Effect.annotateLogs(
      Effect.logInfo(
        `scheduler ${scheduler.name} serves ${queues.length === 1 ? "queue" : "queues"} ${
          queues.join(", ")
        } on ${target.shown}`
      ),
      { scheduler: scheduler.name }
    )
    yield* logPromotions(scheduler)
    return yield* failed("the scheduler ended by itself")
  })

/** With the logs of everything that happens, stopping included. */
export const run = (
  options: Values<"scheduler">,
  named: ReadonlyArray<string>
): Effect.Effect<void, Failure> =>
  Effect.scoped(serve(options, named)).pipe(
    Effect.onInterrupt(() => Effect.logInfo("scheduler stopped")),
    Effect.provide(logs.layer(options))
  )
