/**
 * MONITOR of a server, begun anew whenever the connection is lost.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Tls from "node:tls"

export interface Target {
  readonly port: number
  readonly password: string | undefined
  readonly caFile: string | undefined
}

export type See = (time: string, args: ReadonlyArray<string>, source: string) => void

/** `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`; of what a script calls the source is `lua`. */
const parse = (line: string): readonly [time: string, args: ReadonlyArray<string>, source: string] | undefined => {
  const match = /^\+(\d+\.\d+) \[\d+ ([^\]]+)\] "(.*)"$/.exec(line)
  return match === null ? undefined : [match[1]!, match[3]!.split("\" \""), match[2]!]
}

/** Resolves once the server has begun to tell. What happens while the connection is lost is not told. */
export const monitor = (target: Target, see: See): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.promise(() => {
        let over = false
        let socket: Net.Socket | undefined
        const connect = (onBegun: () => void) => {
          const where = { host: "127.0.0.1", port: target.port }
          const current = target.caFile === undefined
            ? Net.connect(where)
            : Tls.connect({ ...where, ca: Fs.readFileSync(target.caFile) })
          socket = current
          let rest = ""
          current.once(target.caFile === undefined ? "connect" : "secureConnect", () => {
            const auth = target.password === undefined ? "" : `AUTH ${target.password}\r\n`
            current.write(`${auth}MONITOR\r\n`)
          })
          current.on("data", (data) => {
            const lines = (rest + data.toString("latin1")).split("\r\n")
            rest = lines.pop() ?? ""
            for (const line of lines) {
              if (line === "+OK") onBegun()
              else if (line.startsWith("-")) current.destroy()
              const told = parse(line)
              if (told !== undefined) see(...told)
            }
          })
          current.on("error", () => undefined) // its close follows
          current.once("close", () => {
            if (!over) setTimeout(() => over ? undefined : connect(onBegun), 20)
          })
        }
        const close = () => {
          over = true
          socket?.destroy()
        }
        return new Promise<typeof close>((resolve) => connect(() => resolve(close)))
      }),
      (close) => Effect.sync(close)
    )
  )
