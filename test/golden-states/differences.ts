/**
 * Where a Redis that effect-rq wrote differs from one that RQ 2.10 wrote, on purpose. The tests fail for a difference
 * that is not listed here, and for one that is listed and doesn't occur.
 */
export interface Deliberate {
  readonly why: string
  readonly path: RegExp
  /** What RQ has; undefined: nothing. */
  readonly rq: RegExp | undefined
  /** What effect-rq has; undefined: nothing. */
  readonly ours: RegExp | undefined
}

const anything = /^/s

export const deliberate = {
  plainData: {
    why: "every RQ reads plain JSON as well as deflated JSON, and neither side has to deflate",
    path: /^rq:job:\S+ data form$/,
    rq: /^deflated$/,
    ours: /^plain$/
  },
  noEmptyFields: {
    why: "RQ writes an empty text for what is absent and reads both alike; half the hash is spared",
    path: /^rq:job:\S+ (\w+_callback_name|group_id|started_at|ended_at|last_heartbeat|worker_name)$/,
    rq: /^$/,
    ours: undefined
  },
  noCallbackFields: {
    why: "callbacks are Python functions by name, which a worker of effect-rq can't call: there is no option for them",
    path: /^rq:job:\S+ \w+_callback_(name|timeout)$/,
    rq: /./,
    ours: undefined
  },
  argumentsOfOneKind: {
    why: "a payload has one Schema, which encodes to an object or to an array: not to both",
    path: /^rq:job:g-1 data$/,
    rq: /^\["jobs_mod.add",null,\[1\],\{"b":2\}\]$/,
    ours: /^\["jobs_mod.add",null,\[\],\{"a":1,"b":2\}\]$/
  },
  keywordArgumentsOnly: {
    why: "a payload has one Schema, which encodes to an object or to an array: not to both",
    path: /^rq:job:g-1 (data|description)$/,
    rq: /^(\["jobs_mod.kwonly",null,\["héllo 😀"\],|jobs_mod.kwonly\('héllo 😀', )/,
    ours: /^(\["jobs_mod.kwonly",null,\[\],\{"a":"héllo 😀",|jobs_mod.kwonly\(a='héllo 😀', )/
  },
  compactMeta: {
    why: "JSON without the spaces and escapes that Python's json adds; both read either",
    path: /^rq:job:\S+ meta$/,
    rq: /^\{"a": 1, "u": "\\u00e9"\}$/,
    ours: /^\{"a":1,"u":"é"\}$/
  },
  preciseDueTime: {
    why: "due times are kept to the millisecond; Python honours a fraction at its next whole second",
    path: /^rq:scheduled:\S+ \S+ precision$/,
    rq: /^seconds$/,
    ours: /^milliseconds$/
  },
  dueAt: {
    why: "a worker can tell how late a job is that was scheduled",
    path: /^rq:job:\S+ due_at$/,
    rq: undefined,
    ours: /^\d+$/
  },
  missingHeldBack: {
    why:
      "Python producers write the registry before the hash, so an entry without a job may be about to get one: it is " +
      "held back for a minute before it is dropped",
    path: /^(rq:scheduled:default g-missing( precision)?|rq:effect:first_seen:g-missing( type| ttl)?)$/,
    rq: undefined,
    ours: anything
  },
  missingFirst: {
    why: "what is held back is still the first of the registry",
    path: /^rq:scheduled:default g-later$/,
    rq: /^#0 /,
    ours: /^#1 /
  },
  shortLease: {
    why: "after a crash another scheduler takes over within 15 seconds, not within 61",
    path: /^rq:scheduler-lock:\S+ ttl$/,
    rq: /^61 s$/,
    ours: /^15 s$/
  },
  schedulerRegistered: {
    why: "taking a lock writes the hash as well; RQ's process writes it before, which this dump leaves out",
    path: /^rq:scheduler:<id 1>( \w+)?$/,
    rq: undefined,
    ours: anything
  },
  voidLeavesNoResult: {
    why: "an entry that says nothing costs four kilobytes; the job says itself that it is finished",
    path: /^rq:results:g-1 (type|ttl|0 \w+)$/,
    rq: anything,
    ours: undefined
  },
  lateHeartbeat: {
    why: "short jobs are spared what only long ones need: a job has a heartbeat from the worker's first one on",
    path: /^rq:job:\S+ last_heartbeat$/,
    rq: /^date/,
    ours: undefined
  },
  failureExpires: {
    why: "RQ keeps the entry for ever, so that Redis fills with failures whose job is long gone",
    path: /^rq:results:g-1 ttl$/,
    rq: /^none$/,
    ours: /^31536000 s$/
  },
  exceptionText: {
    why: "the text is that of an Effect's Cause, not a Python traceback",
    path: /^rq:results:g-1 0 exc_string$/,
    rq: anything,
    ours:
      /^(Error: boom|UnknownJob: this worker has no handler for "no_such_mod\.func"|JobTimeoutException: Task exceeded)/
  },
  workerVersion: {
    why: "says what the worker is",
    path: /^rq:worker:w-simple (version|python_version)$/,
    rq: /^(2\.10\.0|3\.11\.2 .*)$/,
    ours: /^(effect-rq \d+\.\d+\.\d+|node \d+\.\d+\.\d+)$/
  },
  workerAddress: {
    why: "the port doesn't tell the address of its connection, and RQ only shows it",
    path: /^rq:worker:w-simple ip_address$/,
    rq: /^127\.0\.0\.1:\d+$/,
    ours: /^unknown$/
  },
  workerIncarnation: {
    why: "a repeated registration has to find itself",
    path: /^rq:worker:w-simple incarnation$/,
    rq: undefined,
    ours: /^[0-9a-f]{24}$/
  },
  workerWasThere: {
    why:
      "a worker that has stopped is remembered for a minute, as RQ does; the dump compared with is from before any ran",
    path: /^rq:worker:w-simple( \w+)?$/,
    rq: undefined,
    ours: anything
  },
  countsFromZero: {
    why: "a worker writes its totals, so that a repeated heartbeat counts nothing twice; RQ increments from nothing",
    path: /^rq:worker:w-simple (successful|failed)_job_count$/,
    rq: undefined,
    ours: /^0$/
  },
  executionField: {
    why: "the run that is, or was, the current one: whoever hands in another one is refused",
    path: /^rq:job:\S+ execution$/,
    rq: undefined,
    ours: anything
  },
  resultsDeleted: {
    why: "RQ leaves the results of a deleted job behind",
    path: /^rq:results:g-1 (type|ttl|0 \w+)$/,
    rq: anything,
    ours: undefined
  }
} as const satisfies Record<string, Deliberate>

export type Name = keyof typeof deliberate
