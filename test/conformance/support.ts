/**
 * One suite, run over the in-memory Redis and over a real server.
 *
 * Each test finds an empty Redis. Its clock stands still at an instant that the test sets: what a script is told of the
 * time is then the same on both, and nothing has to wait. Sleeps take real time.
 */
import { afterAll, assert, beforeAll, describe, it as vitest } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Redis from "../../src/Redis.js"
import * as RedisLive from "../../src/RedisLive.js"
import * as RedisMemory from "../../src/RedisMemory.js"
import * as Wire from "../../src/wire/date.js"
import * as JobHash from "../../src/wire/jobHash.js"
import * as keys from "../../src/wire/keys.js"
import * as Golden from "../support/golden.js"
import * as RedisServer from "../support/redis-server.js"

/** 2026-11-24T06:00:00.250Z, with a fraction so that one that gets lost is noticed. */
export const now = 1_795_500_000_250

/** An instant in milliseconds as scripts take it: Unix seconds and RQ's date. */
export const at = (millis: number) => ({ now: Wire.seconds(millis), nowDate: Wire.encode(millis) })

export interface Hands {
  readonly redis: Redis.RedisService
  readonly kind: "memory" | "real"
  /** Sets the clock of the test. */
  readonly setTime: (millis: number) => void
}

export type Body = (hands: Hands) => Effect.Effect<void, unknown, Redis.Redis | Scope.Scope>

export interface It {
  (name: string, body: Body): void
  /** For what only virtual time can show. */
  readonly memory: (name: string, body: Body) => void
}

/** A clock that shows what it was set to, and whose sleeps take real time. */
const handClock = (start: number): Clock.Clock & { readonly set: (millis: number) => void } => {
  const live = Clock.make()
  let millis = start
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    set: (to) => {
      millis = to
    },
    unsafeCurrentTimeMillis: () => millis,
    unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n,
    currentTimeMillis: Effect.sync(() => millis),
    currentTimeNanos: Effect.sync(() => BigInt(millis) * 1_000_000n),
    sleep: (duration) => live.sleep(duration)
  }
}

const run = (kind: Hands["kind"], context: () => Promise<Context.Context<Redis.Redis>>) => (name: string, body: Body) =>
  vitest.live(name, () =>
    Effect.gen(function*() {
      const provided = yield* Effect.promise(context)
      const redis = Context.get(provided, Redis.Redis)
      const clock = handClock(now)
      yield* body({ redis, kind, setTime: clock.set }).pipe(
        Effect.scoped,
        Effect.provide(provided),
        Effect.withClock(clock)
      )
    }))

/** Defines the tests of one file, for both. One server serves all of them. */
export const suite = (name: string, define: (it: It) => void): void => {
  describe(name, () => {
    describe("memory", () => {
      const test = run("memory", () => Effect.runPromise(Effect.scoped(Layer.build(RedisMemory.layer))))
      define(Object.assign(test, { memory: test }))
    })
    describe("real", () => {
      const scope = Effect.runSync(Scope.make())
      let shared: Context.Context<Redis.Redis>
      beforeAll(async () => {
        const layer = Layer.unwrapScoped(
          Effect.map(RedisServer.start(), (server) => RedisLive.layer({ url: server.url }))
        )
        shared = await Effect.runPromise(Layer.buildWithScope(layer, scope))
      })
      afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
      const flushed = async () => {
        await Effect.runPromise(Context.get(shared, Redis.Redis).send("FLUSHALL"))
        return shared
      }
      define(Object.assign(run("real", flushed), { memory: () => {} }))
    })
  })
}

/** A Redis that holds a job, as `enqueue` of Queue would leave it, without any list or registry. */
export const putJob = (
  redis: Redis.RedisService,
  id: string,
  fields: Readonly<Record<string, string>> = {}
): Effect.Effect<void, Redis.RedisError> => {
  const hash = {
    data: "[\"app.test\",null,[],{}]",
    origin: "default",
    description: "app.test()",
    status: "queued",
    timeout: "180",
    created_at: Wire.encode(now),
    ...JobHash.unseenOptions((field) => field in fields).length > 0 ? { last_heartbeat: "" } : {},
    ...fields
  }
  return Effect.asVoid(redis.send("HSET", keys.job(id), ...Object.entries(hash).flat()))
}

export const hash = (
  redis: Redis.RedisService,
  key: string
): Effect.Effect<Readonly<Record<string, string>>, Redis.RedisError> =>
  Effect.map(redis.send<ReadonlyArray<string>>("HGETALL", key), (flat) => {
    const out: Record<string, string> = {}
    for (let i = 0; i < flat.length; i += 2) out[flat[i]!] = flat[i + 1]!
    return out
  })

export const job = (redis: Redis.RedisService, id: string) => hash(redis, keys.job(id))

export const status = (redis: Redis.RedisService, id: string) =>
  redis.send<string | null>("HGET", keys.job(id), "status")

export const list = (redis: Redis.RedisService, key: string) => redis.send<ReadonlyArray<string>>("LRANGE", key, 0, -1)

/** Puts jobs in a queue, in this order. */
export const put = (redis: Redis.RedisService, queue: string, ...ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    for (const id of ids) {
      yield* putJob(redis, id, { origin: queue, enqueued_at: Wire.encode(now - 1000) })
      yield* redis.send("RPUSH", keys.queue(queue), id)
    }
  })

export const waiting = (redis: Redis.RedisService, queue = "default") => list(redis, keys.queue(queue))

/** Members with their scores, as text in the form of JavaScript. */
export const zset = (
  redis: Redis.RedisService,
  key: string
): Effect.Effect<ReadonlyArray<readonly [member: string, score: string]>, Redis.RedisError> =>
  Effect.map(redis.send<ReadonlyArray<string>>("ZRANGE", key, 0, -1, "WITHSCORES"), (flat) => {
    const out: Array<readonly [string, string]> = []
    for (let i = 0; i < flat.length; i += 2) {
      const score = Number(flat[i + 1])
      out.push([flat[i]!, Number.isNaN(score) ? flat[i + 1]! : String(score)])
    }
    return out
  })

export const members = (redis: Redis.RedisService, key: string) =>
  redis.send<ReadonlyArray<string>>("ZRANGE", key, 0, -1)

/** The whole state; times to live are left out, since they pass on a server. */
export const state = (redis: Redis.RedisService): Effect.Effect<unknown, Redis.RedisError> =>
  Effect.map(
    Golden.dump(redis),
    (all) => Object.fromEntries(Object.entries(all).map(([key, entry]) => [key, { ...entry, ttl_ms: undefined }]))
  )

/** A key lives for so many seconds from now; on a server a moment of it has passed. */
export const assertTtl = (redis: Redis.RedisService, key: string, seconds: number) =>
  Effect.map(redis.send<number>("PTTL", key), (millis) => {
    assert.isAtMost(millis, seconds * 1000, key)
    assert.isAbove(millis, seconds * 1000 - 5000, key)
  })

export const assertNoTtl = (redis: Redis.RedisService, key: string) =>
  Effect.map(redis.send<number>("PTTL", key), (millis) => assert.strictEqual(millis, -1, key))

/** The call is refused for a key of a wrong type, and nothing at all was written. */
export const assertRefusedUnchanged = <A>(
  redis: Redis.RedisService,
  call: Effect.Effect<A, Redis.RedisError>
): Effect.Effect<void, Redis.RedisError | A> =>
  Effect.gen(function*() {
    const before = yield* state(redis)
    const error = yield* Effect.flip(call)
    assert.strictEqual(error.reason, "script")
    assert.strictEqual(error.code, "WRONGTYPE")
    assert.match(error.message, /rq:\S+ holds a \w+, expected a \w+/)
    assert.deepStrictEqual(yield* state(redis), before)
  })

/** The call changes nothing at all. */
export const assertUnchanged = <A, E>(
  redis: Redis.RedisService,
  call: Effect.Effect<A, E>
): Effect.Effect<A, E | Redis.RedisError> =>
  Effect.gen(function*() {
    const before = yield* state(redis)
    const answer = yield* call
    assert.deepStrictEqual(yield* state(redis), before)
    return answer
  })
