/**
 * What must hold of a Redis at any instant, asserted over a dump of all its keys.
 */
import { assert } from "@effect/vitest"
import { check } from "../../src/invariants/check.js"
import { type Dump, fromDump } from "../../src/invariants/dump.js"
import type { Code } from "../../src/invariants/violation.js"

/** What depends on what runs beside: schedulers, workers, somebody who looks after the queue. */
const ofTheFleet: ReadonlySet<Code> = new Set<Code>([
  "no-scheduler",
  "overdue-job",
  "lapsed-job",
  "no-worker",
  "dead-worker",
  "stray-handover",
  "foreign-lock",
  "endless-lock",
  "unlisted-queue",
  "paused-queue",
  "suspended",
  "blocked-dependent"
])

/**
 * All violations of what the edges of the state machine have to keep, in words: each job is in exactly one place, the one
 * that its status names, and no place holds an id without a job. `now` is in milliseconds since 1970.
 */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> =>
  check(fromDump(dump, now)).filter(({ code }) => !ofTheFleet.has(code)).map(({ message }) => message)

export const assertInvariants = (dump: Dump, now: number): void => assert.deepStrictEqual(violations(dump, now), [])
