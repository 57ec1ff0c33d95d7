/**
 * Job groups: the definitions that one worker can run, and the handlers for them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { CurrentJob } from "./CurrentJob.js"
import { show } from "./internal/show.js"
import { type Handler, handlerTag, type Registered } from "./job-group/handler.js"
import * as Job from "./Job.js"
import type { Verdict } from "./Retry.js"

/**
 * Marks groups of jobs, see {@link isJobGroup}.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-rq/JobGroup")

/**
 * The type of the mark.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * What a job does: a function from its payload to an Effect.
 *
 * @since 0.1.0
 * @category models
 */
export type HandlerFn<J extends Job.Any, R = unknown> = (
  payload: Job.Payload<J>
) => Effect.Effect<Job.Success<J>, Job.Failure<J> | Verdict<Job.Failure<J>>, R>

/**
 * The handlers for every job of a group, by the name of the job.
 *
 * @since 0.1.0
 * @category models
 */
export type HandlersFrom<Jobs extends Job.Any> = {
  readonly [J in Jobs as J["name"]]: HandlerFn<J, any>
}

/**
 * What the handlers require, apart from the `CurrentJob` that the worker provides.
 *
 * @since 0.1.0
 * @category type-level
 */
export type HandlersContext<Handlers> = {
  readonly [K in keyof Handlers]: Handlers[K] extends (payload: never) => Effect.Effect<infer _A, infer _E, infer R>
    ? Exclude<R, CurrentJob>
    : never
}[keyof Handlers]

export type {
  /**
   * Says in a type that there is a handler for the job of this name.
   *
   * @since 0.1.0
   * @category models
   */
  Handler
} from "./job-group/handler.js"

/**
 * What a worker that runs these jobs requires.
 *
 * @since 0.1.0
 * @category type-level
 */
export type ToHandlers<Jobs extends Job.Any> = Jobs extends Job.Any ? Handler<Jobs["name"]> : never

/**
 * A group of job definitions with distinct names.
 *
 * @since 0.1.0
 * @category models
 */
export interface JobGroup<in out Jobs extends Job.Any> extends Pipeable {
  readonly [TypeId]: TypeId
  readonly jobs: ReadonlyMap<string, Jobs>
  /** A group with further jobs. */
  readonly add: <const More extends ReadonlyArray<Job.Any>>(...jobs: More) => JobGroup<Jobs | More[number]>
  /** A group with the jobs of other groups. */
  readonly merge: <const Groups extends ReadonlyArray<Any>>(
    ...groups: Groups
  ) => JobGroup<Jobs | JobsOf<Groups[number]>>
  /**
   * The handlers of all jobs of the group as a Layer. A handler that is missing, or takes or gives the wrong type, is
   * a type error. The handlers may be built by an Effect, in the scope of the Layer.
   *
   * A handler fails with the error that its job declares, bare or in a verdict of `Retry`. That
   * `'NotFound' is not assignable to type 'Rejected | Verdict<Rejected>'`, or to `'Verdict<never>'` for a job that declares
   * none, says of a handler that it fails with an error which its job doesn't declare. Declare it in `error` of `Job.make`
   * (one more: `Schema.Union(Rejected, NotFound)`), which keeps it typed for whoever awaits the job; or make it a defect
   * with `Effect.orDie`, which fails the job with the text of its cause.
   *
   * @example
   * ```ts
   * import { Effect, Schema } from "effect"
   * import { Job, JobGroup } from "effect-rq"
   *
   * class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {}) {}
   * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
   * declare const send: Effect.Effect<void, Rejected | NotFound>
   *
   * const Send = Job.make("app.send", { error: Schema.Union(Rejected, NotFound) })
   * const Forget = Job.make("app.forget")
   *
   * export const Handlers = JobGroup.make(Send, Forget).toLayer({
   *   "app.send": () => send,
   *   "app.forget": () => Effect.orDie(send)
   * })
   * ```
   */
  readonly toLayer: <Handlers extends HandlersFrom<Jobs>, EX = never, RX = never>(
    build: Handlers | Effect.Effect<Handlers, EX, RX>
  ) => Layer.Layer<ToHandlers<Jobs>, EX, Exclude<RX, Scope.Scope> | HandlersContext<Handlers>>
}

/**
 * Any group.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any {
  readonly [TypeId]: TypeId
  readonly jobs: ReadonlyMap<string, Job.Any>
}

/**
 * The jobs of a group.
 *
 * @since 0.1.0
 * @category type-level
 */
export type JobsOf<Group> = Group extends JobGroup<infer Jobs> ? Jobs : never

/**
 * Whether something is a group of jobs.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { JobGroup } from "effect-rq"
 *
 * const groupIn = (module: Record<string, unknown>) => Object.values(module).find(JobGroup.isJobGroup)
 * ```
 */
export const isJobGroup = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

/**
 * Makes a group. Throws a `Job.InvalidJobError` at once when two jobs have the same name, since that is a mistake in
 * the program.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Job, JobGroup } from "effect-rq"
 *
 * const Greet = Job.make("app.greet", { payload: { name: Schema.String }, success: Schema.String })
 * const Cleanup = Job.make("app.cleanup")
 *
 * export const Jobs = JobGroup.make(Greet, Cleanup)
 *
 * export const Handlers = Jobs.toLayer({
 *   "app.greet": ({ name }) => Effect.succeed(`Hello, ${name}`),
 *   "app.cleanup": () => Effect.log("cleaning up")
 * })
 * ```
 */
export const make = <const Jobs extends ReadonlyArray<Job.Any>>(...jobs: Jobs): JobGroup<Jobs[number]> => {
  const byName = new Map<string, Job.Any>()
  for (const job of jobs) {
    if (!Job.isJob(job)) throw notA("jobs", "what Job.make gives", job)
    const other = byName.get(job.name)
    if (other !== undefined && other !== job) {
      throw new Job.InvalidJobError({
        job: job.name,
        field: "name",
        message: `two jobs of a group are named ${JSON.stringify(job.name)}, give one of them another name`
      })
    }
    byName.set(job.name, job)
  }
  const self = Object.create(Proto)
  self.jobs = byName
  return self
}

/** A mistake in the program, which only JavaScript lets through. */
const notA = (field: string, expected: string, got: unknown) =>
  new Job.InvalidJobError({ job: show(got), field, message: `${field}: expected ${expected}, got ${show(got)}` })

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  },
  add(this: Any, ...jobs: ReadonlyArray<Job.Any>) {
    return make(...this.jobs.values(), ...jobs)
  },
  merge(this: Any, ...groups: ReadonlyArray<Any>) {
    const others = groups.flatMap((group) => {
      if (!isJobGroup(group)) throw notA("groups", "what JobGroup.make gives", group)
      return Array.from(group.jobs.values())
    })
    return make(...this.jobs.values(), ...others)
  },
  toLayer(
    this: Any,
    build: HandlersFrom<Job.Any> | Effect.Effect<HandlersFrom<Job.Any>, unknown, unknown>
  ): Layer.Layer<never, unknown, unknown> {
    return Layer.scopedContext(Effect.gen(this, function*() {
      const context = yield* Effect.context<never>()
      const handlers = Effect.isEffect(build) ? yield* build : build
      const services = new Map<string, unknown>()
      for (const name of this.jobs.keys()) {
        // a mistake in the program, which only JavaScript lets through
        if (typeof handlers?.[name] !== "function") {
          const message = `handlers: expected a function for ${JSON.stringify(name)}, got ${show(handlers?.[name])}`
          return yield* Effect.die(new Job.InvalidJobError({ job: name, field: "handlers", message }))
        }
        const registered: Registered = { handler: handlers[name]!, context }
        services.set(handlerTag(name).key, registered)
      }
      return Context.unsafeMake(services)
    }))
  }
}
