import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Dates from "../../src/wire/date.js"
import { describe as describeCall } from "../../src/wire/description.js"
import * as JobHash from "../../src/wire/jobHash.js"
import * as Payload from "../../src/wire/payload.js"
import * as Result from "../../src/wire/result.js"
import * as Scheduler from "../../src/wire/scheduler.js"
import * as Worker from "../../src/wire/worker.js"
import * as Golden from "../support/golden.js"

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)

const all = Golden.names.map(Golden.load)

const each = (
  family: RegExp,
  f: (entry: Golden.Entry, match: RegExpExecArray, where: string) => void
): number => {
  let count = 0
  for (const golden of all) {
    for (const [name, state] of Golden.states(golden)) {
      for (const [key, entry] of Object.entries(state)) {
        const match = family.exec(key)
        if (match === null) continue
        f(entry, match, `${golden.scenario} ${name} ${key}`)
        count++
      }
    }
  }
  return count
}

const asHash = (entry: Golden.Entry, where: string): Golden.Hash => {
  assert(entry.type === "hash", where)
  return entry.value
}

const camel = (field: string): string => field.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

describe("jobs", () => {
  it("are all read, field by field", () => {
    const dates = /^(created_at|enqueued_at|started_at|ended_at|last_heartbeat)$/
    const numbers = /^(timeout|ttl|.*_ttl|.*_timeout|.*_left|number_of_retries)$/
    const flags = /^(enqueue_at_front.*|allow_dependency_failures)$/
    const arrays = /^(.*_intervals|dependency_ids|webhooks)$/
    const count = each(/^rq:job:([\w-]+)$/, (entry, [, id], where) => {
      const hash = asHash(entry, where)
      const record = right(JobHash.decode(id!, Golden.flat(hash)))
      assert.strictEqual(record.id, id, where)
      for (const [field, leaf] of Object.entries(hash)) {
        const text = Golden.text(leaf)
        const at = `${where} ${field}`
        const actual = (record as unknown as Record<string, unknown>)[camel(field)] // a name made from the field's
        if (field === "data" || field === "result") assert.deepStrictEqual(actual, Golden.bytes(leaf), at)
        else if (field === "dependency_id") assert.strictEqual(record.dependencyIds[0], text, at)
        else if (text === "" || field === "exc_info") assert.isUndefined(actual, at)
        else if (dates.test(field)) assert.strictEqual(actual, Date.parse(text), at)
        else if (numbers.test(field)) assert.strictEqual(actual, Number(text), at)
        else if (flags.test(field)) assert.strictEqual(actual, text === "1", at)
        else if (arrays.test(field) || field === "meta") assert.deepStrictEqual(actual, JSON.parse(text), at)
        else assert.strictEqual(actual, text, at)
      }
      assert.strictEqual(record.other.size, 0, where)
    })
    assert.isAbove(count, 80)
  })

  it("have payloads that are read, but for the pickled ones", () => {
    const pickled = new Set<string>()
    const count = each(/^rq:job:([\w-]+)$/, (entry, _, where) => {
      const leaf = asHash(entry, where)["data"]!
      const payload = Payload.decode(Golden.bytes(leaf))
      assert("b64" in leaf, where)
      if (leaf.zlib === undefined) {
        assert(Either.isLeft(payload), where)
        assert.strictEqual(payload.left.reason, "Pickled")
        pickled.add(where.split(" ")[0]!)
      } else {
        const { args, kwargs, name } = right(payload)
        assert.deepStrictEqual([name, null, args, kwargs], JSON.parse(leaf.zlib), where)
        assert.deepStrictEqual(right(Payload.decode(Buffer.from(leaf.zlib))), { args, kwargs, name }, where)
        // what we would have written says the same
        assert.deepStrictEqual(JSON.parse(right(Payload.encode({ args, kwargs, name }))), JSON.parse(leaf.zlib), where)
      }
    })
    assert.isAbove(count, 80)
    assert.deepStrictEqual([...pickled], ["cron_scheduler"])
  })

  it("have the descriptions that we would give them", () => {
    let own = 0
    const count = each(/^rq:job:([\w-]+)$/, (entry, _, where) => {
      const hash = asHash(entry, where)
      const payload = Payload.decode(Golden.bytes(hash["data"]!))
      if (Either.isLeft(payload)) return
      const description = Golden.text(hash["description"]!)
      if (description === "desc é") {
        own++ // given by the caller
        return
      }
      const { args, kwargs, name } = payload.right
      assert.strictEqual(describeCall(name, args, kwargs), description, where)
    })
    assert.isAbove(count, 80)
    assert.strictEqual(own, 1)
  })

  it("are written as RQ writes them, but for what it clears with an empty text", () => {
    let count = 0
    for (const golden of all) {
      if (!/^(enqueue_(?!full)|dequeue|group|unique|cancel_scheduled|webhook)/.test(golden.scenario)) continue
      for (const [key, entry] of Object.entries(golden.state)) {
        const match = /^rq:job:([\w-]+)$/.exec(key)
        if (match === null) continue
        const hash = asHash(entry, key)
        const record = right(JobHash.decode(match[1]!, Golden.flat(hash)))
        const payload = right(Payload.decode(record.data))
        const flat = [
          "data",
          right(Payload.encode(payload)),
          "origin",
          record.origin!,
          "description",
          record.description!,
          "status",
          record.status,
          "timeout",
          JobHash.timeout(record.timeout!),
          "created_at",
          Dates.encode(record.createdAt!),
          ...(record.enqueuedAt === undefined ? [] : ["enqueued_at", Dates.encode(record.enqueuedAt)]),
          ...JobHash.encodeMore({ ...record, meta: undefined })
        ]
        const expected = new Map<string, unknown>()
        for (const [field, leaf] of Object.entries(hash)) {
          const text = Golden.text(leaf)
          if (text === "" && !(field === "last_heartbeat" && flat.includes(field)) || field === "webhooks") continue
          expected.set(
            field,
            field === "data"
              ? [payload.name, null, payload.args, payload.kwargs]
              : field.endsWith("_at")
              ? text.replace(/\d{3}Z$/, "Z")
              : text
          )
        }
        const actual = new Map<string, unknown>()
        for (let i = 0; i < flat.length; i += 2) {
          actual.set(flat[i]!, flat[i] === "data" ? JSON.parse(flat[i + 1]!) : flat[i + 1])
        }
        assert.deepStrictEqual(actual, expected, `${golden.scenario} ${key}`)
        count++
      }
    }
    assert.isAbove(count, 15)
  })
})

describe("results", () => {
  it("are all read", () => {
    const types = new Set<string>()
    const count = each(/^rq:results:([\w-]+)$/, (entry, _, where) => {
      assert(entry.type === "stream", where)
      for (const [id, fields] of entry.value) {
        const record = right(Result.decodeEntry(id, Golden.flat(fields)))
        types.add(record.type)
        assert.strictEqual(`${record.createdAt}`, id.split("-")[0], where)
        assert.strictEqual(record.workerName ?? "", Golden.text(fields["worker_name"]!), where)
        assert.strictEqual(record.executionId, fields["execution_id"] && Golden.text(fields["execution_id"]), where)
        const started = fields["execution_started_at"]
        if (started !== undefined) {
          assert.closeTo(record.startedAt!, Number(Golden.text(started)) * 1000, 0.51, where)
        } else assert.isUndefined(record.startedAt, where)
        const value = fields["return_value"]
        assert.deepStrictEqual(
          record.returnValue,
          value && JSON.parse(Buffer.from(Golden.text(value), "base64").toString()),
          where
        )
        const exception = fields["exc_string"]
        if (exception === undefined) assert.isUndefined(record.excString, where)
        else if ("last_line" in exception) assert.strictEqual(record.excString, exception.last_line, where)
        else assert.isNotEmpty(record.excString, where)
      }
    })
    assert.isAbove(count, 30)
    assert.sameMembers([...types], ["successful", "failed", "retried", "maxRetriesExceeded"])
    const [[id, fields]] = Object.entries(Golden.load("stop_job").state)
      .flatMap(([key, entry]) => key.startsWith("rq:results:") && entry.type === "stream" ? entry.value : []) as [
        readonly [string, Golden.Hash] // one result, as the dump shows
      ]
    assert.include(right(Result.decodeEntry(id, Golden.flat(fields))), {
      type: "failed",
      createdAt: 1795453713525,
      workerName: "w-fork",
      executionId: "01316278699e47b593b25ef590ff3438",
      startedAt: 1795453713195,
      endedAt: undefined,
      excString: "Job stopped by user, work-horse terminated."
    })
  })
})

describe("workers", () => {
  it("are all read", () => {
    const states = new Set<string | undefined>()
    let partial = 0
    const count = each(/^rq:worker:([\w-]+)$/, (entry, [, name], where) => {
      const hash = asHash(entry, where)
      const record = right(Worker.decode(name!, Golden.flat(hash)))
      states.add(record.state)
      const text = (field: string) => hash[field] && Golden.text(hash[field])
      const date = (field: string) => hash[field] && Date.parse(Golden.text(hash[field]))
      assert.strictEqual(record.birth, date("birth"), where)
      assert.strictEqual(record.lastHeartbeat, date("last_heartbeat"), where)
      assert.strictEqual(record.death, date("death"), where)
      assert.strictEqual(record.queues.join(","), text("queues") ?? "", where)
      assert.strictEqual(record.currentJob, text("current_job"), where)
      assert.strictEqual(record.currentJobWorkingTime, Number(text("current_job_working_time") ?? 0), where)
      assert.strictEqual(record.successfulJobCount, Number(text("successful_job_count") ?? 0), where)
      assert.strictEqual(record.failedJobCount, Number(text("failed_job_count") ?? 0), where)
      assert.strictEqual(record.totalWorkingTime, Number(text("total_working_time") ?? 0), where)
      assert.strictEqual(record.pid, text("pid") && Number(text("pid")), where)
      assert.strictEqual(record.hostname, text("hostname"), where)
      assert.strictEqual(record.ipAddress, text("ip_address"), where)
      assert.strictEqual(record.version, text("version"), where)
      assert.strictEqual(record.pythonVersion, text("python_version"), where)
      if (record.birth === undefined) {
        partial++ // maintenance counted a failure for a worker that was never born
        return
      }
      const flat = Worker.encodeBirth({
        birth: record.birth,
        queues: record.queues,
        pid: record.pid!,
        hostname: record.hostname!,
        ipAddress: record.ipAddress!,
        version: record.version!,
        runtime: record.pythonVersion!
      })
      const births = all.flatMap((golden) => golden.commands)
        .filter((command) => command[1] === "HSET" && command[2] === `rq:worker:${name}` && command[3] === "birth")
      const born = births.find((command) => command[4] === text("birth"))
      assert.deepStrictEqual(
        flat,
        born!.slice(3).map((argument) => argument.replace(/(\.\d{3})\d{3}Z$/, "$1Z")),
        where
      )
    })
    assert.isAbove(count, 30)
    assert.strictEqual(partial, 1)
    assert.sameMembers([...states], ["busy", "idle", "suspended", undefined])
  })
})

describe("schedulers", () => {
  it("are all read and written alike", () => {
    const count = each(/^rq:scheduler:([\w-]+)$/, (entry, [, name], where) => {
      const hash = asHash(entry, where)
      const record = right(Scheduler.decode(name!, Golden.flat(hash)))
      assert.strictEqual(record.name, Golden.text(hash["name"]!), where)
      assert.strictEqual(record.createdAt, Date.parse(Golden.text(hash["created_at"]!)), where)
      assert.strictEqual(record.lastHeartbeat, Date.parse(Golden.text(hash["last_heartbeat"]!)), where)
      const flat = Scheduler.encode({
        name: record.name,
        hostname: record.hostname!,
        pid: record.pid!,
        queues: record.queues,
        createdAt: record.createdAt!,
        lastHeartbeat: record.lastHeartbeat!
      })
      assert.deepStrictEqual(
        flat,
        Object.entries(hash).flatMap((
          [field, leaf]
        ) => [field, Golden.text(leaf).replace(/(\.\d{3})\d{3}Z$/, "$1Z")]),
        where
      )
    })
    assert.isAbove(count, 3)
  })
})

describe("golden", () => {
  it("unescapes what MONITOR escapes", () => {
    let count = 0
    for (const golden of all) {
      for (const [, command, key, ...args] of golden.commands) {
        const at = args.indexOf("data")
        const final = golden.state[key ?? ""]
        if (command !== "HSET" || at === -1 || final?.type !== "hash") continue
        assert.deepStrictEqual(Golden.unescape(args[at + 1]!), Golden.bytes(final.value["data"]!), golden.scenario)
        count++
      }
    }
    assert.isAbove(count, 50)
  })

  it("compares states without what differs from run to run", () => {
    const comparable = (name: string) => {
      const golden = Golden.load(name)
      return Golden.comparable(golden.state, golden.captured_at)
    }
    const simple = comparable("success_simple_worker")
    assert.deepStrictEqual(simple["rq:finished:default"], {
      type: "zset",
      ttl: "none",
      value: [["g-1", "now+500"]]
    })
    assert.deepStrictEqual(simple["rq:results:g-1"], {
      type: "stream",
      ttl: 500,
      value: [{
        execution_ended_at: "<seconds>",
        execution_id: "<id 1>",
        execution_started_at: "<seconds>",
        return_value: "Mw==",
        type: "1",
        worker_name: "w-simple"
      }]
    })
    assert.deepStrictEqual(simple["rq:job:g-1"]!.value, {
      created_at: "<date>",
      data: ["jobs_mod.add", null, [1, 2], {}],
      description: "jobs_mod.add(1, 2)",
      ended_at: "<date>",
      enqueued_at: "<date>",
      last_heartbeat: "<date>",
      origin: "default",
      started_at: "<date>",
      status: "finished",
      timeout: "180",
      worker_name: "w-simple"
    })
    assert.deepStrictEqual(comparable("enqueue_simple"), comparable("enqueue_simple"))
    for (const name of Golden.names) comparable(name)
  })
})
