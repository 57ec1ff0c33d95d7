import { assert, describe, it } from "@effect/vitest"
import { RedisLive } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Zlib from "node:zlib"
import { freePort, start } from "../support/redis-server.js"
import { type Done, useCli } from "./support.js"

const cli = useCli()

/** One line on stderr, nothing on stdout. */
const assertOneLine = ({ stderr, stdout }: Done, pattern: RegExp) => {
  assert.strictEqual(stdout, "")
  assert.match(stderr, pattern)
  assert.strictEqual(stderr.trimEnd().split("\n").length, 1, stderr)
}

describe("help", () => {
  it("loads nothing but its own texts, which is why it comes at once", async () => {
    const coverage = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-help-"))
    try {
      const loadedBy = async (args: ReadonlyArray<string>) => {
        const folder = Path.join(coverage, args[0]!)
        const done = await cli.run(args, { env: { NODE_V8_COVERAGE: folder } })
        const scripts = Fs.readdirSync(folder).flatMap((name): ReadonlyArray<{ readonly url: string }> =>
          JSON.parse(Fs.readFileSync(Path.join(folder, name), "utf8")).result
        )
        return { done, files: scripts.map(({ url }) => url).filter((url) => url.startsWith("file:")) }
      }
      const bytes = (files: ReadonlyArray<string>) =>
        files.reduce((sum, file) => sum + Fs.statSync(fileURLToPath(file)).size, 0)
      const ioredis = /\/node_modules\/ioredis\//
      const help = await loadedBy(["--help"])
      assert.deepInclude(help.done, { code: 0, stderr: "" })
      assert.include(help.done.stdout, "usage: effect-rq VERB")
      assert.isNotEmpty(help.files)
      assert.deepStrictEqual(help.files.filter((file) => ioredis.test(file)), [])
      // a chunk with the runtime of Effect in it has some hundred thousand
      assert.isBelow(bytes(help.files), 100_000)
      // what a verb loads is seen by the same means
      const verb = await loadedBy(["info"])
      assert.isNotEmpty(verb.files.filter((file) => ioredis.test(file)))
      assert.isAbove(bytes(verb.files), 500_000)
    } finally {
      Fs.rmSync(coverage, { recursive: true, force: true })
    }
  })

  it("explains each verb, without colours", async () => {
    const { code, stdout } = await cli.run(["worker", "--help"])
    assert.strictEqual(code, 0)
    assert.include(stdout, "--with-scheduler")
    assert.include(stdout, "REDIS_URL")
    assert.notInclude(stdout, "\u001b")
  })

  it("tells the version", async () => {
    const { version } = JSON.parse(Fs.readFileSync(Path.join(cli.folder, "package.json"), "utf8"))
    assert.strictEqual((await cli.run(["--version"])).stdout, `effect-rq ${version}\n`)
  })
})

describe("mistakes", () => {
  it("are said once, on stderr, with the usage, and exit with 2", { timeout: 60_000 }, async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["wroker"], /^effect-rq: there is no verb "wroker", did you mean worker\?\nusage: effect-rq VERB .*\n$/],
      [
        ["worker", "--brust"],
        /^effect-rq: unknown option --brust, did you mean --burst\?\nusage: effect-rq worker .*\n$/
      ],
      [["worker"], /^effect-rq: which jobs\? --jobs MODULE .*\nusage: effect-rq worker .*\n$/],
      [["worker", "--concurrency", "x"], /^effect-rq: .*\nusage: effect-rq worker .*\n$/],
      [
        ["enqueue", "j", "--schedule-in", "1s", "--schedule-at", "2026-12-24 09:15"],
        /^effect-rq: either .*\nusage: .*\n$/
      ],
      [
        ["enqueue", "j", "--schedule-at", "2026-02-30 09:15"],
        /^effect-rq: --schedule-at: there is no day 30 .*\nusage: .*\n$/
      ],
      [
        ["enqueue", "j", "--schedule-at", "2026-12-24 09:15", "--tz", "Mars/X"],
        /^effect-rq: --tz: there is no time zone .*\nusage: .*\n$/
      ],
      [["enqueue", "j", "a=1", "b"], /^effect-rq: arguments are either all named .*\nusage: .*\n$/],
      [["enqueue", "j", "a:={"], /^effect-rq: a:={ is no JSON, .*\nusage: .*\n$/],
      [["enqueue", "j", "@gone.txt"], /^effect-rq: @gone.txt: can't read the file gone.txt \(NotFound\)\nusage: .*\n$/],
      [["enqueue", "j", "--job-id", "a b"], /^effect-rq: --job-id: .*\nusage: .*\n$/],
      [["enqueue", "j", "--retry-interval", "1s"], /^effect-rq: --retry-interval needs --retry-max.*\nusage: .*\n$/],
      [["enqueue", "j", "--repeat-interval", "1s"], /^effect-rq: --repeat-interval needs --repeat: .*\nusage: .*\n$/],
      [["enqueue", "j", "--allow-failure"], /^effect-rq: --allow-failure is about .*\nusage: .*\n$/],
      [["enqueue", "j", "--retry-max", "-1"], /^effect-rq: --retry-max: .*\nusage: .*\n$/],
      [
        ["enqueue", "j", "--retry-max", "1", "--retry-interval", "forever"],
        /^effect-rq: --retry-interval: .*\nusage: .*\n$/
      ],
      [["enqueue", "j", "--repeat", "-1"], /^effect-rq: --repeat: .*\nusage: .*\n$/],
      [
        ["enqueue", "j", "--repeat", "1", "--repeat-interval", "forever"],
        /^effect-rq: --repeat-interval: .*\nusage: .*\n$/
      ],
      [["enqueue", "j", "--unique", "keep"], /^effect-rq: --job-id: .*\nusage: .*\n$/],
      [["enqueue", "j", "--depends-on", "a b"], /^effect-rq: --depends-on: .*\nusage: .*\n$/],
      [["requeue"], /^effect-rq: which jobs\? .*\nusage: .*\n$/],
      [["requeue", "--all"], /^effect-rq: which queue's .*\nusage: .*\n$/],
      [["requeue", "x", "--all", "-q", "q"], /^effect-rq: either ids or --all.*\nusage: .*\n$/],
      [["reschedule", "x"], /^effect-rq: to when\? .*\nusage: .*\n$/],
      [["reschedule", "x", "--in", "1s", "--at", "2026-12-24"], /^effect-rq: either --in or --at.*\nusage: .*\n$/],
      [["reschedule", "x", "--at", "tomorrow"], /^effect-rq: --at: expected a date .*\nusage: .*\n$/],
      [["reschedule", "x", "--in", "99999w 9999999w"], /^effect-rq: .*between the years.*\nusage: .*\n$/],
      [["empty"], /^effect-rq: which queues\? .*\nusage: .*\n$/],
      [["empty", "q", "--all"], /^effect-rq: either queues or --all.*\nusage: .*\n$/],
      [["suspend", "--duration", "0"], /^effect-rq: --duration: .*\nusage: .*\n$/],
      [["pause", "a,b"], /^effect-rq: a queue's name .*\nusage: .*\n$/],
      [["shutdown"], /^effect-rq: which workers\? .*\nusage: .*\n$/],
      [["info", "--only-queues", "--only-workers"], /^effect-rq: either .*\nusage: .*\n$/],
      [["scheduled", "--limit", "0"], /^effect-rq: --limit: .*\nusage: .*\n$/]
    ]
    for (let i = 0; i < cases.length; i += 4) {
      await Promise.all(
        cases.slice(i, i + 4).map(async ([argv, expected]) => {
          const { code, stderr, stdout } = await cli.run(argv)
          assert.deepStrictEqual([code, stdout], [2, ""], argv.join(" "))
          assert.match(stderr, expected)
        })
      )
    }
  })

  it("in a url don't show the password", async () => {
    const { code, stderr } = await cli.run(["info", "--url", "http://user:secret@x"])
    assert.strictEqual(code, 2)
    assert.notInclude(stderr, "secret")
  })
})

it("what says where Redis is, is named as it was written", async () => {
  const cases: ReadonlyArray<readonly [argv: string, env: Readonly<Record<string, string>>, message: RegExp]> = [
    ["info --url localhost:6379", {}, /^--url: expected redis:\/\/host:port\/db/],
    ["info --url redis://localhost/x", { REDIS_URL: "" }, /^--url: the database must be a number from 0/],
    ["info", { REDIS_URL: "localhost:6379" }, /^REDIS_URL: expected redis:\/\/host:port\/db/],
    ["scheduler q", { REDIS_URL: "redis://u:secret@h:99999" }, /^REDIS_URL: not a url/],
    ["worker --jobs jobs.js", { REDIS_DB: "-1" }, /^REDIS_DB: the database must be a number from 0/],
    ["enqueue app.break --jobs jobs.js", { REDIS_DB: "x" }, /^REDIS_DB: Expected an integer/],
    ["info", { REDIS_SENTINELS: "a:1,b:c" }, /^REDIS_SENTINELS, entry 2: expected "host:port"/],
    [
      "info",
      { REDIS_CLUSTER_NODES: "a:1", REDIS_URL: "redis://h/3" },
      /^REDIS_URL: Redis Cluster has no databases but 0/
    ],
    ["info", { REDIS_COMMAND_TIMEOUT: "5s" }, /^REDIS_COMMAND_TIMEOUT: Expected a duration .*, write it as "5 seconds"/]
  ]
  for (let i = 0; i < cases.length; i += 3) {
    await Promise.all(
      cases.slice(i, i + 3).map(async ([argv, env, expected]) => {
        const { code, stderr } = await cli.run(argv.split(" "), { env })
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr.replace(/^effect-rq: /, ""), expected)
        assert.notInclude(stderr, "secret")
      })
    )
  }
})

describe("Redis that can't be reached", () => {
  it("ends each verb with one line and 1, soon", { timeout: 60_000 }, async () => {
    const port = await Effect.runPromise(freePort)
    const url = `redis://user:secret@127.0.0.1:${port}`
    const all: ReadonlyArray<ReadonlyArray<string>> = [
      ["worker", "--jobs", "jobs.js"],
      ["scheduler", "q"],
      ["enqueue", "app.greet", "name=x"],
      ["enqueue", "app.greet", "name=x", "--jobs", "jobs.js"],
      ["scheduled"],
      ["info"],
      ["info", "--interval", "1"],
      ["job", "show", "x"],
      ["job", "wait", "x"],
      ["requeue", "x"],
      ["stop", "x", "--wait", "1s"],
      ["reschedule", "x", "--in", "1s"],
      ["suspend"],
      ["shutdown", "--all"],
      ["demo"]
    ]
    // They mostly wait, but starting all of them at once would be slow on a small machine.
    for (let i = 0; i < all.length; i += 3) {
      for (const done of await Promise.all(all.slice(i, i + 3).map((argv) => cli.run([...argv, "--url", url])))) {
        assert.strictEqual(done.code, 1)
        assertOneLine(
          done,
          new RegExp(`^effect-rq: can't reach Redis at redis://127\\.0\\.0\\.1:${port} \\(ECONNREFUSED\\)\n$`)
        )
        // 3.3 seconds on a machine that is not busy; by default ioredis would try for a minute
        assert.isBelow(done.millis, 40_000)
      }
    }
  })

  it("where the password is wrong, say so in one line that does not hold it, and exit with 1", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const { port } = yield* start({ password: "sesame" })
      const url = `redis://:hunter2@127.0.0.1:${port}`
      const worker = ["worker", "q", "--jobs", "jobs.js"]
      const all = yield* Effect.promise(() =>
        Promise.all([["info"], worker].map((argv) => cli.run([...argv, "--url", url])))
      )
      for (const done of all) {
        assert.strictEqual(done.code, 1)
        assertOneLine(done, new RegExp(`^effect-rq: Redis at redis://127\\.0\\.0\\.1:${port} says: WRONGPASS .*\n$`))
      }
    })))
  })
})

describe("enqueue", () => {
  it("queues a job as RQ does", async () => {
    const job = await cli.json(["enqueue", "app.greet", "name=Ada", "age:=36", "--queue", "e1", "--timeout", "1m"])
    assert.match(job.id, /^[0-9a-f-]{36}$/)
    assert.deepInclude(job, { name: "app.greet", queue: "e1", outcome: "enqueued", dueAt: null })
    assert.deepInclude(await cli.json(["job", "show", job.id]), {
      status: "queued",
      queue: "e1",
      description: "app.greet(age=36, name='Ada')",
      kwargs: { name: "Ada", age: 36 },
      args: [],
      timeoutSeconds: 60
    })
  })

  it("takes positional arguments, JSON and files", async () => {
    Fs.writeFileSync(Path.join(cli.folder, "text.txt"), "from a file\n")
    Fs.writeFileSync(Path.join(cli.folder, "data.json"), "{\"a\": [1, null]}")
    const job = await cli.json(["enqueue", "f", "text", ":[1,\"2\"]", "@text.txt", ":@data.json", "-5", "-q", "e2"])
    const { args } = await cli.json(["job", "show", job.id])
    assert.deepStrictEqual(args, ["text", [1, "2"], "from a file\n", { a: [1, null] }, "-5"])
    const named = await cli.json(["enqueue", "f", "t=@text.txt", "d:=@data.json", "-q", "e2"])
    const { kwargs } = await cli.json(["job", "show", named.id])
    assert.deepStrictEqual(kwargs, { t: "from a file\n", d: { a: [1, null] } })
  })

  it("puts one at the front", async () => {
    await cli.json(["enqueue", "f", "-q", "e3", "--job-id", "second"])
    await cli.json(["enqueue", "f", "-q", "e3", "--job-id", "first", "--at-front"])
    const { queues } = await cli.json(["info", "e3"])
    assert.strictEqual(queues[0].queued, 2)
    assert.strictEqual(queues[0].oldestWaiting.id, "first")
  })

  it("counts an id once", async () => {
    await cli.json(["enqueue", "f", "-q", "e4", "--job-id", "once"])
    assert.strictEqual((await cli.json(["enqueue", "f", "-q", "e4", "--job-id", "once"])).outcome, "exists")
    assert.match((await cli.run(["enqueue", "f", "-q", "e4", "--job-id", "once"])).stdout, /^once exists already/)
  })

  it("schedules for later, for a wall clock in a zone, and for an instant", async () => {
    const before = Date.now()
    const soon = await cli.json(["enqueue", "f", "-q", "e5", "--schedule-in", "1h30m"])
    assert.strictEqual(soon.outcome, "scheduled")
    assert.closeTo(Date.parse(soon.dueAt) - before, 5_400_000, 10_000)
    const at = async (...argv: ReadonlyArray<string>) =>
      (await cli.json(["enqueue", "f", "-q", "e5", "--schedule-at", ...argv])).dueAt
    assert.strictEqual(await at("2036-12-24 09:15", "--tz", "Europe/Paris"), "2036-12-24T08:15:00.000Z")
    assert.strictEqual(await at("2036-12-24 09:15"), "2036-12-24T09:15:00.000Z")
    assert.strictEqual(await at("2036-12-24T09:15:00.250+05:30"), "2036-12-24T03:45:00.250Z")
    const { stdout } = await cli.run([
      "enqueue",
      "f",
      "-q",
      "e5",
      "--schedule-at",
      "2036-12-24 09:15",
      "--job-id",
      "xmas"
    ])
    assert.match(stdout, /^xmas scheduled in e5 for 2036-12-24 09:15:00 \+00:00 \(in \d+d(?: \d+h)?\)\n$/)
  })

  it("checks the arguments against the job of a module", async () => {
    const good = await cli.json(["enqueue", "app.wait", "seconds:=0.1", "--jobs", "jobs.js", "-q", "e6"])
    assert.strictEqual(good.queue, "e6")
    assert.strictEqual((await cli.json(["enqueue", "app.add", ":1", ":2", "--jobs", "./jobs.js"])).queue, "mail")
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["app.wait", "seconds=5"], /the arguments don't fit app\.wait: [^]*Expected number[^]*key:=5/],
      [["app.wait", "secs:=5"], /the arguments don't fit app\.wait/],
      [["app.add", ":1"], /the arguments don't fit app\.add/],
      [["app.wiat"], /jobs\.js has no job "app\.wiat", did you mean "app\.wait"\?\n/],
      [["mail.send"], /jobs\.js has no job "mail\.send", it has "app\.greet", /]
    ]
    for (const [argv, expected] of cases) {
      const { code, stderr } = await cli.run(["enqueue", ...argv, "--jobs", "jobs.js"])
      assert.strictEqual(code, 2)
      assert.match(stderr, expected)
    }
  })
})

describe("scheduled", () => {
  it("lists what is due next, of all queues or of some", async () => {
    await cli.json(["enqueue", "f", "x", "-q", "s1", "--schedule-at", "2036-01-02 00:00", "--job-id", "s-b"])
    await cli.json(["enqueue", "f", "y", "-q", "s2", "--schedule-at", "2036-01-01 00:00", "--job-id", "s-a"])
    await cli.json(["enqueue", "f", "z", "-q", "s2", "--schedule-at", "2026-01-01 00:00", "--job-id", "s-late"])
    const { jobs, total } = await cli.json(["scheduled", "s1", "s2"])
    assert.strictEqual(total, 3)
    assert.deepStrictEqual(jobs.map(({ id }: { readonly id: string }) => id), ["s-late", "s-a", "s-b"])
    assert.isAbove(jobs[0].lateMillis, 0)
    assert.deepStrictEqual(jobs[2], {
      id: "s-b",
      queue: "s1",
      dueAt: "2036-01-02T00:00:00.000Z",
      description: "f('x')",
      lateMillis: 0
    })
    assert.strictEqual((await cli.json(["scheduled", "s1", "s2", "--limit", "1"])).jobs[0].id, "s-late")
    assert.isAbove((await cli.json(["scheduled"])).total, 2)

    const { stdout } = await cli.run(["scheduled", "s1", "s2"])
    assert.match(
      stdout,
      /^DUE +WHEN +ID +QUEUE +JOB\n2026-01-01 00:00:00 \+00:00 +late by \S+.* s-late +s2 +f\('z'\)\n/
    )
    assert.match(stdout, /2036-01-02 00:00:00 \+00:00 +in \d+d(?: \d+h)? +s-b +s1 +f\('x'\)\n$/)
    assert.strictEqual((await cli.run(["scheduled", "nothing"])).stdout, "no scheduled jobs in nothing\n")
  })
})

describe("info", () => {
  it("shows queues as RQ does, and more", async () => {
    await cli.json(["enqueue", "f", "-q", "i1"])
    await cli.json(["enqueue", "f", "-q", "i1", "--schedule-in", "1h"])
    const { stdout } = await cli.run(["info", "i1"])
    assert.match(stdout, /^QUEUE +QUEUED +SCHEDULED +STARTED +FINISHED +FAILED +DEFERRED +OLDEST +NEXT DUE +LEADER\n/)
    assert.match(
      stdout,
      /\ni1 +1 +\|█ +1 +0 +0 +0 +0 +\S+.* in (?:59m|1h).* nobody\n1 queue, 1 job total\n\n0 workers, 1 queue\n$/
    )
    assert.match(
      (await cli.run(["info", "i1", "--raw", "-Q"])).stdout,
      /^queue i1 1 scheduled=1 started=0 finished=0 failed=0 deferred=0 canceled=0 paused=0 oldest_ms=\d+ overdue=0 lag_ms=0 next_due=\S+Z leader=-\n$/
    )
    const { queues, time, ...rest } = await cli.json(["info", "i1", "--only-queues"])
    assert.deepStrictEqual(rest, { suspended: false, suspendedUntil: null, problems: [] })
    assert.isFalse(Number.isNaN(Date.parse(time)))
    assert.deepInclude(queues[0], { name: "i1", queued: 1, scheduled: 1, overdue: 0, lagMillis: 0, leader: null })
    assert.deepStrictEqual(Object.keys(await cli.json(["info", "-W"])).sort(), [
      "problems",
      "suspended",
      "suspendedUntil",
      "time",
      "workers"
    ])
  })

  it("shows the rest, and what can't be read, where a key holds something foreign", async () => {
    await cli.json(["enqueue", "f", "-q", "i3"])
    const tell = (...commands: ReadonlyArray<ReadonlyArray<string>>) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const redis = yield* RedisLive.make({ url: cli.server.url })
        for (const [name, ...args] of commands) yield* redis.send(name!, ...args)
      })))
    await tell(
      ["SET", "rq:queue:i4", "a text"],
      ["SADD", "rq:workers:i3", "rq:worker:corrupt"],
      ["HSET", "rq:worker:corrupt", "birth", "nonsense"]
    )
    const { code, stdout } = await cli.run(["info", "i3", "i4"])
    assert.strictEqual(code, 0)
    assert.match(stdout, /\ni3 +1 .*\ni4 +0 .*\ni4 can't be read: rq:queue:i4: WRONGTYPE .*\n2 queues, 1 job total\n/)
    assert.match(stdout, /\ncorrupt can't be read: birth: .*\n1 worker, 2 queues\n$/)
    const { queues, workers } = await cli.json(["info", "i3", "i4"])
    assert.deepInclude(queues[0], { name: "i3", queued: 1, problem: null })
    assert.match(queues[1].problem, /^rq:queue:i4: WRONGTYPE/)
    assert.match(workers[0].problem, /^birth: /)
    const raw = (await cli.run(["info", "i3", "i4", "--raw"])).stdout
    assert.match(raw, /^queue i4 0 .* unreadable=rq:queue:i4$/m)
    assert.match(raw, /^worker corrupt .* unreadable=birth$/m)
    await tell(["DEL", "rq:queue:i4", "rq:workers:i3", "rq:worker:corrupt"])

    await tell(["SET", "rq:effect:paused", "a text"])
    const paused = await cli.run(["info", "i3"])
    assert.strictEqual(paused.code, 0)
    assert.match(
      paused.stdout,
      /\ni3 +1 [^]*\ncan't be read: paused: WRONGTYPE .*\(effect-rq doctor names the key\)\n$/
    )
    assert.match((await cli.json(["info"])).problems[0], /^paused: WRONGTYPE/)
    assert.match((await cli.run(["info", "i3", "--raw"])).stdout, /\nunreadable paused\n$/)
    assert.strictEqual((await cli.run(["scheduled", "i3"])).code, 0)
    await tell(["DEL", "rq:effect:paused"])
  })

  it("of one job shows the rest, and what of its results can't be read", async () => {
    const tell = (...commands: ReadonlyArray<ReadonlyArray<string>>) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const redis = yield* RedisLive.make({ url: cli.server.url })
        for (const [name, ...args] of commands) yield* redis.send(name!, ...args)
      })))
    await cli.json(["enqueue", "f", "-q", "odd", "--job-id", "odd"])
    const pickled = Buffer.from([0x80, 0x04, 0x4b, 0x01, 0x2e]).toString("base64")
    await tell(
      ["XADD", "rq:results:odd", "1-0", "type", "1", "return_value", pickled],
      ["XADD", "rq:results:odd", "2-0", "type", "9", "worker_name", "w"],
      ["XADD", "rq:results:odd", "3-0", "type", "2", "exc_string", Zlib.deflateSync("on purpose").toString("base64")]
    )
    const history = await cli.json(["job", "history", "odd"])
    assert.deepStrictEqual(
      history.map(({ type }: { readonly type: string }) => type),
      ["failed", "unreadable", "successful"]
    )
    assert.deepStrictEqual(history.map(({ exception }: { readonly exception: string }) => exception), [
      "on purpose",
      null,
      null
    ])
    assert.match(history[1].problem, /^type: "9" is none/)
    assert.match(history[2].problem, /^return_value: was written with Python's pickle/)
    const { stdout } = await cli.run(["job", "history", "odd"])
    assert.match(stdout, /\n.* failed .* on purpose\n.* unreadable .* w +type: "9" .*\n.* successful .*pickle/)
    assert.match(
      (await cli.run(["explain", "odd"])).stdout,
      /succeeded \(not all [^]*ended, and how can't be read: type/
    )

    await tell(["DEL", "rq:results:odd"], ["SET", "rq:results:odd", "a text"])
    assert.strictEqual((await cli.json(["job", "show", "odd"])).historyLength, null)
    assert.match(
      (await cli.run(["job", "show", "odd"])).stdout,
      /\nhistory +can't be read: rq:results:odd: holds a string/
    )
    const foreign = await cli.run(["job", "history", "odd"])
    assert.strictEqual(foreign.code, 1)
    assert.match(foreign.stderr, /^effect-rq: job odd can't be read: rq:results:odd: holds a string/)

    await tell(["DEL", "rq:results:odd"], ["XADD", "rq:results:odd", "1-0", "type", "2"], [
      "HSET",
      "rq:job:odd",
      "created_at",
      "x"
    ])
    const explained = await cli.run(["explain", "odd"])
    assert.strictEqual(explained.code, 0)
    assert.match(
      explained.stdout,
      /^odd can't be read \(created_at: .*\); this is what its results still tell\n[^]* failed\n/
    )
    await tell(["DEL", "rq:results:odd"])
    const nothing = await cli.run(["explain", "odd"])
    assert.strictEqual(nothing.code, 1)
    assert.match(nothing.stderr, /^effect-rq: job odd can't be read: created_at: /)
    await tell(["DEL", "rq:job:odd"], ["LREM", "rq:queue:odd", "0", "odd"])
  })

  it("refreshes until it is interrupted, one line of JSON each time", async () => {
    const running = cli.spawn(["info", "i2", "--interval", "100ms", "--json"])
    await running.until(/^(?:.*\n){3}/)
    running.kill("SIGINT")
    const { code, stdout } = await running.done
    assert.strictEqual(code, 0)
    for (const line of stdout.trimEnd().split("\n")) assert.strictEqual(JSON.parse(line).queues[0].name, "i2")
  })
})

it("queues that nobody knows are said to be so, and what may have been meant", async () => {
  await cli.json(["enqueue", "f", "-q", "unknown1"])
  const info = await cli.run(["info", "unknwon1"])
  assert.strictEqual(info.code, 0)
  assert.match(info.stdout, /\nnobody has used a queue called unknwon1 yet, did you mean unknown1\?\n$/)
  assert.notMatch((await cli.run(["info", "unknown1"])).stdout, /nobody has used/)
  assert.match((await cli.run(["info", "unknwon1", "--raw"])).stdout, /^queue unknwon1 0 .* unknown=1\n$/)
  const { queues } = await cli.json(["info", "unknwon1", "unknown1"])
  assert.deepStrictEqual(queues.map(({ known }: { readonly known: boolean }) => known), [false, true])
  const warning = "effect-rq: warning: nobody has used a queue called unknwon1 yet, did you mean unknown1?\n"
  for (const argv of [["scheduled", "unknwon1"], ["requeue", "--all", "-q", "unknwon1"]]) {
    assert.deepInclude(await cli.run(argv), { code: 0, stderr: warning })
  }
  assert.strictEqual(
    (await cli.run(["pause", "unknwon1"])).stdout,
    "unknwon1  paused  nobody has used a queue called so yet, did you mean unknown1?\n"
  )
  assert.match(
    (await cli.run(["empty", "nknown1"])).stdout,
    /^nknown1 {2}missing {2}nobody has used a queue called so yet, did you mean unknown1\?\n$/
  )
  // known is also what only workers, schedulers or a pause know of
  const worker = cli.spawn(["worker", "unknown2", "--jobs", "jobs.js"])
  const scheduler = cli.spawn(["scheduler", "unknown3"])
  await Promise.all([worker.until(/runs 7 jobs/), scheduler.until(/leads queue unknown3/)])
  const known = await cli.run(["info", "unknown2", "unknown3", "unknwon1"])
  assert.notMatch(known.stdout, /nobody has used/)
  worker.kill("SIGTERM")
  scheduler.kill("SIGTERM")
  await Promise.all([worker.done, scheduler.done, cli.run(["unpause", "unknwon1"])])
})

describe("job show", () => {
  it("says in one line that there is none", async () => {
    const done = await cli.run(["job", "show", "nope"])
    assert.strictEqual(done.code, 1)
    assertOneLine(done, /^effect-rq: there is no job nope\n$/)
  })

  it("shows what is known", async () => {
    const { id } = await cli.json(["enqueue", "app.greet", "name=Ada", "-q", "j1", "--schedule-in", "1h"])
    const { stdout } = await cli.run(["job", "show", id])
    assert.match(stdout, new RegExp(`^id +${id}\nstatus +scheduled\nqueue +j1\njob +app.greet\\(name='Ada'\\)\n`))
    assert.match(stdout, /\ndue +\S+ \S+ \S+ +in (?:59m|1h)/)
  })
})

describe("colours", () => {
  it("are left out of pipes, whatever the terminal", async () => {
    for (const env of [{ TERM: "xterm-256color" }, { NO_COLOR: "1" }, { TERM: "dumb" }]) {
      for (const argv of [["info"], ["scheduled"], ["--help"], ["wroker"]]) {
        const { stderr, stdout } = await cli.run(argv, { env })
        assert.notInclude(stdout + stderr, "\u001b")
      }
    }
  })
})
