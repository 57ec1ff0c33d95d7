/**
 * The users of `docs/security.md`, as they stand there, on a real server: each does all of its part, and nothing of the
 * others'.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Control,
  CurrentJob,
  Inspector,
  Job,
  JobGroup,
  Lock,
  Queue,
  Redis,
  RedisLive,
  Registry,
  Scheduler,
  Worker
} from "effect-rq"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "../package/sources.js"
import * as RedisServer from "../support/redis-server.js"

const Task = Job.make("test.task", { payload: { fail: Schema.Boolean }, success: Schema.String, error: Schema.String })
const Tasks = JobGroup.make(Task)
const Handlers = Tasks.toLayer({
  "test.task": ({ fail }) =>
    Effect.gen(function*() {
      const job = yield* CurrentJob.CurrentJob
      yield* Effect.orDie(job.updateMeta({ seen: true }))
      yield* Effect.orDie(job.heartbeat)
      return yield* fail ? Effect.fail("failed") : Effect.succeed("done")
    })
})

/** `user NAME on >PASSWORD ...` of the page, as ACL SETUSER takes them. */
const users = new Map(
  [...Fs.readFileSync(Path.join(root, "docs", "security.md"), "utf8").matchAll(/^user (\w+) ((?:.*\\\n)*.*)$/gm)]
    .map(([, name, rules]) => [name!, rules!.replaceAll("\\\n", " ").trim().split(/\s+/)] as const)
)

describe("the users of docs/security.md", () => {
  it.live("each can do its part, and no other", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([...users.keys()].sort(), ["observer", "operator", "producer", "scheduler", "worker"])
      const server = yield* RedisServer.start()
      const admin = yield* RedisLive.make({ url: server.url })
      for (const [name, rules] of users) yield* admin.send("ACL", "SETUSER", name, "reset", ...rules)
      yield* admin.send("ACL", "LOG", "RESET")
      const as = (name: string) => {
        const [, password] = /^>(.*)$/.exec(users.get(name)!.find((rule) => rule.startsWith(">"))!)!
        return Layer.mergeAll(Queue.layer, Registry.layer, Lock.layer, Control.layer, Inspector.layer).pipe(
          Layer.provideMerge(RedisLive.layer({ url: server.url, username: name, password: password! }))
        )
      }
      const refusals = Effect.map(
        admin.send<ReadonlyArray<ReadonlyArray<unknown>>>("ACL", "LOG", "100"),
        (log) =>
          log.map((entry) => {
            const of = (field: string) => String(entry[entry.indexOf(field) + 1])
            return `${of("username")} ${of("object")}`
          })
      )
      /** Refused, and nothing was refused before. */
      const denied = <A, R>(effect: Effect.Effect<A, { readonly _tag: string }, R>) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* refusals, [])
          const outcome = yield* Effect.either(effect)
          assert(outcome._tag === "Left")
          assert.match(JSON.stringify(outcome.left), /NOPERM|ACL failure|The user executing the script can't/)
          yield* admin.send("ACL", "LOG", "RESET")
        })

      yield* Effect.gen(function*() {
        const queue = yield* Queue.Queue
        yield* queue.enqueue(Task, { fail: false }, { jobId: "now" })
        yield* queue.enqueue(Task, { fail: true }, { jobId: "bad", atFront: true, ttl: "1 hour", failureTtl: "1 hour" })
        yield* queue.enqueueIn("300 millis", Task, { fail: false }, { jobId: "later" })
        yield* queue.enqueue(Task, { fail: false }, {
          jobId: "after",
          dependsOn: "now",
          unique: "replace",
          uniqueFor: 60_000
        })
        yield* queue.enqueueMany([
          Queue.request(Task, { fail: false }),
          Queue.request(Task, { fail: false }, { in: 10 })
        ])
        const redis = yield* Redis.Redis
        for (
          const command of [["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["GET", "other:key"], ["DEL", "x"]]
        ) {
          yield* denied(redis.send(command[0]!, ...command.slice(1)))
        }
        yield* denied(Effect.flatMap(Control.Control, (control) => control.shutdown("w")))
        yield* denied(Effect.flatMap(Control.Control, (control) => control.suspend()))
      }).pipe(Effect.provide(as("producer")))

      yield* Effect.gen(function*() {
        const scheduler = yield* Scheduler.make({ queues: ["default"], tick: 100 })
        // its connection lives as long as the scope
        const forWorker = yield* Layer.build(Layer.merge(as("worker"), Handlers))
        yield* Effect.provide(
          Worker.make(Tasks, { queues: ["default"], name: "w", heartbeat: "1 second" }),
          forWorker
        )
        const found = yield* Effect.gen(function*() {
          const queue = yield* Queue.Queue
          const inspector = yield* Inspector.Inspector
          const first = yield* Effect.exit(queue.await(Task, "now", { timeout: "5 seconds" }))
          assert.deepStrictEqual(yield* refusals, [], "of what each has to do")
          assert.deepStrictEqual(first, Exit.succeed("done"))
          assert.strictEqual(yield* queue.await(Task, "later", { timeout: "10 seconds" }), "done")
          assert.strictEqual(yield* queue.await(Task, "after", { timeout: "10 seconds" }), "done")
          assert.isTrue(Exit.isFailure(yield* Effect.exit(queue.await(Task, "bad", { timeout: "10 seconds" }))))
          return [yield* inspector.queues(), yield* inspector.workers(), yield* inspector.schedulers()] as const
        }).pipe(Effect.provide(as("operator")))
        assert.lengthOf(found[1], 1)
        assert.lengthOf(found[2], 1)
        yield* Effect.sleep("1200 millis") // a heartbeat, and a look for dead workers
        assert.isTrue((yield* scheduler.status).connected)
        const redis = yield* Redis.Redis
        yield* denied(redis.send("XADD", "rq:results:x", "*", "type", "1"))
        yield* denied(redis.send("LPOP", "rq:queue:default"))
      }).pipe(Effect.scoped, Effect.provide(as("scheduler")))

      yield* Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        const inspector = yield* Inspector.Inspector
        assert.isNotEmpty(yield* inspector.queues())
        yield* queue.fetch("now")
        yield* queue.history("bad")
        yield* queue.names
        yield* registry.failed("default").list()
        const redis = yield* Redis.Redis
        yield* denied(queue.enqueue(Task, { fail: false }))
        yield* denied(queue.requeue("bad"))
        yield* denied(redis.send("DEL", "rq:job:now"))
      }).pipe(Effect.provide(as("observer")))

      yield* Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const control = yield* Control.Control
        yield* queue.requeue("bad")
        yield* queue.cancel("bad")
        yield* queue.delete("bad")
        yield* control.suspend({ duration: "1 minute" })
        yield* control.resume
        yield* control.pause("default")
        yield* control.unpause("default")
        yield* control.shutdown("w")
        yield* queue.empty("default")
        const lock = yield* Lock.Lock
        yield* Effect.void.pipe(lock.withLock("l"))
      }).pipe(Effect.provide(as("operator")))

      // nothing that belongs to somebody's part was refused
      assert.deepStrictEqual(yield* refusals, [])
    }).pipe(Effect.scoped), 30_000)
})
