/**
 * Imports run downwards only.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import { sourcesIn, withoutComments } from "./sources.js"

const port = ["internal", "redis", "ids"]
const definitions = [...port, "wire", "lifecycle", "clock", "job", "retry"]
const services = [
  ...definitions,
  "job-group",
  "job-record",
  "current-job",
  "queue",
  "registry",
  "lock",
  "inspector",
  "control",
  "invariants",
  "doctor"
]
const processes = [...services, "worker", "scheduler"]
const library = [...processes, "redis-memory", "redis-live", "contract"]

/**
 * What each room may import besides itself. A room is a module of `src` together with the folder that bears its name
 * (`RedisLive` and `redis-live/`), or a folder alone. Rooms that may import each other are kept apart by the test that
 * there are no cycles.
 */
const layers: Record<string, ReadonlyArray<string>> = {
  internal: port,
  redis: ["internal"],
  ids: ["internal"],
  wire: ["internal", "redis"],
  lifecycle: ["internal", "redis", "wire"],
  invariants: ["internal", "wire"],
  "redis-memory": port,
  "redis-live": port,
  clock: port,
  job: definitions,
  retry: port,
  "current-job": definitions,
  control: services,
  "job-group": services,
  "job-record": services,
  queue: services,
  registry: services,
  lock: services,
  inspector: services,
  doctor: services,
  contract: services,
  scheduler: processes,
  worker: processes,
  testing: library,
  index: library,
  cli: [...library, "testing", "index"]
}

/** Packages that only some rooms may use, and which. */
const packages: Record<string, ReadonlyArray<string>> = {
  ioredis: ["redis-live"],
  "wasmoon-lua5.1": ["redis-memory"],
  "@effect/cli": ["cli"],
  "@effect/platform": ["cli"],
  "@effect/platform-node": ["cli"],
  "@effect/printer": ["cli"],
  "@effect/printer-ansi": ["cli"]
}

interface Import {
  readonly from: string
  readonly line: number
  readonly specifier: string
  /** The file that is meant, when it is one of ours. */
  readonly to: string | undefined
  readonly isType: boolean
}

const pattern = /^(import|export)( type)?\b[^"';=]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm

const imports: ReadonlyArray<Import> = sourcesIn("src").flatMap(({ path, text }) => {
  const code = withoutComments(text)
  return Array.from(code.matchAll(pattern), (match): Import => {
    const specifier = match[3] ?? match[4] ?? match[5]!
    return {
      from: path,
      line: code.slice(0, match.index).split("\n").length,
      specifier,
      to: specifier.startsWith(".")
        ? Path.posix.join(Path.posix.dirname(path), specifier).replace(/\.js$/, ".ts")
        : undefined,
      isType: match[2] !== undefined
    }
  })
})

const room = (path: string): string =>
  path.split("/")[1]!.replace(/\.ts$/, "").replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase()
const packageOf = (specifier: string): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

describe("layers", () => {
  it("sees the imports", () => {
    assert.isAbove(imports.length, 10)
    assert.isTrue(imports.some(({ from, to }) => from === "src/Ids.ts" && to === "src/internal/outside.ts"))
  })

  it("every room has a place in the table", () => {
    const rooms = new Set(sourcesIn("src").map(({ path }) => room(path)))
    assert.deepStrictEqual([...rooms].filter((room) => layers[room] === undefined), [])
  })

  it("imports only what lies below", () => {
    const wrong = imports.filter(({ from, to }) =>
      to !== undefined && room(from) !== room(to) && !layers[room(from)]?.includes(room(to))
    )
    assert.deepStrictEqual(wrong.map(({ from, line, to }) => `${from}:${line} may not import ${to}`), [])
  })

  it("imports packages only where they belong", () => {
    const wrong = imports.filter(({ from, specifier, to }) => {
      const name = packageOf(specifier)
      return to === undefined && name !== "effect" && !name.startsWith("node:") &&
        !packages[name]?.includes(room(from))
    })
    assert.deepStrictEqual(wrong.map(({ from, line, specifier }) => `${from}:${line} may not import ${specifier}`), [])
  })

  it("has no cycles", () => {
    const edges = new Map<string, Array<string>>()
    for (const { from, isType, to } of imports) {
      if (to !== undefined && !isType) edges.set(from, [...(edges.get(from) ?? []), to])
    }
    const done = new Set<string>()
    const cycles: Array<string> = []
    const visit = (path: string, trail: ReadonlyArray<string>): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" > "))
      else if (!done.has(path)) {
        for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
        done.add(path)
      }
    }
    for (const path of edges.keys()) visit(path, [])
    assert.deepStrictEqual(cycles, [])
  })
})
