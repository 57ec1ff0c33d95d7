/**
 * What the machine allows: the same work by plain ioredis and the fewest calls of Lua that leave in Redis what RQ's format
 * asks for, without types, options, retries, dependencies, heartbeats, or anybody to tell. A job that has been started is
 * still finished only by who started it. It shows where the limit is of what can be built with these.
 */
import * as Effect from "effect/Effect"
import { Redis as Connection } from "ioredis"
import { randomUUID } from "node:crypto"
import {
  cpuMicros,
  type Figures,
  isTyped,
  megabytes,
  outcome,
  type Params,
  payload,
  port,
  queueName,
  runTask,
  sleep
} from "./task.js"

const redis = new Connection(port)

const date = "2026-11-24T06:00:00.250Z"
const execution = "00000000-0000-4000-8000-000000000001"
const result = Buffer.from(JSON.stringify(outcome)).toString("base64")

/** What a job is when it is new. */
const job = (kind: Params["kind"], status: "queued" | "scheduled"): ReadonlyArray<string> => {
  const [data, description] = isTyped(kind)
    ? [JSON.stringify(["bench.typed", null, [], payload]), "bench.typed(...)"]
    : ["[\"bench.void\",null,[],{}]", "bench.void()"]
  const fields = {
    data,
    origin: queueName,
    description,
    status,
    timeout: "180",
    created_at: date,
    ...(status === "queued" ? { enqueued_at: date } : {})
  }
  return Object.entries(fields).flat()
}

/** KEYS: list. ARGV: how many fields and values, these, ids. */
const addLua = `
local fields = tonumber(ARGV[1])
local job = { unpack(ARGV, 2, 1 + fields) }
for i = 2 + fields, #ARGV do redis.call("HSET", "rq:job:" .. ARGV[i], unpack(job)) end
redis.call("RPUSH", KEYS[1], unpack(ARGV, 2 + fields))
return 1`

/**
 * Ends what ran and takes what is next, in one call, as the library does.
 *
 * KEYS: list, started, finished. ARGV: how many to take, date, when they expire, when an execution is abandoned, worker,
 * execution, result or nothing, ids that have ended.
 */
const turnLua = `
local WANT, DATE, EXPIRY, ABANDONED, WORKER, EXECUTION, RESULT = unpack(ARGV, 1, 7)
local ended, finished, sets, members = #ARGV - 7, {}, {}, {}
if ended > 0 then
  for i = 1, ended do members[i] = ARGV[7 + i] .. ":" .. EXECUTION end
  redis.call("ZREM", KEYS[2], unpack(members))
  for i = 1, ended do
    local id = ARGV[7 + i]
    local key = "rq:job:" .. id
    local job = redis.call("HMGET", key, "status", "worker_name", "execution")
    if job[1] == "started" and job[2] == WORKER and job[3] == EXECUTION then
      if RESULT ~= "" then
        redis.call("XADD", "rq:results:", "*", "type", "1", "worker_name", WORKER, "execution_ended_at", EXPIRY,
          "execution_id", EXECUTION, "execution_started_at", EXPIRY, "return_value", RESULT)
        redis.call("COPY", "rq:results:", "rq:results:" .. id)
        redis.call("DEL", "rq:results:")
        redis.call("EXPIRE", "rq:results:" .. id, "500")
      end
      redis.call("HSET", key, "status", "finished", "ended_at", DATE)
      redis.call("EXPIRE", key, "500")
      finished[#finished + 1] = EXPIRY
      finished[#finished + 1] = id
    end
    sets[i] = key .. ":dependents"
  end
  redis.call("ZADD", KEYS[3], unpack(finished))
  redis.call("EXISTS", unpack(sets))
end
local ids, out, started = redis.call("LPOP", KEYS[1], WANT) or {}, {}, {}
for i = 1, #ids do
  local id = ids[i]
  local key = "rq:job:" .. id
  local job = redis.call("HMGET", key, "status", "data", "timeout")
  if job[1] == "queued" then
    redis.call("HSET", key, "status", "started", "started_at", DATE, "worker_name", WORKER, "execution", EXECUTION)
    started[#started + 1] = ABANDONED
    started[#started + 1] = id .. ":" .. EXECUTION
    out[#out + 1] = id
    out[#out + 1] = job[2]
  end
end
if #started > 0 then redis.call("ZADD", KEYS[2], unpack(started)) end
return out`

/** KEYS: scheduled, list. ARGV: date, how many at most. */
const promoteLua = `
local due = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", "+inf", "WITHSCORES", "LIMIT", 0, ARGV[2])
if #due == 0 then return 0 end
local ids = {}
for i = 1, #due / 2 do
  local key = "rq:job:" .. due[2 * i - 1]
  if redis.call("HGET", key, "status") == "scheduled" then
    redis.call("HSET", key, "status", "queued", "enqueued_at", ARGV[1], "due_at", due[2 * i])
    ids[#ids + 1] = due[2 * i - 1]
  end
end
redis.call("RPUSH", KEYS[2], unpack(ids))
redis.call("ZREMRANGEBYRANK", KEYS[1], 0, #due / 2 - 1)
return #ids`

const list = `rq:queue:${queueName}`

const evaluator = async (lua: string, keys: ReadonlyArray<string>) => {
  const sha = String(await redis.script("LOAD", lua))
  return (...args: ReadonlyArray<string | number>): Promise<unknown> =>
    redis.evalsha(sha, keys.length, ...keys, ...args)
}

const rate = (n: number, since: number): number => n * 1000 / (performance.now() - since)

const timed = async ({ n, warm }: Params, body: (n: number) => Promise<unknown>): Promise<Figures> => {
  await body(warm)
  const since = performance.now()
  const cpuSince = cpuMicros()
  await body(n)
  return { rate: rate(n, since), cpu: (cpuMicros() - cpuSince) / n }
}

/** Adds jobs of these ids. */
const adder = async ({ kind }: Params) => {
  const add = await evaluator(addLua, [list])
  const fields = job(kind, "queued")
  return (...ids: ReadonlyArray<string>) => add(fields.length, ...fields, ...ids)
}

const uuids = (n: number): ReadonlyArray<string> => Array.from({ length: n }, () => randomUUID())

/** How many jobs that end at once are taken by a call: more would block Redis for longer and gain nothing. */
const fetched = 100

/** Two calls in flight take jobs and end them until so many have run; `onRun` is told of each. */
const work = async ({ concurrency, kind }: Params, jobs: number, onRun: () => void): Promise<void> => {
  const turn = await evaluator(turnLua, [list, `rq:wip:${queueName}`, `rq:finished:${queueName}`])
  const worker = randomUUID()
  const slots = kind === "async" ? concurrency : 2 * fetched
  const after = (seconds: number) => ((Date.now() + seconds * 1000) / 1000).toFixed(3)
  let [ran, running, claiming] = [0, 0, 0]
  let ended: Array<string> = []
  let waiting: Array<() => void> = []
  const end = (id: string) => {
    running--
    ended.push(id)
    const resumed = waiting
    waiting = []
    for (const resume of resumed) resume()
  }
  const loop = async () => {
    while (ran < jobs || running > 0 || ended.length > 0) {
      const want = Math.min(slots / 2, slots - running - claiming)
      if (want === 0 && ended.length === 0) {
        await new Promise<void>((resume) => waiting.push(resume))
        continue
      }
      const handedIn = ended
      ended = []
      claiming += want
      // The shape is that of the script: id, data, id, data, ...
      const claimed = await turn(
        want,
        date,
        after(500),
        after(20),
        worker,
        execution,
        isTyped(kind) ? result : "",
        ...handedIn
      ) as ReadonlyArray<string>
      claiming -= want
      running += claimed.length / 2
      for (let at = 0; at < claimed.length; at += 2) {
        const id = claimed[at]!
        JSON.parse(claimed[at + 1]!)
        ran++
        onRun()
        if (kind === "async") Effect.runFork(Effect.andThen(Effect.sleep(1), () => end(id)))
        else end(id)
      }
    }
  }
  await Promise.all([loop(), loop()])
}

const promoteAll = async (): Promise<void> => {
  const promote = await evaluator(promoteLua, [`rq:scheduled:${queueName}`, list])
  while (await promote(date, 500) !== 0);
}

/** What any program with these two has in memory. */
const importEffect = async (): Promise<void> => {
  await import("effect/Layer")
  await import("effect/Schema")
}

await runTask({
  fill: async (params) => {
    const add = await adder(params)
    for (let left = params.n + params.warm; left > 0; left -= 250) await add(...uuids(Math.min(250, left)))
    return {}
  },
  awaited: async (params) => {
    const add = await adder(params)
    return timed(params, async (n) => {
      for (let i = 0; i < n; i++) await add(randomUUID())
    })
  },
  inFlight: async (params) => {
    const add = await adder(params)
    return timed(params, (n) =>
      Promise.all(Array.from({ length: 100 }, async () => {
        for (let i = 0; i < n / 100; i++) await add(randomUUID())
      })))
  },
  bulk: async (params) => {
    const add = await adder(params)
    return timed(params, async (n) => {
      const pending = new Set<Promise<unknown>>()
      for (let left = n; left > 0; left -= 250) {
        const call = add(...uuids(Math.min(250, left)))
        pending.add(call)
        void call.then(() => pending.delete(call))
        if (pending.size >= 2) await Promise.race(pending)
      }
      await Promise.all(pending)
    })
  },
  drain: async (params) => {
    await importEffect()
    let [ran, since, cpuSince] = [0, 0, 0]
    await work(params, params.warm + params.n, () => {
      if (++ran !== params.warm + 1) return
      since = performance.now()
      cpuSince = cpuMicros()
    })
    return { rate: rate(params.n, since), cpu: (cpuMicros() - cpuSince) / params.n, rss: megabytes() }
  },
  schedule: async ({ dueIn, kind, n }) => {
    const due = Date.now() + dueIn
    for (let from = 0; from < n; from += 1000) {
      const some = redis.pipeline()
      for (const id of uuids(Math.min(n - from, 1000))) {
        some.hset(`rq:job:${id}`, ...job(kind, "scheduled")).zadd(`rq:scheduled:${queueName}`, due / 1000, id)
      }
      await some.exec()
    }
    return { due }
  },
  promote: async ({ n }) => {
    const since = performance.now()
    await promoteAll()
    return { rate: rate(n, since) }
  },
  burst: async (params) => {
    await sleep(params.due - Date.now())
    await Promise.all([promoteAll(), work(params, params.n, () => {})])
    return { millis: Date.now() - params.due }
  },
  idle: async ({ seconds }) => {
    await importEffect()
    await sleep(seconds * 1000)
    return { rss: megabytes() }
  }
})
