/**
 * Runs a verb and says what the process exits with.
 *
 * @internal
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { Failure } from "./failure.js"
import { usageLine } from "./help.js"
import type { LoadHost } from "./loadHost.js"
import type { Normalized } from "./normalize.js"
import { parse } from "./parse.js"
import * as Signals from "./signals.js"
import { printableLines } from "./terminal.js"
import type { Invocation } from "./verbs.js"

/** Loads what the verb needs and nothing else. */
const dispatch = (invocation: Invocation, stop: Signals.Stop, loadHost: LoadHost) => {
  switch (invocation.verb) {
    case "worker":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/worker.js")),
        ({ run }) => run(invocation.options, invocation.args, stop, loadHost)
      )
    case "scheduler":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/scheduler.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "enqueue":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/enqueue.js")),
        ({ run }) => run(invocation.options, invocation.args, stop, loadHost)
      )
    case "scheduled":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/scheduled.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "info":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/info.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "doctor":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/doctor.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "explain":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/explain.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "jobShow":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/job.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "contract":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/contract.js")),
        ({ run }) => run(invocation.options, invocation.args, stop, loadHost)
      )
    case "jobHistory":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/job.js")),
        ({ runHistory }) => runHistory(invocation.options, invocation.args)
      )
    case "jobWait":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/wait.js")),
        ({ run }) => run(invocation.options, invocation.args)
      )
    case "requeue":
    case "cancel":
    case "stop":
    case "delete":
    case "reschedule":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/manage.js")),
        ({ run }) => run(invocation)
      )
    case "empty":
    case "suspend":
    case "resume":
    case "pause":
    case "unpause":
    case "shutdown":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/control.js")),
        ({ run }) => run(invocation)
      )
    case "demo":
      return Effect.flatMap(
        Effect.promise(() => import("./verbs/demo.js")),
        ({ run }) => run(invocation.options)
      )
  }
}

/** For these a signal is how they end. */
const endless: ReadonlyArray<Invocation["verb"]> = ["worker", "scheduler", "info"]

const complain = (text: string): void => {
  process.stderr.write(`effect-rq: ${printableLines(text)}\n`)
}

export const main = async (
  normalized: Extract<Normalized, { readonly _tag: "Verb" }>,
  loadHost: LoadHost
): Promise<number> => {
  const stop = Signals.listen()
  const program = parse(normalized).pipe(
    Effect.mapError((error) => new Failure({ message: error.message, exitCode: 2, usage: normalized.verb })),
    Effect.flatMap((invocation) => dispatch(invocation, stop, loadHost)),
    Effect.provide(NodeContext.layer)
  )
  const exit = await Effect.runPromiseExit(program, { signal: stop.signal })
  if (Exit.isSuccess(exit)) return 0
  const failure = Cause.failureOption(exit.cause)
  if (Option.isSome(failure)) {
    const { exitCode, message, usage } = failure.value
    complain(usage === undefined ? message : `${message}\n${usageLine(usage)}`)
    return exitCode
  }
  if (Cause.isInterruptedOnly(exit.cause)) {
    const received = stop.received()
    return received === undefined || endless.includes(normalized.verb) ? 0 : Signals.exitCodes[received]
  }
  complain(`this should not happen, please report it: ${Cause.pretty(exit.cause, { renderErrorCause: true })}`)
  return 1
}
