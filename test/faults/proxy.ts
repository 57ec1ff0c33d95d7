/**
 * A TCP proxy between the fleet and Redis, which does to connections what networks do.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

/** From the clients to the server, or back. */
export type Direction = "up" | "down"

export interface Proxy {
  readonly port: number
  /** Connections are closed, and new ones too, until `heal`. */
  readonly refuse: Effect.Effect<void>
  /** All connections are closed once. */
  readonly drop: Effect.Effect<void>
  /** Each piece of data arrives so much later, in order, both ways. */
  readonly delay: (millis: number, jitter: number) => Effect.Effect<void>
  /**
   * What is sent in these directions vanishes, and nobody is told. Connections that live through it stay dumb in these
   * directions when it is over, as after a middlebox that has forgotten them: only new ones work.
   */
  readonly cut: (directions: ReadonlyArray<Direction>) => Effect.Effect<void>
  /** New connections work as they should. */
  readonly heal: Effect.Effect<void>
  /** How many connections it has served. */
  readonly served: Effect.Effect<number>
}

class Link {
  /** Directions in which nothing arrives any more. */
  readonly dumb = new Set<Direction>()
  constructor(readonly client: Net.Socket, readonly server: Net.Socket) {}
  destroy() {
    this.client.destroy()
    this.server.destroy()
  }
}

/** Listens on a free port of the loopback interface, and passes all to the port of the server. */
export const start = (target: number): Effect.Effect<Proxy, Error, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly state: State; readonly listener: Net.Server }, Error>((resume) => {
        const state = new State(target)
        const listener = Net.createServer({ allowHalfOpen: true }, (client) => state.accept(client))
        listener.once("error", (error) => resume(Effect.fail(error)))
        listener.listen(0, "127.0.0.1", () => resume(Effect.succeed({ state, listener })))
      }),
      ({ listener, state }) =>
        Effect.sync(() => {
          state.dropAll()
          listener.close()
        })
    ),
    ({ listener, state }): Proxy => ({
      // It listens on a port, so its address is no text.
      port: (listener.address() as Net.AddressInfo).port,
      refuse: Effect.sync(() => {
        state.refusing = true
        state.dropAll()
      }),
      drop: Effect.sync(() => state.dropAll()),
      delay: (millis, jitter) =>
        Effect.sync(() => {
          state.delay = millis
          state.jitter = jitter
        }),
      cut: (directions) =>
        Effect.sync(() => {
          state.cut = directions
          for (const link of state.links) for (const direction of directions) link.dumb.add(direction)
        }),
      heal: Effect.sync(() => {
        state.refusing = false
        state.delay = 0
        state.jitter = 0
        state.cut = []
      }),
      served: Effect.sync(() => state.served)
    })
  )

class State {
  readonly links = new Set<Link>()
  refusing = false
  delay = 0
  jitter = 0
  cut: ReadonlyArray<Direction> = []
  served = 0
  constructor(readonly target: number) {}

  dropAll() {
    for (const link of this.links) link.destroy()
  }

  accept(client: Net.Socket) {
    if (this.refusing) {
      client.destroy()
      return
    }
    this.served++
    const server = Net.connect({ host: "127.0.0.1", port: this.target, allowHalfOpen: true })
    const link = new Link(client, server)
    for (const direction of this.cut) link.dumb.add(direction)
    this.links.add(link)
    this.pass(link, client, server, "up")
    this.pass(link, server, client, "down")
  }

  private pass(link: Link, from: Net.Socket, to: Net.Socket, direction: Direction) {
    from.setNoDelay(true)
    // One timer for the first in the queue: timers of their own could fire in another order.
    const queue: Array<{ readonly at: number; readonly act: () => void }> = []
    let waiting = false
    const next = () => {
      waiting = false
      while (queue[0] !== undefined && queue[0].at <= performance.now()) queue.shift()!.act()
      if (queue[0] === undefined) return
      waiting = true
      setTimeout(next, Math.max(0, queue[0].at - performance.now()))
    }
    /** Things arrive in the order in which they were sent, however long each takes. */
    const later = (act: () => void) => {
      queue.push({ at: performance.now() + this.delay + Math.random() * this.jitter, act })
      if (!waiting) next()
    }
    from.on("data", (data) => {
      if (link.dumb.has(direction)) return
      later(() => {
        if (!to.destroyed && !link.dumb.has(direction)) to.write(data)
      })
    })
    // The end of a connection vanishes as everything else does.
    from.on("end", () => {
      if (!link.dumb.has(direction)) later(() => to.end())
    })
    from.on("error", () => undefined) // its close follows
    from.on("close", () => {
      if (link.dumb.has(direction)) return
      later(() => to.destroy())
      if (to.destroyed) this.links.delete(link)
    })
  }
}
