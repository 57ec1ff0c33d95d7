/**
 * Three workers with schedulers, as processes, on one Redis: the leader is told to stop, the next leader is killed, and
 * every job runs all the same.
 *
 * What happened is taken from those who can't be wrong about it: the server's MONITOR for who held the lock and who
 * promoted what, a journal that the handlers write for what ran, and the log of each process for what people are told.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Redis as IORedis } from "ioredis"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Job from "../../src/Job.js"
import * as Queue from "../../src/Queue.js"
import * as RedisLive from "../../src/RedisLive.js"
import { type Running, useCli } from "../cli/support.js"
import { cache, root } from "../package/sources.js"
import { Witness } from "../support/witness.js"

const cli = useCli()

const queue = "fleet"
const total = 2000
const millisApart = 5
/** When the leaders are stopped: so many jobs were promoted, which is 3 and 6 seconds in. */
const stopAfter = 600
const killAfter = 1200
/** A scheduler's defaults. */
const leaseMillis = 15_000
const tickMillis = 1000
/** What a machine that is busy with other things may add. */
const slackMillis = 2000

const Run = Job.make("fleet.run", {
  payload: { n: Schema.Number, due: Schema.Number, millis: Schema.Number },
  queue
})

const idOf = (n: number) => `fleet-${n}`
const numberOf = (id: string) => Number(id.slice("fleet-".length))

/** Bounded waiting for what other processes do. */
const until = async (what: string, limitMillis: number, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + limitMillis
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${limitMillis} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

interface Note {
  readonly what: "start" | "end"
  readonly n: number
  readonly due: number
  readonly at: number
}

interface Entry {
  readonly time: string
  readonly message: string
  readonly worker?: string
  readonly scheduler?: string
}

class Member {
  readonly process: Running
  private readonly journal: string
  constructor(readonly name: string, folder: string) {
    this.journal = Path.join(folder, `${name}.jsonl`)
    this.process = cli.spawn(
      ["worker", queue, "--jobs", "fleet.js", "--with-scheduler", "--name", name, "--log-format", "json"],
      { env: { FLEET_JOURNAL: this.journal } }
    )
  }
  /** All that it has written so far. */
  readonly output = () => this.process.until(/^/)
  async log(): Promise<ReadonlyArray<Entry>> {
    const lines = (await this.output()).split("\n")
    // The last line of one that was killed may be cut off.
    return lines.slice(0, -1).map((line): Entry => JSON.parse(line))
  }
  async scheduler(): Promise<string> {
    return /with scheduler (\d+)/.exec(await this.process.until(/with scheduler (\d+)/))![1]!
  }
  notes(): ReadonlyArray<Note> {
    if (!Fs.existsSync(this.journal)) return []
    return Fs.readFileSync(this.journal, "utf8").trimEnd().split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line)
    )
  }
  started(): ReadonlyArray<number> {
    return this.notes().flatMap(({ n, what }) => what === "start" ? [n] : [])
  }
  /** What it has begun and not ended. */
  open(): ReadonlyArray<number> {
    const open = new Set<number>()
    for (const { n, what } of this.notes()) {
      if (what === "start") open.add(n)
      else open.delete(n)
    }
    return [...open]
  }
}

const figures = (values: ReadonlyArray<number>): string => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${sorted.length} jobs)`
}

const inOrder = (ns: Iterable<number>) => [...ns].sort((a, b) => a - b)
const count = <A>(items: Iterable<A>) => {
  const counts = new Map<A, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}
const seconds = (millis: number) => `${(millis / 1000).toFixed(2)} s`

describe("a fleet of workers with schedulers", () => {
  it("runs every job although one leader is stopped and the next is killed", { timeout: 100_000 }, async (context) => {
    const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-rq-fleet-"))
    Fs.copyFileSync(Path.join(root, "test/processes/fixtures/fleet.js"), Path.join(cli.folder, "fleet.js"))
    const redis = new IORedis(cli.server.url)
    const monitor = await redis.monitor()
    const witness = new Witness(queue)
    let marked = false
    monitor.on("monitor", (time: string, args: ReadonlyArray<string>, source: string) => {
      witness.see(time, args, source)
      if (args[0] === "echo" && args[1] === "the end") marked = true
    })
    const members = ["one", "two", "three"].map((name) => new Member(name, folder))

    context.onTestFailed(async () => {
      const logs = Path.join(cache, "fleet-logs")
      Fs.mkdirSync(logs, { recursive: true })
      for (const member of members) {
        const output = await member.output()
        const file = Path.join(logs, `${member.name}.log`)
        Fs.writeFileSync(file, output)
        // Two lines for each of thousands of jobs hide the rest.
        const told = output.split("\n").filter((line) => !/"job \S+ (?:started|completed)|"promoted /.test(line))
        console.error(`worker ${member.name}, all of it in ${file}:\n${told.join("\n")}`)
      }
    })
    context.onTestFinished(() => {
      monitor.disconnect()
      redis.disconnect()
      Fs.rmSync(folder, { recursive: true, force: true })
    })

    // All are there, one leads, and the others know whom they follow.
    const byScheduler = new Map<string, Member>()
    for (const member of members) {
      byScheduler.set(await member.scheduler(), member)
      await member.process.until(/leads queue fleet|queue fleet is led by/)
    }
    await until("somebody is elected", 5000, () => witness.elected.length === 1)

    const first = Date.now() + 1500
    const due = (n: number) => first + n * millisApart
    const numbers = Array.from({ length: total }, (_, n) => n)
    const refs = await Effect.runPromise(
      Effect.flatMap(Queue.Queue, (service) =>
        service.enqueueMany(numbers.map((n) =>
          Queue.request(
            Run,
            { n, due: due(n), millis: n % 4 === 0 ? 300 : 0 },
            { jobId: idOf(n), at: DateTime.unsafeMake(due(n)) }
          )
        ))).pipe(
          Effect.provide(Queue.layer.pipe(Layer.provide(RedisLive.layer({ url: cli.server.url }))))
        )
    )
    assert.deepStrictEqual(refs.map(({ id, outcome }) => [id, outcome]), numbers.map((n) => [idOf(n), "scheduled"]))

    const leaderWithWork = async (term: number, promoted: number) => {
      let leader: Member | undefined
      await until(`leader ${term} is busy after ${promoted} promotions`, 20_000, () => {
        if (witness.promotions.length < promoted) return false
        const elected = witness.elected[term]
        leader = elected === undefined ? undefined : byScheduler.get(elected.scheduler)
        return leader !== undefined && leader.open().length >= 3
      })
      return leader!
    }

    const stopped = await leaderWithWork(0, stopAfter)
    const stoppedAt = Date.now()
    stopped.process.kill("SIGTERM")
    const stoppedEnd = await stopped.process.done
    assert.strictEqual(stoppedEnd.code, 0)
    assert.deepStrictEqual(stopped.open(), [], "what ran when it was told to stop has ended")

    const killed = await leaderWithWork(1, killAfter)
    const killedAt = Date.now()
    killed.process.kill("SIGKILL")
    assert.strictEqual((await killed.process.done).signal, "SIGKILL")
    const [, killedScheduler = ""] = witness.elected.map(({ scheduler }) => scheduler)
    assert.strictEqual(await redis.get(`rq:scheduler-lock:${queue}`), killedScheduler, "it led when it was killed")
    /** What Redis counts as running there: what ran, and what had ended or was about to begin. */
    const held = new Set<number>()
    for (const member of await redis.zrange(`rq:wip:${queue}`, 0, "-1")) {
      const id = member.slice(0, member.lastIndexOf(":"))
      if (await redis.hget(`rq:job:${id}`, "worker_name") === killed.name) held.add(numberOf(id))
    }
    const cutOff = killed.open()
    assert.isNotEmpty(cutOff)
    for (const n of cutOff) assert.isTrue(held.has(n), `${idOf(n)} was cut off and is counted as running`)

    await until("the third leads", leaseMillis + 5000, () => witness.elected.length === 3)
    const last = members.find((member) => member !== stopped && member !== killed)!
    await until(
      "all jobs are finished",
      50_000 - (Date.now() - killedAt),
      async () => await redis.zcard(`rq:finished:${queue}`) === total && await redis.zcard(`rq:wip:${queue}`) === 0
    )
    const allDoneAt = Date.now()
    last.process.kill("SIGTERM")
    assert.strictEqual((await last.process.done).code, 0)
    await redis.echo("the end")
    await until("the monitor has seen all", 5000, () => marked)

    // Who took over, and when: as Redis saw it, and as the logs tell it.
    const terms = witness.elected
    assert.deepStrictEqual(terms.map(({ scheduler }) => byScheduler.get(scheduler)), [stopped, killed, last])
    const term1 = terms[0]!
    const term2 = terms[1]!
    const term3 = terms[2]!
    const afterStop = term2.at - stoppedAt
    const afterKill = term3.at - killedAt
    assert.isAtMost(afterStop, slackMillis, "taken over at once after SIGTERM")
    assert.isAtMost(afterKill, leaseMillis + slackMillis, "taken over as soon as the lease has ended after SIGKILL")
    for (const [index, term] of terms.entries()) {
      const member = byScheduler.get(term.scheduler)!
      const log = await member.log()
      const leads = log.filter(({ message }) => message === `leads queue ${queue}`)
      assert.deepStrictEqual(leads.map(({ scheduler, worker }) => [scheduler, worker]), [[term.scheduler, member.name]])
      assert.isAtMost(Math.abs(Date.parse(leads[0]!.time) - term.at), slackMillis)
      if (index > 0) {
        const led = log.filter(({ message }) => message.startsWith(`queue ${queue} is led by `))
        assert.strictEqual(led.at(-1)?.message, `queue ${queue} is led by ${terms[index - 1]!.scheduler}`)
        assert.isAtMost(Date.parse(led.at(-1)!.time), Date.parse(leads[0]!.time))
      }
      assert.notInclude(log.map(({ message }) => message).join("\n"), "no longer leads")
    }

    // Promoted once, by the one that led, not before it was due, and as soon as anybody could.
    const promotions = count(witness.promotions.map(({ id }) => id))
    assert.deepStrictEqual(numbers.filter((n) => promotions.get(idOf(n)) !== 1), [], "promoted exactly once")
    assert.strictEqual(witness.promotions.length, total)
    const promotionLate: Record<"led" | "vacant", Array<number>> = { led: [], vacant: [] }
    for (const { at, holder, id, scheduler } of witness.promotions) {
      const dueAt = due(numberOf(id))
      const told = `${id}, due ${dueAt}, promoted ${at} by ${scheduler}`
      assert.strictEqual(holder, scheduler, `${told}, which leads`)
      assert.isAtLeast(at, dueAt, `${told}, not too early`)
      const since = terms.find((term) => term.scheduler === scheduler)!.at
      assert.isAtMost(at - Math.max(dueAt, since), tickMillis + slackMillis, `${told}, elected ${since}`)
      // What was due well before a leader's end was promoted by that one or one before.
      if (dueAt < killedAt - tickMillis - slackMillis) assert.notStrictEqual(scheduler, term3.scheduler, told)
      if (dueAt < stoppedAt - tickMillis - slackMillis) assert.strictEqual(scheduler, term1.scheduler, told)
      promotionLate[dueAt < since ? "vacant" : "led"].push(at - dueAt)
    }
    assert.isNotEmpty(
      witness.promotedBy(term3.scheduler).filter(({ id }) => due(numberOf(id)) < term3.at),
      "some were due while nobody led"
    )

    // The logs tell of the same promotions. The last lines of one that was killed may be missing.
    const toldPromoted = new Map<Member, number>()
    const toldIds: Array<string> = []
    for (const member of members) {
      let told = 0
      for (const { message } of await member.log()) {
        const [, id, many] = /^promoted (?:job (\S+)|(\d+) jobs), [\d.]+ m?s late$/.exec(message) ?? []
        if (id !== undefined) toldIds.push(id)
        told += id !== undefined ? 1 : Number(many ?? 0)
      }
      toldPromoted.set(member, told)
    }
    assert.strictEqual(new Set(toldIds).size, toldIds.length, "no job is told to be promoted twice")
    for (const [scheduler, member] of byScheduler) {
      const told = toldPromoted.get(member)!
      const promoted = witness.promotedBy(scheduler).length
      if (member === last) assert.strictEqual(told, promoted)
      else assert.isAtMost(told, promoted)
    }

    // Every job ran, once, except what was on the worker that was killed.
    const starts = members.flatMap((member) => member.notes().filter(({ what }) => what === "start"))
    const ends = new Set(
      members.flatMap((member) => member.notes().flatMap(({ n, what }) => what === "end" ? [n] : []))
    )
    const runs = count(starts.map(({ n }) => n))
    const lost = numbers.filter((n) => !runs.has(n) || !ends.has(n))
    const again = numbers.filter((n) => (runs.get(n) ?? 0) > 1)
    const begunThere = new Set(killed.started())
    assert.deepStrictEqual(lost, [])
    assert.deepStrictEqual(again, inOrder([...held].filter((n) => begunThere.has(n))), "run again: what was cut off")
    for (const n of held) {
      assert.deepStrictEqual(last.started().filter((other) => other === n), [n], `${idOf(n)} ran once on the third`)
    }
    for (const { at, due: dueAt, n } of starts) assert.isAtLeast(at, dueAt, `${idOf(n)} did not start too early`)
    const died = (await last.log()).flatMap(({ message }) => {
      // One that was fetched ahead may not have begun, which its log does not know of.
      const [, worker, id] =
        /^worker (\S+) died (?:while it ran|with) job (\S+) (?:\(1 times by now\)|fetched ahead): back to/.exec(
          message
        ) ??
          []
      return worker === killed.name && id !== undefined ? [numberOf(id)] : []
    })
    assert.deepStrictEqual(inOrder(died), inOrder(held), "the log tells which jobs were taken from the dead worker")

    // What is left in Redis.
    assert.deepStrictEqual(
      inOrder((await redis.zrange(`rq:finished:${queue}`, 0, "-1")).map(numberOf)),
      numbers
    )
    const keys = (await redis.keys("*")).filter((key) => !/^rq:(?:job|results):fleet-\d+$/.test(key))
    const lapsing = [
      ...members.map(({ name }) => `rq:worker:${name}`),
      `rq:scheduler:${killedScheduler}`,
      `rq:worker:${killed.name}:executions`,
      `rq:effect:maintenance:${queue}`,
      `rq:effect:tidied:${queue}`,
      `rq:effect:journal:${queue}`
    ]
    const staying = [
      `rq:finished:${queue}`,
      "rq:queues",
      // The dead worker, of which nobody has taken leave.
      "rq:workers",
      `rq:workers:${queue}`,
      `rq:effect:handovers:${queue}`
    ]
    assert.deepStrictEqual(keys.filter((key) => !lapsing.includes(key) && !staying.includes(key)), [])
    for (const key of lapsing) assert.notStrictEqual(await redis.ttl(key), -1, `${key} lapses by itself`)
    const dead = `rq:worker:${killed.name}`
    assert.deepStrictEqual(await redis.smembers("rq:workers"), [dead])
    assert.deepStrictEqual(await redis.smembers(`rq:workers:${queue}`), [dead])

    const startLate = starts.map(({ at, due: dueAt }) => at - dueAt)
    const promotedBy = terms.map(({ scheduler }) =>
      `${byScheduler.get(scheduler)!.name} ${witness.promotedBy(scheduler).length}`
    )
    console.log(
      [
        `scheduled ${refs.length}, promoted ${witness.promotions.length} (${promotedBy.join(", ")}), run ${runs.size}, `
        + `twice ${again.length}, lost ${lost.length}, late by more than a second ${
          [...promotionLate.led, ...promotionLate.vacant].filter((late) => late > 1000).length
        }`,
        `${killed.name} took over from ${stopped.name} ${seconds(afterStop)} after SIGTERM, `
        + `${last.name} from ${killed.name} ${seconds(afterKill)} after SIGKILL, with ${cutOff.length} jobs cut off; `
        + `all done ${seconds(allDoneAt - killedAt)} after SIGKILL`,
        `promoted late, while somebody led: ${figures(promotionLate.led)}`,
        `promoted late, due while nobody led: ${figures(promotionLate.vacant)}`,
        `started late: ${figures(startLate)}`
      ].join("\n")
    )
  })
})
