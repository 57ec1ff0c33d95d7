import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { summaryReporter } from "./test/support/summary-reporter.js"

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // The package's own name means the sources, not what was built last.
    alias: [
      { find: /^effect-rq$/, replacement: source("index.ts") },
      { find: /^effect-rq\/testing$/, replacement: source("testing/index.ts") },
      { find: /^effect-rq\/(\w+)$/, replacement: source("$1.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    reporters: ["default", summaryReporter],
    // On two cores the default is one file at a time, although many files wait for servers and processes: three keep them busy.
    maxWorkers: 3,
    testTimeout: 20_000
  }
})
