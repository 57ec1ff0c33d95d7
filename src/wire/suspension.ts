/**
 * What the key that suspends the fleet says, by how long it has left.
 *
 * @internal
 */

/** While the fleet is suspended; `until`, in milliseconds since 1970, is undefined when that has no end. */
export interface Suspension {
  readonly until: number | undefined
}

/** Reads the reply of `PTTL`; undefined when the fleet is not suspended. */
export const decode = (ttl: number, now: number): Suspension | undefined =>
  ttl === -2 ? undefined : { until: ttl === -1 ? undefined : now + ttl }
