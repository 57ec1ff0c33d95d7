/**
 * What RQ's readers can read: any other content of these keys ends a Python worker, a scheduler or a tool.
 */
import type { RedisMemory } from "effect-rq"
import * as Zlib from "node:zlib"

type State = Readonly<Record<string, RedisMemory.Entry>>
type Hash = Readonly<Record<string, string>>

const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/
/** An empty one is none, as RQ itself writes it. */
const dateOrEmpty = new RegExp(`^$|${date.source}`)
const integer = /^-?\d+$/
const decimal = /^\d+(\.\d+)?$/
const id = /^[A-Za-z0-9_-]+$/
const execution = /^[A-Za-z0-9_-]+:[0-9a-f]{32}$/
const flag = /^[01]$/
const anything = /^[^]+$/

const statuses = /^(queued|finished|failed|started|deferred|scheduled|stopped|canceled)$/

const utf8 = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8")

/** Python's `json` reads what JSON.parse does, but no integer of more than 4300 digits and nothing nested too deep. */
const json = (text: string, is: (value: unknown) => boolean): boolean => {
  if (/\d{4301}/.test(text)) return false
  try {
    return is(JSON.parse(utf8(text)))
  } catch {
    return false
  }
}

/** Levels of arrays and objects. */
const depth = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value)

const isIntegers = (value: unknown) => Array.isArray(value) && value.every(Number.isInteger)

type Rule = RegExp | ((value: string) => boolean)

/** Fields that are there only when they are well formed. */
type Fields = Readonly<Record<string, Rule>>

const jobFields: Fields = {
  data: (value) =>
    json(value, (call) =>
      Array.isArray(call) && call.length === 4 && typeof call[0] === "string" && call[1] === null &&
      Array.isArray(call[2]) && isObject(call[3])),
  origin: anything,
  description: anything,
  status: statuses,
  created_at: date,
  timeout: integer
}

const optionalJobFields: Fields = {
  enqueued_at: date,
  started_at: dateOrEmpty,
  ended_at: dateOrEmpty,
  last_heartbeat: dateOrEmpty,
  ttl: integer,
  result_ttl: integer,
  failure_ttl: integer,
  success_callback_timeout: integer,
  failure_callback_timeout: integer,
  stopped_callback_timeout: integer,
  enqueue_at_front: flag,
  enqueue_at_front_on_retry: flag,
  allow_dependency_failures: flag,
  retries_left: integer,
  repeats_left: integer,
  number_of_retries: integer,
  retry_intervals: (value) => json(value, isIntegers),
  repeat_intervals: (value) => json(value, isIntegers),
  dependency_id: id,
  dependency_ids: (value) => json(value, (ids) => Array.isArray(ids) && ids.every((one) => id.test(one))),
  // read at once by whoever looks at the job, so it must be readable from deep in a stack
  meta: (value) => json(value, (meta) => isObject(meta) && depth(meta) <= 500)
}

const workerFields: Fields = { birth: date, last_heartbeat: date, queues: /^[^,]+(,[^,]+)*$/, pid: /^\d+$/ }

const optionalWorkerFields: Fields = {
  death: date,
  shutdown_requested_date: date,
  state: /^(started|suspended|busy|idle)$/,
  successful_job_count: /^\d+$/,
  failed_job_count: /^\d+$/,
  total_working_time: decimal,
  current_job_working_time: decimal,
  current_job: id
}

const schedulerFields: Fields = {
  name: anything,
  hostname: anything,
  pid: /^\d+$/,
  queues: /^[^,]+(,[^,]+)*$/,
  created_at: date,
  last_heartbeat: date
}

const executionFields: Fields = { id: /^[0-9a-f]{32}$/, created_at: decimal, last_heartbeat: decimal }

const isBase64 = (value: string) => /^[A-Za-z0-9+/]+={0,2}$/.test(value)

const resultFields: Fields = { type: /^[1-5]$/ }

const optionalResultFields: Fields = {
  return_value: (value) => isBase64(value) && json(Buffer.from(value, "base64").toString("latin1"), () => true),
  exc_string: (value) => {
    try {
      return isBase64(value) && Zlib.inflateSync(Buffer.from(value, "base64")).length >= 0
    } catch {
      return false
    }
  },
  execution_started_at: decimal,
  execution_ended_at: decimal
}

const fits = (rule: Rule, value: string) => rule instanceof RegExp ? rule.test(value) : rule(value)

const checkHash = (key: string, hash: Hash, required: Fields, optional: Fields): ReadonlyArray<string> => [
  ...Object.entries(required).flatMap(([field, rule]) => {
    const value = hash[field]
    return value === undefined ? [`${key}: no ${field}`] : fits(rule, value) ? [] : [`${key}: ${field} is ${value}`]
  }),
  ...Object.entries(optional).flatMap(([field, rule]) => {
    const value = hash[field]
    return value === undefined || fits(rule, value) ? [] : [`${key}: ${field} is ${value}`]
  })
]

const members = (key: string, all: ReadonlyArray<string>, rule: RegExp): ReadonlyArray<string> =>
  all.filter((member) => !rule.test(member)).map((member) => `${key}: member ${member}`)

/** What each family of keys holds, the most special name first. */
const families: ReadonlyArray<
  readonly [
    RegExp,
    RedisMemory.Value["type"],
    (key: string, value: RedisMemory.Value, state: State) => ReadonlyArray<string>
  ]
> = [
  [/^rq:effect:/, "string", () => []],
  [/^rq:queues$/, "set", (key, value) => members(key, value.value as Array<string>, /^rq:queue:[^]+$/)],
  [/^rq:workers(:|$)/, "set", (key, value) => members(key, value.value as Array<string>, /^rq:worker:[^]+$/)],
  [/^rq:queue:/, "list", (key, value) => members(key, value.value as Array<string>, id)],
  [/^rq:job:/, "hash", (key, value) => [
    ...members(key, [key.slice("rq:job:".length)], id),
    ...checkHash(key, value.value as Hash, jobFields, optionalJobFields)
  ]],
  // of RQ 3
  [/^rq:worker:[^]+:executions$/, "set", (key, value) => members(key, value.value as Array<string>, execution)],
  [/^rq:worker:/, "hash", (key, value) => checkHash(key, value.value as Hash, workerFields, optionalWorkerFields)],
  [/^rq:scheduler:/, "hash", (key, value) => checkHash(key, value.value as Hash, schedulerFields, {})],
  [/^rq:scheduler-lock:/, "string", (key, value) => members(key, [value.value as string], /^\d+$/)],
  [
    /^rq:wip:/,
    "zset",
    (key, value) => members(key, (value.value as Array<[string, number]>).map(([member]) => member), execution)
  ],
  [/^rq:executions:/, "zset", (key, value, state) =>
    (value.value as Array<[string, number]>).flatMap(([member]) =>
      // Python ends on an execution that is listed without its hash
      state[`rq:execution:${key.slice("rq:executions:".length)}:${member}`] === undefined
        ? [`${key}: ${member} has no hash`]
        : []
    )],
  [/^rq:execution:/, "hash", (key, value) => checkHash(key, value.value as Hash, executionFields, {})],
  [/^rq:results:/, "stream", (key, value) =>
    (value.value as Array<[string, Array<string>]>).flatMap(([, flat]) => {
      const entry: Record<string, string> = {}
      for (let i = 0; i < flat.length; i += 2) entry[flat[i]!] = flat[i + 1]!
      return checkHash(key, entry, resultFields, optionalResultFields)
    })],
  [
    /^rq:(scheduled|finished|failed|deferred|canceled):/,
    "zset",
    (key, value) => members(key, (value.value as Array<[string, number]>).map(([member]) => member), id)
  ]
]

/** What in a state RQ could not read, in words. Keys of effect-rq's own are free, all others are known. */
export const violations = (state: State): ReadonlyArray<string> =>
  Object.entries(state).flatMap(([key, entry]) => {
    const family = families.find(([pattern]) => pattern.test(key))
    if (family === undefined) return [`${key}: no key of RQ`]
    if (key.startsWith("rq:effect:")) return []
    const [, type, check] = family
    return entry.type === type ? check(key, entry, state) : [`${key}: a ${entry.type}, not a ${type}`]
  })
