/**
 * A host: a process with a clock of its own that may be killed between any two steps of its fibers, or stand still.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RuntimeFiber } from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type { VirtualClock, VirtualScheduler } from "../time-travel/virtual.js"

/** Runs the fibers of one host. A host that is dead runs none of them ever again: no finalizer, no timer, nothing. */
class HostScheduler implements Scheduler.Scheduler {
  private held: Array<Scheduler.Task> | undefined
  private dead = false
  private stepsLeft = Infinity
  private onStep: (() => void) | undefined

  constructor(private readonly base: VirtualScheduler) {}

  shouldYield(fiber: RuntimeFiber<unknown, unknown>): number | false {
    return this.base.shouldYield(fiber)
  }

  scheduleTask(task: Scheduler.Task, priority: number): void {
    if (!this.dead) this.base.scheduleTask(() => this.run(task), priority)
  }

  private run(task: Scheduler.Task): void {
    if (this.dead) return
    if (this.held === undefined && --this.stepsLeft < 0) this.now()
    if (this.dead) return
    if (this.held === undefined) task()
    else this.held.push(task)
  }

  private now(): void {
    const { onStep } = this
    this.stepsLeft = Infinity
    this.onStep = undefined
    onStep?.()
  }

  /** Calls \`f\` before the step that comes after so many. What was to be called before that is called now. */
  after(steps: number, f: () => void): void {
    this.now()
    this.stepsLeft = steps
    this.onStep = f
  }

  /** Calls what \`after\` still waits with. */
  hurry(): void {
    this.now()
  }

  kill(): void {
    this.dead = true
    this.held = undefined
    this.onStep = undefined
  }

  hold(): void {
    if (!this.dead) this.held ??= []
  }

  release(): void {
    const tasks = this.held
    this.held = undefined
    for (const task of tasks ?? []) this.scheduleTask(task, 0)
  }

  get isHeld(): boolean {
    return this.held !== undefined
  }
}

/** The time of one host, which may differ from that of the others. Only what it reads differs, not how long it sleeps. */
class HostClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId

  constructor(private readonly base: VirtualClock, public offset: number) {}

  unsafeCurrentTimeMillis(): number {
    return this.base.unsafeCurrentTimeMillis() + this.offset
  }

  unsafeCurrentTimeNanos(): bigint {
    return this.base.unsafeCurrentTimeNanos()
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.base.sleep(duration)
  }
}

export type Kind = "worker" | "scheduler" | "producer"

export class Host {
  readonly scheduler: HostScheduler
  readonly clock: HostClock
  alive = true
  /** Whether it was told to stop in peace. */
  stopping = false
  diedAt = Infinity

  constructor(
    /** The place in the cluster, such as \`worker-1\`. */
    readonly slot: string,
    /** The name of the service: the slot and how often it was started. */
    readonly name: string,
    readonly kind: Kind,
    base: { readonly clock: VirtualClock; readonly scheduler: VirtualScheduler },
    offset: number,
    readonly bornAt: number,
    /** Until when something was wrong with it: before, nothing is asked of it in time. */
    public disturbedUntil: number
  ) {
    this.scheduler = new HostScheduler(base.scheduler)
    this.clock = new HostClock(base.clock, offset)
  }

  disturb(until: number): void {
    this.disturbedUntil = Math.max(this.disturbedUntil, until)
  }
}
