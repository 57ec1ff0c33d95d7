/**
 * The machinery of virtual time: a Clock that keeps those who sleep, and a Scheduler that runs all fibers from one queue.
 * `TimeTravel` says how they behave; the simulation drives them as well.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RuntimeFiber } from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** What a yield forced by the number of operations counts, which makes a step cost about the same time anywhere. */
const forcedYieldSteps = 128

/** Tasks between two turns of the event loop. */
const tasksPerTurn = 8192

/*
 * Held from the start, so that a test runner's fake timers do not replace them.
 */
const { nextTick } = process
const microtask = queueMicrotask
const macrotask = setImmediate

/** Timers have whole milliseconds; rounding up never wakes early. Decoding makes negative spans zero. */
export const wholeMillis = (duration: Duration.DurationInput): number => Math.ceil(Duration.toMillis(duration))

interface Entry {
  /** Virtual milliseconds since the start, not since the epoch: a clock that is set back keeps nobody from waking. */
  readonly at: number
  readonly seq: number
  readonly wake: () => void
  /** Its place in the heap, or -1 when it is no longer there. */
  index: number
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq)

/**
 * Sleepers by (instant, arrival) in a binary heap. Entries know their place, so that a cancelled sleeper leaves at once:
 * a program with a timeout of an hour on each of a million operations holds no million sleepers.
 */
class Heap {
  readonly #entries: Array<Entry> = []

  get size(): number {
    return this.#entries.length
  }

  peek(): Entry | undefined {
    return this.#entries[0]
  }

  sorted(): ReadonlyArray<Entry> {
    return this.#entries.slice().sort((a, b) => before(a, b) ? -1 : 1)
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#up(entry, this.#entries.length - 1)
  }

  remove(entry: Entry): void {
    const index = entry.index
    if (index < 0) return
    entry.index = -1
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    this.#down(last, index)
    this.#up(last, last.index)
  }

  #up(entry: Entry, from: number): void {
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#entries[parentIndex]!
      if (before(parent, entry)) break
      this.#place(parent, index)
      index = parentIndex
    }
    this.#place(entry, index)
  }

  #down(entry: Entry, from: number): void {
    const entries = this.#entries
    let index = from
    for (let child = 2 * index + 1; child < entries.length; child = 2 * index + 1) {
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      if (before(entry, entries[child]!)) break
      this.#place(entries[child]!, index)
      index = child
    }
    this.#place(entry, index)
  }

  #place(entry: Entry, index: number): void {
    this.#entries[index] = entry
    entry.index = index
  }
}

export class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly sleepers = new Heap()
  /** Virtual milliseconds since the start; never goes back. */
  elapsed = 0
  wakes = 0
  /** The instant of the start by the clock's present reckoning: changes when the clock is set back. */
  origin: number
  readonly #nanosAtStart: bigint
  readonly #order: ((arrival: number) => number) | undefined
  #arrivals = 0

  /** \`order\` says in which order those wake who wake at the same instant; by default in that of their arrival. */
  constructor(startAt: number, order?: (arrival: number) => number) {
    this.origin = startAt
    this.#order = order
    this.#nanosAtStart = BigInt(startAt) * 1_000_000n
  }

  unsafeCurrentTimeMillis(): number {
    return this.origin + this.elapsed
  }

  unsafeCurrentTimeNanos(): bigint {
    return this.#nanosAtStart + BigInt(this.elapsed) * 1_000_000n
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = wholeMillis(duration)
    if (millis <= 0) return Effect.yieldNow()
    if (millis === Number.POSITIVE_INFINITY) return Effect.never
    return Effect.async<void>((resume) => {
      const entry = this.#enter(millis, () => resume(Effect.void))
      return Effect.sync(() => this.sleepers.remove(entry))
    })
  }

  /** Calls \`f\` in so many milliseconds; returns what takes the call back. */
  call(millis: number, f: () => void): () => void {
    const entry = this.#enter(millis, f)
    return () => this.sleepers.remove(entry)
  }

  #enter(millis: number, wake: () => void): Entry {
    const arrival = this.#arrivals++
    const seq = this.#order === undefined ? arrival : this.#order(arrival)
    const entry: Entry = { at: this.elapsed + millis, seq, wake, index: -1 }
    this.sleepers.add(entry)
    return entry
  }

  utc(elapsed: number): DateTime.Utc {
    return DateTime.unsafeMake(this.origin + elapsed)
  }
}

/** Somebody who waits for virtual time. */
interface Travel {
  /** Where it ends, in virtual milliseconds since the start. */
  readonly end: number
  /** For a travel that ends with the next wake-up: the number of wake-ups at which it ends. */
  readonly endWakes: number
  /** Told true when a wake-up ended it, false when the time did. */
  readonly resume: (effect: Effect.Effect<boolean>) => void
}

/**
 * Runs all fibers from one queue (Effect's own scheduler has kept one for each fiber since 3.20), and at rest moves the
 * clock on for those who travel.
 *
 * Tasks run within a microtask. When none is left, a `nextTick` is asked for: Node calls it once the microtasks are
 * all done, whatever number of promises they go through. A second round covers callbacks of `nextTick` that make
 * promises. If then there is still nothing to run, the program is at rest.
 */
export class VirtualScheduler implements Scheduler.Scheduler {
  readonly #clock: VirtualClock
  readonly #maxSteps: number
  readonly #stuck: (at: DateTime.Utc, steps: number) => Error
  readonly #travels: Array<Travel> = []
  #pending = new Scheduler.PriorityBuckets()
  #batch: Array<Scheduler.Task> = []
  #position = 0
  /** Whether a call of `#drain` or `#check` is on its way. */
  #running = false
  /** Whether a round without tasks went by. */
  #quiet = false
  #external = 0
  #steps = 0
  #tasksInTurn = 0

  /** Which of so many tasks runs next; by default the first. */
  readonly #pick: ((count: number) => number) | undefined

  constructor(
    clock: VirtualClock,
    maxSteps: number,
    stuck: (at: DateTime.Utc, steps: number) => Error,
    pick?: (count: number) => number
  ) {
    this.#clock = clock
    this.#maxSteps = maxSteps
    this.#stuck = stuck
    this.#pick = pick
  }

  shouldYield(fiber: RuntimeFiber<unknown, unknown>): number | false {
    const priority = Scheduler.defaultShouldYield(fiber)
    if (priority !== false) this.#steps += forcedYieldSteps - 1
    return priority
  }

  scheduleTask(task: Scheduler.Task, priority: number): void {
    this.#pending.scheduleTask(task, priority)
    this.#start()
  }

  /** Travels to `end`; with `step`, no further than the next wake-up. Succeeds with whether a wake-up ended it. */
  travel(end: number, step: boolean): Effect.Effect<boolean> {
    return Effect.async<boolean>((resume) => {
      const travel: Travel = {
        end,
        endWakes: step ? this.#clock.wakes + 1 : Number.POSITIVE_INFINITY,
        resume
      }
      this.#steps = 0
      this.#travels.push(travel)
      this.#start()
      return Effect.sync(() => {
        const index = this.#travels.indexOf(travel)
        if (index >= 0) this.#travels.splice(index, 1)
      })
    })
  }

  enterExternal(): void {
    this.#external++
  }

  leaveExternal(): void {
    this.#external--
    this.#start()
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    microtask(this.#drain)
  }

  #nextTask(): Scheduler.Task | undefined {
    if (this.#pick !== undefined) return this.#pickTask(this.#pick)
    if (this.#position === this.#batch.length) {
      const buckets = this.#pending.buckets
      if (buckets.length === 0) return undefined
      this.#pending.buckets = []
      this.#batch = buckets.length === 1 ? buckets[0]![1] : buckets.flatMap(([, tasks]) => tasks)
      this.#position = 0
    }
    return this.#batch[this.#position++]
  }

  #pickTask(pick: (count: number) => number): Scheduler.Task | undefined {
    const { buckets } = this.#pending
    if (buckets.length > 0) {
      this.#batch = [...this.#batch.slice(this.#position), ...buckets.flatMap(([, tasks]) => tasks)]
      this.#position = 0
      this.#pending.buckets = []
    }
    const batch = this.#batch
    const count = batch.length - this.#position
    if (count === 0) return undefined
    const at = this.#position + (count === 1 ? 0 : pick(count))
    const task = batch[at]!
    // those before it move up, so that who is passed over keeps its place
    batch.copyWithin(this.#position + 1, this.#position, at)
    this.#position++
    return task
  }

  #hasTasks(): boolean {
    return this.#position < this.#batch.length || this.#pending.buckets.length > 0
  }

  readonly #drain = (): void => {
    let whole = false
    try {
      while (this.#tasksInTurn < tasksPerTurn) {
        const task = this.#nextTask()
        if (task === undefined) break
        this.#quiet = false
        this.#tasksInTurn++
        if (++this.#steps > this.#maxSteps && this.#travels.length > 0) this.#giveUp()
        task()
      }
      whole = true
    } finally {
      // a task throws when an observer of a fiber does; the others must go on
      if (!whole) microtask(this.#drain)
    }
    if (this.#tasksInTurn >= tasksPerTurn) {
      macrotask(this.#turn)
    } else if (this.#travels.length > 0) {
      nextTick(this.#check)
    } else {
      this.#running = false
    }
  }

  readonly #turn = (): void => {
    this.#tasksInTurn = 0
    microtask(this.#drain)
  }

  readonly #check = (): void => {
    if (!this.#hasTasks()) {
      if (!this.#quiet) {
        this.#quiet = true
      } else if (this.#external > 0) {
        // whoever is outside starts it again
        this.#running = false
        return
      } else {
        this.#quiet = false
        this.#advance()
      }
    }
    microtask(this.#drain)
  }

  /** At rest: lets one thing happen, the end of a travel or the wake-up of a sleeper. */
  #advance(): void {
    const clock = this.#clock
    const stepped = this.#travels.findIndex((travel) => clock.wakes >= travel.endWakes)
    if (stepped >= 0) return this.#finish(stepped, true)
    let first = -1
    for (let i = 0; i < this.#travels.length; i++) {
      if (first < 0 || this.#travels[i]!.end < this.#travels[first]!.end) first = i
    }
    // interrupted travels are gone
    if (first < 0) return
    const end = this.#travels[first]!.end
    const sleeper = clock.sleepers.peek()
    if (sleeper !== undefined && sleeper.at <= end) {
      clock.sleepers.remove(sleeper)
      this.#moveTo(sleeper.at)
      clock.wakes++
      sleeper.wake()
    } else {
      this.#moveTo(end)
      this.#finish(first, false)
    }
  }

  #moveTo(elapsed: number): void {
    if (elapsed <= this.#clock.elapsed) return
    this.#clock.elapsed = elapsed
    this.#steps = 0
  }

  #finish(index: number, woke: boolean): void {
    this.#travels.splice(index, 1)[0]!.resume(Effect.succeed(woke))
  }

  #giveUp(): void {
    const at = this.#clock.utc(this.#clock.elapsed)
    for (const travel of this.#travels.splice(0)) {
      travel.resume(Effect.die(this.#stuck(at, this.#steps)))
    }
    this.#steps = 0
  }
}
