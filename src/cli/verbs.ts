/**
 * What can be said on the command line: the verbs with their arguments and options, as data. Parsing, help and
 * completion of what was mistyped all come from here, and none of it needs a package to be loaded.
 *
 * @internal
 */

/** An option and the type of its value. */
export interface Option<out A> {
  readonly kind: "flag" | "text" | "integer" | "duration" | "choice" | "texts" | "durations"
  readonly name: string
  /** One letter, as RQ has it. */
  readonly letter: string | undefined
  /** What stands for the value in the help. */
  readonly placeholder: string
  readonly description: string
  readonly choices: ReadonlyArray<string>
  /** Of a length of time: whether it is how long something is kept or may take, for which RQ has -1 as for ever. */
  readonly isLifetime?: boolean
  readonly _A?: () => A
}

interface More {
  readonly letter?: string
  readonly isLifetime?: boolean
}

const flag = (name: string, description: string, more: More = {}): Option<boolean> => ({
  kind: "flag",
  name,
  letter: more.letter,
  placeholder: "",
  description,
  choices: []
})

const text = (
  name: string,
  placeholder: string,
  description: string,
  more: More = {}
): Option<string | undefined> => ({ kind: "text", name, letter: more.letter, placeholder, description, choices: [] })

const integer = (
  name: string,
  placeholder: string,
  description: string,
  more: More = {}
): Option<number | undefined> => ({ kind: "integer", name, letter: more.letter, placeholder, description, choices: [] })

/** Milliseconds; `Infinity` is for ever. */
const duration = (
  name: string,
  description: string,
  more: More = {}
): Option<number | undefined> => ({
  kind: "duration",
  name,
  letter: more.letter,
  isLifetime: more.isLifetime === true,
  placeholder: "TIME",
  description,
  choices: []
})

/** May be given several times. */
const texts = (
  name: string,
  placeholder: string,
  description: string
): Option<ReadonlyArray<string>> => ({ kind: "texts", name, letter: undefined, placeholder, description, choices: [] })

/** Milliseconds each; may be given several times. */
const durations = (name: string, description: string): Option<ReadonlyArray<number>> => ({
  kind: "durations",
  name,
  letter: undefined,
  placeholder: "TIME",
  description,
  choices: []
})

const choice = <const Choices extends ReadonlyArray<string>>(
  name: string,
  choices: Choices,
  description: string
): Option<Choices[number] | undefined> => ({
  kind: "choice",
  name,
  letter: undefined,
  placeholder: choices.join("|"),
  description,
  choices
})

/** A verb. Arguments are texts; which numbers of them are right is all that the grammar says. */
export interface Verb<out Options extends Readonly<Record<string, Option<unknown>>>> {
  readonly words: ReadonlyArray<string>
  readonly summary: string
  /** The arguments as the usage line shows them. */
  readonly synopsis: string
  readonly args: { readonly least: number; readonly most: number; readonly missing: string }
  readonly options: Options
  /** Paragraphs for the help, each a list of lines. */
  readonly details: ReadonlyArray<string>
  readonly examples: ReadonlyArray<string>
}

const none = { least: 0, most: 0, missing: "" }
const any = { least: 0, most: Infinity, missing: "" }

const verb = <const Options extends Readonly<Record<string, Option<unknown>>>>(
  self: Verb<Options>
): Verb<Options> => self

const url = text("url", "URL", "where Redis is, instead of REDIS_URL", { letter: "u" })
const json = flag("json", "print JSON")

const lifetime = { isLifetime: true }
const wait = duration("wait", "wait so long for what runs to be interrupted; default: not at all")
const tz = (option: string) =>
  text("tz", "ZONE", `the zone of --${option}, such as Europe/Paris; default: the local one`)
const whichJobs = (verb: string) => ({
  least: 1,
  most: Infinity,
  missing: `which jobs? Give their ids: effect-rq ${verb} ID`
})
const whichQueues = (verb: string) => ({
  least: 1,
  most: Infinity,
  missing: `which queues? Name them: effect-rq ${verb} mail`
})

const logging = {
  logLevel: choice("log-level", ["debug", "info", "warning", "error", "none"], "what to log; default: info"),
  logFormat: choice("log-format", ["text", "json"], "how to log; default: text"),
  verbose: flag("verbose", "same as --log-level debug", { letter: "v" }),
  quiet: flag("quiet", "same as --log-level warning", { letter: "q" })
}

export const verbs = {
  worker: verb({
    words: ["worker"],
    summary: "Run jobs from queues",
    synopsis: "[QUEUE...] --jobs MODULE",
    args: any,
    options: {
      jobs: text("jobs", "MODULE", "the module with the jobs and their handlers: a path or a package"),
      withScheduler: flag("with-scheduler", "also run a scheduler for these queues", { letter: "s" }),
      burst: flag("burst", "end when the queues are empty", { letter: "b" }),
      concurrency: integer("concurrency", "N", "how many jobs run at a time; default: 10"),
      name: text("name", "NAME", "the worker's name, unlike any other's", { letter: "n" }),
      maxJobs: integer("max-jobs", "N", "end after so many jobs"),
      gracePeriod: duration("grace-period", "how long running jobs may go on after a signal; default: 10s"),
      url,
      ...logging,
      json: flag("json", "log as JSON, and print what was done as JSON at the end")
    },
    details: [
      "Queues are served in the order given; by default those that the jobs name.",
      "MODULE exports a JobGroup named `Jobs` and a Layer with its handlers named `Handlers`.",
      "SIGINT and SIGTERM stop gracefully: no more jobs are taken, running ones get the grace period, then they are "
      + "put back at the front of their queue. A second signal leaves at once."
    ],
    examples: [
      "effect-rq worker high default --jobs ./jobs.js --with-scheduler",
      "effect-rq worker --jobs ./jobs.js --burst"
    ]
  }),
  scheduler: verb({
    words: ["scheduler"],
    summary: "Promote scheduled jobs into their queues on time",
    synopsis: "[QUEUE...]",
    args: any,
    options: {
      name: text("name", "NAME", "the scheduler's name, unlike any other's", { letter: "n" }),
      url,
      ...logging,
      json: flag("json", "log as JSON")
    },
    details: [
      "Default: all queues known when it starts. Any number of schedulers may serve a queue; one of them leads it, and "
      + "another takes over when that one is gone: at once after a clean stop, within 15 seconds after a crash."
    ],
    examples: ["effect-rq scheduler mail reports"]
  }),
  enqueue: verb({
    words: ["enqueue"],
    summary: "Queue a job, now or for later",
    synopsis: "JOB [ARGUMENT...]",
    args: {
      least: 1,
      most: Infinity,
      missing: "which job? Name it: effect-rq enqueue app.mail.send to=ada@example.com"
    },
    options: {
      queue: text("queue", "QUEUE", "default: the one that the job names with --jobs, else \"default\"", {
        letter: "q"
      }),
      jobId: text(
        "job-id",
        "ID",
        "letters, digits, _ and -; a job of this id that exists is left as it is (see --unique)"
      ),
      atFront: flag("at-front", "put it before all others of its queue"),
      scheduleIn: duration("schedule-in", "run it after this time, such as 10s, 1h30m or 2d"),
      scheduleAt: text("schedule-at", "WHEN", "run it at this time: \"2026-12-24 09:15\", or with Z or +01:00"),
      tz: tz("schedule-at"),
      dependsOn: texts("depends-on", "ID", "run it once this job has finished; may be given several times"),
      allowFailure: flag("allow-failure", "a job that it depends on may also have failed"),
      retryMax: integer("retry-max", "N", "run it again so often when it fails"),
      retryInterval: durations("retry-interval", "the pause before a retry; given several times: before each"),
      repeat: integer("repeat", "N", "run it again so often after it has succeeded"),
      repeatInterval: durations("repeat-interval", "the pause before a repetition; given several times: before each"),
      unique: choice(
        "unique",
        ["refuse", "keep", "replace"],
        "when a job of --job-id has not ended: fail, leave it, or replace it while it waits"
      ),
      uniqueFor: duration("unique-for", "accept no other job of --job-id for so long, even once this one has ended"),
      timeout: duration("timeout", "how long it may run, or forever; default: 180s", lifetime),
      ttl: duration("ttl", "how long it may wait in its queue; default: forever", lifetime),
      resultTtl: duration("result-ttl", "how long its result is kept, or forever; default: 500s", lifetime),
      failureTtl: duration("failure-ttl", "how long its failure is kept, or forever; default: one year", lifetime),
      description: text("description", "TEXT", "what people see of the job; default: the call"),
      jobs: text("jobs", "MODULE", "check the arguments against the Schema of the job in this module"),
      url,
      json
    },
    details: [
      "Arguments, as RQ reads them:",
      "  text          a text                      key=text      a text by name",
      "  :json         JSON                        key:=json     JSON by name",
      "  @file         the content of a file       key=@file     the same by name (also :@file, key:=@file)",
      "Either all arguments are named or none. Options may stand anywhere; what follows -- is no option."
    ],
    examples: [
      "effect-rq enqueue app.mail.send to=ada@example.com retries:=3",
      "effect-rq enqueue app.greet name=Ada --schedule-in 10s",
      "effect-rq enqueue app.report --schedule-at \"2026-12-24 09:15\" --tz Europe/Paris",
      "effect-rq enqueue app.fetch url=https://example.com --retry-max 3 --retry-interval 10s --retry-interval 1m"
    ]
  }),
  requeue: verb({
    words: ["requeue"],
    summary: "Queue jobs again that have failed, finished, or were canceled or stopped",
    synopsis: "ID... | --all --queue QUEUE",
    args: any,
    options: {
      all: flag("all", "all failed and stopped jobs of --queue", { letter: "a" }),
      queue: text("queue", "QUEUE", "whose jobs --all means; RQ wants it with ids too, here they need none", {
        letter: "q"
      }),
      atFront: flag("at-front", "put them before all others of their queue"),
      url,
      json
    },
    details: ["A job that waits or runs is left as it is. Retries that were spent stay spent, as in RQ."],
    examples: ["effect-rq requeue 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11", "effect-rq requeue --all --queue mail"]
  }),
  cancel: verb({
    words: ["cancel"],
    summary: "Cancel jobs that wait; interrupt those that run",
    synopsis: "ID...",
    args: whichJobs("cancel"),
    options: { wait, url, json },
    details: [
      "A job that runs is stopped, as effect-rq stop does. With --wait a job that goes on for longer than that counts as "
      + "not canceled."
    ],
    examples: ["effect-rq cancel 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11 --wait 5s"]
  }),
  stop: verb({
    words: ["stop"],
    summary: "Interrupt jobs that run, of effect-rq's workers and Python's",
    synopsis: "ID...",
    args: whichJobs("stop"),
    options: { wait, url, json },
    details: [
      "The worker interrupts the handler, its finalizers run, and the job is not tried again. A job that waits is left as "
      + "it is: cancel it. With --wait a job that goes on for longer than that counts as not stopped."
    ],
    examples: ["effect-rq stop 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11 --wait 5s"]
  }),
  delete: verb({
    words: ["delete"],
    summary: "Delete jobs and their results, unless they run",
    synopsis: "ID...",
    args: whichJobs("delete"),
    options: { url, json },
    details: ["A job that runs is left as it is: stop it first."],
    examples: ["effect-rq delete 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11"]
  }),
  reschedule: verb({
    words: ["reschedule"],
    summary: "Give a scheduled job another time",
    synopsis: "ID --in TIME | --at WHEN",
    args: {
      least: 1,
      most: 1,
      missing: "which job? Give its id: effect-rq reschedule ID --in 10s"
    },
    options: {
      at: text("at", "WHEN", "run it at this time: \"2026-12-24 09:15\", or with Z or +01:00"),
      tz: tz("at"),
      in: duration("in", "run it after this time from now, such as 10s, 1h30m or 2d"),
      url,
      json
    },
    details: ["Also a job that waits for its next try or its next repetition."],
    examples: [
      "effect-rq reschedule 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11 --in 10s",
      "effect-rq reschedule 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11 --at \"2026-12-24 09:15\" --tz Europe/Paris"
    ]
  }),
  empty: verb({
    words: ["empty"],
    summary: "Delete all jobs that wait in queues",
    synopsis: "QUEUE... | --all",
    args: any,
    options: { all: flag("all", "all queues", { letter: "a" }), url, json },
    details: ["It asks for no confirmation. Scheduled jobs, and those that run, stay."],
    examples: ["effect-rq empty mail", "effect-rq empty --all"]
  }),
  suspend: verb({
    words: ["suspend"],
    summary: "Make all workers, Python's too, take no more jobs",
    synopsis: "",
    args: none,
    options: { duration: duration("duration", "for so long (a number is seconds); default: until resume"), url, json },
    details: ["They go on with what runs. Schedulers go on too: what becomes due waits in its queue."],
    examples: ["effect-rq suspend", "effect-rq suspend --duration 5m"]
  }),
  resume: verb({
    words: ["resume"],
    summary: "Let all workers take jobs again after suspend",
    synopsis: "",
    args: none,
    options: { url, json },
    details: ["Workers of effect-rq notice within a second."],
    examples: ["effect-rq resume"]
  }),
  pause: verb({
    words: ["pause"],
    summary: "Make workers take no jobs of these queues",
    synopsis: "QUEUE...",
    args: whichQueues("pause"),
    options: { url, json },
    details: ["For workers of effect-rq; Python's don't know of it, see suspend."],
    examples: ["effect-rq pause mail"]
  }),
  unpause: verb({
    words: ["unpause"],
    summary: "Let workers take jobs of these queues again",
    synopsis: "QUEUE...",
    args: whichQueues("unpause"),
    options: { url, json },
    details: ["Workers notice within a second."],
    examples: ["effect-rq unpause mail"]
  }),
  shutdown: verb({
    words: ["shutdown"],
    summary: "Tell workers to end in peace, wherever they run",
    synopsis: "WORKER... | --all",
    args: any,
    options: { all: flag("all", "all workers", { letter: "a" }), url, json },
    details: [
      "Each takes no more jobs, gives those that run its grace period, and leaves. It asks for no confirmation and doesn't "
      + "wait for them. effect-rq info lists the workers."
    ],
    examples: ["effect-rq shutdown w1 w2", "effect-rq shutdown --all"]
  }),
  scheduled: verb({
    words: ["scheduled"],
    summary: "List scheduled jobs, the next first",
    synopsis: "[QUEUE...]",
    args: any,
    options: {
      limit: integer("limit", "N", "how many at most; default: 50"),
      url,
      json
    },
    details: ["Default: all queues."],
    examples: ["effect-rq scheduled mail --limit 10"]
  }),
  info: verb({
    words: ["info"],
    summary: "Show queues, who leads them, and workers",
    synopsis: "[QUEUE...]",
    args: any,
    options: {
      interval: duration("interval", "refresh this often until interrupted (a number is seconds)", { letter: "i" }),
      raw: flag("raw", "plain lines that are easy to parse", { letter: "r" }),
      onlyQueues: flag("only-queues", "no workers", { letter: "Q" }),
      onlyWorkers: flag("only-workers", "no queues", { letter: "W" }),
      byQueue: flag("by-queue", "list the workers of each queue", { letter: "R" }),
      url,
      json
    },
    details: ["Default: all queues."],
    examples: ["effect-rq info --interval 2", "effect-rq info mail --json"]
  }),
  doctor: verb({
    words: ["doctor"],
    summary: "Find out what is wrong in Redis, and mend what can be mended",
    synopsis: "[QUEUE...]",
    args: any,
    options: {
      fix: flag("fix", "mend what can be mended without a doubt"),
      sample: integer("sample", "N", "look at about so many jobs; default: 10000"),
      queue: texts("queue", "QUEUE", "same as an argument; may be given several times"),
      url,
      json
    },
    details: [
      "It looks at each job's place, at who schedules, promotes and works, at what dead workers have left, and at the settings "
      + "and the clock of the server; default: of all queues. It never holds up Redis, and looks again at what seems to be "
      + "wrong before it says so. Without --fix it changes nothing.",
      "Exits with 1 when there is an error: jobs that are lost, late or stand still. Warnings alone exit with 0."
    ],
    examples: ["effect-rq doctor", "effect-rq doctor mail --fix", "effect-rq doctor --sample 100000 --json"]
  }),
  explain: verb({
    words: ["explain"],
    summary: "Tell the life of a job, and why it took its time",
    synopsis: "ID",
    args: { least: 1, most: 1, missing: "which job? Give its id: effect-rq explain ID" },
    options: { url, json },
    details: [
      "When it was created, due, promoted and by which scheduler, run and by which worker, and how each run ended; below each "
      + "moment why it came no sooner, as far as that is kept. What is not kept is said to be unknown."
    ],
    examples: ["effect-rq explain 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11"]
  }),
  jobShow: verb({
    words: ["job", "show"],
    summary: "Show one job",
    synopsis: "ID",
    args: { least: 1, most: 1, missing: "which job? Give its id: effect-rq job show ID" },
    options: { url, json },
    details: [],
    examples: ["effect-rq job show 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11"]
  }),
  jobHistory: verb({
    words: ["job", "history"],
    summary: "List how the last runs of a job ended",
    synopsis: "ID",
    args: { least: 1, most: 1, missing: "which job? Give its id: effect-rq job history ID" },
    options: { url, json },
    details: ["The latest first, ten at most. A run that succeeded with nothing leaves no trace."],
    examples: ["effect-rq job history 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11"]
  }),
  jobWait: verb({
    words: ["job", "wait"],
    summary: "Wait until a job has ended, and print its result",
    synopsis: "ID",
    args: { least: 1, most: 1, missing: "which job? Give its id: effect-rq job wait ID" },
    options: { timeout: duration("timeout", "how long to wait at most; default: forever"), url, json },
    details: [
      "Exits with 0 when the job succeeded, with 1 when it failed, was canceled or stopped, is not there, or has not ended "
      + "in time. The result is printed as JSON; a failure goes to stderr. Of a job that repeats it is the next run."
    ],
    examples: ["effect-rq job wait 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11 --timeout 1m"]
  }),
  contract: verb({
    words: ["contract"],
    summary: "Describe the jobs of a module for other languages",
    synopsis: "MODULE",
    args: { least: 1, most: 1, missing: "of which jobs? Name their module: effect-rq contract ./jobs.js" },
    options: {
      format: choice("format", ["json", "python"], "JSON Schema, or a module for Python; default: json"),
      output: text("output", "FILE", "write to this file instead of standard output", { letter: "o" })
    },
    details: [
      "MODULE exports a JobGroup named `Jobs`. What is described is what travels: the encoded side of the Schemas.",
      "The module for Python has a function for each job, which enqueues it: send_welcome(queue, to=...), and two that "
      + "schedule it: send_welcome_at(queue, when, ...) and send_welcome_in(queue, delay, ...). It needs Python 3.9 and "
      + "RQ 1.13, or later."
    ],
    examples: [
      "effect-rq contract ./jobs.js",
      "effect-rq contract ./jobs.js --format python --output jobs.py"
    ]
  }),
  demo: verb({
    words: ["demo"],
    summary: "Watch jobs being scheduled, promoted, run and taken over",
    synopsis: "",
    args: none,
    options: {
      url: text("url", "URL", "use this Redis, in a queue of its own; default: one in memory", { letter: "u" }),
      json: flag("json", "print only the summary, as JSON")
    },
    details: ["Takes about 10 seconds and leaves nothing behind. It doesn't read REDIS_URL."],
    examples: ["effect-rq demo", "effect-rq demo --url redis://localhost:6379"]
  })
} as const

export type Verbs = typeof verbs
export type VerbName = keyof Verbs

type OptionsOf<V> = V extends Verb<infer Options> ? Options : never

/** The options of a verb as they were given. */
export type Values<Name extends VerbName> = {
  readonly [K in keyof OptionsOf<Verbs[Name]>]: OptionsOf<Verbs[Name]>[K] extends Option<infer A> ? A : never
}

/** What was asked for. */
export type Invocation = {
  readonly [Name in VerbName]: {
    readonly verb: Name
    readonly options: Values<Name>
    readonly args: ReadonlyArray<string>
  }
}[VerbName]

/** A verb that was not asked for in the way it understands. */
export interface UsageError {
  readonly _tag: "UsageError"
  readonly message: string
  readonly verb: VerbName | undefined
}

export const usageError = (message: string, verb?: VerbName): UsageError => ({ _tag: "UsageError", message, verb })

export const verbNames = Object.keys(verbs) as ReadonlyArray<VerbName> // the keys of the table are its type's

export const optionsOf = (name: VerbName): ReadonlyArray<readonly [key: string, option: Option<unknown>]> =>
  Object.entries(verbs[name].options)
