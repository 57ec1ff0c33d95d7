/**
 * What ends a verb before it is done: one line on stderr and an exit code.
 *
 * @internal
 */
import * as Data from "effect/Data"
import type { VerbName } from "./verbs.js"

export class Failure extends Data.TaggedError("Failure")<{
  readonly message: string
  /** 2 when the user has to say it differently, else 1. */
  readonly exitCode: 1 | 2
  /** Shows how the verb is used. */
  readonly usage?: VerbName
}> {}

export const failed = (message: string): Failure => new Failure({ message, exitCode: 1 })

export const misused = (verb: VerbName, message: string): Failure => new Failure({ message, exitCode: 2, usage: verb })
