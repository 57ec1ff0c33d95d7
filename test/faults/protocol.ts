/**
 * What the harness and its processes tell each other: how a process is set up, and the journal that it appends to.
 */

/** Where Redis is, as JSON. */
export interface RedisConfig {
  readonly url?: string
  readonly password?: string
  readonly sentinels?: { readonly hosts: ReadonlyArray<string>; readonly name: string }
  readonly cluster?: { readonly nodes: ReadonlyArray<string> }
  /** File of the authority that signed the server's certificate. */
  readonly caFile?: string
}

export interface WorkerConfig {
  readonly concurrency: number
  /** Undefined: the library's own default. */
  readonly heartbeatMillis?: number
  readonly leaseMillis?: number
  readonly tickMillis?: number
}

/** What is enqueued: so many jobs, evenly over a time, half of them for now and half for a little later. */
export interface Plan {
  readonly jobs: number
  readonly millis: number
}

/** Mixed load, for as long as it takes. */
export interface Mix {
  readonly minutes: number
  readonly perSecond: number
  /** For how long what has ended is kept. */
  readonly keptSeconds: number
}

export interface ProcessConfig {
  readonly role: "worker" | "producer" | "soak-worker" | "soak-producer"
  readonly name: string
  readonly queue: string
  /** File that the process appends to. */
  readonly journal: string
  readonly redis: RedisConfig
  readonly worker: WorkerConfig
  readonly plan: Plan
  readonly mix?: Mix
}

/** One planned job. */
export interface Planned {
  readonly id: string
  /** Milliseconds after the beginning at which it is enqueued. */
  readonly after: number
  /** Milliseconds from then until it is due; 0: it is queued at once. */
  readonly delay: number
  /** How long its handler takes. */
  readonly millis: number
}

/** Every second one waits in the scheduled registry first, every tenth runs for long enough to be cut off. */
export const planned = (plan: Plan, at: number): Planned => ({
  id: `${at % 2 === 0 ? "s" : "n"}-${String(at).padStart(6, "0")}`,
  after: (plan.millis * at) / plan.jobs,
  delay: at % 2 === 0 ? 500 + (at % 7) * 200 : 0,
  millis: at % 10 < 2 ? 300 : 5
})

/** Jobs whose handler takes long. */
export const isLong = (id: string): boolean => Number(id.slice(2)) % 10 < 2

/** Jobs that wait in the scheduled registry first. */
export const isScheduled = (id: string): boolean => id.startsWith("s-")

/** A line of a journal. All times are milliseconds since 1970, by the one clock of the machine. */
export type Note =
  & { readonly at: number }
  & (
    | { readonly what: "born"; readonly name: string; readonly pid: number; readonly scheduler: string }
    | {
      readonly what: "start"
      readonly id: string
      /** Unlike any other run's; a new one for each run of RQ. */
      readonly execution: string
      readonly attempt: number
      readonly due: number
      readonly kind?: string
    }
    | { readonly what: "end"; readonly id: string; readonly execution: string }
    | { readonly what: "elected" | "deposed"; readonly scheduler: string }
    | { readonly what: "promoted"; readonly ids: ReadonlyArray<string> }
    /** Redis said that it has it. */
    | {
      readonly what: "acked"
      readonly id: string
      readonly due: number
      readonly tries: number
      readonly outcome: string
      readonly kind?: string
      /** How often it must run to its end, where that is known beforehand. */
      readonly runs?: number
    }
    | { readonly what: "refused"; readonly id: string; readonly reason: string; readonly code: string }
    | { readonly what: "connected" | "disconnected" }
    | {
      readonly what: "memory"
      readonly rss: number
      readonly heap: number
      readonly lagMillis: number
      readonly done: number
    }
    | { readonly what: "checked"; readonly id: string; readonly ok: boolean; readonly told: string }
    | { readonly what: "produced" }
  )
