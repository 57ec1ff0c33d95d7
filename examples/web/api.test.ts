/**
 * The service as its clients see it: a server on a free port, its worker, the embedded Redis.
 */
import { HttpClient, HttpClientRequest, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Queue, RedisMemory, Worker } from "effect-rq"
import { Handlers, Jobs, Resize, router } from "./api.js"

const App = HttpServer.serve(router).pipe(
  Layer.provideMerge(Worker.layer(Jobs)),
  Layer.provide(Handlers),
  Layer.provideMerge(Queue.layer),
  Layer.provide(RedisMemory.layer),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const post = (body: unknown) =>
  HttpClientRequest.post("/resize").pipe(HttpClientRequest.bodyUnsafeJson(body), HttpClient.execute)

it.scopedLive("answers at once, and tells how it went", () =>
  Effect.gen(function*() {
    const queue = yield* Queue.Queue
    const accepted = yield* post({ url: "https://example.org/a.png", width: 100, requestId: "r1" })
    assert.strictEqual(accepted.status, 202)
    assert.deepStrictEqual(yield* accepted.json, { id: "r1", outcome: "enqueued" })

    yield* queue.await(Resize, "r1", { timeout: "10 seconds" })
    const answer = yield* HttpClient.get("/jobs/r1")
    assert.deepStrictEqual(yield* answer.json, {
      id: "r1",
      status: "finished",
      result: { url: "https://example.org/a.png?width=100" }
    })

    const repeated = yield* post({ url: "https://example.org/a.png", width: 100, requestId: "r1" })
    assert.deepStrictEqual(yield* repeated.json, { id: "r1", outcome: "exists" })
  }).pipe(Effect.provide(App)))

it.scopedLive("names the field of what it can't accept", () =>
  Effect.gen(function*() {
    const refused = yield* post({ url: "https://example.org/a.png", width: -1 })
    assert.strictEqual(refused.status, 400)
    assert.match(yield* refused.text, /"field":"payload".*width/)
    assert.strictEqual((yield* HttpClient.get("/jobs/nothing")).status, 404)
  }).pipe(Effect.provide(App)))
