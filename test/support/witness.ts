/**
 * A witness that can't be wrong about who held a scheduler's lock and who promoted what: the server's MONITOR.
 */

export interface Promotion {
  readonly id: string
  readonly scheduler: string
  /** By the clock of the server, in milliseconds since 1970. */
  readonly at: number
  /** Who held the lock then. */
  readonly holder: string | undefined
}

/** What the server carries out, in its order. */
export class Witness {
  readonly promotions: Array<Promotion> = []
  readonly elected: Array<{ readonly scheduler: string; readonly at: number }> = []
  private holder: string | undefined
  /** Who tries to take the lock. It is refused where somebody holds it, and then the script asks who. */
  private trying: { readonly scheduler: string; readonly at: number } | undefined
  /** The scheduler whose promotion is under way: the calls of a script follow it at once. */
  private promoting: string | undefined
  private readonly lock: string

  constructor(readonly queue: string, readonly prefix: string = "") {
    this.lock = `rq:scheduler-lock:${queue}`
  }

  private readonly bare = (key: string | undefined): string =>
    key === undefined ? "" : key.startsWith(this.prefix) ? key.slice(this.prefix.length) : key

  readonly see = (time: string, args: ReadonlyArray<string>, source: string) => {
    const at = Number(time) * 1000
    const [name = "", , value = ""] = args
    const key = this.bare(args[1])
    const lock = key === this.lock
    if (source !== "lua") {
      this.settle()
      const isPromote = /^eval(?:sha)?$/i.test(name) && this.bare(args[5]) === "rq:effect:first_seen:"
      this.promoting = isPromote ? this.bare(args[3]).slice("rq:scheduler:".length) : undefined
    } else if (lock && name === "SET") {
      this.trying = { scheduler: value, at }
    } else if (lock && this.trying !== undefined && name === "GET") {
      this.trying = undefined
    } else if (lock && name === "DEL") {
      this.holder = undefined
    } else if (this.promoting !== undefined && name === "HSET" && key.startsWith("rq:job:") && args[3] === "queued") {
      const id = key.slice("rq:job:".length)
      this.promotions.push({ id, scheduler: this.promoting, at, holder: this.holder })
    }
  }

  /** The script that tried has ended without asking who holds the lock. */
  private settle() {
    if (this.trying === undefined) return
    this.elected.push(this.trying)
    this.holder = this.trying.scheduler
    this.trying = undefined
  }

  promotedBy(scheduler: string) {
    return this.promotions.filter((one) => one.scheduler === scheduler)
  }
}
