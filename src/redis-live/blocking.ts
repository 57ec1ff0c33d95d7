/**
 * @internal
 */
import type { Arg } from "../Redis.js"

const seconds = (arg: Arg | undefined): number => Number(arg) * 1000

/**
 * How long the command may block on the server, in milliseconds: 0 for as long as it takes, undefined when it doesn't
 * block.
 */
export const blockTime = (name: string, args: ReadonlyArray<Arg>): number | undefined => {
  switch (name) {
    case "BLPOP":
    case "BRPOP":
    case "BLMOVE":
    case "BRPOPLPUSH":
    case "BZPOPMIN":
    case "BZPOPMAX":
      return orUndefined(seconds(args[args.length - 1]))
    case "BLMPOP":
    case "BZMPOP":
      return orUndefined(seconds(args[0]))
    case "WAIT":
    case "WAITAOF":
      return orUndefined(Number(args[args.length - 1]))
    case "XREAD":
    case "XREADGROUP":
      for (let i = 0; i < args.length - 1; i++) {
        const word = String(args[i]).toUpperCase()
        if (word === "BLOCK") return orUndefined(Number(args[i + 1]))
        if (word === "STREAMS") return undefined
      }
      return undefined
    default:
      return undefined
  }
}

/** What is no number is the server's to refuse. */
const orUndefined = (millis: number): number | undefined => Number.isNaN(millis) ? undefined : millis
