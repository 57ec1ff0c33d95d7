/**
 * Bytes and text.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { Buffer, isUtf8 } from "node:buffer"
import * as Zlib from "node:zlib"

/** The same memory, with Buffer's methods. */
export const toBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Bytes read as UTF-8; what is no UTF-8 becomes U+FFFD. */
export const text = (bytes: Uint8Array): string => toBuffer(bytes).toString("utf8")

/** Bytes read as UTF-8, or undefined when they are no UTF-8. */
export const strictText = (bytes: Uint8Array): string | undefined => isUtf8(bytes) ? text(bytes) : undefined

/** How far anything is inflated. RQ itself has no bound; a bomb must not take the process with it. */
export const maxInflated = 64 * 1024 * 1024

/** Whether the bytes begin with a zlib header (RFC 1950). Neither JSON nor a pickle does. */
export const looksDeflated = (bytes: Uint8Array): boolean =>
  bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && ((bytes[0]! << 8) | bytes[1]!) % 31 === 0

export const inflate = (bytes: Uint8Array): Either.Either<Buffer, "TooLarge" | "Corrupt"> =>
  Either.try({
    try: () => Zlib.inflateSync(bytes, { maxOutputLength: maxInflated }),
    catch: (error) =>
      error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE" ? "TooLarge" : "Corrupt"
  })

/** Whether the bytes look like a Python pickle: protocol 2 and up by its first byte, 0 and 1 by first and last. */
export const looksPickled = (bytes: Uint8Array): boolean => {
  const first = bytes[0]
  if (first === 0x80) return true
  // "(", ")", "]" and "}" begin a tuple, an empty tuple, a list and a dict; "." ends every pickle. No JSON begins so.
  return (first === 0x28 || first === 0x29 || first === 0x5d || first === 0x7d) && bytes[bytes.length - 1] === 0x2e
}
