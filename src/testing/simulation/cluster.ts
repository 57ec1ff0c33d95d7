/**
 * One run: hosts around one server, the faults that befall them, and what must hold all the same.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { CurrentJob } from "../../CurrentJob.js"
import * as Ids from "../../Ids.js"
import { handlerTag, type Registered } from "../../job-group/handler.js"
import type * as Job from "../../Job.js"
import type * as JobGroup from "../../JobGroup.js"
import * as Queue from "../../Queue.js"
import type * as Snapshot from "../../redis-memory/snapshot.js"
import * as Redis from "../../Redis.js"
import * as Scheduler from "../../Scheduler.js"
import * as keys from "../../wire/keys.js"
import * as Worker from "../../Worker.js"
import type { Faults } from "../Simulation.js"
import { VirtualClock, VirtualScheduler } from "../time-travel/virtual.js"
import * as Chance from "./chance.js"
import { Host, type Kind } from "./host.js"
import * as Network from "./network.js"
import { type Found, type Saved, Watch } from "./watch.js"

export interface Setup {
  readonly seed: number
  readonly jobs: JobGroup.Any
  readonly handlers: Layer.Layer<never, unknown, Redis.Redis>
  readonly produce: (step: ProduceStep) => Effect.Effect<unknown, unknown, Queue.Queue>
  readonly durationMillis: number
  readonly everyMillis: number
  readonly producers: number
  readonly workers: number
  readonly schedulers: number
  readonly worker: Worker.WorkerOptions
  readonly scheduler: Partial<Scheduler.SchedulerOptions>
  readonly queues: ReadonlyArray<string>
  readonly faults: Faults
  readonly rewrite: ((script: { readonly name: string; readonly lua: string }) => string) | undefined
  /** What may happen, by name; everything when undefined. */
  readonly only: ReadonlySet<string> | undefined
  /** Ends the run here, whatever is left to do. */
  readonly untilMillis: number
  readonly tickMillis: number
  readonly leaseMillis: number
  readonly heartbeatMillis: number
}

export interface ProduceStep {
  readonly producer: string
  readonly step: number
  readonly jobId: string
}

export interface Outcome {
  readonly violations: ReadonlyArray<{ readonly rule: string; readonly text: string; readonly atMillis: number }>
  readonly trace: ReadonlyArray<string>
  /** What has happened, by name. */
  readonly happened: ReadonlyArray<string>
  readonly counts: Watch["counts"]
  readonly commands: number
  readonly steps: number
  readonly endMillis: number
}

interface Slot {
  readonly name: string
  readonly kind: Kind
  starts: number
  commands: number
  /** The next step of a producer. */
  step: number
  current: Started | undefined
}

interface Started {
  readonly host: Host
  readonly client: Network.Client
  readonly scope: Scope.CloseableScope
  readonly fork: (
    effect: Effect.Effect<void, unknown, Redis.Redis | Scope.Scope>,
    onEnd: (exit: Exit.Exit<void>) => void
  ) => void
  stopped: boolean
}

/** Saturday, 2000-01-01: a date like any other. */
const startAt = 946_684_800_000

/** After a fault, what was meant to be done at once may be waiting for its next try this long. */
const settleMillis = 7000

const exitVoid = Exit.void

/** How often the harness looks at what must not take long. */
const lookMillis = 500

export const run = (setup: Setup): Effect.Effect<Outcome> =>
  Effect.flatMap(Effect.runtime<never>(), (runtime) =>
    Effect.suspend(() => {
      const cluster = new Cluster(setup, runtime)
      return Effect.map(cluster.run, () => cluster.outcome())
    }))

class Cluster {
  private readonly draw: Chance.Draw
  private readonly clock: VirtualClock
  private readonly scheduler: VirtualScheduler
  private readonly server: Network.Server
  private readonly watch: Watch
  private readonly slots: Array<Slot> = []
  private readonly byName = new Map<string, Started>()
  private readonly trace: Array<string> = []
  private readonly happened = new Set<string>()
  private readonly violations: Array<Found & { readonly atMillis: number }> = []
  private readonly saves: Array<{ readonly state: Snapshot.Snapshot; readonly saved: Saved; readonly at: number }> = []
  private readonly leaderless = new Map<string, number>()
  private readonly leftBehind = new Map<string, number>()
  private draining = false
  private ending = false
  private commands = 0
  private serverUpSince = 0
  /** Until when the fleet (under the key of that), or a queue by its name, is to take nothing. */
  private readonly heldUntil = new Map<string, number>()
  private defect: Exit.Exit<void> | undefined

  constructor(private readonly setup: Setup, private readonly runtime: Runtime.Runtime<never>) {
    this.draw = Chance.make(setup.seed)
    const next = Chance.sequence(this.draw, "order")
    const { reorder } = setup.faults
    const reorders = reorder > 0 && this.mayHappen("reorder")
    if (reorders) this.happened.add("reorder")
    this.clock = new VirtualClock(
      startAt,
      reorders ? (arrival) => next() < reorder ? arrival + next() * 8 : arrival : undefined
    )
    this.scheduler = new VirtualScheduler(
      this.clock,
      2_000_000,
      (at, steps) => new Error(`no rest after ${steps} steps at ${DateTime.formatIso(at)}`),
      reorders ? (count) => next() < reorder ? Math.floor(next() * count) : 0 : undefined
    )
    this.server = new Network.Server(
      this.clock,
      () => this.watch.before(this.now),
      (step) => {
        this.commands++
        for (const host of step.served) this.tell(host.name, "was handed over a job")
        this.watch.after({ ...step, actor: step.host.name })
      }
    )
    this.watch = new Watch(
      this.server.store,
      (actor, text) => this.tell(actor, text),
      (found) => this.found(found)
    )
    for (const queue of setup.queues) this.watch.queues.add(queue)
    const add = (kind: Kind, count: number) => {
      for (let i = 1; i <= count; i++) {
        this.slots.push({ name: `${kind}-${i}`, kind, starts: 0, commands: 0, step: 1, current: undefined })
      }
    }
    add("scheduler", setup.schedulers)
    add("worker", setup.workers)
    add("producer", setup.producers)
  }

  private get now(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  private tell(actor: string, text: string): void {
    this.trace.push(`${(this.clock.elapsed / 1000).toFixed(3).padStart(9)}  ${actor.padEnd(13)} ${text}`)
  }

  private found(found: Found): void {
    this.tell("VIOLATION", `${found.rule}: ${found.text}`)
    this.violations.push({ ...found, atMillis: this.clock.elapsed })
  }

  private mayHappen(name: string): boolean {
    return this.setup.only === undefined || this.setup.only.has(name)
  }

  /** Whether something happens that chance or a plan may leave out. */
  private happens(name: string): boolean {
    if (!this.mayHappen(name)) return false
    this.happened.add(name)
    return true
  }

  private chance(kind: keyof Faults, of: string, number: number): string | undefined {
    const probability = this.setup.faults[kind]
    if (probability <= 0 || this.draining) return undefined
    const name = `${kind}.${of}.${number}`
    return this.draw(name) < probability && this.happens(name) ? name : undefined
  }

  /** A number between two others by the name of what it is for. */
  private between(name: string, least: number, most: number): number {
    return Math.floor(least + this.draw(name) * (most - least + 1))
  }

  private disturbAll(until: number): void {
    for (const { current } of this.slots) current?.host.disturb(until)
  }

  // Hosts

  private fate(slot: Slot, host: Host): Network.Fate {
    const number = ++slot.commands
    const latency = this.draw(`latency.${slot.name}.${number}`)
    let request = latency < 0.5 ? 0 : 1
    let reply = Math.floor(latency * 4) % 2
    const delayed = this.chance("delay", slot.name, number)
    if (delayed !== undefined) {
      const millis = Math.floor(this.draw(`${delayed}.span`) ** 3 * 9000) + 10
      if (this.draw(`${delayed}.way`) < 0.5) request += millis
      else reply += millis
      host.disturb(this.now + millis + settleMillis)
      this.tell(host.name, `FAULT ${delayed}: its next command takes ${millis} ms`)
    }
    const before = this.chance("lostBefore", slot.name, number)
    const after = before === undefined ? this.chance("lostAfter", slot.name, number) : undefined
    const lost = before ?? after
    if (lost !== undefined) {
      host.disturb(this.now + request + settleMillis)
      this.tell(host.name, `FAULT ${lost}: loses its connection`)
    }
    return { request, reply, lost: before !== undefined ? "before" : after !== undefined ? "after" : undefined }
  }

  private start(slot: Slot): void {
    if (slot.current?.host.alive === true || this.ending) return
    slot.starts++
    const name = `${slot.name}.${slot.starts}`
    const { skew } = this.setup.faults
    const skewName = `skew.${slot.name}.${slot.starts}`
    const offset = skew > 0 && this.draw(skewName) < skew && this.happens(skewName)
      ? this.between(`${skewName}.by`, -2000, 2000)
      : 0
    const base = { clock: this.clock, scheduler: this.scheduler }
    const host = new Host(slot.name, name, slot.kind, base, offset, this.now, this.now)
    this.tell(name, offset === 0 ? "starts" : `starts, FAULT ${skewName}: its clock is off by ${offset} ms`)
    const seed = this.between(`ids.${name}`, 1, 2 ** 31)
    const backOffs = { count: 0 }
    const client = new Network.Client(
      this.server,
      host,
      () => this.fate(slot, host),
      () => this.between(`backOff.${name}.${++backOffs.count}`, 20, 500),
      this.setup.rewrite
    )
    const scope = Effect.runSync(Scope.make())
    const within = <A>(effect: Effect.Effect<A, unknown, Redis.Redis | Scope.Scope>): Effect.Effect<A> =>
      effect.pipe(
        Effect.provideService(Redis.Redis, client.service),
        Scope.extend(scope),
        Effect.provide(Ids.seeded(seed)),
        Effect.withRandom(Random.make(seed)),
        Effect.withClock(host.clock),
        Effect.locally(FiberRef.currentLoggers, HashSet.make(this.logger(host))),
        Effect.orDie
      )
    const fork: Started["fork"] = (effect, onEnd) => {
      Runtime.runFork(this.runtime)(within(effect), { scheduler: host.scheduler, immediate: false }).addObserver(onEnd)
    }
    const started: Started = { host, client, scope, fork, stopped: false }
    slot.current = started
    this.byName.set(name, started)
    fork(this.program(slot, host), (exit) => {
      if (Exit.isFailure(exit)) this.defect ??= exit
    })
  }

  /** A fiber of the library that ends by a defect says so here. */
  private logger(host: Host): Logger.Logger<unknown, void> {
    return Logger.make(({ message }) => {
      const text = Array.isArray(message)
        ? message.filter((part) => typeof part === "string").join(" ")
        : String(message)
      if (text.includes("is started again in")) this.found({ rule: "no defects", text: `${host.name}: ${text}` })
    })
  }

  private program(slot: Slot, host: Host): Effect.Effect<void, unknown, Redis.Redis | Scope.Scope> {
    const { setup } = this
    switch (slot.kind) {
      case "scheduler":
        return Effect.asVoid(Scheduler.make({ queues: setup.queues, ...setup.scheduler, name: host.name }))
      case "worker":
        return Effect.gen(this, function*() {
          const scope = yield* Effect.scope
          const handlers = yield* Layer.buildWithScope(setup.handlers, scope)
          // What the jobs require is in `handlers`, whose type says so where the user gives them.
          const group = setup.jobs as JobGroup.JobGroup<Job.Any>
          const make = Worker.make(group, { queues: setup.queues, ...setup.worker, name: host.name }) as Effect.Effect<
            Worker.WorkerService,
            Worker.InvalidOptions | Worker.WorkerNameTaken,
            Redis.Redis | Scope.Scope
          >
          yield* Effect.mapInputContext(
            make,
            (context: Context.Context<Redis.Redis | Scope.Scope>) =>
              Context.merge(context, this.observed(host, handlers))
          )
        })
      case "producer":
        return this.produce(slot)
    }
  }

  /** The handlers, with a note of when they begin and how they end. */
  private observed(host: Host, context: Context.Context<never>): Context.Context<never> {
    const services = new Map(context.unsafeMap)
    for (const name of this.setup.jobs.jobs.keys()) {
      const tag = handlerTag(name)
      const registered = services.get(tag.key) as Registered | undefined // that is what is stored under the tag
      if (registered === undefined) continue
      const observed: Registered = {
        context: registered.context,
        handler: (payload) =>
          Effect.flatMap(Effect.serviceOption(CurrentJob), (current) => {
            if (current._tag === "None") return registered.handler(payload)
            const { executionId, id } = current.value
            this.watch.began(host.name, id, executionId)
            return Effect.onExit(registered.handler(payload), (exit) =>
              Effect.sync(() => {
                this.watch.ended(executionId, Exit.isSuccess(exit))
                this.tell(host.name, `has run job ${id}: ${exit._tag === "Success" ? "success" : "failure"}`)
              }))
          })
      }
      services.set(tag.key, observed)
    }
    return Context.unsafeMake(services)
  }

  private produce(slot: Slot): Effect.Effect<void, never, Redis.Redis> {
    const { everyMillis, produce } = this.setup
    return Effect.gen(this, function*() {
      const queue = yield* Queue.make
      while (!this.draining) {
        const step = `step.${slot.name}.${slot.step}`
        yield* Effect.sleep(this.between(`${step}.wait`, 0, 2 * everyMillis))
        if (this.draining) return
        if (this.happens(step)) {
          // Repeated until it is acknowledged: here, and by the next process of this place.
          const once = Effect.suspend(() =>
            produce({ producer: slot.name, step: slot.step, jobId: `${slot.name}-${slot.step}` })
          )
          const exit = yield* once.pipe(
            Effect.provideService(Queue.Queue, queue),
            Effect.retry({
              schedule: Schedule.spaced("300 millis"),
              while: (error) => error instanceof Redis.RedisError && error.isTransient
            }),
            Effect.withRandom(Random.make(this.between(`${step}.random`, 1, 2 ** 31))),
            Effect.exit
          )
          this.tell(slot.current?.host.name ?? slot.name, `${step}: ${exit._tag === "Success" ? "done" : "refused"}`)
        }
        slot.step++
      }
    })
  }

  private kill(slot: Slot, started: Started, how: { readonly arrives: boolean; readonly lingers: number }): void {
    const { client, host } = started
    host.alive = false
    host.diedAt = this.now
    host.scheduler.kill()
    client.cut(how)
    client.leave()
    if (slot.current === started) slot.current = undefined
  }

  private stop(slot: Slot, started: Started, onStopped: () => void): void {
    const { host, scope } = started
    if (host.stopping) return
    host.stopping = true
    const told = this.now
    started.fork(Scope.close(scope, exitVoid), () => {
      started.stopped = true
      this.tell(host.name, "has stopped")
      this.kill(slot, started, { arrives: true, lingers: 0 })
      // One that could reach the server all the time leaves nothing.
      if (host.disturbedUntil <= told && this.server.up && this.serverUpSince <= told) this.lookWhatIsLeft(host)
      onStopped()
    })
  }

  private lookWhatIsLeft(host: Host): void {
    for (const job of this.watch.all) {
      if (job.status === "started" && job.worker === host.name) {
        this.found({ rule: "clean stop", text: `${host.name} has stopped, and job ${job.id} is started by it` })
      }
    }
    for (const queue of this.watch.queues) {
      if (this.server.store.db.get(keys.handover(queue, host.name)) !== undefined) {
        this.found({ rule: "clean stop", text: `${host.name} has stopped, and was handed over jobs of queue ${queue}` })
      }
      if (this.watch.leader(queue, this.now)?.holder === host.name) {
        this.found({ rule: "clean stop", text: `${host.name} has stopped, and leads queue ${queue}` })
      }
    }
  }

  // Faults

  /** All that may befall hosts and the server within the second that begins now. */
  private second(number: number): void {
    for (const slot of this.slots) {
      const { current } = slot
      if (current === undefined) continue
      for (const kind of ["crash", "stop", "pause", "block", "jump"] as const) {
        const name = this.chance(kind, slot.name, number)
        if (name !== undefined) this.befall(slot, current, kind, name)
      }
    }
    const suspended = this.chance("suspended", "fleet", number)
    if (suspended !== undefined) this.holdBack(suspended, keys.suspended)
    for (const queue of this.setup.queues) {
      const paused = this.chance("paused", queue, number)
      if (paused !== undefined) this.holdBack(paused, queue)
    }
    this.operate()
    const restart = this.chance("restart", "redis", number)
    const tail = restart === undefined ? this.chance("lostTail", "redis", number) : undefined
    const name = restart ?? tail
    if (name !== undefined) {
      this.clock.call(this.between(`${name}.at`, 0, 999), () => this.restart(name, tail !== undefined))
    }
    if (this.setup.faults.lostTail > 0 && this.server.up) {
      this.saves.push({ state: this.server.snapshot(), saved: this.watch.save(), at: this.now })
      if (this.saves.length > 3) this.saves.shift()
    }
  }

  /** Somebody suspends the fleet, or pauses a queue, for a while. */
  private holdBack(name: string, what: string): void {
    this.clock.call(this.between(`${name}.at`, 0, 999), () => {
      const millis = this.between(`${name}.for`, 100, 15_000)
      const until = Math.max(this.heldUntil.get(what) ?? 0, this.now + millis)
      this.heldUntil.set(what, this.draining ? 0 : until)
      this.operate()
      this.clock.call(millis + 1, () => this.operate())
    })
  }

  /** Sees to it that what is to be suspended is, and nothing else: a server that was away may have it otherwise. */
  private operate(): void {
    if (!this.server.up) return
    for (const [what, until] of this.heldUntil) {
      const isFleet = what === keys.suspended
      const is = isFleet ? this.watch.isSuspended() : this.watch.isPaused(what)
      const isMeant = this.now < until && !this.draining
      if (is === isMeant) continue
      this.tell(
        "operator",
        `${isMeant ? "FAULT: " : ""}${isFleet ? "the fleet" : `queue ${what}`} is ${isMeant ? "held back" : "let go"}`
      )
      if (!isFleet) this.server.operate(isMeant ? "SADD" : "SREM", keys.paused, what)
      else if (isMeant) this.server.operate("SET", what, "1")
      else this.server.operate("DEL", what)
    }
  }

  /** At an instant within the second, between any two steps of the host's fibers. */
  private befall(
    slot: Slot,
    started: Started,
    kind: "crash" | "stop" | "pause" | "block" | "jump",
    name: string
  ): void {
    const { host } = started
    this.clock.call(this.between(`${name}.at`, 0, 999), () => {
      if (!host.alive) return
      let done = false
      host.scheduler.after(this.between(`${name}.after`, 0, 15), () => {
        done = true
        if (host.alive && !host.scheduler.isHeld) this.strike(slot, started, kind, name)
      })
      // a host that does nothing is struck all the same
      this.clock.call(400, () => {
        if (!done) host.scheduler.hurry()
      })
    })
  }

  private strike(
    slot: Slot,
    started: Started,
    kind: "crash" | "stop" | "pause" | "block" | "jump",
    name: string
  ): void {
    const { host } = started
    switch (kind) {
      case "crash": {
        const lingers = this.draw(`${name}.lingers`) < 0.3 ? this.between(`${name}.for`, 1000, 30_000) : 0
        const back = this.between(`${name}.back`, 100, 25_000)
        this.tell(
          host.name,
          `FAULT ${name}: crashes${lingers > 0 ? `, its connections linger for ${lingers} ms` : ""}; back in ${back} ms`
        )
        this.kill(slot, started, { arrives: this.draw(`${name}.arrives`) < 0.5, lingers })
        this.clock.call(back, () => this.start(slot))
        return
      }
      case "stop": {
        const back = this.between(`${name}.back`, 100, 10_000)
        this.tell(host.name, `FAULT ${name}: is told to stop`)
        this.stop(slot, started, () => this.clock.call(back, () => this.start(slot)))
        return
      }
      case "pause":
      case "block": {
        const millis = kind === "pause"
          ? this.between(`${name}.for`, 500, 45_000)
          : this.between(`${name}.for`, 50, 9000)
        this.tell(host.name, `FAULT ${name}: stands still for ${millis} ms`)
        host.disturb(this.now + millis + settleMillis)
        host.scheduler.hold()
        this.clock.call(millis, () => this.resume(host))
        return
      }
      case "jump": {
        const by = this.between(`${name}.by`, -3000, 3000)
        host.clock.offset += by
        // what sleeps until a time of its clock wakes by so much too late
        host.disturb(this.now + 2 * Math.abs(by) + settleMillis)
        this.tell(host.name, `FAULT ${name}: its clock jumps by ${by} ms`)
      }
    }
  }

  private resume(host: Host): void {
    if (!host.alive || !host.scheduler.isHeld) return
    this.tell(host.name, "goes on")
    host.disturb(this.now + settleMillis)
    host.scheduler.release()
  }

  private restart(name: string, losesTail: boolean): void {
    if (!this.server.up) return
    const save = losesTail ? this.saves[this.between(`${name}.tail`, 0, this.saves.length - 1)] : undefined
    const millis = this.between(`${name}.for`, 50, 8000)
    this.tell(
      "redis",
      `FAULT ${name}: is away for ${millis} ms${
        save === undefined ? "" : `, and loses what came in the last ${this.now - save.at} ms`
      }`
    )
    this.server.stop()
    this.disturbAll(this.now + millis + settleMillis)
    this.clock.call(millis, () => {
      if (this.server.up) return
      this.tell("redis", "is back")
      this.server.start(save?.state)
      if (save !== undefined) {
        this.watch.rewind(save.saved)
        this.saves.length = 0
      }
      this.serverUpSince = this.now + settleMillis
      this.disturbAll(this.now + settleMillis)
    })
  }

  // What must not take long

  private look(): void {
    const { now } = this
    this.watch.lookForLost(now)
    if (!this.server.up) return
    for (const queue of this.watch.queues) {
      this.lookForLeader(queue, now)
      this.lookForDue(queue, now)
    }
    this.lookForDead(now)
  }

  private living(kind: Kind): ReadonlyArray<Host> {
    return this.slots.flatMap(({ current, kind: other }) =>
      other === kind && current !== undefined && !current.host.stopping && !current.host.scheduler.isHeld
        ? [current.host]
        : []
    )
  }

  /** Since when one of a kind has been well without a break, or never. */
  private wellSince(kind: Kind): number {
    const since = Math.min(
      ...this.living(kind).map((host) => Math.max(host.bornAt, host.disturbedUntil, this.serverUpSince))
    )
    return since <= this.now ? since : Infinity
  }

  private lookForLeader(queue: string, now: number): void {
    if (this.watch.leader(queue, now) !== undefined) {
      this.leaderless.delete(queue)
      return
    }
    const since = this.leaderless.get(queue) ?? now
    this.leaderless.set(queue, since)
    const well = this.wellSince("scheduler")
    // One that has been well for a lease knows who led and until when; any other finds out within a lease.
    const bound = well + this.setup.leaseMillis <= since ? 1500 : this.setup.leaseMillis + 1500
    const from = Math.max(since, well)
    if (now - from > bound) {
      this.found({ rule: "takeover", text: `nobody has led queue ${queue} for ${now - from} ms` })
    }
  }

  private lookForDue(queue: string, now: number): void {
    const leader = this.watch.leader(queue, now)
    const host = leader === undefined ? undefined : this.byName.get(leader.holder)?.host
    if (leader === undefined || host === undefined || !host.alive || host.stopping || host.scheduler.isHeld) return
    const active = Math.max(leader.since, host.disturbedUntil, this.serverUpSince)
    for (const job of this.watch.all) {
      if (job.status !== "scheduled" || job.queue !== queue) continue
      const waited = now - Math.max(active, job.since, job.due - host.clock.offset)
      if (waited > this.setup.tickMillis + 500) {
        this.found({
          rule: "punctual",
          text: `job ${job.id} has been due for ${waited} ms, and ${leader.holder} leads queue ${queue}`
        })
      }
    }
  }

  /** The time within which what a dead worker ran is run again or has failed. */
  private get abandonMillis(): number {
    // it counts as alive for four heartbeats, one that was disturbed waits for as long before it takes, and looks once
    // a heartbeat; clocks may differ
    return 9 * this.setup.heartbeatMillis + 2 * 5000 + settleMillis
  }

  private lookForDead(now: number): void {
    const well = this.wellSince("worker")
    const skew = Math.max(...[...this.byName.values()].map(({ host }) => Math.abs(host.clock.offset)))
    const bound = this.abandonMillis + 2 * skew
    for (const job of this.watch.all) {
      if (job.status !== "started") continue
      const host = this.byName.get(job.worker)?.host
      if (host === undefined || host.alive) continue
      const waited = now - Math.max(host.diedAt, job.since, well)
      if (waited > bound) {
        this.found({ rule: "dead workers", text: `job ${job.id} is started by ${host.name}, dead for ${waited} ms` })
      }
    }
    for (const { host } of this.byName.values()) {
      if (host.alive || host.kind !== "worker") continue
      for (const queue of this.watch.queues) {
        const key = keys.handover(queue, host.name)
        const list = this.server.store.db.get(key)
        if (list === undefined) {
          this.leftBehind.delete(key)
          continue
        }
        const since = this.leftBehind.get(key) ?? now
        this.leftBehind.set(key, since)
        const waited = now - Math.max(since, well)
        if (waited > bound + 31_000) {
          this.found({ rule: "dead workers", text: `${key} holds jobs, and ${host.name} is dead for ${waited} ms` })
        }
      }
    }
  }

  // The course of a run

  private get isOver(): boolean {
    return this.violations.length > 0 || this.defect !== undefined || this.clock.elapsed >= this.setup.untilMillis
  }

  /** Lets time pass, with a look at everything now and then, until the condition holds or something was found. */
  private travel(until: () => boolean): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      while (!this.isOver && !until()) {
        if (this.clock.elapsed % 1000 === 0) this.second(this.clock.elapsed / 1000)
        yield* this.scheduler.travel(this.clock.elapsed + lookMillis, false)
        this.look()
      }
    })
  }

  private get unfinished(): ReadonlyArray<string> {
    return [...this.watch.all].flatMap(({ id, status }) =>
      status === "queued" || status === "scheduled" || status === "started" ? [`${id} is ${status}`] : []
    )
  }

  readonly run: Effect.Effect<void> = Effect.gen(this, function*() {
    // Between runs the event loop gets a turn, so that time limits of a test runner work.
    yield* Effect.async<void>((resume) => {
      setImmediate(() => resume(Effect.void))
    })
    for (const slot of this.slots) this.start(slot)
    yield* this.travel(() => this.clock.elapsed >= this.setup.durationMillis)
    // Faults end. What was accepted comes to its end, whatever has befallen the cluster.
    this.draining = true
    if (!this.isOver) this.tell("simulation", "faults end")
    this.operate()
    for (const slot of this.slots) {
      if (slot.current === undefined) this.start(slot)
      else this.resume(slot.current.host)
    }
    let last = this.clock.elapsed
    for (const job of this.watch.all) {
      if (job.status === "scheduled" && job.due < Infinity) last = Math.max(last, job.due - startAt)
    }
    // A dead worker's jobs take a while, and each of its jobs may have to be run several times.
    const limit = last + 600_000 + 4 * this.abandonMillis
    yield* this.travel(() => (this.server.up && this.unfinished.length === 0) || this.clock.elapsed > limit)
    if (!this.isOver && this.unfinished.length > 0) {
      this.found({
        rule: "comes to an end",
        text: `long after the last fault, ${this.unfinished.slice(0, 5).join(", ")}`
      })
    }
    yield* this.farewell
    if (this.defect !== undefined && Exit.isFailure(this.defect)) return yield* Effect.failCause(this.defect.cause)
  })

  /** Everything stops in peace, and leaves nothing. */
  private get farewell(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      // the last ones to come back
      yield* this.travelFor(settleMillis + 1000)
      if (this.isOver) return
      this.ending = true
      const all = this.slots.flatMap((slot) => slot.current === undefined ? [] : [{ slot, started: slot.current }])
      for (const { slot, started } of all) if (slot.kind !== "producer") this.stop(slot, started, () => {})
      yield* this.travelFor(30_000)
      for (const { slot, started } of all) {
        if (slot.kind !== "producer" && !started.stopped && !this.isOver) {
          this.found({ rule: "clean stop", text: `${started.host.name} has not stopped within 30 seconds` })
        }
      }
    })
  }

  private travelFor(millis: number): Effect.Effect<void> {
    const end = this.clock.elapsed + millis
    return Effect.gen(this, function*() {
      while (!this.isOver && this.clock.elapsed < end) {
        yield* this.scheduler.travel(Math.min(end, this.clock.elapsed + lookMillis), false)
      }
    })
  }

  outcome(): Outcome {
    return {
      violations: this.violations,
      trace: this.trace,
      happened: [...this.happened],
      counts: this.watch.counts,
      commands: this.commands,
      steps: this.clock.wakes,
      endMillis: this.clock.elapsed
    }
  }
}
