import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { useCli } from "./support.js"

const cli = useCli()

const lines = (output: string) => output.trimEnd().split("\n")

describe("worker", () => {
  it("runs what is queued, and ends with --burst", async () => {
    const greet = await cli.json(["enqueue", "app.greet", "name=Ada", "--jobs", "jobs.js"])
    const add = await cli.json(["enqueue", "app.add", ":2", ":3", "--jobs", "jobs.js"])
    const broken = await cli.json(["enqueue", "app.break", "-q", "mail"])
    const done = await cli.run(["worker", "--burst", "--jobs", "jobs.js", "--name", "burst", "--json"])
    // A job that failed is no failure of the worker.
    assert.strictEqual(done.code, 0)
    assert.deepStrictEqual(JSON.parse(done.stdout), { worker: "burst", completed: 2, failed: 1, released: 0 })
    for (const line of lines(done.stderr)) {
      const entry = JSON.parse(line)
      assert.containsAllKeys(entry, ["time", "level", "message", "worker"])
      assert.strictEqual(entry.worker, "burst")
    }
    const said = lines(done.stderr).map((line) => JSON.parse(line)).filter(({ jobId }) => jobId === broken.id)
    assert.deepStrictEqual(said.map(({ level, queue }) => [level, queue]), [["INFO", "mail"], ["WARN", "mail"]])
    assert.match(said[1].message, /failed after \d+ ms: Error: it broke$/)
    const show = (id: string) => cli.json(["job", "show", id])
    assert.deepInclude(await show(greet.id), { status: "finished", worker: "burst" })
    assert.strictEqual((await show(greet.id)).outcome.returnValue, "Hello, Ada")
    assert.strictEqual((await show(add.id)).outcome.returnValue, 5)
    const failure = await show(broken.id)
    assert.strictEqual(failure.status, "failed")
    assert.include(failure.outcome.exception, "it broke")
    const { stdout } = await cli.run(["job", "show", broken.id])
    assert.match(stdout, /\nexception *\n {2}Error: it broke\n {6}at /)
  })

  it("promotes what is due, says how late, and ends after --max-jobs", async () => {
    const { id } = await cli.json(["enqueue", "app.greet", "name=Ada", "-q", "w1", "--schedule-in", "300ms"])
    const old = await cli.json(["enqueue", "app.greet", "name=Ada", "-q", "w0", "--schedule-at", "2020-02-29 12:00Z"])
    const done = await cli.run(["worker", "w0", "w1", "--jobs", "jobs.js", "-s", "--max-jobs", "2", "-n", "promoter"])
    assert.strictEqual(done.code, 0)
    assert.strictEqual(done.stdout, "")
    assert.match(done.stderr, /^\S+Z INFO {2}leads queue w1 .*worker=promoter/m)
    assert.match(done.stderr, new RegExp(`^\\S+Z INFO {2}promoted job ${id}, [\\d.]+ m?s late .*queue=w1`, "m"))
    assert.match(done.stderr, new RegExp(`job ${id} started, [\\d.]+ m?s after it was due .*worker=promoter`))
    const late = "\\d{4} d(?: \\d+ h)?" // in a unit that people read
    assert.match(done.stderr, new RegExp(`promoted job ${old.id}, ${late} late `))
    assert.match(done.stderr, new RegExp(`job ${old.id} started, ${late} after it was due `))
    assert.notInclude(done.stderr, "\u001b")
  })

  it("keeps the space of young objects small, unless told how large it is to be", async () => {
    const sizeOf = async (queue: string, env: Readonly<Record<string, string>>) => {
      const { id } = await cli.json(["enqueue", "app.young", "-q", queue])
      const done = await cli.run(["worker", queue, "--jobs", "young.js", "--burst"], { env })
      assert.strictEqual(done.code, 0)
      assert.notInclude(done.stderr, "flag")
      return (await cli.json(["job", "show", id])).outcome.returnValue
    }
    const megabyte = 1024 * 1024
    assert.isAtMost(await sizeOf("small", {}), 2 * megabyte)
    assert.isAbove(await sizeOf("large", { NODE_OPTIONS: "--max-semi-space-size=16" }), 8 * megabyte)
  })

  it("is quiet when told so", async () => {
    await cli.json(["enqueue", "app.greet", "name=Ada", "-q", "w2"])
    const done = await cli.run(["worker", "w2", "--jobs", "jobs.js", "--burst", "--quiet"])
    assert.deepStrictEqual([done.code, done.stdout, done.stderr], [0, "", ""])
  })

  it("finishes what runs when it is told to stop", async () => {
    const { id } = await cli.json(["enqueue", "app.wait", "seconds:=1.5", "-q", "g1"])
    const worker = cli.spawn(["worker", "g1", "--jobs", "jobs.js"])
    await worker.until(new RegExp(`job ${id} started`))
    worker.kill("SIGTERM")
    const { code, stderr } = await worker.done
    assert.strictEqual(code, 0)
    assert.include(stderr, "got SIGTERM, stopping")
    assert.match(stderr, /stopped: 1 completed, 0 failed, 0 put back/)
    assert.strictEqual((await cli.json(["job", "show", id])).status, "finished")
  })

  it("puts back what does not end in the grace period", async () => {
    await cli.json(["enqueue", "app.wait", "seconds:=60", "-q", "g2", "--job-id", "long"])
    await cli.json(["enqueue", "app.wait", "seconds:=60", "-q", "g2", "--job-id", "after"])
    const worker = cli.spawn(["worker", "g2", "--jobs", "jobs.js", "--grace-period", "100ms", "--concurrency", "1"])
    await worker.until(/job long started/)
    worker.kill("SIGINT")
    const { code, stderr } = await worker.done
    assert.strictEqual(code, 0)
    assert.match(stderr, /job long was put back/)
    assert.match(stderr, /stopped: 0 completed, 0 failed, 1 put back/)
    const { queues } = await cli.json(["info", "g2"])
    assert.deepInclude(queues[0], { queued: 2, started: 0 })
    assert.strictEqual(queues[0].oldestWaiting.id, "long")
  })

  it("leaves at once on a second signal", async () => {
    for (const [first, second, code] of [["SIGTERM", "SIGINT", 130], ["SIGINT", "SIGTERM", 143]] as const) {
      const queue = `g3-${first}`
      await cli.json(["enqueue", "app.wait", "seconds:=60", "-q", queue])
      const worker = cli.spawn(["worker", queue, "--jobs", "jobs.js"])
      await worker.until(/job \S+ started/)
      worker.kill(first)
      await worker.until(/running job may go on/)
      worker.kill(second)
      const done = await worker.done
      assert.strictEqual(done.code, code)
      assert.isBelow(done.millis, 10_000)
    }
  })

  it("takes over when the leader is gone, and says who", { timeout: 60_000 }, async () => {
    const names = ["t1", "t2", "t3"]
    const workers = new Map<string, ReturnType<typeof cli.spawn>>()
    for (const name of names) {
      const worker = cli.spawn(["worker", "take", "--jobs", "jobs.js", "-s", "-n", name])
      workers.set(name, worker)
      await worker.until(/queue take is led by|leads queue take/)
    }
    const leader = async () => {
      const { queues } = await cli.json(["info", "take"])
      return queues[0].leader?.name
    }
    const schedulerOf = async (name: string) => {
      const output = await workers.get(name)!.until(/with scheduler (\d+)/)
      return /with scheduler (\d+)/.exec(output)![1]!
    }
    const schedulers = new Map<string, string>()
    for (const name of names) schedulers.set(await schedulerOf(name), name)
    const first = schedulers.get(await leader())!
    assert.strictEqual(first, "t1")
    await workers.get(first)!.until(/leads queue take .*worker=t1/)
    // a clean stop: the next leads at once
    workers.get(first)!.kill("SIGTERM")
    assert.strictEqual((await workers.get(first)!.done).code, 0)
    const second = await Promise.race(["t2", "t3"].map(async (name) => {
      await workers.get(name)!.until(new RegExp(`leads queue take .*worker=${name}`))
      return name
    }))
    assert.strictEqual(schedulers.get(await leader()), second)
    // a crash: the last one leads within a lease
    const third = second === "t2" ? "t3" : "t2"
    workers.get(second)!.kill("SIGKILL")
    await workers.get(third)!.until(new RegExp(`leads queue take .*worker=${third}`))
    const { id } = await cli.json(["enqueue", "app.greet", "name=Ada", "-q", "take", "--schedule-in", "100ms"])
    await workers.get(third)!.until(new RegExp(`job ${id} completed`))
    workers.get(third)!.kill("SIGINT")
    assert.strictEqual((await workers.get(third)!.done).code, 0)
  })
})

describe("the module", () => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ["gone.js", /^effect-rq: gone\.js: there is no such module \(looked for .*gone\.js\)\n$/],
    ["no-such-package", /^effect-rq: no-such-package: there is no such module/],
    [
      "no-group.js",
      /^effect-rq: no-group\.js exports no group of jobs\. It should export [^]*export const Jobs = JobGroup\.make/
    ],
    ["no-handlers.js", /^effect-rq: no-handlers\.js exports no layer with the handlers\. It should export /],
    [
      "two-groups.js",
      /^effect-rq: two-groups\.js exports 2 groups of jobs \(One, Two\): name the one to run `Jobs`\n$/
    ],
    [
      "needs-more.js",
      /^effect-rq: needs-more\.js: the handlers need the service "app\/Mailer", which their layer doesn't provide\. .*\n$/
    ],
    ["half.js", /^effect-rq: half\.js: the layer has no handler for the job "app\.two"\n$/],
    ["throws.js", /^effect-rq: throws\.js can't be loaded: Error: no database\n {4}at .*throws\.js:\d+:\d+\n$/],
    [".", /^effect-rq: \. is a folder: name the file in it that exports the jobs\n$/]
  ]
  for (const [module, expected] of cases) {
    it(module, async () => {
      const { code, stderr, stdout } = await cli.run(["worker", "--jobs", module])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(stderr, expected)
    })
  }

  it("may be a package, one for import only too", async () => {
    const folder = Path.join(cli.folder, "node_modules", "my-jobs")
    Fs.mkdirSync(folder, { recursive: true })
    Fs.writeFileSync(
      Path.join(folder, "package.json"),
      JSON.stringify({ name: "my-jobs", type: "module", exports: { import: "./index.js" } })
    )
    Fs.writeFileSync(
      Path.join(folder, "index.js"),
      "export { Jobs as jobs, Handlers as handlers } from \"../../jobs.js\"\n"
    )
    const { code, stderr } = await cli.run(["worker", "package", "--jobs", "my-jobs", "--burst"])
    assert.strictEqual(code, 0)
    assert.match(stderr, /runs 7 jobs of my-jobs from queue package/)
  })

  it("tells which of its own imports is missing", async () => {
    Fs.writeFileSync(Path.join(cli.folder, "lacks.js"), "import \"./not-there.js\"\n")
    const { code, stderr } = await cli.run(["worker", "--jobs", "lacks.js"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^effect-rq: lacks\.js: Cannot find module '.*not-there\.js' imported from .*lacks\.js\n$/)
  })

  it("that Node can't read is told in a line", async () => {
    Fs.writeFileSync(Path.join(cli.folder, "wrong.mjs"), "no syntax\n")
    const { code, stderr } = await cli.run(["worker", "--jobs", "wrong.mjs"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^effect-rq: wrong\.mjs can't be loaded: SyntaxError: .*; node --check says more of a file\n$/)
  })

  it("that is there in TypeScript only is pointed out", async () => {
    for (const module of ["./typed.js", "typed.mjs", "./typed"]) {
      const { code, stderr } = await cli.run(["worker", "--jobs", module])
      assert.strictEqual(code, 2)
      assert.match(
        stderr,
        /: there is no such module.*\. There is (?:\.\/)?typed\.ts: build it, or name it as it is, with NODE_OPTIONS="--import tsx" where /
      )
    }
    assert.notInclude((await cli.run(["worker", "--jobs", "./gone.js"])).stderr, "build it")
  })

  it("in TypeScript is run or told how to", async () => {
    const { code, stderr } = await cli.run(["worker", "--jobs", "typed.ts"])
    assert.strictEqual(code, 2)
    // Newer versions of Node read it, and find that it exports no group.
    assert.match(
      stderr,
      /typed\.ts: this Node can't load TypeScript\. .*--import tsx|typed\.ts exports no group of jobs/
    )
  })

  it("gives options that can't be used to whoever gave them", async () => {
    const { code, stderr } = await cli.run(["worker", "--jobs", "jobs.js", "--concurrency", "0"])
    assert.strictEqual(code, 2)
    assert.match(
      stderr,
      /^effect-rq: --concurrency: expected a whole number from 1 to 10000, got 0\nusage: effect-rq worker /
    )
    const named = await cli.run(["worker", "a,b", "--jobs", "jobs.js"])
    assert.match(named.stderr, /^effect-rq: a queue's name is .*, got "a,b"\nusage: effect-rq worker /)
  })
})

describe("scheduler", () => {
  it("promotes until it is stopped", async () => {
    const scheduler = cli.spawn(["scheduler", "only", "--name", "12345"])
    await scheduler.until(/leads queue only .*scheduler=12345/)
    const { queues } = await cli.json(["info", "only"])
    assert.strictEqual(queues[0].leader.name, "12345")
    const { id } = await cli.json(["enqueue", "f", "-q", "only", "--schedule-in", "10ms"])
    await scheduler.until(new RegExp(`promoted job ${id}, [\\d.]+ m?s late .*queue=only`))
    scheduler.kill("SIGTERM")
    const { code, stderr } = await scheduler.done
    assert.strictEqual(code, 0)
    assert.include(stderr, "scheduler stopped")
    assert.isNull((await cli.json(["info", "only"])).queues[0].leader)
  })

  it("serves all queues that are known, and says when there are none", async () => {
    const { code, stderr } = await cli.run(["scheduler", "--url", `${cli.server.url}/7`])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^effect-rq: which queues\?/)
  })
})
