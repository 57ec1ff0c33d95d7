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
  /** Whether the one or the other may have nothing as well, where several paths are one difference. */
  readonly orNothing?: true
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
  preciseExpiry: {
    why: "jobs that end in one second keep their order, and Redis finds the place of the next without comparing ids",
    path: /^rq:finished:\S+ \S+ precision$/,
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
    path: /^(rq:scheduled:default g-missing( precision)?|rq:effect:first_seen:default( g-missing| type| ttl)?)$/,
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
    ours: /^$/,
    orNothing: true
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
    path: /^rq:worker:w-(?:simple|fork) (version|python_version)$/,
    rq: /^(2\.10\.0|3\.11\.2 .*)$/,
    ours: /^(effect-rq \d+\.\d+\.\d+|node \d+\.\d+\.\d+)$/
  },
  workerAddress: {
    why: "the port doesn't tell the address of its connection, and RQ only shows it",
    path: /^rq:worker:w-(?:simple|fork) ip_address$/,
    rq: /^127\.0\.0\.1:\d+$/,
    ours: /^unknown$/
  },
  workerIncarnation: {
    why: "a repeated registration has to find itself",
    path: /^rq:worker:w-(?:simple|fork) incarnation$/,
    rq: undefined,
    ours: /^[0-9a-f]{24}$/
  },
  workerWasThere: {
    why:
      "a worker that has stopped is remembered for a minute, as RQ does; the dump compared with is from before any ran",
    path: /^rq:worker:w-(?:simple|fork)( \w+)?$/,
    rq: undefined,
    ours: anything
  },
  countsFromZero: {
    why: "a worker writes its totals, so that a repeated heartbeat counts nothing twice; RQ increments from nothing",
    path: /^rq:worker:w-(?:simple|fork) (successful|failed)_job_count$/,
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
  },
  noIntervals: {
    why: "no list of pauses is no pause, in RQ as well",
    path: /^rq:job:g-1 (retry|repeat)_intervals$/,
    rq: /^\[0\]$/,
    ours: undefined
  },
  failedRuns: {
    why: "a retry's pause may depend on how often the job has failed, which a schedule of Effect is stepped with",
    path: /^rq:job:g-1 failed_attempts$/,
    rq: undefined,
    ours: /^1$/
  },
  retriedRunKept: {
    why: "RQ forgets why a run failed that is retried; here its entry says so, of the type that RQ has for it (4)",
    path: /^rq:results:g-1 (type|ttl|0 \w+)$/,
    rq: undefined,
    ours: /^(stream|31536000 s|4|w-(simple|fork)|<id \d+>|seconds now\+0|Error: boom\n.*|AbandonedJobError, at .*)$/s
  },
  retriedRunBefore: {
    why: "RQ forgets why a run failed that is retried; here its entry is before that of the last run",
    path: /^rq:results:g-1 (0 (type|execution_id)|1 \w+)$/,
    rq: /^(2|<id 1>)$/,
    ours: /^(2|4|w-simple|<id \d+>|seconds now\+0|Error: boom\n.*)$/s,
    orNothing: true
  },
  secondLater: {
    why: "this dump was taken a second after the end",
    path: /^rq:(job:g-1|worker:w-(simple|fork)|results:g-1) ttl$/,
    rq: /^(31535999|59|499) s$/,
    ours: /^(31536000|60|500) s$/
  },
  runsOfRepeated: {
    why: "how often it has run tells which of the pauses is next",
    path: /^rq:job:g-1 repeat_count$/,
    rq: undefined,
    ours: /^[12]$/
  },
  repeatsInOneRegistry: {
    why:
      "RQ leaves a job that it repeats in the finished registry as well, which a job enters here when it is finished",
    path: /^rq:finished:default (type|ttl|g-1|g-1 precision)$/,
    rq: /^(zset|none|#0 now\+500|seconds)$/,
    ours: undefined
  },
  repeatsKeepResults: {
    why:
      "the results of a job that runs again are there for as long as the job, also when the pause is longer than they",
    path: /^rq:results:g-1 ttl$/,
    rq: /^(499|500) s$/,
    ours: /^none$/
  },
  noResultField: {
    why: "RQ writes the value of a job that it repeats into its hash as well, but reads it from the results",
    path: /^rq:job:g-1 result$/,
    rq: /^3$/,
    ours: undefined
  },
  repeatsInOrder: {
    why: "RQ begins with the last of the pauses and goes backwards, though it means the last one for what is left over",
    path: /^rq:scheduled:default g-1$/,
    rq: /^#0 now\+90$/,
    ours: /^#0 now\+30$/
  },
  endIsDated: {
    why: "RQ doesn't date the end of a job that was canceled, stopped or abandoned",
    path: /^rq:job:g-1 ended_at$/,
    rq: /^$/,
    ours: /^date now\+0$/
  },
  childSaysIt: {
    why: "RQ is told when it cancels a job whether to release what waits for it; here what waits says so",
    path: /^rq:job:g-2 allow_dependency_failures$/,
    rq: undefined,
    ours: /^1$/
  },
  childIsHeld: {
    why: "a job that was canceled has not finished: what waits for it goes on to wait, unless it allows failures",
    path:
      /^rq:(job:g-2 (status|enqueued_at)|queue:default( type| ttl)?|deferred:default (type|ttl|g-2|g-2 precision)|job:g-1:dependents( type| ttl)?)$/,
    rq: /^(queued|date now\+0|list|none|g-2)$/,
    ours: /^(deferred|zset|none|#0 now\+0|seconds|set|g-2)$/,
    orNothing: true
  },
  parentsForgotten: {
    why: "the set is for a job that waits; which jobs it waited for says `dependency_ids`",
    path: /^rq:job::g-2:dependencies( type| ttl)?$/,
    rq: /^(set|none|500 s|g-1|g-1 g-1b)$/,
    ours: undefined
  },
  compactParents: {
    why: "JSON without the spaces that Python's json adds; both read either",
    path: /^rq:job:g-2 dependency_ids$/,
    rq: /^\["g-1", "g-1b"\]$/,
    ours: /^\["g-1","g-1b"\]$/
  },
  requeuedLives: {
    why: "RQ lets a job that was queued again expire when it would have as a failed one, though it may not have run",
    path: /^rq:job:g-1 ttl$/,
    rq: /^31536000 s$/,
    ours: /^none$/
  },
  workerCleared: {
    why: "no worker has a job that is queued",
    path: /^rq:job:g-1 worker_name$/,
    rq: /^w-(simple|fork)$/,
    ours: /^$/
  },
  noExceptionField: {
    why: "RQ deflates an empty text into a field that it has given up in favour of the results",
    path: /^rq:job:g-1 exc_info$/,
    rq: /./,
    ours: undefined
  },
  stoppedByWorker: {
    why: "RQ's worker forgets that it was it that ran a job which was stopped, and leaves out the time that it took",
    path: /^rq:(job:g-1 worker_name|results:g-1 0 execution_ended_at|worker:w-fork total_working_time)$/,
    rq: /^$/,
    ours: /^(w-fork|seconds now\+0|<measured>)$/,
    orNothing: true
  },
  lateExecution: {
    why:
      "short jobs are spared what only long ones need: an execution has keys of its own from the worker's first heartbeat " +
      "on; RQ's clean-up leaves them to expire",
    path: /^rq:(execution:g-1:<id 1>|executions:g-1)( .*)?$/,
    rq: anything,
    ours: undefined
  },
  shortMemory: {
    why: "a worker that sends no heartbeat is forgotten after twelve of them, at least a minute",
    path: /^rq:worker:w-fork ttl$/,
    rq: /^(90|480) s$/,
    ours: /^60 s$/
  },
  shortClaim: {
    why: "the job of a worker that died runs again after four missed heartbeats, in this test of one second each",
    path: /^rq:wip:default g-1:<id 1>$/,
    rq: /^#0 now\+90$/,
    ours: /^#0 now\+0$/
  },
  suspendedTakesNone: {
    why: "a worker that waits when the fleet is suspended takes one more job in RQ, and none here: it is run later",
    path:
      /^rq:(job:g-1 (ttl|status|started_at|ended_at|last_heartbeat|worker_name)|(finished|queue):default( .*)?|results:g-1 .*|worker:w-fork (current_job_working_time|successful_job_count|total_working_time))$/,
    rq: anything,
    ours: anything,
    orNothing: true
  },
  ownJournal: {
    why: "who led and what was suspended when, so that it can be told why a job was late: keys that RQ passes over",
    path: /^rq:effect:journal(:default|:low)?( type| ttl)?$/,
    rq: undefined,
    ours:
      /^(list|259(2000|1999) s|([\d.]+ resumed )?[\d.]+ (resigned s-1 [\d.]+ )?(elected 15000 (<id \d>|s-1)|suspended( [\d.]+)?))$/
  },
  ownWorkerKeys: {
    why: "which workers wait in lists of their own, and who looks after the queue: keys that RQ passes over",
    path: /^rq:effect:(handovers|maintenance):default( .*)?$/,
    rq: undefined,
    ours: /^(zset|none|#0 now\+(0|20)|milliseconds|string|1 s|w-2)$/
  },
  timeFromStart: {
    why: "a worker writes its totals, so that a repeated heartbeat counts nothing twice; RQ increments from nothing",
    path: /^rq:worker:w-(simple|fork) total_working_time$/,
    rq: undefined,
    ours: /^<measured>$/
  },
  abandonsCounted: {
    why: "a job that takes its worker with it again and again fails at last",
    path: /^rq:job:g-1 abandon_count$/,
    rq: undefined,
    ours: /^1$/
  },
  abandonTellsMore: {
    why: "RQ's clean-up doesn't say whose job it was and which run",
    path: /^rq:results:g-1 0 (worker_name|execution_id|execution_ended_at)$/,
    rq: /^$/,
    ours: /^(w-fork|<id 1>|seconds now\+0)$/,
    orNothing: true
  },
  abandonText: {
    why: "the words of RQ, then which worker died and how often that has happened to the job",
    path: /^rq:results:g-1 0 exc_string$/,
    rq: /^Moved to FailedJobRegistry, due to AbandonedJobError, at [-0-9]+ [.:0-9]+\+00:00$/,
    ours:
      /^Moved to FailedJobRegistry, due to AbandonedJobError, at [-0-9]+T[.:0-9]+Z: worker w-fork( of RQ)? died while it ran this job, which has happened 1 times$/
  },
  queuedHasNotStarted: {
    why: "a job that is queued has no run that started",
    path: /^rq:job:g-1 started_at$/,
    rq: /^date now\+0$/,
    ours: /^$/
  }
} as const satisfies Record<string, Deliberate>

export type Name = keyof typeof deliberate
