/**
 * The faults.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Member } from "./fleet.js"
import type { Direction } from "./proxy.js"
import type { Fault, Ground } from "./run.js"
import { connect } from "./stage.js"

const kill = (ground: Ground, member: Member) =>
  Effect.sync(() => {
    ground.disturb(member)
    ground.gone(member)
    member.signal("SIGKILL")
  }).pipe(Effect.zipRight(Effect.promise(() => member.ended)), Effect.asVoid)

const terminate = (ground: Ground, member: Member) =>
  Effect.gen(function*() {
    const before = performance.now()
    member.terminate()
    const { code, signal } = yield* Effect.promise(() => member.ended)
    const took = Math.round(performance.now() - before)
    ground.gone(member)
    ground.told(`ended with ${code ?? signal} ${took} ms after SIGTERM`, code === 0)
  })

/** Longer than anything that tells the dead from the living. */
const pastLease = (ground: Ground) => Math.max(ground.leaseMillis, ground.aliveMillis) + ground.millis(2000)

const pause = (ground: Ground, member: Member, millis: number) =>
  Effect.gen(function*() {
    ground.disturb(member)
    member.signal("SIGSTOP")
    yield* Effect.sleep(millis)
    // What it has begun by now it began before.
    ground.disturb(member)
    member.signal("SIGCONT")
  })

/** Says it to the server itself, over a connection of its own for each call. */
const admin = (url: string, ...commands: ReadonlyArray<readonly [string, ...ReadonlyArray<string | number>]>) =>
  Effect.scoped(Effect.gen(function*() {
    const redis = yield* connect({ url })
    return yield* Effect.forEach(commands, ([name, ...args]) => redis.send(name, ...args))
  }))

const repeatedly = (millis: number, every: number, effect: Effect.Effect<unknown, unknown>) =>
  Effect.suspend(() => {
    const end = performance.now() + millis
    return Effect.repeat(effect, {
      schedule: Schedule.spaced(every),
      while: () => performance.now() < end
    })
  })

const clientKill = (ground: Ground, ...filter: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    let killed = 0
    yield* repeatedly(
      ground.millis(5000),
      500,
      Effect.map(ground.redis.send<number>("CLIENT", "KILL", ...filter, "SKIPME", "yes"), (count) => {
        killed += count
      })
    )
    ground.told(`${killed} connections were killed`, killed > 0)
  })

const server = ({ stage }: Ground) => stage.servers[0]!

const killServer = (ground: Ground, awayMillis: number) =>
  Effect.gen(function*() {
    yield* server(ground).kill
    yield* Effect.sleep(ground.millis(awayMillis))
    yield* server(ground).restart
  })

const proxied = (ground: Ground) => ground.stage.proxy!

/** Nobody who is cut off for as long as this can be told from the dead. */
const cut = (directions: ReadonlyArray<Direction>, millis: number) => (ground: Ground) =>
  Effect.gen(function*() {
    yield* proxied(ground).cut(directions)
    yield* Effect.sleep(ground.millis(millis))
    yield* proxied(ground).heal
  })

const said = (member: Member, pattern: RegExp) => pattern.test(member.log())

const untilAll = (ground: Ground, limitMillis: number, holds: (member: Member) => boolean) =>
  Effect.gen(function*() {
    const end = performance.now() + limitMillis
    while (performance.now() < end) {
      const all = ground.members.every((member) => {
        member.look()
        return holds(member)
      })
      if (all) return true
      yield* Effect.sleep(20)
    }
    return false
  })

/** What the last note of this kind said. */
const isConnected = (member: Member): boolean => {
  const last = member.notes.findLast(({ what }) => what === "connected" || what === "disconnected")
  return last?.what !== "disconnected"
}

const failover = "replication is asynchronous: the new master has not everything"
const everysec = "appendfsync everysec: what was acknowledged in the last second or two is not on the disk yet"

/** What the disk does not have yet when the machine goes is cut off the file. */
const powerCut = (ground: Ground) =>
  Effect.gen(function*() {
    const folder = Path.join(server(ground).dir, "appendonlydir")
    const file = Path.join(folder, Fs.readdirSync(folder).find((name) => name.endsWith(".incr.aof"))!)
    const { size } = Fs.statSync(file)
    yield* Effect.sleep(1000)
    yield* server(ground).kill
    const all = Fs.statSync(file).size
    Fs.truncateSync(file, size)
    ground.told(`${all - size} bytes of the file were cut off`, all > size)
    yield* Effect.sleep(1000)
    yield* server(ground).restart
  })

const moveSlot = (ground: Ground) =>
  Effect.scoped(Effect.gen(function*() {
    const nodes = yield* Effect.forEach(ground.stage.servers, ({ url }) => connect({ url }))
    const ids = yield* Effect.forEach(nodes, (node) => node.send<string>("CLUSTER", "MYID"))
    const slot = yield* nodes[0]!.send<number>("CLUSTER", "KEYSLOT", ground.stage.prefix)
    const counts = yield* Effect.forEach(nodes, (node) => node.send<number>("CLUSTER", "COUNTKEYSINSLOT", slot))
    const from = counts.findIndex((count) => count > 0)
    const to = (from + 1) % nodes.length
    const port = ground.stage.servers[to]!.port
    yield* nodes[to]!.send("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]!)
    yield* nodes[from]!.send("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]!)
    let moved = 0
    while (true) {
      const keys = yield* nodes[from]!.send<ReadonlyArray<string>>("CLUSTER", "GETKEYSINSLOT", slot, 10)
      if (keys.length === 0) break
      yield* nodes[from]!.send("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", ...keys)
      moved += keys.length
    }
    for (const node of [nodes[to]!, nodes[from]!, nodes[(from + 2) % nodes.length]!]) {
      yield* node.send("CLUSTER", "SETSLOT", slot, "NODE", ids[to]!)
    }
    ground.told(`${moved} keys were moved`, moved > 0)
  }))

export const faults: ReadonlyArray<Fault> = [
  { name: "none", title: "nothing happens", stage: "plain", act: () => Effect.void },
  {
    name: "sigterm",
    title: "SIGTERM to the leader",
    stage: "plain",
    act: (ground) =>
      Effect.gen(function*() {
        const member = yield* ground.leader
        const before = performance.now()
        // Each scheduler asks for the lock as soon as it is told that it is free.
        const next = yield* Effect.fork(
          Effect.repeat(ground.leader, { until: (now) => now !== member, schedule: Schedule.spaced(10) })
        )
        yield* terminate(ground, member)
        const led = yield* Effect.timeoutOption(Fiber.join(next), "20 seconds")
        yield* Fiber.interrupt(next)
        const took = Math.round(performance.now() - before)
        ground.told(
          led._tag === "Some" ? `another leads ${took} ms after SIGTERM` : `nobody leads ${took} ms after SIGTERM`,
          led._tag === "Some" && took < 2000
        )
      })
  },
  {
    name: "sigkill-leader",
    title: "SIGKILL to the leader",
    stage: "plain",
    act: (ground) => Effect.flatMap(ground.leader, (member) => kill(ground, member))
  },
  {
    name: "sigkill-worker",
    title: "SIGKILL to a worker that runs jobs and does not lead",
    stage: "plain",
    act: (ground) => Effect.flatMap(ground.busy, (member) => kill(ground, member))
  },
  {
    name: "sigstop-leader",
    title: "the leader is stopped past its lease and goes on",
    stage: "plain",
    act: (ground) => Effect.flatMap(ground.leader, (member) => pause(ground, member, pastLease(ground)))
  },
  {
    name: "sigstop-worker",
    title: "a busy worker is stopped for longer than workers are waited for, and goes on",
    stage: "plain",
    act: (ground) => Effect.flatMap(ground.busy, (member) => pause(ground, member, pastLease(ground)))
  },
  {
    name: "sigstop-short",
    title: "the leader is stopped for 2 s and goes on",
    stage: "plain",
    act: (ground) =>
      Effect.flatMap(ground.leader, (member) =>
        Effect.gen(function*() {
          member.signal("SIGSTOP")
          yield* Effect.sleep(2000)
          member.signal("SIGCONT")
        }))
  },
  {
    name: "redis-killed-always",
    title: "redis-server is killed for 2 s, appendfsync always",
    stage: "aof",
    act: (ground) => killServer(ground, 2000)
  },
  {
    name: "redis-killed-everysec",
    title: "redis-server is killed for 2 s, appendfsync everysec",
    stage: "everysec",
    // The file is written at once and synced later: killing the process alone loses nothing, killing the machine would.
    act: (ground) => killServer(ground, 2000),
    again: everysec,
    mayLose: { why: everysec, millis: 2000 }
  },
  {
    name: "power-cut-everysec",
    title: "as after a power cut with everysec: the last second of the file is not there",
    stage: "everysec",
    act: (ground) => powerCut(ground),
    again: everysec,
    mayLose: { why: everysec, millis: 2000 }
  },
  {
    name: "redis-killed-twice",
    title: "redis-server is killed and comes back, twice within seconds, appendfsync always",
    stage: "aof",
    act: (ground) =>
      Effect.zipRight(killServer(ground, 200), Effect.zipRight(Effect.sleep(700), killServer(ground, 500)))
  },
  {
    name: "redis-paused",
    title: "redis-server is stopped for 8 s, longer than a call may take, and goes on",
    stage: "plain",
    act: (ground) =>
      Effect.zipRight(
        server(ground).pause,
        Effect.zipRight(Effect.sleep(8000), server(ground).resume)
      )
  },
  {
    name: "client-kill-normal",
    title: "CLIENT KILL TYPE normal, every half second for 5 s",
    stage: "plain",
    act: (ground) => clientKill(ground, "TYPE", "normal")
  },
  {
    name: "client-kill-pubsub",
    title: "CLIENT KILL TYPE pubsub, every half second for 5 s",
    stage: "plain",
    act: (ground) => clientKill(ground, "TYPE", "pubsub")
  },
  {
    name: "client-kill-all",
    title: "CLIENT KILL of normal and pubsub connections at once, every half second for 5 s",
    stage: "plain",
    act: (ground) =>
      Effect.all([clientKill(ground, "TYPE", "normal"), clientKill(ground, "TYPE", "pubsub")], {
        concurrency: 2,
        discard: true
      })
  },
  {
    name: "proxy-refuses",
    title: "all connections are closed and refused for 3 s",
    stage: "proxied",
    act: (ground) =>
      Effect.gen(function*() {
        yield* proxied(ground).refuse
        yield* Effect.sleep(3000)
        yield* proxied(ground).heal
      })
  },
  {
    name: "proxy-drops",
    title: "all connections are closed every 300 ms for 5 s",
    stage: "proxied",
    act: (ground) => repeatedly(5000, 300, proxied(ground).drop)
  },
  {
    name: "proxy-delays",
    title: "everything takes 100 to 300 ms longer each way, for 5 s",
    stage: "proxied",
    act: (ground) =>
      Effect.gen(function*() {
        yield* proxied(ground).delay(100, 200)
        yield* Effect.sleep(5000)
        yield* proxied(ground).heal
      })
  },
  {
    name: "half-open",
    title: "everything vanishes without a word for 8 s; old connections stay dumb",
    stage: "proxied",
    act: cut(["up", "down"], 8000)
  },
  {
    name: "half-open-down",
    title: "replies vanish, calls arrive, for 8 s; old connections stay dumb",
    stage: "proxied",
    act: cut(["down"], 8000)
  },
  {
    name: "half-open-up",
    title: "calls vanish, nothing arrives at the server, for 8 s; old connections stay dumb",
    stage: "proxied",
    act: cut(["up"], 8000)
  },
  {
    name: "half-open-long",
    title: "everything vanishes for longer than leases last and workers are waited for",
    stage: "proxied",
    act: (ground) =>
      Effect.gen(function*() {
        yield* proxied(ground).cut(["up", "down"])
        yield* Effect.sleep(pastLease(ground))
        yield* proxied(ground).heal
      })
  },
  {
    name: "maxmemory",
    title: "maxmemory with noeviction: writes are refused for 4 s",
    stage: "plain",
    act: (ground) =>
      Effect.gen(function*() {
        yield* ground.redis.send("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
        yield* Effect.sleep(4000)
        const error = yield* Effect.flip(ground.redis.send("SET", "any", "value"))
        ground.told(`writes were refused: ${error.code}`, error.code === "OOM")
        yield* ground.redis.send("CONFIG", "SET", "maxmemory", "0")
      })
  },
  {
    name: "script-flush",
    title: "SCRIPT FLUSH every 20 ms for 5 s",
    stage: "plain",
    act: (ground) => repeatedly(5000, 20, ground.redis.send("SCRIPT", "FLUSH"))
  },
  {
    name: "read-only",
    title: "the master becomes a replica for 4 s and comes back",
    stage: "replica",
    // What it had goes on being there: the other has followed it to the moment at which it was told to.
    act: (ground) =>
      Effect.gen(function*() {
        const [first, second] = ground.stage.servers
        yield* admin(second!.url, ["REPLICAOF", "NO", "ONE"])
        yield* admin(first!.url, ["REPLICAOF", "127.0.0.1", second!.port])
        yield* Effect.sleep(4000)
        yield* admin(first!.url, ["REPLICAOF", "NO", "ONE"])
        yield* admin(second!.url, ["REPLICAOF", "127.0.0.1", first!.port])
      }),
    again: failover,
    mayLose: { why: failover, millis: 1000 }
  },
  {
    name: "sentinel-failover",
    title: "the master is killed, Sentinel names the replica",
    stage: "sentinel",
    withoutRq: "rq worker takes Sentinels from a settings file only",
    act: (ground) =>
      Effect.gen(function*() {
        const [first, second] = ground.stage.servers
        yield* first!.kill
        yield* Effect.retry(
          Effect.flatMap(admin(second!.url, ["ROLE"]), ([role]) =>
            JSON.stringify(role).includes("master") ? Effect.void : Effect.fail("not yet")),
          { schedule: Schedule.spaced(50), times: 400 }
        )
      }),
    again: failover,
    mayLose: { why: failover, millis: 1000 }
  },
  {
    name: "sentinel-command",
    title: "SENTINEL FAILOVER: the old master lives and becomes a replica",
    stage: "sentinel",
    withoutRq: "rq worker takes Sentinels from a settings file only",
    act: (ground) =>
      Effect.gen(function*() {
        const [, second] = ground.stage.servers
        yield* admin(`redis://127.0.0.1:${ground.stage.sentinel!.port}`, ["SENTINEL", "FAILOVER", "jobs"])
        yield* Effect.retry(
          Effect.flatMap(admin(second!.url, ["ROLE"]), ([role]) =>
            JSON.stringify(role).includes("master") ? Effect.void : Effect.fail("not yet")),
          { schedule: Schedule.spaced(50), times: 400 }
        )
        // The old master takes writes until the Sentinel has told it.
        yield* Effect.retry(
          Effect.flatMap(admin(ground.stage.servers[0]!.url, ["ROLE"]), ([role]) =>
            JSON.stringify(role).includes("slave") ? Effect.void : Effect.fail("not yet")),
          { schedule: Schedule.spaced(50), times: 400 }
        )
      }),
    again: failover,
    mayLose: { why: failover, millis: 1000 }
  },
  {
    name: "cluster-slot-moved",
    title: "Redis Cluster: the slot with all keys moves to another node, key by key",
    stage: "cluster",
    withoutRq: "RQ has no support for Redis Cluster",
    act: (ground) => moveSlot(ground)
  },
  {
    name: "password-changed",
    title: "the password changes, connections are closed and refused for 4 s, then the password is right again",
    stage: "password",
    act: (ground) =>
      Effect.gen(function*() {
        yield* ground.redis.send("CONFIG", "SET", "requirepass", "second-secret")
        yield* ground.redis.send("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
        yield* ground.redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        const visible = yield* untilAll(ground, 4000, (member) => !isConnected(member) && said(member, /WRONGPASS/))
        ground.told("each worker says that it is refused, and why: WRONGPASS", visible)
        const leaks = ground.members.some((member) => said(member, /first-secret/))
        ground.told("no log holds the password", !leaks)
        yield* Effect.sleep(2000)
        yield* ground.redis.send("CONFIG", "SET", "requirepass", "first-secret")
        const back = yield* untilAll(ground, 10_000, isConnected)
        ground.told("each worker is connected again by itself", back)
      })
  },
  {
    name: "tls",
    title: "TLS: connections are killed, then redis-server for 1 s, appendfsync always",
    stage: "tls",
    withoutRq: "the same as without TLS",
    act: (ground) =>
      Effect.gen(function*() {
        yield* ground.redis.send("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
        yield* ground.redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield* Effect.sleep(1000)
        yield* killServer(ground, 1000)
      })
  },
  {
    name: "many",
    title: "one after the other: connections killed, scripts flushed, a worker killed, redis-server killed",
    stage: "aof",
    act: (ground) =>
      Effect.gen(function*() {
        yield* ground.redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield* ground.redis.send("SCRIPT", "FLUSH")
        yield* Effect.flatMap(ground.busy, (member) => kill(ground, member))
        yield* killServer(ground, 500)
        yield* Effect.retry(ground.redis.send("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"), {
          schedule: Schedule.spaced(100),
          times: 50
        })
      })
  }
]
