/**
 * The texts that explain the command line.
 *
 * @internal
 */
import { type Option, optionsOf, type VerbName, verbNames, verbs } from "./verbs.js"

const usageOf = (name: VerbName): string => {
  const { synopsis, words } = verbs[name]
  return ["effect-rq", ...words, synopsis, "[OPTION...]"].filter((part) => part !== "").join(" ")
}

/** What a usage error ends with. */
export const usageLine = (name: VerbName | undefined): string =>
  name === undefined
    ? "usage: effect-rq VERB [ARGUMENT...] [OPTION...]   (effect-rq --help lists the verbs)"
    : `usage: ${usageOf(name)}   (effect-rq ${verbs[name].words.join(" ")} --help says more)`

const table = (rows: ReadonlyArray<readonly [string, string]>, least = 0): ReadonlyArray<string> => {
  const width = Math.max(least, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

const optionRow = (option: Option<unknown>): readonly [string, string] => [
  `${option.letter === undefined ? "    " : `-${option.letter}, `}--${option.name}${
    option.placeholder === "" ? "" : ` ${option.placeholder}`
  }`,
  option.description
]

/** Breaks a paragraph into lines; one that is indented stays as it is. */
const wrap = (paragraph: string, width = 92): ReadonlyArray<string> => {
  if (paragraph.startsWith(" ")) return [paragraph]
  const lines: Array<string> = []
  let line = ""
  for (const word of paragraph.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

const environment: ReadonlyArray<readonly [string, string]> = [
  [
    "REDIS_URL",
    "redis://user:password@host:6379/0, rediss://... (TLS) or unix:///path; default: redis://localhost:6379"
  ],
  ["REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB, REDIS_TLS", "instead of what REDIS_URL says"],
  ["REDIS_SENTINELS, REDIS_SENTINEL_NAME", "find the server through Sentinels"],
  ["REDIS_CLUSTER_NODES, REDIS_KEY_PREFIX", "Redis Cluster, and a prefix of all keys"],
  ["NO_COLOR", "no colours; there are none in a pipe either"]
]

const exitCodes: ReadonlyArray<readonly [string, string]> = [
  ["0", "done, or stopped cleanly by a signal; a job that failed is no failure of the worker"],
  ["1", "Redis can't be reached, nothing was found, something failed, or doctor found an error"],
  ["2", "the command line can't be understood"],
  ["130, 143", "a second SIGINT or SIGTERM: left at once"]
]

export const generalHelp = (version: string): string =>
  [
    `effect-rq ${version}: the job queue and scheduler for Effect applications on Redis, speaking Python RQ's format`,
    "",
    "usage: effect-rq VERB [ARGUMENT...] [OPTION...]",
    "",
    ...table(verbNames.map((name) => [verbs[name].words.join(" "), verbs[name].summary])),
    "",
    "  -h, --help     help, also of a verb: effect-rq worker --help",
    "      --version  the version",
    "",
    "Environment:",
    ...table(environment),
    "",
    "Exit codes:",
    ...table(exitCodes),
    "",
    "Try it: effect-rq demo"
  ].join("\n")

export const verbHelp = (name: VerbName): string => {
  const { details, examples, summary } = verbs[name]
  const readsEnvironment = name !== "demo" && name !== "contract"
  return [
    summary,
    "",
    `usage: ${usageOf(name)}`,
    ...details.flatMap((paragraph, i) =>
      paragraph.startsWith(" ") || details[i - 1]?.startsWith(" ") === true || details[i - 1]?.endsWith(":") === true
        ? wrap(paragraph)
        : ["", ...wrap(paragraph)]
    ),
    "",
    "Options:",
    ...table([...optionsOf(name).map(([, option]) => optionRow(option)), ["-h, --help", "show this"]]),
    ...(readsEnvironment
      ? [
        "",
        "Environment: REDIS_URL says where Redis is (default: redis://localhost:6379); see effect-rq --help for more"
      ]
      : []),
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`)
  ].join("\n")
}
