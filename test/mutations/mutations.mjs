/**
 * The checks that the tests stand for, as data: where each is, what is written instead, and which tests notice.
 *
 * `find` is a text that is in its file exactly once, short enough to live through changes around it.
 */

/**
 * @typedef {object} Mutation
 * @property {string} name
 * @property {string} what What goes wrong without the check.
 * @property {string} file
 * @property {string} find
 * @property {string} replace
 * @property {ReadonlyArray<string>} tests Test files, one of which must fail.
 */

const conformance = (...names) => names.map((name) => `test/conformance/${name}.test.ts`)
const travel = (...names) => names.map((name) => `test/time-travel/${name}.test.ts`)
const life = (...names) => names.map((name) => `test/life/${name}.test.ts`)

const lifecycle = (name) => `src/lifecycle/${name}.ts`

/** @type {ReadonlyArray<Mutation>} */
export const mutations = [
  // promote
  {
    name: "promote-token",
    what: "a scheduler that lost its lock promotes",
    file: lifecycle("promote"),
    find: "if prolongLease(KEYS[at], token, lease) then",
    replace: "if prolongLease(KEYS[at], token, lease) or true then",
    tests: conformance("promote")
  },
  {
    name: "promote-early",
    what: "jobs are promoted before they are due",
    file: lifecycle("promote"),
    find: `"-inf", now, "WITHSCORES"`,
    replace: `"-inf", "+inf", "WITHSCORES"`,
    tests: conformance("promote")
  },
  {
    name: "promote-status",
    what: "an id whose job is not scheduled any more is queued",
    file: lifecycle("promote"),
    find: `if job[1] == "scheduled" then`,
    replace: `if job[1] then`,
    tests: conformance("promote")
  },
  {
    name: "promote-once",
    what: "what is promoted stays scheduled",
    file: lifecycle("promote"),
    find: `redis.call("ZREMRANGEBYRANK", scheduled, skip, skip + looked - 1)`,
    replace: `tostring(skip)`,
    tests: conformance("promote")
  },
  {
    name: "promote-once-held",
    what: "what is promoted beside an entry that is held back stays scheduled",
    file: lifecycle("promote"),
    find: `redis.call("ZREM", scheduled, unpack(toRemove))`,
    replace: "tostring(skip)",
    tests: conformance("promote")
  },
  {
    name: "promote-together",
    what: "a job counts as due when the first one of its call was",
    file: lifecycle("promote"),
    find: `if last[2] == first then`,
    replace: `if last[2] then`,
    tests: conformance("promote")
  },
  {
    name: "promote-budget",
    what: "a queue whose turn comes when the call has looked at as many as it may gives all that is due",
    file: lifecycle("promote"),
    find: `if limit == 0 then return {}, 1 end`,
    replace: "",
    tests: conformance("promote")
  },
  {
    name: "promote-front",
    what: "a job for the front of the queue goes to its end",
    file: lifecycle("promote"),
    find: `return job[2] == "1" or job[3]`,
    replace: `return job[3]`,
    tests: conformance("promote")
  },
  {
    name: "promote-ttl",
    what: "a promoted job waits for longer than its ttl",
    file: lifecycle("promote"),
    find: `beginsWaiting(key, job[1])`,
    replace: "",
    tests: conformance("promote")
  },
  {
    name: "promote-grace",
    what: "an id whose hash is about to come is dropped at once",
    file: lifecycle("promote"),
    find: `elseif overdue(seen, id) then`,
    replace: `elseif true then`,
    tests: conformance("promote")
  },
  {
    name: "promote-bound",
    what: "one call promotes without a bound",
    file: lifecycle("promote"),
    find: `budget = budget - looked`,
    replace: ``,
    tests: conformance("promote")
  },
  {
    name: "promote-type",
    what: "a foreign key under the name of a queue stops the scheduler",
    file: lifecycle("promote"),
    find: `if list ~= "list" and list ~= "none" then`,
    replace: "if false then",
    tests: conformance("promote")
  },

  // lease
  {
    name: "lease-take",
    what: "a lock that another holds is taken",
    file: lifecycle("lease"),
    find: `"PX", millis, "NX") then return true end`,
    replace: `"PX", millis) then return true end`,
    tests: conformance("lease")
  },
  {
    name: "lease-renew",
    what: "a lock that another holds is prolonged",
    file: lifecycle("lease"),
    find: "if not holdsLease(key, token) then return false end\n  redis.call(\"PEXPIRE\"",
    replace: "redis.call(\"PEXPIRE\"",
    tests: conformance("lease")
  },
  {
    name: "lease-release",
    what: "a lock that another holds is released",
    file: lifecycle("lease"),
    find: "if not holdsLease(key, token) then return false end\n  redis.call(\"DEL\"",
    replace: "redis.call(\"DEL\"",
    tests: conformance("lease")
  },
  {
    name: "lease-announce",
    what: "who waits for a lock does not learn that it is free",
    file: lifecycle("lease"),
    find: `redis.call("PUBLISH", channel, "released")`,
    replace: "",
    tests: [...conformance("lock"), ...travel("election")]
  },
  {
    name: "lock-renewal",
    what: "a lock is not renewed while it is held",
    file: "src/Lock.ts",
    find: "Math.min(ttl / 3, longestSleep)",
    replace: "Math.min(ttl * 3, longestSleep)",
    tests: conformance("lock")
  },
  {
    name: "lock-lost",
    what: "a holder does not learn that the lock is another's now",
    file: "src/Lock.ts",
    find: "Option.isSome(answer) && answer.value) confirmed = sent",
    replace: "Option.isSome(answer)) confirmed = sent",
    tests: conformance("lock")
  },
  {
    name: "lock-lapsed",
    what: "a holder without Redis believes for ever that it holds the lock",
    file: "src/Lock.ts",
    find: "(yield* Clock.currentTimeMillis) - confirmed >= ttl) break",
    replace: "(yield* Clock.currentTimeMillis) - confirmed >= Infinity) break",
    tests: conformance("lock")
  },

  // election
  {
    name: "election-lapse",
    what: "nobody takes over when the leader has crashed",
    file: "src/scheduler/waiting.ts",
    find: "        next = Infinity\n        yield* election",
    replace: "        next = Infinity\n        yield* Effect.never",
    tests: travel("election")
  },
  {
    name: "election-handover",
    what: "nobody takes over at once when the leader stops in peace",
    file: "src/scheduler/listening.ts",
    find: "if (released) yield* election",
    replace: "if (released) yield* Effect.void",
    tests: travel("election")
  },
  {
    name: "scheduler-deposed",
    what: "a scheduler that lost its lock believes that it leads",
    file: "src/scheduler/promoting.ts",
    find: "yield* onDeposed(state, now)",
    replace: "yield* Effect.void",
    tests: travel("election", "crashing")
  },

  // enqueue, schedule, admit
  {
    name: "enqueue-once",
    what: "enqueueing again with the same id queues the job twice",
    file: lifecycle("enqueue"),
    find: `if taken[id] or isKnown and redis.call("EXISTS", key) == 1 then`,
    replace: `if taken[id] then`,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-once-alone",
    what: "as above, of a call for one job",
    file: lifecycle("enqueue"),
    find: `if redis.call("EXISTS", key) == 1 then return { 0 } end`,
    replace: ``,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-ttl-alone",
    what: "a job that is enqueued by itself waits for longer than its ttl",
    file: lifecycle("enqueue"),
    find: `if ttl ~= "" then redis.call("EXPIRE", key, ttl) end`,
    replace: ``,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-front-alone",
    what: "a job for the front of the queue that is enqueued by itself goes to its end",
    file: lifecycle("enqueue"),
    find: `atFront ? "LPUSH" : "RPUSH"`,
    replace: `"RPUSH"`,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-type-alone",
    what: "a job that can't be pushed leaves the name of its queue behind",
    file: lifecycle("enqueue"),
    find: `if known == 1 then redis.call("SREM", KEYS[1], name) end`,
    replace: ``,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-type",
    what: "a foreign key under the name of a queue leaves half a job behind",
    file: lifecycle("enqueue"),
    find: `if type(length) == "table" then return requireType(KEYS[2 + q], "list") or length end`,
    replace: ``,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-ttl",
    what: "a job waits for longer than its ttl",
    file: lifecycle("enqueue"),
    find: `if common.ttl then redis.call("EXPIRE", key, common.ttl) end`,
    replace: ``,
    tests: conformance("enqueue")
  },
  {
    name: "enqueue-front",
    what: "a job for the front of the queue goes to its end",
    file: lifecycle("enqueue"),
    find: `if common.front then`,
    replace: `if false then`,
    tests: conformance("enqueue")
  },
  {
    name: "schedule-once",
    what: "scheduling again with the same id changes the job",
    file: lifecycle("schedule"),
    find: `if taken[id] or isKnown and redis.call("EXISTS", key) == 1 then`,
    replace: `if taken[id] then`,
    tests: conformance("schedule")
  },
  {
    name: "schedule-announce",
    what: "a scheduler sleeps past a job that is due sooner than what it knew of",
    file: lifecycle("schedule"),
    find: `if taken[head[1]] == queue then`,
    replace: `if false then`,
    tests: conformance("schedule")
  },
  {
    name: "unique-waiting",
    what: "a unique job that waits is replaced without being asked for",
    file: lifecycle("admit"),
    find: `or waits and mode ~= "replace" then`,
    replace: "then",
    tests: life("unique")
  },
  {
    name: "unique-started",
    what: "a unique job that runs is replaced",
    file: lifecycle("admit"),
    find: "if not where[status] or waits",
    replace: "if waits",
    tests: life("unique")
  },
  {
    name: "unique-window",
    what: "uniqueFor ends with the job",
    file: lifecycle("admit"),
    find: `if not waits and redis.call("EXISTS", UNIQUE) == 1 then return false, 0 end`,
    replace: "",
    tests: life("unique")
  },
  {
    name: "unique-for-ever",
    what: "an endless window of uniqueness is none",
    file: lifecycle("admit"),
    find: `redis.call("SET", UNIQUE, "1")\n`,
    replace: `redis.call("DEL", UNIQUE)\n`,
    tests: life("leftBehind")
  },
  {
    name: "refusal",
    what: "a server that takes no writes for now voids how jobs have ended",
    file: lifecycle("execution"),
    find: "if isRefusal(reply.err) then return redis.call(...) end",
    replace: "",
    tests: ["test/processes/refusing.test.ts"]
  },
  {
    name: "claim-gone",
    what: "what waits for a job that has expired in its queue waits for ever",
    file: lifecycle("claim"),
    find: "releaseDependents(gone[i], false)",
    replace: "",
    tests: life("leftBehind")
  },
  {
    name: "remove-dependents",
    what: "what waits for a job that is removed waits for ever",
    file: lifecycle("remove"),
    find: "releaseDependents(id, false)",
    replace: "",
    tests: life("leftBehind")
  },
  {
    name: "stop-unblocks",
    what: "a worker that has left is handed one more job",
    file: "src/worker/stopping.ts",
    find: "yield* unblockWhile(state, () => true)",
    replace: "",
    tests: travel("stopping")
  },
  {
    name: "promote-skip",
    what: "a scheduler looks at what is held back again and again",
    file: "src/scheduler/promoting.ts",
    find: "state.skip += row.heldBack",
    replace: "state.skip = 0",
    tests: life("leftBehind")
  },
  {
    name: "unique-replaced",
    what: "a replaced job stands in its queue twice",
    file: lifecycle("admit"),
    find: "takeQueued(origin, id)",
    replace: "",
    tests: life("unique")
  },
  {
    name: "unique-dependents",
    what: "a replaced job is still among the dependents of what it waited for",
    file: lifecycle("admit"),
    find: `attempt("SREM", JOB .. before[i] .. ":dependents", id)`,
    replace: "tostring(i)",
    tests: conformance("dependents")
  },
  {
    name: "dependents-circle",
    what: "jobs wait for one another for ever",
    file: lifecycle("admit"),
    find: "if one == id then return true end",
    replace: "",
    tests: life("dependencies")
  },
  {
    name: "dependents-wait",
    what: "a job does not wait for others",
    file: lifecycle("admit"),
    find: "if unmet then",
    replace: "if false then",
    tests: life("dependencies")
  },

  // heartbeat
  {
    name: "heartbeat-left",
    what: "a beat that comes late brings back a worker that has left",
    file: lifecycle("heartbeat"),
    find: "local left = death and nowDate <= death",
    replace: "local left = false",
    tests: conformance("heartbeat")
  },

  // the fence
  {
    name: "fence-member",
    what: "an execution that was taken away has an effect",
    file: lifecycle("execution"),
    find: `id .. ":" .. execution) ~= 1 then return nil end`,
    replace: `id .. ":" .. execution) == "" then return nil end`,
    tests: conformance("fence", "complete")
  },
  {
    name: "fence-status",
    what: "an execution of a job that Python has canceled or queued again has an effect",
    file: lifecycle("execution"),
    find: `return status == "started" and`,
    replace: "return",
    tests: conformance("fence", "complete", "fail")
  },
  {
    name: "fence-owner",
    what: "an execution of a job that another worker runs by now has an effect",
    file: lifecycle("execution"),
    find: "(not owner or isOwner(owner, worker))",
    replace: "true",
    tests: conformance("fence")
  },
  {
    name: "fence-owner-service",
    what: "as above, seen by who uses the services",
    file: lifecycle("execution"),
    find: "(not owner or isOwner(owner, worker))",
    replace: "true",
    tests: life("fence")
  },
  {
    name: "fence-execution",
    what: "an execution of a job that the same worker runs again by now has an effect",
    file: lifecycle("execution"),
    find: " and (not current or current == execution)",
    replace: "",
    tests: conformance("fence")
  },
  {
    name: "fence-emptied-name",
    what: "a job whose worker's name Python has emptied is nobody's",
    file: lifecycle("execution"),
    find: `return not name or name == "" or name == worker`,
    replace: "return name == worker",
    tests: conformance("fence")
  },
  {
    name: "release-fence",
    what: "an execution that was taken away is put back",
    file: lifecycle("release"),
    find: "if not job then return 0 end",
    replace: "if not job then job = {} end",
    tests: conformance("release", "fence")
  },
  {
    name: "release-owner",
    what: "an execution of a job that another worker runs by now is put back",
    file: lifecycle("release"),
    find: "takeOut(WORKER, queue",
    replace: "takeOut(nil, queue",
    tests: conformance("release", "fence")
  },
  {
    name: "release-front",
    what: "a job that is given back goes to the end of its queue",
    file: lifecycle("release"),
    find: `redis.call("LPUSH", QUEUE .. queue, id)`,
    replace: `redis.call("RPUSH", QUEUE .. queue, id)`,
    tests: conformance("release")
  },
  {
    name: "complete-fence",
    what: "complete has an effect for an execution that was taken away",
    file: lifecycle("complete"),
    find: "if isOurs then",
    replace: "if true then",
    tests: conformance("complete", "fence")
  },
  {
    name: "complete-owner",
    what: "complete ends a job that another worker runs by now",
    file: lifecycle("complete"),
    find: "isCurrent(WORKER, execution",
    replace: "isCurrent(nil, execution",
    tests: conformance("complete", "fence")
  },
  {
    name: "plain-status",
    what: "complete ends a plain job that was canceled while it ran",
    file: lifecycle("complete"),
    find: `if job[1] == "started" and job[2] == execution`,
    replace: "if job[2] == execution",
    tests: conformance("complete")
  },
  {
    name: "plain-execution",
    what: "complete ends a plain job that runs again for the run before",
    file: lifecycle("complete"),
    find: "and job[2] == execution and not job[3]",
    replace: "and not job[3]",
    tests: conformance("fence")
  },
  {
    name: "plain-started",
    what: "complete ends a job that was plain when it was claimed and runs in Python by now",
    file: lifecycle("complete"),
    find: "job[2] == execution and not job[3] then",
    replace: "job[2] == execution then",
    tests: conformance("plain")
  },
  {
    name: "plain-awaited",
    what: "nothing says that somebody awaits a plain job",
    file: "src/queue/awaiting.ts",
    find: `, "last_heartbeat", job[2] or ""`,
    replace: "",
    tests: conformance("plain")
  },
  {
    name: "plain-options",
    what: "nothing says that a job has options which are looked for rarely",
    file: "src/wire/jobHash.ts",
    find: `out.push("last_heartbeat", "")`,
    replace: "out.push()",
    tests: conformance("plain")
  },
  {
    name: "fail-fence",
    what: "fail has an effect for an execution that was taken away",
    file: lifecycle("fail"),
    find: "if not job then return 0 end",
    replace: "if not job then job = {} end",
    tests: conformance("fail", "fence")
  },
  {
    name: "fail-owner",
    what: "fail ends a job that another worker runs by now",
    file: lifecycle("fail"),
    find: "takeOut(WORKER, queue",
    replace: "takeOut(nil, queue",
    tests: conformance("fail", "fence")
  },
  {
    name: "stop-fence",
    what: "stop has an effect for an execution that was taken away",
    file: lifecycle("stop"),
    find: "if not job then return 0 end",
    replace: "if not job then job = {} end",
    tests: conformance("stop", "fence")
  },
  {
    name: "heartbeat-status",
    what: "a worker beats for a job that was taken away",
    file: lifecycle("heartbeat"),
    find: `fields[1] == "started" and isOwner`,
    replace: "isOwner",
    tests: conformance("heartbeat")
  },
  {
    name: "heartbeat-owner",
    what: "a worker beats for a job that another worker runs",
    file: lifecycle("heartbeat"),
    find: "and isOwner(worker, fields[2]) and",
    replace: "and",
    tests: conformance("heartbeat")
  },
  {
    name: "heartbeat-execution",
    what: "a worker beats for an execution that is not the current one",
    file: lifecycle("heartbeat"),
    find: "(not fields[3] or fields[3] == execution)",
    replace: "true",
    tests: conformance("fence")
  },
  {
    name: "heartbeat-prolongs",
    what: "a beat does not keep what runs alive",
    file: lifecycle("heartbeat"),
    find: `redis.call("ZADD", started, "XX", aliveUntil, id .. ":" .. execution)`,
    replace: "",
    tests: conformance("heartbeat")
  },
  {
    name: "touch-fence",
    what: "a handler's sign of life counts for a job that was taken away",
    file: "src/worker/touch.ts",
    find: `if job[1] ~= "started" or job[2] ~= ARGV[2] then return 0 end`,
    replace: "",
    tests: conformance("fence")
  },
  {
    name: "meta-fence",
    what: "a handler writes into a job that was taken away",
    file: "src/worker/meta.ts",
    find: `if job[1] ~= "started" or not isOwner`,
    replace: "if not isOwner",
    tests: conformance("fence")
  },
  {
    name: "meta-compare",
    what: "meta that somebody else wrote meanwhile is lost",
    file: "src/worker/meta.ts",
    find: `(job[4] or "") ~= ARGV[2]`,
    replace: "false",
    tests: conformance("fence")
  },

  // ends
  {
    name: "complete-keeps-none",
    what: "a job with a result ttl of 0 stays",
    file: lifecycle("complete"),
    find: "elseif ttl == 0 then",
    replace: "elseif false then",
    tests: conformance("complete")
  },
  {
    name: "complete-ttl",
    what: "finished jobs stay for ever",
    file: lifecycle("complete"),
    find: `redis.call("EXPIRE", key, text)`,
    replace: "",
    tests: conformance("complete")
  },
  {
    name: "ttl-forever",
    what: "a lifetime without end becomes one that Redis refuses",
    file: lifecycle("execution"),
    find: "if seconds < 0 or seconds > 1e11 then return -1 end",
    replace: "",
    tests: conformance("complete")
  },
  {
    name: "fail-ttl",
    what: "failed jobs stay for ever",
    file: lifecycle("fail"),
    find: `if ttl > 0 then redis.call("EXPIRE", key, ttl) end`,
    replace: "",
    tests: conformance("fail")
  },
  {
    name: "fail-never",
    what: "a job that must not be tried again is tried again",
    file: lifecycle("fail"),
    find: `retry ~= "never" and`,
    replace: "",
    tests: conformance("fail", "retry")
  },
  {
    name: "fail-count",
    what: "a job is tried again without end",
    file: lifecycle("fail"),
    find: `"retries_left", left - 1`,
    replace: `"retries_left", left`,
    tests: conformance("retry")
  },
  {
    name: "repeat-count",
    what: "a job repeats without end",
    file: lifecycle("complete"),
    find: `"repeats_left", repeats - 1`,
    replace: `"repeats_left", repeats`,
    tests: conformance("repeat")
  },
  {
    name: "results-ttl",
    what: "results stay when their job is gone",
    file: lifecycle("result"),
    find: `redis.call("EXPIRE", results, (lifetimeText(ttl)))`,
    replace: "",
    tests: conformance("result")
  },
  {
    name: "complete-dependents",
    what: "who waits for a job that has finished waits for ever",
    file: lifecycle("complete"),
    find: `releaseDependents(ended[i], "finished"`,
    replace: `tostring(ended[i], "finished"`,
    tests: conformance("dependents")
  },
  {
    name: "dependents-once",
    what: "a dependent that was released before is queued again",
    file: lifecycle("dependents"),
    find: `or job[1] ~= "deferred" or not job[2]`,
    replace: "or not job[2]",
    tests: conformance("dependents")
  },
  {
    name: "dependents-last",
    what: "a dependent is released before the last of what it waits for",
    file: lifecycle("dependents"),
    find: "if not isMet(status, allowFailure) then return false end",
    replace: "",
    tests: conformance("dependents")
  },
  {
    name: "dependents-failure",
    what: "a failure releases who did not allow it",
    file: lifecycle("dependents"),
    find: `return allowFailure and (`,
    replace: "return (",
    tests: conformance("dependents")
  },

  // claim
  {
    name: "claim-status",
    what: "a canceled or finished job is run",
    file: lifecycle("handover"),
    find: `return status == "queued" or not status and data`,
    replace: "return status or data",
    tests: conformance("claim")
  },
  {
    name: "claim-tries",
    what: "a job that was released is run as if it had never failed",
    file: lifecycle("release"),
    find: `, "started_at", "")`,
    replace: `) redis.call("HDEL", JOB .. id, "started_at")`,
    tests: conformance("release")
  },
  {
    name: "claim-alive",
    what: "a job counts as abandoned while its worker counts as alive",
    file: "src/worker/pump.ts",
    find: "Math.ceil(now / 1000) + aliveSeconds",
    replace: "Math.floor(now / 1000) + aliveSeconds",
    tests: travel("running")
  },
  {
    name: "plain-keys",
    what: "keys of an execution that nobody wrote are looked for after each run of a job with options",
    file: lifecycle("execution"),
    find: `if beaten and beaten ~= "" or`,
    replace: "if beaten or",
    tests: conformance("plain")
  },
  {
    name: "claim-timeout",
    what: "a job is told to have the timeout of the one before",
    file: lifecycle("claim"),
    find: ` or job[3] ~= group[2]`,
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "claim-enqueued-at",
    what: "a job is told to have the time at which it was queued of the one before",
    file: lifecycle("claim"),
    find: ` or job[4] ~= group[3]`,
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "claim-due-at",
    what: "a job is told to have the due time of the one before",
    file: lifecycle("claim"),
    find: ` or job[5] ~= group[4]`,
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "claim-attempt",
    what: "a job is told to have the number of tries of the one before",
    file: lifecycle("claim"),
    find: ` or tried ~= group[5]`,
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "claim-ahead",
    what: "a job that took its worker with it takes what is fetched ahead with it as well",
    file: lifecycle("claim"),
    find: "if ahead and tried then",
    replace: "if false then",
    tests: conformance("ahead")
  },
  {
    name: "abandon-ahead",
    what: "a job that has not begun fails because its worker dies too often",
    file: lifecycle("abandon"),
    find: "if isAhead(execution) then",
    replace: "if false then",
    tests: conformance("ahead")
  },
  {
    name: "complete-many",
    what: "jobs that are handed in together stay in the registry of what is started",
    file: lifecycle("complete"),
    find: `taken, at = attempt("ZREM"`,
    replace: `taken, at = true or attempt("ZREM"`,
    tests: conformance("complete")
  },
  {
    name: "claim-persist",
    what: "a job expires while it runs",
    file: lifecycle("claim"),
    find: `redis.call("PERSIST", key)`,
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "claim-give-back",
    what: "what was handed over and has no slot is not given back",
    file: lifecycle("claim"),
    find: "giveBack(attempt, list, QUEUE .. queues[i], JOB)",
    replace: "",
    tests: conformance("claim")
  },
  {
    name: "give-back-canceled",
    what: "a job that was canceled while it was handed over goes back to the queue",
    file: lifecycle("handover"),
    find: `redis.call("LPOP", queue)`,
    replace: "",
    tests: [...conformance("claim"), ...conformance("abandon"), ...conformance("registration")]
  },
  {
    name: "cancel-handed-over",
    what: "a job that is canceled while it is handed over stays in the list of the worker",
    file: lifecycle("resting"),
    find: `if attempt("LREM", handoverOf`,
    replace: `if false and attempt("LREM", handoverOf`,
    tests: conformance("cancel")
  },
  {
    name: "handover-colon",
    what: "a worker starts what was handed over to a worker of another queue, whose names make the same key",
    file: lifecycle("handover"),
    find: `string.gsub(worker, ":", ",")`,
    replace: "worker",
    tests: conformance("colons")
  },
  {
    name: "claim-paused",
    what: "jobs of a paused queue are run",
    file: lifecycle("claim"),
    find: "if not isPaused[queues[i]] and claimFrom(QUEUE",
    replace: "if claimFrom(QUEUE",
    tests: conformance("paused")
  },
  {
    name: "burst-before-its-scheduler",
    what: "a burst ends before its scheduler has looked for what is due",
    file: "src/worker/pump.ts",
    find: "burst && !looks && state.mayEnd",
    replace: "burst && !looks",
    tests: life("burst")
  },
  {
    name: "unknown-queue",
    what: "the doctor takes a queue that nobody has used for a healthy one",
    file: "src/doctor/examine.ts",
    find: "return isUsed || !asked.has(name) ? []",
    replace: "return isUsed || asked.has(name) ? []",
    tests: ["test/doctor/doctor.test.ts"]
  },
  {
    name: "explain-lost-runs",
    what: "explain takes a repetition for a job that was scheduled or promoted by somebody",
    file: "src/inspector/story.ts",
    find: "previous === undefined && lost === 0",
    replace: "previous === undefined",
    tests: ["test/inspector/explain.test.ts"]
  },
  {
    name: "claim-suspended",
    what: "a suspended fleet takes jobs",
    file: lifecycle("claim"),
    find: "if suspended == 1 or isPaused[queues[i]] then",
    replace: "if isPaused[queues[i]] then",
    tests: conformance("paused")
  },
  {
    name: "claim-foreign-registry",
    what: "jobs are lost while the key of the registry holds something else",
    file: lifecycle("claim"),
    find: `if not attempt("ZADD", started, ABANDONED_AT, member) then return false end`,
    replace: `attempt("ZADD", started, ABANDONED_AT, member)`,
    tests: conformance("claim", "paused")
  },

  // maintenance
  {
    name: "abandon-reaper",
    what: "several workers look after one queue at a time",
    file: lifecycle("abandon"),
    find: "if usable and takesMark(MAINTENANCE .. queue, WORKER, interval) then",
    replace: "if usable then",
    tests: conformance("abandon")
  },
  {
    name: "mark-endless",
    what: "a mark that never lapses keeps everybody from a queue",
    file: lifecycle("mark"),
    find: `redis.call("PTTL", mark) == -1 and`,
    replace: "false and",
    tests: conformance("abandon")
  },
  {
    name: "abandon-alive",
    what: "jobs are taken from workers that are alive",
    file: lifecycle("abandon"),
    find: `"-inf", "(" .. NOW_TEXT, "LIMIT", offset, limit)`,
    replace: `"-inf", "+inf", "LIMIT", offset, limit)`,
    tests: conformance("abandon")
  },
  {
    name: "abandon-python",
    what: "jobs are taken from Python's dead workers while Python does the same",
    file: lifecycle("abandon"),
    find: `return not isPythons and abandonPythons`,
    replace: `return abandonPythons`,
    tests: conformance("abandon")
  },
  {
    name: "abandon-python-runs",
    what: "a job of Python's that runs again by now is queued once more",
    file: lifecycle("abandon"),
    find: "or runsOtherwise(queue, id, execution, job[8])",
    replace: "",
    tests: conformance("abandon")
  },
  {
    name: "promote-birth",
    what: "a leader whose hash has expired is not shown any more",
    file: lifecycle("promote"),
    find: `if redis.call("EXISTS", KEYS[1]) == 0 then`,
    replace: `if false then`,
    tests: conformance("promote")
  },
  {
    name: "unique-handed-over",
    what: "a job that is replaced while it is handed over to a worker stands in that worker's list as well",
    file: lifecycle("admit"),
    find: "takeQueued(origin, id)",
    replace: `attempt("LREM", QUEUE .. origin, 1, id)`,
    tests: life("unique")
  },
  {
    name: "maintenance-set-back",
    what: "a worker whose clock was set back looks after no jobs of dead workers",
    file: "src/worker/beating.ts",
    find: "if (now < state.steadySince) state.steadySince = now",
    replace: "",
    tests: life("leftBehind")
  },
  {
    name: "clock-asleep",
    what: "after its host was asleep the clock is behind until it measures again",
    file: "src/Clock.ts",
    find: "jumped.notify()",
    replace: "",
    tests: ["test/redis/Clock.test.ts"]
  },
  {
    name: "clock-look",
    what: "after a virtual machine stood still its clock is behind until it measures again",
    file: "src/Clock.ts",
    find: "contradicts(seen, last) ? follow",
    replace: "contradicts(seen, seen) ? follow",
    tests: ["test/redis/Clock.test.ts"]
  },
  {
    name: "abandon-ours-runs",
    what: "a job of ours that Python runs by now is queued once more",
    file: lifecycle("abandon"),
    find: "if runsOtherwise(queue, id, execution) then",
    replace: "if false then",
    tests: conformance("abandon")
  },
  {
    name: "release-ttl",
    what: "a job that comes back to its queue waits there for longer than its ttl",
    file: lifecycle("release"),
    find: "beginsWaiting(JOB .. id, ttl)",
    replace: "",
    tests: conformance("abandon", "release")
  },
  {
    name: "again-ttl",
    what: "a job that is tried again at once waits for longer than its ttl",
    file: lifecycle("again"),
    find: `beginsWaiting(key, redis.call("HGET", key, "ttl"))`,
    replace: "",
    tests: conformance("retry", "repeat")
  },
  {
    name: "enqueue-once-in-call",
    what: "one call that names an id twice queues it twice",
    file: lifecycle("enqueue"),
    find: "if taken[id] or isKnown and",
    replace: "if isKnown and",
    tests: conformance("enqueue", "queue")
  },
  {
    name: "abandon-poison",
    what: "a job that kills its workers does so for ever",
    file: lifecycle("abandon"),
    find: "times <= maxAbandons then",
    replace: "times <= math.huge then",
    tests: conformance("abandon")
  },
  {
    name: "abandon-handover",
    what: "what was handed over to a worker that died is lost",
    file: lifecycle("abandon"),
    find: "giveBack(attempt, list, QUEUE .. queue, JOB)",
    replace: "",
    tests: conformance("abandon")
  },
  {
    name: "expire-finished",
    what: "the registry of finished jobs grows for ever",
    file: lifecycle("abandon"),
    find: "expire(FINISHED .. queue)",
    replace: "",
    tests: conformance("expire")
  },
  {
    name: "tidy-held",
    what: "a job that a worker of RQ runs is queued a second time",
    file: lifecycle("tidy"),
    find: "elseif not isHeld(id) and isStuck",
    replace: "elseif isStuck",
    tests: conformance("tidy")
  },
  {
    name: "tidy-wait",
    what: "a job that a worker of RQ is about to start is queued a second time",
    file: lifecycle("tidy"),
    find: "return NOW - since > ",
    replace: "return NOW - since > -1e9 * ",
    tests: conformance("tidy")
  },
  {
    name: "maintenance-absence",
    what: "after an absence of Redis all that runs counts as abandoned",
    file: "src/worker/maintenance.ts",
    find: "|| now - state.steadySince < aliveSeconds * 1000) return",
    replace: ") return",
    tests: life("review")
  },

  {
    name: "return-handover-status",
    what: "the doctor queues what is not queued any more",
    file: "src/doctor/repairs.ts",
    find: "if isQueued(status, job[4]) then return nil end",
    replace: "if status then return nil end",
    tests: ["test/doctor/doctor.test.ts"]
  },

  // what users do to jobs
  {
    name: "cancel-started",
    what: "a running job is not stopped by cancel",
    file: lifecycle("cancel"),
    find: `if status == "started" then return`,
    replace: "if false then return",
    tests: life("manage")
  },
  {
    name: "requeue-once",
    what: "a job that waits or runs is queued again",
    file: lifecycle("requeue"),
    find: `if status ~= "failed" and status ~= "stopped" and status ~= "finished" and status ~= "canceled" then`,
    replace: "if false then",
    tests: life("manage")
  },
  {
    name: "delete-started",
    what: "a job is deleted while it runs",
    file: lifecycle("delete"),
    find: `if status == "started" then return { 0, status } end`,
    replace: "",
    tests: life("manage")
  },
  {
    name: "reschedule-status",
    what: "a job that is not scheduled any more gets another time",
    file: lifecycle("reschedule"),
    find: `~= "scheduled" then return 0 end`,
    replace: `== false then return 0 end`,
    tests: conformance("reschedule")
  },
  {
    name: "remove-status",
    what: "an entry that was left behind takes the job with it that is somewhere else",
    file: lifecycle("remove"),
    find: "if status == ARGV[i] then",
    replace: "if status then",
    tests: conformance("remove", "registry")
  },

  // the worker
  {
    name: "worker-deadline",
    what: "a job runs past its timeout",
    file: "src/worker/deadlines.ts",
    find: "yield* expire(now)",
    replace: "yield* Effect.void",
    tests: travel("running")
  },
  {
    name: "worker-deadline-clock",
    what: "a job's timeout is over sooner or later when the time of day is set",
    file: "src/worker/executions.ts",
    find: "endsAt: isEndless ? Infinity : begunMonotonic + timeout * 1000",
    replace: "get endsAt() { return isEndless ? Infinity : this.deadline + state.monotonic() - state.now() }",
    tests: travel("running")
  },
  {
    name: "worker-lost",
    what: "a job that was taken away runs on",
    file: "src/worker/beating.ts",
    find: `yield* executions.interrupt(self, "lost")`,
    replace: "yield* Effect.void",
    tests: travel("crashing")
  },
  {
    name: "worker-twice",
    what: "what the recovery brings twice is run twice",
    file: "src/worker/executions.ts",
    find: "if (state.ours.has(job.execution)) return",
    replace: "",
    tests: travel("crashing")
  },
  {
    name: "worker-asks-once",
    what: "two ask at a time what was claimed, and both put it back",
    file: "src/worker/pump.ts",
    find: "unsafeMakeSemaphore(1).withPermits(1)",
    replace: "unsafeMakeSemaphore(2).withPermits(1)",
    tests: travel("crashing")
  },
  {
    name: "worker-recovery",
    what: "what a call claimed whose reply was lost waits until it counts as abandoned",
    file: "src/worker/pump.ts",
    find: "if (isMissing() && !isAsking) return takeUpMissing",
    replace: "if (isMissing()) state.unsure = false",
    tests: travel("crashing")
  },
  {
    name: "worker-name",
    what: "two workers of one name run side by side",
    file: "src/worker/registration.ts",
    find: `then return { 0, "", {} } end`,
    replace: `and false then return { 0, "", {} } end`,
    tests: conformance("registration")
  },
  {
    name: "worker-put-back",
    what: "a worker that stops keeps what has not ended",
    file: "src/worker/stopping.ts",
    find: `state.ended.push({ _tag: "Released", queue, id, execution, startedAt: self.startedText })`,
    replace: "",
    tests: travel("stopping")
  },

  // bad input
  {
    name: "option-names",
    what: "a name that nothing reads passes over",
    file: "src/internal/options.ts",
    find: "const name = unknownName(options, known)",
    replace: "const name = unknownName({}, known)",
    tests: ["test/job/names.test.ts"]
  },
  {
    name: "option-flag",
    what: "any text is no",
    file: "src/internal/options.ts",
    find: `value === undefined || typeof value === "boolean"`,
    replace: "true",
    tests: ["test/job/names.test.ts"]
  },
  {
    name: "option-timer",
    what: "a heartbeat that no timer can wait for never comes",
    file: "src/internal/options.ts",
    find: "if (millis >= least && millis <= most)",
    replace: "if (millis >= least && Number.isFinite(millis))",
    tests: ["test/job/names.test.ts"]
  },
  {
    name: "reschedule-told",
    what: "a job that was promoted meanwhile is told to be scheduled still",
    file: "src/queue/reschedule.ts",
    find: `changed || before !== "scheduled" ? [before] : yield* read(jobId)`,
    replace: "[before]",
    tests: conformance("reschedule")
  },
  {
    name: "inflate-bound",
    what: "a deflated bomb takes the process with it",
    file: "src/wire/bytes.ts",
    find: "{ maxOutputLength: maxInflated }",
    replace: "{}",
    tests: ["test/wire/payload.test.ts"]
  },
  {
    name: "json-depth",
    what: "deep nesting overflows the stack",
    file: "src/wire/json.ts",
    find: "if (nestsDeeper(text, maxDepth)) return Either.left(tooDeep(field))",
    replace: "",
    tests: ["test/wire/json.test.ts"]
  },
  {
    name: "json-prototype",
    what: "a payload sets the prototype of an object",
    file: "src/wire/json.ts",
    find: `if (key === "__proto__") {`,
    replace: `if (key === "") {`,
    tests: ["test/wire/json.test.ts"]
  }
]

/**
 * The text of the file with the mutation in it, or why it can't be.
 *
 * @param {Pick<Mutation, "find" | "replace">} mutation
 * @param {string} text
 * @returns {{ readonly _tag: "Mutated", readonly text: string } | { readonly _tag: "Missing", readonly why: string }}
 */
export const apply = ({ find, replace }, text) => {
  const parts = text.split(find)
  if (parts.length === 1) return { _tag: "Missing", why: `does not have ${JSON.stringify(find)} any more` }
  if (parts.length > 2) return { _tag: "Missing", why: `has ${JSON.stringify(find)} ${parts.length - 1} times` }
  return { _tag: "Mutated", text: parts.join(replace) }
}
