/**
 * That every public function is tried by a test of this folder is held here, by what the tests take from `surface.ts` and
 * by the rows of `api.test.ts`, or it is said why one is not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Control, Doctor, Inspector, Lock, Queue, RedisMemory, Registry } from "effect-rq"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sourcesIn, withoutComments } from "../package/sources.js"
import { modules } from "./surface.js"

/** Why one is not tried. */
const exceptions: Readonly<Record<string, string>> = {
  "doctor.mend": "takes the findings of examine; what is none of them is not tried",
  "lock.withLock": "acquires as lock.acquire does, around an effect",
  "registry.scheduled": "gives the registry of a queue, whose methods are tried",
  "registry.started": "as registry.scheduled",
  "registry.finished": "as registry.scheduled",
  "registry.failed": "as registry.scheduled",
  "registry.deferred": "as registry.scheduled",
  "registry.canceled": "as registry.scheduled",
  "Ids.seeded": "for tests: takes any seed as a generator of numbers does, see test/testing",
  "Queue.request": "makes no check of its own; each row of enqueueMany is one",
  "Redis.make": "for those who write a port of their own: a typed record of functions, see test/redis",
  "Redis.script": "for those who write scripts: takes the author's text and functions as they are",
  "RedisMemory.makeClient": "takes a store, which only makeStore makes",
  "RedisMemory.layerStore": "as makeClient",
  "RedisMemory.dump": "as makeClient",
  "RedisMemory.flush": "as makeClient",
  "Simulation.run": "for tests: a wrong option is a mistake in a test and ends it, see test/simulation",
  "Simulation.replay": "as run",
  "Simulation.minimize": "as run",
  "Simulation.check": "as run",
  "TimeTravel.make": "for tests: a wrong option is a mistake in a test and ends it, see test/testing",
  "TimeTravel.layerWith": "as make",
  "TimeTravel.layerAt": "as make",
  "TimeTravel.seeded": "as Ids.seeded"
}

const sources = sourcesIn("test/fuzz").map(({ text }) => withoutComments(text)).join("\n")

/** What `subject` is asked for, and the rows `["queue", "enqueue", ...]` of the table of calls. */
const tried = new Set([
  ...Array.from(sources.matchAll(/\bsubject\(\s*"(\w+)",\s*"(\w+)"\s*\)/g), ([, module, name]) => `${module}.${name}`),
  ...Array.from(
    sources.matchAll(/\[\s*"([a-z]\w*)",\s*"(\w+)",\s*FastCheck\b/g),
    ([, owner, name]) => `${owner}.${name}`
  )
])

/** What begins with a capital is a class: an error, or the tag of a service. */
const functionsOf = (owner: string, all: object): ReadonlyArray<string> =>
  Object.entries(all).flatMap(([name, value]) =>
    typeof value === "function" && /^[a-z]/.test(name) ? [`${owner}.${name}`] : []
  )

const services = Effect.gen(function*() {
  const registry = yield* Registry.Registry
  return [
    ...functionsOf("queue", yield* Queue.Queue),
    ...functionsOf("registry", registry),
    ...functionsOf("scheduled", registry.scheduled("q")),
    ...functionsOf("control", yield* Control.Control),
    ...functionsOf("inspector", yield* Inspector.Inspector),
    ...functionsOf("lock", yield* Lock.Lock),
    ...functionsOf("doctor", yield* Doctor.Doctor)
  ]
}).pipe(
  Effect.provide(
    Layer.mergeAll(Queue.layer, Registry.layer, Control.layer, Inspector.layer, Lock.layer, Doctor.layer).pipe(
      Layer.provide(RedisMemory.layer)
    )
  )
)

describe("every public function", () => {
  it.effect("is tried with anything, or it is said why not", () =>
    Effect.gen(function*() {
      const all = [
        ...Object.entries(modules).flatMap(([name, module]) => functionsOf(name, module)),
        ...(yield* services)
      ]
      assert.includeMembers(all, ["Queue.request", "RedisLive.make", "queue.enqueue", "scheduled.reschedule"])
      assert.deepStrictEqual(all.filter((name) => !tried.has(name) && !(name in exceptions)), [])
      // what is tried, or gone, is no exception
      assert.deepStrictEqual(Object.keys(exceptions).filter((name) => tried.has(name) || !all.includes(name)), [])
    }))
})
