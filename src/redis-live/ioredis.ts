/**
 * What every client of ioredis is made with.
 *
 * @internal
 */
import type { RedisOptions } from "ioredis"

export const ignore = (): void => {}

/** Options for one ioredis client. Type parameter `replyMapping` doesn't fit its own constructor with exact optionals. */
export type ClientOptions = Omit<RedisOptions, "replyMapping">

/** What every ioredis client of ours is made with: it never queues, never repeats, never speaks for itself. */
export const plain: ClientOptions = {
  lazyConnect: true,
  // RESP2, since its replies are the ones that the port describes; RESP3 nests some of them.
  protocol: 2,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  disableClientInfo: true,
  maxRetriesPerRequest: 0,
  disconnectTimeout: 100,
  keepAlive: 30_000
}

/** Doubles up to 2 seconds; half of it is random, so that many clients don't come back at the same instant. */
export const backOff = (attempt: number): number => {
  const full = Math.min(2000, 50 * 2 ** Math.min(attempt, 10))
  return Math.round(full / 2 + Math.random() * full / 2)
}

/** A host with several addresses fails with a list of errors and no message. */
export const explain = (error: Error): string =>
  error instanceof AggregateError
    ? error.errors.map((each) => each instanceof Error ? each.message : String(each)).join(", ")
    : error.message
