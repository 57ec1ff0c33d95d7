/**
 * `worker`: runs a user's jobs, outside the bundle.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { failed, Failure, misused, withOptionName } from "../failure.js"
import type { WorkerSummary } from "../host.js"
import type { LoadHost } from "../loadHost.js"
import { levelOf, writer } from "../logs.js"
import type { Stop } from "../signals.js"
import { printJson } from "../terminal.js"
import type { Values } from "../verbs.js"

export const run = (
  options: Values<"worker">,
  queues: ReadonlyArray<string>,
  stop: Stop,
  loadHost: LoadHost
): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const module = options.jobs
    if (module === undefined) {
      return yield* misused(
        "worker",
        "which jobs? --jobs MODULE names the module that exports them, such as --jobs ./jobs.js"
      )
    }
    const log = writer(options)
    const level = levelOf(options)
    let summary: WorkerSummary | undefined
    stop.onFirst((name) => {
      if (level === "None" || level === "Warning" || level === "Error") return
      const time = Effect.runSync(Clock.currentTimeMillis)
      const message = `got ${name}, stopping; a second signal leaves at once`
      log({ time, level: "INFO", message, annotations: {}, cause: undefined })
    })
    // The host stops by itself on the signal, in its own copy of effect.
    const result = yield* Effect.uninterruptible(Effect.promise(async () => {
      const { runWorker } = await loadHost()
      return runWorker({
        url: options.url,
        module,
        cwd: process.cwd(),
        queues,
        concurrency: options.concurrency,
        burst: options.burst,
        maxJobs: options.maxJobs,
        name: options.name,
        withScheduler: options.withScheduler,
        gracePeriod: options.gracePeriod,
        logLevel: level,
        log,
        onStopped: (stopped) => {
          summary = stopped
        }
      }, stop.signal)
    }))
    if (result._tag === "Failed") {
      const { isMistake, message } = result
      if (!isMistake) return yield* failed(message)
      const said = withOptionName(message.replace(/^queues: /, ""))
      return yield* said === message ? new Failure({ message, exitCode: 2 }) : misused("worker", said)
    }
    if (options.json && summary !== undefined) yield* printJson(summary)
  })
