/**
 * Takes the checks of the product out, one at a time, and shows that a test notices: `npm run mutate`.
 *
 * It works in copies of the tree, never on the tree itself. A mutation is killed when an assertion of a test that it
 * names fails. One that no test notices has survived; one whose text is not in its file any more, or that breaks the
 * program instead of taking a check out, proves nothing. Each of these ends the run with exit code 1.
 *
 *     npm run mutate -- --list                 what there is
 *     npm run mutate -- --only promote-token   one of them; may be given several times
 *     npm run mutate -- --jobs 4               how many at a time; default: one for each core
 *     npm run mutate -- --no-baseline          without the run that shows that the tests pass with all checks in place
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { apply, mutations } from "./mutations.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))

const { values } = parseArgs({
  options: {
    list: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    jobs: { type: "string", default: String(os.availableParallelism()) },
    baseline: { type: "boolean", default: true }
  },
  allowNegative: true
})

const unknown = (values.only ?? []).filter((name) => !mutations.some((one) => one.name === name))
if (unknown.length > 0) {
  process.stderr.write(`no such mutation: ${unknown.join(", ")}; --list tells their names\n`)
  process.exit(2)
}
const chosen = values.only === undefined ? mutations : mutations.filter(({ name }) => values.only.includes(name))
const widest = Math.max(...chosen.map(({ name }) => name.length))

if (values.list) {
  for (const { name, what } of chosen) process.stdout.write(`${name.padEnd(widest)}  ${what}\n`)
  process.exit(0)
}

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "effect-rq-mutations-"))
process.on("exit", () => fs.rmSync(temporary, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1))

/** What the tests need, with packages that resolve as they do here. */
const makeCopy = (name) => {
  const copy = path.join(temporary, name)
  for (const one of ["src", "test", "bench", "docs", "examples", "package.json", "tsconfig.json", "vitest.config.ts"]) {
    if (fs.existsSync(path.join(root, one))) fs.cpSync(path.join(root, one), path.join(copy, one), { recursive: true })
  }
  fs.symlinkSync(fs.realpathSync(path.join(root, "node_modules")), path.join(copy, "node_modules"), "dir")
  return copy
}

/** A mutation may make a loop endless: such tests are ended after this. */
const longestMillis = 300_000

/** Runs the tests of a copy; what failed, with the messages, or undefined when they could not be run at all. */
const runTests = (copy, files, bail) =>
  new Promise((resolve) => {
    const report = path.join(copy, "report.json")
    fs.rmSync(report, { force: true })
    const args = ["run", ...files, "--reporter=json", `--outputFile=${report}`, ...(bail ? ["--bail=1"] : [])]
    const child = spawn(process.execPath, [path.join(copy, "node_modules", "vitest", "vitest.mjs"), ...args], {
      cwd: copy,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true
    })
    // What spins notices no signal but this one, nor do the processes that vitest has started.
    const end = () => {
      try {
        process.kill(-child.pid, "SIGKILL")
      } catch {
        // it has ended by itself
      }
    }
    const limit = setTimeout(end, longestMillis)
    process.once("exit", end)
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => output += data)
    child.on("close", () => {
      clearTimeout(limit)
      process.off("exit", end)
      if (!fs.existsSync(report)) return resolve({ ran: 0, failures: [], output })
      const { testResults } = JSON.parse(fs.readFileSync(report, "utf8"))
      const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
      const ran = tests.filter(({ status }) => status === "passed" || status === "failed")
      const failures = ran
        .filter(({ status }) => status === "failed")
        .map(({ failureMessages, fullName }) => ({ name: fullName.trim(), message: failureMessages.join("\n") }))
      resolve({ ran: ran.length, failures, output })
    })
  })

/** Such a failure says that the mutation made no program, and nothing of what the test looks for. */
const isBroken = (message) => /error compiling|luaL_loadstring|compile error|is not defined|attempt to /i.test(message)

const say = (name, verdict, detail) => process.stdout.write(`${verdict.padEnd(9)} ${name.padEnd(widest)}  ${detail}\n`)

const started = performance.now()
const counts = { killed: 0, survived: 0, broken: 0, missing: 0 }

if (values.baseline) {
  const files = [...new Set(chosen.flatMap(({ tests }) => tests))].sort()
  const { failures, output, ran } = await runTests(makeCopy("baseline"), files, false)
  if (failures.length > 0 || ran === 0) {
    for (const { message, name } of failures) process.stdout.write(`failed    ${name}\n${message}\n`)
    process.stdout.write(
      `${output}With all checks in place ${failures.length} of ${ran} tests fail: mend these first\n`
    )
    process.exit(1)
  }
  process.stdout.write(`with all checks in place ${ran} tests of ${files.length} files pass\n`)
}

const left = [...chosen]
const work = async (copy) => {
  for (let one = left.shift(); one !== undefined; one = left.shift()) {
    const { file, name, tests, what } = one
    const path_ = path.join(copy, file)
    const before = fs.existsSync(path_) ? fs.readFileSync(path_, "utf8") : ""
    const mutated = apply(one, before)
    if (mutated._tag === "Missing") {
      counts.missing++
      say(name, "MISSING", `${file}: ${mutated.why}`)
      continue
    }
    fs.writeFileSync(path_, mutated.text)
    const { failures, output, ran } = await runTests(copy, tests, true)
    fs.writeFileSync(path_, before)
    const honest = failures.find(({ message }) => !isBroken(message))
    if (honest !== undefined) {
      counts.killed++
      say(name, "killed", `by: ${honest.name}`)
    } else if (failures.length > 0 || ran === 0) {
      counts.broken++
      say(
        name,
        "BROKEN",
        failures[0]?.message.split("\n")[0] ?? (output.trim().split("\n").at(-1) || "no test was run")
      )
    } else {
      counts.survived++
      say(name, "SURVIVED", `${what} (${ran} tests of ${tests.join(", ")} pass)`)
    }
  }
}
const copies = Array.from({ length: Math.max(1, Math.min(Number(values.jobs) || 1, chosen.length)) }, (_, i) => i)
await Promise.all(copies.map((i) => work(makeCopy(`copy-${i}`))))

const seconds = Math.round((performance.now() - started) / 1000)
process.stdout.write(
  `${counts.killed} of ${chosen.length} killed, ${counts.survived} survived, ${counts.broken} broken, ` +
    `${counts.missing} not found, in ${seconds} s\n`
)
process.exitCode = counts.killed === chosen.length ? 0 : 1
