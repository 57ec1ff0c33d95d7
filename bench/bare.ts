/**
 * What the machine allows: the same work by plain ioredis and the fewest calls of Lua that could do it, without types,
 * options, guarantees, or anybody to tell. It shows where the limit is of what can be built with these.
 */
import { Redis as Connection } from "ioredis"
import { randomUUID } from "node:crypto"
import { type Figures, megabytes, type Params, port, queueName, runTask, sleep } from "./task.js"

const redis = new Connection(port)

const job = ["data", "[\"bench.void\",null,[],{}]", "origin", queueName, "status", "queued", "timeout", "180"]
const jobLua = `"data", '["bench.void",null,[],{}]', "origin", "bench", "status", "queued", "timeout", "180"`

const addLua = `
for i = 2, #ARGV do redis.call("HSET", "rq:job:" .. ARGV[i], ${jobLua}) end
redis.call("RPUSH", KEYS[1], unpack(ARGV, 2))
return 1`

/** Ends what ran and takes what is next, in one call, as the library does. */
const turnLua = `
for i = 3, #ARGV do
  redis.call("ZREM", KEYS[2], ARGV[i])
  redis.call("HSET", "rq:job:" .. ARGV[i], "status", "finished", "ended_at", ARGV[2])
  redis.call("ZADD", KEYS[3], 1, ARGV[i])
end
local ids = redis.call("LPOP", KEYS[1], ARGV[1]) or {}
local out = {}
for i = 1, #ids do
  redis.call("ZADD", KEYS[2], 1, ids[i])
  redis.call("HSET", "rq:job:" .. ids[i], "status", "started", "started_at", ARGV[2])
  out[i] = { ids[i], redis.call("HGET", "rq:job:" .. ids[i], "data") }
end
return out`

const promoteLua = `
local due = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", "+inf", "LIMIT", 0, 500)
if #due == 0 then return 0 end
for i = 1, #due do redis.call("HSET", "rq:job:" .. due[i], "status", "queued") end
redis.call("RPUSH", KEYS[2], unpack(due))
redis.call("ZREMRANGEBYRANK", KEYS[1], 0, #due - 1)
return #due`

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
  await body(n)
  return { rate: rate(n, since) }
}

await runTask({
  fill: async ({ n, warm }) => {
    const add = await evaluator(addLua, [list])
    for (let left = n + warm; left > 0; left -= 250) {
      await add("", ...Array.from({ length: Math.min(250, left) }, () => randomUUID()))
    }
    return {}
  },
  awaited: async (params) => {
    const add = await evaluator(addLua, [list])
    return timed(params, async (n) => {
      for (let i = 0; i < n; i++) await add("", randomUUID())
    })
  },
  inFlight: async (params) => {
    const add = await evaluator(addLua, [list])
    return timed(params, (n) =>
      Promise.all(Array.from({ length: 100 }, async () => {
        for (let i = 0; i < n / 100; i++) await add("", randomUUID())
      })))
  },
  bulk: async (params) => {
    const add = await evaluator(addLua, [list])
    return timed(params, async (n) => {
      const pending = new Set<Promise<unknown>>()
      for (let left = n; left > 0; left -= 250) {
        const call = add("", ...Array.from({ length: Math.min(250, left) }, () => randomUUID()))
        pending.add(call)
        void call.then(() => pending.delete(call))
        if (pending.size >= 2) await Promise.race(pending)
      }
      await Promise.all(pending)
    })
  },
  drain: async (params) => {
    const turn = await evaluator(turnLua, [list, `rq:wip:${queueName}`, `rq:finished:${queueName}`])
    const size = Math.min(100, params.concurrency)
    let ran = 0
    let since = 0
    const loop = async () => {
      let ended: ReadonlyArray<string> = []
      for (;;) {
        // The shape is that of the script.
        const claimed = await turn(size, "2026-11-24T06:00:00.250Z", ...ended) as ReadonlyArray<
          readonly [string, string]
        >
        if (claimed.length === 0) return
        for (const [, data] of claimed) {
          JSON.parse(data)
          if (++ran === params.warm + 1) since = performance.now()
        }
        ended = claimed.map(([id]) => id)
      }
    }
    await Promise.all(params.concurrency === 1 ? [loop()] : [loop(), loop()])
    return { rate: rate(params.n, since) }
  },
  schedule: async ({ n }) => {
    for (let from = 0; from < n; from += 1000) {
      const some = redis.pipeline()
      for (let i = from; i < Math.min(n, from + 1000); i++) {
        const id = randomUUID()
        some.hset(`rq:job:${id}`, ...job).zadd(`rq:scheduled:${queueName}`, i, id)
      }
      await some.exec()
    }
    return {}
  },
  promote: async ({ n }) => {
    const promote = await evaluator(promoteLua, [`rq:scheduled:${queueName}`, list])
    const since = performance.now()
    while (await promote() !== 0);
    return { rate: rate(n, since) }
  },
  idle: async ({ seconds }) => {
    // What any program with these two has in memory.
    await import("effect/Layer")
    await import("effect/Schema")
    await sleep(seconds * 1000)
    return { rss: megabytes() }
  }
})
