/**
 * What is wrong with the jobs of a state, whatever runs beside it.
 *
 * @internal
 */
import { type Dump, fromDump } from "../../invariants/dump.js"
import { checkJob } from "../../invariants/jobs.js"

/** All violations in words; `now` is in milliseconds since 1970. */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> =>
  fromDump(dump, now).jobs.flatMap((job) =>
    checkJob(job, now, Infinity)
      .filter(({ code }) => code !== "blocked-dependent")
      .map(({ message }) => message)
  )
