/**
 * That every public function is tried by a test of this folder is held here, by what the tests take from `surface.ts` and
 * by the rows of `api.test.ts` and `instances.test.ts`, or it is said why one is not. What running things offer is found
 * from running ones (`instances.ts`), so that a new member is missed here until it is tried.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sourcesIn, withoutComments } from "../package/sources.js"
import { membersOf, withInstances } from "./instances.js"
import { modules } from "./surface.js"

/** Why one is not tried. */
const exceptions: Readonly<Record<string, string>> = {
  "Ids.seeded": "for tests: takes any seed as a generator of numbers does, see test/testing",
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

const ofInstances = withInstances((_, of) =>
  Effect.succeed(
    Object.entries(of).flatMap(([owner, instance]) => membersOf(instance).map((name) => `${owner}.${name}`))
  )
)

describe("every public function", () => {
  it("is tried with anything, or it is said why not: of modules, services, running things and values", async () => {
    const all = [
      ...Object.entries(modules).flatMap(([name, module]) => functionsOf(name, module)),
      ...(await Effect.runPromise(ofInstances))
    ]
    assert.includeMembers(all, [
      "Queue.request",
      "RedisLive.make",
      "queue.enqueue",
      "queue.names",
      "scheduled.reschedule",
      "currentJob.progress",
      "currentJob.heartbeat",
      "worker.events",
      "connection.unblock",
      "group.toLayer"
    ])
    assert.deepStrictEqual(all.filter((name) => !tried.has(name) && !(name in exceptions)), [])
    // what is tried, or gone, is no exception
    assert.deepStrictEqual(Object.keys(exceptions).filter((name) => tried.has(name) || !all.includes(name)), [])
  })
})
