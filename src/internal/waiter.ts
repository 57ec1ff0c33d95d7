/**
 * Whether somebody still waits, asked of the fiber that does: a finalizer on each of many waits costs more than the wait.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as RuntimeFlags from "effect/RuntimeFlags"

/** A fiber that waits and may be interrupted; undefined for one that may not. */
export type Waiter = Fiber.RuntimeFiber<unknown, unknown> | undefined

export const hasLeft = (waiter: Waiter): boolean =>
  waiter !== undefined && !Cause.isEmpty(waiter.getFiberRef(FiberRef.interruptedCause))

/** Says who runs. */
export const withWaiter = <A, E, R>(f: (waiter: Waiter) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber, status) =>
    f(RuntimeFlags.interruptible(status.runtimeFlags) ? fiber : undefined)
  )
