/**
 * Where ids come from: jobs, executions, workers, schedulers and lock tokens.
 *
 * Ids are random by default. Tests replace the service with {@link seeded}, so that a run can be repeated to the byte.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PseudoRandom from "effect/Utils"
import * as outside from "./internal/outside.js"

/**
 * What makes ids and names. Each is unlike any other.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdsService {
  /** A job id: a uuid with dashes, as RQ makes them. */
  readonly job: Effect.Effect<string>
  /** The same without an effect around it, for many at once. */
  readonly unsafeJob: () => string
  /** A name for a worker or a lock token: 32 lower-case hex digits, as RQ makes them. */
  readonly name: Effect.Effect<string>
  /** A name for a scheduler: 20 decimal digits, since RQ before 2.10 reads the owner of a queue's lock as a number. */
  readonly scheduler: Effect.Effect<string>
  /**
   * The first 24 hex digits of the execution ids of one worker; the worker appends a counter of 8 digits. Read as a
   * uuid it is of version 8, which tells an execution of effect-rq from one of Python's (version 4): each kind is
   * treated by its own rules when its worker has died.
   */
  readonly executionPrefix: Effect.Effect<string>
}

/**
 * The id service. It has a default, so nothing needs to be provided.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Ids } from "effect-rq"
 *
 * const program = Effect.gen(function*() {
 *   const ids = yield* Ids.Ids
 *   return yield* ids.job
 * }).pipe(Effect.provide(Ids.seeded(42)))
 * ```
 */
export class Ids extends Context.Reference<Ids>()("effect-rq/Ids", {
  defaultValue: (): IdsService => from(outside.randomHex, outside.randomUuid)
}) {}

const from = (hex: (bytes: number) => string, uuid: () => string): IdsService => ({
  job: Effect.sync(uuid),
  unsafeJob: uuid,
  name: Effect.sync(() => asUuid(hex(16), "4")),
  scheduler: Effect.sync(() =>
    (BigInt(`0x${hex(8)}`) % 90_000_000_000_000_000_000n + 10_000_000_000_000_000_000n).toString()
  ),
  executionPrefix: Effect.sync(() => asUuid(hex(12), "8"))
})

/** Sets the version and variant digits that RFC 9562 gives a uuid. */
const asUuid = (hex: string, version: string): string =>
  hex.slice(0, 12) + version + hex.slice(13, 16) + "89ab"[Number.parseInt(hex[16]!, 16) & 3]! + hex.slice(17)

/**
 * Ids from a seeded generator: the same seed gives the same ids in the same order. For tests only, since its ids can
 * be guessed.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Ids } from "effect-rq"
 *
 * const twice = Effect.gen(function*() {
 *   const { job } = yield* Ids.Ids
 *   return [yield* job, yield* job]
 * })
 *
 * // the same two ids in each run
 * const program = Effect.provide(twice, Ids.seeded(42))
 * ```
 */
export const seeded = (seed: number): Layer.Layer<never> =>
  Layer.effectContext(Effect.sync(() => {
    const random = new PseudoRandom.PCGRandom(seed)
    const hex = (bytes: number) => {
      let out = ""
      for (let i = 0; i < bytes; i++) out += random.integer(256).toString(16).padStart(2, "0")
      return out
    }
    const uuid = () => {
      const digits = asUuid(hex(16), "4")
      return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${
        digits.slice(20)
      }`
    }
    return Context.make(Ids, from(hex, uuid)) as Context.Context<never> // a Reference has a default: nothing requires it
  }))
