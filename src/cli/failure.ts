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

/** Messages of the library begin with the field that is wrong; the command line has another name for it. */
export const withOptionName = (message: string): string =>
  message.replace(
    /^(jobId|timeout|ttl|resultTtl|failureTtl|queue|concurrency|maxJobs|name|gracePeriod|dependsOn|uniqueFor|duration|wait|limit): /,
    (field) => `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  ).replace(
    /^(retry\.max|retry\.intervals|repeat\.times|repeat\.intervals): /,
    (field) => `--${field.slice(0, -2).replace(/\.times$/, "").replace(/\.(max|interval)s?$/, "-$1")}: `
  )

export const failed = (message: string): Failure => new Failure({ message, exitCode: 1 })

/** Of options that the verb has passed on. */
export const passedOn = (verb: VerbName) => ({ message }: { readonly message: string }): Failure =>
  misused(verb, withOptionName(message))

export const misused = (verb: VerbName, message: string): Failure => new Failure({ message, exitCode: 2, usage: verb })
