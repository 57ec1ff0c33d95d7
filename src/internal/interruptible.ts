/**
 * Waits for a callback, with what to do when the fiber is interrupted meanwhile.
 *
 * `Effect.async` does the same, by an object for each time that lives for as long as the wait. V8 takes what is made there
 * for long-lived after a while, makes it where only a full collection of garbage looks, and with it stays all that the
 * fiber leaves: collections then take several times as long.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/** `register` gives back what cleans up after an interruption. */
export const async = <A, E>(
  register: (resume: (effect: Effect.Effect<A, E>) => void) => Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let cleanUp: Effect.Effect<void> = Effect.void
    return Effect.onExit(
      // what gives nothing back is awaited as it is
      Effect.async<A, E>((resume) => {
        cleanUp = register(resume)
      }),
      (exit) => exit._tag === "Failure" && Cause.isInterruptedOnly(exit.cause) ? cleanUp : Effect.void
    )
  })
