/**
 * Entries of the journals of effect-rq: the instant in Unix seconds, what happened, and to whom.
 *
 * @internal
 */
import * as Date from "./date.js"

/** Times are milliseconds since 1970. */
export type JournalEntry =
  | {
    readonly _tag: "Elected"
    readonly at: number
    readonly scheduler: string
    /** For how long its leadership outlives its last sign of life. */
    readonly leaseMillis: number
  }
  /** Was seen to lead: a scheduler of Python's, which writes no journal. */
  | { readonly _tag: "Seen"; readonly at: number; readonly scheduler: string }
  | { readonly _tag: "Resigned"; readonly at: number; readonly scheduler: string }
  | { readonly _tag: "Paused" | "Unpaused" | "Resumed"; readonly at: number }
  /** `until` is undefined when that has no end. */
  | { readonly _tag: "Suspended"; readonly at: number; readonly until: number | undefined }

/** Undefined for what is not understood. */
export const decode = (text: string): JournalEntry | undefined => {
  const [time = "", kind = "", detail = "", ...rest] = text.split(" ")
  const at = Date.millis(time)
  if (!Number.isFinite(at)) return undefined
  switch (kind) {
    case "elected":
      // a name may hold spaces, the lease comes before it
      return { _tag: "Elected", at, leaseMillis: Number(detail), scheduler: rest.join(" ") }
    case "seen":
      return { _tag: "Seen", at, scheduler: [detail, ...rest].join(" ") }
    case "resigned":
      return { _tag: "Resigned", at, scheduler: [detail, ...rest].join(" ") }
    case "paused":
      return { _tag: "Paused", at }
    case "unpaused":
      return { _tag: "Unpaused", at }
    case "suspended":
      return { _tag: "Suspended", at, until: detail === "" ? undefined : Date.millis(detail) }
    case "resumed":
      return { _tag: "Resumed", at }
    default:
      return undefined
  }
}
