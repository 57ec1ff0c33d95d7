/**
 * Ends the output of a test run with one line that counts tests, whatever happened in it:
 * `N passed, N failed, N skipped`.
 */
import * as fs from "node:fs"
import type { Reporter, TestModule } from "vitest/node"

const counts = { passed: 0, failed: 0, skipped: 0 }

// The line is written when the process exits, since reporters are not the last to speak.
const writeSummary = (code: number) => {
  // Whatever else made the run fail (a global setup, a bad configuration), it may not read as if nothing had.
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`
  try {
    fs.writeSync(1, line)
  } catch {
    // A pipe that is full for the moment refuses a synchronous write; the stream waits for its reader.
    process.stdout.write(line)
  }
}

const count = (modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>) => {
  counts.passed = counts.failed = counts.skipped = 0
  for (const module of modules) {
    let failed = 0
    for (const test of module.children.allTests()) {
      const state = test.result().state
      if (state === "passed") counts.passed++
      else if (state === "failed") failed++
      else if (state === "skipped") counts.skipped++
      else failed++ // It began and never ended.
    }
    // A file that can't be loaded, or whose hooks fail, has no test that could have failed in its place.
    counts.failed += failed === 0 && module.state() === "failed" ? 1 : failed
  }
  // An error outside of all tests fails the run, so the count may not read as if nothing had.
  counts.failed += errors.length
}

/** The reporter, as a value that `vitest.config.ts` passes on. */
export const summaryReporter: Reporter = {
  onInit() {
    process.once("exit", writeSummary)
  },
  onTestRunEnd: count
}
