/**
 * The edges of a job's life from the command line, against workers in processes of their own.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisLive } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Done, type Running, useCli } from "./support.js"

const cli = useCli()

/** The rows of a verb that prints some although it exits with 1, and what it complains of. */
const rowsOf = ({ code, stderr, stdout }: Done, complaint: RegExp): any => {
  assert.strictEqual(code, 1)
  assert.match(stderr, complaint)
  assert.strictEqual(stderr.trimEnd().split("\n").length, 1, stderr)
  return JSON.parse(stdout)
}

const enqueue = async (...argv: ReadonlyArray<string>): Promise<string> => (await cli.json(["enqueue", ...argv])).id

const show = (id: string) => cli.json(["job", "show", id])

const startWorker = async (name: string, ...argv: ReadonlyArray<string>): Promise<Running> => {
  const worker = cli.spawn(["worker", ...argv, "--jobs", "jobs.js", "--name", name])
  await worker.until(new RegExp(`worker ${name} runs `))
  return worker
}

/** A file that isn't there. */
const journalOf = (name: string): string => {
  const path = Path.join(cli.folder, `${name}.journal`)
  Fs.rmSync(path, { force: true })
  return path
}

/** Ends a worker from another process. */
const shutDown = async (name: string, worker: Running): Promise<Done> => {
  assert.deepStrictEqual(await cli.json(["shutdown", name]), [{ worker: name, outcome: "stopping" }])
  const done = await worker.done
  assert.strictEqual(done.code, 0)
  return done
}

const burst = async (...queues: ReadonlyArray<string>): Promise<Done> => {
  const done = await cli.run(["worker", ...queues, "--jobs", "jobs.js", "--burst"])
  assert.strictEqual(done.code, 0)
  return done
}

describe.concurrent("a job that runs in another process", { timeout: 60_000 }, () => {
  it("is stopped: its finalizers have run when the answer comes", async () => {
    const journal = journalOf("stop")
    await enqueue("app.hold", `journal=${journal}`, "-q", "st1", "--job-id", "held", "--retry-max", "3")
    await enqueue("app.greet", "name=x", "-q", "elsewhere", "--job-id", "waits")
    const worker = await startWorker("st", "st1")
    await worker.until(/job held started/)
    assert.deepStrictEqual(await cli.json(["stop", "held", "--wait", "50s"]), [{ id: "held", outcome: "stopped" }])
    assert.strictEqual(Fs.readFileSync(journal, "utf8"), "holds\nwas interrupted\ncleaned up\n")
    assert.deepInclude(await show("held"), { status: "stopped", failedAttempts: 0, historyLength: 1 })
    await worker.until(/job held was stopped/)

    // Each that could not be stopped is told of; an id that is given twice is meant once.
    assert.deepStrictEqual(
      rowsOf(await cli.run(["stop", "held", "waits", "nope", "held", "--json"]), /^effect-rq: 3 of 3 not stopped\n$/),
      [{ id: "held", outcome: "ended" }, { id: "waits", outcome: "waiting" }, { id: "nope", outcome: "missing" }]
    )
    assert.strictEqual(
      (await cli.run(["stop", "held", "waits", "nope"])).stdout,
      "held   ended    it has ended already\n"
        + "waits  waiting  it has not been started: cancel it\n"
        + "nope   missing  there is no such job\n"
    )
    await shutDown("st", worker)
  })

  it("is stopped by cancel as well, and one that waits never runs", async () => {
    const journal = journalOf("cancel")
    await enqueue("app.hold", `journal=${journal}`, "-q", "ca1", "--job-id", "ca-runs")
    await enqueue("app.greet", "name=x", "-q", "ca1", "--job-id", "ca-waits")
    await enqueue("app.greet", "name=x", "-q", "ca1", "--job-id", "ca-later", "--schedule-in", "1h")
    const worker = await startWorker("ca", "ca1", "--concurrency", "1")
    await worker.until(/job ca-runs started/)
    // The one that waits first: when the other one is gone it would be taken.
    assert.deepStrictEqual(await cli.json(["cancel", "ca-waits", "ca-later", "ca-runs"]), [
      { id: "ca-waits", outcome: "canceled" },
      { id: "ca-later", outcome: "canceled" },
      { id: "ca-runs", outcome: "stopping" }
    ])
    const waited = await cli.run(["job", "wait", "ca-runs", "--timeout", "50s"])
    assert.deepStrictEqual([waited.code, waited.stdout], [1, ""])
    assert.match(waited.stderr, /^effect-rq: job ca-runs failed: Job stopped by user/)
    assert.include(Fs.readFileSync(journal, "utf8"), "cleaned up")
    const { stderr } = await shutDown("ca", worker)
    assert.notInclude(stderr, "ca-waits")
    assert.strictEqual((await show("ca-waits")).status, "canceled")
  })

  it("that does not let itself be interrupted in time is said to go on", async () => {
    await enqueue("app.stubborn", "seconds:=60", "-q", "sb1", "--job-id", "stubborn")
    const worker = await startWorker("sb", "sb1")
    await worker.until(/job stubborn started/)
    const done = await cli.run(["stop", "stubborn", "--wait", "100ms"])
    assert.strictEqual(done.code, 1)
    assert.match(done.stdout, /^stubborn {2}stopping {2}its worker was told, but has not interrupted it in 100 ms\n$/)
    assert.match(
      (await cli.run(["delete", "stubborn"])).stdout,
      /^stubborn {2}unchanged {2}it is started\n$/
    )
    worker.kill("SIGKILL")
    await worker.done
  })
})

describe.concurrent("requeue", { timeout: 60_000 }, () => {
  it("queues again what has failed, by ids or all of a queue", async () => {
    for (const id of ["rq-a", "rq-b", "rq-c"]) await enqueue("app.break", "-q", "rq1", "--job-id", id)
    await enqueue("app.greet", "name=x", "-q", "rq1", "--job-id", "rq-ok")
    await burst("rq1")
    assert.deepStrictEqual(
      rowsOf(
        await cli.run(["requeue", "rq-a", "nope", "rq-ok", "rq-a", "--json"]),
        /^effect-rq: 1 of 3 not requeued\n/
      ),
      [
        { id: "rq-a", outcome: "requeued", status: "failed" },
        { id: "nope", outcome: "missing", status: null },
        { id: "rq-ok", outcome: "requeued", status: "finished" }
      ]
    )
    const again = await cli.run(["requeue", "rq-a"])
    assert.deepStrictEqual([again.code, again.stdout], [1, "rq-a  unchanged  it is queued\n"])
    assert.strictEqual(
      (await cli.run(["requeue", "-a", "-q", "rq1", "--at-front"])).stdout,
      "rq-b  requeued  it was failed\nrq-c  requeued  it was failed\n"
    )
    const { queues } = await cli.json(["info", "rq1"])
    assert.deepInclude(queues[0], { queued: 4, failed: 0, finished: 0 })
    assert.notInclude(["rq-a", "rq-ok"], queues[0].oldestWaiting.id)
    assert.strictEqual(
      (await cli.run(["requeue", "--all", "--queue", "rq1"])).stdout,
      "no failed jobs in rq1\n"
    )
    const { stderr } = await burst("rq1")
    for (const id of ["rq-a", "rq-b", "rq-c"]) assert.match(stderr, new RegExp(`job ${id} failed`))
  })
})

describe.concurrent("retries, dependencies, repetitions", { timeout: 60_000 }, () => {
  it("are asked for, told of by the worker, and seen", async () => {
    const retries = ["--retry-max", "1", "--retry-interval", "1s", "--failure-ttl", "1h"]
    await enqueue("app.break", "-q", "re1", "--job-id", "re-fails", ...retries)
    const free = await cli.run("enqueue app.break -q re9 --job-id re-free --depends-on re-none".split(" "))
    assert.strictEqual(free.stdout, "re-free enqueued in re9\n")
    assert.strictEqual(
      free.stderr,
      "effect-rq: warning: there is no job re-none: it counts as finished, and is not waited for\n"
    )
    const half = "enqueue app.break -q re9 --job-id re-half --depends-on re-none --depends-on re-fails --jobs jobs.js"
    const both = await cli.run([...half.split(" "), "--json"])
    assert.deepInclude(JSON.parse(both.stdout), { outcome: "deferred", missingDependencies: ["re-none"] })
    assert.match(both.stderr, /^effect-rq: warning: there is no job re-none: .*\n$/)
    const child = await cli.run([
      ..."enqueue app.greet name=Ada -q re1 --job-id re-child --allow-failure".split(" "),
      ..."--depends-on re-fails --depends-on re-refused".split(" ")
    ])
    assert.strictEqual(child.stdout, "re-child waits in re1 for re-fails\n")
    assert.include(child.stderr, "there is no job re-refused: ")
    assert.deepInclude(await show("re-child"), { status: "deferred", dependsOn: ["re-fails", "re-refused"] })
    await enqueue(
      ..."app.greet name=x -q re1 --job-id re-again --repeat 2 --repeat-interval 1h --repeat-interval 2h".split(" ")
    )
    assert.deepInclude(await show("re-again"), { repeatsLeft: 2, retriesLeft: null })

    // Waited for before and after its end.
    const waiting = cli.spawn(["job", "wait", "re-child", "--timeout", "50s"])
    const worker = await startWorker("re", "re1", "--with-scheduler")
    await worker.until(
      /job re-fails failed .*: Error: it broke.*\n[^]*job re-fails is tried again in [\d.]+ m?s, at \S+Z /
    )
    assert.deepInclude(await show("re-fails"), { failedAttempts: 1, retriesLeft: 0 })
    assert.deepInclude(await waiting.done, { code: 0, stdout: "\"Hello, Ada\"\n", stderr: "" })
    assert.deepInclude(await cli.json(["job", "wait", "re-child"]), { outcome: "succeeded", result: "Hello, Ada" })
    const output = await worker.until(/job re-child completed/)
    assert.strictEqual(output.match(/job re-fails failed/g)?.length, 2)
    assert.strictEqual(output.match(/is tried again/g)?.length, 1)

    const failure = rowsOf(
      await cli.run(["job", "wait", "re-fails", "--json"]),
      /^effect-rq: job re-fails failed: Error/
    )
    assert.deepInclude(failure, { id: "re-fails", outcome: "failed", result: null, error: null })
    assert.include(failure.exception, "it broke")
    const runs = await cli.json(["job", "history", "re-fails"])
    assert.deepStrictEqual(runs.map(({ type }: { readonly type: string }) => type), ["failed", "retried"])
    assert.match(
      (await cli.run(["job", "history", "re-fails"])).stdout,
      /^ENDED +HOW +TOOK +WORKER +RESULT\n\S+ \S+ \S+ +failed +\S+.* re +Error: it broke\n\S+ \S+ \S+ +retried /
    )
    const shown = (await cli.run(["job", "show", "re-fails"])).stdout
    assert.match(shown, /\nretried +once after a failure\nretries left +0\nhistory +2 runs/)
    assert.deepInclude(await show("re-again"), { status: "scheduled", repeatsLeft: 1 })
    await shutDown("re", worker)
  })

  it("uniqueness is asked for", async () => {
    const argv = ["f", "-q", "un1", "--job-id", "un"]
    assert.strictEqual((await cli.json(["enqueue", ...argv, "--unique", "keep"])).outcome, "enqueued")
    assert.strictEqual((await cli.json(["enqueue", ...argv, "--unique", "keep"])).outcome, "exists")
    for (const more of [[], ["--jobs", "jobs.js"]]) {
      const refused = await cli.run(["enqueue", "app.break", ...argv.slice(1), "--unique", "refuse", ...more])
      assert.deepStrictEqual([refused.code, refused.stderr], [1, "effect-rq: there is a job un already\n"])
    }
    assert.match(
      (await cli.run(["enqueue", ...argv, "--unique", "replace", "--schedule-in", "1h"])).stdout,
      /^un replaced in un1 for \S+ \S+ \S+ \(in /
    )
    assert.strictEqual((await cli.json(["enqueue", ...argv, "--unique", "replace"])).outcome, "replaced")
    await enqueue("app.break", "-q", "un2", "--job-id", "window", "--unique-for", "1h")
    await burst("un2")
    const again = await cli.json(["enqueue", "f", "-q", "un2", "--job-id", "window", "--unique-for", "1h"])
    assert.strictEqual(again.outcome, "exists")
  })
})

describe.concurrent("job wait", { timeout: 60_000 }, () => {
  it("ends with a typed error, in vain, and when it is interrupted", async () => {
    await enqueue("app.refuse", "-q", "wa1", "--job-id", "refused")
    await enqueue("app.wait", "seconds:=0", "-q", "wa1", "--job-id", "void")
    await burst("wa1")
    assert.deepInclude(
      rowsOf(await cli.run(["job", "wait", "refused", "--json"]), /^effect-rq: job refused failed: \{/),
      {
        outcome: "failed",
        error: { _tag: "Refused", status: 403 }
      }
    )
    assert.deepInclude(await cli.run(["job", "wait", "void"]), { code: 0, stdout: "", stderr: "" })
    assert.strictEqual((await cli.run(["job", "history", "void"])).stdout, "nothing is kept of runs of void\n")

    await enqueue("f", "-q", "wa2", "--job-id", "never")
    const late = await cli.run(["job", "wait", "never", "--timeout", "50ms"])
    assert.deepStrictEqual([late.code, late.stderr], [1, "effect-rq: job never has not ended in the time given\n"])
    assert.deepInclude(
      rowsOf(await cli.run(["job", "wait", "nope", "--json"]), /^effect-rq: there is no job nope/),
      { id: "nope", outcome: "missing" }
    )
    assert.strictEqual((await cli.run(["job", "history", "nope"])).code, 1)

    const interrupted = cli.spawn(["job", "wait", "never"])
    await Effect.runPromise(Effect.scoped(Effect.flatMap(
      RedisLive.make({ url: cli.server.url }),
      (redis) =>
        Effect.repeat(redis.send<ReadonlyArray<string>>("CLIENT", "LIST"), {
          schedule: Schedule.spaced("20 millis"),
          until: (clients) => String(clients).includes("cmd=xread")
        })
    )))
    interrupted.kill("SIGINT")
    assert.deepInclude(await interrupted.done, { code: 130, stdout: "", stderr: "" })
  })
})

// These touch what all have in common, so they run alone.

describe("delete, empty and reschedule", { timeout: 60_000 }, () => {
  it("say what they found", async () => {
    await enqueue("f", "-q", "de1", "--job-id", "de-a")
    await enqueue("f", "-q", "de1", "--job-id", "de-b")
    await enqueue("f", "-q", "de1", "--job-id", "de-later", "--schedule-in", "1h")

    assert.deepStrictEqual(
      rowsOf(await cli.run(["delete", "de-a", "nope", "--json"]), /^effect-rq: 1 of 2 not deleted\n/),
      [{ id: "de-a", outcome: "deleted", status: "queued" }, { id: "nope", outcome: "missing", status: null }]
    )
    assert.strictEqual((await cli.run(["job", "show", "de-a"])).code, 1)

    const before = Date.now()
    const [moved] = await cli.json(["reschedule", "de-later", "--in", "2h"])
    assert.deepInclude(moved, { id: "de-later", outcome: "rescheduled", status: "scheduled" })
    assert.closeTo(Date.parse(moved.dueAt) - before, 7_200_000, 10_000)
    assert.strictEqual((await show("de-later")).dueAt, moved.dueAt)
    assert.match(
      (await cli.run(["reschedule", "de-later", "--at", "2036-12-24 09:15", "--tz", "Europe/Paris"])).stdout,
      /^de-later {2}rescheduled {2}for 2036-12-24 08:15:00 \+00:00 \(in \d+d(?: \d+h)?\)\n$/
    )
    assert.deepStrictEqual(
      rowsOf(await cli.run(["reschedule", "de-b", "--in", "1s", "--json"]), /^effect-rq: 1 of 1 not rescheduled\n/),
      [{ id: "de-b", outcome: "unchanged", status: "queued", dueAt: null }]
    )
    assert.strictEqual((await cli.run(["reschedule", "nope", "--in", "1s"])).code, 1)

    assert.deepStrictEqual(
      rowsOf(await cli.run(["empty", "de1", "no-such", "--json"]), /^effect-rq: 1 of 2 not emptied\n/),
      [{ queue: "de1", outcome: "emptied", jobs: 1 }, { queue: "no-such", outcome: "missing", jobs: 0 }]
    )
    assert.strictEqual((await show("de-later")).status, "scheduled")
    await enqueue("f", "-q", "de2")
    const all: ReadonlyArray<unknown> = await cli.json(["empty", "--all"])
    assert.deepInclude(all, { queue: "de1", outcome: "emptied", jobs: 0 })
    assert.deepInclude(all, { queue: "de2", outcome: "emptied", jobs: 1 })
    assert.match((await cli.run(["empty", "-a"])).stdout, /^de2 {2,}emptied {2}0 jobs deleted$/m)
  })
})

describe("suspend and pause", { timeout: 60_000 }, () => {
  it("are seen by a worker in another process, and by info", async () => {
    const worker = await startWorker("su", "su1", "su2")
    const forAWhile = await cli.json(["suspend", "--duration", "1h"])
    assert.isTrue(forAWhile.suspended)
    assert.closeTo(Date.parse(forAWhile.until) - Date.now(), 3_600_000, 10_000)
    assert.match(
      (await cli.run(["info", "su1"])).stdout,
      /^suspended until \S+ \S+ \+00:00 \(in (?:59m \d+s|1h)\): workers take no jobs till then, or until effect-rq resume\n\nQUEUE /
    )
    assert.match((await cli.run(["info", "su1", "--raw"])).stdout, /^suspended until=\S+Z\nqueue su1 /)
    const { suspendedUntil } = await cli.json(["info"])
    assert.closeTo(Date.parse(suspendedUntil), Date.parse(forAWhile.until), 10_000)
    assert.match((await cli.run(["suspend"])).stdout, /^suspended: .*until effect-rq resume\n$/)
    await enqueue("app.greet", "name=x", "-q", "su1", "--job-id", "su-a")
    await worker.until(/suspended, taking no jobs/)
    const info = await cli.run(["info", "su1"])
    assert.match(info.stdout, /^suspended: workers take no jobs until effect-rq resume\n\nQUEUE /)
    assert.match((await cli.run(["info", "su1", "--raw"])).stdout, /^suspended\nqueue su1 /)
    assert.deepInclude(await cli.json(["info"]), { suspended: true, suspendedUntil: null })
    assert.strictEqual((await show("su-a")).status, "queued")

    assert.deepStrictEqual(await cli.json(["pause", "su2", "unused"]), [
      { queue: "su2", outcome: "paused", changed: true, known: true },
      { queue: "unused", outcome: "paused", changed: true, known: false }
    ])
    assert.strictEqual((await cli.run(["pause", "su2"])).stdout, "su2  paused  it was already\n")
    await enqueue("app.greet", "name=x", "-q", "su2", "--job-id", "su-b")
    assert.match((await cli.run(["resume"])).stdout, /^resumed: /)
    assert.deepStrictEqual(await cli.json(["resume"]), { suspended: false, wasSuspended: false })
    await worker.until(/job su-a completed/)
    const { queues, suspended } = await cli.json(["info"])
    assert.isFalse(suspended)
    const paused = queues.filter((queue: { readonly paused: boolean }) => queue.paused)
    assert.deepStrictEqual(paused.map(({ name }: { readonly name: string }) => name), ["su2", "unused"])
    assert.strictEqual((await show("su-b")).status, "queued")
    assert.match((await cli.run(["info", "-Q"])).stdout, /\nsu2 \(paused\) +1 /)

    assert.strictEqual(
      (await cli.run(["unpause", "su2", "unused", "never"])).stdout,
      "su2     unpaused\nunused  unpaused\n"
        + "never   unpaused  it was not paused; nobody has used a queue called so yet\n"
    )
    await worker.until(/job su-b completed/)
    await shutDown("su", worker)
  })
})

describe("shutdown", { timeout: 60_000 }, () => {
  it("ends workers in peace, and says which are not there", async () => {
    await enqueue("app.wait", "seconds:=1", "-q", "sh1", "--job-id", "sh")
    const worker = await startWorker("sh-a", "sh1")
    const other = await startWorker("sh-b", "sh2")
    await worker.until(/job sh started/)
    assert.deepStrictEqual(
      rowsOf(await cli.run(["shutdown", "sh-a", "nope", "--json"]), /^effect-rq: 1 of 2 not told to shut down\n$/),
      [{ worker: "sh-a", outcome: "stopping" }, { worker: "nope", outcome: "missing" }]
    )
    assert.match((await worker.done).stderr, /told to shut down[^]*stopped: 1 completed, 0 failed, 0 put back/)
    assert.strictEqual((await show("sh")).status, "finished")

    // One that died is known for a while, but does not listen.
    const dead = await startWorker("sh-dead", "sh2")
    dead.kill("SIGKILL")
    await dead.done
    const all = await cli.run(["shutdown", "--all"])
    assert.strictEqual(all.code, 1)
    assert.match(all.stdout, /^sh-b +stopping +it was told to end in peace$/m)
    assert.match(all.stdout, /^sh-dead +silent +it does not listen/m)
    assert.strictEqual((await other.done).code, 0)
  })
})
