/**
 * How a handler is found: each has a tag of its own, made from the name of its job.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Says in a type that there is a handler for the job of this name. */
export interface Handler<in out Name extends string> {
  readonly _: unique symbol
  readonly name: Name
}

/** A handler with the services that it was given. */
export interface Registered {
  readonly handler: (payload: unknown) => Effect.Effect<unknown, unknown, unknown>
  readonly context: Context.Context<never>
}

export const handlerTag = <Name extends string>(name: Name): Context.Tag<Handler<Name>, Registered> =>
  Context.GenericTag<Handler<Name>, Registered>(`effect-rq/JobGroup/Handler/${name}`)
