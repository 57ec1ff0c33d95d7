/**
 * The key prefix, where ioredis leaves it out.
 *
 * ioredis puts it before the keys of every command that it knows, those of scripts included. The rest is done here:
 * channels, patterns, and replies that name keys.
 *
 * @internal
 */
import type { Arg } from "../Redis.js"

/** A prefix as a pattern of SCAN, KEYS and PUBSUB CHANNELS takes it. */
const escaped = (prefix: string): string => prefix.replace(/[\\*?[\]^]/g, "\\$&")

const before = (prefix: string, arg: Arg): Arg =>
  arg instanceof Uint8Array ? Buffer.concat([Buffer.from(prefix), arg]) : prefix + String(arg)

const isWord = (arg: Arg | undefined, word: string): boolean => typeof arg === "string" && arg.toUpperCase() === word

/** Scripts say themselves which of their arguments are keys. */
export const isScript = (name: string): boolean => name === "EVALSHA" || name === "EVAL"

/** Arguments of a script with the prefix before its keys. */
export const toScriptArgs = (args: ReadonlyArray<Arg>, prefix: string): ReadonlyArray<Arg> => {
  const out = args.slice()
  const end = Math.min(out.length, 2 + Number(args[1]))
  for (let i = 2; i < end; i++) out[i] = before(prefix, out[i]!)
  return out
}

/** Arguments with the prefix before channels and in patterns. */
export const toArgs = (name: string, args: ReadonlyArray<Arg>, prefix: string): ReadonlyArray<Arg> => {
  switch (name) {
    case "PUBLISH":
      return args.map((arg, i) => i === 0 ? before(prefix, arg) : arg)
    case "KEYS":
      return args.map((arg, i) => i === 0 ? before(escaped(prefix), arg) : arg)
    case "SCAN": {
      const match = args.findIndex((arg, i) => i > 0 && isWord(arg, "MATCH"))
      return match === -1
        ? [...args, "MATCH", `${escaped(prefix)}*`]
        : args.map((arg, i) => i === match + 1 ? before(escaped(prefix), arg) : arg)
    }
    case "PUBSUB":
      return isWord(args[0], "NUMSUB")
        ? args.map((arg, i) => i > 0 ? before(prefix, arg) : arg)
        : isWord(args[0], "CHANNELS")
        ? [args[0]!, before(escaped(prefix), args[1] ?? "*")]
        : args
    default:
      return args
  }
}

/** The text or bytes without the prefix; everything else, and what doesn't begin with it, as it is. */
const strip = (value: unknown, prefix: string): unknown => {
  if (typeof value === "string") return value.startsWith(prefix) ? value.slice(prefix.length) : value
  if (Buffer.isBuffer(value)) {
    const bytes = Buffer.from(prefix)
    return value.subarray(0, bytes.length).equals(bytes) ? value.subarray(bytes.length) : value
  }
  return value
}

const at = (value: unknown, f: (item: unknown, index: number) => unknown): unknown =>
  Array.isArray(value) ? value.map(f) : value

/** A reply without the prefix where it names keys or channels. */
export const fromReply = (name: string, args: ReadonlyArray<Arg>, reply: unknown, prefix: string): unknown => {
  const all = (value: unknown) => at(value, (item) => strip(item, prefix))
  switch (name) {
    case "KEYS":
      return all(reply)
    case "RANDOMKEY":
      return strip(reply, prefix)
    case "SCAN":
      return at(reply, (item, i) => i === 1 ? all(item) : item)
    case "BLPOP":
    case "BRPOP":
    case "BZPOPMIN":
    case "BZPOPMAX":
    case "LMPOP":
    case "BLMPOP":
    case "ZMPOP":
    case "BZMPOP":
      return at(reply, (item, i) => i === 0 ? strip(item, prefix) : item)
    case "XREAD":
    case "XREADGROUP":
      return at(reply, (stream) => at(stream, (item, i) => i === 0 ? strip(item, prefix) : item))
    case "PUBSUB":
      return isWord(args[0], "CHANNELS")
        ? all(reply)
        : isWord(args[0], "NUMSUB")
        ? at(reply, (item, i) => i % 2 === 0 ? strip(item, prefix) : item)
        : reply
    default:
      return reply
  }
}
