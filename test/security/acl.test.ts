/**
 * The users of `docs/security.md`, as they stand there, on a real server: each does all of its part, and nothing of the
 * others'.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Control,
  CurrentJob,
  Doctor,
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
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { refusedInScript } from "../../src/internal/permission.js"
import * as keys from "../../src/wire/keys.js"
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

const passwordOf = (name: string): string => users.get(name)!.find((rule) => rule.startsWith(">"))!.slice(1)

describe("the users of docs/security.md", () => {
  it.live("each can do its part, and no other", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([...users.keys()].sort(), ["observer", "operator", "producer", "scheduler", "worker"])
      const server = yield* RedisServer.start()
      const admin = yield* RedisLive.make({ url: server.url })
      for (const [name, rules] of users) yield* admin.send("ACL", "SETUSER", name, "reset", ...rules)
      yield* admin.send("ACL", "LOG", "RESET")
      const as = (name: string) =>
        Layer.mergeAll(Queue.layer, Registry.layer, Lock.layer, Control.layer, Inspector.layer).pipe(
          Layer.provideMerge(RedisLive.layer({ url: server.url, username: name, password: passwordOf(name) }))
        )
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
        yield* queue.enqueueIn("1 hour", Task, { fail: false }, { jobId: "put-off" })
        assert.isTrue((yield* queue.reschedule("put-off", "2036-12-24 09:15")).changed)
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
        assert.isTrue((yield* queue.reschedule("put-off", "2036-12-24 10:15")).changed)
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

  it.live("a worker, and who cancels, name what they may not do", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.start()
      const admin = yield* RedisLive.make({ url: server.url })
      for (const [name, rules] of users) yield* admin.send("ACL", "SETUSER", name, "reset", ...rules)
      yield* admin.send("ACL", "SETUSER", "worker", "-lrange")
      yield* admin.send("ACL", "SETUSER", "operator", "-zrem")
      const as = (name: string) => RedisLive.layer({ url: server.url, username: name, password: passwordOf(name) })
      const admins = yield* Queue.make.pipe(Effect.provideService(Redis.Redis, admin))
      yield* admins.enqueue(Task, { fail: false }, { jobId: "now" })
      yield* admins.enqueueIn("1 hour", Task, { fail: false }, { jobId: "later" })

      const said = yield* Deferred.make<string>()
      const logger = Logger.make(({ message }) => {
        const text = String(message)
        if (text.includes("NOPERM")) Deferred.unsafeDone(said, Effect.succeed(text))
      })
      yield* Worker.make(Tasks).pipe(
        Effect.zipRight(Deferred.await(said)),
        Effect.tap((text) =>
          assert.match(
            text,
            /^Redis refuses what the worker needs: rq:\S+: NOPERM this user has no permissions to run the 'lrange' command$/
          )
        ),
        Effect.scoped,
        Effect.provide(Layer.mergeAll(as("worker"), Handlers, Logger.replace(Logger.defaultLogger, logger)))
      )

      const error = yield* Effect.flatMap(Queue.Queue, (queue) => queue.cancel("later")).pipe(
        Effect.flip,
        Effect.provide(Layer.provide(Queue.layer, as("operator")))
      )
      assert.deepInclude(error, { _tag: "RedisError", code: "NOPERM" })
      assert.include(error.message, "NOPERM this user has no permissions to run the 'zrem' command")
      assert.strictEqual(yield* admin.send("HGET", keys.job("later"), "status"), "scheduled")
    }).pipe(Effect.scoped), 30_000)

  it.live(
    "the doctor, explain and info work with the right user, and name what another one may not",
    () =>
      Effect.gen(function*() {
        const server = yield* RedisServer.start()
        const admin = yield* RedisLive.make({ url: server.url })
        for (const [name, rules] of users) yield* admin.send("ACL", "SETUSER", name, "reset", ...rules)
        const as = (name: string) =>
          Layer.mergeAll(Inspector.layer, Doctor.layer).pipe(
            Layer.provideMerge(RedisLive.layer({ url: server.url, username: name, password: passwordOf(name) }))
          )
        const seconds = (yield* Clock.currentTimeMillis) / 1000
        const old = "enqueued_at 2026-01-01T00:00:00.000000Z"
        const ours = "0123456789ab8def0123456789abcdef"
        // one of each finding that can be mended
        for (
          const command of [
            "SADD rq:queues rq:queue:mail",
            `HSET rq:job:lost data [] origin mail status queued ${old}`,
            `HSET rq:job:twice data [] origin mail status queued ${old}`,
            "RPUSH rq:queue:mail twice twice gone",
            `ZADD rq:deferred:mail ${seconds} waits`,
            "HSET rq:job:waits data [] origin mail status deferred",
            "SADD rq:job::waits:dependencies done",
            "HSET rq:job:done data [] origin mail status finished",
            "ZADD rq:finished:mail +inf done",
            "HSET rq:job:failed data [] origin mail status failed",
            `HSET rq:job:stuck data [] origin mail status started execution ${ours} worker_name w started_at 2026-01-01T00:00:00.000000Z`,
            `HSET rq:job:lapsed data [] origin mail status started execution ${ours} worker_name w`,
            `ZADD rq:wip:mail ${seconds - 100} lapsed:${ours}`,
            "HSET rq:job:handed data [] origin mail status queued",
            "RPUSH rq:effect:handover:mail:dead handed",
            `HSET rq:job:taken data [] origin mail status queued ${old}`,
            "RPUSH rq:queue:mail:intermediate taken",
            `SET rq:queue:mail:intermediate:first_seen:taken ${seconds - 100}`,
            "SET rq:scheduler-lock:mail 4711",
            "SADD rq:workers rq:worker:v",
            "XADD rq:results:stray * type 1",
            "HSET rq:job:other data [] origin other status queued ttl 60",
            "RPUSH rq:queue:other other"
          ]
        ) {
          const [name = "", ...args] = command.split(" ")
          yield* admin.send(name, ...args)
        }
        yield* admin.send("ACL", "LOG", "RESET")
        const refused = admin.send<ReadonlyArray<unknown>>("ACL", "LOG", "100")

        const look = Effect.gen(function*() {
          const { findings } = yield* Effect.flatMap(Doctor.Doctor, ({ examine }) => examine({ pause: 0 }))
          const inspector = yield* Inspector.Inspector
          const stories = yield* Effect.forEach(
            ["twice", "waits", "done", "failed", "lapsed", "stray"],
            inspector.explain
          )
          assert.isTrue(stories.every(Option.isSome))
          const queues = yield* inspector.queues()
          assert.deepStrictEqual(queues.map(({ name, problem }) => [name, problem]), [["mail", Option.none()]])
          yield* inspector.workers()
          yield* inspector.schedulers()
          yield* inspector.leader("mail")
          return findings.filter(({ repair }) => Option.isSome(repair))
        })
        const found = yield* Effect.provide(look, as("observer"))
        const tags = new Set(found.map(({ repair }) => Option.getOrThrow(repair)._tag))
        assert.deepStrictEqual([...tags].sort(), [
          "Abandon",
          "DropDuplicate",
          "DropEntry",
          "EndLock",
          "ExpireResults",
          "ForgetWorker",
          "ListEnded",
          "ListQueue",
          "RequeueLost",
          "RestartLost",
          "ReturnHandover",
          "SettleDependent",
          "ShowOptions",
          "Tidy"
        ])
        assert.lengthOf(yield* Effect.provide(look, as("operator")), found.length)
        assert.deepStrictEqual(yield* refused, [], "looking needs no more than they have")

        // An observer may not mend, and is told of each what he would need.
        yield* Effect.gen(function*() {
          const { mend } = yield* Doctor.Doctor
          for (const finding of found) {
            const error = yield* Effect.flip(mend([finding]))
            assert.deepInclude(error, { _tag: "RedisError", reason: "script", code: "NOPERM" })
            assert.match(
              error.message,
              /^script [a-z-]+: NOPERM this user has no permissions to run the '(set|[lsz]rem|[lr]push|p?expire|hset|sadd)'/
            )
          }
        }).pipe(Effect.provide(as("observer")))
        // Who may not look is told so; it is never taken for a finding.
        for (const name of ["producer", "scheduler", "worker"]) {
          yield* Effect.gen(function*() {
            const doctor = yield* Doctor.Doctor
            const inspector = yield* Inspector.Inspector
            for (const effect of [doctor.examine({ pause: 0 }), inspector.explain("waits")]) {
              const error = yield* Effect.flip(Effect.asVoid<unknown, { readonly _tag: string }, never>(effect))
              assert(error instanceof Redis.RedisError)
              assert.strictEqual(error.code, "NOPERM")
              assert.match(error.message, /NOPERM this user has no permissions to run the '(sscan|get|hgetall)'/)
            }
          }).pipe(Effect.provide(as(name)))
        }
        // Without one of the commands that only scripts use, a job in its place would seem to be lost.
        for (const command of ["zscore", "lpos", "hmget", "llen"]) {
          yield* admin.send("ACL", "SETUSER", "observer", `-${command}`)
          const error = yield* Effect.flip(look).pipe(Effect.provide(as("observer")))
          assert.deepInclude(error, { _tag: "RedisError", code: "NOPERM" })
          assert.include(error.message, `NOPERM this user has no permissions to run the '${command}' command`)
          yield* admin.send("ACL", "SETUSER", "observer", `+${command}`)
        }
        // So is a key that is out of bounds.
        yield* admin.send("ACL", "SETUSER", "observer", "resetkeys", "~rq:queue*", "~rq:job:*")
        const keyless = yield* Effect.flip(look).pipe(Effect.provide(as("observer")))
        assert.deepInclude(keyless, { _tag: "RedisError", code: "NOPERM" })
        assert.match(keyless.message, /NOPERM this user has no permissions to access one of the keys/)

        yield* admin.send("ACL", "LOG", "RESET")
        const mended = yield* Effect.flatMap(Doctor.Doctor, ({ mend }) => mend(found)).pipe(
          Effect.provide(as("operator"))
        )
        assert.deepStrictEqual(mended.filter(({ left }) => Option.isSome(left)), [])
        assert.deepStrictEqual(yield* refused, [])
      }).pipe(Effect.scoped),
    30_000
  )
})

describe("what a server says of a command of a script", () => {
  const lua = `
redis.call("GET", KEYS[1])
local job = redis.call("HGETALL", KEYS[1])
if redis.pcall("EXISTS", KEYS[1]) == 1 and redis.call("HEXISTS", KEYS[1], "x") == 1 then return add(KEYS[1]) end`
  const older = (what: string, line: number) =>
    `ERR The user executing the script can't ${what} script: ${"a".repeat(40)}, on @user_script:${line}.`

  for (
    const [version, message, expected] of [
      ["7.0", older("run this command or subcommand", 3), "to run the 'hgetall' command"],
      [
        "7.0",
        older("access at least one of the keys mentioned in the command arguments", 2),
        "to access one of the keys of the 'get' command"
      ],
      ["7.0", older("run this command or subcommand", 4), "to run the 'exists' or 'hexists' command"],
      ["7.0", older("run this command or subcommand", 5), "to run a command"],
      [
        "6.2",
        `ERR Error running script (call to f_${
          "a".repeat(40)
        }): @user_script:2: @user_script: 2: The user executing the script can't run this command or subcommand`,
        "to run the 'get' command"
      ]
    ] as const
  ) {
    it(`${version}: ${expected}`, () =>
      assert.strictEqual(refusedInScript(message, lua), `NOPERM this user has no permissions ${expected}`))
  }

  it("7.2 names the command itself", () =>
    assert.strictEqual(
      refusedInScript(
        `NOPERM ACL failure in script: User observer has no permissions to run the 'hgetall' command script: ${
          "a".repeat(40)
        }, on @user_script:3.`,
        lua
      ),
      "NOPERM User observer has no permissions to run the 'hgetall' command"
    ))

  it("is nothing of the kind, as a rule", () =>
    assert.isUndefined(refusedInScript("WRONGTYPE Operation against a key holding the wrong kind of value", lua)))
})
