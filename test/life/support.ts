/**
 * What the tests of a job's life have in common, on top of the world of the tests in virtual time.
 */
import { assert } from "@effect/vitest"
import { type JobRecord, Queue, Redis, RedisMemory } from "effect-rq"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as keys from "../../src/wire/keys.js"
import { assertInvariants } from "../support/invariants.js"
import { Task, type World } from "../time-travel/support/world.js"

export * from "../time-travel/support/world.js"

export const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)

/** Jobs of the world's own definition, by their names. */
export const enqueueNamed = (
  world: World,
  names: ReadonlyArray<string>,
  millis = 0,
  options: Queue.EnqueueOptions = {}
) => world.queue.enqueueMany(names.map((name) => Queue.request(Task, { name, millis }, { jobId: name, ...options })))

/** Everything is where its status says that it is. */
export const consistent = (world: World): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.zip(world.dump, Clock.currentTimeMillis),
    ([dump, now]) => Effect.sync(() => assertInvariants(dump, now))
  )

export const record = (world: World, id: string) =>
  Effect.flatMap(
    world.queue.fetch(id),
    (found): Effect.Effect<JobRecord.JobRecord> =>
      Option.isSome(found) ? Effect.succeed(found.value) : Effect.die(new Error(`there is no job ${id}`))
  )

/** When a scheduled job is due, in milliseconds since the start of the test; undefined when it is not scheduled. */
export const dueIn = (world: World, id: string, queue = "q") =>
  Effect.gen(function*() {
    const due = yield* world.registry.scheduled(queue).dueTime(id)
    const start = (yield* Clock.currentTimeMillis) - (yield* world.elapsed)
    return Option.getOrUndefined(Option.map(due, (at) => DateTime.toEpochMillis(at) - start))
  })

/** The kinds of a job's outcomes, the latest first. */
export const outcomes = (world: World, id: string) =>
  Effect.map(world.queue.history(id), (all) => all.map(({ type }) => type))

export const hget = (world: World, id: string, field: string) =>
  world.redis.send<string | null>("HGET", keys.job(id), field)

/** A client of its own, as another process has one, that counts what it sends. */
export const client = (world: World) =>
  Effect.gen(function*() {
    const own = yield* RedisMemory.makeClient(world.store)
    const counts = { calls: 0, connections: 0, open: 0, sent: [] as Array<string> }
    const count = (command: string) =>
      Effect.sync(() => {
        counts.calls++
        counts.sent.push(command)
      })
    const redis = Redis.make({
      send: <A = Redis.Reply>(command: string, ...args: ReadonlyArray<Redis.Arg>) =>
        Effect.zipRight(count(command), own.service.send<A>(command, ...args)),
      sendBytes: <A = Redis.Reply<Uint8Array>>(command: string, ...args: ReadonlyArray<Redis.Arg>) =>
        Effect.zipRight(count(command), own.service.sendBytes<A>(command, ...args)),
      subscribe: own.service.subscribe,
      connection: Effect.gen(function*() {
        const connection = yield* own.service.connection
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            counts.connections++
            counts.open++
          }),
          () => Effect.sync(() => counts.open--)
        )
        return {
          unblock: Effect.zipRight(count("UNBLOCK"), connection.unblock),
          send: <A = Redis.Reply>(command: string, ...args: ReadonlyArray<Redis.Arg>) =>
            Effect.zipRight(count(command), connection.send<A>(command, ...args))
        }
      })
    })
    const queue = yield* Effect.provideService(Queue.make, Redis.Redis, redis)
    return { counts, redis, queue, disconnect: own.disconnect, reconnect: own.reconnect }
  })

/** The text of a failure. */
export const messageOf = (error: unknown): string => {
  assert.instanceOf(error, Queue.JobFailed)
  return (error as Queue.JobFailed).message // just checked
}
