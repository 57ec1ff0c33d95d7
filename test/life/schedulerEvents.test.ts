/**
 * The events of a scheduler: the last hundred for who comes late, and none of them kept for longer.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue, RedisMemory, Scheduler } from "effect-rq"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as V8 from "node:v8"
import * as Vm from "node:vm"

const Ping = Job.make("app.ping", { queue: "q" })

V8.setFlagsFromString("--expose-gc")
// What the flag has just added to the global scope of new contexts.
const collect = Vm.runInNewContext("gc") as () => void

const services = Queue.layer.pipe(Layer.provideMerge(RedisMemory.layer))

/** Has one job after the other promoted, each with an event of its own. */
const promote = (scheduler: Scheduler.SchedulerService, count: number) =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    for (let i = 0; i < count; i++) {
      const before = (yield* scheduler.status).queues[0]!.promoted
      yield* queue.enqueueAt(new Date(0), Ping)
      yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), scheduler.status), {
        until: ({ queues }) => queues[0]!.promoted > before
      })
    }
  })

const untilLeading = (scheduler: Scheduler.SchedulerService) =>
  Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), scheduler.status), {
    until: ({ queues }) => queues[0]!.leadingSince._tag === "Some"
  })

describe("the events of a scheduler", () => {
  it.scopedLive("are not kept for as long as somebody listens", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler.make({ queues: ["q"] })
      yield* untilLeading(scheduler)
      const seen: Array<WeakRef<Scheduler.SchedulerEvent>> = []
      yield* Effect.fork(Stream.runForEach(scheduler.events, (event) =>
        Effect.sync(() => {
          seen.push(new WeakRef(event))
        })))
      yield* promote(scheduler, 150)
      yield* Effect.sleep("20 millis")
      collect()
      assert.isAtLeast(seen.length, 150)
      const kept = seen.filter((event) => event.deref() !== undefined).length
      assert.isAtMost(kept, 110)
    }).pipe(Effect.provide(services)))

  it.scopedLive("are told in order, the last hundred of those before first, and each once", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler.make({ queues: ["q"] })
      yield* untilLeading(scheduler)
      const early = yield* Effect.fork(Stream.runCollect(Stream.take(scheduler.events, 111)))
      yield* promote(scheduler, 110)
      const late = yield* Stream.runCollect(Stream.take(scheduler.events, 100))
      const all = Chunk.toReadonlyArray(yield* Fiber.join(early))
      assert.strictEqual(all[0]?._tag, "Elected")
      const ids = all.flatMap((event) => event._tag === "Promoted" ? event.jobIds : [])
      assert.strictEqual(new Set(ids).size, 110)
      assert.deepStrictEqual(Chunk.toReadonlyArray(late), all.slice(-100))
    }).pipe(Effect.provide(services)))
})
