/**
 * What can be said on the command line: the verbs with their arguments and options, as data. Parsing, help and
 * completion of what was mistyped all come from here, and none of it needs a package to be loaded.
 *
 * @internal
 */

/** An option and the type of its value. */
export interface Option<out A> {
  readonly kind: "flag" | "text" | "integer" | "duration" | "choice"
  readonly name: string
  /** One letter, as RQ has it. */
  readonly letter: string | undefined
  /** What stands for the value in the help. */
  readonly placeholder: string
  readonly description: string
  readonly choices: ReadonlyArray<string>
  readonly _A?: () => A
}

interface More {
  readonly letter?: string
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
    synopsis: "[QUEUE...]",
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
      jobId: text("job-id", "ID", "letters, digits, _ and -; a job of this id that exists is left as it is"),
      atFront: flag("at-front", "put it before all others of its queue"),
      scheduleIn: duration("schedule-in", "run it after this time, such as 10s, 1h30m or 2d"),
      scheduleAt: text("schedule-at", "WHEN", "run it at this time: \"2026-12-24 09:15\", or with Z or +01:00"),
      tz: text("tz", "ZONE", "the zone of --schedule-at, such as Europe/Paris; default: the local one"),
      timeout: duration("timeout", "how long it may run, or forever; default: 180s"),
      ttl: duration("ttl", "how long it may wait in its queue; default: forever"),
      resultTtl: duration("result-ttl", "how long its result is kept, or forever; default: 500s"),
      failureTtl: duration("failure-ttl", "how long its failure is kept, or forever; default: one year"),
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
      "effect-rq enqueue app.report --schedule-at \"2026-12-24 09:15\" --tz Europe/Paris"
    ]
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
  jobShow: verb({
    words: ["job", "show"],
    summary: "Show one job",
    synopsis: "ID",
    args: { least: 1, most: 1, missing: "which job? Give its id: effect-rq job show ID" },
    options: { url, json },
    details: [],
    examples: ["effect-rq job show 5b1c0c9e-8f6d-4c1e-9d2f-0a4f6f0a8f11"]
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
