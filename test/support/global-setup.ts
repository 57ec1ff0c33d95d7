/**
 * Sees to it that what the tests talk to is installed before the first of them runs: a Redis server and Python's RQ.
 */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { isInstalled, python } from "./python.js"
import { findBinary } from "./redis-server.js"

interface Requirement {
  /** Package of Debian. */
  readonly package: string
  readonly isThere: () => boolean
  /** What is needed, and how to get it on other systems. */
  readonly what: string
}

const requirements: ReadonlyArray<Requirement> = [
  {
    package: "redis-server",
    isThere: () => findBinary() !== undefined,
    what: "redis-server or valkey-server on PATH: install it (Mac: brew install redis; Debian: apt-get install "
      + "redis-server)"
  },
  {
    package: "python3-rq",
    isThere: isInstalled,
    what: `Python's RQ for ${python}: install it (Mac: ${python} -m pip install --user rq; Debian: apt-get install `
      + "python3-rq), or name another Python in RQ_PYTHON"
  }
]

/** Debian starts a service that it installs, unless `policy-rc.d` forbids it. */
const policy = "/usr/sbin/policy-rc.d"

const install = (packages: ReadonlyArray<string>): string | undefined => {
  const run = (...args: ReadonlyArray<string>) =>
    ChildProcess.spawnSync("apt-get", args, {
      encoding: "utf8",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    })
  const forbid = !Fs.existsSync(policy)
  if (forbid) Fs.writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    run("update")
    const installed = run("install", "-y", "--no-install-recommends", ...packages)
    return installed.status === 0
      ? undefined
      : installed.error?.message ?? installed.stderr.trim().split("\n").at(-1)
  } finally {
    if (forbid) Fs.rmSync(policy, { force: true })
  }
}

const missing = () => requirements.filter(({ isThere }) => !isThere())

export const setup = (): void => {
  const packages = missing().map((requirement) => requirement.package)
  if (packages.length === 0) return
  // apt-get runs as root only.
  const isDebian = Fs.existsSync("/etc/debian_version") && process.getuid?.() === 0
  if (isDebian) process.stdout.write(`The tests need more than is here: installing Debian's ${packages.join(", ")}\n`)
  const problem = isDebian ? install(packages) : undefined
  const still = missing()
  if (still.length > 0) {
    const error = new Error(
      `The tests need ${still.map(({ what }) => what).join("; and ")}${
        problem === undefined ? "" : `; apt-get said: ${problem}`
      }`
    )
    delete error.stack // one line says it all
    throw error
  }
}
