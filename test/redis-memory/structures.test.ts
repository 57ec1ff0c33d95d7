/**
 * The structures inside, beside plain arrays that do the same slowly.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { Deque } from "../../src/redis-memory/deque.js"
import { Keyspace } from "../../src/redis-memory/keyspace.js"
import { formatDouble, formatGeneral } from "../../src/redis-memory/numbers.js"
import { SortedSet } from "../../src/redis-memory/sorted-set.js"

/** Numbers from 0 to below `n`, the same in each run. */
const generator = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 4294967296 * n)
  }
}

describe("Deque", () => {
  it("is a list", () => {
    const operation = FastCheck.constantFrom<"push" | "unshift" | "pop" | "shift">(
      "push",
      "push",
      "unshift",
      "pop",
      "shift"
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(operation, { maxLength: 2_000, size: "max" }), (operations) => {
      const deque = new Deque()
      const model: Array<string> = []
      operations.forEach((name, i) => {
        if (name === "push" || name === "unshift") {
          deque[name](String(i))
          model[name](String(i))
        } else assert.strictEqual(deque[name](), model[name]())
        assert.strictEqual(deque.length, model.length)
      })
      assert.deepStrictEqual(deque.slice(0, deque.length), model)
      assert.strictEqual(deque.at(-1), undefined)
      assert.strictEqual(deque.at(deque.length), undefined)
      model.forEach((item, i) => assert.strictEqual(deque.at(i), item))
    }))
  })

  it("a million items at each end", () => {
    const deque = new Deque()
    for (let i = 0; i < 1_000_000; i++) {
      deque.push(`r${i}`)
      deque.unshift(`l${i}`)
    }
    let wrong = 0
    for (let i = 999_999; i >= 0; i--) if (deque.shift() !== `l${i}` || deque.pop() !== `r${i}`) wrong++
    assert.strictEqual(wrong, 0)
    assert.strictEqual(deque.length, 0)
  })
})

describe("SortedSet", () => {
  const compare = (a: readonly [string, number], b: readonly [string, number]) =>
    a[1] - b[1] || (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)

  const check = (set: SortedSet, model: ReadonlyMap<string, number>, next: (n: number) => number) => {
    const sorted = [...model].sort(compare)
    assert.strictEqual(set.size, sorted.length)
    assert.deepStrictEqual(set.slice(0, set.size), sorted)
    for (let i = 0; i < 20 && sorted.length > 0; i++) {
      const at = next(sorted.length)
      const [member, score] = sorted[at]!
      assert.strictEqual(set.rank(score, member), at)
      assert.strictEqual(set.score(member), score)
      assert.strictEqual(set.countBelow(score, false), sorted.findIndex((entry) => entry[1] >= score))
      assert.strictEqual(set.countBelow(score, true), sorted.filter((entry) => entry[1] <= score).length)
      const end = at + next(100)
      assert.deepStrictEqual(set.slice(at, end), sorted.slice(at, end))
    }
    assert.strictEqual(set.countBelow(-Infinity, false), 0)
    assert.strictEqual(set.countBelow(Infinity, true), set.size)
  }

  for (const [name, scores] of [["few scores", 7], ["many scores", 100_000]] as const) {
    it(`grows, moves and shrinks like a sorted array: ${name}`, () => {
      const next = generator(scores)
      const set = new SortedSet()
      const model = new Map<string, number>()
      for (const [rounds, members, deletes] of [[6_000, 5_000, 1], [6_000, 5_000, 8], [12_000, 5_000, 10]] as const) {
        for (let i = 0; i < rounds; i++) {
          const member = `m${next(members)}`
          if (next(10) < deletes) assert.strictEqual(set.delete(member), model.delete(member))
          else {
            const score = next(scores) / 4
            set.set(member, score)
            model.set(member, score)
          }
        }
        check(set, model, next)
      }
      // what is least and what is greatest, until nothing is left
      while (set.size > 0) {
        const [member] = set.slice(0, 1)[0]!
        set.delete(member)
        model.delete(member)
        if (set.size % 500 === 0) check(set, model, next)
      }
    })
  }

  it("a million members, and every step stays cheap", () => {
    const next = generator(1)
    const set = new SortedSet()
    const count = 1_000_000
    for (let i = 0; i < count; i++) set.set(`m${i}`, next(count))
    // were these steps linear, they would take minutes
    let wrong = 0
    for (let i = 0; i < 200_000; i++) {
      const at = next(set.size)
      const [entry] = set.slice(at, at + 1)
      const [member, score] = entry!
      if (set.rank(score, member) !== at) wrong++
      if (i % 2 === 0) set.delete(member)
      else set.set(member, next(count))
    }
    assert.strictEqual(wrong, 0)
    assert.strictEqual(set.size, count - 100_000)
  }, 120_000)
})

describe("Keyspace", () => {
  it("a key that comes and goes stays cheap beside many others", () => {
    const cycles = (others: number): number => {
      const db = new Keyspace()
      for (let i = 0; i < others; i++) db.put(`k${i}`, "string", "v", i % 2 === 0 ? 1e15 : Infinity)
      const start = performance.now()
      for (let i = 0; i < 40_000; i++) {
        assert.isUndefined(db.get("queue"))
        db.put("queue", "string", "v", 1e15)
        db.delete("queue")
      }
      assert.strictEqual(db.size, others)
      return performance.now() - start
    }
    cycles(10)
    const alone = cycles(10)
    // linear chains would make this a hundred times as slow
    assert.isBelow(cycles(100_000), 10 * alone + 300)
  })

  it("keys that come and go leave nothing behind", () => {
    const db = new Keyspace()
    for (let i = 0; i < 50_000; i++) {
      db.put(`k${i}`, "string", "v")
      db.delete(`k${i}`)
    }
    assert.strictEqual(db.held, 0)
    assert.isBelow(db.slots, 5_000)
  })
})

describe("numbers", () => {
  it("an exact tie is rounded to even, as C does", () => {
    assert.strictEqual(formatDouble(1234567890123456.25), "1234567890123456.2")
    assert.strictEqual(formatDouble(1234567890123456.75), "1234567890123456.8")
    assert.strictEqual(formatGeneral(0.125, 2), "0.12")
    assert.strictEqual(formatGeneral(0.375, 2), "0.38")
    assert.strictEqual(formatGeneral(-2.5, 1), "-2")
  })

  it("what %.17g writes reads back as the same number", () => {
    FastCheck.assert(FastCheck.property(FastCheck.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.strictEqual(Number(formatDouble(value)), value)
    }))
  })
})
