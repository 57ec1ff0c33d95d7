/**
 * What is told to whoever listens, the last of it also to those who come late.
 *
 * It is not the replay of Effect's `PubSub`: there a subscription holds on to all that was published since it began.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

export interface Events<A> {
  readonly publish: (event: A) => Effect.Effect<void>
  /** The last ones, and what comes. Who is too slow misses some. */
  readonly stream: Stream.Stream<A>
  /** Ends all streams. */
  readonly shutdown: Effect.Effect<void>
}

export const make = <A>(
  options: { readonly capacity: number; readonly replay: number }
): Effect.Effect<Events<A>> =>
  Effect.map(PubSub.sliding<readonly [number: number, event: A]>(options.capacity), (pubsub) => {
    const last: Array<A> = []
    let published = 0
    return {
      publish: (event) =>
        Effect.suspend(() => {
          published++
          last.push(event)
          if (last.length > options.replay) last.shift()
          return Effect.asVoid(PubSub.publish(pubsub, [published, event] as const))
        }),
      stream: Stream.unwrapScoped(Effect.map(PubSub.subscribe(pubsub), (subscription) => {
        const before = published
        const coming = Stream.fromQueue(subscription, { shutdown: true }).pipe(
          // What was published between the subscription and now is among the last ones.
          Stream.filter(([number]) => number > before),
          Stream.map(([, event]) => event)
        )
        return Stream.concat(Stream.fromIterable([...last]), coming)
      })),
      shutdown: PubSub.shutdown(pubsub)
    }
  })
