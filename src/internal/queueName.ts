/**
 * What a queue may be called. RQ keeps lists of queues as text with commas.
 *
 * @internal
 */

import { show } from "./show.js"

/** What is wrong with a name, or undefined. */
export const queueNameProblem = (name: unknown): string | undefined =>
  typeof name === "string" && name.trim() === name && name.length > 0 && !/[,\p{Cc}]/u.test(name)
    ? undefined
    : `a queue's name is a text without commas, control characters and spaces around it, got ${show(name)}`
