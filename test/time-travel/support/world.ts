/**
 * Several hosts around one Redis in virtual time: schedulers and workers that can be stopped, cut off, paused and
 * killed, and a record of what they did and logged.
 */
import { Job, JobGroup, Queue, Redis, RedisMemory, Registry, Scheduler, Worker } from "effect-rq"
import { TimeTravel } from "effect-rq/testing"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as keys from "../../../src/wire/keys.js"

export class TaskFailed extends Schema.TaggedError<TaskFailed>()("TaskFailed", { code: Schema.Number }) {}

/** The job of nearly every test: takes `millis` of time and gives its name back. */
export const Task = Job.make("test.task", {
  payload: { name: Schema.String, millis: Schema.optionalWith(Schema.Number, { default: () => 0 }) },
  success: Schema.String,
  error: TaskFailed,
  queue: "q"
})

export type TaskPayload = Job.Payload<typeof Task>

export const Tasks = JobGroup.make(Task)

export type TaskHandler = (payload: TaskPayload) => Effect.Effect<string, TaskFailed>

/** A handler that began: which one, where, and when, in milliseconds since the start of the test. */
export interface Ran {
  readonly name: string
  readonly host: string
  readonly at: number
}

export interface Line {
  readonly level: string
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** How a test lets time pass. */
export interface Time {
  readonly adjust: (duration: Duration.DurationInput) => Effect.Effect<void>
  readonly settle: Effect.Effect<void>
}

/**
 * Stands between a host and Redis: sees each script's name and its arguments, and may fail, delay or repeat its call.
 * Before a subscription it is asked as for a script of the name `subscribe`.
 */
export type Around = <A>(
  script: string,
  call: Effect.Effect<A, Redis.RedisError>,
  params: ReadonlyArray<unknown>
) => Effect.Effect<A, Redis.RedisError>

export interface Host<S, E> {
  readonly name: string
  readonly service: S
  /** Its events, once all that ran at its start has come to rest. */
  readonly events: Array<E>
  /** Closes its scope; takes as long as that takes. */
  readonly stop: Effect.Effect<void>
  /** Cuts the connections. Its fibers live on. */
  readonly disconnect: Effect.Effect<void>
  readonly reconnect: Effect.Effect<void>
  /** As if the machine had been switched off: Redis hears nothing more of it, and its fibers are gone. */
  readonly kill: Effect.Effect<void>
  /** As if the process was suspended: no timer of it fires and no reply reaches it until it is resumed. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

export type SchedulerHost = Host<Scheduler.SchedulerService, Scheduler.SchedulerEvent>
export type WorkerHost = Host<Worker.WorkerService, Worker.WorkerEvent>

interface HostOptions {
  readonly around?: Around | undefined
  /** Starts without a connection to Redis. */
  readonly disconnected?: boolean | undefined
}

const untouched: Around = (_, call) => call

export interface World extends Time {
  readonly store: RedisMemory.Store
  /** A client that nobody disconnects. */
  readonly redis: Redis.RedisService
  readonly queue: Queue.QueueService
  readonly registry: Registry.RegistryService
  /** Milliseconds since the start of the test. */
  readonly elapsed: Effect.Effect<number>
  readonly ran: Array<Ran>
  readonly names: () => ReadonlyArray<string>
  readonly logs: ReadonlyArray<Line>
  /** The texts that were logged, of one host or of all. */
  readonly texts: (host?: string) => ReadonlyArray<string>
  readonly scheduler: (
    name: string,
    options?: Partial<Scheduler.SchedulerOptions> & HostOptions
  ) => Effect.Effect<SchedulerHost, Scheduler.InvalidOptions>
  /** Unless told otherwise its handler notes that it ran, sleeps for `millis` and succeeds with the name. */
  readonly worker: (
    name: string,
    options?: Worker.WorkerOptions & HostOptions & { readonly handler?: TaskHandler | undefined }
  ) => Effect.Effect<WorkerHost, Worker.InvalidOptions | Worker.WorkerNameTaken>
  /** A worker of any group, built as given; its handlers note nothing by themselves. */
  readonly workerOf: (
    name: string,
    build: Effect.Effect<
      Worker.WorkerService,
      Worker.InvalidOptions | Worker.WorkerNameTaken,
      Redis.Redis | Scope.Scope
    >,
    options?: HostOptions
  ) => Effect.Effect<WorkerHost, Worker.InvalidOptions | Worker.WorkerNameTaken>
  readonly dump: Effect.Effect<Readonly<Record<string, RedisMemory.Entry>>>
  readonly status: (jobId: string) => Effect.Effect<string | null>
}

/** The clock of a host that can be paused. */
const pausable = (base: Clock.Clock, running: Effect.Latch): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis(),
  unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos(),
  currentTimeMillis: base.currentTimeMillis,
  currentTimeNanos: base.currentTimeNanos,
  sleep: (duration) => Effect.zipRight(base.sleep(duration), running.await)
})

const through = (service: Redis.RedisService, running: Effect.Latch, around: Around): Redis.RedisService => ({
  ...service,
  eval: (script) => {
    const run = service.eval(script)
    return (...params) =>
      Effect.zipRight(running.await, Effect.ensuring(around(script.name, run(...params), params), running.await))
  },
  subscribe: (...channels) =>
    Effect.zipRight(around("subscribe", Effect.void, channels), service.subscribe(...channels)),
  connection: Effect.map(service.connection, (connection): Redis.Connection => ({
    ...connection,
    send: <A = Redis.Reply>(command: string, ...args: ReadonlyArray<Redis.Arg>) =>
      Effect.zipRight(running.await, Effect.zipLeft(connection.send<A>(command, ...args), running.await))
  }))
})

const host = Effect.fnUntraced(function*<S, Ev, E, R>(
  store: RedisMemory.Store,
  name: string,
  { around = untouched, disconnected = false }: HostOptions,
  build: Effect.Effect<S, E, R>,
  eventsOf: (service: S) => Stream.Stream<Ev>
) {
  const scope = yield* Scope.make()
  const client = yield* RedisMemory.makeClient(store)
  if (disconnected) yield* client.disconnect
  const running = yield* Effect.makeLatch(true)
  const clock = yield* Effect.clock
  const service = yield* build.pipe(
    Effect.provideService(Redis.Redis, through(client.service, running, around)),
    Scope.extend(scope),
    Effect.withClock(pausable(clock, running))
  )
  const events: Array<Ev> = []
  yield* eventsOf(service).pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.forkDaemon // outlives the scope, so as to see what happens while it is closed
  )
  const stop = Scope.close(scope, exitVoid)
  return {
    name,
    service,
    events,
    stop,
    disconnect: client.disconnect,
    reconnect: client.reconnect,
    kill: Effect.zipRight(client.disconnect, Effect.asVoid(Effect.forkDaemon(stop))),
    pause: Effect.asVoid(running.close),
    resume: Effect.asVoid(running.open)
  }
})

const makeWorld = Effect.fnUntraced(function*(time: Time, logs: Array<Line>) {
  const store = yield* RedisMemory.makeStore
  const redis = (yield* RedisMemory.makeClient(store)).service
  const start = yield* Clock.currentTimeMillis
  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - start)
  const ran: Array<Ran> = []
  const as = <A, E>(effect: Effect.Effect<A, E, Redis.Redis>) => Effect.provideService(effect, Redis.Redis, redis)

  const world: World = {
    ...time,
    store,
    redis,
    queue: yield* as(Queue.make),
    registry: yield* as(Registry.make),
    elapsed,
    ran,
    names: () => ran.map(({ name }) => name),
    logs,
    texts: (of) =>
      logs
        .filter(({ annotations }) =>
          of === undefined || annotations["worker"] === of || annotations["scheduler"] === of
        )
        .map(({ text }) => text),
    scheduler: (name, { around, disconnected, ...options } = {}) =>
      host(
        store,
        name,
        { around, disconnected },
        Scheduler.make({ queues: ["q"], ...options, name }),
        (service) => service.events
      ),
    worker: (name, { around, disconnected, handler, ...options } = {}) => {
      const byDefault: TaskHandler = (task) =>
        Effect.as(task.millis > 0 ? Effect.sleep(task.millis) : Effect.void, task.name)
      const Handlers = Tasks.toLayer({
        "test.task": (task) =>
          Effect.flatMap(elapsed, (at) => {
            ran.push({ name: task.name, host: name, at })
            return (handler ?? byDefault)(task)
          })
      })
      const build = Effect.scoped(Layer.build(Handlers)).pipe(
        Effect.flatMap((handlers) =>
          Effect.mapInputContext(
            Worker.make(Tasks, { ...options, name }),
            (context: Context.Context<Redis.Redis | Scope.Scope>) => Context.merge(context, handlers)
          )
        )
      )
      return host(store, name, { around, disconnected }, build, (service) => service.events)
    },
    workerOf: (name, build, options = {}) => host(store, name, options, build, (service) => service.events),
    dump: RedisMemory.dump(store),
    status: (jobId) => Effect.orDie(redis.send<string | null>("HGET", keys.job(jobId), "status"))
  }
  return world
})

const exitVoid = Effect.runSync(Effect.exit(Effect.void))

const collecting = (logs: Array<Line>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ annotations, logLevel, message }) => {
      const parts = Array.isArray(message) ? message : [message]
      logs.push({
        level: logLevel.label,
        text: parts.filter((part) => !(part instanceof Error)).map(String).join(" "),
        annotations: Object.fromEntries(annotations)
      })
    })
  )

/** Runs a test under `TimeTravel`, for spans of any length. */
export const travelling = <A, E>(
  body: (world: World, travel: TimeTravel.TimeTravelService) => Effect.Effect<A, E>,
  { seed, ...options }: TimeTravel.Options & { readonly seed?: number } = {}
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const logs: Array<Line> = []
    return Effect.gen(function*() {
      const travel = yield* TimeTravel.TimeTravel
      return yield* body(yield* makeWorld(travel, logs), travel)
    }).pipe(
      Effect.provide(
        // one on top of the other: merged, the logger would outlive the test's scope
        collecting(logs).pipe(
          Layer.provideMerge(seed === undefined ? Layer.empty : TimeTravel.seeded(seed)),
          // one that spins shall fail within seconds and not hang
          Layer.provideMerge(TimeTravel.layerWith({ maxSteps: 100_000, ...options }))
        )
      )
    )
  })

/** Runs a test under Effect's own `TestClock`, which `it.effect` provides. */
export const onTestClock = <A, E>(body: (world: World) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const logs: Array<Line> = []
    return Effect.flatMap(
      makeWorld({ adjust: TestClock.adjust, settle: TestClock.adjust(0) }, logs),
      body
    ).pipe(Effect.provide(collecting(logs)))
  })

/** Both, for tests that shall hold under either. */
export const clocks: ReadonlyArray<
  readonly [name: string, run: <A, E>(body: (world: World) => Effect.Effect<A, E>) => Effect.Effect<A, E>]
> = [
  ["TimeTravel", (body) => travelling((world) => body(world))],
  ["TestClock", onTestClock]
]
