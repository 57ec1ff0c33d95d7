/**
 * Runs what users wrote. This module is not part of the bundle of the command line, so that it shares one copy of
 * `effect` and of this library with their modules; plain data goes in and out.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Contract from "../Contract.js"
import * as Ids from "../Ids.js"
import { type LogEntry, logger } from "../internal/logEntry.js"
import { nearest } from "../internal/nearest.js"
import { span } from "../internal/times.js"
import type * as Job from "../Job.js"
import * as JobGroup from "../JobGroup.js"
import * as Lock from "../Lock.js"
import * as Queue from "../Queue.js"
import * as Probe from "../redis-live/probe.js"
import * as Redis from "../Redis.js"
import * as RedisLive from "../RedisLive.js"
import * as Registry from "../Registry.js"
import { logPromotions } from "../scheduler/logPromotions.js"
import * as Worker from "../Worker.js"
import * as LogFailures from "../worker/logFailures.js"

/** What can't be done, in words for people. */
export class HostError extends Data.TaggedError("HostError")<{
  readonly message: string
  /** Whether the user has to say it differently. */
  readonly isMistake: boolean
}> {}

export type Result<A> =
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Failed"; readonly message: string; readonly isMistake: boolean }

const mistake = (message: string) => new HostError({ message, isMistake: true })

const whatToExport = `It should export a group of jobs and the layer with their handlers:
  export const Jobs = JobGroup.make(Greet)
  export const Handlers = Jobs.toLayer({
    "app.greet": ({ name }) => Effect.log(\`Hello, \${name}\`)
  })`

/** What a user's layer gives and needs is not known here; what is missing shows when it is built or used. */
type AnyLayer = Layer.Layer<never, unknown>

interface Loaded {
  readonly group: JobGroup.JobGroup<Job.Any>
  readonly handlers: AnyLayer | undefined
}

/** A path from the working directory, or the name of a package that is installed there; as `import` takes it. */
const resolve = (module: string, cwd: string): string => {
  const file = Path.resolve(cwd, module)
  const isPath = module.startsWith(".") || Path.isAbsolute(module) || /\.[cm]?[jt]sx?$/.test(module)
  const from = createRequire(Path.join(cwd, "package.json"))
  for (const name of isPath ? [file] : [module, file]) {
    try {
      return pathToFileURL(from.resolve(name)).href
    } catch {
      // not that
    }
  }
  // What a package exports to `import` only is not seen above; `import` finds it beside this package.
  return isPath ? pathToFileURL(file).href : module
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""

const typeScriptLoader = "NODE_OPTIONS=\"--import tsx\""

/** What to do when the module that is missing is there in TypeScript; empty when it is not. */
const inTypeScript = (module: string, wanted: string): string => {
  const withoutEnd = /^(.*?)(\.[cm]?jsx?)?$/s
  const base = withoutEnd.exec(wanted)?.[1] ?? wanted
  const end = [".ts", ".mts", ".cts", ".tsx"].find((end) => Fs.existsSync(`${base}${end}`))
  if (end === undefined) return ""
  const source = `${withoutEnd.exec(module)?.[1] ?? module}${end}`
  return `. There is ${source}: build it, or name it as it is, with ${typeScriptLoader} where Node can't load TypeScript`
}

/** Where it was thrown in what users wrote: how Node came there tells nobody anything. */
const stackOf = (error: unknown): string | undefined =>
  error instanceof Error
    ? error.stack?.split("\n").filter((line) => !/^\s+at .*\bnode:internal\//.test(line)).join("\n")
    : undefined

const whyNotLoaded = (module: string, url: string, error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  switch (codeOf(error)) {
    case "ERR_UNKNOWN_FILE_EXTENSION":
      return `${module}: this Node can't load TypeScript. Build it first, or give Node a loader, such as `
        + typeScriptLoader
    case "ERR_MODULE_NOT_FOUND":
    case "MODULE_NOT_FOUND": {
      // It may also be something that the module imports.
      const wanted = url.startsWith("file:") ? fileURLToPath(url) : url
      return message.includes(`'${wanted}'`)
        ? `${module}: there is no such module${wanted === module ? "" : ` (looked for ${wanted})`}${
          inTypeScript(module, wanted)
        }`
        : `${module}: ${message.split("\n")[0]}`
    }
    case "ERR_UNSUPPORTED_DIR_IMPORT":
      return `${module} is a folder: name the file in it that exports the jobs`
    default: {
      if (error instanceof SyntaxError) return `${module} can't be loaded: ${error}; node --check says more of a file`
      return `${module} can't be loaded: ${stackOf(error) ?? message}`
    }
  }
}

/** What a module exports under a name of ours, else the only thing of that kind; or why there is none. */
const pick = <A>(
  module: string,
  exported: ReadonlyMap<string, unknown>,
  is: (u: unknown) => u is A,
  names: ReadonlyArray<string>,
  what: string
): A | HostError | undefined => {
  for (const name of names) {
    const value = exported.get(name)
    if (is(value)) return value
  }
  const others = [...exported].filter(([, value]) => is(value))
  if (others.length > 1) {
    return mistake(
      `${module} exports ${others.length} ${what} (${others.map(([name]) => name).join(", ")}): name the one to run \`${
        names[0]
      }\``
    )
  }
  const [only] = others
  return only === undefined ? undefined : only[1] as A // `others` holds only what `is` has accepted
}

const load = (module: string, cwd: string): Effect.Effect<Loaded, HostError> =>
  Effect.gen(function*() {
    const url = resolve(module, cwd)
    const imported = yield* Effect.tryPromise({
      try: () => import(url) as Promise<Readonly<Record<string, unknown>>>, // a module's exports have names
      catch: (error) => mistake(whyNotLoaded(module, url, error))
    })
    const exported = new Map(Object.entries(imported))
    // CommonJS that Node could not look into has all its exports in `default`.
    const inner = exported.get("default")
    if (typeof inner === "object" && inner !== null && !JobGroup.isJobGroup(inner) && !Layer.isLayer(inner)) {
      for (const [name, value] of Object.entries(inner)) if (!exported.has(name)) exported.set(name, value)
    }
    const isAnyLayer = (u: unknown): u is AnyLayer => Layer.isLayer(u)
    const group = pick(module, exported, JobGroup.isJobGroup, ["Jobs", "jobs", "default"], "groups of jobs")
    const handlers = pick(module, exported, isAnyLayer, ["Handlers", "handlers", "default"], "layers")
    if (group instanceof HostError) return yield* group
    if (handlers instanceof HostError) return yield* handlers
    if (group === undefined) return yield* mistake(`${module} exports no group of jobs. ${whatToExport}`)
    // Any group has the methods of one; its type only hides which jobs it holds.
    return { group: group as JobGroup.JobGroup<Job.Any>, handlers }
  })

const missingService = /^Service not found: (.+?)(?: \(defined at .*\))?$/
const handlerPrefix = "effect-rq/JobGroup/Handler/"

/** A service that is missing is a mistake in the module, and not one of ours to show a stack for. */
const explainDefect = (module: string, cause: Cause.Cause<unknown>): HostError | undefined => {
  for (const defect of Cause.defects(cause)) {
    const key = defect instanceof Error ? missingService.exec(defect.message.split("\n")[0]!)?.[1] : undefined
    if (key === undefined) continue
    return mistake(
      key.startsWith(handlerPrefix)
        ? `${module}: the layer has no handler for the job ${JSON.stringify(key.slice(handlerPrefix.length))}`
        : `${module}: the handlers need the service ${JSON.stringify(key)}, which their layer doesn't provide. `
          + "Give it to them before exporting: Jobs.toLayer({ ... }).pipe(Layer.provide(...)). "
          + "Redis, Queue, Registry and Lock of effect-rq are provided"
    )
  }
  return undefined
}

const fromProblem = ({ isMistake, message }: Probe.Problem) => new HostError({ message, isMistake })

/** Runs an effect to its end in the shape that the command line understands. */
const finish = async <A>(effect: Effect.Effect<A, HostError>, signal: AbortSignal): Promise<Result<A>> => {
  const exit = await Effect.runPromiseExit(effect, { signal })
  if (Exit.isSuccess(exit)) return { _tag: "Done", value: exit.value }
  const error = Cause.failureOption(exit.cause)
  if (Option.isSome(error)) {
    return { _tag: "Failed", message: error.value.message, isMistake: error.value.isMistake }
  }
  if (Cause.isInterruptedOnly(exit.cause)) return { _tag: "Interrupted" }
  return { _tag: "Failed", message: Cause.pretty(exit.cause, { renderErrorCause: true }), isMistake: false }
}

export interface WorkerRequest {
  readonly url: string | undefined
  readonly module: string
  readonly cwd: string
  /** Empty: those of the jobs. */
  readonly queues: ReadonlyArray<string>
  readonly concurrency: number | undefined
  readonly burst: boolean
  readonly maxJobs: number | undefined
  readonly name: string | undefined
  readonly withScheduler: boolean
  /** Milliseconds. */
  readonly gracePeriod: number | undefined
  readonly logLevel: string
  readonly log: (entry: LogEntry) => void
  readonly onStopped: (summary: WorkerSummary) => void
}

export interface WorkerSummary {
  readonly worker: string
  readonly completed: number
  readonly failed: number
  /** Put back at the front of their queue. */
  readonly released: number
}

const logging = (level: string, log: (entry: LogEntry) => void): Layer.Layer<never> =>
  Layer.merge(
    Logger.replace(Logger.defaultLogger, logger(log)),
    Logger.minimumLogLevel(LogLevel.allLevels.find(({ _tag }) => _tag === level) ?? LogLevel.Info)
  )

const logEvents = (worker: Worker.WorkerService): Effect.Effect<void> => {
  const startedAt = new Map<string, number>()
  return Stream.runForEach(worker.events, (event) => {
    const at = DateTime.toEpochMillis(event.at)
    const log = <A>(effect: Effect.Effect<A>) => Effect.annotateLogs(effect, { queue: event.queue, jobId: event.jobId })
    if (event._tag === "Retried") {
      const due = DateTime.toEpochMillis(event.dueAt)
      return log(Effect.logInfo(
        due <= at
          ? `job ${event.jobId} is tried again, back in its queue`
          : `job ${event.jobId} is tried again in ${span(due - at)}, at ${DateTime.formatIso(event.dueAt)}`
      ))
    }
    if (event._tag === "Started") {
      // A reader that is too slow misses some ends; what they would have removed must not pile up.
      if (startedAt.size > 100_000) startedAt.clear()
      startedAt.set(event.jobId, at)
      return log(Effect.logInfo(
        `job ${event.jobId} started${
          Option.match(event.dueAt, {
            onNone: () => "",
            onSome: (due) => `, ${span(at - DateTime.toEpochMillis(due))} after it was due`
          })
        }`
      ))
    }
    const took = at - (startedAt.get(event.jobId) ?? at)
    startedAt.delete(event.jobId)
    switch (event._tag) {
      case "Completed":
        return log(Effect.logInfo(`job ${event.jobId} completed in ${span(took)}`))
      case "Failed":
        return LogFailures.failure(event.jobId, event.queue, took, event.message)
      case "Stopped":
        return log(Effect.logInfo(`job ${event.jobId} was stopped after ${span(took)}`))
      case "Released":
        return log(Effect.logInfo(`job ${event.jobId} was put back at the front of its queue`))
      case "Lost":
        return log(Effect.logWarning(`job ${event.jobId} was taken away`))
    }
  })
}

/** Everything that is logged says which worker it comes from, its scheduler's lines too. */
const worker = (request: WorkerRequest): Effect.Effect<void, HostError> =>
  Effect.gen(function*() {
    const ids = yield* Ids.Ids
    const name = request.name ?? (yield* ids.name)
    yield* serve(request, name).pipe(
      Effect.annotateLogs({ worker: name }),
      Effect.locally(LogFailures.logsFailures, false)
    )
  }).pipe(Effect.provide(logging(request.logLevel, request.log)))

const serve = (request: WorkerRequest, name: string): Effect.Effect<void, HostError> =>
  Effect.scoped(Effect.gen(function*() {
    const { module } = request
    const { group, handlers } = yield* load(module, request.cwd)
    if (handlers === undefined) {
      return yield* mistake(`${module} exports no layer with the handlers. ${whatToExport}`)
    }
    const target = yield* Effect.mapError(Probe.target(request.url), fromProblem)
    yield* Effect.mapError(Probe.check(target), fromProblem)

    const services = Layer.mergeAll(Queue.layer, Registry.layer, Lock.layer).pipe(
      Layer.provideMerge(RedisLive.layer(target.options))
    )
    const built = yield* Layer.build(services).pipe(
      Effect.mapError((error) => fromProblem(Probe.explainConfig(error, target.isGiven)))
    )
    const handlerContext = yield* Layer.build(handlers).pipe(
      Effect.provide(built),
      Effect.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
        return explainDefect(module, cause) ?? new HostError({
          message: `the handlers of ${module} can't be built: ${Cause.pretty(cause, { renderErrorCause: true })}`,
          isMistake: false
        })
      })
    )

    // Finalizers run in reverse: the worker stops first, and what it does meanwhile is still logged.
    const workerScope = yield* Scope.make()
    const watchers: Array<Fiber.RuntimeFiber<void>> = []
    let running: Worker.WorkerService | undefined
    let released = 0
    yield* Effect.addFinalizer(() =>
      Effect.gen(function*() {
        // the last events are on their way to the log
        yield* Effect.sleep(20)
        yield* Fiber.interruptAll(watchers)
        if (running === undefined) return
        const { failed, name, successful } = yield* running.status
        request.onStopped({ worker: name, completed: successful, failed, released })
        yield* Effect.logInfo(
          `worker ${name} stopped: ${successful} completed, ${failed} failed, ${released} put back`
        )
      })
    )
    yield* Effect.addFinalizer((exit) => Scope.close(workerScope, exit))
    // `group` is of unknown jobs, so their handlers can't be in the type; `explainDefect` says what is missing.
    const made = Worker.make(group, {
      queues: request.queues.length === 0 ? undefined : request.queues,
      concurrency: request.concurrency,
      burst: request.burst,
      maxJobs: request.maxJobs,
      name,
      withScheduler: request.withScheduler,
      gracePeriod: request.gracePeriod
    }) as Effect.Effect<
      Worker.WorkerService,
      Worker.InvalidOptions | Worker.WorkerNameTaken,
      Redis.Redis | Scope.Scope
    >
    const service = yield* made.pipe(
      Scope.extend(workerScope),
      Effect.provide(Context.merge(built, handlerContext)),
      Effect.catchAllCause((cause) => {
        const error = Cause.failureOption(cause)
        if (Option.isSome(error)) {
          return new HostError({ message: error.value.message, isMistake: error.value._tag === "InvalidOptions" })
        }
        return explainDefect(module, cause) ?? Effect.failCause(cause as Cause.Cause<never>) // it holds no failure
      })
    )
    watchers.push(yield* Effect.forkDaemon(logEvents(service)))
    if (Option.isSome(service.scheduler)) {
      watchers.push(yield* Effect.forkDaemon(logPromotions(service.scheduler.value)))
    }
    running = service
    watchers.push(
      yield* Effect.forkDaemon(Stream.runForEach(service.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Released") released++
        })))
    )
    const { queues } = yield* service.status
    const scheduler = Option.match(service.scheduler, {
      onNone: () => "",
      onSome: ({ name }) => `, with scheduler ${name}`
    })
    yield* Effect.logInfo(
      `worker ${name} runs ${group.jobs.size} ${group.jobs.size === 1 ? "job" : "jobs"} of ${module} from ${
        queues.length === 1 ? "queue" : "queues"
      } ${queues.join(", ")} on ${target.shown}${scheduler}`
    )
    yield* service.finished
  }))

/** Runs a worker until it is done or the signal comes; `onStopped` is told what it did. */
export const runWorker = (request: WorkerRequest, signal: AbortSignal): Promise<Result<void>> =>
  finish(worker(request), signal)

export interface EnqueueRequest {
  readonly url: string | undefined
  readonly module: string
  readonly cwd: string
  readonly job: string
  /** As JSON has it: positional arguments or keyword arguments. */
  readonly payload: unknown
  /** Milliseconds since 1970. */
  readonly at: number | undefined
  /** Milliseconds. */
  readonly in: number | undefined
  readonly options: Queue.EnqueueOptions
}

/** Queues a job of the module, whose Schema checks the payload first. */
export const enqueue = (request: EnqueueRequest, signal: AbortSignal): Promise<Result<Enqueued>> =>
  finish(
    Effect.scoped(Effect.gen(function*() {
      const { module } = request
      const { group } = yield* load(module, request.cwd)
      const job = group.jobs.get(request.job)
      if (job === undefined) {
        const known = [...group.jobs.keys()].map((name) => JSON.stringify(name)).join(", ")
        const meant = nearest(request.job, [...group.jobs.keys()])
        return yield* mistake(
          `${module} has no job ${JSON.stringify(request.job)}, ${
            meant === undefined ? `it has ${known}` : `did you mean ${JSON.stringify(meant)}?`
          }`
        )
      }
      // Services of the Schema that are missing are found when it asks for them, see `explainDefect`.
      const schema = job.payloadSchema as Schema.Schema<unknown, unknown>
      const payload = yield* Schema.decodeUnknown(schema)(request.payload, { onExcessProperty: "error" }).pipe(
        Effect.mapError((error) =>
          mistake(
            `the arguments don't fit ${job.name}: ${ParseResult.TreeFormatter.formatErrorSync(error)}`
              + "\nnumbers and other JSON are written key:=5 or :5, texts key=text or text"
          )
        ),
        Effect.catchAllDefect((defect) => explainDefect(module, Cause.die(defect)) ?? Effect.die(defect))
      )
      const target = yield* Effect.mapError(Probe.target(request.url), fromProblem)
      const redis = yield* Effect.mapError(Probe.connect(target), fromProblem)
      const queue = yield* Effect.provideService(Queue.make, Redis.Redis, redis)
      const { at, in: delay, options } = request
      const when = at === undefined ? undefined : DateTime.unsafeMake(at)
      const refs = yield* queue.enqueueMany([Queue.request(job, payload, { ...options, at: when, in: delay })]).pipe(
        Effect.mapError((error) =>
          error._tag === "RedisError"
            ? fromProblem(Probe.explain(error, target.shown))
            : new HostError({ message: error.message, isMistake: error._tag !== "JobExists" })
        )
      ) as Effect.Effect<ReadonlyArray<Queue.JobRef>, HostError> // the services of the Schema, as above
      return toEnqueued(refs[0]!) // one for each request
    })),
    signal
  )

export interface Enqueued {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly outcome: Queue.JobRef["outcome"]
  /** Milliseconds since 1970. */
  readonly dueAt: number | undefined
}

const toEnqueued = ({ dueAt, id, name, outcome, queue }: Queue.JobRef): Enqueued => ({
  id,
  name,
  queue,
  outcome,
  dueAt: Option.getOrUndefined(Option.map(dueAt, DateTime.toEpochMillis))
})

export interface ContractRequest {
  readonly module: string
  readonly cwd: string
  readonly format: "json" | "python"
}

/** Describes the jobs of the module, as text. */
export const contract = (request: ContractRequest, signal: AbortSignal): Promise<Result<string>> =>
  finish(
    Effect.gen(function*() {
      const { module } = request
      const { group } = yield* load(module, request.cwd)
      const generatedBy = `effect-rq contract ${module} --format ${request.format}`
      const text = request.format === "python"
        ? Contract.toPython(group, { generatedBy })
        : Either.map(Contract.toJsonSchema(group), (contract) => `${JSON.stringify(contract, undefined, 2)}\n`)
      return yield* Effect.mapError(text, ({ message }) => mistake(`${module}: ${message}`))
    }),
    signal
  )
