/**
 * Removes a queue with everything that belongs to it, for those who made the queue for themselves.
 *
 * @internal
 */
import * as Redis from "../Redis.js"
import * as keys from "../wire/keys.js"

export interface ForgetParams {
  readonly queue: string
  /** All jobs that were ever put into it. */
  readonly jobs: ReadonlyArray<string>
  /** All workers that ever served it. They have stopped. */
  readonly workers: ReadonlyArray<string>
}

export const forget = Redis.script(
  ({ jobs, queue, workers }: ForgetParams) => [
    keys.queues,
    keys.queue(queue),
    keys.scheduled(queue),
    keys.started(queue),
    keys.finished(queue),
    keys.failed(queue),
    keys.deferred(queue),
    keys.canceled(queue),
    keys.schedulerLock(queue),
    keys.workersOf(queue),
    keys.handovers(queue),
    keys.maintenance(queue),
    keys.tidied(queue),
    keys.journal(queue),
    ...jobs.flatMap((id) => [keys.job(id), keys.results(id), keys.executions(id)]),
    ...workers.flatMap((name) => [keys.worker(name), keys.handover(queue, name)])
  ],
  {
    name: "forget-queue",
    numberOfKeys: ({ jobs, workers }) => 14 + 3 * jobs.length + 2 * workers.length,
    lua: `
redis.call("SREM", KEYS[1], KEYS[2])
for i = 2, #KEYS do redis.call("DEL", KEYS[i]) end
return 1
`,
    result: () => undefined
  }
)
