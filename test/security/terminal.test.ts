/**
 * Anyone who may write to Redis chooses names, ids and messages. The command line shows them, and a terminal must not obey
 * them; nor does a password come out of it.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisLive } from "effect-rq"
import * as Effect from "effect/Effect"
import { json, printable, printableLines } from "../../src/cli/terminal.js"
import { useCli } from "../cli/support.js"
import { freePort } from "../support/redis-server.js"

const cli = useCli()

const evil = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egnp.exe\u0008\r"

// eslint-disable-next-line no-control-regex -- these are what is looked for
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe("what a terminal would obey", () => {
  it("is escaped", () => {
    assert.strictEqual(printable("a\u001b[2J\nb\u0000\u202e"), "a\\x1b[2J b\\x00\\u202e")
    assert.strictEqual(printableLines("a\r\n\tb\u001b"), "a\n\tb\\x1b")
    assert.strictEqual(json({ [evil]: evil }).match(obeyed), null)
    assert.deepStrictEqual(JSON.parse(json({ [evil]: evil })), { [evil]: evil })
  })

  it("is never printed, whichever verb shows it", { timeout: 60_000 }, async () => {
    const id = `id${evil}`
    const fields = [
      ["data", JSON.stringify([`name${evil}`, null, [evil], { [evil]: evil }])],
      ["origin", "q"],
      ["description", `d${evil}`],
      ["status", "scheduled"],
      ["worker_name", `w${evil}`],
      ["created_at", "2026-11-23T17:08:22.532000Z"],
      ["enqueued_at", "2026-11-23T17:08:22.532000Z"],
      ["meta", JSON.stringify({ [evil]: evil })]
    ].flat()
    const broken = ["data", "x", "status", `s${evil}`]
    const commands: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = [
      ["SADD", "rq:queues", "rq:queue:q", `rq:queue:q${evil}`],
      ["HSET", `rq:job:${id}`, ...fields],
      ["HSET", `rq:job:broken${evil}`, ...broken],
      ["RPUSH", `rq:queue:q${evil}`, id],
      ["ZADD", "rq:scheduled:q", "4000000000", id, "4000000001", `broken${evil}`],
      ["ZADD", "rq:failed:q", "4000000000", id],
      ["XADD", `rq:results:${id}`, "*", "type", "2", "worker_name", evil, "error", JSON.stringify(evil)],
      ["SET", "rq:scheduler-lock:q", `leader${evil}`],
      ["SADD", "rq:workers", `rq:worker:w${evil}`],
      ["HSET", `rq:worker:w${evil}`, "state", evil, "queues", `q${evil}`, "hostname", evil, "current_job", evil],
      ["SADD", "rq:effect:paused", evil]
    ]
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const redis = yield* RedisLive.make({ url: cli.server.url })
      for (const [command, ...args] of commands) yield* redis.send(command, ...args)
    })))
    const verbs: ReadonlyArray<ReadonlyArray<string>> = [
      ["info"],
      ["info", "--raw"],
      ["info", "--json"],
      ["scheduled"],
      ["job", "show", id],
      ["job", "show", `broken${evil}`],
      ["job", "history", id],
      ["requeue", id, `broken${evil}`]
    ]
    const done = await Promise.all(verbs.map((verb) => cli.run(verb)))
    done.forEach(({ stderr, stdout }, index) => {
      assert.isAbove((stdout + stderr).length, 0)
      assert.isNull((stdout + stderr).match(obeyed), verbs[index]!.join(" "))
    })
    assert.include(done[0]!.stdout, "\\x1b")
  })
})

describe("the password in a url", () => {
  it("is not printed, whatever is wrong", { timeout: 60_000 }, async () => {
    const secret = "hunter2-secret"
    const port = await Effect.runPromise(freePort)
    const urls = [
      `redis://user:${secret}@127.0.0.1:${port}/0`,
      `redis://:${secret}@127.0.0.1:${cli.server.port}/0`,
      `redis://127.0.0.1:${port}/?password=${secret}`,
      `redis://user:${secret}@127.0.0.1:notaport/0`,
      `http://user:${secret}@127.0.0.1/`,
      `redis://user:${secret}%zz@127.0.0.1:${port}/0`
    ]
    const runs = await Promise.all([
      ...urls.map((url) => cli.run(["info", "--url", url])),
      cli.run(["info", "--json"], { env: { REDIS_URL: urls[0]! } }),
      cli.run(["worker", "--jobs", "jobs.js", "--burst", "--log-level", "debug", "--url", urls[0]!])
    ])
    for (const { stderr, stdout } of runs) {
      assert.isAbove((stdout + stderr).length, 0)
      assert.notInclude(stdout + stderr, secret)
    }
  })
})
