/**
 * The invariants, as the harness uses them: on a fleet that has drained and stopped.
 */
import { check } from "../../src/invariants/check.js"
import { type Dump, fromDump } from "../../src/invariants/dump.js"
import type { Code } from "../../src/invariants/violation.js"

export type { Dump } from "../../src/invariants/dump.js"

/** So it is where the fleet has been stopped, and some of it killed. */
const ofNoFleet: ReadonlySet<Code> = new Set<Code>([
  "no-scheduler",
  "no-worker",
  "dead-worker",
  "foreign-lock",
  "unlisted-queue"
])

/** What is wrong with a state of Redis, in words. */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> =>
  check(fromDump(dump, now)).filter(({ code }) => !ofNoFleet.has(code)).map(({ message }) => message)
