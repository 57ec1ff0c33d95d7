/**
 * Odd values, and how the tests in this folder (and test/rq/poison) are seeded: each run has a seed of its own, which stands
 * in the names of its tests. `FUZZ_SEED=1234 npx vitest run test/fuzz` repeats one, `FUZZ_RUNS=50` runs fifty times as many.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"

export const seed = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 0x7fffffff))

export const factor = Number(process.env["FUZZ_RUNS"] ?? 1)

export const check = <A>(
  arbitrary: FastCheck.Arbitrary<A>,
  numRuns: number,
  property: (value: A) => Promise<void>
): Promise<void> =>
  FastCheck.assert(FastCheck.asyncProperty(arbitrary, property), {
    seed,
    numRuns: numRuns * factor,
    endOnFailure: true
  })

export const oddTexts: ReadonlyArray<string> = [
  "",
  " ",
  "\ud800",
  "a\udc00b",
  "\u0000",
  "a\nb",
  "\r\n",
  "\u001b[2J\u001b]0;title\u0007",
  "__proto__",
  "constructor",
  "toString",
  ":",
  "*",
  "{x}",
  ",",
  "a b",
  "-",
  "--",
  "%s",
  "😀".repeat(10),
  "x".repeat(20_000),
  "\u202e",
  "\ufeff",
  "rq:queue:default",
  "NaN",
  "-1"
]

export const oddNumbers: ReadonlyArray<number> = [
  0,
  -0,
  -1,
  0.5,
  1e-9,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 53,
  1e15,
  1e21,
  1e300
]

export const text = FastCheck.oneof(
  FastCheck.constantFrom(...oddTexts),
  FastCheck.string({ unit: "binary", maxLength: 12 })
)

const nested = (levels: number) => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

const cyclic: Array<unknown> = []
cyclic.push(cyclic)

/** What TypeScript would not let through, but JavaScript passes. */
export const anything: FastCheck.Arbitrary<unknown> = FastCheck.oneof(
  text,
  FastCheck.constantFrom<unknown>(
    ...oddNumbers,
    null,
    undefined,
    true,
    false,
    10n ** 30n,
    -1n,
    Symbol("s"),
    () => 1,
    [],
    [[]],
    {},
    Object.create(null),
    JSON.parse(`{"__proto__":{"polluted":true}}`),
    new Date(NaN),
    new Date(0),
    new Map([[1, 2]]),
    new Uint8Array([0, 255]),
    Duration.infinity,
    Duration.zero,
    "forever",
    "1 second",
    "-1 seconds",
    [1, 2],
    [NaN, NaN],
    nested(50),
    nested(5000),
    cyclic
  ),
  FastCheck.anything({ maxDepth: 2, maxKeys: 3, withBigInt: true, withDate: true, withMap: true, withTypedArray: true })
)

/** Right most of the time, so that of many parts not all are wrong. */
export const mostly = <A>(right: FastCheck.Arbitrary<A>): FastCheck.Arbitrary<unknown> =>
  FastCheck.oneof({ weight: 8, arbitrary: right }, { weight: 1, arbitrary: anything })

/** It succeeds, or fails with a typed error whose message is a text; a defect fails the test. */
export const assertTyped = (exit: Exit.Exit<unknown, unknown>, what: () => string): "succeeded" | "failed" => {
  if (Exit.isSuccess(exit)) return "succeeded"
  const failure = Cause.failureOption(exit.cause)
  assert(failure._tag === "Some", `${what()}: ${Cause.pretty(exit.cause)}`)
  assert(
    typeof failure.value === "object" && failure.value !== null && "_tag" in failure.value &&
      "message" in failure.value && typeof failure.value.message === "string",
    `${what()}: no typed error`
  )
  return "failed"
}

export const hasFailedWith = (exit: Exit.Exit<unknown, unknown>, tag: string): boolean =>
  Exit.isFailure(exit) &&
  Cause.failureOption(exit.cause).pipe((failure) =>
    failure._tag === "Some" && typeof failure.value === "object" && failure.value !== null && "_tag" in failure.value &&
    failure.value._tag === tag
  )

/** As {@link assertTyped}, for what may throw while the effect is built: that is a defect as well. */
export const attempt = <A, E, R>(build: () => Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.exit(Effect.suspend(build))
