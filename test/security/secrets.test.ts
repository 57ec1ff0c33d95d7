/**
 * What is secret stays so: payloads and credentials are in no log, no error, no span, no failure that is kept, and in
 * nothing that is told of a deployment.
 */
import { assert, describe, it } from "@effect/vitest"
import { Inspector, Job, JobGroup, Queue, Redis, RedisLive, Registry, Worker } from "effect-rq"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import * as keys from "../../src/wire/keys.js"
import * as RedisServer from "../support/redis-server.js"

const secret = "s3cr3t-m4rk3r"
const password = "p4ssw0rd-m4rk3r"

/** All that an object shows to who logs it, its cause and its hidden fields as well. */
const seen = (value: unknown): string =>
  inspect(value, { depth: 12, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity })

const collecting = (lines: Array<string>) =>
  Layer.mergeAll(
    Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ annotations, cause, message }) => {
        lines.push(
          seen(message),
          seen(HashMap.toEntries(annotations)),
          Cause.pretty(cause, { renderErrorCause: true }),
          seen(cause)
        )
      })
    ),
    Logger.minimumLogLevel(LogLevel.All)
  )

/** Spans with all that is noted in them. */
const tracing = (lines: Array<string>) =>
  Layer.setTracer(Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      lines.push(name)
      return {
        _tag: "Span",
        name,
        spanId: "1",
        traceId: "1",
        parent,
        context: Context.merge(context, Context.empty()),
        status: { _tag: "Started", startTime },
        attributes,
        links,
        sampled: true,
        kind,
        end: (_time: bigint, exit: Exit.Exit<unknown, unknown>) => {
          lines.push(seen([...attributes]), seen(exit))
        },
        attribute: (key: string, value: unknown) => {
          attributes.set(key, value)
          lines.push(key, seen(value))
        },
        event: (name: string, _time: bigint, attributes?: Record<string, unknown>) =>
          lines.push(name, seen(attributes)),
        addLinks: () => {}
      } as Tracer.Span // as much of a span as there is
    }
  }))

const Login = Job.make("app.login", {
  payload: { user: Schema.String, password: Schema.String.pipe(Schema.minLength(5)), age: Schema.optional(Schema.Int) },
  success: Schema.Struct({ token: Schema.String.pipe(Schema.maxLength(3)) }),
  queue: "secrets"
})
const Jobs = JobGroup.make(Login)

const whole = { user: secret, password: secret }

describe("secrets", () => {
  it.live("are in no log, error, span or report", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const server = yield* RedisServer.start({ password })
      const services = Layer.mergeAll(Queue.layer, Registry.layer, Inspector.layer).pipe(
        Layer.provideMerge(RedisLive.layer({ url: Redacted.make(server.url) }))
      )
      const note = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.exit(effect), (exit) => {
          lines.push(seen(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "")
          return exit
        })
      const fails = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(note(effect), (exit) => assert.isTrue(Exit.isFailure(exit)))

      yield* Effect.gen(function*() {
        const queue = yield* Queue.Queue
        const redis = yield* Redis.Redis
        const inspector = yield* Inspector.Inspector
        const enqueue = (payload: unknown, jobId: string) =>
          queue.enqueue(Login, payload as typeof whole, { jobId, description: "a login" }) // what JavaScript passes
        // what is refused when it is enqueued
        yield* fails(enqueue({ user: 1, password: secret }, "wrong"))
        yield* fails(enqueue({ user: secret, password: "abc", more: secret }, "wrong"))
        yield* fails(enqueue({ user: secret, password: 5n, age: secret }, "wrong"))
        yield* fails(enqueue({ user: { toJSON: () => secret }, password: secret }, "wrong"))
        yield* fails(enqueue(secret, "wrong"))
        yield* fails(
          queue.enqueue(Login, whole, { meta: { n: NaN, text: secret }, jobId: "wrong meta" })
        )
        // what Redis refuses
        yield* redis.send("SET", keys.queue("taken"), secret)
        yield* fails(queue.enqueue(Login, whole, { queue: "taken" }))
        yield* fails(redis.send("HSET", "odd", secret))
        yield* fails(redis.send("NOSUCHCOMMAND", secret))

        // what runs, well or badly
        const odd = [
          `["app.login",null,[],{"user":"${secret}","password":"${secret}","age":"${secret}"}]`,
          `["app.login",null,[],{"user":"${secret}"`,
          `["app.login",null,["${secret}"],{"user":"${secret}"}]`,
          `["app.login","${secret}",[],{}]`,
          `"${secret}"`,
          `["app.login",null,"${secret}",{}]`,
          `["app.other",null,[],{"user":"${secret}"}]`,
          secret
        ]
        const suspended = redis.send("SET", keys.suspended, "1")
        yield* suspended
        const refs = yield* Effect.forEach(
          ["good", "refused", ...odd.map((_, i) => `odd${i}`)],
          (id) => enqueue(whole, id)
        )
        for (const [index, data] of odd.entries()) yield* redis.send("HSET", keys.job(`odd${index}`), "data", data)
        yield* redis.send("DEL", keys.suspended)
        const Handlers = Jobs.toLayer({ "app.login": () => Effect.succeed({ token: "long-token" }) })
        yield* note(Effect.provide(Worker.run(Jobs, { burst: true, queues: ["secrets"], name: "w" }), Handlers))
        yield* fails(queue.await(Login, "good", { timeout: "1 second" }))
        for (const { id } of refs) {
          const found = yield* queue.fetch(id)
          assert(Option.isSome(found))
          assert.strictEqual(found.value.status, "failed", id)
          // the payload itself is what was asked for; how it failed is not
          lines.push(seen(found.value.outcome), seen(yield* queue.history(id)))
          const payload = found.value.payload
          if (payload._tag === "Left") lines.push(seen(payload.left))
        }
        const registry = yield* Registry.Registry
        yield* note(registry.failed("secrets").list())
        yield* note(inspector.queues())
        yield* note(inspector.workers())
        yield* note(inspector.schedulers(["secrets"]))
      }).pipe(Effect.provide(services))

      // credentials that are wrong, and a server that is gone
      const ping = (url: string) =>
        Effect.scoped(
          Effect.flatMap(
            RedisLive.make({ url, commandTimeout: "300 millis", connectTimeout: "300 millis" }),
            (redis) => redis.send("PING", secret)
          )
        )
      yield* fails(ping(server.url.replace(password, secret)))
      yield* server.stop
      yield* fails(ping(server.url))
      yield* fails(ping(`redis://user:${password}@127.0.0.1:99999`))
      yield* fails(ping(`redis//user:${password}@127.0.0.1`))

      for (const line of lines) {
        for (const word of [secret, password]) {
          const at = line.indexOf(word)
          assert.strictEqual(at, -1, `...${line.slice(Math.max(0, at - 900), at + 300)}`)
        }
      }
      assert.isAbove(lines.length, 40)
    }).pipe(
      Effect.scoped,
      (program) =>
        Effect.suspend(() => {
          const logged: Array<string> = []
          return program.pipe(
            Effect.withSpan("test"),
            Effect.provide(Layer.merge(collecting(logged), tracing(logged))),
            Effect.tap(() => {
              assert.isNotEmpty(logged)
              for (const line of logged) {
                for (const word of [secret, password]) assert.notInclude(line, word)
              }
            })
          )
        })
    ), 30_000)
})
