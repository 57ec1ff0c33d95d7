/**
 * `doctor` and `explain` from the command line, on a server.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisLive } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "../package/sources.js"
import { useCli } from "./support.js"

const cli = useCli()

const send = (...commands: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const redis = yield* RedisLive.make({ url: cli.server.url })
    for (const command of commands) {
      const [name = "", ...args] = command.split(" ")
      yield* redis.send(name, ...args)
    }
  }).pipe(Effect.scoped, Effect.runPromise)

describe("doctor", { timeout: 60_000 }, () => {
  it("is content, complains, and mends", async () => {
    await send("CONFIG SET appendonly yes")
    const well = await cli.run(["doctor"])
    assert.deepStrictEqual([well.code, well.stdout, well.stderr], [
      0,
      "looked at 0 jobs in 0 queues: all is well\n",
      ""
    ])

    await send(
      "SADD rq:queues rq:queue:mail",
      "HSET rq:job:lost data [] origin mail status queued enqueued_at 2026-01-01T00:00:00.000000Z",
      "HSET rq:job:due data [] origin mail status scheduled",
      "ZADD rq:scheduled:mail 99999999999 due"
    )
    const ill = await cli.run(["doctor", "mail"])
    assert.strictEqual(ill.code, 1)
    assert.strictEqual(
      ill.stdout,
      `error    job lost of mail is queued, and in no place: no worker will find it
         effect-rq doctor --fix puts it at the front of its queue, once it has been so for a minute
error    no scheduler leads mail, where a job is scheduled: nothing is promoted
         start one: effect-rq scheduler mail, or a worker with --with-scheduler
looked at 2 jobs in 1 queue: 2 errors, 0 warnings, 0 for information
`
    )
    assert.strictEqual(ill.stderr, "effect-rq: 2 errors\n")

    const fixed = await cli.run(["doctor", "--queue", "mail", "--fix", "--json", "--sample", "100"])
    assert.deepStrictEqual([fixed.code, fixed.stderr], [1, "effect-rq: 1 error left\n"])
    const report = JSON.parse(fixed.stdout)
    assert.deepInclude(report, { healthy: false, jobs: 2, queues: 1, unverified: 0, complete: true })
    assert.deepInclude(report.findings[0], {
      code: "lost-job",
      severity: "error",
      invariant: 1,
      job: "lost",
      queue: "mail",
      mendable: true,
      mended: true,
      left: null
    })
    assert.deepInclude(report.findings[1], { code: "no-scheduler", mendable: false, mended: null, left: null })

    // what is left is no error: nobody works, which a deployment may be about to change
    await send("DEL rq:job:due rq:scheduled:mail")
    const warned = await cli.run(["doctor"])
    assert.deepStrictEqual([warned.code, warned.stderr], [0, ""])
    assert.match(warned.stdout, /^warning {2}no worker listens on mail, where 1 job waits\n/)
  })

  it("says what it passed over", async () => {
    await send(
      "DEL rq:queue:mail",
      "HSET rq:job:waits data [] origin mail status queued",
      "RPUSH rq:effect:handover:mail:dead waits gone"
    )
    const { code, stdout } = await cli.run(["doctor", "mail", "--fix"])
    assert.strictEqual(code, 0, stdout)
    assert.match(
      stdout,
      /^error .*handed over to worker dead, which is dead.*\n {9}mended\n {9}passed over gone: there is no such job$/m
    )
    await send("RPUSH rq:effect:handover:mail:dead gone")
    const { findings } = JSON.parse((await cli.run(["doctor", "mail", "--fix", "--json"])).stdout)
    assert.deepInclude(findings[0], {
      code: "stray-handover",
      mended: true,
      left: null,
      skipped: ["gone: there is no such job"]
    })
  })

  it("looks as the observer of docs/security.md, and may not mend as that one", async () => {
    const page = Fs.readFileSync(Path.join(root, "docs", "security.md"), "utf8")
    const rules = /^user observer ((?:.*\\\n)*.*)$/m.exec(page)![1]!.replaceAll("\\\n", " ").trim().split(/\s+/)
    await send(
      `ACL SETUSER observer reset ${rules.join(" ")}`,
      "HSET rq:job:seen data [] origin mail status queued enqueued_at 2026-01-01T00:00:00.000000Z"
    )
    const { host } = new URL(cli.server.url)
    const env = { REDIS_URL: `redis://observer:${rules.find((rule) => rule.startsWith(">"))!.slice(1)}@${host}` }
    const story = await cli.run(["explain", "seen"], { env })
    assert.deepStrictEqual([story.code, story.stderr], [0, ""])
    const info = await cli.run(["info"], { env })
    assert.deepStrictEqual([info.code, info.stderr], [0, ""])
    const ill = await cli.run(["doctor"], { env })
    assert.deepStrictEqual([ill.code, ill.stderr], [1, "effect-rq: 1 error\n"])
    assert.match(ill.stdout, /^error +job seen of mail is queued, and in no place/)
    const refused = await cli.run(["doctor", "--fix"], { env })
    assert.strictEqual(refused.code, 1)
    assert.match(
      refused.stderr,
      /^effect-rq: .*script requeue-lost: NOPERM this user has no permissions to run the 'lpush' command/
    )
    await send("DEL rq:job:seen")
  })

  it("says what it can't understand", async () => {
    const { code, stderr } = await cli.run(["doctor", "--sample", "0"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^effect-rq: --sample: expected a whole number from 1 .*\nusage: effect-rq doctor/)
  })
})

describe("explain", { timeout: 60_000 }, () => {
  it("tells the life of a job in a table and as JSON, and of one that is gone that it is", async () => {
    await cli.run(["enqueue", "app.greet", "name=Ada", "--job-id", "ada", "-q", "ex", "--schedule-in", "50ms"])
    const worker = cli.spawn(["worker", "ex", "--jobs", "jobs.js", "--name", "w-ex", "--with-scheduler"])
    await worker.until(/job ada finished|job ada succeeded|job ada started/)
    await cli.run(["job", "wait", "ada", "--timeout", "30s"])
    worker.kill("SIGTERM")
    const done = await worker.done
    assert.strictEqual(done.code, 0)
    const scheduler = /leads queue ex .*scheduler=(\d+)/.exec(done.stderr)?.[1]

    const { code, stdout } = await cli.run(["explain", "ada"])
    assert.strictEqual(code, 0)
    const rows = stdout.split("\n")
    assert.match(rows[0]!, /^ada is finished in ex: app\.greet\(name='Ada'\)$/)
    assert.match(rows[2]!, /^TIME +AFTER +BY +WHAT$/)
    assert.match(rows[3]!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* \+00:00 +created$/)
    assert.isTrue(rows.some((row) => row.includes(`${scheduler}`) && / promoted into ex, \d/.test(row)), stdout)
    assert.isTrue(
      rows.some((row) => /^ {4}why: no scheduler is known to have led ex until \d+ was elected/.test(row)),
      stdout
    )

    const story = await cli.json(["explain", "ada"])
    assert.deepInclude(story, { id: "ada", status: "finished", queue: "ex", leader: null, waitsFor: [] })
    assert.deepStrictEqual(
      story.moments.map(({ by, what }: { readonly by: string | null; readonly what: string }) => [what, by]),
      [["created", null], ["due", null], ["promoted", scheduler], ["started", "w-ex"], ["succeeded", "w-ex"]]
    )
    assert.match(story.moments[0].at, /^\d{4}-.*Z$/)
    assert.isNull(story.moments[0].afterMillis)
    assert.isNumber(story.moments[2].afterMillis)
    assert.deepInclude(story.moments[2].reasons[0], { kind: "no-leader" })

    const gone = await cli.run(["explain", "nobody"])
    assert.deepStrictEqual([gone.code, gone.stdout, gone.stderr], [
      1,
      "",
      "effect-rq: there is no job nobody, and nothing is kept of its runs\n"
    ])
  })
})
