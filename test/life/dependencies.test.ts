/**
 * Jobs that wait for other jobs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Job, Queue } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  consistent,
  enqueueNamed,
  range,
  record,
  Task,
  TaskFailed,
  type TaskHandler,
  travelling,
  type World
} from "./support.js"

const child = (
  world: World,
  id: string,
  dependsOn: ReadonlyArray<string>,
  options: Queue.EnqueueOptions = {},
  millis = 0
) => world.queue.enqueue(Task, { name: id, millis }, { jobId: id, dependsOn, ...options })

/** Fails the jobs whose names begin with "bad". */
const handler: TaskHandler = ({ millis, name }) =>
  Effect.delay(name.startsWith("bad") ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name), millis)

const request = (id: string, dependsOn: ReadonlyArray<string> = []) =>
  Queue.request(Task, { name: id }, { jobId: id, ...(dependsOn.length === 0 ? {} : { dependsOn }) })

describe("the order", () => {
  it.effect("of a chain: each begins in the instant in which the one before has ended", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { handler })
        yield* enqueueNamed(world, ["n0"], 1000)
        for (const index of range(9)) {
          const ref = yield* child(world, `n${index + 1}`, [`n${index}`], {}, 1000)
          assert.strictEqual(ref.outcome, "deferred")
        }
        yield* consistent(world)
        assert.strictEqual(yield* world.registry.deferred("q").count, 9)
        assert.deepStrictEqual((yield* record(world, "n3")).dependsOn, ["n2"])
        yield* world.adjust("20 seconds")
        assert.deepStrictEqual(
          world.ran.map(({ at, name }) => [name, at]),
          range(10).map((index) => [`n${index}`, index * 1000])
        )
        yield* consistent(world)
      })
    ))

  it.effect("of a diamond across queues: released once, when the last parent has ended, whoever ran it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const queue of ["left", "right", "q"]) yield* world.worker(queue, { queues: [queue], handler })
        yield* enqueueNamed(world, ["top"], 1000)
        yield* child(world, "l", ["top"], { queue: "left" }, 2000)
        yield* child(world, "r", ["top"], { queue: "right" }, 5000)
        yield* child(world, "bottom", ["l", "r", "top"], { queue: "q" })
        yield* world.adjust("5999 millis")
        yield* consistent(world)
        assert.strictEqual(yield* world.status("bottom"), "deferred")
        yield* world.adjust("10 seconds")
        assert.deepStrictEqual(world.ran.map(({ at, host, name }) => [name, host, at]), [
          ["top", "q", 0],
          ["l", "left", 1000],
          ["r", "right", 1000],
          ["bottom", "q", 6000]
        ])
        yield* consistent(world)
        assert.deepStrictEqual(
          Object.keys(yield* world.dump).filter((key) => key.includes("dependencies")),
          []
        )
      })
    ))

  it.effect("of many parents that end in one and the same instant, on two workers: once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const host of ["one", "two"]) yield* world.worker(host, { handler })
        const parents = range(20).map((index) => `p${index}`)
        yield* enqueueNamed(world, parents, 1000)
        for (const index of range(20)) yield* child(world, `c${index}`, parents)
        yield* world.adjust("5 seconds")
        assert.lengthOf(world.ran, 40)
        assert.strictEqual(new Set(world.names()).size, 40)
        assert.isTrue(world.ran.slice(20).every(({ at }) => at === 1000))
        yield* consistent(world)
      })
    ))

  it.effect("at the front of what waits, where that is asked for", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* enqueueNamed(world, ["parent", "other"])
        yield* child(world, "back", ["parent"])
        yield* child(world, "front", ["parent"], { atFront: true })
        yield* world.worker("worker", { concurrency: 1 })
        yield* world.settle
        assert.strictEqual(world.names()[1], "front")
        assert.deepStrictEqual(world.names(), ["parent", "front", "other", "back"])
      })
    ))

  it.effect("with parents that have ended, or are not there: at once", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { handler })
        yield* enqueueNamed(world, ["done"])
        yield* world.settle
        assert.strictEqual((yield* child(world, "a", ["done"])).outcome, "enqueued")
        assert.strictEqual((yield* child(world, "b", ["never-there"])).outcome, "enqueued")
        yield* world.settle
        assert.deepStrictEqual(world.names(), ["done", "a", "b"])
        yield* consistent(world)
      })
    ))

  it.effect("takes a JobRef for an id", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const parent = yield* world.queue.enqueue(Task, { name: "parent" })
        const ref = yield* world.queue.enqueue(Task, { name: "child" }, { dependsOn: parent })
        assert.strictEqual(ref.outcome, "deferred")
        assert.deepStrictEqual((yield* record(world, ref.id)).dependsOn, [parent.id])
      })
    ))
})

describe("a parent that fails", () => {
  it.effect("keeps its children waiting, but for those that allow it", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { handler })
        yield* enqueueNamed(world, ["bad"], 1000)
        yield* child(world, "strict", ["bad"])
        yield* child(world, "tolerant", ["bad"], { allowFailure: true })
        yield* world.adjust("1 hour")
        assert.deepStrictEqual(world.names(), ["bad", "tolerant"])
        assert.strictEqual(yield* world.status("strict"), "deferred")
        assert.strictEqual((yield* child(world, "late", ["bad"])).outcome, "deferred")
        assert.strictEqual(
          (yield* child(world, "late tolerant".replace(" ", "-"), ["bad"], { allowFailure: true })).outcome,
          "enqueued"
        )
        yield* consistent(world)
      })
    ))

  it.effect("and is requeued and succeeds releases those that still wait", () =>
    travelling((world) =>
      Effect.gen(function*() {
        let broken = true
        yield* world.worker("worker", {
          handler: ({ name }) =>
            Effect.suspend(() => broken ? Effect.fail(new TaskFailed({ code: 1 })) : Effect.succeed(name))
        })
        yield* enqueueNamed(world, ["parent"], 0, { failureTtl: "1 hour" })
        yield* child(world, "a", ["parent"])
        yield* world.adjust("10 minutes")
        broken = false
        yield* world.queue.requeue("parent")
        yield* world.adjust("1 second")
        assert.deepStrictEqual(world.names(), ["parent", "parent", "a"])
        yield* consistent(world)
      })
    ))

  it.effect("but is retried keeps them waiting until it has succeeded", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", {
          withScheduler: true,
          handler: ({ name }) =>
            Effect.suspend(() =>
              name === "parent" && world.ran.length < 3
                ? Effect.fail(new TaskFailed({ code: 1 }))
                : Effect.succeed(name)
            )
        })
        yield* enqueueNamed(world, ["parent"], 0, { retry: { max: 3, intervals: "10 seconds" } })
        yield* child(world, "a", ["parent"], { allowFailure: true })
        yield* world.adjust("1 minute")
        assert.deepStrictEqual(world.ran.map(({ at, name }) => [name, at]), [
          ["parent", 0],
          ["parent", 10_000],
          ["parent", 20_000],
          ["a", 20_000]
        ])
      })
    ))

  for (const how of ["cancel", "stop", "died"] as const) {
    it.effect(`by ${how} counts as failed: a child that allows failure is released, another waits`, () =>
      travelling((world) =>
        Effect.gen(function*() {
          if (how === "cancel") yield* enqueueNamed(world, ["parent"], 600_000)
          const first = how === "cancel" ? undefined : yield* world.worker("first", { queues: ["q"] })
          if (how !== "cancel") yield* enqueueNamed(world, ["parent"], 600_000, { timeout: "1 hour" })
          yield* child(world, "strict", ["parent"])
          yield* child(world, "tolerant", ["parent"], { allowFailure: true, queue: "other" })
          yield* world.adjust("6 seconds")
          if (how === "died") {
            yield* first!.kill
            yield* world.worker("second", { maxAbandons: 0, queues: ["q"] })
          } else yield* how === "cancel" ? world.queue.cancel("parent") : world.queue.stop("parent")
          yield* world.adjust("30 seconds")
          assert.strictEqual(
            yield* world.status("parent"),
            { cancel: "canceled", stop: "stopped", died: "failed" }[how]
          )
          assert.strictEqual(yield* world.status("strict"), "deferred")
          assert.deepStrictEqual(yield* world.queue.jobIds("other"), ["tolerant"])
          yield* consistent(world)
        })
      ))
  }
})

describe("a parent that is gone", () => {
  it.effect("counts as met: deleted, or with a result that is not kept", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.queue.enqueueIn("1 day", Task, { name: "deleted" }, { jobId: "deleted" })
        yield* child(world, "a", ["deleted"])
        assert.isTrue((yield* world.queue.delete("deleted")).changed)
        assert.strictEqual(yield* world.status("a"), "queued")
        yield* enqueueNamed(world, ["not-kept"], 1000, { resultTtl: 0 })
        yield* child(world, "b", ["not-kept"])
        yield* world.worker("worker", { handler })
        yield* world.adjust("2 seconds")
        assert.sameMembers([...world.names()], ["a", "not-kept", "b"])
        yield* consistent(world)
      })
    ))

  it.effect("with one that is not: the child waits for that", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (const id of ["one", "two"]) yield* world.queue.enqueueIn("1 day", Task, { name: id }, { jobId: id })
        yield* child(world, "a", ["one", "two"])
        yield* world.queue.delete("one")
        assert.strictEqual(yield* world.status("a"), "deferred")
        yield* world.queue.delete("two")
        assert.strictEqual(yield* world.status("a"), "queued")
        yield* consistent(world)
      })
    ))

  it.effect("after its child was canceled or deleted has nobody to release", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.queue.enqueueIn("1 day", Task, { name: "parent" }, { jobId: "parent" })
        for (const id of ["a", "b"]) yield* child(world, id, ["parent"])
        yield* world.queue.cancel("a")
        yield* world.queue.delete("b")
        yield* world.queue.delete("parent")
        assert.strictEqual(yield* world.status("a"), "canceled")
        assert.isNull(yield* world.status("b"))
        assert.deepStrictEqual(yield* world.queue.jobIds("q"), [])
        yield* consistent(world)
      })
    ))
})

describe("enqueueMany", () => {
  it.effect("takes jobs that wait for later ones in the list", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const refs = yield* world.queue.enqueueMany([
          request("d", ["b", "c"]),
          request("b", ["a"]),
          request("c", ["a"]),
          request("a")
        ])
        assert.deepStrictEqual(
          refs.map(({ id, outcome }) => [id, outcome]),
          [["d", "deferred"], ["b", "deferred"], ["c", "deferred"], ["a", "enqueued"]]
        )
        yield* consistent(world)
        yield* world.worker("worker", { handler, concurrency: 1 })
        yield* world.settle
        assert.deepStrictEqual([world.names()[0], world.names()[3]], ["a", "d"])
        assert.lengthOf(world.ran, 4)
      })
    ))

  it.effect("refuses a circle and sends nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        for (
          const circle of [
            [request("a", ["b"]), request("b", ["a"])],
            [request("a", ["c"]), request("b", ["a"]), request("c", ["b"])]
          ]
        ) {
          const error = yield* Effect.flip(world.queue.enqueueMany(circle))
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, "dependsOn") // just checked
          assert.match(error.message, /circle/)
          assert.deepStrictEqual(yield* world.dump, {})
        }
      })
    ))

  it.effect("refuses a circle also when other jobs of the call don't wait, and sends nothing", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* Effect.flip(world.queue.enqueueMany([request("x"), request("a", ["b"]), request("b", ["a"])]))
        assert.deepStrictEqual(yield* world.dump, {})
      })
    ))

  it.effect("takes a hundred levels", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.worker("worker", { handler })
        yield* world.queue.enqueueMany(
          [...range(100)].reverse().map((index) => request(`n${index}`, index === 0 ? [] : [`n${index - 1}`]))
        )
        yield* world.adjust("1 second")
        assert.deepStrictEqual(world.names(), range(100).map((index) => `n${index}`))
        yield* consistent(world)
      })
    ))
})

describe("what can't be", () => {
  it.effect("is refused: itself, no id, a time as well", () =>
    travelling((world) =>
      Effect.gen(function*() {
        const refused = [
          child(world, "a", ["a"]),
          child(world, "a", ["no id"]),
          child(world, "a", [""]),
          world.queue.enqueueIn("1 hour", Task, { name: "a" }, { dependsOn: "b" })
        ]
        for (const one of refused) {
          const error = yield* Effect.flip(one)
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, "dependsOn") // just checked
        }
        assert.deepStrictEqual(yield* world.dump, {})
      })
    ))

  it.effect("no circle can be made by calls one after the other: a job that is there stays as it is", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.queue.enqueueIn("1 day", Task, { name: "a" }, { jobId: "a" })
        yield* child(world, "b", ["a"])
        assert.strictEqual((yield* child(world, "a", ["b"])).outcome, "exists")
        assert.strictEqual(yield* world.status("a"), "scheduled")
        yield* consistent(world)
      })
    ))

  it.effect("nor by replacing one of them, waiting or ended, through others in between", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.queue.enqueueIn("1 day", Task, { name: "a" }, { jobId: "a" })
        yield* child(world, "b", ["a"])
        yield* child(world, "c", ["b"])
        for (const parents of [["b"], ["c"]]) {
          const before = yield* world.dump
          const error = yield* Effect.flip(child(world, "a", parents, { unique: "replace" }))
          assert.instanceOf(error, Job.InvalidJobError)
          assert.strictEqual((error as Job.InvalidJobError).field, "dependsOn") // just checked
          assert.deepStrictEqual(yield* world.dump, before)
        }
        yield* world.queue.cancel("a")
        assert.strictEqual(yield* world.status("b"), "deferred")
        assert.instanceOf(yield* Effect.flip(child(world, "a", ["c"], { unique: "keep" })), Job.InvalidJobError)
        // another parent is no circle
        yield* world.queue.enqueueIn("1 day", Task, { name: "d" }, { jobId: "d" })
        assert.strictEqual((yield* child(world, "a", ["d"], { unique: "keep" })).outcome, "deferred")
        yield* consistent(world)
      })
    ))
})

describe("whether a released job", () => {
  it.effect("counts its TTL from its release", () =>
    travelling((world) =>
      Effect.gen(function*() {
        yield* world.queue.enqueueIn("1 hour", Task, { name: "p" }, { jobId: "p" })
        yield* child(world, "a", ["p"], { ttl: "1 minute" })
        yield* world.adjust("30 minutes")
        assert.strictEqual(yield* world.status("a"), "deferred")
        yield* world.queue.delete("p")
        yield* world.adjust("60 seconds")
        assert.strictEqual(yield* world.status("a"), "queued")
        yield* world.adjust("1 millis")
        assert.deepStrictEqual(yield* world.queue.fetch("a"), Option.none())
      })
    ))
})
