/**
 * What goes over the wire for one command, and what came back read as text.
 *
 * @internal
 */
import { Buffer } from "node:buffer"
import type { Arg } from "../Redis.js"

/** The same memory, as streams take it. */
export const toBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A command as RESP: text, or bytes where an argument is bytes. */
export const encode = (name: string, args: ReadonlyArray<Arg>): string | Buffer => {
  let out = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (typeof arg === "string") {
      out += `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`
    } else if (typeof arg === "number") {
      const text = String(arg)
      out += `$${text.length}\r\n${text}\r\n`
    } else {
      return encodeMixed(out, args, i)
    }
  }
  return out
}

const encodeMixed = (before: string, args: ReadonlyArray<Arg>, from: number): Buffer => {
  const parts: Array<Buffer> = []
  let text = before
  for (let i = from; i < args.length; i++) {
    const arg = args[i]!
    if (typeof arg === "object") {
      parts.push(Buffer.from(`${text}$${arg.length}\r\n`), toBuffer(arg))
      text = "\r\n"
    } else {
      const shown = String(arg)
      text += `$${Buffer.byteLength(shown)}\r\n${shown}\r\n`
    }
  }
  parts.push(Buffer.from(text))
  return Buffer.concat(parts)
}

/** A reply with its texts as text. */
export const toText = (reply: unknown): unknown => {
  if (typeof reply === "number" || reply === null) return reply
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(toText) : reply
}
