/**
 * A part of a list as Redis takes it: the first and the last index.
 *
 * @internal
 */

/**
 * Undefined when nothing is asked for. An offset below zero, which Redis would count from the end, is the start; a limit
 * without end is the whole rest. What is no number is left for the port to refuse.
 */
export const toRange = (
  page: { readonly offset?: number | undefined; readonly limit?: number | undefined } | undefined
): readonly [start: number, stop: number] | undefined => {
  const offset: unknown = page?.offset ?? 0
  const limit: unknown = page?.limit ?? 100
  // The types say that both are numbers; what they are not, Redis is never asked.
  if (typeof offset !== "number" || typeof limit !== "number") return [offset as number, limit as number]
  if (limit < 1 || offset === Infinity) return undefined
  const start = Math.max(0, Math.floor(offset))
  const stop = start + Math.floor(limit) - 1
  return [start, stop > Number.MAX_SAFE_INTEGER ? -1 : stop]
}
