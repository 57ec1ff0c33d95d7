/**
 * What RQ leaves in Redis is not called broken: its golden states, at each of their moments.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisMemory } from "effect-rq"
import * as Effect from "effect/Effect"
import { check } from "../../src/invariants/check.js"
import { fromDump } from "../../src/invariants/dump.js"
import type { Code } from "../../src/invariants/violation.js"
import { load, names, restore, states } from "../support/golden.js"

/** The states were taken between the steps of a script: mostly nobody works or schedules then. */
const ofTheMoment: ReadonlySet<Code> = new Set<Code>(["no-worker", "no-scheduler", "suspended"])

describe("the invariants", () => {
  it.live("hold of what RQ leaves, but where a job of the script was taken and thrown away", () =>
    Effect.gen(function*() {
      const found = new Set<string>()
      let seen = 0
      for (const name of names) {
        const golden = load(name)
        for (const [, state] of states(golden)) {
          const store = yield* RedisMemory.makeStore
          yield* restore((yield* RedisMemory.makeClient(store)).service, state)
          const dump = yield* RedisMemory.dump(store)
          for (const { code, severity } of check(fromDump(dump, golden.captured_at * 1000))) {
            if (!ofTheMoment.has(code)) found.add(`${name}: ${severity} ${code}`)
          }
          seen++
        }
      }
      assert.isAbove(seen, 80)
      assert.deepStrictEqual([...found].sort(), [
        // RQ does not clear these
        "cancel_with_dependents: info stray-dependencies",
        "dependency_allow_failure: info stray-dependencies",
        "dependency_deferred: info stray-dependencies",
        // taken out of the queue by a call, without a worker
        "dequeue_two_queues: error lost-job",
        // scheduled without a job, by hand; and a scheduler that was made without being started
        "scheduler_promote: warning entry-without-job",
        "scheduler_promote: warning foreign-lock",
        "worker_killed_then_cleanup: info stray-execution",
        "worker_killed_then_cleanup_retry: info stray-execution"
      ])
    }))
})
