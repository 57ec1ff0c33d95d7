import { assert, describe, it } from "@effect/vitest"
import { RedisLive } from "effect-rq"
import * as Effect from "effect/Effect"
import { useCli } from "./support.js"

const cli = useCli()

const assertSummary = (text: string) => {
  const summary = JSON.parse(text)
  assert.isTrue(summary.ok)
  assert.strictEqual(summary.ranOnce, summary.jobs)
  assert.strictEqual(summary.onTime, summary.scheduled)
  assert.strictEqual(summary.early, 0)
  assert.isAtMost(summary.latenessMillis.max, 1000)
  assert.isAbove(summary.promotedBy.A, 0)
  assert.isAbove(summary.promotedBy.B, 0)
  assert.strictEqual(summary.promotedBy.A + summary.promotedBy.B, summary.scheduled)
  // without the clean stop it would be the 15 seconds of a lease
  assert.isAtMost(summary.takeoverMillis, 5000)
}

describe("demo", () => {
  it("shows all that happens, in memory and on a server, and leaves nothing behind", { timeout: 60_000 }, async () => {
    const [shown, inMemory, onServer] = await Promise.all([
      cli.run(["demo"]),
      // It doesn't use what the environment says.
      cli.run(["demo", "--json"], { env: { REDIS_URL: "redis://127.0.0.1:1" } }),
      cli.run(["demo", "--json", "--url", cli.server.url])
    ])
    for (const { code, millis, stderr } of [shown, inMemory, onServer]) {
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.isBelow(millis, 20_000)
    }
    assertSummary(inMemory.stdout)
    assertSummary(onServer.stdout)

    assert.notInclude(shown.stdout, "\u001b")
    const line = (pattern: string) => new RegExp(`^ *\\+\\d+\\.\\d{3}  ${pattern}`, "m")
    assert.match(shown.stdout, line("A  leads "))
    assert.match(shown.stdout, line("B  stands by "))
    assert.match(shown.stdout, line("A  promotes   in 1\\.5 s +\\d+ ms after it was due$"))
    assert.match(shown.stdout, line("[AB]  runs       at \\d\\d:\\d\\d:\\d\\d +\\d+ ms after it was due$"))
    assert.match(shown.stdout, line("A  stops "))
    assert.match(shown.stdout, line("B  leads +took over \\d+ ms after A was told to stop$"))
    assert.match(shown.stdout, line("B  promotes   in 8\\.5 s "))
    assert.match(shown.stdout, /\nSummary\n {2}jobs +(\d+) of \1 ran once /)

    const left = await Effect.runPromise(Effect.scoped(Effect.flatMap(
      RedisLive.make({ url: cli.server.url }),
      (redis) => redis.send<ReadonlyArray<string>>("KEYS", "*")
    )))
    assert.deepStrictEqual(left, [])
  })

  it("cleans up when it is interrupted", { timeout: 30_000 }, async () => {
    const demo = cli.spawn(["demo", "--url", `${cli.server.url}/1`])
    await demo.until(/schedules +in 8\.5 s/)
    demo.kill("SIGINT")
    assert.strictEqual((await demo.done).code, 130)
    const left = await Effect.runPromise(Effect.scoped(Effect.flatMap(
      RedisLive.make({ url: `${cli.server.url}/1` }),
      (redis) => redis.send<ReadonlyArray<string>>("KEYS", "*")
    )))
    assert.deepStrictEqual(left, [])
  })
})
