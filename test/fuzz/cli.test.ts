/**
 * Odd words on the command line: each ends with help, with a mistake that is named (2), with a plain failure (1) or well
 * (0), and never with a defect.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Scope from "effect/Scope"
import { main } from "../../src/cli/main.js"
import { normalize } from "../../src/cli/normalize.js"
import { parse } from "../../src/cli/parse.js"
import { optionsOf, type VerbName, verbNames, verbs } from "../../src/cli/verbs.js"
import { type Server, start } from "../support/redis-server.js"
import { assertTyped, check, oddTexts, seed } from "./support.js"

const odd = FastCheck.oneof(
  FastCheck.constantFrom(
    ...oddTexts,
    "default",
    "a=1",
    "a:=1",
    "a:=",
    ":{",
    "@nothing",
    "10s",
    "tomorrow",
    "-1",
    "1e999"
  ),
  FastCheck.string({ unit: "binary", maxLength: 12 })
)

/** An argument of a process holds no NUL. */
const word = odd.map((text) => text.replaceAll("\0", ""))

const optionNames = (verb: VerbName) => optionsOf(verb).map(([, { name }]) => `--${name}`)

/** A verb, and words of which some are its options. */
const argvOf = (names: ReadonlyArray<VerbName>) =>
  FastCheck.constantFrom(...names).chain((verb) =>
    FastCheck.array(
      FastCheck.oneof(
        { weight: 3, arbitrary: word },
        { weight: 1, arbitrary: FastCheck.constantFrom("--json", ...optionNames(verb)) },
        {
          weight: 1,
          arbitrary: FastCheck.tuple(FastCheck.constantFrom("--json", ...optionNames(verb)), word).map((
            [name, value]
          ) => `${name}=${value}`)
        }
      ),
      { maxLength: 5 }
    ).map((words) => [...verbs[verb].words, ...words])
  )

const shown = (argv: ReadonlyArray<string>) => JSON.stringify(argv)

/** What makes those end that wait for something. */
const ending: Partial<Record<VerbName, ReadonlyArray<string>>> = { jobWait: ["--timeout", "1ms"] }

/** Without an end of their own: test/cli runs them. Without its jobs, which are a module, a worker is refused. */
const endless: ReadonlyArray<VerbName> = ["scheduler", "demo"]

const ends = verbNames.filter((verb) => !endless.includes(verb))

/** They would write a file, ask another server, or go on until they are told to stop. */
const elsewhere = /^--?(?:output|o|url|u|interval|i|jobs|j)(?:=|$)/

describe(`odd words on the command line (FUZZ_SEED=${seed})`, () => {
  it("are parsed, or named as mistakes", () =>
    check(FastCheck.oneof(argvOf(verbNames), FastCheck.array(word, { maxLength: 5 })), 300, async (argv) => {
      const normalized = normalize(argv)
      if (normalized._tag !== "Verb") return
      const exit = await Effect.runPromiseExit(Effect.provide(parse(normalized), NodeContext.layer))
      if (Exit.isFailure(exit)) assertTyped(exit, () => shown(argv))
    }))

  it("each option of each verb takes any word, or names what is wrong with it", async () => {
    const fresh = FastCheck.sample(word, { seed, numRuns: 2 })
    const words = ["", "-1", "0", "1e999", "--", "10s", "\ud83d\ude00", ...fresh]
    for (const verb of verbNames) {
      for (const name of ["--json", ...optionNames(verb)]) {
        for (const argv of [[name], ...words.flatMap((word) => [[name, word], [`${name}=${word}`, "x"]])]) {
          const normalized = normalize([...verbs[verb].words, ...argv])
          if (normalized._tag !== "Verb") continue
          const exit = await Effect.runPromiseExit(Effect.provide(parse(normalized), NodeContext.layer))
          if (Exit.isFailure(exit)) assertTyped(exit, () => shown(argv))
        }
      }
    }
  })

  describe("on a server", () => {
    let server: Server
    const scope = Effect.runSync(Scope.make())
    beforeAll(async () => {
      server = await Effect.runPromise(Scope.extend(start(), scope))
    })
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

    it("are never a defect", { timeout: 60_000 }, async () => {
      const { stderr, stdout } = process
      const write = { stderr: stderr.write, stdout: stdout.write }
      let output = ""
      const capture: typeof stdout.write = (chunk: string | Uint8Array) => {
        output += String(chunk)
        return true
      }
      try {
        for (const verb of ends) {
          const argvs = argvOf([verb]).filter((argv) => !argv.some((word) => elsewhere.test(word)))
          await check(argvs, 3, async (argv) => {
            const normalized = normalize([...argv, ...(ending[verb] ?? []), "--url", server.url])
            if (normalized._tag !== "Verb") return
            output = ""
            stdout.write = capture
            stderr.write = capture
            const code = await main(normalized, () => import("../../src/cli/host.js"))
            Object.assign(stdout, { write: write.stdout })
            Object.assign(stderr, { write: write.stderr })
            assert.include([0, 1, 2], code, shown(argv))
            assert.notInclude(output, "this should not happen", shown(argv))
            // oxlint-disable-next-line no-control-regex
            assert.notMatch(output, /\u001b\]|\u0007/, `${shown(argv)}: what a terminal would obey`)
          })
        }
      } finally {
        Object.assign(stdout, { write: write.stdout })
        Object.assign(stderr, { write: write.stderr })
      }
    })
  })
})
