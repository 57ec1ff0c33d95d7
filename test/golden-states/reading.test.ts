/**
 * effect-rq reads every job and lists every registry of every state that RQ 2.10 left.
 */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Queue from "../../src/Queue.js"
import * as Registry from "../../src/Registry.js"
import { suite } from "../conformance/support.js"
import * as Golden from "../support/golden.js"

const registries = {
  scheduled: "scheduled",
  wip: "started",
  finished: "finished",
  failed: "failed",
  deferred: "deferred",
  canceled: "canceled"
} as const

const Services = Layer.merge(Queue.layer, Registry.layer)

/** Dumps whose jobs were pickled: effect-rq says so and goes on. */
const pickled = new Set(["cron_scheduler"])

suite("what RQ 2.10 left, read", (it) => {
  for (const name of Golden.names) {
    it(name, ({ redis, setTime }) =>
      Effect.gen(function*() {
        const golden = Golden.load(name)
        const queue = yield* Queue.Queue
        const registry = yield* Registry.Registry
        setTime(Math.floor(golden.captured_at * 1000))
        for (const [where, state] of Golden.states(golden)) {
          yield* redis.send("FLUSHALL")
          yield* Golden.restore(redis, state)
          for (const [key, entry] of Object.entries(state)) {
            const at = `${where} ${key}`
            const [, jobId] = /^rq:job:([\w-]+)$/.exec(key) ?? []
            const [, kind, queueName] =
              /^rq:(scheduled|wip|finished|failed|deferred|canceled|queue):(\w+)$/.exec(key) ?? []
            if (jobId !== undefined) {
              const hash = Golden.hash(state, key)
              const record = Option.getOrThrow(yield* queue.fetch(jobId))
              assert.strictEqual(record.status, Golden.text(hash["status"]!), at)
              assert.strictEqual(record.queue, hash["origin"] === undefined ? "" : Golden.text(hash["origin"]), at)
              assert.strictEqual(Either.isRight(record.payload), !pickled.has(name), at)
              const results = state[`rq:results:${jobId}`]
              const last = results?.type === "stream" ? results.value.at(-1) : undefined
              assert.strictEqual(Option.isSome(record.outcome), last !== undefined, at)
              const worker = last === undefined ? undefined : Golden.text(last[1]["worker_name"]!)
              assert.strictEqual(
                Option.getOrUndefined(Option.flatMap(record.outcome, (outcome) => outcome.worker)),
                worker === "" ? undefined : worker,
                at
              )
            } else if (kind === "queue" && queueName !== undefined) {
              assert(entry.type === "list", at)
              assert.deepStrictEqual(yield* queue.jobIds(queueName), entry.value.map(Golden.text), at)
            } else if (kind !== undefined && queueName !== undefined) {
              assert(entry.type === "zset", at)
              // the pattern lets only these names through
              const jobs = registry[registries[kind as keyof typeof registries]](queueName)
              const listed = yield* jobs.list()
              assert.deepStrictEqual(
                listed.map((one) => [
                  one.id + Option.match(one.executionId, { onNone: () => "", onSome: (id) => `:${id}` }),
                  Option.match(one.at, { onNone: () => "never", onSome: DateTime.toEpochMillis })
                ]),
                entry.value.map(([member, score]) => [
                  member,
                  score === "inf" || score === -1 ? "never" : Math.round(Number(score) * 1000)
                ]),
                at
              )
              assert.strictEqual(yield* jobs.count, entry.value.length, at)
              assert.deepStrictEqual([...(yield* Stream.runCollect(jobs.stream))], listed, at)
              for (const one of listed) assert.isTrue(yield* jobs.contains(one.id), at)
            }
          }
          const queues = state["rq:queues"]
          assert.deepStrictEqual(
            yield* queue.names,
            queues?.type === "set" ? queues.value.map((key) => key.slice("rq:queue:".length)).sort() : [],
            where
          )
        }
      }).pipe(Effect.provide(Services)))
  }
})
