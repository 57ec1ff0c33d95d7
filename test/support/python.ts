/**
 * Which Python runs RQ, and which versions of RQ the tests are run with.
 *
 * - `RQ_PYTHON`: the interpreter. Default: `/usr/bin/python3`, for which Debian's `python3-rq` is installed.
 * - `RQ_PATHS`: further versions, as `label=folder` separated by commas. A folder holds the package `rq`, such as a
 *   checkout of its repository, and goes to the front of PYTHONPATH. All tests of `test/rq` run with each of them.
 */
import * as ChildProcess from "node:child_process"
import { fileURLToPath } from "node:url"

export const python = process.env["RQ_PYTHON"] ?? "/usr/bin/python3"

/** Modules that the tests' own jobs and tools are in. */
const modules = fileURLToPath(new URL("../rq/python/", import.meta.url))

/** The environment of a Python that has the version at the front of its path. */
export const environment = (path: string | undefined): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: process.env["HOME"],
  PYTHONPATH: [...(path === undefined ? [] : [path]), modules].join(":"),
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONUNBUFFERED: "1",
  PYTHONIOENCODING: "utf-8",
  LANG: "C.UTF-8",
  TZ: "UTC"
})

const ask = (code: string, path?: string) =>
  ChildProcess.spawnSync(python, ["-c", code], { encoding: "utf8", env: environment(path) })

export const isInstalled = (): boolean =>
  ask("import importlib.util, sys; sys.exit(not importlib.util.find_spec('rq'))").status === 0

/** A version of RQ to run the tests with. */
export interface Version {
  /** What the names of tests call it. */
  readonly label: string
  /** The folder that is put on the path; undefined for the installed version. */
  readonly path: string | undefined
  /** The first two numbers: `[1, 13]`. */
  readonly numbers: readonly [major: number, minor: number]
}

const versionAt = (label: string | undefined, path: string | undefined): Version => {
  const asked = ask("import rq, sys; sys.stdout.write(rq.VERSION + ' ' + rq.__file__)", path)
  const [version, file] = asked.stdout.split(" ")
  const numbers = /^(\d+)\.(\d+)/.exec(version ?? "")
  if (asked.status !== 0 || numbers === null) {
    throw new Error(
      `${python} can't import rq${path === undefined ? "" : ` from ${path}`}: ${asked.stderr.trim().split("\n").at(-1)}`
    )
  }
  if (path !== undefined && file?.startsWith(path) !== true) {
    throw new Error(`RQ_PATHS: ${path} holds no package rq, ${String(file)} was imported`)
  }
  return { label: label ?? `RQ ${version}`, path, numbers: [Number(numbers[1]), Number(numbers[2])] }
}

/** The installed version first, then those of `RQ_PATHS`. Throws when one of them can't be imported. */
export const versions = (): ReadonlyArray<Version> => [
  versionAt(undefined, undefined),
  ...(process.env["RQ_PATHS"] ?? "").split(",").filter((part) => part.trim() !== "").map((part) => {
    const [label, path] = part.trim().split("=")
    if (label === undefined || path === undefined) {
      throw new Error(`RQ_PATHS: expected label=folder, separated by commas, got ${part}`)
    }
    return versionAt(label, path)
  })
]
