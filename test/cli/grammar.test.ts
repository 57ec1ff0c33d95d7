import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Arguments from "../../src/cli/arguments.js"
import { parseDuration, showDuration, showInstant, showRelative } from "../../src/cli/duration.js"
import { generalHelp, usageLine, verbHelp } from "../../src/cli/help.js"
import { normalize } from "../../src/cli/normalize.js"
import { parse } from "../../src/cli/parse.js"
import { optionsOf, verbNames, verbs } from "../../src/cli/verbs.js"
import { nearest } from "../../src/internal/nearest.js"
import { span } from "../../src/internal/times.js"

const words = (text: string) => text.split(" ").filter((word) => word !== "")

/** The verb with its options and arguments, or what is wrong. */
const inOrder = (argv: ReadonlyArray<string>): unknown => {
  const normalized = normalize(argv)
  return normalized._tag === "Verb"
    ? [normalized.verb, normalized.options, normalized.args]
    : normalized._tag === "UsageError"
    ? normalized.message
    : normalized
}

describe("order", () => {
  it("takes options before, after and between arguments", () => {
    const expected = ["worker", ["--burst", "true", "--concurrency", "5"], ["high", "low"]]
    for (
      const argv of [
        "worker high low --burst --concurrency 5",
        "worker --burst --concurrency 5 high low",
        "worker high --burst low --concurrency=5",
        "worker -b high --concurrency 5 low"
      ]
    ) assert.deepStrictEqual(inOrder(words(argv)), expected, argv)
  })

  it("takes letters as RQ has them, also together", () => {
    assert.deepStrictEqual(inOrder(words("worker -bs -n w1 q")), [
      "worker",
      ["--burst", "true", "--with-scheduler", "true", "--name", "w1"],
      ["q"]
    ])
    assert.deepStrictEqual(inOrder(words("worker -nw1")), ["worker", ["--name", "w1"], []])
    assert.deepStrictEqual(inOrder(words("info -QR -i 5")), [
      "info",
      ["--only-queues", "true", "--by-queue", "true", "--interval", "5"],
      []
    ])
  })

  it("leaves values alone", () => {
    assert.deepStrictEqual(inOrder(["enqueue", "job", "a=--b", "-5", "-0.5", "key=value", "-", "--queue", "q"]), [
      "enqueue",
      ["--queue", "q"],
      ["job", "a=--b", "-5", "-0.5", "key=value", "-"]
    ])
    assert.deepStrictEqual(inOrder(["enqueue", "job", "--description=a=b -c", "--job-id", "a=b"]), [
      "enqueue",
      ["--description", "a=b -c", "--job-id", "a=b"],
      ["job"]
    ])
    assert.deepStrictEqual(inOrder(["enqueue", "job", "", "--description="]), [
      "enqueue",
      ["--description", ""],
      ["job", ""]
    ])
    assert.deepStrictEqual(inOrder(["enqueue", "job", "--description", "-x y"]), [
      "enqueue",
      ["--description", "-x y"],
      ["job"]
    ])
  })

  it("takes some options several times, in order", () => {
    assert.deepStrictEqual(inOrder(words("enqueue j --retry-interval 1s --depends-on a --retry-interval=2s")), [
      "enqueue",
      ["--retry-interval", "1s", "--retry-interval", "2s", "--depends-on", "a"],
      ["j"]
    ])
  })

  it("takes what follows -- as arguments", () => {
    assert.deepStrictEqual(inOrder(words("enqueue --at-front job -- --queue x --help -- y")), [
      "enqueue",
      ["--at-front", "true"],
      ["job", "--queue", "x", "--help", "--", "y"]
    ])
  })

  it("finds verbs of two words", () => {
    assert.deepStrictEqual(inOrder(words("job show abc --json")), ["jobShow", ["--json", "true"], ["abc"]])
    assert.deepStrictEqual(inOrder(words("job wait abc")), ["jobWait", [], ["abc"]])
    assert.strictEqual(inOrder(["job"]), "job needs one of: show, history, wait.")
  })
})

describe("mistakes", () => {
  const cases: ReadonlyArray<readonly [string, string | RegExp]> = [
    ["wroker", /^there is no verb "wroker", did you mean worker\?$/],
    ["schedule", /did you mean scheduled\?|did you mean scheduler\?/],
    ["enq", /did you mean enqueue\?/],
    ["xyzzy", /^there is no verb "xyzzy", the verbs are worker, scheduler, /],
    ["--json", /^the verb comes first/],
    ["worker --brust", "unknown option --brust, did you mean --burst?"],
    ["worker --xyzzy=1", "unknown option --xyzzy"],
    ["worker -x", "unknown option -x"],
    ["worker --name", "--name needs a value: --name NAME"],
    ["worker --name --burst", "--name needs a value: --name NAME"],
    ["worker --name a --name b", "--name is given twice"],
    ["worker --burst=yes", "--burst takes no value"],
    ["enqueue --at-front", /^which job\?/],
    ["job show", /^which job\?/],
    ["job show a b", "unexpected argument \"b\""],
    ["job what", "job needs one of: show, history, wait. \"what\" is none of them."],
    ["requeu x", /did you mean requeue\?/],
    ["cancel", /^which jobs\?/],
    ["pause", /^which queues\?/],
    ["suspend mail", "unexpected argument \"mail\""],
    ["info mail $UNSET", "an argument is an empty text"],
    ["enqueue job --depends-on a --depends-on $UNSET", "--depends-on is an empty text"],
    ["enqueue job --queue=$UNSET", "--queue is an empty text"],
    ["contract python ./jobs.js", "unexpected argument \"./jobs.js\": python is said by --format python"],
    ["reschedule a b", "unexpected argument \"b\""],
    ["demo now", "unexpected argument \"now\""]
  ]
  for (const [argv, expected] of cases) {
    it(argv, () => {
      const said = inOrder(words(argv).map((word) => word.replace("$UNSET", "")))
      if (typeof said !== "string") assert.fail(JSON.stringify(said))
      if (typeof expected === "string") assert.strictEqual(said, expected)
      else assert.match(said, expected)
    })
  }

  it("are told apart from what is much too different", () => {
    assert.strictEqual(nearest("worked", ["worker", "demo"]), "worker")
    assert.isUndefined(nearest("a", ["worker", "demo"]))
  })
})

describe("help and version", () => {
  it("is found wherever it is asked for", () => {
    for (const argv of ["", "--help", "-h", "help"]) {
      assert.deepStrictEqual(normalize(words(argv)), { _tag: "Help", verb: undefined }, argv)
    }
    for (const argv of ["worker --help", "worker q -h", "help worker", "worker --burst -h x"]) {
      assert.deepStrictEqual(normalize(words(argv)), { _tag: "Help", verb: "worker" }, argv)
    }
    assert.deepStrictEqual(normalize(["job", "--help"]), { _tag: "Help", verb: undefined })
    assert.deepStrictEqual(normalize(["--version"]), { _tag: "Version" })
  })

  it("names each verb, each option, the environment and the exit codes", () => {
    const general = generalHelp("1.2.3")
    for (const name of verbNames) {
      assert.include(general, `  ${verbs[name].words.join(" ")} `)
      const text = verbHelp(name)
      for (const [, option] of optionsOf(name)) assert.include(text, `--${option.name}`)
      assert.include(usageLine(name), `usage: effect-rq ${verbs[name].words.join(" ")}`)
    }
    for (const text of ["REDIS_URL", "NO_COLOR", "130, 143", "Exit codes:"]) assert.include(general, text)
  })
})

const typed = (argv: string) => {
  const normalized = normalize(words(argv))
  return normalized._tag === "Verb"
    ? Effect.provide(parse(normalized), NodeContext.layer)
    : Effect.dieMessage(`no verb: ${JSON.stringify(normalized)}`)
}

describe("values", () => {
  it.effect("are typed", () =>
    Effect.gen(function*() {
      const { args, options } = yield* typed("worker a b --burst --concurrency 5 --grace-period 1m --log-level debug")
      assert.deepStrictEqual(args, ["a", "b"])
      assert.deepInclude(options, {
        burst: true,
        withScheduler: false,
        concurrency: 5,
        gracePeriod: 60_000,
        logLevel: "debug",
        name: undefined
      })
    }))

  it.effect("are lists where an option may be given several times", () =>
    Effect.gen(function*() {
      const argv = "enqueue job --retry-interval 1s --retry-interval 5 --depends-on a --depends-on b"
      const { options } = yield* typed(argv)
      assert.deepInclude(options, { retryInterval: [1000, 5000], dependsOn: ["a", "b"], repeatInterval: [] })
    }))

  const wrong: ReadonlyArray<readonly [string, RegExp]> = [
    ["worker --concurrency many", /^--concurrency: expected a whole number, got "many"$/],
    ["worker --log-level loud", /^--log-level: expected one of debug, info, warning, error, none, got "loud"$/],
    [
      "enqueue job --schedule-in soon",
      /^--schedule-in: expected a length of time such as 10s, 1h30m or 2d, got "soon"$/
    ],
    [
      "enqueue job --retry-interval 1s --retry-interval soon",
      /^--retry-interval: expected a length of time .*, got "soon"$/
    ],
    ["enqueue job --timeout -5", /^--timeout: expected a length of time .*, got "-5"$/],
    ["enqueue job --schedule-in -1", /^--schedule-in: expected a length of time .*, got "-1"$/],
    ["suspend --duration -1", /^--duration: expected a length of time .*, got "-1"$/]
  ]
  for (const [argv, expected] of wrong) {
    it.effect(argv, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(typed(argv))
        assert.strictEqual(error.verb, argv.split(" ")[0])
        assert.match(error.message, expected)
        assert.notInclude(error.message, "\u001b")
        assert.notInclude(error.message, "\n")
      }))
  }
})

describe("durations", () => {
  it("are read", () => {
    const cases: ReadonlyArray<readonly [string, number | undefined]> = [
      ["10s", 10_000],
      ["10", 10_000],
      ["1.5", 1500],
      ["5m", 300_000],
      ["1h30m", 5_400_000],
      ["2d", 172_800_000],
      ["1 week", 604_800_000],
      ["10 seconds", 10_000],
      ["500ms", 500],
      ["1h 30 minutes", 5_400_000],
      ["0s", 0],
      ["forever", Infinity],
      ["-1", Infinity],
      ["", undefined],
      ["soon", undefined],
      ["10x", undefined],
      ["10s!", undefined],
      ["-5", undefined],
      ["1h-5m", undefined]
    ]
    for (const [text, expected] of cases) assert.strictEqual(parseDuration(text), expected, text)
  })

  it("are shown", () => {
    const cases: ReadonlyArray<readonly [number, string]> = [
      [0, "0 ms"],
      [420, "420 ms"],
      [3210, "3.2 s"],
      [59_400, "59s"],
      [192_000, "3m 12s"],
      [180_000, "3m"],
      [7_500_000, "2h 5m"],
      [356_400_000, "4d 3h"],
      [Infinity, "forever"]
    ]
    for (const [millis, expected] of cases) assert.strictEqual(showDuration(millis), expected)
    assert.strictEqual(showRelative(5000, 1000), "in 4.0 s")
    assert.strictEqual(showRelative(1000, 5000), "4.0 s ago")
    assert.match(showInstant(Date.UTC(2026, 11, 24, 8, 15)), /^2026-12-24 \d\d:\d\d:00 [+-]\d\d:\d\d$/)
  })
})

it("lengths of time in sentences have two units at most", () => {
  const cases: ReadonlyArray<readonly [number, string]> = [
    [0, "0 ms"],
    [0.4, "0 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [3210, "3.2 s"],
    [59_940, "59.9 s"],
    [59_960, "1 min"],
    [119_600, "2 min"],
    [192_000, "3 min 12 s"],
    [3_599_600, "1 h"],
    [7_500_000, "2 h 5 min"],
    [356_400_000, "4 d 3 h"],
    [-90_000, "-1 min 30 s"]
  ]
  for (const [millis, expected] of cases) assert.strictEqual(span(millis), expected)
})

describe("arguments of a job", () => {
  const text = (value: string) => ({ _tag: "Text" as const, text: value })
  const file = (path: string) => ({ _tag: "File" as const, path })

  it("are read as RQ reads them", () => {
    assert.deepStrictEqual(Arguments.read("hello"), { key: undefined, as: "text", source: text("hello") })
    assert.deepStrictEqual(Arguments.read("key=a=b"), { key: "key", as: "text", source: text("a=b") })
    assert.deepStrictEqual(Arguments.read("key="), { key: "key", as: "text", source: text("") })
    assert.deepStrictEqual(Arguments.read("key:=[1]"), { key: "key", as: "json", source: text("[1]") })
    assert.deepStrictEqual(Arguments.read(":{\"a\":\"b=c\"}"), {
      key: undefined,
      as: "json",
      source: text("{\"a\":\"b=c\"}")
    })
    assert.deepStrictEqual(Arguments.read("@a.txt"), { key: undefined, as: "text", source: file("a.txt") })
    assert.deepStrictEqual(Arguments.read("key=@a.txt"), { key: "key", as: "text", source: file("a.txt") })
    assert.deepStrictEqual(Arguments.read("key:=@a.json"), { key: "key", as: "json", source: file("a.json") })
    assert.deepStrictEqual(Arguments.read(":@a.json"), { key: undefined, as: "json", source: file("a.json") })
    assert.deepStrictEqual(Arguments.read("=x"), { key: undefined, as: "text", source: text("=x") })
    assert.deepStrictEqual(Arguments.read("http://x/?a=b"), { key: "http://x/?a", as: "text", source: text("b") })
  })

  it("are refused where they can't be read", () => {
    for (const word of ["%(1,)", "key%=(1,)", ":=1"]) {
      const read = Arguments.read(word)
      if (word !== ":=1") assert.propertyVal(read, "_tag", "ArgumentProblem")
      else assert.deepInclude(read, { as: "json", source: text("=1") })
    }
    const json = { key: "n", as: "json", source: text("") } as const
    assert.deepStrictEqual(Arguments.valueOf(json, "5"), { value: 5 })
    assert.propertyVal(Arguments.valueOf(json, "five"), "_tag", "ArgumentProblem")
  })

  it("are all named or none is", () => {
    assert.deepStrictEqual(Arguments.collect([]), { payload: {} })
    assert.deepStrictEqual(Arguments.collect([[undefined, 1], [undefined, "a"]]), { payload: [1, "a"] })
    assert.deepStrictEqual(Arguments.collect([["a", 1], ["b", null]]), { payload: { a: 1, b: null } })
    assert.propertyVal(Arguments.collect([["a", 1], [undefined, 2]]), "_tag", "ArgumentProblem")
    assert.propertyVal(Arguments.collect([["a", 1], ["a", 2]]), "_tag", "ArgumentProblem")
  })
})
