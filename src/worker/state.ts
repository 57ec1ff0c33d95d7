/**
 * What the fibers of one worker share. It changes between their steps only, in one thread, so no locks are needed.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Gate from "../internal/gate.js"
import * as Signal from "../internal/signal.js"
import type { Claimed } from "../lifecycle/claim.js"
import type { Ended } from "../lifecycle/turn.js"
import type * as Redis from "../Redis.js"
import type { Summary, WorkerEvent } from "../Worker.js"
import type { Outcome } from "./runJob.js"
import type { Settings } from "./settings.js"

/** A job that runs. */
export interface Running {
  readonly job: Claimed
  readonly startedAt: number
  /** `startedAt` as Redis is told, in Unix seconds. */
  readonly startedText: string
  /** When its timeout is over, as others are told: the time of day may be set meanwhile. */
  readonly deadline: number
  /** When it is over by {@link State.monotonic}. */
  readonly endsAt: number
  fiber: Fiber.RuntimeFiber<Outcome, unknown> | undefined
  /** Why the worker interrupts it, and since when. */
  interruptedFor: "timeout" | "release" | "stop" | "lost" | undefined
  interruptedAt: number
  /** Whether it was said that it does not let itself be interrupted. */
  reported: boolean
  /** Whether it runs no more, or was given up. */
  over: boolean
}

/** A job that is claimed and has not begun. */
export interface Fetched {
  readonly job: Claimed
  readonly at: number
}

export const firstBackOff = 100
export const longestBackOff = 5000

/** How connecting is tried again; that Redis is away is told by the heartbeat. */
export const untilItWorks = {
  schedule: Schedule.union(Schedule.exponential(firstBackOff), Schedule.spaced(longestBackOff)),
  while: (error: Redis.RedisError) => error.isTransient
}

type ToldBy = "turn" | "heartbeat" | "maintenance" | "tidying"

export type State = ReturnType<typeof make>

export const make = (settings: Settings, clock: Clock.Clock) => {
  const { burst, concurrency, maxJobs, name, withScheduler } = settings
  const mayWait = Gate.make(false)
  const answering = Gate.make(true)
  const listeners = new Set<(event: WorkerEvent) => void>()
  const log = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.annotateLogs(effect, { worker: name })
  let connected = true
  /** Told by the calls that hand in and claim, by the heartbeat, by maintenance, and by the tidying at its end. */
  const problems = new Map<ToldBy, string>()

  const state = {
    /**
     * In the order in which they began. Not a Map: one in which entries come and go makes a new table now and then, and the
     * old one points to it. Where an old one lies among V8's old objects, all that follow are kept, and so are the jobs that
     * stood in them, until a full collection of garbage.
     */
    running: [] as Array<Running>,
    /** What is claimed and has no slot yet, in the order in which it is to run. */
    fetched: [] as Array<Fetched>,
    /** How many jobs have begun. */
    begun: 0,
    /** How many of the jobs that are fetched or run have seen a worker die. */
    suspects: 0,
    /** Executions that Redis still counts as ours: fetched, running, or how they ended is not handed in yet. */
    ours: new Set<string>(),
    ended: [] as Array<Ended>,
    /** Executions of `ended` that went into a call which failed: it may have been carried out. */
    handedInBefore: new Set<string>(),
    /** The number of the next execution. */
    counter: 0,
    claimed: 0,
    /** How many jobs the calls in flight claim, and how many of them have a slot that was free. */
    reserved: 0,
    reservedSlots: 0,
    /** Calls in flight: what they hand in is not handed in before they have returned. */
    underWay: 0,
    /** Whether a queue may hold something to claim. */
    hungry: true,
    /** Whether the last call that claimed has left something behind. */
    plenty: false,
    /** Whether our handover lists may hold something; an earlier worker of this name may have left it there. */
    handedOver: true,
    /** Counts what was handed over, so that a call notices what came while it was under way. */
    handovers: 0,
    /** Counts what was handed in by a worker that leaves when there is no work, so that a call notices it likewise. */
    handedIn: 0,
    /**
     * What was to be stopped that is not known here yet: the call that claimed it may be under way. For each such call,
     * and for those whose reply was lost.
     */
    stopsMeanwhile: new Set<Set<string>>(),
    stopsMissed: new Set<string>(),
    /** A call failed whose effects are not known: Redis is asked what it holds for us. */
    unsure: false,
    stopping: false,
    /** Whether a burst may end: not before its scheduler has looked for what is due. */
    mayEnd: !withScheduler,
    /** When it was told to stop, if something ran then. */
    stoppingSince: undefined as number | undefined,
    /** Whether Redis knows of this worker, so that somebody looks for what was handed over to it when it is dead. */
    isRegistered: false,
    /** Has said farewell: nothing may bring it back to the sets of workers. */
    gone: false,
    /** Our queues of which Redis can't note that something may be handed over to us: nobody would look for it. */
    unguarded: new Set<string>() as ReadonlySet<string>,
    /** Whether the fleet is suspended, and which of our queues nothing may be taken of. */
    suspended: false,
    pausedQueues: new Set<string>() as ReadonlySet<string>,
    saidSuspended: false,
    saidPaused: new Set<string>() as ReadonlySet<string>,
    successful: 0,
    failed: 0,
    released: 0,
    workingMillis: 0,
    /** Connections that wait on the server, by their queues. */
    blocked: new Map<string, Redis.Connection>(),
    /** When a wait on the server ended with its connection: the server may not have seen its end yet. */
    lostWaitAt: -Infinity,
    /** When a heartbeat last told that what runs here is alive, and since when it has done so without a gap. */
    confirmedAt: -Infinity,
    steadySince: settings.bornAt,
    /** Whether there was a gap since it began. */
    wasAway: false,

    /** There may be something for the pumps to do. */
    pumpSignal: Signal.make(),
    /** Something is fetched that has no slot yet. */
    fetchedSignal: Signal.make(),
    /** Nothing runs any more. */
    quietSignal: Signal.make(),
    /** All slots are taken while a connection waits on the server. */
    fullSignal: Signal.make(),
    /** Something has changed that others can see. */
    changedSignal: Signal.make(),
    /** The fleet or a queue of ours is suspended. */
    pausedSignal: Signal.make(),
    /** Open while waiting on the server is the right thing to do. */
    mayWait,
    listeners,
    log,

    isConnected: () => connected,
    /** Whether it was the last thing said that this key holds something foreign. */
    isForeign: (key: string) => problems.get("turn")?.startsWith(`${key}: `) === true,
    /** For how many jobs there is a slot. */
    free: () =>
      Math.min(
        concurrency - state.running.length - state.fetched.length - state.reservedSlots,
        maxJobs - state.claimed - state.reserved
      ),
    /** For how many jobs there is a slot, or room to lie ready for so many. */
    room: (ahead: number) =>
      Math.min(
        concurrency + ahead - state.running.length - state.fetched.length - state.reserved,
        maxJobs - state.claimed - state.reserved
      ),
    /** Takes a job out that runs no more, or is given up; false when it was taken out before. */
    leave: (self: Running): boolean => {
      if (self.over) return false
      self.over = true
      state.running.splice(state.running.indexOf(self), 1)
      return true
    },
    now: () => clock.unsafeCurrentTimeMillis(),
    /** Milliseconds since some instant, by the clock that nobody sets. */
    monotonic: () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n),
    emit: (event: WorkerEvent) => {
      for (const listener of listeners) listener(event)
    },
    summary: (): Summary => ({
      name,
      successful: state.successful,
      failed: state.failed,
      released: state.released
    }),
    /** Fields of the worker's hash. */
    totals: (): ReadonlyArray<string> => [
      "successful_job_count",
      String(state.successful),
      "failed_job_count",
      String(state.failed),
      "total_working_time",
      String(state.workingMillis / 1000)
    ],
    /** Before the next try. When Redis answers somebody else the wait is over soon. */
    pause: (millis: number) =>
      Effect.raceFirst(Effect.sleep(millis), Effect.zipRight(answering.await, Effect.sleep(firstBackOff))),
    /** Waiting on the server is for when there is nothing to claim and somewhere to run it. */
    updateWaiting: () => {
      if (state.isRegistered && !state.stopping && !burst && !state.hungry && state.free() > 0) {
        mayWait.open()
      } else {
        mayWait.close()
        if (state.blocked.size > 0 && state.free() <= 0) state.fullSignal.notify()
      }
    },
    /** Redis being away is a state that is logged when it changes, not once for each try. */
    onConnection: (error: Redis.RedisError | undefined): Effect.Effect<void> => {
      const before = connected
      connected = error === undefined
      if (before === connected) return Effect.void
      if (connected) answering.open()
      else answering.close()
      return log(
        error === undefined
          ? Effect.logInfo("Redis can be used again")
          : Effect.logWarning(`Redis can't be used, going on when it can: ${error.message}`)
      )
    },
    /** So is a key that holds something foreign. */
    onProblem: (now: string | undefined, by: ToldBy = "turn"): Effect.Effect<void> => {
      if (now === problems.get(by)) return Effect.void
      // Each says in its own words what it met.
      const key = now?.slice(0, now.indexOf(": "))
      const isKnown = [...problems.values()].some((known) => known.startsWith(`${key}: `))
      if (now === undefined) problems.delete(by)
      else problems.set(by, now)
      if (isKnown || now === undefined) return Effect.void
      const what = now.includes(": NOPERM ")
        ? "Redis refuses what the worker needs"
        : "a key in Redis holds something foreign"
      return log(Effect.logError(`${what}: ${now}`))
    }
  }
  return state
}
