/**
 * A Redis in this process, for tests and for trying things out: no server, no socket, time from Effect's `Clock`.
 *
 * It is a Redis and not a second implementation of effect-rq: it keeps strings, hashes, lists, sets, sorted sets,
 * streams and channels as Redis 7.0 does, gives its replies and its errors, serves blocked connections in the order in
 * which they came, and runs the same Lua scripts as production, in Lua 5.1. Keys expire by the clock of the fiber that
 * asks, so a test that travels in time sees what a server would show after that time.
 *
 * What differs from a server:
 *
 * - A script may touch only keys that it declares (see `Redis`); a server outside a cluster doesn't check that.
 * - A script that goes on for more than a second or so (200 million instructions of Lua) or takes more than 512 MiB is
 *   ended with an error. `math.random` starts anew with each script. Of `cjson` there are `encode`, `decode` and `null`.
 * - Time is that of the fiber that sends the command: fibers with different clocks are answered by different times.
 * - SCAN keeps to its promise but not to a server's order; HSCAN, SSCAN and ZSCAN answer with everything at once.
 * - A command that isn't known fails with a `RedisError` of code `ERR` that names it. There are no transactions, no
 *   consumer groups, no patterns for channels, no databases beside 0, and none of `struct` and `cmsgpack` in Lua.
 * - What DUMP gives is a form of its own: RESTORE takes nothing that a server has dumped.
 * - Nothing is stored on a disk: a store lives as long as something refers to it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryClient from "./redis-memory/client.js"
import * as Dump from "./redis-memory/dump.js"
import * as Internal from "./redis-memory/store.js"
import type { RedisService } from "./Redis.js"
import { Redis } from "./Redis.js"

/**
 * Marks stores.
 *
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("effect-rq/RedisMemory/Store")

/**
 * What a server holds. Several clients may share one, as several hosts share a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store {
  readonly [TypeId]: Internal.Store
}

/**
 * The value of a key, as {@link dump} shows it. Texts are strings of bytes: one character, 0 to 255, for each byte.
 * Sets are sorted, sorted sets are in their order, the fields of a stream's entry alternate with their values.
 *
 * @since 0.1.0
 * @category models
 */
export type Value = Dump.DumpedValue

/**
 * A key's value and when it expires, in milliseconds since the epoch; `null` when it doesn't.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = Dump.DumpedKey

/**
 * A client whose connection can be cut. While it is disconnected every call fails with a `RedisError` of reason
 * `connection`, commands that were blocked have failed, and subscriptions get nothing; they go on after `reconnect`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** What is provided as `Redis`. */
  readonly service: RedisService
  /** Cuts the connection, until `reconnect`. */
  readonly disconnect: Effect.Effect<void>
  /** Connects again; subscriptions and dedicated connections go on. */
  readonly reconnect: Effect.Effect<void>
}

/**
 * An empty store.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RedisMemory } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RedisMemory.makeStore
 *   const client = yield* RedisMemory.makeClient(store)
 *   return yield* client.service.send<number>("DBSIZE") // 0
 * })
 * ```
 */
export const makeStore: Effect.Effect<Store> = Effect.sync(() => ({ [TypeId]: new Internal.Store() }))

/**
 * A client of the store.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RedisMemory } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RedisMemory.makeStore
 *   const client = yield* RedisMemory.makeClient(store)
 *   yield* client.service.send("SET", "k", "v")
 *   yield* client.disconnect
 *   // fails with a RedisError of reason "connection"
 *   return yield* Effect.flip(client.service.send("GET", "k"))
 * })
 * ```
 */
export const makeClient = (store: Store): Effect.Effect<Client> =>
  Effect.sync(() => MemoryClient.makeClient(store[TypeId]))

/**
 * A client of the store, for a test in which several hosts share one Redis.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Redis, RedisMemory } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RedisMemory.makeStore
 *   const host = RedisMemory.layerStore(store)
 *   yield* Redis.Redis.pipe(Effect.flatMap((redis) => redis.send("SET", "k", "v")), Effect.provide(host))
 *   return yield* RedisMemory.dump(store)
 * })
 * ```
 */
export const layerStore = (store: Store): Layer.Layer<Redis> =>
  Layer.effect(Redis, Effect.map(makeClient(store), (client) => client.service))

/**
 * A Redis of its own for each application that is built with it. All parts of one application share it, as they would
 * share a server; where it is provided again, a new and empty one begins.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Redis, RedisMemory } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const redis = yield* Redis.Redis
 *   return yield* redis.send<number>("INCR", "counter")
 * }).pipe(Effect.provide(RedisMemory.layer))
 * ```
 */
export const layer: Layer.Layer<Redis> = Layer.unwrapEffect(Effect.map(makeStore, layerStore))

/**
 * All keys that are alive, by name: for comparing whole states.
 *
 * @since 0.1.0
 * @category inspection
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Job, Queue, RedisMemory } from "effect-rq"
 *
 * const Cleanup = Job.make("app.cleanup")
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RedisMemory.makeStore
 *   const queue = yield* Effect.provide(Queue.make, RedisMemory.layerStore(store))
 *   yield* queue.enqueue(Cleanup)
 *   return (yield* RedisMemory.dump(store))["rq:queue:default"]?.value
 * })
 * ```
 */
export const dump = (store: Store): Effect.Effect<Readonly<Record<string, Entry>>> =>
  Effect.map(Clock.currentTimeMillis, (now) => Dump.dump(store[TypeId], now))

/**
 * Deletes all keys. Known scripts, connections and subscriptions stay.
 *
 * @since 0.1.0
 * @category inspection
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RedisMemory } from "effect-rq"
 *
 * const emptied = (store: RedisMemory.Store) => Effect.as(RedisMemory.flush(store), store)
 * ```
 */
export const flush = (store: Store): Effect.Effect<void> => Effect.sync(() => store[TypeId].db.clear())
