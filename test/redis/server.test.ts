import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as RedisServer from "../support/redis-server.js"

const connects = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ host: "127.0.0.1", port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

it.effect("a server starts, ends, starts again, and is gone with the scope", () =>
  Effect.gen(function*() {
    const port = yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* RedisServer.start()
      const pid = yield* server.pid
      assert.isTrue(yield* connects(server.port))
      yield* server.kill
      assert.isFalse(yield* connects(server.port))
      yield* server.restart
      assert.isTrue(yield* connects(server.port))
      assert.notStrictEqual(yield* server.pid, pid)
      yield* server.stop
      assert.isFalse(yield* connects(server.port))
      yield* server.restart
      return server.port
    }))
    assert.isFalse(yield* connects(port))
  }))
