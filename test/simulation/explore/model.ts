/**
 * A small deployment, every course of which can be looked at: two schedulers, a worker, a producer and somebody who looks
 * after dead workers, around the in-memory Redis and production's scripts.
 *
 * Each of them has one command on its way at a time. It is carried out at once; or it is under way while others go on, and
 * then carried out, with the time at which it was sent, or lost; or its reply is lost. (Where the time at which it was
 * sent says nothing to a script, a late command is the same as one that is sent later.) The worker and the schedulers may
 * crash at any point, once each, and what they had sent may arrive all the same. Time moves to the next instant at which
 * something becomes due or lapses. Between any two of these steps any other may come.
 */
import { abandon } from "../../../src/lifecycle/abandon.js"
import { enqueue } from "../../../src/lifecycle/enqueue.js"
import { heartbeat } from "../../../src/lifecycle/heartbeat.js"
import { promote } from "../../../src/lifecycle/promote.js"
import { schedule } from "../../../src/lifecycle/schedule.js"
import { type Ended, turn } from "../../../src/lifecycle/turn.js"
import { toBytesReply, toTextReply } from "../../../src/redis-memory/bytes.js"
import { encode, execute } from "../../../src/redis-memory/client.js"
import { keysOf } from "../../../src/redis-memory/command.js"
import { ReplyError } from "../../../src/redis-memory/replies.js"
import { Session } from "../../../src/redis-memory/session.js"
import * as Snapshot from "../../../src/redis-memory/snapshot.js"
import { Store } from "../../../src/redis-memory/store.js"
import { Blocked } from "../../../src/redis-memory/waiters.js"
import type * as Redis from "../../../src/Redis.js"
import { elect, resign } from "../../../src/scheduler/election.js"
import { type Found, type Saved, Watch } from "../../../src/testing/simulation/watch.js"
import * as Date from "../../../src/wire/date.js"
import * as keys from "../../../src/wire/keys.js"
import { recover } from "../../../src/worker/recover.js"
import { canonical } from "./canonical.js"

/** Milliseconds: small numbers, in the order of the real ones. */
const leaseMillis = 3000
const aliveSeconds = 4
const dueMillis = 1000
const startAt = 946_684_800_000
const queue = "q"

/** A command on its way. */
interface Sent {
  readonly what: string
  readonly sentAt: number
  /** What a turn hands in, by execution. */
  readonly ended: ReadonlyArray<string>
  /** What its sender knew of, and the number of its next execution. */
  readonly knows: ReadonlyArray<Known>
  readonly counter: number
}

/** An execution that the worker knows of. */
interface Known {
  readonly id: string
  readonly execution: string
}

interface Actor {
  readonly name: string
  readonly lives: number
  readonly sent: Sent | undefined
}

/** All that is not in the store. */
export interface Actors {
  readonly schedulers: ReadonlyArray<Actor>
  readonly worker: Actor & {
    readonly knows: ReadonlyArray<Known>
    readonly counter: number
    readonly isUnsure: boolean
  }
  readonly producer: Actor & { readonly step: number; readonly repeats: number }
  /** Of those that crashed, what is still on its way. */
  readonly ghosts: ReadonlyArray<Actor>
  readonly now: number
}

export interface State {
  readonly actors: Actors
  readonly store: Snapshot.Snapshot
  readonly saved: Saved
}

export interface Step {
  readonly label: string
  readonly state: State
  readonly found: ReadonlyArray<Found>
}

const common = { queue, timeout: "180", date: Date.encode(startAt), more: [], atFront: false, ttl: undefined }

/** What the producer does, one after the other, each again until it is acknowledged. */
const steps = ["schedule job-a", "enqueue job-b"]

const prefixOf = (worker: string): string => `${worker === "w1" ? "1" : "2"}${"0".repeat(11)}8${"0".repeat(11)}`

const message = (what: string, sentAt: number): Sent => ({ what, sentAt, ended: [], knows: [], counter: 0 })

export class Model {
  private readonly store = new Store()
  private readonly session = new Session(this.store)
  private touched = new Set<string>()
  private found: Array<Found> = []
  private readonly watch = new Watch(this.store, () => {}, (found) => this.found.push(found))
  private readonly shas = new Set<string>()

  constructor(private readonly rewrite: (script: { readonly name: string; readonly lua: string }) => string) {
    this.store.observe = (command, args) => {
      for (const key of keysOf(command, args)) this.touched.add(key)
    }
    this.watch.queues.add(queue)
  }

  get initial(): State {
    const actor = (name: string): Actor => ({ name, lives: 2, sent: undefined })
    return {
      actors: {
        schedulers: [actor("s1"), actor("t1")],
        worker: { ...actor("w1"), knows: [], counter: 0, isUnsure: false },
        producer: { ...actor("p1"), step: 0, repeats: 0 },
        ghosts: [],
        now: startAt
      },
      store: [],
      saved: { jobs: new Map(), runs: new Map() }
    }
  }

  /** A text that is the same for states that can't be told apart. */
  key({ actors }: State): string {
    return canonical(this.store, actors)
  }

  /** Puts a state in place, so that a step can be taken from it. */
  private put({ actors: { now }, saved, store }: State): void {
    this.store.db.now = now
    Snapshot.restore(this.store, store)
    this.watch.restore(saved)
    this.found = []
  }

  private eval<P extends ReadonlyArray<unknown>, A>(
    actor: string,
    sentAt: number,
    now: number,
    script: Redis.Script<P, A>,
    ...params: P
  ): A {
    const args = script.params(...params)
    const count = script.numberOfKeys(...params)
    const lua = this.rewrite(script)
    const isKnown = lua === script.lua && this.shas.has(script.sha)
    if (!isKnown) this.shas.add(script.sha)
    const encoded = encode(isKnown ? "EVALSHA" : "EVAL", [isKnown ? script.sha : lua, count, ...args])
    this.touched = new Set()
    this.watch.before(now)
    const reply = execute(this.store, this.session, encoded, now)
    if (reply instanceof Blocked || reply instanceof ReplyError) {
      throw new Error(`${script.name}: ${reply instanceof ReplyError ? reply.text : "blocked"}`)
    }
    this.watch.after({ actor, name: script.name, params, touched: this.touched, sentAt, now })
    // The script says how its reply is read, and of which type it is.
    return script.result((script.bytes ? toBytesReply(reply) : toTextReply(reply)) as never)
  }

  /** All that can happen next. Each step leaves the store as it is after it, so that its key can be asked for. */
  *next(state: State): Generator<Step> {
    const { actors } = state
    const take = (label: string, step: () => Actors): Step => {
      this.put(state)
      const after = step()
      return {
        label,
        found: this.found,
        state: { actors: after, store: Snapshot.take(this.store, after.now), saved: this.watch.save() }
      }
    }

    for (const [index, actor] of actors.schedulers.entries()) {
      const set = (changed: Actor): Actors => ({
        ...actors,
        schedulers: actors.schedulers.map((one, at) => at === index ? changed : one)
      })
      const { name, sent } = actor
      if (sent === undefined) {
        for (const what of ["elect", "promote", "resign"]) {
          yield take(`${name}: ${what}`, () => {
            this.deliver(name, message(what, actors.now), actors.now)
            return actors
          })
        }
        yield take(`${name} sends promote`, () => set({ ...actor, sent: message("promote", actors.now) }))
      } else {
        yield take(`${sent.what} of ${name} is carried out`, () => {
          this.deliver(name, sent, actors.now)
          return set({ ...actor, sent: undefined })
        })
        yield take(`${sent.what} of ${name} is lost`, () => set({ ...actor, sent: undefined }))
      }
      if (actor.lives > 1) {
        yield take(`${actor.name} crashes`, () => {
          const crashed = set({ name: `${actor.name[0]}2`, lives: actor.lives - 1, sent: undefined })
          return { ...crashed, ghosts: this.ghosts(actors, actor) }
        })
      }
    }
    yield* this.work(actors, take)
    yield* this.produce(actors, take)
    for (const [index, ghost] of actors.ghosts.entries()) {
      const without = { ...actors, ghosts: actors.ghosts.filter((_, at) => at !== index) }
      yield take(`${ghost.sent?.what} of ${ghost.name}, which is dead, arrives`, () => {
        this.deliver(ghost.name, ghost.sent!, actors.now) // ghosts are what they have sent
        return without
      })
      yield take(`${ghost.sent?.what} of ${ghost.name}, which is dead, is lost`, () => without)
    }
    yield take("maintenance looks for dead workers", () => {
      this.deliver("m1", message("abandon", actors.now), actors.now)
      return actors
    })
    const next = this.nextInstant(state)
    if (next !== undefined) {
      yield take(`time passes: ${next - actors.now} ms`, () => ({ ...actors, now: next }))
    }
  }

  private ghosts(actors: Actors, actor: Actor): ReadonlyArray<Actor> {
    return actor.sent === undefined ? actors.ghosts : [...actors.ghosts, actor]
  }

  private *work(actors: Actors, take: (label: string, step: () => Actors) => Step): Generator<Step> {
    const { worker } = actors
    const { name, sent } = worker
    const set = (changed: Actors["worker"]): Actors => ({ ...actors, worker: changed })
    const prepare = (what: string, ended: ReadonlyArray<string> = []): Actors["worker"] => {
      for (const execution of ended) this.watch.ended(execution, true)
      const sent: Sent = {
        what: `${what}${ended.length === 0 ? "" : ` ${ended.join()}`}`,
        sentAt: actors.now,
        ended,
        knows: worker.knows,
        counter: worker.counter
      }
      return {
        ...worker,
        knows: worker.knows.filter(({ execution }) => !ended.includes(execution)),
        counter: worker.counter + (what === "claim" ? 2 : 0),
        sent
      }
    }
    const commands: Array<readonly [what: string, ended: ReadonlyArray<string>]> = []
    if (worker.isUnsure) commands.push(["recover", []])
    else if (worker.knows.length < 2) commands.push(["claim", []])
    for (const { execution } of worker.knows) commands.push(["complete", [execution]], ["release", [execution]])
    if (worker.knows.length > 0) commands.push(["heartbeat", []])
    if (sent === undefined) {
      for (const [what, ended] of commands) {
        yield take(`${name}: ${what}`, () => {
          const before = prepare(what, ended)
          return set(this.deliverWork(before, before.sent!, actors.now, true)) // it was just prepared
        })
        if (what === "recover" || what === "release") continue
        yield take(`${name} sends ${what}`, () => set(prepare(what, ended)))
      }
    } else {
      yield take(`${sent.what} of ${name} is carried out`, () => set(this.deliverWork(worker, sent, actors.now, true)))
      yield take(
        `the reply to ${sent.what} of ${name} is lost`,
        () => set(this.deliverWork(worker, sent, actors.now, false))
      )
      yield take(`${sent.what} of ${name} is lost`, () => set(this.notKnown(worker, sent)))
    }
    if (worker.lives > 1) {
      yield take(`${name} crashes`, () => {
        const crashed: Actors["worker"] = {
          name: "w2",
          lives: worker.lives - 1,
          sent: undefined,
          knows: [],
          counter: 0,
          isUnsure: false
        }
        return { ...set(crashed), ghosts: this.ghosts(actors, worker) }
      })
    }
  }

  private idOf(execution: string): string {
    return this.watch.runOf(execution)?.id ?? ""
  }

  /** A call failed: what it handed in is handed in again, what it may have claimed is asked for. */
  private notKnown(worker: Actors["worker"], { ended, what }: Sent): Actors["worker"] {
    return {
      ...worker,
      sent: undefined,
      isUnsure: worker.isUnsure || what !== "heartbeat",
      knows: [...worker.knows, ...ended.map((execution) => ({ id: this.idOf(execution), execution }))]
    }
  }

  private deliverWork(worker: Actors["worker"], sent: Sent, now: number, isHeard: boolean): Actors["worker"] {
    const claimed = this.deliver(worker.name, sent, now)
    if (!isHeard) return this.notKnown(worker, sent)
    const news = claimed.filter(({ execution }) => !worker.knows.some((known) => known.execution === execution))
    for (const { execution, id } of news) {
      if (!this.watch.hasBegun(execution)) this.watch.began(worker.name, id, execution)
    }
    return {
      ...worker,
      sent: undefined,
      isUnsure: sent.what === "recover" ? false : worker.isUnsure,
      knows: [...worker.knows, ...news]
    }
  }

  private *produce(actors: Actors, take: (label: string, step: () => Actors) => Step): Generator<Step> {
    const { producer } = actors
    const what = steps[producer.step]
    const set = (changed: Actors["producer"]): Actors => ({ ...actors, producer: changed })
    if (what === undefined) return
    const carryOut = () => this.deliver("p1", message(what, actors.now), actors.now)
    yield take(what, () => {
      carryOut()
      return set({ ...producer, step: producer.step + 1, repeats: 0 })
    })
    if (producer.repeats > 0) return
    yield take(`${what}, and the reply is lost`, () => {
      carryOut()
      return set({ ...producer, repeats: producer.repeats + 1 })
    })
  }

  /** Carries a command out, and returns what a worker has claimed or holds. */
  private deliver(name: string, sent: Sent, now: number): ReadonlyArray<Known> {
    const { counter, ended, knows, sentAt, what } = sent
    const at = { now: Date.seconds(sentAt), nowDate: Date.encode(sentAt) }
    const [verb, id = ""] = what.split(" ")
    switch (verb) {
      case "elect":
        this.eval(name, sentAt, now, elect, {
          scheduler: name,
          queues: [queue],
          leaseMillis,
          birth: ["name", name],
          ...at
        })
        return []
      case "promote":
        this.eval(name, sentAt, now, promote, {
          scheduler: name,
          queues: [{ queue, skip: 0 }],
          ...at,
          leaseMillis,
          limit: 100,
          heartbeat: undefined
        })
        return []
      case "resign":
        this.eval(name, sentAt, now, resign, { scheduler: name, queues: [queue], now: at.now })
        return []
      case "enqueue":
        this.eval(name, sentAt, now, enqueue, [{ id, data: "", description: "", common }])
        return []
      case "schedule":
        this.eval(name, sentAt, now, schedule, [{
          id,
          due: Date.seconds(startAt + dueMillis),
          data: "",
          description: "",
          common
        }])
        return []
      case "abandon":
        this.eval(name, sentAt, now, abandon, {
          worker: name,
          queues: [queue],
          ...at,
          intervalMillis: 1,
          maxAbandons: 1,
          limit: 100,
          forgetSeconds: 600,
          python: false
        })
        return []
      case "heartbeat":
        this.eval(name, sentAt, now, heartbeat, {
          worker: name,
          queues: [queue],
          ...at,
          aliveSeconds,
          workerTtl: 60,
          birth: ["birth", "x"],
          state: ["state", "busy"],
          currentJob: "",
          full: true,
          executions: knows.map((known) => ({ queue, ...known, startedAt: at.now }))
        })
        return []
      case "recover":
        return this.eval(name, sentAt, now, recover, { executionPrefix: prefixOf(name), queues: [queue] })
          .map(({ execution, id }) => ({ execution, id }))
      default: {
        // a turn: it claims, or hands in
        const { claimed } = this.eval(name, sentAt, now, turn, {
          worker: name,
          ...at,
          abandonedAt: Date.seconds(sentAt + aliveSeconds * 1000),
          executionPrefix: prefixOf(name),
          counter,
          // one slot is free, and one more is fetched ahead
          want: verb === "claim" ? 2 - knows.length : 0,
          slots: verb === "claim" && knows.length === 0 ? 1 : 0,
          handedOver: false,
          queues: verb === "claim" ? [queue] : [],
          ended: ended.map((execution): Ended => {
            const common = { queue, id: this.idOf(execution), execution, startedAt: at.now }
            return verb === "complete"
              ? { ...common, _tag: "Completed", returnValue: "" }
              : { ...common, _tag: "Released" }
          })
        })
        return claimed.map(({ execution, id }) => ({ execution, id }))
      }
    }
  }

  /** When the next thing becomes due or lapses. */
  private nextInstant(state: State): number | undefined {
    const { now } = state.actors
    this.put(state)
    const instants: Array<number> = []
    const scheduled = this.store.db.get(keys.scheduled(queue))
    if (scheduled?.kind === "zset") scheduled.value.forRange(0, 10, (_, score) => instants.push(score * 1000))
    const started = this.store.db.get(keys.started(queue))
    if (started?.kind === "zset") started.value.forRange(0, 10, (_, score) => instants.push(score * 1000 + 1))
    const lock = this.store.db.get(keys.schedulerLock(queue))
    if (lock !== undefined && lock.expireAt < Infinity) instants.push(lock.expireAt + 1)
    const next = Math.min(...instants.filter((instant) => instant > now))
    return next === Infinity ? undefined : next
  }
}
