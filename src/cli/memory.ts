/**
 * The memory of a process that runs for long.
 *
 * @internal
 */
import * as V8 from "node:v8"

/**
 * Keeps the space of young objects as small as it is when a process starts. Node lets it grow to 48 MB, which short-lived
 * objects of jobs fill again and again. Without effect where the user says how large it is to be. To be called before
 * anything is loaded: it does not shrink.
 */
export const keepSmall = (): void => {
  if (/semi.space/.test([...process.execArgv, process.env["NODE_OPTIONS"]].join(" "))) return
  V8.setFlagsFromString("--semi-space-growth-factor=1")
}
