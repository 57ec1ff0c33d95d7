/**
 * What a queue may be called. RQ keeps lists of queues as text with commas.
 *
 * @internal
 */

/** What is wrong with a name, or undefined. */
export const queueNameProblem = (name: string): string | undefined =>
  name.trim() === name && name.length > 0 && !/[,\p{Cc}]/u.test(name)
    ? undefined
    : `a queue's name is a text without commas, control characters and spaces around it, got ${JSON.stringify(name)}`
