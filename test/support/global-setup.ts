/**
 * Sees to it that a Redis server can be started before the first test runs.
 */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { findBinary } from "./redis-server.js"

/** Debian starts a service that it installs, unless `policy-rc.d` forbids it. */
const policy = "/usr/sbin/policy-rc.d"

const install = (): string | undefined => {
  const run = (...args: ReadonlyArray<string>) =>
    ChildProcess.spawnSync("apt-get", args, {
      encoding: "utf8",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    })
  const forbid = !Fs.existsSync(policy)
  if (forbid) Fs.writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    run("update")
    const installed = run("install", "-y", "--no-install-recommends", "redis-server")
    return installed.status === 0
      ? undefined
      : installed.error?.message ?? installed.stderr.trim().split("\n").at(-1)
  } finally {
    if (forbid) Fs.rmSync(policy, { force: true })
  }
}

export const setup = (): void => {
  if (findBinary() !== undefined) return
  // apt-get runs as root only.
  const isDebian = Fs.existsSync("/etc/debian_version") && process.getuid?.() === 0
  if (isDebian) process.stdout.write("No Redis server on PATH: installing Debian's redis-server\n")
  const problem = isDebian ? install() : undefined
  if (findBinary() === undefined) {
    const error = new Error(
      `The tests need redis-server or valkey-server on PATH: install it (Mac: brew install redis; Debian: apt-get install redis-server)${
        problem === undefined ? "" : `; apt-get said: ${problem}`
      }`
    )
    delete error.stack // one line says it all
    throw error
  }
}
