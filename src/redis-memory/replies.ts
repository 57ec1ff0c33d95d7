/**
 * What a command answers inside: a text is a bulk reply, `null` stands for the null reply of either kind.
 */
export type Reply = string | number | null | Status | ReplyError | ReadonlyArray<Reply>

/** A status reply such as `+OK`. */
export class Status {
  constructor(readonly text: string) {}
}

/**
 * An error reply. Commands throw it; it carries no stack, since it is an answer and not a defect.
 */
export class ReplyError {
  constructor(readonly text: string) {}

  /** The first word. */
  get code(): string {
    const end = this.text.indexOf(" ")
    return end < 0 ? this.text : this.text.slice(0, end)
  }
}

export const ok = new Status("OK")
export const wrongType = new ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value")
export const syntaxError = new ReplyError("ERR syntax error")
export const notAnInteger = new ReplyError("ERR value is not an integer or out of range")
export const notAFloat = new ReplyError("ERR value is not a valid float")
export const noSuchKey = new ReplyError("ERR no such key")
export const indexOutOfRange = new ReplyError("ERR index out of range")
export const infinite = new ReplyError("ERR increment would produce NaN or Infinity")
export const overflow = new ReplyError("ERR increment or decrement would overflow")
