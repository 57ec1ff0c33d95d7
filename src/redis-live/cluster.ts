/**
 * Finds the node of a Redis Cluster that owns the slot in which a deployment lives.
 *
 * All keys of a deployment carry the hash tag of its prefix, so all of them live in one slot, and one connection to
 * the node that owns it does what would otherwise take a connection to each node. It is looked up at every connect:
 * after a failover or a resharding the server says `MOVED`, and the connection is made anew.
 *
 * @internal
 */
import { AbstractConnector, Command, Redis as IORedis } from "ioredis"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { backOff, explain, plain } from "./ioredis.js"
import type { Address, Settings } from "./settings.js"

const tlsOf = (settings: Settings) => settings.tls === undefined ? {} : { tls: settings.tls }

/** Asks one node who owns the slot. */
const ask = async (settings: Settings, node: Address, asking: Set<IORedis>): Promise<Address> => {
  const client = new IORedis({
    ...plain,
    ...node,
    ...tlsOf(settings),
    connectTimeout: settings.connectTimeout,
    commandTimeout: settings.connectTimeout,
    retryStrategy: null
  })
  asking.add(client)
  let cause: Error | undefined
  client.on("error", (error) => {
    cause = error
  })
  const send = (name: string, ...args: ReadonlyArray<string>) =>
    client.sendCommand(new Command(name, [...args], { replyEncoding: "utf8" })) as Promise<unknown> // declared `unknown`
  try {
    await client.connect().catch((error) => {
      throw cause ?? error
    })
    if (settings.password !== undefined) {
      await send("AUTH", ...(settings.username === undefined ? [] : [settings.username]), settings.password)
        .catch((error: Error) => {
          // The client itself meets the same answer in its handshake, and reports it.
          if (!error.message.includes("without any password configured")) throw new Error(error.message)
        })
    }
    const slot = Number(await send("CLUSTER", "KEYSLOT", settings.keyPrefix))
    const ranges = await send("CLUSTER", "SLOTS")
    for (const range of Array.isArray(ranges) ? ranges : []) {
      if (!Array.isArray(range) || Number(range[0]) > slot || slot > Number(range[1]) || !Array.isArray(range[2])) {
        continue
      }
      const host: unknown = range[2][0]
      // A node without an announced address stands for itself.
      return { host: typeof host === "string" && host !== "" ? host : node.host, port: Number(range[2][1]) }
    }
    throw new Error(`no node owns slot ${slot}`)
  } finally {
    asking.delete(client)
    client.disconnect()
  }
}

export const clusterConnector = (settings: Settings, seeds: ReadonlyArray<Address>): new() => AbstractConnector =>
  class ClusterConnector extends AbstractConnector {
    private owner: Address | undefined
    private readonly asking = new Set<IORedis>()
    private wake: (() => void) | undefined

    constructor() {
      super(plain.disconnectTimeout!)
    }

    override disconnect(): void {
      super.disconnect()
      for (const client of this.asking) client.disconnect()
      this.wake?.()
    }

    async connect(emit: (type: string, error: Error) => void): Promise<Net.Socket | Tls.TLSSocket> {
      this.connecting = true
      for (let attempt = 0;; attempt++) {
        // All at once: a node that is gone must not hold up the others.
        const candidates = this.owner === undefined ? seeds : [...seeds, this.owner]
        const owner = await Promise.any(candidates.map((node) => ask(settings, node, this.asking))).catch((error) =>
          error as unknown
        )
        if (!this.connecting) throw new Error("Connection is closed.")
        if (!(owner instanceof Error)) {
          this.owner = owner as Address // the other outcome is an error
          this.stream = settings.tls === undefined
            ? Net.connect(this.owner)
            : Tls.connect({ ...settings.tls, ...this.owner })
          this.stream.once("error", (error: Error) => {
            this.firstError = error
          })
          return this.stream
        }
        emit("error", new Error(explain(owner)))
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, backOff(attempt))
          this.wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        if (!this.connecting) throw new Error("Connection is closed.")
      }
    }
  }
