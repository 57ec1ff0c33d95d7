#!/usr/bin/env node
/**
 * The command line. Help and what is misspelt need nothing but this; the rest is loaded when a verb runs.
 *
 * @internal
 */
import { generalHelp, usageLine, verbHelp } from "./help.js"
import { keepSmall } from "./memory.js"
import { normalize } from "./normalize.js"
import { version } from "./version.js"

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0)
  throw error
})

/** Waits until what was written has left the process. */
const flush = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    stream.write("", () => resolve())
  })

const run = async (): Promise<number> => {
  const normalized = normalize(process.argv.slice(2))
  switch (normalized._tag) {
    case "Help":
      process.stdout.write(
        `${normalized.verb === undefined ? generalHelp(version) : verbHelp(normalized.verb)}\n`
      )
      return 0
    case "Version":
      process.stdout.write(`effect-rq ${version}\n`)
      return 0
    case "UsageError":
      process.stderr.write(`effect-rq: ${normalized.message}\n${usageLine(normalized.verb)}\n`)
      return 2
    case "Verb":
      if (normalized.verb === "worker" || normalized.verb === "scheduler") keepSmall()
      // said here, where the path is the same before and after bundling
      return (await import("./main.js")).main(normalized, () => import("./host.js"))
  }
}

const code = await run()
await flush(process.stdout)
await flush(process.stderr)
// Modules of users may leave timers and sockets behind that would keep the process.
process.exit(code)
