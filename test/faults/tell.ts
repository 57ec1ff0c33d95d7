/**
 * Journals what a worker and its scheduler go through.
 */
import type * as Worker from "effect-rq/Worker"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Journal } from "./journal.js"

/** Tells of the worker and its scheduler for as long as it lives. */
export const tell = (journal: Journal, worker: Worker.WorkerService) =>
  Effect.gen(function*() {
    if (worker.scheduler._tag === "None") return
    const scheduler = worker.scheduler.value
    yield* Effect.forkScoped(Stream.runForEach(scheduler.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "Promoted") journal.write({ what: "promoted", ids: event.jobIds, at: Date.now() })
        if (event._tag === "Elected") journal.write({ what: "elected", scheduler: scheduler.name, at: Date.now() })
        if (event._tag === "Deposed") journal.write({ what: "deposed", scheduler: scheduler.name, at: Date.now() })
      })))
    let connected = true
    yield* worker.status.pipe(
      Effect.tap((status) =>
        Effect.sync(() => {
          if (status.connected !== connected) {
            connected = status.connected
            journal.write({ what: connected ? "connected" : "disconnected", at: Date.now() })
          }
        })
      ),
      Effect.repeat(Schedule.spaced("50 millis")),
      Effect.forkScoped
    )
    yield* Effect.yieldNow()
    // Events before this one was listening are not told: the lease says who leads.
    const { queues } = yield* scheduler.status
    for (const queue of queues) {
      if (queue.leadingSince._tag === "Some") {
        journal.write({ what: "elected", scheduler: scheduler.name, at: Date.now() })
      }
    }
    journal.write({ what: "born", name: worker.name, pid: process.pid, scheduler: scheduler.name, at: Date.now() })
  })
