/**
 * The invariants, as the harness uses them.
 */
import type * as RedisMemory from "../../src/RedisMemory.js"
import * as Invariants from "../support/invariants.js"

export type Dump = Readonly<Record<string, RedisMemory.Entry>>

/** What is wrong with a state of Redis, in words. */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> => Invariants.violations(dump, now)
