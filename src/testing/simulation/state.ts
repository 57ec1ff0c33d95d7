/**
 * What is wrong with the jobs of a state, whatever runs beside it.
 *
 * @internal
 */
import { type Dump, fromDump } from "../../invariants/dump.js"
import { checkJob } from "../../invariants/jobs.js"
import type { Violation } from "../../invariants/violation.js"
import * as keys from "../../wire/keys.js"

/** An id in a list whose job is canceled or gone: whoever takes it drops it, or gives it back to who does. */
const isDropped = ({ code, key }: Violation, status: string | undefined): boolean =>
  (code === "entry-without-job" || code === "stray-entry" && status === "canceled") && key !== undefined &&
  (key.startsWith(keys.family.queue) || key.startsWith(keys.ownFamily.handover))

/** All violations in words; `now` is in milliseconds since 1970. */
export const violations = (dump: Dump, now: number): ReadonlyArray<string> =>
  fromDump(dump, now).jobs.flatMap((job) =>
    checkJob(job, now, Infinity)
      .filter((found) => found.code !== "blocked-dependent" && !isDropped(found, job.status))
      .map(({ message }) => message)
  )
