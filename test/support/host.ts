/**
 * A host whose clock is set.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A host on which the time of day and the monotonic clock are two things; both stand still while it is asleep. */
export const makeHost = Effect.map(Effect.clock, (base) => {
  let wall = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + wall,
    unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(() => clock.unsafeCurrentTimeMillis()),
    currentTimeNanos: base.currentTimeNanos,
    sleep: (duration) => base.sleep(duration)
  }
  const shift = (millis: number) => {
    wall += millis
  }
  return {
    clock,
    /** Its time of day is read anew when it wakes up, its monotonic clock goes on where it was. */
    sleeps: shift,
    isSet: shift
  }
})
