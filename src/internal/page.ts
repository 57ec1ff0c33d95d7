/**
 * A part of a list as Redis takes it: the first and the last index.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import { namesOf } from "./known.js"
import * as Check from "./options.js"
import { show } from "./show.js"

interface Page {
  readonly offset?: number | undefined
  readonly limit?: number | undefined
}

const known = namesOf<Page>({ offset: true, limit: true })

const number = (field: keyof Page, value: number): Effect.Effect<number, Check.InvalidOptions> =>
  typeof value === "number" && !Number.isNaN(value)
    ? Effect.succeed(value)
    : Effect.fail(new Check.InvalidOptions({ field, message: `${field}: expected a number, got ${show(value)}` }))

/**
 * Undefined when nothing is asked for. An offset below zero, which Redis would count from the end, is the start; a limit
 * without end is the whole rest.
 */
export const toRange = (
  page: Page | undefined
): Effect.Effect<readonly [start: number, stop: number] | undefined, Check.InvalidOptions> =>
  Effect.gen(function*() {
    yield* Check.names(page ?? {}, known)
    const offset = yield* number("offset", page?.offset ?? 0)
    const limit = yield* number("limit", page?.limit ?? 100)
    if (limit < 1 || offset === Infinity) return undefined
    const start = Math.max(0, Math.floor(offset))
    const stop = start + Math.floor(limit) - 1
    return [start, stop > Number.MAX_SAFE_INTEGER ? -1 : stop]
  })
