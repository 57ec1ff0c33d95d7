/**
 * Whether what is handed in once more had been handed in before, or was taken away.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { carriedOut as script } from "../../src/worker/carriedOut.js"
import { assertUnchanged, putJob, suite } from "./support.js"

const mine = "0123456789ab8def0123456789000001"
const other = "0123456789ab8def0123456789000002"

const entry = (execution: string, began: boolean) => [
  "type",
  "1",
  "execution_id",
  execution,
  ...(began ? ["execution_started_at", "1"] : [])
]

const rows: ReadonlyArray<
  readonly [what: string, job: Record<string, string>, entry: ReadonlyArray<string> | undefined, was: boolean]
> = [
  ["runs elsewhere", { status: "started", execution: other }, undefined, false],
  ["was queued by somebody", { status: "queued", execution: mine }, undefined, false],
  ["finished without a value", { status: "finished", execution: mine }, undefined, true],
  ["another run of it finished", { status: "finished", execution: other }, undefined, false],
  ["left its entry", { status: "started", execution: other }, entry(mine, true), true],
  ["another run left an entry", { status: "started", execution: other }, entry(other, true), false],
  ["was abandoned", { status: "queued", execution: mine }, entry(mine, false), false],
  ["was abandoned, and waits for its next try", { status: "scheduled", execution: mine }, entry(mine, false), false],
  ["repeats, and is due later", { status: "scheduled", execution: mine, repeat_count: "1" }, undefined, true],
  ["repeats, and is queued", { status: "queued", execution: mine, repeat_count: "1" }, undefined, true],
  ["repeats, and runs again", { status: "started", execution: other, repeat_count: "1" }, undefined, true],
  ["repeats, and was abandoned", { status: "queued", execution: mine, repeat_count: "1" }, entry(mine, false), false]
]

suite("carried out: what was handed in before", (it) => {
  for (const [what, job, entry, was] of rows) {
    it(`a job that ${what} ${was ? "was" : "was not"}`, ({ redis }) =>
      Effect.gen(function*() {
        yield* putJob(redis, "a", job)
        if (entry !== undefined) yield* redis.send("XADD", "rq:results:a", "*", ...entry)
        const ask = redis.eval(script)([{ id: "a", execution: mine }])
        assert.deepStrictEqual(yield* assertUnchanged(redis, ask), [was])
      }))
  }

  it("nothing is claimed of one that is gone, nor lost by a foreign key; each has its answer", ({ redis }) =>
    Effect.gen(function*() {
      yield* redis.send("SET", "rq:job:foreign", "x")
      yield* putJob(redis, "a", { status: "started", execution: other })
      yield* redis.send("SET", "rq:results:a", "x")
      const ask = redis.eval(script)(["gone", "a", "foreign"].map((id) => ({ id, execution: mine })))
      assert.deepStrictEqual(yield* ask, [true, false, true])
    }))
})
