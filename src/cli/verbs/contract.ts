/**
 * `contract`: describes the jobs of a module for those who enqueue them from other languages.
 *
 * @internal
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { failed, Failure } from "../failure.js"
import type { LoadHost } from "../loadHost.js"
import type { Stop } from "../signals.js"
import { print } from "../terminal.js"
import type { Values } from "../verbs.js"

export const run = (
  options: Values<"contract">,
  [module = ""]: ReadonlyArray<string>,
  stop: Stop,
  loadHost: LoadHost
): Effect.Effect<void, Failure, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const result = yield* Effect.uninterruptible(Effect.promise(async () => {
      const host = await loadHost()
      return host.contract({ module, cwd: process.cwd(), format: options.format ?? "json" }, stop.signal)
    }))
    switch (result._tag) {
      case "Interrupted":
        return yield* Effect.interrupt
      case "Failed":
        return yield* new Failure({ message: result.message, exitCode: result.isMistake ? 2 : 1 })
      case "Done": {
        const { output } = options
        if (output === undefined) return yield* print(result.value.trimEnd())
        const files = yield* FileSystem.FileSystem
        return yield* Effect.mapError(
          files.writeFileString(output, result.value),
          (error) =>
            failed(`--output: can't write ${output} (${error._tag === "SystemError" ? error.reason : error.message})`)
        )
      }
    }
  })
