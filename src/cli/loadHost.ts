/**
 * How the bundle gets at what is not part of it, see `host.ts`.
 *
 * @internal
 */
import type * as Host from "./host.js"

export type LoadHost = () => Promise<typeof Host>
