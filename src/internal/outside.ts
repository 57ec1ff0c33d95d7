/**
 * The one module that talks to the outside for what Effect has no service for: identity of this process, and
 * randomness that is fit for ids. Nothing else in `src` may import `node:crypto`'s random functions or `node:os`.
 *
 * @internal
 */
import * as Crypto from "node:crypto"
import * as Os from "node:os"

/** `size` random bytes as lower-case hex. */
export const randomHex = (size: number): string => Crypto.randomBytes(size).toString("hex")

/** A uuid of version 4. Node draws the bytes of many at once, which makes it ten times as fast as hex of its own. */
export const randomUuid = (): string => Crypto.randomUUID()

/** The name of this host, as RQ stores it in a worker's `hostname`. */
export const hostname = (): string => Os.hostname()

/** The process id, as RQ stores it in a worker's `pid`. */
export const pid = (): number => process.pid

/** The version of Node that runs. */
export const nodeVersion = (): string => process.versions.node

/** What a worker says that it is, in RQ's `version`. */
export const version = "effect-rq 0.1.0"
