/**
 * The edge between the port and the inside: inside, a text is a string of bytes (one character per byte, 0 to 255).
 * So bytes survive, work as keys of a Map, and `<` is byte order.
 */
import type { Arg, Reply as PortReply } from "../Redis.js"
import type { Reply } from "./replies.js"
import { ReplyError, Status } from "./replies.js"

// oxlint-disable-next-line no-control-regex -- the range is meant
const ascii = /^[\x00-\x7f]*$/

export const fromText = (text: string): string => ascii.test(text) ? text : Buffer.from(text, "utf8").toString("latin1")

export const toText = (bytes: string): string =>
  ascii.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8")

export const toBytes = (bytes: string): Uint8Array => Uint8Array.from(Buffer.from(bytes, "latin1"))

export const fromArg = (arg: Arg): string =>
  typeof arg === "string"
    ? fromText(arg)
    : typeof arg === "number"
    ? String(arg)
    : Buffer.from(arg.buffer, arg.byteOffset, arg.byteLength).toString("latin1")

const toPort = <S extends string | Uint8Array>(read: (bytes: string) => S, status: (text: string) => S) => {
  const convert = (reply: Exclude<Reply, ReplyError>): PortReply<S> => {
    if (typeof reply === "string") return read(reply)
    if (typeof reply === "number" || reply === null) return reply
    if (reply instanceof Status) return status(reply.text)
    return reply.map((item) => item instanceof ReplyError ? read(item.text) : convert(item))
  }
  return convert
}

/** The reply as the port gives it, texts read as UTF-8. */
export const toTextReply: (reply: Exclude<Reply, ReplyError>) => PortReply = toPort<string>(toText, toText)

/** The reply as the port gives it, texts left as bytes. */
export const toBytesReply: (reply: Exclude<Reply, ReplyError>) => PortReply<Uint8Array> = toPort<Uint8Array>(
  toBytes,
  toBytes
)
