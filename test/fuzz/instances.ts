/**
 * Running things and values, each by the name under which the tests of this folder try its members.
 */
import { Control, CurrentJob, Doctor, Inspector, Lock, Redis, RedisMemory, Worker } from "effect-rq"
import type { TimeTravel } from "effect-rq/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Task, Tasks, travelling, type World } from "../time-travel/support/world.js"

const everything = (world: World, travel: TimeTravel.TimeTravelService) =>
  Effect.gen(function*() {
    const client = yield* RedisMemory.makeClient(world.store)
    const redis = client.service
    const as = <A, E, R>(made: Effect.Effect<A, E, R>) => Effect.provideService(made, Redis.Redis, redis)
    const current = yield* Deferred.make<CurrentJob.CurrentJobService>()
    // The first job runs for as long as the test does, and whoever holds it may ask it.
    const handlers = yield* Layer.build(Tasks.toLayer({
      "test.task": ({ name }) =>
        Effect.gen(function*() {
          if (name !== "running") return name
          yield* Deferred.succeed(current, yield* CurrentJob.CurrentJob)
          return yield* Effect.never
        })
    }))
    const worker = yield* Effect.provide(
      as(Worker.make(Tasks, { queues: ["q"], withScheduler: true, name: "worker" })),
      handlers
    )
    yield* world.queue.enqueue(Task, { name: "running" }, { jobId: "running" })
    yield* world.adjust("1 second")
    const lock = yield* as(Lock.make)
    return {
      client,
      redis,
      connection: yield* redis.connection,
      worker,
      scheduler: Option.getOrThrow(worker.scheduler),
      currentJob: yield* Deferred.await(current),
      lock,
      lease: yield* lock.acquire("held"),
      group: Tasks,
      queue: world.queue,
      registry: world.registry,
      scheduled: world.registry.scheduled("q"),
      started: world.registry.started("q"),
      control: yield* as(Control.make),
      inspector: yield* as(Inspector.make),
      doctor: yield* as(Doctor.make),
      travel
    }
  })

type Instances = Effect.Effect.Success<ReturnType<typeof everything>>
export type Owner = keyof Instances

export const withInstances = <A, E>(
  body: (world: World, of: Instances) => Effect.Effect<A, E>
): Effect.Effect<A, unknown> =>
  travelling((world, travel) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(
        Effect.flatMap(Scope.extend(everything(world, travel), scope), (of) => body(world, of))
      )
      // the worker gives what runs its grace period
      const closing = yield* Effect.fork(Scope.close(scope, exit))
      yield* world.adjust("1 minute")
      yield* Fiber.join(closing)
      return yield* exit
    })
  )

/** What there is to call or to run; anything else is data. */
export const kindOf = (value: unknown): "effect" | "stream" | "layer" | undefined =>
  Option.isOption(value) // which is an Effect as well
    ? undefined
    : Effect.isEffect(value)
    ? "effect"
    : typeof value === "object" && value !== null && Stream.StreamTypeId in value
    ? "stream"
    : Layer.isLayer(value)
    ? "layer"
    : undefined

/** What every value of Effect has. */
const general = ["pipe", "constructor", "toJSON", "toString"]

/** The names of a thing's members that are called or run, those of its class too. */
export const membersOf = (owner: object): ReadonlyArray<string> => {
  const names = new Set<string>()
  for (let of: object | null = owner; of !== null && of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const name of Object.getOwnPropertyNames(of)) names.add(name)
  }
  const member = (name: string): unknown => Reflect.get(owner, name)
  return [...names].filter((name) =>
    /^[a-z]/.test(name) && !general.includes(name) &&
    (typeof member(name) === "function" || kindOf(member(name)) !== undefined)
  )
}
