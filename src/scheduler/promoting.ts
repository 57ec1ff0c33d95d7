/**
 * Promotes what is due in the queues that this scheduler leads, which renews its leases as well.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { span } from "../internal/times.js"
import { sampleSize } from "../lifecycle/foreign.js"
import { promote as promoteScript } from "../lifecycle/promote.js"
import type * as Redis from "../Redis.js"
import * as Date from "../wire/date.js"
import type { Settings } from "./settings.js"
import { chunksOf, notBefore, queuesPerCall, type QueueState, type State } from "./state.js"

/** How often the scheduler's hash in Redis gets a sign of life; it lives for 61 seconds without. */
const beatMillis = 5000

/** All that is due, in slices. */
export const make = (
  { batchSize, birth, leaseMillis, name }: Settings,
  shared: State,
  redis: Redis.RedisService
): Effect.Effect<void, Redis.RedisError> => {
  const promote = redis.eval(promoteScript)

  const onDeposed = (state: QueueState, now: number) =>
    Effect.suspend(() => {
      state.leadingSince = undefined
      state.leader = undefined
      state.lapsesAt = now
      state.nextDue = undefined
      shared.followingChanged.notify()
      return Effect.zipRight(
        shared.log(Effect.logWarning(`no longer leads queue ${state.queue}: its lease lapsed`)),
        shared.events.publish({ _tag: "Deposed", queue: state.queue, at: DateTime.unsafeMake(now) })
      )
    })

  const onPromoted = (state: QueueState, jobIds: ReadonlyArray<string>, firstDue: number, now: number) =>
    Effect.suspend(() => {
      state.promoted += jobIds.length
      state.lastPromotedAt = now
      state.lag = Number.isFinite(firstDue) ? Math.max(0, now - firstDue) : 0
      state.maxLag = Math.max(state.maxLag, state.lag)
      return Effect.zipRight(
        shared.log(Effect.logDebug(`promoted ${jobIds.length} to queue ${state.queue}, ${span(state.lag)} late`)),
        shared.events.publish({
          _tag: "Promoted",
          queue: state.queue,
          at: DateTime.unsafeMake(now),
          jobIds,
          lag: Duration.millis(state.lag)
        })
      )
    })

  const onProblem = (state: QueueState, problem: string | undefined) =>
    Effect.suspend(() => {
      if (state.problem === problem) return Effect.void
      state.problem = problem
      return shared.log(
        problem === undefined
          ? Effect.logInfo(`queue ${state.queue} can be promoted again`)
          : Effect.logError(`queue ${state.queue} can't be promoted: ${problem}`)
      )
    })

  /** One call for some of the queues; returns whether more is due than it took. */
  const promoteSome = Effect.fnUntraced(function*(some: ReadonlyArray<QueueState>) {
    const now = yield* Clock.currentTimeMillis
    const beats = Math.abs(now - shared.lastBeat) >= beatMillis
    const toPromote = some.map(({ queue, skip }) => ({ queue, skip }))
    const nowDate = Date.encode(now)
    const rows = yield* promote({
      scheduler: name,
      queues: toPromote,
      now: Date.seconds(now),
      nowDate,
      leaseMillis,
      limit: batchSize,
      heartbeat: beats ? birth : undefined
    })
    yield* shared.onAnswer
    if (beats) shared.lastBeat = now
    let more = false
    for (const row of rows(toPromote)) {
      const state = shared.of(row.queue)
      switch (row._tag) {
        case "NotHeld": {
          yield* onDeposed(state, now)
          break
        }
        case "WrongType": {
          // The next tick looks again, the punctual fiber would look without a pause.
          state.nextDue = undefined
          yield* onProblem(state, row.message)
          break
        }
        case "Promoted": {
          yield* onProblem(state, undefined)
          for (const id of row.ids) state.watched.delete(id)
          if (row.ids.length > 0) {
            const last = row.ids.slice(-sampleSize).map((id) => ({ id, enqueuedAt: nowDate, at: now }))
            state.promotedLast = [...state.promotedLast, ...last].slice(-sampleSize)
          }
          if (row.firstDue !== undefined) yield* onPromoted(state, row.ids, Date.millis(row.firstDue), now)
          if (row.dropped > 0) {
            state.dropped += row.dropped
            yield* shared.log(
              Effect.logWarning(
                `dropped ${row.dropped} ${row.dropped === 1 ? "entry" : "entries"} of queue ${row.queue} without a job`
              )
            )
          }
          // What was looked at and stays has just these ranks: the next call passes over it.
          state.skip += row.heldBack
          more = more || row.more
          const nextDue = row.nextDue === undefined ? undefined : notBefore(row.nextDue)
          if (nextDue !== state.nextDue) {
            state.nextDue = nextDue
            shared.nextDueChanged.notify()
          }
        }
      }
    }
    shared.lastTick = now
    return more
  })

  /** Promotes all that is due, in slices, each of which renews the leases as well. */
  return Effect.gen(function*() {
    let more = true
    for (const state of shared.leading()) state.skip = 0
    for (let round = 0; more; round++) {
      more = false
      const leaders = shared.leading()
      if (leaders.length === 0) return
      // A slice is shared by the queues in order, so each round another one is first.
      const rotated = leaders.map((_, index) => leaders[(index + round) % leaders.length]!)
      for (const some of chunksOf(rotated, queuesPerCall)) more = (yield* promoteSome(some)) || more
    }
  })
}
